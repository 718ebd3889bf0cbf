"""What the file layouts of ProGAN and StyleGAN share, and genforce's discriminators.

Sizes are read off several tensors, of which the majority counts, so that a single one
that is missing or misshapen is named and does not make all others look wrong.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

from converters.entries import Tensors
from converters.plans import Plan, Source, dense, kernel, override, parameter_shapes
from converters.stylegan2 import judged_size, resolution, separate
from jaxlatent.generators import progressive_discriminator
from jaxlatent.generators.progressive import Growing, image_levels, last_level
from jaxlatent.types import CheckpointError


def common_size(
    tensors: Tensors, *places: tuple[str, int], default: int | None = None
) -> int:
    """The length that most of the named axes of tensors have.

    Args:
        tensors: the file's.
        places: names and axes.
        default: the length where the file has none of them.

    Raises:
        CheckpointError: if the file has none of them and there is no default.
    """
    found = Counter(
        tensors[name].shape[axis]
        for name, axis in places
        if name in tensors and axis < tensors[name].ndim
    )
    if not found and default is not None:
        return default
    if not found:
        names = ", ".join(dict.fromkeys(name for name, _ in places))
        raise CheckpointError(f"missing or misshapen: {names}")
    return found.most_common(1)[0][0]


def numbers(names: Iterable[str], prefix: str) -> set[int]:
    """Which numbers follow `prefix` in dotted names, such as "layer" in "layer3.bias".

    Long numbers do not count.
    """
    pattern = re.compile(re.escape(prefix) + r"(\d{1,4})\.")
    matches = (pattern.match(name) for name in names)
    return {int(match[1]) for match in matches if match}


def blocks(layers: set[int]) -> int:
    """How many pairs of layers there are, where single ones may be missing.

    Raises:
        CheckpointError: if there are none, or more than a network has.
    """
    count = (len(layers) + 1) // 2
    if not 1 <= count <= 16:
        raise CheckpointError(f"{len(layers)} layers; two per level are accepted")
    return count


def read_lod(
    tensors: Tensors,
    name: str,
    changes: Mapping[str, Any] | None,
    count: int,
    *,
    fades: bool = True,
) -> tuple[float, dict[str, tuple[int, ...]]]:
    """The stored level of detail; and what a plan must list as read.

    Args:
        tensors: the file's.
        name: of the scalar that holds it.
        changes: config values that the caller gave; a level of detail among them makes
            the file's unnecessary.
        count: levels of the network.
        fades: whether the original shows two levels at once; otherwise it shows none
            that is not whole.

    Raises:
        CheckpointError: for a value that is no level of detail of that network.
    """
    if changes and "lod" in changes:
        return 0.0, {name: ()} if name in tensors else {}
    value = 0.0
    if name in tensors and tensors[name].shape == ():
        value = float(tensors[name])
    if not 0 <= value <= count - 1:
        raise CheckpointError(f"{name} is {value}; 0 to {count - 1} is accepted")
    return value if fades else float(math.ceil(value)), {name: ()}


def read_filter(tensors: Tensors) -> tuple[float, ...]:
    """The 1-D filter that the file's layers share, [1, 2, 1] where it holds none.

    Raises:
        CheckpointError: if it is not separable.
    """
    names = sorted(filters(tensors))
    if not names:
        return (1.0, 2.0, 1.0)
    stored = tensors[names[0]]
    # one filter per channel, all alike
    return separate(stored[:1] if stored.ndim == 4 else stored)


def filters(tensors: Tensors) -> frozenset[str]:
    """The stored resampling filters."""
    return frozenset(name for name in tensors if name.endswith(".kernel"))


def unused_levels(
    tensors: Tensors, config: Growing, layer: str, image: str
) -> frozenset[str]:
    """Tensors of a generator's layers that the level of detail puts out of use.

    Args:
        tensors: the file's.
        config: the generator's config.
        layer: the layout's name of a layer by number, such as "layer{}.".
        image: its name of an image by level, such as "output{}.".
    """
    levels = len(config.channels)
    last, _ = last_level(config)
    shown = image_levels(config)
    names = [layer.format(index) for index in range(2 * last + 2, 2 * levels)]
    names += [image.format(level) for level in range(levels) if level not in shown]
    return frozenset(name for name in tensors if name.startswith(tuple(names)))


def discriminator(
    tensors: Tensors,
    changes: Mapping[str, Any] | None,
    *,
    drawn: np.ndarray | None = None,
    family: str,
    **fixed: Any,
) -> Plan:
    """How genforce's discriminator of either family converts.

    Args:
        tensors: its state dict.
        changes: config values that replace the inferred ones.
        drawn: the constant of the generator in the same file.
        family: "progan" or "stylegan".
        fixed: config values that the family or the rest of the file tells.
    """
    count = blocks(numbers(tensors, "layer") - {0})
    last = 2 * count - 2

    def widest(block: int) -> int:
        return common_size(
            tensors,
            (f"layer{2 * block}.weight", 0),
            (f"layer{2 * block}.bias", 0),
            (f"layer{2 * block + 1}.weight", 1),
        )

    widths = [widest(block) for block in range(count - 1)]
    final = common_size(tensors, (f"layer{last}.weight", 0), (f"layer{last}.bias", 0))
    hidden = [(f"layer{last + 1}.{parameter}", 0) for parameter in ("weight", "bias")]
    hidden.append((f"layer{last + 2}.weight", 1))
    before = common_size(tensors, (f"layer{last}.weight", 1), default=final + 1)
    detail, read = read_lod(tensors, "lod", changes, count)
    base, guessed = judged_size(
        common_size(tensors, (f"layer{last + 1}.weight", 1), default=16 * final),
        final,
        drawn,
        changes,
    )
    inferred = progressive_discriminator.Config(
        resolution=resolution(base, count),
        channels=(final, *reversed(widths)),
        dense_width=common_size(tensors, *hidden),
        image_channels=common_size(
            tensors, *((f"input{block}.weight", 1) for block in range(count))
        ),
        deviation_channels=before - final,
        lod=detail,
        base_size=base,
        **fixed,
    )
    config = override(inferred, changes)
    shapes = parameter_shapes(progressive_discriminator.init, config)

    def source(name: str) -> Source:
        if name.endswith("bias"):
            return Source(name)
        if name == f"layer{last + 1}.weight":
            return dense(name, image=(config.channels[0], *config.base_size))
        return dense(name) if name == f"layer{last + 2}.weight" else kernel(name)

    shown = {config.block(level) for level in image_levels(config)}
    first, _ = last_level(config)
    unused = {f"input{block}." for block in range(count) if block not in shown}
    unused |= {f"layer{index}." for index in range(2 * config.block(first))}
    return Plan(
        part="discriminator",
        family=family,
        format="genforce",
        config=config,
        assumed={"deviation_group": config.deviation_group} | guessed,
        tensors=tensors,
        sources={name: source(name) for name in flatten_dict(shapes, sep=".")},
        shapes=shapes,
        ignored=filters(tensors)
        | {name for name in tensors if name.startswith(tuple(unused))},
        read=read,
    )
