"""Several directions as one edit: side by side, or added up with weights."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.edits.base import Facts
from jaxlatent.edits.directions import Directions, directions, linear


def concatenate(parts: Sequence[Directions]) -> Directions:
    """Join directions of one space, generator and choice of layers into one edit.

    Entries of `report` are kept where every part has them, facts and the method where
    all parts agree.

    Raises:
        TypeError: for parts that are not linear.
        ValueError: if the parts differ in space, layers, mean, generator or shape.
    """
    if not parts:
        raise ValueError("parts: none given; at least one is needed")
    first, *_ = parts = [linear(part, "parts") for part in parts]
    for part in parts[1:]:
        for label in ("space", "layers", "generator"):
            if getattr(part, label) != getattr(first, label):
                raise ValueError(
                    f"parts: {label} differs: {getattr(first, label)!r} and "
                    f"{getattr(part, label)!r}"
                )
        if part.vectors.shape[1:] != first.vectors.shape[1:]:
            raise ValueError(
                f"parts: vectors {first.vectors.shape} and {part.vectors.shape} differ "
                "in more than their number"
            )
        if not _same(part.mean, first.mean):
            raise ValueError("parts: their means differ")
    shared = set.intersection(*(set(part.report) for part in parts))
    offsets = [
        jnp.zeros_like(part.scale) if part.bias is None else part.bias for part in parts
    ]
    return dataclasses.replace(
        first,
        vectors=jnp.concatenate([part.vectors for part in parts]),
        scale=jnp.concatenate([part.scale for part in parts]),
        bias=(
            None
            if all(part.bias is None for part in parts)
            else jnp.concatenate(offsets)
        ),
        report={
            key: jnp.concatenate([part.report[key] for part in parts])
            for key in sorted(shared)
        },
        names=tuple(name for part in parts for name in part.names),
        method=first.method if len({part.method for part in parts}) == 1 else "",
        facts=first.facts if len({part.facts for part in parts}) == 1 else Facts(),
    )


def combine(
    parts: Sequence[tuple[Directions, int, float]],
    *,
    name: str | None = None,
    num_layers: int | None = None,
) -> Directions:
    """Add directions up with weights, into one that moves along all of them at once.

    A unit of strength moves along every part by its weight, in the part's own unit and
    on the part's own rows.

    Args:
        parts: (directions, index, weight) each; all of one space.
        name: of the result; None for one made of the parts' names and weights.
        num_layers: rows of w+; needed where the parts shift different rows.

    Returns:
        One direction, [1, D] where all parts shift the same rows and [1, L, D] where
        they do not. It keeps the fingerprint that all parts share. "w" and "w+" count
        as one space.

    Raises:
        TypeError: for parts that are not linear.
        ValueError: if the parts differ in space, dimension or number of rows, or their
            rows cannot be told.
        IndexError: for an index out of range.
    """
    if not parts:
        raise ValueError("parts: none given; at least one is needed")
    edits = [linear(one, "parts").select([index]) for one, index, _ in parts]
    weights = [weight for _, _, weight in parts]
    spaces = {one.space for one in edits}
    space = "w+" if spaces == {"w", "w+"} else spaces.pop()
    if spaces and space != "w+":
        raise ValueError(f"parts: spaces {sorted({*spaces, space})} differ")
    sizes = {one.vectors.shape[-1] for one in edits}
    if len(sizes) > 1:
        raise ValueError(f"parts: dimensions {sorted(sizes)} differ")
    steps = [
        weight * one.scale[0] * one.vectors[0]
        for one, weight in zip(edits, weights, strict=True)
    ]
    layers = edits[0].layers
    if len({one.layers for one in edits}) > 1 or len({step.ndim for step in steps}) > 1:
        steps = [
            _on_rows(step, one.layers, _rows(edits, num_layers))
            for step, one in zip(steps, edits, strict=True)
        ]
        layers = None
    if len({step.shape for step in steps}) > 1:
        raise ValueError(f"parts: rows of {[step.shape for step in steps]} differ")
    owners = {one.generator for one in edits}
    if name is None:
        name = " ".join(
            f"{weight:+g} {one.names[0]}"
            for one, weight in zip(edits, weights, strict=True)
        )
    return directions(
        sum(steps[1:], steps[0])[None],
        space=space,
        layers=layers,
        names=[name],
        method="combined",
        generator=owners.pop() if len(owners) == 1 else "",
    )


def _rows(edits: Sequence[Directions], num_layers: int | None) -> int:
    known = {one.vectors.shape[1] for one in edits if one.vectors.ndim == 3}
    known |= set() if num_layers is None else {num_layers}
    if len(known) != 1:
        what = f"parts of {sorted(known)} rows given" if known else "missing"
        raise ValueError(
            f"num_layers: {what}; one number of rows is needed, since the parts shift "
            "different ones"
        )
    return known.pop()


def _on_rows(
    step: jax.Array, layers: tuple[int, ...] | None, num_layers: int
) -> jax.Array:
    """A step as [L, D], zero on the rows that it leaves alone."""
    if layers is not None and max(layers) >= num_layers:
        raise ValueError(f"num_layers: {num_layers} given; parts shift rows {layers}")
    chosen = np.ones(num_layers, bool)
    if layers is not None:
        chosen = np.isin(np.arange(num_layers), layers)
    return jnp.where(chosen[:, None], step if step.ndim == 2 else step[None], 0)


def _same(left: jax.Array | None, right: jax.Array | None) -> bool:
    if left is None or right is None:
        return left is right
    return left.shape == right.shape and bool(jnp.all(left == right))
