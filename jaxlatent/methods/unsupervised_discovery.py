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

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jaxlatent.edits.base import Edit, as_facts
from jaxlatent.edits.deformation import change_of, deformation, resized, vectors_of
from jaxlatent.evaluation.recognition import Pairs, Recognition, recognition
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.latents import Prior, Truncation, prior
from jaxlatent.learning import Metrics, State
from jaxlatent.methods.deformators import init_deformator
from jaxlatent.methods.pair_reconstruction import (
    DIRECTIONS,
    RECONSTRUCTOR,
    pair_reconstructor,
    pair_state,
    pair_step,
    pair_update,
)
from jaxlatent.methods.unsupervised_discovery_settings import QUICK, Preset, Settings
from jaxlatent.networks.base import Network
from jaxlatent.networks.reconstructors import PairLeNet, PairResNet
from jaxlatent.training.fit import FitOptions, Fitted, fit

METHOD = "unsupervised discovery"


@flax.struct.dataclass(eq=False)
class UnsupervisedDiscovery:
    """The method of `jaxlatent.training.fit`; one sample is one pair.

    Attributes:
        prior: what draws codes and classes, and the generator; edits are in its space.
        settings: what is learned, and how.
    """

    prior: Prior
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
        generator, learning = self.prior.generator, self.settings.learning
        return pair_state(params, self.module, learning, generator, key=own[1])

    def move(self, params: Any, pairs: Pairs) -> tuple[jax.Array, Any]:
        """The codes after, of the deformator's params; see `pair_reconstruction`."""
        codes, kind = pairs.latents.codes, self.settings.deformator
        vectors = vectors_of(kind, params, self.directions, self.dimension)
        change, params = change_of(
            kind, vectors[pairs.index], pairs.shift, params, train=True
        )
        change = resized(change, self.dimension)
        return codes + (change if codes.ndim == 2 else change[:, None]), params

    def update(
        self, state: State, keys: jax.Array, data: Any = None
    ) -> tuple[State, Metrics]:
        """One step of both optimisers; there is no data."""
        del data
        return pair_update(
            self.move,
            state,
            keys,
            prior=self.prior,
            module=self.module,
            settings=self.settings.learning,
        )

    def step(self, state: State, pairs: Pairs) -> tuple[State, Metrics]:
        """`update` with pairs that are drawn already."""
        return pair_step(
            self.move,
            state,
            pairs,
            prior=self.prior,
            module=self.module,
            settings=self.settings.learning,
        )

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

    def reconstructor(self, state: State) -> Network:
        """What tells the directions apart."""
        return Network(state.params[RECONSTRUCTOR], self.module)

    def recognition(
        self,
        state: State,
        *,
        key: jax.Array,
        num: int = 3200,
        chunk: int = 32,
        mesh: Mesh | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Recognition:
        """RCA of what was learned, on pairs of `key`; see `evaluation.recognition`."""
        return recognition(
            self.prior,
            self.edit(state),
            self.reconstructor(state),
            self.settings.learning.shifts,
            key=key,
            num=num,
            chunk=chunk,
            mesh=mesh,
            progress=progress,
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
        The edit of `finished`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    method = learner(generator, preset, space=space, label=label, truncation=truncation)
    # folded as no number of a sample is
    unseen = jax.random.fold_in(key, jnp.uint32(2**32 - 3))
    fitted = fit(method, preset.steps, key=key, batch=preset.batch, **run)
    found = method.recognition(
        fitted.state, key=unseen, num=held_out, mesh=run.get("mesh")
    )
    return finished(method, fitted, found)


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


def finished(method: UnsupervisedDiscovery, fitted: Fitted, found: Recognition) -> Edit:
    """The edit of a run, with what was found about it.

    Returns:
        The edit of the last state. Its `report` has the "recognition" of each
        direction, the share of its pairs that was told, and "shift_error"; its `facts`
        the "rca", the means of every metric over the last tenth of the run, the number
        of good "steps", the step that "failed", if any, and the settings.
    """
    edit: Any = method.edit(fitted.state)
    facts = {
        **fitted.late_means(),
        "rca": found.accuracy,
        "steps": fitted.steps,
        "failed": fitted.failed,
        "settings": dataclasses.asdict(method.settings),
    }
    report = {
        "recognition": jnp.asarray(found.by_direction, jnp.float32),
        "shift_error": jnp.asarray(found.shift_error, jnp.float32),
    }
    return dataclasses.replace(
        edit,
        report=report,
        facts=as_facts(facts),
        generator=fingerprint(method.prior.generator),
    )


def chart_strengths(most: float, steps: int = 3) -> tuple[float, ...]:
    """The strengths of the original's two charts, which reach `most` and 3 `most`.

    Args:
        most: the largest distance that was taught.
        steps: of each chart, either way.
    """
    sides = [most * reach * n / steps for reach in (1, 3) for n in range(1, steps + 1)]
    sizes = sorted(set(sides))
    return (*(-size for size in reversed(sizes)), 0.0, *sizes)
