"""BigGAN from ajbrock's and GANalyze's files, against the original implementations."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, drawn, error, golden, nhwc

import converters
from converters.biggan import channels_last, ganalyze_norm
from converters.checkpoints import Checkpoint
from converters.loading import find_plan
from converters.plans import assemble
from jaxlatent.generators import biggan
from jaxlatent.generators.base import Generator
from jaxlatent.methods import sefa

AJBROCK = GOLDEN / "ajbrock_biggan_a.pth"
GANALYZE = GOLDEN / "ganalyze_biggan_a.pth"
FLOAT32, FLOAT64 = 2e-5, 1e-10


@jax.jit
def draw(generator, latent, label):
    return generator.synthesize(latent, label)


def arrays_of(path):
    return golden(path.stem)


@jax.jit
def run(generator, latent, embedding):
    """Every activation; the last is the picture before its tanh."""
    names = generator.feature_names
    return generator.features(latent, names=names, embedding=embedding)


def picture(generator, latent, embedding):
    return jnp.tanh(run(generator, latent, embedding)["output_layer"])


def embedded(generator, arrays):
    """The recorded labels, classes of ajbrock's and weights of GANalyze's, embedded."""
    label = arrays["y"] if "y" in arrays else arrays["label"]
    return generator.embed(jnp.asarray(label))


@pytest.fixture(scope="module", params=[AJBROCK, GANALYZE], ids=lambda path: path.stem)
def case(request):
    """(path, generator, recorded arrays)."""
    return request.param, converters.load(request.param), arrays_of(request.param)


@pytest.fixture(scope="module")
def ajbrock():
    """The tensors of ajbrock's file; not to be changed."""
    return converters.read(AJBROCK).tensors


def built(tensors, **config):
    plan = find_plan(Checkpoint(tensors), part="generator", config=config)
    return Generator(assemble(plan), plan.config), plan


@pytest.fixture(scope="module")
def short(ajbrock):
    """The same without its last two blocks, which compiles sooner."""
    dropped = ("blocks.1.", "blocks.2.")
    return {k: v for k, v in ajbrock.items() if not k.startswith(dropped)}


def images(tensors, **config):
    generator, _ = built(tensors, **config)
    arrays = golden("ajbrock_biggan_a")
    z = jnp.asarray(arrays["z"][:2, : generator.config.z_dim])
    return np.asarray(draw(generator, z, jnp.asarray([1, 4])))


