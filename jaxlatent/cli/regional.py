"""Commands about regions of a picture: their Gram matrices, and directions for them."""

import dataclasses
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from jaxlatent.cli import arguments
from jaxlatent.cli.inputs import Samples
from jaxlatent.cli.masks import one_region, region_masks
from jaxlatent.cli.options import (
    NO_REGION,
    Background,
    Codes,
    Job,
    JobGroup,
    Page,
    PageGroup,
    Reading,
    Regions,
    RegionsGroup,
    group,
    option,
)
from jaxlatent.cli.session import Session
from jaxlatent.collectives import is_main
from jaxlatent.data import regions
from jaxlatent.data.pictures import ENDINGS, read_picture
from jaxlatent.edits.directions import Directions
from jaxlatent.gallery import grid, outline, save_png, shrink, spotlight
from jaxlatent.gallery.drawing import Heading, check_pictures
from jaxlatent.generators.rendering import render
from jaxlatent.gram_folders import read_region_grams, write_grams
from jaxlatent.jacobians import (
    Picture,
    View,
    mean_region_grams,
    pictures_at,
    recorded,
    size_of,
)
from jaxlatent.jobs import JOB_FILE
from jaxlatent.latents import to_synthesis
from jaxlatent.methods.lowrankgan import Leading, lowrankgan
from jaxlatent.methods.resefa import resefa
from jaxlatent.numerics.grams import locality_table
from jaxlatent.runs import Run

TABLE = "locality.csv"
THUMBNAIL = 256


@dataclasses.dataclass(frozen=True)
class Derivative:
    """Where pictures are differentiated, and how."""

    at: Annotated[str, option("SEEDS")] = "0"
    """Differentiate at codes of these seeds, and average."""
    grams: Annotated[Path | None, option("DIR")] = None
    """A folder that jacobian wrote, in place of differentiating."""
    num: int = 5
    """How many directions to draw."""


ViewGroup = Annotated[View, group("view")]
DerivativeGroup = Annotated[Derivative, group("derivative")]
EVERY_ROW = View(layers="all")
HERE = Derivative()


def jacobian(
    job: JobGroup,
    *,
    num: int | None = None,
    full: bool = False,
    parts: RegionsGroup = NO_REGION,
    view: ViewGroup = EVERY_ROW,
) -> None:
    """Gram matrices of the Jacobian at each code: of the picture, regions and rests.

    A run that was killed goes on where it stopped when it is started again.

    Args:
        job: What to work on.
        num: How many codes to draw, with seeds 0, 1, 2, ...; 1 if left out.
        full: Write the Jacobians themselves as well.
        parts: Regions; none for the whole picture alone.
        view: How pictures are differentiated.
    """
    session = Session.open(job, "jacobian", locals())
    first = session.samples(num, 1)
    pictures = _pictures(session, first, view)
    masks = region_masks(parts, size_of(pictures[0]))
    with session.progress("differentiating", len(pictures), "code") as progress:
        files = write_grams(
            job.out,
            pictures,
            masks,
            full=full,
            chunk=job.chunk,
            mesh=session.mesh,
            progress=progress,
        )
    if not is_main():
        return
    session.run.names += [JOB_FILE, *(file.name for file in files)]
    session.finish(first, read=parts.mask, regions=list(masks))
    print(f"Gram matrices of {len(files)} codes and {len(masks)} regions in {job.out}")


def discover_lowrankgan(
    job: JobGroup,
    *,
    relax: int = 0,
    leading: Annotated[Leading, group("leading")] = Leading(),
    parts: RegionsGroup = NO_REGION,
    view: ViewGroup = EVERY_ROW,
    derivative: DerivativeGroup = HERE,
    page: PageGroup = Page("-4:4:7"),
) -> None:
    """LowRankGAN: directions that change a region and nothing else, drawn as a page.

    Args:
        job: What to work on.
        relax: Keep so many fewer directions of the rest still.
        leading: How many directions lead in the region and in the rest.
        parts: The region, exactly one.
        view: How pictures are differentiated.
        derivative: Where they are differentiated.
        page: How directions are drawn.
    """
    session = Session.open(job, "discover lowrankgan", locals())
    method = partial(lowrankgan, leading=leading, relax=relax)
    _discover(session, method, parts, view, derivative, page)


def discover_resefa(
    job: JobGroup,
    *,
    tau: Annotated[float | None, option("SHARE")] = None,
    parts: RegionsGroup = NO_REGION,
    view: ViewGroup = EVERY_ROW,
    derivative: DerivativeGroup = HERE,
    page: PageGroup = Page("-4:4:7"),
) -> None:
    """ReSeFa: directions of most change in a region over that in the rest, as a page.

    Args:
        job: What to work on.
        tau: Share of the rest's mean change that counts as everywhere; 0, or 0.001
            where the rest hardly changes in some direction, if left out.
        parts: The region, exactly one.
        view: How pictures are differentiated.
        derivative: Where they are differentiated.
        page: How directions are drawn.
    """
    session = Session.open(job, "discover resefa", locals())
    _discover(session, partial(resefa, tau=tau), parts, view, derivative, page)


