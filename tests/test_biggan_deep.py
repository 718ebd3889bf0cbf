"""BigGAN-deep from huggingface's and ajbrock's files, against the originals."""

import json
import shutil
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, drawn, error, golden, nhwc
from writer import safetensors

import converters
import jaxlatent
from converters.biggan import channels_last
from converters.checkpoints import Checkpoint
from converters.loading import find_plan
from jaxlatent import checkpoint
from jaxlatent.cli import main
from jaxlatent.generators import biggan_deep
from jaxlatent.generators.base import Generator
from jaxlatent.types import CheckpointError

FOLDER = GOLDEN / "hf_biggan_deep_a"
TENSORS = FOLDER / "pytorch_model.bin"
AJBROCK = GOLDEN / "ajbrock_biggan_d.pth"
FLOAT32, FLOAT64 = 2e-5, 1e-10


@partial(jax.jit, static_argnums=3)
def draw(generator, latent, label, truncation=1.0):
    return generator.synthesize(latent, label, truncation=truncation)


@jax.jit
def run(generator, latent, embedding):
    """Every activation; the last is the picture before its tanh."""
    names = generator.feature_names
    return generator.features(latent, names=names, embedding=embedding)


def picture(generator, latent, embedding):
    found = run(generator, generator.broadcast(latent), embedding)
    return jnp.tanh(found["generator.conv_to_rgb"])


@pytest.fixture(scope="module")
def huggingface():
    """(generator, recorded arrays)."""
    return converters.load(FOLDER), golden("hf_biggan_deep_a")


@pytest.fixture(scope="module")
def ajbrock():
    return converters.load(AJBROCK), golden("ajbrock_biggan_d")


def test_pictures(huggingface):
    generator, arrays = huggingface
    z, label = jnp.asarray(arrays["z"]), arrays["label"]
    embedding = generator.embed(jnp.asarray(label))
    assert error(embedding, arrays["embed"]) <= FLOAT32
    image = picture(generator, z, embedding)
    assert error(image, nhwc(arrays["img_t1"])) <= FLOAT32
    classes = generator.embed(jnp.asarray(label.argmax(axis=1)))
    np.testing.assert_array_equal(classes, embedding)
    soft = generator.embed(jnp.asarray(0.5 * (label + label[::-1])))
    image = picture(generator, z, soft)
    assert error(image[:1], nhwc(arrays["img_softlabel_t1"])) <= FLOAT32


@pytest.mark.parametrize(
    ("key", "truncation"),
    # the second lies between two stored ones
    [("img_t0p4", 0.4), ("img_t0p45", 0.45)],
)
def test_statistics_follow_the_truncation(huggingface, key, truncation):
    generator, arrays = huggingface
    z, label = jnp.asarray(arrays["z"]), jnp.asarray(arrays["label"])
    image = draw(generator, z, label, truncation)
    assert error(image[:1], nhwc(arrays[key])) <= FLOAT32


def test_a_latent_for_each_layer(huggingface):
    generator, arrays = huggingface
    rows = jnp.asarray(np.moveaxis(arrays["z_perlayer"], 0, 1))
    assert rows.shape[1:] == (generator.config.num_layers, generator.config.z_dim)
    image = picture(generator, rows, generator.embed(jnp.asarray(arrays["label"])))
    assert error(image[:1], nhwc(arrays["img_perlayer_t1"])) <= FLOAT32
    z = arrays["z"]
    repeated = generator.broadcast(jnp.asarray(z))
    np.testing.assert_array_equal(repeated, z[:, None].repeat(7, axis=1))
    assert generator.broadcast(rows) is rows


def test_features(huggingface):
    generator, arrays = huggingface
    z, label = jnp.asarray(arrays["z"]), jnp.asarray(arrays["label"])
    found = run(generator, generator.broadcast(z), generator.embed(label))
    for name in generator.feature_names[1:-2]:
        expected = nhwc(arrays[f"feat0/{name}"])
        assert error(found[name][:1], expected) <= FLOAT32, name
    expected = arrays["feat/generator.gen_z"]
    assert error(found["generator.gen_z"], expected) <= FLOAT32


def test_float64_huggingface():
    arrays = golden("hf_biggan_deep_a")
    with jax.enable_x64(True):
        generator = converters.load(FOLDER, dtype=jnp.float64)
        z, label = (jnp.asarray(arrays[k], jnp.float64) for k in ("z", "label"))
        image = draw(generator, z[:1], label[:1])
        assert error(image, nhwc(arrays["img_t1_f64"])) <= FLOAT64


