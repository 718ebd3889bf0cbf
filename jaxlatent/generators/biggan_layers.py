"""What BigGAN, BigGAN-deep and SNGAN share: residual networks between batch norms."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax.traverse_util import unflatten_dict
from jax import lax

from jaxlatent.generators.convolutions import convolve
from jaxlatent.generators.inputs import GeneratorConfig, as_label, normal_codes
from jaxlatent.generators.kernels import trainable_leaves
from jaxlatent.types import Params

SEED = 4
"""Width and height of the map that the first linear layer makes."""

_MEANS = frozenset({"stored_mean", "running_mean", "running_means"})
_VARIANCES = frozenset({"stored_var", "running_var", "running_vars"})
_ONES = _VARIANCES | {"accumulation_counter", "gain"}


def init_flat(key: jax.Array, shapes: Mapping[str, tuple[int, ...]]) -> Params:
    """Random parameters of the given shapes, by dotted name.

    Matrices and kernels are normal at the fan-in's scale, statistics those of a
    standard normal, batch norms the identity, biases and attention gates zero. The
    array number i draws with fold_in(key, i).
    """
    flat = {}
    for index, (name, shape) in enumerate(shapes.items()):
        leaf = name.rpartition(".")[2]
        if leaf in _ONES or (leaf == "weight" and len(shape) == 1):
            flat[name] = jnp.ones(shape)
        elif len(shape) < 2 or 0 in shape or leaf in _MEANS:
            flat[name] = jnp.zeros(shape)
        else:
            draw = jax.nn.initializers.variance_scaling(1.0, "fan_in", "normal")
            flat[name] = draw(jax.random.fold_in(key, index), shape)
    return unflatten_dict(flat, sep=".")


def trainable(params: Params) -> Params:
    """Mask for optimisers: False for statistics; see `kernels.trainable_leaves`."""
    return trainable_leaves(params, _MEANS | _VARIANCES | {"accumulation_counter"})


def sample(
    key: jax.Array,
    num: int,
    config: GeneratorConfig,
    *,
    truncation: float | None = None,
) -> jax.Array:
    """Draw z [num, z_dim]; code i is drawn with fold_in(key, i).

    Source: Brock et al., "Large Scale GAN Training for High Fidelity Natural Image
    Synthesis" (2019), section 3.1, as huggingface's and GANSpace's code draw it.

    Args:
        key: of the whole draw.
        num: how many.
        config: the generator's.
        truncation: t, for `t * normal` whose normal values are redrawn until they lie
            in [-2, 2]; 1 truncates too. None for the normal of the training, which is
            not truncated.
    """
    if truncation is None:
        return normal_codes(key, num, config.z_dim)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(num))
    draw = jax.vmap(
        lambda one: jax.random.truncated_normal(one, -2.0, 2.0, (config.z_dim,))
    )
    return truncation * draw(keys)


def map(
    params: Params,
    config: GeneratorConfig,
    z: jax.Array,
    label: jax.Array | None = None,
) -> jax.Array:
    """The identity in place of a mapping network; the label enters later."""
    del params, config, label
    return z


def class_weights(
    label: jax.Array | None, config: GeneratorConfig, dtype: jax.typing.DTypeLike
) -> jax.Array:
    """Labels (int [N] or weights [N, C]) as weights [N, C]."""
    weights = as_label(label, config.label_dim, dtype)
    assert weights is not None
    return weights


def check_embedding(embedding: jax.Array, count: int, width: int) -> None:
    """Raise ValueError unless there is one embedded label for each of the codes."""
    if embedding.shape != (count, width):
        raise ValueError(
            f"label or embedding: embedded {embedding.shape} given for {count} codes; "
            f"[{count}, {width}] is accepted"
        )


def batch_norm(
    x: jax.Array,
    mean: jax.Array,
    variance: jax.Array,
    gain: jax.Array,
    bias: jax.Array,
    *,
    eps: float,
    additive: bool = False,
) -> jax.Array:
    """`(x - mean) / sqrt(variance + eps) * gain + bias` over the last axis' channels.

    Args:
        x: [N, H, W, C].
        mean: [C].
        variance: [C].
        gain: [C] or [N, C].
        bias: [C] or [N, C].
        eps: added to the variance.
        additive: add the gain instead of multiplying by it.
    """

    def per_channel(values: jax.Array) -> jax.Array:
        return values.reshape(-1, 1, 1, x.shape[-1])

    centred, scale = x - per_channel(mean), per_channel(lax.rsqrt(variance + eps))
    if additive:
        return centred * scale + per_channel(gain) + per_channel(bias)
    return centred * (scale * per_channel(gain)) + per_channel(bias)


def attend(
    x: jax.Array,
    *,
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    out: jax.Array,
    gate: jax.Array,
) -> jax.Array:
    """Every pixel looks at a quarter of all: `x + gate * attention(x)`.

    Source: Zhang et al., "Self-Attention Generative Adversarial Networks" (2019), with
    keys and values pooled 2 x 2 as in BigGAN.

    Args:
        x: [N, H, W, C], of even sides.
        query: kernel [1, 1, C, D].
        key: kernel [1, 1, C, D].
        value: kernel [1, 1, C, E].
        out: kernel [1, 1, E, C].
        gate: scalar.
    """
    count, height, width, _ = x.shape

    def pooled(kernel: jax.Array) -> jax.Array:
        y = convolve(x, kernel)
        y = y.reshape(count, height // 2, 2, width // 2, 2, -1).max(axis=(2, 4))
        return y.reshape(count, (height // 2) * (width // 2), -1)

    queries = convolve(x, query).reshape(count, height * width, -1)
    likeness = queries @ pooled(key).swapaxes(1, 2)
    found = jax.nn.softmax(likeness, axis=-1) @ pooled(value)
    return x + gate * convolve(found.reshape(count, height, width, -1), out)


def attention_shapes(channels: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the kernels of `attend` by argument."""
    narrow, half = channels // 8, channels // 2
    return {
        "query": (1, 1, channels, narrow),
        "key": (1, 1, channels, narrow),
        "value": (1, 1, channels, half),
        "out": (1, 1, half, channels),
        "gate": (),
    }
