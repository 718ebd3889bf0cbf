"""The commands that find directions and score pictures, on networks of test size."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import writer
from helpers import GOLDEN, drawn, ok, run_file, torch_state
from PIL import Image

import jaxlatent
from jaxlatent import cli
from jaxlatent.cli.options import Reading
from jaxlatent.cli.scores import keep_attributes
from jaxlatent.cli.session import open_generator
from jaxlatent.evaluation.formulas import brightness
from jaxlatent.evaluation.tables import ScoreTable, load_table
from jaxlatent.generators.base import fingerprint
from jaxlatent.latents import Truncation, prior, sample_keys
from jaxlatent.loading import load_scores
from jaxlatent.methods import ganspace
from jaxlatent.networks.base import Network
from jaxlatent.networks.resnet import ResNet
from jaxlatent.numerics.decomposition import Estimation

pytestmark = pytest.mark.usefixtures("workplace")

PLAIN = str(GOLDEN / "stylegan2_ada_a.pkl")
LINEAR = "test_cli_discovering:linear"
MATRIX = np.random.default_rng(0).normal(size=(4, 36)).astype(np.float32)
FEW = ("--seeds", "0,5", "--strengths", "-1,0,1")


def synthesize(params, latent):
    return jnp.tanh(latent @ params["matrix"]).reshape(-1, 6, 6, 1)


def linear():
    """z [N, 4] -> 6 x 6 pictures."""
    params = {"matrix": jnp.asarray(MATRIX)}
    return jaxlatent.Generator.from_functions(synthesize, z_dim=4, params=params)


def corner(images):
    return images[:, 0, 0, 0]


def corners(images):
    return images[:, 0, :2, 0]


def tiny_resnet(key):
    module = ResNet(blocks=(1, 1, 1, 1), channels=(4,) * 5, outputs=5)
    return Network.init(key, module, jnp.zeros((1, 32, 32, 3)))


def cosine(one, two):
    return float(np.dot(one, two) / np.linalg.norm(one) / np.linalg.norm(two))


def refused(capsys, *words):
    """The one line that a command is refused with."""
    assert cli.main([str(word) for word in words]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told.removeprefix("jaxlatent: ")


# ganspace


def test_ganspace_of_w_is_the_library_s(tmp_path):
    words = ("discover", "ganspace", PLAIN, "--samples", 300, "--k", 4)
    ok(*words, "--num", 2, "--layers", "2-3", "--out", "w", *FEW)
    found = jaxlatent.load_edit("w/ganspace.npz")
    model = jaxlatent.load(PLAIN)
    (ours,) = ganspace.discover(
        model,
        layers="2-3",
        samples=300,
        estimation=Estimation(k=4),
        key=jax.random.key(0),
    )
    np.testing.assert_array_equal(found.vectors, ours.vectors)
    np.testing.assert_array_equal(found.scale, ours.scale)
    assert (found.space, found.layers, len(found)) == ("w", (2, 3), 4)
    assert found.generator == fingerprint(model)
    record = run_file(tmp_path / "w")
    assert record["directions"] == ["direction 0", "direction 1"]
    assert record["strengths"] == [-1, 0, 1]
    page = (tmp_path / "w" / "index.html").read_text()
    assert "GANSpace components of stylegan2_ada_a.pkl" in page
    assert "share of variance" in page


def test_ganspace_of_a_layer_edits_latents_activations_or_both(tmp_path):
    words = ("discover", "ganspace", PLAIN, "--layer", "b4.conv1", "--samples", 100)
    words += ("--k", 3, "--num", 1, *FEW)
    ok(*words, "--out", "latent")
    ok(*words, "--out", "activation", "--edit", "activation")
    ok(*words, "--out", "both", "--edit", "both", "--move", "to")
    latent = jaxlatent.load_edit("latent/ganspace.npz")
    activation = jaxlatent.load_edit("activation/ganspace_activation.npz")
    assert (latent.space, latent.vectors.shape[1]) == ("w", 32)
    assert activation.space == "feature:b4.conv1"
    assert set(run_file(tmp_path / "both")["files"]) == {
        *("ganspace.npz", "ganspace_activation.npz", "index.html"),
        *("direction_000.png", "direction_000.gif"),
    }
    assert run_file(tmp_path / "activation")["edited"] == "in feature:b4.conv1"
    drawn = {
        (tmp_path / name / "direction_000.png").read_bytes()
        for name in ("latent", "activation", "both")
    }
    assert len(drawn) == 3
    # the file of an activation edit goes into `edit` like any other
    ok("edit", PLAIN, "activation/ganspace_activation.npz", "--out", "again", *FEW)
    again = (tmp_path / "again" / "direction_000.png").read_bytes()
    assert again == (tmp_path / "activation" / "direction_000.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((LINEAR,), "layer: this generator has no w"),
        ((PLAIN, "--layer", "b5"), "layer: ['b5'] given; "),
        ((PLAIN, "--edit", "both"), "edit: 'both' given for components of w"),
        ((PLAIN, "--regress", "z"), "regress: 'z' given for components of w"),
        ((PLAIN, "--samples", "1"), "samples: 1 given"),
        ((PLAIN, "--samples", "0"), "samples: 0 given"),
        ((PLAIN, "--resample"), "resample: given, but"),
        ((PLAIN, "--strengths", "x"), "strengths: 'x' given"),
        ((PLAIN, "--k", "40", "--samples", "50"), "k: 40 given"),
        ((PLAIN, "--num", "0"), "num: 0 given"),
        ((PLAIN, "--batch", "0"), "batch: 0 given"),
        ((PLAIN, "--seed", "-1"), "seed: -1 given"),
        ((LINEAR, "--layer", "image", "--layers", "0"), "layers: '0' given, but"),
        (
            (PLAIN, "--layer", "b4", "--edit", "activation", "--layers", "0"),
            "layers: '0' given for an edit of activations",
        ),
    ],
)
def test_ganspace_names_what_does_not_fit(words, expected, capsys, tmp_path):
    told = refused(capsys, "discover", "ganspace", *words, "--out", "out")
    assert told.startswith(expected)
    assert not (tmp_path / "out").exists()


# scores


def test_score_keeps_codes_and_scores_that_belong_together(capsys):
    words = ("score", LINEAR, "--samples", 9, "--chunk", 4, "--seed", 3)
    ok(*words, "--scorer", "test_cli_discovering:corners", "--out", "a")
    told = capsys.readouterr().out
    assert "1: mean" in told
    table = load_table(Path("a/scores.npz"))
    assert table.names == ("0", "1")
    np.testing.assert_allclose(
        table.values, np.tanh(table.codes["z"] @ MATRIX[:, :2]), atol=1e-5
    )
    ok("inspect", "a/scores.npz")
    assert "scores: 0, 1" in capsys.readouterr().out
    ok(*words, "--scorer", "brightness", "--out", "b", "--seeds-only")
    alone = load_table(Path("b/scores.npz"))
    assert not alone.codes
    codes = alone.latents(linear(), "z")
    np.testing.assert_array_equal(codes, table.codes["z"])


def test_score_reads_folders_in_the_order_of_their_codes(tmp_path):
    ok("sample", LINEAR, "--num", 11, "--out", "drawn")
    ok("score", "drawn", "--scorer", "test_cli_discovering:corner", "--out", "scored")
    table = load_table(tmp_path / "scored" / "scores.npz")
    expected = np.tanh(table.codes["z"] @ MATRIX[:, 0])
    # pictures have 255 levels
    np.testing.assert_allclose(table.values[:, 0], expected, atol=1.1 / 127.5)
    # of another tool: names that sort, codes beside them
    (tmp_path / "theirs").mkdir()
    levels = np.arange(5) * 50
    for index, level in enumerate(levels):
        picture = Image.fromarray(np.full((4, 4, 3), level, np.uint8))
        picture.save(tmp_path / "theirs" / f"{index:06d}.png")
    np.save(tmp_path / "theirs" / "wp.npy", np.zeros((5, 2, 3), np.float32))
    ok("score", "theirs", "--scorer", "brightness", "--out", "t")
    table = load_table(tmp_path / "t" / "scores.npz")
    np.testing.assert_allclose(table.values[:, 0], levels / 255, atol=1e-5)
    assert table.codes["w+"].shape == (5, 2, 3)


def test_biggan_truncates_z_and_its_statistics(tmp_path):
    folder = GOLDEN / "hf_biggan_deep_a"
    draw = ("--label", 1, "--truncation", 0.5)
    ok("sample", folder, "--seeds", 3, *draw, "--out", "half")
    model = open_generator(str(folder), Reading(), 0.5)
    z = model.sample(jax.random.key(3), 1, truncation=0.5)
    np.testing.assert_array_equal(np.load("half/codes.npz")["z"], z)
    images = jax.jit(
        lambda model, z: model.synthesize(z, jnp.ones(1, int), truncation=0.5)
    )(jaxlatent.load(folder), z)
    with Image.open("half/seed_3.png") as picture:
        shown = np.asarray(picture, np.float64)
    np.testing.assert_allclose(shown, (np.asarray(images)[0] + 1) * 127.5, atol=1)
    # seeds alone give back the truncated codes
    words = ("score", folder, *draw, "--scorer", "brightness", "--samples", 4)
    ok(*words, "--out", "scores", "--seeds-only")
    table = load_table(tmp_path / "scores" / "scores.npz")
    draws = prior(model, label=1, truncation=Truncation(0.5))
    again = draws(sample_keys(jax.random.key(0), np.arange(4)))
    np.testing.assert_array_equal(table.latents(model, "z"), again.codes)


def test_scores_of_any_origin(tmp_path):
    for name, values in (("vector", np.arange(3)), ("table", np.ones((3, 2)))):
        np.save(tmp_path / f"{name}.npy", values)
    assert load_scores(tmp_path / "vector.npy").names == ("vector",)
    assert load_scores(tmp_path / "table.npy").names == ("0", "1")
    np.savez(tmp_path / "other.npz", smile=np.ones(4, bool))
    assert load_scores(tmp_path / "other.npz").values.shape == (4, 1)
    np.savez(tmp_path / "two.npz", smile=np.ones(4), age=np.ones(4))
    for name, message in (
        ("missing.npy", "is not a file"),
        ("two.npz", "holds"),
    ):
        with pytest.raises(ValueError, match=f"^scores: .*{message}"):
            load_scores(tmp_path / name)
    np.save(tmp_path / "cube.npy", np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match=r"float64 \(2, 2, 2\)"):
        load_scores(tmp_path / "cube.npy")


@pytest.mark.filterwarnings("ignore:scores. the cut falls")
def test_labels_of_named_pictures_find_their_codes(tmp_path, capsys):
    """Of a text in another order than the pictures, whose codes lie beside them."""
    (tmp_path / "p").mkdir()
    codes = np.asarray(linear().sample(jax.random.key(0), 60))
    np.save("p/z.npy", codes)
    smiles = codes @ MATRIX[:, 1] > 0
    lines = [f"{i}.jpg,{int(smile)}" for i, smile in enumerate(smiles)]
    Path("labels.csv").write_text("\n".join(["file,smile", *sorted(lines)]))
    for number in range(60):
        Image.new("L", (6, 6), number).save(f"p/{number}.png")
    words = ("discover", "interfacegan", LINEAR, "--scores", "labels.csv", *FEW)
    ok(*words, "--scored-pictures", "p", "--out", "a")
    edit = jaxlatent.load_edit("a/interfacegan.npz")
    assert edit.names == ("smile",)
    assert cosine(edit.vectors[0], MATRIX[:, 1]) > 0.95
    assert capsys.readouterr().out.startswith(
        "labels.csv: 60 rows of 1 number, separated by commas, with a header, column "
        "'file' names pictures; rows put in the order of 60 pictures\n"
    )
    record = run_file(tmp_path / "a")
    assert record["reading"].startswith("60 rows of 1 number")
    told = refused(capsys, *words, "--out", "b")
    assert told.startswith("codes: missing")
    Image.new("L", (6, 6)).save("p/60.png")
    told = refused(capsys, *words, "--scored-pictures", "p", "--out", "b")
    assert told.startswith("scores: labels.csv: picture 60 stands there 0 times")


def test_a_folder_says_its_order_and_keeps_it(tmp_path, capsys):
    """Pictures 0 to 11, whose code is their brightness."""
    (tmp_path / "p").mkdir()
    for number in range(12):
        Image.new("RGB", (4, 4), (number * 20,) * 3).save(f"p/{number}.png")
    codes = np.arange(12, dtype=np.float32)[:, None] * 20 / 255
    np.save("codes.npy", codes)
    words = ("score", "p", "--scorer", "brightness", "--codes", "codes.npy")
    words += ("--space", "w")
    ok(*words, "--out", "a")
    table = load_table(tmp_path / "a/scores.npz")
    np.testing.assert_allclose(table.values, codes, atol=1e-6)
    said = capsys.readouterr().out
    assert "12 pictures in natural order of their names (see order)" in said
    assert "the first 0.png, the last 11.png" in said
    record = run_file(tmp_path / "a")
    assert record["pictures"][:3] == ["0.png", "1.png", "2.png"]
    ok(*words, "--out", "b", "--order", "text")
    table = load_table(tmp_path / "b/scores.npz")
    assert table.values[2, 0] == pytest.approx(200 / 255)
    Image.new("RGB", (4, 4)).save("p/12.png")
    told = refused(capsys, *words, "--out", "c")
    assert told == "codes: 12 codes for 13 pictures of p\n"
    told = refused(capsys, "score", LINEAR, "--out", "c", "--order", "text")
    assert told.startswith("order: given, but GENERATOR is no folder")


@pytest.mark.filterwarnings("default")
def test_what_shows_through_is_told(tmp_path, capsys):
    (tmp_path / "p").mkdir()
    for name, hidden in (("a", 0), ("b", 255)):
        pixels = np.full((4, 4, 4), hidden, np.uint8)
        pixels[..., 3] = 0
        Image.fromarray(pixels).save(f"p/{name}.png")
    for background, level in (("white", 1), ("black", 0)):
        words = ("--scorer", "brightness", "--background", background)
        ok("score", "p", "--out", background, *words)
        table = load_table(tmp_path / background / "scores.npz")
        assert table.values[:, 0].tolist() == [level, level]
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "2 of 2 pictures (the first a.png) are transparent, laid on " in said


def test_a_scorer_says_what_it_does_to_pictures(tmp_path, capsys):
    """On a ResNet of test size, against the library with the same settings."""
    state = torch_state(drawn(tiny_resnet, 0).params)
    Path("smile.pt").write_bytes(writer.torch_zip(state))
    (tmp_path / "p").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save("p/0.png")
    images = pixels[None].astype(np.float32) / 127.5 - 1
    words = ("score", "p", "--scorer", "smile.pt", "--scorer", "brightness")
    own = {"mean": [0.5] * 3, "std": [0.25] * 3, "resize": 32}
    Path("own.json").write_text(json.dumps(own))
    plain = ("mean=[0.5,0.5,0.5]", "std=[0.25,0.25,0.25]", "resize=32")
    for out, config, told in (
        ("a", (), "assumed: mean, std, resize; scorer_config replaces it"),
        ("b", plain, None),
        ("c", ("@own.json",), None),
        ("d", ("smile:resize=32",), "assumed: mean, std; scorer_config"),
    ):
        options = [word for one in config for word in ("--scorer-config", one)]
        ok(*words, *options, "--out", out)
        said = capsys.readouterr().out
        changes = {"a": {}, "d": {"resize": 32}}.get(out, own)
        scorer = jaxlatent.load("smile.pt", part="network", config=changes)
        table = load_table(tmp_path / out / "scores.npz")
        np.testing.assert_allclose(
            table.values[:, :-1], scorer(jnp.asarray(images)), rtol=1e-4, atol=1e-5
        )
        [line] = [one for one in said.splitlines() if one.startswith("scorer smile: ")]
        assert ("assumed" not in line) if told is None else (told in line)
        kept = run_file(tmp_path / out)["preprocessing"]
        assert list(kept) == ["smile"]
        assert kept["smile"]["resize"] == changes.get("resize")
    assert "mean 0.485, 0.456, 0.406; std 0.229, 0.224, 0.225; resize 32" in line
    for config, message in (
        ("mean", "scorer_config: 'mean' given; KEY=VALUE or @FILE"),
        ("depth=3", "scorer_config: ['depth'] given; ["),
        ("resize=big", "scorer_config: resize = 'big' given; int | null is accepted"),
        ("resize=0", "resize: 0 given; 1 or more"),
        ("mean=[0.5]", "mean: (0.5,) given; 3 finite numbers"),
        ("std=[1,0,1]", "std: (1, 0, 1) given; numbers above 0"),
        ("other:resize=3", "scorer_config: other:resize given; of smile is accepted"),
    ):
        told = refused(capsys, *words, "--scorer-config", config, "--out", "x")
        assert told.startswith(message)
    told = refused(capsys, "score", "p", "--scorer", "brightness", "--out", "x",
                   "--scorer-config", "resize=3")  # fmt: skip
    assert told.startswith("scorer_config: given, but no scorer is a network's file")


def test_columns_by_number_and_name():
    table = ScoreTable(np.arange(6.0).reshape(2, 3), ("age", "smile", "pose"))
    assert keep_attributes(table, None).names == table.names
    assert keep_attributes(table, "2,0").names == ("pose", "age")
    assert keep_attributes(table, "smile,age").values.tolist() == [[1, 0], [4, 3]]
    with pytest.raises(ValueError, match=r"^columns: 3 given; 0 to 2"):
        keep_attributes(table, "3")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((LINEAR,), "scorer: missing; a network's file"),
        ((LINEAR, "--scorer", "beauty"), "scorer: 'beauty' given; "),
        ((LINEAR, "--scorer", "test_cli_discovering:LINEAR"), "scorer: test_cli_"),
        ((LINEAR, "--scorer", "nowhere:f"), "scorer: nowhere:f: No module"),
        ((LINEAR, "--scorer", "brightness", "--samples", "0"), "samples: 0 given"),
        ((LINEAR, "--scorer", "brightness", "--odds"), "odds: given, but no scorer"),
        ((LINEAR, "--scorer", "brightness", "--space", "z"), "space: given, but"),
        (("empty", "--scorer", "brightness"), "folder: empty holds no pictures"),
        (("empty", "--scorer", "brightness", "--seeds-only"), "seeds_only: given"),
        (("empty", "--scorer", "brightness", "--label", "1"), "label: given, but the"),
        (("empty", "--scorer", "brightness", "--samples", "9"), "samples: given, but"),
        (("empty", "--scorer", "brightness", "--devices", "2"), "devices: given, but"),
        (("empty", "--scorer", "brightness", "--family", "a"), "family: given, but"),
    ],
)
def test_score_names_what_does_not_fit(words, expected, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    few = () if {"--samples", "empty"} & set(words) else ("--samples", 2)
    told = refused(capsys, "score", *words, "--out", "out", *few)
    assert told.startswith(expected)
    assert not (tmp_path / "out").exists()


# interfacegan


def test_a_boundary_stands_at_right_angles_to_what_the_scorer_sees(tmp_path):
    words = ("discover", "interfacegan", LINEAR, "--top-fraction", 0.1, *FEW)
    scorer = ("--scorer", "test_cli_discovering:corners", "--samples", 2000)
    ok(*words, *scorer, "--out", "a", "--attribute", "1")
    found = jaxlatent.load_edit("a/interfacegan.npz")
    # the corner is tanh of a linear function of z
    assert cosine(found.vectors[0], MATRIX[:, 1]) > 0.99
    assert found.names == ("1",)
    record = run_file(tmp_path / "a")
    assert record["boundaries"][0]["accuracy_validation"] > 0.95
    assert "validation accuracy" in (tmp_path / "a" / "index.html").read_text()
    # the same from its scores, and from scores and codes that another tool kept
    ok(*words, "--scores", "a/scores.npz", "--attribute", "1", "--out", "b")
    again = jaxlatent.load_edit("b/interfacegan.npz")
    np.testing.assert_array_equal(again.vectors, found.vectors)
    codes = linear().sample(jax.random.key(0), 2000)
    np.save("codes.npy", codes)
    np.save("scores.npy", codes @ MATRIX[:, 1])
    ok(*words, "--scores", "scores.npy", "--scored-codes", "codes.npy", "--out", "c")
    other = jaxlatent.load_edit("c/interfacegan.npz")
    assert cosine(other.vectors[0], MATRIX[:, 1]) > 0.95


def test_absolute_moves_put_codes_at_the_same_distance(tmp_path):
    words = ("discover", "interfacegan", LINEAR, "--top-fraction", 0.1, *FEW)
    words += ("--scorer", "brightness", "--samples", 400)
    ok(*words, "--out", "absolute")
    ok(*words, "--out", "relative", "--move", "by")
    assert "coordinates to reach" in (tmp_path / "absolute/index.html").read_text()
    edit = jaxlatent.load_edit("absolute/interfacegan.npz")
    z = jnp.concatenate([linear().sample(jax.random.key(s), 1) for s in (0, 5)])
    with Image.open("absolute/direction_000.png") as picture:
        shown = np.asarray(picture.convert("L"), np.float64)
    moved = linear().synthesize(edit.move_to(z, 0, -1.0))[0, ..., 0]
    drawn = np.clip((np.asarray(moved, np.float64) + 1) * 127.5, 0, 255)
    np.testing.assert_allclose(shown[:6, :6], drawn, atol=1)
    relative = (tmp_path / "relative" / "direction_000.png").read_bytes()
    assert relative != (tmp_path / "absolute" / "direction_000.png").read_bytes()


def test_boundaries_of_w_and_of_rows(tmp_path):
    words = ("discover", "interfacegan", PLAIN, "--scorer", "brightness", *FEW)
    words += ("--samples", 60, "--top-fraction", 0.4, "--truncation", 0.7)
    ok(*words, "--out", "w", "--layers", "0-1")
    edit = jaxlatent.load_edit("w/interfacegan.npz")
    assert (edit.space, edit.layers) == ("w", (0, 1))
    assert run_file(tmp_path / "w")["edited"] == "before truncation"
    assert run_file(tmp_path / "w")["arguments"]["job"]["start"]["truncation"] == 0.7
    ok(*words, "--out", "rows", "--boundary-space", "w+", "--truncate", "before")
    assert jaxlatent.load_edit("rows/interfacegan.npz").vectors.shape == (1, 8, 32)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "scorer: missing"),
        (("--scored-codes", "c.npy"), "scored_codes: given without scores"),
        (("--scores", "x.npy"), "scores: x.npy is not a file"),
        (("--scores", "s.npy", "--scorer", "brightness"), "scorer: given together"),
        (("--scores", "s.npy"), "codes: missing"),
        (
            ("--scores", "s.npy", "--scored-codes", "c.npy"),
            "codes: 2 codes given for 3",
        ),
        (("--scorer", "brightness", "--samples", "9"), "top_fraction: 0.02 of 9 valid"),
        (("--scorer", "brightness", "--attribute", "1"), "columns: 1 given"),
        (
            ("--scorer", "brightness", "--boundary-space", "w"),
            "boundary_space: w given",
        ),
        (("--scorer", "brightness", "--label", "1"), "label: given, but"),
    ],
)
def test_interfacegan_names_what_does_not_fit(words, expected, capsys, tmp_path):
    np.save("s.npy", np.arange(3.0))
    np.save("c.npy", np.ones((2, 4), np.float32))
    command = ("discover", "interfacegan", LINEAR, "--out", "out")
    assert refused(capsys, *command, *words).startswith(expected)
    assert not (tmp_path / "out").exists()


def test_formulas_go_by_their_names():
    ok("score", LINEAR, "--samples", 3, "--scorer", "brightness", "--out", "a")
    table = load_table(Path("a/scores.npz"))
    images = linear().synthesize(jnp.asarray(table.codes["z"]))
    np.testing.assert_allclose(table.values[:, 0], brightness(images), atol=1e-6)


# ganalyze


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--steps", "0"), "steps: 0 given"),
        (("--batch", "0"), "batch: 0 given"),
        (("--save-every", "0"), "save_every: 0 given"),
        (("--held-out", "0"), "held_out: 0 given"),
        (("--seed", "-1"), "seed: -1 given"),
        (("--strengths", "x"), "strengths: 'x' given"),
        (("--scorer", "contrast"), "scorer: 2 given"),
    ],
)
def test_ganalyze_names_what_does_not_fit(words, expected, capsys, tmp_path):
    command = ("discover", "ganalyze", LINEAR, "--scorer", "brightness", "--out", "out")
    assert refused(capsys, *command, *words).startswith(expected)
    assert not (tmp_path / "out").exists()
