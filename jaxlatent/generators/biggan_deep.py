"""BigGAN-deep: bottleneck blocks that all see the class and the whole of z.

Source: Brock et al., "Large Scale GAN Training for High Fidelity Natural Image
Synthesis" (2019), appendix B. Parameter names are those of huggingface's
pytorch-pretrained-BigGAN, split at dots; dense weights are [in, out] and kernels
[h, w, in, out]. Spectral norms are divided out of the weights by the conversion.

Batch norms hold statistics for several truncations of z. Every linear layer may be
given a z of its own: rows [N, L, z_dim], the first for the first linear layer, then one
for each block, as GANSpace edits them.
"""

import math
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
from jaxlatent.generators.convolutions import (
    SAME,
    convolve,
    repeat_pixels,
)
from jaxlatent.generators.inputs import without_noise
from jaxlatent.generators.kernels import at_layer, convolution, precompute
from jaxlatent.generators.plain import noise_maps as noise_maps
from jaxlatent.generators.plain import truncate as truncate
from jaxlatent.generators.steps import Steps
from jaxlatent.types import Affine, Noise, Params

ATTENTION = {
    "query": "snconv1x1_theta",
    "key": "snconv1x1_phi",
    "value": "snconv1x1_g",
    "out": "snconv1x1_o_conv",
}
"""The checkpoint's names for the kernels of attention."""


@dataclass(frozen=True)
class Config:
    """The shape of a BigGAN-deep generator.

    Attributes:
        channels: feature maps that enter the first block and that leave each block.
        upsamples: for each block, whether it doubles the resolution, from 4 x 4 on.
        z_dim: dimension of z.
        label_dim: number of classes.
        embed_dim: width of the embedded label.
        attention: numbers of the blocks that attention precedes; as many as there are
            blocks for the place behind the last.
        n_stats: truncations, spaced evenly from 0 to 1, for which the batch norms hold
            statistics; 0 if theirs are for all.
        image_channels: 3 for colour.
        output_width: channels that the last convolution makes, of which the first are
            the image's.
        eps: added to the variances of the blocks' batch norms.
        output_eps: the same of the last batch norm.
        truncation: of z, in (0, 1], which chooses the statistics unless `synthesize` is
            given another.
    """

    channels: tuple[int, ...]
    upsamples: tuple[bool, ...]
    z_dim: int = 128
    label_dim: int = 1000
    embed_dim: int = 128
    attention: tuple[int, ...] = ()
    n_stats: int = 51
    image_channels: int = 3
    output_width: int = 3
    eps: float = 1e-4
    output_eps: float = 1e-4
    truncation: float = 1.0

    spaces = ("z", "w+")
    truncated_prior = True

    def __post_init__(self) -> None:
        if not self.upsamples or len(self.channels) != len(self.upsamples) + 1:
            raise ValueError(
                f"channels: {len(self.channels)} given for {len(self.upsamples)} "
                "entries of upsamples; one more than those is accepted"
            )
        if any(left < right for left, right in pairwise(self.channels)):
            raise ValueError(
                f"channels: {self.channels} given; widths that never grow are accepted"
            )
        if set(self.attention) - set(range(len(self.upsamples) + 1)):
            raise ValueError(
                f"attention: {self.attention} given; 0 to {len(self.upsamples)} are "
                "accepted"
            )
        if self.label_dim < 1 or self.n_stats < 0 or self.n_stats == 1:
            raise ValueError(
                f"label_dim and n_stats: {self.label_dim} and {self.n_stats} given; "
                "one class or more, and 0 or from 2 up, are accepted"
            )
        if self.output_width < self.image_channels:
            raise ValueError(
                f"output_width: {self.output_width} given; {self.image_channels} or "
                "more is accepted"
            )

    @property
    def resolution(self) -> int:
        """Of the square image."""
        return SEED << sum(self.upsamples)

    @property
    def w_dim(self) -> int:
        """That of z: there is no mapping network."""
        return self.z_dim

    @property
    def num_layers(self) -> int:
        """Rows of z: one for the first linear layer and one for each block."""
        return len(self.channels)

    @property
    def condition_dim(self) -> int:
        """Width of what every linear layer sees: z, then the label."""
        return self.z_dim + self.embed_dim

    @property
    def modules(self) -> tuple["Module", ...]:
        """Blocks and attention layers in order."""
        found: list[Module] = []
        for index in range(len(self.channels)):
            inputs = self.channels[index]
            if index in self.attention:
                found.append(Module(len(found), None, inputs, inputs, up=False))
            if index < len(self.upsamples):
                outputs = self.channels[index + 1]
                up = self.upsamples[index]
                found.append(Module(len(found), index, inputs, outputs, up=up))
        return tuple(found)


