"""WarpedGANSpace: Finding Non-linear RBF Paths in GAN Latent Space.

Christos Tzelepis, Georgios Tzimiropoulos, Ioannis Patras, ICCV 2021, arXiv 2109.13357.

K functions f_k(z) = sum_i a_ki exp(-g_k |z - s_ki|^2) of a latent warp its space; codes
move along their unit gradients (eq. 1-3), and a network is to tell from the two
pictures which function it was and how far (eq. 5, `pair_reconstruction`). Support
vectors begin as dipoles, s with weight 1 and -s with -1, of lengths that grow from one
path to the next; afterwards each is free. One unit of strength is one of length.

Where this differs from the original code, and why:

- Steps of either sign are as likely; there 7 of 10 are positive, which
  `sampling="reference"` keeps.
- Both pictures of a pair are of one class; there each gets its own.
- w is computed once for a step, not three times.
- Where all exponentials would vanish, `edits.rbf` still has the direction.
- A run goes on with Adam's moments.

As there, Adam is dense: a path that no sample of a step moved along still moves on by
its momentum, unless `sparse_rows`.
"""

from collections.abc import Sequence
from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp

from jaxlatent.edits.rbf import RBFField, rbf_field, unit_gradient
from jaxlatent.evaluation.recognition import Pairs
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Truncation, prior
from jaxlatent.learning import State
from jaxlatent.methods.pair_reconstruction import (
    DIRECTIONS,
    PairMethod,
    PairSettings,
    discovered,
    pair_reconstructor,
)
from jaxlatent.methods.warped_ganspace_settings import PRESETS, Preset, Settings
from jaxlatent.networks.reconstructors import PairLeNet, PairResNet
from jaxlatent.training.fit import FitOptions

SUPPORTS, ALPHAS, LOG_GAMMAS = "supports", "alphas", "log_gammas"
"""What is learned of the functions: [K, 2 N, D], [K, 2 N] and [K]."""

_SUPPORTS_DRAW, _RECONSTRUCTOR_DRAW = range(2)


@flax.struct.dataclass(eq=False)
class WarpedGANSpace(PairMethod):
    """The method of `jaxlatent.training.fit`; one sample is one code and one step.

    Attributes:
        settings: what is learned, and how.
    """

    settings: Settings = flax.struct.field(pytree_node=False, default=Settings())

    @property
    def pairs(self) -> PairSettings:
        """How it learns."""
        return self.settings.pairs

    @property
    def module(self) -> PairLeNet | PairResNet:
        """The reconstructor's architecture."""
        how = self.settings
        return pair_reconstructor(
            self.prior.generator,
            how.paths,
            how.reconstructor,
            downsample=how.downsample,
        )

    def init(self, key: jax.Array) -> State:
        """Dipoles and a fresh reconstructor.

        Raises:
            ValueError: for codes with rows.
        """
        one = jax.eval_shape(self.prior, jax.random.key(0)[None]).codes
        if len(one.shape) != 2:
            raise ValueError(
                f"prior: codes of {self.prior.space} given; those of z or w are "
                "accepted, of which each has its own support vectors"
            )
        warps = dipoles(
            self.settings,
            one.shape[-1],
            key=jax.random.fold_in(key, _SUPPORTS_DRAW),
            dtype=one.dtype,
        )
        return self.begun(warps, key=jax.random.fold_in(key, _RECONSTRUCTOR_DRAW))

    def move(self, directions: Any, pairs: Pairs) -> tuple[jax.Array, Any]:
        """Codes one step on, each along its own path; see `PairMethod`.

        No gradient reaches what is not learned.
        """
        how, codes = self.settings, pairs.latents.codes
        moving = {
            SUPPORTS: how.learn_supports,
            ALPHAS: how.learn_alphas,
            LOG_GAMMAS: how.learn_gammas,
        }
        rows = {
            name: (leaf if moving[name] else jax.lax.stop_gradient(leaf))[pairs.index]
            for name, leaf in directions.items()
        }
        scales = jnp.exp(rows[LOG_GAMMAS])
        ahead = jax.vmap(unit_gradient)(codes, rows[SUPPORTS], rows[ALPHAS], scales)
        return codes + pairs.shift[:, None] * ahead, directions

    def edit(self, state: State) -> RBFField:
        """The paths; `report` has the "gamma" of each."""
        return field(state.params[DIRECTIONS], self.settings, space=self.prior.space)


def dipoles(
    settings: Settings, dimension: int, *, key: jax.Array, dtype: Any = jnp.float32
) -> dict[str, jax.Array]:
    """The functions before the first step.

    Function k has `dipoles` pairs of s and -s, in turns, whose directions are uniform
    and whose length is r_0 + k (r_1 - r_0) / K for `radii` (r_0, r_1); their weights
    are 1 and -1.

    Args:
        settings: how many, how long, how wide.
        dimension: D of the codes.
        key: of the directions; function k draws from `fold_in(key, k)`.
        dtype: of the arrays.
    """
    count, pairs = settings.paths, settings.dipoles
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(count))
    halves = jax.vmap(lambda one: jax.random.normal(one, (pairs, dimension), dtype))(
        keys
    )
    first, last = settings.radii
    lengths = (first + (last - first) * jnp.arange(count) / count).astype(dtype)
    halves *= lengths[:, None, None] / jnp.linalg.norm(halves, axis=-1, keepdims=True)
    signs = jnp.asarray([1, -1], dtype)
    gamma = 1 / dimension if settings.gamma is None else settings.gamma
    both = halves[:, :, None] * signs[None, None, :, None]
    return {
        SUPPORTS: both.reshape(count, 2 * pairs, dimension),
        ALPHAS: jnp.tile(signs, (count, pairs)),
        LOG_GAMMAS: jnp.full(count, jnp.log(gamma), dtype),
    }


def field(warps: dict[str, jax.Array], settings: Settings, *, space: str) -> RBFField:
    """The paths of learned functions.

    Args:
        warps: what `dipoles` makes.
        settings: how paths are followed.
        space: of their codes.
    """
    gammas = jnp.exp(warps[LOG_GAMMAS])
    return rbf_field(
        warps[SUPPORTS],
        warps[ALPHAS],
        gammas,
        step=settings.step,
        steps=settings.steps,
        space=space,
        names=[f"path {number}" for number in range(len(gammas))],
        method="warpedganspace",
        report={"gamma": gammas},
    )


def discover(
    generator: Generator,
    *,
    key: jax.Array,
    preset: Preset = PRESETS["quick"],
    space: str | None = None,
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
    held_out: int = 3200,
    **run: Unpack[FitOptions],
) -> RBFField:
    """Learn paths of a generator that a network can tell apart.

    Args:
        generator: the generator; `prepare` it first.
        key: of the whole run.
        preset: what is learned and for how long; one of `PRESETS`, or your own.
        space: "z" or "w"; the preset's if left out.
        label: the classes that codes are drawn with, see `latents.prior`; the preset's
            if left out.
        truncation: of the prior, where the generator has it (BigGAN).
        held_out: unseen pairs for the RCA.
        **run: as for `fit`.

    Returns:
        The paths of `pair_reconstruction.finished`; `report` has the "gamma" of each
        too.

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
    preset: Preset = PRESETS["quick"],
    *,
    space: str | None = None,
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
) -> WarpedGANSpace:
    """The method that `discover` runs; see there for the arguments."""
    if label is None and generator.config.label_dim:
        label = preset.label
    drawn = prior(
        generator,
        space=space or preset.space,
        label=label,
        truncation=truncation,
        bound=preset.bound,
    )
    return WarpedGANSpace(drawn, preset.settings)
