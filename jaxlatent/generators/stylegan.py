"""StyleGAN (1): mapping and synthesis.

Source: Karras et al., "A Style-Based Generator Architecture for Generative Adversarial
Networks" (2019). Parameter names are those of genforce's checkpoints, split at dots;
dense weights are [in, out] and kernels [h, w, in, out]. Weights are stored as trained
and scaled by sqrt(2 / fan in) at run time, those of styles and images by
1 / sqrt(fan in). Only layers that the level of detail puts to use have parameters.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxlatent.generators import ops, progressive
from jaxlatent.generators.filters import make_filter, smooth
from jaxlatent.generators.inputs import as_label, normal_codes
from jaxlatent.generators.kernels import (
    apply_kernel,
    at_layer,
    precompute,
    trainable_leaves,
)
from jaxlatent.generators.noise import fill_noise
from jaxlatent.generators.progressive import feature_names as feature_names
from jaxlatent.generators.steps import Steps
from jaxlatent.generators.style_mapping import Draw, dense, truncate_rows
from jaxlatent.generators.style_mapping import broadcast as broadcast
from jaxlatent.types import Affine, Noise, Params


@dataclass(frozen=True)
class Config:
    """The shape of a StyleGAN generator.

    Attributes:
        resolution: of the image, its larger side.
        channels: feature maps of each level, the coarsest first.
        z_dim: dimension of z, and of the embedded label.
        w_dim: dimension of w.
        label_dim: number of classes, 0 if unconditional.
        image_channels: 3 for colour.
        mapping_layers: dense layers of the mapping network.
        mapping_width: width of its hidden layers.
        mapping_rate: learning-rate multiplier that scales the mapping's weights.
        repeat_w: whether the mapping makes one w for all rows; otherwise it makes w+.
        mean_per_row: whether rows have mean w's of their own although the mapping makes
            one w.
        fused_from: resolution from which on upsampling layers were trained as
            transposed convolutions, which turns their kernels round; None for nowhere.
            It counts 4, 8, ... by level, whatever the maps' size.
        filter: 1-D filter behind upsampling layers, of any scale.
        final_tanh: whether a tanh ends the network.
        lod: level of detail: how many levels are not grown yet, 0 for none.
        norm_epsilon: added to the variance by which feature maps are normalised.
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
    mapping_rate: float = 0.01
    repeat_w: bool = True
    mean_per_row: bool = False
    fused_from: int | None = 128
    filter: tuple[float, ...] = (1.0, 2.0, 1.0)
    final_tanh: bool = False
    lod: float = 0.0
    norm_epsilon: float = 1e-8
    base_size: tuple[int, int] = (4, 4)

    truncated_prior = False

    def __post_init__(self) -> None:
        progressive.check_growth(self)

    @property
    def num_layers(self) -> int:
        """Rows of w+: two per level, in use or not."""
        return 2 * len(self.channels)

    @property
    def spaces(self) -> tuple[str, ...]:
        """Where latents live."""
        return ("z", "w", "w+", "s")


