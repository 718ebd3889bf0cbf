"""StyleGAN2: mapping and synthesis.

Sources: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020)
and "Training Generative Adversarial Networks with Limited Data" (2020). Parameter names
are those of NVlabs' PyTorch checkpoints, split at dots; dense weights are [in, out] and
kernels [h, w, in, out]. The filter is a config value, since it decides the compiled
code. Mapping weights are stored divided by the learning-rate multiplier; convolutions
carry no run-time gain, except the image and skip kernels (1 / sqrt(fan in)).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxlatent.generators import ops
from jaxlatent.generators.convolutions import SAME
from jaxlatent.generators.filters import make_filter, upsample
from jaxlatent.generators.inputs import as_label, normal_codes
from jaxlatent.generators.kernels import at_layer, precompute, trainable_leaves
from jaxlatent.generators.noise import fill_noise
from jaxlatent.generators.steps import Steps
from jaxlatent.generators.style_mapping import (
    Draw,
    check_sizes,
    dense,
    embed_label,
    init_mapping,
    map_codes,
    truncate_rows,
)
from jaxlatent.generators.style_mapping import broadcast as broadcast
from jaxlatent.types import Affine, Noise, Params


@dataclass(frozen=True)
class Config:
    """The shape of a StyleGAN2 generator.

    Attributes:
        resolution: of the image, its larger side.
        channels: feature maps of each level, the coarsest first.
        z_dim: dimension of z; 0 for a mapping of the label alone.
        w_dim: dimension of w.
        label_dim: number of classes, 0 if unconditional.
        image_channels: 3 for colour.
        mapping_layers: dense layers of the mapping network.
        mapping_width: width of its hidden layers.
        embed_dim: width of the embedded label.
        mapping_rate: learning-rate multiplier that scales the mapping's weights.
        joint_normalization: normalise z and the embedded label together, after
            concatenation, instead of one by one.
        architecture: "skip", "resnet" or "orig".
        use_noise: whether layers add noise.
        clamp: bound on activations, None for none.
        filter: 1-D resampling filter, of any scale.
        activation: of mapping and synthesis layers.
        final_tanh: whether a tanh ends the network.
        base_size: height and width of the coarsest level, that of the constant; each
            further level doubles both.
    """

    resolution: int
    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    label_dim: int = 0
    image_channels: int = 3
    mapping_layers: int = 8
    mapping_width: int = 512
    embed_dim: int = 512
    mapping_rate: float = 0.01
    joint_normalization: bool = False
    architecture: str = "skip"
    use_noise: bool = True
    clamp: float | None = None
    filter: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    activation: str = "lrelu"
    final_tanh: bool = False
    base_size: tuple[int, int] = (4, 4)

    truncated_prior = False

    def __post_init__(self) -> None:
        check_sizes(self.resolution, self.channels, self.base_size, self.architecture)

    @property
    def blocks(self) -> tuple[str, ...]:
        """The levels as the checkpoint names them, whatever their size: "b4", ..."""
        return tuple(f"b{4 << level}" for level in range(len(self.channels)))

    @property
    def num_layers(self) -> int:
        """Rows of w+: two per level."""
        return 2 * len(self.channels)

    @property
    def spaces(self) -> tuple[str, ...]:
        """Where latents live."""
        return ("z", "w", "w+", "s")


class Layer(NamedTuple):
    """One modulated layer: where it sits, what feeds it and what it makes.

    `size` is the height and width of what it makes.
    """

    block: str
    kind: str
    row: int
    size: tuple[int, int]
    inputs: int
    outputs: int

    @property
    def rgb(self) -> bool:
        """Whether it makes an image."""
        return self.kind == "torgb"

    @property
    def up(self) -> bool:
        """Whether it doubles the resolution."""
        return self.kind == "conv0"

    @property
    def name(self) -> str:
        """As in the checkpoint, below "synthesis"."""
        return f"{self.block}.{self.kind}"


def layers(config: Config) -> tuple[Layer, ...]:
    """Every modulated layer of the synthesis network, in order."""
    found = []
    inputs = config.channels[0]
    height, width = config.base_size
    for level, (block, outputs) in enumerate(
        zip(config.blocks, config.channels, strict=True)
    ):
        size = height << level, width << level
        if level > 0:
            found.append(Layer(block, "conv0", 2 * level - 1, size, inputs, outputs))
        found.append(Layer(block, "conv1", 2 * level, size, outputs, outputs))
        if config.architecture == "skip" or block == config.blocks[-1]:
            pixels, row = config.image_channels, 2 * level + 1
            found.append(Layer(block, "torgb", row, size, outputs, pixels))
        inputs = outputs
    return tuple(found)


def init(key: jax.Array, config: Config) -> Params:
    """Random parameters with the structure of a converted checkpoint.

    Weights are normal, at the scale the run-time gains expect; style biases are one,
    all others zero, noise strengths zero.
    """
    draw = Draw(key)
    synthesis: Params = {block: {} for block in config.blocks}
    synthesis["b4"]["const"] = draw(*config.base_size, config.channels[0])
    for layer in layers(config):
        size = 1 if layer.rgb else 3
        entry: Params = {
            "affine": {
                "weight": draw(config.w_dim, layer.inputs),
                "bias": jnp.ones(layer.inputs),
            },
            "weight": draw(size, size, layer.inputs, layer.outputs),
            "bias": jnp.zeros(layer.outputs),
        }
        if config.use_noise and not layer.rgb:
            entry["noise_const"] = draw(*layer.size)
            entry["noise_strength"] = jnp.zeros(())
        synthesis[layer.block][layer.kind] = entry
        if config.architecture == "resnet" and layer.up:
            skip = draw(1, 1, layer.inputs, layer.outputs)
            synthesis[layer.block]["skip"] = {"weight": skip}
    mapping = init_mapping(
        draw,
        z_dim=config.z_dim,
        out_dim=config.w_dim,
        label_dim=config.label_dim,
        embed_dim=config.embed_dim,
        width=config.mapping_width,
        layers=config.mapping_layers,
        rate=config.mapping_rate,
        joint=config.joint_normalization,
    )
    mapping["w_avg"] = jnp.zeros(config.w_dim)
    return {"mapping": mapping, "synthesis": synthesis}


def trainable(params: Params) -> Params:
    """Mask for optimisers: False for noise maps and the mean w; see `prepare`."""
    return trainable_leaves(params, frozenset({"noise_const", "w_avg"}))


def prepare(params: Params, config: Config) -> Params:
    """Replace kernels by what convolutions multiply by; idempotent.

    A layer that upsamples keeps its four phases, one that is wide and large enough its
    Winograd transform where that is faster, both with the energy that demodulation
    needs.
    """
    for layer in layers(config):
        if not layer.rgb:
            change = partial(
                precompute,
                pixels=math.prod(layer.size),
                transposed=layer.up,
                energy=True,
            )
            params = at_layer(params, ("synthesis", layer.block, layer.kind), change)
    return params


def sample(
    key: jax.Array, num: int, config: Config, *, truncation: float | None = None
) -> jax.Array:
    """Draw z [num, z_dim], standard normal; code i uses fold_in(key, i)."""
    if truncation is not None:
        raise ValueError("truncation: StyleGAN2 truncates w, see `truncate`")
    return normal_codes(key, num, config.z_dim)


def embed(params: Params, config: Config, label: jax.Array) -> jax.Array:
    """Labels (int [N] or weights [N, C]) -> embedding [N, embed_dim]."""
    entry = params["mapping"]["embed"] if config.label_dim else {}
    onehot = as_label(label, config.label_dim, params["mapping"]["w_avg"].dtype)
    assert onehot is not None
    return embed_label(entry, onehot, joint=config.joint_normalization)


def map(
    params: Params,
    config: Config,
    z: jax.Array,
    label: jax.Array | None = None,
    *,
    embedding: jax.Array | None = None,
) -> jax.Array:
    """z [N, z_dim] -> w [N, w_dim], not truncated.

    Args:
        params: the generator's parameters.
        config: its config.
        z: codes.
        label: int [N] or weights [N, C], for a conditional generator.
        embedding: what `embed` returns, in place of a label.
    """
    return map_codes(
        params["mapping"],
        config,
        z,
        label,
        embedding,
        joint=config.joint_normalization,
        activation=config.activation,
    )


def truncate(
    params: Params,
    config: Config,
    w: jax.Array,
    psi: float | jax.Array,
    cutoff: int | None = None,
) -> jax.Array:
    """`w_avg + psi * (w - w_avg)` in the first `cutoff` rows; returns w+ [N, L, D].

    Any psi counts, those above 1 too; `cutoff=None` truncates every row. Other
    implementations ignore psi >= 1 or take None for no row at all.
    """
    mean = params["mapping"]["w_avg"]
    return truncate_rows(broadcast(config, w), mean, psi, cutoff)


def styles(params: Params, config: Config, w: jax.Array) -> dict[str, jax.Array]:
    """w or w+ -> style vectors [N, C_in] by layer name, the space s.

    Source: Wu et al., "StyleSpace Analysis" (2021). `synthesize` takes the result in
    place of w.
    """
    w = broadcast(config, w).astype(params["mapping"]["w_avg"].dtype)
    return {
        layer.name: dense(
            w[:, layer.row], params["synthesis"][layer.block][layer.kind]["affine"]
        )
        for layer in layers(config)
    }


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """The style layers, raw weights [w_dim, C_in], in the network's order."""
    return tuple(
        Affine(
            matrix=params["synthesis"][layer.block][layer.kind]["affine"]["weight"],
            name=layer.name,
            layer=layer.row,
            rgb=layer.rgb,
        )
        for layer in layers(config)
    )


