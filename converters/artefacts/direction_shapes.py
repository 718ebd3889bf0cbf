"""What an array of directions is: its shape, the generator and lengths decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from converters.artefacts.contents import TOLERANCE, near_one
from converters.artefacts.file_names import Origin
from jaxlatent.guesses import Guess, Other
from jaxlatent.types import CheckpointError

USUAL_WIDTH = 512
"""The dimension of w in nearly all released models."""

USUAL_ROWS = range(8, 19, 2)
"""How many rows w+ has in generators of 32 to 1024 pixels."""


@dataclass(frozen=True)
class Asked:
    """What a caller says of a file of directions; None for what the file tells.

    Attributes:
        space: the space they live in.
        layers: rows of w+ to shift: indices, a selection such as "4-7", or "all".
        part: of GANSpace's files, "latent" or "activation"; of None, "latent", but what
            its authors edit for a named direction.
        layer: with activations, our name of the layer, such as "b8.conv1".
        num_layers: how many rows w+ has, where no generator is known: a range of layers
            is open at its end, or an array flattened or with a row for each of them.
        per_layer: whether [L, D] is one direction with a row for each of w+; of None,
            what its shape, the generator and the lengths of its rows tell.
        shapes: of the generator's codes by space, see `Generator.code_shapes`.
        deformator: of GANLatentDiscovery's linear layers, "linear" or "projective".
    """

    space: str | None = None
    layers: Sequence[int] | str | None = None
    part: str | None = None
    layer: str | None = None
    num_layers: int | None = None
    per_layer: bool | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    deformator: str | None = None

    @property
    def rows(self) -> int | None:
        """How many rows w+ has, None if nobody knows or there is no w+."""
        return self.shapes.get("w+", (None,))[0] if self.shapes else self.num_layers

    @property
    def widths(self) -> set[int]:
        """The dimensions of z and w."""
        return {shape[-1] for shape in self.shapes.values()}

    @property
    def flat_space(self) -> str:
        """The space of directions without rows, where nothing else tells."""
        return "z" if self.shapes and "w" not in self.shapes else "w"


def arrange_directions(
    vectors: np.ndarray, asked: Asked, *, file: str
) -> tuple[np.ndarray, Guess | None]:
    """Directions with or without rows.

    | shape | what it is |
    |---|---|
    | [D], [K, D], [K, 1, D], [K, D, 1] | directions of z or w |
    | [K, L, D] | directions with a row for each of w+ |
    | [L, D] | one of them, if w+ has L rows; or if all rows are equal, or their \
