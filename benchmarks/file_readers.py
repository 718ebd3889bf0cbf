"""The readers of files, and the sound files that each of them is given."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.file_mutants import BYTES, as_safetensors, mutate_json, npy, pick
from converters import import_edit, inspect, load, load_codes, load_lpips
from converters.checkpoints import read
from converters.containers.writing import numpy_array, pickled, torch_zip
from jaxlatent import checkpoint
from jaxlatent.checkpoint import load_edit, load_generator, save_edit, save_generator
from jaxlatent.edits.directions import directions
from jaxlatent.edits.rbf import rbf_field
from jaxlatent.edits.walks import neural_walk
from jaxlatent.evaluation.tables import ScoreTable, load_table, save_table
from jaxlatent.generators import stylegan2
from jaxlatent.generators.base import Generator
from jaxlatent.loading import load_scores
from jaxlatent.types import CheckpointError

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"

WEIGHTS = {
    "read": 50,
    "import_edit": 12,
    "load_codes": 10,
    "load": 14,
    "inspect": 3,
    "load_lpips": 1,
    "load_edit": 20,
    "load_table": 8,
    "load_scores": 8,
    "load_generator": 4,
}
"""How often each reader is drawn."""


class Reader(NamedTuple):
    """A reader: its call, the errors it documents, the sound files it is given."""

    call: Callable[..., Any]
    errors: tuple[type[Exception], ...]
    files: list[tuple[str, bytes]]
    trees: list[tuple[str, Any]]


def readers(folder: Path) -> dict[str, Reader]:
    """All readers with their sound files, those that are written here in `folder`."""

    golden = [path for path in sorted(GOLDEN.iterdir()) if path.is_file()]
    stored = [path for path in golden if path.suffix != ".npz"]
    small = [path for path in stored if path.stat().st_size < 300_000]
    files = [(path.name, path.read_bytes()) for path in small]
    trees = [(path.name, read(path).tensors) for path in small]
    files += [
        (f"{name}.safetensors", as_safetensors(tree))
        for name, tree in trees
        if isinstance(tree, dict) and name.startswith(("sngan", "interfacegan_p"))
    ]
    lpips = [
        (path.name, read(path, numpy_files=True).tensors)
        for path in golden
        if path.name.startswith("lpips")
    ]
    arrays, edits, tables = written(folder)
    caches = [
        (path.name, path.read_bytes())
        for path in golden
        if path.name.startswith(("ganspace_compute_z", "ganalyze_directions"))
    ]
    directions = [file for file in files if file[0].startswith("gan")]
    latents = [
        (name, read(folder / name, numpy_files=True).tensors)
        for name in ("codes.npz", "boundary.npy", "projected.pt")
    ] + [tree for tree in trees if tree[0].startswith("gan")]
    both = (CheckpointError, ValueError)
    return {
        "read": Reader(
            lambda file, _: read(file, numpy_files=True),
            (CheckpointError,),
            [*files, *arrays, *caches],
            [],
        ),
        "import_edit": Reader(
            lambda file, _: import_edit(file),
            both,
            [*arrays, *caches, *directions, *edits],
            latents,
        ),
        "load_codes": Reader(
            lambda file, _: load_codes(file), (CheckpointError,), arrays, latents
        ),
        "load": Reader(_load(load), (CheckpointError,), files, trees),
        "inspect": Reader(
            lambda file, _: inspect(file), (CheckpointError,), files, trees
        ),
        "load_lpips": Reader(
            lambda file, _: load_lpips(file), (CheckpointError,), [], lpips
        ),
        "load_edit": Reader(
            lambda file, _: load_edit(file), (CheckpointError,), edits, []
        ),
        "load_table": Reader(
            lambda file, _: load_table(file), (ValueError,), tables, []
        ),
        "load_scores": Reader(
            lambda file, _: load_scores(file), both, [*tables, *arrays], []
        ),
        "load_generator": Reader(
            lambda file, random: load_generator(_generator_folder(file, random)),
            (CheckpointError,),
            [("generator", b"")],
            [],
        ),
    }


def _load(load: Callable[..., Any]) -> Callable[..., Any]:
    def call(file: Any, random: np.random.Generator) -> Any:
        part = ("generator", "generator", "discriminator", "network")
        return load(file, part=part[int(random.integers(4))])

    return call


Files = list[tuple[str, bytes]]


def written(folder: Path) -> tuple[Files, Files, Files]:
    """Sound files of codes and directions, of edits, and of scores."""

    random = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    def bytes_of(names: Any) -> Files:
        return [(name, (folder / name).read_bytes()) for name in names]

    codes = {"w": normal(2, 4, 6), "noise": normal(3)}
    boundary = {"boundary": normal(1, 6), "meta_data": {"manipulate_layers": "2-3"}}
    objects = np.empty(2, object)
    objects[:] = [normal(4, 6), normal(4, 6)]
    face = {"img": normal(3, 4, 4), "latent": normal(4, 6)}
    projected = {"face.png": {name: numpy_array(a) for name, a in face.items()}}
    np.savez_compressed(folder / "codes.npz", **codes)
    (folder / "codes.npy").write_bytes(npy(codes["w"]))
    (folder / "boundary.npy").write_bytes(npy(np.array(boundary)))
    (folder / "objects.npy").write_bytes(npy(objects))
    (folder / "codes.pt").write_bytes(torch_zip(codes))
    (folder / "projected.pt").write_bytes(pickled(projected, 3))
    (folder / "codes.safetensors").write_bytes(as_safetensors(codes))
    arrays = bytes_of(sorted(path.name for path in folder.iterdir()))
    told = {
        "names": ["smile", "age"],
        "report": {"gain": normal(2)},
        "facts": {"rank": 2, "settings": {"steps": [1, 2]}},
        "method": "by hand",
    }
    edits = {
        "directions": directions(normal(2, 6), space="w", scale=[1.0, 2.0], **told),
        "rows": directions(normal(2, 4, 6), space="w+", **told),
        "layers": directions(normal(2, 6), space="w", layers=(0, 2), **told),
        "field": rbf_field(
            *(normal(2, 3, 6), normal(2, 3), np.float32([0.1, 0.5])),
            **{"step": 0.4, "steps": 3, "space": "z", **told},
        ),
        "walk": neural_walk(
            [{"weight": normal(2, 6, 6), "bias": normal(2, 6)}], space="z", **told
        ),
    }
    for name, edit in edits.items():
        save_edit(folder / f"{name}.npz", edit)
    tables = {
        "scores": ScoreTable(normal(5, 2), ("a", "b"), {"z": normal(5, 6)}, None, 3),
        "labelled": ScoreTable(normal(5, 1), ("a",), {}, np.arange(5), 3, 0.7, "0123"),
    }
    for name, table in tables.items():
        save_table(folder / f"{name}.npz", table)
    config = stylegan2.Config(8, (4, 4), z_dim=6, w_dim=6, mapping_width=6)
    params = stylegan2.init(jax.random.key(0), config)
    save_generator(folder / "generator", Generator(params, config))

    kinds = ([f"{name}.npz" for name in kind] for kind in (edits, tables))
    return arrays, *map(bytes_of, kinds)


def _generator_folder(file: Path, random: np.random.Generator) -> Path:
    """A copy of the sound generator, its header or one of its files changed.

    A changed header is entered in the manifest, as a careless hand would.
    """

    folder = file.with_name("mutant")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(file.with_name("generator"), folder)
    header, manifest = folder / "generator.json", folder / checkpoint.MANIFEST_FILE
    match int(random.integers(5)):
        case 0:
            manifest.write_bytes(mutate_json(random, manifest.read_bytes()))
        case 1:
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            path = pick(random, files)
            path.write_bytes(pick(random, BYTES)(random, path.read_bytes() or b"0"))
        case _:
            header.write_bytes(mutate_json(random, header.read_bytes()))
            text = checkpoint._manifest_text(checkpoint._hashes(folder))
            manifest.write_bytes(text)
    return folder
