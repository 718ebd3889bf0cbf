"""The edits that the authors of GANSpace named, as data.

Source: the figures and notebooks of Härkönen et al., "GANSpace" (NeurIPS 2020): which
component, which layers, how strong. They mean something for the released models they
were found on, decomposed with 80 components from a million samples; apply them to your
own conversion of such a model, with components found by `ganspace`.
"""

import dataclasses
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import jax
import jax.numpy as jnp

from jaxlatent.types import Directions


@dataclass(frozen=True)
class Preset:
    """One named edit.

    Attributes:
        name: what its authors called it.
        model: the architecture it was found on.
        data: what that model draws.
        space: "w" or "z".
        component: number of the principal component.
        layers: (first row of w+, row behind the last).
        strength: in standard deviations: the end of a strip, or the target.
        move: "strip" adds the strength; "target" moves the coordinate to it.
        mirror: whether a target lies on the other side of where a code is.
        label: the class it was shown on, "" if unconditional.
        paper: whether it is shown in the paper.
    """

    name: str
    model: str
    data: str
    space: str
    component: int
    layers: tuple[int, int]
    strength: float
    move: str
    mirror: bool = False
    label: str = ""
    paper: bool = False


@cache
def presets() -> tuple[Preset, ...]:
    """Every preset, grouped by model and data."""
    text = (resources.files("jaxlatent") / "assets/ganspace_edits.json").read_text()
    return tuple(
        Preset(**{**entry, "layers": tuple(entry["layers"])})
        for entry in json.loads(text)
    )


def find_preset(
    name: str, *, model: str | None = None, data: str | None = None
) -> Preset:
    """The first preset of that name (case does not matter).

    Raises:
        LookupError: if there is none; lists the names there are.
    """
    among = [
        preset
        for preset in presets()
        if (model is None or preset.model.lower() == model.lower())
        and (data is None or preset.data.lower() == data.lower())
    ]
    for preset in among:
        if preset.name.lower() == name.lower():
            return preset
    names = sorted({preset.name for preset in among})
    raise LookupError(f"name: no preset {name!r}; {names} are known")


def apply_preset(
    preset: Preset, components: Directions, latent: jax.Array, *, amount: float = 1.0
) -> jax.Array:
    """Apply a preset to codes.

    Args:
        preset: the edit.
        components: principal components [K, D] of the model's own w (or z), whose
            scale is their standard deviation.
        latent: [N, L, D].
        amount: share of the strength; 1 for all of it, -1 for the other way.

    Returns:
        Latents [N, L, D]; rows outside the preset's layers stay as they are. A target
        is measured on row 0, as the authors do.

    Raises:
        ValueError: if space, number of components or layers do not suit the preset.
    """
    if components.space != preset.space or len(components) <= preset.component:
        raise ValueError(
            f"components: {len(components)} in {components.space} given; "
            f"{preset.name!r} needs number {preset.component} in {preset.space}"
        )
    if latent.ndim != 3 or latent.shape[1] <= preset.layers[0]:
        raise ValueError(
            f"latent: shape {latent.shape} given; [N, L, D] with more than "
            f"{preset.layers[0]} rows is accepted"
        )
    rows = tuple(range(preset.layers[0], min(preset.layers[1], latent.shape[1])))
    strength: float | jax.Array = preset.strength * amount
    if preset.move == "target":
        whole = dataclasses.replace(components, layers=None)
        here = whole.coordinate(latent[:, 0], preset.component)
        there = -jnp.sign(here) * strength if preset.mirror else strength
        strength = there - here
    edit = dataclasses.replace(components, layers=rows)
    return edit.shift(latent, preset.component, strength)
