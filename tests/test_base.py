"""What every family promises, generators of functions, and rendering in chunks."""

import dataclasses
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from families import CONFIGS, D, affine, answer, fresh, halve, labels, normal
from flax.traverse_util import flatten_dict, unflatten_dict
from helpers import compilations, error

from jaxlatent.generators import base, functions, inputs, rendered
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.generators.rendering import render
from jaxlatent.types import Noise, Origin

SHOW_FACTORS = ("rendered by rows", "rendered mapping")

# every family


@pytest.fixture(scope="module", params=CONFIGS)
def case(request):
    """A family: a generator, codes, its compiled answer and what it answers."""
    generator = fresh(request.param)
    codes = normal(1, 4, generator.config.z_dim)
    run = jax.jit(answer)
    return SimpleNamespace(
        name=request.param,
        generator=generator,
        codes=codes,
        run=run,
        answers=run(generator, codes),
    )


def test_compiled_equals_eager(case):
    if case.name == "stylegan2":
        pytest.skip("test_stylegan2 holds both against the original's recordings")
    eager = answer(case.generator, case.codes)
    assert eager.dtype == jnp.float32
    assert error(case.answers, np.asarray(eager)) <= 1e-5


def test_a_batch_is_its_samples(case):
    alone = case.run(case.generator, case.codes[2:3])
    assert error(alone, np.asarray(case.answers[2:3])) <= 1e-5
    turned = case.run(case.generator, case.codes[::-1])
    assert error(turned, np.asarray(case.answers[::-1])) <= 1e-5
    assert not np.allclose(case.answers[0], case.answers[1], atol=1e-3)


def test_new_weights_do_not_recompile(case):
    other = fresh(case.name, 5)
    with compilations() as count:
        found = case.run(other, case.codes)
        assert count() == 0
    assert not np.allclose(found, case.answers, atol=1e-3)


def test_weights_can_be_batched(case):
    other = fresh(case.name, 5)
    stacked = jax.tree.map(lambda a, b: jnp.stack([a, b]), case.generator, other)
    found = jax.jit(jax.vmap(answer, (0, None)))(stacked, case.codes)
    expected = np.stack([case.answers, case.run(other, case.codes)])
    assert error(found, expected) <= 1e-5


def test_gradients_are_finite_and_reach_the_codes_and_the_weights(case):
    def loss(generator, z):
        return jnp.square(answer(generator, z)).mean()

    of_generator, of_codes = jax.jit(jax.grad(loss, (0, 1)))(case.generator, case.codes)
    assert (jnp.abs(of_codes).max(axis=1) > 0).all()
    for path, leaf in jax.tree_util.tree_leaves_with_path(of_generator.params):
        assert np.isfinite(leaf).all(), path
        used = path[-1].key != "w_avg"
        assert (np.abs(leaf).max() > 0) == used, path


def test_every_parameter_is_needed(case):
    """What init makes is what the family reads: each leaf, and nothing beside it."""
    if case.name == "functions":
        with pytest.raises(NotImplementedError, match="no init of its own"):
            functions.init(jax.random.key(0), case.generator.config)
        return
    module, config = case.generator.family, case.generator.config
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), config))
    assert jax.tree.structure(shapes) == jax.tree.structure(case.generator.params)
    flat = flatten_dict(shapes)
    for name, leaf in flat.items():
        assert jnp.issubdtype(leaf.dtype, jnp.floating), name
        others = {key: value for key, value in flat.items() if key != name}
        lacking = Generator(unflatten_dict(others), config)
        with pytest.raises(KeyError):
            jax.eval_shape(answer, lacking, case.codes)


def test_samples_do_not_depend_on_their_number(case):
    key = jax.random.key(3)
    few, many = (case.generator.sample(key, num) for num in (2, 3))
    np.testing.assert_array_equal(few, many[:2])
    assert many.shape == (3, case.generator.config.z_dim)
    assert (many[1] != many[2]).all()


