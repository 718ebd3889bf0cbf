"""Inversion and pivotal tuning as a command."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import jax.numpy as jnp
import numpy as np
import tyro

from jaxlatent import checkpoint
from jaxlatent.cli import arguments, inputs, labels, scores
from jaxlatent.cli.options import (
    Background,
    Codes,
    Devices,
    Job,
    Perceptual,
    PerceptualGroup,
    Reading,
    Repeated,
    Space,
    Training,
    TrainingGroup,
    group,
    option,
)
from jaxlatent.cli.session import Session, open_generator
from jaxlatent.collectives import is_main
from jaxlatent.data.photographs import read_photographs
from jaxlatent.data.regions import Fit, file_mask
from jaxlatent.gallery import enlarge, grid, save_png
from jaxlatent.gallery.drawing import check_pictures
from jaxlatent.generators.base import FAMILIES, family_name
from jaxlatent.generators.rendering import render
from jaxlatent.latents import Latents, last_space, to_space
from jaxlatent.methods import inversion, pivotal_tuning
from jaxlatent.methods.inversion_problem import Targets
from jaxlatent.methods.inversion_settings import PRESETS
from jaxlatent.methods.likeness import Weights

HERE = Devices()
SHEET = "reconstructions.png"
GENERATOR = "generator"
"""The folder of the tuned generator."""


@dataclasses.dataclass(frozen=True)
class Photographs:
    """How pictures are read."""

    fit: Fit = "scale"
    """A picture, or a mask, of other proportions than the generator's is refused unless
    it is to be cropped to them or stretched."""
    background: Background = "white"
    """What transparent pixels are laid on."""
    mask: Annotated[Repeated, option("FILE")] = ()
    """A picture or array file that is bright where pixels count: one for all pictures,
    or one for each."""


@dataclasses.dataclass(frozen=True)
class Changes:
    """What replaces the preset's settings."""

    pixel: float | None = None
    """Weight of the mean squared difference of pixels, in tuning too."""
    perceptual: float | None = None
    """Weight of LPIPS, in tuning too."""
    frequency: float | None = None
    """Weight of the blurred difference, in tuning too."""
    starts: int | None = None
    """Starts of each picture, of which the best is kept."""
    learning_rate: float | None = None
    """Of Adam."""
    distance: float | None = None
    """Weight of the mean squared difference of codes from their mean."""
    constraint: Literal["none", "ball", "sphere"] | None = None
    """Of z: ball shrinks codes to the length sqrt(D), sphere stretches them too."""

    def weighed(self, weights: Weights) -> Weights:
        """Weights with those of these in their place that are given."""
        return dataclasses.replace(weights, **self._given(weights))

    def applied(self, settings: Any) -> Any:
        """Settings with those of these in their place that are given."""
        weights = self.weighed(settings.weights)
        return dataclasses.replace(settings, weights=weights, **self._given(settings))

    def _given(self, known: Any) -> dict[str, Any]:
        fields = {field.name for field in dataclasses.fields(known)}
        return {
            name: value
            for name, value in vars(self).items()
            if value is not None and name in fields
        }


@dataclasses.dataclass(frozen=True)
class Tuning:
    """Pivotal tuning."""

    tune: bool = False
    """Change the generator a little, so that it makes the pictures."""
    tuning_steps: int | None = None
    """Steps; the preset's if left out."""
    tuning_rate: float | None = None
    """Learning rate of the weights; the preset's if left out."""
    locality: float | None = None
    """How much pictures of other codes are held where they were."""

    def preset(self, name: str, changes: Changes) -> pivotal_tuning.Preset:
        """What is asked of tuning, as a preset of inversion goes on."""
        chosen = pivotal_tuning.PRESETS["quick" if name == "quick" else "pti"]
        settings = chosen.settings
        given = {"learning_rate": self.tuning_rate, "locality": self.locality}
        given = {name: value for name, value in given.items() if value is not None}
        settings = dataclasses.replace(
            settings, weights=changes.weighed(settings.weights), **given
        )
        steps = chosen.steps if self.tuning_steps is None else self.tuning_steps
        return dataclasses.replace(chosen, settings=settings, steps=steps)


