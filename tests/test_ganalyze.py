"""GANalyze: closed forms first, then what the original's code recorded."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy
from helpers import compilations, error, golden
from jax.test_util import check_grads

from jaxlatent import parallel
from jaxlatent.checkpoint import load_edit, save_edit
from jaxlatent.edits.directions import Directions
from jaxlatent.edits.walks import NeuralWalk
from jaxlatent.evaluation.formulas import brightness
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, prior, sample_keys
from jaxlatent.learning import State, descend
from jaxlatent.methods.ganalyze import GANalyze, collapsed, discover
from jaxlatent.methods.ganalyze_edits import constant_steps, names_of, repeated
from jaxlatent.methods.ganalyze_settings import (
    NORMALIZE,
    PRESETS,
    TRANSFORMERS,
    Preset,
    Settings,
)
from jaxlatent.networks.outputs import Column
from jaxlatent.training.fit import fit
from jaxlatent.types import as_model

KEY = jax.random.key(3)
SLOPE = np.asarray([1.0, -2.0, 0.5, 3.0], np.float32)
LEAST = SLOPE / (SLOPE @ SLOPE)
CLASSES = 3


def pixels(params, z):
    return (params["base"][None] + z @ params["maps"])[:, :, None, None]


def mapped(params, z):
    return 2 * z


def total(images):
    return images[:, :, 0, 0] @ jnp.ones(images.shape[1], images.dtype)


def columns(images):
    return images[:, :, 0, 0]


def squares(images):
    return jnp.tanh(0.2 * total(images)) + 0.1 * jnp.sum(images**2, axis=(1, 2, 3))


def linear_generator(dtype=np.float32, scale=1.0, map=None):
    """Pixels whose sum is <SLOPE, z> + 1, times scale."""
    maps = np.zeros((4, 5), dtype)
    maps[:, 1] = SLOPE * scale
    maps[:, 2] = SLOPE * scale
    maps[:, 3] = -SLOPE * scale
    base = np.full(5, 0.2, dtype)
    params = {"base": jnp.asarray(base), "maps": jnp.asarray(maps)}
    return Generator.from_functions(pixels, z_dim=4, params=params, map=map)


def method(assessor=total, generator=None, space="z", label=None, **settings):
    """Of the paper's formula, unless told otherwise."""
    settings = {"normalize": "none"} | settings
    generator = linear_generator() if generator is None else generator
    drawn = prior(generator, space=space, label=label)
    return GANalyze(drawn, as_model(assessor), Settings(**settings))


def conditional(**settings):
    return method(total, toy.make(label_dim=CLASSES), label="every", **settings)


def alphas(keys):
    return np.asarray(
        method().alphas(keys, jnp.zeros(len(keys))),
    )


def direction(vector):
    return {"layers": {"0": {"bias": jnp.asarray(vector)}}}


# closed forms


def test_the_loss_and_its_first_gradient_are_those_of_the_formula():
    keys = sample_keys(KEY, range(2000))
    square = float(np.mean(alphas(keys) ** 2))
    assert square == pytest.approx(1 / 12, rel=0.05)
    descent = jax.jit(jax.value_and_grad(method().loss, has_aux=True))
    for theta in (np.zeros(4, np.float32), np.float32([0.3, 0.1, -0.2, 0.5])):
        off = SLOPE @ theta - 1
        (loss, metrics), gradient = descent(direction(theta), keys)
        assert float(loss) == pytest.approx(square * off**2, rel=1e-4)
        np.testing.assert_allclose(
            gradient["layers"]["0"]["bias"], 2 * square * off * SLOPE, rtol=1e-4
        )
        assert float(metrics["slope"]) == pytest.approx(
            SLOPE @ theta, rel=1e-4, abs=1e-6
        )


