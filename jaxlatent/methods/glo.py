"""GLO: Optimizing the Latent Space of Generative Networks.

Piotr Bojanowski, Armand Joulin, David Lopez-Paz, Arthur Szlam, ICML 2018,
arXiv 1707.05776. A generator g and one code for each picture are learned together,
without an encoder and without a discriminator (eq. 2):

    min_g 1/n sum_i min_{z_i in Z} loss(g(z_i), x_i),    Z the unit ball of R^D.

After a step, the codes that it met are projected back into Z. Pictures are drawn from
one Gaussian with full covariance that is fitted to the codes; codes are interpolated
and added like any others (`jaxlatent.latents`).

The result is a generator like any other, whose `sample` draws from that Gaussian; its
codes are shorter than one, so that edits of it need strengths of less than one.

Where this differs from T. Neumann's minimal_glo, and why:

- The kernel of the pyramid is a Gaussian; `kernel="minimal_glo"` is that code's.
- The two losses may be added, as in the paper; that code has one or the other.
- Every row of the data is seen in every epoch, and every code starts somewhere.
- Pictures are shown as the finished generator makes them, with stored statistics of
  batch norms; that code shows them as a training pass makes them.
- With Adam every code has moments and a count of its own, which a step moves only for
  the codes that it meets.

Codes are kept as `learning.Rows`: a mesh splits them, and pictures are a `Source`, so
both may be larger than one device's memory. In a batch where a picture stands twice,
its code moves once, along the sum of both gradients.
"""

import dataclasses
from typing import Any, NamedTuple, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import PRIOR, normal_codes
from jaxlatent.latents import Latents
from jaxlatent.learning import Metrics, Rows, State, accumulated, descend
from jaxlatent.methods.glo_codes import as_images, gaussian, pca_codes, project
from jaxlatent.methods.glo_settings import PAPER, Preset, Settings
from jaxlatent.numerics.laplacian_pyramid import laplacian_distance
from jaxlatent.training.fit import FitOptions, Fitted, fit
from jaxlatent.training.sources import Source

ROOM = 256
"""There is room for a multiple of so many codes, which any usual number of devices
divides."""


@flax.struct.dataclass(eq=False)
class Learned(State):
    """What changes while GLO learns.

    Attributes:
        codes: [R, D], of which the first belong to the pictures.
        code_optimizer: the optimiser's state of each code.
    """

    codes: Rows
    code_optimizer: Rows


