"""Keeping generators and edits on disk.

A generator is a folder: `generator.json` (family, config, where it came from),
`params/` (orbax) and `MANIFEST.json` (the SHA-256 of every other file).
Orbax has no checksums of its own, so a flipped bit would load as a wrong weight; here
`load_generator` verifies the manifest first. An edit is one `.npz` without pickles.
Everything is written under a temporary name and renamed when it is complete.
"""

import dataclasses
import hashlib
import json
import math
import os
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict, unfreeze
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxlatent.edits.base import EDIT_KINDS, Edit
from jaxlatent.edits.checking import checked
from jaxlatent.files import (
    HARMLESS_BYTES,
    UNREADABLE,
    atomic_folder,
    atomic_write,
    encode_arrays,
    read_arrays,
)
from jaxlatent.generators.base import (
    Generator,
    config_from_json,
    config_to_json,
    family_module,
    family_name,
    fingerprint,
)
from jaxlatent.texts import printable, shown
from jaxlatent.types import CheckpointError, Origin

FORMAT_VERSION = 1
GENERATOR_FILE = "generator.json"
MANIFEST_FILE = "MANIFEST.json"
PARAMS_FOLDER = "params"
EDIT_HEADER = "header"
EDIT_VERSION = 1
_HEADER = {
    **dict.fromkeys(("family", "fingerprint"), str),
    **dict.fromkeys(("config", "parameters", "origin", "versions"), dict),
}
"""What `GENERATOR_FILE` holds beside its format."""
_MOST_WORDS = 300
_MOST_DENSE = 1000
"""Bytes of weights for each that a folder takes; orbax compresses what repeats."""
RESERVED = ("kind", "version", "dtypes", EDIT_HEADER)
"""What an edit's fields cannot be called, for its file uses the names."""


def save_generator(
    path: str | os.PathLike[str],
    generator: Generator,
    *,
    overwrite: bool = False,
) -> None:
    """Write a generator to a folder, completely or not at all.

    Args:
        path: the folder to make.
        generator: what to write, not prepared.
        overwrite: replace an earlier generator at `path`.

    Raises:
        FileExistsError: if `path` exists and `overwrite` is false, or if what is there
            is no generator.
        ValueError: for a generator of a family that cannot be kept on disk, or one that
            is prepared, whose weights are not those that a file holds.
    """
    from orbax.checkpoint import v1 as ocp

    family = family_name(generator.config)
    if type(generator.config) is not family_module(family).Config:
        raise ValueError(
            f"generator: {type(generator.config)} is no config of {family}"
        )
    if generator.is_prepared:
        raise ValueError("generator: prepared; save the one it was prepared from")
    flat = flatten_dict(generator.params, sep=".")
    arrays = {name: jnp.asarray(leaf) for name, leaf in flat.items()}
    header = {
        "format": FORMAT_VERSION,
        "family": family,
        "config": config_to_json(generator.config),
        "fingerprint": fingerprint(generator),
        "parameters": {
            name: [str(array.dtype), list(array.shape)]
            for name, array in arrays.items()
        },
        "origin": dataclasses.asdict(generator.origin),
        "versions": {name: version(name) for name in ("jaxlatent", "jax", "numpy")},
    }
    if os.path.exists(path) and not (overwrite and is_generator(path)):
        reason = "is not a generator" if overwrite else "exists"
        raise FileExistsError(f"{path} {reason}; choose another name")
    with atomic_folder(path) as folder:
        (folder / GENERATOR_FILE).write_text(json.dumps(header, indent=1) + "\n")
        # orbax refuses empty arrays and empty trees, and shapes alone restore them
        kept = {name: array for name, array in arrays.items() if array.size}
        if kept:
            ocp.save(str(folder.resolve() / PARAMS_FOLDER), kept)
        (folder / MANIFEST_FILE).write_bytes(_manifest_text(_hashes(folder)))


def load_generator(path: str | os.PathLike[str]) -> Generator:
    """Read a generator that `save_generator` wrote.

    The arrays are not committed to a device, so that sharded latents may meet them.

    Raises:
        CheckpointError: if the folder is no generator or any of its bits changed.
    """
    from orbax.checkpoint import v1 as ocp

    folder = Path(path)
    header = read_header(folder)
    try:
        config = config_from_json(header["family"], header["config"])
        empty = _templates(folder, header["parameters"])
        kept = {name: array for name, array in empty.items() if array.size}
        restored = ocp.load(str(folder.resolve() / PARAMS_FOLDER), kept) if kept else {}
        arrays = {
            name: jnp.asarray(array) for name, array in (empty | restored).items()
        }
        return Generator(
            params=unflatten_dict(arrays, sep="."),
            config=config,
            origin=origin_of(header["origin"]),
        )
    except UNREADABLE as error:
        reason = printable(str(error) or type(error).__name__, _MOST_WORDS)
        raise CheckpointError(f"{folder}: {reason}") from error


