"""Commands on the files of edits, one function each."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxlatent import checkpoint
from jaxlatent.cli import inputs
from jaxlatent.cli.options import Repeated, Rows, Space, option
from jaxlatent.edits import combining
from jaxlatent.edits.annotations import annotated
from jaxlatent.edits.base import Edit
from jaxlatent.edits.directions import Directions, linear
from jaxlatent.evaluation.ranking_files import load_orders
from jaxlatent.methods import interfacegan
from jaxlatent.texts import printable

EditFile = Annotated[Path, tyro.conf.Positional, option("EDIT")]
OutFile = Path
OutPosition = Annotated[Path, tyro.conf.Positional, option("OUT")]
Layout = Literal[
    "npy",
    "interfacegan",
    "lowrankgan",
    "resefa",
    "ganspace",
    "ganspace-direction",
    "pca-pt",
    "safetensors",
    "deformator",
    "annotations",
    "support-sets",
]


def condition(
    boundary: Annotated[Path, tyro.conf.Positional, option("BOUNDARY")],
    *,
    on: Annotated[tuple[Path, ...], option("EDIT...")],
    out: OutFile,
) -> None:
    """Make boundaries that leave the attributes of others alone.

    Args:
        boundary: The .npz edit to project.
        on: Edits whose directions are to be kept; FILE:3 or FILE:0,2 for some of them.
        out: The .npz edit to write.
    """
    edit = _load(boundary, "BOUNDARY")
    others = [_pick(str(one), "on") for one in on]
    found = interfacegan.condition(edit, others)
    _save(out, found)
    for name, cosine in zip(found.names, found.report["cosine"], strict=True):
        print(f"{printable(name)}: cosine {float(cosine):.4f} with the original")
    print(out)


def combine(
    parts: Annotated[tuple[str, ...], tyro.conf.Positional, option("PART")],
    *,
    out: OutFile,
    name: Annotated[str | None, option("TEXT")] = None,
    num_layers: int | None = None,
) -> None:
    """Add directions up with weights, into an edit that moves along all of them.

    Args:
        parts: FILE, FILE:INDEX or FILE:INDEX:WEIGHT each; 0 and 1 if left out.
        out: The .npz edit to write.
        name: What to call it; made of the parts' names and weights if left out.
        num_layers: Rows of w+ of the generator, where the parts shift different ones.
    """
    found = combining.combine(
        [_weighted(part) for part in parts], name=name, num_layers=num_layers
    )
    _save(out, found)
    print(f"{printable(found.names[0])}, in {found.space}")
    print(out)


def import_file(
    file: Annotated[Path, tyro.conf.Positional, option("FILE")],
    out: OutPosition,
    *,
    space: Space = None,
    layers: Rows = None,
    part: Literal["latent", "activation"] | None = None,
    layer: Annotated[str | None, option("NAME")] = None,
    num_layers: int | None = None,
    per_layer: bool = False,
    deformator: Literal["linear", "projective"] | None = None,
    join: Annotated[Repeated, option("FILE")] = (),
    ranking: Annotated[Path | None, option("FILE")] = None,
) -> None:
    """Turn another tool's directions into an edit.

    Args:
        file: Boundaries, components, named directions, support sets: .npy, .npz, .pkl,
            .pt; or a folder of GANLatentDiscovery's or WarpedGANSpace's.
        out: The .npz edit to write.
        space: The space they live in, instead of what is told or guessed; w takes an
            array [L, D] for L directions.
        layers: Rows of w+ to shift, such as 4-7, instead of what the file tells.
        part: Of GANSpace's files: the latent part or the activation part.
        layer: Our name of the layer of an activation part, such as b8.conv1.
        num_layers: Rows of w+ of the generator, where the file's range has no end, or
            an array is flattened or has a row for each of them.
        per_layer: Take an array [L, D] for one direction with a row for each of w+.
        deformator: Of GANLatentDiscovery's: what a linear layer is, where no args.json
            beside the file tells.
        join: More such files, whose directions follow, numbered on.
        ranking: WarpedGANSpace's interpretable_paths.json or attr_idx_*.csv; the best
            path of each attribute is named after it.
    """
    from converters import Asked, guess_edit

    words: Any = dict(space=space, layers=layers, part=part, layer=layer)
    words |= dict(num_layers=num_layers, per_layer=per_layer or None)
    asked = Asked(**words, deformator=deformator)
    parts, guesses = [], []
    for argument, path in [("FILE", file), *(("join", Path(one)) for one in join)]:
        if not path.exists():
            raise ValueError(f"{argument}: {path} is not a file")
        part_edit, part_guesses = guess_edit(path, asked)
        parts.append(part_edit)
        guesses += part_guesses
    edit = _joined(parts) if join else parts[0]
    if ranking is not None:
        edit = edit.rename(load_orders(ranking).names(len(edit)))
    _save(out, edit)
    for guess in guesses:
        print(guess.text({}))
    count = f"{len(edit)} direction{'s'[len(edit) == 1 :]}"
    rows_text = "" if edit.layers is None else f", layers {edit.layers}"
    print(f"{file.name}: {count} of {edit.method} in {edit.space}{rows_text}")
    print(out)


def export_file(
    edit: EditFile,
    out: OutPosition,
    *,
    layout: Annotated[Layout, option("LAYOUT")],
    index: Annotated[int | None, option("NUMBER")] = None,
    strength: Annotated[float | None, option("SIGMA")] = None,
    activations: Annotated[Path | None, option("EDIT")] = None,
) -> None:
    """Write an edit in another tool's layout.

    Args:
        edit: The .npz edit.
        out: The file to write.
        layout: One of npy, interfacegan, lowrankgan, resefa, ganspace,
            ganspace-direction, pca-pt, safetensors, and support-sets for warped paths.
        index: Write this direction alone.
        strength: Of ganspace-direction: the strength to keep with it.
        activations: Of GANSpace's: the edit of activations of the same components.
    """
    from converters import export_edit
    from converters.artefacts.exporting import LINEAR_LAYOUTS

    loaded = (_load if layout in LINEAR_LAYOUTS else _any_edit)(edit, "EDIT")
    export_edit(
        loaded,
        out,
        layout=layout,
        index=index,
        strength=strength,
        activations=(
            None if activations is None else _load(activations, "activations")
        ),
    )
    print(out)


def name(
    edit: EditFile,
    index: Annotated[int | None, tyro.conf.Positional, option("INDEX")] = None,
    text: Annotated[str | None, tyro.conf.Positional, option("NAME")] = None,
    *,
    annotations: Path | None = None,
) -> None:
    """Give directions names, once their pictures show what they do.

    Args:
        edit: The .npz edit, which is changed.
        index: Which direction.
        text: What to call it.
        annotations: Instead, a text with a line INDEX: NAME for each direction.
    """
    if (index is None) == (annotations is None) or (index is None) != (text is None):
        raise ValueError(
            "INDEX, NAME, annotations: a direction and its name, or a file of them, "
            "are accepted"
        )
    loaded = _any_edit(edit, "EDIT")
    if annotations is not None:
        try:
            named = annotated(loaded, annotations.read_text("utf-8"))
        except UnicodeDecodeError:
            raise ValueError(
                f"annotations: {annotations} given; a text of UTF-8 is accepted"
            ) from None
    else:
        inputs.choose_directions(str(index), loaded, option="INDEX")
        named = loaded.rename({index: text})  # pyright: ignore
    checkpoint.save_edit(edit, named)
    pairs = zip(loaded.names, named.names, strict=True)
    for number, (before, after) in enumerate(pairs):
        if before != after or number == index:
            print(f"{edit}: direction {number}, before {before!r}, is {after!r}")


def _load(path: Path, argument: str) -> Directions:
    """An edit of ours that is linear."""
    return linear(_any_edit(path, argument), argument)


def _any_edit(path: Path, argument: str) -> Any:
    """An edit of ours."""
    if not path.is_file():
        raise ValueError(f"{argument}: {path} is not a file")
    return checkpoint.load_edit(path).rename({})


def _pick(text: str, argument: str) -> Directions:
    """The directions of FILE or FILE:NUMBERS."""
    path, colon, numbers = text.rpartition(":")
    if not colon or Path(text).is_file():
        return _load(Path(text), argument)
    edit = _load(Path(path), argument)
    return edit.select(inputs.choose_directions(numbers, edit, option=argument))


def _weighted(text: str) -> tuple[Directions, int, float]:
    """One direction and its weight, of FILE, FILE:INDEX or FILE:INDEX:WEIGHT."""
    path, *rest = [text] if Path(text).is_file() else text.rsplit(":", 2)
    if len(rest) == 2 and Path(f"{path}:{rest[0]}").is_file():
        path, rest = f"{path}:{rest[0]}", rest[1:]
    edit = _load(Path(path), "PART")
    try:
        index, weight = int((rest or ["0"])[0]), float((rest[1:] or ["1"])[0])
    except ValueError:
        raise ValueError(
            f"PART: {text!r} given; FILE, FILE:INDEX or FILE:INDEX:WEIGHT is accepted"
        ) from None
    inputs.choose_directions(str(index), edit, option="PART")
    return edit, index, weight


def _joined(parts: list[Any]) -> Directions:
    """Directions of several files; of such as bear no names of their own, numbered."""
    edit = combining.concatenate([linear(part, "join") for part in parts])
    if len(set(edit.names)) == len(edit):
        return edit
    word = edit.names[0].rpartition(" ")[0] or edit.names[0]
    return edit.rename({number: f"{word} {number}" for number in range(len(edit))})


def _save(out: Path, edit: Edit) -> None:
    if out.suffix != ".npz":
        raise ValueError(f"OUT: {out} given; a file that ends in .npz is accepted")
    checkpoint.save_edit(out, edit)
