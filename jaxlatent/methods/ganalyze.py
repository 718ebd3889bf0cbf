"""GANalyze: Toward Visual Definitions of Cognitive Image Properties.

Lore Goetschalckx, Alex Andonian, Aude Oliva, Phillip Isola, ICCV 2019,
arXiv 1906.10112.

An assessor A scores pictures (how memorable, how pleasant, ...). A transformer T of
latents is trained to change the score by a wanted amount (eq. 1-2):

    theta = argmin E (A(G(T(z, alpha), y)) - (A(G(z, y)) + alpha))^2,
    T(z, alpha) = z + alpha theta,

over codes z, classes y and alpha ~ U(-0.5, 0.5). The score of the unedited picture is
a target: no gradient flows through it. One unit of strength of the edit found is one
unit of the score.

Where this differs from the original code, and why:

- T brings each code back to its length, as the original's TensorFlow code does and the
  formula does not. Its PyTorch code brings back the length of the whole batch, so that
  codes see each other; that is `normalize="batch"`, and its edit is that of a batch of
  one, which is "sample". "none" is the formula, and the better choice in w, whose prior
  lies on no sphere.
- theta begins at zero, as in TensorFlow; `start="random"` is PyTorch's.
- The original's PyTorch code never cleared its gradients, so that they added up over
  the run; `clear_gradients=False` does so too, as the published results on valence.
- Codes are drawn anew for every step rather than once for the one epoch.
- Assessors with limits, such as a clipped MemNet, cannot reach every target, which
  biases theta: `score_range` draws alpha among what can be reached.
- "mlp" and "class mlp" are ours: theta as a small network of z, and of z and y.

Where |alpha theta| far exceeds |z|, normalised codes all become theta: negative alpha
then gives one picture, positive alpha another, whatever the code, as users reported.
`collapsed` looks at the metric "displacement", the mean of |alpha theta| / |z|.

A score that is all but 0 or 1, such as a classifier's probability, is a bad assessor:
if a share p of the pictures goes from 0 to 1, the loss is alpha^2 + p (1 - 2 alpha),
least for no change at all where alpha is below a half. Take its log-odds.

The loss asks for a change of the score and for nothing else. Where the score is a
function of <q, z> alone, all theta with one <q, theta> cost the same, and Adam, whose
steps from zero have the signs of the gradient, ends at sign(q) instead of q: a cosine
of about (2 / pi)^0.5 = 0.8, the rest of which moves what the score does not see.

Defaults of the original: 400 000 pairs in batches of 4, Adam at 2e-4, z within two
deviations (truncation 1), every class alike; tests with alpha -0.3 to 0.3 in steps of
0.1, either at once or by repeated steps of 0.1 (`ganalyze_edits.repeated`).
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import optax

from jaxlatent.edits.base import Edit, as_facts
from jaxlatent.edits.walks import dense_network, neural_walk, with_length
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.latents import (
    OWN_DRAWS,
    Latents,
    Prior,
    Truncation,
    prior,
    prior_truncation,
    to_images,
)
from jaxlatent.learning import Metrics, State, accumulated, descend
from jaxlatent.methods.ganalyze_edits import constant_steps, names_of, norm_of
from jaxlatent.methods.ganalyze_settings import QUICK, Preset, Settings
from jaxlatent.training.fit import FitOptions, Fitted, fit
from jaxlatent.types import Model, as_model


@flax.struct.dataclass(eq=False)
class GANalyze:
    """The method of `jaxlatent.training.fit`; one sample is one code and one alpha.

    Attributes:
        prior: what draws codes and classes, and the generator; edits are in its space.
        assessor: a pytree, images [N, H, W, C] in [-1, 1] -> [N]; see `types.as_model`
            for plain functions, `networks.outputs.Column` for one output of many.
        settings: what is learned, and how.
    """

    prior: Prior
    assessor: Model
    settings: Settings = flax.struct.field(pytree_node=False, default=Settings())

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, which moves at every `accumulate`-th step."""
        adam = optax.adam(self.settings.learning_rate)
        if not self.settings.clear_gradients:
            adam = optax.chain(optax.trace(1.0), adam)
        return accumulated(adam, self.settings.accumulate)

    def init(self, key: jax.Array) -> State:
        """What is learned, before the first step.

        "layers" are those of `edits.walks.dense_network`, of "direction" and "class" a
        bias alone; "class" [C, width] is added to the bias of the first.

        Raises:
            ValueError: for a transformer that sees classes where there are none.
        """
        how, classes = self.settings, self.prior.generator.config.label_dim
        if how.by_class and not classes:
            raise ValueError(
                f"transformer: {how.transformer!r} given; 'direction' and 'mlp' are "
                "accepted, for this generator is unconditional"
            )
        codes = jax.eval_shape(lambda: self.prior(jax.random.key(0)[None])).codes
        width = codes.shape[-1]

        own = [jax.random.fold_in(key, n) for n in range(2 * len(how.hidden) + 3)]

        def uniform(number: int, fan_in: int, *shape: int) -> jax.Array:
            bound = fan_in**-0.5
            return jax.random.uniform(own[number], shape, codes.dtype, -bound, bound)

        layers: dict[str, dict[str, jax.Array]] = {}
        params: dict[str, Any] = {"layers": layers}
        if how.is_network:
            sizes = (width, *how.hidden, width)
            for number, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
                layers[str(number)] = {
                    "weight": uniform(2 * number + 1, fan_in, fan_in, fan_out),
                    "bias": uniform(2 * number + 2, fan_in, fan_out),
                }
        elif how.by_class:
            layers["0"] = {"bias": uniform(1, classes, width)}
        else:
            layers["0"] = {"bias": jax.random.normal(own[1], (width,), codes.dtype)}
        if how.by_class:
            first = layers["0"]["bias"].shape[0]
            params["class"] = uniform(0, classes, classes, first)
        if how.start == "zeros":
            last = str(len(layers) - 1)
            layers[last] = jax.tree.map(jnp.zeros_like, layers[last])
            if how.transformer == "class":
                params["class"] = jnp.zeros_like(params["class"])
        return State.init(params, self.optimizer)

    def loss(self, params: Any, keys: jax.Array) -> tuple[jax.Array, Metrics]:
        """Of a batch, with its "displacement" and "slope".

        The latter is the regression through zero of the change of the score on alpha; 1
        is perfect.
        """
        latents = self.prior(keys)
        before = jax.lax.stop_gradient(self.score(latents))
        alpha = self.alphas(keys, before)
        theta = self.theta(params, latents)
        change = self.score(self.moved(latents, theta, alpha)) - before
        loss = jnp.mean((change - alpha) ** 2)
        axes = tuple(range(1, theta.ndim))
        share = jnp.sqrt(jnp.sum(theta**2, axes) / jnp.sum(latents.codes**2, axes))
        metrics = {
            "displacement": jnp.mean(jnp.abs(alpha) * share),
            "slope": jnp.vdot(alpha, change) / jnp.vdot(alpha, alpha),
        }
        return loss, jax.tree.map(jax.lax.stop_gradient, metrics)

    def update(
        self, state: State, keys: jax.Array, data: Any = None
    ) -> tuple[State, Metrics]:
        """One step of Adam; there is no data."""
        del data
        return descend(self.loss, state, keys, optimizer=self.optimizer)

    def edit(self, state: State) -> Edit:
        """One direction, or one for each class, in units of the score.

        Linear ones if the length is not kept, else walks; `report` has the "length" of
        theta where it does not depend on the code.
        """
        how, params = self.settings, state.params
        shifts = params.get("class", jnp.zeros((1, 1)))
        count = len(shifts)
        layers = [params["layers"][str(n)] for n in range(len(params["layers"]))]
        first = {**layers[0], "bias": layers[0]["bias"][None] + shifts}
        about: Any = dict(space=self.prior.space, names=names_of(count, how.by_class))
        if not how.is_network:
            return constant_steps(first["bias"], how.normalize, **about)
        stacked = [
            {
                name: jnp.broadcast_to(leaf, (count, *leaf.shape))
                for name, leaf in layer.items()
            }
            for layer in layers
        ]
        stacked[0]["bias"] = first["bias"]
        return neural_walk(
            stacked, norm=norm_of(how.normalize), method="ganalyze", **about
        )

    def score(self, latents: Latents) -> jax.Array:
        """Of the pictures of codes, [N].

        Raises:
            ValueError: for an assessor that returns anything else.
        """
        scores = self.assessor(to_images(self.prior.generator, latents))
        if scores.shape != (len(latents),):
            raise ValueError(
                f"assessor: returned {scores.shape}; [N] is accepted, as of "
                "networks.outputs.Column"
            )
        return scores

    def alphas(self, keys: jax.Array, scores: jax.Array) -> jax.Array:
        """The wanted changes [N] of the scores [N]."""
        how = self.settings
        low, high = (jnp.full_like(scores, end) for end in how.alpha)
        if how.score_range is not None:
            least, most = how.score_range
            # a score beyond the range still leaves an interval
            inside = jnp.clip(scores, least, most)
            low, high = (
                jnp.clip(end, least - inside, most - inside) for end in (low, high)
            )
        share = jax.vmap(
            lambda key: jax.random.uniform(
                jax.random.fold_in(key, OWN_DRAWS), (), scores.dtype
            )
        )(keys)
        return low + share * (high - low)

    def theta(self, params: Any, latents: Latents) -> jax.Array:
        """The change of each code per unit of alpha, of the shape of the codes."""
        layers = params["layers"]
        bias = jnp.broadcast_to(
            layers["0"]["bias"], (len(latents), *layers["0"]["bias"].shape)
        )
        if "class" in params:
            label: Any = latents.label
            floating = jnp.issubdtype(label.dtype, jnp.floating)
            table = params["class"]
            bias = bias + (label @ table if floating else table[label])

        def one(code: jax.Array, bias: jax.Array) -> jax.Array:
            return dense_network({**layers, "0": {**layers["0"], "bias": bias}}, code)

        if latents.codes.ndim == 3:
            one = jax.vmap(one, (0, None))
        return jax.vmap(one)(latents.codes, bias)

    def moved(self, latents: Latents, theta: jax.Array, alpha: jax.Array) -> Latents:
        """T(z, alpha), for alpha [N]."""
        codes, normalize = latents.codes, self.settings.normalize
        moved = codes + alpha.reshape(-1, *(1,) * (codes.ndim - 1)) * theta
        if normalize == "sample":
            rows = codes.reshape(-1, codes.shape[-1])
            lengths = jnp.linalg.norm(rows, axis=1)
            moved = jax.vmap(with_length)(moved.reshape(rows.shape), lengths)
        if normalize == "batch":
            moved = with_length(moved.ravel(), jnp.linalg.norm(codes))
        return dataclasses.replace(latents, codes=moved.reshape(codes.shape))


