"""A derivative whose tangents are kept and multiplied in a narrow floating type.

The function itself is run as it is, so that every unit lies on the same side of its
kink; only the linear map of tangents is narrow, and what it multiplies them by. On an
accelerator that halves the memory and its traffic, and products take one pass.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

_CALLS = ("jit", "pjit", "closed_call")
_SUMS = ("reduce_sum", "cumsum", "reduce_window_sum")


def narrowed(
    linear: Callable[[jax.Array], jax.Array], like: Any, dtype: Any
) -> Callable[[jax.Array], jax.Array]:
    """A linear function computed in `dtype`, its sums in the type they had.

    It gives arrays of the type that `linear` gives. Loops inside are not narrowed.

    Args:
        linear: takes one array.
        like: the shape and type of what it takes.
        dtype: the narrow type.
    """
    traced = jax.make_jaxpr(linear)(like)
    kept = [_cast(constant, dtype) for constant in traced.consts]
    (wide,) = traced.out_avals

    def apply(tangent: jax.Array) -> jax.Array:
        (found,) = _run(traced.jaxpr, dtype, kept, [tangent])
        return found.astype(wide.dtype)

    return apply


def _is_floating(value: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(value), jnp.floating)


def _cast(value: Any, dtype: Any) -> Any:
    return jnp.asarray(value, dtype) if _is_floating(value) else value


def _run(
    jaxpr: Jaxpr, dtype: Any, constants: Sequence[Any], given: Sequence[Any]
) -> list[Any]:
    """What a program makes, every floating value in it of one type."""
    known: dict[Any, Any] = {}

    def read(atom: Any) -> Any:
        return _cast(atom.val, dtype) if isinstance(atom, Literal) else known[atom]

    def write(variables: Sequence[Any], values: Sequence[Any]) -> None:
        known.update(
            (variable, _cast(value, dtype))
            for variable, value in zip(variables, values, strict=True)
        )

    write([*jaxpr.constvars, *jaxpr.invars], [*constants, *given])
    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        write(equation.outvars, _step(equation, dtype, inputs))
    return [read(atom) for atom in jaxpr.outvars]


def _step(equation: Any, dtype: Any, inputs: list[Any]) -> Sequence[Any]:
    primitive, params = equation.primitive, dict(equation.params)
    if primitive.name in _CALLS:
        called: ClosedJaxpr = params[
            "call_jaxpr" if "call_jaxpr" in params else "jaxpr"
        ]
        return _run(called.jaxpr, dtype, called.consts, inputs)
    if primitive.name == "cond":
        index, *operands = inputs
        params["branches"] = tuple(
            jax.make_jaxpr(_branch(branch, dtype))(*operands)
            for branch in params["branches"]
        )
        return primitive.bind(index, *operands, **params)
    nested = any(isinstance(one, ClosedJaxpr | Jaxpr) for one in params.values())
    if nested or primitive.name in _SUMS:
        # a loop wants the types it was traced with, and a sum of many needs the digits
        inputs = [
            _cast(value, atom.aval.dtype)
            for value, atom in zip(inputs, equation.invars, strict=True)
        ]
    found = primitive.bind(*inputs, **params)
    return found if primitive.multiple_results else [found]


def _branch(branch: ClosedJaxpr, dtype: Any) -> Callable[..., list[Any]]:
    return lambda *operands: _run(branch.jaxpr, dtype, branch.consts, operands)
