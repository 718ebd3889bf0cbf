"""Unsupervised Discovery of Interpretable Directions in the GAN Latent Space.

Andrey Voynov, Artem Babenko, ICML 2020, arXiv 2002.03754.

A deformator A and a reconstructor R learn together (equation 1): R sees the pictures of
z and of z + A(e u_k), for a drawn direction k and distance e, and tells both,

    min E cross_entropy(k, k'(pictures)) + 0.25 |e - e'(pictures)|,

so that directions become such as can be told apart. How well they can, the accuracy of
R on pairs that it has not seen (RCA), ranks them and goes into the edit.

Where this differs from the original code, and why:

- "linear" and "projective" have no bias: with one, no distance leaves the picture as it
  is, and e and -e are not opposite. `bias=True` is the original's.
- K < D columns of "orthonormal" are those of a rotation of the whole space; the
  original's turn the first K coordinates alone (`padded=True`).
- It starts near the coordinate axes, which the author found stabler than the random
  start that is the code's default (`start="random"`). Of "linear" and "projective",
  directions beyond the dimension start at random, for there are no more axes.
- The matrix of "random" is a part of what is saved.
- The two pictures of a pair are of the same class in validation too.
- The original's truncation is the preset's `bound`; `latents.Truncation` is BigGAN's, a
  share of what two deviations bound.

"fc" sees its batch through batch norms; its edit is that of their running statistics.

RCA near one does not make directions the factors of a generator: where those act
linearly, any rotation of them can be told apart as well.
"""

from collections.abc import Sequence
from typing import Any, Unpack

import flax.struct
import jax

from jaxlatent.edits.base import Edit
from jaxlatent.edits.deformation import change_of, deformation, resized, vectors_of
from jaxlatent.evaluation.recognition import Pairs
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Truncation, prior
from jaxlatent.learning import State
from jaxlatent.methods.deformators import init_deformator
from jaxlatent.methods.pair_reconstruction import (
    DIRECTIONS,
    PairMethod,
    PairSettings,
    discovered,
    pair_reconstructor,
)
from jaxlatent.methods.unsupervised_discovery_settings import QUICK, Preset, Settings
from jaxlatent.networks.reconstructors import PairLeNet, PairResNet
from jaxlatent.training.fit import FitOptions

METHOD = "unsupervised discovery"


@flax.struct.dataclass(eq=False)
class UnsupervisedDiscovery(PairMethod):
    """The method of `jaxlatent.training.fit`; one sample is one pair.

    Attributes:
        settings: what is learned, and how.
    """

    settings: Settings = flax.struct.field(pytree_node=False, default=Settings())

    @property
    def dimension(self) -> int:
        """D."""
        codes = jax.eval_shape(lambda: self.prior(jax.random.key(0)[None])).codes
        return codes.shape[-1]

    @property
    def directions(self) -> int:
        """K."""
        return self.settings.directions or self.dimension

    @property
    def pairs(self) -> PairSettings:
        """How it learns."""
        return self.settings.learning

    @property
    def module(self) -> PairLeNet | PairResNet:
        """The reconstructor's architecture."""
        how = self.settings
        kind: Any = how.reconstructor
        return pair_reconstructor(
            self.prior.generator, self.directions, kind, downsample=how.downsample
        )

    def init(self, key: jax.Array) -> State:
        """The state before the first step.

        Raises:
            ValueError: for more directions than the deformator can have, or a
                reconstructor that there is not.
        """
        own = [jax.random.fold_in(key, number) for number in range(2)]
        params = init_deformator(self.settings, self.directions, self.dimension, own[0])
        return self.begun(params, key=own[1])

    def move(self, directions: Any, pairs: Pairs) -> tuple[jax.Array, Any]:
        """The codes after, by the deformator's params; see `PairMethod`."""
        params = directions
        codes, kind = pairs.latents.codes, self.settings.deformator
        vectors = vectors_of(kind, params, self.directions, self.dimension)
        change, params = change_of(
            kind, vectors[pairs.index], pairs.shift, params, train=True
        )
        change = resized(change, self.dimension)
        return codes + (change if codes.ndim == 2 else change[:, None]), params

    def edit(self, state: State) -> Edit:
        """K directions: linear ones where the deformator is linear.

        A unit of strength is one of the distance.
        """
        return deformation(
            self.settings.deformator,
            state.params[DIRECTIONS],
            self.directions,
            self.dimension,
            space=self.prior.space,
            method=METHOD,
        )


def discover(
    generator: Generator,
    *,
    key: jax.Array,
    preset: Preset = QUICK,
    space: str | None = None,
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
    held_out: int = 3200,
    **run: Unpack[FitOptions],
) -> Edit:
    """Learn directions of a generator that a network can tell apart.

    Args:
        generator: the generator; `prepare` it first.
        key: of the whole run.
        preset: what is learned and for how long; one of `PRESETS`, or your own.
        space: "z", "w" or "w+", whose rows all move alike; None for the preset's.
        label: the classes that codes are drawn with; see `latents.prior`.
        truncation: of codes of w+, or of the prior of z; see `latents.prior`.
        held_out: unseen pairs for the RCA.
        **run: as for `fit`; `callback` sees every metric, and `folder` keeps the
            history as a table.

    Returns:
        The edit of `pair_reconstruction.finished`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    method = learner(generator, preset, space=space, label=label, truncation=truncation)
    return discovered(
        method,
        preset.steps,
        key=key,
        batch=preset.batch,
        held_out=held_out,
        **run,
    )


def learner(
    generator: Generator,
    preset: Preset = QUICK,
    *,
    space: str | None = None,
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
) -> UnsupervisedDiscovery:
    """The method that `discover` runs; see there for the arguments."""
    where = space or preset.space
    drawn = prior(
        generator,
        space=where,
        label=label,
        truncation=truncation,
        bound=preset.bound,
    )
    return UnsupervisedDiscovery(drawn, preset.settings)


def chart_strengths(most: float, steps: int = 3) -> tuple[float, ...]:
    """The strengths of the original's two charts, which reach `most` and 3 `most`.

    Args:
        most: the largest distance that was taught.
        steps: of each chart, either way.
    """
    sides = [most * reach * n / steps for reach in (1, 3) for n in range(1, steps + 1)]
    sizes = sorted(set(sides))
    return (*(-size for size in reversed(sizes)), 0.0, *sizes)
