"""InterFaceGAN against closed forms and the original's recorded boundaries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import golden

from jaxlatent.edits.directions import directions
from jaxlatent.methods.interfacegan import (
    Boundary,
    condition,
    fit_boundary,
    interfacegan,
    select_extremes,
)
from jaxlatent.numerics.svm import fit_hyperplane, project_out

TRAINING = golden("interfacegan_train_boundary_a")
PROJECTION = golden("interfacegan_project_boundary_a")
MOVES = golden("interfacegan_linear_interpolate_a")
KEY = jax.random.key(0)


def recorded_order(count):
    """The original shuffles with NumPy's global state, seeded once per case."""
    state = np.random.RandomState(1000 + 11)
    shuffles = np.arange(count), np.arange(count)
    for shuffle in shuffles:
        state.shuffle(shuffle)
    return shuffles


def recorded_fit(case, **options):
    number = TRAINING["case_names"].tolist().index(case)
    scores = TRAINING["scores"][:, 0]
    extremes = select_extremes(
        scores, top_fraction=float(TRAINING["case_chosen"][number])
    )
    split = float(TRAINING["case_split"][number])
    order = recorded_order(len(extremes.positive))
    codes = TRAINING["latent_codes"]
    fit = fit_boundary(
        codes, scores, extremes, order, Boundary(train_fraction=split, **options)
    )
    train = int(len(extremes.positive) * split)
    rows = np.concatenate(
        [extremes.positive[order[0]][:train], extremes.negative[order[1]][:train]]
    )
    return fit, rows


@pytest.mark.parametrize("case", TRAINING["case_names"].tolist())
def test_recorded_boundaries(case):
    (plane, report), rows = recorded_fit(case)
    assert set(rows) == set(TRAINING[f"{case}_train_index"])
    original = TRAINING[f"{case}_boundary"][0]
    assert 1 - plane.normal @ original < 1e-5
    log = "\n".join(TRAINING[f"{case}_log"])
    for name in ("validation", "remaining"):
        accuracy = report[f"accuracy_{name}"]
        _, found, line = log.partition(f"Accuracy for {name} set: ")
        if found:
            assert accuracy == pytest.approx(float(line.split("= ")[1][:8]), abs=1e-6)
        else:
            assert np.isnan(accuracy)


@pytest.mark.parametrize("case", TRAINING["case_names"].tolist())
def test_recorded_boundaries_at_a_tight_tolerance(case):
    (plane, _), _ = recorded_fit(case, tolerance=1e-10)
    weights = TRAINING[f"{case}_coef_tight"][0]
    length = np.linalg.norm(weights)
    assert 1 - plane.normal @ weights / length < 1e-9
    intercept = TRAINING[f"{case}_intercept_tight"][0] / length
    assert plane.bias == pytest.approx(intercept, abs=1e-6)


def test_two_points_by_hand():
    """The optimum of two points is min(C, 2 / |d|^2) d, half way between them."""
    points = np.array([[3.0, 1.0], [1.0, -3.0]])
    plane = fit_hyperplane(points, np.array([True, False]), tolerance=1e-9)
    gap = points[0] - points[1]
    assert np.allclose(plane.normal, gap / np.linalg.norm(gap))
    assert np.allclose(plane.distance(points.mean(axis=0)), 0, atol=1e-9)


def test_a_planted_normal_and_bias_are_recovered():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=8)
    normal /= np.linalg.norm(normal)
    codes = rng.normal(size=(4000, 8)) + 0.5 * normal
    scores = codes @ normal - 0.5
    found = interfacegan(
        codes, scores, Boundary(top_fraction=0.1), key=KEY, names=["smile"]
    )
    assert found.vectors.shape == (1, 8)
    assert float(found.vectors[0] @ normal) > 0.99
    # the boundary lies half way between the extremes
    assert float(found.bias[0]) == pytest.approx(-0.5, abs=0.1)
    assert float(found.report["accuracy_validation"][0]) == 1
    assert float(found.report["accuracy_remaining"][0]) > 0.95
    assert found.names == ("smile",)


