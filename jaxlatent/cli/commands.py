"""The commands, one function each; their arguments are the command line."""

import json
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxlatent.cli import arguments, description, image_folder, inputs, scores
from jaxlatent.cli.devices import ONE_DEVICE, DevicesGroup, open_mesh
from jaxlatent.cli.discovering import Order, discover_sefa
from jaxlatent.cli.drawing import Moves, draw_edit
from jaxlatent.cli.options import (
    AS_IT_IS,
    DRAWN,
    Choice,
    Codes,
    CodesGroup,
    Flag,
    GeneratorText,
    Layers,
    Number,
    Out,
    ReadingGroup,
    ScoredWith,
    Strengths,
    option,
    positional,
)
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.runs import Run
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.methods.ganspace_presets import presets


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

    if not inputs.is_checkpoint(source):
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


def list_families() -> None:
    """List the architectures, the files that hold them, and what those leave open."""
    from converters import layouts

    family = ""
    for layout in layouts():
        if layout.family != family:
            family = layout.family
            print(family)
        print(f"  {layout.files}")
        if layout.assumes:
            print(f"    may assume: {', '.join(layout.assumes)}")


def score(
    source: Annotated[str, tyro.conf.Positional, positional("GENERATOR|FOLDER")],
    out: Out,
    *,
    scorer: ScoredWith = (),
    attribute: Annotated[str | None, option("COLUMNS")] = None,
    odds: Flag = False,
    samples: Number = 10_000,
    seed: Number = 0,
    seeds_only: Flag = False,
    codes: Annotated[Path | None, option("FILE")] = None,
    space: Annotated[Choice | None, tyro.conf.arg(help_behavior_hint="")] = None,
    label: Annotated[str | None, option("CLASS")] = None,
    truncation: Annotated[float | None, option("PSI")] = None,
    cutoff: Annotated[int | None, option("ROWS")] = None,
    chunk: Number = 32,
    reading: ReadingGroup = AS_IT_IS,
) -> None:
    """Score what a generator draws, or a folder of pictures; keeps codes and scores.

    Args:
        source: A generator as for sample, or a folder of pictures.
        out: The folder for the results.
        scorer: A network's checkpoint file, module:function, or a formula such as
            brightness.
        attribute: Which scores to keep, by number or name, such as 8 or 0-3.
        odds: Log-odds of each class against the others, from a classifier's outputs.
        samples: Codes to draw and score.
        seed: Of those codes.
        seeds_only: Keep the seed instead of the codes, which follow from it.
        codes: The codes of the pictures of FOLDER, where it holds none.
        space: The space of the codes in FILE, where nothing else tells.
        label: The class to draw.
        truncation: Pull w towards its mean by this factor.
        cutoff: Truncate only the first rows of w+.
        chunk: Pictures per compiled call; less needs less memory.
        reading: How to read GENERATOR if it is a checkpoint file.
    """
    run = Run(out, "score", dict(locals()))
    arguments.at_least_one(chunk, "--chunk")
    model = None
    if image_folder.is_folder(source):
        if seeds_only:
            raise ValueError("--seeds-only: given, but a folder's codes have no seed")
        table = image_folder.score_folder(
            Path(source), scorer, codes=codes, space=space, odds=odds, chunk=chunk
        )
    else:
        if codes is not None or space is not None:
            given = "--codes" if codes is not None else "--space"
            raise ValueError(f"{given}: given, but GENERATOR draws codes of its own")
        model = inputs.open_generator(source, reading, truncation)
        options = Codes(label=label, truncation=truncation, cutoff=cutoff)
        inputs.check_options(options, model)
        table = scores.score_generator(
            model,
            scorer,
            options,
            samples=samples,
            seed=seed,
            odds=odds,
            chunk=chunk,
        )
    with arguments.naming(attribute="--attribute"):
        table = scores.choose(table, attribute)
    file = run.file(scores.FILE)
    scores.save(file, table, with_codes=not seeds_only)
    run.finish(model, inputs=(source, codes, *scorer), scores=table.names)
    for column, name in enumerate(table.names):
        values = table.values[:, column]
        print(
            f"{name}: mean {values.mean():.4g}, from {values.min():.4g} to "
            f"{values.max():.4g}"
        )
    print(f"{len(table.values)} pictures, {len(table.names)} scores each")
    print(file.resolve())


