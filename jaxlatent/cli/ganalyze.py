"""GANalyze as a command."""

import dataclasses
import warnings
from typing import Annotated, Any, Literal

import jax
import numpy as np

from jaxlatent.cli import arguments, scores
from jaxlatent.cli.options import (
    Assessor,
    AssessorGroup,
    JobGroup,
    Page,
    PageGroup,
    Space,
    Training,
    TrainingGroup,
    group,
    option,
)
from jaxlatent.cli.session import Session, check_move, curve_plot
from jaxlatent.evaluation.curves import held_out_curves
from jaxlatent.evaluation.scoring import score_shapes
from jaxlatent.gallery.drawing import Heading
from jaxlatent.methods import ganalyze
from jaxlatent.methods.ganalyze_settings import PRESETS, Settings


@dataclasses.dataclass(frozen=True)
class Changes:
    """What replaces the preset's settings."""

    transformer: Literal["direction", "class", "mlp", "class mlp"] | None = None
    """One direction, one for each class, or a small network."""
    normalize: Literal["sample", "none", "batch"] | None = None
    """Whose length is kept: of each sample, of the batch, of none."""
    alpha: Annotated[str | None, option("LOW,HIGH")] = None
    """Least and largest wanted change of the score, such as -10,10."""
    score_range: Annotated[str | None, option("LOW,HIGH")] = None
    """Scores that can be reached, such as 0,1."""
    learning_rate: float | None = None
    """Of Adam."""

    def applied(self, settings: Settings) -> Settings:
        """Settings with those of these in their place that are given."""
        given = dict(vars(self))
        for name in ("alpha", "score_range"):
            given[name] = arguments.parse_ends(given[name], name)
        known = {name: value for name, value in given.items() if value is not None}
        return dataclasses.replace(settings, **known)


def discover_ganalyze(
    job: JobGroup,
    *,
    preset: Literal["quick", "paper", "pytorch"] = "quick",
    learned_space: Space = None,
    held_out: int = 64,
    changes: Annotated[Changes, group("setting")] = Changes(),
    assessor: AssessorGroup = Assessor(),
    training: TrainingGroup = Training(),
    page: PageGroup = Page("-0.5:0.5:7"),
) -> None:
    """GANalyze: a direction that changes a score by its strength, drawn as a page.

    Args:
        job: What to work on; label "every" learns from all classes.
        preset: The paper's settings, those of its PyTorch code, or minutes on a CPU.
        learned_space: Where codes move; z if left out.
        held_out: Unseen codes whose scores are measured along the edit.
        changes: What replaces the preset's settings.
        assessor: The score that is to be changed.
        training: How long to learn.
        page: How the edit is drawn; strengths are units of the score.
    """
    session = Session.open(job, "discover ganalyze", locals())
    session.check(page, learned_space or "z")
    name, model = scores.open_assessor(assessor)
    chosen = PRESETS[preset]
    settings = changes.applied(chosen.settings)
    method = ganalyze.learner(
        session.generator,
        model,
        dataclasses.replace(chosen, settings=settings),
        space=learned_space or "z",
        label=session.label,
        truncation=session.truncation,
    )
    (shape,) = score_shapes(session.generator, {name: model}, session.label).values()
    if len(shape) != 1:
        raise ValueError(
            f"attribute: missing; {name} returns {shape[-1]} scores of a picture, and "
            "one of them is to be changed"
        )
    # what it learns from is of the kind that it will be
    check_move(page, method.edit(method.init(jax.random.key(0))))
    fitted = session.fit(method, training, steps=chosen.steps, batch=chosen.batch)
    edit: Any = ganalyze.finished(method, fitted)
    if len(edit) == 1:
        edit = edit.rename({0: name})
    if edit.facts["collapsed"]:
        warnings.warn("the edit moves codes farther than they are long", stacklevel=1)
    alphas = np.linspace(settings.alpha[0], settings.alpha[1], 9)
    curve = held_out_curves(
        method.prior,
        edit,
        {name: model},
        alphas.tolist(),
        key=session.held_out_key(training),
        num=held_out,
        mesh=session.mesh,
    )[name]
    text = (
        f"Strengths are wanted changes of {name}. Over {held_out} unseen codes its "
        f"mean changes by {curve.slope:.3g} per unit, and {curve.rises.mean():.0%} of "
        "the steps to the next strength raise it."
    )
    plots = [curve_plot(name, curve), *session.keep_losses(fitted)]
    indices = session.classes if len(edit) > 1 else (0,)
    heading = Heading(f"GANalyze of {session.name}: {name}", [text], plots=plots)
    session.draw(
        {"ganalyze.npz": edit},
        page,
        heading,
        indices,
        read=assessor.scorer,
        preprocessing=scores.preprocessing({name: model}),
    )
