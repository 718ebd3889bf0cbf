"""A command at work: its generator, its codes, its folder, and what all commands do."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxlatent import checkpoint
from jaxlatent.cli import arguments, inputs, labels
from jaxlatent.cli.devices import open_mesh
from jaxlatent.cli.fitting import fit_run, keep_losses
from jaxlatent.cli.inputs import Samples
from jaxlatent.cli.options import Devices, EditFile, Job, Page, Reading, Training
from jaxlatent.cli.progress import progress_bar
from jaxlatent.collectives import agree, is_main
from jaxlatent.editing import check_edit, check_traversal, where_edited
from jaxlatent.edits.base import Edit, knows_coordinates
from jaxlatent.edits.directions import directions
from jaxlatent.evaluation.curves import ScoreCurve
from jaxlatent.evaluation.recognition import Recognition
from jaxlatent.gallery.drawing import (
    Heading,
    Traversal,
    check_pictures,
    draw_edits,
    run_names,
)
from jaxlatent.gallery.plots import Plot
from jaxlatent.generators.base import Generator, family_name, fingerprint
from jaxlatent.latents import Truncation
from jaxlatent.learning import Problem
from jaxlatent.loading import load, short_name
from jaxlatent.runs import Run, plain
from jaxlatent.training.fit import Fitted
from jaxlatent.training.sources import Source
from jaxlatent.types import parse_layers

HELD_OUT = np.uint32(2**32 - 3)
"""What a run's key is folded with for codes that it does not see."""


