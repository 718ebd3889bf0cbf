"""Kernels made ready once per weights, and the layers that take them.

`prepare` of a family keeps what it derives from the weights in `params["prepared"]`,
under the path of the layer that it belongs to. `with_ready` shows it as more entries of
that layer: "spread" or "enlarging" of a kernel, beside its "weight".
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxlatent.generators.convolutions import (
    SAME,
    VALID,
    convolve,
    enlarging_convolve,
    enlarging_kernel,
    is_spread,
    winograd_kernel,
)
from jaxlatent.types import Params

Path = tuple[str, ...]


def make_ready(kernel: jax.Array, *, enlarging: bool = False) -> dict[str, jax.Array]:
    """What a layer needs of its kernel [h, w, I, O] beside the kernel itself.

    Args:
        kernel: as the layer applies it.
        enlarging: whether the layer is an `enlarging_convolve`.
    """
    if enlarging:
        return {"enlarging": enlarging_kernel(kernel)}
    return {"spread": winograd_kernel(kernel)} if is_spread(kernel.shape) else {}


def prepare_kernels(params: Params, enlarging: Callable[[Path], bool]) -> Params:
    """Parameters with all their 3 x 3 kernels made ready; idempotent.

    Args:
        params: layers hold their kernel as "weight".
        enlarging: whether the layer of a path is an `enlarging_convolve`.
    """
    stored: dict[Path, jax.Array] = flatten_dict(without_prepared(params))  # pyright: ignore[reportAssignmentType]
    found: dict[Path, jax.Array] = {}
    for path, weight in stored.items():
        if path[-1] == "weight" and weight.ndim == 4 and weight.shape[0] == 3:
            ready = make_ready(weight, enlarging=enlarging(path[:-1]))
            found |= {(*path[:-1], name): value for name, value in ready.items()}
    return {**params, "prepared": unflatten_dict(found)}


def with_ready(params: Params) -> Params:
    """The weights, with what was prepared for a layer among the layer's entries."""
    return _joined(without_prepared(params), params.get("prepared", {}))


def apply_kernel(
    x: jax.Array, kernel: jax.Array, ready: Params, *, enlarge: bool
) -> jax.Array:
    """A convolution that keeps the resolution, or doubles it by repeating pixels first.

    Args:
        x: [N, H, W, I].
        kernel: [3, 3, I, O] or [1, 1, I, O].
        ready: what `make_ready` returned for the kernel; not needed.
        enlarge: whether to repeat pixels.
    """
    if enlarge:
        found = ready.get("enlarging")
        return enlarging_convolve(
            x, enlarging_kernel(kernel) if found is None else found
        )
    padding = SAME if kernel.shape[0] == 3 else VALID
    return convolve(x, kernel, padding=padding, spread=ready.get("spread"))


def convolution(params: Params, x: jax.Array, *, enlarge: bool = False) -> jax.Array:
    """A layer of "weight" and "bias": `apply_kernel`, and the bias added."""
    y = apply_kernel(x, params["weight"], params, enlarge=enlarge)
    return y + params["bias"][None, None, None, :]


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees of dictionaries as one; they share no leaf."""
    both = {name: _joined(one[name], other[name]) for name in one.keys() & other.keys()}
    return {**one, **other, **both}


def without_prepared(params: Params) -> Params:
    """The stored weights alone, without what `prepare` added."""
    if not isinstance(params, Mapping):  # of foreign functions, any pytree
        return params
    return {key: value for key, value in params.items() if key != "prepared"}