class Module(NamedTuple):
    """A block, or attention, whose `block` is None."""

    number: int
    block: int | None
    inputs: int
    outputs: int
    up: bool

    @property
    def name(self) -> str:
        """As in the checkpoint."""
        return f"generator.layers.{self.number}"

    @property
    def norms(self) -> tuple[tuple[str, int], ...]:
        """A block's batch norms and their channels."""
        narrow = self.inputs // 4
        return tuple((f"bn_{i}", narrow if i else self.inputs) for i in range(4))

    @property
    def kernels(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """A block's convolutions and the shapes of their kernels."""
        narrow = self.inputs // 4
        return (
            ("conv_0", (1, 1, self.inputs, narrow)),
            ("conv_1", (3, 3, narrow, narrow)),
            ("conv_2", (3, 3, narrow, narrow)),
            ("conv_3", (1, 1, narrow, self.outputs)),
        )


def init(key: jax.Array, config: Config) -> Params:
    """Random parameters with the structure of a converted checkpoint."""
    return init_flat(key, _shapes(config))


def _shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Every parameter's shape by dotted name."""

    def statistics(channels: int) -> dict[str, tuple[int, ...]]:
        shape = (config.n_stats, channels) if config.n_stats else (channels,)
        return {"running_means": shape, "running_vars": shape}

    condition, first, last = (
        config.condition_dim,
        config.channels[0],
        config.channels[-1],
    )
    pixels = SEED * SEED * first
    parts: dict[str, dict[str, tuple[int, ...]]] = {
        "embeddings": {"weight": (config.label_dim, config.embed_dim)},
        "generator.gen_z": {"weight": (condition, pixels), "bias": (pixels,)},
    }
    for module in config.modules:
        if module.block is None:
            shapes = attention_shapes(module.inputs)
            parts[module.name] = {"gamma": shapes["gate"]} | {
                f"{theirs}.weight": shapes[ours] for ours, theirs in ATTENTION.items()
            }
            continue
        for norm, channels in module.norms:
            parts[f"{module.name}.{norm}"] = {
                "scale.weight": (condition, channels),
                "offset.weight": (condition, channels),
                **statistics(channels),
            }
        for name, shape in module.kernels:
            parts[f"{module.name}.{name}"] = {"weight": shape, "bias": shape[3:]}
    parts["generator.bn"] = {"weight": (last,), "bias": (last,), **statistics(last)}
    parts["generator.conv_to_rgb"] = {
        "weight": (3, 3, last, config.output_width),
        "bias": (config.output_width,),
    }
    return {
        f"{part}.{name}": shape
        for part, shapes in parts.items()
        for name, shape in shapes.items()
    }


def broadcast(config: Config, w: jax.Array) -> jax.Array:
    """z [N, D] -> rows [N, L, D], one for each linear layer; rows pass through."""
    shape = (config.num_layers, config.z_dim)
    if w.ndim == 2 and w.shape[1] == config.z_dim:
        return jnp.broadcast_to(w[:, None, :], (w.shape[0], *shape))
    if w.ndim == 3 and w.shape[1:] == shape:
        return w
    raise ValueError(
        f"latent: shape {w.shape} given; z [N, {shape[1]}] or rows [N, {shape[0]}, "
        f"{shape[1]}] is accepted"
    )


def prepare(params: Params, config: Config) -> Params:
    """Replace kernels by what convolutions multiply by; idempotent."""
    resolution = SEED
    for module in config.modules:
        if module.block is None:
            continue
        resolution <<= module.up
        for name, upsample in (("conv_1", module.up), ("conv_2", False)):
            change = partial(precompute, pixels=resolution**2, upsample=upsample)
            path = ("generator", "layers", str(module.number), name)
            params = at_layer(params, path, change)
    return params


def embed(params: Params, config: Config, label: jax.Array) -> jax.Array:
    """Labels (int [N] or weights [N, C]) -> embedding [N, embed_dim]."""
    table = params["embeddings"]["weight"]
    return class_weights(label, config, table.dtype) @ table


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """Every linear layer that z enters, its rows for z alone, in the network's order.

    They are the first layer [z_dim, 16 C] and the scales and offsets [z_dim, C] of all
    batch norms; `layer` counts as the rows of `broadcast` do.
    """
    generator = params["generator"]
    found = [
        Affine(generator["gen_z"]["weight"][: config.z_dim], name="generator.gen_z")
    ]
    for module in config.modules:
        if module.block is not None:
            entry = generator["layers"][str(module.number)]
            found += [
                Affine(
                    entry[norm][part]["weight"][: config.z_dim],
                    name=f"{module.name}.{norm}.{part}",
                    layer=module.block + 1,
                )
                for norm, _ in module.norms
                for part in ("scale", "offset")
            ]
    return tuple(found)


def feature_names(config: Config) -> tuple[str, ...]:
    """The first layer, blocks, attention, the last convolution, "image": its tanh."""
    return (
        "generator.gen_z",
        *(module.name for module in config.modules),
        "generator.conv_to_rgb",
        "image",
    )


def run(
    params: Params,
    config: Config,
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    truncation: float | None = None,
    embedding: jax.Array | None = None,
    noise: Noise = Noise.FIXED,
) -> Steps:
    """z and labels -> [N, 16 C], [N, r, r, C], images [N, R, R, C] in [-1, 1].

    Args:
        params: the generator's parameters.
        config: its config.
        latent: z [N, z_dim], or rows [N, L, z_dim] as `broadcast` makes them.
        label: int [N] or weights [N, C].
        truncation: a Python float in (0, 1], the truncation that z was drawn with. It
            chooses the batch norms' statistics and leaves z as it is; None for that of
            the config.
        embedding: what `embed` returns, in place of a label; it may be mixed.
        noise: "fixed" or "none"; there is none.

    Raises:
        ValueError: for a latent, a label or an embedding of another shape, for a
            missing label, for a truncation out of range, or for noise.
    """
    without_noise(noise)
    chosen = config.truncation if truncation is None else truncation
    rows = _mixture(config, chosen)
    z = broadcast(config, latent)
    if embedding is None:
        embedding = embed(params, config, label)  # pyright: ignore[reportArgumentType]
    check_embedding(embedding, z.shape[0], config.embed_dim)
    generator = params["generator"]
    first = generator["gen_z"]
    z, y = (array.astype(first["bias"].dtype) for array in (z, embedding))

    def condition(row: int) -> jax.Array:
        return jnp.concatenate([z[:, row], y], axis=1)

    x = condition(0) @ first["weight"] + first["bias"][None]
    x = yield "generator.gen_z", x
    x = x.reshape(z.shape[0], SEED, SEED, config.channels[0])
    for module in config.modules:
        entry = generator["layers"][str(module.number)]
        if module.block is None:
            kernels = {
                ours: entry[theirs]["weight"] for ours, theirs in ATTENTION.items()
            }
            x = attend(x, gate=entry["gamma"], **kernels)
        else:
            c = condition(module.block + 1)
            x = _block(entry, module, x, c, rows, config.eps)
        x = yield module.name, x
    norm, last = generator["bn"], generator["conv_to_rgb"]
    x = _normalize(norm, x, norm["weight"], norm["bias"], rows, config.output_eps)
    kept = config.image_channels
    kernel, bias = last["weight"][..., :kept], last["bias"][:kept]
    x = convolve(jax.nn.relu(x), kernel, padding=SAME)
    x = yield "generator.conv_to_rgb", x + bias[None, None, None, :]
    yield "image", jnp.tanh(x)


Mixture = tuple[tuple[int, float], ...] | None
"""Rows of the stored statistics and their weights; None where there are no rows."""


def _mixture(config: Config, truncation: float) -> Mixture:
    """The statistics of a truncation.

    Between two stored ones the published code gives the nearer of them the smaller
    weight, which every published picture was drawn with and which is kept.
    """
    if not 0 < truncation <= 1:
        raise ValueError(
            f"truncation: {truncation} given; more than 0, up to 1, is accepted"
        )
    if not config.n_stats:
        return None
    last = config.n_stats - 1
    # divided twice, for the rounding of the published code
    part, whole = math.modf(truncation / (1.0 / last))
    row = int(whole)
    if part == 0:
        return ((row, 1.0),)
    return ((row, part), (min(row + 1, last), 1 - part))


def _block(
    params: Params,
    module: Module,
    x: jax.Array,
    condition: jax.Array,
    rows: Mixture,
    eps: float,
) -> jax.Array:
    """One bottleneck block."""
    h, skip = x, x[..., : module.outputs]
    for index in range(4):
        norm, layer = params[f"bn_{index}"], params[f"conv_{index}"]
        gain = 1 + condition @ norm["scale"]["weight"]
        bias = condition @ norm["offset"]["weight"]
        h = jax.nn.relu(_normalize(norm, h, gain, bias, rows, eps))
        upsample = module.up and index == 1
        h = convolution(layer, h, upsample=upsample)
        if upsample:
            skip = repeat_pixels(skip)
    return h + skip


def _normalize(
    norm: Params,
    x: jax.Array,
    gain: jax.Array,
    bias: jax.Array,
    rows: Mixture,
    eps: float,
) -> jax.Array:
    mean, variance = (
        _mixed(norm[name], rows) for name in ("running_means", "running_vars")
    )
    return batch_norm(x, mean, variance, gain, bias, eps=eps)


def _mixed(stored: jax.Array, rows: Mixture) -> jax.Array:
    """Statistics [C] of stored ones, [n_stats, C] or [C]."""
    if rows is None:
        return stored
    (row, weight), *others = rows
    mixed = weight * stored[row]
    for row, weight in others:
        mixed = mixed + weight * stored[row]
    return mixed
