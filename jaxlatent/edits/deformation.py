"""Deformators: what turns the number of a direction and a distance into a step.

Voynov and Babenko, "Unsupervised discovery of interpretable directions in the GAN
latent space" (2020), section 3.2, and the code to it. A deformator takes s = e times
the k-th unit vector to a step of a code:

| deformator | step |
|---|---|
| "identity" | s |
| "linear" | W s + b |
| "projective" | (W s + b) |s| / |W s + b| |
| "orthonormal" | Q s, where Q = expm(L - L') is a rotation |
| "fc" | a network of four layers, batch norms and skips, plus s |
| "random" | M s, of a matrix that is not learned |

Without the bias b, all but "fc" are linear in s.
"""

from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.edits.base import (
    Described,
    Description,
    describe,
    register_edit,
    shared,
    take,
)
from jaxlatent.edits.checking import check_floats, checked
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.paths import Followed
from jaxlatent.edits.walks import length_of
from jaxlatent.texts import shown

DEFORMATORS = ("identity", "linear", "projective", "orthonormal", "fc", "random")
OFFSET = ("linear", "projective", "fc")
"""Those that are not linear, the former two where they have a bias."""

_EPS, _MOMENTUM = 1e-5, 0.1


@register_edit("deformation")
@flax.struct.dataclass(eq=False, kw_only=True)
class Deformation(Followed, Described):
    """Steps of a deformator that is not linear: z + deformator(strength e_k).

    One unit of strength is one of the distance that it was taught with. A bias, and the
    network, move codes at a strength of zero too, all directions alike; only
    "projective" does not. Build one with `deformation`; `Described` has the other
    attributes.

    Attributes:
        vectors: [K, M] columns of W; of "fc", the unit vectors that enter.
        weights: {"bias": [M]}; of "fc", its layers (see `fc_network`).
        deformator: one of `OFFSET`.
        size: D; steps of less numbers move the first of a code's, and of longer ones
            the end is cut. None for M.
    """

    vectors: jax.Array
    weights: dict[str, Any] = shared()
    deformator: str = flax.struct.field(pytree_node=False)
    size: int | None = flax.struct.field(pytree_node=False, default=None)

    def __len__(self) -> int:
        return self.vectors.shape[0]

    @property
    def dimension(self) -> int:
        """D."""
        return self.vectors.shape[-1] if self.size is None else self.size

    def check(self) -> None:
        """Refuse arrays that do not fit each other, and what `Described` refuses."""
        if self.deformator not in OFFSET:
            raise ValueError(
                f"deformator: {shown(self.deformator)} given; one of {OFFSET} is "
                "accepted"
            )
        if self.size is not None and (type(self.size) is not int or self.size < 1):
            raise ValueError(
                f"size: {shown(self.size)} given; None, or a number from 1, is accepted"
            )
        check_floats("vectors", self.vectors, ("K", "M"))
        width = self.vectors.shape[-1]
        if self.deformator == "fc":
            _check_network(self.weights, width)
        else:
            _check_names("weights", self.weights, ("bias",))
            check_floats("weights: bias", self.weights["bias"], (width,))
        super().check()

    def move(self, code: jax.Array, index: jax.Array, strength: jax.Array) -> jax.Array:
        """A code [D] moved along direction `index`: [D], or [S, D] for [S]."""
        weights = jax.tree.map(lambda x: jnp.asarray(x, code.dtype), self.weights)
        vector = take(self.vectors, index, code.dtype)
        vectors = jnp.broadcast_to(vector, (*strength.shape, *vector.shape))
        change, _ = change_of(self.deformator, vectors, strength, weights)
        change = resized(change, self.dimension)
        return jnp.expand_dims(code, tuple(range(strength.ndim))) + change


def change_of(
    deformator: str,
    vectors: jax.Array,
    distance: jax.Array,
    weights: Any,
    *,
    train: bool = False,
) -> tuple[jax.Array, Any]:
    """The steps of chosen directions.

    Args:
        deformator: one of `DEFORMATORS`.
        vectors: [M] or [N, M], those of `Deformation.vectors` or of `vectors_of`.
        distance: scalar or [N].
        weights: as `Deformation.weights`, without a bias where there is none.
        train: whether the batch norms of "fc" use the batch's own statistics.

    Returns:
        [M] or [N, M], and the weights with what the batch norms have seen.
    """
    change = distance[..., None] * vectors
    if deformator == "fc":
        return fc_network(weights, change, train=train)
    if "bias" not in weights:
        return change, weights
    change = change + jnp.expand_dims(weights["bias"], tuple(range(change.ndim - 1)))
    if deformator == "projective":
        own = length_of(change) if change.ndim == 1 else jax.vmap(length_of)(change)
        change = change * (jnp.abs(distance) / jnp.where(own > 0, own, 1))[..., None]
    return change, weights


def vectors_of(deformator: str, params: Any, count: int, size: int) -> jax.Array:
    """[K, M] what `change_of` takes of a deformator's params; rows are directions.

    Args:
        deformator: one of `DEFORMATORS`.
        params: "vectors" [K, M] of "linear", "projective" and "random", the former two
            with or without a "bias" [M]; "logarithm" [M, M] of "orthonormal", which is
            L; the layers of "fc"; nothing of "identity".
        count: K.
        size: M of "identity" and "fc".
    """
    if deformator in ("identity", "fc"):
        return jnp.eye(count, size)
    if deformator == "orthonormal":
        skew = params["logarithm"].T - params["logarithm"]
        # the rotation backwards has the columns of the one forwards in its rows
        return jax.scipy.linalg.expm(skew)[:count]
    vectors = params["vectors"]
    if deformator == "random":
        return jax.lax.stop_gradient(vectors)
    if deformator == "projective" and "bias" not in params:
        own = jax.vmap(length_of)(vectors)
        return vectors / jnp.where(own > 0, own, 1)[:, None]
    return vectors


