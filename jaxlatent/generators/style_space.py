"""The space s as one array: the style vectors of all layers side by side.

Source: Wu et al., "StyleSpace Analysis: Disentangled Controls for StyleGAN Image
Generation" (2021), section 3: the style channels of all layers are the coordinates of
one space. As an array [N, S] its codes are moved, kept and counted as those of z and w;
synthesis takes the dict of layers, for an array [N, D] is a w.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


def style_sizes(generator: Any) -> dict[str, int]:
    """How many channels each layer's style has, in the network's order.

    Raises:
        ValueError: for a generator without styles.
    """
    w = jax.ShapeDtypeStruct((1, generator.config.w_dim), jnp.float32)
    # a dict comes back with its keys sorted
    order: list[str] = []

    def run(generator: Any, w: jax.Array) -> dict[str, jax.Array]:
        found = generator.styles(w)
        order.extend(found)
        return found

    shapes = jax.eval_shape(run, generator, w)
    return {name: shapes[name].shape[1] for name in order}


def channel_names(sizes: Mapping[str, int]) -> tuple[str, ...]:
    """A name for each entry of s, such as "b8.conv0 12"."""
    return tuple(f"{layer} {i}" for layer, size in sizes.items() for i in range(size))


def check_styles(styles: ArrayLike, size: int) -> np.ndarray:
    """Styles [P, S] of a population of two or more, in float64.

    Raises:
        ValueError: for another shape, or numbers that are not finite.
    """
    found = np.asarray(styles, np.float64)
    if found.ndim != 2 or len(found) < 2 or found.shape[1] != size:
        raise ValueError(
            f"styles: shape {found.shape} given; [P, {size}] of two or more is accepted"
        )
    if not np.isfinite(found).all():
        raise ValueError("styles: NaN or infinity given; finite numbers are accepted")
    return found


def check_channels(
    channels: Sequence[int] | np.ndarray | None, size: int
) -> np.ndarray:
    """Numbers [K] of channels of s; all of them for None.

    Raises:
        ValueError: for no numbers, or others than those of S channels.
    """
    found = np.arange(size) if channels is None else np.asarray(channels)
    if (
        found.ndim != 1
        or not found.size
        or not np.issubdtype(found.dtype, np.integer)
        or not 0 <= found.min() <= found.max() < size
    ):
        raise ValueError(
            f"channels: {np.array2string(found, threshold=6)} given; whole numbers "
            f"from 0 to {size - 1} are accepted"
        )
    return found


def join_styles(styles: Mapping[str, jax.Array], sizes: Mapping[str, int]) -> jax.Array:
    """Styles [N, C] by layer -> codes of s, [N, S]."""
    return jnp.concatenate([styles[name] for name in sizes], axis=-1)


def split_styles(codes: jax.Array, sizes: Mapping[str, int]) -> dict[str, jax.Array]:
    """Codes of s, [N, S] -> styles [N, C] by layer, as synthesis takes them.

    Raises:
        ValueError: for codes of another size.
    """
    total = sum(sizes.values())
    if codes.ndim != 2 or codes.shape[1] != total:
        raise ValueError(
            f"codes: shape {codes.shape} given; [N, {total}] is accepted in s"
        )
    found, start = {}, 0
    for name, size in sizes.items():
        found[name] = codes[:, start : start + size]
        start += size
    return found