@pytest.mark.parametrize("space", ["z", "w"])
def test_gradient_descent_from_zero_finds_the_shortest_direction(space):
    walk = method(space=space, generator=linear_generator(map=mapped))
    optimizer = optax.sgd(0.4 if space == "w" else 0.1)
    state = State.init(walk.init(KEY).params, optimizer)
    step = jax.jit(
        lambda state, keys: descend(walk.loss, state, keys, optimizer=optimizer)
    )
    for number in range(30):
        state, metrics = step(
            state, sample_keys(KEY, range(16 * number, 16 * number + 16))
        )
    # w is what the pixels see, z is mapped to twice itself
    least = LEAST if space == "w" else LEAST / 2
    np.testing.assert_allclose(state.params["layers"]["0"]["bias"], least, rtol=1e-4)
    assert float(metrics["slope"]) == pytest.approx(1, abs=1e-4)
    edit = walk.edit(state)
    assert isinstance(edit, Directions)
    assert edit.space == space
    np.testing.assert_allclose(
        edit.vectors * edit.scale[:, None], least[None], rtol=1e-4
    )


def test_adam_finds_a_direction_that_changes_the_score_by_one():
    fitted = fit(method(learning_rate=0.02), 300, key=KEY, batch=8)
    theta = fitted.state.params["layers"]["0"]["bias"]
    assert SLOPE @ theta == pytest.approx(1, abs=1e-4)
    # each gradient is a multiple of the slope, of which Adam keeps the signs alone
    signs = np.sign(SLOPE)
    np.testing.assert_allclose(theta, signs / np.abs(SLOPE).sum(), rtol=1e-4)
    assert fitted.history["loss"][-1] < 1e-7


def test_brightness_of_pixels_that_are_linear_in_the_code():
    edit = discover(
        linear_generator(),
        brightness,
        key=KEY,
        preset=Preset(Settings(normalize="none", learning_rate=0.1), 400, 8),
    )
    # luma is half of a pixel, and there are five
    theta = (edit.vectors * edit.scale[:, None])[0]
    assert SLOPE / 10 @ theta == pytest.approx(1, abs=1e-3)
    assert edit.facts["slope"] == pytest.approx(1, abs=1e-3)
    assert edit.facts["loss"] < 1e-6
    assert float(edit.report["slope"][0]) == pytest.approx(1, abs=1e-3)
    assert edit.method == "ganalyze"
    assert edit.names == ("score",)
    assert edit.facts["settings"]["normalize"] == "none"
    assert edit.facts["steps"] == 400
    assert edit.facts["failed"] is None


@pytest.mark.parametrize("space", ["z", "w+"])
def test_lengths_of_codes_or_of_the_batch_are_kept(space):
    keys = sample_keys(KEY, range(6))
    for normalize in NORMALIZE:
        walk = method(generator=toy.make(), space=space, normalize=normalize)
        latents = walk.prior(keys)
        codes = latents.codes
        theta = walk.theta(direction([3.0, -1.0, 0.5]), latents)
        moved = walk.moved(latents, theta, jnp.linspace(-0.5, 0.5, 6)).codes
        lengths = [np.linalg.norm(x, axis=-1) for x in (codes, moved)]
        whole = [np.linalg.norm(x) for x in (codes, moved)]
        assert (np.abs(lengths[1] / lengths[0] - 1).max() < 1e-6) == (
            normalize == "sample"
        )
        assert (abs(whole[1] / whole[0] - 1) < 1e-6) == (normalize != "none")


def test_classes_of_a_one_hot_label_are_rows_of_a_table():
    walk = conditional(transformer="class", start="random")
    params = walk.init(KEY).params
    latents = walk.prior(sample_keys(KEY, range(8)))
    one_hot = dataclasses.replace(latents, label=jnp.eye(CLASSES)[latents.label])
    rows = walk.theta(params, latents)
    np.testing.assert_allclose(walk.theta(params, one_hot), rows, rtol=1e-6)
    edit = walk.edit(State.init(params, walk.optimizer))
    assert edit.names == ("class 0", "class 1", "class 2")
    moved = edit.shift(latents.codes, latents.label, 1.0)
    np.testing.assert_allclose(moved - latents.codes, rows, rtol=1e-5, atol=1e-6)


# every transformer, every normalisation


