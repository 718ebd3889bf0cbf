"""`Generator`: parameters and a frozen config, seen through the functions of a family.

A family is a module whose `Config` class and functions `init`, `prepare`, `sample`,
`map`, `broadcast`, `truncate`, `run`, `feature_names`, `noise_maps`, `affines` and
`embed` share their names with every other family. `run` yields the activations, of
which the image is the last; synthesis and features are written once, over it. The
module is found from the class of the config, so a generator carries nothing but arrays
and static data and is itself a pytree.
"""

import dataclasses
import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxlatent.generators import functions, plain, steps
from jaxlatent.generators.inputs import (
    PRIOR,
    NoiseInput,
    as_noise,
    keys_per_image,
)
from jaxlatent.generators.kernels import PREPARED, unknown_fingerprint
from jaxlatent.generators.per_sample import LARGE_IMAGE, map_per_sample
from jaxlatent.generators.steps import Hook, Steps
from jaxlatent.generators.style_space import style_sizes
from jaxlatent.numerics.spectral import symmetric_spectrum
from jaxlatent.types import NO_ORIGIN, Affine, Noise, Origin, Params

FAMILIES = (
    "biggan",
    "biggan_deep",
    "progan",
    "rendered",
    "sequential",
    "sngan",
    "stylegan",
    "stylegan2",
    "stylegan3",
)
"""Families whose generators can be kept on disk, by module name."""


