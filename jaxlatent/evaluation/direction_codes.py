"""Codes of pictures along the directions of an edit, for metrics of representations.

The numbers that papers print of discovered directions are MIG, DCI, FactorVAE and
BetaVAE of an encoder that belongs to them: Khrulkov et al., "Disentangled
representations from non-disentangled models" (2021), and Ren et al., "Learning
disentangled representation by exploiting pretrained generative models: a contrastive
learning view" (DisCo, ICLR 2022). The protocol here:

1. A code of the generator is drawn, a direction k, all as likely, and a shift e, by
   `Settings.shifts`. DisCo's published code has a normal law of deviation 6, not
   nearer to zero than 0.5, in the generator's own units, which is the default.
2. An encoder E of one picture, with one output for each direction, learns that the
   codes of the pair differ by the shift along the direction and by nothing else. It
   descends along the mean over pairs of

       |E(picture of the moved code) - E(picture of the code) - e 1_k|^2.

   DisCo too looks at such differences of codes alone, but contrasts pairs with each
   other, for it learns directions and encoder together and does not care which output
   is whose; here directions are given, so which output must change is told. This takes
   any kind of edit, and no projection on directions is needed.
3. E's codes of fresh pictures of known factors are scored. `encode` draws them from the
   generator's prior, and takes the factors from an oracle, or from a scorer; of a world
   that renders chosen factors, `disentanglement_sampling.FactorSampler` draws them.

The original learns for 70,000 steps of 128 pairs with Adam at 1e-4, with an encoder of
several million weights. The defaults are for CPUs: 1500 steps of 32 pairs at 1e-3 with
a LeNet; of pictures of 32 pixels, a step takes 0.06 s of a core. How good codes can be
is bounded by what pictures show: of the embedded portraits at 32 pixels, 11 of the 14
true directions get codes that correlate with their factor by 0.84 to 0.98, but smile,
brows and gaze are too small to be seen. With factors in 5 bins, MIG is 0.45 and D of
DCI 0.67 (of the 11 alone 0.60 and 0.89), and 0.04 and 0.27 of random directions.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple, Unpack

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from jaxlatent.batching import in_chunks
from jaxlatent.edits.base import Edit, bare
from jaxlatent.evaluation.disentanglement import Score, disentanglement_scores
from jaxlatent.evaluation.disentanglement_bench import Settings as Sizes
from jaxlatent.evaluation.recognition import Shifts, draw_pairs, pair_images
from jaxlatent.latents import Prior, sample_keys, to_synthesis
from jaxlatent.learning import Metrics, State, descend
from jaxlatent.networks.base import Network, trainable
from jaxlatent.networks.reconstructors import PictureEncoder
from jaxlatent.training.fit import FitOptions, fit
from jaxlatent.types import Model, Params, as_model

METRICS = ("mig", "dci", "factor-vae", "beta-vae")
"""What papers print of the codes."""

FACTORS = "factors"
"""The feature of an oracle that tells its factors."""

_FIT, _FRESH = range(2)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How an encoder of directions learns.

    Attributes:
        shifts: the law of the shifts, in units of strength.
        network: "lenet", enough for pictures of 32 and 64 pixels, "resnet", or any
            module that returns [N, K] and takes `train` as these do.
        steps: of the optimiser.
        batch: pairs of a step.
        learning_rate: Adam's.
    """

    shifts: Shifts = Shifts("normal", 6.0, 0.5)
    network: Literal["lenet", "resnet"] | nn.Module = "lenet"
    steps: int = 1500
    batch: int = 32
    learning_rate: float = 1e-3


