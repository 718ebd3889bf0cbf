"""StyleGAN2 from every checkpoint layout, against the original implementations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, compilations, drawn, error, golden, nhwc

import converters
from jaxlatent.generators import stylegan2, stylegan2_discriminator
from jaxlatent.generators.base import Generator
from jaxlatent.types import Noise

FILES = {
    "stylegan2_ada_a": "pkl",
    "stylegan2_ada_b": "pkl",
    "stylegan2_sg3repo_a": "pkl",
    "rosinality_stylegan2_a": "pt",
    "genforce_stylegan2_a": "pth",
    "genforce_stylegan2ada_a": "pth",
}
NVIDIA = [name for name, ending in FILES.items() if ending == "pkl"]
GENFORCE = [name for name in FILES if name.startswith("genforce")]
WITH_DISCRIMINATOR = [name for name in FILES if name != "genforce_stylegan2ada_a"]
FLOAT32, FLOAT64 = 2e-5, 1e-10


@jax.jit
def draw(generator, latent, noise=Noise.FIXED):
    return generator.synthesize(latent, noise=noise)


@jax.jit
def judge(discriminator, images, label):
    return discriminator(images, label)


def path(name):
    return GOLDEN / f"{name}.{FILES[name]}"


def label_of(arrays, key="c"):
    """The recorded labels, None where the model is unconditional."""
    label = arrays.get(key, arrays.get({"c": "label", "D_c": "D_label"}[key]))
    return None if label is None or label.shape[1] == 0 else jnp.asarray(label)


@pytest.fixture(scope="module", params=FILES)
def case(request):
    """(name, generator, recorded arrays)."""
    return request.param, converters.load(path(request.param)), golden(request.param)


def w_of(generator, arrays):
    return generator.map(jnp.asarray(arrays["z"]), label_of(arrays))


def test_mapping(case):
    _, generator, arrays = case
    assert error(w_of(generator, arrays), arrays["w"]) <= FLOAT32


def test_fixed_noise(case):
    _, generator, arrays = case
    expected = arrays.get("img_const", arrays.get("img"))
    image = draw(generator, generator.broadcast(w_of(generator, arrays)))
    assert error(image, nhwc(expected)) <= FLOAT32


def test_w_plus(case):
    _, generator, arrays = case
    key = "img_wplus" if "img_wplus" in arrays else "img_wplus_const"
    image = generator.synthesize(jnp.asarray(arrays["ws_plus"]))  # not compiled
    assert error(image[:1], nhwc(arrays[key])) <= FLOAT32


def test_prepared_weights_change_nothing(case):
    _, generator, arrays = case
    latent = jnp.asarray(arrays["ws_plus"])
    prepared = generator.prepare()
    assert error(draw(prepared, latent), draw(generator, latent)) <= 1e-6


def their_name(name, layer):
    """The recorded name of one of our layers."""
    if name in NVIDIA:
        return layer.name
    level = layer.row // 2
    if name in GENFORCE:
        return f"output{level}" if layer.rgb else f"layer{layer.row}"
    if layer.rgb:
        return f"to_rgbs.{level - 1}" if level else "to_rgb1"
    return f"convs.{layer.row - 1}" if layer.row else "conv1"


def their_style(name, layer):
    if name not in GENFORCE:
        return f"style/{their_name(name, layer)}"
    if layer.rgb:
        return f"style/output_style{layer.row // 2}"
    return f"style/style{layer.row:02d}"


def test_styles(case):
    name, generator, arrays = case
    styles = generator.styles(w_of(generator, arrays))
    for layer in stylegan2.layers(generator.config):
        key = their_style(name, layer)
        if key in arrays:
            assert error(styles[layer.name], arrays[key]) <= FLOAT32, key
    assert len(styles) == len(stylegan2.layers(generator.config))


def test_synthesis_from_styles_equals_synthesis_from_w(case):
    _, generator, arrays = case
    w = w_of(generator, arrays)
    image = draw(generator, generator.styles(w))
    assert error(image, draw(generator, generator.broadcast(w))) <= 1e-6


def test_features(case):
    name, generator, arrays = case
    pairs = {
        layer.name: f"feat0/{their_name(name, layer)}"
        for layer in stylegan2.layers(generator.config)
    }
    if name.startswith("rosinality"):  # its to-RGB modules add the image so far
        pairs = {
            ours.replace("torgb", "image"): theirs for ours, theirs in pairs.items()
        }
    pairs |= {block: f"block0/{block}" for block in generator.config.blocks}
    pairs = {ours: key for ours, key in pairs.items() if key in arrays}
    found = generator.features(w_of(generator, arrays), names=pairs)
    for ours, key in pairs.items():
        expected = nhwc(arrays[key])  # some recordings hold the first channels only
        actual = found[ours][:1, ..., : expected.shape[-1]]
        assert error(actual, expected) <= FLOAT32, key
    assert len(found) >= len(stylegan2.layers(generator.config)) - 1


def test_discriminator():
    for name in WITH_DISCRIMINATOR:
        arrays = golden(name)
        discriminator = converters.load(path(name), part="discriminator")
        images = jnp.asarray(nhwc(arrays["D_img"]))
        label = label_of(arrays, "D_c")
        logits = judge(discriminator, images, label)
        assert error(logits, arrays["D_logits_n4"]) <= FLOAT32
        if "D_logits_n2" in arrays:
            two = None if label is None else label[:2]
            logits = judge(discriminator, images[:2], two)
            assert error(logits, arrays["D_logits_n2"]) <= FLOAT32


def test_discriminator_of_own_images():
    arrays = golden("stylegan2_ada_b")
    discriminator = converters.load(path("stylegan2_ada_b"), part="discriminator")
    images = jnp.asarray(nhwc(arrays["img_none"]))
    logits = judge(discriminator, images[:2], label_of(arrays)[:2])
    assert error(logits, arrays["D_logits_fake"]) <= FLOAT32


@pytest.mark.parametrize("name", FILES)
def test_float64(name):
    arrays = golden(name)
    with jax.enable_x64(True):
        generator = converters.load(path(name), dtype=jnp.float64)
        wide = {key: jnp.asarray(value, jnp.float64) for key, value in arrays.items()}
        w = generator.map(wide["z"], label_of(wide))
        image = draw(generator, w[:1])
        key = "img_const_f64" if "img_const_f64" in arrays else "img_f64"
        assert error(w, arrays["w_f64"]) <= FLOAT64
        assert error(image, nhwc(arrays[key])) <= FLOAT64
        if "D_logits_n4_f64" in arrays:
            discriminator = converters.load(
                path(name), part="discriminator", dtype=jnp.float64
            )
            images = jnp.moveaxis(wide["D_img"], 1, -1)
            logits = judge(discriminator, images, label_of(wide, "D_c"))
            assert error(logits, arrays["D_logits_n4_f64"]) <= FLOAT64


@pytest.mark.parametrize(
    ("name", "key", "psi", "cutoff", "noise"),
    [
        ("stylegan2_ada_a", "img_none", None, None, "none"),
        ("stylegan2_ada_a", "img_psi0p7_const", 0.7, None, "fixed"),
        ("stylegan2_ada_a", "img_psi1p5_none", 1.5, None, "none"),
        ("stylegan2_ada_a", "img_psi0p5_cut3_const", 0.5, 3, "fixed"),
        ("stylegan2_ada_b", "img_none", None, None, "none"),
        ("stylegan2_ada_b", "img_psi0p7_const", 0.7, None, "fixed"),
        ("stylegan2_ada_b", "img_psi1p5_none", 1.5, None, "none"),
        ("stylegan2_ada_b", "img_psi0p5_cut3_const", 0.5, 3, "fixed"),
        ("stylegan2_sg3repo_a", "img_psi0p7", 0.7, None, "fixed"),
        ("stylegan2_sg3repo_a", "img_psi0p5_cut3", 0.5, 3, "fixed"),
        ("rosinality_stylegan2_a", "img_nonoise", None, None, "none"),
        ("rosinality_stylegan2_a", "img_trunc0p5_const", 0.5, None, "fixed"),
        ("genforce_stylegan2_a", "img_psi0p7_layers4", 0.7, 4, "fixed"),
        ("genforce_stylegan2_a", "img_psi0p5_all", 0.5, None, "fixed"),
        ("genforce_stylegan2ada_a", "img_psi0p7_layers4", 0.7, 4, "fixed"),
        ("genforce_stylegan2ada_a", "img_psi0p5_all", 0.5, None, "fixed"),
    ],
)
def test_truncation_and_noise(name, key, psi, cutoff, noise):
    arrays = golden(name)
    generator = converters.load(path(name))
    latent = w_of(generator, arrays)
    if psi is not None:
        latent = generator.truncate(latent, psi, cutoff)
    image = draw(generator, generator.broadcast(latent), Noise(noise))
    expected = nhwc(arrays[key])
    assert error(image[: len(expected)], expected) <= FLOAT32


@pytest.mark.parametrize(
    ("name", "key", "psi", "cutoff"),
    [
        ("stylegan2_ada_a", "ws_psi0p5_cut3", 0.5, 3),
        ("stylegan2_ada_b", "ws_psi0p5_cut3", 0.5, 3),
        ("stylegan2_sg3repo_a", "ws_psi0p5_cut3", 0.5, 3),
        ("genforce_stylegan2_a", "wp_psi0p7_layers4", 0.7, 4),
        ("genforce_stylegan2ada_a", "wp_psi0p7_layers4", 0.7, 4),
    ],
)
def test_truncated_latents(name, key, psi, cutoff):
    arrays = golden(name)
    generator = converters.load(path(name))
    latent = generator.truncate(w_of(generator, arrays), psi, cutoff)
    assert error(latent, arrays[key]) <= FLOAT32


def test_given_noise_and_mixed_styles():
    arrays = golden("rosinality_stylegan2_a")
    generator = converters.load(path("rosinality_stylegan2_a"))
    w = w_of(generator, arrays)
    noisy = [layer for layer in stylegan2.layers(generator.config) if not layer.rgb]
    noise = {layer.name: arrays[f"noise_{layer.row}"][:, 0] for layer in noisy}
    image = draw(generator, w, noise)
    assert error(image[:1], nhwc(arrays["img_noise_given"])) <= FLOAT32
    other = generator.map(jnp.asarray(arrays["z2"]))
    mixed = jnp.concatenate(
        [generator.broadcast(w)[:, :3], generator.broadcast(other)[:, 3:]], axis=1
    )
    image = draw(generator, mixed)
    assert error(image[:1], nhwc(arrays["img_mix_inject3_const"])) <= FLOAT32
    with pytest.raises(ValueError, match=r"noise: no map for layer b4\.conv1"):
        generator.synthesize(w, noise={})
    with pytest.raises(ValueError, match=r"noise: b4\.conv1 has shape \(3, 4, 4\)"):
        generator.synthesize(w, noise=noise | {"b4.conv1": jnp.zeros((3, 4, 4))})


def tiny(*, seed=1, **changes):
    """A small generator with random weights, noise strengths among them."""
    values = {
        "resolution": 16,
        "channels": (8, 6, 4),
        "z_dim": 10,
        "w_dim": 12,
        "mapping_layers": 2,
        "mapping_width": 12,
        "embed_dim": 5,
    } | changes
    config = stylegan2.Config(**values)
    params = drawn(lambda key: stylegan2.init(key, config), seed, scale=1.0)
    for index in range(config.mapping_layers):
        layer = params["mapping"][f"fc{index}"]
        layer["weight"] = layer["weight"] / config.mapping_rate
    return Generator(params, config)


def test_random_noise_depends_on_the_key_and_the_sample_alone():
    generator = tiny()
    w = generator.map(generator.sample(jax.random.key(0), 4))
    key = jax.random.key(7)
    four = draw(generator, w, key)
    two = draw(generator, w[:2], key)
    assert np.allclose(four[:2], two, atol=1e-5)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(4))
    assert np.allclose(draw(generator, w[2:], keys[2:]), four[2:], atol=1e-5)
    assert not np.allclose(draw(generator, w), four, atol=1e-2)
    same = jnp.broadcast_to(w[:1], w.shape)
    different = draw(generator, same, key)
    assert not np.allclose(different[0], different[1], atol=1e-2)


def test_noise_is_refused_by_name():
    generator = tiny()
    w = jnp.zeros((1, 12))
    with pytest.raises(ValueError, match="noise: 'loud' given"):
        generator.synthesize(w, noise="loud")
    with pytest.raises(ValueError, match="noise: float32"):
        generator.synthesize(w, noise=jnp.zeros(3))


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_gradients_agree_with_finite_differences(architecture):
    with jax.enable_x64(True):
        generator = tiny(architecture=architecture)
        wide = jax.tree.map(lambda a: a.astype(jnp.float64), generator.params)
        config = generator.config
        w = jax.random.normal(jax.random.key(2), (1, 12), jnp.float64)
        tangent = jax.random.normal(jax.random.key(3), (1, 12), jnp.float64)

        @jax.jit
        def image(w):
            return Generator(wide, config).synthesize(w)

        _, exact = jax.jvp(image, (w,), (tangent,))
        step = 1e-6
        change = image(w + step * tangent) - image(w - step * tangent)
        assert error(exact, np.asarray(change / (2 * step))) <= 1e-6


def test_features_stop_after_the_last_one():
    generator = tiny()
    with compilations():
        jaxpr = jax.make_jaxpr(lambda w: generator.features(w, names=["b4.conv1"]))(
            jnp.ones((1, 12))
        )
    assert str(jaxpr).count("conv_general_dilated") == 1
    with pytest.raises(ValueError, match=r"names: \['b9'\] given"):
        generator.features(jnp.ones((1, 12)), names=["b9"])


def test_trainable_leaves_noise_maps_and_the_mean_out():
    mask = stylegan2.trainable(tiny().params)
    assert mask["mapping"]["fc0"]["weight"]
    assert not mask["mapping"]["w_avg"]
    assert mask["synthesis"]["b8"]["conv0"]["noise_strength"]
    assert not mask["synthesis"]["b8"]["conv0"]["noise_const"]


def test_labels():
    generator = tiny(label_dim=3)
    z = generator.sample(jax.random.key(0), 2)
    whole = generator.map(z, jnp.asarray([0, 2]))
    onehot = generator.map(z, jnp.asarray([[1.0, 0, 0], [0, 0, 1.0]]))
    assert bool(jnp.all(whole == onehot))
    embedding = generator.embed(jnp.asarray([0, 2]))
    ready = stylegan2.map(generator.params, generator.config, z, embedding=embedding)
    assert bool(jnp.all(whole == ready))
    with pytest.raises(ValueError, match="label: missing; this generator has 3"):
        generator.map(z)
    with pytest.raises(ValueError, match=r"label: float32 \(2, 4\) given"):
        generator.map(z, jnp.zeros((2, 4)))
    with pytest.raises(ValueError, match="label: given, but"):
        tiny().map(z, jnp.asarray([0, 1]))


def test_joint_normalization_by_hand():
    generator = tiny(label_dim=2, joint_normalization=True, mapping_layers=1)
    z = jnp.arange(10.0)[None] - 4
    mapping = generator.params["mapping"]
    joined = jnp.concatenate([z[0], mapping["embed"]["weight"][1]])
    joined = joined / jnp.sqrt(jnp.mean(joined**2) + 1e-8)
    x = joined @ mapping["fc0"]["weight"] * 0.01 / jnp.sqrt(15.0)
    x = x + mapping["fc0"]["bias"] * 0.01
    expected = jnp.where(x > 0, x, 0.2 * x) * jnp.sqrt(2.0)
    w = generator.map(z, jnp.asarray([1]))
    assert error(w[0], np.asarray(expected)) <= 1e-5


def test_a_mapping_of_the_label_alone():
    generator = tiny(z_dim=0, label_dim=3)
    w = generator.map(jnp.zeros((2, 0)), jnp.asarray([0, 1]))
    assert w.shape == (2, 12)
    assert not np.allclose(w[0], w[1])


def test_truncation_towards_the_mean():
    generator = tiny()
    w = generator.map(generator.sample(jax.random.key(0), 2))
    assert np.allclose(generator.truncate(w, 1.0), generator.broadcast(w), atol=1e-6)
    mean = generator.params["mapping"]["w_avg"]
    assert np.allclose(generator.truncate(w, 0.0), mean[None, None], atol=1e-7)
    part = generator.truncate(w, 0.5, 2)
    assert bool(jnp.all(part[:, 2:] == generator.broadcast(w)[:, 2:]))
    assert not np.allclose(part[:, :2], generator.broadcast(w)[:, :2])


def test_final_tanh_bounds_the_image():
    plain, bounded = tiny(), tiny(final_tanh=True)
    w = jnp.ones((1, 12))
    expected = jnp.tanh(draw(plain, w))
    assert error(draw(bounded, w), np.asarray(expected)) <= 1e-6


def test_without_noise_inputs_noise_changes_nothing():
    generator = tiny(use_noise=False)
    w = jnp.ones((1, 12))
    noisy = draw(generator, w, jax.random.key(0))
    assert error(noisy, draw(generator, w, Noise.NONE)) <= 1e-6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.map(jnp.zeros((2, 3))), r"z: shape \(2, 3\) given; \[N, 10\]"),
        (lambda g: g.synthesize(jnp.zeros((2, 3))), r"latent: shape \(2, 3\) given"),
        (lambda g: g.synthesize(jnp.zeros((2, 5, 12))), r"latent: shape \(2, 5, 12\)"),
        (lambda g: g.sample(jax.random.key(0), 1, truncation=0.5), "truncation"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(tiny())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 24}, "resolution: 24 given for 3 entries"),
        ({"architecture": "unet"}, "architecture: 'unet' given"),
    ],
)
def test_wrong_configs_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_discriminator_configs_and_images_are_checked():
    config = stylegan2_discriminator.Config(resolution=8, channels=(4, 4))
    params = drawn(lambda key: stylegan2_discriminator.init(key, config), 0, scale=1.0)
    with pytest.raises(ValueError, match=r"images: shape \(4, 9, 8, 3\) given"):
        stylegan2_discriminator.discriminate(params, config, jnp.zeros((4, 9, 8, 3)))
    with pytest.raises(ValueError, match="conditioning: 'concat' given"):
        stylegan2_discriminator.Config(
            resolution=8, channels=(4, 4), conditioning="concat"
        )


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("conditioning", ["projection", "select"])
def test_discriminator_labels_choose_the_logit(architecture, conditioning):
    config = stylegan2_discriminator.Config(
        resolution=8,
        channels=(4, 4),
        label_dim=3,
        architecture=architecture,
        conditioning=conditioning,
        map_dim=6,
        embed_dim=6,
        mapping_layers=2,
        mapping_width=6,
        deviation_channels=0,
    )
    params = drawn(lambda key: stylegan2_discriminator.init(key, config), 0, scale=1.0)
    images = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    judge = jax.jit(stylegan2_discriminator.discriminate, static_argnums=1)
    hard = judge(params, config, images, jnp.asarray([0, 2]))
    assert hard.shape == (2, 1)
    one = judge(params, config, images[:1], jnp.asarray([0]))
    assert error(one, np.asarray(hard[:1])) <= 1e-5
    other = judge(params, config, images, jnp.asarray([1, 1]))
    assert not np.allclose(hard, other)
    if conditioning == "select":
        soft = judge(params, config, images, jnp.full((2, 3), 1.0))
        total = sum(
            judge(params, config, images, jnp.full(2, label)) for label in range(3)
        )
        assert error(soft, np.asarray(total)) <= 1e-5
