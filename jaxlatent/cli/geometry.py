"""Perceptual geometry and Local Basis as commands."""

from typing import Annotated

import jax

from jaxlatent.cli import arguments, scores
from jaxlatent.cli.options import (
    JobGroup,
    Page,
    PageGroup,
    Perceptual,
    PerceptualGroup,
    Rows,
    option,
)
from jaxlatent.cli.regional import EVERY_ROW, ViewGroup
from jaxlatent.cli.session import Session
from jaxlatent.gallery.drawing import Heading
from jaxlatent.methods import local_basis, perceptual_geometry


def discover_geometry(
    job: JobGroup,
    *,
    at: Annotated[str, option("SEEDS")] = "0-3",
    k: int = 5,
    perceptual: PerceptualGroup = Perceptual(),
    view: ViewGroup = EVERY_ROW,
    page: PageGroup = Page(),
) -> None:
    """Perceptual geometry: the axes along which pictures change most, as a page.

    Args:
        job: What to work on.
        at: Differentiate at codes of these seeds; axes are those of the mean metric.
        k: How many axes.
        perceptual: What tells pictures apart; pixels if left out.
        view: How pictures are differentiated.
        page: How axes are drawn.
    """
    session = Session.open(job, "discover geometry", locals())
    codes = session.samples(seeds=at, numpy_seeds=None, codes=None, space=None).latents
    session.check(page, session.generator.latent_space)
    lpips = scores.open_lpips(perceptual)
    with session.progress("differentiating", len(codes), "code") as progress:
        edit = perceptual_geometry.discover(
            session.generator,
            codes,
            lpips,
            view,
            truncation=session.truncation,
            k=k,
            chunk=job.chunk,
            mesh=session.mesh,
            progress=progress,
        )
    text = (
        f"Eigenvectors of the mean metric at {len(codes)} codes, as "
        f"{'LPIPS' if lpips else 'the mean squared difference of pixels'} has it. "
        f"{edit.facts['dimension']} of them make up 99 % of all change."
    )
    if "homogeneity" in edit.facts:
        text += (
            " From code to code metrics correlate by "
            f"{edit.facts['homogeneity']:.2f}, their logarithms by "
            f"{edit.facts['log_homogeneity']:.2f}; 1 is the same everywhere."
        )
    heading = Heading(f"Perceptual axes of {session.name}", [text])
    read = (perceptual.lpips, perceptual.lpips_trunk)
    session.draw({"geometry.npz": edit}, page, heading, range(k), read=read)


def discover_local_basis(
    job: JobGroup,
    *,
    k: int = 5,
    step: float = 1.0,
    steps: int = 12,
    straight: bool = False,
    layers: Rows = None,
    seed: int = 0,
    page: PageGroup = Page("-9:9:7"),
) -> None:
    """Local Basis: singular vectors of the mapping network's Jacobian, as a page.

    Args:
        job: What to work on.
        k: How many, the largest singular values first.
        step: Length in w after which they are found anew.
        steps: How often, each way.
        straight: Go straight along those of the first code, in w.
        layers: Rows of w+ that straight ones move: all, or such as 0-1.
        seed: Of the code that says which way is ahead.
        page: How they are drawn; strengths are lengths in w.
    """
    session = Session.open(job, "discover local-basis", locals())
    idle = {"step": step != 1, "steps": steps != 12, "seed": seed != 0}
    if not straight:
        idle = {"layers": layers is not None}
    for name, given in idle.items():
        if given:
            together = "together with" if straight else "without"
            raise ValueError(f"{name}: given {together} straight")
    session.check(page, "w" if straight else "z", layers)
    key = jax.random.key(arguments.check_seed(seed))
    if straight:
        first = session.samples().latents
        latents = jax.tree.map(lambda leaf: leaf[:1], first)
        edit = local_basis.directions_at(session.generator, latents, k=k, layers=layers)
    else:
        edit = local_basis.discover(
            session.generator, key=key, k=k, label=session.label, step=step, steps=steps
        )
    if callable(getattr(edit, "mapping", None)):
        raise ValueError(
            f"generator: the mapping network of {session.name} is a function, which no "
            "file holds; straight is accepted"
        )
    way = "those of the first code" if straight else "found anew on the way"
    text = f"Singular vectors of the mapping network's Jacobian, {way}."
    heading = Heading(f"Local Basis of {session.name}", [text])
    session.draw({"local_basis.npz": edit}, page, heading, range(k))
