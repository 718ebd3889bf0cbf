"""Factors of Variation as a command."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import jax
import numpy as np

from jaxlatent.checkpoint import save_arrays
from jaxlatent.cli import arguments
from jaxlatent.cli.options import (
    JobGroup,
    Page,
    PageGroup,
    Training,
    TrainingGroup,
    group,
    option,
)
from jaxlatent.cli.session import Session, curve_plot
from jaxlatent.collectives import is_main
from jaxlatent.edits.factor import Factors
from jaxlatent.evaluation.factors import MEASURES, predict, spread
from jaxlatent.files import read_arrays
from jaxlatent.gallery.drawing import Heading
from jaxlatent.gallery.plots import Plot
from jaxlatent.latents import Prior, prior
from jaxlatent.loading import import_name, is_function_name
from jaxlatent.methods import factors_of_variation as method_of
from jaxlatent.methods.factors_of_variation_settings import PRESETS, Preset
from jaxlatent.methods.factors_of_variation_trajectories import (
    Trajectories,
    estimate,
)
from jaxlatent.methods.factors_of_variation_transformations import (
    TRANSFORMATIONS,
    as_transformation,
)
from jaxlatent.runs import RUN_FILE, plain
from jaxlatent.types import Model

FILE = "trajectories.npz"


@dataclasses.dataclass(frozen=True)
class Changes:
    """What replaces the preset's settings."""

    amounts: Annotated[str | None, option("LIST")] = None
    """Amounts of the transformation, of either sign, such as 0.1,0.2,0.3."""
    trajectories: int | None = None
    """Codes that trajectories begin at."""
    search_steps: int | None = None
    """Steps of the search for each amount."""
    search_rate: float | None = None
    """Adam's learning rate in the search."""
    sigma: float | None = None
    """Deviation of the loss's blur, in pixels."""
    constraint: Literal["ball", "sphere", "none"] | None = None
    """Where codes of z stay."""
    threshold: float | None = None
    """Error above which the end of a trajectory is dropped."""
    dropped: float | None = None
    """Share of the largest errors that is dropped."""
    link: Literal["piecewise", "linear", "gaussian"] | None = None
    """How the factor depends on the place along the direction."""

    def applied(self, preset: Preset) -> Preset:
        """A preset with those of these in their place that are given."""
        amounts = None
        if self.amounts is not None:
            amounts = arguments.parse_strengths(self.amounts)
        search = _given(
            amounts=amounts,
            steps=self.search_steps,
            learning_rate=self.search_rate,
            sigma=self.sigma,
            constraint=self.constraint,
        )
        whole = _given(
            trajectories=self.trajectories,
            threshold=self.threshold,
            dropped=self.dropped,
        )
        return dataclasses.replace(
            preset,
            search=dataclasses.replace(preset.search, **search),
            settings=dataclasses.replace(preset.settings, **_given(link=self.link)),
            **whole,
        )


def discover_factors(
    job: JobGroup,
    *,
    transformation: str = "horizontal_position",
    preset: Literal["quick", "paper", "original"] = "quick",
    learned_space: Literal["z", "w"] = "z",
    measure: str | None = None,
    held_out: int = 500,
    changes: Annotated[Changes, group("setting")] = Changes(),
    training: TrainingGroup = Training(),
    page: PageGroup = Page("-0.3:0.3:7"),
) -> None:
    """Factors of Variation: a direction whose strength is a factor's value, as a page.

    Args:
        job: What to work on; label "every" pools the trajectories of all classes.
        transformation: horizontal_position, vertical_position, scale, log_scale,
            brightness, or module:function.
        preset: The paper's settings, those of its code, or minutes on a CPU.
        learned_space: Where codes move.
        measure: What measures the factor, likewise, or none; the transformation's own
            if left out. It looks at what is bright.
        held_out: Unseen codes whose factor is predicted and measured.
        changes: What replaces the preset's settings.
        training: How long to learn the direction.
        page: How the edit is drawn; strengths are units of the factor.
    """
    session = Session.open(job, "discover factors", locals())
    session.check(page, learned_space)
    change = as_transformation(_named(transformation, TRANSFORMATIONS))
    measured = _measure(measure, transformation)
    chosen = changes.applied(PRESETS[preset])
    drawn = prior(
        session.generator,
        space=learned_space,
        label=session.label,
        truncation=session.truncation,
    )
    found = _search(session, drawn, change, chosen, training)
    method, kept = method_of.learner(found, chosen, space=learned_space)
    lone = 1 if session.mesh is None else session.mesh.size
    batch, data = method_of.batches(method, chosen, training.batch)
    fitted = session.fit(
        method,
        training,
        steps=chosen.steps,
        batch=batch if data else lone,
        data=data,
    )
    edit = method_of.finished(method, fitted, kept, chosen)
    edit = dataclasses.replace(edit, generator=session.owner)
    edit = edit.rename({0: transformation.rpartition(":")[2]})
    text, plots, figures = _held_out(session, drawn, edit, measured, held_out, training)
    low, high = np.asarray(edit.limits[0]).tolist()
    text += (
        f" Strengths are changes of {edit.names[0]}, which the direction takes from "
        f"{low:.3g} to {high:.3g}. Of {kept.size} ends of trajectories, "
        f"{edit.facts['dropped']} were dropped."
    )
    link = Plot(
        f"{edit.names[0]} of codes",
        np.asarray(edit.knots[0]),
        {"g": np.asarray(edit.values[0])},
        x_name="place along the direction",
    )
    plots = [link, *plots, *session.keep_losses(fitted)]
    heading = Heading(f"{edit.names[0]} in {session.name}", [text.strip()], plots=plots)
    session.draw({"factors.npz": edit}, page, heading, (0,), **figures)


