"""Enjoy Your Editing: closed forms first, then what the authors' code recorded."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy
from helpers import compilations, error, golden
from jax.test_util import check_grads

from jaxlatent.checkpoint import load_edit, save_edit
from jaxlatent.edits.base import bare
from jaxlatent.edits.directions import Directions
from jaxlatent.edits.walks import NeuralWalk, neural_walk
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior, sample_keys
from jaxlatent.learning import State, descend
from jaxlatent.methods.enjoy_your_editing import (
    EnjoyYourEditing,
    discover,
    judges,
    learner,
)
from jaxlatent.methods.enjoy_your_editing_losses import cross_entropy, fooling, wanted
from jaxlatent.methods.enjoy_your_editing_settings import (
    PRESETS,
    WALKS,
    Preset,
    Settings,
)
from jaxlatent.methods.enjoy_your_editing_walks import (
    init_walk,
    unit_walk,
    walk_edit,
    walk_steps,
)
from jaxlatent.networks.distances import squared_distance
from jaxlatent.training.fit import fit

KEY = jax.random.key(3)
U = np.asarray([0.3, -0.4, 0.1, 0.2], np.float32)
BESIDE = np.asarray([0.4, 0.3, 0.0, 0.0], np.float32)
CASE = golden("latent2im_a")


def pixels(params, z):
    return (params["gain"] * z)[:, :, None, None]


def identity(gain=1.0):
    """A generator whose pictures are its codes."""
    params = {"gain": jnp.full((1, 4), gain)}
    return Generator.from_functions(pixels, z_dim=4, params=params)


@jax.tree_util.register_pytree_node_class
class Linear:
    """R(x) = u . x + 1/2 for each u."""

    def __init__(self, *rows):
        self.rows = rows

    def __call__(self, images):
        return images[:, :, 0, 0] @ jnp.stack(self.rows, 1) + 0.5

    def tree_flatten(self):
        return self.rows, None

    @classmethod
    def tree_unflatten(cls, _, rows):
        return cls(*rows)


def linear(*rows):
    return Linear(*(jnp.asarray(row) for row in rows))


def method(regressor=None, *, discriminator=None, content=None, space="z", **how):
    generator = how.pop("generator", None) or identity()
    models = judges(regressor or linear(U), discriminator, content)
    drawn = prior(generator, space=space)
    return EnjoyYourEditing(drawn, models, Settings(**how))


def learned(walk, steps=1500, *, rate=0.03, batch=64):
    """The params after Adam, whose rate falls to nothing."""
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps), 0.5, 0.99)
    state = State.init(walk.init(KEY).params, optimizer)

    @jax.jit
    def run(walk, state):
        def step(state, keys):
            return descend(walk.loss, state, keys, optimizer=optimizer)

        keys = sample_keys(KEY, range(steps * batch)).reshape(steps, batch)
        return jax.lax.scan(step, state, keys)

    state, metrics = run(walk, state)
    return state.params, jax.tree.map(lambda x: float(x[-200:].mean()), metrics)


# closed forms


def test_a_direction_changes_its_attribute_by_one():
    params, metrics = learned(method(margin=0.01))
    assert U @ params["vectors"][0] == pytest.approx(1, abs=0.01)
    assert metrics["slope"] == pytest.approx(1, abs=0.01)
    assert metrics["loss"] == metrics["regression"]


def test_a_small_content_loss_leaves_the_shortest_direction():
    walk = method(content=squared_distance, content_weight=0.1, margin=0.01)
    vector = learned(walk)[0]["vectors"][0]
    np.testing.assert_allclose(vector, U / (U @ U), atol=0.06)


def test_a_local_direction_of_a_linear_attribute_is_the_same_everywhere():
    walk = method(
        walk="local",
        hidden=(8,),
        margin=0.01,
        content=squared_distance,
        content_weight=0.1,
    )
    params, _ = learned(walk, rate=0.01, batch=128)
    codes = walk.prior(sample_keys(KEY, range(64))).codes
    steps = walk_steps(params, codes, walk.settings)[0]
    np.testing.assert_allclose(steps @ U, 1, atol=0.05)
    assert np.abs(steps - U[None] / (U @ U)).mean() < 0.1


@pytest.mark.parametrize("joint", [True, False])
def test_orthogonal_attributes_change_apart(joint):
    walk = method(linear(U / 0.55, 2 * BESIDE), joint=joint, margin=0.01)
    vectors = np.asarray(learned(walk)[0]["vectors"])
    rows = np.stack([U / 0.55, 2 * BESIDE])
    product = rows @ vectors.T
    np.testing.assert_allclose(np.diag(product), 1, atol=0.02)
    if joint:
        np.testing.assert_allclose(product, np.eye(2), atol=0.02)


def test_attributes_that_exclude_each_other_leave_a_loss():
    def floor(walk):
        keys = sample_keys(KEY, range(4000))
        latents = walk.prior(keys)
        alpha = walk.predict(walk.draw(latents))
        drawn = walk.drawn(keys, alpha.shape[1])
        targets, _ = wanted(drawn, alpha, "paper")
        kept = jnp.clip(targets, 0.01, 0.99)
        return float(cross_entropy(kept, targets, "clipped", 0.01).mean())

    rows = {"alike": (U, BESIDE), "opposed": (U, -U)}
    beyond = {}
    for name, pair in rows.items():
        walk = method(linear(*pair), margin=0.01)
        _, metrics = learned(walk, 600)
        beyond[name] = metrics["regression"] - floor(walk)
    assert beyond["alike"] < 0.02
    assert beyond["opposed"] > 0.1


def test_apart_equals_alone():
    regressor = linear(U, BESIDE)
    walk = method(
        regressor,
        discriminator=lambda images: images[:, 0, 0, 0],
        content=squared_distance,
        joint=False,
    )
    keys = sample_keys(KEY, range(8))
    params = walk.init(KEY).params

    def both(walk, params):
        found = jax.value_and_grad(lambda p: walk.loss(p, keys)[0])
        return jax.jit(found)(params)

    loss, gradient = both(walk, params)
    drawn = walk.drawn(keys, 2)
    sums = 0.0
    for number, row in enumerate((U, BESIDE)):
        alone = walk.replace(judges=walk.judges.replace(regressor=linear(row)))
        object.__setattr__(
            alone, "drawn", lambda *_, number=number: drawn[:, number : number + 1]
        )
        own = jax.tree.map(lambda leaf, n=number: leaf[n : n + 1], params)
        value, found = both(alone, own)
        np.testing.assert_allclose(
            found["vectors"][0], gradient["vectors"][number], rtol=1e-5
        )
        sums += float(value)
    assert float(loss) == pytest.approx(sums, rel=1e-5)


# losses


def test_cross_entropy_leads_back_from_outside():
    predicted = jnp.asarray([-0.2, -0.2, 1.3, 1.3, 0.25])
    targets = jnp.asarray([0.0, 0.5, 1.0, 0.5, 0.25])
    gradient = jax.grad(lambda p: cross_entropy(p, targets, "clipped", 0.1).sum())
    np.testing.assert_allclose(
        gradient(predicted), [0, (0.1 - 0.5) / 0.09, 0, 0.4 / 0.09, 0], atol=1e-5
    )
    value = cross_entropy(predicted, targets, "clipped", 0.1)
    half = -0.5 * np.log(0.09)
    np.testing.assert_allclose(
        value[:4], [-np.log(0.9), half, -np.log(0.9), half], rtol=1e-5
    )
    inside = jax.grad(lambda p: cross_entropy(p, targets[4], "clipped"))
    assert inside(0.5) == pytest.approx(-0.25 / 0.5 + 0.75 / 0.5)


def test_epsilons_stay_where_attributes_can_go():
    alpha = jnp.asarray([[0.1, 0.9], [0.5, -0.2], [0.5, 1.4]])
    drawn = jnp.asarray([[-0.5, 0.5], [0.25, 0.1], [-0.1, 0.1]])
    targets, epsilon = wanted(drawn, alpha, "paper")
    np.testing.assert_allclose(targets, [[0, 1], [0.75, 0], [0.4, 1]], atol=1e-6)
    np.testing.assert_allclose(targets, alpha + epsilon, rtol=1e-6)
    targets, epsilon = wanted(jnp.asarray([[0.3, -0.6]]), alpha, "stylegan_repo")
    np.testing.assert_allclose(targets, [[0.3, -0.6]] * 3, rtol=1e-6)
    np.testing.assert_allclose(targets, alpha + epsilon, rtol=1e-6)


def test_what_is_drawn():
    keys = sample_keys(KEY, range(3000))
    own = np.asarray(method().drawn(keys, 2))
    assert own.shape == (3000, 2)
    assert abs(own.mean()) < 0.02
    assert own.std() == pytest.approx(1 / np.sqrt(3), rel=0.02)
    assert abs(np.corrcoef(own.T)[0, 1]) < 0.05
    keys = sample_keys(KEY, range(5))
    np.testing.assert_array_equal(own[:5], method().drawn(keys, 2))
    keys = sample_keys(KEY, range(9))
    shared = method(epsilon="stylegan_repo", drawn=(0.0, 1.0)).drawn(keys, 2)
    assert shared.shape == (1, 2)
    assert ((shared >= 0) & (shared <= 1)).all()


def test_weights_are_the_authors():
    assert Settings().weights() == {
        "regression": 10,
        "discriminator": 0.05,
        "content": 0.05,
    }
    alone = Settings().weights(discriminator=False, content=False)
    assert alone == {"regression": 1, "discriminator": 0, "content": 0}
    assert Settings().weights(content=False)["regression"] == 10
    assert Settings(regression_weight=1.0).weights()["regression"] == 1
    both_off = Settings(discriminator_weight=0.0, content_weight=0.0).weights()
    assert both_off["regression"] == 1


def test_losses_that_are_off_are_not_evaluated():
    def never(*images):
        raise AssertionError

    walk = method(
        discriminator=never,
        content=never,
        discriminator_weight=0.0,
        content_weight=0.0,
    )
    _, metrics = walk.loss(walk.init(KEY).params, sample_keys(KEY, range(2)))
    assert set(metrics) == {"regression", "slope"}


def test_the_loss_is_the_sum_of_its_parts_by_hand():
    def logits(images):
        return images[:, 1, 0]

    walk = method(
        linear(U, BESIDE), discriminator=logits, content=squared_distance, margin=0.01
    )
    keys = sample_keys(KEY, range(5))
    params = walk.init(KEY).params
    loss, metrics = walk.loss(params, keys)
    z = np.asarray(walk.prior(keys).codes, np.float64)
    rows, vectors = np.stack([U, BESIDE]), np.asarray(params["vectors"], np.float64)
    alpha = z @ rows.T + 0.5
    target = np.clip(alpha + walk.drawn(keys, 2), 0, 1)
    moved = z + (target - alpha) @ vectors
    p = np.clip(moved @ rows.T + 0.5, 0.01, 0.99)
    regression = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    fooled = np.log1p(np.exp(-moved[:, 1])).mean()
    content = ((moved - z) ** 2).mean()
    expected = {"regression": regression, "discriminator": fooled, "content": content}
    for name, value in expected.items():
        assert float(metrics[name]) == pytest.approx(value, rel=1e-5)
    total = 10 * regression + 0.05 * fooled + 0.05 * content
    assert float(loss) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("walk", WALKS)
def test_gradients_are_those_of_finite_differences(walk):
    with jax.enable_x64(True):
        generator = jax.tree.map(lambda x: x.astype(np.float64), toy.make())
        model = method(
            lambda images: jax.nn.sigmoid(0.05 * images[:, 0, :2, 0]),
            generator=generator,
            discriminator=lambda images: 0.1 * images[:, 0, 2],
            content=squared_distance,
            space="w+",
            walk=walk,
            hidden=(3,),
            length=0.5,
            layers=(1,),
        )
        params = model.init(KEY).params
        keys = sample_keys(KEY, range(3))
        check_grads(
            jax.jit(lambda params: model.loss(params, keys)[0]),
            (params,),
            order=1,
            modes=["rev"],
            rtol=1e-5,
            atol=1e-8,
        )


# walks


@pytest.mark.parametrize("space", ["z", "w", "w+"])
@pytest.mark.parametrize("walk", WALKS)
def test_the_edit_moves_codes_as_learning_does(walk, space):
    layers = (1,) if space == "w+" else None
    shape = (2, 3) if space == "w+" else (3,)
    how = Settings(walk=walk, hidden=(4,), length=3.0, layers=layers)
    params = init_walk(KEY, how, 2, shape, np.float32)
    codes = jnp.asarray(np.random.default_rng(0).normal(size=(5, *shape)), np.float32)
    steps = walk_steps(params, codes, how)
    assert steps.shape == (2, 5, *shape)
    if layers:
        assert not np.asarray(steps[:, :, 0]).any()
    edit = walk_edit(params, how, space=space)
    assert edit.names == ("attribute 0", "attribute 1")
    assert (edit.method, edit.layers) == ("enjoy", layers)
    for index in range(2):
        np.testing.assert_allclose(
            edit.shift(codes, index, 0.5), codes + 0.5 * steps[index], atol=1e-6
        )


def test_directions_begin_as_the_authors_do():
    how = Settings()
    vectors = init_walk(KEY, how, 3, (14, 512), np.float32)["vectors"]
    assert vectors.shape == (3, 14, 512)
    assert float(vectors.std()) == pytest.approx(0.02, rel=0.02)
    layers = init_walk(KEY, Settings(walk="local"), 1, (512,), np.float32)["layers"]
    assert [layers[n]["weight"].shape[1:] for n in "012"] == [
        (512, 1024),
        (1024, 1024),
        (1024, 512),
    ]


def test_new_weights_compile_nothing():
    first = method(linear(U), learning_rate=0.01)
    fit(first, 3, key=KEY, batch=2, block=3)
    second = method(linear(BESIDE), generator=identity(2.0), learning_rate=0.01)
    with compilations() as count:
        fit(second, 3, key=KEY, batch=2, block=3)
        assert count() == 0


def test_discover_ends_in_an_edit_of_rows(tmp_path):
    preset = Preset(Settings(layers=(1,), learning_rate=0.01), 10, 4)
    edit = discover(
        toy.make(),
        judges(lambda images: jax.nn.sigmoid(images[:, 0, :2, 0])),
        key=KEY,
        preset=preset,
        space="w+",
        folder=tmp_path / "run",
    )
    assert isinstance(edit, Directions)
    assert edit.vectors.shape == (2, 2, 3)
    assert not np.asarray(edit.vectors[:, 0]).any()
    assert {"loss", "slope", "regression", "steps", "weights"} <= set(edit.facts)
    save_edit(tmp_path / "edit.npz", edit)
    again = load_edit(tmp_path / "edit.npz")
    assert again.facts == edit.facts
    assert again.generator == edit.generator != ""


def test_presets_are_the_authors():
    paper = PRESETS["paper"]
    assert paper.batch * paper.steps == 10 * 20_000
    assert PRESETS["paper_multi"].batch * PRESETS["paper_multi"].steps == 3 * 20_000
    assert (paper.settings.learning_rate, paper.settings.betas) == (1e-4, (0.5, 0.99))
    repo = PRESETS["stylegan_repo"].settings
    assert (repo.epsilon, repo.drawn) == ("stylegan_repo", (0, 1))


def test_wrong_arguments_are_named():
    for name, value in {
        "walk": "neural",
        "epsilon": "ours",
        "bce": "plain",
        "drawn": (1.0, -1.0),
        "hidden": (0,),
        "margin": 0.5,
        "length": 0.0,
        "content_weight": -1.0,
    }.items():
        with pytest.raises(ValueError, match=f"{name}: .* given; "):
            Settings(**{name: value})
    with pytest.raises(ValueError, match=r"discriminator: missing, .* a model, or"):
        learner(identity(), linear(U), PRESETS["paper"]).init(KEY)
    both = judges(linear(U), lambda images: images[:, 0, 0, 0])
    with pytest.raises(ValueError, match=r"content: missing, but its weight is 0.05"):
        learner(identity(), both, PRESETS["paper"]).init(KEY)
    with pytest.raises(ValueError, match=r"layers: \(1,\) given; None of codes \(4,\)"):
        method(layers=(1,)).init(KEY)
    with pytest.raises(ValueError, match=r"layers: \(7,\) given; rows 0 to 1"):
        method(
            lambda images: images[:, 0, 0, 0],
            generator=toy.make(),
            space="w+",
            layers=(7,),
        ).init(KEY)
    with pytest.raises(ValueError, match=r"regressor: returned \(1, 4, 1, 1\); \[N\]"):
        method(lambda images: images).init(KEY)
    walk = method(discriminator=lambda images: images)
    params, keys = walk.init(KEY).params, sample_keys(KEY, range(2))
    with pytest.raises(ValueError, match=r"discriminator: returned \(2, 4, 1, 1\)"):
        walk.loss(params, keys)


# the authors' recordings


def recorded_layers(name):
    """Dense layers of a recorded module, inputs first, for one direction."""
    numbers = [n for n in range(0, 8, 2) if f"{name}/w/linear.{n}.weight" in CASE]
    keys = [f"linear.{n}" for n in numbers] or ["linear"]
    return [
        {
            "weight": CASE[f"{name}/w/{key}.weight"].T[None],
            "bias": CASE[f"{name}/w/{key}.bias"][None],
        }
        for key in keys
    ]


def test_directions_of_rows_are_as_recorded():
    w, plus, alpha = CASE["w"], CASE["w_plus"], CASE["alpha"]
    rows = np.repeat(w[:, None], plus.shape[1], axis=1)
    vectors = CASE["stylegan_linear/w/w"]
    chosen = tuple(CASE["stylegan_linear/layers"].tolist())
    for layers, codes, name in (
        (None, rows, "out"),
        (None, plus, "out_wplus"),
        (chosen, rows, "out_layers"),
    ):
        how = Settings(layers=layers)
        steps = walk_steps({"vectors": jnp.asarray(vectors)}, jnp.asarray(codes), how)
        moved = codes + np.einsum("na,anld->nld", alpha, steps)
        assert error(moved, CASE[f"stylegan_linear/{name}"]) <= 1e-6
        if len(vectors) == 1:
            edit = walk_edit({"vectors": jnp.asarray(vectors)}, how, space="w+")
            moved = edit.shift(codes, 0, alpha[:, 0])
            assert error(moved, CASE[f"stylegan_linear/{name}"]) <= 1e-6


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("stylegan_mlp", None),
        ("pggan_linear_dependent", 3.0),
        ("pggan_mlp", 3.0),
        ("pggan_mlp2", 3.0),
        ("pggan_mlp3", None),
    ],
)
def test_networks_move_codes_as_recorded(name, length):
    layers, alpha = recorded_layers(name), CASE["alpha"][:, 0]
    edit = neural_walk(layers, slope=0.2, length=length, space="z")
    codes = CASE["w"]
    if name == "stylegan_mlp":
        codes = np.repeat(codes[:, None], CASE["w_plus"].shape[1], axis=1)
    moved = jax.jit(lambda edit: edit.shift(codes, 0, alpha))(bare(edit))
    assert error(moved, CASE[f"{name}/out"]) <= 1e-6
    how = Settings(walk="local", length=length)
    params = {"layers": {str(n): layer for n, layer in enumerate(layers)}}
    move = jax.jit(lambda params, codes: walk_steps(params, codes, how))
    steps = move(params, codes)
    amount = alpha.reshape(-1, *(1,) * (codes.ndim - 1))
    assert error(codes + amount * steps[0], CASE[f"{name}/out"]) <= 1e-6


def test_codes_scaled_by_a_vector_move_as_recorded():
    how = Settings(walk="scaled")
    params = {"vectors": jnp.asarray(CASE["pggan_linear_free/w/w"])}
    edit = walk_edit(params, how, space="z")
    assert isinstance(edit, NeuralWalk)
    moved = edit.shift(CASE["w"], 0, CASE["alpha"][:, 0])
    assert error(moved, CASE["pggan_linear_free/out"]) <= 1e-6


def test_the_walk_of_unit_steps_is_as_recorded():
    layers = {
        str(n): {key: jnp.asarray(leaf[0]) for key, leaf in layer.items()}
        for n, layer in enumerate(recorded_layers("stylegan_nn"))
    }
    embedding = {
        "weight": jnp.asarray(CASE["stylegan_nn/w/embed.weight"].T),
        "bias": jnp.asarray(CASE["stylegan_nn/w/embed.bias"]),
    }
    rows = jnp.repeat(CASE["w"][:, None], CASE["w_plus"].shape[1], axis=1)
    moved = unit_walk(layers, embedding, rows, jnp.asarray(CASE["alpha"][:, 0]))
    assert error(moved, CASE["stylegan_nn/out"]) <= 1e-6


def test_epsilons_and_the_loss_are_as_recorded():
    alpha, drawn = CASE["reg_pred"], CASE["target_or_delta"]
    targets, epsilon = wanted(jnp.asarray(drawn), jnp.asarray(alpha), "paper")
    assert error(targets, CASE["pggan/alpha_target"]) <= 1e-6
    assert error(epsilon, CASE["pggan/epsilon"]) <= 1e-6
    _, epsilon = wanted(jnp.asarray(drawn), jnp.asarray(alpha), "stylegan_repo")
    assert error(epsilon, CASE["stylegan/epsilon"]) <= 1e-6

    def loss(predicted):
        return cross_entropy(predicted, jnp.asarray(CASE["bce/y"]), "latent2im").mean()

    with jax.enable_x64(True):
        value, gradient = jax.value_and_grad(loss)(jnp.asarray(alpha, np.float64))
        assert error(value, CASE["bce/loss"]) <= 1e-6
        assert error(gradient, CASE["bce/grad"]) <= 1e-6
    assert error(fooling(CASE["disc_logit"]).mean(), CASE["gan_loss"]) <= 1e-6


def test_the_weighted_sum_is_as_recorded():
    weights = Settings().weights()
    parts = {
        "regression": CASE["bce/loss"],
        "content": CASE["content/mean"],
        "discriminator": CASE["gan_loss"],
    }
    total = sum(weights[name] * part for name, part in parts.items())
    assert error(total, CASE["total_loss"]) <= 1e-6