@flax.struct.dataclass(eq=False)
class Generator:
    """A generator: `params` (a pytree) and `config` (static), and nothing hidden.

    `origin` tells which file they are of and what that left open: nothing computes with
    it, and compiled code does not depend on it.

    It crosses `jit`, `vmap` and `grad` like any pytree; passing it as an argument of a
    compiled function means that new weights never recompile. The methods are the
    functions of the config's family module; their docstrings describe shapes in full.
    """

    params: Params
    config: Any = flax.struct.field(pytree_node=False)
    origin: Origin = flax.struct.field(pytree_node=False, default=NO_ORIGIN)

    @classmethod
    def from_functions(
        cls,
        synthesize: Callable[[Params, jax.Array], jax.Array],
        *,
        z_dim: int,
        params: Params | None = None,
        sample: Callable[[jax.Array], jax.Array] | None = None,
        map: Callable[[Params, jax.Array], jax.Array] | None = None,
        w_dim: int | None = None,
    ) -> "Generator":
        """Make a generator of any pure functions: a decoder, a diffusion model, ...

        Args:
            synthesize: `(params, latent [N, D]) -> images [N, H, W, C]` in [-1, 1].
            z_dim: dimension of z.
            params: the pytree handed to `synthesize` and `map`.
            sample: `key -> z [z_dim]`, one code; None for a standard normal.
            map: `(params, z) -> w`, None if `synthesize` takes z itself.
            w_dim: dimension of w where it differs from that of z.

        The functions are compared by identity: define them once, at module level, so
        that compiled code is found again. Fingerprints know them by name.
        """
        if map is None and w_dim not in (None, z_dim):
            raise ValueError(f"w_dim: {w_dim} given, but there is no map from z to w")
        config = functions.Config(
            synthesize_function=synthesize,
            sample_function=sample,
            map_function=map,
            z_dim=z_dim,
            w_dim=w_dim or z_dim,
        )
        return cls(params=params if params is not None else {}, config=config)

    @property
    def family(self) -> ModuleType:
        """The module whose functions this generator's methods call."""
        return sys.modules[type(self.config).__module__]

    @property
    def latent_space(self) -> str:
        """What `synthesize` takes: "w", or "z" where there is no mapping network."""
        return "w" if "w" in self.code_spaces else "z"

    @property
    def code_spaces(self) -> tuple[str, ...]:
        """The spaces of arrays of codes: those of z, w, w+ and s that there are."""
        spaces = self.config.spaces
        return tuple(name for name in ("z", "w", "w+", "s") if name in spaces)

    @property
    def code_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one code in each of `code_spaces`."""
        config = self.config
        shapes = {
            "z": (config.z_dim,),
            "w": (config.w_dim,),
            "w+": (config.num_layers, config.w_dim),
        }
        if "s" in config.spaces:
            shapes["s"] = (sum(style_sizes(self).values()),)
        return {space: shapes[space] for space in self.code_spaces}

    @property
    def truncates_prior(self) -> bool:
        """Whether `sample` truncates z, as BigGAN does instead of w."""
        return self.config.truncated_prior

    @property
    def is_prepared(self) -> bool:
        """Whether `prepare` made it; False where a family has nothing to prepare."""
        return self.family.prepare is not plain.prepare and PREPARED in self.params

    def prepare(self) -> "Generator":
        """The same pictures, faster: compute once what follows from the weights alone.

        Kernels are replaced by the form in which convolutions multiply by them, so that
        none is held twice, every leaf is one that the pictures depend on, and gradients
        with respect to it are right. They are gradients of that form: to train weights
        that are to be kept, train the generator itself. A prepared one keeps the
        fingerprint of what it was made from, as a leaf of its own, and cannot be saved.

        It is for the default platform: `jax.default_backend()`. Where the weights are
        traced, the fingerprint is not known. Preparing again changes nothing.
        """
        params = self.family.prepare(self.params, self.config)
        if self.is_prepared or params is self.params:
            return self
        traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(self))
        mark = unknown_fingerprint() if traced else _as_leaf(fingerprint(self))
        return dataclasses.replace(self, params={**params, PREPARED: mark})

    @property
    def has_own_prior(self) -> bool:
        """Whether `with_prior` made it."""
        return isinstance(self.params, Mapping) and PRIOR in self.params

    def with_prior(self, mean: Any, covariance: Any) -> "Generator":
        """The same pictures of the same codes, but `sample` draws z elsewhere.

        What the family draws is mapped linearly, so that standard normal codes get this
        mean and covariance. Both are params, kept on disk with the weights.

        Args:
            mean: [z_dim].
            covariance: [z_dim, z_dim], symmetric; eigenvalues below zero count as zero.

        Raises:
            ValueError: for other shapes, or a generator whose params are no dict.
        """
        dim, shapes = self.config.z_dim, (np.shape(mean), np.shape(covariance))
        if shapes != ((dim,), (dim, dim)):
            raise ValueError(
                f"mean, covariance: shapes {shapes} given; {((dim,), (dim, dim))} are "
                "accepted"
            )
        if not isinstance(self.params, Mapping):
            raise ValueError("params: a dict is accepted by with_prior")
        spectrum = symmetric_spectrum(covariance)
        factor = np.sqrt(np.maximum(spectrum.values, 0))[:, None] * spectrum.vectors
        prior = {
            "mean": jnp.asarray(mean, jnp.float32),
            "factor": jnp.asarray(factor, jnp.float32),
        }
        return dataclasses.replace(self, params={**self.params, PRIOR: prior})

    def sample(
        self, key: jax.Array, num: int, *, truncation: float | None = None
    ) -> jax.Array:
        """Draw z [num, z_dim] from the prior; code i uses fold_in(key, i)."""
        drawn = self.family.sample(key, num, self.config, truncation=truncation)
        if not self.has_own_prior:
            return drawn
        prior = self.params[PRIOR]
        # the draw must not depend on how a device multiplies
        spread = jnp.matmul(drawn, prior["factor"], precision="highest")
        return prior["mean"][None] + spread

    def map(self, z: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """z [N, z_dim] -> w [N, w_dim]; the identity without a mapping network."""
        return self.family.map(self.params, self.config, z, label)

    def broadcast(self, w: jax.Array) -> jax.Array:
        """w [N, D] -> w+ [N, L, D]; a w+ passes through."""
        return self.family.broadcast(self.config, w)

    def truncate(
        self, w: jax.Array, psi: float | jax.Array, cutoff: int | None = None
    ) -> jax.Array:
        """Pull w or w+ towards the mean w by `psi`, in the first `cutoff` rows."""
        return self.family.truncate(self.params, self.config, w, psi, cutoff)

    def __call__(
        self, latent: Any, label: jax.Array | None = None, **options: Any
    ) -> jax.Array:
        """`synthesize`: a generator is a model like any other."""
        return self.synthesize(latent, label, **options)

    def synthesize(
        self,
        latent: Any,
        label: jax.Array | None = None,
        *,
        noise: NoiseInput = Noise.FIXED,
        hooks: Mapping[str, Hook] | None = None,
        **options: Any,
    ) -> jax.Array:
        """Latents -> images [N, H, W, C], nominally in [-1, 1], not clipped.

        Args:
            latent: z [N, z_dim] of families without a mapping network; else w [N, D],
                w+ [N, L, D], or styles as `styles` returns them.
            label: int [N] or weights [N, C], where synthesis sees the class.
            noise: "fixed" or "none" (`Noise`); one key or [N] keys for fresh noise,
                whose draws depend on the key and the sample alone; or maps by layer
                name, each [N or 1, r, r].
            hooks: functions of activations, by the names of `feature_names`; what they
                return takes the activation's place.
            options: of the family's `run`.

        Raises:
            ValueError: for inputs that the family does not accept, or as
                `steps.activations`.
        """
        noise = as_noise(noise)

        def together() -> jax.Array:
            running = self._run(latent, label, noise, options)
            return steps.last(running, hooks, self.feature_names)

        count = sum(np.shape(jax.tree.leaves(latent)[0])[:1])
        if hooks or self.config.resolution < LARGE_IMAGE or count < 2:
            return together()
        inputs = {
            "latent": latent,
            "label": label,
            "noise": keys_per_image(noise, count),
        }
        return map_per_sample(self, together, inputs | options, count)

    def train(
        self, latent: Any, label: jax.Array | None = None
    ) -> tuple[jax.Array, "Generator"]:
        """Latents -> images as while the generator itself is trained.

        Returns:
            The images, and the generator with what such a pass changes by itself:
            stored statistics of batch norms, where the family can use the batch's own.
        """
        if not hasattr(self.family, "train"):
            return self.synthesize(latent, label), self
        images, params = self.family.train(self.params, self.config, latent, label)
        return images, dataclasses.replace(self, params=params)

    @property
    def trainable(self) -> Any:
        """True where a leaf of the params is a weight that training changes."""
        known = getattr(self.family, "trainable", None)
        if known is None:
            return jax.tree.map(lambda _: True, self.params)
        return known(self.params)

    def features(
        self,
        latent: Any,
        label: jax.Array | None = None,
        *,
        names: Iterable[str],
        noise: NoiseInput = Noise.FIXED,
        hooks: Mapping[str, Hook] | None = None,
        **options: Any,
    ) -> dict[str, jax.Array]:
        """Activations [N, ...] by name; nothing behind the last one asked for is run.

        Args:
            latent: as for `synthesize`.
            label: likewise.
            names: some of `feature_names`, of which "image" is the last.
            noise: as for `synthesize`.
            hooks: likewise.
            options: likewise.

        Raises:
            ValueError: for an unknown name, or as `synthesize`.
        """
        running = self._run(latent, label, as_noise(noise), options)
        return steps.collect(running, tuple(names), hooks, self.feature_names)

    def _run(
        self,
        latent: Any,
        label: jax.Array | None,
        noise: NoiseInput,
        options: Mapping[str, Any],
    ) -> Steps:
        return self.family.run(
            self.params, self.config, latent, label, noise=noise, **options
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What `features` and hooks accept, in the network's order; "image" is last."""
        return self.family.feature_names(self.config)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W, C) of an image, which its functions tell without being run."""
        config = self.config
        dim = config.z_dim if self.latent_space == "z" else config.w_dim
        of = jax.ShapeDtypeStruct
        label = of((1, config.label_dim), jnp.float32) if config.label_dim else None
        latent = of((1, dim), jnp.float32)
        return jax.eval_shape(Generator.synthesize, self, latent, label).shape[1:]

    @property
    def noise_maps(self) -> dict[str, jax.Array]:
        """The maps [h, w] of `Noise.FIXED` by layer name; {} without noise inputs."""
        return self.family.noise_maps(self.params, self.config)

    def affines(self) -> tuple[Affine, ...]:
        """Every place where a latent enters linearly, in the network's order."""
        return self.family.affines(self.params, self.config)

    def embed(self, label: jax.Array) -> jax.Array:
        """Class labels -> embedding, for class-conditional families."""
        return self.family.embed(self.params, self.config, label)

    def styles(self, w: jax.Array) -> dict[str, jax.Array]:
        """w or w+ -> style vectors by layer, the space s of families that have it."""
        if "s" not in self.config.spaces:
            raise ValueError(f"styles: {family_name(self.config)} has no space s")
        return self.family.styles(self.params, self.config, w)


