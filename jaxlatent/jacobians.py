"""The Jacobian of a generator's picture, where edits will act, and its Gram matrices.

`Picture` is a generator as a function of one shift: of z, of w, of single rows of w+,
of every row apart, or of s. The functions of `jaxlatent.numerics.jacobian` take it as
it is.

Sources: Zhu et al., "Low-Rank Subspaces in GANs" (LowRankGAN, 2021), and "Region-Based
Semantic Factorization in GANs" (ReSeFa, 2022), which compare the Gram matrices of two
parts of the picture. Where this differs from their code, and why:

- They run one backward pass for every pixel of a picture shrunk to 256 x 256 and keep
  the Jacobian, 128 MiB for each latent. Here columns are pushed forward and the Gram
  matrices are kept, 1 MiB each.
- They average or add the colours of a pixel, which hides a change of hue; here colours
  are outputs of their own, unless `channels` says otherwise.
- They move w in all layers and then edit some of them, to which the Jacobian does not
  apply. `layers` are the rows that move.
- Pictures are shrunk by averaging (`resize="area"`), or as theirs by leaving pixels
  out.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypedDict, get_args

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxlatent.collectives import gather
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.generators.steps import check_names
from jaxlatent.latents import Latents, Truncation, to_space, to_synthesis
from jaxlatent.numerics.jacobian import gram, jacobian, shared_shift
from jaxlatent.numerics.shrinking import shrink
from jaxlatent.parallel import place
from jaxlatent.types import parse_layers

DRAWN_AT = 256
"""Longer side to which larger pictures are shrunk unless a `View` says otherwise."""

Channels = Literal["keep", "mean", "sum"]
Resizing = Literal["area", "nearest"]


@dataclasses.dataclass(frozen=True)
class View:
    """How pictures are differentiated."""

    layers: str | None = None
    """Rows of w+ that move together and that directions will edit, such as 4-7; all."""
    size: int | None = None
    """Longer side to which pictures are shrunk; 256 at most if left out."""
    channels: Channels = "keep"
    """Keep colours apart, or merge them as LowRankGAN (mean) and ReSeFa (sum)."""
    resize: Resizing = "area"
    """Shrink by averages, or by leaving pixels out as the originals."""


AS_IT_IS = View()


class Told(TypedDict, total=False):
    """What an edit of a region may record; see `edits.base.Described`."""

    space: str
    layers: Sequence[int] | None
    names: Sequence[str] | None
    generator: str


class Columns(TypedDict, total=False):
    """How columns are computed; see `weighted_grams`."""

    chunk: int
    mesh: Mesh | None
    store: bool | None
    precision: str
    progress: Callable[[int], None] | None


@flax.struct.dataclass(eq=False)
class Picture:
    """One picture of a generator as a function of a shift of its latent.

    A pytree that can be called: hand it to a compiled function as an argument. Build
    one with `picture`, which checks the choices.

    Attributes:
        generator: the generator.
        base: the latent that is shifted, [D], or w+ [L, D], or s [S].
        label: [1] or [1, C] for class-conditional families, else None.
        space: of the base.
        layers: rows of w+ that a shift [D] moves together; None if the shift has the
            base's shape.
        size: height and width of the picture that comes out, None for the generator's
            own.
        channels: "keep", or "mean" or "sum" over them.
        resize: "area" or "nearest".
        feature: the activation that comes out instead of the picture, as it is.
    """

    generator: Generator
    base: jax.Array
    label: jax.Array | None
    space: str = flax.struct.field(pytree_node=False)
    layers: tuple[int, ...] | None = flax.struct.field(pytree_node=False)
    size: tuple[int, int] | None = flax.struct.field(pytree_node=False)
    channels: str = flax.struct.field(pytree_node=False)
    resize: str = flax.struct.field(pytree_node=False)
    feature: str | None = flax.struct.field(pytree_node=False)

    @property
    def origin(self) -> jax.Array:
        """The shift that changes nothing: zeros of the shape that a call accepts."""
        return jnp.zeros_like(self.base if self.layers is None else self.base[0])

    @property
    def recompute(self) -> bool:
        """Whether columns are pushed with the picture drawn again for each."""
        return getattr(self.generator.config, "recompute", False)

    def __call__(self, shift: jax.Array) -> jax.Array:
        """Shift -> [H, W, C], without the channels where they are merged."""
        if self.layers is None:
            return self._draw(self.base + shift)
        return shared_shift(self._draw, self.base, self.layers)(shift)

    def _draw(self, latent: jax.Array) -> jax.Array:
        """What one latent makes."""
        generator, codes = self.generator, latent[None]
        if self.space == "z" and "w" in generator.code_spaces:
            codes = generator.map(codes, self.label)
        if self.space == "s":
            codes = to_synthesis(generator, Latents(codes, "s"))
        return self.draw(codes)

    def draw(self, codes: Any) -> jax.Array:
        """[H, W, C] of one code [1, ...], or styles, as synthesis takes them."""
        generator = self.generator
        if self.feature is not None:
            found = generator.features(codes, self.label, names=(self.feature,))
            return found[self.feature][0]
        image = generator.synthesize(codes, self.label)[0]
        if self.size is not None:
            image = shrink(image, self.size, self.resize)
        if self.channels == "keep":
            return image
        return image.mean(axis=-1) if self.channels == "mean" else image.sum(axis=-1)


def picture(
    generator: Generator,
    latent: jax.Array,
    view: View = AS_IT_IS,
    *,
    space: str,
    label: jax.Array | None = None,
    feature: str | None = None,
) -> Picture:
    """The function of a shift whose Jacobian is wanted.

    Args:
        generator: the generator.
        latent: one code: z [D], w [D], w+ [L, D] or s [S]; not truncated further.
        view: which rows of w+ move together, and how the picture is seen.
        space: "z", "w", "w+" or "s".
        label: a class, for class-conditional generators: an int, or [C].
        feature: an activation by name, in place of the picture.

    Raises:
        ValueError: names the argument that does not fit.
    """
    config, accepted = generator.config, generator.code_spaces
    if space not in accepted:
        raise ValueError(f"space: {space!r} given; {list(accepted)} are accepted")
    latent = jnp.asarray(latent)
    shape = generator.code_shapes[space]
    if latent.shape != shape:
        raise ValueError(
            f"latent: shape {latent.shape} given; {shape} is accepted for {space}"
        )
    rows = None
    if view.layers is not None:
        mapped = space == "z" and "w" in accepted
        if "w+" not in accepted or mapped or space == "s":
            raise ValueError(
                f"layers: {view.layers!r} given for a code in {space}; a code in w or "
                "w+ of a generator with rows is accepted"
            )
        rows = parse_layers(view.layers, config.num_layers)
        rows = tuple(range(config.num_layers)) if rows is None else rows
        if latent.ndim == 1 and len(rows) == config.num_layers:
            rows = None
        elif latent.ndim == 1:
            latent = generator.broadcast(latent[None])[0]
    for name, value, choices in (
        ("channels", view.channels, get_args(Channels)),
        ("resize", view.resize, get_args(Resizing)),
    ):
        if value not in choices:
            raise ValueError(f"{name}: {value!r} given; one of {choices} is accepted")
    if feature is not None:
        check_names("feature", [feature], generator.feature_names)
    made = Picture(
        generator=generator,
        base=latent,
        label=None if label is None else jnp.asarray(label)[None],
        space=space,
        layers=rows,
        size=None,
        channels="keep",
        resize=view.resize,
        feature=feature,
    )
    if feature is not None:
        return made
    sides = size_of(made)
    if view.size is not None and not 1 <= view.size <= max(sides):
        raise ValueError(
            f"size: {view.size} given; 1 to {max(sides)} is accepted for pictures of "
            f"{sides[0]} x {sides[1]}"
        )
    size = None if view.size is None else _within(sides, view.size)
    return dataclasses.replace(made, size=size, channels=view.channels)


def pictures_at(
    generator: Generator,
    latents: Latents,
    view: View = AS_IT_IS,
    truncation: Truncation | None = None,
) -> list[Picture]:
    """One function of a shift for each code, where edits will act.

    Args:
        generator: the generator.
        latents: N codes; those in z are carried to w where there is a mapping network,
            or to w+ where they are truncated.
        view: which rows move ("all" and None are the same here), and how the pictures
            are seen; pictures whose longer side is beyond `DRAWN_AT` pixels are shrunk
            to that unless it names another.
        truncation: None for none.

    Raises:
        ValueError: names the argument that does not fit.
    """
    if not len(latents):
        raise ValueError("latents: no codes given; one or more is accepted")
    accepted = generator.code_spaces
    bent = truncation is not None and not generator.truncates_prior
    if latents.space == "z" and "w" in accepted:
        latents = to_space(generator, latents, "w+" if bent else "w", truncation)
    rowless = "w+" not in accepted or latents.space == "s"
    if rowless and view.layers in (None, "all"):
        view = dataclasses.replace(view, layers=None)
    elif "w+" not in accepted:
        raise ValueError(f"layers: {view.layers!r} given, but this generator has no w+")
    elif latents.space in ("w", "w+") or view.layers is not None:
        whole = latents.space == "z" and view.layers == "all"
        rows = None if whole else view.layers or "all"
        view = dataclasses.replace(view, layers=rows)
    made = [
        picture(
            generator,
            code,
            view,
            space=latents.space,
            label=None if latents.label is None else latents.label[index],
        )
        for index, code in enumerate(latents.codes)
    ]
    sides = size_of(made[0])
    if view.size is None and max(sides) > DRAWN_AT:
        size = _within(sides, DRAWN_AT)
        made = [dataclasses.replace(one, size=size) for one in made]
    return made


def size_of(given: Picture) -> tuple[int, int]:
    """Height and width of what comes out."""
    height, width = jax.eval_shape(given, given.origin).shape[:2]
    return height, width


def _within(sides: tuple[int, int], most: int) -> tuple[int, int]:
    """Height and width of the same aspect whose longer one is `most`."""
    height, width = (max(1, round(one * most / max(sides))) for one in sides)
    return height, width


def recorded(generator: Generator, given: Picture) -> Told:
    """What an edit that was found from a picture's Gram matrices records."""
    return {
        "space": given.space if given.space in ("z", "s") else "w",
        "layers": given.layers,
        "generator": fingerprint(generator),
    }


