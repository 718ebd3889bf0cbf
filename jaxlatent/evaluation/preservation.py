"""What an edit leaves alone, by how much it changed what it was made for.

The evaluation of Zhuang, Koyejo and Schwing, "Enjoy your editing" (2021): pictures are
edited by several strengths and looked at again. They are sorted by the change of the
edited attribute that was reached, and told for each bin are the mean cosine of an
embedding before and after, "identity preservation", and the mean change of all other
attributes, "attribute preservation". So edits whose strengths mean different things can
be compared, for instance with a boundary of InterFaceGAN.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxlatent.edits.base import Edit
from jaxlatent.evaluation.curves import score_curves
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents
from jaxlatent.types import Model

EDGES = (0.0, 0.3, 0.6, 1.0)
"""Of the paper's bins: (0, 0.3], (0.3, 0.6], (0.6, 1]."""

_ATTRIBUTES, _EMBEDDING = "attributes", "embedding"


@dataclass(frozen=True, eq=False)
class Edited:
    """Edited pictures, against the same codes unedited.

    Attributes:
        strengths: [S] in ascending order.
        change: [N, S], of the attribute that is edited.
        others: [N, S], the mean absolute change of all others; NaN if there are none.
        identity: [N, S], the cosine of the embeddings; NaN without an embedding.
    """

    strengths: np.ndarray
    change: np.ndarray
    others: np.ndarray
    identity: np.ndarray

    @property
    def slope(self) -> float:
        """Mean change of the attribute per unit of strength: the least-squares line
        through zero.
        """
        square = float(np.sum(self.strengths**2))
        return float(self.change.mean(axis=0) @ self.strengths) / (square or np.nan)

    def binned(self, edges: Sequence[float] = EDGES) -> "Preservation":
        """By the size of the change that was reached; see `preservation`."""
        return preservation(self.change, self.others, self.identity, edges=edges)

    def at(self, change: float) -> "AtChange":
        """Where each code's change first reaches a given one; see `at_change`."""
        return at_change(
            self.strengths, self.change, self.others, self.identity, wanted=change
        )


@dataclass(frozen=True, eq=False)
class Preservation:
    """What edits left alone, by bins of the change of the attribute.

    Attributes:
        edges: [B + 1]; a bin holds its upper end, not its lower one.
        count: [B] pictures in each.
        identity: [B] mean cosine of embeddings; NaN of no pictures.
        others: [B] mean absolute change of the other attributes; NaN of no pictures.
    """

    edges: np.ndarray
    count: np.ndarray
    identity: np.ndarray
    others: np.ndarray


class AtChange(NamedTuple):
    """What edits left alone where they changed their attribute by a given amount.

    Attributes:
        share: of the codes that reach it at any strength.
        identity: mean cosine of embeddings of these; NaN of none.
        others: mean absolute change of the other attributes; NaN of none.
    """

    share: float
    identity: float
    others: float


def edit_preservation(
    generator: Generator,
    edit: Edit | Sequence[Edit],
    scorer: Model,
    latents: Latents,
    strengths: Sequence[float],
    *,
    index: int = 0,
    attribute: int | None = None,
    embedding: Model | None = None,
    **options: Any,
) -> Edited:
    """Edit codes, look at the pictures again, and tell what changed.

    Edits are compared by calling this for each of them on the same codes, and then
    `binned` or `at` one change of all results.

    Args:
        generator: what draws.
        edit: of any kind; or several, as for `traverse_images`.
        scorer: images -> attributes [N] or [N, A].
        latents: N codes that the edit has not seen.
        strengths: S of them; zero is added.
        index: which of the edit's directions.
        attribute: which of the A it edits; `index` if left out.
        embedding: images -> [N, E], such as `networks.outputs.Features`; None for no
            identity.
        **options: further ones of `score_curves`.

    Raises:
        ValueError: for an attribute that does not exist, or as `score_curves`.
    """
    models = {_ATTRIBUTES: scorer}
    models |= {} if embedding is None else {_EMBEDDING: embedding}
    amounts = np.unique(np.asarray([0.0, *strengths], np.float32))
    curves = score_curves(
        generator, edit, models, latents, index, amounts.tolist(), **options
    )
    scores = curves[_ATTRIBUTES].scores
    scores = scores.reshape(*scores.shape[:2], -1)
    count = scores.shape[2]
    column = attribute if attribute is not None else index if count > 1 else 0
    if not 0 <= column < count:
        raise ValueError(
            f"attribute: {column} given; 0 to {count - 1} of the scorer are accepted"
        )
    found = curves[_EMBEDDING].scores if embedding is not None else None
    return edited_changes(amounts, scores, column, found)


