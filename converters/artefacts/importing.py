"""One way in for every file of directions."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from converters.artefacts.arrays import ACCEPTED, read_array
from converters.artefacts.direction_shapes import Asked
from converters.artefacts.gan_latent_discovery import (
    deformator_file,
    is_deformator,
    read_deformator,
)
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
from jaxlatent.edits.deformation import Deformation
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.rbf import RBFField
from jaxlatent.edits.walks import NeuralWalk
from jaxlatent.generators.base import Generator
from jaxlatent.guesses import Guess, warn_of
from jaxlatent.types import CheckpointError, check_space, parse_layers

Imported = Directions | NeuralWalk | RBFField | Deformation

PARTS = ("latent", "activation")


class AskedWords(TypedDict, total=False):
    """What `Asked` explains, by name."""

    space: str | None
    layers: Sequence[int] | str | None
    part: str | None
    layer: str | None
    num_layers: int | None
    per_layer: bool | None
    deformator: str | None


def import_edit(
    file: CheckpointFile,
    *,
    generator: Generator | None = None,
    **asked: Unpack[AskedWords],
) -> Imported:
    """Read directions that another project wrote, or `export_edit`.

    The kind of a file is told by its content; its name and its folders add what
    GANalyze, GANLatentDiscovery, InterFaceGAN, LowRankGAN and ReSeFa say with them
    (`file_names`). Signs are kept; lengths are brought to one, with a warning if they
    were not and are lost. Nothing in a file is executed.

    Args:
        file: its path, or what `read` returned; or a folder: of GANLatentDiscovery's,
            whose deformator of the most steps is taken, or of an experiment of
            WarpedGANSpace's.
        generator: whose codes are to be moved; tells the number of rows, and the space
            where the dimensions differ.
        **asked: what the file does not tell, or tells wrongly; see `Asked`.

    Returns:
        Directions with `method` "ganspace", "interfacegan", "lowrankgan", "resefa",
        "steerability", what the file says, or "imported"; of GANalyze's files, and of
        steerability's networks, a walk that keeps the length of z; of Latent2im's,
        "enjoy", directions of rows or a walk; of GANLatentDiscovery's, "unsupervised
        discovery", directions or a `Deformation`; of WarpedGANSpace's, paths.

    Raises:
        CheckpointError: says what was found and what is accepted.
        ValueError: names the argument that is missing or does not fit.

    Warns:
        GuessWarning: if the directions could be read in two ways; arguments that say
            which silence it.
    """
    shapes = {} if generator is None else generator.code_shapes
    edit, guesses = guess_edit(file, Asked(**asked, shapes=shapes))
    warn_of(guesses)
    return edit


def guess_edit(
    file: CheckpointFile, asked: Asked
) -> tuple[Imported, tuple[Guess, ...]]:
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
        checkpoint = opened(deformator_file(file), numpy_files=True)
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
    elif is_deformator(checkpoint):
        edit, guesses = read_deformator(checkpoint, asked)
    elif is_support_sets(checkpoint):
        edit, guesses = read_support_sets(checkpoint, asked)
    elif is_walk(checkpoint):
        edit, guesses = read_walk(checkpoint, asked)
    elif is_pca(holds):
        edit = read_pca(checkpoint)
    else:
        edit, guesses = read_array(checkpoint, asked)
    if asked.deformator is not None and not is_deformator(checkpoint):
        raise ValueError(
            f"deformator: {asked.deformator!r} given, but {checkpoint.path} is none"
        )
    if layer is not None and not edit.space.startswith("feature:"):
        raise ValueError(f"layer: {layer!r} given, but the file's latent part is read")
    has_layers = asked.layers is not None
    return _with(edit, asked.space, layers, has_layers), guesses


def _with(
    edit: Imported,
    space: str | None,
    layers: tuple[int, ...] | None,
    has_layers: bool,
) -> Imported:
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