def invert(
    words: Annotated[
        tuple[str, ...], tyro.conf.Positional, option("PICTURE... GENERATOR")
    ],
    *,
    out: Annotated[Path, option("DIR")],
    preset: Literal["quick", "projector", "pti", "image2stylegan"] = "quick",
    learned_space: Space = None,
    chunk: int = 8,
    start: Annotated[Codes, group("code")] = Codes(),
    pictures: Annotated[Photographs, group("picture")] = Photographs(),
    perceptual: PerceptualGroup = Perceptual(),
    changes: Annotated[Changes, group("setting")] = Changes(),
    tuning: Annotated[Tuning, group("tuning")] = Tuning(),
    training: TrainingGroup = Training(),
    reading: Annotated[Reading, group("checkpoint")] = Reading(),
    where: Annotated[Devices, group("device")] = HERE,
) -> None:
    """Find the codes of pictures, and tune the generator to make them.

    Args:
        words: Pictures or folders of pictures, then a converted folder, a checkpoint
            file, faces, or module:function.
        out: The folder for the results.
        preset: Minutes on a CPU, the projector of StyleGAN2, the one of pivotal tuning,
            or Image2StyleGAN.
        learned_space: Of the codes; the preset's if left out.
        chunk: Pictures per compiled call.
        start: Where codes begin, with --codes; their classes.
        pictures: How pictures are read.
        perceptual: The perceptual distance.
        changes: What replaces the preset's settings.
        tuning: Whether the generator is tuned, and how.
        training: How long to seek; steps are those of each picture.
        reading: How to read a checkpoint file.
        where: Where to compute.
    """
    given = {name: value for name, value in locals().items() if name != "where"}
    if len(words) < 2:
        raise ValueError(
            f"words: {' '.join(words) or 'nothing'} given; pictures, then a generator "
            "are accepted"
        )
    codes = ", but codes are sought, and begin where the preset or codes tell"
    arguments.refuse(start, codes, "seeds", "numpy_seeds", "truncation", "cutoff")
    if not tuning.tune:
        arguments.refuse(tuning, " without tune")
    files = inputs.picture_files(words[:-1], "a generator")
    job = Job(words[-1], out, chunk, start, reading, where)
    session = Session.open(job, "invert", given)
    model = session.generator
    check_pictures(model)
    targets = _read(session, files, pictures)
    lpips = scores.open_lpips(perceptual)
    chosen = PRESETS[preset]
    chosen = dataclasses.replace(
        chosen,
        settings=changes.applied(chosen.settings),
        steps=chosen.steps if training.steps is None else training.steps,
        batch=chosen.batch if training.batch is None else training.batch,
    )
    problem = inversion.learner(
        model, targets, chosen, space=learned_space, lpips=lpips
    )
    if tuning.tune and problem.space == "s":
        raise ValueError("learned_space: s given with tune; z, w or w+ is accepted")
    asked = tuning.preset(preset, changes)
    tuned = _tunable(session, targets, asked, lpips) if tuning.tune else None

    once = dataclasses.replace(training, steps=None, batch=None)
    steps, batch = inversion.duration(problem, chosen)
    fitted = session.fit(
        problem, once, steps=steps, batch=batch, data=problem.source, part="inversion"
    )
    found = inversion.finished(problem, fitted, lpips=lpips, chunk=chunk)
    columns = [targets.pictures, found.images]
    told = {"inversion": found.errors}
    if tuned is not None:
        pivots = to_space(tuned.prior.generator, found.latents, last_space(model))
        tuned = tuned.replace(pivots=pivots)  # pyright: ignore
        fitted = session.fit(
            tuned,
            once,
            steps=asked.steps,
            batch=asked.batch,
            data=pivotal_tuning.source(tuned, asked.batch),
            part="tuning",
        )
        after = pivotal_tuning.finished(tuned, fitted)
        images = render(
            after.prepare(), pivots.codes, pivots.label, chunk=chunk, mesh=session.mesh
        )
        columns.append(images)
        told["tuning"] = inversion.errors(images, targets, lpips=lpips, chunk=chunk)
        if is_main():
            session.run.start()
            folder = out / GENERATOR
            checkpoint.save_generator(folder, after, overwrite=folder.exists())
            session.keep_losses(fitted, "tuning")
    if not is_main():
        return
    session.keep_losses(found.fitted, "inversion")
    _write(session, files, found, columns)
    read = [*files, *pictures.mask, *filter(None, vars(perceptual).values())]
    names = [file.name for file in files]
    table = {
        part: {name: error.tolist() for name, error in errors.items()}
        for part, errors in told.items()
    }
    session.finish(None, read=read, pictures=names, errors=table)
    _print(names, told)
    print((out / SHEET).resolve())