def test_configs_tell_what_every_family_tells(case):
    config = case.generator.config
    assert config.spaces[0] == "z"
    assert case.generator.latent_space == ("w" if "w" in config.spaces else "z")
    assert case.generator.map(case.codes).shape == (4, config.w_dim)
    classes = {"biggan": 3, "biggan_deep": 3}
    assert config.label_dim == classes.get(case.name, 0)
    assert ("w+" in config.spaces) == (config.num_layers > 0)
    assert hash(config) == hash(dataclasses.replace(config))
    sides = {"functions": 0, "sequential": 2} | dict.fromkeys(SHOW_FACTORS, 1)
    assert config.resolution == sides.get(case.name, 8)
    assert case.generator.truncates_prior is config.truncated_prior
    assert config.truncated_prior == (case.name in classes)
    spaces = case.generator.code_spaces
    assert set(spaces) == set(config.spaces)
    assert spaces == tuple(name for name in ("z", "w", "w+", "s") if name in spaces)
    assert ("s" in spaces) == case.name.startswith("stylegan")


def test_the_shape_of_an_image_is_known_without_drawing_it(case):
    shapes = {
        "functions": (2, 1, 1),
        "rendered by rows": (1, 1, 3),
        "rendered mapping": (1, 1, 2),
        "sequential": (2, 2, 3),
        "sngan": (8, 8, 1),
        "stylegan": (4, 8, 3),
        "stylegan2": (8, 4, 4),
    }
    with compilations() as count:
        assert case.generator.image_shape == shapes.get(case.name, (8, 8, 3))
        assert count() == 0


def test_every_feature_can_be_hooked_in_the_order_of_the_names(case):
    seen = []

    def hook(name):
        return lambda value: seen.append(name) or value

    def run(generator, z):
        names = generator.feature_names
        hooks = {name: hook(name) for name in names}
        inputs = generator.map(z), labels(generator, z)
        found = generator.features(*inputs, names=names)
        return found, generator.synthesize(*inputs, hooks=hooks)

    found, _ = jax.eval_shape(run, case.generator, case.codes)
    assert set(found) == set(seen)  # jax sorts what it returns
    assert tuple(seen) == case.generator.feature_names


def test_the_image_is_the_last_activation(case):
    assert case.generator.feature_names[-1] == "image"
    if case.name == "rendered":
        pytest.skip("test_rendered draws its pictures")

    @jax.jit
    def run(generator, z):
        latent, label = generator.map(z), labels(generator, z)
        hooks = {"image": lambda image: 2 * image}
        found = generator.features(latent, label, names=("image",))
        return found["image"], generator(latent, label, hooks=hooks)

    found, doubled = run(case.generator, case.codes)
    assert error(found, np.asarray(case.answers)) <= 1e-6
    assert error(doubled, 2 * np.asarray(case.answers)) <= 1e-6


def test_hooks_change_what_follows(case):
    names = case.generator.feature_names
    first, last = names[0], names[-1]
    if case.name == "rendered":  # whose pictures take long to build
        last = "factors"
    latent = case.generator.map(case.codes)

    @jax.jit
    def run(generator, latent, shift):
        # a scale would be normalised away by some
        hooks = {first: lambda value: value + shift}
        label = labels(generator, latent)
        return generator.features(latent, label, names=(first, last), hooks=hooks)

    plain, changed = run(case.generator, latent, 0), run(case.generator, latent, 3)
    assert error(changed[first], 3 + np.asarray(plain[first])) < 1e-6
    assert np.abs(np.asarray(changed[last]) - np.asarray(plain[last])).max() > 1e-3


def test_there_is_a_case_for_every_family():
    families = {base.family_name(config) for config in CONFIGS.values()}
    assert families == {*base.FAMILIES, "functions"}


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "functions"])
def test_configs_survive_json(name):
    config = CONFIGS[name]
    family = base.family_name(config)
    values = json.loads(json.dumps(base.config_to_json(config)))
    found = base.config_from_json(family, values)
    assert found == config
    assert hash(found) == hash(config)
    assert type(found) is type(config)
    assert base.family_module(family).Config is type(config)


def test_unknown_families_are_named():
    for name in ("functions", "base", "os"):
        with pytest.raises(ValueError, match=f"family: '{name}' given; one of"):
            base.family_module(name)


# fingerprints


