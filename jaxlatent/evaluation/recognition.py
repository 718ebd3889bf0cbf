"""Pairs of pictures, and how well a network tells which direction lies between them.

Voynov and Babenko, "Unsupervised discovery of interpretable directions in the GAN
latent space" (2020), section 3, learn directions that can be told apart so, and measure
them by it: the reconstructor's classification accuracy, RCA. WarpedGANSpace (Tzelepis
et al., 2021) does the same with paths. Any edit and any reconstructor will do here.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, TypedDict

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxlatent.batching import in_chunks
from jaxlatent.edits.base import Edit, bare
from jaxlatent.latents import OWN_DRAWS, Latents, Prior, sample_keys, to_images
from jaxlatent.types import Model

_INDEX_DRAW, _SHIFT_DRAW, _SIGN_DRAW = range(OWN_DRAWS, OWN_DRAWS + 3)


@dataclass(frozen=True)
class Shifts:
    """How far the second picture of a pair lies from the first, and to which side.

    Attributes:
        law: "uniform" in [-most, most] and "normal" of deviation `most`, neither nearer
            to zero than `least` (Voynov and Babenko); or "two-sided", of a size that is
            uniform in [least, most] and either sign (Tzelepis et al.); or "pool", of
            such a size, with the signs of their published code: of twice as many
            numbers as samples, the first half negative, as many as samples are drawn
            with weights that grow with the place, so that 7 of 10 are positive. There
            a sample's sign depends on the keys of all.
        most: the largest size, or the deviation; in units of strength.
        least: the least size.
    """

    law: Literal["uniform", "normal", "two-sided", "pool"] = "uniform"
    most: float = 6.0
    least: float = 0.5

    def __post_init__(self) -> None:
        if self.law not in ("uniform", "normal", "two-sided", "pool"):
            raise ValueError(
                f"law: {self.law!r} given; 'uniform', 'normal', 'two-sided' or 'pool' "
                "is accepted"
            )
        if not 0 <= self.least <= self.most < np.inf or self.most == 0:
            raise ValueError(
                f"least, most: {self.least}, {self.most} given; 0 <= least <= most and "
                "most above 0 are accepted"
            )

    def draw(self, keys: jax.Array) -> jax.Array:
        """[N] shifts for the typed keys [N] of as many samples."""
        fold = jax.vmap(jax.random.fold_in, (0, None))
        normal = self.law == "normal"
        raw = jax.vmap(jax.random.normal if normal else jax.random.uniform)(
            fold(keys, _SHIFT_DRAW)
        )
        if self.law in ("two-sided", "pool"):
            draw = jax.vmap(jax.random.bernoulli)
            sides = (draw if self.law == "two-sided" else pool_signs)(
                fold(keys, _SIGN_DRAW)
            )
            size = self.least + raw * (self.most - self.least)
            return jnp.where(sides, size, -size)
        return self.at_least(self.most * (raw if normal else 2 * raw - 1))

    def at_least(self, shifts: jax.Array) -> jax.Array:
        """Shifts of which those nearer to zero than `least` are brought there."""
        return jnp.sign(shifts) * jnp.maximum(jnp.abs(shifts), self.least)


def pool_signs(keys: jax.Array) -> jax.Array:
    """[N] whether shifts are positive, by the law "pool", for typed keys [N]."""
    return pool_places(keys) >= keys.shape[0]


def pool_places(keys: jax.Array) -> jax.Array:
    """[N] of the places 0 to 2 N - 1, drawn without replacement, place n n times as
    likely as place 1.
    """
    count = keys.shape[0]
    # the largest of Gumbel draws about logarithms of weights are such a sample
    noise = jax.vmap(lambda key: jax.random.gumbel(key, (2,)))(keys).T.ravel()
    return jax.lax.top_k(noise + jnp.log(jnp.arange(2.0 * count)), count)[1]


class Pairs(NamedTuple):
    """Codes, and how their second pictures are to be made.

    Attributes:
        latents: N codes.
        index: [N] which direction each moves along.
        shift: [N] how far.
    """

    latents: Latents
    index: jax.Array
    shift: jax.Array


def draw_pairs(prior: Prior, shifts: Shifts, count: int, keys: jax.Array) -> Pairs:
    """Draw codes, one of `count` directions for each and a shift; can be compiled.

    Args:
        prior: what draws the codes.
        shifts: the law of the shifts.
        count: of directions, all of which are as likely.
        keys: [N] typed keys; sample n depends on its own alone.
    """
    own = jax.vmap(jax.random.fold_in, (0, None))(keys, _INDEX_DRAW)
    index = jax.vmap(lambda key: jax.random.randint(key, (), 0, count))(own)
    return Pairs(prior(keys), index, shifts.draw(keys))


def pair_images(
    prior: Prior, pairs: Pairs, moved: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The two batches of images [N, H, W, C] of pairs.

    Args:
        prior: what drew them; it knows the generator.
        pairs: the codes before.
        moved: the codes after, of the same shape, space and classes.
    """
    latents = pairs.latents
    after = Latents(moved, latents.space, latents.label)
    return to_images(prior.generator, latents), to_images(prior.generator, after)


