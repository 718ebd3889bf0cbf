"""Pictures of codes, of their mixtures, and of the way from one to the next."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxlatent import checkpoint
from jaxlatent.cli import arguments, inputs
from jaxlatent.cli.devices import ONE_DEVICE, DevicesGroup, open_mesh
from jaxlatent.cli.inputs import Start
from jaxlatent.cli.options import (
    AS_IT_IS,
    DRAWN,
    Codes,
    CodesGroup,
    GeneratorText,
    Layers,
    Number,
    Out,
    ReadingGroup,
    option,
)
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.runs import Run
from jaxlatent.collectives import is_main
from jaxlatent.editing import interpolate as interpolated
from jaxlatent.editing import last_space, mix_rows, to_space
from jaxlatent.gallery import enlarge, grid, save_gif, save_png
from jaxlatent.generators.base import Generator
from jaxlatent.generators.rendering import render

Way = Annotated[Literal["z", "w"], tyro.conf.arg(help_behavior_hint="")]


@dataclass(frozen=True, eq=False)
class Drawn:
    """What is drawn: N latents, with a name each, and their codes by space."""

    latent: jax.Array
    names: tuple[str, ...]
    label: jax.Array | None
    codes: dict[str, jax.Array]
    columns: int | None = None


def sample(
    generator: GeneratorText,
    out: Out,
    *,
    num: Number = 8,
    mix: Annotated[str | None, option("SEEDS")] = None,
    layers: Layers = None,
    interpolate: Annotated[int | None, option("STEPS")] = None,
    path: Way = "z",
    chunk: Number = 8,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
    devices: DevicesGroup = ONE_DEVICE,
) -> None:
    """Draw pictures: one PNG each, a sheet of all, and their codes.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        out: The folder for the results.
        num: How many codes to draw, with seeds 0, 1, 2, ...
        mix: Mix styles: a column for each of these seeds, which lend rows of w+.
        layers: The rows that they lend, such as 0-3.
        interpolate: Pictures on the way from each code to the next, and a GIF of them.
        path: The way: spherical in z, or linear in w.
        chunk: Pictures per compiled call; less needs less memory.
        start: The codes to draw.
        reading: How to read GENERATOR if it is a checkpoint file.
        devices: How many devices and processes draw.
    """
    run = Run(out, "sample", dict(locals()))
    mesh = open_mesh(devices, run.arguments)
    arguments.at_least_one(chunk, "--chunk")
    if mix is not None and interpolate is not None:
        raise ValueError("--mix: given together with --interpolate; one is accepted")
    if mix is None and layers is not None:
        raise ValueError("--layers: given without --mix")
    model = inputs.open_generator(generator, reading, start.truncation)
    first = inputs.start_codes(start, model, num=num)
    if mix is not None:
        drawn = _mixed(model, first, start, mix, layers)
    elif interpolate is not None:
        drawn = _between(model, first, start, interpolate, path)
    else:
        latent = _carry(model, first.codes, first.space, first.label, start)
        codes = {first.space: first.codes, last_space(model): latent}
        drawn = Drawn(latent, first.names, first.label, codes)
    with progress_bar("drawing", len(drawn.names)) as progress:
        images = render(
            model,
            drawn.latent,
            drawn.label,
            chunk=chunk,
            mesh=mesh,
            progress=progress,
        )
    if not is_main():
        return
    sheet = run.file("sheet.png")
    save_png(sheet, grid(images, columns=drawn.columns))
    files = [f"{name.replace(', ', '_').replace(' ', '_')}.png" for name in drawn.names]
    with progress_bar("writing", len(images)) as progress:
        for file, image in zip(files, images, strict=True):
            save_png(run.file(file), image)
            progress(1)
    if interpolate is not None:
        save_gif(run.file("interpolation.gif"), enlarge(images))
    labels = {} if drawn.label is None else {"label": drawn.label}
    checkpoint.save_arrays(run.file("codes.npz"), drawn.codes | labels)
    run.finish(
        model,
        inputs=(generator, start.codes),
        seeds=first.seeds,
        codes=first.names,
        pictures=files,
    )
    print(f"Pictures: {len(images)}, a sheet of all, and their codes")
    print(sheet.resolve())


def _carry(
    model: Generator,
    codes: jax.Array,
    space: str,
    label: jax.Array | None,
    options: Codes,
) -> jax.Array:
    return to_space(
        model,
        codes,
        space,
        last_space(model),
        psi=inputs.psi(options, model),
        cutoff=options.cutoff,
        label=label,
    )


def _mixed(
    model: Generator, first: Start, options: Codes, seeds: str, layers: str | None
) -> Drawn:
    """Each code beside its mixtures with every seed."""
    if layers is None:
        raise ValueError("--layers: missing; --mix lends some rows of w+, such as 0-3")
    rows = inputs.choose_layers(layers, model)
    lending = dataclasses.replace(options, codes=None, space=None, seeds=seeds)
    lenders = inputs.start_codes(lending, model)
    own = _carry(model, first.codes, first.space, first.label, options)
    lent = _carry(model, lenders.codes, lenders.space, lenders.label, options)
    everyone = range(model.config.num_layers)
    mixed = mix_rows(own, lent, everyone if rows is None else rows)
    latent = jnp.concatenate([own[:, None], mixed], axis=1)  # [N, 1 + M, L, D]
    columns = latent.shape[1]
    latent = latent.reshape(-1, *own.shape[1:])
    names = tuple(
        name if other is None else f"{name} mix {other.removeprefix('seed ')}"
        for name in first.names
        for other in (None, *lenders.names)
    )
    label = None if first.label is None else jnp.repeat(first.label, columns)
    return Drawn(latent, names, label, {last_space(model): latent}, columns)


def _between(
    model: Generator, first: Start, options: Codes, steps: int, path: str
) -> Drawn:
    """Every code and the steps between it and the next."""
    arguments.at_least_one(steps, "--interpolate")
    if len(first.names) < 2:
        raise ValueError("--interpolate: two codes or more are needed")
    label = first.label
    if label is not None and len(np.unique(np.asarray(label))) > 1:
        raise ValueError("--label: several given; --interpolate stays in one class")
    codes, space = first.codes, first.space
    if path == "w" and space == "z" and "w" in model.config.spaces:
        codes, space = model.map(codes, label), "w"
    if path == "z" and space != "z":
        raise ValueError(f"--path: z given, but the codes are in {space}")
    codes = interpolated(codes, steps, spherical=path == "z")
    count = codes.shape[0]
    label = None if label is None else jnp.repeat(label[:1], count)
    latent = _carry(model, codes, space, label, options)
    names = tuple(f"step {index:04d}" for index in range(count))
    return Drawn(latent, names, label, {space: codes, last_space(model): latent})
