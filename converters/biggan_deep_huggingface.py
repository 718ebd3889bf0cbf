"""BigGAN-deep as huggingface's pytorch-pretrained-BigGAN stores it.

A folder of `pytorch_model.bin` or `model.safetensors` and `config.json`. Without the
latter the tensors tell all but which blocks double the resolution and what is added to
variances.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

from converters.biggan import torch_norm
from converters.entries import Entry
from converters.plans import Plan, Source, dense, kernel, override, parameter_shapes
from converters.stylegan2 import size
from jaxlatent.generators import biggan_deep
from jaxlatent.types import CheckpointError

ASSUMES = ("upsamples", "eps", "output_eps")
SIGNS = (
    "generator.gen_z.weight_orig",
    "generator.layers.0.conv_0.weight_orig",
    "embeddings.weight",
    "generator.conv_to_rgb.weight_orig",
)

FORMAT = "huggingface"
SIGNATURE = "generator.gen_z.weight_orig"

_LARGEST = 1 << 16


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors: Mapping[str, np.ndarray] = entry.tensors
    if part != "generator" or SIGNATURE not in tensors:
        return None
    assumed: tuple[str, ...] = ()
    if entry.description is not None:
        inferred = _described(entry.description)
    else:
        inferred, assumed = _inferred(tensors), ("upsamples", "eps", "output_eps")
    chosen = override(inferred, config)
    shapes = parameter_shapes(biggan_deep.init, chosen)
    return Plan(
        part=part,
        family="biggan_deep",
        format=FORMAT,
        config=chosen,
        assumed={name: getattr(chosen, name) for name in assumed},
        tensors=tensors,
        sources={ours: _source(ours) for ours in flatten_dict(shapes, sep=".")},
        shapes=shapes,
    )


def _described(values: Mapping[str, Any]) -> biggan_deep.Config:
    """The config that a `config.json` describes."""

    def number(name: str, accepted: tuple[type, ...] = (int,)) -> Any:
        value: Any = values.get(name)
        if type(value) not in accepted or not 0 <= value <= _LARGEST:
            raise CheckpointError(
                f"config.json: {name}: {value!r}; a number from 0 to {_LARGEST} is "
                "accepted"
            )
        return value

    width, blocks = number("channel_width"), values.get("layers")
    if not isinstance(blocks, list) or not blocks or not all(map(_is_block, blocks)):
        raise CheckpointError(
            "config.json: layers: a list of [upsample, inputs, outputs] is accepted"
        )
    inputs = [16, *(outputs for _, _, outputs in blocks)]
    if [block[1] for block in blocks] != inputs[:-1] or inputs[-1] != 1:
        raise CheckpointError(
            "config.json: layers: what enters a block differs from what leaves the one "
            "before; from 16 to 1 is accepted"
        )
    position, eps = number("attention_layer_position"), number("eps", (int, float))
    return biggan_deep.Config(
        channels=tuple(width * multiple for multiple in inputs),
        upsamples=tuple(up for up, _, _ in blocks),
        z_dim=number("z_dim"),
        label_dim=number("num_classes"),
        embed_dim=number("z_dim"),
        attention=(position,) if position < len(blocks) else (),
        n_stats=number("n_stats"),
        output_width=width,
        eps=float(eps),
        output_eps=float(eps),
    )


def _is_block(block: object) -> bool:
    return (
        isinstance(block, list)
        and len(block) == 3
        and isinstance(block[0], bool)
        and all(type(one) is int and 0 < one <= 1024 for one in block[1:])
    )


def _inferred(tensors: Mapping[str, np.ndarray]) -> biggan_deep.Config:
    """The config of a file without description; every other block is assumed to
    double the resolution, as in the published models.
    """
    modules = 0
    attention: list[int] = []
    channels = [size(tensors, "generator.layers.0.conv_0.weight_orig", 1)]
    while True:
        name = f"generator.layers.{modules}"
        if f"{name}.gamma" in tensors:
            attention.append(len(channels) - 1)
        elif f"{name}.conv_3.weight_orig" in tensors:
            channels.append(size(tensors, f"{name}.conv_3.weight_orig", 0))
        else:
            break
        modules += 1
    z_dim = size(tensors, "embeddings.weight", 0)
    return biggan_deep.Config(
        channels=tuple(channels),
        upsamples=tuple(index % 2 == 1 for index in range(len(channels) - 1)),
        z_dim=z_dim,
        label_dim=size(tensors, "embeddings.weight", 1),
        embed_dim=z_dim,
        attention=tuple(attention),
        n_stats=size(tensors, "generator.bn.running_means", 0),
        output_width=size(tensors, "generator.conv_to_rgb.weight_orig", 0),
    )


def _source(ours: str) -> Source:
    module, _, leaf = ours.rpartition(".")
    if ours == "embeddings.weight":
        return dense(ours)
    if leaf == "gamma":
        return Source(ours, leading=1)
    if leaf != "weight" or module == "generator.bn":
        return Source(ours)
    is_dense = module == "generator.gen_z" or module.endswith((".scale", ".offset"))
    layout = dense if is_dense else kernel
    return layout(f"{module}.weight_orig", divisor=torch_norm(module))
