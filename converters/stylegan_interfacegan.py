"""StyleGAN (1) as InterFaceGAN, HiGAN and idinvert store it.

Kernels of transposed convolutions bear another name and are stored [h, w, in, out]. The
level of detail switches between images without fading. The truncation that the
originals apply by default (psi 0.7, 8 rows) is not in the file, and left to `truncate`.
HiGAN and idinvert call dense layers "fc" and the constant "const". Where the mapping
makes w+, as idinvert's does, a tanh ends the network.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from converters.entries import Entry
from converters.plans import Plan, Source
from converters.stylegan import Layout, generator
from jaxlatent.generators import stylegan

ASSUMES = ("mapping_rate", "final_tanh")
SIGNS = (
    "synthesis.layer0.epilogue.bias",
    "synthesis.layer0.epilogue.style_mod.dense.wscale.bias",
    "synthesis.layer1.conv.weight",
    "mapping.dense0.wscale.bias",
    "truncation.w_avg",
)

CONSTANTS = {
    "synthesis.layer0.first_layer": ("InterFaceGAN", "linear"),
    "synthesis.layer0.const": ("HiGAN and idinvert", "fc"),
}
"""By the name of the learned constant: whose file it is, the name of dense weights."""

# ours -> theirs, in this order; {} stands for the name of dense weights
_NAMES = (
    (r"^mapping\.(dense\d+)\.weight$", r"mapping.\1.{}.weight"),
    (r"^mapping\.(dense\d+)\.bias$", r"mapping.\1.wscale.bias"),
    (r"\.style\.weight$", ".epilogue.style_mod.dense.{}.weight"),
    (r"\.style\.bias$", ".epilogue.style_mod.dense.wscale.bias"),
    (r"\.(apply_noise\.\w+)$", r".epilogue.\1"),
    (r"^(synthesis\.layer\d+)\.bias$", r"\1.epilogue.bias"),
    (r"^(synthesis\.(?:layer|output)\d+)\.weight$", r"\1.conv.weight"),
)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    constant = next((name for name in CONSTANTS if name in tensors), None)
    if part != "generator" or constant is None or not has_epilogues(tensors):
        return None
    files, dense = CONSTANTS[constant]
    layout = Layout(
        format=files,
        name=partial(_theirs, constant=constant, dense=dense),
        fused=_fused_from,
        fused_kernel=lambda layer: Source(f"synthesis.{layer}.weight"),
        fades=False,
        settings=_with_tanh,
    )
    found = generator(tensors, config, layout)
    constants = {"truncation.truncation"} & tensors.keys()
    return replace(found, ignored=found.ignored | constants)


def has_epilogues(tensors: Mapping[str, Any]) -> bool:
    """Whether layers keep noise, bias and style in modules of their own."""
    return any(name.startswith("synthesis.layer0.epilogue.") for name in tensors)


def _theirs(ours: str, *, constant: str, dense: str) -> str:
    if ours == "synthesis.layer0.const":
        return constant
    for pattern, name in _NAMES:
        found, changed = re.subn(pattern, name.format(dense), ours)
        if changed:
            return found
    return ours


def _with_tanh(config: stylegan.Config) -> stylegan.Config:
    return replace(config, final_tanh=not config.repeat_w)


def _fused_from(tensors: Mapping[str, np.ndarray], levels: int) -> int | None:
    """The first level whose kernel is stored as a transposed convolution's."""
    fused = [i for i in range(1, levels) if f"synthesis.layer{2 * i}.weight" in tensors]
    return 4 << fused[0] if fused else None