def draw_regions(
    picture: Annotated[str, tyro.conf.Positional, option("PICTURE")],
    out: Annotated[Path, option("DIR")],
    *,
    parts: RegionsGroup = NO_REGION,
    start: Annotated[Codes, group("code")] = Codes(),
    reading: Annotated[Reading, group("checkpoint")] = Reading(),
    background: Background = "white",
) -> None:
    """Draw regions over a picture: one PNG each, and a sheet of all.

    Args:
        picture: An image file, or a GENERATOR whose first code is drawn.
        out: The folder for the results.
        parts: Regions; none for all that have names.
        start: The code to draw.
        reading: How to read a checkpoint file.
        background: What transparent pixels of an image file are laid on.
    """
    words, model = dict(locals()), None
    if Path(picture).suffix.lower() in ENDINGS:
        for settings in (start, reading):
            arguments.refuse(settings, ", but PICTURE is an image file")
        run = Run(out, "regions", words)
        image, notes = read_picture(
            Path(picture), background=background, argument="PICTURE"
        )
        for note in notes:
            warnings.warn(f"PICTURE: {picture} is {note}", stacklevel=1)
    else:
        if background != "white":
            raise ValueError("background: given, but PICTURE is no image file")
        job = Job(picture, out, start=start, reading=reading)
        session = Session.open(job, "regions", words)
        run, model = session.run, session.generator
        check_pictures(model)
        drawn = session.samples(default=1).latents
        ready = to_synthesis(model, drawn, session.truncation)
        image = render(model, ready, drawn.label)[0]
    if not (parts.region or parts.rectangle or parts.mask):
        parts = Regions(region=tuple(regions.REGIONS))
    masks = region_masks(parts, (image.shape[0], image.shape[1]))
    tiles = []
    for name, mask in masks.items():
        tiles.append(outline(spotlight(image, mask), mask))
        plain = "".join(one if one.isalnum() or one in "_-" else "_" for one in name)
        save_png(run.file(f"{plain}.png"), tiles[-1])
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        print(
            f"{name}: rows {rows[0]}-{rows[-1]}, columns {columns[0]}-{columns[-1]}, "
            f"{np.count_nonzero(mask)} pixels"
        )
    sheet = run.file("sheet.png")
    tiles = shrink(np.stack(tiles), most=THUMBNAIL)
    save_png(sheet, grid(tiles, columns=int(np.ceil(len(tiles) ** 0.5))))
    run.finish(model, inputs=(picture, start.codes, *parts.mask), regions=list(masks))
    print(sheet)


def _pictures(session: Session, samples: Samples, view: View) -> list[Picture]:
    return pictures_at(session.generator, samples.latents, view, session.truncation)


def _discover(
    session: Session,
    method: Callable[..., Directions],
    parts: Regions,
    view: View,
    derivative: Derivative,
    page: Page,
) -> None:
    """Gram matrices, directions from them, and the page."""
    if derivative.grams is not None:
        arguments.refuse(derivative, " together with grams", "at")
    at = session.samples(seeds=derivative.at, numpy_seeds=None, codes=None, space=None)
    pictures = _pictures(session, at, view)
    session.check(page, pictures[0].space)
    name, mask = one_region(parts, size_of(pictures[0]))
    if derivative.grams is None:
        count = len(pictures)
        with session.progress("differentiating", count, "code") as progress:
            region, rest = mean_region_grams(
                pictures,
                mask,
                chunk=session.job.chunk,
                mesh=session.mesh,
                progress=progress,
            )
    else:
        count, region, rest = read_region_grams(derivative.grams, pictures[0], mask)
    edit = method(region, rest, **recorded(session.generator, pictures[0]))
    table, ratios, random = locality_table(edit.report, edit.names, region, rest)
    if is_main():
        session.run.file(TABLE).write_text(table)
    shown = ", ".join(
        f"{one} {ratio:.3g}"
        for one, ratio in zip(edit.names[: derivative.num], ratios, strict=False)
    )
    lines = [
        "Each row should change the outlined region and leave the rest alone, as far "
        f"as the derivative at {count} code{'s'[count == 1 :]} tells.",
        f"Change in the rest over change in the region: {shown}; random directions "
        f"{random:.3g}.",
    ]
    title = {"lowrankgan": "LowRankGAN", "resefa": "ReSeFa"}[edit.method]
    session.draw(
        {f"{edit.method}.npz": edit},
        page,
        Heading(
            f"{title} directions of {session.name}: {name}",
            lines,
            decorate=partial(outline, mask=mask),
        ),
        range(min(derivative.num, len(edit))),
        read=parts.mask,
        leak_over_gain=ratios,
        random_leak_over_gain=random,
    )
    if is_main():
        print(table, end="")
