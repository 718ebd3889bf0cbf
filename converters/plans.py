"""From the tensors of a file to the parameters of an architecture.

A format module turns what `read` returned into a `Plan`: which tensor of the file
becomes which parameter, by which change of layout. `assemble` carries the plan out and
reports every missing, extra and misshapen tensor in one error.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxlatent.texts import printable
from jaxlatent.types import CheckpointError, Params

COUNTERS = re.compile(
    r"(?:^|\.)(?:num_batches_tracked|n_averaged|num_updates|initted|step|decay"
    r"|total_ops|total_params)$"
)
"""What batch norms, averages and profilers count beside the weights; unneeded."""

_SHOWN = 24
"""Names that an error lists of each kind."""


@dataclass(frozen=True)
class Divisor:
    """A number by which a weight is divided, from further tensors of the file.

    Attributes:
        tensors: their dotted names.
        shapes: (rows, columns of the weight as a matrix [out, in]) -> their shapes.
        value: (that matrix, the tensors, all in float64) -> the number.
    """

    tensors: tuple[str, ...]
    shapes: Callable[[int, int], tuple[tuple[int, ...], ...]]
    value: Callable[..., float]


@dataclass(frozen=True)
class Source:
    """Where a parameter comes from: `gain * rearranged(file[name]) + offset`.

    Attributes:
        name: dotted name in the file.
        axes: permutation that takes the file's axes to ours, None to keep them.
        leading: axes of length one in front, absent from ours.
        trailing: axes of length one behind, absent from ours.
        flip: whether the kernel is stored mirrored in height and width (our first two
            axes).
        image: (C, H, W) if the inputs of a dense layer are a flattened image, stored by
            channel, row, column; ours count by row, column, channel.
        gain: applied in float64 before the cast.
        offset: likewise.
        divisor: divides the weight, likewise.
        change: a last rearrangement, of the parameter in our layout.
    """

    name: str
    axes: tuple[int, ...] | None = None
    leading: int = 0
    trailing: int = 0
    flip: bool = False
    image: tuple[int, int, int] | None = None
    gain: float = 1.0
    offset: float = 0.0
    divisor: Divisor | None = None
    change: Callable[[np.ndarray], np.ndarray] | None = None

    def file_shapes(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """What the file must hold for a parameter of `shape`: tensors and shapes."""
        own = self.file_shape(shape)
        if self.divisor is None:
            return {self.name: own}
        further = self.divisor.shapes(own[0], math.prod(own[1:]))
        return {self.name: own} | dict(zip(self.divisor.tensors, further, strict=True))

    def file_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape the file must hold for a parameter of `shape`."""
        if self.axes is not None:
            shape = tuple(shape[self.axes.index(axis)] for axis in range(len(shape)))
        return (1,) * self.leading + tuple(shape) + (1,) * self.trailing

    def extract(
        self, tensor: np.ndarray, dtype: Any, further: Sequence[np.ndarray] = ()
    ) -> np.ndarray:
        """The parameter, given the file's tensor and those of the divisor."""
        kept = tensor.shape[self.leading : tensor.ndim - self.trailing]
        array = np.asarray(tensor).reshape(kept)
        if self.image is not None:
            array = array.reshape(-1, *self.image).transpose(0, 2, 3, 1).reshape(kept)
        if self.axes is not None:
            array = array.transpose(self.axes)
        if self.flip:
            array = array[::-1, ::-1]
        if self.divisor is not None:
            matrix = np.asarray(tensor, np.float64).reshape(len(tensor), -1)
            with np.errstate(all="ignore"):  # what is not finite is reported later
                array = array.astype(np.float64) / self.divisor.value(matrix, *further)
        if self.gain != 1.0 or self.offset != 0.0:
            array = array.astype(np.float64) * self.gain + self.offset
        if self.change is not None:
            array = self.change(array)
        # a copy, so that no parameter keeps the whole file in memory
        return np.array(array, dtype, order="C")


