"""Commands about regions of a picture: their Gram matrices, and directions for them."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import tyro
from jax.sharding import Mesh

from jaxlatent.cli import arguments, inputs
from jaxlatent.cli.derivatives import (
    AS_A_WHOLE,
    NOWHERE,
    Derivative,
    DerivativeGroup,
    Regions,
    RegionsGroup,
    digest,
    pictures_at,
    region_masks,
    side,
)
from jaxlatent.cli.devices import ONE_DEVICE, DevicesGroup, open_mesh
from jaxlatent.cli.drawing import Moves, draw_edit
from jaxlatent.cli.options import (
    AS_IT_IS,
    DRAWN,
    Codes,
    CodesGroup,
    Flag,
    GeneratorText,
    Number,
    Out,
    ReadingGroup,
    Strengths,
    option,
    positional,
)
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.runs import Run
from jaxlatent.collectives import agree, is_main
from jaxlatent.data import regions
from jaxlatent.editing import to_space
from jaxlatent.edits.directions import Directions
from jaxlatent.files import read_arrays
from jaxlatent.gallery import grid, outline, save_png, shrink, spotlight
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.generators.rendering import render
from jaxlatent.jacobians import (
    Picture,
    full_jacobian,
    region_grams,
    weighted_grams,
)
from jaxlatent.jobs import JOB_FILE, run_job
from jaxlatent.methods.lowrankgan import RANKS, Rank, lowrankgan
from jaxlatent.methods.resefa import resefa
from jaxlatent.numerics.grams import gram_pair, unit_locality

TABLE = "locality.csv"
THUMBNAIL = 256
RANDOM = 100
"""Random directions whose gain and leak stand beside those that were found."""

At = Annotated[str, option("SEEDS")]
Stored = Annotated[Path | None, option("DIR")]


def jacobian(
    generator: GeneratorText,
    out: Out,
    *,
    num: Number = 1,
    full: Flag = False,
    where: RegionsGroup = NOWHERE,
    derivative: DerivativeGroup = AS_A_WHOLE,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
    devices: DevicesGroup = ONE_DEVICE,
) -> None:
    """Gram matrices of the Jacobian at each code: of the picture, regions and rests.

    A run that was killed goes on where it stopped when it is started again.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        out: The folder for the results.
        num: How many codes to draw, with seeds 0, 1, 2, ...
        full: Write the Jacobians themselves as well.
        where: Regions; none for the whole picture alone.
        derivative: How pictures are differentiated.
        start: The codes.
        reading: How to read GENERATOR if it is a checkpoint file.
        devices: How many devices and processes compute.
    """
    run = Run(out, "jacobian", dict(locals()))
    mesh = open_mesh(devices, run.arguments)
    model = inputs.open_generator(generator, reading, start.truncation)
    agree(model, "GENERATOR")
    first = inputs.start_codes(start, model, num=num)
    pictures = pictures_at(model, first, start, derivative)
    pixels = side(pictures[0])
    names, masks = region_masks(where, pixels)
    weights = np.concatenate(
        [np.ones((1, pixels, pixels), np.float32)]
        + [np.stack([mask, 1 - mask]) for mask in masks]
    )

    def compute(index: int) -> dict[str, np.ndarray]:
        given = pictures[index]
        grams = weighted_grams(given, weights, chunk=derivative.tangents, mesh=mesh)
        found = {"latent": np.asarray(given.base), "gram": grams[0]}
        if masks:
            found["regions"] = grams[1:].reshape(len(masks), 2, *grams.shape[1:])
        if full:
            found["jacobian"] = full_jacobian(given, chunk=derivative.tangents)
        return found

    config = {
        "generator": fingerprint(model),
        "codes": [digest(given.base) for given in pictures],
        "space": pictures[0].space,
        "layers": pictures[0].layers,
        "size": pixels,
        "channels": derivative.channels,
        "resize": derivative.resize,
        "regions": {
            name: digest(mask) for name, mask in zip(names, masks, strict=True)
        },
        "full": full,
    }
    with progress_bar("differentiating", len(pictures), unit="code") as progress:
        files = run_job(out, config, len(pictures), compute, progress=progress)
    if not is_main():
        return
    run.names.extend([JOB_FILE, *(file.name for file in files)])
    run.finish(
        model,
        inputs=(generator, start.codes, *where.mask),
        seeds=first.seeds,
        codes=first.names,
        regions=names,
    )
    print(f"Gram matrices of {len(files)} codes and {len(names)} regions in {out}")


def discover_lowrankgan(
    generator: GeneratorText,
    out: Out,
    *,
    leading: Annotated[str, option("HOW")] = "energy",
    energy: Annotated[float, option("SHARE")] = 0.99,
    relax: Number = 0,
    at: At = "0",
    grams: Stored = None,
    num: Number = 5,
    strengths: Strengths = "-4:4:7",
    chunk: Number = 8,
    where: RegionsGroup = NOWHERE,
    derivative: DerivativeGroup = AS_A_WHOLE,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
    devices: DevicesGroup = ONE_DEVICE,
) -> None:
    """LowRankGAN: directions that change a region and nothing else, drawn as a page.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        out: The folder for the results.
        leading: How many eigenvectors lead: energy, tol, reference, pcp or a number.
        energy: Share of the change that leads, for energy.
        relax: Keep so many fewer directions of the rest still.
        at: Differentiate at codes of these seeds, and average.
        grams: A folder that jacobian wrote, in place of differentiating.
        num: How many directions to draw.
        strengths: Columns: start:stop:count, or a list such as -2,0,2.
        chunk: Pictures per compiled call; less needs less memory.
        where: The region, exactly one.
        derivative: How pictures are differentiated.
        start: The codes to edit; seeds 0 to 2 if none are chosen.
        reading: How to read GENERATOR if it is a checkpoint file.
        devices: How many devices and processes compute and draw.
    """
    run = Run(out, "discover lowrankgan", dict(locals()))
    how: Rank = int(leading) if leading.isdecimal() else leading
    if isinstance(how, str) and how not in RANKS:
        raise ValueError(
            f"--leading: {leading!r} given; a number or one of {', '.join(RANKS)} is "
            "accepted"
        )
    _discover(
        run,
        partial(lowrankgan, rank=how, energy=energy, relax=relax),
        generator,
        Asked(at, grams, num, strengths, chunk),
        where,
        derivative,
        start,
        reading,
        open_mesh(devices, run.arguments),
        title="LowRankGAN directions",
    )


def discover_resefa(
    generator: GeneratorText,
    out: Out,
    *,
    tau: Annotated[float | None, option("SHARE")] = None,
    at: At = "0",
    grams: Stored = None,
    num: Number = 5,
    strengths: Strengths = "-4:4:7",
    chunk: Number = 8,
    where: RegionsGroup = NOWHERE,
    derivative: DerivativeGroup = AS_A_WHOLE,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
    devices: DevicesGroup = ONE_DEVICE,
) -> None:
    """ReSeFa: directions of most change in a region over that in the rest, as a page.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        out: The folder for the results.
        tau: Share of the rest's mean change that counts as everywhere; 0, or 0.001
            where the rest hardly changes in some direction, if left out.
        at: Differentiate at codes of these seeds, and average.
        grams: A folder that jacobian wrote, in place of differentiating.
        num: How many directions to draw.
        strengths: Columns: start:stop:count, or a list such as -2,0,2.
        chunk: Pictures per compiled call; less needs less memory.
        where: The region, exactly one.
        derivative: How pictures are differentiated.
        start: The codes to edit; seeds 0 to 2 if none are chosen.
        reading: How to read GENERATOR if it is a checkpoint file.
        devices: How many devices and processes compute and draw.
    """
    run = Run(out, "discover resefa", dict(locals()))
    _discover(
        run,
        partial(resefa, tau=tau),
        generator,
        Asked(at, grams, num, strengths, chunk),
        where,
        derivative,
        start,
        reading,
        open_mesh(devices, run.arguments),
        title="ReSeFa directions",
    )


def draw_regions(
    picture: Annotated[str, tyro.conf.Positional, positional("PICTURE")],
    out: Out,
    *,
    where: RegionsGroup = NOWHERE,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
) -> None:
    """Draw regions over a picture: one PNG each, and a sheet of all.

    Args:
        picture: An image file, or a GENERATOR whose first code is drawn.
        out: The folder for the results.
        where: Regions; none for all that have names.
        start: The code to draw.
        reading: How to read a checkpoint file.
    """
    run = Run(out, "regions", dict(locals()))
    model, image = _image(picture, start, reading)
    if not (where.region or where.rectangle or where.mask):
        where = Regions(region=tuple(regions.REGIONS))
    names, masks = region_masks(where, (image.shape[0], image.shape[1]))
    tiles = []
    for name, mask in zip(names, masks, strict=True):
        tiles.append(outline(spotlight(image, mask), mask))
        save_png(run.file(f"{_plain(name)}.png"), tiles[-1])
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        print(
            f"{name}: rows {rows[0]}-{rows[-1]}, columns {columns[0]}-{columns[-1]}, "
            f"{np.count_nonzero(mask)} pixels"
        )
    columns = int(np.ceil(len(tiles) ** 0.5))
    sheet = run.file("sheet.png")
    save_png(sheet, grid(shrink(np.stack(tiles), most=THUMBNAIL), columns=columns))
    run.finish(model, inputs=(picture, start.codes, *where.mask), regions=names)
    print(sheet)


class Asked(NamedTuple):
    """What both methods are asked."""

    at: str
    grams: Path | None
    num: int
    strengths: str
    chunk: int


def _discover(
    run: Run,
    method: Callable[..., Directions],
    generator: str,
    asked: Asked,
    where: Regions,
    derivative: Derivative,
    start: Codes,
    reading: Any,
    mesh: Mesh | None,
    *,
    title: str,
) -> None:
    """Gram matrices, directions from them, and the page."""
    arguments.at_least_one(asked.num, "--num")
    arguments.parse_strengths(asked.strengths)
    model = inputs.open_generator(generator, reading, start.truncation)
    agree(model, "GENERATOR")
    at = Codes(asked.at, label=start.label, truncation=start.truncation)
    at = Codes(**{**vars(at), "cutoff": start.cutoff})
    pictures = pictures_at(model, inputs.start_codes(at, model), at, derivative)
    names, masks = region_masks(where, side(pictures[0]))
    if len(names) != 1:
        raise ValueError(
            f"--region: {len(names)} regions given; one --region, --rectangle or "
            "--mask is accepted"
        )
    if asked.grams is None:
        pairs = []
        with progress_bar("differentiating", len(pictures), unit="code") as progress:
            for given in pictures:
                pairs.append(
                    region_grams(
                        given, np.stack(masks), chunk=derivative.tangents, mesh=mesh
                    )[0]
                )
                progress(1)
        count = len(pairs)
        region, rest = np.stack(pairs).astype(np.float64).mean(axis=0)
    else:
        count, region, rest = _stored(
            asked.grams, model, pictures[0], names[0], masks[0]
        )
    with arguments.naming(
        rank="--leading",
        relax="--relax",
        energy="--energy",
        tau="--tau",
        gram_region="--region",
        gram_rest="--region",
    ):
        edit = method(
            region,
            rest,
            space="z" if pictures[0].space == "z" else "w",
            layers=pictures[0].layers,
            generator=fingerprint(model),
        )
    table, random = _table(edit, region, rest)
    if is_main():
        run.file(TABLE).write_text(table)
    drawn = range(min(asked.num, len(edit)))
    gain, leak = (
        np.asarray(edit.report[name], np.float64) for name in ("gain", "leak")
    )
    draw_edit(
        run,
        model,
        {f"{edit.method}.npz": edit},
        drawn,
        Moves(asked.strengths),
        start,
        chunk=asked.chunk,
        name=generator,
        title=f"{title} of {inputs.generator_name(generator)}: {names[0]}",
        lines=(
            "Each row should change the outlined region and leave the rest alone, as "
            f"far as the derivative at {count} code{'s'[count == 1 :]} tells.",
            "Change in the rest over change in the region: "
            + ", ".join(f"{edit.names[i]} {leak[i] / gain[i]:.3g}" for i in drawn)
            + f"; random directions {random:.3g}.",
        ),
        read=(*(Path(one) for one in where.mask),),
        mesh=mesh,
        decorate=partial(outline, mask=masks[0]),
        leak_over_gain=[float(one) for one in leak / gain],
        random_leak_over_gain=random,
    )
    if is_main():
        print(table, end="")


def _stored(
    folder: Path, model: Generator, given: Picture, name: str, mask: np.ndarray
) -> tuple[int, np.ndarray, np.ndarray]:
    """How many codes a folder has, and their mean Gram matrices of a region."""
    try:
        config = json.loads((folder / JOB_FILE).read_text())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--grams: {folder} is no folder of jacobian: {error}"
        ) from error
    layers = None if given.layers is None else list(given.layers)
    for key, wanted in (
        ("generator", fingerprint(model)),
        ("layers", layers),
        ("size", side(given)),
        ("channels", given.channels),
        ("resize", given.resize),
    ):
        if config.get(key) != wanted:
            raise ValueError(
                f"--grams: {folder} was computed with {key} {config.get(key)}, but "
                f"{wanted} is asked for"
            )
    held = list(config["regions"].values())
    if digest(mask) not in held:
        raise ValueError(
            f"--grams: {folder} has no region {name}; it has "
            f"{', '.join(config['regions']) or 'none'}"
        )
    index = held.index(digest(mask))
    files = sorted(folder.glob("[0-9]*.npz"))
    if not files:
        raise ValueError(f"--grams: {folder} holds no Gram matrices yet")
    total = np.zeros(())
    for file in files:
        arrays = read_arrays(file)
        assert isinstance(arrays, dict)
        total = total + arrays["regions"][index].astype(np.float64)
    region, rest = total / len(files)
    return len(files), region, rest


def _table(edit: Directions, region: np.ndarray, rest: np.ndarray) -> tuple[str, float]:
    """Gain and leak of every direction, and the middle ratio of random ones."""
    vectors = np.random.default_rng(0).normal(size=(RANDOM, len(region)))
    pair = gram_pair(region, rest, average=False)
    random = float(np.median(unit_locality(vectors, *pair).ratio))
    names = [key for key in ("gain", "leak", "residual") if key in edit.report]
    lines = [",".join(["direction", *names, "leak over gain"])]
    for index, name in enumerate(edit.names):
        values = [float(edit.report[key][index]) for key in names]
        ratio = values[1] / values[0] if values[0] else float("inf")
        lines.append(",".join([name, *(f"{one:.6g}" for one in (*values, ratio))]))
    lines.append(f"random{',' * (len(names) + 1)}{random:.6g}")
    return "\n".join(lines) + "\n", random


def _image(text: str, start: Codes, reading: Any) -> tuple[Any, np.ndarray]:
    """A picture from a file, or the first of a generator."""
    if Path(text).suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
        from PIL import Image

        with Image.open(text) as file:
            return None, np.asarray(file.convert("RGB"))
    model = inputs.open_generator(text, reading, start.truncation)
    first = inputs.start_codes(start, model, num=1)
    latent, psi = first.codes, inputs.psi(start, model)
    if first.space == "z" and "w" in model.config.spaces:
        target = "w" if psi is None else "w+"
        latent = to_space(model, latent, "z", target, psi=psi, label=first.label)
    return model, render(model, latent, first.label)[0]


def _plain(name: str) -> str:
    """A region's name as that of a file."""
    return "".join(letter if letter.isalnum() else "_" for letter in Path(name).stem)
