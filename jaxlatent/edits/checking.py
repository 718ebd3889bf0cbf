"""What the fields of an edit may be: the rules of factories, and of files."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict
from jax.core import Tracer

from jaxlatent.texts import shown
from jaxlatent.types import check_space

AnyEdit = TypeVar("AnyEdit")


def checked(edit: AnyEdit) -> AnyEdit:
    """An edit whose fields are what its kind accepts: what factories and files end in.

    The leaves of all kinds are floating and, but for what methods could not measure,
    finite; what else a kind accepts, its `check` says.

    Raises:
        ValueError: names the field that does not fit.
    """
    if callable(check := getattr(edit, "check", None)):
        check()
    for path, leaf in jax.tree_util.tree_leaves_with_path(edit):
        name = shown(jax.tree_util.keystr(path).lstrip("."))[1:-1]
        measured = any(getattr(key, "name", "") == "report" for key in path)
        check_floats(name, leaf, np.shape(leaf), finite=not measured)
    return edit


def check_floats(
    label: str, value: Any, *shapes: tuple[int | str, ...], finite: bool = True
) -> None:
    """Hold an array against the shapes that it may have.

    Args:
        label: the field, for the error.
        value: the array.
        shapes: those accepted. A letter stands for any length above zero, "K", the
            number of directions, for zero as well.
        finite: whether NaN and infinity are refused, as far as values are known.

    Raises:
        ValueError: names the field.
    """
    words = " or ".join(f"[{', '.join(map(str, shape))}]" for shape in shapes)
    accepted = f"floating {words} is accepted"
    if not isinstance(value, jax.Array | np.ndarray):
        raise ValueError(f"{label}: {shown(value)} given; {accepted}")
    fits = any(_fits(value.shape, shape) for shape in shapes)
    if not fits or not jnp.issubdtype(value.dtype, jnp.floating):
        raise ValueError(f"{label}: {value.dtype} {value.shape} given; {accepted}")
    if finite and not isinstance(value, Tracer) and not np.isfinite(value).all():
        raise ValueError(f"{label}: holds NaN or infinity; finite numbers are accepted")


def _fits(shape: tuple[int, ...], accepted: tuple[int | str, ...]) -> bool:
    return len(shape) == len(accepted) and all(
        length == other if isinstance(other, int) else length > 0 or other == "K"
        for length, other in zip(shape, accepted, strict=True)
    )


def check_description(edit: Any, count: int) -> None:
    """Hold the fields of `Described` against what they may be.

    Args:
        edit: the edit.
        count: its directions.

    Raises:
        ValueError: names the field that does not fit.
    """
    _check_text("space", edit.space)
    check_space(edit.space)
    for label in ("report", "facts"):
        value = getattr(edit, label)
        if not isinstance(value, FrozenDict if label == "facts" else dict):
            raise ValueError(
                f"{label}: {shown(value)} given; values by name are accepted"
            )
    for name, value in edit.report.items():
        # what a method could not measure is NaN
        check_floats(f"report: {shown(name)[1:-1]}", value, (count,), finite=False)
    for label in ("method", "generator"):
        _check_text(label, getattr(edit, label))
    if not isinstance(edit.names, tuple):
        raise ValueError(f"names: {shown(edit.names)} given; a tuple is accepted")
    for name in edit.names:
        _check_text("names", name)
    # a bare edit has none
    if edit.names and len(edit.names) != count:
        raise ValueError(f"names: {len(edit.names)} given for {count} directions")
    layers = edit.layers
    if layers is None:
        return
    whole = isinstance(layers, tuple) and all(type(row) is int for row in layers)
    if not whole or not layers or list(layers) != sorted({*layers}) or layers[0] < 0:
        raise ValueError(
            f"layers: {str(layers)[:60] if whole else shown(layers)} given; rows from "
            "0 up are accepted, each once and in order"
        )


def _check_text(label: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{label}: {shown(value)} given; a text is accepted")
