"""StyleGAN (1) as genforce's repositories (genforce, SeFa) store it.

Our parameters bear this layout's names. It does not tell which upsampling layers are
transposed convolutions; released models have them from 128 x 128 on.
"""

from collections.abc import Mapping
from typing import Any

from converters import genforce, progressive
from converters.checkpoints import Checkpoint
from converters.plans import Plan
from converters.stylegan import LABELS, Layout, generator
from converters.stylegan_interfacegan import has_epilogues

ASSUMES = ("mapping_rate", "final_tanh", "fused_from", "deviation_group")

SIGNATURE = "synthesis.layer0.const"
LAYOUT = Layout(format="genforce", name=lambda ours: ours)


def plan(
    checkpoint: Checkpoint, *, part: str, config: Mapping[str, Any] | None
) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = genforce.generator_state(checkpoint.tensors, SIGNATURE)
    if tensors is None or has_epilogues(tensors):
        return None
    if part == "generator":
        return generator(tensors, config, LAYOUT)
    discriminator = genforce.discriminator_state(checkpoint.tensors)
    if part == "discriminator" and discriminator is not None:
        return progressive.discriminator(
            discriminator,
            config,
            family="stylegan",
            label_dim=progressive.common_size(tensors, (LABELS, 0), default=0),
            filter=progressive.read_filter(discriminator),
            average_first=True,
        )
    return None
