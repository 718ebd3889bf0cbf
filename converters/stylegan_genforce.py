"""StyleGAN (1) as genforce's repositories (genforce, SeFa) store it.

Our parameters bear this layout's names. It does not tell which upsampling layers are
transposed convolutions; released models have them from 128 x 128 on.
"""

from collections.abc import Mapping
from typing import Any

from converters import genforce, progressive
from converters.entries import Entry
from converters.plans import Plan
from converters.stylegan import CONST, LABELS, Layout, generator
from converters.stylegan_interfacegan import has_epilogues

ASSUMES = ("mapping_rate", "final_tanh", "fused_from", "deviation_group", "base_size")
SIGNS = (
    CONST,
    "synthesis.layer0.style.weight",
    "synthesis.output0.weight",
    "mapping.dense0.weight",
    "truncation.w_avg",
)

LAYOUT = Layout(format="genforce", name=lambda ours: ours)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    if part == "generator" and CONST in tensors and not has_epilogues(tensors):
        return generator(tensors, config, LAYOUT)
    if part != "discriminator" or not genforce.is_discriminator(tensors):
        return None
    beside = genforce.generator_beside(entry, CONST)
    if beside is None:
        return None
    return progressive.discriminator(
        tensors,
        config,
        drawn=beside[CONST],
        family="stylegan",
        label_dim=progressive.common_size(beside, (LABELS, 0), default=0),
        filter=progressive.read_filter(tensors),
        average_first=True,
    )