@pytest.mark.parametrize("family", CONFIGS)
def test_a_fingerprint_is_of_config_and_weights(family):
    first, second = fresh(family), fresh(family)
    own = fingerprint(first)
    assert len(own) == 16
    assert int(own, 16) >= 0
    assert fingerprint(second) == own
    # one bit of one weight
    leaves, structure = jax.tree.flatten(first)
    for number, leaf in enumerate(leaves):
        bits = np.array(leaf)
        bits.reshape(-1).view(np.uint32)[-1] ^= 1
        changed = [*leaves[:number], jnp.asarray(bits), *leaves[number + 1 :]]
        assert fingerprint(jax.tree.unflatten(structure, changed)) != own


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("rendered", {"gain": 0.6}),
        ("rendered", {"factors": rendered.Config().factors[::-1]}),
        ("stylegan2", {"final_tanh": True}),
        ("stylegan2", {"clamp": None}),
        ("stylegan3", {"output_scale": 0.5}),
        ("stylegan", {"fused_from": 8}),
        ("progan", {"normalize_z": False}),
        ("sequential", {"image_range": (-1.0, 1.0)}),
        ("functions", {"map_function": None}),
        ("functions", {"synthesize_function": halve}),
    ],
)
def test_a_fingerprint_tells_configs_apart(family, change):
    generator = fresh(family)
    config = dataclasses.replace(generator.config, **change)
    other = dataclasses.replace(generator, config=config)
    assert fingerprint(other) != fingerprint(generator)


def test_a_fingerprint_tells_names_and_shapes_apart():
    config = CONFIGS["functions"]
    trees = (
        {"a": jnp.zeros(4)},
        {"b": jnp.zeros(4)},
        {"a": jnp.zeros((2, 2))},
        {"a": jnp.zeros(2), "b": jnp.zeros(2)},
        {"a": jnp.zeros(4, jnp.int32)},
        [jnp.zeros(4)],
        (),
    )
    assert len({fingerprint(Generator(tree, config)) for tree in trees}) == len(trees)


