"""WarpedGANSpace as a command."""

import dataclasses
from typing import Annotated, Literal

import jax
import numpy as np

from jaxlatent.cli import arguments
from jaxlatent.cli.options import (
    JobGroup,
    Page,
    PageGroup,
    Training,
    TrainingGroup,
    group,
)
from jaxlatent.cli.session import Session, check_move
from jaxlatent.collectives import is_main
from jaxlatent.evaluation.paths import (
    follow_paths,
    path_strengths,
    project_paths,
    straightness,
)
from jaxlatent.gallery.drawing import Heading
from jaxlatent.gallery.plots import Plane
from jaxlatent.latents import to_space
from jaxlatent.methods import warped_ganspace
from jaxlatent.methods.pair_reconstruction import finished
from jaxlatent.methods.warped_ganspace_settings import PRESETS, Settings


@dataclasses.dataclass(frozen=True)
class Warps:
    """What replaces the preset's settings."""

    paths: int | None = None
    """Warping functions, one for each path."""
    dipoles: int | None = None
    """Pairs of support vectors of each."""
    reconstructor: Literal["lenet", "resnet"] | None = None
    """What tells the paths apart."""
    downsample: int | None = None
    """Pixels of a side that a ResNet sees."""
    min_shift: float | None = None
    """The least length of a step along a path."""
    max_shift: float | None = None
    """The largest."""
    sampling: Literal["fair", "reference"] | None = None
    """Either sign as often, or as the original's code draws them."""
    gamma: float | None = None
    """Scale of the functions at the start."""
    learn_alphas: bool = False
    """Learn the weights of the support vectors too."""
    fixed_gammas: bool = False
    """Keep the scales."""
    fixed_supports: bool = False
    """Keep the support vectors, for a reconstructor to compare with."""
    learning_rate: float | None = None
    """Of Adam, for the functions."""
    reconstructor_rate: float | None = None
    """Of Adam, for the reconstructor."""

    def applied(self, settings: Settings) -> Settings:
        """Settings with those of these in their place that are given."""
        given = dict(vars(self))
        fixed = {
            f"learn_{name}": False
            for name in ("gammas", "supports")
            if given.pop(f"fixed_{name}")
        }
        if not given.pop("learn_alphas"):
            given["learn_alphas"] = None
        known = {name: value for name, value in given.items() if value is not None}
        return dataclasses.replace(settings, **known, **fixed)


def discover_warped(
    job: JobGroup,
    *,
    preset: Literal[
        "quick",
        "warped-mnist",
        "warped-anime",
        "warped-biggan",
        "warped-proggan",
        "warped-stylegan2",
    ] = "quick",
    learned_space: Literal["z", "w"] | None = None,
    held_out: int = 3200,
    num: int | None = None,
    bound: float | None = None,
    warps: Annotated[Warps, group("setting")] = Warps(),
    training: TrainingGroup = Training(),
    page: PageGroup = Page("-3:3:7"),
) -> None:
    """WarpedGANSpace: paths that a network can tell apart, drawn as a page.

    Args:
        job: What to work on; label "every" learns from all classes.
        preset: One of the original's scripts, or minutes on a CPU.
        learned_space: Where codes move; the preset's if left out.
        held_out: Unseen pairs that the accuracy is measured on (RCA).
        num: How many paths to draw, those told best; all if left out.
        bound: Learn from z within so many deviations; the preset's if left out.
        warps: What replaces the preset's settings.
        training: How long to learn.
        page: How paths are drawn; strengths are lengths along them.
    """
    session = Session.open(job, "discover warped", locals())
    chosen = PRESETS[preset]
    chosen = dataclasses.replace(chosen, settings=warps.applied(chosen.settings))
    session.check(page, learned_space or chosen.space)
    for name, number in (("held_out", held_out), ("num", num)):
        if number is not None:
            arguments.at_least_one(number, name)
    if bound is not None:
        chosen = dataclasses.replace(chosen, bound=bound)
    label = chosen.label if job.start.label is None else session.label
    method = warped_ganspace.learner(
        session.generator,
        chosen,
        space=learned_space,
        label=label if session.generator.config.label_dim else None,
        truncation=session.truncation,
    )
    # what it learns from is of the kind that it will be
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
    edit = finished(method, fitted, found)
    codes = to_space(session.generator, session.samples().latents, edit.space).codes
    points = follow_paths(
        edit, codes, path_strengths(edit.step, edit.steps), mesh=session.mesh
    )
    straight = straightness(points)
    text = (
        f"Of {held_out} pairs of pictures of unseen codes, the path is told in "
        f"{found.accuracy:.1%}; chance is {1 / len(edit):.1%}. The distance between "
        f"the ends of a path is {straight.min():.1%} to {straight.max():.1%} of its "
        "length."
    )
    best = np.argsort(-np.nan_to_num(found.by_direction), kind="stable")[:num]
    session.keep_recognition(found, edit.names)
    if is_main():
        print(text)
    places, shares = project_paths(points[:, 0])
    picture = Plane(
        f"Paths from {session.samples().names[0]} in the plane that shows "
        f"{shares.sum():.0%} of their variance",
        dict(zip(edit.names, places, strict=True)),
        places[0, edit.steps][None],
    )
    heading = Heading(
        f"WarpedGANSpace of {session.name}",
        [text],
        plots=[picture, *session.keep_losses(fitted)],
    )
    session.draw({"warped.npz": edit}, page, heading, [int(one) for one in best])
