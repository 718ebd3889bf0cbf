"""Pictures of codes, of their mixtures, and of the way from one to the next."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent import checkpoint
from jaxlatent.cli import arguments
from jaxlatent.cli.inputs import Samples
from jaxlatent.cli.options import JobGroup, Rows, option
from jaxlatent.cli.session import Session
from jaxlatent.collectives import is_main
from jaxlatent.gallery import enlarge, grid, save_gif, save_png
from jaxlatent.gallery.drawing import check_pictures
from jaxlatent.generators.rendering import render
from jaxlatent.latents import (
    Latents,
    last_space,
    mix_rows,
    to_space,
    to_synthesis,
)
from jaxlatent.latents import (
    interpolate as interpolated,
)
from jaxlatent.types import parse_layers


@dataclass(frozen=True, eq=False)
class Sheet:
    """What is drawn: N latents with a name each, and the codes that are kept.

    Attributes:
        latents: before the synthesis network.
        names: N names.
        codes: by space, to be written.
        columns: of the sheet of all pictures, None for a square one.
    """

    latents: Latents
    names: tuple[str, ...]
    codes: dict[str, jax.Array]
    columns: int | None = None


def sample(
    job: JobGroup,
    *,
    num: int | None = None,
    mix: Annotated[str | None, option("SEEDS")] = None,
    layers: Rows = None,
    interpolate: int | None = None,
    path: Literal["z", "w"] | None = None,
) -> None:
    """Draw pictures: one PNG each, a sheet of all, and their codes.

    Args:
        job: What to work on.
        num: How many codes to draw, with seeds 0, 1, 2, ...; 8 if left out.
        mix: Mix styles: a column for each of these seeds, the sources of rows of w+;
            they are numpy-seeds where the codes are.
        layers: The rows that come from the sources, such as 0-3.
        interpolate: Pictures on the way from each code to the next, and a GIF of them.
        path: The way: spherical in z, or linear in w; by the codes' space if left out.
    """
    session = Session.open(job, "sample", locals())
    if mix is not None and interpolate is not None:
        raise ValueError("mix: given together with interpolate; one is accepted")
    if mix is None and layers is not None:
        raise ValueError("layers: given without mix")
    if interpolate is None and path is not None:
        raise ValueError("path: given without interpolate")
    check_pictures(session.generator)
    first = session.samples(num, 8)
    if mix is not None:
        sheet = _mixed(session, first, mix, layers)
    elif interpolate is not None:
        path = path or ("z" if first.latents.space == "z" else "w")
        sheet = _between(session, first, interpolate, path)
    else:
        latents = _carry(session, first.latents)
        codes = {first.latents.space: first.latents.codes, latents.space: latents.codes}
        sheet = Sheet(latents, first.names, codes)
    with session.progress("drawing", len(sheet.names)) as progress:
        images = render(
            session.generator,
            to_synthesis(session.generator, sheet.latents),
            sheet.latents.label,
            chunk=job.chunk,
            mesh=session.mesh,
            progress=progress,
        )
    if not is_main():
        return
    run = session.run
    overview = run.file("sheet.png")
    save_png(overview, grid(images, columns=sheet.columns))
    files = [f"{name.replace(', ', '_').replace(' ', '_')}.png" for name in sheet.names]
    with session.progress("writing", len(images)) as progress:
        for file, image in zip(files, images, strict=True):
            save_png(run.file(file), image)
            progress(1)
    if interpolate is not None:
        save_gif(run.file("interpolation.gif"), enlarge(images))
    label = sheet.latents.label
    labels = {} if label is None else {"label": label}
    checkpoint.save_arrays(run.file("codes.npz"), sheet.codes | labels)
    session.finish(first, pictures=files)
    print(f"Pictures: {len(images)}, a sheet of all, and their codes")
    print(overview.resolve())


def _carry(session: Session, latents: Latents) -> Latents:
    model = session.generator
    space = "s" if latents.space == "s" else last_space(model)
    return to_space(model, latents, space, session.truncation)


def _mixed(session: Session, first: Samples, seeds: str, layers: str | None) -> Sheet:
    """Each code beside its mixtures with every seed."""
    if layers is None:
        raise ValueError("layers: missing; mix takes some rows of w+, such as 0-3")
    rows = parse_layers(layers, session.generator.config.num_layers)
    # sources are drawn as the codes are
    kind = "seeds" if session.job.start.numpy_seeds is None else "numpy_seeds"
    drawn: dict[str, Any] = dict.fromkeys(("codes", "space", "seeds", "numpy_seeds"))
    drawn[kind] = seeds
    sources = session.samples(**drawn)
    own, other = (_carry(session, one.latents) for one in (first, sources))
    everyone = range(session.generator.config.num_layers)
    mixed = mix_rows(own.codes, other.codes, everyone if rows is None else rows)
    codes = jnp.concatenate([own.codes[:, None], mixed], axis=1)  # [N, 1 + M, L, D]
    columns = codes.shape[1]
    codes = codes.reshape(-1, *own.codes.shape[1:])
    names = tuple(
        name if source is None else f"{name} mix {source.split()[-1]}"
        for name in first.names
        for source in (None, *sources.names)
    )
    label = None if own.label is None else jnp.repeat(own.label, columns, axis=0)
    latents = Latents(codes, own.space, label)
    return Sheet(latents, names, {own.space: codes}, columns)


def _between(session: Session, first: Samples, steps: int, path: str) -> Sheet:
    """Every code and the steps between it and the next."""
    arguments.at_least_one(steps, "interpolate")
    if len(first.names) < 2:
        raise ValueError("interpolate: two codes or more are needed")
    model, latents = session.generator, first.latents
    label = latents.label
    if label is not None and len(np.unique(np.asarray(label), axis=0)) > 1:
        raise ValueError("label: several given; interpolate stays in one class")
    if path == "w" and latents.space == "z" and "w" in model.code_spaces:
        latents = to_space(model, latents, "w")
    if path == "z" and latents.space != "z":
        raise ValueError(f"path: z given, but the codes are in {latents.space}")
    codes = interpolated(latents.codes, steps, spherical=path == "z")
    count = codes.shape[0]
    label = None if label is None else jnp.repeat(label[:1], count, axis=0)
    names = tuple(f"step {index:04d}" for index in range(count))
    carried = _carry(session, Latents(codes, latents.space, label))
    return Sheet(carried, names, {latents.space: codes, carried.space: carried.codes})
