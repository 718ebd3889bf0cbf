"""Controlling generative models with continuous factors of variations.

Antoine Plumerault, Herve Le Borgne, Celine Hudelot, ICLR 2020, arXiv 2001.10238.

A transformation T_t changes pictures by a known amount t of a factor: a position, a
scale. For codes z_0, codes z_t are searched whose pictures look like T_t(G(z_0)); see
`factors_of_variation_trajectories`. A factor is then modelled as t = g(<z, u>) with a
unit vector u and a g that never falls (section 2.3), of which differences are seen:

    u, g = argmin sum (delta t - (g(<z_t, u>) - g(<z_0, u>)))^2.

g is known up to a constant; here g is zero at the codes' mean. The edit found changes
the factor by its strength, or gives it a value; `factors_of_variation_sampling` draws
codes with a distribution of the factor.

Where this differs from the original code, and why:

- Trajectories are labelled by what whole pixels realise, 12 / 128 rather than 0.1.
- u is found by ridge regression and refined; its length, which the code penalises and
  g makes up for, is one. The code's penalties leave g all but linear, and from its
  random start 1400 steps do not always arrive; `objective="original"` does as it does.
- g is kept with the edit. The code keeps u alone.

Transformations of pictures of several classes may be pooled, and share a direction
nearly as good as one of each class (section 4): `label="every"`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.stats import norm

from jaxlatent.edits.base import Edit, as_facts
from jaxlatent.edits.factor import Factors, factors
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.latents import Truncation, prior
from jaxlatent.learning import Metrics, State, descend, keras_adam
from jaxlatent.methods.factors_of_variation_settings import PAPER, Preset, Settings
from jaxlatent.methods.factors_of_variation_trajectories import (
    Records,
    Trajectories,
    estimate,
    kept,
    records,
)
from jaxlatent.methods.factors_of_variation_transformations import as_transformation
from jaxlatent.training.fit import FitOptions, Fitted, fit
from jaxlatent.training.sources import ArraySource
from jaxlatent.types import Model

CELLS, WIDTH = 101, 0.1
"""Of the original's g."""


@flax.struct.dataclass(eq=False)
class Placed(State):
    """What is learned, the first u, and the codes' mean and deviation along it."""

    first: jax.Array
    mean: jax.Array
    deviation: jax.Array


