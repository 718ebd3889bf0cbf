"""Masks of foregrounds, from a direction that paints backgrounds white.

Voynov and Babenko, "Unsupervised discovery of interpretable directions in the GAN
latent space", 2020, section 5: BigGAN has a direction that removes the background, and
where a picture gets white then, its background is. Pictures and masks made so teach a
network to segment (`methods.segmentation`).

A mask that covers all but nothing of its picture, or most of it, is taken for a
failure. Sample n then tries another code, which follows from its own key and the number
of the try alone, until a mask passes or `tries` are used up. So neither the batch nor
other samples change what it is. One compiled function does that: all samples try once;
then, for as long as some need it, an eighth of the batch at a time tries again, those
first that still have no mask. A sample that never passes has a weight of zero.

The original draws whole batches until there are enough masks, for 100 rounds at most.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxlatent.batching import in_chunks
from jaxlatent.editing import check_edit, edited_images
from jaxlatent.edits.base import Edit, bare, concrete_index
from jaxlatent.generators.base import Generator
from jaxlatent.latents import (
    EVERY_CLASS,
    OWN_DRAWS,
    Prior,
    Truncation,
    prior,
    sample_keys,
)
from jaxlatent.types import Noise

MODES = ("intensity", "difference")
_SHARE = 8


@dataclasses.dataclass(frozen=True)
class MaskSettings:
    """How a direction becomes masks."""

    mode: str = "intensity"
    """"intensity" takes for background what is white once it is moved; "difference"
    what gets lightest from the opposite move to the move, relative to the picture."""
    strength: float = 26.0
    """How far codes are moved; negative where the opposite way paints white."""
    threshold: float = 0.95
    """From 0 to 1; what stays below is foreground."""
    area: tuple[float, float] = (0.05, 0.5)
    """Between which shares of the picture, both excluded, foregrounds are kept."""
    tries: int = 100
    """Codes that each sample tries at most."""
    chunk: int | None = None
    """Pictures that are made at a time; None for those of a batch at once."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode: {self.mode!r} given; one of {MODES} is accepted")
        low, high = self.area
        if not 0 <= low < high <= 1:
            raise ValueError(
                f"area: {self.area} given; two shares from 0 to 1 are accepted, the "
                "smaller one first"
            )
        for name in ("tries", "chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: {value} given; 1 or more is accepted")


@flax.struct.dataclass(eq=False)
class Samples:
    """Pictures and their masks.

    Attributes:
        pictures: [N, H, W, C] as the generator makes them.
        masks: [N, H, W], True in the foreground.
        weight: [N], 1, or 0 where no try passed; the mask is then that of the first.
        tries: [N], how many codes each took, as floats.
    """

    pictures: Any
    masks: Any
    weight: Any
    tries: Any

    def __len__(self) -> int:
        return self.pictures.shape[0]


