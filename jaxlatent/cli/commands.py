"""The commands, one function each; their arguments are the command line."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxlatent import checkpoint
from jaxlatent.cli import arguments, description, inputs
from jaxlatent.cli.drawing import draw_traversals, save_direction, save_page
from jaxlatent.cli.options import (
    Codes,
    CodesGroup,
    GeneratorText,
    Layers,
    Number,
    Out,
    Reading,
    ReadingGroup,
    Strengths,
    option,
    positional,
)
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.runs import Run
from jaxlatent.editing import last_space, to_space
from jaxlatent.gallery import grid, save_png, shrink
from jaxlatent.generators.base import Generator, family_name, fingerprint, render
from jaxlatent.methods import sefa

DRAWN = Codes()
AS_IT_IS = Reading()
PAGE_PIXELS = 512


def convert(
    source: Annotated[Path, tyro.conf.Positional, positional("SOURCE")],
    out: Annotated[Path, tyro.conf.Positional, positional("OUT")],
    *,
    overwrite: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False,
    reading: ReadingGroup = AS_IT_IS,
) -> None:
    """Convert a PyTorch, NVIDIA or safetensors checkpoint to a folder.

    Args:
        source: The checkpoint file.
        out: The folder to make.
        overwrite: Replace an earlier generator at OUT.
        reading: How to read SOURCE.
    """
    from converters import convert as convert_file

    if not source.is_file():
        raise ValueError(f"SOURCE: {source} is not a file")
    if out.exists() and not overwrite:
        raise ValueError(f"OUT: {out} exists; another name or --overwrite is accepted")
    config = arguments.parse_config(reading.config)
    with (
        arguments.naming(family="--family", config="--config"),
        progress_bar(f"converting {source.name}"),
    ):
        plan = convert_file(
            source, out, family=reading.family, config=config, overwrite=overwrite
        )
    print(f"{source.name}: a {plan.family} generator in {plan.format} layout")
    for name, value in plan.assumed.items():
        print(f"  assumed: {name} = {json.dumps(value, default=str)}")
    if plan.assumed:
        print("  (not in the file; --config NAME=VALUE overrides it)")
    if plan.licence:
        print(f"  licence: {plan.licence}")
    print(out)


def inspect(
    file: Annotated[Path, tyro.conf.Positional, positional("FILE")],
    *,
    tensors: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json", help_behavior_hint="")] = False,
    reading: ReadingGroup = AS_IT_IS,
) -> None:
    """Tell what a file is and whether it fits; writes nothing.

    Args:
        file: A checkpoint file, a converted folder or an .npz edit.
        tensors: List every tensor with its type and shape.
        as_json: Print one JSON object instead of text.
        reading: How to read FILE.
    """
    with progress_bar(f"reading {file.name}"):
        facts = description.describe(file, reading)
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        print("\n".join(description.lines(facts, tensors=tensors)))
    if "problem" in facts:
        raise ValueError(f"{file}: {facts['problem']}")


def sample(
    generator: GeneratorText,
    out: Out,
    *,
    num: Number = 8,
    chunk: Number = 8,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
) -> None:
    """Draw pictures: one PNG each, a sheet of all, and their codes.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        out: The folder for the results.
        num: How many codes to draw, with seeds 0, 1, 2, ...
        chunk: Pictures per compiled call; less needs less memory.
        start: The codes to draw.
        reading: How to read GENERATOR if it is a checkpoint file.
    """
    given = dict(locals())
    arguments.at_least_one(chunk, "--chunk")
    run = Run(out, "sample", given)
    model = inputs.open_generator(generator, reading)
    first = inputs.start_codes(start, model, num=num)
    last = last_space(model)
    latent = to_space(
        model,
        first.codes,
        first.space,
        last,
        psi=start.truncation,
        cutoff=start.cutoff,
        label=first.label,
    )
    with progress_bar("drawing", len(first.names)) as progress:
        images = render(model, latent, first.label, chunk=chunk, progress=progress)
    sheet = run.file("sheet.png")
    save_png(sheet, grid(images))
    with progress_bar("writing", len(images)) as progress:
        for name, image in zip(first.names, images, strict=True):
            file = name.replace(", ", "_").replace(" ", "_")
            save_png(run.file(f"{file}.png"), image)
            progress(1)
    labels = {} if first.label is None else {"label": first.label}
    codes = {first.space: first.codes, last: latent, **labels}
    checkpoint.save_arrays(run.file("codes.npz"), codes)
    run.finish(
        model,
        inputs=(generator, start.codes),
        seeds=first.seeds,
        codes=first.names,
    )
    print(f"Pictures: {len(images)}, a sheet of all, and their codes")
    print(sheet.resolve())


def discover_sefa(
    generator: GeneratorText,
    out: Out,
    *,
    layers: Annotated[str, option("ROWS")] = "all",
    num: Number = 5,
    formula: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False,
    order: Literal["descending", "lapack"] = "descending",
    strengths: Strengths = "-3:3:7",
    chunk: Number = 8,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
) -> None:
    """SeFa: directions from the weights alone, drawn as a page of pictures.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        out: The folder for the results.
        layers: Rows of w+ to factorise and edit: all, or such as 0-1 or 2-5,8.
        num: How many directions.
        formula: Follow the paper's formula, without unit style channels.
        order: By eigenvalue, or as the original code's solver returns them.
        strengths: Columns: start:stop:count, or a list such as -2,0,2.
        chunk: Pictures per compiled call; less needs less memory.
        start: The codes to edit; seeds 0 to 2 if none are chosen.
        reading: How to read GENERATOR if it is a checkpoint file.
    """
    given = dict(locals())
    run = Run(out, "discover sefa", given)
    model = inputs.open_generator(generator, reading)
    rows = inputs.choose_layers(layers, model)
    arguments.at_least_one(num, "--num")
    with arguments.naming(k="--num", affines="GENERATOR", layers="--layers"):
        edit = sefa.discover(
            model, layers=rows, normalize=not formula, k=num, order=order
        )
    _draw(
        run,
        generator,
        model,
        edit,
        range(len(edit)),
        title=f"SeFa directions of {inputs.generator_name(generator)}",
        lines=(
            "Each row moves a code along one eigenvector of the generator's own affine "
            "weights; the column of strength 0 is the code itself.",
        ),
        edit_file="sefa.npz",
    )


def edit(
    generator: GeneratorText,
    edit: Annotated[Path, tyro.conf.Positional, positional("EDIT")],
    out: Out,
    *,
    index: Annotated[str, option("NUMBERS")] = "0",
    strengths: Strengths = "-3:3:7",
    layers: Layers = None,
    edit_space: Annotated[
        Literal["z", "w", "w+"] | None, tyro.conf.arg(help_behavior_hint="")
    ] = None,
    chunk: Number = 8,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
) -> None:
    """Apply an edit to codes and draw it as a page of pictures.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        edit: An .npz edit, or another tool's directions as .npy or .pt.
        out: The folder for the results.
        index: Which of its directions, such as 0 or 0-3,7, or all.
        strengths: Columns: start:stop:count, or a list such as -2,0,2.
        layers: Rows of w+ to shift instead of the edit's own: all, or such as 0-1.
        edit_space: The space of another tool's directions; w if there is one, else z.
        chunk: Pictures per compiled call; less needs less memory.
        start: The codes to edit; seeds 0 to 2 if none are chosen.
        reading: How to read GENERATOR if it is a checkpoint file.
    """
    given = dict(locals())
    run = Run(out, "edit", given)
    model = inputs.open_generator(generator, reading)
    loaded = inputs.open_edit(edit, edit_space, model)
    inputs.check_edit(loaded, model)
    chosen = inputs.restrict(loaded, layers, model)
    note = _other_generator(chosen, model)
    if note:
        warnings.warn(note, stacklevel=1)
    _draw(
        run,
        generator,
        model,
        chosen,
        inputs.choose_directions(index, chosen),
        title=f"{edit.stem} on {inputs.generator_name(generator)}",
        lines=(note,) if note else (),
        edit_file="edit.npz",
        read=(edit,),
    )


def demo(*, out: Out = Path("demo")) -> None:
    """SeFa on the built-in generator: from nothing to a page of pictures.

    Args:
        out: The folder for the results.
    """
    print("Finding directions in the generator that comes with jaxlatent ...")
    discover_sefa("faces", out, num=8, start=Codes(seeds="9-11,4"))
    print("Open that page in a browser.")


def _draw(
    run: Run,
    name: str,
    model: Generator,
    edit: Any,
    indices: Sequence[int],
    *,
    title: str,
    lines: Sequence[str],
    edit_file: str,
    read: Sequence[Path] = (),
) -> None:
    """Draw directions, write everything, and say where it is."""
    options, chunk = run.arguments["start"], run.arguments["chunk"]
    arguments.at_least_one(chunk, "--chunk")
    strengths = arguments.parse_strengths(run.arguments["strengths"])
    first = inputs.start_codes(options, model)
    inputs.check_start(first, edit)
    pictures = {}
    drawn = draw_traversals(
        model, edit, indices, strengths, first, options, chunk=chunk
    )
    for index, images in zip(indices, drawn, strict=True):
        # the page shows no more than that, and all of its pictures are held at once
        pictures[index] = shrink(images, most=PAGE_PIXELS)
        save_direction(run, index, images)
    checkpoint.save_edit(run.file(edit_file), edit)
    with progress_bar("writing the page"):
        page = save_page(
            run,
            edit,
            pictures,
            strengths,
            first,
            title=title,
            lines=lines,
            facts=_facts(name, model, edit, options),
        )
    run.finish(
        model,
        inputs=(name, options.codes, *read),
        seeds=first.seeds,
        codes=first.names,
        strengths=strengths,
        directions=[edit.names[index] for index in indices],
        edited=_when(edit, model, options),
    )
    counts = ((indices, "direction"), (first.names, "code"), (strengths, "strength"))
    words = " x ".join(
        f"{len(some)} {word}{'s'[len(some) == 1 :]}" for some, word in counts
    )
    print(f"{words}; {edit_file}, PNG, GIF and a page")
    print(page.resolve().as_uri())


def _facts(
    name: str, model: Generator, edit: Any, options: Codes
) -> list[tuple[str, str]]:
    """What the page says about the run."""
    family = family_name(model.config)
    facts = [
        ("Generator", f"{inputs.generator_name(name)} ({family})"),
        ("Method", {"sefa": "SeFa"}.get(edit.method, edit.method or "unknown")),
        ("Space", edit.space),
    ]
    if edit.space != "z" and model.config.num_layers:
        rows = getattr(edit, "layers", None)
        total = f"all {model.config.num_layers}"
        facts.append(("Layers", total if rows is None else _ranges(rows)))
    if options.truncation is not None:
        rows = "" if options.cutoff is None else f", first {options.cutoff} rows"
        when = ", after the edit" if edit.space == "z" else ", before the edit"
        facts.append(("Truncation", f"{options.truncation:g}{rows}{when}"))
    if options.label is not None:
        facts.append(("Class", options.label))
    return facts


def _ranges(rows: Sequence[int]) -> str:
    """(0, 1, 2, 5) -> "0-2, 5"."""
    parts: list[list[int]] = []
    for row in rows:
        if parts and row == parts[-1][1] + 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


def _when(edit: Any, model: Generator, options: Codes) -> str:
    """Where on the way from z to a picture the edit acted."""
    if edit.space == "z":
        mapped = "w" in model.config.spaces
        return "before the mapping network" if mapped else "at the network's input"
    return "after truncation" if options.truncation is not None else f"in {edit.space}"


def _other_generator(edit: Any, model: Generator) -> str:
    """A line of warning if the edit was made for another generator."""
    made_for = getattr(edit, "generator", "")
    own = fingerprint(model)
    if made_for in ("", own):
        return ""
    return f"These directions were found in another generator ({made_for}, not {own})."