def weighted_grams(
    given: Picture,
    weights: np.ndarray,
    *,
    chunk: int = 8,
    mesh: Mesh | None = None,
    store: bool | None = None,
    precision: str = "highest",
) -> np.ndarray:
    """Gram matrices of one picture under weights of its pixels, on the host.

    Source: LowRankGAN, section 3.2: M = J^T diag(m) J / P, where P is the sum of the
    weights over all outputs. Compiled; neither another latent nor other weights compile
    it again.

    Args:
        given: see `picture`; prepare its generator first where there are many calls.
        weights: [R, H, W] of the picture, from 0 up.
        chunk: tangents at a time.
        mesh: devices among which the columns are divided, None for one.
        store: keep the columns; see `jaxlatent.numerics.jacobian.gram`.
        precision: of products and convolutions, as for `jax.default_matmul_precision`.

    Returns:
        [R, D, D] float32, symmetric; D is the number of entries of a shift.

    Raises:
        ValueError: for weights of another size, or that are all zero.
    """
    weights = np.asarray(weights, np.float32)
    output = jax.eval_shape(given, given.origin).shape
    if weights.ndim != 3 or weights.shape[1:] != output[:2]:
        raise ValueError(
            f"weights: shape {weights.shape} given; [R, {output[0]}, {output[1]}] is "
            "accepted"
        )
    counts = weights.sum(axis=(1, 2), dtype=np.float64) * np.prod(output[2:])
    if not (counts > 0).all():
        raise ValueError(f"weights: number {int(np.argmin(counts > 0))} are all zero")
    spread = weights.reshape(*weights.shape, *(1,) * (len(output) - 2))
    options: Any = {"chunk": chunk, "mesh": mesh, "store": store}
    grams = host_gram(given, spread, precision=precision, **options)
    return (grams / counts[:, None, None]).astype(np.float32)


