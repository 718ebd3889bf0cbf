"""Edits of every kind drawn as pages, by the library and by the command line."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import GOLDEN, drawn, ok, run_file
from PIL import Image

import jaxlatent
from jaxlatent import Generator, Latents, Truncation, cli
from jaxlatent.edits.directions import directions
from jaxlatent.edits.rbf import rbf_field
from jaxlatent.edits.walks import neural_walk
from jaxlatent.evaluation.formulas import FORMULAS
from jaxlatent.evaluation.scoring import score_latents
from jaxlatent.gallery import save_png, to_uint8
from jaxlatent.gallery.drawing import (
    Heading,
    Traversal,
    draw_edits,
    edit_facts,
    ranges,
    ranking,
    run_names,
)
from jaxlatent.gallery.plots import Plot
from jaxlatent.networks.base import Network
from jaxlatent.networks.resnet import ResNet

PLAIN = str(GOLDEN / "stylegan2_ada_a.pkl")
RNG = np.random.default_rng(0)
CODES = Latents(jnp.asarray(RNG.normal(size=(2, 3)) / 20, jnp.float32), "z")


def moves(**changes):
    given = {"names": ["seed 0", "seed 1"], "indices": (0, 2), "strengths": [-1, 0, 1]}
    return Traversal(CODES, **(given | changes))


def linear(dim=3, **changes):
    report = {"eigenvalues": np.asarray([3, 2, np.nan], np.float32)}
    told = {"space": "w", "method": "sefa", "names": ["a", "b", "c"], "report": report}
    return directions(np.eye(3, dim, dtype=np.float32) / 20, **(told | changes))


def bent(dim=3, **changes):
    """Warped paths."""
    supports = RNG.normal(size=(3, 2, dim)).astype(np.float32)
    weights = np.ones((3, 2), np.float32)
    return rbf_field(supports, weights, np.ones(3, np.float32), space="w", **changes)


def walk(dim=3, **changes):
    weight = RNG.normal(size=(3, dim, dim)).astype(np.float32) / 20
    layer = {"weight": weight, "bias": np.ones((3, dim), np.float32)}
    return neural_walk([layer], space="w", **changes)


KINDS = {"directions": linear, "rbf": bent, "walk": walk}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_edit_is_drawn(kind, tmp_path):
    edit, seen = KINDS[kind](), []
    files = draw_edits(
        tmp_path / "new",
        toy.make(),
        [edit],
        moves(),
        Heading("Title", ["A line."], [("Owner", "me")]),
        progress=seen.append,
    )
    assert files == [
        *("direction_000.png", "direction_000.gif"),
        *("direction_002.png", "direction_002.gif"),
        "index.html",
    ]
    assert {file.name for file in (tmp_path / "new").iterdir()} == set(files)
    assert sum(seen) == 12
    page = (tmp_path / "new" / "index.html").read_text()
    for said in ("Title", "A line.", "Owner", "seed 1", edit.names[2]):
        assert said in page, said
    # the pictures are those of the library
    images = jaxlatent.traverse_images(toy.make(), edit, CODES, 2, [-1, 0, 1])
    with Image.open(tmp_path / "new" / "direction_002.png") as picture:
        shown = np.asarray(picture)
    height, width = images.shape[2:4]
    corner = shown[:height, -width:].reshape(height, width, -1)[..., :1]
    np.testing.assert_array_equal(corner, to_uint8(images)[0, -1])


def test_decorations_and_curves_reach_the_page(tmp_path):
    heading = Heading(
        "Title",
        plots=[Plot("Loss", [0, 1], {"loss": [2.0, 1.0]})],
        decorate=lambda images: np.full_like(images, -1),
    )
    draw_edits(tmp_path, toy.make(), [linear()], moves(indices=[0]), heading)
    with Image.open(tmp_path / "direction_000.png") as picture:
        assert np.asarray(picture).min() == 0
        assert set(np.unique(picture)) == {0, 255}  # black, and the gaps
    assert "<polyline" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("edit", "changes", "message"),
    [
        (linear(dim=4), {}, "edit: of dimension 4 in w"),
        (linear(space="z"), {"latents": Latents(jnp.ones((2, 3)), "w")}, "latents: "),
        (linear(), {"truncation": Truncation(0.5, when="never")}, "truncation: "),
    ],
)
def test_what_does_not_fit_leaves_nothing(edit, changes, message, tmp_path):
    latents = changes.pop("latents", CODES)
    given = Traversal(latents, ["a", "b"], [0], [0.0, 1.0], **changes)
    with pytest.raises(ValueError, match=f"^{message}"):
        draw_edits(tmp_path / "new", toy.make(), [edit], given, Heading("Title"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("shape", [(3, 2, 5), (3, 2, 0), (3, 2)])
def test_pictures_that_no_file_shows_are_refused_before_they_are_drawn(shape, tmp_path):
    calls = []

    def draw(params, z):
        jax.debug.callback(lambda: calls.append(1))
        return jnp.zeros((len(z), *shape))

    generator = Generator.from_functions(draw, z_dim=3)
    given = Traversal(CODES, ["a", "b"], [0], [0.0, 1.0])
    message = rf"generator: pictures of shape {re.escape(str(shape))} cannot be shown"
    with pytest.raises(ValueError, match=message):
        draw_edits(tmp_path / "new", generator, [linear(space="z")], given, Heading(""))
    assert not (tmp_path / "new").exists()
    assert not calls


@pytest.mark.parametrize(("channels", "mode"), [(2, "LA"), (4, "RGBA")])
def test_directions_of_pictures_with_alpha(channels, mode, tmp_path, workplace):
    def draw(params, z):
        return jnp.broadcast_to(z[:, None, None, :1], (len(z), 6, 4, channels))

    generator = Generator.from_functions(draw, z_dim=3)
    given = Traversal(CODES, ["a", "b"], [0], [0.0, 1.0])
    draw_edits(tmp_path, generator, [linear(space="z")], given, Heading(""))
    with Image.open(tmp_path / "direction_000.png") as picture:
        assert (picture.mode, picture.size) == ("RGBA", (10, 14))
    with Image.open(tmp_path / "direction_000.gif") as animation:
        assert animation.size == (10 * 22, 6 * 22)
    for formula in FORMULAS.values():
        assert score_latents(generator, {"x": formula}, CODES)["x"].shape == (2,)
    save_png(tmp_path / "one.png", generator.synthesize(CODES.codes)[0])
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.mode == mode


def test_an_animation_of_many_codes_wraps_their_row(tmp_path):
    def draw(params, z):
        return jnp.broadcast_to(z[:, None, None, :1], (len(z), 2, 2, 1))

    generator = Generator.from_functions(draw, z_dim=3)
    given = Traversal(Latents(jnp.zeros((1200, 3)), "z"), ["x"] * 1200, [0], [0.0, 1.0])
    draw_edits(tmp_path, generator, [linear(space="z")], given, Heading(""), chunk=4096)
    with Image.open(tmp_path / "direction_000.gif") as animation:
        # 34 in a row, so 36 rows, of 2 pixels with 2 between them
        assert animation.size == (34 * 4 - 2, 36 * 4 - 2)


def test_directions_are_ranked_by_what_the_method_reports():
    assert ranking(linear()) == ("eigenvalue", {0: 3.0, 1: 2.0})
    assert ranking(bent()) == ("value", {})
    accuracy = {"accuracy_validation": np.asarray([0.5, 0.75, 1], np.float32)}
    name, values = ranking(linear(report=accuracy))
    assert (name, values[1]) == ("validation accuracy", 0.75)


@pytest.mark.parametrize(
    ("edit", "changes", "expected"),
    [
        (linear(), {}, {"Method": "SeFa", "Space": "w", "Layers": "all 2"}),
        (linear(layers=(1,)), {}, {"Layers": "1"}),
        (linear(space="z"), {}, {"Space": "z"}),
        (bent(method="mine", layers=(0, 1)), {}, {"Method": "mine", "Layers": "0-1"}),
        (walk(), {}, {"Method": "unknown"}),
        (linear(), {"absolute": True}, {"Strengths": "coordinates to reach"}),
        (
            linear(),
            {"truncation": Truncation(0.7, 1)},
            {"Truncation": "0.7", "Edited": "after truncation (psi 0.7, first 1 rows)"},
        ),
        (
            linear(),
            {"truncation": Truncation(0.7, when="after")},
            {"Edited": "before truncation"},
        ),
    ],
)
def test_a_page_tells_how_an_edit_is_applied(edit, changes, expected):
    facts = dict(edit_facts(toy.make(), edit, moves(**changes)))
    assert {name: facts[name] for name in expected} == expected
    assert ("Layers" in facts) is (edit.space == "w")
    assert ("Truncation" in facts) is ("truncation" in changes)


def test_numbers_in_words():
    assert ranges((0, 1, 2, 5)) == "0-2, 5"
    assert ranges((4,)) == "4"
    assert run_names({"direction": 2, "code": 1}) == "2 directions x 1 code"


# the same edits on the command line


@pytest.mark.parametrize("kind", ["rbf", "walk"])
def test_commands_take_edits_that_are_not_linear(kind, workplace, capsys):
    few = {"steps": 2} if kind == "rbf" else {}
    jaxlatent.save_edit("bent.npz", KINDS[kind](32, names=["a", "b", "c"], **few))
    ok("name", "bent.npz", 1, "smile")
    ok("inspect", "bent.npz")
    assert "directions: a, smile, c" in capsys.readouterr().out
    words = ("edit", PLAIN, "bent.npz", "--seeds", 0, "--strengths", "0,1")
    ok(*words, "--index", 1, "--layers", "0-1", "--out", "some")
    record = run_file(workplace / "some")
    assert record["directions"] == ["smile"]
    edit = jaxlatent.load_edit("some/edit.npz")
    assert (edit.layers, type(edit)) == ((0, 1), type(KINDS[kind]()))
    assert "0-1" in (workplace / "some" / "index.html").read_text()
    capsys.readouterr()
    assert cli.main([*map(str, words), "--move", "to", "--out", "x"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"jaxlatent: move: to given, but a {type(edit).__name__}")
    assert not (workplace / "x").exists()


@pytest.mark.parametrize(
    ("words", "argument"),
    [
        ("combine bent.npz --out a.npz", "PART"),
        ("condition bent.npz --on bent.npz --out a.npz", "BOUNDARY"),
        ("export bent.npz a.npy --layout npy", "EDIT"),
    ],
)
def test_what_is_linear_only_says_so(words, argument, workplace, capsys):
    jaxlatent.save_edit("bent.npz", bent())
    assert cli.main(words.split()) == 2
    assert capsys.readouterr().err.startswith(f"jaxlatent: {argument}: ")


def tall(params, z):
    """Pictures of 8 x 4 with alpha."""
    return jnp.broadcast_to(jnp.tanh(z[:, None, None]), (len(z), 8, 4, 4))


def spectral(params, z):
    return jnp.broadcast_to(z[:, None, None], (len(z), 8, 4, 5))


def with_alpha():
    return Generator.from_functions(tall, z_dim=4)


def with_five_channels():
    return Generator.from_functions(spectral, z_dim=5)


def three_channels():
    module = ResNet(blocks=(1, 1, 1, 1), channels=(2,) * 5, outputs=1)
    images = jnp.zeros((1, 8, 4, 3))
    return drawn(lambda key: Network.init(key, module, images), 0)


judge = three_channels()


def test_commands_draw_pictures_with_alpha(workplace, capsys):
    alpha = "test_drawing:with_alpha"
    ok("sample", alpha, "--out", "drawn", "--num", 2, "--interpolate", 1)
    for name, size in (("step_0000", (4, 8)), ("sheet", (10, 8))):
        with Image.open(workplace / f"drawn/{name}.png") as picture:
            assert (picture.mode, picture.size) == ("RGBA", size)
    ok("score", alpha, "--out", "scored", "--scorer", "saturation", "--samples", 4)
    words = ("--out", "new", "--samples", "4")
    assert cli.main(["score", alpha, "--scorer", "test_drawing:judge", *words]) == 2
    assert "this network takes 3 channels" in capsys.readouterr().err
    for command in (("sample",), ("regions",), ("discover", "resefa")):
        words = [*command, "test_drawing:with_five_channels", "--out", "new"]
        assert cli.main(words) == 2
        assert "pictures of shape (8, 4, 5) cannot be" in capsys.readouterr().err
    assert not (workplace / "new").exists()
    ok("jacobian", "test_drawing:with_five_channels", "--out", "grams")