def test_pictures_of_ajbrock(ajbrock):
    generator, arrays = ajbrock
    z = jnp.asarray(arrays["z"])
    label = generator.embed(jnp.asarray(arrays["y"]))
    np.testing.assert_array_equal(label, arrays["y_embed"])
    assert error(picture(generator, z, label), nhwc(arrays["img"])) <= FLOAT32
    image = picture(generator, z, jnp.asarray(arrays["y_mixed"]))
    assert error(image[:1], nhwc(arrays["img_mixed_embed"])) <= FLOAT32


def test_features_of_ajbrock(ajbrock):
    generator, arrays = ajbrock
    z = generator.broadcast(jnp.asarray(arrays["z"]))
    found = run(generator, z, generator.embed(jnp.asarray(arrays["y"])))
    names = [module.name for module in generator.config.modules]
    theirs = ["0.0", "1.0", "2.0", "3.0", "3.1", "4.0", "5.0"]
    for ours, name in zip(names, theirs, strict=True):
        expected = nhwc(arrays[f"feat0/blocks.{name}"])
        assert error(found[ours][:1], expected) <= FLOAT32, name
    expected = channels_last(arrays["feat/linear"])
    found = found["generator.gen_z"]
    assert error(found, expected, recording="ajbrock_biggan_d") <= FLOAT32


def test_float64_ajbrock():
    arrays = golden("ajbrock_biggan_d")
    with jax.enable_x64(True):
        generator = converters.load(AJBROCK, dtype=jnp.float64)
        z = jnp.asarray(arrays["z"], jnp.float64)
        image = draw(generator, z[:1], jnp.asarray(arrays["y"][:1]))
        assert error(image, nhwc(arrays["img_f64"])) <= FLOAT64


def test_what_ajbrocks_file_tells(ajbrock):
    config = ajbrock[0].config
    assert (config.resolution, config.attention, config.n_stats) == (32, (4,), 0)
    assert (config.z_dim, config.embed_dim, config.label_dim) == (16, 12, 6)
    plan = find_plan(converters.read(AJBROCK), part="generator")
    assert plan.assumed == {"upsamples": (False, True) * 3, "eps": 1e-5}
    once = converters.load(AJBROCK, config={"upsamples": [True, True] + [False] * 4})
    assert once.config.resolution == 16


# folders and descriptions


def test_a_folder_and_its_file_are_one_generator(huggingface, tmp_path):
    generator, _ = huggingface
    config = generator.config
    assert (config.resolution, config.attention, config.num_layers) == (32, (3,), 7)
    alone = Checkpoint(converters.read(TENSORS).tensors)
    assert find_plan(alone, part="generator").assumed == {
        "upsamples": (False, True) * 3,
        "eps": 1e-4,
        "output_eps": 1e-4,
    }
    # caches put the model's name before both files
    for name in ("pytorch_model.bin", "config.json"):
        shutil.copy(FOLDER / name, tmp_path / f"small-{name}")
    shutil.copy(TENSORS, tmp_path / "alone.bin")
    for path in (TENSORS, tmp_path / "small-pytorch_model.bin", tmp_path / "alone.bin"):
        found = converters.load(path)
        assert found.config == config
        assert jax.tree.all(
            jax.tree.map(np.array_equal, found.params, generator.params)
        )
    shapes = jax.eval_shape(lambda: biggan_deep.init(jax.random.key(0), config))
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(jnp.shape, generator.params)


def as_safetensors(path):
    tensors = converters.read(TENSORS).tensors
    path.write_bytes(safetensors({n: np.asarray(v) for n, v in tensors.items()}))


@pytest.mark.parametrize("name", ["", "model.safetensors", "small-model.safetensors"])
def test_safetensors_beside_their_description(huggingface, tmp_path, name):
    """The description's values are used, whichever of the two is named."""
    generator, _ = huggingface
    prefix = "small-" if name.startswith("small-") else ""
    layers = [[True, 16, 16], [True, 16, 8], *json.loads(json.dumps(LAST))]
    values = json.loads((FOLDER / "config.json").read_text()) | {"layers": layers}
    (tmp_path / f"{prefix}config.json").write_text(json.dumps(values))
    as_safetensors(tmp_path / f"{prefix}model.safetensors")
    found = jaxlatent.load(tmp_path / name)
    assert found.config.upsamples == (True, True, False, True, False, True)
    assert jax.tree.all(jax.tree.map(np.array_equal, found.params, generator.params))
    assert converters.inspect(tmp_path / name).container == "safetensors"


