"""Walks that a neural network makes: z' = z + s f_k(z), or many such steps.

The walks of GANalyze (Goetschalckx et al., 2019: one constant direction, the length of
z kept), of Jahanian, Chai and Isola, "On the steerability of generative adversarial
networks" (2020): steps of one network forwards and of another backwards; and of Zhuang,
Koyejo and Schwing, "Enjoy your editing" (2021): leaky rectifiers, steps of one length.
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
from jaxlatent.edits.checking import check_floats, checked
from jaxlatent.edits.paths import Followed, along_path, check_steps
from jaxlatent.texts import shown

Layers = dict[str, dict[str, jax.Array]]
"""Dense layers "0", "1", ... with rectifiers between them, each of "weight"
[K, in, out] and "bias" [K, out]. The first may lack its weight: what it returns is then
the same for every code."""

NORMS = ("none", "sample")

_LARGEST = 1e4
"""Of slopes and lengths: half precision holds it too."""


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
        slope: of the rectifiers below zero.
        length: of every f_k(z) and b_k(z), which then tell a way alone; None for their
            own.
    """

    forward: Layers
    backward: Layers = dataclasses.field(default_factory=dict)
    step: float = flax.struct.field(pytree_node=False, default=1.0)
    steps: int = flax.struct.field(pytree_node=False, default=1)
    norm: str = flax.struct.field(pytree_node=False, default="none")
    slope: float = flax.struct.field(pytree_node=False, default=0.0)
    length: float | None = flax.struct.field(pytree_node=False, default=None)

    @property
    def _last(self) -> dict[str, jax.Array]:
        return self.forward[str(len(self.forward) - 1)]

    def __len__(self) -> int:
        return self._last["bias"].shape[0]

    @property
    def dimension(self) -> int:
        """D."""
        return self._last["bias"].shape[-1]

    def check(self) -> None:
        """Refuse layers that do not fit each other, and what `Described` refuses."""
        check_steps(self.step, self.steps)
        if not isinstance(self.norm, str) or self.norm not in NORMS:
            raise ValueError(
                f"norm: {shown(self.norm)} given; one of {NORMS} is accepted"
            )
        for name, least in (("slope", 0.0), ("length", None)):
            value = getattr(self, name)
            if value != least and not _is_positive(value):
                raise ValueError(
                    f"{name}: {shown(value)} given; {least}, or a number above 0 and "
                    f"up to {_LARGEST:g}, is accepted"
                )
        for label, layers in (("forward", self.forward), ("backward", self.backward)):
            _check_layers(label, layers)
        last: Any = self.forward.get(str(len(self.forward) - 1), {}).get("bias")
        if np.ndim(last) != 2:
            raise ValueError("forward: its last layer lacks a bias [K, D]")
        check_floats("forward: bias of the last layer", last, ("K", "D"))
        for label, layers in (("forward", self.forward), ("backward", self.backward)):
            width = _checked_width(label, layers, len(self), self.dimension)
            if width != self.dimension:
                raise ValueError(
                    f"{label}: ends in {width} numbers; {self.dimension} are accepted"
                )
        super().check()

    def move(self, code: jax.Array, index: jax.Array, strength: jax.Array) -> jax.Array:
        """A code [D] moved along walk `index`: [D], or [S, D] for [S] strengths."""
        forward, backward = jax.tree.map(
            lambda leaf: take(leaf, index, code.dtype), (self.forward, self.backward)
        )

        def network(layers: Any, point: jax.Array) -> jax.Array:
            return dense_step(layers, point, slope=self.slope, length=self.length)

        def velocity(point: jax.Array, sign: jax.Array) -> jax.Array:
            if not backward:
                return sign * network(forward, point)
            ahead, back = (network(one, point) for one in (forward, backward))
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


def dense_step(
    layers: Mapping[str, Mapping[str, Any]],
    x: jax.Array,
    *,
    slope: float = 0.0,
    length: float | None = None,
) -> jax.Array:
    """`dense_network`, brought to a length where one is given."""
    step = dense_network(layers, x, slope)
    if length is None:
        return step
    return with_length(step, jnp.asarray(length, step.dtype))


def dense_network(
    layers: Mapping[str, Mapping[str, Any]], x: jax.Array, slope: float = 0.0
) -> jax.Array:
    """[in] -> [out] by dense layers "0", "1", ... with rectifiers between them.

    Args:
        layers: "weight" [in, out] and "bias" [out]; one without a weight returns its
            bias.
        x: [in].
        slope: of the rectifiers below zero.
    """
    for number in range(len(layers)):
        layer = layers[str(number)]
        if number:
            x = jax.nn.leaky_relu(x, slope) if slope else jax.nn.relu(x)
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
    slope: float = 0.0,
    length: float | None = None,
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
        slope: of the rectifiers below zero.
        length: of a step of one; None for what the networks return.
        **told: as for `directions`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    made: dict[str, Any] = {
        label: {
            str(number): {name: jnp.asarray(array) for name, array in layer.items()}
            for number, layer in enumerate(layers)
        }
        for label, layers in (("forward", forward), ("backward", backward))
    }
    count = len(np.atleast_1d(forward[-1].get("bias", ()))) if forward else 0
    told_fields = describe(count, told)
    how: Any = dict(step=step, steps=steps, norm=norm, slope=slope, length=length)
    return checked(NeuralWalk(**made, **how, **told_fields))


def check_dense_layers(label: str, layers: Any, width: int) -> int:
    """How many numbers dense layers return that take `width` of them.

    Args:
        label: of the layers, for errors.
        layers: what may be some: "weight" [in, out] and "bias" [out] by number.
        width: of what the first takes.

    Raises:
        ValueError: for layers that do not fit each other.
    """
    _check_layers(label, layers)
    for number in map(str, range(len(layers))):
        layer = layers[number]
        if layer.keys() != {"weight", "bias"}:
            raise ValueError(f"{label}: layer {number} lacks a weight or a bias")
        check_floats(f"{label}: bias of layer {number}", layer["bias"], ("out",))
        shape = (width, layer["bias"].shape[0])
        check_floats(f"{label}: weight of layer {number}", layer["weight"], shape)
        width = shape[1]
    return width


def _is_positive(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value <= _LARGEST


def _check_layers(label: str, layers: Any) -> None:
    """Dense layers by number, each of arrays by name."""
    numbers = [str(number) for number in range(len(layers))]
    if not isinstance(layers, dict) or sorted(layers) != sorted(numbers):
        raise ValueError(
            f"{label}: {shown(layers)} given; layers by number are accepted"
        )
    for number, layer in layers.items():
        if not isinstance(layer, dict) or not layer.keys() <= {"weight", "bias"}:
            raise ValueError(
                f"{label}: layer {number} holds more than a weight and a bias"
            )


def _checked_width(label: str, layers: Layers, count: int, dimension: int) -> int:
    """How many numbers layers return that take `dimension` of them."""
    width = dimension
    for number in map(str, range(len(layers))):
        layer = layers[number]
        (out,) = np.shape(layer.get("bias", ()))[-1:] or (0,)
        shapes = {"weight": (count, width, out), "bias": (count, out)}
        if number == "0" and "weight" not in layer:
            del shapes["weight"]
        if layer.keys() != shapes.keys():
            raise ValueError(
                f"{label}: layer {number} holds {sorted(layer)}; {list(shapes)} is "
                "accepted"
            )
        for name, shape in shapes.items():
            check_floats(f"{label}: {name} of layer {number}", layer[name], shape)
        width = out
    return width
