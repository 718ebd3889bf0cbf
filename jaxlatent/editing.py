"""From codes to edited pictures: spaces, truncation and traversals."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxlatent.batching import in_chunks
from jaxlatent.edits.base import Edit
from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import NoiseInput, per_image
from jaxlatent.generators.rendering import render
from jaxlatent.generators.steps import check_names
from jaxlatent.types import Noise

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


def mix_rows(own: jax.Array, lent: jax.Array, layers: Sequence[int]) -> jax.Array:
    """Style mixing: codes whose rows `layers` come from others.

    Source: Karras et al., "A Style-Based Generator Architecture" (2019), section 3.1.

    Args:
        own: w+ [N, L, D].
        lent: w+ [M, L, D].
        layers: the rows that are replaced.

    Returns:
        [N, M, L, D], number i with the rows of j.
    """
    if own.ndim != 3 or own.shape[1:] != lent.shape[1:]:
        raise ValueError(
            f"own, lent: shapes {own.shape} and {lent.shape} given; [N, L, D] and "
            "[M, L, D] are accepted"
        )
    chosen = np.isin(np.arange(own.shape[1]), layers)[None, None, :, None]
    return jnp.where(chosen, lent[None], own[:, None])


def interpolate(codes: jax.Array, steps: int, *, spherical: bool) -> jax.Array:
    """The way from each code to the next, both ends included.

    Args:
        codes: [N, D], or [N, L, D] for a linear way.
        steps: steps from one code to the next.
        spherical: turn at an even pace, as suits normal codes, whose length a straight
            way would shrink (White, "Sampling Generative Networks", 2016); otherwise
            go straight.

    Returns:
        [(N - 1) * steps + 1, ...].
    """
    if codes.shape[0] < 2 or steps < 1 or (spherical and codes.ndim != 2):
        raise ValueError(
            f"codes, steps: {codes.shape}, {steps} given; two codes and one step or "
            "more are accepted, and [N, D] for a spherical way"
        )
    share = jnp.arange(steps, dtype=codes.dtype) / steps

    def between(one: jax.Array, two: jax.Array) -> jax.Array:
        parts = share.reshape(-1, *(1,) * one.ndim)
        before, behind = 1 - parts, parts
        if spherical:
            lengths = jnp.linalg.norm(one) * jnp.linalg.norm(two)
            angle = jnp.arccos(jnp.clip(jnp.vdot(one, two) / lengths, -1, 1))
            # where the two point the same way, or opposite ways, straight on
            turns = jnp.sin(angle) > 1e-4
            sine = jnp.where(turns, jnp.sin(angle), 1)
            before = jnp.where(turns, jnp.sin(before * angle) / sine, before)
            behind = jnp.where(turns, jnp.sin(behind * angle) / sine, behind)
        return before * one[None] + behind * two[None]

    ways = jax.vmap(between)(codes[:-1], codes[1:])
    ways = ways.reshape(-1, *codes.shape[1:])
    return jnp.concatenate([ways, codes[-1:]])


def traverse_images(
    generator: Generator,
    edit: Edit | Sequence[Edit],
    codes: jax.Array,
    index: int,
    strengths: Sequence[float],
    *,
    space: str,
    absolute: bool = False,
    psi: float | None = None,
    cutoff: int | None = None,
    truncate: str = "before",
    label: jax.Array | None = None,
    noise: NoiseInput = Noise.FIXED,
    chunk: int = 8,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Pictures of codes moved along one direction.

    An edit in z acts before the mapping network, an edit in w or w+ on w+ where the
    generator has one, an edit in "feature:NAME" inside the synthesis network.

    Args:
        generator: the generator.
        edit: the edit, or several that move together, each in its own space: GANSpace's
            latent and activation edits of the same component.
        codes: [N, D] or [N, L, D].
        index: the direction.
        strengths: S of them.
        space: the space of `codes`; not behind that of the edit.
        absolute: move to the strengths (`Directions.move_to`) instead of by them.
        psi: truncation, None for none.
        cutoff: rows that are truncated, None for all.
        truncate: "before" or "after" an edit in w or w+.
        label: [N] or [N, C], for a class-conditional generator.
        noise: "fixed", "none", a key or [N] keys, or maps by layer name; the same for
            every strength.
        chunk: images per compiled call.
        mesh: devices among which the images of a call are split, None for one.
        progress: called with the number of images just finished.

    Returns:
        [N, S, H, W, C], not clipped, on the host.

    Raises:
        ValueError: if the edit's space is not the generator's, or codes are behind it;
            or names the argument that does not fit.
    """
    edits = tuple(edit) if isinstance(edit, Sequence) else (edit,)
    for one in edits:
        check_edit_space(generator, one)
        if not 0 <= index < len(one):
            raise IndexError(f"index: {index} given; there are {len(one)} directions")
    if absolute and not all(hasattr(one, "move_to") for one in edits):
        raise ValueError("absolute: this edit knows no coordinate to move to")
    if truncate not in ("before", "after"):
        raise ValueError(f'truncate: {truncate!r} given; "before" or "after"')
    mapped = "w" in generator.config.spaces
    inside = tuple(one for one in edits if feature_of(one) is not None)
    early = tuple(one for one in edits if one.space == "z" and mapped)
    late = tuple(one for one in edits if one not in (*inside, *early))
    if early and space != "z":
        raise ValueError(f"space: codes in {space} given for an edit in z")
    copies = np.repeat(np.arange(len(codes)), len(strengths))
    amounts = jnp.tile(jnp.asarray(strengths, jnp.float32), len(codes))
    last = last_space(generator)

    def move(latent: jax.Array, some: Sequence[Edit]) -> jax.Array:
        for one in some:
            latent = _move(one, latent, index, amounts, absolute)
        return latent

    def carry(latent: jax.Array, label: jax.Array | None) -> jax.Array:
        first = psi if truncate == "before" else None
        return to_space(
            generator, latent, space, last, psi=first, cutoff=cutoff, label=label
        )

    labels = None if label is None else label[copies]
    if early:
        latent = carry(move(codes[copies], early), labels)
    else:
        latent = carry(codes, label)[copies]
    latent = move(latent, late)
    if truncate == "after":
        latent = to_space(generator, latent, last, last, psi=psi, cutoff=cutoff)
    noise = jax.tree.map(lambda rows: rows[copies], per_image(noise, len(codes)))
    if inside:
        parts = in_chunks(
            partial(_synthesize_edited, absolute),
            (latent, amounts, labels, noise),
            len(copies),
            chunk,
            progress,
            whole=(generator, inside, index),
            mesh=mesh,
        )
        images = np.concatenate(list(parts))
    else:
        images = render(
            generator,
            latent,
            labels,
            noise=noise,
            chunk=chunk,
            mesh=mesh,
            progress=progress,
        )
    return images.reshape(codes.shape[0], len(strengths), *images.shape[1:])