@flax.struct.dataclass(eq=False)
class Recognition:
    """How well a reconstructor tells the directions of an edit.

    Attributes:
        confusion: [K, K] how many pairs that moved along the first were taken for the
            second.
        shift_error: [K] mean absolute error of the shift; NaN where no pair moved.
    """

    confusion: np.ndarray
    shift_error: np.ndarray

    @property
    def accuracy(self) -> float:
        """RCA: the share of pairs whose direction was told; chance is 1 / K."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def by_direction(self) -> np.ndarray:
        """[K] the accuracy of each; NaN where no pair moved along it."""
        total = self.confusion.sum(axis=1)
        right = np.diag(self.confusion)
        return np.divide(right, total, out=np.full(len(total), np.nan), where=total > 0)

    def to_csv(self, names: Sequence[str]) -> str:
        """A line for each direction: its number and name, accuracy and shift error."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("direction", "name", "pairs", "accuracy", "shift_error"))
        figures = (self.confusion.sum(axis=1), self.by_direction, self.shift_error)
        for number, (name, *row) in enumerate(zip(names, *figures, strict=True)):
            writer.writerow((number, name, *(f"{one:.6g}" for one in row)))
        return text.getvalue()


class RecognitionOptions(TypedDict, total=False):
    """What is handed on to `recognition`, which explains it."""

    num: int
    chunk: int
    mesh: Mesh | None
    progress: Callable[[int], None] | None


def recognition(
    prior: Prior,
    edit: Edit,
    reconstructor: Model,
    shifts: Shifts = Shifts(),
    *,
    key: jax.Array,
    num: int = 3200,
    chunk: int = 32,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> Recognition:
    """RCA: how well a trained reconstructor tells the directions of an edit.

    Args:
        prior: what draws the codes, in the space of the edit.
        edit: of any kind, K directions.
        reconstructor: two batches of images -> (logits [N, K], shift [N]), as
            `networks.reconstructors` has them; its batch norms use running statistics.
        shifts: the law of the strengths.
        key: of the pairs; pair n has `fold_in(key, n)`.
        num: how many pairs; 100 batches of 32 in the original.
        chunk: pairs per compiled call; bounds memory.
        mesh: devices among which the pairs of a call are split, None for one.
        progress: called with the number of pairs just done.

    Returns:
        Counts of right and wrong answers.

    Raises:
        ValueError: the reconstructor tells another number of directions apart, or the
            edit is of another space.
    """
    if edit.space != prior.space:
        raise ValueError(
            f"edit: of {edit.space} given; one of {prior.space}, where the codes are, "
            "is accepted"
        )
    parts = list(
        in_chunks(
            partial(_guesses, shifts=shifts, count=len(edit)),
            (sample_keys(key, np.arange(num)),),
            num,
            chunk,
            progress,
            whole=(prior, bare(edit), reconstructor),
            mesh=mesh,
        )
    )
    index, told, missed = (np.concatenate(one) for one in zip(*parts, strict=True))
    confusion = np.zeros((len(edit), len(edit)), np.int64)
    np.add.at(confusion, (index, told), 1)
    total, summed = confusion.sum(axis=1), np.bincount(index, missed, len(edit))
    mean = np.divide(summed, total, out=np.full(len(edit), np.nan), where=total > 0)
    return Recognition(confusion, mean)


@partial(jax.jit, static_argnames=("shifts", "count"))
def _guesses(
    prior: Prior,
    edit: Any,
    reconstructor: Model,
    keys: jax.Array,
    *,
    shifts: Shifts,
    count: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """[N] which direction each pair moved along, which was told, the shift's error."""
    pairs = draw_pairs(prior, shifts, count, keys)
    moved = edit.shift(pairs.latents.codes, pairs.index, pairs.shift)
    logits, shift = reconstructor(*pair_images(prior, pairs, moved))
    if logits.shape[-1] != count:
        raise ValueError(
            f"reconstructor: one of {logits.shape[-1]} directions given; {count} are "
            "there"
        )
    return pairs.index, jnp.argmax(logits, axis=-1), jnp.abs(shift - pairs.shift)
