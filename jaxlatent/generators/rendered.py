"""Portraits with known factors behind a fixed random linear map.

This is no trained network but an instrument: `jaxlatent.data.faces` draws the pictures,
and the latent in front of it holds planted directions, openly, so that what a method
finds can be compared with what is there.

    z [N, D] -> layer0, linear [N, H] -> mean of each factor's units -> tanh -> picture

Factor j owns a unit direction q_j in z, orthonormal to the other factors' directions,
and a group of m_j units of `layer0`. Each unit's weight points along q_j plus a little
noise at right angles to all of q, and has a random length of its own; the factor is
the mean response of its group after the lengths are undone. With the rows of A (the
units' weights) brought to unit length, A^T A is close to sum_j m_j q_j q_j^T: its j-th
eigenvalue is about m_j and its j-th eigenvector about q_j. As m_j falls with j, SeFa
finds the factors one by one, in the order of `FACTORS`, without data. The largest entry
of each q_j is positive, the sign that the library gives to eigenvectors.
"""

import importlib.resources
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.data import faces
from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import without_label, without_noise
from jaxlatent.generators.plain import broadcast as broadcast
from jaxlatent.generators.plain import embed as embed
from jaxlatent.generators.plain import map as map
from jaxlatent.generators.plain import noise_maps as noise_maps
from jaxlatent.generators.plain import prepare as prepare
from jaxlatent.generators.plain import sample as sample
from jaxlatent.generators.plain import truncate as truncate
from jaxlatent.generators.steps import Steps
from jaxlatent.types import Affine, Noise, Params

FEATURES = ("layer0", "factors", "image")
EMBEDDED = "faces"
"""The name of the generator that comes with the library."""


@dataclass(frozen=True)
class Config:
    """What decides the map and the pictures.

    Attributes:
        z_dim: dimension of z; at least two more than there are factors.
        size: height and width of the pictures.
        largest_group: units of the first factor; each next factor has one less.
        jitter: length of a unit's weight at right angles to its factor's direction,
            relative to its length along it.
        gain: slope of a factor along its direction, before it saturates.
        shows: "image", or "factors" for pictures [1, 1, F] that are the factors, so
            that whatever moves codes and looks at pictures measures factors exactly.
    """

    z_dim: int = 64
    size: int = 128
    largest_group: int = 24
    jitter: float = 0.25
    gain: float = 0.55
    shows: str = "image"

    num_layers = 0
    label_dim = 0
    spaces = ("z",)
    truncated_prior = False

    @property
    def resolution(self) -> int:
        """`size`."""
        return self.size

    @property
    def factor_names(self) -> tuple[str, ...]:
        """What each factor is called."""
        return tuple(factor.name for factor in faces.FACTORS)

    @property
    def w_dim(self) -> int:
        """That of z: there is no mapping network."""
        return self.z_dim

    @property
    def groups(self) -> tuple[int, ...]:
        """Units per factor, m_j."""
        return tuple(self.largest_group - j for j in range(len(faces.FACTORS)))


def init(key: jax.Array, config: Config) -> Params:
    """Plant the directions.

    Args:
        key: decides directions, noise and lengths.
        config: the sizes.

    Returns:
        `layer0.weight` [D, H] and `layer0.bias` [H], and `pool.weight` [H, F], which
        undoes the lengths and averages each group.

    Raises:
        ValueError: if z is too small for the factors, or a group would be empty.
    """
    count, groups = len(faces.FACTORS), config.groups
    if config.z_dim < count + 2:
        raise ValueError(
            f"z_dim: {config.z_dim} given; {count + 2} or more is accepted"
        )
    if groups[-1] < 1:
        raise ValueError(
            f"largest_group: {config.largest_group} given; {count} or more is accepted"
        )
    axes_key, noise_key, length_key = (jax.random.fold_in(key, i) for i in range(3))
    axes = jax.random.orthogonal(axes_key, config.z_dim)
    planted, rest = axes[:count], axes[count:]
    # the sign that eigenvectors are given: a step forward then raises the factor
    largest = jnp.argmax(jnp.abs(planted), axis=1, keepdims=True)
    planted = planted * jnp.sign(jnp.take_along_axis(planted, largest, axis=1))
    owner = np.repeat(np.arange(count), groups)
    noise = jax.random.normal(noise_key, (len(owner), len(rest))) @ rest
    noise = noise / jnp.linalg.norm(noise, axis=1, keepdims=True)
    length = jax.random.uniform(length_key, (len(owner),), minval=0.5, maxval=2.0)
    weight = length[:, None] * (planted[owner] + config.jitter * noise)  # [H, D]
    share = np.eye(count)[owner] / np.asarray(groups)  # [H, F]
    return {
        "layer0": {"weight": weight.T, "bias": jnp.zeros(len(owner))},
        "pool": {"weight": jnp.asarray(share, length.dtype) / length[:, None]},
    }


