"""What an edit does to scores: curves over its strength, on codes of one's own.

GANalyze (Goetschalckx et al., 2019) reports the score that it was trained for against
alpha, and the same of others, its "emerging factors": pass `formulas.FORMULAS` beside
the assessor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxlatent.batching import in_chunks
from jaxlatent.editing import check_traversal, edited_images
from jaxlatent.edits.base import Edit, bare
from jaxlatent.evaluation.scoring import apply_scorers
from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import NoiseInput, per_image
from jaxlatent.latents import Latents, Prior, Truncation, sample_keys
from jaxlatent.types import Model, Noise, as_model


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """Scores of edited pictures.

    Every figure is of each of the A scores, where a scorer returns several.

    Attributes:
        strengths: [S] in ascending order.
        scores: [N, S] or [N, S, A].
    """

    strengths: np.ndarray
    scores: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """[S] or [S, A], over the codes."""
        return self.scores.mean(axis=0)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation over the codes, [S] or [S, A]."""
        return self.scores.std(axis=0)

    def percentiles(self, levels: Sequence[float] = (5, 25, 50, 75, 95)) -> np.ndarray:
        """[len(levels), S] or [len(levels), S, A], over the codes."""
        return np.percentile(self.scores, levels, axis=0)

    @property
    def slopes(self) -> np.ndarray:
        """Change of each code's score per unit of strength, [N] or [N, A].

        It is the least-squares line's; with a single strength there is none, NaN.
        """
        centred = self.strengths - self.strengths.mean()
        square = np.sum(centred**2)
        if not square:
            return np.full_like(self.scores[:, 0], np.nan)
        return np.tensordot(self.scores, centred, axes=(1, 0)) / square

    @property
    def slope(self) -> np.ndarray:
        """That of the line through all codes' scores: the mean of `slopes`."""
        return self.slopes.mean(axis=0)

    @property
    def rises(self) -> np.ndarray:
        """[N] or [N, A]: the share of steps to the next strength that raise the score.

        1 for a code whose score rises all the way, 0 for one whose score never does.
        """
        return (np.diff(self.scores, axis=1) > 0).mean(axis=1)


def score_curves(
    generator: Generator,
    edit: Edit | Sequence[Edit],
    scorers: Mapping[str, Model],
    latents: Latents,
    index: ArrayLike,
    strengths: Sequence[float],
    *,
    truncation: Truncation | None = None,
    noise: NoiseInput = Noise.FIXED,
    chunk: int = 32,
    mesh: Mesh | None = None,
) -> dict[str, ScoreCurve]:
    """Scores of codes moved along a direction; no picture is kept.

    Compiled once for all codes, directions, strengths and weights of the same shapes,
    those of the edits and of the scorers included.

    Args:
        generator: what draws.
        edit: of any kind; or several, as for `traverse_images`.
        scorers: models of images by name, `images [N, H, W, C] -> [N]` or `[N, A]`; see
            `types.as_model` for plain functions.
        latents: N codes that the edit has not seen.
        index: the direction, or [N], one for each code, such as its class.
        strengths: S of them.
        truncation: as for `traverse_images`.
        noise: "fixed", "none", a key or [N] keys; the same for every strength.
        chunk: pictures per compiled call, and at least one code at all strengths.
        mesh: devices among which the codes of a call are split, None for one.

    Returns:
        A curve for each scorer, by ascending strength.

    Raises:
        ValueError: if the edit does not fit the generator, or names the argument that
            does not fit.
        IndexError: for a direction that does not exist.
    """
    edits = tuple(edit) if isinstance(edit, Sequence) else (edit,)
    check_traversal(generator, edits, latents, truncation)
    count = len(latents)
    amounts = np.sort(np.asarray(strengths, np.float32))
    if amounts.ndim != 1 or not amounts.size:
        raise ValueError(
            f"strengths: shape {amounts.shape} given; [S] of one or more is accepted"
        )
    if np.shape(index) not in ((), (count,)):
        raise ValueError(
            f"index: shape {np.shape(index)} given; a scalar or {(count,)} is accepted"
        )
    rows = np.broadcast_to(np.asarray(index, np.int32), (count,))
    for one in edits:
        outside = [int(row) for row in rows if not 0 <= row < len(one)]
        if outside:
            raise IndexError(
                f"index: {outside[0]} given; there are {len(one)} directions"
            )
    if chunk < 1:
        raise ValueError(f"chunk: {chunk} given; 1 or more is accepted")
    models = {name: as_model(scorer) for name, scorer in scorers.items()}
    parts = list(
        in_chunks(
            partial(_score_edited, batch=chunk),
            (latents, rows, per_image(noise, count)),
            count,
            max(1, chunk // len(amounts)),
            whole=(generator, tuple(map(bare, edits)), models, truncation, amounts),
            mesh=mesh,
        )
    )
    return {
        name: ScoreCurve(amounts, np.concatenate([part[name] for part in parts]))
        for name in models
    }


def held_out_curves(
    prior: Prior,
    edit: Edit,
    scorers: Mapping[str, Model],
    strengths: Sequence[float],
    *,
    key: jax.Array,
    num: int = 64,
    chunk: int = 32,
    mesh: Mesh | None = None,
) -> dict[str, ScoreCurve]:
    """Score curves of an edit over codes of a prior.

    Args:
        prior: what draws them, and the generator.
        edit: its one direction, or its direction of each code's class if it has one for
            every class.
        scorers: see `score_curves`.
        strengths: S of them.
        key: of the codes; another than what the edit was learned with.
        num: how many codes.
        chunk: pictures per compiled call.
        mesh: devices among which the codes of a call are split, None for one.
    """
    latents = prior(sample_keys(key, np.arange(num)))
    by_class = len(edit) > 1 and latents.label is not None
    return score_curves(
        prior.generator,
        edit,
        scorers,
        latents,
        _class_numbers(latents.label) if by_class else 0,
        strengths,
        chunk=chunk,
        mesh=mesh,
    )


def _class_numbers(label: jax.Array | None) -> np.ndarray:
    """Classes [N]; of weights [N, C], the largest."""
    numbers = np.asarray(label)
    return numbers.argmax(axis=1) if numbers.ndim > 1 else numbers


@partial(jax.jit, static_argnames="batch")
def _score_edited(
    generator: Generator,
    edits: tuple[Edit, ...],
    scorers: dict[str, Model],
    truncation: Truncation | None,
    strengths: jax.Array,
    latents: Latents,
    index: jax.Array,
    noise: Noise | jax.Array,
    *,
    batch: int,
) -> dict[str, jax.Array]:
    """[P, S] or [P, S, A] by scorer, of P codes."""
    images = edited_images(
        generator,
        edits,
        truncation,
        strengths,
        latents,
        index,
        noise,
        absolute=False,
        batch=batch,
    )
    shape = images.shape[:2]
    found = apply_scorers(scorers, images.reshape(-1, *images.shape[2:]))
    return {
        name: scores.reshape(*shape, *scores.shape[1:])
        for name, scores in found.items()
    }