class Layer(NamedTuple):
    """One styled layer; its number is that of the row that feeds it.

    `size` is the height and width of what it makes.
    """

    index: int
    size: tuple[int, int]
    inputs: int
    outputs: int
    fused: bool

    @property
    def name(self) -> str:
        """As in the checkpoint, below "synthesis"."""
        return f"layer{self.index}"

    @property
    def up(self) -> bool:
        """Whether it doubles the resolution."""
        return self.index > 0 and self.index % 2 == 0


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer of the synthesis network that is in use, in order."""
    found = []
    inputs = config.channels[0]
    height, width = config.base_size
    last, _ = progressive.last_level(config)
    for index in range(2 * last + 2):
        level = index // 2
        size, outputs = (height << level, width << level), config.channels[level]
        fused = config.fused_from is not None and 4 << level >= config.fused_from
        found.append(Layer(index, size, inputs, outputs, fused))
        inputs = outputs
    return tuple(found)


def init(key: jax.Array, config: Config) -> Params:
    """Random parameters with the structure of a converted checkpoint.

    Weights are normal, at the scale the run-time gains expect; biases and the weights
    of the noise are zero.
    """
    draw = Draw(key)
    synthesis: Params = {}
    for layer in layers(config):
        entry: Params = {
            "bias": jnp.zeros(layer.outputs),
            "apply_noise": {
                "weight": jnp.zeros(layer.outputs),
                "noise": draw(*layer.size),
            },
            "style": {
                "weight": draw(config.w_dim, 2 * layer.outputs),
                "bias": jnp.zeros(2 * layer.outputs),
            },
        }
        if layer.index == 0:
            entry["const"] = draw(*config.base_size, layer.outputs)
        else:
            entry["weight"] = draw(3, 3, layer.inputs, layer.outputs)
        synthesis[layer.name] = entry
    for level in progressive.image_levels(config):
        synthesis[f"output{level}"] = {
            "weight": draw(1, 1, config.channels[level], config.image_channels),
            "bias": jnp.zeros(config.image_channels),
        }
    mapping: Params = {}
    rows = 1 if config.repeat_w else config.num_layers
    inputs = config.z_dim
    if config.label_dim:
        mapping["label_weight"] = draw(config.label_dim, config.z_dim)
        inputs *= 2
    for index in range(config.mapping_layers):
        final = index == config.mapping_layers - 1
        outputs = rows * config.w_dim if final else config.mapping_width
        mapping[f"dense{index}"] = {
            "weight": draw(inputs, outputs) / config.mapping_rate,
            "bias": jnp.zeros(outputs),
        }
        inputs = outputs
    means = config.num_layers if config.mean_per_row else rows
    truncation = {"w_avg": jnp.zeros(means * config.w_dim)}
    return {"mapping": mapping, "truncation": truncation, "synthesis": synthesis}


def trainable(params: Params) -> Params:
    """Mask for optimisers: False for noise maps and the mean w; see `prepare`."""
    return trainable_leaves(params, frozenset({"noise", "w_avg"}))


def prepare(params: Params, config: Config) -> Params:
    """Replace kernels by what convolutions multiply by; idempotent."""
    for layer in layers(config):
        if layer.index:
            change = partial(
                precompute,
                pixels=math.prod(layer.size),
                upsample=layer.up,
                run_time=_run_time(layer),
            )
            params = at_layer(params, ("synthesis", layer.name), change)
    return params


def sample(
    key: jax.Array, num: int, config: Config, *, truncation: float | None = None
) -> jax.Array:
    """Draw z [num, z_dim], standard normal; code i uses fold_in(key, i)."""
    if truncation is not None:
        raise ValueError("truncation: StyleGAN truncates w, see `truncate`")
    return normal_codes(key, num, config.z_dim)


def embed(params: Params, config: Config, label: jax.Array) -> jax.Array:
    """Labels (int [N] or weights [N, C]) -> embedding [N, z_dim]."""
    onehot = as_label(label, config.label_dim, params["truncation"]["w_avg"].dtype)
    assert onehot is not None
    return onehot @ params["mapping"]["label_weight"]


def map(
    params: Params,
    config: Config,
    z: jax.Array,
    label: jax.Array | None = None,
    *,
    embedding: jax.Array | None = None,
) -> jax.Array:
    """z [N, z_dim] -> w [N, w_dim], not truncated; w+ unless `config.repeat_w`.

    Args:
        params: the generator's parameters.
        config: its config.
        z: codes.
        label: int [N] or weights [N, C], for a conditional generator.
        embedding: what `embed` returns, in place of a label.
    """
    dtype = params["truncation"]["w_avg"].dtype
    if z.ndim != 2 or z.shape[1] != config.z_dim:
        raise ValueError(f"z: shape {z.shape} given; [N, {config.z_dim}] is accepted")
    onehot = None if embedding is not None else as_label(label, config.label_dim, dtype)
    if onehot is not None:
        embedding = embed(params, config, onehot)
    x = z.astype(dtype)
    if embedding is not None:
        x = jnp.concatenate([x, embedding], axis=1)
    x = ops.normalize_second_moment(x)
    for index in range(config.mapping_layers):
        entry = params["mapping"][f"dense{index}"]
        x = progressive.dense_rectified(x, entry, rate=config.mapping_rate)
    return x if config.repeat_w else x.reshape(-1, config.num_layers, config.w_dim)


def truncate(
    params: Params,
    config: Config,
    w: jax.Array,
    psi: float | jax.Array,
    cutoff: int | None = None,
) -> jax.Array:
    """`w_avg + psi * (w - w_avg)` in the first `cutoff` rows; returns w+ [N, L, D].

    Any psi counts, those above 1 too; `cutoff=None` truncates every row. genforce
    ignores psi >= 1 and takes None for no row at all.
    """
    mean = params["truncation"]["w_avg"]
    return truncate_rows(broadcast(config, w), mean, psi, cutoff)


def styles(params: Params, config: Config, w: jax.Array) -> dict[str, jax.Array]:
    """w or w+ -> scales and shifts [N, 2 C] by layer name, the space s.

    A layer's output is multiplied by one more than the scale. `synthesize` takes the
    result in place of w.
    """
    w = broadcast(config, w).astype(params["truncation"]["w_avg"].dtype)
    return {
        layer.name: dense(w[:, layer.index], params["synthesis"][layer.name]["style"])
        for layer in layers(config)
    }


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """The style layers, raw weights [w_dim, 2 C], in the network's order."""
    return tuple(
        Affine(
            matrix=params["synthesis"][layer.name]["style"]["weight"],
            name=layer.name,
            layer=layer.index,
        )
        for layer in layers(config)
    )


