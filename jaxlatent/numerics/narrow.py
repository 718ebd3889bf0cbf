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

from jaxlatent.numerics.tangents import Function

_CALLS = ("jit", "pjit", "closed_call")
_TYPES = ("preferred_element_type", "new_dtype", "dtype", "accumulation_type")


def narrow_derivative(f: Function, latent: jax.Array, *, dtype: Any) -> Function:
    """The derivative of `f` at a latent, computed in `dtype`.

    It takes and gives arrays of the latent's own type, and can be transposed. Loops
    inside of `f` are not narrowed.
    """
    linear = jax.linearize(f, latent)[1]
    traced = jax.make_jaxpr(linear)(latent)
    kept = [_cast(constant, dtype) for constant in traced.consts]

    def apply(tangent: jax.Array) -> jax.Array:
        (found,) = _run(traced.jaxpr, dtype, kept, [tangent])
        return found.astype(latent.dtype)

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
    if any(isinstance(value, ClosedJaxpr | Jaxpr) for value in params.values()):
        # a loop or another transformation, which wants the types it was traced with
        inputs = [
            _cast(value, atom.aval.dtype)
            for value, atom in zip(inputs, equation.invars, strict=True)
        ]
    else:
        for name in _TYPES:
            wide = params.get(name)
            if wide is not None and jnp.issubdtype(wide, jnp.floating):
                params[name] = jnp.dtype(dtype)
    found = primitive.bind(*inputs, **params)
    return found if primitive.multiple_results else [found]


def _branch(branch: ClosedJaxpr, dtype: Any) -> Callable[..., list[Any]]:
    return lambda *operands: _run(branch.jaxpr, dtype, branch.consts, operands)
