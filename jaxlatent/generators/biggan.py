"""BigGAN: residual blocks whose batch norms see the class and a part of z.

Source: Brock et al., "Large Scale GAN Training for High Fidelity Natural Image
Synthesis" (2019). Parameter names are those of ajbrock's BigGAN-PyTorch, split at dots;
dense weights are [in, out] and kernels [h, w, in, out]. Spectral norms are divided out
of the weights by the conversion; the first linear layer makes its map by row, column,
channel.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxlatent.generators.biggan_layers import (
    SEED,
    attend,
    attention_shapes,
    batch_norm,
    check_embedding,
    class_weights,
    init_flat,
)
from jaxlatent.generators.biggan_layers import map as map
from jaxlatent.generators.biggan_layers import sample as sample
from jaxlatent.generators.biggan_layers import trainable as trainable
from jaxlatent.generators.convolutions import repeat_pixels
from jaxlatent.generators.inputs import without_noise
from jaxlatent.generators.kernels import at_layer, convolution, precompute
from jaxlatent.generators.plain import broadcast as broadcast
from jaxlatent.generators.plain import noise_maps as noise_maps
from jaxlatent.generators.plain import truncate as truncate
from jaxlatent.generators.steps import Steps
from jaxlatent.types import Affine, Noise, Params

ATTENTION = {"query": "theta", "key": "phi", "value": "g", "out": "o"}
"""The checkpoint's names for the kernels of attention."""


@dataclass(frozen=True)
class Config:
    """The shape of a BigGAN generator.

    Attributes:
        channels: feature maps at 4 x 4, 8 x 8, ... up to the resolution.
        z_dim: dimension of z.
        label_dim: number of classes.
        embed_dim: width of the embedded label; 0 if every batch norm has a table of
            its own instead.
        hierarchical: whether z is cut into equal chunks, one for the first layer and
            one for each block; else all of it enters the first layer.
        attention: resolutions whose block attention follows.
        image_channels: 3 for colour.
        bn_eps: added to the variances of the blocks' batch norms.
        output_eps: the same of the last batch norm.
        standing: whether statistics are sums, to be divided by a stored count.
        additive_gain: whether batch norms add their gain instead of multiplying by it.
    """

    channels: tuple[int, ...]
    z_dim: int
    label_dim: int
    embed_dim: int = 128
    hierarchical: bool = True
    attention: tuple[int, ...] = ()
    image_channels: int = 3
    bn_eps: float = 1e-5
    output_eps: float = 1e-5
    standing: bool = False
    additive_gain: bool = False

    num_layers = 0
    spaces = ("z",)
    truncated_prior = True

    def __post_init__(self) -> None:
        if len(self.channels) < 2 or self.label_dim < 1:
            raise ValueError(
                f"channels and label_dim: {self.channels} and {self.label_dim} given; "
                "two widths or more and one class or more are accepted"
            )
        if self.hierarchical and (
            self.z_dim % len(self.channels) or not self.embed_dim
        ):
            raise ValueError(
                f"z_dim and embed_dim: {self.z_dim} and {self.embed_dim} given for a "
                f"hierarchical z; a multiple of {len(self.channels)} and one or more "
                "are accepted"
            )
        unknown = set(self.attention) - {block.resolution for block in self.blocks}
        if unknown:
            raise ValueError(
                f"attention: {sorted(unknown)} given; resolutions from 8 to "
                f"{self.resolution} are accepted"
            )

    @property
    def resolution(self) -> int:
        """Of the square image."""
        return SEED << (len(self.channels) - 1)

    @property
    def w_dim(self) -> int:
        """That of z: there is no mapping network."""
        return self.z_dim

    @property
    def chunk(self) -> int:
        """How much of z enters each layer; all of it where it is not cut."""
        return self.z_dim // (len(self.channels) if self.hierarchical else 1)

    @property
    def condition_dim(self) -> int:
        """Width of what the blocks' batch norms see: the label, then a chunk of z."""
        label = self.embed_dim or self.label_dim
        return label + (self.chunk if self.hierarchical else 0)

    @property
    def blocks(self) -> tuple["Block", ...]:
        """The residual blocks in order."""
        return tuple(
            Block(index, 2 * SEED << index, inputs, outputs)
            for index, (inputs, outputs) in enumerate(pairwise(self.channels))
        )