def test_a_folder_may_hold_both_kinds_or_no_description(huggingface, tmp_path):
    generator, _ = huggingface
    as_safetensors(tmp_path / "model.safetensors")
    plan = converters.inspect(tmp_path).plans["generator"]
    assert set(plan.assumed) == {"upsamples", "eps", "output_eps"}
    assert jaxlatent.load(tmp_path).config == generator.config
    # the safe one of two is read
    (tmp_path / "pytorch_model.bin").write_bytes(b"damaged")
    shutil.copy(FOLDER / "config.json", tmp_path)
    assert converters.inspect(tmp_path).plans["generator"].assumed == {}


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_shards_are_refused_in_words(tmp_path, name):
    (tmp_path / f"{name}.index.json").write_text("{}")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(
        CheckpointError, match=rf"in shards \({name}\.index\.json\), whi"
    ):
        jaxlatent.load(tmp_path)
    stem, _, suffix = name.rpartition(".")
    shard = tmp_path / f"{stem}-00002-of-00012.{suffix}"
    as_safetensors(shard)
    with pytest.raises(CheckpointError, match=r"in shards \(one of several files\)"):
        converters.load(shard)
    whole = tmp_path / f"{stem}-00001-of-00001.{suffix}"
    as_safetensors(whole)
    assert converters.load(whole).config.resolution == 32


def described(tmp_path, **changes):
    """A folder whose description differs."""
    values = json.loads((FOLDER / "config.json").read_text()) | changes
    shutil.copy(TENSORS, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(values))
    return tmp_path


def test_the_description_is_believed(tmp_path):
    layers = [[True, 16, 16], [True, 16, 8], *json.loads(json.dumps(LAST))]
    folder = described(tmp_path, layers=layers, eps=1)
    plan = converters.inspect(folder).plans["generator"]
    assert plan.config.upsamples == (True, True, False, True, False, True)
    assert (plan.config.eps, plan.config.output_eps) == (1.0, 1.0)
    assert plan.assumed == {}


