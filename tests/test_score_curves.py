"""Curves of scores over the strength of an edit, against arithmetic and pictures."""

import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import compilations

from jaxlatent import parallel
from jaxlatent.editing import traverse_images
from jaxlatent.edits.directions import directions
from jaxlatent.edits.rbf import rbf_field
from jaxlatent.edits.walks import neural_walk
from jaxlatent.evaluation.curves import ScoreCurve, score_curves
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, Truncation
from jaxlatent.networks.outputs import Column
from jaxlatent.types import as_model

RNG = np.random.default_rng(4)
CODES = Latents(jnp.asarray(RNG.normal(size=(7, 3)), jnp.float32), "z")
STRENGTHS = [-1.0, 0.0, 0.5, 2.0]


def total(images):
    return jnp.sum(images, axis=(1, 2, 3))


def pixels(images):
    return images[:, :, 0, 0]


def wrong(images):
    return jnp.zeros(3)


def linear(space="z", **told):
    return directions(np.float32([[1, 2, 3], [0, -1, 0]]), space=space, **told)


def curved():
    return rbf_field(
        np.asarray(RNG.normal(size=(2, 1, 3)), np.float32),
        np.ones((2, 1), np.float32),
        np.full(2, 0.1, np.float32),
        space="z",
    )


def walked():
    return neural_walk(
        [{"bias": np.float32([[1, 2, 3], [1, 0, 0]])}], norm="sample", space="z"
    )


def test_scores_of_a_linear_edit_by_hand():
    # w = 2 z and pixels = 11 w: their sum rises by 22 times that of the vector
    curve = score_curves(toy.make(), linear(), {"total": total}, CODES, 0, STRENGTHS)
    found = curve["total"]
    start = 22 * np.asarray(CODES.codes).sum(axis=1)
    expected = start[:, None] + 22 * 6 * np.asarray(STRENGTHS)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(found.slopes, 132, rtol=1e-5)
    assert found.slope == pytest.approx(132)
    np.testing.assert_array_equal(found.rises, 1)
    np.testing.assert_allclose(found.std, start.std(), rtol=1e-4)
    np.testing.assert_allclose(found.mean, expected.mean(axis=0), rtol=1e-4)


@pytest.mark.parametrize("make", [linear, curved, walked])
def test_scores_are_those_of_the_pictures(make):
    generator, edit = toy.make(gain=0.1), make()
    scorers = {"pixels": pixels, "total": total}
    pictures = traverse_images(generator, edit, CODES, [0, 1], STRENGTHS, chunk=5)
    for chunk in (1, 9, 100):
        for index in (0, 1):
            curves = score_curves(
                generator, edit, scorers, CODES, index, STRENGTHS, chunk=chunk
            )
            assert list(curves) == ["pixels", "total"]
            np.testing.assert_allclose(
                curves["pixels"].scores,
                pictures[index][..., 0, 0],
                rtol=1e-5,
                atol=1e-6,
            )
            np.testing.assert_allclose(
                curves["total"].scores,
                pictures[index].sum(axis=(2, 3, 4)),
                rtol=1e-5,
                atol=1e-5,
            )


def test_codes_have_directions_of_their_own():
    generator, edit = toy.make(), linear()
    which = np.asarray([0, 1, 1, 0, 1, 0, 0])
    both = [
        score_curves(generator, edit, {"t": total}, CODES, n, STRENGTHS)["t"].scores
        for n in (0, 1)
    ]
    mixed = score_curves(generator, edit, {"t": total}, CODES, which, STRENGTHS)["t"]
    expected = np.where(which[:, None] == 0, *both)
    np.testing.assert_allclose(mixed.scores, expected, rtol=1e-6)


def test_truncation_classes_and_devices():
    generator = toy.make(label_dim=2)
    codes = Latents(CODES.codes, "z", jnp.asarray([0, 1] * 3 + [0]))
    edit, scorers = linear("w"), {"pixels": pixels}
    truncation = Truncation(0.5, when="after")
    images = traverse_images(
        generator, edit, codes, 0, STRENGTHS, truncation=truncation
    )
    for mesh in (None, parallel.mesh(4)):
        curves = score_curves(
            generator,
            edit,
            scorers,
            codes,
            0,
            STRENGTHS,
            truncation=truncation,
            chunk=8,
            mesh=mesh,
        )
        np.testing.assert_allclose(
            curves["pixels"].scores, images[..., 0, 0], rtol=1e-5
        )


def test_other_directions_weights_and_strengths_compile_nothing():
    def run(gain, index, column, strengths, name):
        edit = linear(names=[name, "other"])
        scorers = {"one": Column(as_model(pixels), column)}
        return score_curves(toy.make(gain), edit, scorers, CODES, index, strengths)

    run(1.0, 0, 0, STRENGTHS, "a")
    with compilations() as count:
        run(2.0, 1, 2, [0.0, 0.1, 0.2, 0.3], "b")
        assert count() == 0


def test_figures_of_a_curve():
    scores = np.asarray([[0.0, 1, 2], [2, 1, 0], [0, 3, 3]])
    curve = ScoreCurve(np.asarray([-1.0, 0, 1]), scores)
    np.testing.assert_allclose(curve.mean, [2 / 3, 5 / 3, 5 / 3])
    np.testing.assert_allclose(curve.slopes, [1, -1, 1.5])
    assert curve.slope == pytest.approx(0.5)
    np.testing.assert_allclose(curve.rises, [1, 0, 0.5])
    np.testing.assert_allclose(curve.percentiles([0, 50]), [[0, 1, 0], [0, 1, 2]])
    # of two scores, each has its own
    double = ScoreCurve(curve.strengths, np.stack([scores, 2 * scores], axis=2))
    np.testing.assert_allclose(double.slope, [0.5, 1])
    np.testing.assert_allclose(double.rises[:, 1], curve.rises)
    assert np.isnan(ScoreCurve(np.zeros(1), scores[:, :1]).slope)


def test_strengths_are_put_in_order():
    curve = score_curves(toy.make(), linear(), {"t": total}, CODES, 0, [2.0, -1.0])["t"]
    np.testing.assert_array_equal(curve.strengths, [-1, 2])
    assert curve.slope > 0


def test_wrong_arguments_are_named():
    generator, edit = toy.make(), linear()

    def run(edit=edit, scorer=total, index=0, strengths=STRENGTHS, **options):
        return score_curves(
            generator, edit, {"x": scorer}, CODES, index, strengths, **options
        )

    with pytest.raises(ValueError, match=r"scorers: x returned \(3,\)"):
        run(scorer=wrong)
    with pytest.raises(IndexError, match="index: 2 given; there are 2 directions"):
        run(index=2)
    with pytest.raises(ValueError, match=r"index: shape \(2,\) given"):
        run(index=[0, 1])
    with pytest.raises(ValueError, match=r"strengths: shape \(0,\) given"):
        run(strengths=[])
    with pytest.raises(ValueError, match="chunk: 0 given"):
        run(chunk=0)
    with pytest.raises(ValueError, match="edit: of dimension"):
        run(edit=directions(np.ones((1, 4), np.float32), space="z"))
    with pytest.raises(TypeError, match="model: a int given"):
        run(scorer=3)


def test_generators_of_plain_functions():
    generator = Generator.from_functions(lambda p, z: z[:, :, None, None], z_dim=3)
    curve = score_curves(generator, linear(), {"t": total}, CODES, 1, [0.0, 1.0])["t"]
    np.testing.assert_allclose(curve.slopes, -1, rtol=1e-5)