@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_the_edit_moves_codes_as_the_training_did(transformer, normalize):
    walk = conditional(transformer=transformer, normalize=normalize, start="random")
    state = walk.init(KEY)
    edit = walk.edit(state)
    assert len(edit) == (CLASSES if transformer.startswith("class") else 1)
    assert isinstance(edit, Directions) == (
        normalize == "none" and "mlp" not in transformer
    )
    # a batch of one is a sample
    for number in range(4):
        latents = walk.prior(sample_keys(KEY, [number]))
        theta = walk.theta(state.params, latents)
        alpha = jnp.asarray([-0.4 + 0.3 * number])
        index = latents.label if len(edit) > 1 else 0
        np.testing.assert_allclose(
            edit.shift(latents.codes, index, alpha),
            walk.moved(latents, theta, alpha).codes,
            rtol=1e-5,
            atol=1e-6,
        )


@pytest.mark.parametrize("transformer", TRANSFORMERS)
@pytest.mark.parametrize("start", ["zeros", "random"])
def test_every_transformer_learns(transformer, start):
    walk = conditional(
        transformer=transformer, start=start, hidden=(6,), learning_rate=0.01
    )
    before = walk.init(KEY)
    latents = walk.prior(sample_keys(KEY, range(5)))
    moves = np.abs(walk.theta(before.params, latents)).max()
    assert (moves == 0) == (start == "zeros")
    fitted = fit(walk, 400, key=KEY, batch=16)
    assert fitted.failed is None
    assert fitted.history["loss"][-20:].mean() < 0.05 / 12
    assert fitted.history["slope"][-20:].mean() == pytest.approx(1, abs=0.1)


def test_random_starts_are_those_of_pytorch():
    wide = toy.make(z_dim=500, label_dim=100)
    walk = method(total, wide, label="every", start="random")
    normal = walk.init(KEY).params["layers"]["0"]["bias"]
    assert np.std(normal) == pytest.approx(1, rel=0.1)
    params = (
        GANalyze(
            walk.prior, walk.assessor, Settings(transformer="class", start="random")
        )
        .init(KEY)
        .params
    )
    for array in (params["class"], params["layers"]["0"]["bias"]):
        assert np.abs(array).max() == pytest.approx(0.1, rel=0.02)
        assert np.std(array) == pytest.approx(0.1 / np.sqrt(3), rel=0.1)


# what the driver asks of a method


def test_one_device_equals_four():
    walk = method(squares, normalize="batch", learning_rate=0.01)
    one = fit(walk, 6, key=KEY, batch=8)
    four = fit(walk, 6, key=KEY, batch=8, mesh=parallel.mesh(4))
    np.testing.assert_allclose(
        *(fitted.state.params["layers"]["0"]["bias"] for fitted in (one, four)),
        rtol=1e-4,
    )


def test_new_weights_and_another_column_compile_nothing():
    def run(scale, column):
        generator = linear_generator(scale=scale)
        walk = method(Column(as_model(columns), column), generator)
        return fit(walk, 3, key=KEY, batch=2, block=3)

    first = run(1.0, 1)
    with compilations() as count:
        second = run(2.0, 2)
        assert count() == 0
    assert first.history["loss"][0] == pytest.approx(second.history["loss"][0])
    assert first.history["slope"][2] != second.history["slope"][2]


@pytest.mark.parametrize(
    ("transformer", "normalize"),
    [
        ("direction", "sample"),
        ("class", "none"),
        ("mlp", "batch"),
        ("class mlp", "sample"),
    ],
)
def test_gradients_are_those_of_finite_differences(transformer, normalize):
    with jax.enable_x64(True):
        generator = toy.make(label_dim=CLASSES)
        generator = jax.tree.map(lambda x: x.astype(np.float64), generator)
        walk = method(
            lambda images: 0.01 * squares(0.01 * images),
            generator,
            label="every",
            transformer=transformer,
            normalize=normalize,
            start="random",
            hidden=(3,),
        )
        params = walk.init(KEY).params
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype("f8")}
        keys = sample_keys(KEY, range(3))
        check_grads(
            jax.jit(lambda params: walk.loss(params, keys)[0]),
            (params,),
            order=1,
            modes=["rev"],
            rtol=1e-6,
            atol=1e-9,
        )


