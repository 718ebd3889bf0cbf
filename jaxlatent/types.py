"""The words of the library: parameters, noise, affine maps, spaces and rows.

Everything that crosses a public function is an array, a pytree of arrays, a plain
function or a frozen config. Latents are arrays of codes: `z [N, D]`, `w [N, D]`, or
`w+ [N, L, D]` with one row per style layer.
"""

import dataclasses
import enum
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.struct
import jax

Params = dict[str, Any]
"""Nested dicts of floating arrays; keys are those of the reference checkpoint."""


Scorer = Callable[[jax.Array], jax.Array]
"""Any function `images [N, H, W, C] -> scores [N]` or `[N, A]`."""


Model = Callable[..., Any]
"""A pytree that can be called: weights are leaves, settings static. See `as_model`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Origin:
    """Where parameters come from, and what their file left open.

    All origins are equal, so that generators which differ in nothing else share
    compiled code; what compiled code returns may bear the origin of another.

    Attributes:
        file: the name of the file they were read from, "" if from none.
        sha256: of its bytes, in hex.
        container: what kind of file it is.
        format: whose layout it has.
        entry: where in the file they lay, "" for all of it.
        assumed: config values that the file does not hold, and what was assumed.
        overridden: config values that the caller gave.
        guesses: what else was decided, in words.
        licence: what is known of the weights' licence.
        ancestors: fingerprints of the generators that the weights were tuned from, the
            first one first. Edits of these are edits of this one too.
    """

    file: str = ""
    sha256: str = ""
    container: str = ""
    format: str = ""
    entry: str = ""
    assumed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    overridden: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()
    licence: str = ""
    ancestors: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin)

    def __hash__(self) -> int:
        return hash(Origin)


NO_ORIGIN = Origin()


def as_model(function: Model) -> Model:
    """A callable as a pytree, so that compiled code can take it as an argument.

    Networks, generators and everything else that is a pytree stay what they are. A
    plain function becomes a `jax.tree_util.Partial`, which is compared by the
    function's identity: define it once, so that compiled code is found again.

    Raises:
        TypeError: for what cannot be called.
    """
    if not callable(function):
        raise TypeError(f"model: a {type(function).__name__} given; it is not callable")
    if jax.tree_util.all_leaves([function]):
        return jax.tree_util.Partial(function)
    return function


class CheckpointError(ValueError):
    """A file that cannot be used as a checkpoint; the message says what is wrong."""


@jax.tree_util.register_static
class Noise(enum.Enum):
    """How a synthesis network fills its noise inputs.

    `FIXED` uses the maps stored with the weights, `NONE` leaves noise out. Random noise
    is asked for with a typed key, chosen noise with arrays.
    """

    FIXED = "fixed"
    NONE = "none"


@flax.struct.dataclass(eq=False)
class Affine:
    """One place where a latent enters a generator linearly.

    Attributes:
        matrix: [D, out], as stored in the checkpoint (no run-time gain).
        name: the layer's name in the checkpoint.
        layer: the row of w+ that feeds it; 0 where the latent has no rows.
        chunk: (start, stop) of the latent that feeds it, None for all of it.
        rgb: whether it styles a to-RGB layer, which may share its row with another.
    """

    matrix: jax.Array
    name: str = flax.struct.field(pytree_node=False)
    layer: int = flax.struct.field(pytree_node=False, default=0)
    chunk: tuple[int, int] | None = flax.struct.field(pytree_node=False, default=None)
    rgb: bool = flax.struct.field(pytree_node=False, default=False)


def parse_layers(
    layers: Sequence[int] | str | None, num_layers: int
) -> tuple[int, ...] | None:
    """Rows of w+ from indices or a selection such as "0-1" or "2-5,8".

    Args:
        layers: indices, a selection with inclusive ranges, "all" or None.
        num_layers: how many rows there are.

    Returns:
        Sorted indices without repeats; None for all rows.

    Raises:
        ValueError: for a malformed selection or a row that does not exist.
    """
    if layers is None:
        return None
    ranges = []
    if isinstance(layers, str):
        if layers.strip() == "all":
            return None
        for part in layers.split(","):
            first, dash, last = (piece.strip() for piece in part.partition("-"))
            last = last if dash else first
            if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
                raise ValueError(
                    f'layers: {layers!r} given; "all" or a selection such as "0-1" or '
                    '"2-5,8" is accepted'
                )
            ranges.append((int(first), int(last)))
    else:
        ranges = [(operator.index(row),) * 2 for row in layers]
    # before any range is spelled out, which may be long
    if not ranges or any(low < 0 or high >= num_layers for low, high in ranges):
        there = f"; rows 0 to {num_layers - 1} are accepted"
        none = ", but this generator has no rows of w+"
        raise ValueError(f"layers: {layers!r} given{there if num_layers else none}")
    return tuple(sorted({row for low, high in ranges for row in range(low, high + 1)}))


def check_space(space: str) -> None:
    """Raise ValueError unless `space` is one of the library's words for a space."""
    kind, _, name = space.partition(":")
    if space not in ("z", "w", "w+", "s") and not (kind == "feature" and name):
        raise ValueError(
            f'space: {space!r} given; "z", "w", "w+", "s" or "feature:NAME" is accepted'
        )
