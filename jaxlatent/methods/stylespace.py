"""StyleSpace Analysis: Disentangled Controls for StyleGAN Image Generation.

Zongze Wu, Dani Lischinski, Eli Shechtman, CVPR 2021, arXiv 2011.12799.

Single channels of the style vectors change single things. `local` finds the channels
that change a region of the picture (section 4), `attribute` those that a few examples
of an attribute have in common (section 5); `single_channels` makes edits of them, in
units of a population's deviation.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxlatent.batching import in_chunks
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.generators.style_space import (
    channel_names,
    check_channels,
    check_styles,
    style_sizes,
)
from jaxlatent.latents import (
    Latents,
    Prior,
    Truncation,
    prior,
    sample_keys,
    to_space,
)
from jaxlatent.methods.stylespace_local import Derivation
from jaxlatent.methods.stylespace_local import local as local


@dataclasses.dataclass(frozen=True, eq=False)
class Attribute:
    """How the styles of examples differ from those of a population, by channel.

    Attributes:
        difference: [S] mean of the examples less that of the population, in the
            population's deviations; 0 where the population has none.
        theta: [S] the paper's importance: the size of that difference over the
            deviation of the examples, in the same unit. Of one example it is the size
            of the difference.
    """

    difference: np.ndarray
    theta: np.ndarray

    def order(self) -> np.ndarray:
        """[S] channels, the most important first."""
        return np.argsort(-self.theta, kind="stable")


def attribute(styles: ArrayLike, exemplars: ArrayLike) -> Attribute:
    """Which channels a few examples of an attribute have in common.

    Source: the paper, section 5: with d the examples' styles, normalised by the
    population, theta = |mean of d| / deviation of d.

    Args:
        styles: [P, S] of a population; see `population`.
        exemplars: [E, S] of pictures that have the attribute, 10 to 30 in the paper.

    Raises:
        ValueError: for other shapes, a population of one, or numbers that are not
            finite.
    """
    whole, some = np.asarray(styles, np.float64), np.asarray(exemplars, np.float64)
    if whole.ndim != 2 or some.shape[1:] != whole.shape[1:] or len(whole) < 2:
        raise ValueError(
            f"styles, exemplars: shapes {whole.shape}, {some.shape} given; [P, S] of "
            "two or more and [E, S] are accepted"
        )
    if not len(some):
        raise ValueError("exemplars: none given; at least one is needed")
    for name, given in (("styles", whole), ("exemplars", some)):
        if not np.isfinite(given).all():
            raise ValueError(f"{name}: NaN or infinity given; finite ones are accepted")
    spread = whole.std(axis=0)
    unit = np.where(spread > 0, spread, np.inf)
    normalised = (some - whole.mean(axis=0)) / unit
    difference = normalised.mean(axis=0)
    deviation = normalised.std(axis=0) if len(some) > 1 else np.ones_like(difference)
    # where all examples agree, rounding alone would be divided by
    theta = np.abs(difference) / np.maximum(deviation, 1e-6)
    return Attribute(difference, theta)


def population(
    generator: Generator,
    num: int = 1000,
    *,
    key: jax.Array,
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
    chunk: int = 256,
) -> np.ndarray:
    """Styles [num, S] of codes that the prior draws; sample n has fold_in(key, n).

    Args:
        generator: with a space s.
        num: of the codes; the paper's mean and deviation are those of 100,000.
        key: of the codes.
        label: as for `latents.prior`.
        truncation: of w, None for none; the original's psi is 0.7 in 8 rows.
        chunk: codes per compiled call.
    """
    drawing = prior(generator, space="s", label=label, truncation=truncation)
    keys = sample_keys(key, np.arange(num))
    parts = in_chunks(_drawn, (keys,), num, chunk, whole=(drawing,))
    return np.concatenate(list(parts))


@jax.jit
def _drawn(drawing: Prior, keys: jax.Array) -> jax.Array:
    return drawing(keys).codes


def single_channels(
    generator: Generator,
    channels: Sequence[int] | np.ndarray,
    styles: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    report: Mapping[str, ArrayLike] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Directions:
    """Directions that move one style channel each, by its deviation in a population.

    A channel that does not vary there is moved by one.

    Args:
        generator: whose channels they are.
        channels: K numbers, of 0 to S - 1.
        styles: [P, S] of the population, whose mean is where coordinates are zero.
        names: K of them; those of the channels, such as "b8.conv0 12", if left out.
        report: one number for each of them, by name.
        facts: what concerns all of them.

    Raises:
        ValueError: as `check_styles` and `check_channels` of
            `generators.style_space`.
    """
    known = channel_names(style_sizes(generator))
    whole, chosen = (
        check_styles(styles, len(known)),
        check_channels(channels, len(known)),
    )
    vectors = np.zeros((len(chosen), len(known)), np.float32)
    vectors[np.arange(len(chosen)), chosen] = 1
    spread = whole.std(axis=0)[chosen].astype(np.float32)
    mean = whole.mean(axis=0).astype(np.float32)
    return directions(
        vectors,
        scale=np.where(spread > 0, spread, 1),
        mean=mean,
        space="s",
        names=names or [known[index] for index in chosen],
        report=report,
        method="stylespace",
        generator=fingerprint(generator),
        facts=facts,
    )


def discover(
    generator: Generator,
    latents: Latents,
    masks: Mapping[str, ArrayLike],
    styles: ArrayLike,
    *,
    k: int = 5,
    **options: Unpack[Derivation],
) -> Directions:
    """The channels that are most local to each region, as directions.

    Args:
        generator: with a space s; prepare it first.
        latents: codes at which pictures are differentiated.
        masks: of R regions by name, as for `local`.
        styles: [P, S] of a population, whose deviation is the unit of strength.
        k: channels of each region; all where there are fewer.
        **options: of `local`.

    Returns:
        R times k directions, the regions in turn; their report tells the share of the
        region and of the pictures, the change, and whether the paper's rule takes them.

    Raises:
        ValueError: for no region, regions of several sizes, k below one, or as `local`.
    """
    _check_count(k)
    shapes = {np.shape(mask) for mask in masks.values()}
    if len(shapes) != 1:
        raise ValueError(
            f"masks: {len(masks)} of {len(shapes)} shapes given; one or more of one "
            "shape are accepted"
        )
    check_styles(styles, sum(style_sizes(generator).values()))
    found = local(generator, latents, np.stack([*masks.values()]), **options)
    known = channel_names(style_sizes(generator))
    names, chosen, told = [], [], []
    for number, name in enumerate(masks):
        for channel in found.order(number)[:k]:
            names.append(f"{name}: {known[channel]}")
            chosen.append(channel)
            taken = found.region[channel] == number
            told.append(
                (
                    *(one[number, channel] for one in (found.share, found.most)),
                    found.change[channel],
                    taken,
                )
            )
    labels = ("share", "most", "change", "local")
    columns = np.asarray(told, np.float32).T
    return single_channels(
        generator,
        chosen,
        styles,
        names=names,
        report=dict(zip(labels, columns, strict=True)),
        facts={
            "codes": len(latents),
            "channels": len(known),
            "local": {
                name: int(np.sum(found.region == number))
                for number, name in enumerate(masks)
            },
        },
    )


def discover_shared(
    generator: Generator, exemplars: Latents, styles: ArrayLike, *, k: int = 5
) -> Directions:
    """The channels that examples of an attribute have most in common, as directions.

    Args:
        generator: with a space s.
        exemplars: E codes of pictures that have the attribute, in any space.
        styles: [P, S] of a population.
        k: channels.

    Returns:
        k directions whose positive strengths go where the examples are; their report
        tells `Attribute`'s figures.

    Raises:
        ValueError: for k below one, or as `attribute`.
    """
    _check_count(k)
    found = attribute(styles, to_space(generator, exemplars, "s").codes)
    chosen = found.order()[:k]
    report = {"theta": found.theta[chosen], "difference": found.difference[chosen]}
    edit = single_channels(
        generator,
        chosen,
        styles,
        report={name: value.astype(np.float32) for name, value in report.items()},
        facts={"exemplars": len(exemplars)},
    )
    sign = np.where(found.difference[chosen] < 0, -1, 1).astype(np.float32)
    return dataclasses.replace(edit, vectors=edit.vectors * sign[:, None])


def _check_count(k: int) -> None:
    if k < 1:
        raise ValueError(f"k: {k} given; 1 or more is accepted")
