"""What StyleGAN generators and their discriminators share: the mapping from z to w+.

Weights are stored divided by the learning-rate multiplier and scaled back, together
with 1 / sqrt(fan in), when they are used.
"""

import math
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.generators import ops
from jaxlatent.generators.inputs import GeneratorConfig, as_label
from jaxlatent.types import Params

ARCHITECTURES = ("skip", "resnet", "orig")


class MappingConfig(GeneratorConfig, Protocol):
    """The config of a family with such a mapping network."""

    @property
    def mapping_layers(self) -> int:
        """Its dense layers."""
        ...

    @property
    def mapping_rate(self) -> float:
        """Their learning-rate multiplier."""
        ...


class Draw:
    """Normal arrays from numbered keys, so that no draw depends on another's shape."""

    def __init__(self, key: jax.Array) -> None:
        self.key = key
        self.count = 0

    def __call__(self, *shape: int) -> jax.Array:
        """The next array."""
        self.count += 1
        return jax.random.normal(jax.random.fold_in(self.key, self.count), shape)


def init_mapping(
    draw: Draw,
    *,
    z_dim: int,
    out_dim: int,
    label_dim: int,
    embed_dim: int,
    width: int,
    layers: int,
    rate: float,
    joint: bool = False,
) -> Params:
    """Random parameters: "embed" if there are labels, then "fc0", "fc1", ..."""
    mapping: Params = {}
    inputs = z_dim
    if label_dim:
        mapping["embed"] = {"weight": draw(label_dim, embed_dim)}
        inputs += embed_dim
        if not joint:
            mapping["embed"]["bias"] = jnp.zeros(embed_dim)
    for index in range(layers):
        outputs = out_dim if index == layers - 1 else width
        mapping[f"fc{index}"] = {
            "weight": draw(inputs, outputs) / rate,
            "bias": jnp.zeros(outputs),
        }
        inputs = outputs
    return mapping


def dense(
    x: jax.Array, params: Params, *, rate: float = 1.0, activation: str = "linear"
) -> jax.Array:
    """Dense layer at the equalised learning rate: x W rate / sqrt(in) + b rate."""
    weight = params["weight"] * (rate / math.sqrt(x.shape[1]))
    return ops.activate(x @ weight, params["bias"] * rate, activation)


def embed_label(params: Params, onehot: jax.Array, *, joint: bool = False) -> jax.Array:
    """Class weights [N, C] -> embedding [N, E].

    Args:
        params: "weight" [C, E] and, unless `joint`, "bias" [E].
        onehot: class weights.
        joint: leave the embedding as it is, to be normalised together with z.
    """
    if joint:
        return onehot @ params["weight"]
    return ops.normalize_second_moment(dense(onehot, params))


def map_codes(
    mapping: Params,
    config: MappingConfig,
    z: jax.Array,
    label: jax.Array | None,
    embedding: jax.Array | None,
    *,
    joint: bool = False,
    activation: str = "lrelu",
) -> jax.Array:
    """z [N, z_dim] -> w [N, w_dim].

    Args:
        mapping: "fc0", "fc1", ..., "w_avg" and, with labels, "embed".
        config: the generator's config.
        z: codes.
        label: int [N] or weights [N, C], for a conditional generator.
        embedding: what `embed_label` returns, in place of a label.
        joint: normalise z and the embedding together instead of one by one.
        activation: of every layer.

    Raises:
        ValueError: for codes of another shape, or a label that does not fit.
    """
    dtype = mapping["w_avg"].dtype
    if z.ndim != 2 or z.shape[1] != config.z_dim:
        raise ValueError(f"z: shape {z.shape} given; [N, {config.z_dim}] is accepted")
    onehot = None if embedding is not None else as_label(label, config.label_dim, dtype)
    if onehot is not None:
        embedding = embed_label(mapping["embed"], onehot, joint=joint)
    parts = [] if config.z_dim == 0 else [z.astype(dtype)]
    if not joint:
        parts = [ops.normalize_second_moment(part) for part in parts]
    if embedding is not None:
        parts.append(embedding)
    x = jnp.concatenate(parts, axis=1)
    if joint:
        x = ops.normalize_second_moment(x)
    return run_layers(
        x,
        mapping,
        layers=config.mapping_layers,
        rate=config.mapping_rate,
        activation=activation,
    )


def run_layers(
    x: jax.Array, params: Params, *, layers: int, rate: float, activation: str
) -> jax.Array:
    """Apply "fc0" to "fc{layers - 1}"."""
    for index in range(layers):
        x = dense(x, params[f"fc{index}"], rate=rate, activation=activation)
    return x


def check_sizes(
    resolution: int,
    channels: tuple[int, ...],
    base_size: tuple[int, ...] = (4, 4),
    architecture: str = "orig",
) -> None:
    """Raise ValueError unless a config's sizes belong together."""
    if len(base_size) != 2 or min(base_size) < 1:
        raise ValueError(
            f"base_size: {base_size} given; the height and width of the coarsest maps, "
            "such as (4, 2), are accepted"
        )
    least = max(base_size)
    if not channels or resolution != least << (len(channels) - 1):
        raise ValueError(
            f"resolution: {resolution} given for {len(channels)} entries of channels; "
            f"{least} * 2 ** (entries - 1) is accepted"
        )
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"architecture: {architecture!r} given; one of {ARCHITECTURES} is accepted"
        )


class JudgingConfig(Protocol):
    """The config of a discriminator of such a family."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Feature maps of each level, the coarsest first."""
        ...

    @property
    def base_size(self) -> tuple[int, int]:
        """Height and width of the coarsest level; each further one doubles both."""
        ...

    @property
    def image_channels(self) -> int:
        """Channels of the images."""
        ...


def check_images(images: jax.Array, config: JudgingConfig) -> None:
    """Raise ValueError unless images [N, H, W, C] are of a discriminator's size."""
    height, width = (side << (len(config.channels) - 1) for side in config.base_size)
    accepted = height, width, config.image_channels
    if images.ndim != 4 or images.shape[1:] != accepted:
        raise ValueError(
            f"images: shape {images.shape} given; [N, {height}, {width}, {accepted[2]}]"
            " is accepted"
        )


def broadcast(config: GeneratorConfig, w: jax.Array) -> jax.Array:
    """w [N, D] -> w+ [N, L, D]; a w+ passes through."""
    shape = (config.num_layers, config.w_dim)
    if w.ndim == 2 and w.shape[1] == config.w_dim:
        return jnp.broadcast_to(w[:, None, :], (w.shape[0], *shape))
    if w.ndim == 3 and w.shape[1:] == shape:
        return w
    raise ValueError(
        f"latent: shape {w.shape} given; w [N, {shape[1]}] or w+ [N, {shape[0]}, "
        f"{shape[1]}] is accepted"
    )


def truncate_rows(
    w: jax.Array, mean: jax.Array, psi: float | jax.Array, cutoff: int | None
) -> jax.Array:
    """`mean + psi * (w - mean)` in the first rows of w+ [N, L, D].

    Args:
        w: the w+.
        mean: [D], or [L, D] where rows have means of their own.
        psi: 1 for no truncation, 0 for the mean.
        cutoff: how many rows, None for all.
    """
    mean = mean.reshape(1, -1, w.shape[2]).astype(w.dtype)
    count = w.shape[1] if cutoff is None else cutoff
    chosen = np.arange(w.shape[1])[None, :, None] < count
    return jnp.where(chosen, mean + psi * (w - mean), w)