def test_uncleared_gradients_add_up():
    walk = method(clear_gradients=False)
    state = walk.init(KEY)
    update, moments = walk.optimizer.update(
        jax.tree.map(jnp.ones_like, state.params), state.optimizer
    )
    update, moments = walk.optimizer.update(
        jax.tree.map(jnp.ones_like, state.params), moments
    )
    adam = optax.adam(walk.settings.learning_rate)
    kept = adam.init(jnp.zeros(4))
    for size in (1.0, 2.0):
        expected, kept = adam.update(jnp.full(4, size), kept)
    np.testing.assert_allclose(update["layers"]["0"]["bias"], expected, rtol=1e-6)


# guards


def test_targets_stay_where_scores_can_go():
    walk = method(score_range=(0.0, 1.0))
    scores = jnp.asarray([0.0, 0.2, 0.9, 1.0, 1.5, -3.0]).repeat(200)
    wanted = np.asarray(walk.alphas(sample_keys(KEY, range(1200)), scores)).reshape(
        6, -1
    )
    ends = [(0, 0.5), (-0.2, 0.5), (-0.5, 0.1), (-0.5, 0), (-0.5, 0), (0, 0.5)]
    for row, (low, high) in zip(wanted, ends, strict=True):
        assert low <= row.min() < low + 0.05 * (high - low) + 1e-6
        assert high - 0.05 * (high - low) - 1e-6 < row.max() <= high


def test_a_run_that_collapses_says_so():
    # scores that nothing can reach: theta grows for ever
    walk = method(
        lambda images: 1e-3 * total(images), normalize="sample", learning_rate=5.0
    )
    fitted = fit(walk, 100, key=KEY, batch=8)
    assert collapsed(fitted)
    assert not collapsed(fitted, limit=1e6)
    latents = walk.prior(sample_keys(KEY, range(6)))
    edit = walk.edit(fitted.state)
    ends = np.asarray(edit.shift(latents.codes, 0, 0.5))
    units = ends / np.linalg.norm(ends, axis=1, keepdims=True)
    assert (units @ units.T).min() > 0.99
    assert not collapsed(fit(method(), 3, key=KEY, batch=2))
    assert not collapsed(fit(method(), 0, key=KEY, batch=2))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="transformer: 'linear' given"):
        Settings(transformer="linear")
    with pytest.raises(ValueError, match="normalize: 'all' given"):
        Settings(normalize="all")
    with pytest.raises(ValueError, match="start: 'ones' given"):
        Settings(start="ones")
    with pytest.raises(ValueError, match=r"alpha: .* given; a number and a larger one"):
        Settings(alpha=(0.5, -0.5))
    with pytest.raises(ValueError, match=r"score_range: .* given"):
        Settings(score_range=(1.0, 1.0))
    with pytest.raises(ValueError, match=r"hidden: .* given"):
        Settings(hidden=())
    with pytest.raises(ValueError, match=r"transformer: 'class' given.*unconditional"):
        method(transformer="class").init(KEY)
    with pytest.raises(ValueError, match=r"assessor: returned \(2, 5\); \[N\] is"):
        fit(method(columns), 1, key=KEY, batch=2)
    with pytest.raises(ValueError, match="normalize: 'no' given"):
        constant_steps(jnp.zeros((1, 3)), "no", space="z", names=["score"])


# discover


def test_discover_in_w_and_for_classes(tmp_path):
    generator = toy.make(label_dim=CLASSES)
    quick = Preset(Settings(transformer="class", learning_rate=0.01), 20, 4)
    seen = []
    edit = discover(
        generator,
        total,
        key=KEY,
        preset=quick,
        space="w",
        label=[0, 2],
        folder=tmp_path / "run",
        callback=lambda steps, metrics: seen.append((steps, metrics["slope"])),
    )
    assert isinstance(edit, NeuralWalk)
    assert edit.space == "w"
    assert edit.norm == "sample"
    assert edit.names == ("class 0", "class 1", "class 2")
    assert [steps for steps, _ in seen] == [20]
    assert (tmp_path / "run" / "losses.csv").exists()
    # the class that was never drawn has the shared part alone
    tables = edit.forward["0"]["bias"]
    assert np.abs(tables[0] - tables[1]).max() > 0
    save_edit(tmp_path / "edit.npz", edit)
    again = load_edit(tmp_path / "edit.npz")
    assert again.facts == edit.facts
    assert again.generator == edit.generator != ""
    np.testing.assert_array_equal(again.forward["0"]["bias"], tables)


