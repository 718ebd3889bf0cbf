"""StyleGAN (1) as InterFaceGAN's own converter stores it.

Kernels of transposed convolutions bear another name and are stored [h, w, in, out]. The
level of detail switches between images without fading. The truncation that the original
applies by default (psi 0.7, 8 rows) is not in the file, and left to `truncate`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from converters.entries import Entry
from converters.plans import Plan, Source
from converters.stylegan import Layout, generator

ASSUMES = ("mapping_rate", "final_tanh", "fused_from")
SIGNS = (
    "synthesis.layer0.first_layer",
    "synthesis.layer0.epilogue.style_mod.dense.linear.weight",
    "mapping.dense0.linear.weight",
    "truncation.w_avg",
)

# ours -> theirs, in this order
_NAMES = (
    (r"^mapping\.(dense\d+)\.weight$", r"mapping.\1.linear.weight"),
    (r"^mapping\.(dense\d+)\.bias$", r"mapping.\1.wscale.bias"),
    (r"\.const$", ".first_layer"),
    (r"\.style\.weight$", ".epilogue.style_mod.dense.linear.weight"),
    (r"\.style\.bias$", ".epilogue.style_mod.dense.wscale.bias"),
    (r"\.(apply_noise\.\w+)$", r".epilogue.\1"),
    (r"^(synthesis\.layer\d+)\.bias$", r"\1.epilogue.bias"),
    (r"^(synthesis\.(?:layer|output)\d+)\.weight$", r"\1.conv.weight"),
)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    if part != "generator" or "synthesis.layer0.first_layer" not in tensors:
        return None
    layout = Layout(
        format="InterFaceGAN",
        name=_theirs,
        fused=_fused_from,
        fused_kernel=lambda layer: Source(f"synthesis.{layer}.weight"),
        fades=False,
    )
    found = generator(tensors, config, layout)
    constants = {"truncation.truncation"} & tensors.keys()
    return replace(found, ignored=found.ignored | constants)


def _theirs(ours: str) -> str:
    for pattern, name in _NAMES:
        found, changed = re.subn(pattern, name, ours)
        if changed:
            return found
    return ours


def _fused_from(tensors: Mapping[str, np.ndarray], levels: int) -> int | None:
    """The first level whose kernel is stored as a transposed convolution's."""
    fused = [i for i in range(1, levels) if f"synthesis.layer{2 * i}.weight" in tensors]
    return 4 << fused[0] if fused else None
