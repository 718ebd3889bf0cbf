"""DVN of the directions of an edit, as a command."""

import csv
import dataclasses
import io
from pathlib import Path
from typing import Annotated

import jax

from jaxlatent.cli import arguments, inputs
from jaxlatent.cli.options import Background, ChosenEdit, JobGroup, group, option
from jaxlatent.cli.session import Session
from jaxlatent.collectives import is_main
from jaxlatent.data.image_folder import find_pictures
from jaxlatent.data.photographs import read_photographs
from jaxlatent.data.regions import Fit
from jaxlatent.evaluation.naturalness import Naturalness, Settings, naturalness
from jaxlatent.latents import prior
from jaxlatent.texts import printable
from jaxlatent.training.sources import ArraySource

FILE = "naturalness.csv"
SettingsGroup = Annotated[Settings, group("setting")]
ORIGINAL = Settings()


def measure_naturalness(
    job: JobGroup,
    chosen: Annotated[ChosenEdit, group("")],
    *,
    pictures: Annotated[Path, option("FOLDER")],
    fit: Fit = "scale",
    background: Background = "white",
    settings: SettingsGroup = ORIGINAL,
    seed: int = 0,
) -> None:
    """Tell whether what directions change varies among real pictures too (DVN).

    Args:
        job: What to work on; its codes are drawn anew.
        chosen: Whose directions are measured; all of them if left out.
        pictures: A folder of real pictures.
        fit: A picture of other proportions than the generator's is refused unless it is
            to be cropped to them or stretched.
        background: What transparent pixels are laid on.
        settings: How it is measured.
        seed: Of all that is drawn.
    """
    session = Session.open(job, "naturalness", locals())
    files = find_pictures(pictures)
    if not files:
        raise ValueError(f"pictures: {pictures} holds none")
    again = ", but codes are drawn anew"
    arguments.refuse(job.start, again, "codes", "space", "seeds", "numpy_seeds")
    edit, _ = session.open_edit(chosen)
    edit = inputs.restrict(edit, chosen.layers, session.generator)
    index = "all" if chosen.index is None else chosen.index
    numbers = inputs.choose_directions(index, edit, option="index")
    shape = session.generator.image_shape
    real, noted = read_photographs(files, shape, fit=fit, background=background)
    session.say([f"{', '.join(names)}: {note}" for note, names in noted.items()])
    drawn = prior(
        session.generator,
        space=edit.space,
        label=session.label,
        truncation=session.truncation,
    )
    key = jax.random.key(arguments.check_seed(seed))
    found: dict[int, Naturalness] = {}
    with session.progress("measuring", len(numbers), "direction") as progress:
        for number in numbers:
            found[number] = naturalness(
                drawn,
                edit,
                number,
                ArraySource(real),
                settings,
                key=key,
                mesh=session.mesh,
            )
            progress(1)
    if not is_main():
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("direction", "name", *Naturalness._fields))
    for number, figures in found.items():
        writer.writerow((number, edit.names[number], *(f"{x:.6g}" for x in figures)))
        words = ", ".join(
            f"{name.replace('_', ' ')} {value:.3f}"
            for name, value in zip(Naturalness._fields, figures, strict=True)
        )
        print(printable(f"{edit.names[number]}: {words}"))
    session.run.file(FILE).write_text(text.getvalue())
    mean = sum(figures.dvn for figures in found.values()) / len(found)
    session.finish(
        None,
        read=(chosen.edit, *files),
        settings=dataclasses.asdict(settings),
        mean=mean,
    )
    print(f"DVN, mean of {len(found)}: {mean:.3f} (chance is 0.5)")
    print((job.out / FILE).resolve())