@flax.struct.dataclass(eq=False)
class FactorsOfVariation:
    """The method of `jaxlatent.training.fit`; it draws nothing.

    A step sees all records, or those that it is given as data (`rows`).

    Attributes:
        records: ends of trajectories.
        settings: what g is, and how it is learned.
        space: of the codes; those of z are taken as standard normal.
    """

    records: Records
    settings: Settings = flax.struct.field(pytree_node=False, default=Settings())
    space: str = flax.struct.field(pytree_node=False, default="z")

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam."""
        return keras_adam(self.settings.learning_rate)

    @property
    def rows(self) -> ArraySource:
        """The records as data, for steps that see a batch of them."""
        return ArraySource(jax.tree.map(np.asarray, self.records))

    def init(self, key: jax.Array) -> Placed:
        """What is learned, before the first step.

        "vector" [D]; and of a piecewise linear g the "slopes" [M - 1], of a linear one
        its "slope", of a Gaussian one "range" and "steepness", all before a softplus
        that keeps them positive. The original's slopes are kept positive by themselves.
        """
        given, how = self.records, self.settings
        size = given.starts.shape[1]
        if how.objective == "original":
            bound = (6 / (size + 1)) ** 0.5
            own, dtype = jax.random.fold_in(key, 0), given.starts.dtype
            vector = jax.random.uniform(own, (size,), dtype, -bound, bound)
            params = {"vector": vector, "slopes": jnp.ones(CELLS, vector.dtype)}
            one = jnp.ones((), vector.dtype)
            return _placed(params, self.optimizer, 0 * one, one)
        slopes = ridge_direction(given, how.ridge)
        length = jnp.linalg.norm(slopes)
        vector = slopes / length
        along = given.starts @ vector
        mean, deviation = jnp.mean(along), jnp.std(along)
        if self.space == "z":
            mean, deviation = jnp.zeros_like(mean), jnp.ones_like(deviation)
        rise, reach = length * deviation, jnp.max(jnp.abs(given.amounts))
        slope = _before_softplus(rise)
        shapes = {
            "piecewise": {"slopes": jnp.full(how.knots - 1, slope)},
            "linear": {"slope": slope},
            # as steep in the middle, and as far as amounts go
            "gaussian": {
                "range": _before_softplus(reach),
                "steepness": _before_softplus(rise / (2 * norm.pdf(0.0) * reach)),
            },
        }
        params = {"vector": vector, **shapes[how.link]}
        return _placed(params, self.optimizer, mean, deviation)

    def g(self, params: Any, places: jax.Array) -> jax.Array:
        """The link at places [...], in standard deviations of the codes along u."""
        how = self.settings
        if how.objective == "original":
            return piecewise_linear(places, self.edges, params["slopes"])
        positive = {
            name: jax.nn.softplus(leaf)
            for name, leaf in params.items()
            if name != "vector"
        }
        if how.link == "linear":
            return positive["slope"] * places
        if how.link == "gaussian":
            steep = positive["steepness"] * places
            return positive["range"] * (2 * norm.cdf(steep) - 1)
        return piecewise_linear(places, self.edges, positive["slopes"])

    @property
    def edges(self) -> jax.Array:
        """[M], where a piecewise linear g bends, and where every edit tells its g."""
        how, dtype = self.settings, self.records.starts.dtype
        if how.objective == "original":
            return (jnp.arange(CELLS + 1, dtype=dtype) - CELLS / 2) * WIDTH
        return jnp.linspace(-how.reach, how.reach, how.knots, dtype=dtype)

    def loss(
        self, params: Any, state: Placed, given: Records
    ) -> tuple[jax.Array, Metrics]:
        """The mean square error and the penalties; "explained" is a share of one."""
        vector, original = params["vector"], self.settings.objective == "original"
        if not original:
            vector = vector / jnp.linalg.norm(vector)
        starts, ends = (
            self.g(params, (codes @ vector - state.mean) / state.deviation)
            for codes in (given.starts, given.ends)
        )
        error = jnp.mean((given.amounts - (ends - starts)) ** 2)
        variance, loss = jnp.var(given.amounts), error
        if original:
            loss += 0.1 * jnp.sum(vector**2) + jnp.mean(jnp.diff(params["slopes"]) ** 2)
        else:
            loss += self.settings.anchor * variance * (1 - vector @ state.first)
        if "slopes" in params and not original:
            slopes = jax.nn.softplus(params["slopes"])
            loss += self.settings.smoothness * jnp.mean(jnp.diff(slopes) ** 2)
        explained = 1 - error / variance
        return loss, {"explained": jax.lax.stop_gradient(explained)}

    def update(
        self, state: Placed, keys: jax.Array, data: Any = None
    ) -> tuple[Placed, Metrics]:
        """One step of Adam, on all records or on the rows of `data`."""
        del keys
        given = self.records if data is None else data
        after, metrics = descend(
            self.loss, state, state, given, optimizer=self.optimizer
        )
        if self.settings.objective == "original":
            slopes = jnp.maximum(after.params["slopes"], 0)
            after = dataclasses.replace(
                after, params={**after.params, "slopes": slopes}
            )
        return after, metrics

    def edit(self, state: Placed) -> Factors:
        """The direction with its g, one unit of strength one unit of the factor."""
        params, length = state.params, jnp.linalg.norm(state.params["vector"])
        unit = params["vector"] / length
        edges = self.edges
        knots = state.mean + state.deviation * edges
        if self.settings.objective == "original":
            knots = knots / length
        values = self.g(params, edges) - self.g(params, jnp.zeros((), edges.dtype))
        # rounding must not make it fall
        values = jax.lax.cummax(values)
        return factors(
            unit[None],
            knots[None],
            values[None],
            space=self.space,
            method="factors of variation",
        )


def ridge_direction(given: Records, ridge: float) -> jax.Array:
    """[D], the slopes of the linear regression of amounts on steps of codes.

    Args:
        given: the records.
        ridge: penalty of the square of the slopes, relative to the mean square of the
            steps' coordinates.
    """
    steps = given.ends - given.starts
    square = jnp.einsum("rd,re->de", steps, steps, precision="highest")
    size = len(square)
    penalty = ridge * jnp.trace(square) / size * jnp.eye(size, dtype=square.dtype)
    right = jnp.einsum("rd,r->d", steps, given.amounts, precision="highest")
    return jnp.linalg.solve(square + penalty, right)


def piecewise_linear(
    places: jax.Array, edges: jax.Array, slopes: jax.Array
) -> jax.Array:
    """sum_i slope_i clip(s - m_i, -h_i, h_i), cells of middle m and half a width h.

    Args:
        places: s, [...].
        edges: [M], rising, of the cells.
        slopes: [M - 1].
    """
    middles, halves = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    axes = tuple(range(places.ndim))
    middles, halves = (jnp.expand_dims(part, axes) for part in (middles, halves))
    inside = jnp.clip(places[..., None] - middles, -halves, halves)
    return jnp.matmul(inside, slopes, precision="highest")


def discover(
    generator: Generator,
    transformation: Model | str,
    *,
    key: jax.Array,
    preset: Preset = PAPER,
    space: str = "z",
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
    chunk: int = 8,
    **run: Unpack[FitOptions],
) -> Edit:
    """Find the direction of a factor, and how the factor depends on it.

    Args:
        generator: the generator; `prepare` it first.
        transformation: one of `TRANSFORMATIONS` by name, or your own; see
            `factors_of_variation_transformations`.
        key: of the whole run.
        preset: what is searched and learned; one of `PRESETS`, or your own.
        space: "z" or "w".
        label: the classes that codes are drawn with; see `latents.prior`.
        truncation: of a truncated prior of z; None for whole normal codes.
        chunk: codes of which trajectories are searched at a time.
        **run: as for `fit`; a mesh is used for the trajectories alone.

    Returns:
        The edit of `finished`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    found = estimate(
        prior(generator, space=space, label=label, truncation=truncation),
        as_transformation(transformation),
        preset.search,
        key=key,
        num=preset.trajectories,
        chunk=preset.together or chunk,
        mesh=run.pop("mesh", None),
    )
    method, chosen = learner(found, preset, space=space)
    batch, data = batches(method, preset)
    fitted = fit(method, preset.steps, key=key, batch=batch, data=data, **run)
    edit = finished(method, fitted, chosen, preset)
    return dataclasses.replace(edit, generator=fingerprint(generator))