@flax.struct.dataclass(eq=False)
class Discriminator:
    """A family's discriminator: `discriminator(images, label) -> logits [N, 1]`."""

    params: Params
    config: Any = flax.struct.field(pytree_node=False)
    origin: Origin = flax.struct.field(pytree_node=False, default=NO_ORIGIN)

    def __call__(self, images: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """Images [N, H, W, C] in [-1, 1] -> logits [N, 1]."""
        family = sys.modules[type(self.config).__module__]
        return family.discriminate(self.params, self.config, images, label)


def cast(params: Params, dtype: Any) -> Params:
    """Every array of a parameter tree as `dtype`."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)


def family_module(name: str) -> ModuleType:
    """The module of a family, by its name."""
    if name not in FAMILIES:
        raise ValueError(f"family: {name!r} given; one of {FAMILIES} is accepted")
    return importlib.import_module(f"jaxlatent.generators.{name}")


def family_name(config: Any) -> str:
    """The name of the family that a config belongs to."""
    return type(config).__module__.rpartition(".")[2]


def config_to_json(config: Any) -> dict[str, Any]:
    """The fields of a config as plain JSON values."""
    if hasattr(config, "to_json"):
        return config.to_json()
    return json.loads(json.dumps(dataclasses.asdict(config), default=_function_name))


def _function_name(function: Any) -> str:
    """A function's name and module: unlike its repr, the same in every process."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '')}.{name}"


def config_from_json(family: str, values: Mapping[str, Any]) -> Any:
    """The config of a family from the values that `config_to_json` gave."""
    cls = family_module(family).Config
    if hasattr(cls, "from_json"):
        return cls.from_json(values)
    return cls(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
    )


def fingerprint(generator: Generator) -> str:
    """Sixteen hex digits that tell generators apart: SHA-256 of config and weights.

    Of a prepared generator they are those of the one that it was made from, whatever
    has become of its leaves since; empty where `prepare` saw traced weights.
    """
    if generator.is_prepared:
        kept = np.asarray(generator.params[PREPARED])
        return kept.astype(np.uint8).tobytes().hex() if (kept >= 0).all() else ""
    digest = hashlib.sha256(
        json.dumps(config_to_json(generator.config), sort_keys=True).encode()
    )
    for path, leaf in jax.tree_util.tree_leaves_with_path(generator.params):
        array = np.asarray(leaf)
        digest.update(
            f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode()
        )
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _as_leaf(digits: str) -> jax.Array:
    """A fingerprint as a leaf that may be cast and differentiated like any other."""
    return jnp.asarray([float(byte) for byte in bytes.fromhex(digits)], jnp.float32)