@flax.struct.dataclass(eq=False)
class MaskSynthesis:
    """What makes pictures with masks: `synthesis(keys [N]) -> Samples`.

    A pytree that can be called, so that new weights, another direction or other classes
    never recompile. Build one with `mask_synthesis`, which checks the choices.

    Attributes:
        prior: what draws codes in z and classes, and the generator.
        edit: bare.
        index: the direction, a scalar.
        truncation: of w; None for none.
        settings: how.
    """

    prior: Prior
    edit: Edit
    index: jax.Array
    truncation: Truncation | None
    settings: MaskSettings = flax.struct.field(pytree_node=False)

    def __call__(self, keys: jax.Array) -> Samples:
        """N pictures with masks, with a typed key [N] for each."""
        count, limit = len(keys), self.settings.tries
        size = -(-count // _SHARE)
        first = self.tried(keys, jnp.zeros(count, jnp.int32))

        def pending(samples: Samples) -> jax.Array:
            return (samples.weight == 0) & (samples.tries < limit)

        def again(samples: Samples) -> Samples:
            waiting = pending(samples)
            # rows behind the last are written nowhere
            (rows,) = jnp.nonzero(waiting, size=size, fill_value=count)
            number = samples.tries[rows].astype(jnp.int32)
            found = self.tried(keys[rows], number)
            passed = waiting[rows] & (found.weight > 0)

            def put(old: jax.Array, new: jax.Array) -> jax.Array:
                where = passed.reshape(-1, *(1,) * (old.ndim - 1))
                return old.at[rows].set(jnp.where(where, new, old[rows]))

            after = jax.tree.map(put, samples, found)
            tries = samples.tries.at[rows].add(waiting[rows].astype(jnp.float32))
            return dataclasses.replace(after, tries=tries)

        return jax.lax.while_loop(lambda s: pending(s).any(), again, first)

    def tried(self, keys: jax.Array, number: jax.Array) -> Samples:
        """One try of each sample.

        Args:
            keys: [N].
            number: [N], which of its tries, from 0.
        """
        keys = jax.vmap(jax.random.fold_in)(keys, OWN_DRAWS + number)
        plain, *moved = self.pictures(keys)
        masks = self.masks(*moved)
        kept = fits(masks, self.settings.area)
        count = jnp.full(len(keys), 1, jnp.float32)
        return Samples(plain, masks, kept.astype(jnp.float32), count)

    def last_pictures(self, keys: jax.Array, tries: Any) -> tuple[jax.Array, ...]:
        """What the masks of samples were read off, given their keys and `tries`."""
        number = OWN_DRAWS - 1 + jnp.asarray(tries).astype(jnp.int32)
        return self.pictures(jax.vmap(jax.random.fold_in)(keys, number))

    def pictures(self, keys: jax.Array) -> tuple[jax.Array, ...]:
        """Pictures [N, H, W, C] of codes, of moved ones, and, for the mode
        "difference", of codes moved the opposite way; all of the same classes.
        """
        how, count = self.settings, len(keys)
        amounts = [0.0, how.strength]
        amounts += [-how.strength] * (how.mode == "difference")
        images = edited_images(
            self.prior.generator,
            (self.edit,),
            self.truncation,
            jnp.asarray(amounts, jnp.float32),
            self.prior(keys),
            jnp.broadcast_to(self.index, (count,)),
            Noise.FIXED,
            absolute=False,
            batch=how.chunk or count * len(amounts),
        )
        return tuple(jnp.moveaxis(images, 1, 0))

    def masks(self, moved: jax.Array, opposite: jax.Array | None = None) -> jax.Array:
        """[N, H, W] of moved pictures."""
        if opposite is None:
            return intensity_masks(moved, self.settings.threshold)
        return difference_masks(moved, opposite, self.settings.threshold)


def intensity(pictures: jax.Array) -> jax.Array:
    """How light pixels are, the mean of the channels: [N, H, W, C] -> [N, H, W].

    -1 becomes 0, 1 becomes 1.
    """
    return 0.5 * jnp.mean(pictures, axis=-1) + 0.5


def intensity_masks(pictures: jax.Array, threshold: float = 0.95) -> jax.Array:
    """Where pictures with white backgrounds are not white.

    Args:
        pictures: [N, H, W, C] in [-1, 1].
        threshold: of the intensity.

    Returns:
        [N, H, W], True in the foreground.
    """
    return intensity(pictures) < threshold


def difference_masks(
    moved: jax.Array, opposite: jax.Array, threshold: float = 0.95
) -> jax.Array:
    """Where pictures get lighter the least.

    Args:
        moved: [N, H, W, C] in [-1, 1], of codes that moved so that the background gets
            light.
        opposite: of those that moved the other way.
        threshold: of the difference of intensities, which is brought to 0 to 1 for each
            picture.

    Returns:
        [N, H, W], True in the foreground.
    """
    change = intensity(moved) - intensity(opposite)
    low, high = (
        find(change, axis=(1, 2), keepdims=True) for find in (jnp.min, jnp.max)
    )
    return (change - low) / jnp.where(high > low, high - low, 1) < threshold


def fits(masks: jax.Array, area: tuple[float, float] = (0.05, 0.5)) -> jax.Array:
    """Whether masks [N, H, W] cover a share strictly within `area`: [N] bool."""
    share = jnp.mean(masks.astype(jnp.float32), axis=(1, 2))
    return (area[0] < share) & (share < area[1])


def mask_synthesis(
    generator: Generator,
    edit: Edit,
    index: int = 0,
    settings: MaskSettings = MaskSettings(),
    *,
    label: Any = None,
    truncation: Truncation | None = None,
) -> MaskSynthesis:
    """What makes pictures with masks by a direction of any edit.

    Args:
        generator: the generator; `prepare` it first.
        edit: of any kind.
        index: the direction.
        settings: how.
        label: the classes of codes, as `latents.prior` takes them; None for all classes
            alike, where there are any.
        truncation: of w before the edit, or of the prior of z.

    Raises:
        ValueError: if the edit does not fit the generator, or another argument.
        IndexError: for a direction that there is not.
    """
    check_edit(generator, edit)
    if label is None and generator.config.label_dim:
        label = EVERY_CLASS
    drawn = prior(
        generator,
        label=label,
        truncation=truncation if generator.truncates_prior else None,
    )
    number = concrete_index(index, len(edit))
    return MaskSynthesis(drawn, bare(edit), jnp.int32(number), truncation, settings)


def draw_masks(
    synthesis: MaskSynthesis,
    num: int,
    *,
    key: jax.Array,
    chunk: int = 32,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> Samples:
    """Pictures with masks, on the host.

    Args:
        synthesis: what makes them.
        num: how many; number n has `fold_in(key, n)`, whatever `num` and `chunk`.
        key: a typed key.
        chunk: samples per compiled call; bounds memory.
        mesh: devices among which the samples of a call are split, None for one.
        progress: called with the number of samples just made.

    Returns:
        NumPy's arrays.

    Raises:
        ValueError: if no sample has a mask that passes.
    """
    keys = sample_keys(key, np.arange(num))
    parts = list(
        in_chunks(_drawn, (keys,), num, chunk, progress, whole=(synthesis,), mesh=mesh)
    )
    found = jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
    if not found.weight.any():
        how = synthesis.settings
        raise ValueError(
            f"index: none of {num * how.tries} codes has a foreground of {how.area[0]} "
            f"to {how.area[1]} of the picture (mode {how.mode}, strength "
            f"{how.strength:g}, threshold {how.threshold:g}); a direction that paints "
            "the background white is accepted"
        )
    return found


@jax.jit
def _drawn(synthesis: MaskSynthesis, keys: jax.Array) -> Samples:
    return synthesis(keys)
