"""The whole of the scores: chance, ceilings, what does not matter, reproducibility."""

import json

import numpy as np
import pytest
from known_codes import recorded, turned, uniform

from jaxlatent.evaluation import disentanglement_metrics
from jaxlatent.evaluation.disentanglement import (
    Score,
    disentanglement_scores,
    read_representation,
    score_table,
    scores_to_json,
    steps_of,
)
from jaxlatent.evaluation.disentanglement_bench import Settings, prepare
from jaxlatent.evaluation.disentanglement_metrics import METRICS, STUDY

SIZES = (3, 2, 2)
SMALL = Settings(
    *(150, 80),
    **{"batch": 16, "variance": 100, "trees": 3, "downstream": (30,)},
)
ALL = tuple(METRICS)
LOWER_IS_BETTER = (
    "unfairness, mean",
    "unfairness, largest",
    "total correlation",
    "wasserstein correlation",
    "wasserstein correlation, normalised",
    "mutual information",
)


def noise(seed):
    """Codes that tell nothing, and factors."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(230, 4)), uniform(rng, 230, SIZES)


FACTORS = noise(0)[1]


def test_perfect_codes_reach_the_ceilings_and_unrelated_ones_do_not():
    told = []
    codes, names = -5.0 * FACTORS[:, ::-1], [one for one in ALL if one != "downstream"]
    scores = disentanglement_scores(codes, FACTORS, names, SMALL, progress=told.append)
    assert len(told) == steps_of(names, SMALL)
    for name, score in scores.items():
        if name.startswith("unified"):
            continue
        if name in LOWER_IS_BETTER:
            assert score.value < score.ceiling / 4, name
            continue
        # estimates of information from 150 rows are too high by some hundredths
        assert score.value == pytest.approx(score.ceiling, abs=0.05), name
        assert score.chance < 0.9 * score.value, name
    assert scores["sap"].ceiling < 0.9
    for name in ("disentanglement", "completeness", "modularity", "independent groups"):
        assert scores[f"unified importance, {name}"].value == pytest.approx(1, abs=1e-6)
    found = disentanglement_scores(codes, FACTORS[:, [1]], ("downstream",), SMALL)
    assert {name: score.value for name, score in found.items()} == {
        "downstream boosted, 30 rows": 1,
        "downstream logistic, 30 rows": 1,
    }


@pytest.fixture(scope="module")
def random_scores():
    """Of six tables of codes that tell nothing; downstream ones are slow."""
    settings = Settings(**{**vars(SMALL), "repeats": 4})
    names = [name for name in ALL if name != "downstream"]
    return [
        disentanglement_scores(*noise(seed), names, settings, seed=seed)
        for seed in range(6)
    ]


def test_random_codes_are_at_chance_for_every_metric(random_scores):
    """Within three standard errors of the difference, over six tables."""
    assert len(random_scores[0]) == 32
    for name in random_scores[0]:
        difference = np.array(
            [one[name].value - one[name].chance for one in random_scores]
        )
        error = difference.std(ddof=1) / len(difference) ** 0.5
        assert abs(difference.mean()) <= 3 * error, name


def test_errors_of_chance(random_scores):
    for name, score in random_scores[0].items():
        if name == "explicitness":
            assert (score.chance, score.error) == (0.5, 0)
        elif name in ("mig", "modularity", "irs", "mutual information"):
            assert 0 < score.error < 0.1, name
        elif name == "beta-vae":
            assert np.isnan(score.error)
            assert 0 < score.chance < 1


def test_signs_order_and_units_of_codes_do_not_matter():
    codes, factors = turned(FACTORS), FACTORS
    codes = codes + np.random.default_rng(3).normal(0, 0.2, codes.shape)
    other = -1000 * codes[:, [2, 0, 1]]
    other = other * [1.0, 0.5, -2.0] + [0.0, 1e4, -3e4]
    settings = Settings(**{**vars(SMALL), "repeats": 0, "refits": 0})
    names = [name for name in ALL if name != "downstream"]
    first = disentanglement_scores(codes, factors, names, settings)
    again = disentanglement_scores(other, factors, names, settings)
    for name, score in first.items():
        # trees look at codes in an order that the seed decides, not the codes
        trees = ("dci", "unified importance", "unfairness")
        least = 0.05 if name.startswith(trees) else 1e-4
        assert score.value == pytest.approx(again[name].value, abs=least), name
        assert np.isnan(score.chance) == (name != "explicitness")


def test_a_seed_decides_everything():
    names = ("mig", "dci", "factor-vae")
    codes, factors = noise(1)
    first, again, other = (
        disentanglement_scores(codes, factors, names, SMALL, seed=seed)
        for seed in (0, 0, 1)
    )
    assert repr(first) == repr(again)
    assert repr(first) != repr(other)


def test_raw_codes_get_the_originals_scores():
    """Without order, rows are those that were recorded, up to the split."""
    case, split = recorded("perfect")
    codes = np.r_[split.codes, split.unseen_codes]
    factors = np.r_[split.factors, split.unseen_factors]
    settings = Settings(train=800, test=400, raw=True, repeats=0, refits=0)
    names = ("mig", "sap-continuous", "irs", "modularity", "sap")
    found = disentanglement_scores(codes, factors, names, settings)
    assert found["irs"].value == case["irs/avg_score"] == 1
    for ours, theirs, least in (
        ("mig", "mig", 2e-3),
        ("sap continuous", "sap_continuous", 2e-3),
        ("modularity", "modularity", 2e-4),
        ("sap", "sap_discrete", 0.06),
    ):
        assert found[ours].value == pytest.approx(float(case[theirs]), abs=least)


def test_settings_reach_what_they_are_of(monkeypatch):
    asked = []

    def accuracy(split, kind, *, trees, seed):
        asked.append((len(split.codes), kind, trees))
        return np.ones(3)

    monkeypatch.setattr(disentanglement_metrics, "downstream_accuracy", accuracy)
    bench = prepare(*noise(0), SMALL)
    METRICS["downstream"].measure(bench)
    assert asked == [(30, "boosted", 3), (30, "logistic", 3)]
    # the machines of the factors themselves are the most that machines can be
    ceiling = METRICS["unified"].ceiling(bench)["unified machines, top two gap"]
    assert ceiling == METRICS["sap"].ceiling(bench)["sap"] < 1


def test_names_of_metrics():
    assert ALL[:-3] == STUDY
    for names, expected in ((("mig", "mog"), "mog"), ((), "none")):
        with pytest.raises(ValueError, match=f"metrics: {expected} given; beta-vae, "):
            disentanglement_scores(*noise(0), names)


def test_tables_and_json_of_scores():
    scores = {"a": Score(0.25, float("nan"), float("inf"), 0.0)}
    assert score_table(scores) == [
        "metric    value   chance  ceiling",
        "a        0.2500      nan      inf",
    ]
    text = json.dumps(scores_to_json(scores), allow_nan=False)
    assert json.loads(text)["a"] == {
        "value": 0.25,
        "chance": None,
        "ceiling": None,
        "error": 0.0,
    }


def test_files_of_codes_and_factors(tmp_path):
    file = tmp_path / "found.npz"
    codes, factors = noise(0)
    np.savez(file, codes=codes, factors=factors)
    found = read_representation(file)
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(found.factors, factors)
    np.savez(file, codes=codes)
    with pytest.raises(ValueError, match=r"found.npz: codes given; an .npz with"):
        read_representation(file)
    np.save(tmp_path / "one.npy", codes)
    with pytest.raises(ValueError, match="a single array given"):
        read_representation(tmp_path / "one.npy")
    file.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match=r"found.npz: not an array file"):
        read_representation(file)
    with pytest.raises(FileNotFoundError):
        read_representation(tmp_path / "nowhere.npz")