def test_many_attributes_share_their_codes():
    rng = np.random.default_rng(1)
    codes = rng.normal(size=(600, 5))
    together = interfacegan(codes, codes[:, :3], Boundary(top_fraction=0.2), key=KEY)
    assert together.vectors.shape == (3, 5)
    assert (np.diag(np.asarray(together.vectors)[:, :3]) > 0.95).all()
    alone = interfacegan(codes, codes[:, 0], Boundary(top_fraction=0.2), key=KEY)
    assert np.allclose(alone.vectors[0], together.vectors[0])


def test_codes_in_w_plus_give_rows():
    rng = np.random.default_rng(2)
    codes = rng.normal(size=(600, 3, 4))
    found = interfacegan(
        codes, codes[:, 1, 2], Boundary(top_fraction=0.2), key=KEY, space="w+"
    )
    assert found.vectors.shape == (1, 3, 4)
    assert float(found.vectors[0, 1, 2]) > 0.9
    assert float(jnp.sum(found.vectors**2)) == pytest.approx(1, abs=1e-5)


def test_the_key_alone_decides_the_split():
    codes = np.random.default_rng(3).normal(size=(300, 4))
    scores = codes @ np.ones(4) + np.random.default_rng(4).normal(size=300)
    first = interfacegan(codes, scores, Boundary(top_fraction=0.3), key=KEY)
    again = interfacegan(codes, scores, Boundary(top_fraction=0.3), key=KEY)
    other = interfacegan(
        codes, scores, Boundary(top_fraction=0.3), key=jax.random.key(1)
    )
    assert bool(jnp.all(first.vectors == again.vectors))
    assert not bool(jnp.all(first.vectors == other.vectors))


def test_invalid_scores_are_left_out():
    scores = np.array([5.0, -999, 1, 3, -999, 2, 4, 0])
    extremes = select_extremes(scores, top_fraction=0.5, invalid=-999)
    assert extremes.positive.tolist() == [0, 6, 3]
    assert extremes.negative.tolist() == [5, 2, 7]
    assert extremes.middle.size == 0


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        ([1.0, np.nan, 0.0], {}, "scores: hold values that are not finite"),
        ([1.0, np.inf, 0.0], {}, "scores: hold values that are not finite"),
        ([[1.0], [0.0]], {}, r"scores: shape \(2, 1\) given"),
        ([1.0, 0.0], {"top_fraction": 0}, "top_fraction: 0 given"),
        ([1.0, 1.0, 1.0, 1.0], {}, "scores: all 4 are 1.0; no two sides"),
        (np.ones(40, bool), {}, "scores: all 40 are True"),
        ([1.0, 0.0, 2.0], {"top_fraction": 0.2}, "top_fraction: 0.2 of 3 valid"),
    ],
)
def test_wrong_scores_are_named(scores, options, message):
    with pytest.raises(ValueError, match=message):
        select_extremes(np.asarray(scores), **options)


def test_small_samples_are_warned_of():
    codes = np.arange(8.0)[:, None]
    with pytest.warns(UserWarning, match="only 2 samples on a side"):
        interfacegan(codes, codes[:, 0], Boundary(top_fraction=2), key=KEY)