def noise_maps(params: Params, config: Config) -> dict[str, jax.Array]:
    """The maps [h, w] of `Noise.FIXED` by layer name, in the network's order."""
    synthesis = params["synthesis"]
    return {
        layer.name: synthesis[layer.block][layer.kind]["noise_const"]
        for layer in layers(config)
        if config.use_noise and not layer.rgb
    }


def feature_names(config: Config) -> tuple[str, ...]:
    """Layers ("b8.conv0"), blocks ("b8": what it hands on), images so far ("b8.image").

    In the network's order, with "image" at the end; "b8.torgb" is what a to-RGB layer
    adds to the image.
    """
    names = []
    for layer in layers(config):
        names.append(layer.name)
        if layer.kind == "conv1":
            names.append(layer.block)
        if layer.rgb:
            names.append(f"{layer.block}.image")
    return (*names, "image")


def run(
    params: Params,
    config: Config,
    latent: jax.Array | Mapping[str, jax.Array],
    label: jax.Array | None = None,
    *,
    noise: Noise | jax.Array | Mapping[str, jax.Array] = Noise.FIXED,
) -> Steps:
    """w [N, D], w+ [N, L, D] or `styles` -> [N, h, w, C], then images [N, H, W, C].

    Args:
        params: the generator's parameters.
        config: its config.
        latent: w, w+, or styles as `styles` returns them.
        label: ignored; the label enters in `map` alone.
        noise: as for `noise.fill_noise`; maps go by layer name, such as "b8.conv0".
    """
    del label
    style = latent if isinstance(latent, Mapping) else styles(params, config, latent)
    count = next(iter(style.values())).shape[0]
    synthesis = params["synthesis"]
    taps = make_filter(config.filter)
    filled = fill_noise(noise, noise_maps(params, config), count)
    residual = config.architecture == "resnet"

    const = synthesis["b4"]["const"]
    x = jnp.broadcast_to(const[None], (count, *const.shape))
    shortcut = image = None
    for layer in layers(config):
        entry = synthesis[layer.block][layer.kind]
        if layer.rgb:
            gain = 1 / math.sqrt(layer.inputs)
            y = ops.modulated_convolve(
                x, entry, style[layer.name] * gain, demodulate=False
            )
            y = ops.activate(y, entry["bias"], clamp=config.clamp)
            y = yield layer.name, y
            image = y if image is None else upsample(image, taps) + y
            image = yield f"{layer.block}.image", image
            continue
        if layer.up and residual:
            kernel = synthesis[layer.block]["skip"]["weight"]
            gain = math.sqrt(0.5 / layer.inputs)
            shortcut = ops.upsample_convolve(x, kernel * gain, taps)
        x = ops.modulated_convolve(
            x,
            entry,
            style[layer.name],
            padding=SAME,
            up_taps=taps if layer.up else None,
        )
        if layer.name in filled:
            strength = entry["noise_strength"]
            x = x + (filled[layer.name] * strength)[..., None]
        merges = shortcut is not None and layer.kind == "conv1"
        scale = math.sqrt(0.5) if merges else 1.0
        x = ops.activate(
            x,
            entry["bias"],
            config.activation,
            gain=ops.ACTIVATIONS[config.activation].gain * scale,
            clamp=None if config.clamp is None else config.clamp * scale,
        )
        x = yield layer.name, x
        if layer.kind == "conv1":
            if shortcut is not None:
                x, shortcut = x + shortcut, None
            x = yield layer.block, x
    assert image is not None  # the last layer makes one in every architecture
    yield "image", jnp.tanh(image) if config.final_tanh else image