def _read(session: Session, files: list[Path], how: Photographs) -> Targets:
    """The pictures, what counts of them, their classes, and where codes begin."""
    model, start = session.generator, session.job.start
    shape = model.image_shape
    found, noted = read_photographs(
        files, shape, fit=how.fit, background=how.background
    )
    session.say([f"{', '.join(names)}: {note}" for note, names in noted.items()])
    if len(how.mask) not in (0, 1, len(files)):
        raise ValueError(
            f"mask: {len(how.mask)} given for {len(files)} pictures; one, or one for "
            "each, is accepted"
        )
    sides = shape[0], shape[1]
    masks = [file_mask(Path(one), sides, fit=how.fit) for one in how.mask]
    mask = np.stack(masks * (len(files) // len(masks))) if masks else None
    label = labels.labels_of_codes(start.label, model, len(files))
    session.say(labels.told_of(start.label, model))
    begin = None if start.codes is None else session.samples().latents
    return Targets(
        jnp.asarray(found),
        None if mask is None else jnp.asarray(mask),
        None if label is None else jnp.asarray(label),
        begin,
    )


def _tunable(
    session: Session, targets: Targets, asked: pivotal_tuning.Preset, lpips: Any
) -> pivotal_tuning.PivotalTuning:
    """What tuning is to solve once the pivots are known."""
    job = session.job
    model = open_generator(job.generator, job.reading)
    if family_name(model.config) not in FAMILIES:
        raise ValueError(
            f"tune: given, but {job.generator} cannot be kept; generators of "
            f"{', '.join(FAMILIES)} are accepted"
        )
    space = last_space(model)
    codes = jnp.zeros((len(targets), *model.code_shapes[space]))
    pivots = Latents(codes, space, targets.label)
    return pivotal_tuning.learner(
        model, pivots, targets.pictures, asked, lpips=lpips, mask=targets.mask
    )


def _write(
    session: Session, files: list[Path], found: inversion.Inverted, columns: list[Any]
) -> None:
    """The codes, in our own file and in NVIDIA's; noise maps; the sheet."""
    run, latents = session.run, found.latents
    label = {} if latents.label is None else {"label": latents.label}
    checkpoint.save_arrays(
        run.file("latents.npz"), {latents.space: latents.codes} | label
    )
    if found.noise:
        checkpoint.save_arrays(run.file("noise.npz"), found.noise)
    if last_space(session.generator) == "w+" and latents.space != "s":
        whole = to_space(session.generator, latents, "w+").codes
        stems = [file.stem for file in files]
        for number, (stem, code) in enumerate(zip(stems, whole, strict=True)):
            name = f"{stem}_{number}" if stems.count(stem) > 1 else stem
            checkpoint.save_arrays(
                run.file(f"{name}_projected_w.npz"), {"w": code[None]}
            )
    rows = np.stack([np.asarray(one) for one in columns], axis=1)
    save_png(run.file(SHEET), grid(enlarge(rows)))


def _print(names: list[str], told: dict[str, dict[str, np.ndarray]]) -> None:
    """A table of errors: a line for each picture, and their means."""
    for part, errors in told.items():
        print(f"{part}: {', '.join(errors)}")
        for row, name in enumerate(names):
            values = ", ".join(f"{values[row]:.4g}" for values in errors.values())
            print(f"  {name}: {values}")
        means = ", ".join(f"{values.mean():.4g}" for values in errors.values())
        print(f"  mean: {means}")