def list_presets(
    *,
    model: Annotated[str | None, option("NAME")] = None,
    data: Annotated[str | None, option("NAME")] = None,
) -> None:
    """List the edits that GANSpace's authors named, for edit --preset.

    Args:
        model: Those of one architecture, such as StyleGAN2.
        data: Those of one dataset, such as ffhq.
    """
    chosen = [
        preset
        for preset in presets()
        if (model or preset.model).lower() == preset.model.lower()
        and (data or preset.data).lower() == preset.data.lower()
    ]
    if not chosen:
        owners = sorted({f"{preset.model} {preset.data}" for preset in presets()})
        given = "--model" if data is None else "--data"
        raise ValueError(f"{given}: no presets; there are some of {', '.join(owners)}")
    for preset in chosen:
        start, stop = preset.layers
        print(
            f"{preset.model}/{preset.data}/{preset.name}: component "
            f"{preset.component}, layers {start}-{stop - 1}, {preset.strength:g} sigma"
            f"{', target' if preset.move == 'target' else ''}"
        )


def edit(
    generator: GeneratorText,
    edit: Annotated[Path, tyro.conf.Positional, positional("EDIT")],
    out: Out,
    *,
    index: Annotated[str, option("NUMBERS")] = "0",
    preset: Annotated[
        tuple[str, ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(metavar="NAME", help_behavior_hint="(repeatable)"),
    ] = (),
    strengths: Strengths = "-3:3:7",
    absolute: Flag = False,
    truncate: Order = "before",
    layers: Layers = None,
    edit_space: Annotated[
        Literal["z", "w", "w+"] | None, tyro.conf.arg(help_behavior_hint="")
    ] = None,
    chunk: Number = 8,
    start: CodesGroup = DRAWN,
    reading: ReadingGroup = AS_IT_IS,
    devices: DevicesGroup = ONE_DEVICE,
) -> None:
    """Apply an edit to codes and draw it as a page of pictures.

    Args:
        generator: A converted folder, a checkpoint file, faces, or module:function.
        edit: An .npz edit, or another tool's directions as .npy, .npz, .pkl or .pt.
        out: The folder for the results.
        index: Which of its directions, such as 0 or 0-3,7, or all.
        preset: A named edit of GANSpace's authors instead, with the components in EDIT;
            a name, or MODEL/DATA/NAME. Strength 1 is the whole of it.
        strengths: Columns: start:stop:count, or a list such as -2,0,2.
        absolute: Move coordinates to the strengths instead of by them.
        truncate: Truncate w before the edit or after it.
        layers: Rows of w+ to shift instead of the edit's own: all, or such as 0-1.
        edit_space: The space of another tool's directions, where nothing else tells.
        chunk: Pictures per compiled call; less needs less memory.
        start: The codes to edit; seeds 0 to 2 if none are chosen.
        reading: How to read GENERATOR if it is a checkpoint file.
        devices: How many devices and processes draw.
    """
    run = Run(out, "edit", dict(locals()))
    mesh = open_mesh(devices, run.arguments)
    model = inputs.open_generator(generator, reading, start.truncation)
    loaded = inputs.open_edit(edit, edit_space, model)
    inputs.check_edit(loaded, model)
    if preset:
        loaded, target = inputs.choose_presets(preset, loaded, model)
        absolute = absolute or target
        index = "all"
    chosen = inputs.restrict(loaded, layers, model)
    note = _other_generator(chosen, model)
    if note:
        warnings.warn(note, stacklevel=1)
    draw_edit(
        run,
        model,
        {"edit.npz": chosen},
        inputs.choose_directions(index, chosen),
        Moves(strengths, absolute, truncate),
        start,
        chunk=chunk,
        name=generator,
        title=f"{edit.stem} on {inputs.generator_name(generator)}",
        lines=(note,) if note else (),
        read=(edit,),
        mesh=mesh,
    )


def demo(*, out: Out = Path("demo")) -> None:
    """SeFa on the built-in generator: from nothing to a page of pictures.

    Args:
        out: The folder for the results.
    """
    print("Finding directions in the generator that comes with jaxlatent ...")
    discover_sefa("faces", out, num=8, start=Codes(seeds="9-11,4"))
    print("Open that page in a browser.")


def _other_generator(edit: Any, model: Generator) -> str:
    """A line of warning if the edit was made for another generator."""
    made_for = getattr(edit, "generator", "")
    own = fingerprint(model)
    if made_for in ("", own):
        return ""
    return f"These directions were found in another generator ({made_for}, not {own})."