def test_the_fingerprint_of_functions_is_that_of_another_process():
    """An edit is saved with it and meets the same functions in a later run."""
    code = (
        "import toy\n"
        "from jaxlatent.generators.base import Generator, fingerprint\n"
        "g = Generator.from_functions(toy.run, map=toy.map, z_dim=3)\n"
        "print(fingerprint(g))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.path.dirname(toy.__file__)},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    own = Generator.from_functions(toy.run, map=toy.map, z_dim=3)
    assert run.stdout.strip() == fingerprint(own)


# generators of functions


def constant(key):
    return jnp.full((D,), jax.random.uniform(key, ()))


MATRIX, BIAS = normal(10, D, 2), normal(11, 2)
AFFINE = {"matrix": MATRIX, "bias": BIAS}


def test_an_affine_generator_by_hand():
    generator = Generator.from_functions(affine, z_dim=D, params=AFFINE)
    z = generator.sample(jax.random.key(0), 3)
    expected = np.asarray(z) @ np.asarray(MATRIX) + np.asarray(BIAS)
    np.testing.assert_allclose(generator.synthesize(z)[..., 0, 0], expected, rtol=1e-5)
    found = generator.features(z, names=["image"])
    np.testing.assert_array_equal(found["image"], generator.synthesize(z))
    np.testing.assert_array_equal(z, inputs.normal_codes(jax.random.key(0), 3, D))
    assert generator.map(z) is z
    assert generator.prepare().params is AFFINE
    assert generator.affines() == ()
    assert (generator.config.spaces, generator.config.w_dim) == (("z",), D)


def test_a_map_leads_to_a_space_of_its_own():
    params = AFFINE | {"map": jnp.eye(D)}
    generator = Generator.from_functions(affine, z_dim=D, params=params, map=halve)
    z = normal(0, 2, D)
    np.testing.assert_allclose(generator.map(z), z / 2, rtol=1e-6)
    assert generator.config.spaces == ("z", "w")
    wide = Generator.from_functions(affine, z_dim=D, map=halve, w_dim=7)
    assert (wide.config.z_dim, wide.config.w_dim, wide.params) == (D, 7, {})


def test_a_sample_function_draws_one_code_from_each_folded_key():
    generator = Generator.from_functions(affine, z_dim=D, sample=constant)
    key = jax.random.key(7)
    codes = generator.sample(key, 3)
    np.testing.assert_array_equal(codes[2], constant(jax.random.fold_in(key, 2)))
    np.testing.assert_array_equal(generator.sample(key, 2), codes[:2])


def test_gradients_of_an_affine_generator_by_hand():
    generator = Generator.from_functions(affine, z_dim=D, params=AFFINE)
    z = normal(0, 2, D)
    run = jax.jit(jax.grad(lambda generator, z: generator.synthesize(z).sum(), (0, 1)))
    of_generator, of_codes = run(generator, z)
    assert isinstance(of_generator, Generator)
    np.testing.assert_allclose(of_generator.params["bias"], [2, 2], rtol=1e-6)
    np.testing.assert_allclose(
        of_generator.params["matrix"], z.sum(axis=0)[:, None].repeat(2, 1), rtol=1e-5
    )
    np.testing.assert_allclose(of_codes[0], MATRIX.sum(axis=1), rtol=1e-5)


def test_equal_functions_are_compiled_once():
    run = jax.jit(answer)
    z = normal(0, 3, D)
    run(Generator.from_functions(affine, z_dim=D, params=AFFINE), z)
    other = jax.tree.map(lambda leaf: leaf + 1, AFFINE)
    with compilations() as count:
        run(Generator.from_functions(affine, z_dim=D, params=other), z)
        assert count() == 0


def test_parameters_may_be_any_pytree():
    generator = Generator.from_functions(
        lambda params, z: z[:, :, None, None] * params[0],
        z_dim=D,
        params=(jnp.asarray(2.0),),  # pyright: ignore[reportArgumentType]
    )
    z = normal(0, 1, D)
    np.testing.assert_allclose(render(generator, z)[..., 0, 0], 2 * z)
    assert fingerprint(generator) == fingerprint(generator)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, z: g.synthesize(z, jnp.zeros(2, int)), "label: given"),
        (lambda g, z: g.map(z, jnp.zeros(2, int)), "label: given"),
        (lambda g, z: g.embed(jnp.zeros(2, int)), "label: this generator"),
        (lambda g, z: g.synthesize(z, noise=jax.random.key(0)), "noise: given"),
        (lambda g, z: g.synthesize(z, noise="loud"), "noise: 'loud' given"),
        (lambda g, z: g.broadcast(z), r"latent: .* has no w\+"),
        (lambda g, z: g.truncate(z, 0.5), "psi: given"),
        (lambda g, z: g.features(z, names=["b4"]), r"names: \['b4'\] given"),
        (lambda g, z: g.sample(jax.random.key(0), 1, truncation=0.5), "truncation: "),
        (lambda g, z: Generator.from_functions(affine, z_dim=3, w_dim=4), "w_dim: 4"),
    ],
)
def test_what_functions_do_not_offer_is_refused_by_name(call, message):
    generator = Generator.from_functions(affine, z_dim=D, params=AFFINE)
    with pytest.raises(ValueError, match=f"^{message}"):
        call(generator, jnp.zeros((2, D)))


# rendering


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_render_gives_the_same_images_for_every_chunk(chunk):
    generator = Generator.from_functions(affine, z_dim=D, params=AFFINE)
    z, finished = normal(1, 7, D), []
    images = render(generator, z, chunk=chunk, progress=finished.append)
    assert isinstance(images, np.ndarray)
    assert images.shape == (7, 2, 1, 1)
    assert error(images, np.asarray(generator.synthesize(z))) <= 1e-6
    assert sum(finished) == 7
    assert len(finished) == -(-7 // min(chunk, 7))


def test_the_last_chunk_is_filled_up_and_compiles_nothing_new():
    # on the host, where picking rows compiles nothing
    few, many = np.ones((3, 3), np.float32), np.ones((7, 3), np.float32)
    generator, other = toy.make(), toy.make(2.0)
    render(generator, few, chunk=3)
    with compilations() as count:
        assert render(generator, many, chunk=3).shape[0] == 7
        assert render(other, few, chunk=3).shape[0] == 3
        assert count() == 0


def test_labels_and_noise_stay_with_their_codes():
    generator = toy.make(label_dim=5)
    codes, labels = jnp.arange(15.0).reshape(5, 3), jnp.arange(5)
    noise = {"map": 0.25 * jnp.arange(5.0)[:, None]}
    images = render(generator, codes, labels, noise=noise, chunk=2)[:, 0, :, 0]
    expected = 11 * codes + 1000 * labels[:, None] + noise["map"]
    np.testing.assert_allclose(images, expected, rtol=1e-6)


def test_noise_does_not_depend_on_the_chunk():
    generator, codes, key = toy.make(), jnp.zeros((5, 3)), jax.random.key(1)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(5))
    expected = render(generator, codes, noise=keys, chunk=5)
    assert len(np.unique(expected)) == 5
    for noise in (keys, key):
        images = render(generator, codes, noise=noise, chunk=2)
        np.testing.assert_allclose(images, expected, atol=1e-6)