@pytest.mark.parametrize(
    ("scores", "fraction", "sides"),
    [
        # labels: every code, whatever is asked for
        ([0, 1] * 10, 0.02, (10, 10)),
        ([0, 1] * 10, 0.5, None),
        ([-1, 1] * 10, 3, (10, 10)),
        ([False, True, True, True], 0.25, (3, 1)),
        ([1] * 39 + [0], 0.1, (39, 1)),
        ([1] * 39 + [0], 0.5, (39, 1)),
        ([1] + [0] * 39, 0.5, (1, 39)),
        # equal scores at the cut stay together, those before and behind it are free
        ([5, 4, 4, 3, 2, 1], 2, (3, 2)),
        ([5, 5, 4, 3, 2, 1], 2, None),
        ([5, 4, 3, 2, 2, 2, 1], 2, (2, 4)),
        # a run in the middle belongs to neither side
        ([2, 1, 1, 1, 1, 0], 0.5, (1, 1)),
        ([2, 1, 1, 1, 1, 1], 0.5, (1, 5)),
        ([1, 1, 1, 1, 1, 0], 0.5, (5, 1)),
    ],
)
def test_equal_scores_stay_together(scores, fraction, sides, recwarn):
    scores = np.asarray(scores)
    found = select_extremes(scores, top_fraction=fraction)
    if sides is None:
        assert not recwarn.list
        sides = (len(found.positive), len(found.positive))
    else:
        said = f"{sides[0]} high and {sides[1]} low are taken, where top_fraction asks"
        assert said in str(recwarn.pop(UserWarning).message)
    assert (len(found.positive), len(found.negative)) == sides
    assert sorted(np.concatenate(found)) == list(range(len(scores)))
    high, low = scores[found.positive], scores[found.negative]
    assert high.min() > low.max()
    if len(found.middle):
        rest = scores[found.middle]
        assert low.max() < rest.min()
        assert rest.max() < high.min()


@pytest.mark.parametrize("share", [0.5, 0.025])
@pytest.mark.parametrize("kind", [np.int64, np.bool_, np.uint8, lambda x: 2.0 * x - 1])
def test_labels_give_the_boundary_of_all_codes(kind, share):
    """Against scikit-learn's machine on the same codes, both sides weighed alike."""
    from sklearn.svm import SVC

    rng = np.random.default_rng(5)
    codes = rng.normal(size=(400, 16))
    normal = np.eye(16)[3]
    threshold = np.quantile(codes @ normal, 1 - share)
    truth = codes @ normal > threshold
    labels = kind(truth)
    whole = Boundary(train_fraction=1.0)
    if share == 0.5:
        with pytest.warns(UserWarning, match="200 high and 200 low are taken"):
            found = interfacegan(codes, labels, whole, key=KEY)
    else:
        with pytest.warns(UserWarning, match="10 high and 390 low are taken"):
            found = interfacegan(codes, labels, whole, key=KEY)
    machine = SVC(kernel="linear", class_weight="balanced").fit(codes, truth)
    weights = machine.coef_[0] / np.linalg.norm(machine.coef_[0])
    assert float(found.vectors[0] @ weights) > 0.9999
    assert float(found.vectors[0] @ normal) > 0.9
    assert float(found.report["accuracy_training"][0]) > 0.9
    assert np.isnan(found.report["accuracy_remaining"][0])


def test_soft_labels_keep_what_lies_between_apart():
    rng = np.random.default_rng(6)
    codes = rng.normal(size=(300, 4))
    labels = np.clip(np.round(codes[:, 1]), -1, 1)
    with pytest.warns(UserWarning, match="the cut falls among equal ones"):
        found = interfacegan(codes, labels, key=KEY)
    assert float(found.vectors[0, 1]) > 0.95


@pytest.mark.parametrize(
    ("codes", "scores", "message"),
    [
        (np.zeros(4), np.zeros(4), r"codes: shape \(4,\) given"),
        (np.full((4, 2), np.nan), np.zeros(4), "codes: shape"),
        (np.zeros((4, 2)), np.zeros(3), r"scores: shape \(3, 1\) given for 4 codes"),
    ],
)
def test_wrong_codes_are_named(codes, scores, message):
    with pytest.raises(ValueError, match=message):
        interfacegan(codes, scores, key=KEY)


def test_one_side_is_not_enough():
    with pytest.raises(ValueError, match="positive: 2 of 2 points"):
        fit_hyperplane(np.eye(2), np.ones(2, bool))
    with pytest.raises(ValueError, match="coincide"):
        fit_hyperplane(np.zeros((4, 2)), np.array([True, False] * 2))


