"""Steerability as a command."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jax
import numpy as np
from jax.sharding import Mesh

from jaxlatent.cli import arguments, scores
from jaxlatent.cli.options import (
    JobGroup,
    Page,
    PageGroup,
    Perceptual,
    PerceptualGroup,
    Repeated,
    Space,
    Training,
    TrainingGroup,
    group,
    option,
)
from jaxlatent.cli.session import Session, check_move, curve_plot
from jaxlatent.evaluation.curves import score_curves
from jaxlatent.evaluation.scoring import score_shapes
from jaxlatent.evaluation.steerability import delta_m, limits, walk_errors
from jaxlatent.gallery.drawing import Heading
from jaxlatent.gallery.plots import Plot
from jaxlatent.latents import sample_keys
from jaxlatent.loading import import_name, is_function_name
from jaxlatent.methods import steerability
from jaxlatent.methods.steerability_edits import (
    EDITS,
    AlongSlider,
    FunctionEdit,
    ImageEdit,
)
from jaxlatent.methods.steerability_settings import PRESETS, Settings
from jaxlatent.types import Model

ATTRIBUTES = {
    "zoom": ("extent", "brightness"),
    "shiftx": ("centre-x",),
    "shifty": ("centre-y",),
    "color": ("brightness",),
    "luminance": ("brightness",),
}
"""Formulas that tell what a walk does, by the edit that it was taught by."""


@dataclasses.dataclass(frozen=True)
class Changes:
    """What replaces the preset's settings."""

    walk: Literal["linear", "network"] | None = None
    """Directions, or steps of a small network."""
    loss: Literal["l2", "lpips"] | None = None
    """How pictures are compared."""
    learning_rate: float | None = None
    """Of Adam."""
    shared_alpha: bool = False
    """One alpha for each batch, as the original."""

    def applied(self, settings: Settings) -> Settings:
        """Settings with those of these in their place that are given."""
        known = {name: value for name, value in vars(self).items() if value}
        return dataclasses.replace(settings, **known)


@dataclasses.dataclass(frozen=True)
class Asked:
    """The edit of pictures that is to be learned."""

    edit: Annotated[str, option("EDIT")]
    """zoom, shiftx, shifty, color, colorlab, luminance, rotate2d, rotate3d; or
    module:function of images and alphas, which returns images and a mask."""
    pixels: int | None = None
    """Of shifts: the longest; half of the picture if left out."""
    channel: int | None = None
    """Of color and colorlab: the one channel that is changed."""
    original: bool = False
    """Draw alphas and round pixels as the original's code."""

    def image_edit(self) -> ImageEdit:
        """The edit, with what replaces its own.

        Raises:
            ValueError: for an unknown edit, or an option that it does not have.
        """
        changes = {
            name: value
            for name, value in vars(self).items()
            if value not in (None, False) and name != "edit"
        }
        if self.edit in EDITS:
            found: Any = EDITS[self.edit]
        elif is_function_name(self.edit):
            found = import_name(self.edit, "edit")
            if not isinstance(found, ImageEdit):
                name = self.edit.rpartition(":")[2]
                found = FunctionEdit(function=found, name=name)
        else:
            raise ValueError(
                f"edit: {self.edit!r} given; one of {', '.join(EDITS)} or "
                "module:function is accepted"
            )
        fields = {one.name for one in dataclasses.fields(found)}
        if unknown := sorted(changes.keys() - fields):
            raise ValueError(f"{unknown[0]}: given, but {self.edit} has none")
        return dataclasses.replace(found, **changes)


