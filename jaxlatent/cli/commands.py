"""The commands, one function each; their arguments are the command line."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from jaxlatent import checkpoint
from jaxlatent.cli import arguments, runs
from jaxlatent.cli.arguments import Codes, Reading

GeneratorText = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="GENERATOR",
        help="A converted folder, a checkpoint file, faces, or module:function.",
    ),
]
DEFAULT_STRENGTHS = "-3:3:7"


def convert(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")],
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")],
    *,
    reading: Reading = Reading(),  # noqa: B008 - frozen
    overwrite: bool = False,
) -> None:
    """Convert a PyTorch, NVIDIA or safetensors checkpoint to a folder.

    Args:
        source: The checkpoint file.
        out: The folder to make.
        reading: How to read a checkpoint file.
        overwrite: Replace an earlier generator at OUT.
    """
    from converters import convert as convert_file

    plan = convert_file(
        source,
        out,
        family=reading.family,
        config=arguments.parse_config(reading.config),
        overwrite=overwrite,
    )
    print(f"{source}: {plan.family} generator in {plan.format} format -> {out}")
    for name, value in plan.assumed.items():
        print(f"  assumed {name} = {value}; --config {name}=VALUE overrides it")
    if plan.licence:
        print(f"  licence: {plan.licence}")


def inspect(
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")],
    *,
    reading: Reading = Reading(),  # noqa: B008 - frozen
    tensors: bool = False,
) -> None:
    """Tell what a checkpoint is and whether it fits; writes nothing.

    Args:
        file: A checkpoint file or a converted folder.
        reading: How to read a checkpoint file.
        tensors: List every tensor with its shape.
    """
    if checkpoint.is_generator(file):
        print(json.dumps(checkpoint.read_header(file), indent=1))
        return
    from converters import inspect as inspect_file

    description = inspect_file(
        file, family=reading.family, config=arguments.parse_config(reading.config)
    )
    print(f"{file}: container {description.container}")
    for part, plan in description.plans.items():
        print(
            f"{part}: {plan.family}, {plan.format} format, {len(plan.tensors)} tensors"
        )
        for name, value in runs.config_to_json(plan.config).items():
            mark = "  (assumed)" if name in plan.assumed else ""
            print(f"  {name} = {json.dumps(value)}{mark}")
        if tensors:
            for name, array in plan.tensors.items():
                used = "  (not needed)" if name in plan.ignored else ""
                print(f"  {name} {array.dtype} {list(array.shape)}{used}")
        print(f"  {description.mismatches[part] or 'every tensor fits'}")


def sample(
    generator: GeneratorText,
    out: Path,
    *,
    num: int = 8,
    start: Codes = Codes(),  # noqa: B008 - frozen
    reading: Reading = Reading(),  # noqa: B008 - frozen
    chunk: int = 8,
) -> None:
    """Draw pictures: one PNG each, a sheet of all, and their codes.

    Args:
        generator: What draws.
        out: The folder for the results.
        num: How many codes to draw, with seeds 0, 1, 2, ...
        start: The codes.
        reading: How to read a checkpoint file.
        chunk: Pictures per compiled call.
    """
    from jaxlatent.editing import last_space, to_space
    from jaxlatent.gallery import grid, save_png
    from jaxlatent.generators.base import render

    model = arguments.open_generator(generator, reading)
    out.mkdir(parents=True, exist_ok=True)
    codes, space, names, label = arguments.start_codes(start, model, num=num)
    last = last_space(model)
    latent = to_space(
        model,
        codes,
        space,
        last,
        psi=start.truncation,
        cutoff=start.cutoff,
        label=label,
    )
    with runs.progress_bar(len(names), "drawing") as progress:
        images = render(model, latent, label, chunk=chunk, progress=progress)
    for name, image in zip(names, images, strict=True):
        save_png(out / f"{name.replace(' ', '_')}.png", image)
    save_png(out / "sheet.png", grid(images))
    checkpoint.save_arrays(out / "codes.npz", {space: codes, last: latent})
    given = {"GENERATOR": generator, "num": num, "start": start, "chunk": chunk}
    runs.write_run(out, "sample", given, model)
    print(out / "sheet.png")


def discover_sefa(
    generator: GeneratorText,
    out: Path,
    *,
    layers: str = "all",
    num: int = 5,
    formula: bool = False,
    order: str = "descending",
    strengths: str = DEFAULT_STRENGTHS,
    start: Codes = Codes(),  # noqa: B008 - frozen
    reading: Reading = Reading(),  # noqa: B008 - frozen
    chunk: int = 8,
) -> None:
    """SeFa: directions from the weights alone, drawn as a page of pictures.

    Args:
        generator: What to factorise.
        out: The folder for the results.
        layers: Rows of w+ to factorise and edit: all, or such as 0-1 or 2-5,8.
        num: How many directions.
        formula: The paper's literal formula, without unit style channels.
        order: descending, or lapack for the order of the original code.
        strengths: Columns: start:stop:count, or a list.
        start: The codes.
        reading: How to read a checkpoint file.
        chunk: Pictures per compiled call.
    """
    from jaxlatent.methods import sefa

    model = arguments.open_generator(generator, reading)
    columns = arguments.parse_strengths(strengths)
    edit = sefa.discover(
        model, layers=layers, normalize=not formula, k=num, order=order
    )
    out.mkdir(parents=True, exist_ok=True)
    checkpoint.save_edit(out / "sefa.npz", edit)
    page = runs.write_traversals(
        out,
        model,
        edit,
        range(len(edit)),
        columns,
        start,
        title="SeFa directions",
        lines=(
            "Each row moves a code along one eigenvector of the generator's own affine "
            "weights; the column of strength 0 is the code itself.",
        ),
        facts=[
            ("Generator", f"{generator} ({runs.family_name(model.config)})"),
            ("Method", "SeFa"),
            ("Layers", layers),
            ("Space", edit.space),
            *_truncation_fact(start),
        ],
        values=np.asarray(edit.info["eigenvalues"]).tolist(),
        chunk=chunk,
    )
    given = {
        "GENERATOR": generator,
        "layers": layers,
        "num": num,
        "formula": formula,
        "order": order,
        "strengths": list(columns),
        "start": start,
        "chunk": chunk,
    }
    runs.write_run(out, "discover sefa", given, model, edited="after truncation")
    print(page)


def edit(
    generator: GeneratorText,
    edit: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="EDIT")],
    out: Path,
    *,
    index: str = "0",
    strengths: str = DEFAULT_STRENGTHS,
    layers: str | None = None,
    start: Codes = Codes(),  # noqa: B008 - frozen
    reading: Reading = Reading(),  # noqa: B008 - frozen
    chunk: int = 8,
) -> None:
    """Apply an edit to codes and draw it as a page of pictures.

    Args:
        generator: What draws.
        edit: An .npz edit, or directions as .npy or .pt.
        out: The folder for the results.
        index: Which directions, such as 0 or 0-3,7, or all.
        strengths: Columns: start:stop:count, or a list.
        layers: Rows of w+ to edit instead of the edit's own.
        start: The codes.
        reading: How to read a checkpoint file.
        chunk: Pictures per compiled call.
    """
    model = arguments.open_generator(generator, reading)
    columns = arguments.parse_strengths(strengths)
    loaded = arguments.open_edit(edit)
    chosen: Any = arguments.restrict(loaded, layers, model)
    indices = range(len(chosen)) if index == "all" else arguments.parse_seeds(index)
    note = _other_generator(chosen, model)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint.save_edit(out / "edit.npz", chosen)
    page = runs.write_traversals(
        out,
        model,
        chosen,
        list(indices),
        columns,
        start,
        title=f"{edit.stem} applied",
        lines=(note,) if note else (),
        facts=[
            ("Generator", f"{generator} ({runs.family_name(model.config)})"),
            ("Method", chosen.method or "imported"),
            ("Layers", "all" if chosen.layers is None else str(chosen.layers)),
            ("Space", chosen.space),
            *_truncation_fact(start),
        ],
        chunk=chunk,
    )
    given = {
        "GENERATOR": generator,
        "EDIT": str(edit),
        "index": index,
        "strengths": list(columns),
        "layers": layers,
        "start": start,
        "chunk": chunk,
    }
    runs.write_run(out, "edit", given, model, edited="after truncation")
    print(page)


def demo(*, out: Path = Path("demo")) -> None:
    """SeFa on the built-in generator, from nothing: ends with a page to open.

    Args:
        out: The folder for the results.
    """
    discover_sefa("faces", out, num=8, start=Codes(seeds="0-3"))
    print("Open that page in a browser.")


def _truncation_fact(start: Codes) -> list[tuple[str, str]]:
    if start.truncation is None:
        return []
    rows = "" if start.cutoff is None else f", first {start.cutoff} rows"
    return [("Truncation", f"{start.truncation:g}{rows}")]


def _other_generator(edit: Any, model: Any) -> str:
    """A line of warning if the edit was made for another generator."""
    made_for = getattr(edit, "generator", "")
    own = runs.fingerprint(model)
    if made_for in ("", own):
        return ""
    return f"These directions were found in another generator ({made_for}, not {own})."
