"""Whether the factor of an edit is that of the pictures: predicted and measured.

Plumerault et al. (2020), section 3, measure a bright object: its place is the centre of
mass of a map in [0, 1], its size the map's mean. For white objects on black (dSprites)
the map is the picture; for others, a saliency network's.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxlatent.edits.directions import directions
from jaxlatent.edits.factor import Factors
from jaxlatent.evaluation.curves import ScoreCurve, score_curves
from jaxlatent.evaluation.formulas import brightness, luma
from jaxlatent.evaluation.scoring import score_latents
from jaxlatent.latents import Prior, sample_keys
from jaxlatent.types import Model

LEAST_SHARE = 0.02
"""Of the picture, that an object must have to be seen."""

PLACES = tuple(np.linspace(-5, 5, 11).tolist())
"""Along a direction, at which the paper measures."""


def moments(maps: jax.Array) -> jax.Array:
    """Where maps [N, H, W] in [0, 1] are bright, and how much of them: [N, 3].

    Returns:
        x, to the right, and y, down, of the centre of mass, from -1/2 at the first
        pixel to 1/2 at the last, and the mean. The centre of a black map is 0.
    """
    mean = jnp.mean(maps, axis=(1, 2))
    safe = jnp.where(mean > 0, mean, 1)

    def centre(profile: jax.Array) -> jax.Array:
        line = jnp.linspace(-0.5, 0.5, profile.shape[1], dtype=maps.dtype)
        return jnp.mean(profile * line[None], axis=1) / safe

    x, y = centre(jnp.mean(maps, axis=1)), centre(jnp.mean(maps, axis=2))
    return jnp.stack([x, y, mean], axis=1)


def horizontal_centre(images: jax.Array) -> jax.Array:
    """Of the light in images [N, H, W, C], [N]; -1/2 at the left, 1/2 at the right."""
    return moments(luma(images))[:, 0]


def vertical_centre(images: jax.Array) -> jax.Array:
    """Of the light in images [N, H, W, C], [N]; -1/2 at the top, 1/2 at the bottom."""
    return moments(luma(images))[:, 1]


def share_of_white(images: jax.Array) -> jax.Array:
    """Mean of the light in images [N, H, W, C], [N]."""
    return moments(luma(images))[:, 2]


def log_size(images: jax.Array) -> jax.Array:
    """The logarithm of an object's size, up to a constant: half that of its area."""
    return jnp.log(jnp.maximum(share_of_white(images), 1e-6)) / 2


def light(images: jax.Array) -> jax.Array:
    """Mean luma of images [N, H, W, C] as they are stored, in [-1, 1]: [N]."""
    return 2 * brightness(images) - 1


MEASURES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "horizontal_position": horizontal_centre,
    "vertical_position": vertical_centre,
    "scale": log_size,
    "log_scale": log_size,
    "brightness": light,
}
"""What measures the factor of a transformation, by its name."""


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """Factors of codes as an edit tells them, and as their pictures show them.

    Attributes:
        predicted: [N].
        measured: [N].
        unseen: how many more codes' pictures showed no object.
    """

    predicted: np.ndarray
    measured: np.ndarray
    unseen: int

    @cached_property
    def correlation(self) -> float:
        """Pearson's."""
        return float(np.corrcoef(self.predicted, self.measured)[0, 1])

    @cached_property
    def slope(self) -> float:
        """Of the regression of what was measured on what was predicted; best is 1."""
        centred = self.predicted - self.predicted.mean()
        return float(centred @ self.measured / (centred @ centred))

    def binned(self, bins: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means of what was predicted, and means and deviations of what was measured.

        [bins] each, over parts of as many codes, by ascending prediction.
        """
        order = np.argsort(self.predicted)
        parts = np.array_split(order, min(bins, len(order)))
        means = [self.predicted[part].mean() for part in parts]
        shown = [self.measured[part] for part in parts]
        return (
            np.asarray(means),
            np.asarray([part.mean() for part in shown]),
            np.asarray([part.std() for part in shown]),
        )


def predict(
    prior: Prior,
    edit: Factors,
    measure: Model,
    *,
    key: jax.Array,
    num: int = 1000,
    least: float | None = LEAST_SHARE,
    chunk: int = 32,
    mesh: Mesh | None = None,
) -> Prediction:
    """Hold an edit's one factor against the pictures of codes that it has not seen.

    Args:
        prior: what draws the codes, in the edit's space, and the generator.
        edit: the factor.
        measure: images [N, H, W, C] -> [N]; one of `MEASURES`, or your own.
        key: of the codes; another than what the edit was learned with.
        num: how many codes.
        least: share of white that a picture must have to count; None for any.
        chunk: pictures per compiled call.
        mesh: devices among which the pictures of a call are split, None for one.
    """
    latents = prior(sample_keys(key, np.arange(num)))
    scorers = {"measured": measure, "share": share_of_white}
    scores = score_latents(prior.generator, scorers, latents, chunk=chunk, mesh=mesh)
    predicted = np.asarray(edit.coordinate(latents.codes, 0))
    seen = np.ones(num, bool) if least is None else scores["share"] > least
    return Prediction(predicted[seen], scores["measured"][seen], int(num - seen.sum()))


def spread(
    prior: Prior,
    edit: Factors,
    measure: Model,
    *,
    key: jax.Array,
    num: int = 100,
    places: Sequence[float] = PLACES,
    chunk: int = 32,
    mesh: Mesh | None = None,
) -> ScoreCurve:
    """What is measured where codes have one place along a direction.

    z_a = z - <z, u> u + a u, whose `ScoreCurve.std` over codes is small for a good u.

    Args:
        prior: what draws the codes, in the edit's space, and the generator.
        edit: the factor, of which the unit vector u alone counts.
        measure: as for `predict`.
        key: of the codes.
        num: how many codes.
        places: a, S of them.
        chunk: pictures per compiled call.
        mesh: as for `predict`.

    Returns:
        The curve over a, turned around where its median falls.
    """
    unit = edit.vectors[:1] / jnp.linalg.norm(edit.vectors[:1])
    along = directions(unit, space=edit.space, layers=edit.layers)
    latents = prior(sample_keys(key, np.arange(num)))
    latents = dataclasses.replace(latents, codes=along.move_to(latents.codes, 0, 0.0))
    curve = score_curves(
        prior.generator,
        along,
        {"measured": measure},
        latents,
        0,
        places,
        chunk=chunk,
        mesh=mesh,
    )["measured"]
    if curve.percentiles([50])[0, -1] < curve.percentiles([50])[0, 0]:
        return ScoreCurve(curve.strengths, curve.scores[:, ::-1])
    return curve
