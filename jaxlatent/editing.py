"""From codes to edited pictures: spaces, truncation and traversals."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.generators.base import Generator, NoiseInput, per_image, render
from jaxlatent.types import Edit, Noise

CODE_SPACES = ("z", "w", "w+")


def last_space(generator: Generator) -> str:
    """The space of codes just before the synthesis network."""
    return [space for space in CODE_SPACES if space in generator.config.spaces][-1]


def to_space(
    generator: Generator,
    codes: jax.Array,
    source: str,
    target: str,
    *,
    psi: float | None = None,
    cutoff: int | None = None,
    label: jax.Array | None = None,
) -> jax.Array:
    """Carry codes from one space to a later one: z, w, w+.

    Args:
        generator: whose spaces they are.
        codes: [N, D], or [N, L, D] in w+.
        source: the space of `codes`.
        target: the space to return, not before `source`.
        psi: truncation on the way from w to w+; None for none.
        cutoff: rows that are truncated, None for all.
        label: for a class-conditional mapping.

    Raises:
        ValueError: if the generator lacks a space, or the way leads backwards.
    """
    spaces = generator.config.spaces
    for name, space in (("source", source), ("target", target)):
        if space not in CODE_SPACES or space not in spaces:
            accepted = [known for known in CODE_SPACES if known in spaces]
            raise ValueError(f"{name}: space {space!r} given; {accepted} are accepted")
    start, stop = CODE_SPACES.index(source), CODE_SPACES.index(target)
    if stop < start:
        raise ValueError(
            f"target: codes in {source} cannot go back to {target}; give codes in "
            f"{target}"
        )
    if start == 0 < stop:
        codes = generator.map(codes, label)
    if stop == 2:
        codes = generator.broadcast(codes)
        if psi is not None:
            codes = generator.truncate(codes, psi, cutoff)
    elif psi is not None:
        raise ValueError(f"psi: truncation ends in w+, but codes in {target} are asked")
    return codes


def traverse_images(
    generator: Generator,
    edit: Edit,
    codes: jax.Array,
    index: int,
    strengths: Sequence[float],
    *,
    space: str,
    psi: float | None = None,
    cutoff: int | None = None,
    label: jax.Array | None = None,
    noise: NoiseInput = Noise.FIXED,
    chunk: int = 8,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Pictures of codes moved along one direction.

    An edit in z acts before the mapping network. An edit in w or w+ acts behind the
    truncation, on w+ where the generator has one.

    Args:
        generator: the generator.
        edit: the edit.
        codes: [N, D] or [N, L, D].
        index: the direction.
        strengths: S of them.
        space: the space of `codes`; not behind that of the edit.
        psi: truncation, None for none.
        cutoff: rows that are truncated, None for all.
        label: [N] or [N, C], for a class-conditional generator.
        noise: "fixed", "none", a key or [N] keys, or maps by layer name; the same for
            every strength.
        chunk: images per compiled call.
        progress: called with the number of images just finished.

    Returns:
        [N, S, H, W, C], not clipped, on the host.
    """
    offered = [name for name in CODE_SPACES if name in generator.config.spaces]
    if edit.space not in offered:
        raise ValueError(f"edit: of space {edit.space!r}; {offered} are accepted")
    last = last_space(generator)

    def finish(codes: jax.Array, space: str, label: jax.Array | None) -> jax.Array:
        return to_space(
            generator, codes, space, last, psi=psi, cutoff=cutoff, label=label
        )

    def repeat(rows: jax.Array) -> jax.Array:
        return rows[np.repeat(np.arange(len(rows)), len(strengths))]

    early = edit.space == "z"
    if early and space != "z":
        raise ValueError(f"space: codes in {space} given for an edit in z")
    base = codes if early else finish(codes, space, label)
    moved = edit.traverse(base, index, jnp.asarray(strengths))
    total = len(codes) * len(strengths)
    moved = jnp.swapaxes(moved, 0, 1).reshape(total, *base.shape[1:])  # [N S ...]
    label = None if label is None else repeat(label)
    noise = jax.tree.map(repeat, per_image(noise, len(codes)))
    images = render(
        generator,
        finish(moved, "z", label) if early else moved,
        label,
        noise=noise,
        chunk=chunk,
        progress=progress,
    )
    return images.reshape(codes.shape[0], len(strengths), *images.shape[1:])
