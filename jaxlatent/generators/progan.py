"""ProGAN (PGGAN): a grown convolutional generator without mapping or noise.

Source: Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and
Variation" (2018). Parameter names are those of genforce's checkpoints, kernels are
[h, w, in, out]. Weights are stored as trained and scaled by sqrt(2 / fan in) at run
time, those of the image layers by 1 / sqrt(fan in). Only image layers that the level of
detail puts to use have parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from jaxlatent.generators import ops, progressive
from jaxlatent.generators.inputs import as_label, without_label, without_noise
from jaxlatent.generators.kernels import (
    apply_kernel,
    at_layer,
    precompute,
    trainable_leaves,
)
from jaxlatent.generators.plain import broadcast as broadcast
from jaxlatent.generators.plain import noise_maps as noise_maps
from jaxlatent.generators.plain import sample as sample
from jaxlatent.generators.plain import truncate as truncate
from jaxlatent.generators.progressive import feature_names as feature_names
from jaxlatent.generators.steps import Steps
from jaxlatent.generators.style_mapping import Draw
from jaxlatent.types import Affine, Noise, Params


@dataclass(frozen=True)
class Config:
    """The shape of a ProGAN generator.

    Attributes:
        resolution: of the square image, a power of two from 4 up.
        channels: feature maps at 4 x 4, 8 x 8, ... up to `resolution`.
        z_dim: dimension of z.
        label_dim: number of classes, 0 if unconditional.
        image_channels: 3 for colour.
        fused_scale: whether upsampling layers were trained as transposed convolutions,
            which turns their kernels round.
        normalize_z: whether z is normalised before the label joins it; together they
            always are.
        final_tanh: whether a tanh ends the network.
        lod: level of detail: how many levels are not grown yet, 0 for none.
    """

    resolution: int
    channels: tuple[int, ...]
    z_dim: int = 512
    label_dim: int = 0
    image_channels: int = 3
    fused_scale: bool = False
    normalize_z: bool = True
    final_tanh: bool = False
    lod: float = 0.0

    num_layers = 0
    truncated_prior = False
    base_size = (4, 4)

    def __post_init__(self) -> None:
        progressive.check_growth(self)

    @property
    def w_dim(self) -> int:
        """That of z; there is no mapping network."""
        return self.z_dim

    @property
    def spaces(self) -> tuple[str, ...]:
        """z alone."""
        return ("z",)


def init(key: jax.Array, config: Config) -> Params:
    """Random parameters with the structure of a converted checkpoint.

    Weights are standard normal, as the run-time gains expect; biases are zero.
    """
    draw = Draw(key)
    params: Params = {}
    inputs = config.z_dim + config.label_dim
    last, _ = progressive.last_level(config)
    for index in range(2 * last + 2):
        size, outputs = 3 if index else 4, config.channels[index // 2]
        params[f"layer{index}"] = {
            "weight": draw(size, size, inputs, outputs),
            "bias": jnp.zeros(outputs),
        }
        inputs = outputs
    for level in progressive.image_levels(config):
        params[f"output{level}"] = {
            "weight": draw(1, 1, config.channels[level], config.image_channels),
            "bias": jnp.zeros(config.image_channels),
        }
    return params


def trainable(params: Params) -> Params:
    """Mask for optimisers: every weight; see `prepare`."""
    return trainable_leaves(params, frozenset())


def prepare(params: Params, config: Config) -> Params:
    """Replace kernels by what convolutions multiply by; idempotent."""
    last, _ = progressive.last_level(config)
    for index in range(1, 2 * last + 2):
        change = partial(
            precompute,
            pixels=(4 << (index // 2)) ** 2,
            upsample=index % 2 == 0,
            run_time=_run_time(config, index),
        )
        params = at_layer(params, (f"layer{index}",), change)
    return params


def embed(params: Params, config: Config, label: jax.Array) -> jax.Array:
    """Labels (int [N] or weights [N, C]) -> weights [N, C], which join z."""
    onehot = as_label(label, config.label_dim, params["layer0"]["weight"].dtype)
    assert onehot is not None
    return onehot


def map(
    params: Params, config: Config, z: jax.Array, label: jax.Array | None = None
) -> jax.Array:
    """The identity: there is no mapping network; `synthesize` sees the label."""
    if not config.label_dim:
        without_label(label)
    return z


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """The first layer, raw weights [z_dim, 16 C], by row, column, channel."""
    matrix = _first_matrix(params["layer0"]["weight"])[: config.z_dim]
    return (Affine(matrix=matrix, name="layer0"),)


def run(
    params: Params,
    config: Config,
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    noise: Noise = Noise.FIXED,
) -> Steps:
    """z [N, z_dim] of any length -> [N, r, r, C], images [N, R, R, C] about [-1, 1].

    Raises:
        ValueError: for a latent or a label of another shape, a missing or an unwanted
            label, or noise.
    """
    without_noise(noise)
    last, _ = progressive.last_level(config)
    shown = progressive.image_levels(config)
    images = {}
    x = _joined(params, config, latent, label)
    for index in range(2 * last + 2):
        name = f"layer{index}"
        layer = params[name]
        x = ops.normalize_second_moment(x)
        if index == 0:
            x = x @ _first_matrix(progressive.equalize(layer["weight"]))
            x = x.reshape(-1, 4, 4, config.channels[0])
        else:
            run_time, upsample = _run_time(config, index), index % 2 == 0
            x = apply_kernel(x, layer, upsample=upsample, run_time=run_time)
        x = yield name, progressive.rectify(x, layer["bias"])
        level = index // 2
        if index % 2 and level in shown:
            y = ops.normalize_second_moment(x)
            y = progressive.to_image(y, params[f"output{level}"])
            images[level] = yield f"output{level}", y
    image = progressive.compose(images, config)
    yield "image", jnp.tanh(image) if config.final_tanh else image


def _run_time(config: Config, index: int) -> Callable[[jax.Array], jax.Array]:
    """The kernel of a layer as it is applied; even ones follow repeated pixels."""
    fused = config.fused_scale and index % 2 == 0
    return partial(progressive.run_time_kernel, fused=fused)


def _joined(
    params: Params, config: Config, z: jax.Array, label: jax.Array | None
) -> jax.Array:
    """What the first layer is given: z, and the label's weights behind it."""
    if z.ndim != 2 or z.shape[1] != config.z_dim:
        raise ValueError(
            f"latent: shape {z.shape} given; z [N, {config.z_dim}] is accepted"
        )
    dtype = params["layer0"]["weight"].dtype
    onehot = as_label(label, config.label_dim, dtype)
    z = z.astype(dtype)
    if config.normalize_z:
        z = ops.normalize_second_moment(z)
    return z if onehot is None else jnp.concatenate([z, onehot], axis=1)


def _first_matrix(kernel: jax.Array) -> jax.Array:
    """The first layer's kernel [4, 4, D, C] as the matrix [D, 16 C] that it is.

    It meets a single pixel with a padding of three, which shows it mirrored.
    """
    mirrored = jnp.moveaxis(kernel[::-1, ::-1], 2, 0)
    return mirrored.reshape(mirrored.shape[0], -1)
