import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn

from jaxlatent.generators import base, sequential
from jaxlatent.generators.sequential import Config, DiscriminatorConfig
from jaxlatent.generators.sequential_layers import (
    Activation,
    Flatten,
    Pool,
    Unflatten,
    Upsample,
)
from jaxlatent.generators.sequential_weighted import (
    BatchNorm,
    Convolution,
    Linear,
    TransposedConvolution,
)

LINEAR = Config((Linear("net.0", 12), Unflatten("net.1", (2, 3, 2))), 5)
DCGAN = Config(
    (
        Unflatten("view", (1, 1, 6)),
        TransposedConvolution("main.0", 8, kernel=4, bias=False),
        BatchNorm("main.1"),
        Activation("main.2", "relu"),
        TransposedConvolution("main.3", 4, kernel=4, stride=2, padding=1),
        Activation("main.4", "leaky_relu", slope=0.2),
        Upsample("main.5"),
        Convolution("main.6", 3, kernel=3, padding=1),
        Activation("main.7", "sigmoid"),
    ),
    6,
    image_range=(0.0, 1.0),
)
CRITIC = DiscriminatorConfig(
    (
        Convolution("main.0", 4, kernel=4, stride=2, padding=1),
        Activation("main.1", "leaky_relu", slope=0.2),
        Pool("main.2", "mean", kernel=2, stride=2),
        Flatten("main.3"),
        Linear("main.4", 1),
    ),
    (8, 8, 3),
)


@pytest.fixture(scope="module")
def dcgan():
    return base.Generator(fresh(DCGAN), DCGAN)


def fresh(config, seed=0):
    params = drawn(lambda key: sequential.init(key, config), seed)
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: abs(leaf) + 1 if path[-1].key == "running_var" else leaf,
        params,
    )


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def test_linear_chain_is_an_affine_map_laid_out_channel_by_channel():
    weight, bias = normal(1, 5, 12), normal(2, 12)
    params = {"net": {"0": {"weight": weight, "bias": bias}}}
    z = normal(3, 4, 5)
    flat = np.asarray(z) @ np.asarray(weight) + np.asarray(bias)
    expected = np.moveaxis(flat.reshape(4, 2, 2, 3), 1, -1)
    image = base.Generator(params, LINEAR).synthesize(z)
    np.testing.assert_allclose(image, expected, rtol=1e-5, atol=1e-5)


def test_images_come_out_in_the_signed_range():
    layers = (Linear("0", 1), Activation("1", "sigmoid"), Unflatten("2", (1, 1, 1)))
    config = Config(layers, 1, image_range=(0.0, 1.0))
    params = {"0": {"weight": jnp.ones((1, 1)), "bias": jnp.zeros(1)}}
    z = jnp.asarray([[-50.0], [0.0], [50.0]])
    image = base.Generator(params, config).synthesize(z)
    np.testing.assert_allclose(image.ravel(), [-1, 0, 1], atol=1e-6)


def test_discriminators_see_images_in_their_own_range():
    config = DiscriminatorConfig(
        (Flatten("f"), Linear("0", 1)), (1, 1, 2), image_range=(0.0, 1.0)
    )
    params = {"0": {"weight": jnp.asarray([[1.0], [10.0]]), "bias": jnp.zeros(1)}}
    images = jnp.asarray([-1.0, 1.0]).reshape(1, 1, 1, 2)
    logits = base.Discriminator(params, config)(images)
    np.testing.assert_array_equal(logits, [[10.0]])


def test_discriminator_gives_one_logit_per_image():
    params = fresh(CRITIC)
    critic = base.Discriminator(params, CRITIC)
    assert critic(normal(1, 5, 8, 8, 3)).shape == (5, 1)
    with pytest.raises(ValueError, match=r"images: .*\[N, 8, 8, 3\] is accepted"):
        critic(normal(1, 5, 8, 9, 3))
    with pytest.raises(ValueError, match="label"):
        critic(normal(1, 5, 8, 8, 3), jnp.zeros(5, int))


def test_init_builds_the_checkpoint_tree_at_the_scale_of_the_fan_in(dcgan):
    flat = {path: leaf.shape for path, leaf in _flat(dcgan.params).items()}
    assert flat == {
        "main.0.weight": (4, 4, 6, 8),
        "main.1.bias": (8,),
        "main.1.running_mean": (8,),
        "main.1.running_var": (8,),
        "main.1.weight": (8,),
        "main.3.bias": (4,),
        "main.3.weight": (4, 4, 8, 4),
        "main.6.bias": (3,),
        "main.6.weight": (3, 3, 4, 3),
    }
    layers = (Linear("0", 200), Unflatten("1", (10, 20, 1)))
    weight = sequential.init(jax.random.key(1), Config(layers, 100))["0"]["weight"]
    assert 0.099 < jnp.abs(weight).max() <= 0.1


def test_affines_are_the_response_to_unit_codes(dcgan):
    (affine,) = dcgan.affines()
    assert affine.name == "main.0"
    expected = dcgan.params["main"]["0"]["weight"].transpose(2, 0, 1, 3).reshape(6, -1)
    np.testing.assert_array_equal(affine.matrix, expected)
    params = fresh(LINEAR)
    (affine,) = sequential.affines(params, LINEAR)
    np.testing.assert_array_equal(affine.matrix, params["net"]["0"]["weight"])


