"""An edit of every kind, in a table that drives all tests of kinds."""

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.edits.base import (
    Described,
    Facts,
    as_facts,
    check_latent,
    describe,
    take,
)
from jaxlatent.edits.deformation import deformation
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.factor import factors
from jaxlatent.edits.flow import flow_paths
from jaxlatent.edits.rbf import rbf_field
from jaxlatent.edits.walks import neural_walk

K, D, N, L, M, H = 3, 6, 3, 3, 2, 5
HALF = D // 2


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


CODES, ROW_CODES = normal(0, N, D), normal(1, N, L, D)


@flax.struct.dataclass(eq=False, kw_only=True)
class Echo(Described):
    """A user's own kind: another edit, louder, with settings of its own."""

    inner: Directions
    gains: jax.Array
    settings: Facts = flax.struct.field(pytree_node=False, default=Facts())

    def __len__(self):
        return len(self.inner)

    @property
    def dimension(self):
        return self.inner.dimension

    def shift(self, latent, index, strength):
        check_latent(self, latent, index)
        inner = dataclasses.replace(self.inner, layers=self.layers)
        louder = take(self.gains, index, latent.dtype) * jnp.asarray(strength)
        return inner.shift(latent, index, louder.astype(latent.dtype))

    def traverse(self, latent, index, strengths):
        inner = dataclasses.replace(self.inner, layers=self.layers)
        moved = [self.shift(latent, index, strength) for strength in strengths]
        return jnp.stack(moved) if moved else inner.traverse(latent, index, strengths)


def network(seed, width, hidden):
    """The layers of a deformator that is fully connected."""
    widths = (width, hidden, hidden, hidden, width)
    layers = {
        f"fc{n}": {
            "weight": normal(seed + n, *widths[n - 1 : n + 1]),
            "bias": normal(seed - n, widths[n]),
        }
        for n in (1, 2, 3, 4)
    }
    for n in (1, 2, 3):
        leaves = normal(10 * seed + n, 4, hidden)
        leaves[3] = 1 + leaves[3] ** 2
        names = ("scale", "bias", "running_mean", "running_var")
        layers[f"bn{n}"] = dict(zip(names, leaves, strict=True))
    return layers


TOLD = {
    "names": ["smile", "age", "pose"],
    "report": {"gain": normal(2, K), "leak": normal(3, K)},
    "facts": {"rank": K, "settings": {"steps": [1, 2, K]}},
    "method": "by hand",
    "generator": "0123",
}
LINEAR = directions(
    normal(4, K, D), space="w", scale=np.float32([0.5, 2, 1]), **TOLD, bias=normal(5, K)
)
EDITS: dict[str, Any] = {
    "directions": LINEAR,
    "directions by row": directions(normal(6, K, L, D), space="w+", **TOLD),
    "directions of rows": directions(
        normal(7, K, D), space="w", mean=normal(8, D), layers=(0, 2), **TOLD
    ),
    "field": rbf_field(
        *(normal(9, K, M, D), normal(10, K, M), np.float32([0.1, 0.5, 0.9])),
        **{"step": 0.4, "steps": 3, "space": "z", **TOLD},
    ),
    "constant walk": neural_walk(
        [{"bias": normal(11, K, D)}], norm="sample", space="z", **TOLD
    ),
    "network walk": neural_walk(
        [
            {"weight": normal(12, K, D, H), "bias": normal(13, K, H)},
            {"weight": normal(14, K, H, D), "bias": normal(15, K, D)},
        ],
        [{"weight": normal(16, K, D, D), "bias": normal(17, K, D)}],
        **{"step": 0.4, "steps": 3, "space": "w", **TOLD},
    ),
    "factor": factors(
        normal(18, K, D),
        np.float32([[-3, -1, 0.5, 4]] * K),
        np.float32([[-6, -1, 0, 7], [-9, -3, 2, 8], [-7, 0, 1, 9]]),
        space="z",
        **TOLD,
    ),
    "projective deformation": deformation(
        "projective",
        {"vectors": normal(19, K, D + 1), "bias": normal(20, D + 1)},
        *(K, D),
        space="w",
        **TOLD,
    ),
    "flow": flow_paths(
        normal(21, K, D),
        {
            "layer0": {"rotation": np.eye(D, dtype=np.float32)[::-1]},
            "layer1": {
                "second": {"in": normal(22, HALF, H), "out": normal(23, H, HALF) / 2}
            },
            "layer2": {
                "first": {"in": normal(24, HALF, H), "out": normal(25, H, HALF) / 2}
            },
        },
        **{"scale": np.float32([0.5, 2, 1]), "space": "z", **TOLD},
    ),
    "network deformation": deformation(
        "fc", network(30, D, H), K, D, space="z", **TOLD
    ),
    "edit of an edit": Echo(
        inner=LINEAR,
        gains=np.float32([1, -2, 0.5]),
        settings=as_facts({"kind": "echo", "sizes": [1, [2, None]], "of": {"a": True}}),
        **describe(K, {"space": "w", **TOLD}),
    ),
}
NEEDS_ROWS = ("directions by row", "directions of rows")
BY_ROW = [name for name in EDITS if name != "directions by row"]