@flax.struct.dataclass(eq=False)
class DirectionCodes:
    """An encoder of directions, as a problem of `jaxlatent.training.fit`.

    Attributes:
        prior: what draws codes, in the space of the edit.
        edit: bare, K directions.
        module: the encoder's architecture.
        shifts: the law of the shifts.
        learning_rate: Adam's.
    """

    prior: Prior
    edit: Edit
    module: nn.Module = flax.struct.field(pytree_node=False)
    shifts: Shifts = flax.struct.field(pytree_node=False)
    learning_rate: float = flax.struct.field(pytree_node=False)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam."""
        return optax.adam(self.learning_rate)

    def init(self, key: jax.Array) -> State:
        """Fresh parameters of the encoder."""
        images = jnp.zeros((1, *self.prior.generator.image_shape))
        params = Network.init(key, self.module, images).params
        return State.init(params, self.optimizer)

    def update(
        self, state: State, keys: jax.Array, data: None = None
    ) -> tuple[State, Metrics]:
        """One step on pairs that typed keys [N] draw."""
        del data
        pairs = draw_pairs(self.prior, self.shifts, len(self.edit), keys)
        moved = self.edit.shift(pairs.latents.codes, pairs.index, pairs.shift)
        before, after = pair_images(self.prior, pairs, moved)
        change = pairs.shift[:, None] * jax.nn.one_hot(pairs.index, len(self.edit))
        return descend(
            self.loss,
            state,
            jnp.concatenate([before, after]),
            change,
            optimizer=self.optimizer,
            mask=trainable(state.params),
        )

    def loss(
        self, params: Params, images: jax.Array, change: jax.Array
    ) -> tuple[jax.Array, Metrics, Params]:
        """The loss of pairs, with the parameters that the pass leaves.

        Args:
            params: of the encoder.
            images: [2 N, H, W, C], all first pictures before all second ones.
            change: [N, K] of the codes.
        """
        codes, network = Network(params, self.module).train(images)
        before, after = jnp.split(codes, 2)
        error = jnp.sum((after - before - change) ** 2, axis=1)
        return error.mean(), {}, network.params


def direction_encoder(
    prior: Prior,
    edit: Edit,
    settings: Settings = Settings(),
    *,
    key: jax.Array,
    **run: Unpack[FitOptions],
) -> Network:
    """An encoder of pictures with one code for each direction of an edit.

    Compiled once for all edits of a kind and number of directions, keys, weights and
    numbers of steps.

    Args:
        prior: what draws codes and classes, in the space of the edit.
        edit: of any kind, K directions.
        settings: how it learns.
        key: of the run.
        **run: as for `training.fit`.

    Returns:
        images [N, H, W, C] -> codes [N, K], in units of strength.

    Raises:
        ValueError: the edit is of another space, or a step was not finite.
    """
    if edit.space != prior.space:
        raise ValueError(
            f"edit: of {edit.space} given; one of {prior.space}, where the codes are, "
            "is accepted"
        )
    module = settings.network
    if isinstance(module, str):
        channels = prior.generator.image_shape[-1]
        module = PictureEncoder(len(edit), channels, module)
    how = module, settings.shifts, settings.learning_rate
    problem = DirectionCodes(prior, bare(edit), *how)
    fitted = fit(problem, settings.steps, key=key, batch=settings.batch, **run)
    if fitted.failed is not None:
        raise ValueError(
            f"learning_rate: {settings.learning_rate} given; step {fitted.failed} was "
            "not finite"
        )
    return Network(fitted.state.params, problem.module)


class Encoded(NamedTuple):
    """Codes of pictures and their factors, as `disentanglement_scores` takes them.

    Attributes:
        codes: [N, K].
        factors: [N, F].
    """

    codes: np.ndarray
    factors: np.ndarray


def encode(
    prior: Prior,
    encoder: Model,
    factors: Model | None = None,
    *,
    key: jax.Array,
    num: int = 15_000,
    chunk: int = 64,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> Encoded:
    """Codes and factors of pictures drawn from a prior.

    Args:
        prior: what draws them.
        encoder: images [N, H, W, C] -> codes [N, K].
        factors: images -> [N, F], where there is no truth; None for the factors that
            the generator, an oracle, tells itself.
        key: picture n draws from `fold_in(key, n)`.
        num: how many; the study of Locatello et al. (2019) takes 15,000.
        chunk: pictures per compiled call; bounds memory.
        mesh: devices that the pictures of a call are split over, None for one.
        progress: called with the number of pictures just done.

    Raises:
        ValueError: no factors are given, and the generator tells none.
    """
    if factors is None and FACTORS not in prior.generator.feature_names:
        raise ValueError(
            "factors: None given; images -> [N, F] is accepted where the generator "
            "is no oracle"
        )
    models = as_model(encoder), None if factors is None else as_model(factors)
    parts = in_chunks(
        _encoded,
        (sample_keys(key, np.arange(num)),),
        num,
        chunk,
        progress,
        whole=(prior, models),
        mesh=mesh,
    )
    codes, found = (np.concatenate(one) for one in zip(*parts, strict=True))
    return Encoded(codes, found.reshape(num, -1))


@jax.jit
def _encoded(
    prior: Prior, models: tuple[Model, Model | None], keys: jax.Array
) -> tuple[jax.Array, jax.Array]:
    encoder, factors = models
    generator, latents = prior.generator, prior(keys)
    ready = to_synthesis(generator, latents)
    if factors is not None:
        images = generator.synthesize(ready, latents.label)
        return encoder(images), factors(images)
    names = (FACTORS, "image")
    found = generator.features(ready, latents.label, names=names)
    return encoder(found["image"]), found[FACTORS]


def discovery_codes(
    prior: Prior,
    edit: Edit,
    settings: Settings = Settings(),
    factors: Model | None = None,
    *,
    key: jax.Array,
    num: int = 15_000,
    chunk: int = 64,
    **run: Unpack[FitOptions],
) -> Encoded:
    """Codes along an edit's directions of fresh pictures, and the pictures' factors.

    `direction_encoder`, then `encode`; `score_codes` scores them.

    Args:
        prior: what draws codes and classes, in the space of the edit.
        edit: of any kind, K directions.
        settings: how the encoder learns.
        factors: as for `encode`.
        key: of the run and of the pictures.
        num: how many pictures are scored.
        chunk: pictures per compiled call of `encode`.
        **run: as for `training.fit`.
    """
    keys = [jax.random.fold_in(key, part) for part in (_FIT, _FRESH)]
    encoder = direction_encoder(prior, edit, settings, key=keys[_FIT], **run)
    how = {"num": num, "chunk": chunk, "mesh": run.get("mesh")}
    return encode(prior, encoder, factors, key=keys[_FRESH], **how)


def score_codes(
    prior: Prior,
    edit: Edit,
    settings: Settings = Settings(),
    factors: Model | None = None,
    *,
    key: jax.Array,
    num: int = 15_000,
    sizes: Sizes = Sizes(),
    **run: Unpack[FitOptions],
) -> dict[str, Score]:
    """The whole protocol: `METRICS` of `discovery_codes`, each with its chance.

    Args:
        prior: as for `discovery_codes`; so are all but the following.
        edit: likewise.
        settings: likewise.
        factors: likewise.
        key: likewise.
        num: likewise.
        sizes: how the codes are scored.
        **run: as for `training.fit`.
    """
    found = discovery_codes(prior, edit, settings, factors, key=key, num=num, **run)
    return disentanglement_scores(*found, METRICS, sizes)