def dense(name: str, **changes: Any) -> Source:
    """A torch linear weight [out, in], ours [in, out]."""
    return Source(name, axes=(1, 0), **changes)


def kernel(name: str, **changes: Any) -> Source:
    """A torch convolution weight [out, in, h, w], ours [h, w, in, out]."""
    return Source(name, axes=(2, 3, 1, 0), **changes)


@dataclass(frozen=True)
class Plan:
    """How one part of a checkpoint becomes parameters and a config.

    Attributes:
        part: "generator", "discriminator" or "network".
        family: the architecture's module name.
        format: whose file layout it is, in words.
        config: the architecture's config, overrides included.
        assumed: config values that the file does not hold.
        tensors: the file's tensors by dotted name.
        sources: our dotted parameter name -> where it comes from.
        shapes: parameter tree of anything with a `shape`, as `init` would build it.
        ignored: tensors of the file that are known and not needed.
        read: tensors that the plan itself was read from, with the shape they must have.
        complete: fills in parameters that follow from others; gets the params and
            the config, returns the params.
        licence: what is known of the weights' licence, "" if nothing.
        entry: the name of the file's entry that the tensors are of, "" for all of it.
        guesses: what was decided that the file does not tell, in words that name the
            argument by which it is decided otherwise.
        odd: what the entry holds that is no tensor, by name: what it is.
        unusable: tensors of which nothing can be made, by name: why.
    """

    part: str
    family: str
    format: str
    config: Any
    assumed: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray]
    sources: Mapping[str, Source]
    shapes: Params
    ignored: frozenset[str] = frozenset()
    read: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    complete: Callable[[Params, Any], Params] | None = None
    licence: str = ""
    entry: str = ""
    guesses: tuple[str, ...] = ()
    odd: Mapping[str, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)


def override(config: Any, changes: Mapping[str, Any] | None) -> Any:
    """A config with some of its values replaced; lists become tuples.

    Raises:
        ValueError: for a name that the config does not have, or a value of a type that
            its field does not take.
    """
    if not changes:
        return config
    known = [entry.name for entry in dataclasses.fields(config)]
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise ValueError(f"config: {unknown} given; {known} are accepted")
    for name, hint in get_type_hints(type(config)).items():
        if name in changes and not _accepts(hint, changes[name]):
            raise ValueError(
                f"config: {name} = {changes[name]!r} given; {_words(hint)} is accepted"
            )
    return dataclasses.replace(
        config,
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in changes.items()
        },
    )


def _accepts(hint: Any, value: Any) -> bool:
    """Whether a value may stand in a field; hints beyond the plain ones accept all."""
    if isinstance(hint, UnionType):
        return any(_accepts(choice, value) for choice in get_args(hint))
    if get_origin(hint) is tuple:
        entry = get_args(hint)[0]
        return isinstance(value, list | tuple) and all(
            _accepts(entry, v) for v in value
        )
    if hint in (int, float) and isinstance(value, bool):
        return False
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, hint) if hint in (bool, int, str, NoneType) else True


def _words(hint: Any) -> str:
    return str(hint).replace("None", "null") if get_args(hint) else hint.__name__