def edited_changes(
    strengths: ArrayLike,
    scores: ArrayLike,
    attribute: int,
    embeddings: ArrayLike | None = None,
) -> Edited:
    """What changed against strength zero, from what was seen at all strengths.

    Args:
        strengths: [S], zero among them; it is left out of the result.
        scores: [N, S, A].
        attribute: which of the A is edited.
        embeddings: [N, S, E], or None.

    Raises:
        ValueError: without a zero among the strengths.
    """
    amounts, found = np.asarray(strengths), np.asarray(scores, np.float64)
    zero = np.flatnonzero(amounts == 0)
    if len(zero) != 1:
        raise ValueError(f"strengths: {len(zero)} of zero given; one is accepted")
    kept = amounts != 0
    change = (found - found[:, zero])[:, kept]
    others = np.abs(np.delete(change, attribute, axis=2))
    nothing = np.full(change.shape[:2], np.nan)
    identity = nothing
    if embeddings is not None:
        vectors = np.asarray(embeddings, np.float64)
        lengths = np.linalg.norm(vectors, axis=2, keepdims=True)
        unit = vectors / np.where(lengths > 0, lengths, 1)
        identity = np.sum(unit * unit[:, zero], axis=2)[:, kept]
    return Edited(
        amounts[kept],
        change[:, :, attribute],
        others.mean(axis=2) if others.shape[2] else nothing,
        identity,
    )


def preservation(
    change: ArrayLike,
    others: ArrayLike,
    identity: ArrayLike,
    *,
    edges: Sequence[float] = EDGES,
) -> Preservation:
    """Means by bins of the absolute change of an attribute.

    Args:
        change: [...] of the attribute, of edited pictures.
        others: the same shape, mean absolute changes of the other attributes.
        identity: the same shape, cosines of embeddings.
        edges: ascending ends of the bins.

    Raises:
        ValueError: for edges that do not ascend.
    """
    ends = np.asarray(edges, np.float64)
    if ends.ndim != 1 or len(ends) < 2 or not (np.diff(ends) > 0).all():
        raise ValueError(f"edges: {edges} given; two or more ascending are accepted")
    size = np.abs(np.asarray(change)).ravel()
    bins = np.searchsorted(ends, size, side="left") - 1
    inside = (bins >= 0) & (bins < len(ends) - 1)
    count = np.bincount(bins[inside], minlength=len(ends) - 1)

    def mean(values: ArrayLike) -> np.ndarray:
        chosen = np.asarray(values, np.float64).ravel()[inside]
        total = np.bincount(bins[inside], chosen, minlength=len(ends) - 1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    return Preservation(ends, count, mean(identity), mean(others))


def at_change(
    strengths: ArrayLike,
    change: ArrayLike,
    others: ArrayLike,
    identity: ArrayLike,
    *,
    wanted: float,
) -> AtChange:
    """Means where each code's attribute has just changed by a given amount.

    Between strengths all values are taken to be linear, and from zero to the first.
    Strengths of one sign are walked from zero outwards: those above zero if `wanted` is
    reached there first, else those below.

    Args:
        strengths: [S] ascending, without zero.
        change: [N, S] of the attribute.
        others: [N, S], mean absolute changes of the other attributes.
        identity: [N, S], cosines of embeddings.
        wanted: the change, with its sign.
    """
    amounts = np.asarray(strengths)
    values = np.stack([np.asarray(one) for one in (change, identity, others)])
    start = np.asarray([0.0, 1.0, 0.0]).reshape(3, 1, 1)
    found = np.full((3, values.shape[1]), np.nan)
    for side in (amounts > 0, amounts < 0):
        way = values[:, :, side]
        way = way if amounts[side].sum() > 0 else way[:, :, ::-1]
        path = np.concatenate([np.broadcast_to(start, (3, way.shape[1], 1)), way], 2)
        reached = path[0] * np.sign(wanted) >= abs(wanted)
        first = reached.argmax(axis=1)
        for row in np.flatnonzero(reached.any(axis=1) & np.isnan(found[0])):
            after = first[row]
            low, high = path[:, row, after - 1], path[:, row, after]
            part = (wanted - low[0]) / (high[0] - low[0])
            found[:, row] = low + part * (high - low)
    there = ~np.isnan(found[0])
    if not there.any():
        return AtChange(0.0, np.nan, np.nan)
    _, same, rest = found[:, there].mean(axis=1)
    return AtChange(float(there.mean()), float(same), float(rest))
