"""What a run leaves behind: its record and its gallery."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxlatent.checkpoint import file_hash
from jaxlatent.cli.arguments import Codes, Start, start_codes
from jaxlatent.editing import traverse_images
from jaxlatent.files import atomic_write
from jaxlatent.gallery import Gallery, Row, grid, save_gif, save_png, write_page
from jaxlatent.gallery import enlarge as enlarge_pictures
from jaxlatent.generators.base import (
    Generator,
    config_to_json,
    family_name,
    fingerprint,
)
from jaxlatent.types import Edit

RUN_FILE = "run.json"
PAGE_FILE = "index.html"


def write_run(
    out: Path,
    command: str,
    arguments: dict[str, Any],
    generator: Generator,
    **extra: Any,
) -> None:
    """Write `run.json`: everything needed to repeat a run, and what it wrote.

    Args:
        out: the run's folder; the files already in it are recorded with their hashes.
        command: the command's words.
        arguments: its arguments, defaults included.
        generator: the generator.
        **extra: further JSON values.
    """
    record = {
        "command": command,
        "arguments": {name: _plain(value) for name, value in arguments.items()},
        "generator": {
            "family": family_name(generator.config),
            "config": config_to_json(generator.config),
            "fingerprint": fingerprint(generator),
        },
        **extra,
        "versions": {
            "python": sys.version.split()[0],
            **{name: version(name) for name in ("jaxlatent", "jax", "jaxlib", "numpy")},
        },
        "device": jax.devices()[0].device_kind,
        "files": {
            file.name: file_hash(file)
            for file in sorted(out.iterdir())
            if file.is_file() and file.name != RUN_FILE
        },
    }
    atomic_write(out / RUN_FILE, (json.dumps(record, indent=1) + "\n").encode())


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(entry) for name, entry in asdict(value).items()}
    return value if isinstance(value, int | float | str | None | list) else str(value)


@contextmanager
def progress_bar(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, shown once the work has lasted a second."""
    from tqdm import tqdm

    with tqdm(total=total, desc=label, unit="image", delay=1.0, leave=False) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance


def write_traversals(
    out: Path,
    generator: Generator,
    edit: Edit,
    indices: Sequence[int],
    strengths: Sequence[float],
    options: Codes,
    *,
    title: str,
    lines: Sequence[str] = (),
    facts: Sequence[tuple[str, str]] = (),
    values: Sequence[float] | None = None,
    chunk: int = 8,
) -> Path:
    """Draw directions for every code: a grid and a GIF each, and the page of all.

    Args:
        out: folder, made if it is missing.
        generator: the generator.
        edit: the edit.
        indices: the directions to draw.
        strengths: the columns.
        options: the codes to start from.
        title: of the page.
        lines: paragraphs below it.
        facts: label and value pairs.
        values: one number per direction of the edit, to rank by.
        chunk: images per compiled call.

    Returns:
        The page's path.
    """
    out.mkdir(parents=True, exist_ok=True)
    start: Start = start_codes(options, generator)
    total = len(indices) * len(strengths) * len(start.names)
    rows = []
    with progress_bar(total, "drawing") as progress:
        for index in indices:
            images = traverse_images(
                generator,
                edit,
                start.codes,
                index,
                strengths,
                space=start.space,
                psi=options.truncation,
                cutoff=options.cutoff,
                label=start.label,
                chunk=chunk,
                progress=progress,
            )
            save_png(out / f"direction_{index:03d}.png", grid(images))
            frames = np.stack(
                [
                    grid(images[:, step], columns=len(images))
                    for step in range(len(strengths))
                ]
            )
            save_gif(out / f"direction_{index:03d}.gif", enlarge_pictures(frames))
            rows.append(
                Row(
                    name=edit.names[index],
                    index=index,
                    pictures=images,
                    value=None if values is None else float(values[index]),
                )
            )
    gallery = Gallery(
        title=title,
        rows=rows,
        strengths=strengths,
        codes=start.names,
        lines=lines,
        facts=facts,
    )
    write_page(out / PAGE_FILE, gallery)
    return out / PAGE_FILE
