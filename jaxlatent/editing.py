"""From codes to edited pictures: traversals, and whether an edit fits a generator."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from jaxlatent.batching import in_chunks
from jaxlatent.edits.base import Edit, bare, knows_coordinates
from jaxlatent.edits.directions import Directions
from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import NoiseInput, per_image
from jaxlatent.generators.steps import check_names
from jaxlatent.latents import (
    WHEN,
    Latents,
    Truncation,
    last_space,
    to_space,
    to_synthesis,
)
from jaxlatent.types import Noise


def traverse_images(
    generator: Generator,
    edit: Edit | Sequence[Edit],
    latents: Latents,
    indices: int | Sequence[int],
    strengths: Sequence[float],
    *,
    truncation: Truncation | None = None,
    absolute: bool = False,
    noise: NoiseInput = Noise.FIXED,
    chunk: int = 8,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Pictures of codes moved along directions.

    An edit in z acts before the mapping network, an edit in w or w+ on w+ where the
    generator has one, an edit in s behind it, on the style vectors, an edit in
    "feature:NAME" inside the synthesis network. Compiled
    once for all codes, indices, strengths and weights of the same shapes, those of the
    edits included; a path is followed once for all strengths.

    Args:
        generator: the generator.
        edit: the edit, or several that move together, each in its own space: GANSpace's
            latent and activation edits of the same component.
        latents: N codes; their space is not behind that of the edit.
        indices: the direction, or K of them.
        strengths: S of them.
        truncation: None for none. Where it comes before an edit of w, the edit moves
            codes that are truncated, those of the first `cutoff` rows at least, and its
            steps are not shortened; after it, edited codes and so the steps are.
        absolute: move to the strengths (`Directions.move_to`, `Factors.move_to`)
            instead of by them.
        noise: "fixed", "none", a key or [N] keys, or maps by layer name; the same for
            every strength and direction.
        chunk: images per compiled call, and at least one code at all strengths.
        mesh: devices among which the codes of a call are split, None for one.
        progress: called with the number of images just finished.

    Returns:
        [N, S, H, W, C] for one direction, [K, N, S, H, W, C] for a sequence; not
        clipped, on the host.

    Raises:
        ValueError: if the edit does not fit the generator, or codes are behind it; or
            names the argument that does not fit.
        IndexError: for a direction that does not exist.
        TypeError: for `absolute` and an edit that knows no coordinates.
    """
    edits = tuple(edit) if isinstance(edit, Sequence) else (edit,)
    wanted = np.atleast_1d(np.asarray(indices, np.int32))
    amounts = np.asarray(strengths, np.float32)
    check_traversal(generator, edits, latents, truncation)
    for one in edits:
        outside = [int(index) for index in wanted if not 0 <= index < len(one)]
        if outside:
            raise IndexError(
                f"index: {outside[0]} given; there are {len(one)} directions"
            )
        if absolute and not knows_coordinates(one):
            raise TypeError(
                f"absolute: a {type(one).__name__} knows no coordinate to move to"
            )
    if amounts.ndim != 1 or not amounts.size or not wanted.size:
        raise ValueError(
            f"strengths, indices: shapes {amounts.shape}, {wanted.shape} given; at "
            "least one of each is needed"
        )
    if chunk < 1:
        raise ValueError(f"chunk: {chunk} given; 1 or more is accepted")
    count, steps = len(latents), len(amounts)
    code = np.tile(np.arange(count), len(wanted))
    inputs = (
        jax.tree.map(lambda rows: rows[code], latents),
        np.repeat(wanted, count),
        jax.tree.map(lambda rows: rows[code], per_image(noise, count)),
    )
    parts = in_chunks(
        partial(_traverse, absolute=absolute, batch=chunk, mesh=mesh),
        inputs,
        len(code),
        max(1, chunk // steps),
        None if progress is None else lambda done: progress(done * steps),
        whole=(generator, tuple(map(bare, edits)), truncation, amounts),
        mesh=mesh,
    )
    images = np.concatenate(list(parts))
    images = images.reshape(len(wanted), count, *images.shape[1:])
    return images if np.ndim(indices) else images[0]


@partial(jax.jit, static_argnames=("absolute", "batch", "mesh"))
def _traverse(
    generator: Generator,
    edits: tuple[Edit, ...],
    truncation: Truncation | None,
    strengths: jax.Array,
    latents: Latents,
    index: jax.Array,
    noise: Any,
    *,
    absolute: bool,
    batch: int,
    mesh: Mesh | None,
) -> jax.Array:
    """[P, S, H, W, C] of P codes, each along its own direction."""

    def draw(*inputs: Any) -> jax.Array:
        return edited_images(*inputs, absolute=absolute, batch=batch)

    whole = (generator, edits, truncation, strengths)
    if mesh is None:
        return draw(*whole, latents, index, noise)
    rows = PartitionSpec(mesh.axis_names)
    share = jax.shard_map(
        draw,
        mesh=mesh,
        in_specs=(*(PartitionSpec() for _ in whole), rows, rows, rows),
        out_specs=rows,
        check_vma=False,  # what is made of the weights alone is the same everywhere
    )
    return share(*whole, latents, index, noise)


def edited_images(
    generator: Generator,
    edits: tuple[Edit, ...],
    truncation: Truncation | None,
    strengths: jax.Array,
    latents: Latents,
    index: jax.Array,
    noise: Any,
    *,
    absolute: bool,
    batch: int,
) -> jax.Array:
    """The compiled part of `traverse_images`, for a function that looks at pictures.

    Args:
        generator: the generator.
        edits: bare edits that move together.
        truncation: as for `traverse_images`, as are the following two.
        strengths: S of them.
        latents: P codes.
        index: [P], the direction of each.
        noise: of each code, as `generators.inputs.per_image` returns it.
        absolute: as for `traverse_images`.
        batch: pictures that are made at a time.

    Returns:
        [P, S, H, W, C].
    """
    count, steps = len(latents), len(strengths)
    last = last_space(generator)
    late = truncation is not None and truncation.when == "after"
    inside, early, behind, styled = stages(generator, edits)

    def spread(rows: jax.Array) -> jax.Array:
        """[P, ...] -> [S * P, ...]."""
        return jnp.broadcast_to(rows, (steps, *rows.shape)).reshape(-1, *rows.shape[1:])

    indices = spread(index)
    amounts = jnp.repeat(strengths, count)

    def move(edit: Edit, codes: jax.Array) -> jax.Array:
        """[S * P, ...] moved, each by its own strength."""
        act = edit.move_to if absolute else edit.shift  # pyright: ignore
        return act(codes, indices, amounts)

    def traverse(some: tuple[Edit, ...], codes: jax.Array) -> jax.Array:
        """[P, ...] -> [S * P, ...]: the first edit along one path for all strengths."""
        if not some or absolute:
            codes = spread(codes)
        else:
            first, some = some[0], some[1:]
            codes = first.traverse(codes, index, strengths).reshape(
                -1, *codes.shape[1:]
            )
        for edit in some:
            codes = move(edit, codes)
        return codes

    labels = None if latents.label is None else spread(latents.label)
    way = None if late else truncation
    styles = "s" if styled or latents.space == "s" else last
    if early:
        moved = Latents(traverse(early, latents.codes), latents.space, labels)
        codes = to_space(generator, moved, last, way).codes
        for edit in behind:
            codes = move(edit, codes)
    elif behind:
        codes = traverse(behind, to_space(generator, latents, last, way).codes)
    else:
        codes = to_space(generator, latents, styles, truncation).codes
        codes = traverse(styled, codes)
    if early or behind:
        bent = truncation if late else None
        codes = to_space(generator, Latents(codes, last), styles, bent).codes
        for edit in styled:
            codes = move(edit, codes)

    def hook(name: str, amounts: jax.Array, indices: jax.Array) -> Any:
        def edited(value: jax.Array) -> jax.Array:
            flat = value.reshape(len(value), -1)
            for edit in inside:
                if feature_of(edit) == name:
                    act = edit.move_to if absolute else edit.shift  # pyright: ignore
                    flat = act(flat, indices, amounts)
            return flat.reshape(value.shape)

        return edited

    def synthesize(rows: Any) -> jax.Array:
        codes, labels, noise, indices, amounts = rows
        hooks = {
            name: hook(name, amounts, indices)
            for name in map(feature_of, inside)
            if name is not None
        }
        ready = to_synthesis(generator, Latents(codes, styles))
        return generator.synthesize(ready, labels, noise=noise, hooks=hooks or None)

    rows = (codes, labels, jax.tree.map(spread, noise), indices, amounts)
    images = _in_batches(synthesize, rows, steps * count, batch)
    images = images.reshape(steps, count, *images.shape[1:])
    return jnp.swapaxes(images, 0, 1)


def _in_batches(
    call: Callable[[Any], jax.Array], rows: Any, total: int, size: int
) -> jax.Array:
    """A function of `total` rows, `size` at a time if there are more of them."""
    if total <= size:
        return call(rows)
    number = math.ceil(total / size)
    # wrapping around fills the last batch with rows that are dropped again
    order = np.arange(number * size) % total
    split = jax.tree.map(
        lambda leaf: leaf[order].reshape(number, size, *leaf.shape[1:]), rows
    )
    parts = lax.map(call, split)
    return parts.reshape(-1, *parts.shape[2:])[:total]


def stages(generator: Generator, edits: Sequence[Edit]) -> tuple[tuple[Edit, ...], ...]:
    """Edits by where they act: in the network, before the mapping, behind it, on s."""
    inside = tuple(one for one in edits if feature_of(one) is not None)
    mapped = "w" in generator.code_spaces
    early = tuple(one for one in edits if one.space == "z" and mapped)
    styled = tuple(one for one in edits if one.space == "s")
    others = (*inside, *early, *styled)
    return inside, early, tuple(one for one in edits if one not in others), styled


def feature_of(edit: Edit) -> str | None:
    """The feature that an edit moves; None for an edit of latents."""
    kind, _, name = edit.space.partition(":")
    return name if kind == "feature" else None


def has_rows(generator: Generator, edit: Edit) -> bool:
    """Whether an edit moves w+: behind the mapping network, if there is one."""
    spaces = generator.code_spaces
    behind = edit.space in ("w", "w+") or "w" not in spaces
    return "w+" in spaces and behind and feature_of(edit) is None


def check_edit(generator: Generator, edit: Edit) -> None:
    """Refuse an edit that does not fit a generator.

    Raises:
        ValueError: for a space, a dimension or rows that the generator does not have.
    """
    config, accepted = generator.config, generator.code_spaces
    feature = feature_of(edit)
    if feature is not None:
        check_names("edit", [feature], generator.feature_names)
        dimension = _feature_size(generator, feature)
    elif edit.space in accepted:
        dimension = generator.code_shapes[edit.space][-1]
    else:
        raise ValueError(
            f"edit: of space {edit.space!r}; {list(accepted)} are accepted"
        )
    if edit.dimension != dimension:
        raise ValueError(
            f"edit: of dimension {edit.dimension} in {edit.space}; that of this "
            f"generator is {dimension}"
        )
    layers = getattr(edit, "layers", None)
    own = edit.vectors.shape[1] if _per_row(edit) else None  # pyright: ignore
    rows = config.num_layers if has_rows(generator, edit) else 0
    if (layers and max(layers) >= rows) or own not in (None, rows):
        has = f"rows 0 to {rows - 1}" if rows else "no rows"
        wants = f"{own} rows" if own not in (None, rows) else f"row {max(layers or ())}"
        raise ValueError(
            f"edit: shifts {wants}; the latent of this generator has {has}"
        )


def _per_row(edit: Edit) -> bool:
    return isinstance(edit, Directions) and edit.vectors.ndim == 3


def _feature_size(generator: Generator, name: str) -> int:
    """Numbers in one activation."""
    config = generator.config

    def run(latent: jax.Array) -> jax.Array:
        label = jnp.zeros((1, config.label_dim)) if config.label_dim else None
        return generator.features(latent, label, names=(name,))[name]

    shape = jax.ShapeDtypeStruct((1, config.w_dim), jnp.float32)
    return math.prod(jax.eval_shape(run, shape).shape)


def check_traversal(
    generator: Generator,
    edits: Sequence[Edit],
    latents: Latents,
    truncation: Truncation | None,
) -> None:
    """Refuse edits that do not fit a generator or the codes that they are to move.

    Raises:
        ValueError: names what does not fit.
    """
    for one in edits:
        check_edit(generator, one)
    _, early, behind, _ = stages(generator, edits)
    if early and latents.space != "z":
        raise ValueError(
            f"latents: codes in {latents.space} given for an edit in z; codes in z are "
            "accepted"
        )
    if truncation is not None and truncation.when not in WHEN:
        raise ValueError(
            f'truncation: {truncation.when!r} given; "before" or "after" is accepted'
        )
    last = last_space(generator)
    wanted = generator.config.num_layers if last == "w+" else None
    if latents.codes.ndim == 3 and latents.codes.shape[1] != wanted:
        raise ValueError(
            f"latents: {latents.codes.shape[1]} rows given; {wanted} are accepted"
        )
    jax.eval_shape(lambda: to_synthesis(generator, latents, truncation))
    if behind and latents.space == "s":
        raise ValueError(
            f"latents: codes in s given for an edit in {behind[0].space}; codes in an "
            "earlier space are accepted"
        )


def where_edited(
    generator: Generator, edit: Edit, truncation: Truncation | None
) -> str:
    """Where on the way from z to a picture an edit acts, in words."""
    if edit.space == "z":
        mapped = "w" in generator.code_spaces
        return "before the mapping network" if mapped else "at the network's input"
    bent = truncation is not None and not generator.truncates_prior
    if not bent or edit.space not in ("w", "w+"):
        return f"in {edit.space}"
    assert truncation is not None
    if truncation.when == "after":
        return "before truncation"
    rows = "" if truncation.cutoff is None else f", first {truncation.cutoff} rows"
    return f"after truncation (psi {float(truncation.psi):g}{rows})"
