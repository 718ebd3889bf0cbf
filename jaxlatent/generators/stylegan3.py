"""StyleGAN3: mapping and alias-free synthesis, configurations T and R.

Source: Karras et al., "Alias-Free Generative Adversarial Networks" (2021). Parameter
names are those of NVlabs' PyTorch checkpoints, split at dots; dense weights are [in,
out] and kernels [h, w, in, out]. Filters are parameters too, as stored. The signal
starts as Fourier features, which the first row of w+ moves and turns, and every layer
applies its activation at a raised sampling rate. There is no noise.

The input's buffer "transform" [3, 3] is the user's: the inverse of what is done to the
picture, in units of its width, the identity in released files.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jaxlatent.generators import ops
from jaxlatent.generators.inputs import as_label, normal_codes, without_noise
from jaxlatent.generators.kernels import (
    PREPARED,
    at_layer,
    precompute,
    trainable_leaves,
    unknown_fingerprint,
)
from jaxlatent.generators.plain import noise_maps as noise_maps
from jaxlatent.generators.steps import Steps
from jaxlatent.generators.style_mapping import (
    Draw,
    dense,
    embed_label,
    init_mapping,
    map_codes,
    truncate_rows,
)
from jaxlatent.generators.style_mapping import broadcast as broadcast
from jaxlatent.generators.stylegan3_schedule import Layer, Schedule
from jaxlatent.types import Affine, Noise, Params

FIXED = ("freqs", "phases", "transform", "magnitude_ema", "up_filter", "down_filter")
"""What the synthesis network holds and training does not change: torch's buffers."""


