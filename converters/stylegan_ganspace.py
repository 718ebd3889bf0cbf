"""StyleGAN (1) as lernapparat's port and GANSpace store it: `g_mapping`, `g_synthesis`.

The files (`for_g_all.pt`, `stylegan_ffhq_1024.pt`) hold the image of the last level
alone, neither noise maps nor, as a rule, a mean w. That port upsamples from 128 x 128
on by transposed convolutions, and normalises feature maps with an epsilon of 1e-5 where
the networks were trained with 1e-8.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from converters.entries import Entry
from converters.plans import Plan
from converters.progressive import blocks
from converters.stylegan import MEAN, NOISE, Layout, generator

ASSUMES = ("mapping_rate", "final_tanh", "norm_epsilon", "w_avg", "noise")

SIGNS = (
    "g_synthesis.blocks.4x4.const",
    "g_synthesis.blocks.4x4.epi1.style_mod.lin.weight",
    "g_synthesis.blocks.8x8.conv0_up.weight",
    "g_synthesis.torgb.weight",
    "g_mapping.dense0.weight",
)

SIGNATURE = "g_synthesis.blocks.4x4.const"

# ours -> theirs, within a layer's epilogue
_EPILOGUE = {
    "style.weight": "style_mod.lin.weight",
    "style.bias": "style_mod.lin.bias",
    "apply_noise.weight": "top_epi.noise.weight",
    "apply_noise.noise": "top_epi.noise.noise",
}


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    if part != "generator" or SIGNATURE not in tensors:
        return None
    last = blocks(_layers(tensors)) - 1
    layout = Layout(
        format="lernapparat and GANSpace",
        name=partial(_theirs, last=last),
        fused=lambda tensors, levels: 128,
        lod=None,
        layers=_layers,
        settings=lambda config: replace(config, norm_epsilon=1e-5),
        assumes=("mapping_rate", "final_tanh", "norm_epsilon"),
        lacks=(MEAN, NOISE),
    )
    return generator(tensors, config, layout)


def _layers(tensors: Mapping[str, np.ndarray]) -> set[int]:
    """Numbers of the layers: two in each of the blocks "4x4", "8x8", ..."""
    sides = (re.match(r"g_synthesis\.blocks\.(\d{1,4})x\1\.", name) for name in tensors)
    levels = {int(side[1]).bit_length() - 3 for side in sides if side}
    return {2 * level + place for level in levels for place in (0, 1)}


def _theirs(ours: str, *, last: int) -> str:
    """The file's name of a parameter; images of levels below the last have none."""
    if ours == MEAN:
        return "truncation.avg_latent"
    found = re.match(r"synthesis\.(layer|output)(\d+)\.(.+)", ours)
    if not found:
        return f"g_{ours}"
    kind, number, parameter = found[1], int(found[2]), found[3]
    if kind == "output":
        return f"g_synthesis.torgb.{parameter}" if number == last else ours
    block = f"g_synthesis.blocks.{4 << number // 2}x{4 << number // 2}"
    if parameter in _EPILOGUE:
        return f"{block}.epi{number % 2 + 1}.{_EPILOGUE[parameter]}"
    modules = ("", "conv.") if number < 2 else ("conv0_up.", "conv1.")
    return f"{block}.{modules[number % 2]}{parameter}"
