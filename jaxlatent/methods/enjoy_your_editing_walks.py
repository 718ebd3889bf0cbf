"""What moves codes in "Enjoy your editing": directions, and networks of the code.

The authors' modules are these, `hidden` being widths in units of the code's:

| module | settings |
|---|---|
| WalkLinearMultiW | "global" in w+ |
| WalkMlpMultiW | "local", hidden (2, 2), in w+ |
| WalkLinearZ_free | "scaled" |
| WalkLinearZ | "local", hidden (), length 3 |
| WalkMlpZ | "local", hidden (1, 1, 1), length 3 |
| WalkMlpZ2, WalkMlpZ3 | "local", hidden (2, 2), length 3 and None |

Their WalkNonLinearW, which always goes one unit far and tells the network epsilon, is
`unit_walk`: it moves codes even by an epsilon of zero, and so is no edit.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.edits.base import Edit
from jaxlatent.edits.directions import directions
from jaxlatent.edits.walks import dense_network, dense_step, neural_walk, with_length
from jaxlatent.methods.enjoy_your_editing_settings import Settings

DEVIATION = 0.02
"""Of the normal draws that directions begin with."""
METHOD = "enjoy"


def init_walk(
    key: jax.Array, how: Settings, count: int, shape: tuple[int, ...], dtype: Any
) -> dict[str, Any]:
    """What is learned, before the first step.

    Args:
        key: of the draws: normal for directions; for networks uniform within one over
            the root of the number of inputs, as in PyTorch.
        how: settings.
        count: A, attributes.
        shape: of a code, [D] or [L, D].
        dtype: of the codes.

    Returns:
        "vectors" [A, D] or, of the walk "global" in w+, [A, L, D]; or "layers", those
        of `edits.walks.NeuralWalk`.

    Raises:
        ValueError: for layers that codes of this shape lack.
    """
    if how.layers is not None and (
        len(shape) < 2 or not all(0 <= layer < shape[0] for layer in how.layers)
    ):
        there = f"rows 0 to {shape[0] - 1}" if len(shape) > 1 else "None"
        raise ValueError(
            f"layers: {how.layers} given; {there} of codes {shape} are accepted"
        )
    width = shape[-1]
    if how.walk != "local":
        shape = shape if how.walk == "global" else (width,)
        drawn = jax.random.normal(jax.random.fold_in(key, 0), (count, *shape), dtype)
        return {"vectors": DEVIATION * drawn}
    layers = {}
    sizes = itertools.pairwise((width, *how.hidden, width))
    for number, (fan_in, fan_out) in enumerate(sizes):
        own = [jax.random.fold_in(key, 2 * number + one) for one in (0, 1)]
        bound = fan_in**-0.5
        layers[str(number)] = {
            name: jax.random.uniform(one, (count, *size), dtype, -bound, bound)
            for one, name, size in zip(
                own, ("weight", "bias"), ((fan_in, fan_out), (fan_out,)), strict=True
            )
        }
    return {"layers": layers}


def walk_steps(params: Any, codes: jax.Array, how: Settings) -> jax.Array:
    """How codes move per unit of each attribute.

    Args:
        params: see `init_walk`.
        codes: [N, D] or [N, L, D].
        how: settings.

    Returns:
        [A, *codes.shape].
    """
    if how.walk == "local":

        def one(layers: Any, code: jax.Array) -> jax.Array:
            return dense_step(layers, code, slope=how.slope, length=how.length)

        rows = codes.reshape(-1, codes.shape[-1])
        steps = jax.vmap(jax.vmap(one, (None, 0)), (0, None))(params["layers"], rows)
        steps = steps.reshape(-1, *codes.shape)
    else:
        vectors = params["vectors"]
        between = (1,) * (codes.ndim + 1 - vectors.ndim)
        steps = vectors.reshape(len(vectors), *between, *vectors.shape[1:])
        if how.walk == "scaled":
            steps = steps * codes[None]
    if how.layers is not None:
        steps = steps * _mask(codes.shape[1], how.layers)[None]
    return jnp.broadcast_to(steps, (len(steps), *codes.shape))


def walk_edit(
    params: Any, how: Settings, *, space: str, names: Sequence[str] = ()
) -> Edit:
    """What was learned, as an edit: a unit of strength is one of the attribute.

    Args:
        params: see `init_walk`.
        how: settings.
        space: of the codes.
        names: of the A attributes; "attribute 0" and so on where there are none.
    """
    count = len(jax.tree.leaves(params)[0])
    about: Any = {
        "space": space,
        "layers": how.layers,
        "method": METHOD,
        "names": list(names) or [f"attribute {number}" for number in range(count)],
    }
    if how.walk == "local":
        layers = [params["layers"][str(n)] for n in range(len(params["layers"]))]
        return neural_walk(layers, slope=how.slope, length=how.length, **about)
    vectors = params["vectors"]
    if how.walk == "scaled":
        square = jax.vmap(jnp.diag)(vectors)
        return neural_walk(
            [{"weight": square, "bias": jnp.zeros_like(vectors)}], **about
        )
    if vectors.ndim == 3 and how.layers is not None:
        vectors = vectors * _mask(vectors.shape[1], how.layers)
    length = jnp.linalg.norm(vectors.reshape(count, -1), axis=1)
    scale = jnp.where(length > 0, length, 1)
    unit = vectors / scale.reshape(-1, *(1,) * (vectors.ndim - 1))
    return directions(unit, scale=scale, report={"length": length}, **about)


def unit_walk(
    layers: Mapping[str, Mapping[str, Any]],
    embedding: Mapping[str, jax.Array],
    codes: jax.Array,
    epsilon: jax.Array,
    *,
    slope: float = 0.2,
) -> jax.Array:
    """The authors' WalkNonLinearW: every row goes one unit far.

    Args:
        layers: of `edits.walks.dense_network`, from E + D numbers to D.
        embedding: "weight" [C, E] and "bias" [E], of epsilon repeated C times.
        codes: [N, L, D].
        epsilon: [N].
        slope: of the rectifiers below zero.

    Returns:
        [N, L, D].
    """
    weight, bias = embedding["weight"], embedding["bias"]
    repeated = jnp.broadcast_to(epsilon[:, None], (len(epsilon), len(weight)))
    told = jnp.matmul(repeated, weight, precision="highest") + bias[None]

    def one(told: jax.Array, code: jax.Array) -> jax.Array:
        step = dense_network(layers, jnp.concatenate([told, code]), slope)
        return code + with_length(step, jnp.ones((), code.dtype))

    return jax.vmap(jax.vmap(one, (None, 0)))(told, codes)


def _mask(rows: int, layers: Sequence[int]) -> jax.Array:
    """[1, rows, 1], 1 for rows that move and 0 for others, of no dtype of its own."""
    return jnp.asarray(np.isin(np.arange(rows), layers)[None, :, None], int)
