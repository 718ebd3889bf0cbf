"""Unsupervised Discovery as a command."""

import dataclasses
from typing import Annotated, Any, Literal

import jax
import numpy as np

from jaxlatent.cli import arguments
from jaxlatent.cli.options import (
    JobGroup,
    Page,
    PageGroup,
    Space,
    Training,
    TrainingGroup,
    group,
)
from jaxlatent.cli.session import Session, check_move
from jaxlatent.collectives import is_main
from jaxlatent.gallery.drawing import Heading
from jaxlatent.gallery.plots import Plot
from jaxlatent.methods import unsupervised_discovery as discovery
from jaxlatent.methods.pair_reconstruction import finished
from jaxlatent.methods.unsupervised_discovery_settings import PRESETS, Settings

CHARTS = "-18,-12,-6,-4,-2,0,2,4,6,12,18"
"""The strengths of the paper's charts, where shifts of up to 6 were taught."""

LAWS = {"law", "most", "least"}


@dataclasses.dataclass(frozen=True)
class Changes:
    """What replaces the preset's settings."""

    deformator: (
        Literal["identity", "linear", "projective", "orthonormal", "fc", "random"]
        | None
    ) = None
    """What directions are; identity and random, which are not learned, are what learned
    ones are held against."""
    directions: int | None = None
    """How many; as many as a code has numbers if left out."""
    start: Literal["identity", "random"] | None = None
    """Near the coordinate axes, or at random."""
    bias: bool = False
    """Give linear and projective ones a bias, as the original does."""
    padded: bool = False
    """Let orthonormal ones turn the first coordinates alone, as the original does."""
    reconstructor: Literal["resnet", "lenet"] | None = None
    """What tells directions apart."""
    downsample: int | None = None
    """Pixels of a side that a ResNet sees."""

    def applied(self, settings: Settings) -> Settings:
        """Settings with those of these in their place that are given."""
        known = {name: value for name, value in vars(self).items() if value}
        if known.get("reconstructor") == "lenet" and "downsample" not in known:
            known["downsample"] = None
        return dataclasses.replace(settings, **known)


@dataclasses.dataclass(frozen=True)
class Learning:
    """What replaces the preset's shifts and weights."""

    law: Literal["uniform", "normal", "two-sided"] | None = None
    """Of the shifts."""
    most: float | None = None
    """The largest shift, or the deviation of normal ones."""
    least: float | None = None
    """The smallest shift, either way."""
    classification: float | None = None
    """Weight of the direction's loss."""
    regression: float | None = None
    """Weight of the shift's loss."""
    directions_rate: float | None = None
    """Of Adam for the directions."""
    reconstructor_rate: float | None = None
    """Of Adam for the reconstructor."""
    accumulate: int | None = None
    """Steps whose gradients are averaged for one move."""

    def applied(self, settings: Settings) -> Settings:
        """Settings with those of these in their place that are given."""
        known = {name: value for name, value in vars(self).items() if value is not None}
        laws = {name: known.pop(name) for name in LAWS & known.keys()}
        shifts = dataclasses.replace(settings.learning.shifts, **laws)
        learning = dataclasses.replace(settings.learning, shifts=shifts, **known)
        return dataclasses.replace(settings, learning=learning)


def discover_voynov(
    job: JobGroup,
    *,
    preset: Literal[tuple(PRESETS)] = "quick",  # pyright: ignore
    learned_space: Space = None,
    held_out: int = 3200,
    num: int | None = None,
    bound: float | None = None,
    changes: Annotated[Changes, group("setting")] = Changes(),
    learning: Annotated[Learning, group("learning")] = Learning(),
    training: TrainingGroup = Training(),
    page: PageGroup = Page(CHARTS),
) -> None:
    """Unsupervised Discovery: directions that a network can tell apart, drawn.

    Args:
        job: What to work on; label "every" learns from all classes.
        preset: The paper's settings of one of its generators, or minutes on a CPU.
        learned_space: Where codes move; the preset's if left out.
        held_out: Unseen pairs that the accuracy is measured on.
        num: How many directions to draw, those told best; all if left out.
        bound: Learn from z within so many deviations.
        changes: What replaces the preset's settings.
        learning: What replaces the preset's shifts and weights.
        training: How long to learn.
        page: How directions are drawn; once and three times as far as was taught, if
            strengths are left out.
    """
    chosen = PRESETS[preset]
    for name, number in (("held_out", held_out), ("num", num)):
        if number is not None:
            arguments.at_least_one(number, name)
    settings = learning.applied(changes.applied(chosen.settings))
    if page.strengths == CHARTS:
        far = discovery.chart_strengths(settings.learning.shifts.most)
        page = dataclasses.replace(page, strengths=",".join(f"{s:g}" for s in far))
    session = Session.open(job, "discover voynov", locals())
    session.check(page, learned_space or chosen.space)
    method = discovery.learner(
        session.generator,
        dataclasses.replace(chosen, settings=settings, bound=bound),
        space=learned_space,
        label=session.label,
        truncation=session.truncation,
    )
    check_move(page, method.edit(method.init(jax.random.key(0))))
    fitted = session.fit(method, training, steps=chosen.steps, batch=chosen.batch)
    with session.progress("measuring", held_out, "pair") as progress:
        found = method.recognition(
            fitted.state,
            key=session.held_out_key(training),
            num=held_out,
            chunk=max(job.chunk, 32),
            mesh=session.mesh,
            progress=progress,
        )
    edit: Any = finished(method, fitted, found)
    text = (
        f"A network that sees two pictures tells which of {len(edit)} directions lies "
        f"between them in {found.accuracy:.1%} of {held_out} unseen pairs (RCA); by "
        f"chance it would in {1 / len(edit):.1%}. Strengths up to "
        f"{settings.learning.shifts.most:g} were taught."
    )
    session.keep_recognition(found, edit.names)
    if is_main():
        print(text)
    accuracy = fitted.history["accuracy"]
    plots = [
        Plot("Accuracy of a batch", range(len(accuracy)), {"accuracy": accuracy}),
        *session.keep_losses(fitted),
    ]
    heading = Heading(f"Unsupervised Discovery of {session.name}", [text], plots=plots)
    best = np.argsort(-np.nan_to_num(found.by_direction), kind="stable")[:num]
    session.draw({"voynov.npz": edit}, page, heading, [int(one) for one in best])
