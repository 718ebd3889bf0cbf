"""Codes and where they come from: latents in named spaces, their prior, truncation."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import NoiseInput
from jaxlatent.generators.style_space import join_styles, split_styles, style_sizes
from jaxlatent.types import Noise

CODE_SPACES = ("z", "w", "w+", "s")

EVERY_CLASS = "every"
"""The word for a class drawn uniformly from all that a generator has."""

WHEN = ("before", "after")

_Z_DRAW, _CLASS_DRAW = range(2)

OWN_DRAWS = 2
"""The first number that is free to be folded into the key of a sample: `Prior` draws z
and the class with those below it."""


@flax.struct.dataclass(eq=False)
class Latents:
    """Codes, and the space that they are in.

    Attributes:
        codes: [N, D], or [N, L, D] in w+; in s, [N, S], the style vectors of all
            layers side by side.
        space: "z", "w", "w+" or "s".
        label: the class of each, [N] integers or [N, C] weights; None for none.
    """

    codes: jax.Array
    space: str = flax.struct.field(pytree_node=False)
    label: jax.Array | None = None

    def __len__(self) -> int:
        return self.codes.shape[0]


@flax.struct.dataclass(eq=False)
class Truncation:
    """How codes are pulled towards the mean: w by psi, or the prior of z (BigGAN).

    Attributes:
        psi: 1 for not at all, 0 for the mean itself.
        cutoff: how many rows of w+ are truncated, None for all.
        when: "before" or "after" an edit of w or w+; one of s is always behind it.
    """

    psi: float | jax.Array
    cutoff: int | None = flax.struct.field(pytree_node=False, default=None)
    when: str = flax.struct.field(pytree_node=False, default="before")


def last_space(generator: Generator) -> str:
    """The last space whose arrays of codes the synthesis network takes."""
    return [space for space in generator.code_spaces if space != "s"][-1]


def to_space(
    generator: Generator,
    latents: Latents,
    target: str,
    truncation: Truncation | None = None,
) -> Latents:
    """Carry codes from their space to a later one: z, w, w+, s.

    Args:
        generator: whose spaces they are.
        latents: the codes.
        target: the space to return, not before theirs.
        truncation: on the way to w+; None for none. Where the prior of z is truncated
            instead, there is nothing left to do here.

    Raises:
        ValueError: if the generator lacks a space, or the way leads backwards.
    """
    accepted = generator.code_spaces
    for name, space in (("latents", latents.space), ("target", target)):
        if space not in accepted:
            raise ValueError(
                f"{name}: space {space!r} given; {list(accepted)} are accepted"
            )
    start, stop = CODE_SPACES.index(latents.space), CODE_SPACES.index(target)
    if stop < start:
        raise ValueError(
            f"target: codes in {latents.space} cannot go back to {target}; give codes "
            f"in {target}"
        )
    codes = latents.codes
    if start == 0 < stop:
        codes = generator.map(codes, latents.label)
    if start < 2 <= stop:
        codes = generator.broadcast(codes)
    if truncation is not None and not generator.truncates_prior:
        if stop < 2 or start > 2:
            raise ValueError(
                f"truncation: it ends in w+, but codes in {target} are asked"
            )
        codes = generator.truncate(codes, truncation.psi, truncation.cutoff)
    if start < 3 == stop:
        codes = join_styles(generator.styles(codes), style_sizes(generator))
    return Latents(codes, target, latents.label)


def to_synthesis(
    generator: Generator, latents: Latents, truncation: Truncation | None = None
) -> Any:
    """Codes in any space as `Generator.synthesize` takes them: an array, or styles.

    The arguments are those of `to_space`.
    """
    space = "s" if latents.space == "s" else last_space(generator)
    codes = to_space(generator, latents, space, truncation).codes
    return split_styles(codes, style_sizes(generator)) if space == "s" else codes


def to_images(
    generator: Generator,
    latents: Latents,
    truncation: Truncation | None = None,
    *,
    noise: NoiseInput = Noise.FIXED,
) -> jax.Array:
    """The images [N, H, W, C] of codes in any space.

    Args:
        generator: what draws.
        latents: N codes.
        truncation: on the way, as for `to_space`.
        noise: as for `Generator.synthesize`.
    """
    ready = to_synthesis(generator, latents, truncation)
    return generator.synthesize(ready, latents.label, noise=noise)


def mix_rows(
    destination: jax.Array, source: jax.Array, layers: Sequence[int]
) -> jax.Array:
    """Style mixing: codes whose rows `layers` come from others.

    Source: Karras et al., "A Style-Based Generator Architecture" (2019), section 3.1.

    Args:
        destination: w+ [N, L, D].
        source: w+ [M, L, D].
        layers: the rows that are taken from the source.

    Returns:
        [N, M, L, D], number i with the rows of j.
    """
    if destination.ndim != 3 or destination.shape[1:] != source.shape[1:]:
        raise ValueError(
            f"destination, source: shapes {destination.shape} and {source.shape} "
            "given; [N, L, D] and [M, L, D] are accepted"
        )
    chosen = np.isin(np.arange(destination.shape[1]), layers)[None, None, :, None]
    return jnp.where(chosen, source[None], destination[:, None])


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

    def step_between(one: jax.Array, two: jax.Array) -> jax.Array:
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

    ways = jax.vmap(step_between)(codes[:-1], codes[1:])
    ways = ways.reshape(-1, *codes.shape[1:])
    return jnp.concatenate([ways, codes[-1:]])


def analogy(one: jax.Array, two: jax.Array, three: jax.Array) -> jax.Array:
    """Vector arithmetic of codes, the mean of `one` less that of `two` plus `three`'s.

    Source: Radford et al., "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks" (2016), section 6.3.2.

    Args:
        one: [A, D], or [A, L, D].
        two: [B, D], what one has beside it.
        three: [C, D], what that is to be put to.

    Returns:
        [D], or [L, D].
    """
    return one.mean(0) - two.mean(0) + three.mean(0)


@flax.struct.dataclass(eq=False)
class Prior:
    """What draws codes: `prior(keys [N]) -> Latents`; sample n depends on key n alone.

    A pytree that can be called, so that new weights, other classes or another psi never
    recompile. Build one with `prior`, which checks the choices.

    Attributes:
        generator: whose prior it is.
        choices: None without classes; weights [C] of one class for all; or the numbers
            [M] of classes, or weights [M, C], one of which is drawn for each sample.
        truncation: of w, or of the prior of z; None for none.
        space: of the codes.
        bound: z is drawn from the normal law within this many deviations; None for the
            generator's own law.
    """

    generator: Generator
    choices: jax.Array | None
    truncation: Truncation | None
    space: str = flax.struct.field(pytree_node=False)
    bound: float | None = flax.struct.field(pytree_node=False, default=None)

    def __call__(self, keys: jax.Array) -> Latents:
        """Draw N codes, with a typed key [N] for each."""
        psi = None
        if self.truncation is not None and self.generator.truncates_prior:
            psi = self.truncation.psi
        fold = jax.vmap(jax.random.fold_in, (0, None))

        def one(key: jax.Array) -> jax.Array:
            if self.bound is not None:
                size = (self.generator.config.z_dim,)
                return jax.random.truncated_normal(key, -self.bound, self.bound, size)
            return self.generator.sample(key, 1, truncation=psi)[0]  # pyright: ignore

        z = jax.vmap(one)(keys)
        drawn = Latents(z, "z", self._classes(fold(keys, _CLASS_DRAW)))
        if self.space == "z":
            return drawn
        return to_space(self.generator, drawn, self.space, self.truncation)

    def _classes(self, keys: jax.Array) -> jax.Array | None:
        if self.choices is None:
            return None
        floating = jnp.issubdtype(self.choices.dtype, jnp.floating)
        if floating and self.choices.ndim == 1:
            return jnp.broadcast_to(self.choices, (len(keys), *self.choices.shape))
        count = self.choices.shape[0]
        return self.choices[
            jax.vmap(lambda key: jax.random.randint(key, (), 0, count))(keys)
        ]


def prior(
    generator: Generator,
    *,
    space: str = "z",
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
    bound: float | None = None,
) -> Prior:
    """The prior of a generator, in one of its spaces.

    Args:
        generator: the generator.
        space: "z", "w", "w+" or "s".
        label: the class of every code: a number, or weights [C] (floats); a list of
            numbers, or weights [M, C], of which each code gets one; "every" for all
            classes alike. None for an unconditional generator.
        truncation: of w on the way to w+, or of the prior of z where the generator has
            it (1 then draws within two deviations, as BigGAN); None for none.
        bound: draw z from the normal law within this many deviations, as
            WarpedGANSpace does for StyleGAN2; None for the generator's own law.

    Raises:
        ValueError: names the argument that does not fit.
    """
    own = getattr(generator.config, "sample_function", None) is not None
    if bound is not None and (own or generator.truncates_prior or not bound > 0):
        raise ValueError(
            f"bound: {bound} given; a number above 0 is accepted, where z is normal "
            "and its prior is not truncated otherwise"
        )
    accepted = generator.code_spaces
    if space not in accepted:
        raise ValueError(f"space: {space!r} given; {list(accepted)} are accepted")
    if truncation and space in ("z", "w") and not generator.truncates_prior:
        raise ValueError(
            f"truncation: it ends in w+, but codes in {space} are asked; this "
            "generator's prior has none"
        )
    choices = class_choices(label, generator.config.label_dim)
    return Prior(generator, choices, truncation, space, bound)


def prior_truncation(generator: Generator, psi: float | None) -> Truncation | None:
    """How papers truncate a prior of z; None for generators whose prior has none."""
    return Truncation(psi) if generator.truncates_prior and psi is not None else None


def class_choices(label: Any, count: int) -> jax.Array | None:
    """What `Prior.choices` holds of a `label` as `prior` takes it.

    Args:
        label: the label.
        count: classes that there are, 0 for none.

    Raises:
        ValueError: if it is missing or unwanted, or a class does not exist.
    """
    if count == 0:
        if label is not None:
            raise ValueError("label: given, but this generator is unconditional")
        return None
    if label is None:
        raise ValueError(f"label: missing; this generator has {count} classes")
    if isinstance(label, str):
        if label != EVERY_CLASS:
            raise ValueError(
                f"label: {label!r} given; a class, a list of them, weights [{count}] "
                f'or "{EVERY_CLASS}" is accepted'
            )
        return jnp.arange(count)
    array = jnp.asarray(label)
    floating = jnp.issubdtype(array.dtype, jnp.floating)
    if floating and array.shape[-1:] == (count,) and array.ndim < 3 and array.size:
        return array
    if not jnp.issubdtype(array.dtype, jnp.integer) or array.ndim > 1 or not array.size:
        raise ValueError(
            f"label: {array.dtype} {array.shape} given; a class, a list of them, "
            f"weights [{count}] or [M, {count}] are accepted"
        )
    if not isinstance(array, Tracer):
        wrong = [int(one) for one in np.atleast_1d(array) if not 0 <= one < count]
        if wrong:
            raise ValueError(
                f"label: {wrong} given; classes 0 to {count - 1} are accepted"
            )
    return jnp.atleast_1d(array)


def numpy_codes(
    seeds: Sequence[int], dimension: int, *, truncation: float | None = None
) -> jax.Array:
    """The codes of z that other tools call by their seeds, in single precision.

    Without a truncation, seed s is `numpy.random.RandomState(s).randn(1, dimension)`,
    as in NVIDIA's `generate.py` and what is built on it. With one, it is the truncated
    normal of huggingface's and GANalyze's BigGAN: `truncation` times SciPy's
    `truncnorm.rvs(-2, 2)` with that state, which inverts the distribution function.

    Args:
        seeds: 0 to 2**32 - 1.
        dimension: of z.
        truncation: None for the whole normal distribution.

    Returns:
        [N, dimension].
    """
    drawn = [_numpy_code(seed, dimension, truncation) for seed in seeds]
    return jnp.asarray(np.concatenate(drawn), jnp.float32)


def _numpy_code(seed: int, dimension: int, truncation: float | None) -> np.ndarray:
    state = np.random.RandomState(seed)
    if truncation is None:
        return state.randn(1, dimension)
    normal = NormalDist()
    low, high = normal.cdf(-2.0), normal.cdf(2.0)
    shares = low + (high - low) * state.uniform(size=(1, dimension))
    return truncation * np.vectorize(normal.inv_cdf)(shares)


def sample_keys(key: jax.Array, numbers: Any) -> jax.Array:
    """The keys of samples by number: sample n has `fold_in(key, n)`."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.asarray(numbers))