LAST = [[False, 8, 4], [True, 4, 2], [False, 2, 2], [True, 2, 1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_stats": "51"}, "config.json: n_stats: '51'; a number from 0 to 65536"),
        ({"eps": None}, "config.json: eps: None; a number"),
        ({"channel_width": True}, "config.json: channel_width: True"),
        ({"z_dim": 1 << 40}, "config.json: z_dim: 1099511627776"),
        ({"layers": []}, r"config.json: layers: a list of \[upsample"),
        ({"layers": [[1, 16, 16]]}, r"config.json: layers: a list of \[upsample"),
        ({"layers": [[True, 16, 8], *LAST[1:]]}, "config.json: layers: what enters"),
        ({"channel_width": 65536, "z_dim": 65536}, "misshapen"),
        ({"channel_width": 3, "z_dim": 0}, "misshapen"),
        ({"channel_width": 0}, "output_width: 0 given"),
        ({"attention_layer_position": 9}, "extra .*generator.layers.6.bn_0"),
    ],
)
def test_descriptions_that_do_not_fit(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        converters.load(described(tmp_path, **changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "config.json: not JSON"),
        ("[" * 100_000, "config.json: not JSON"),
        ("[1]", "config.json: list, not a JSON object"),
        (" " * (1 << 20) + "{}", "config.json: over 1048576 bytes"),
    ],
)
def test_descriptions_that_are_none(tmp_path, text, message):
    (described(tmp_path) / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        converters.load(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="a folder or a device, not a file"):
        converters.load(tmp_path)


def test_commands_take_folders(tmp_path, capsys):
    assert main(["inspect", str(FOLDER), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["parts"]["generator"]["family"] == "biggan_deep"
    out = tmp_path / "g"
    assert main(["convert", str(FOLDER), str(out)]) == 0
    found, loaded = checkpoint.load_generator(out), converters.load(FOLDER)
    assert found.config == loaded.config
    z, label = jnp.ones((3, 16)), jnp.eye(10)[:3]
    np.testing.assert_array_equal(
        draw(found, z, label, 0.4), draw(loaded, z, label, 0.4)
    )
    origin = checkpoint.read_header(out)["origin"]
    assert origin["file"] == "pytorch_model.bin"
    assert origin["sha256"] == checkpoint.file_hash(TENSORS)


def test_cross_replica_norms_are_refused():
    tensors = dict(converters.read(AJBROCK).tensors)
    tensors["blocks.0.0.bn1.bn.running_mean"] = np.zeros(16)
    with pytest.raises(CheckpointError, match="cross-replica batch norms"):
        find_plan(Checkpoint(tensors), part="generator")


# the family


def tiny(seed=0, **changes):
    values = {
        "channels": (8, 8, 4),
        "upsamples": (False, True),
        "z_dim": 5,
        "label_dim": 3,
        "embed_dim": 2,
        "n_stats": 5,
    } | changes
    config = biggan_deep.Config(**values)
    params = drawn(lambda key: biggan_deep.init(key, config), seed)
    return Generator(params, config)


@pytest.mark.parametrize(
    ("n_stats", "truncation", "rows"),
    [
        (5, 1.0, ((4, 1.0),)),
        (5, 0.25, ((1, 1.0),)),
        (5, 0.3, ((1, 0.2), (2, 0.8))),  # the nearer one counts less, as published
        (5, 0.2, ((0, 0.8), (1, 0.2))),
        (51, 0.4, ((20, 1.0),)),
        # stored, but for rounding, which takes what lies beside
        (51, 0.58, ((28, 1.0), (29, 0.0))),
        (51, 0.14, ((7, 0.0), (8, 1.0))),
    ],
)
def test_which_statistics_a_truncation_takes(n_stats, truncation, rows):
    config = biggan_deep.Config((8, 4), (True,), n_stats=n_stats)
    found = biggan_deep._mixture(config, truncation)
    assert [row for row, _ in found] == [row for row, _ in rows]
    np.testing.assert_allclose([w for _, w in found], [w for _, w in rows], atol=1e-12)


def test_rounding_never_leaves_the_table():
    for n_stats in range(2, 200):
        config = biggan_deep.Config((8, 4), (True,), n_stats=n_stats)
        for row in range(1, n_stats):
            found = biggan_deep._mixture(config, row / (n_stats - 1))
            assert max(index for index, _ in found) < n_stats
            assert abs(sum(weight for _, weight in found) - 1) <= 1e-12


def test_rows_of_z_reach_their_layers_alone():
    generator, label = tiny(), jnp.asarray([1])
    names = generator.feature_names
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(1, 3, 5)), jnp.float32)
    run = jax.jit(lambda g, rows: g.features(rows, label, names=names))
    plain = run(generator, rows)
    for row, first in enumerate(names[:3]):
        moved = run(generator, rows.at[:, row].add(1))
        changed = [n for n in names if error(moved[n], np.asarray(plain[n])) > 1e-4]
        assert tuple(changed) == names[names.index(first) :]


def test_affines_are_the_response_to_their_row():
    generator = tiny(attention=(1,))
    affines = generator.affines()
    assert [affine.layer for affine in affines] == [0] + [1] * 8 + [2] * 8
    assert affines[-1].name == "generator.layers.2.bn_3.offset"
    assert {affine.matrix.shape[0] for affine in affines} == {5}
    run = jax.jit(
        lambda g, z: g.features(z, jnp.asarray([0]), names=("generator.gen_z",))
    )
    moved, plain = (run(generator, jnp.full((1, 5), value)) for value in (1.0, 0.0))
    found = moved["generator.gen_z"] - plain["generator.gen_z"]
    assert error(found[0], np.asarray(affines[0].matrix).sum(axis=0)) <= 1e-5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, y: g.synthesize(jnp.ones((2, 4)), y), r"latent: shape \(2, 4\)"),
        (lambda g, y: g.synthesize(jnp.ones((2, 2, 5)), y), r"rows \[N, 3, 5\]"),
        (lambda g, y: g.synthesize(jnp.ones((2, 5))), "label: missing"),
        (
            lambda g, y: g.synthesize(jnp.ones((2, 5)), y, truncation=0.0),
            "truncation: 0.0 given; more than 0",
        ),
        (
            lambda g, y: g.synthesize(jnp.ones((2, 5)), y, truncation=1.1),
            "truncation: 1.1 given",
        ),
        (lambda g, y: g.truncate(jnp.ones((2, 5)), 0.5), "psi: given"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(tiny(), jnp.asarray([0, 1]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"upsamples": (True,)}, "channels: 3 given for 1 entries of upsamples"),
        ({"channels": (8, 4, 8)}, r"channels: \(8, 4, 8\) given; widths that never"),
        ({"attention": (3,)}, r"attention: \(3,\) given; 0 to 2 are accepted"),
        ({"n_stats": 1}, "label_dim and n_stats: 3 and 1 given"),
        ({"output_width": 2}, "output_width: 2 given; 3 or more"),
    ],
)
def test_wrong_configs_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)