def fc_network(
    weights: Any, x: jax.Array, *, train: bool = False
) -> tuple[jax.Array, Any]:
    """The deformator "fc", whose hidden layers see all sums before them.

    Args:
        weights: "fc1" to "fc4", each "weight" [in, out] and "bias" [out], and batch
            norms "bn1" to "bn3" with "scale", "bias", "running_mean", "running_var".
        x: [..., M]; of a batch [N, M] in training.
        train: whether batch norms use the batch's own statistics.

    Returns:
        [..., M], and the weights with updated running statistics, as PyTorch has them.
    """
    fresh, total, seen = dict(weights), 0.0, x
    for number in (1, 2, 3):
        total = total + _dense(weights[f"fc{number}"], seen)
        normal, fresh[f"bn{number}"] = _batch_norm(weights[f"bn{number}"], total, train)
        seen = jax.nn.elu(normal)
    return _dense(weights["fc4"], seen) + x, fresh


def _dense(layer: Any, x: jax.Array) -> jax.Array:
    bias = jnp.expand_dims(layer["bias"], tuple(range(x.ndim - 1)))
    return jnp.matmul(x, layer["weight"], precision="highest") + bias


def _batch_norm(layer: Any, x: jax.Array, train: bool) -> tuple[jax.Array, Any]:
    mean, var = layer["running_mean"], layer["running_var"]
    if train:
        seen, count = (x.mean(axis=0), x.var(axis=0)), x.shape[0]
        unbiased = seen[1] * (count / max(count - 1, 1))
        layer = layer | {
            name: (1 - _MOMENTUM) * old + _MOMENTUM * jax.lax.stop_gradient(new)
            for name, old, new in (
                ("running_mean", mean, seen[0]),
                ("running_var", var, unbiased),
            )
        }
        mean, var = seen
    along = tuple(range(x.ndim - 1))
    gain = layer["scale"] / jnp.sqrt(var + _EPS)
    moved = (x - jnp.expand_dims(mean, along)) * jnp.expand_dims(gain, along)
    return moved + jnp.expand_dims(layer["bias"], along), layer


def resized(change: jax.Array, size: int) -> jax.Array:
    """[..., M] -> [..., size]: zeros are appended, or the end is cut."""
    missing = size - change.shape[-1]
    if missing <= 0:
        return change[..., :size]
    return jnp.pad(change, [(0, 0)] * (change.ndim - 1) + [(0, missing)])


def deformation(
    deformator: str,
    params: Any,
    count: int,
    size: int,
    **told: Unpack[Description],
) -> Directions | Deformation:
    """The edit that a deformator is: linear directions wherever it is linear.

    Args:
        deformator: one of `DEFORMATORS`.
        params: as for `vectors_of`; a bias of zeros is none.
        count: directions, K.
        size: of the codes, D.
        **told: as for `directions`.

    Raises:
        ValueError: names what does not fit.
    """
    params = jax.tree.map(jnp.asarray, params)
    if "bias" in params and not np.any(params["bias"]):
        params = {name: leaf for name, leaf in params.items() if name != "bias"}
    width = params["fc1"]["weight"].shape[0] if deformator == "fc" else size
    vectors = vectors_of(deformator, params, count, width)
    if deformator == "fc" or "bias" in params:
        weights = {name: leaf for name, leaf in params.items() if name != "vectors"}
        fields = {"weights": weights, "deformator": deformator, "size": size}
        made: Any = dict(vectors=vectors, **fields, **describe(count, told))
        return checked(Deformation(**made))
    vectors = resized(vectors, size)
    length = jnp.linalg.norm(vectors, axis=1)
    scale = jnp.where(length > 0, length, 1)
    return directions(vectors / scale[:, None], scale=scale, **told)


def _check_network(weights: Any, width: int) -> None:
    """The layers of `fc_network`."""
    parts = {f"fc{n}": ("weight", "bias") for n in (1, 2, 3, 4)}
    statistics = ("scale", "bias", "running_mean", "running_var")
    parts |= {f"bn{n}": statistics for n in (1, 2, 3)}
    _check_names("weights", weights, parts)
    for name, leaves in parts.items():
        _check_names(f"weights: {name}", weights[name], leaves)
    first = weights["fc1"]["bias"]
    check_floats("weights: bias of fc1", first, ("H",))
    hidden = len(first)
    for number in (1, 2, 3, 4):
        fan_in = width if number == 1 else hidden
        out = width if number == 4 else hidden
        for kind, shape in (("weight", (fan_in, out)), ("bias", (out,))):
            leaf = weights[f"fc{number}"][kind]
            check_floats(f"weights: {kind} of fc{number}", leaf, shape)
        for kind, leaf in weights.get(f"bn{number}", {}).items():
            check_floats(f"weights: {kind} of bn{number}", leaf, (hidden,))
            if kind == "running_var" and not np.all(np.asarray(leaf) >= 0):
                raise ValueError(f"weights: running_var of bn{number} is below zero")


def _check_names(label: str, value: Any, names: Any) -> None:
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        found = sorted(value) if isinstance(value, dict) else value
        raise ValueError(
            f"{label}: {shown(found)} given; arrays by name, {', '.join(names)}, are "
            "accepted"
        )
