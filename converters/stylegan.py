"""What every StyleGAN file layout shares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from converters.plans import Plan, Source, dense, kernel, override
from converters.progressive import (
    blocks,
    common_size,
    filters,
    numbers,
    read_filter,
    read_lod,
    unused_levels,
)
from converters.stylegan2 import resolution
from jaxlatent.generators import stylegan

LAYER, IMAGE, LOD = "synthesis.layer{}.", "synthesis.output{}.", "synthesis.lod"
LABELS = "mapping.label_weight"
CONST = "synthesis.layer0.const"


@dataclass(frozen=True)
class Layout:
    """Names and axes of one layout.

    Attributes:
        format: the layout's name.
        name: our dotted parameter name -> theirs.
        fused: (tensors, levels) -> resolution from which on the file's kernels are
            those of transposed convolutions; None where it does not tell.
        fused_kernel: where such a kernel lies, by layer name; None if among the others.
        fades: as for `read_lod`.
    """

    format: str
    name: Callable[[str], str]
    fused: Callable[[Mapping[str, np.ndarray], int], int | None] | None = None
    fused_kernel: Callable[[str], Source] | None = None
    fades: bool = True


def generator(
    tensors: Mapping[str, np.ndarray],
    changes: Mapping[str, Any] | None,
    layout: Layout,
) -> Plan:
    """The plan of a layout.

    Args:
        tensors: the file's.
        changes: config values that replace the inferred ones.
        layout: where parameters lie.

    Raises:
        CheckpointError: if the tensors of whole layers are missing.
    """
    inferred, read = _infer(tensors, changes, layout)
    config = override(inferred, changes)
    shapes = jax.eval_shape(lambda: stylegan.init(jax.random.key(0), config))
    fused = {
        f"synthesis.{layer.name}.weight": layer.name
        for layer in stylegan.layers(config)
        if layer.up and layer.fused
    }
    sources = {
        name: layout.fused_kernel(fused[name])
        if layout.fused_kernel and name in fused
        else _source(name, layout.name(name))
        for name in flatten_dict(shapes, sep=".")
    }
    assumed = {"mapping_rate": config.mapping_rate, "final_tanh": config.final_tanh}
    if layout.fused is None:
        assumed["fused_from"] = config.fused_from
    return Plan(
        part="generator",
        family="stylegan",
        format=layout.format,
        config=config,
        assumed=assumed,
        tensors=tensors,
        sources=sources,
        shapes=shapes,
        ignored=filters(tensors) | unused_levels(tensors, config, LAYER, IMAGE),
        read=read,
    )


def _source(ours: str, theirs: str) -> Source:
    """A parameter's source, its axes in torch's order."""
    module, _, parameter = ours.rpartition(".")
    match parameter:
        case "const":
            return Source(theirs, axes=(1, 2, 0), leading=1)
        case "noise":
            return Source(theirs, leading=2)
        case "weight" if module.endswith("style") or module.startswith("mapping"):
            return dense(theirs)
        case "weight" if not module.endswith("apply_noise"):
            return kernel(theirs)
    return Source(theirs)


def _infer(
    tensors: Mapping[str, np.ndarray],
    changes: Mapping[str, Any] | None,
    layout: Layout,
) -> tuple[stylegan.Config, dict[str, tuple[int, ...]]]:
    """The config that a file tells, and the tensors it was read from."""
    levels = blocks(numbers(tensors, "synthesis.layer"))
    maps = len(numbers(tensors, "mapping.dense"))

    def size(*places: tuple[str, int], default: int | None = None) -> int:
        theirs = ((layout.name(name), axis) for name, axis in places)
        return common_size(tensors, *theirs, default=default)

    def width(level: int) -> int:
        first, second = (f"synthesis.layer{2 * level + i}" for i in (0, 1))
        weights = [(f"{second}.weight", 0), (f"{second}.weight", 1)]
        biases = [(f"{layer}.bias", 0) for layer in (first, second)]
        return size(*weights, *biases)

    styles = [(f"synthesis.layer{i}.style.weight", 1) for i in range(2 * levels)]
    images = [(f"synthesis.output{i}.weight", 0) for i in range(levels)]
    hidden = [(f"mapping.dense0.{parameter}", 0) for parameter in ("weight", "bias")]
    base = size((CONST, 2), default=4), size((CONST, 3), default=4)
    w_dim = size(*styles)
    label_dim = size((LABELS, 0), default=0)
    inputs = (LABELS, 1) if label_dim else ("mapping.dense0.weight", 1)
    rows = size(("truncation.w_avg", 0), default=w_dim) // w_dim
    detail, read = read_lod(tensors, LOD, changes, levels, fades=layout.fades)
    config = stylegan.Config(
        resolution=resolution(base, levels),
        channels=tuple(width(level) for level in range(levels)),
        z_dim=size(inputs, default=w_dim),
        w_dim=w_dim,
        label_dim=label_dim,
        image_channels=size(*images),
        mapping_layers=maps,
        mapping_width=size(*hidden, default=w_dim),
        repeat_w=rows != 2 * levels,
        fused_from=layout.fused(tensors, levels) if layout.fused else 128,
        filter=read_filter(tensors),
        lod=detail,
        base_size=base,
    )
    return config, read