@dataclass(frozen=True)
class Mismatch:
    """What keeps a file from fitting an architecture; all empty if it fits."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.misshapen)

    def __str__(self) -> str:
        parts = [
            f"{label} ({len(names)}): {_listed(names)}"
            for label, names in (
                ("missing", self.missing),
                ("extra", self.extra),
                ("misshapen", self.misshapen),
            )
            if names
        ]
        return "; ".join(parts)


def _listed(names: Sequence[str]) -> str:
    """The first of them; a file may have as many, and as long ones, as it likes."""
    shown = ", ".join(printable(name, 150) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def compare(plan: Plan) -> Mismatch:
    """Hold the file's tensors against what the architecture needs."""
    missing, misshapen = [], []
    needed, reasons = needed_tensors(plan), {**plan.odd, **plan.unusable}
    for name, shape in needed:
        tensor = plan.tensors.get(name)
        if tensor is None and name in reasons:
            misshapen.append(f"{name} is {reasons[name]}")
        elif tensor is None:
            missing.append(name)
        elif tensor.shape != shape:
            misshapen.append(f"{name} is {tensor.shape}, not {shape}")
        elif not jnp.issubdtype(tensor.dtype, np.floating):
            misshapen.append(f"{name} is of {tensor.dtype}, not of floating numbers")
    used = {name for name, _ in needed} | plan.ignored
    extra = [n for n in plan.tensors if n not in used and not is_counter(plan, n)]
    extra += [f"{n} ({why})" for n, why in plan.unusable.items() if n not in used]
    return Mismatch(tuple(missing), tuple(extra), tuple(misshapen))


def is_counter(plan: Plan, name: str) -> bool:
    """Whether a tensor counts something beside the weights, which nothing needs."""
    return plan.tensors[name].size == 1 and COUNTERS.search(name) is not None


def needed_tensors(plan: Plan) -> list[tuple[str, tuple[int, ...]]]:
    """The names and shapes of all tensors that a plan takes from a file."""
    expected = _expected(plan)
    needed = [
        needed
        for ours, source in _needed(plan).items()
        for needed in source.file_shapes(tuple(expected[ours].shape)).items()
    ]
    return needed + list(plan.read.items())


def assemble(plan: Plan, dtype: Any = None) -> Params:
    """Build the parameter tree of a plan.

    Args:
        plan: what goes where.
        dtype: of the parameters; None for float32, as released checkpoints are.

    Raises:
        CheckpointError: naming the missing, extra and misshapen tensors, and those that
            hold a value that is not finite.
    """
    mismatch = compare(plan)
    if mismatch:
        raise CheckpointError(
            f"{_place(plan)} does not fit {plan.family} ({plan.format}): {mismatch}"
        )
    dtype = jnp.float32 if dtype is None else dtype
    flat = {
        ours: source.extract(
            plan.tensors[source.name],
            dtype,
            [
                np.asarray(plan.tensors[name], np.float64)
                for name in (source.divisor.tensors if source.divisor else ())
            ],
        )
        for ours, source in _needed(plan).items()
    }
    broken = [plan.sources[ours].name for ours in flat if not _finite(flat[ours])]
    if broken:
        raise CheckpointError(f"values that are not finite in: {_listed(broken)}")
    params = unflatten_dict({ours: jnp.asarray(flat[ours]) for ours in flat}, sep=".")
    if plan.complete is not None:
        params = plan.complete(params, plan.config)
    # a config that the caller changed may need what this layout has no tensor for
    lacking = _expected(plan).keys() - flatten_dict(params, sep=".").keys()
    if lacking:
        raise CheckpointError(
            f"{plan.format} files hold nothing for: {_listed(sorted(lacking))}"
        )
    return params


@functools.lru_cache(maxsize=256)
def parameter_shapes(init: Callable[[jax.Array, Any], Params], config: Any) -> Params:
    """The parameter tree that a family's `init` makes, as shapes; not to be changed."""
    return jax.eval_shape(lambda: init(jax.random.key(0), config))


def _place(plan: Plan) -> str:
    return f"entry {printable(plan.entry, 60)}" if plan.entry else "the file"


def _expected(plan: Plan) -> dict[str, Any]:
    """Every parameter of the architecture, by dotted name."""
    return dict(flatten_dict(plan.shapes, sep="."))  # pyright: ignore


def _needed(plan: Plan) -> dict[str, Source]:
    """The sources of parameters that the architecture, as configured, has."""
    expected = _expected(plan)
    return {ours: s for ours, s in plan.sources.items() if ours in expected}


def _finite(array: np.ndarray) -> bool:
    return bool(np.isfinite(array).all())