def test_a_map_of_one_row_is_for_all_images():
    noise = {"map": jnp.asarray([[1.0, 2.0, 3.0]])}
    images = render(toy.make(), jnp.zeros((5, 3)), noise=noise, chunk=2)
    np.testing.assert_array_equal(images[:, 0, :, 0], np.tile([1, 2, 3], (5, 1)))


def test_the_words_for_noise():
    generator = toy.make()
    for noise in ("fixed", "none", Noise.FIXED, Noise.NONE):
        assert render(generator, jnp.zeros((1, 3)), noise=noise).max() == 0
    assert inputs.as_noise("fixed") is Noise.FIXED
    assert inputs.as_noise("none") is Noise.NONE
    key = jax.random.key(0)
    assert inputs.as_noise(key) is key
    for word in ("", "FIXED", "random"):
        with pytest.raises(ValueError, match=f"noise: '{word}' given"):
            inputs.as_noise(word)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent": jnp.zeros((0, 3))}, "latent: no codes given"),
        ({"chunk": 0}, "chunk: 0 given"),
        ({"chunk": -3}, "chunk: -3 given"),
        ({"label": jnp.zeros(4, int)}, r"latent, label or noise: shape \(4,\) given"),
        ({"label": jnp.zeros(6, int)}, r"latent, label or noise: shape \(6,\) given"),
        ({"label": jnp.asarray(1)}, r"latent, label or noise: shape \(\) given"),
        ({"noise": jnp.zeros((1, 3))}, r"latent, label or noise: shape \(1, 3\)"),
        ({"noise": {"map": jnp.zeros((2, 3))}}, r"noise: map has shape \(2, 3\); 5"),
        ({"noise": {"map": jnp.zeros(())}}, r"noise: map has shape \(\); 5 or 1"),
        ({"noise": "loud"}, "noise: 'loud' given"),
    ],
)
def test_what_render_cannot_split_is_refused(arguments, message):
    values = {"latent": jnp.zeros((5, 3))} | arguments
    with pytest.raises(ValueError, match=f"^{message}"):
        render(toy.make(), **values)


# labels and codes


def test_labels_become_rows_of_weights():
    expected = [[0, 0, 1], [1, 0, 0]]
    soft = jnp.asarray([[0.5, 0.5, 0], [0, 2, -1]])
    for label in (
        jnp.asarray([2, 0]),
        np.array([2, 0], np.uint8),
        jnp.asarray(expected),
    ):
        found = inputs.as_label(label, 3, jnp.float32)
        assert found.dtype == jnp.float32
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(inputs.as_label(soft, 3, jnp.float32), soft)
    assert inputs.as_label(None, 0, jnp.float32) is None
    traced = jax.jit(lambda label: inputs.as_label(label, 3, jnp.float32))
    np.testing.assert_array_equal(traced(jnp.asarray([2, 7])), [[0, 0, 1], [0, 0, 0]])


