import numpy as np
import pytest
from helpers import golden

from jaxlatent.evaluation.disentanglement_across_models import (
    agreement,
    relative_strength,
)

RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(400, 4))


def test_strength_of_known_matrices():
    assert relative_strength(np.eye(3)) == 1
    assert relative_strength(np.zeros((3, 3))) == 0
    assert relative_strength(np.zeros((0, 3))) == 0
    # entries of 1 / n: the largest squared over the sum, 1 / n^2
    assert relative_strength(np.full((4, 4), 1 / 4)) == pytest.approx(1 / 16)
    # a row of nothing counts as nothing
    assert relative_strength(np.diag([1.0, 1.0, 0.0])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("by", ["lasso", "spearman"])
def test_models_with_the_same_codes_agree_up_to_order_and_sign(by):
    others = [CODES, -3 * CODES[:, ::-1], CODES[:, [1, 0, 2, 3]] * [1, -1, 2, -5]]
    found = agreement(np.stack(others), by=by)
    # a lasso of penalty 0.1 takes 0.1 of the one coefficient, 1
    strength = 0.9 if by == "lasso" else 1 / (1 + 3 * np.sqrt(2 / np.pi / 400))
    np.testing.assert_allclose(found.score, strength, atol=0.04)
    turned, _ = np.linalg.qr(RNG.normal(size=(4, 4)))
    mixed = agreement(np.stack([CODES, CODES @ turned, CODES @ turned.T]), by=by)
    assert (mixed.score < 0.75 * found.score).all()


def test_codes_that_tell_nothing_are_left_out():
    silent = np.stack([np.c_[CODES, np.ones(400)]] * 2)
    found = agreement(silent, by="spearman")
    assert not found.correlation[:, :, 4].any()
    divergence = np.tile([1.0, 1.0, 1.0, 0.01, 1.0], (2, 1))
    fewer = agreement(silent, divergence, "spearman")
    same = agreement(silent[..., :3], by="spearman")
    np.testing.assert_allclose(fewer.score, same.score, rtol=1e-14)


@pytest.mark.parametrize("by", ["lasso", "spearman"])
def test_it_is_the_originals(by):
    case = golden("disentanglement_udr_fairness_a")
    found = agreement(case["representations"], case["kl"], by)
    others = ~np.eye(3, dtype=bool)
    # the original has NaN for a code that tells nothing, where it has no zeros
    theirs = np.nan_to_num(case[f"{by}/raw"][others])
    np.testing.assert_allclose(found.correlation[others], theirs, atol=1e-12)
    theirs = case[f"{by}/pairwise"][others]
    np.testing.assert_allclose(found.pairwise[others], theirs, atol=1e-14)
    np.testing.assert_allclose(found.score, case[f"{by}/model_scores"], atol=1e-14)
    strength = relative_strength(case["matrix"])
    assert abs(strength - case["relative_strength"]) < 1e-14


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="codes: shape"):
        agreement(CODES)
    with pytest.raises(ValueError, match="by: 'kendall' given"):
        agreement(np.stack([CODES] * 2), by="kendall")
    with pytest.raises(ValueError, match="divergence: shape"):
        agreement(np.stack([CODES] * 2), np.ones(4))