def boundary(vectors, **options):
    return directions(np.asarray(vectors, np.float32), space="z", **options)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_recorded_conditional_boundaries(count):
    primal = boundary(PROJECTION["primal"])
    others = [boundary(PROJECTION["conds"][i : i + 1]) for i in range(count)]
    found = np.asarray(condition(primal, others).vectors, np.float64)[0]
    expected = PROJECTION[f"out{count}"][0]
    assert np.allclose(found, expected, rtol=1e-6, atol=3e-7)


def test_conditions_are_met_to_rounding():
    primal, conditions = PROJECTION["primal"], PROJECTION["conds"][:3]
    rest = project_out(primal, conditions)
    assert np.abs(rest @ conditions.T).max() < 1e-14
    assert np.allclose(project_out(rest, conditions), rest, atol=1e-14)
    changed = project_out(primal, -2 * conditions[[2, 0, 1, 1]])
    assert np.allclose(changed, rest, atol=1e-14)


def test_nearly_parallel_conditions_leave_nothing():
    conditions = np.concatenate(
        [PROJECTION["conds"][:1], PROJECTION["near_parallel_cond"]]
    )
    rest = project_out(PROJECTION["primal"], conditions)
    unit = rest / np.linalg.norm(rest)
    original = PROJECTION["out2_near_parallel"]
    assert np.abs(unit @ conditions.T).max() < 1e-12
    assert np.abs(original @ conditions.T).max() > 1e-3  # the original's residue


def test_conditions_that_do_not_fit_are_named():
    primal = boundary(np.eye(3)[:1])
    with pytest.raises(ValueError, match=r"boundaries: \['direction 0'\] lie in the"):
        condition(primal, [boundary(np.eye(3)[:2])])
    with pytest.raises(ValueError, match="others: vectors"):
        condition(primal, [boundary(np.eye(4)[:1])])
    with pytest.raises(ValueError, match="others: of space w"):
        condition(primal, [directions(np.eye(3, dtype=np.float32), space="w")])


def test_a_linear_score_along_a_condition_stays_constant():
    rng = np.random.default_rng(5)
    found = condition(
        boundary(rng.normal(size=(1, 6))), [boundary(rng.normal(size=(2, 6)))]
    )
    assert float(found.report["cosine"][0]) < 1
    other = boundary(rng.normal(size=(2, 6)))
    kept = condition(found, [other])
    codes = jnp.asarray(rng.normal(size=(4, 6)), jnp.float32)
    for strength in (-3.0, 2.0):
        moved = kept.shift(codes, 0, strength)
        assert np.allclose(moved @ other.vectors.T, codes @ other.vectors.T, atol=1e-5)


def test_recorded_absolute_moves():
    """Absolute in z: the k-th code lies at the k-th of the distances."""
    edit = boundary(MOVES["boundary"])
    z = jnp.asarray(MOVES["z"])
    for name, targets in (
        ("default", np.linspace(-3, 3, 10)),
        ("custom", np.linspace(-1.5, 4, 6)),
    ):
        moved = [edit.move_to(z, 0, target)[0] for target in targets]
        assert np.allclose(moved, MOVES[f"z_{name}"], rtol=1e-6, atol=2e-6)


def test_recorded_relative_moves():
    """Relative in w+: the step is added to every row."""
    edit = boundary(MOVES["boundary"])
    wp = jnp.asarray(MOVES["wp"])
    moved = edit.traverse(wp, 0, np.linspace(-3, 3, 10))[:, 0]
    assert np.allclose(moved, MOVES["wp_default"], rtol=1e-6, atol=1e-6)
    moved = edit.traverse(wp, 0, np.linspace(-1.5, 4, 6))[:, 0]
    assert np.allclose(moved, MOVES["wp_custom"], rtol=1e-6, atol=1e-6)
