"""StyleGAN3 as NVlabs' stylegan3 repository stores it.

Either a pickled network object, which tells every option, or a state dict with the same
names. The names of its layers tell their sizes and widths, but what these follow from,
the clamp, the output's scale and the mapping's learning rate cannot be read. The
discriminator is StyleGAN2's.
"""

import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from converters import stylegan2_nvidia
from converters.containers import nvidia
from converters.entries import Entry, Tensors
from converters.nvidia_networks import LICENCE, StoredNetwork
from converters.plans import Plan, Source, dense, kernel, override, parameter_shapes
from converters.stylegan2 import count, size
from jaxlatent.generators import stylegan3
from jaxlatent.types import CheckpointError, Params

ASSUMES = (
    "oversampling",
    "critical",
    "first_cutoff",
    "first_stopband",
    "last_stopband",
    "margin",
    "mapping_rate",
    "clamp",
    "output_scale",
)
SIGNS = (
    "synthesis.input.freqs",
    "synthesis.input.weight",
    "mapping.fc0.weight",
    "mapping.w_avg",
)

SIGNATURE = "synthesis.input.freqs"
NAME = re.compile(r"synthesis\.(L(\d+)_(\d+)_(\d+))\.")


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    if part == "generator" and SIGNATURE in entry.tensors:
        return _generator(StoredNetwork(entry), config)
    judge = part == "discriminator" and "b4.out.weight" in entry.tensors
    if judge and any(SIGNATURE in one for one in entry.siblings()):
        return stylegan2_nvidia.plan(entry, part=part, config=config)
    return None


def _generator(network: StoredNetwork, changes: Mapping[str, Any] | None) -> Plan:
    tensors = network.tensors
    config = override(_inferred(network), changes)
    if network.record is not None:
        _check_schedule(network.record, tensors, config)
    shapes = parameter_shapes(stylegan3.init, config)
    return Plan(
        part="generator",
        family="stylegan3",
        format=network.format,
        config=config,
        assumed=network.assumed,
        tensors=tensors,
        sources=_sources(shapes, _image_layer(tensors), stylegan3.layers(config)[-1]),
        shapes=shapes,
        licence=LICENCE,
    )


def _inferred(network: StoredNetwork) -> stylegan3.Config:
    """The config that a file tells, completed by what released models have."""
    tensors = network.tensors
    found = {
        int(index): (name, int(side), int(width))
        for name, index, side, width in (
            match.groups() for match in map(NAME.match, tensors) if match
        )
    }
    if sorted(found) != list(range(len(found))) or len(found) < 2:
        raise CheckpointError(
            f"synthesis: layers {sorted(found)} given; two or more, numbered from 0, "
            "are accepted"
        )
    *hidden, (last, resolution, named) = (found[i] for i in range(len(found)))
    weight = tensors.get(_weight(f"synthesis.{last}"))
    image_channels = named if weight is None or not weight.ndim else len(weight)
    first = f"synthesis.{hidden[0][0]}"
    stored, attribute, option = (
        network.attribute_or,
        network.attribute,
        network.option,
    )
    labelled = any(name.startswith("mapping.embed.") for name in tensors)
    embed_dim = label_dim = 0
    if labelled:
        embed = "mapping.embed"
        embed_dim = stored(
            embed, "out_features", lambda: size(tensors, _weight(embed), 0)
        )
        label_dim = stored(
            embed, "in_features", lambda: size(tensors, _weight(embed), 1)
        )
    start = "mapping.fc0"
    oversampling = attribute("oversampling", first, "down_factor", 2)
    taps = stored(first, "down_taps", lambda: size(tensors, f"{first}.down_filter", 0))
    return stylegan3.Config(
        resolution=resolution,
        channels=tuple(width for _, _, width in hidden),
        image_channels=image_channels,
        critical=attribute("critical", "synthesis", "num_critical", 2),
        first_cutoff=float(
            attribute("first_cutoff", "synthesis.input", "bandwidth", 2.0)
        ),
        first_stopband=float(
            option("first_stopband", "synthesis", "first_stopband", 2**2.1)
        ),
        last_stopband=float(
            option("last_stopband", "synthesis", "last_stopband_rel", 2**0.3)
        ),
        margin=attribute("margin", "synthesis", "margin_size", 10),
        kernel=stored(first, "conv_kernel", lambda: size(tensors, _weight(first), 2)),
        filter_size=taps // oversampling,
        oversampling=oversampling,
        radial=stored(first, "down_radial", lambda: _radial(tensors)),
        z_dim=stored("", "z_dim", lambda: size(tensors, _weight(start), 1) - embed_dim),
        w_dim=stored("", "w_dim", lambda: size(tensors, "mapping.w_avg", 0)),
        label_dim=label_dim,
        mapping_layers=stored(
            "mapping", "num_layers", lambda: count(tensors, "mapping.fc{}.weight")
        ),
        mapping_width=stored(
            start, "out_features", lambda: size(tensors, _weight(start), 0)
        ),
        embed_dim=embed_dim,
        mapping_rate=float(attribute("mapping_rate", start, "bias_gain", 0.01)),
        clamp=attribute("clamp", first, "conv_clamp", 256.0),
        output_scale=float(
            attribute("output_scale", "synthesis", "output_scale", 0.25)
        ),
    )


def _weight(path: str) -> str:
    return f"{path}.weight"


def _radial(tensors: Mapping[str, np.ndarray]) -> bool:
    return any(
        name.endswith(".down_filter") and taps.ndim == 2
        for name, taps in tensors.items()
    )


def _check_schedule(
    record: Mapping[str, Any], tensors: Tensors, config: stylegan3.Config
) -> None:
    """Raise CheckpointError if pickled layers resample otherwise than the config's."""
    expected: dict[str, dict[str, Any]] = {
        "synthesis.input": {
            "size": [config.sizes[0]] * 2,
            "sampling_rate": config.rates[0],
            "bandwidth": config.first_cutoff,
        }
    }
    for layer in stylegan3.layers(config):
        expected[f"synthesis.{layer.name}"] = {
            "up_factor": layer.up,
            "down_factor": layer.down,
            "padding": [*layer.padding, *layer.padding],
        }
    differing = []
    for path, values in expected.items():
        if not any(name.startswith(f"{path}.") for name in tensors):
            continue  # which is reported with all that is missing
        stored = nvidia.attributes(record, path)
        differing += [
            f"{path}.{name} is {stored[name]}, not {value}"
            for name, value in values.items()
            if name in stored and not np.array_equal(np.asarray(stored[name]), value)
        ]
    if differing:
        raise CheckpointError(
            f"layers that the config's schedule does not give: {'; '.join(differing)}"
        )


def _image_layer(tensors: Mapping[str, np.ndarray]) -> str:
    """The file's name of its last layer."""
    names = [match.groups() for match in map(NAME.match, tensors) if match]
    return max(names, key=lambda groups: int(groups[1]))[0]


def _sources(
    shapes: Params, image_layer: str, ours: stylegan3.Layer
) -> dict[str, Source]:
    """Our parameters have the names of the file.

    But for the last layer, whose name tells the channels of the images it was made for:
    a file to which channels were added may have kept it.
    """
    sources = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(shapes):
        name = ".".join(entry.key for entry in path)
        theirs = name.replace(f".{ours.name}.", f".{image_layer}.")
        if not name.endswith(".weight"):
            sources[name] = Source(theirs)
        else:
            sources[name] = kernel(theirs) if leaf.ndim == 4 else dense(theirs)
    return sources
