"""Additive couplings: smooth invertible maps whose inverses are closed formulas.

Dinh, Krueger and Bengio, "NICE: Non-linear independent components estimation" (2014),
section 3: one half of a code is shifted by a function of the other half, which the
inverse takes away again. Such maps keep volumes, and rotations between them too.

A flow is a dict of "layer0", "layer1", ..., each of one entry:

    {"rotation": [D, D]}                           x -> x R, R orthogonal
    {"first": {"in": [D - H, M], "out": [M, H]}}   first += sin(second W_in) W_out
    {"second": {"in": [H, M], "out": [M, D - H]}}  second += sin(first W_in) W_out

with H = D // 2, the length of the first half. All of it is odd, f(-x) = -f(x), so that
codes that are symmetric about zero stay so, and their mean stays zero.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Flow = dict[str, Any]

FREQUENCY = 1.5
"""Length of the vectors that codes are multiplied by, radians per unit."""


def random_flow(
    key: jax.Array,
    dimension: int,
    *,
    couplings: int = 2,
    bend: float = 1.0,
    rotate: bool = False,
) -> Flow:
    """A flow that turns directions, by more where `bend` is larger.

    Frequencies have length `FREQUENCY`, so that the flow bends within one standard
    deviation of a normal code; shifts have length `bend / FREQUENCY`, so that the
    derivative's distance from the identity grows with `bend` alone.

    Args:
        key: of all draws.
        dimension: D, 2 or more.
        couplings: how many; they shift either half in turn.
        bend: how far from the identity; 0 is the identity itself.
        rotate: begin with a random rotation.
    """
    flow: Flow = {}
    half = dimension // 2
    if rotate:
        turn = jax.random.orthogonal(jax.random.fold_in(key, couplings), dimension)
        flow["layer0"] = {"rotation": turn}
    for index in range(couplings):
        own = jax.random.fold_in(key, index)
        moved = "first" if index % 2 else "second"
        inputs, outputs = (half, dimension - half)[:: -1 if index % 2 else 1]
        units = max(inputs, outputs)
        weights = {
            "in": jax.random.normal(jax.random.fold_in(own, 0), (units, inputs)),
            "out": jax.random.normal(jax.random.fold_in(own, 1), (units, outputs)),
        }
        unit = {
            name: rows / jnp.linalg.norm(rows, axis=1, keepdims=True)
            for name, rows in weights.items()
        }
        flow[f"layer{len(flow)}"] = {
            moved: {
                "in": FREQUENCY * unit["in"].T,
                "out": bend / FREQUENCY * unit["out"],
            }
        }
    return flow


def chain(*flows: Flow) -> Flow:
    """Flows one behind the other, as one."""
    return {
        f"layer{index}": layer
        for index, layer in enumerate(
            flow[name] for flow in flows for name in _ordered(flow)
        )
    }


def forward(flow: Flow, codes: jax.Array) -> jax.Array:
    """The flow at codes [..., D]."""
    return _through(flow, codes)[0]


def inverse(flow: Flow, codes: jax.Array) -> jax.Array:
    """The codes [..., D] at which the flow has these values."""
    origin = jnp.zeros_like(codes)
    return displacement(flow, origin, codes)


def displacement(flow: Flow, codes: jax.Array, change: jax.Array) -> jax.Array:
    """inverse(forward(codes) + change) - codes, [..., D].

    Differences of sines are products of sines: no digit is lost where the change is
    small, and no change is none at all.

    Args:
        flow: the flow.
        codes: [..., D].
        change: likewise, of what the flow makes of them.
    """
    _, phases = _through(flow, codes)
    half = codes.shape[-1] // 2
    for name in reversed(_ordered(flow)):
        (kind, weights), *_ = flow[name].items()
        if kind == "rotation":
            change = _product(change, weights.T)
            continue
        first, second = change[..., :half], change[..., half:]
        step = _product(second if kind == "first" else first, weights["in"])
        rise = 2 * jnp.cos(phases[name] + step / 2) * jnp.sin(step / 2)
        moved = _product(rise, weights["out"])
        if kind == "first":
            first = first - moved
        else:
            second = second - moved
        change = jnp.concatenate([first, second], axis=-1)
    return change


def check_flow(flow: Any, dimension: int) -> None:
    """Refuse what is no flow of codes [..., D].

    Raises:
        ValueError: names the layer.
    """
    if not isinstance(flow, dict) or {*flow} != {*_ordered(flow)}:
        raise ValueError("flow: layer0, layer1, ... are accepted")
    half = dimension // 2
    accepted = {"rotation": {(dimension, dimension)}}
    for kind, size in (("first", dimension - half), ("second", half)):
        accepted[kind] = {(size, dimension - size)}
    for name, layer in flow.items():
        kind = next(iter(layer), "")
        if len(layer) != 1 or _shape(layer[kind]) not in accepted.get(kind, ()):
            raise ValueError(
                f"flow: {name} is neither a rotation nor a coupling of codes of "
                f"{dimension}"
            )


def _shape(weights: Any) -> tuple[int, ...] | None:
    """What a layer takes and makes; None where its matrices do not fit each other."""
    if not isinstance(weights, dict):
        return np.shape(weights)
    if {*weights} != {"in", "out"}:
        return None
    (inputs, *units), (*same, outputs) = map(np.shape, (weights["in"], weights["out"]))
    return (inputs, outputs) if units == same and len(units) == 1 else None


def _through(flow: Flow, codes: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The flow at codes, and what its couplings took the sine of."""
    half, phases = codes.shape[-1] // 2, {}
    for name in _ordered(flow):
        (kind, weights), *_ = flow[name].items()
        if kind == "rotation":
            codes = _product(codes, weights)
            continue
        first, second = codes[..., :half], codes[..., half:]
        phases[name] = _product(second if kind == "first" else first, weights["in"])
        moved = _product(jnp.sin(phases[name]), weights["out"])
        if kind == "first":
            first = first + moved
        else:
            second = second + moved
        codes = jnp.concatenate([first, second], axis=-1)
    return codes, phases


def _ordered(flow: Flow) -> list[str]:
    return [f"layer{index}" for index in range(len(flow))]


def _product(codes: jax.Array, matrix: jax.Array) -> jax.Array:
    return jnp.matmul(codes, jnp.asarray(matrix, codes.dtype), precision="highest")