def _templates(folder: Path, entries: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays of the shapes that a header tells; no page of them is touched.

    Raises:
        ValueError: for what is no shape or dtype of floats, or far more than the folder
            can hold.
    """
    empty = {}
    for name, (dtype, shape) in entries.items():
        if not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError(f"{shown(name)}: a shape that is none")
        if not jnp.issubdtype(kind := jnp.dtype(dtype), jnp.floating):
            raise ValueError(f"{shown(name)}: {kind}; floating parameters are accepted")
        empty[name] = (tuple(shape), kind)
    needed = sum(math.prod(shape) * kind.itemsize for shape, kind in empty.values())
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if needed > max(_MOST_DENSE * there, HARMLESS_BYTES):
        raise ValueError(f"parameters of {needed} bytes, in files of {there}")
    return {name: np.zeros(*one) for name, one in empty.items()}


def origin_of(values: Mapping[str, Any]) -> Origin:
    """What a header tells of where weights come from; JSON has lists alone.

    Raises:
        ValueError: for values of other types.
    """
    told = {}
    for field in dataclasses.fields(Origin):
        if field.name not in values:
            continue
        value, kind = values[field.name], type(getattr(Origin(), field.name))
        value = tuple(value) if isinstance(value, list) else value
        texts = value if kind is tuple else ()
        if not isinstance(value, kind) or not all(isinstance(t, str) for t in texts):
            raise ValueError(f"origin: {field.name}: {shown(value)} there")
        told[field.name] = value
    return Origin(**told)


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON values of a generator's folder, after its manifest was verified.

    Raises:
        CheckpointError: if the folder is no generator or any of its bits changed.
    """
    folder = Path(path)
    verify(folder)
    try:
        header = json.loads((folder / GENERATOR_FILE).read_bytes())
    except UNREADABLE as error:
        raise CheckpointError(f"{folder}: {GENERATOR_FILE} is no JSON") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{folder}: {GENERATOR_FILE} holds no JSON object")
    if header.get("format") != FORMAT_VERSION:
        raise CheckpointError(
            f"{folder}: format {shown(header.get('format'))}; {FORMAT_VERSION} is "
            "accepted"
        )
    for name, kind in _HEADER.items():
        if not isinstance(header.get(name), kind):
            raise CheckpointError(
                f"{folder}: {GENERATOR_FILE}: {name}: {shown(header.get(name))} there; "
                f"a {'text' if kind is str else 'JSON object'} is accepted"
            )
    return header


def is_generator(path: str | os.PathLike[str]) -> bool:
    """Whether a path looks like a folder that `save_generator` wrote."""
    return (Path(path) / MANIFEST_FILE).is_file()


def verify(path: str | os.PathLike[str]) -> None:
    """Hold every file of a folder against its manifest.

    Raises:
        CheckpointError: names what is missing, additional or changed.
    """
    folder = Path(path)
    manifest = folder / MANIFEST_FILE
    if not manifest.is_file():
        raise CheckpointError(f"{folder}: no {MANIFEST_FILE}, so not a generator")
    text = manifest.read_bytes()
    expected: Any = None
    try:
        expected = json.loads(text)["files"]
        sound = text == _manifest_text(expected)
    except UNREADABLE:
        sound = False
    if not sound or not isinstance(expected, dict):
        raise CheckpointError(f"{manifest}: damaged")
    found = _hashes(folder)
    wrong = sorted(
        name
        for name in found.keys() | expected.keys()
        if found.get(name) != expected.get(name)
    )
    if wrong:
        named = printable(", ".join(wrong), _MOST_WORDS)
        raise CheckpointError(
            f"{folder}: not as it was written: {named}; convert it again"
        )


def file_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def save_edit(path: str | os.PathLike[str], edit: Edit) -> None:
    """Write an edit as `.npz`: a JSON header and its arrays by field.

    Args:
        path: the file, replaced if it exists.
        edit: a `flax.struct.dataclass` whose class is registered by `register_edit`.
            Its pytree fields hold arrays, None, nested dicts of arrays, or another such
            edit, its static fields JSON values and tuples.

    Raises:
        TypeError: for another class, or a field with other values or a name in
            `RESERVED`.
    """
    header, arrays = _take_apart(edit, ())
    # NumPy's format knows neither bfloat16 nor its like
    narrow = {name: str(a.dtype) for name, a in arrays.items() if a.dtype.kind == "V"}
    for name in narrow:
        arrays[name] = arrays[name].view(f"u{arrays[name].itemsize}")
    header |= {"version": EDIT_VERSION, "dtypes": narrow}
    text = json.dumps(header, default=_plain_json)
    encoded = np.frombuffer(text.encode(), np.uint8)
    save_arrays(path, {EDIT_HEADER: encoded} | arrays)


def _take_apart(
    edit: Any, path: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """An edit's kind and static values, and its arrays by name."""
    kinds = {cls: kind for kind, cls in EDIT_KINDS.items()}
    if type(edit) not in kinds:
        raise TypeError(
            f"edit: {type(edit).__name__} given; of the kinds {sorted(EDIT_KINDS)} can "
            "be saved; register_edit adds others"
        )
    values: dict[str, Any] = {"kind": kinds[type(edit)]}
    arrays: dict[str, np.ndarray] = {}
    for field in dataclasses.fields(edit):
        if field.name in RESERVED:
            raise TypeError(f"edit: its field {field.name!r} needs another name")
        value = getattr(edit, field.name)
        here = (*path, field.name)
        empty = value is None or (isinstance(value, dict) and not value)
        if type(value) in kinds:
            values[field.name], inner = _take_apart(value, here)
            arrays |= inner
        elif empty or not field.metadata.get("pytree_node", True):
            values[field.name] = value
        else:
            tree: dict[Any, Any] = flatten_dict({field.name: value})  # pyright: ignore
            arrays |= {
                _member((*path, *keys)): np.asarray(leaf) for keys, leaf in tree.items()
            }
    return values, arrays


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write named arrays as `.npz`, whole or not at all.

    Raises:
        TypeError: for what is no array of numbers, which NumPy would pickle.
    """
    atomic_write(path, encode_arrays(arrays))


def load_edit(path: str | os.PathLike[str]) -> Any:
    """Read an edit that `save_edit` wrote.

    A field that the file's version did not have yet takes its default. What the kind's
    factory would refuse is refused here as well.

    Raises:
        CheckpointError: if the file is not such an edit, is damaged, or of a later
            version.
    """
    try:
        arrays = read_arrays(path)
        if not isinstance(arrays, dict):
            raise ValueError("one array alone")
        header = json.loads(arrays.pop(EDIT_HEADER).tobytes())
        written = header.pop("version")
        if type(written) is not int or not 1 <= written <= EDIT_VERSION:
            raise ValueError(
                f"version {shown(written)}; 1 to {EDIT_VERSION} are accepted"
            )
        for name, dtype in header.pop("dtypes").items():
            arrays[name] = arrays[name].view(jnp.dtype(dtype))
        tree = unflatten_dict(
            {
                tuple(unquote(key) for key in name.split("/")): jnp.asarray(array)
                for name, array in arrays.items()
            }
        )
        return _put_together(header, tree)
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        reason = printable(str(error) or type(error).__name__, _MOST_WORDS)
        raise CheckpointError(f"{path}: not an edit, or damaged: {reason}") from error


def is_edit(path: str | os.PathLike[str]) -> bool:
    """Whether a file looks like one that `save_edit` wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{EDIT_HEADER}.npy" in archive.namelist()
    except UNREADABLE:
        return False


def _member(keys: tuple[str, ...]) -> str:
    """A nested dict's keys as one name, the slash in a key told from those between."""
    return "/".join(quote(key, safe=" +:") for key in keys)


def _put_together(values: Mapping[str, Any], tree: Mapping[str, Any]) -> Any:
    """The edit of a header's values and of arrays by field."""
    values = dict(values)
    kind = values.pop("kind")
    if kind not in EDIT_KINDS:
        raise ValueError(f"kind {shown(kind)}; {sorted(EDIT_KINDS)} are known here")
    cls = EDIT_KINDS[kind]
    fields = {field.name: field for field in dataclasses.fields(cls)}
    found: dict[str, Any] = {}
    for name, field in fields.items():
        static = not field.metadata.get("pytree_node", True)
        if name in values and static:
            found[name] = _hashable(values[name])
        elif values.get(name):
            found[name] = _put_together(values[name], tree.get(name, {}))
        elif name in values:
            if values[name] not in (None, {}) or name in tree:
                raise ValueError(f"{name}: a value where arrays are accepted")
            found[name] = values[name]
        elif name in tree:
            found[name] = tree[name]
    nothing = {dataclasses.MISSING}
    lacking = {
        name
        for name, field in fields.items()
        if name not in found and {field.default, field.default_factory} == nothing
    }
    if wrong := sorted(lacking | (values.keys() | tree.keys()) - fields.keys()):
        raise ValueError(f"{wrong} missing, or unknown to {cls.__name__}")
    return checked(cls(**found))


def _hashable(value: Any) -> Any:
    """JSON's lists as tuples and its objects frozen, as static fields hold them."""
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return FrozenDict({name: _hashable(entry) for name, entry in value.items()})
    return value


def _plain_json(value: Any) -> Any:
    if isinstance(value, FrozenDict):
        return unfreeze(value)
    raise TypeError(f"edit: holds a {type(value).__name__}, which JSON has no word for")


def _manifest_text(hashes: Mapping[str, str]) -> bytes:
    """The one text that stands for these hashes; it also covers itself."""
    own = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    return json.dumps(
        {"files": hashes, "sha256": own}, indent=1, sort_keys=True
    ).encode()


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder).as_posix()): file_hash(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != folder / MANIFEST_FILE
    }
