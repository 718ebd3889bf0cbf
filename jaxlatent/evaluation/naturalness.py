"""DVN: whether what a direction changes varies among real pictures too.

Voynov and Babenko, "Unsupervised discovery of interpretable directions in the GAN
latent space", 2020, first version of arXiv 2002.03754, the direction variation
naturalness:

1. A network M learns which way codes were moved along the direction, from pictures.
2. It labels real pictures.
3. A network M' of the same kind learns these labels from real pictures alone.
4. DVN is how often M' is right about generated pictures.

It is near 1 where real pictures vary as the direction makes them, and a half, which is
chance, where they do not or where the direction changes nothing.
"""

import dataclasses
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from jaxlatent.batching import in_chunks
from jaxlatent.edits.base import Edit, bare, concrete_index
from jaxlatent.latents import OWN_DRAWS, Latents, Prior, sample_keys, to_images
from jaxlatent.learning import Metrics, State, descend
from jaxlatent.networks.base import Network, trainable
from jaxlatent.networks.lenet import PictureLeNet
from jaxlatent.networks.reconstructors import nearest
from jaxlatent.training.fit import fit
from jaxlatent.training.sources import Source
from jaxlatent.types import Params

_MOVED, _REAL, _FRESH, _SPLIT = range(4)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How naturalness is measured; the original's by default."""

    strength: float = 10.0
    """How far codes are moved, either way."""
    size: int | None = None
    """Pixels of the square that pictures are brought to, by the nearest pixel; None to
    leave them. The networks take 32 and more."""
    steps: int = 50
    """That each network learns for."""
    batch: int = 16
    """Pictures of a step."""
    validation: int = 10
    """Batches that accuracies are taken over."""
    learning_rate: float = 1e-3
    """Of Adam."""


class Naturalness(NamedTuple):
    """Shares of right answers; a half is chance.

    Attributes:
        generated: of M about unseen generated pictures: whether the direction shows.
        pseudo_labelled: of M' about unseen real pictures as M labels them: whether real
            pictures show what M goes by.
        dvn: of M' about unseen generated pictures.
    """

    generated: float
    pseudo_labelled: float
    dvn: float