def noise_maps(params: Params, config: Config) -> dict[str, jax.Array]:
    """The maps [h, w] of `Noise.FIXED` by layer name, in the network's order."""
    return {
        layer.name: params["synthesis"][layer.name]["apply_noise"]["noise"]
        for layer in layers(config)
    }


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
        noise: as for `noise.fill_noise`; maps go by layer name, such as "layer2".
    """
    del label
    style = latent if isinstance(latent, Mapping) else styles(params, config, latent)
    count = next(iter(style.values())).shape[0]
    synthesis = params["synthesis"]
    taps = make_filter(config.filter)
    shown = progressive.image_levels(config)
    filled = fill_noise(noise, noise_maps(params, config), count)
    images = {}
    const = synthesis["layer0"]["const"]
    x = jnp.broadcast_to(const[None], (count, *const.shape))
    for layer in layers(config):
        entry = synthesis[layer.name]
        if layer.index:
            x = apply_kernel(x, entry, upsample=layer.up, run_time=_run_time(layer))
        if layer.up:
            x = smooth(x, taps)
        if layer.name in filled:
            strength = entry["apply_noise"]["weight"][None, None, None]
            x = x + filled[layer.name][..., None] * strength
        x = progressive.rectify(x, entry["bias"])
        x = progressive.normalize_instance(x, config.norm_epsilon)
        scale, shift = jnp.split(style[layer.name][:, None, None], 2, axis=-1)
        x = yield layer.name, x * (1 + scale) + shift
        level = layer.index // 2
        if layer.index % 2 and level in shown:
            y = progressive.to_image(x, synthesis[f"output{level}"])
            images[level] = yield f"output{level}", y
    image = progressive.compose(images, config)
    yield "image", jnp.tanh(image) if config.final_tanh else image


def _run_time(layer: Layer) -> Callable[[jax.Array], jax.Array]:
    fused = layer.up and layer.fused
    return partial(progressive.run_time_kernel, fused=fused)
