"""The commands that follow the metric of pictures and the mapping network."""

import numpy as np
import pytest
from helpers import ok
from test_cli_warped import OWN

from jaxlatent import cli, load_edit

MAPPED = """
from jaxlatent import Generator
import own

def double(params, z):
    return 2 * z

def make():
    params = own.make().params
    return Generator.from_functions(own.draw, z_dim=4, params=params, map=double)
"""


@pytest.fixture
def made(workplace):
    (workplace / "own.py").write_text(OWN)
    (workplace / "mapped.py").write_text(MAPPED)
    return workplace


def test_perceptual_axes_and_what_is_told_of_them(made):
    words = ["own:make", "--out", "g", "--at", "0,1", "--k", "2", "--seeds", "0"]
    ok("discover", "geometry", *words, "--strengths=-1,0,1")
    edit = load_edit("g/geometry.npz")
    assert (len(edit), edit.space) == (2, "z")
    assert (edit.facts["latents"], edit.facts["distance"]) == (2, "PixelDistance")
    page = (made / "g/index.html").read_text()
    assert "mean squared difference of pixels" in page
    assert "make up 99 %" in page


def test_a_local_basis_straight_ahead(made, capsys):
    words = ["discover", "local-basis", "mapped:make", "--out", "b", "--k", "2"]
    ok(*words, "--straight", "--seeds", "1", "--strengths=0,1")
    edit = load_edit("b/local_basis.npz")
    assert (len(edit), edit.space) == (2, "w")
    np.testing.assert_allclose(edit.report["singular"], 2, rtol=1e-6)
    for more, message in (
        ([], "generator: the mapping network of mapped:make is a function, which no"),
        (["--layers", "0"], "layers: given without straight"),
        (["--straight", "--steps", "3"], "steps: given together with straight"),
        (["--straight", "--k", "9"], "k: 9 given; 1 to 4, the rank of the Jacobian"),
    ):
        assert cli.main([*words, *more]) == 2
        assert message in capsys.readouterr().err
    assert cli.main([*words[:2], "own:make", "--out", "c"]) == 2
    assert "generator: one without a mapping network given" in capsys.readouterr().err