def discover(
    generator: Generator,
    assessor: Model,
    *,
    key: jax.Array,
    preset: Preset = QUICK,
    space: str = "z",
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
    **run: Unpack[FitOptions],
) -> Edit:
    """Learn an edit of a generator that changes an assessor's score by its strength.

    Args:
        generator: the generator; `prepare` it first.
        assessor: images [N, H, W, C] in [-1, 1] -> [N].
        key: of the whole run.
        preset: what is learned and for how long; one of `PRESETS`, or your own.
        space: "z", "w" or "w+", whose rows all move alike.
        label: the classes that codes are drawn with; see `latents.prior`.
        truncation: of w; or of the prior, in place of the preset's.
        **run: as for `fit`; `callback` sees every metric, and `folder` keeps the
            history as a table.

    Returns:
        The edit of `GANalyze.edit`. Its `facts` hold the means of "loss", "slope" and
        "displacement" over the last tenth of the run, whether it `collapsed`, the
        number of good "steps", the step that "failed", if any, and the settings; a
        shared direction has its "slope" in `report` too.

    Raises:
        ValueError: names the argument that does not fit.
    """
    method = learner(
        generator, assessor, preset, space=space, label=label, truncation=truncation
    )
    return finished(
        method, fit(method, preset.steps, key=key, batch=preset.batch, **run)
    )


