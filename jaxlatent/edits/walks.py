"""Walks that a neural network makes: z' = z + s f_k(z), or many such steps.

The walks of GANalyze (Goetschalckx et al., 2019: one constant direction, the length of
z kept), and of Jahanian, Chai and Isola, "On the steerability of generative adversarial
networks" (2020): steps of one network forwards and of another backwards.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxlatent.edits.base import Described, Description, describe, register_edit, take
from jaxlatent.edits.paths import Followed, along_path, check_steps

Layers = dict[str, dict[str, jax.Array]]
"""Dense layers "0", "1", ... with rectifiers between them, each of "weight"
[K, in, out] and "bias" [K, out]. The first may lack its weight: what it returns is then
the same for every code."""

NORMS = ("none", "sample")


@register_edit("walk")
@flax.struct.dataclass(eq=False, kw_only=True)
class NeuralWalk(Followed, Described):
    """Walks of a code by dense networks, one for each direction.

    A step of the whole length `step` moves a code z to z + step f_k(z), a shorter one
    by its share of it; backwards it is z - step f_k(z), or z + step b_k(z) if there is
    another network b for that. Beyond `step * steps` the last step goes straight on, so
    that with one step, the default, the code moves by strength times f_k(z), however
    far. Build one with `neural_walk`; `Described` has the other attributes.

    Attributes:
        forward: layers of f.
        backward: layers of b; empty for -f.
        step: strength of one evaluation.
        steps: evaluations each way.
        norm: "sample" brings every point to the length that the code had, "none" does
            not.
    """

    forward: Layers
    backward: Layers = dataclasses.field(default_factory=dict)
    step: float = flax.struct.field(pytree_node=False, default=1.0)
    steps: int = flax.struct.field(pytree_node=False, default=1)
    norm: str = flax.struct.field(pytree_node=False, default="none")

    @property
    def _last(self) -> dict[str, jax.Array]:
        return self.forward[str(len(self.forward) - 1)]

    def __len__(self) -> int:
        return self._last["bias"].shape[0]

    @property
    def dimension(self) -> int:
        """D."""
        return self._last["bias"].shape[-1]

    def move(self, code: jax.Array, index: jax.Array, strength: jax.Array) -> jax.Array:
        """A code [D] moved along walk `index`: [D], or [S, D] for [S] strengths."""
        forward, backward = jax.tree.map(
            lambda leaf: take(leaf, index, code.dtype), (self.forward, self.backward)
        )

        def velocity(point: jax.Array, sign: jax.Array) -> jax.Array:
            if not backward:
                return sign * dense_network(forward, point)
            ahead, back = (dense_network(one, point) for one in (forward, backward))
            return jnp.where(sign < 0, back, ahead)

        length = length_of(code)

        def project(point: jax.Array) -> jax.Array:
            return with_length(point, length) if self.norm == "sample" else point

        return along_path(
            velocity,
            code,
            strength,
            step=self.step,
            steps=self.steps,
            project=project,
        )


def dense_network(layers: Mapping[str, Mapping[str, Any]], x: jax.Array) -> jax.Array:
    """[in] -> [out] by dense layers "0", "1", ... with rectifiers between them.

    Args:
        layers: "weight" [in, out] and "bias" [out]; one without a weight returns its
            bias.
        x: [in].
    """
    for number in range(len(layers)):
        layer = layers[str(number)]
        x = jax.nn.relu(x) if number else x
        product = 0
        if "weight" in layer:
            product = jnp.matmul(x, layer["weight"], precision="highest")
        x = product + layer["bias"]
    return x


def length_of(x: jax.Array) -> jax.Array:
    """The length of a vector [D]; its gradient is zero at zero."""
    square = jnp.sum(x * x)
    return jnp.sqrt(jnp.where(square > 0, square, 1)) * (square > 0)


def with_length(x: jax.Array, length: jax.Array) -> jax.Array:
    """A vector [D] brought to a length; zero stays, and its gradient is finite."""
    own = length_of(x)
    return x * jnp.where(own > 0, length / jnp.where(own > 0, own, 1), 0)


def neural_walk(
    forward: Sequence[Mapping[str, ArrayLike]],
    backward: Sequence[Mapping[str, ArrayLike]] = (),
    *,
    step: float = 1.0,
    steps: int = 1,
    norm: str = "none",
    **told: Unpack[Description],
) -> NeuralWalk:
    """Build a `NeuralWalk` and check that the layers fit each other.

    Args:
        forward: dense layers: "weight" [K, in, out] and "bias" [K, out]; the first may
            lack its weight. The first takes and the last returns codes [D].
        backward: likewise; none for the way back of `forward`.
        step: strength of one evaluation.
        steps: evaluations each way.
        norm: "none" or "sample".
        **told: as for `directions`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    check_steps(step, steps)
    if norm not in NORMS:
        raise ValueError(f"norm: {norm!r} given; one of {NORMS} is accepted")
    made = {
        label: {
            str(number): {name: jnp.asarray(array) for name, array in layer.items()}
            for number, layer in enumerate(layers)
        }
        for label, layers in (("forward", forward), ("backward", backward))
    }
    if not forward or np.ndim(forward[-1].get("bias", 0)) != 2:
        raise ValueError("forward: its last layer lacks a bias [K, D]")
    count, dimension = np.shape(forward[-1]["bias"])
    for label, layers in made.items():
        width = dimension
        for number, layer in layers.items():
            out = np.shape(layer.get("bias", ()))[-1:]
            shapes = {"weight": (count, width, *out), "bias": (count, *out)}
            if number == "0" and "weight" not in layer:
                del shapes["weight"]
            found = {name: array.shape for name, array in layer.items()}
            for name, array in layer.items():
                if not jnp.issubdtype(array.dtype, jnp.floating):
                    raise ValueError(
                        f"{label}: layer {number} has a {name} of {array.dtype}; a "
                        "floating one is needed"
                    )
            if found != shapes or not out:
                raise ValueError(
                    f"{label}: layer {number} holds {found}; {shapes} is accepted"
                )
            (width,) = out
        if width != dimension:
            raise ValueError(
                f"{label}: ends in {width} numbers; {dimension} are accepted"
            )
    return NeuralWalk(
        **made,
        step=float(step),
        steps=int(steps),
        norm=norm,
        **describe(count, told),
    )