def _search(
    session: Session, drawn: Prior, change: Model, chosen: Preset, training: Training
) -> Trajectories:
    """The trajectories, kept while they are searched; those found are not again."""
    file = session.job.out / FILE
    about = json.dumps(
        plain(
            {
                "generator": session.owner,
                "transformation": session.run.arguments["transformation"],
                "search": chosen.search,
                "space": drawn.space,
                "label": session.job.start.label,
                "truncation": session.job.start.truncation,
                "seed": arguments.check_seed(training.seed),
            }
        )
    )
    done = None
    if file.exists() and training.resume:
        arrays: Any = read_arrays(file)
        if str(arrays.pop("about", b"").tobytes().decode()) != about:
            raise ValueError(
                f"resume: given, but {file} belongs to other settings; the same "
                "command goes on, another --out starts anew"
            )
        done = Trajectories(**arrays)
    elif file.exists() and not (session.job.out / RUN_FILE).exists():
        raise ValueError(
            f"resume: not given, but {file} is of an unfinished run; --resume goes on "
            "with it, another --out starts anew"
        )
    before = 0 if done is None else len(done)
    with session.progress(
        "searching", chosen.trajectories - before, "code"
    ) as progress:

        def keep(found: Trajectories) -> None:
            nonlocal before
            if is_main():
                told = np.frombuffer(about.encode(), np.uint8)
                save_arrays(session.job.out / FILE, {**vars(found), "about": told})
            progress(len(found) - before)
            before = len(found)

        if is_main():
            session.run.file(FILE)
        if done is not None:
            keep(done)
        return estimate(
            drawn,
            change,
            chosen.search,
            key=jax.random.key(training.seed),
            num=chosen.trajectories,
            chunk=chosen.together or session.job.chunk,
            mesh=session.mesh,
            done=done,
            callback=keep,
        )


def _held_out(
    session: Session,
    drawn: Prior,
    edit: Factors,
    measure: Model | None,
    num: int,
    training: Training,
) -> tuple[str, Sequence[Plot], Mapping[str, Any]]:
    """What pictures of unseen codes say of the edit: in words, plots and figures."""
    if measure is None:
        return "", (), {}
    key = session.held_out_key(training)
    sizes: Any = {"chunk": max(session.job.chunk, 32), "mesh": session.mesh}
    found = predict(drawn, edit, measure, key=key, num=num, **sizes)
    if len(found.predicted) < 2:
        return f"{found.unseen} of {num} pictures show nothing bright.", (), {}
    means, shown, off = found.binned()
    curve = spread(drawn, edit, measure, key=key, num=min(num, 100), **sizes)
    text = (
        f"Over {len(found.predicted)} unseen codes what is measured correlates with "
        f"what is predicted by {found.correlation:.3f}, at a slope of "
        f"{found.slope:.3g}."
    )
    plots = (
        Plot(
            "Measured over predicted",
            means,
            {"measured": shown, "predicted": means},
            {"measured": (shown - off, shown + off)},
            "predicted",
        ),
        curve_plot("Measured", curve, "place along the direction"),
        Plot(
            "Deviation of what is measured over codes",
            curve.strengths,
            {"deviation": curve.std},
            x_name="place along the direction",
        ),
    )
    return text, plots, {"correlation": found.correlation, "slope": found.slope}


def _named(text: str, known: Mapping[str, Model]) -> Model | str:
    """One of those known by its name, or a function that is imported."""
    if text in known or not is_function_name(text):
        return known.get(text, text)
    return import_name(text, "transformation")


def _measure(text: str | None, transformation: str) -> Model | None:
    """What measures a factor, None for nothing.

    Raises:
        ValueError: for a word that is none of those known.
    """
    if text is None:
        return MEASURES.get(transformation)
    if text in MEASURES or text == "none":
        return MEASURES.get(text)
    if is_function_name(text):
        return import_name(text, "measure")
    raise ValueError(
        f"measure: {text!r} given; none, module:function or one of "
        f"{', '.join(MEASURES)} is accepted"
    )


def _given(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}