class Block(NamedTuple):
    """One residual block: its number, what it makes, and from how many channels."""

    index: int
    resolution: int
    inputs: int
    outputs: int

    @property
    def name(self) -> str:
        """As in the checkpoint."""
        return f"blocks.{self.index}.0"

    @property
    def attention(self) -> str:
        """The name of the attention behind it, if there is one."""
        return f"blocks.{self.index}.1"

    @property
    def norms(self) -> tuple[tuple[str, int], ...]:
        """Its batch norms and their channels."""
        return (("bn1", self.inputs), ("bn2", self.outputs))


def init(key: jax.Array, config: Config) -> Params:
    """Random parameters with the structure of a converted checkpoint."""
    return init_flat(key, _shapes(config))


def _shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Every parameter's shape by dotted name."""

    def statistics(channels: int) -> dict[str, tuple[int, ...]]:
        counter = {"accumulation_counter": (1,)} if config.standing else {}
        return {"stored_mean": (channels,), "stored_var": (channels,), **counter}

    pixels, last = SEED * SEED * config.channels[0], config.channels[-1]
    modules: dict[str, dict[str, tuple[int, ...]]] = {
        "linear": {"weight": (config.chunk, pixels), "bias": (pixels,)}
    }
    if config.embed_dim:
        modules["shared"] = {"weight": (config.label_dim, config.embed_dim)}
    for block in config.blocks:
        for norm, channels in block.norms:
            dense = (config.condition_dim, channels)
            modules[f"{block.name}.{norm}"] = {
                "gain.weight": dense,
                "bias.weight": dense,
                **statistics(channels),
            }
        for name, size, inputs in (
            ("conv1", 3, block.inputs),
            ("conv2", 3, block.outputs),
            ("conv_sc", 1, block.inputs),
        ):
            modules[f"{block.name}.{name}"] = {
                "weight": (size, size, inputs, block.outputs),
                "bias": (block.outputs,),
            }
        if block.resolution in config.attention:
            shapes = attention_shapes(block.outputs)
            modules[block.attention] = {"gamma": shapes["gate"]} | {
                f"{theirs}.weight": shapes[ours] for ours, theirs in ATTENTION.items()
            }
    modules["output_layer.0"] = {"gain": (last,), "bias": (last,), **statistics(last)}
    modules["output_layer.2"] = {
        "weight": (3, 3, last, config.image_channels),
        "bias": (config.image_channels,),
    }
    return {
        f"{module}.{name}": shape
        for module, shapes in modules.items()
        for name, shape in shapes.items()
    }


def prepare(params: Params, config: Config) -> Params:
    """Replace kernels by what convolutions multiply by; idempotent."""
    for block in config.blocks:
        for name, upsample in (("conv1", True), ("conv2", False)):
            change = partial(precompute, pixels=block.resolution**2, upsample=upsample)
            path = ("blocks", str(block.index), "0", name)
            params = at_layer(params, path, change)
    return params


def embed(params: Params, config: Config, label: jax.Array) -> jax.Array:
    """Labels (int [N] or weights [N, C]) -> embedding [N, embed_dim].

    Without a shared embedding these are the weights [N, C] themselves.
    """
    weights = class_weights(label, config, params["linear"]["bias"].dtype)
    return weights @ params["shared"]["weight"] if config.embed_dim else weights


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """Every linear layer that a chunk of z enters, its rows for that chunk alone.

    They are the first layer [chunk, 16 C], and, where z is hierarchical, the gains and
    biases [chunk, C] of all batch norms, in the network's order.
    """
    step = config.chunk
    found = [Affine(params["linear"]["weight"], name="linear", chunk=(0, step))]
    if not config.hierarchical:
        return tuple(found)
    for block in config.blocks:
        chunk = ((block.index + 1) * step, (block.index + 2) * step)
        entry = params["blocks"][str(block.index)]["0"]
        found += [
            Affine(
                entry[norm][part]["weight"][config.embed_dim :],
                name=f"{block.name}.{norm}.{part}",
                chunk=chunk,
            )
            for norm, _ in block.norms
            for part in ("gain", "bias")
        ]
    return tuple(found)


