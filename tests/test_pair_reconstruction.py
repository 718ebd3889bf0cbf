import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.evaluation.recognition import Pairs
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, prior, sample_keys
from jaxlatent.methods.pair_reconstruction import (
    DIRECTIONS,
    RECONSTRUCTOR,
    PairMethod,
    PairSettings,
    pair_loss,
    pair_reconstructor,
)
from jaxlatent.networks.reconstructors import PairLeNet

D, K = 3, 2
KEY = jax.random.key(4)


@pytest.fixture(scope="module")
def generator():
    matrix = np.random.default_rng(0).normal(size=(D, 32 * 32)).astype(np.float32)
    return Generator.from_functions(
        lambda params, z: jnp.tanh(z @ params["matrix"]).reshape(-1, 32, 32, 1),
        z_dim=D,
        params={"matrix": jnp.asarray(matrix)},
    )


@flax.struct.dataclass(eq=False)
class Matrix(PairMethod):
    """Directions are the rows of a matrix."""

    pairs = PairSettings(directions_rate=0.01, reconstructor_rate=0.001)
    module = PairLeNet(K, 1, channels=(2, 3, 4), hidden=5)

    def init(self, key):
        return self.begun({"matrix": jnp.eye(K, D)}, key=key)

    def move(self, directions, pairs):
        steps = pairs.shift[:, None] * directions["matrix"][pairs.index]
        return pairs.latents.codes + steps, directions

    def edit(self, state):
        return state.params[DIRECTIONS]["matrix"]


def test_a_guess_costs_what_the_formula_says():
    pairs = Pairs(
        Latents(jnp.zeros((2, D)), "z"), jnp.array([0, 2]), jnp.array([1.0, -3.0])
    )
    logits = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]))
    how = PairSettings(classification=2.0, regression=0.5)
    value, metrics = pair_loss((logits, jnp.array([2.0, -2.0])), pairs, how)
    entropy = (np.log(2) + np.log(4)) / 2
    np.testing.assert_allclose(metrics["classification"], entropy, rtol=1e-6)
    assert float(metrics["regression"]) == 1.0
    assert float(metrics["accuracy"]) == 0.5
    np.testing.assert_allclose(value, 2 * entropy + 0.5, rtol=1e-6)


def test_both_move_by_their_own_rate(generator):
    method = Matrix(prior(generator))
    before = method.init(KEY)
    after, metrics = jax.jit(method.update)(before, sample_keys(KEY, range(8)))
    assert np.isfinite(metrics["loss"])
    moves = jax.tree.map(lambda a, b: np.abs(a - b), after.params, before.params)
    # Adam's first step is its rate wherever there is a gradient
    np.testing.assert_allclose(moves[DIRECTIONS]["matrix"], 0.01, rtol=1e-3)
    head = moves[RECONSTRUCTOR]["fc_logits_3"]["bias"]
    np.testing.assert_allclose(head, 0.001, rtol=1e-3)
    # running statistics follow the batch, not the gradient
    running = after.params[RECONSTRUCTOR]["convnet_1"]["running_var"]
    assert np.abs(running - 1).max() > 0.01


def test_the_architecture_fits_the_pictures(generator):
    assert pair_reconstructor(generator, 5, "lenet") == PairLeNet(5, 1)
    assert pair_reconstructor(generator, 5, downsample=16).downsample == 16
    with pytest.raises(ValueError, match=r"^kind, downsample: 'lenet', 16 given"):
        pair_reconstructor(generator, 5, "lenet", downsample=16)