@pytest.mark.parametrize(
    ("label", "label_dim", "message"),
    [
        (None, 3, "label: missing; this generator has 3 classes"),
        (np.array([0]), 0, "label: given, but this generator is unconditional"),
        (np.array([0, 3]), 3, r"label: \[3\] given; classes 0 to 2 are accepted"),
        (np.array([-1, 0]), 3, r"label: \[-1\] given; classes 0 to 2"),
        (np.array([0.0, 1.0]), 3, r"label: float32 \(2,\) given"),
        (np.array(1), 3, r"label: int32 \(\) given; int \[N\] or \[N, 3\]"),
        (np.zeros((2, 4)), 3, r"label: float32 \(2, 4\) given"),
        (np.zeros((1, 2, 3)), 3, r"label: float32 \(1, 2, 3\) given"),
    ],
)
def test_labels_that_do_not_fit_are_named(label, label_dim, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        inputs.as_label(label, label_dim, jnp.float32)


def test_normal_codes_are_drawn_one_by_one():
    key = jax.random.key(5)
    codes = inputs.normal_codes(key, 3, D)
    one = jax.random.normal(jax.random.fold_in(key, 1), (D,))
    np.testing.assert_allclose(codes[1], one, rtol=1e-6)
    np.testing.assert_array_equal(inputs.normal_codes(key, 2, D), codes[:2])
    assert inputs.normal_codes(key, 0, D).shape == (0, D)
    many = np.asarray(inputs.normal_codes(key, 2000, D))
    # six standard errors
    assert np.abs(many.mean(axis=0)).max() < 6 / np.sqrt(2000)
    assert np.abs(many.var(axis=0) - 1).max() < 6 * np.sqrt(2 / 2000)


def test_cast():
    params = {"a": {"b": jnp.ones(2)}, "c": jnp.ones(3)}
    narrow = base.cast(params, jnp.float16)
    assert {leaf.dtype for leaf in jax.tree.leaves(narrow)} == {jnp.dtype("float16")}


# where parameters come from


def test_an_origin_is_carried_and_changes_nothing():
    plain = fresh("stylegan2")
    told = Origin(file="a.pt", assumed={"mapping_rate": 0.01})
    known = dataclasses.replace(plain, origin=told)
    for changed in (
        known.prepare(),
        jax.tree.map(lambda leaf: leaf + 1, known),
        dataclasses.replace(known, config=plain.config),
        jax.device_put(known),
    ):
        assert changed.origin is told
    assert plain.origin.file == ""
    assert jax.tree.structure(plain) == jax.tree.structure(known)
    assert hash(jax.tree.structure(plain)) == hash(jax.tree.structure(known))
    assert fingerprint(plain) == fingerprint(known)
    jax.tree.map(np.testing.assert_array_equal, plain, known)


def test_generators_of_two_files_share_compiled_code():
    one, other = (
        dataclasses.replace(fresh("sngan", seed), origin=Origin(file=f"{seed}.pt"))
        for seed in (0, 1)
    )

    @jax.jit
    def draw(generator, z):
        return generator.synthesize(z)

    z = normal(3, 1, D)
    draw(one, z)
    with compilations() as count:
        draw(other, z)
        draw(fresh("sngan", 2), z)
    assert count() == 0


def test_a_prior_of_its_own_moves_what_is_drawn():
    rng = np.random.default_rng(3)
    root = rng.normal(size=(3, 3))
    mean, covariance = np.array([1.0, -2.0, 3.0]), root @ root.T
    generator = Generator.from_functions(doubled, z_dim=3, params={"gain": jnp.ones(1)})
    own, key = generator.with_prior(mean, covariance), jax.random.key(0)
    assert (generator.has_own_prior, own.has_own_prior) == (False, True)
    drawn = np.asarray(own.sample(key, 20_000))
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.1)
    np.testing.assert_allclose(
        np.cov(drawn.T), covariance, atol=0.05 * np.abs(covariance).max()
    )
    # code i depends on the key and i alone, and codes mean what they did
    np.testing.assert_allclose(own.sample(key, 2), drawn[:2], atol=1e-6)
    np.testing.assert_array_equal(own(drawn[:2]), generator(drawn[:2]))
    with pytest.raises(ValueError, match="mean, covariance: shapes"):
        generator.with_prior(mean[:2], covariance)
    bare = Generator.from_functions(doubled, z_dim=3, params=jnp.ones(1))
    with pytest.raises(ValueError, match="params: a dict is accepted"):
        bare.with_prior(mean, covariance)


def doubled(params, z):
    return 2 * z[:, None, None]