@flax.struct.dataclass(eq=False)
class Sides:
    """Telling which way codes were moved, as a problem of `jaxlatent.training.fit`.

    Where the run has data, these are real pictures, which `teacher` labels.

    Attributes:
        prior: what draws codes, in the space of the edit.
        edit: bare.
        index: the direction, a scalar.
        teacher: the network that labels real pictures, None where there are none.
        settings: how.
    """

    prior: Prior
    edit: Edit
    index: jax.Array
    teacher: Network | None
    settings: Settings = flax.struct.field(pytree_node=False)

    @property
    def module(self) -> PictureLeNet:
        """The architecture of both networks."""
        channels = self.prior.generator.image_shape[-1]
        return PictureLeNet(outputs=2, image_channels=channels)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam."""
        return optax.adam(self.settings.learning_rate)

    def init(self, key: jax.Array) -> State:
        """Fresh parameters of the network."""
        shape = self.prior.generator.image_shape
        picture = self.resized(jnp.zeros((1, *shape)))
        params = Network.init(key, self.module, picture).params
        return State.init(params, self.optimizer)

    def update(
        self, state: State, keys: jax.Array, data: jax.Array | None = None
    ) -> tuple[State, Metrics]:
        """One step, on pictures that keys [batch] draw, or on rows of real ones."""
        if data is None:
            images, sides = self.moved(keys)
        else:
            assert self.teacher is not None
            images = self.resized(data)
            sides = told(self.teacher, images)
        mask = trainable(state.params)
        return descend(
            self.loss, state, images, sides, optimizer=self.optimizer, mask=mask
        )

    def loss(
        self, params: Params, images: jax.Array, sides: jax.Array
    ) -> tuple[jax.Array, Metrics, Params]:
        """The cross-entropy of a batch, with the parameters that the pass leaves."""
        logits, network = Network(params, self.module).train(images)
        each = optax.softmax_cross_entropy_with_integer_labels(logits, sides)
        return jnp.mean(each), {}, network.params

    def moved(self, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Pictures [N, h, w, C] of moved codes, and [N] which way: 1 ahead, 0 back."""
        coins = jax.vmap(jax.random.fold_in, (0, None))(keys, OWN_DRAWS)
        sides = jax.vmap(jax.random.bernoulli)(coins)
        amount = jnp.where(sides, 1.0, -1.0) * self.settings.strength
        latents = self.prior(keys)
        codes = self.edit.shift(latents.codes, self.index, amount)
        moved = Latents(codes, latents.space, latents.label)
        images = to_images(self.prior.generator, moved)
        return self.resized(images), sides.astype(jnp.int32)

    def resized(self, images: jax.Array) -> jax.Array:
        """Pictures at the size of the settings."""
        size = self.settings.size
        return images if size is None else nearest(images, size)


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a source, as a source.

    Attributes:
        source: where they are.
        numbers: which.
    """

    source: Source
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def batch(self, numbers: np.ndarray) -> Any:
        """The rows at `numbers` [N] of these."""
        return self.source.batch(self.numbers[numbers])


def naturalness(
    prior: Prior,
    edit: Edit,
    index: int,
    real: Source,
    settings: Settings = Settings(),
    *,
    key: jax.Array,
    mesh: Mesh | None = None,
    block: int | None = None,
) -> Naturalness:
    """The naturalness of one direction.

    Compiled once for all directions, keys and weights.

    Args:
        prior: what draws codes and classes, in the space of the edit.
        edit: of any kind.
        index: the direction.
        real: real pictures: its rows are images [H, W, C] in [-1, 1] of the size that
            the generator makes, or of any where the settings bring all to one. Of these
            a part that the key draws is held out: as many as the settings validate on,
            but at most half.
        settings: how.
        key: of everything that is drawn; the same key gives all directions the same
            codes, first networks and real pictures.
        mesh: devices to split samples over, None for one.
        block: as for `fit`.

    Raises:
        ValueError: names the argument that does not fit.
        IndexError: for a direction that there is not.
    """
    number = jnp.int32(concrete_index(index, len(edit)))
    problem = Sides(prior, bare(edit), number, None, settings)
    _check(problem, edit, real)
    keys = [jax.random.fold_in(key, part) for part in range(4)]
    count = settings.validation * settings.batch
    options: Any = {"batch": settings.batch, "mesh": mesh, "block": block}

    def network(problem: Sides, part: int, data: Source | None = None) -> Network:
        fitted = fit(problem, settings.steps, key=keys[part], data=data, **options)
        if fitted.failed is not None:
            raise ValueError(
                f"learning_rate: {settings.learning_rate} given; step {fitted.failed} "
                "was not finite"
            )
        return Network(fitted.state.params, problem.module)

    teacher = network(problem, _MOVED)
    order = np.asarray(jax.random.permutation(keys[_SPLIT], len(real)))
    unseen = min(count, len(real) // 2)
    pupil = network(
        problem.replace(teacher=teacher),  # pyright: ignore
        _REAL,
        Rows(real, order[unseen:]),
    )
    fresh = sample_keys(keys[_FRESH], np.arange(count))
    right = list(
        in_chunks(
            _right_of_moved,
            (fresh,),
            count,
            settings.batch,
            whole=(problem, (teacher, pupil)),
            mesh=mesh,
        )
    )
    generated, dvn = (np.concatenate(one).mean() for one in zip(*right, strict=True))
    starts = range(0, unseen, settings.batch)
    alike = [
        _alike(problem, teacher, pupil, real.batch(order[start : start + size]))
        for start in starts
        if (size := min(settings.batch, unseen - start))
    ]
    return Naturalness(
        float(generated), float(np.concatenate(alike).mean()), float(dvn)
    )


def told(network: Network, images: jax.Array) -> jax.Array:
    """[N] which way the network takes pictures to have been moved."""
    return jnp.argmax(network(images), axis=-1)


@jax.jit
def _right_of_moved(
    problem: Sides, networks: tuple[Network, ...], keys: jax.Array
) -> tuple[jax.Array, ...]:
    """[N] whether each network is right, for each of them."""
    images, sides = problem.moved(keys)
    return tuple(told(network, images) == sides for network in networks)


@jax.jit
def _alike(
    problem: Sides, one: Network, other: Network, images: jax.Array
) -> jax.Array:
    """[N] whether both networks say the same of real pictures."""
    images = problem.resized(images)
    return told(one, images) == told(other, images)


def _check(problem: Sides, edit: Edit, real: Source) -> None:
    """Refuse what does not fit, before anything is learned."""
    prior, how = problem.prior, problem.settings
    if edit.space != prior.space:
        raise ValueError(
            f"edit: of {edit.space} given; one of {prior.space}, where the codes are, "
            "is accepted"
        )
    for name in ("steps", "batch", "validation"):
        if getattr(how, name) < 1:
            raise ValueError(
                f"{name}: {getattr(how, name)} given; 1 or more is accepted"
            )
    if len(real) < 2:
        raise ValueError(f"real: {len(real)} pictures given; 2 or more are accepted")
    shape = np.shape(real.batch(np.zeros(1, np.int64)))[1:]
    wanted = prior.generator.image_shape
    fits = len(shape) == 3 and shape[2] == wanted[2]
    if not fits or (how.size is None and shape != wanted):
        size = "of any size" if how.size else "or of another size with size"
        raise ValueError(
            f"real: pictures of {shape} given; {wanted}, as the generator makes them, "
            f"{size}, is accepted"
        )
    jax.eval_shape(problem.init, jax.random.key(0))