@flax.struct.dataclass(eq=False)
class GLO:
    """The problem of `jaxlatent.training.fit`; its state's params are the weights.

    One sample is one picture: `data` is {"image": [batch, H, W, C] in [-1, 1] or uint8,
    "number": [batch], which row of the data each is}.

    Attributes:
        generator: where its weights begin; not prepared, unconditional, without w.
        start: [R, D], where codes begin; None for random ones.
        count: how many pictures there are.
        settings: how.
    """

    generator: Generator
    start: Rows | None
    count: int = flax.struct.field(pytree_node=False)
    settings: Settings = flax.struct.field(pytree_node=False, default=Settings())

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Of the weights, which move at every `accumulate`-th step."""
        return accumulated(
            self._optimizer(self.settings.learning_rate), self.settings.accumulate
        )

    @property
    def code_optimizer(self) -> optax.GradientTransformation:
        """Of one code, which moves at every step that meets it."""
        how = self.settings
        # each of the steps that make one move of the weights meets other codes
        return self._optimizer(how.code_rate / how.accumulate)

    def _optimizer(self, rate: float) -> optax.GradientTransformation:
        return {"sgd": optax.sgd, "adam": optax.adam}[self.settings.optimizer](rate)

    def init(self, key: jax.Array) -> Learned:
        """The generator's weights, and codes in Z."""
        params = self.generator.params
        start = self.start
        if start is None:
            room = -(-self.count // ROOM) * ROOM
            start = Rows(normal_codes(key, room, self.generator.config.z_dim))
        codes = Rows(project(start.arrays, self.settings.projection))
        moments = Rows(jax.vmap(self.code_optimizer.init)(codes.arrays))
        return Learned(params, self.optimizer.init(params), codes, moments)

    def update(
        self, state: Learned, keys: jax.Array, data: Any = None
    ) -> tuple[Learned, Metrics]:
        """One step of both optimisers; nothing is drawn."""
        del keys
        numbers, images = data["number"], as_images(data["image"])
        met = jax.tree.map(
            lambda leaf: leaf[numbers], (state.codes, state.code_optimizer)
        )
        codes, moments = met[0].arrays, met[1].arrays
        weights = State(
            {"weights": state.params, "codes": codes},
            {"weights": state.optimizer, "codes": moments},
        )
        after, metrics = descend(
            self.loss,
            weights,
            images,
            optimizer=self._both(numbers),
            mask={"weights": self.generator.trainable, "codes": True},
        )
        moved = project(after.params["codes"], self.settings.projection)
        # nothing else looks at the codes
        lost = jnp.where(jnp.isfinite(moved).all(), 0.0, jnp.nan)
        metrics = {**metrics, "loss": metrics["loss"] + lost}
        new = Rows(moved), Rows(after.optimizer["codes"])
        codes, moments = jax.tree.map(
            lambda old, rows: old.at[numbers].set(rows),
            (state.codes, state.code_optimizer),
            new,
        )
        return state.replace(  # pyright: ignore
            params=after.params["weights"],
            optimizer=after.optimizer["weights"],
            codes=codes,
            code_optimizer=moments,
        ), metrics

    def _both(self, numbers: jax.Array) -> optax.GradientTransformation:
        """The optimiser of the weights and of the codes of a batch."""
        # a picture that stands twice has one code, which must move once
        same = (numbers[:, None] == numbers[None]).astype(jnp.float32)

        def update(updates: Any, state: Any, params: Any = None) -> Any:
            moves, new = {}, {}
            moves["weights"], new["weights"] = self.optimizer.update(
                updates["weights"], state["weights"], params["weights"]
            )
            gradient = jnp.matmul(same, updates["codes"], precision="highest")
            moves["codes"], new["codes"] = jax.vmap(self.code_optimizer.update)(
                gradient, state["codes"]
            )
            return moves, new

        return optax.GradientTransformation(lambda params: params, update)

    def loss(
        self, params: Any, images: jax.Array
    ) -> tuple[jax.Array, Metrics, dict[str, Any]]:
        """Of a batch, with the mean of every term, as `learning.descend` takes it.

        Args:
            params: "weights" of the generator, and "codes" [batch, D].
            images: [batch, H, W, C] in [-1, 1].

        Returns:
            The loss, its terms, and params whose statistics have moved on.
        """
        generator = dataclasses.replace(self.generator, params=params["weights"])
        made, moved = generator.train(params["codes"])
        terms = self.terms(made, images)
        how = self.settings
        weighed = {"laplacian": how.laplacian, "squared": how.squared}
        total = sum(weighed[name] * jnp.mean(term) for name, term in terms.items())
        told = {
            name: jax.lax.stop_gradient(jnp.mean(term)) for name, term in terms.items()
        }
        return total, told, {**params, "weights": moved.params}  # pyright: ignore

    def terms(self, made: jax.Array, images: jax.Array) -> dict[str, jax.Array]:
        """The terms of the loss that count, each [N], of images [N, H, W, C]."""
        how, terms = self.settings, {}
        if how.laplacian:
            terms["laplacian"] = laplacian_distance(
                made,
                images,
                how.levels,
                kernel=how.kernel,
                level_weights=how.level_weights,
            )
        if how.squared:
            terms["squared"] = jnp.mean((made - images) ** 2, axis=(1, 2, 3))
        return terms


class Trained(NamedTuple):
    """What GLO ends in.

    Attributes:
        generator: draws from the Gaussian of the codes.
        latents: the code of each picture.
        fitted: the run.
    """

    generator: Generator
    latents: Latents
    fitted: Fitted


def train(
    generator: Generator,
    pictures: Source,
    preset: Preset = PAPER,
    *,
    key: jax.Array,
    **run: Unpack[FitOptions],
) -> Trained:
    """Train a generator on pictures by GLO.

    Args:
        generator: where its weights begin, such as `Generator(sequential.init(key,
            config), config)` of `descriptions.dcgan`.
        pictures: {"image": [N, H, W, C], "number": [N]} by number; the images of the
            generator's shape, floats in [-1, 1] or uint8.
        preset: what is learned and for how long; one of `PRESETS`, or your own. Its
            z_dim and width are those of generators that are yet to be made.
        key: of the whole run.
        **run: as for `fit`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    problem = learner(generator, pictures, preset.settings, key=key)
    fitted = fit(
        problem,
        duration(len(pictures), preset),
        key=key,
        batch=preset.batch,
        data=pictures,
        **run,
    )
    return finished(problem, fitted)


def learner(
    generator: Generator, pictures: Source, settings: Settings, *, key: jax.Array
) -> GLO:
    """The problem that `train` solves; see there for the arguments."""
    config = generator.config
    if generator.is_prepared or config.label_dim or generator.latent_space != "z":
        raise ValueError(
            "generator: one that is prepared, has classes or a mapping network given; "
            "one of z alone, whose weights are its own, is accepted"
        )
    shape = np.shape(pictures.batch(np.arange(1))["image"])[1:]
    if shape != generator.image_shape:
        raise ValueError(
            f"pictures: of shape {shape} given; {generator.image_shape} is accepted"
        )
    params = generator.params
    if generator.has_own_prior:
        params = {name: leaf for name, leaf in params.items() if name != PRIOR}
    generator = dataclasses.replace(generator, params=params)
    start = None
    if settings.start == "pca":
        codes = pca_codes(pictures, config.z_dim, key=jax.random.fold_in(key, 0))
        room = -len(codes) % ROOM
        start = Rows(np.pad(codes, ((0, room), (0, 0))))
    return GLO(generator, start, len(pictures), settings)


def duration(count: int, preset: Preset) -> int:
    """Steps that see so many pictures as often as a preset tells."""
    return -(-preset.epochs * count // preset.batch)


def finished(problem: GLO, fitted: Fitted) -> Trained:
    """The generator of a run, which draws from the Gaussian of the codes."""
    codes = fitted.state.codes.arrays[: problem.count]
    trained = dataclasses.replace(problem.generator, params=fitted.state.params)
    trained = trained.with_prior(*gaussian(codes))
    return Trained(trained, Latents(jnp.asarray(codes), "z"), fitted)


def errors(
    problem: GLO, trained: Trained, pictures: Source, *, most: int = 1024, chunk: int
) -> dict[str, float]:
    """How far the generator is from pictures that it has codes of.

    Args:
        problem: what was solved.
        trained: what was found.
        pictures: the data.
        most: pictures to look at, evenly spread.
        chunk: pictures per compiled call.

    Returns:
        The means of the terms of the loss, of the generator as it is kept; and "psnr",
        of the mean squared difference of all, in decibels (a peak of 2).
    """
    chosen = np.linspace(0, problem.count - 1, min(most, problem.count)).astype(int)
    totals: dict[str, float] = {}
    for at in range(0, len(chosen), chunk):
        some = chosen[at : at + chunk]
        images = as_images(jnp.asarray(pictures.batch(some)["image"]))
        found = _compared(
            problem, trained.generator, trained.latents.codes[some], images
        )
        for name, term in found.items():
            totals[name] = totals.get(name, 0.0) + float(term.sum()) / len(chosen)
    squared = totals.pop("difference")
    return {**totals, "psnr": 10 * float(np.log10(4 / max(squared, 1e-12)))}


@jax.jit
def _compared(
    problem: GLO, generator: Generator, codes: jax.Array, images: jax.Array
) -> dict[str, jax.Array]:
    made = generator.synthesize(codes)
    difference = jnp.mean((made - images) ** 2, axis=(1, 2, 3))
    return {**problem.terms(made, images), "difference": difference}