def test_affines_are_empty_where_the_latent_is_bent_first():
    layers = (Activation("0", "tanh"), Linear("1", 4), Unflatten("2", (2, 2, 1)))
    config = Config(layers, 3)
    params = fresh(config)
    assert sequential.affines(params, config) == ()


def test_features_are_the_named_activations(dcgan):
    z = dcgan.sample(jax.random.key(1), 3)
    names = ("main.4", "view", "main.7")
    found = dcgan.features(z, names=names)
    assert set(found) == set(names)
    np.testing.assert_array_equal(found["view"], z[:, None, None, :])
    assert found["main.4"].shape == (3, 8, 8, 4)
    image = dcgan.synthesize(z)
    np.testing.assert_allclose(found["main.7"] * 2 - 1, image, atol=1e-6)


def test_the_last_layer_may_be_called_as_what_leaves_it():
    layers = (Linear("0", 12), Unflatten("image", (2, 2, 3)))
    config = Config(layers, 5, image_range=(0.0, 1.0))
    generator = base.Generator(fresh(config), config)
    assert generator.feature_names == ("0", "image")
    z = normal(3, 2, 5)
    found = generator.features(z, names=("0", "image"))
    np.testing.assert_allclose(
        found["image"], 2 * Unflatten("1", (2, 2, 3))({}, found["0"]) - 1, rtol=1e-6
    )
    np.testing.assert_array_equal(generator.synthesize(z), found["image"])
    with pytest.raises(
        ValueError, match=r"^layer 'image' \(linear\): the name of what"
    ):
        Config((Linear("image", 12), Unflatten("1", (2, 2, 3))), 5)


def test_the_resolution_is_the_larger_side():
    layers = (Linear("0", 24), Unflatten("1", (2, 4, 3)))
    assert Config(layers, 5).resolution == 4


def test_features_run_nothing_behind_the_last_one(dcgan):
    front = {"main": {"0": dcgan.params["main"]["0"]}}
    short = dataclasses.replace(dcgan, params=front)
    z = dcgan.sample(jax.random.key(1), 2)
    with pytest.raises(KeyError):
        short.synthesize(z)
    assert short.features(z, names=["main.0"])["main.0"].shape == (2, 4, 4, 8)
    assert short.features(z, names=[]) == {}


def test_gradients_are_finite_and_reach_every_trainable_parameter(dcgan):
    z = dcgan.sample(jax.random.key(1), 2)

    def loss(generator, z):
        return jnp.square(generator.synthesize(z)).mean()

    of_generator, of_z = jax.jit(jax.grad(loss, (0, 1)))(dcgan, z)
    assert jnp.isfinite(of_z).all()
    assert jnp.abs(of_z).max() > 0
    for path, gradient in _flat(of_generator.params).items():
        assert jnp.isfinite(gradient).all(), path
        assert jnp.abs(gradient).max() > 0, path


def test_statistics_are_not_trained(dcgan):
    mask = _flat(sequential.trainable(dcgan.params))
    assert set(mask) == set(_flat(dcgan.params))
    held = {path for path, trained in mask.items() if not trained}
    assert held == {"main.1.running_mean", "main.1.running_var"}


def test_parameters_decide_the_dtype(dcgan):
    z = dcgan.sample(jax.random.key(1), 2)
    draw = jax.jit(base.Generator.synthesize)
    single = draw(dcgan, z)
    with jax.enable_x64(True):
        double = dataclasses.replace(dcgan, params=base.cast(dcgan.params, jnp.float64))
        image = draw(double, z)
        assert image.dtype == jnp.float64
        (affine,) = double.affines()
        assert affine.matrix.dtype == jnp.float64
        mixed = draw(dcgan, z.astype(jnp.float64))
        assert mixed.dtype == jnp.float32
        np.testing.assert_allclose(single, image, atol=1e-6)


def test_preparation_is_idempotent_and_map_the_identity(dcgan):
    assert dcgan.prepare().params is dcgan.params
    z = dcgan.sample(jax.random.key(1), 2)
    assert dcgan.map(z) is z
    assert (dcgan.config.w_dim, dcgan.latent_space) == (6, "z")


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("latent", lambda g, z: g.synthesize(z[:, :3])),
        ("latent", lambda g, z: g.synthesize(z[:, None])),
        ("latent", lambda g, z: g.broadcast(z)),
        ("label", lambda g, z: g.synthesize(z, jnp.zeros(2, int))),
        ("label", lambda g, z: g.features(z, jnp.zeros(2, int), names=["view"])),
        ("label", lambda g, z: g.map(z, jnp.zeros(2, int))),
        ("label", lambda g, z: g.embed(jnp.zeros(2, int))),
        ("noise", lambda g, z: g.synthesize(z, noise=z)),
        ("names", lambda g, z: g.features(z, names=["main.8"])),
        ("psi", lambda g, z: g.truncate(z, 0.5)),
        ("truncation", lambda g, z: g.sample(jax.random.key(0), 1, truncation=0.5)),
    ],
)
def test_what_the_family_lacks_is_refused_by_name(dcgan, argument, call):
    with pytest.raises(ValueError, match=f"^{argument}: "):
        call(dcgan, dcgan.sample(jax.random.key(1), 2))


def _flat(params):
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {".".join(key.key for key in path): leaf for path, leaf in leaves}
