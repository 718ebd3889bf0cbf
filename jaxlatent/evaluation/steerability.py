"""How far a generator can be steered: Jahanian, Chai and Isola (2020), section 4.

A walk is looked at through an attribute of the pictures over its strength, such as the
centre of mass for a shift (`evaluation.curves`), and beside the edit of pictures that
it was taught by. How much it can change is held against how much the data vary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike

from jaxlatent.batching import in_chunks
from jaxlatent.editing import check_traversal, edited_images
from jaxlatent.edits.base import Edit, bare
from jaxlatent.evaluation.curves import ScoreCurve
from jaxlatent.latents import Latents, Prior, sample_keys, to_images
from jaxlatent.numerics.image_operators import Edited, masked_l2
from jaxlatent.types import Model, Noise, as_model

Target = Callable[[jax.Array, jax.Array], Edited]
"""(images [N, H, W, C], strengths [N]) -> edited images, and what is known of them."""

FOLLOWS = 0.25
"""Share of the first slope from which on an attribute follows; see `limits`."""


@dataclass(frozen=True, eq=False)
class WalkErrors:
    """How a walk does, picture by picture.

    Attributes:
        to_edit: mean square difference of moved pictures from edited ones, where the
            edit knows them, over the strengths.
        unmoved: that of pictures that stay.
        between: mean square difference of pictures of consecutive strengths, [N, S - 1]
            in `scores`, by the later of the two.
    """

    to_edit: ScoreCurve
    unmoved: ScoreCurve
    between: ScoreCurve


def walk_errors(
    prior: Prior,
    edit: Edit,
    target: Target,
    strengths: ArrayLike,
    *,
    key: jax.Array,
    index: int = 0,
    num: int = 64,
    mesh: Mesh | None = None,
) -> WalkErrors:
    """Hold a walk against the edit of pictures that it was taught by.

    Args:
        prior: what draws codes, and the generator.
        edit: the walk.
        target: the edit of pictures; compared by its value where it has one.
        strengths: two or more.
        key: of the codes; another than what the walk was learned with.
        index: which of the edit's directions.
        num: how many codes, one of which is drawn at all strengths at a time.
        mesh: devices among which codes are split, None for one.

    Raises:
        ValueError: if the edit does not fit the generator, or for fewer strengths.
    """
    amounts = np.sort(np.asarray(strengths, np.float32))
    if amounts.ndim != 1 or amounts.size < 2:
        raise ValueError(
            f"strengths: shape {amounts.shape} given; [S] of two or more is accepted"
        )
    latents = prior(sample_keys(key, np.arange(num)))
    check_traversal(prior.generator, [edit], latents, None)
    parts = list(
        in_chunks(
            partial(_errors, index=index),
            (latents,),
            num,
            1,
            whole=(prior, bare(edit), as_model(target), amounts),
            mesh=mesh,
        )
    )
    to_edit, unmoved, between = map(np.concatenate, zip(*parts, strict=True))
    return WalkErrors(
        ScoreCurve(amounts, to_edit),
        ScoreCurve(amounts, unmoved),
        ScoreCurve(amounts[1:], between),
    )


@partial(jax.jit, static_argnames="index")
def _errors(
    prior: Prior,
    edit: Edit,
    target: Model,
    strengths: jax.Array,
    latents: Latents,
    *,
    index: int,
) -> tuple[jax.Array, ...]:
    """[P, S], [P, S] and [P, S - 1] of P codes."""
    generator, steps = prior.generator, len(strengths)
    before = to_images(generator, latents)
    moved = edited_images(
        generator,
        (edit,),
        None,
        strengths,
        latents,
        jnp.full(len(latents), index),
        Noise.FIXED,
        absolute=False,
        batch=len(latents) * steps,
    )

    def of_one(before: jax.Array, moved: jax.Array) -> tuple[jax.Array, ...]:
        before = jnp.broadcast_to(before, moved.shape)
        wanted, mask = target(before, strengths)
        between = jnp.mean((moved[1:] - moved[:-1]) ** 2, axis=(1, 2, 3))
        return masked_l2(moved, wanted, mask), masked_l2(before, wanted, mask), between

    return jax.vmap(of_one)(before, moved)


class Limits(NamedTuple):
    """The strengths, below and above 0, up to which an attribute follows a walk."""

    low: float
    high: float


def limits(
    curve: ScoreCurve, *, follows: float = FOLLOWS, usable: ArrayLike | None = None
) -> Limits:
    """Up to which strengths the mean of an attribute follows a walk.

    The first slope is that of the line from the nearest strength below 0 to the
    nearest above it. Outwards from there a strength is within the limit as long as the
    slope from the one before it is at least `follows` times the first, so that an
    attribute that stands still, or turns round, has reached its limit.

    Args:
        curve: of one score, at strengths on both sides of 0.
        follows: share of the first slope.
        usable: [S] bools: strengths whose pictures are good enough, by a threshold of
            your own on a quality; the limit ends before the first that is not.

    Raises:
        ValueError: for strengths on one side of 0, or several scores.
    """
    x = np.asarray(curve.strengths, np.float64)
    y = np.asarray(curve.mean, np.float64)
    below, above = np.flatnonzero(x < 0), np.flatnonzero(x > 0)
    if y.ndim != 1 or not below.size or not above.size:
        raise ValueError(
            f"curve: strengths {x.tolist()}, scores {curve.scores.shape} given; one "
            "score at strengths on both sides of 0 is accepted"
        )
    good = np.ones(len(x), bool) if usable is None else np.asarray(usable, bool)
    first = (y[above[0]] - y[below[-1]]) / (x[above[0]] - x[below[-1]])

    def outwards(order: np.ndarray) -> float:
        if not first or not good[order[0]]:
            return 0.0
        last = order[0]
        for one in order[1:]:
            slope = (y[one] - y[last]) / (x[one] - x[last])
            if slope / first < follows or not good[one]:
                break
            last = one
        return float(x[last])

    return Limits(outwards(below[::-1]), outwards(above))


def delta_m(curve: ScoreCurve, within: tuple[float, float]) -> float:
    """The change of an attribute's mean from one strength to another (delta M).

    Args:
        curve: of one score.
        within: the two strengths, such as `limits`; means between those of the curve
            are interpolated.
    """
    low, high = np.interp(within, curve.strengths, curve.mean)
    return float(high - low)


class Correlation(NamedTuple):
    """Pearson's correlation, and the probability of one so large by chance."""

    r: float
    p: float