@dataclasses.dataclass(frozen=True, eq=False)
class Session:
    """One command at work on one generator.

    Attributes:
        job: what the command was asked.
        run: its folder.
        mesh: its devices, None for one.
        generator: prepared.
        owner: the generator's fingerprint.
        said: the lines that told how files were read, each once.
    """

    job: Job
    run: Run
    mesh: Mesh | None
    generator: Generator
    owner: str
    said: list[str] = dataclasses.field(default_factory=list)

    @classmethod
    def open(cls, job: Job, command: str, words: Mapping[str, Any]) -> "Session":
        """Join the devices and read the generator.

        Args:
            job: what the command was asked.
            command: its words.
            words: all of its arguments, defaults included.
        """
        run = Run(job.out, command, words)
        alike = plain({**words, "job": dataclasses.replace(job, where=Devices())})
        mesh = open_mesh(job.where, alike)
        generator = open_generator(job.generator, job.reading, job.start.truncation)
        owner = fingerprint(generator)
        agree(owner, "GENERATOR")
        session = cls(job, run, mesh, generator.prepare(), owner)
        if isinstance(page := words.get("page"), Page):
            session.check(page)
        return session

    @property
    def name(self) -> str:
        """The generator's name for a title."""
        return short_name(self.job.generator)

    @property
    def truncation(self) -> Truncation | None:
        """What the options ask for, before an edit."""
        return inputs.truncation_of(self.job.start, self.generator)

    @cached_property
    def label(self) -> Any:
        """The labels of codes to learn from, as `latents.prior` takes them."""
        found = labels.label_choice(self.job.start.label, self.generator)
        self.say(labels.told_of(self.job.start.label, self.generator))
        return found

    def samples(
        self, num: int | None = None, default: int = 3, **changes: Any
    ) -> Samples:
        """The codes that the options ask for; see `inputs.draw_samples`."""
        start = dataclasses.replace(self.job.start, **changes)
        samples = inputs.draw_samples(start, self.generator, num, default)
        self.say(samples.guesses)
        return samples

    def open_edit(self, chosen: EditFile) -> tuple[Any, list[str]]:
        """The edit that the options name, before `layers` restricts it.

        Returns:
            The edit, and what is to be said of it on a page.
        """
        loaded, said = inputs.open_edit(
            chosen.edit,
            self.generator,
            space=chosen.edit_space,
            per_layer=chosen.per_layer,
            layers=chosen.layers,
        )
        self.say(said)
        check_edit(self.generator, loaded)
        owner = getattr(loaded, "generator", "")
        if owner in ("", self.owner):
            return loaded, []
        if owner in self.generator.origin.ancestors:
            self.say(
                [f"{chosen.edit}: found in {owner}, which GENERATOR was tuned from"]
            )
            return loaded, []
        line = (
            f"These directions were found in another generator ({owner}, not "
            f"{self.owner})."
        )
        warnings.warn(line, stacklevel=1)
        return loaded, [line]

    def say(self, lines: Sequence[str]) -> None:
        """Tell how a file was read, once, and keep it for the record."""
        for line in lines:
            if line not in self.said:
                self.said.append(line)
                if is_main():
                    print(line)

    def say_origin(self) -> None:
        """Tell what was guessed of a checkpoint; of a folder it was told long ago."""
        if not checkpoint.is_generator(self.job.generator):
            guesses = self.generator.origin.guesses
            self.say([f"{self.name}: {guess}" for guess in guesses])

    def check(
        self, page: Page, space: str | None = None, layers: Any = None
    ) -> tuple[int, ...] | None:
        """Refuse what cannot be drawn, before hours are spent on what to draw.

        Args:
            page: how it is to be drawn.
            space: of the edit that is to be found, as far as it is known.
            layers: the rows that it is to move.

        Returns:
            The rows by number, None for all.
        """
        check_pictures(self.generator)
        first = self.samples()
        truncation = inputs.truncation_of(self.job.start, self.generator, page.truncate)
        rows = None
        edits = []
        if space in self.generator.code_spaces:
            config = self.generator.config
            rows = parse_layers(layers, config.num_layers)
            size = self.generator.code_shapes[space][-1]
            edits = [directions(np.zeros((1, size), np.float32), space=space)]
        check_traversal(self.generator, edits, first.latents, truncation)
        return rows

    def progress(
        self, label: str, total: int | None = None, unit: str = "image"
    ) -> Any:
        """A progress bar; see `progress.progress_bar`."""
        return progress_bar(label, total, unit=unit)

    def draw(
        self,
        edits: Mapping[str, Edit],
        page: Page,
        heading: Heading,
        indices: Sequence[int],
        *,
        read: Sequence[Any] = (),
        **recorded: Any,
    ) -> None:
        """Draw directions, write everything, and say where it is.

        Args:
            edits: by the file each is written to; all of them move together.
            page: how they are drawn.
            heading: of the page.
            indices: the directions.
            read: files that were read, besides the generator and the codes.
            **recorded: further JSON values for the record.
        """
        job, generator = self.job, self.generator
        edit = next(iter(edits.values())).rename({})
        first = self.samples()
        truncation = inputs.truncation_of(job.start, generator, page.truncate)
        traversal = Traversal(
            first.latents,
            first.names,
            indices,
            arguments.parse_strengths(page.strengths),
            page.move == "to",
            truncation,
        )
        check_traversal(generator, list(edits.values()), first.latents, truncation)
        check_pictures(generator)
        for one in edits.values():
            check_move(page, one)
        facts = [("Generator", f"{self.name} ({family_name(generator.config)})")]
        if job.start.label is not None:
            facts.append(("Class", job.start.label))
        heading = dataclasses.replace(heading, facts=[*facts, *heading.facts])
        counts = {
            "direction": len(indices),
            "code": len(first.names),
            "strength": len(traversal.strengths),
        }
        total = counts["direction"] * counts["code"] * counts["strength"]
        if is_main():
            self.run.start()
        with self.progress("drawing", total) as progress:
            files = draw_edits(
                job.out,
                generator,
                tuple(edits.values()),
                traversal,
                heading,
                chunk=job.chunk,
                mesh=self.mesh,
                progress=progress,
            )
        if not is_main():
            return
        self.run.names += files
        for file, one in edits.items():
            checkpoint.save_edit(self.run.file(file), one)
        self.finish(
            first,
            read=read,
            strengths=traversal.strengths,
            directions=[edit.names[index] for index in indices],
            edited=where_edited(generator, edit, truncation),
            **recorded,
        )
        print(f"{run_names(counts)}; {', '.join(edits)}, PNG, GIF and a page")
        print((job.out / files[-1]).resolve().as_uri())

    @property
    def classes(self) -> tuple[int, ...]:
        """Those of the codes that are drawn, each once; of weights, the largest."""
        label = np.asarray(self.samples().latents.label)
        numbers = label.argmax(axis=1) if label.ndim > 1 else label
        return tuple(np.unique(numbers).tolist())

    def fit(
        self,
        problem: Problem,
        training: Training,
        *,
        steps: int,
        batch: int,
        data: Source | None = None,
        part: str = "",
    ) -> Fitted:
        """Solve a problem in the run's folder; see `fitting.fit_run`."""
        return fit_run(
            problem,
            training,
            steps=steps,
            batch=batch,
            out=self.job.out,
            mesh=self.mesh,
            data=data,
            part=part,
        )

    def held_out_key(self, training: Training) -> jax.Array:
        """The key of codes that a run does not see."""
        return jax.random.fold_in(jax.random.key(training.seed), HELD_OUT)

    def keep_recognition(self, found: Recognition, names: Sequence[str]) -> None:
        """Record how well each direction was told from the others."""
        if is_main():
            self.run.file("recognition.csv").write_text(found.to_csv(names))

    def keep_losses(self, fitted: Fitted, part: str = "") -> Sequence[Plot]:
        """Record `losses.csv`; the losses as a plot for the page."""
        if is_main():
            keep_losses(self.run, part)
        loss = fitted.history["loss"]
        return (Plot("Loss", range(len(loss)), {"loss": loss}),)

    def finish(
        self, first: Samples | None, *, read: Sequence[Any] = (), **facts: Any
    ) -> None:
        """Write the record; see `runs.Run.finish`."""
        told = {} if first is None else {"seeds": first.seeds, "codes": first.names}
        start = self.job.start
        label = start.label if labels.is_file(start.label) else None
        self.say_origin()
        self.run.finish(
            self.generator,
            inputs=(self.job.generator, start.codes, label, *read),
            guesses=self.said,
            **told,
            **facts,
        )


def curve_plot(name: str, curve: ScoreCurve, xlabel: str = "alpha") -> Plot:
    """The mean of a score and its deviation over the strengths of an edit."""
    band = {name: (curve.mean - curve.std, curve.mean + curve.std)}
    title = f"{name}, mean and deviation"
    return Plot(title, curve.strengths, {name: curve.mean}, band, xlabel)


def check_move(page: Page, edit: Any) -> None:
    """Raise ValueError where codes are to move to coordinates that an edit lacks."""
    if page.move == "to" and not knows_coordinates(edit):
        raise ValueError(
            f"move: to given, but a {type(edit).__name__} knows no coordinate"
        )


def open_generator(
    text: str, reading: Reading, truncation: float | None = None
) -> Generator:
    """The generator that a command names, not prepared.

    Args:
        text: which.
        reading: how to read a checkpoint file.
        truncation: of z, where the family keeps statistics for it.
    """
    config = arguments.parse_config(reading.config)
    with progress_bar(f"reading {Path(text).name}"):
        generator = load(
            text, family=reading.family, config=config, entry=reading.entry
        )
    if truncation is None or not hasattr(generator.config, "truncation"):
        return generator
    bent = dataclasses.replace(generator.config, truncation=truncation)
    return dataclasses.replace(generator, config=bent)