def host_gram(
    given: Any,
    weights: np.ndarray | None = None,
    *,
    chunk: int = 8,
    mesh: Mesh | None = None,
    store: bool | None = None,
    precision: str = "highest",
) -> np.ndarray:
    """`numerics.jacobian.gram` of a function of shifts, compiled, on the host.

    Args:
        given: a pytree that can be called and that has an `origin`, as a `Picture`.
        weights: of its output, one set or many; None for ones.
        chunk: as for `weighted_grams`, and so are the others.
        mesh: likewise.
        store: likewise.
        precision: likewise.

    Returns:
        [D, D] or [R, D, D] float64, symmetric.
    """
    if mesh is not None:
        given, weights = place((given, weights), mesh)
    with jax.default_matmul_precision(precision):
        found = _gram(given, weights, chunk=chunk, mesh=mesh, store=store)
    grams = np.asarray(found if mesh is None else gather(found), np.float64)
    return (grams + grams.swapaxes(-1, -2)) / 2


def mean_region_grams(
    pictures: Sequence[Picture],
    mask: np.ndarray,
    *,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """The mean Gram matrices of a region and of its rest, over some codes.

    Args:
        pictures: see `pictures_at`.
        mask: [H, W] weights from 0 to 1.
        progress: called with the number of codes just finished.
        **options: of `weighted_grams`.

    Returns:
        Region and rest, [D, D] float64 each.
    """
    pairs = []
    for given in pictures:
        pairs.append(region_grams(given, np.asarray(mask)[None], **options)[0])
        if progress is not None:
            progress(1)
    region, rest = np.stack(pairs).astype(np.float64).mean(axis=0)
    return region, rest


def region_grams(given: Picture, masks: np.ndarray, **options: Any) -> np.ndarray:
    """Gram matrices of regions of a picture, and of what lies around each.

    Args:
        given: see `picture`.
        masks: [R, H, W] weights from 0 to 1, see `jaxlatent.data.regions`.
        options: of `weighted_grams`.

    Returns:
        [R, 2, D, D] float32: region and rest.

    Raises:
        ValueError: see `weighted_grams`; a region that is empty or everything.
    """
    masks = np.asarray(masks, np.float32)
    pairs = np.stack([masks, 1 - masks], axis=1).reshape(-1, *masks.shape[1:])
    grams = weighted_grams(given, pairs, **options)
    return grams.reshape(len(masks), 2, *grams.shape[1:])


def full_jacobian(given: Picture, *, chunk: int = 8) -> np.ndarray:
    """The Jacobian itself, [*output, *shift], compiled; on the host."""
    return np.asarray(_jacobian(given, chunk=chunk))


def _picture_gram(given: Any, weights: Any, **options: Any) -> jax.Array:
    return gram(given, given.origin, weights=weights, **options)


def _picture_jacobian(given: Picture, *, chunk: int) -> jax.Array:
    return jacobian(given, given.origin, chunk=chunk)


_jacobian = jax.jit(_picture_jacobian, static_argnames="chunk")
_gram = jax.jit(_picture_gram, static_argnames=("chunk", "mesh", "store"))
