"""One way in for every file of directions."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from converters.artefacts.arrays import ACCEPTED, read_array
from converters.artefacts.direction_shapes import Asked
from converters.artefacts.ganalyze import ganalyze_walk, is_ganalyze
from converters.artefacts.ganspace import is_cache, is_pca, read_cache, read_pca
from converters.artefacts.ganspace_named import (
    MOST_ROWS,
    is_named_direction,
    read_named_direction,
)
from converters.artefacts.latent2im import is_module, latent2im_walk
from converters.artefacts.safetensors_layout import decode_directions, is_directions
from converters.artefacts.steerability import is_walk, read_walk
from converters.artefacts.warped_ganspace import (
    find_experiment,
    is_experiment,
    is_support_sets,
    read_support_sets,
)
from converters.checkpoints import Checkpoint, CheckpointFile, opened
from jaxlatent.checkpoint import EDIT_HEADER
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.rbf import RBFField
from jaxlatent.edits.walks import NeuralWalk
from jaxlatent.generators.base import Generator
from jaxlatent.guesses import Guess, warn_of
from jaxlatent.types import CheckpointError, check_space, parse_layers

PARTS = ("latent", "activation")


def import_edit(
    file: CheckpointFile,
    *,
    space: str | None = None,
    layers: Sequence[int] | str | None = None,
    part: str | None = None,
    layer: str | None = None,
    num_layers: int | None = None,
    per_layer: bool | None = None,
    generator: Generator | None = None,
) -> Directions | NeuralWalk | RBFField:
    """Read directions that another project wrote, or `export_edit`.

    The kind of a file is told by its content; its name and its folders add what
    GANalyze, InterFaceGAN, LowRankGAN and ReSeFa say with them (`file_names`). Signs
    are kept; lengths are brought to one, with a warning if they were not and are lost.
    Nothing in a file is executed.

    Args:
        file: its path, or what `read` returned; or the folder of an experiment of
            WarpedGANSpace.
        space: the space the directions live in; None for what the file tells.
        layers: rows of w+ to shift: indices, a selection such as "4-7", or "all"; None
            for what the file tells.
        part: of GANSpace's files: "latent" or "activation"; None for "latent", but
            what its authors edit for a named direction.
        layer: with activations, our name of the layer, such as "b8.conv1".
        num_layers: how many rows w+ has, where a range of layers is open at its end, or
            an array flattened or with a row for each of them.
        per_layer: whether an array [L, D] is one direction with a row for each of w+;
            None for what its shape, the generator and the lengths of its rows tell.
        generator: whose codes are to be moved; tells the number of rows, and the space
            where the dimensions differ.

    Returns:
        Directions with `method` "ganspace", "interfacegan", "lowrankgan", "resefa",
        "steerability", what the file says, or "imported"; of GANalyze's files, and of
        steerability's networks, a walk that keeps the length of z; of Latent2im's,
        "enjoy", directions of rows or a walk; of WarpedGANSpace's, paths.

    Raises:
        CheckpointError: says what was found and what is accepted.
        ValueError: names the argument that is missing or does not fit.

    Warns:
        GuessWarning: if the directions could be read in two ways; arguments that say
            which silence it.
    """
    edit, guesses = guess_edit(
        file,
        Asked(
            space=space,
            layers=layers,
            part=part,
            layer=layer,
            num_layers=num_layers,
            per_layer=per_layer,
            shapes={} if generator is None else generator.code_shapes,
        ),
    )
    warn_of(guesses)
    return edit


def guess_edit(
    file: CheckpointFile, asked: Asked
) -> tuple[Directions | NeuralWalk | RBFField, tuple[Guess, ...]]:
    """`import_edit`, and how the file was read in place of a warning."""
    part, layer, rows = asked.part, asked.layer, asked.rows
    if part not in (None, *PARTS):
        raise ValueError(f"part: {part!r} given; {PARTS} are accepted")
    if asked.space is not None:
        check_space(asked.space)
    layers = parse_layers(asked.layers, rows or MOST_ROWS)
    guesses: tuple[Guess, ...] = ()
    if not isinstance(file, Checkpoint) and is_experiment(file):
        file = find_experiment(file).support_sets
    try:
        checkpoint = opened(file, numpy_files=True)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; accepted are {ACCEPTED}") from error
    found = checkpoint.tensors
    holds = found if isinstance(found, dict) else {}
    if checkpoint.container == "npz" and EDIT_HEADER in holds:
        raise CheckpointError(
            f"{checkpoint.path}: an edit of this library, for load_edit"
        )
    if is_directions(checkpoint):
        edit = decode_directions(checkpoint)
    elif is_module(checkpoint):
        edit = latent2im_walk(checkpoint)
    elif is_named_direction(holds):
        edit = read_named_direction(checkpoint, part=part, layer=layer, num_layers=rows)
    elif is_cache(holds):
        edit = read_cache(checkpoint, part=part or "latent", layer=layer)
    elif part == "activation":
        raise ValueError(
            "part: 'activation' given; of all files GANSpace's component caches and "
            "named directions alone hold activations"
        )
    elif is_ganalyze(checkpoint):
        edit = ganalyze_walk(checkpoint)
    elif is_support_sets(checkpoint):
        edit, guesses = read_support_sets(checkpoint, asked)
    elif is_walk(checkpoint):
        edit, guesses = read_walk(checkpoint, asked)
    elif is_pca(holds):
        edit = read_pca(checkpoint)
    else:
        edit, guesses = read_array(checkpoint, asked)
    if layer is not None and not edit.space.startswith("feature:"):
        raise ValueError(f"layer: {layer!r} given, but the file's latent part is read")
    has_layers = asked.layers is not None
    return _with(edit, asked.space, layers, has_layers), guesses


def _with(
    edit: Directions | NeuralWalk | RBFField,
    space: str | None,
    layers: tuple[int, ...] | None,
    has_layers: bool,
) -> Directions | NeuralWalk | RBFField:
    """The edit with what the caller knows better than the file."""
    if edit.space.startswith("feature:") and (space is not None or has_layers):
        raise ValueError(
            f"space, layers: {space!r}, {layers} given; activations are edited in "
            f"{edit.space} and have no rows"
        )
    changes: dict[str, Any] = {
        "space": space or edit.space,
        "layers": layers if has_layers else edit.layers,
    }
    if not isinstance(edit, Directions):
        return dataclasses.replace(edit, **changes)
    if edit.vectors.ndim == 3 and space not in (None, "w+"):
        raise ValueError(f"space: {space!r} given; directions per layer act in 'w+'")
    # built again, for its rows are held against the layers
    return directions(
        edit.vectors,
        scale=edit.scale,
        mean=edit.mean,
        bias=edit.bias,
        report=edit.report,
        **changes,
        names=edit.names,
        method=edit.method,
        generator=edit.generator,
        facts=edit.facts,
    )
