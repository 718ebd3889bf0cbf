"""StyleSpace as a command: style channels of a region, or of what examples share."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import jax
import numpy as np

from jaxlatent.cli import arguments
from jaxlatent.cli.masks import region_masks
from jaxlatent.cli.options import (
    NO_REGION,
    JobGroup,
    Page,
    PageGroup,
    RegionsGroup,
    group,
    option,
)
from jaxlatent.cli.session import Session
from jaxlatent.edits.directions import Directions
from jaxlatent.gallery import outline
from jaxlatent.gallery.drawing import Heading
from jaxlatent.loading import guess_latents
from jaxlatent.methods import stylespace
from jaxlatent.methods.stylespace_local import CELLS


@dataclass(frozen=True)
class Styles:
    """What channels are measured by."""

    at: Annotated[str, option("SEEDS")] = "0-3"
    """Differentiate at codes of these seeds."""
    size: int = CELLS
    """Longer side to which pictures are shrunk before they are differentiated."""
    exemplars: Path | None = None
    """Codes of pictures that share an attribute, in place of regions."""
    samples: int = 1000
    """Codes whose deviation is one unit of strength."""
    seed: int = 0
    """Of these codes."""


MEASURED = Styles()


def discover_stylespace(
    job: JobGroup,
    *,
    k: int = 5,
    parts: RegionsGroup = NO_REGION,
    measured: Annotated[Styles, group("style")] = MEASURED,
    page: PageGroup = Page("-10:10:5"),
) -> None:
    """StyleSpace: single style channels that change a region, or that examples share.

    Args:
        job: What to work on.
        k: How many channels of each region, or of the examples.
        parts: Regions of the picture.
        measured: What channels are measured by.
        page: How they are drawn; strengths are deviations of the channel.
    """
    session = Session.open(job, "discover stylespace", locals())
    model, masks, examples = session.generator, {}, None
    session.check(page, "s")
    height, width, _ = model.image_shape
    arguments.at_least_one(k, "k")
    if measured.samples < 2:
        raise ValueError(
            f"samples: {measured.samples} given; 2 or more, which deviate, are accepted"
        )
    if measured.exemplars is not None:
        arguments.refuse(parts, " together with exemplars")
        arguments.refuse(measured, " together with exemplars", "at", "size")
        examples, guesses = guess_latents(measured.exemplars, model)
        session.say([guess.text({}) for guess in guesses])
    elif not (masks := region_masks(parts, (height, width))):
        raise ValueError("region: none given; one or more, or exemplars, is needed")
    styles = stylespace.population(
        model,
        measured.samples,
        key=jax.random.key(arguments.check_seed(measured.seed)),
        label=session.label,
        truncation=session.truncation,
    )
    if examples is None:
        edit, text = _local(session, measured, masks, styles, k)
    else:
        edit = stylespace.discover_shared(model, examples, styles, k=k)
        text = f"The channels that {len(examples)} examples have most in common"
    heading = Heading(
        f"StyleSpace channels of {session.name}",
        [f"{text}. Strengths are deviations over {len(styles)} codes."],
        decorate=partial(_outlined, masks=[*masks.values()]),
    )
    session.draw(
        {"stylespace.npz": edit},
        page,
        heading,
        range(len(edit)),
        read=(*parts.mask, measured.exemplars),
        regions=list(masks),
    )


def _local(
    session: Session,
    measured: Styles,
    masks: Mapping[str, np.ndarray],
    styles: np.ndarray,
    k: int,
) -> tuple[Directions, str]:
    """The channels of each region, and what is to be said of them."""
    at = session.samples(seeds=measured.at, numpy_seeds=None, codes=None, space=None)
    with session.progress("differentiating", len(at.names), "code") as progress:
        edit = stylespace.discover(
            session.generator,
            at.latents,
            masks,
            styles,
            k=k,
            size=measured.size,
            truncation=session.truncation,
            chunk=session.job.chunk,
            mesh=session.mesh,
            progress=progress,
        )
    taken = ", ".join(f"{n} for {name}" for name, n in edit.facts["local"].items())
    return edit, (
        "The channels that change each region most, from derivatives at "
        f"{len(at.names)} codes; of {edit.facts['channels']} the paper's rule takes "
        f"{taken}"
    )


def _outlined(images: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    for mask in masks:
        images = outline(images, mask)
    return images