def discover_steerability(
    job: JobGroup,
    *,
    asked: Annotated[Asked, group("edit")],
    preset: Literal[tuple(PRESETS)] = "quick",  # pyright: ignore
    learned_space: Space = None,
    perceptual: PerceptualGroup = Perceptual(),
    scorer: Repeated = (),
    held_out: int = 64,
    changes: Annotated[Changes, group("setting")] = Changes(),
    training: TrainingGroup = Training(),
    page: PageGroup = Page("-1:1:7"),
) -> None:
    """Steerability: a walk that does what an edit of pictures does, drawn as a page.

    Args:
        job: What to work on; label "every" learns from all classes.
        asked: The edit of pictures.
        preset: The paper's settings, or minutes on a CPU.
        learned_space: Where codes move; the preset's if left out.
        perceptual: What the loss lpips compares with.
        scorer: Attributes that are measured along the walk; of zoom, shifts and colours
            formulas if left out.
        held_out: Unseen codes that are measured.
        changes: What replaces the preset's settings.
        training: How long to learn.
        page: How the walk is drawn; strengths are those of the edit.
    """
    image_edit, chosen = asked.image_edit(), PRESETS[preset]
    settings = changes.applied(chosen.settings)
    chosen = dataclasses.replace(
        chosen, settings=settings, space=learned_space or chosen.space
    )
    distance = _distance(settings, perceptual)
    session = Session.open(job, "discover steerability", locals())
    session.check(page, chosen.space)
    scorers = scores.open_scorers(scorer or ATTRIBUTES.get(asked.edit, ("brightness",)))
    shapes = score_shapes(session.generator, scorers, session.label)
    if many := [name for name, shape in shapes.items() if len(shape) != 1]:
        raise ValueError(f"scorer: {many[0]} returns several scores; one is accepted")
    method = steerability.learner(
        session.generator,
        image_edit,
        chosen,
        distance=distance,
        label=session.label,
        truncation=session.truncation,
    )
    # what it learns from is of the kind that it will be
    check_move(page, method.edit(method.init(jax.random.key(0))))
    fitted = session.fit(method, training, steps=chosen.steps, batch=chosen.batch)
    edit = steerability.finished(method, fitted)
    texts, plots = _measured(
        method,
        edit,
        scorers,
        key=session.held_out_key(training),
        num=held_out,
        mesh=session.mesh,
    )
    heading = Heading(
        f"Steerability of {session.name}: {asked.edit}",
        texts,
        plots=[*plots, *session.keep_losses(fitted)],
    )
    read = [file for file in (*vars(perceptual).values(), *scorer) if file is not None]
    indices = range(len(edit.names))
    session.draw({"steerability.npz": edit}, page, heading, indices, read=read)


def _measured(
    method: steerability.Steerability,
    edit: Any,
    scorers: Mapping[str, Model],
    *,
    key: jax.Array,
    num: int,
    mesh: Mesh | None,
) -> tuple[list[str], list[Plot]]:
    """What every direction does to unseen codes, in words and curves."""
    image_edit, prior = method.image_edit, method.prior
    reach = image_edit.reach(method.shape)
    texts = [
        f"Strengths are {image_edit.unit(method.shape)}; {reach:.2f} either way was "
        "taught."
    ]
    plots = []
    latents = prior(sample_keys(key, np.arange(num)))
    for index, name in enumerate(edit.names):
        curves = score_curves(
            prior.generator,
            edit,
            scorers,
            latents,
            index,
            np.linspace(-2 * reach, 2 * reach, 17).tolist(),
            mesh=mesh,
        )
        for score, curve in curves.items():
            low, high = limits(curve)
            change = delta_m(curve, (low, high))
            texts.append(
                f"Along {name}, {score} follows from {low:.2f} to {high:.2f} and "
                f"changes by {change:.3g}, over {num} unseen codes."
            )
            plots.append(curve_plot(f"{score} along {name}", curve, "strength"))
        slider = None if method.settings.walk == "network" else index
        errors = walk_errors(
            prior,
            edit,
            AlongSlider(image_edit, slider),
            np.linspace(-reach, reach, 9),
            key=key,
            index=index,
            num=num,
            mesh=mesh,
        )
        lines = {"walk": errors.to_edit.mean, "no walk": errors.unmoved.mean}
        title = f"Mean square difference from the edit, {name}"
        plots.append(Plot(title, errors.to_edit.strengths, lines, x_name="strength"))
    return texts, plots


def _distance(settings: Settings, asked: Perceptual) -> Model | None:
    """The distance that a loss needs, None if it needs none."""
    if settings.loss == "l2":
        arguments.refuse(asked, ", but the loss is l2")
    elif asked.lpips is None:
        raise ValueError(
            "lpips: missing; a file of its heads or of a whole module is needed, or "
            "--loss l2"
        )
    return scores.open_lpips(asked)