def variability_correlation(spread: ArrayLike, change: ArrayLike) -> Correlation:
    """Whether classes whose data vary more can be steered farther.

    Args:
        spread: [K], the standard deviation of an attribute over the data of each class;
            see `class_spreads`.
        change: [K], what a walk changes of it, `delta_m` of each class.

    Raises:
        ValueError: for other shapes, or fewer than three classes.
    """
    from scipy.stats import pearsonr

    spread, change = np.asarray(spread, np.float64), np.asarray(change, np.float64)
    if spread.shape != change.shape or spread.ndim != 1 or spread.size < 3:
        raise ValueError(
            f"spread, change: shapes {spread.shape}, {change.shape} given; [K] of one "
            "K >= 3 is accepted"
        )
    found: Any = pearsonr(spread, change)
    return Correlation(float(found.statistic), float(found.pvalue))


def class_spreads(scores: ArrayLike, labels: ArrayLike) -> dict[int, float]:
    """The standard deviation of an attribute over the pictures of each class.

    Args:
        scores: [N], of real pictures; see `scoring.score_images`.
        labels: [N] integers.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    return {int(one): float(scores[labels == one].std()) for one in np.unique(labels)}


def class_changes(
    curve: ScoreCurve, labels: ArrayLike, **how: float
) -> dict[int, float]:
    """`delta_m` of each class between its own `limits`.

    Args:
        curve: of one score, at strengths on both sides of 0.
        labels: [N] integers, the classes of its codes.
        **how: as for `limits`.
    """
    labels = np.asarray(labels)
    found = {}
    for one in np.unique(labels):
        own = ScoreCurve(curve.strengths, curve.scores[labels == one])
        found[int(one)] = delta_m(own, limits(own, **how))
    return found


def density_on_integers(samples: ArrayLike, stop: int) -> np.ndarray:
    """A Gaussian kernel estimate of the density of samples at 0 .. stop - 1.

    Its bandwidth is Scott's: the standard deviation times N ** (-1 / 5).

    Args:
        samples: [N] of two different values or more.
        stop: 255 of intensities, the side of a picture for places, its area for areas.
    """
    samples = np.asarray(samples, np.float64)
    width = np.std(samples, ddof=1) * len(samples) ** -0.2
    if not width > 0:
        raise ValueError("samples: all alike; two different values are needed")
    away = (np.arange(stop)[:, None] - samples) / width
    return np.exp(-(away**2) / 2).mean(axis=1) / (width * np.sqrt(2 * np.pi))


def intersection(one: ArrayLike, other: ArrayLike) -> float:
    """The area under both of two densities at the same places."""
    return float(np.minimum(one, other).sum())


def entropy(samples: ArrayLike, most: float, bins: int = 50) -> float:
    """That of a histogram of samples from 0 to `most`, in nats."""
    counts, _ = np.histogram(np.asarray(samples) / most, bins=bins, range=(0, 1))
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())