def learner(
    found: Trajectories, preset: Preset = PAPER, *, space: str = "z"
) -> tuple[FactorsOfVariation, np.ndarray]:
    """The method that `discover` runs, and which ends [N, 2, T] it learns from."""
    chosen = kept(found, threshold=preset.threshold, dropped=preset.dropped)
    method = FactorsOfVariation(records(found, chosen), preset.settings, space)
    return method, chosen


def batches(
    method: FactorsOfVariation, preset: Preset, batch: int | None = None
) -> tuple[int, ArraySource | None]:
    """The batch and the data of a run: one key alone where steps see all records."""
    batch = preset.batch if batch is None else batch
    return (1, None) if batch is None else (batch, method.rows)


def finished(
    method: FactorsOfVariation, fitted: Fitted, chosen: np.ndarray, preset: Preset
) -> Factors:
    """The edit of a run, with what `discover` tells about it.

    Its `report` has the "explained" share of the amounts' variance. Its `facts` have
    that of the last tenth of the run with the "loss", the number of "records" and of
    those "dropped", for every amount as well, the good "steps", the step that "failed",
    if any, and the settings.
    """
    summary = fitted.late_means()
    lost = ~chosen
    facts = {
        **summary,
        "records": len(method.records),
        "dropped": int(lost.sum()),
        "dropped_by_amount": dict(
            zip(map(str, preset.search.amounts), lost.sum((0, 1)).tolist(), strict=True)
        ),
        "steps": fitted.steps,
        "failed": fitted.failed,
        "settings": dataclasses.asdict(preset),
    }
    report = {"explained": jnp.full(1, summary.get("explained", np.nan))}
    found = method.edit(fitted.state)
    return dataclasses.replace(found, report=report, facts=as_facts(facts))


def _before_softplus(value: jax.Array) -> jax.Array:
    """What softplus makes a positive value of."""
    return jnp.log(jnp.expm1(value))


def _placed(params: Any, optimizer: Any, mean: Any, deviation: Any) -> Placed:
    # no leaf of the state may be another's buffer
    first = jnp.array(params["vector"])
    return Placed(
        params, optimizer.init(params), first=first, mean=mean, deviation=deviation
    )