def test_pictures(case):
    path, generator, arrays = case
    z, label = jnp.asarray(arrays["z"]), embedded(generator, arrays)
    image, expected = picture(generator, z, label), nhwc(arrays["img"])
    # of the larger one every other row is kept
    image = image[:, :: image.shape[1] // expected.shape[1]]
    assert error(image, expected) <= FLOAT32
    if path == AJBROCK:
        np.testing.assert_array_equal(label, arrays["y_embed"])
        image = picture(generator, z, jnp.asarray(arrays["y_mixed"]))
        assert error(image[:1], nhwc(arrays["img_mixed_embed"])) <= FLOAT32


def test_features(case):
    path, generator, arrays = case
    first, pairs = "feat/linear", {}
    for block in generator.config.blocks:
        theirs = block.name if path == AJBROCK else f"GBlock.{block.index}"
        pairs[block.name] = f"feat0/{theirs}"
        theirs = block.attention if path == AJBROCK else "attention"
        if block.resolution in generator.config.attention:
            pairs[block.attention] = f"feat0/{theirs}"
    if path == GANALYZE:
        first = "feat/G_linear"
        del pairs["blocks.4.0"]  # not recorded
    found = run(generator, jnp.asarray(arrays["z"]), embedded(generator, arrays))
    for ours, theirs in pairs.items():
        expected = nhwc(arrays[theirs])  # the first channels alone
        actual = found[ours][:1, ..., : expected.shape[-1]]
        assert error(actual, expected) <= FLOAT32, theirs
    expected = arrays[first]
    if path == AJBROCK:  # which counts by channel, row, column
        expected = channels_last(expected)
    assert error(found["linear"], expected, recording=path.stem) <= FLOAT32


def test_float64():
    arrays = golden("ajbrock_biggan_a")
    with jax.enable_x64(True):
        generator = converters.load(AJBROCK, dtype=jnp.float64)
        z = jnp.asarray(arrays["z"], jnp.float64)
        image = draw(generator, z[:1], jnp.asarray(arrays["y"][:1]))
        assert error(image, nhwc(arrays["img_f64"])) <= FLOAT64


def test_what_the_files_tell(case):
    path, generator, _ = case
    config, plan = generator.config, find_plan(converters.read(path), part="generator")
    assert config.hierarchical
    assert config.z_dim == config.chunk * len(config.channels)
    if path == AJBROCK:
        assert (config.resolution, config.z_dim, config.chunk) == (32, 32, 8)
        assert (config.label_dim, config.embed_dim, config.attention) == (6, 12, (16,))
        assert plan.assumed == {"bn_eps": 1e-5}
    else:
        assert (config.resolution, config.z_dim, config.attention) == (128, 120, (64,))
        assert (config.label_dim, config.embed_dim) == (8, 128)
        wanted = {"attention": (64,), "bn_eps": 1e-4, "output_eps": 1e-4}
        assert plan.assumed == wanted
    shapes = jax.eval_shape(lambda: biggan.init(jax.random.key(0), config))
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(jnp.shape, generator.params)


def test_weights_are_divided_by_their_spectral_norm(ajbrock):
    """Were the stored vector the leading one, the largest singular value were one."""
    weight = np.asarray(ajbrock["blocks.1.0.conv2.weight"], np.float64)
    left, values, _ = np.linalg.svd(weight.reshape(len(weight), -1))
    vector = left[:, :1].T.astype(np.float32)
    generator, _ = built(dict(ajbrock) | {"blocks.1.0.conv2.u0": vector})
    found = np.asarray(generator.params["blocks"]["1"]["0"]["conv2"]["weight"])
    expected = weight.transpose(2, 3, 1, 0) / values[0]
    assert error(found, expected) <= 1e-6
    # in GANalyze's, a ten-thousandth is added to the length of both vectors
    sigma = ganalyze_norm("m").value(np.diag([3.0, 1.0]), np.array([1.0, 0.0]))
    response = 3 * 3 / (3 + 1e-4)
    assert abs(sigma - response**2 / (response + 1e-4)) <= 1e-12


def plain(ajbrock):
    """The same network without spectral norms."""
    generator, _ = built(ajbrock)
    tensors = {k: v for k, v in ajbrock.items() if not k.endswith(("u0", "sv0"))}
    for name, tensor in tensors.items():
        vector = ajbrock.get(name.replace("weight", "u0"))
        if name.endswith("weight") and vector is not None:
            matrix = tensor.reshape(len(tensor), -1)
            v = vector[0] @ matrix
            v /= np.linalg.norm(v)
            tensors[name] = tensor / np.linalg.norm(matrix @ v)
    return generator, tensors


def test_files_without_spectral_norms(ajbrock):
    generator, tensors = plain(ajbrock)
    found, _ = built(tensors)
    assert found.config == generator.config
    for ours, theirs in zip(
        jax.tree.leaves(found.params), jax.tree.leaves(generator.params), strict=True
    ):
        assert error(ours, np.asarray(theirs)) <= 1e-6


def renamed(tensors, change):
    """Statistics under other names, `change` given the batch norm and the statistic."""
    return {
        change(*name.rsplit(".", 1)) if ".stored_" in name else name: tensor
        for name, tensor in tensors.items()
    }


def test_standing_statistics(short):
    """Sums are divided by their count where the config says that they are sums."""
    expected = images(short)
    tensors = renamed(short, lambda norm, leaf: f"{norm}.bn.{leaf}")
    norms = [name.rpartition(".")[0] for name in tensors if name.endswith("_mean")]
    for norm in norms:
        tensors[f"{norm}.accumulation_counter"] = np.float32([4])
    plan = find_plan(Checkpoint(tensors), part="generator")
    assert plan.assumed == {"bn_eps": 1e-5, "standing": False}
    np.testing.assert_array_equal(images(tensors), expected)
    sums = {
        name: 4 * tensor if ".stored_" in name else tensor
        for name, tensor in tensors.items()
    }
    np.testing.assert_array_equal(images(sums, standing=True), expected)
    assert error(images(sums), expected) > 1e-2


def test_cross_replica_norms_add_their_gain(short):
    words = {"stored_mean": "running_mean", "stored_var": "running_var"}
    tensors = renamed(short, lambda norm, leaf: f"{norm}.bn.{words[leaf]}")
    tensors["output_layer.0.bn.num_batches_tracked"] = np.int64(3)
    plan = find_plan(Checkpoint(tensors), part="generator")
    assert plan.assumed == {"bn_eps": 1e-5, "additive_gain": True}
    expected = images(short)
    np.testing.assert_array_equal(images(tensors, additive_gain=False), expected)
    assert error(images(tensors), expected) > 1e-2
    # the last norm by hand, on what the last block hands it
    generator, _ = built(tensors)
    z, label = jnp.ones((1, 16)), jnp.asarray([1])
    found = run(generator, z, generator.embed(label))
    norm = {
        k.rpartition(".")[2]: v for k, v in tensors.items() if "output_layer.0" in k
    }
    x = np.asarray(found["blocks.0.0"], np.float64) - norm["running_mean"]
    x = x / np.sqrt(norm["running_var"] + 1e-5) + norm["gain"] + norm["bias"]
    last = generator.params["output_layer"]["2"]
    x = jax.lax.conv_general_dilated(
        jnp.maximum(jnp.float32(x), 0),
        last["weight"],
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    expected = np.asarray(x) + np.asarray(last["bias"])
    assert error(found["output_layer"], expected) <= 1e-5


def test_z_that_is_not_cut_and_tables_in_place_of_an_embedding(short):
    """Three files of one function, whose blocks do not see z."""
    _, tensors = plain(short)
    conditional = [k for k in tensors if k.endswith((".gain.weight", ".bias.weight"))]
    blind = dict(tensors)
    for name in conditional:
        blind[name] = tensors[name].copy()
        blind[name][:, 12:] = 0
    expected = images(blind)
    shared = blind | {name: tensors[name][:, :12] for name in conditional}
    generator, _ = built(shared)
    assert not generator.config.hierarchical
    assert (generator.config.z_dim, generator.config.embed_dim) == (8, 12)
    assert error(images(shared), expected) <= 1e-5
    table = shared["shared.weight"]
    tables = shared | {name: table @ shared[name].T for name in conditional}
    del tables["shared.weight"]
    generator, _ = built(tables)
    assert (generator.config.label_dim, generator.config.embed_dim) == (6, 0)
    assert error(images(tables), expected) <= 1e-5
    assert [affine.chunk for affine in generator.affines()] == [(0, 8)]


def test_further_singular_vectors_are_not_needed(ajbrock):
    tensors = dict(ajbrock)
    tensors |= {"linear.u1": np.ones((1, 256)), "linear.sv1": np.ones(1)}
    found, known = built(tensors)[0], built(ajbrock)[0]
    assert jax.tree.all(jax.tree.map(np.array_equal, found.params, known.params))


def tiny(seed=0, **changes):
    values = {"channels": (4, 3), "z_dim": 6, "label_dim": 3, "embed_dim": 2} | changes
    config = biggan.Config(**values)
    return Generator(drawn(lambda key: biggan.init(key, config), seed), config)


def test_affines_are_the_response_to_their_chunk_of_z():
    generator = converters.load(AJBROCK)
    affines = {affine.name: affine for affine in generator.affines()}
    assert len(affines) == 1 + 3 * 2 * 2
    assert affines["linear"].chunk == (0, 8)
    assert affines["blocks.2.0.bn2.bias"].chunk == (24, 32)
    assert all(affine.matrix.shape[0] == 8 for affine in affines.values())
    z = jnp.asarray(golden("ajbrock_biggan_a")["z"])
    label = generator.embed(jnp.asarray([0, 1, 2]))
    moved = run(generator, z + 1, label)["linear"] - run(generator, z, label)["linear"]
    assert error(moved[0], np.asarray(affines["linear"].matrix).sum(axis=0)) <= 1e-5


def test_sefa_takes_the_chunks_apart():
    edit = sefa.sefa(tiny().affines(), space="z", k=2)
    vectors = np.abs(np.asarray(edit.vectors)) > 1e-6
    assert vectors.any(axis=1).all()
    # chunks do not share a layer, so no direction needs more than one
    assert not (vectors[:, :3].any(axis=1) & vectors[:, 3:].any(axis=1)).any()


def test_truncated_codes():
    generator = tiny(z_dim=500)

    @jax.jit
    def sample(key):
        choices = ((40, 0.4), (3, 0.4), (40, 1.0), (40, None))
        return [generator.sample(key, num, truncation=t) for num, t in choices]

    codes, few, whole, normal = (np.asarray(z) for z in sample(jax.random.key(0)))
    assert np.abs(codes).max() <= 0.8
    # six standard errors; the variance of a normal cut at 2 is 0.7737
    assert abs(codes.var() / 0.16 - 0.77374) < 6 * 0.8 / np.sqrt(codes.size)
    assert abs(codes.mean()) < 6 * 0.4 / np.sqrt(codes.size)
    np.testing.assert_allclose(few, codes[:3], atol=1e-6)
    np.testing.assert_allclose(0.4 * whole, codes, rtol=1e-6)
    assert np.abs(normal).max() > 2


def test_labels():
    generator = tiny()
    z = jnp.ones((2, 6))
    hard = draw(generator, z, jnp.asarray([0, 2]))
    soft = draw(generator, z, jnp.asarray([[1.0, 0, 0], [0, 0, 1.0]]))
    np.testing.assert_allclose(hard, soft, atol=1e-6)
    assert error(hard[:1], np.asarray(hard[1:])) > 1e-3
    for label, message in (
        (None, "label: missing; this generator has 3 classes"),
        (jnp.asarray([3, 0]), r"label: \[3\] given; classes 0 to 2"),
        (jnp.asarray([0]), r"label or embedding: embedded \(1, 2\) given for 2 codes"),
    ):
        with pytest.raises(ValueError, match=message):
            generator.synthesize(z, label)
    with pytest.raises(ValueError, match=r"embedded \(2, 3\) .* \[2, 2\] is accepted"):
        generator.synthesize(z, embedding=jnp.ones((2, 3)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, y: g.synthesize(jnp.ones((2, 5)), y), r"latent: shape \(2, 5\)"),
        (lambda g, y: g.synthesize(jnp.ones((2, 1, 6)), y), r"\[N, 6\] is accepted"),
        (
            lambda g, y: g.synthesize(jnp.ones((2, 6)), y, noise=jax.random.key(0)),
            "noise: given",
        ),
        (lambda g, y: g.broadcast(jnp.ones((2, 6))), "has no w+"),
        (lambda g, y: g.truncate(jnp.ones((2, 6)), 0.5), "psi: given"),
        (
            lambda g, y: g.features(jnp.ones((2, 6)), y, names=("blocks.1.0",)),
            r"names: \['blocks.1.0'\] given",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(tiny(), jnp.asarray([0, 1]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": (4,)}, r"channels and label_dim: \(4,\) and 3 given"),
        ({"label_dim": 0}, "channels and label_dim: .* and 0 given"),
        ({"z_dim": 7}, "z_dim and embed_dim: 7 and 2 given for a hierarchical z"),
        ({"embed_dim": 0}, "z_dim and embed_dim: 6 and 0 given"),
        ({"attention": (16,)}, r"attention: \[16\] given; resolutions from 8 to 8"),
    ],
)
def test_wrong_configs_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)
    assert dataclasses.replace(tiny().config, z_dim=8).chunk == 4


def test_trainable_leaves_statistics_out():
    mask = biggan.trainable(tiny(standing=True).params)
    norm = mask["blocks"]["0"]["0"]["bn1"]
    assert norm["gain"]["weight"]
    assert not any(norm[k] for k in norm if k not in ("gain", "bias"))
    assert mask["output_layer"]["0"]["gain"]


def test_fresh_parameters_are_an_identity_between_statistics():
    config = biggan.Config((4, 4), 6, 3, 2)

    @jax.jit
    def ends(key):
        params = biggan.init(key, config)
        return params["linear"], params["output_layer"]["0"]

    linear, norm = ends(jax.random.key(0))
    for name, value in {
        "gain": 1,
        "bias": 0,
        "stored_mean": 0,
        "stored_var": 1,
    }.items():
        np.testing.assert_array_equal(norm[name], value)
    weights = np.asarray(linear["weight"])  # of three inputs
    assert abs(weights.std() * np.sqrt(3) - 1) < 6 / np.sqrt(2 * weights.size)
