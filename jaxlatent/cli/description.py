"""What a file is, as one JSON object and as text."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxlatent import checkpoint
from jaxlatent.cli import arguments
from jaxlatent.cli.options import Reading
from jaxlatent.evaluation import tables
from jaxlatent.generators.base import config_to_json
from jaxlatent.loading import is_checkpoint


def describe(path: Path, reading: Reading) -> dict[str, Any]:
    """A checkpoint file, a converted folder or an edit as JSON values."""
    if checkpoint.is_generator(path):
        return _describe_folder(path)
    if path.is_dir() and not is_checkpoint(path):
        raise ValueError(f"FILE: {path} is a folder, but not a converted generator")
    if not path.exists():
        raise ValueError(f"FILE: {path} does not exist")
    if path.is_file() and checkpoint.is_edit(path):
        return _describe_edit(path, checkpoint.load_edit(path))
    if path.is_file() and tables.is_table(path):
        return _describe_scores(path)
    return _describe_checkpoint(path, reading)


def _describe_folder(path: Path) -> dict[str, Any]:
    header = checkpoint.read_header(path)
    origin = header["origin"]
    return {
        "file": str(path),
        "container": "converted folder",
        "manifest": "every file is as it was written",
        "fingerprint": header["fingerprint"],
        "origin": {
            name: origin[name] for name in ("file", "sha256", "container") if origin
        },
        "written_with": header["versions"],
        "parts": {
            "generator": {
                "family": header["family"],
                "format": origin.get("format", ""),
                "licence": origin.get("licence", ""),
                "config": header["config"],
                "assumed": list(origin.get("assumed", {})),
                "tensors": header["parameters"],
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


def _describe_checkpoint(path: Path, reading: Reading) -> dict[str, Any]:
    import converters

    config = arguments.parse_config(reading.config)
    file = converters.read(path, numpy_files=True)
    if file.container in ("npy", "npz"):
        return _describe_edit(path, converters.import_edit(file))
    facts = {
        "file": str(path),
        "container": file.container,
        "sha256": file.sha256,
    }
    try:
        found = converters.inspect(file, family=reading.family, config=config)
    except converters.CheckpointError as error:
        with contextlib.suppress(ValueError):
            return _describe_edit(path, converters.import_edit(file))
        # a file that no layout fits is worth describing to whoever may write one
        tensors = dict(_tensors(file.tensors))
        return facts | {"problem": str(error), "parts": {}, "tensors": tensors}
    return facts | {
        "parts": {
            part: {
                "family": plan.family,
                "format": plan.format,
                "licence": plan.licence,
                "config": config_to_json(plan.config),
                "assumed": list(plan.assumed),
                "tensors": dict(_tensors(plan.tensors)),
                "not_needed": sorted(plan.ignored),
                "missing": list(found.mismatches[part].missing),
                "extra": list(found.mismatches[part].extra),
                "misshapen": list(found.mismatches[part].misshapen),
            }
            for part, plan in found.plans.items()
        }
    }


def _tensors(tree: Any, name: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Every array of a file by dotted name: its dtype and shape."""
    if isinstance(tree, np.ndarray):
        yield name, [str(tree.dtype), list(tree.shape)]
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))


def lines(facts: Mapping[str, Any], *, tensors: bool) -> Iterator[str]:
    """A description as text.

    Args:
        facts: what `describe` returned.
        tensors: whether to list every tensor.
    """
    yield str(facts["file"])
    for name, value in facts.items():
        if name in ("file", "parts", "tensors", "problem"):
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {entry}" for key, entry in value.items())
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        if value not in (None, ""):
            yield f"  {name.replace('_', ' ')}: {value}"
    for part, described in facts.get("parts", {}).items():
        yield from _part_lines(part, described, tensors=tensors)
    if not facts.get("parts"):
        yield from _tensor_lines(facts.get("tensors", {}), ())


def _part_lines(part: str, facts: Mapping[str, Any], *, tensors: bool) -> Iterator[str]:
    layout = f", {facts['format']} layout" if facts["format"] else ""
    yield f"{part}: {facts['family']}{layout}"
    for name, value in facts["config"].items():
        mark = "  (assumed)" if name in facts["assumed"] else ""
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"  {name} ={mark}"
            yield from (f"    {_compact(entry)}" for entry in value)
        else:
            yield f"  {name} = {json.dumps(value)}{mark}"
    if facts["assumed"]:
        yield "  (assumed: not in the file; --config NAME=VALUE overrides it)"
    if tensors:
        yield from _tensor_lines(facts["tensors"], facts["not_needed"])
    fits = True
    for problem in ("missing", "extra", "misshapen"):
        if facts[problem]:
            fits = False
            yield f"  {problem} ({len(facts[problem])}): {', '.join(facts[problem])}"
    if fits:
        yield f"  {len(facts['tensors'])} tensors, every one fits"
    if facts["licence"]:
        yield f"  licence: {facts['licence']}"


def _compact(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in entry.items())


def _tensor_lines(
    tensors: Mapping[str, Any], not_needed: tuple[str, ...] | list[str]
) -> Iterator[str]:
    for name, (dtype, shape) in tensors.items():
        mark = "  (not needed)" if name in not_needed else ""
        yield f"  {name} {dtype} {shape}{mark}"