def test_presets_are_the_papers():
    assert PRESETS["paper"].batch * PRESETS["paper"].steps == 400_000
    settings = PRESETS["paper"].settings
    assert settings.learning_rate == 2e-4
    assert settings.alpha == (-0.5, 0.5)
    assert PRESETS["pytorch"].settings.normalize == "batch"


# the original's recordings


def recorded_walk(case, normalize, **params):
    """The recorded codes as latents, the transformer, and the recorded alphas."""
    walk = conditional(normalize=normalize)
    latents = Latents(jnp.asarray(case["z"]), "z", jnp.asarray(case["y_index"]))
    theta = walk.theta(params, latents)
    return walk.moved(latents, theta, jnp.asarray(case["alpha"], theta.dtype)).codes


def test_transformers_move_codes_as_recorded():
    case = golden("ganalyze_transformers_a")
    shared = direction(case["w"][0])
    moved = recorded_walk(case, "batch", **shared)
    assert error(moved, case["one_direction_torch"]) <= 1e-6
    moved = recorded_walk(case, "sample", **shared)
    assert error(moved, case["one_direction_per_sample"].astype(np.float32)) <= 1e-6
    classes = {
        "layers": {"0": {"bias": jnp.asarray(case["class_bias"])}},
        "class": jnp.asarray(case["class_weight"].T),
    }
    moved = recorded_walk(case, "batch", **classes)
    assert error(moved, case["class_dependent_torch"]) <= 1e-6


def test_edits_of_recorded_transformers():
    case = golden("ganalyze_transformers_a")
    edit = constant_steps(jnp.asarray(case["w"]), "sample", space="z", names=["score"])
    alpha = case["alpha"].astype(np.float32)
    moved = edit.shift(case["z"], 0, alpha)
    assert error(moved, case["one_direction_per_sample"].astype(np.float32)) <= 1e-6
    steps = jnp.asarray(case["class_weight"].T + case["class_bias"])
    names = names_of(len(steps), by_class=True)
    assert names[5] == "class 5"
    table = constant_steps(steps, "none", space="z", names=names)
    moved = np.asarray(table.shift(case["z"], case["y_index"], alpha))
    # the recorded one is this, all codes scaled alike
    scale = np.linalg.norm(case["z"]) / np.linalg.norm(moved)
    assert error(scale * moved, case["class_dependent_torch"]) <= 1e-6


def test_the_loss_is_as_recorded():
    case = golden("ganalyze_transformers_a")

    def current(images):
        return jnp.asarray(case["loss_current"])

    walk = method(current, toy.make(), normalize="sample")
    # with scores that do not change, the loss is that of alpha alone
    wanted = jnp.asarray(case["loss_target"] - case["loss_current"])
    object.__setattr__(walk, "alphas", lambda keys, scores: wanted)
    loss, metrics = walk.loss(walk.init(KEY).params, sample_keys(KEY, range(4)))
    assert float(loss) == pytest.approx(float(case["loss"]), rel=1e-6)
    assert float(metrics["slope"]) == 0


def test_repeated_steps_follow_a_great_circle():
    case = golden("ganalyze_transformers_a")
    walk = jnp.asarray(case["w"])
    edit = constant_steps(walk, "sample", space="z", names=["score"])
    assert isinstance(edit, NeuralWalk)
    z = jnp.asarray(case["z"])
    walked = repeated(edit, 0.1, 3).traverse(z, 0, [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3])
    for sign, order in ((1, [3, 4, 5, 6]), (-1, [3, 2, 1, 0])):
        step = z
        for place in order:
            np.testing.assert_allclose(walked[place], step, rtol=1e-5, atol=1e-6)
            step = edit.shift(step, 0, sign * 0.1)
    # all points lie in the plane of the code and the direction
    for row in range(len(z)):
        plane = np.stack([z[row], case["w"][0]], axis=1)
        rest = np.linalg.lstsq(plane, np.asarray(walked[:, row]).T, rcond=None)[1]
        assert np.abs(rest).max() < 1e-8