@dataclass(frozen=True)
class Config(Schedule):
    """The shape of a StyleGAN3 generator: its schedule, mapping network and bounds.

    Attributes:
        z_dim: dimension of z; 0 for a mapping of the label alone.
        w_dim: dimension of w.
        label_dim: number of classes, 0 if unconditional.
        mapping_layers: dense layers of the mapping network.
        mapping_width: width of its hidden layers.
        embed_dim: width of the embedded label.
        mapping_rate: learning-rate multiplier that scales the mapping's weights.
        clamp: bound on activations, None for none.
        output_scale: factor on the last layer's output.
    """

    z_dim: int = 512
    w_dim: int = 512
    label_dim: int = 0
    mapping_layers: int = 2
    mapping_width: int = 512
    embed_dim: int = 512
    mapping_rate: float = 0.01
    clamp: float | None = 256.0
    output_scale: float = 0.25

    truncated_prior = False

    @property
    def num_layers(self) -> int:
        """Rows of w+: the input's, one per hidden layer and the to-RGB layer's."""
        return len(self.channels) + 2

    @property
    def spaces(self) -> tuple[str, ...]:
        """Where latents live."""
        return ("z", "w", "w+", "s")


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer behind the input, in order; the last one makes the image."""
    return config.layers()


def init(key: jax.Array, config: Config) -> Params:
    """Random parameters with the structure of a converted checkpoint.

    Weights are normal, at the scale the run-time gains expect; style biases are one,
    all others zero. The input's frequencies fill the first layer's band, and no style
    moves it yet.
    """
    draw = Draw(key)
    width = config.channels[0]
    directions = draw(width, 2)
    radius = jnp.linalg.norm(directions, axis=1, keepdims=True)
    synthesis: Params = {
        "input": {
            "affine": {
                "weight": jnp.zeros((config.w_dim, 4)),
                "bias": jnp.asarray([1.0, 0.0, 0.0, 0.0]),
            },
            "weight": draw(width, width),
            "freqs": config.first_cutoff
            * directions
            / (radius * jnp.exp(jnp.square(radius)) ** 0.25),
            # whole turns do not count, so normal phases are as good as uniform ones
            "phases": draw(width),
            "transform": jnp.eye(3),
        }
    }
    for layer in layers(config):
        entry: Params = {
            "affine": {
                "weight": draw(config.w_dim, layer.inputs),
                "bias": jnp.ones(layer.inputs),
            },
            "weight": draw(layer.kernel, layer.kernel, layer.inputs, layer.outputs),
            "bias": jnp.zeros(layer.outputs),
            "magnitude_ema": jnp.ones(()),
        }
        entry |= {
            name: jnp.asarray(taps, entry["weight"].dtype)
            for name, taps in layer.filters().items()
        }
        synthesis[layer.name] = entry
    mapping = init_mapping(
        draw,
        z_dim=config.z_dim,
        out_dim=config.w_dim,
        label_dim=config.label_dim,
        embed_dim=config.embed_dim,
        width=config.mapping_width,
        layers=config.mapping_layers,
        rate=config.mapping_rate,
    )
    mapping["w_avg"] = jnp.zeros(config.w_dim)
    return {"mapping": mapping, "synthesis": synthesis}


def trainable(params: Params) -> Params:
    """Mask for optimisers: False for the mean w and `FIXED`; see `prepare`."""
    return trainable_leaves(params, frozenset({*FIXED, "w_avg"}))


def prepare(params: Params, config: Config) -> Params:
    """Replace kernels by what convolutions multiply by; idempotent.

    A layer that is wide and large enough keeps the Winograd transform of its normalised
    kernel where that is faster, with the energy that demodulation needs.
    """
    incoming = (config.sizes[0], *config.sizes)
    for layer, side in zip(layers(config), incoming, strict=False):
        if not layer.rgb:
            change = partial(
                precompute, pixels=side**2, run_time=_normalized, energy=True
            )
            params = at_layer(params, ("synthesis", layer.name), change)
    return params


def sample(
    key: jax.Array, num: int, config: Config, *, truncation: float | None = None
) -> jax.Array:
    """Draw z [num, z_dim], standard normal; code i uses fold_in(key, i)."""
    if truncation is not None:
        raise ValueError("truncation: StyleGAN3 truncates w, see `truncate`")
    return normal_codes(key, num, config.z_dim)


def embed(params: Params, config: Config, label: jax.Array) -> jax.Array:
    """Labels (int [N] or weights [N, C]) -> embedding [N, embed_dim]."""
    onehot = as_label(label, config.label_dim, params["mapping"]["w_avg"].dtype)
    assert onehot is not None
    return embed_label(params["mapping"]["embed"], onehot)


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
    return map_codes(params["mapping"], config, z, label, embedding)


def truncate(
    params: Params,
    config: Config,
    w: jax.Array,
    psi: float | jax.Array,
    cutoff: int | None = None,
) -> jax.Array:
    """`w_avg + psi * (w - w_avg)` in the first `cutoff` rows; returns w+ [N, L, D].

    Any psi counts, those above 1 too; `cutoff=None` truncates every row.
    """
    mean = params["mapping"]["w_avg"]
    return truncate_rows(broadcast(config, w), mean, psi, cutoff)


def _rows(config: Config) -> tuple[tuple[str, int], ...]:
    """Names of what has a style, with its row of w+."""
    return ("input", 0), *((layer.name, layer.row) for layer in layers(config))


def placement(
    shift: tuple[float, float] = (0.0, 0.0), degrees: float = 0.0
) -> np.ndarray:
    """What turns a picture and moves it, for `transformed`.

    Args:
        shift: across and down, in units of the picture's width.
        degrees: of the rotation.

    Returns:
        float64 [3, 3], [[c, s, x], [-s, c, y], [0, 0, 1]] with the rotation's cosine
        and sine and the shift (x, y).
    """
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, sine, shift[0]], [-sine, cosine, shift[1]], [0, 0, 1.0]])


def transformed(params: Params, transform: ArrayLike) -> Params:
    """The same parameters, whose pictures are moved by a transform [3, 3].

    Its inverse is stored as the input's "transform". Of a prepared generator the
    fingerprint is not known afterwards.

    Raises:
        ValueError: for another shape.
    """
    if np.shape(transform) != (3, 3):
        raise ValueError(
            f"transform: shape {np.shape(transform)} given; [3, 3] is accepted"
        )
    first = params["synthesis"]["input"]
    inverse = np.linalg.inv(np.asarray(transform, np.float64))
    first = {**first, "transform": jnp.asarray(inverse, first["freqs"].dtype)}
    changed = {**params, "synthesis": {**params["synthesis"], "input": first}}
    if PREPARED in params:
        changed[PREPARED] = unknown_fingerprint()
    return changed


def styles(params: Params, config: Config, w: jax.Array) -> dict[str, jax.Array]:
    """w or w+ -> style vectors by layer name, the space s.

    [N, C_in] each; that of "input" is [N, 4], of any length: cosine and sine of a
    rotation, and a translation. `synthesize` takes the result in place of w.
    """
    w = broadcast(config, w).astype(params["mapping"]["w_avg"].dtype)
    return {
        name: dense(w[:, row], params["synthesis"][name]["affine"])
        for name, row in _rows(config)
    }


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """The input's and the layers' affine maps, raw weights, in the network's order."""
    last = config.num_layers - 1
    return tuple(
        Affine(
            matrix=params["synthesis"][name]["affine"]["weight"],
            name=name,
            layer=row,
            rgb=row == last,
        )
        for name, row in _rows(config)
    )


