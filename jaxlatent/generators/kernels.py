"""The forms in which a layer keeps its kernel, and the convolutions that take them.

A layer's parameters hold its kernel once, under the name of its form: "weight" as it
was trained, or, where `prepare` of the family replaced that, "winograd_kernel",
"upsample_kernel" or "phase_kernels", as the convolution multiplies by it. So whatever a
generator holds, its pictures depend on, and a gradient with respect to it is whole.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlatent.generators.convolutions import (
    SAME,
    VALID,
    convolve,
    takes_winograd,
    transposed_phases,
    upsample_convolve_nearest,
    upsample_kernel,
    winograd_convolve,
    winograd_kernel,
)
from jaxlatent.generators.filters import Padding
from jaxlatent.types import Params

PREPARED = "prepared"
"""Where a prepared generator keeps the fingerprint of the one it was made from."""


def unknown_fingerprint() -> jax.Array:
    """What stands for a fingerprint that is not known: eight bytes that no byte is."""
    return jnp.full(8, -1.0, jnp.float32)


def precompute(
    layer: Params,
    pixels: int,
    *,
    upsample: bool = False,
    transposed: bool = False,
    run_time: Callable[[jax.Array], jax.Array] | None = None,
    energy: bool = False,
) -> Params:
    """A layer that keeps its kernel as the convolution multiplies by it.

    What is done follows from shapes and the default platform alone.

    Args:
        layer: its parameters, among them "weight" [3, 3, I, O].
        pixels: of one map that it makes.
        upsample: whether it repeats pixels first.
        transposed: whether it is a transposed convolution of stride 2.
        run_time: the kernel as it is applied, of the stored one; None for the same.
        energy: whether to keep `kernel_energy` too, which a replaced kernel cannot give
            any more.

    Returns:
        The layer with another form in place of "weight"; as it is, if it has none, or
        if no form is faster.
    """
    if "weight" not in layer:
        return layer
    kernel = layer["weight"] if run_time is None else run_time(layer["weight"])
    if upsample:
        form: Params = {"upsample_kernel": upsample_kernel(kernel)}
    elif transposed:
        form = {"phase_kernels": transposed_phases(kernel)}
    elif takes_winograd(kernel.shape, pixels):
        form = {"winograd_kernel": winograd_kernel(kernel)}
    else:
        return layer
    if energy:
        form["energy"] = kernel_energy(kernel)
    return {name: leaf for name, leaf in layer.items() if name != "weight"} | form


def at_layer(
    params: Params, path: tuple[str, ...], change: Callable[[Params], Params]
) -> Params:
    """Parameters whose part under `path` is what `change` makes of it."""
    if not path:
        return change(params)
    first, *rest = path
    return {**params, first: at_layer(params[first], tuple(rest), change)}


def apply_kernel(
    x: jax.Array,
    layer: Params,
    *,
    upsample: bool = False,
    padding: Padding | None = None,
    run_time: Callable[[jax.Array], jax.Array] | None = None,
) -> jax.Array:
    """The convolution of a layer, whatever form its kernel is kept in.

    Args:
        x: [N, H, W, I].
        layer: as it was before `precompute` or behind it.
        upsample: whether to repeat pixels first, for twice the resolution.
        padding: by zeros; None for what keeps the resolution.
        run_time: as for `precompute`.
    """
    if upsample and "upsample_kernel" in layer:
        return upsample_convolve_nearest(x, layer["upsample_kernel"])
    if "winograd_kernel" in layer:
        kernel = layer["winograd_kernel"]
        return winograd_convolve(
            x, kernel, padding=SAME if padding is None else padding
        )
    kernel = layer["weight"] if run_time is None else run_time(layer["weight"])
    if upsample:
        return upsample_convolve_nearest(x, upsample_kernel(kernel))
    if padding is None:
        padding = SAME if kernel.shape[0] == 3 else VALID
    return convolve(x, kernel, padding=padding)


def convolution(layer: Params, x: jax.Array, *, upsample: bool = False) -> jax.Array:
    """`apply_kernel` of a layer, and its "bias" added."""
    y = apply_kernel(x, layer, upsample=upsample)
    return y + layer["bias"][None, None, None, :]


def kernel_energy(kernel: jax.Array) -> jax.Array:
    """Sum of squares over a kernel's pixels, [I, O]: what demodulation needs of it."""
    return jnp.sum(jnp.square(kernel), axis=(0, 1))


def trainable_leaves(params: Params, fixed: frozenset[str]) -> Params:
    """Mask for optimisers: False for leaves whose name is in `fixed`.

    False too for what belongs to a prepared generator and is no weight: its
    fingerprint, and energies, which describe kernels.
    """

    def learned(path: tuple[Any, ...], _: jax.Array) -> bool:
        names = [key.key for key in path]
        return names[0] != PREPARED and names[-1] not in fixed | {"energy"}

    return jax.tree_util.tree_map_with_path(learned, params)