def feature_of(edit: Edit) -> str | None:
    """The feature that an edit moves; None for an edit of latents."""
    kind, _, name = edit.space.partition(":")
    return name if kind == "feature" else None


def check_edit_space(generator: Generator, edit: Edit) -> None:
    """Raise ValueError unless the generator has an edit's space."""
    offered = [name for name in CODE_SPACES if name in generator.config.spaces]
    name = feature_of(edit)
    if name is None and edit.space not in offered:
        raise ValueError(f"edit: of space {edit.space!r}; {offered} are accepted")
    if name is not None:
        check_names("edit", [name], generator.feature_names)


def _move(
    edit: Any, latent: jax.Array, index: ArrayLike, amounts: jax.Array, absolute: bool
) -> jax.Array:
    return (edit.move_to if absolute else edit.shift)(latent, index, amounts)


@partial(jax.jit, static_argnums=0)
def _synthesize_edited(
    absolute: bool,
    generator: Generator,
    edits: tuple[Edit, ...],
    index: jax.Array,
    latent: jax.Array,
    amounts: jax.Array,
    label: jax.Array | None,
    noise: Any,
) -> jax.Array:
    """Synthesis with edits of (flattened) activations in its midst."""

    def moved(name: str, value: jax.Array) -> jax.Array:
        flat = value.reshape(len(value), -1)
        for edit in edits:
            if feature_of(edit) == name:
                flat = _move(edit, flat, index, amounts, absolute)
        return flat.reshape(value.shape)

    hooks = {name: partial(moved, name) for edit in edits if (name := feature_of(edit))}
    return generator.synthesize(latent, label, noise=noise, hooks=hooks)