def trainable(params: Params) -> Params:
    """Which leaves training may change: the map, not the pooling that reads it."""
    return {
        part: jax.tree.map(lambda _, part=part: part == "layer0", leaves)
        for part, leaves in params.items()
    }


def factors(params: Params, config: Config, z: jax.Array) -> jax.Array:
    """The factors of z [N, D], as `faces.render` takes them: [N, F] in (-1, 1).

    Raises:
        ValueError: for latents of another shape.
    """
    return _factors(params, config, _layer0(params, config, z))


def run(
    params: Params,
    config: Config,
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    noise: Noise = Noise.FIXED,
) -> Steps:
    """z [N, D] -> units [N, H], factors [N, F], images [N, size, size, 3] in [-1, 1].

    Raises:
        ValueError: for latents of another shape, a label, or noise.
    """
    without_label(label)
    without_noise(noise)
    units = yield "layer0", _layer0(params, config, latent)
    values = yield "factors", _factors(params, config, units)
    if config.shows == "factors":
        yield "image", values[:, None, None]
    else:
        yield "image", faces.render(values, size=config.size)


def feature_names(config: Config) -> tuple[str, ...]:
    """The first layer, the factors and the image."""
    return FEATURES


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """The one place where z enters: `layer0`."""
    return (Affine(matrix=params["layer0"]["weight"], name="layer0", layer=0),)


def embedded() -> Generator:
    """The generator that comes with the library, under the name "faces".

    Its weights are `init(jax.random.key(0), Config())`, kept in a file because random
    streams may change between versions of jax; `save_embedded` wrote it.
    """
    asset = importlib.resources.files("jaxlatent") / "assets" / f"{EMBEDDED}.npz"
    with asset.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        header = json.loads(arrays["header"].tobytes())
        params: Params = {}
        for name in arrays.files:
            if name != "header":
                layer, leaf = name.split(".")
                params.setdefault(layer, {})[leaf] = jnp.asarray(arrays[name])
    return Generator(params=params, config=Config(**header["config"]))


def save_embedded(path: str | Path) -> None:
    """Write the file that `embedded` reads, from key 0 and the default config."""
    config = Config()
    header = {"family": "rendered", "name": EMBEDDED, "config": asdict(config)}
    arrays: dict[str, Any] = {
        f"{layer}.{leaf}": np.asarray(value, np.float32)
        for layer, leaves in init(jax.random.key(0), config).items()
        for leaf, value in leaves.items()
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez_compressed(path, header=text, **arrays)


def _layer0(params: Params, config: Config, z: jax.Array) -> jax.Array:
    if z.ndim != 2 or z.shape[1] != config.z_dim:
        raise ValueError(
            f"latent: shape {z.shape} given; z [N, {config.z_dim}] is accepted"
        )
    layer = params["layer0"]
    z = jnp.asarray(z, layer["weight"].dtype)
    return jnp.dot(z, layer["weight"], precision="highest") + layer["bias"][None]


def _factors(params: Params, config: Config, layer0: jax.Array) -> jax.Array:
    """Undo the lengths, average each group, saturate: [N, H] -> [N, F]."""
    means = jnp.dot(layer0, params["pool"]["weight"], precision="highest")
    return jnp.tanh(config.gain * means)