def feature_names(config: Config) -> tuple[str, ...]:
    """The first layer, blocks, their attention, the last convolution, and "image".

    The image is the tanh of what leaves "output_layer".
    """
    names = ["linear"]
    for block in config.blocks:
        names.append(block.name)
        if block.resolution in config.attention:
            names.append(block.attention)
    return (*names, "output_layer", "image")


def run(
    params: Params,
    config: Config,
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    embedding: jax.Array | None = None,
    noise: Noise = Noise.FIXED,
) -> Steps:
    """z and labels -> [N, 16 C], [N, r, r, C], images [N, R, R, C] in [-1, 1].

    Args:
        params: the generator's parameters.
        config: its config.
        latent: z [N, z_dim].
        label: int [N] or weights [N, C].
        embedding: what `embed` returns, in place of a label; it may be mixed.
        noise: "fixed" or "none"; there is none.

    Raises:
        ValueError: for a latent, a label or an embedding of another shape, for a
            missing label, or for noise.
    """
    without_noise(noise)
    z = latent
    if z.ndim != 2 or z.shape[1] != config.z_dim:
        raise ValueError(
            f"latent: shape {z.shape} given; [N, {config.z_dim}] is accepted"
        )
    if embedding is None:
        embedding = embed(params, config, label)  # pyright: ignore[reportArgumentType]
    check_embedding(embedding, z.shape[0], config.embed_dim or config.label_dim)
    linear = params["linear"]
    z, y = (array.astype(linear["bias"].dtype) for array in (z, embedding))
    step = config.chunk

    x = z[:, :step] @ linear["weight"] + linear["bias"][None]
    x = yield "linear", x
    x = x.reshape(z.shape[0], SEED, SEED, config.channels[0])
    for block in config.blocks:
        entry = params["blocks"][str(block.index)]
        condition = y
        if config.hierarchical:
            start = (block.index + 1) * step
            condition = jnp.concatenate([y, z[:, start : start + step]], axis=1)
        x = yield block.name, _block(entry["0"], config, x, condition)
        if block.resolution in config.attention:
            kernels = {
                ours: entry["1"][theirs]["weight"] for ours, theirs in ATTENTION.items()
            }
            x = attend(x, gate=entry["1"]["gamma"], **kernels)
            x = yield block.attention, x
    norm, last = params["output_layer"]["0"], params["output_layer"]["2"]
    x = _normalize(norm, config, x, norm["gain"], norm["bias"], config.output_eps)
    x = yield "output_layer", convolution(last, jax.nn.relu(x))
    yield "image", jnp.tanh(x)


def _block(
    params: Params, config: Config, x: jax.Array, condition: jax.Array
) -> jax.Array:
    """One residual block: twice the resolution."""

    def activate(name: str, h: jax.Array) -> jax.Array:
        norm = params[name]
        gain = 1 + condition @ norm["gain"]["weight"]
        bias = condition @ norm["bias"]["weight"]
        return jax.nn.relu(_normalize(norm, config, h, gain, bias, config.bn_eps))

    h = convolution(params["conv1"], activate("bn1", x), upsample=True)
    h = convolution(params["conv2"], activate("bn2", h))
    # one pixel sees one pixel, so that the skip may be repeated afterwards
    return h + repeat_pixels(convolution(params["conv_sc"], x))


def _normalize(
    norm: Params,
    config: Config,
    x: jax.Array,
    gain: jax.Array,
    bias: jax.Array,
    eps: float,
) -> jax.Array:
    mean, variance = norm["stored_mean"], norm["stored_var"]
    if config.standing:
        count = norm["accumulation_counter"]
        mean, variance = mean / count, variance / count
    return batch_norm(
        x, mean, variance, gain, bias, eps=eps, additive=config.additive_gain
    )
