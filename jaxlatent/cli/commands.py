"""The commands, one function each; their arguments are the command line."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import tyro

from jaxlatent import describing
from jaxlatent.checkpoint import is_generator
from jaxlatent.cli import arguments, description, inputs, scores
from jaxlatent.cli.options import (
    AS_THEY_ARE,
    EVERY_SCORE,
    ChosenEdit,
    JobGroup,
    Page,
    PageGroup,
    PicturesGroup,
    Reading,
    Repeated,
    ScoringGroup,
    group,
    option,
)
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.session import Session
from jaxlatent.data.image_folder import open_folder
from jaxlatent.evaluation import tables
from jaxlatent.gallery.drawing import Heading
from jaxlatent.loading import codes_beside, codes_of_file, is_checkpoint
from jaxlatent.methods.ganspace_presets import presets_of
from jaxlatent.runs import Run
from jaxlatent.texts import printable

ReadingGroup = Annotated[Reading, group("checkpoint")]
AS_IT_IS = Reading()


def convert(
    source: Annotated[Path, tyro.conf.Positional, option("SOURCE")],
    out: Annotated[Path, tyro.conf.Positional, option("OUT")],
    *,
    overwrite: bool = False,
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

    if not is_checkpoint(source):
        raise ValueError(f"SOURCE: {source} is not a file")
    if out.exists() and not overwrite:
        raise ValueError(f"OUT: {out} exists; another name or --overwrite is accepted")
    config = arguments.parse_config(reading.config)
    with progress_bar(f"converting {source.name}"):
        plan = convert_file(
            source,
            out,
            family=reading.family,
            config=config,
            entry=reading.entry,
            overwrite=overwrite,
        )
    print(f"{source.name}: a {plan.family} generator in {plan.format} layout")
    for guess in plan.guesses:
        print(f"  guessed: {guess}")
    for name, value in plan.assumed.items():
        print(f"  assumed: {name} = {json.dumps(value, default=str)}")
    if plan.assumed:
        print("  (not in the file; --config NAME=VALUE overrides it)")
    if plan.licence:
        print(f"  licence: {plan.licence}")
    print(out)


def inspect(
    file: Annotated[Path, tyro.conf.Positional, option("FILE")],
    *,
    tensors: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
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
        config = arguments.parse_config(reading.config)
        facts = describing.describe(
            file, family=reading.family, config=config, entry=reading.entry
        )
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        for line in description.lines(facts, tensors=tensors):
            print(printable(line))
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
    job: JobGroup,
    *,
    seeds_only: bool = False,
    scoring: ScoringGroup = EVERY_SCORE,
    pictures: PicturesGroup = AS_THEY_ARE,
) -> None:
    """Score what GENERATOR draws, or in its place a folder of pictures.

    Args:
        job: What to work on; codes are those of the pictures of a folder.
        seeds_only: Keep the seed instead of the codes, which follow from it.
        scoring: What scores the pictures.
        pictures: How a folder of pictures is read.
    """
    words, start = dict(locals()), job.start
    folder = Path(job.generator)
    if folder.is_dir() and not (is_generator(folder) or is_checkpoint(folder)):
        run, session = Run(job.out, "score", words), None
        if seeds_only:
            raise ValueError("seeds_only: given, but a folder's codes have no seed")
        drawn = ", but the pictures of a folder are drawn already"
        arguments.refuse(start, drawn, "seeds", "numpy_seeds", "label")
        arguments.refuse(start, drawn, "truncation", "cutoff")
        arguments.refuse(scoring, drawn, "samples", "seed")
        arguments.refuse(job.reading, drawn)
        arguments.refuse(job.where, ", but one device scores a folder")
        given = start.codes and codes_of_file(start.codes, start.space)
        codes = given or codes_beside(folder)
        found = open_folder(
            folder, order=pictures.order, background=pictures.background
        )
        scorers = scores.open_scorers(scoring.scorer, scoring.scorer_config)
        print(found)
        with progress_bar("scoring", len(found)) as progress:
            table = tables.score_folder(
                found,
                scorers,
                codes=codes,
                odds=scoring.odds,
                chunk=max(job.chunk, 32),
                progress=progress,
            )
        told = {"order": found.order, "pictures": found.names}
    else:
        own = ", but GENERATOR draws codes of its own"
        arguments.refuse(start, own, "codes", "space", "seeds", "numpy_seeds")
        arguments.refuse(pictures, ", but GENERATOR is no folder of pictures")
        session = Session.open(job, "score", words)
        scorers = scores.open_scorers(scoring.scorer, scoring.scorer_config)
        run, table = session.run, scores.draw_table(session, scoring, scorers)
        session.say_origin()
        told = {"guesses": session.said}
    table = scores.keep_attributes(table, scoring.attribute)
    file = run.file(scores.FILE)
    tables.save_table(file, table, with_codes=not seeds_only)
    run.finish(
        None if session is None else session.generator,
        inputs=(job.generator, start.codes, *scoring.scorer),
        scores=table.names,
        preprocessing=scores.preprocessing(scorers),
        **told,
    )
    for column, name in enumerate(table.names):
        values = table.values[:, column]
        print(
            f"{printable(name)}: mean {values.mean():.4g}, from {values.min():.4g} to "
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
    for preset in presets_of(model=model, data=data):
        start, stop = preset.layers
        print(
            f"{preset.model}/{preset.data}/{preset.name}: component "
            f"{preset.component}, layers {start}-{stop - 1}, {preset.strength:g} sigma"
            f"{', target' if preset.move == 'target' else ''}"
        )


@dataclasses.dataclass(frozen=True)
class Applied(ChosenEdit):
    """The edit that is applied."""

    preset: Annotated[Repeated, option("NAME")] = ()
    """A named edit of GANSpace's authors instead, with the components in EDIT; a name,
    or MODEL/DATA/NAME. Strength 1 is the whole of it."""


def edit(
    job: JobGroup, applied: Annotated[Applied, group("")], *, page: PageGroup = Page()
) -> None:
    """Apply an edit to codes and draw it as a page of pictures.

    Args:
        job: What to work on.
        applied: What to apply.
        page: How the directions are drawn.
    """
    session = Session.open(job, "edit", locals())
    loaded, lines = session.open_edit(applied)
    index = "0" if applied.index is None else applied.index
    if applied.preset:
        if applied.index is not None:
            raise ValueError("index: given together with preset; one is accepted")
        loaded, target = inputs.choose_presets(
            applied.preset, loaded, session.generator
        )
        page = dataclasses.replace(page, move="to" if target else page.move)
        index = "all"
    chosen = inputs.restrict(loaded, applied.layers, session.generator)
    session.draw(
        {"edit.npz": chosen},
        page,
        Heading(f"{applied.edit.stem} on {session.name}", lines),
        inputs.choose_directions(index, chosen, option="index"),
        read=(applied.edit,),
    )
