"""The methods that are compared: what each is told, and how each is run.

Every entry calls its method's `discover`, as a user would, with the settings for short
runs on small pictures. What it is told beside the generator differs, and is said:

- nothing;
- attributes: the exact value of each factor of every picture, differentiable where the
  method wants it, as a perfect network would return it;
- regions: where in the picture each part is;
- transformations: what a shift, a zoom or a rotation does to any picture.

GLO trains a generator and inversion finds codes of pictures: neither finds directions,
and neither is an entry. StyleSpace needs style vectors, which no oracle has.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.edits.base import Edit
from jaxlatent.edits.directions import directions
from jaxlatent.edits.random import random_directions
from jaxlatent.evaluation.tables import score_generator
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, to_images
from jaxlatent.methods import (
    enjoy_your_editing,
    enjoy_your_editing_settings,
    factors_of_variation,
    factors_of_variation_settings,
    ganalyze,
    ganalyze_settings,
    ganspace,
    interfacegan,
    local_basis,
    lowrankgan,
    perceptual_geometry,
    resefa,
    sefa,
    steerability,
    steerability_settings,
    unsupervised_discovery,
    unsupervised_discovery_settings,
    warped_ganspace,
    warped_ganspace_settings,
)
from jaxlatent.methods.pair_reconstruction import PairSettings
from jaxlatent.methods.steerability_edits import EDITS
from jaxlatent.networks.outputs import Column
from jaxlatent.numerics.decomposition import Estimation
from jaxlatent.types import Model, as_model

TRANSFORMATIONS: dict[str, tuple[str | None, str | None]] = {
    "x": ("shiftx", "horizontal_position"),
    "y": ("shifty", "vertical_position"),
    "zoom": ("zoom", "log_scale"),
    "scale": ("zoom", "log_scale"),
    "size": ("zoom", "log_scale"),
    "orientation": ("rotate2d", None),
    "brightness": (None, "brightness"),
}
"""By factor: the edit of steerability and the transformation of Factors of Variation
that do the same to a picture; None where there is none."""

NEAREST: dict[str, tuple[str | None, str | None]] = {
    "yaw": (None, "horizontal_position"),
    "tilt": ("rotate2d", None),
}
"""The same, of factors that come close to it, for worlds without those."""


CODES = 2
"""At which methods that are told regions differentiate."""


@dataclass(frozen=True, eq=False)
class Task:
    """What a method is given of an oracle.

    Attributes:
        generator: of the family `rendered`; draws pictures.
        key: of everything that a method draws.
        samples: pictures that a call of `discover` may look at; every column of a
            Jacobian counts as one.
    """

    generator: Generator
    key: jax.Array
    samples: int

    @cached_property
    def exact(self) -> Generator:
        """The same generator, but it shows [N, 1, 1, F] factors instead."""
        config = dataclasses.replace(self.generator.config, shows="factors")
        return dataclasses.replace(self.generator, config=config)

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the F factors."""
        return tuple(self.generator.config.factor_names)

    @cached_property
    def regions(self) -> dict[str, np.ndarray]:
        """[H, W] in [0, 1] by part: where any of the codes that are looked at shows it.

        Parts that none of them shows are left out, and those that leave nothing else.
        """
        config, codes = self.generator.config, self.latents(CODES)
        values = shown_factors(to_images(self.exact, codes))
        masks = config.painted.masks(values, size=config.size)
        found = {name: np.asarray(mask).max(axis=0) for name, mask in masks.items()}
        return {
            name: mask
            for name, mask in found.items()
            if mask.max() > 0.5 and mask.min() < 1
        }

    @property
    def space(self) -> str:
        """Where all methods look for directions: w where there is one, else z."""
        return self.generator.latent_space

    @property
    def count(self) -> int:
        """Directions that a method may return: as many as there are factors."""
        return len(self.factors)

    @property
    def scorer(self) -> Model:
        """Pictures of `exact` -> the values [N, F] of their factors."""
        return as_model(shown_factors)

    def latents(self, num: int) -> Latents:
        """Codes to look at."""
        key = jax.random.fold_in(self.key, 1)
        return Latents(self.generator.sample(key, num), "z")

    def steps(self, each: int) -> int:
        """How many steps of `each` pictures may be looked at."""
        return max(1, self.samples // each)


def shown_factors(images: jax.Array) -> jax.Array:
    """[N, 1, 1, F] -> [N, F]."""
    return images[:, 0, 0]


def shares(images: jax.Array) -> jax.Array:
    """[N, 1, 1, F] in [-1, 1] -> [N, F] in [0, 1]."""
    return (shown_factors(images) + 1) / 2


Found = tuple[Edit, ...]
"""Edits of one space, whose directions stand side by side."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A method in the comparison.

    Attributes:
        title: its name.
        told: what it knows beside the generator.
        discover: runs it; `Task.samples` bounds what it looks at.
        fits: whether it can be told what it needs.
    """

    title: str
    told: str
    discover: Callable[[Task], Found]
    fits: Callable[[Task], bool] = field(default=lambda task: True)

    @property
    def supervised(self) -> bool:
        """Whether it knows factors, and names its directions after them."""
        return self.told in ("attributes", "transformations")


def _random(task: Task) -> Found:
    config = task.generator.config
    dim = config.w_dim if task.space == "w" else config.z_dim
    first = directions(jnp.eye(dim)[: task.count], space=task.space)
    return (random_directions(first, key=task.key),)


def _sefa(task: Task) -> Found:
    return (sefa.discover(task.generator, k=task.count),)


def _ganspace(task: Task) -> Found:
    has_w = "w" in task.generator.code_spaces
    layer = None if has_w else task.generator.feature_names[0]
    samples = min(task.samples, 20_000)
    return ganspace.discover(
        task.generator,
        key=task.key,
        layer=layer,
        samples=samples,
        estimation=Estimation(k=task.count),
    )


def _local_basis(task: Task) -> Found:
    latents = task.latents(1)
    return (local_basis.directions_at(task.generator, latents, k=task.count),)


def _perceptual_geometry(task: Task) -> Found:
    columns = task.generator.config.w_dim
    latents = task.latents(min(max(1, task.samples // columns), 16))
    found = perceptual_geometry.discover(task.generator, latents, k=task.count)
    return (found,)


def _unsupervised_discovery(task: Task) -> Found:
    module, batch = unsupervised_discovery_settings, 32
    settings = module.Settings(
        directions=task.count,
        reconstructor="lenet",
        learning=PairSettings(directions_rate=1e-2, reconstructor_rate=2e-3),
    )
    preset = module.Preset(settings, steps=task.steps(2 * batch), batch=batch)
    found = unsupervised_discovery.discover(
        task.generator, key=task.key, preset=preset, space=task.space, held_out=256
    )
    return (found,)


def _warped_ganspace(task: Task) -> Found:
    module, batch = warped_ganspace_settings, 32
    quick = module.PRESETS["quick"].settings
    settings = dataclasses.replace(quick, paths=task.count, reconstructor_rate=2e-3)
    preset = module.Preset(settings, steps=task.steps(2 * batch), batch=batch)
    found = warped_ganspace.discover(
        task.generator, key=task.key, preset=preset, space=task.space, held_out=256
    )
    return (found,)


def _interfacegan(task: Task) -> Found:
    scorers = {name: Column(task.scorer, i) for i, name in enumerate(task.factors)}
    seed = int(jax.random.randint(task.key, (), 0, 2**31 - 1))
    table = score_generator(
        task.exact, scorers, samples=min(task.samples, 10_000), seed=seed, chunk=512
    )
    found = interfacegan.discover(task.exact, table, key=task.key, space=task.space)
    return (found,)


def _ganalyze(task: Task) -> Found:
    module, batch = ganalyze_settings, 32
    preset = module.Preset(
        module.Settings(learning_rate=2e-2),
        steps=task.steps(2 * batch),
        batch=batch,
    )
    return tuple(
        ganalyze.discover(
            task.exact,
            Column(task.scorer, jnp.int32(index)),
            key=jax.random.fold_in(task.key, index),
            preset=preset,
            space=task.space,
        ).rename({0: name})
        for index, name in enumerate(task.factors)
    )


def _enjoy_your_editing(task: Task) -> Found:
    module, batch = enjoy_your_editing_settings, 32
    preset = module.Preset(
        module.Settings(learning_rate=2e-2),
        steps=task.steps(2 * batch),
        batch=batch,
    )
    found = enjoy_your_editing.discover(
        task.exact, as_model(shares), key=task.key, preset=preset, space=task.space
    )
    return (found.rename(dict(enumerate(task.factors))),)


def _per_region(task: Task) -> int:
    return max(1, math.ceil(task.count / len(task.regions)))


def _lowrankgan(task: Task) -> Found:
    count = _per_region(task)
    latents = task.latents(CODES)
    found = []
    for name, mask in task.regions.items():
        try:
            edit = lowrankgan.discover(task.generator, mask, latents, chunk=32)
        except lowrankgan.NoDirectionError:
            continue  # other parts may have some
        kept = edit.select(range(min(count, len(edit))))
        found.append(kept.rename({i: f"{name} {i}" for i in range(len(kept))}))
    return tuple(found)


def _resefa(task: Task) -> Found:
    count = _per_region(task)
    latents = task.latents(CODES)
    found = []
    for name, mask in task.regions.items():
        edit = resefa.discover(task.generator, mask, latents, k=count, chunk=32)
        found.append(edit.rename({i: f"{name} {i}" for i in range(len(edit))}))
    return tuple(found)


def _transformations(task: Task, column: int) -> dict[str, str]:
    """By factor: what a column of `TRANSFORMATIONS`, or else `NEAREST`, has for it."""
    for table in (TRANSFORMATIONS, NEAREST):
        known = {name: table[name][column] for name in task.factors if name in table}
        if told := {name: one for name, one in known.items() if one is not None}:
            return told
    return {}


def _steerability(task: Task) -> Found:
    module, batch = steerability_settings, 32
    told = _transformations(task, 0)
    preset = module.Preset(
        module.Settings(learning_rate=2e-2),
        steps=task.steps(2 * batch),
        batch=batch,
        space=task.space,
    )
    return tuple(
        steerability.discover(
            task.generator,
            EDITS[edit],
            key=jax.random.fold_in(task.key, index),
            preset=preset,
        ).rename({0: name})
        for index, (name, edit) in enumerate(told.items())
    )


def _factors_of_variation(task: Task) -> Found:
    quick = factors_of_variation_settings.QUICK
    told = _transformations(task, 1)
    amounts, steps = quick.search.amounts, quick.search.steps
    each = (2 * len(amounts) + 1) * steps
    preset = dataclasses.replace(quick, trajectories=task.steps(each))
    return tuple(
        factors_of_variation.discover(
            task.generator,
            edit,
            key=jax.random.fold_in(task.key, index),
            preset=preset,
            space=task.space,
            chunk=32,
        ).rename({0: name})
        for index, (name, edit) in enumerate(told.items())
    )


def _has_regions(task: Task) -> bool:
    return bool(task.regions)


ENTRIES = {
    "random": Entry("Random directions", "nothing", _random),
    "sefa": Entry(
        "SeFa", "nothing", _sefa, lambda task: bool(task.generator.affines())
    ),
    "ganspace": Entry("GANSpace", "nothing", _ganspace),
    "local_basis": Entry(
        "Local Basis",
        "nothing",
        _local_basis,
        lambda task: task.generator.config.mapped,
    ),
    "perceptual_geometry": Entry(
        "Perceptual geometry", "nothing", _perceptual_geometry
    ),
    "unsupervised_discovery": Entry(
        "Unsupervised Discovery", "nothing", _unsupervised_discovery
    ),
    "warped_ganspace": Entry("WarpedGANSpace", "nothing", _warped_ganspace),
    "lowrankgan": Entry("LowRankGAN", "regions", _lowrankgan, _has_regions),
    "resefa": Entry("ReSeFa", "regions", _resefa, _has_regions),
    "steerability": Entry(
        "Steerability",
        "transformations",
        _steerability,
        lambda task: bool(_transformations(task, 0)),
    ),
    "factors_of_variation": Entry(
        "Factors of Variation",
        "transformations",
        _factors_of_variation,
        lambda task: bool(_transformations(task, 1)),
    ),
    "interfacegan": Entry("InterFaceGAN", "attributes", _interfacegan),
    "ganalyze": Entry("GANalyze", "attributes", _ganalyze),
    "enjoy_your_editing": Entry(
        "Enjoy Your Editing", "attributes", _enjoy_your_editing
    ),
}
"""By the names of their modules, in the order of a table."""
