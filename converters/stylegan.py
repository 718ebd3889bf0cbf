"""What every StyleGAN file layout shares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from converters.plans import Plan, Source, dense, kernel, override, parameter_shapes
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
from jaxlatent.generators.inputs import normal_codes
from jaxlatent.types import Params

LAYER, IMAGE, LOD = "synthesis.layer{}.", "synthesis.output{}.", "synthesis.lod"
LABELS = "mapping.label_weight"
CONST = "synthesis.layer0.const"
MEAN, NOISE = "truncation.w_avg", "apply_noise.noise"

_PARAMETERS = ("weight", "bias")


def _numbered(tensors: Mapping[str, np.ndarray]) -> set[int]:
    return numbers(tensors, "synthesis.layer")


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
        lod: name of the level of detail; None for generators that are grown up.
        layers: (tensors) -> numbers of the synthesis layers.
        settings: completes the config by what the layout's own network does.
        assumes: config values that the file does not tell.
        lacks: endings of parameters that files may lack: `MEAN`, which is then the
            mean of 4096 mapped codes, and `NOISE`, which is then drawn.
    """

    format: str
    name: Callable[[str], str]
    fused: Callable[[Mapping[str, np.ndarray], int], int | None] | None = None
    fused_kernel: Callable[[str], Source] | None = None
    fades: bool = True
    lod: str | None = LOD
    layers: Callable[[Mapping[str, np.ndarray]], set[int]] = _numbered
    settings: Callable[[stylegan.Config], stylegan.Config] = lambda config: config
    assumes: tuple[str, ...] = ("mapping_rate", "final_tanh")
    lacks: tuple[str, ...] = ()


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
    config = override(layout.settings(inferred), changes)
    tensors, config = _with_mean(tensors, config, layout.name(MEAN))
    shapes = parameter_shapes(stylegan.init, config)
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
    assumed = {name: getattr(config, name) for name in layout.assumes}
    if layout.fused is None:
        assumed["fused_from"] = config.fused_from
    absent = [
        ending
        for ending in layout.lacks
        if not any(s.name in tensors for n, s in sources.items() if n.endswith(ending))
    ]
    sources = {n: s for n, s in sources.items() if not n.endswith(tuple(absent))}
    assumed |= {ending.rpartition(".")[2]: _FILLINGS[ending][0] for ending in absent}
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
        complete=partial(_fill, absent=absent) if absent else None,
    )


def _with_mean(
    tensors: Mapping[str, np.ndarray], config: stylegan.Config, name: str
) -> tuple[Mapping[str, np.ndarray], stylegan.Config]:
    """The mean w as one vector, per row where rows have means of their own.

    A mean of another size than one or all rows is left as it is, to be reported.
    """
    stored, width = tensors.get(name), config.w_dim
    whole = (width, config.num_layers * width)
    if stored is None or stored.size not in whole or stored.shape[-1] not in whole:
        return tensors, config
    rows = stored.reshape(-1, width)
    if len(rows) > 1 and config.repeat_w and not (rows == rows[:1]).all():
        config = replace(config, mean_per_row=True)
    elif config.repeat_w and not config.mean_per_row:
        rows = rows[:1]
    else:
        rows = np.broadcast_to(rows, (config.num_layers, width))
    return {**tensors, name: rows.reshape(-1)}, config


def _fill(params: Params, config: stylegan.Config, absent: list[str]) -> Params:
    """Adds the parameters that the file lacks."""
    for ending in absent:
        params = _FILLINGS[ending][1](params, config)
    return params


def _add_mean(params: Params, config: stylegan.Config) -> Params:
    mapping = params["mapping"]
    dtype = mapping["dense0"]["weight"].dtype
    whole = {"mapping": mapping, "truncation": {"w_avg": jnp.zeros(1, dtype)}}
    z = normal_codes(jax.random.key(0), 4096, config.z_dim)
    w = stylegan.map(whole, config, z)
    return {**params, "truncation": {"w_avg": jnp.mean(w, axis=0).reshape(-1)}}


def _add_noise(params: Params, config: stylegan.Config) -> Params:
    synthesis = dict(params["synthesis"])
    for layer in stylegan.layers(config):
        entry = synthesis[layer.name]
        weight = entry["apply_noise"]["weight"]
        key = jax.random.fold_in(jax.random.key(0), layer.index)
        noise = jax.random.normal(key, layer.size, weight.dtype)
        synthesis[layer.name] = {
            **entry,
            "apply_noise": {"weight": weight, "noise": noise},
        }
    return {**params, "synthesis": synthesis}


_FILLINGS = {
    MEAN: ("mean of 4096 mapped codes", _add_mean),
    NOISE: ("drawn from a standard normal", _add_noise),
}


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
    levels = blocks(layout.layers(tensors))
    dense0 = layout.name("mapping.dense0.weight")
    maps = len(numbers(tensors, dense0.partition("0.")[0]))

    def size(*places: tuple[str, int], default: int | None = None) -> int:
        theirs = ((layout.name(name), axis) for name, axis in places)
        return common_size(tensors, *theirs, default=default)

    def width(level: int) -> int:
        first, second = (f"synthesis.layer{2 * level + i}" for i in (0, 1))
        weights = [(f"{second}.weight", 0), (f"{second}.weight", 1)]
        biases = [(f"{layer}.bias", 0) for layer in (first, second)]
        return size(*weights, *biases)

    styles = [(f"synthesis.layer{i}.style.weight", 1) for i in range(2 * levels)]
    images = [
        (f"synthesis.output{i}.{parameter}", 0)
        for i in range(levels)
        for parameter in _PARAMETERS
    ]
    hidden = [(f"mapping.dense0.{parameter}", 0) for parameter in _PARAMETERS]
    base = size((CONST, 2), default=4), size((CONST, 3), default=4)
    w_dim = size(*styles)
    label_dim = size((LABELS, 0), default=0)
    inputs = (LABELS, 1) if label_dim else ("mapping.dense0.weight", 1)
    final = [(f"mapping.dense{maps - 1}.{parameter}", 0) for parameter in _PARAMETERS]
    rows = size(*final, default=w_dim) // w_dim
    detail, read = 0.0, {}
    if layout.lod is not None:
        detail, read = read_lod(
            tensors, layout.lod, changes, levels, fades=layout.fades
        )
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