def feature_names(config: Config) -> tuple[str, ...]:
    """The "input", the layers ("L0_36_512"), and "image": the last layer, scaled."""
    return (*(name for name, _ in _rows(config)), "image")


def run(
    params: Params,
    config: Config,
    latent: jax.Array | Mapping[str, jax.Array],
    label: jax.Array | None = None,
    *,
    noise: Noise = Noise.FIXED,
) -> Steps:
    """w [N, D], w+ [N, L, D] or `styles` -> [N, r, r, C], then images [N, R, R, C].

    Args:
        params: the generator's parameters.
        config: its config.
        latent: w, w+, or styles as `styles` returns them.
        label: ignored; the label enters in `map` alone.
        noise: there is none; keys and maps are refused.
    """
    del label
    without_noise(noise)
    style = latent if isinstance(latent, Mapping) else styles(params, config, latent)
    synthesis = params["synthesis"]
    x = _fourier_features(synthesis["input"], config, style["input"])
    x = yield "input", x
    for layer in layers(config):
        entry = synthesis[layer.name]
        scales = style[layer.name]
        full = (layer.kernel - 1, layer.kernel - 1)
        if layer.rgb:
            scales = scales / math.sqrt(layer.inputs * layer.kernel**2)
            weights = entry
        else:
            # over the batch too, as the original does; but for the demodulation's
            # 1e-8, which this keeps in proportion, the scale cancels
            scales = scales * lax.rsqrt(jnp.mean(jnp.square(scales)))
            plain = "weight" in entry
            weights = {"weight": _normalized(entry["weight"])} if plain else entry
        x = ops.modulated_convolve(
            x,
            weights,
            scales,
            demodulate=not layer.rgb,
            padding=(full, full),
        )
        x = ops.filtered_leaky_relu(
            x * lax.rsqrt(entry["magnitude_ema"]),
            entry["bias"],
            up_taps=entry["up_filter"] if layer.up_taps > 1 else None,
            down_taps=entry["down_filter"] if layer.down_taps > 1 else None,
            up=layer.up,
            down=layer.down,
            padding=(layer.padding, layer.padding),
            gain=1.0 if layer.rgb else math.sqrt(2),
            slope=1.0 if layer.rgb else 0.2,
            clamp=config.clamp,
        )
        x = yield layer.name, x
    yield "image", x * config.output_scale


def _normalized(kernel: jax.Array) -> jax.Array:
    """A kernel whose output channels have a mean square of one."""
    square = jnp.mean(jnp.square(kernel), axis=(0, 1, 2), keepdims=True)
    return kernel * lax.rsqrt(square)


def _fourier_features(params: Params, config: Config, style: jax.Array) -> jax.Array:
    """The input [N, S, S, C]: waves on a plane that each style turns and moves.

    Args:
        params: of "synthesis.input".
        config: the generator's config.
        style: [N, 4], cosine and sine of any common length, then a translation that is
            measured in that length.
    """
    style = style / jnp.linalg.norm(style[:, :2], axis=1, keepdims=True)
    cosine, sine = style[:, 0], style[:, 1]
    turn = jnp.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2)
    shift = -jnp.einsum("nij,nj->ni", turn, style[:, 2:])
    affine = jnp.concatenate([turn, shift[:, :, None]], axis=2)
    plane = jnp.einsum("nij,jk->nik", affine, params["transform"])  # [N, 2, 3]
    phases = params["phases"][None] + jnp.einsum(
        "ci,ni->nc", params["freqs"], plane[:, :, 2]
    )
    waves = jnp.einsum("ci,nik->nck", params["freqs"], plane[:, :, :2])
    # what the turned and scaled plane would alias fades away
    band, rate = config.first_cutoff, config.rates[0]
    fade = (jnp.linalg.norm(waves, axis=2) - band) / (rate / 2 - band)
    amplitude = jnp.clip(1 - fade, 0, 1)
    size = config.sizes[0]
    line = (jnp.arange(size, dtype=waves.dtype) + 0.5 - size / 2) / rate
    across = waves[:, None, None, :, 0] * line[None, None, :, None]
    down = waves[:, None, None, :, 1] * line[None, :, None, None]
    turns = across + down + phases[:, None, None, :]
    x = jnp.sin(2 * math.pi * turns) * amplitude[:, None, None, :]
    return x @ (params["weight"] / math.sqrt(len(params["phases"])))
