"""GLO against three steps of minimal_glo, and against closed forms."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict
from helpers import error, golden, nhwc
from jax.sharding import PartitionSpec

from jaxlatent import parallel
from jaxlatent.checkpoint import load_generator, save_generator
from jaxlatent.generators.base import Generator
from jaxlatent.generators.descriptions import glo as minimal_glo
from jaxlatent.generators.sequential import Config
from jaxlatent.generators.sequential_layers import Unflatten
from jaxlatent.generators.sequential_weighted import BatchNorm, Linear
from jaxlatent.learning import Rows
from jaxlatent.methods.glo import GLO, ROOM, duration, finished, learner, train
from jaxlatent.methods.glo_settings import MINIMAL_GLO, PRESETS, Preset, Settings
from jaxlatent.methods.sefa import discover
from jaxlatent.numerics.laplacian_pyramid import laplacian_pyramid
from jaxlatent.training.blocks import run_block, spread, strictness
from jaxlatent.training.fit import fit
from jaxlatent.training.sources import ArraySource

KEY = jax.random.key(3)
TRACE = golden("glo_train3_a")
TIE = (1, 5, 7, 2)
"""Of the first batch, where the finest levels of both pictures round to one number."""
LINEAR = Config((Linear("0", 12), Unflatten("view", (2, 3, 2))), 3)
SQUARED = Settings(laplacian=0.0, projection="none", start="random")


@jax.jit
def step(problem, state, data):
    return problem.update(state, None, data)


def recorded(part):
    """The weights of a recording, in our axes."""
    flat = {
        name.removeprefix(f"{part}/"): jnp.asarray(
            array.transpose(2, 3, 0, 1) if array.ndim == 4 else array
        )
        for name, array in TRACE.items()
        if name.startswith(f"{part}/dcnn")
    }
    return unflatten_dict(flat, sep=".")


def recorded_generator():
    return Generator(recorded("init"), minimal_glo(z_dim=6, width=3))


def linear(seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.normal(0, 0.3, (3, 12)).astype(np.float32)
    params = {"0": {"weight": jnp.asarray(weight), "bias": jnp.zeros(12)}}
    return Generator(params, LINEAR)


def pictures(count=16, seed=1):
    images = np.random.default_rng(seed).normal(0, 0.4, (count, 2, 3, 2))
    return ArraySource(
        {
            "image": images.astype(np.float32),
            "number": np.arange(count, dtype=np.int32),
        }
    )


@flax.struct.dataclass(eq=False)
class Tied(GLO):
    """Without the gradient of one number of the finest level of one picture."""

    weight: jax.Array | None = None

    def terms(self, made, images):
        found = super().terms(made, images)["laplacian"]
        picture, *place = TIE
        finest = laplacian_pyramid(
            (made - images)[picture : picture + 1], 1, kernel=self.settings.kernel
        )[0]
        lost = self.weight * jnp.abs(finest[0][tuple(place)]) / finest.size
        return {"laplacian": found - lost * jax.nn.one_hot(picture, len(images))}


def test_pictures_are_those_recorded():
    generator, z = recorded_generator(), jnp.asarray(TRACE["z_eval"])
    both = jax.jit(lambda generator, z: (generator(z), generator.train(z)[0]))
    shown, trained = both(generator, z)
    assert error(shown[:, ::8, ::8], nhwc(TRACE["eval/img"])) < 1e-5
    assert error(trained[:, ::8, ::8], nhwc(TRACE["train/img"])) < 1e-5


def test_three_steps_are_those_recorded():
    # PyTorch takes the pyramids of both pictures, which round to the same number at one
    # place of the first step: the difference there is 6e-8, but its sign was 0. Through
    # batch norms that one sign of 36864 moves the third gradient by a tenth.
    start = Rows(jnp.asarray(TRACE["Z0"], jnp.float32))
    problem = Tied(recorded_generator(), start, len(start.arrays), MINIMAL_GLO.settings)
    images = nhwc(TRACE["data"]).astype(np.float32)
    state = problem.init(KEY)
    assert error(state.codes.arrays, TRACE["Z0"]) < 1e-6
    losses = []
    for number, batch in enumerate(TRACE["batches"]):
        problem = problem.replace(weight=jnp.float32(number == 0))
        data = {"image": images[batch], "number": batch.astype(np.int32)}
        state, metrics = step(problem, state, data)
        losses.append(float(metrics["loss"]))
    assert error(np.array(losses), TRACE["losses"]) < 1e-6
    assert error(state.codes.arrays, TRACE["Z3"]) < 1e-6
    before, after = flatten_dict(recorded("init")), flatten_dict(recorded("final"))
    for path, ours in flatten_dict(state.params).items():
        moved = (
            np.abs(ours - after[path]).max() / np.abs(after[path] - before[path]).max()
        )
        assert moved < 1e-5, path


def test_a_linear_generator_ends_at_the_principal_components():
    data = pictures(24)
    rows = data.arrays["image"].reshape(24, -1).astype(np.float64)
    eigenvalues = np.linalg.eigvalsh(np.cov(rows.T, bias=True))
    settings = dataclasses.replace(
        SQUARED, optimizer="adam", learning_rate=0.02, code_rate=0.05
    )
    problem = learner(linear(), data, settings, key=KEY)
    run = {"batch": 24, "data": data, "block": 100}
    history = fit(problem, 800, key=KEY, **run).history["squared"]
    assert history[-1] == pytest.approx(eigenvalues[:-3].sum() / 12, rel=2e-3)


def test_a_picture_that_stands_twice_moves_its_code_once_along_both_gradients():
    data = pictures(4)
    problem = learner(linear(), data, SQUARED, key=KEY)
    state = problem.init(KEY)
    numbers = np.array([2, 0, 2], np.int32)
    after, _ = step(problem, state, data.batch(numbers))
    weight = np.asarray(state.params["0"]["weight"], np.float64)
    before = np.asarray(state.codes.arrays)
    # the chain's vectors run through channels first
    images = data.arrays["image"].transpose(0, 3, 1, 2)
    expected = before.copy()
    for number in (0, 2):
        residual = before[number] @ weight - images[number].ravel()
        times = np.sum(numbers == number)
        expected[number] -= 10 * times / 3 * (2 / 12) * residual @ weight.T
    np.testing.assert_allclose(after.codes.arrays, expected, atol=1e-5)
    assert not np.allclose(after.codes.arrays[2], before[2])


def test_adam_knows_each_code_by_itself():
    data = pictures(4)
    settings = dataclasses.replace(SQUARED, optimizer="adam")
    problem = learner(linear(), data, settings, key=KEY)
    state = first = problem.init(KEY)
    for number in (1, 1, 3):
        state, _ = step(problem, state, data.batch(np.array([number])))
    counts = state.code_optimizer.arrays[0].count
    np.testing.assert_array_equal(counts[:5], [0, 2, 0, 1, 0])
    moved = np.any(state.codes.arrays != first.codes.arrays, axis=1)
    assert np.flatnonzero(moved).tolist() == [1, 3]


def test_codes_stay_where_they_may_be():
    data = pictures()
    settings = dataclasses.replace(SQUARED, projection="sphere")
    problem = learner(linear(), data, settings, key=KEY)
    state = fit(problem, 6, key=KEY, batch=8, data=data).state
    np.testing.assert_allclose(np.linalg.norm(state.codes.arrays, axis=1), 1, atol=1e-6)


def test_every_device_holds_a_part_of_the_codes():
    data = pictures(2 * ROOM)
    settings = dataclasses.replace(SQUARED, optimizer="adam")
    problem = learner(linear(), data, settings, key=KEY)
    mesh, state = parallel.mesh(4), problem.init(KEY)
    strict = strictness(state)
    problem, key, state = spread((problem, KEY, state), mesh)
    rows = parallel.place(
        jax.tree.map(lambda leaf: leaf[None], data.batch(np.arange(8))),
        mesh,
        PartitionSpec(None, mesh.axis_names),
    )
    sizes = {"batch": 8, "block": 1, "mesh": mesh}
    program = run_block.lower(
        problem, key, state, np.uint32(0), np.int32(1), rows, strict=strict, **sizes
    ).compile()
    text = program.as_text()
    assert f"f32[{ROOM // 2},3]" in text
    # nothing of the size of all codes, on any device
    assert f"[{2 * ROOM}," not in text


def test_any_number_of_devices_moves_codes_alike():
    data = pictures()
    rates = {"optimizer": "adam", "learning_rate": 0.02, "code_rate": 0.05}
    problem = learner(linear(), data, dataclasses.replace(SQUARED, **rates), key=KEY)
    one, four = (
        fit(problem, 5, key=KEY, batch=8, data=data, mesh=mesh).state
        for mesh in (None, parallel.mesh(4))
    )
    assert error(one.codes.arrays, np.asarray(four.codes.arrays)) < 1e-5


def test_rows_that_devices_cannot_share_are_refused():
    problem = learner(linear(), pictures(), SQUARED, key=KEY)
    with pytest.raises(ValueError, match="mesh: 3 devices given"):
        fit(problem, 1, key=KEY, batch=6, data=pictures(), mesh=parallel.mesh(3))


def test_a_code_that_is_lost_ends_the_run():
    data = pictures(8)
    data.arrays["image"][5] = np.inf
    problem = learner(linear(), data, SQUARED, key=KEY)
    fitted = fit(problem, 8, key=KEY, batch=2, data=data)
    assert fitted.failed is not None
    assert np.isfinite(fitted.state.codes.arrays).all()


def test_8_bits_are_images():
    data = pictures(4)
    levels = np.random.default_rng(0).integers(0, 256, (4, 2, 3, 2), np.uint8)
    problem = learner(linear(), data, SQUARED, key=KEY)
    state, number = problem.init(KEY), np.arange(4, dtype=np.int32)
    floats = (levels / 127.5 - 1).astype(np.float32)
    losses = [
        float(step(problem, state, {"image": image, "number": number})[1]["loss"])
        for image in (levels, floats)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_result_is_a_generator_like_any_other(tmp_path):
    data = pictures()
    preset = Preset(dataclasses.replace(SQUARED, start="pca"), epochs=3, batch=5)
    trained = train(linear(), data, preset, key=KEY)
    assert trained.fitted.steps == duration(16, preset) == 10
    assert trained.latents.codes.shape == (16, 3)
    drawn = np.asarray(trained.generator.sample(jax.random.key(0), 4000))
    codes = np.asarray(trained.latents.codes, np.float64)
    spread_ = np.cov(codes.T)
    assert (
        np.abs(drawn.mean(0) - codes.mean(0)).max() < 5 * (spread_.max() / 4000) ** 0.5
    )
    assert error(np.cov(drawn.T), spread_) < 0.1
    save_generator(tmp_path / "g", trained.generator)
    again = load_generator(tmp_path / "g")
    np.testing.assert_array_equal(again.sample(jax.random.key(0), 4000), drawn)
    assert discover(again, k=2).space == "z"
    # learning goes on without the Gaussian, which is fitted anew
    assert "prior" not in learner(again, data, SQUARED, key=KEY).generator.params


def test_statistics_follow_and_are_not_trained():
    layers = (Linear("0", 12), BatchNorm("1"), Unflatten("view", (2, 3, 2)))
    config = Config(layers, 3)
    params = {
        **linear().params,
        "1": {
            **{name: jnp.ones(12) for name in ("weight", "running_var")},
            **{name: jnp.zeros(12) for name in ("bias", "running_mean")},
        },
    }
    data = pictures(8)
    settings = dataclasses.replace(SQUARED, learning_rate=0.0)
    problem = learner(Generator(params, config), data, settings, key=KEY)
    state = problem.init(KEY)
    after, _ = step(problem, state, data.batch(np.arange(8)))
    leaving = state.codes.arrays[:8] @ params["0"]["weight"]
    np.testing.assert_allclose(
        after.params["1"]["running_mean"], 0.1 * leaving.mean(0), atol=1e-6
    )
    np.testing.assert_allclose(
        after.params["1"]["running_var"],
        0.9 + 0.1 * leaving.var(0, ddof=1),
        rtol=1e-5,
    )
    np.testing.assert_array_equal(after.params["1"]["weight"], params["1"]["weight"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"projection": "cube"}, "projection: 'cube' given"),
        ({"start": "zeros"}, "start: 'zeros' given"),
        ({"laplacian": 0.0, "squared": 0.0}, "laplacian, squared: 0 and 0 given"),
        ({"code_rate": -1.0}, "code_rate: -1.0 given"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Settings(**changes)


def test_what_does_not_fit_is_refused():
    wide = ArraySource({"image": np.zeros((3, 4, 4, 1)), "number": np.arange(3)})
    with pytest.raises(ValueError, match=r"pictures: of shape \(4, 4, 1\) given"):
        learner(linear(), wide, SQUARED, key=KEY)
    problem = learner(linear(), pictures(1), SQUARED, key=KEY)
    with pytest.raises(ValueError, match="codes: 1 given"):
        finished(problem, fit(problem, 0, key=KEY, batch=1, data=pictures(1)))


def test_presets_are_the_papers():
    paper = PRESETS["paper"].settings
    assert (paper.optimizer, paper.learning_rate, paper.code_rate) == ("sgd", 1, 10)
    assert (paper.level_weights, paper.projection) == ("4^j", "ball")
    assert paper.laplacian == paper.squared
