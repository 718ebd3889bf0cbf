"""What every ProGAN file layout shares: a chain of layers, and images of its levels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

from converters.plans import Plan, Source, override, parameter_shapes
from converters.progressive import blocks, common_size, numbers
from jaxlatent.generators import progan


@dataclass(frozen=True)
class Layout:
    """Names and axes of one layout, by our module: "layer3", "output1".

    Attributes:
        format: the layout's name.
        prefix: what stands before the number of a layer.
        weight: where a module's kernel lies, stored as torch does.
        bias: where its bias lies.
        fused: where the kernel of a transposed convolution lies.
    """

    format: str
    prefix: str
    weight: Callable[[str], Source]
    bias: Callable[[str], Source]
    fused: Callable[[str], Source] | None = None


def sizes(tensors: Mapping[str, np.ndarray], layout: Layout) -> dict[str, Any]:
    """Config values that shapes tell; z_dim counts the labels in.

    Raises:
        CheckpointError: if the tensors of a whole layer are missing.
    """
    count = blocks(numbers(tensors, layout.prefix))
    outputs = [f"output{level}" for level in range(count)]
    images = [(layout.weight(output).name, 0) for output in outputs]
    images += [(layout.bias(output).name, 0) for output in outputs]

    def width(level: int) -> int:
        # what a fused layer stores in other axes is left out
        first, second = f"layer{2 * level}", f"layer{2 * level + 1}"
        kernel = layout.weight(second).name
        biases = [(layout.bias(module).name, 0) for module in (first, second)]
        return common_size(tensors, (kernel, 0), (kernel, 1), *biases)

    return {
        "resolution": 2 << count,
        "channels": tuple(width(level) for level in range(count)),
        "z_dim": common_size(tensors, (layout.weight("layer0").name, 1)),
        "image_channels": common_size(tensors, *images),
    }


def generator(
    tensors: Mapping[str, np.ndarray],
    inferred: progan.Config,
    changes: Mapping[str, Any] | None,
    layout: Layout,
    *,
    assumed: tuple[str, ...] = (),
    read: Mapping[str, tuple[int, ...]] | None = None,
    ignored: Callable[[progan.Config], frozenset[str]] = lambda config: frozenset(),
) -> Plan:
    """The plan of a layout.

    Args:
        tensors: the file's.
        inferred: the config they tell.
        changes: config values that replace the inferred ones.
        layout: where parameters lie.
        assumed: config values that the file does not tell.
        read: as in `Plan`.
        ignored: which tensors the final config leaves unused.
    """
    config = override(inferred, changes)
    shapes = parameter_shapes(progan.init, config)
    up = {f"layer{index}" for index in range(2, 2 * len(config.channels), 2)}
    sources = {}
    for name in flatten_dict(shapes, sep="."):
        module, _, parameter = name.partition(".")
        if parameter == "bias":
            sources[name] = layout.bias(module)
        elif config.fused_scale and module in up and layout.fused:
            sources[name] = layout.fused(module)
        else:
            sources[name] = layout.weight(module)
    return Plan(
        part="generator",
        family="progan",
        format=layout.format,
        config=config,
        assumed={name: getattr(config, name) for name in assumed},
        tensors=tensors,
        sources=sources,
        shapes=shapes,
        ignored=ignored(config),
        read=read or {},
    )