common length is one |
    | [K, L * D] | the same, flattened, if w+ has L rows |

    Rows of length one at right angles are several directions in any case: those of a
    factorisation are, and the rows of one direction never are.

    Args:
        vectors: the array.
        asked: what the caller says.
        file: the file, for messages.

    Returns:
        [K, D] or [K, L, D], and the guess if there was something to guess.

    Raises:
        CheckpointError: for an array of another rank.
        ValueError: if it has not the rows that were asked for.
    """
    shape = vectors.shape
    if vectors.ndim == 1:
        vectors = vectors[None]
    elif vectors.ndim == 3 and shape[2] == 1 < shape[1]:
        vectors = vectors[..., 0]
    elif vectors.ndim == 3 and shape[1] == 1 and asked.rows != 1:
        vectors = vectors[:, 0]
    if vectors.ndim not in (2, 3) or not vectors.size:
        raise CheckpointError(
            f"{file}: an array of shape {shape}; [K, D] or [K, L, D] is accepted"
        )
    if vectors.ndim == 2 < len(shape) and len(vectors) > 1:
        return vectors, None
    if vectors.ndim == 3:
        flat = asked.space in ("z", "w") and _are_equal(np.moveaxis(vectors, 1, 0))
        return (vectors[:, 0] if flat else vectors), None
    if asked.per_layer:
        return _with_rows(vectors, asked.rows, file), None
    if asked.per_layer is False or asked.space not in (None, "w+"):
        return vectors, None
    return _guessed(vectors, asked, file)


def _guessed(
    vectors: np.ndarray, asked: Asked, file: str
) -> tuple[np.ndarray, Guess | None]:
    """Directions [K, D] or [K, L, D] of an array [K, D] of which nobody says more."""
    count, size = vectors.shape
    rows, space = asked.rows, asked.flat_space
    several = f"{count} direction{'s'[count == 1 :]} of {space}"
    one = f"1 direction with a row for each of the {count} of w+"
    flat = Other("space", space, several)
    layered = Other("per_layer", True, one)
    whose = "the generator" if asked.shapes else "w+"
    fits = not asked.shapes or size == asked.shapes.get("w+", (0, 0))[1]
    if rows is not None and count == rows > 1 and fits:
        if _are_orthonormal(vectors):
            reason = f"as they are at right angles, though {whose} has {rows} rows"
            return vectors, Guess(file, several, reason, (layered,))
        reason = f"as {whose} has {rows} rows"
        return vectors[None], Guess(file, one, reason, (flat,))
    if rows is not None and size % rows == 0 and size not in asked.widths:
        flattened = vectors.reshape(count, rows, -1)
        taken = f"{several.removesuffix(space)}w+, flattened"
        reason = f"as {rows} rows of {size // rows} are its {size} numbers"
        if asked.shapes and size // rows == asked.shapes["w+"][1]:
            return flattened, Guess(file, taken, reason, certain=True)
        # rows of fewer numbers than there are rows are those of no generator
        wide = 1 < rows <= size // rows and size != USUAL_WIDTH
        if not asked.shapes and wide:
            return flattened, Guess(file, taken, reason, (flat,))
    if count > 1 and _are_equal(vectors):
        return vectors[None], Guess(file, one, "as its rows are equal", (flat,))
    if count > 1 and near_one(_length(vectors)) and not _are_unit(vectors):
        reason = "as the length of all rows together is one"
        return vectors[None], Guess(file, one, reason, (flat,))
    if asked.shapes:
        return vectors, None
    reason = f"by its shape {list(vectors.shape)}"
    if rows is None and count in USUAL_ROWS and not _are_orthonormal(vectors):
        return vectors, Guess(file, several, reason, (layered,))
    if rows is None and size in USUAL_WIDTH * np.array(USUAL_ROWS):
        most = size // USUAL_WIDTH
        other = Other("num_layers", most, f"{most} flattened rows of w+")
        return vectors, Guess(file, several, reason, (other,))
    if rows is not None and size == USUAL_WIDTH and size % rows == 0:
        other = Other("per_layer", True, f"{rows} flattened rows of w+")
        return vectors, Guess(file, several, reason, (other,))
    return vectors, None


def _with_rows(vectors: np.ndarray, rows: int | None, file: str) -> np.ndarray:
    """[1, L, D] of [L, D], or [K, L, D] of [K, L * D]."""
    count, size = vectors.shape
    if rows is None and count == 1:
        raise ValueError(
            f"num_layers: missing; {file} holds {[count, size]}, whose rows it counts"
        )
    if rows in (None, count):
        return vectors[None]
    if size % rows:
        raise ValueError(
            f"per_layer: given, but {file} holds {[count, size]}; w+ has {rows} rows"
        )
    return vectors.reshape(count, rows, -1)


def guess_space(
    vectors: np.ndarray, asked: Asked, known: Origin, *, file: str
) -> tuple[str, Guess | None]:
    """The space of directions [K, D] that nobody names.

    The dimension decides where z and w differ, then the name, then what is usual.
    """
    size = vectors.shape[-1]
    count = f"{len(vectors)} direction{'s'[len(vectors) == 1 :]}"
    flat = {name: shape for name, shape in asked.shapes.items() if name != "w+"}
    fitting = [name for name, shape in flat.items() if shape == (size,)]
    if len(fitting) == 1:
        only = "no other space" if len(flat) == 1 else f"no other of {size} numbers"
        reason = f"as this generator has {only}"
        return fitting[0], Guess(file, f"{count} of {fitting[0]}", reason, certain=True)
    space = known.space or asked.flat_space
    reason = known.why if known.space else "as nothing tells the space"
    other = "z" if space == "w" else "w"
    others = (Other("space", other, f"{count} of {other}"),)
    if asked.shapes and not fitting:
        return space, None
    guess = Guess(file, f"{count} of {space}", reason, others, known.certain)
    return space, guess


def guess_layers(
    space: str, asked: Asked, known: Origin, *, file: str
) -> tuple[tuple[int, ...] | None, Guess | None]:
    """The rows that the authors of a file move, by its folders."""
    if known.layers is None or space == "z":
        return None, None
    text, rows = f"{known.layers[0]}-{known.layers[-1]}", asked.rows
    enough = rows is None or rows > max(known.layers)
    if enough and known.num_layers in (None, rows or known.num_layers):
        other = Other("layers", "all", "all rows")
        return known.layers, Guess(file, f"a shift of rows {text}", known.why, (other,))
    reason = f"as this generator of {rows} rows is not that of {file}'s folder"
    other = Other("layers", text, f"rows {text}")
    return None, Guess(file, "a shift of all rows", reason, (other,))


def _length(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors.astype(np.float64)))


def _are_unit(vectors: np.ndarray) -> bool:
    return near_one(np.linalg.norm(vectors.astype(np.float64), axis=-1))


def _are_equal(rows: np.ndarray) -> bool:
    return bool((rows == rows[:1]).all())


def _are_orthonormal(vectors: np.ndarray) -> bool:
    wide = vectors.astype(np.float64)
    if len(wide) > wide.shape[1]:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        gram = wide @ wide.T
    return bool(np.abs(gram - np.eye(len(gram))).max() <= TOLERANCE)