def learner(
    generator: Generator,
    assessor: Model,
    preset: Preset = QUICK,
    *,
    space: str = "z",
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
) -> GANalyze:
    """The method that `discover` runs; see there for the arguments."""
    truncation = truncation or prior_truncation(generator, preset.truncation)
    drawn = prior(generator, space=space, label=label, truncation=truncation)
    return GANalyze(drawn, as_model(assessor), preset.settings)


def finished(method: GANalyze, fitted: Fitted) -> Edit:
    """The edit of a run, with what `discover` tells about it."""
    found: Any = method.edit(fitted.state)
    summary = fitted.late_means()
    facts = {
        **summary,
        "collapsed": collapsed(fitted),
        "steps": fitted.steps,
        "failed": fitted.failed,
        "settings": dataclasses.asdict(method.settings),
    }
    report = dict(found.report)
    if len(found) == 1 and "slope" in summary:
        report = {"slope": jnp.full(1, summary["slope"])} | report
    return dataclasses.replace(
        found,
        report=report,
        facts=as_facts(facts),
        generator=fingerprint(method.prior.generator),
    )


def collapsed(fitted: Fitted, limit: float = 1.0) -> bool:
    """Whether a run ended with steps so long that all codes become one.

    Args:
        fitted: the run.
        limit: of the mean "displacement" over its last tenth.
    """
    return fitted.late_means().get("displacement", 0.0) > limit
