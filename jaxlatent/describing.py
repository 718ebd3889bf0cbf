"""What a file is: a checkpoint, a converted folder, an edit or a table of scores."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxlatent import checkpoint, network_files
from jaxlatent.evaluation import tables
from jaxlatent.generators.base import config_to_json
from jaxlatent.loading import is_checkpoint


def describe(
    path: str | os.PathLike[str],
    *,
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
    entry: str | None = None,
) -> dict[str, Any]:
    """What a file or folder is, as JSON values.

    Args:
        path: a checkpoint file, a converted folder, an edit of this library or of
            another tool, or a table of scores.
        family: of a checkpoint file: its architecture, None to recognise it.
        config: of a checkpoint file: values that replace inferred or assumed ones.
        entry: of a checkpoint file: which of several networks in it.

    Returns:
        "file", "container" and what there is to tell of such a file. Of a generator
        or network: "entries", what each entry of the file is, and "parts", with the
        family, the configuration and what does not fit of each; or "problem" and
        "tensors" if no layout fits the file.

    Raises:
        ValueError: if there is no such file, or nothing that can be described.
        CheckpointError: if it is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"path: {path} does not exist")
    if path.is_dir() and not (checkpoint.is_generator(path) or is_checkpoint(path)):
        raise ValueError(f"path: {path} is a folder, but not a converted generator")
    found = _describe_ours(path)
    if found is None:
        return _describe_checkpoint(path, family=family, config=config, entry=entry)
    given = {"family": family, "config": config, "entry": entry}
    for argument in (name for name, value in given.items() if value):
        raise ValueError(f"{argument}: given, but {path} is no checkpoint file")
    return found


def _describe_ours(path: Path) -> dict[str, Any] | None:
    """What this library wrote."""
    if checkpoint.is_generator(path):
        return _describe_folder(path)
    if path.is_file() and checkpoint.is_edit(path):
        return _describe_edit(path, checkpoint.load_edit(path))
    if path.is_file() and network_files.is_network(path):
        return _describe_network(path)
    if path.is_file() and tables.is_table(path):
        return _describe_scores(path)
    return None


def _describe_folder(path: Path) -> dict[str, Any]:
    header = checkpoint.read_header(path)
    origin = header["origin"]
    return {
        "file": str(path),
        "container": "converted folder",
        "manifest": "every file is as it was written",
        "fingerprint": header["fingerprint"],
        "origin": {
            name: origin[name]
            for name in ("file", "sha256", "container", "entry", "ancestors")
            if origin.get(name)
        },
        "written_with": header["versions"],
        "parts": {
            "generator": {
                "family": header["family"],
                "format": origin["format"],
                "licence": origin["licence"],
                "config": header["config"],
                "assumed": list(origin["assumed"]),
                "tensors": header["parameters"],
                "guesses": origin["guesses"],
                "not_needed": [],
                "missing": [],
                "extra": [],
                "misshapen": [],
            }
        },
    }


def _describe_scores(path: Path) -> dict[str, Any]:
    table = tables.load_table(path)
    return {
        "file": str(path),
        "container": "scores",
        "pictures": len(table.values),
        "scores": list(table.names),
        "codes": list(table.codes),
        "seed": table.seed,
        "generator": table.generator,
    }


def _describe_network(path: Path) -> dict[str, Any]:
    network = network_files.load_network(path)
    return {
        "file": str(path),
        "container": "network",
        "architecture": type(network.module).__name__,
        "settings": network_files.settings_of(network.module),
        "facts": network_files.read_facts(path),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(network.params)),
    }


def _describe_edit(path: Path, edit: Any) -> dict[str, Any]:
    ours = checkpoint.is_edit(path)
    return {
        "file": str(path),
        "container": "edit" if ours else "another tool's directions",
        "method": getattr(edit, "method", ""),
        "space": edit.space,
        "layers": getattr(edit, "layers", None),
        "directions": list(edit.names),
        "generator": getattr(edit, "generator", ""),
    }


def _describe_arrays(path: Path, file: Any) -> dict[str, Any]:
    """Another tool's directions, or else its codes."""
    from converters import Asked, guess_edit, load_codes

    try:
        edit, guesses = guess_edit(file, Asked())
    except ValueError as error:
        with contextlib.suppress(ValueError):
            shape = list(load_codes(file).shape)
            return {
                "file": str(path),
                "container": "codes, for --codes",
                "shape": shape,
            }
        raise error
    # without the name of the file, which stands above them
    lines = [guess.text({}).removeprefix(f"{guess.file}: ") for guess in guesses]
    return _describe_edit(path, edit) | {"guesses": lines}


def _describe_checkpoint(path: Path, **reading: Any) -> dict[str, Any]:
    import converters

    file = converters.read(path, numpy_files=True)
    if file.container in ("npy", "npz"):
        return _describe_arrays(path, file)
    facts = {
        "file": str(path),
        "container": file.container,
        "sha256": file.sha256,
    }
    try:
        found = converters.inspect(file, **reading)
    except converters.CheckpointError as error:
        with contextlib.suppress(ValueError):
            return _describe_arrays(path, file)
        # a file that no layout fits is worth describing to whoever may write one
        tensors = dict(_tensors(file.tensors))
        return facts | {"problem": str(error), "parts": {}, "tensors": tensors}
    return facts | {
        "entries": dict(found.entries),
        "parts": {
            part: {
                "family": plan.family,
                "format": plan.format,
                "licence": plan.licence,
                "config": config_to_json(plan.config),
                "assumed": list(plan.assumed),
                "tensors": dict(_tensors(plan.tensors)),
                "entry": plan.entry,
                "guesses": list(plan.guesses),
                "not_needed": sorted(plan.ignored),
                "missing": list(found.mismatches[part].missing),
                "extra": list(found.mismatches[part].extra),
                "misshapen": list(found.mismatches[part].misshapen),
            }
            for part, plan in found.plans.items()
        },
    }


def _tensors(tree: Any, name: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Every array of a file by dotted name: its dtype and shape."""
    if isinstance(tree, np.ndarray):
        yield name, [str(tree.dtype), list(tree.shape)]
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))
