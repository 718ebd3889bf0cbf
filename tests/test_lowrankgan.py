"""LowRankGAN on linear generators in closed form, and the original's directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import golden

from jaxlatent.edits.directions import directions
from jaxlatent.edits.random import random_directions
from jaxlatent.methods.lowrankgan import RANKS, Leading, NoDirectionError, lowrankgan
from jaxlatent.numerics.grams import locality, per_picture
from jaxlatent.numerics.robust_pca import principal_component_pursuit

RECORDED = golden("lowrank_directions_a")
EDITS = golden("lowrank_masks_and_edit_a")
VARIANTS = dict(
    zip(
        RECORDED["variants"].tolist(),
        zip(
            RECORDED["variant_num_relax"].tolist(),
            RECORDED["variant_lamb_arg"].tolist(),
            strict=True,
        ),
        strict=True,
    )
)


def gram(rows):
    return rows.T @ rows / len(rows)


def found_by(gram_region, gram_rest, *, rank="energy", **options):
    """LowRankGAN by one rule or number, or by two; other settings are for both."""
    names = ("energy", "tolerance", "penalty", "max_iterations")
    settings = {name: options.pop(name) for name in names if name in options}
    ranks = rank if isinstance(rank, tuple) else (rank,)
    leading = tuple(Leading(rank=own, **settings) for own in ranks)
    leading = leading if isinstance(rank, tuple) else leading[0]
    return lowrankgan(gram_region, gram_rest, leading, **options)


def planted(dim=12, inside=3, outside=5, seed=0):
    """A linear generator's two parts: the rows that make the region and the rest."""
    rng = np.random.default_rng(seed)
    parts = (
        rng.normal(size=(40, rank)) @ rng.normal(size=(rank, dim))
        for rank in (inside, outside)
    )
    return tuple(parts)


def angle(left, right):
    """Of pairs of rows, up to their signs; exact where it is small."""
    left, right = (np.asarray(rows, np.float64) for rows in (left, right))
    left, right = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (left, right)
    )
    sign = np.sign(np.sum(left * right, axis=1, keepdims=True))
    return np.linalg.norm(left - sign * right, axis=1).max(initial=0)


@pytest.mark.parametrize("rank", ["tol", "energy", 3, ("tol", 5)])
def test_planted_parts(rank):
    """The region's right singular vectors on the null space of the rest."""
    region, rest = planted()
    pair = (rank, 5) if rank == 3 else rank
    found = found_by(gram(region), gram(rest), rank=pair, energy=1)
    null = np.linalg.svd(rest)[2][5:]
    principal = np.linalg.svd(region)[2][:3]
    assert angle(found.vectors, principal @ null.T @ null) < 1e-6
    assert (found.report["leak"] < 1e-12).all()
    steps = np.asarray(found.vectors, np.float64) @ region.T
    np.testing.assert_allclose(found.report["gain"], np.mean(steps**2, 1), rtol=1e-5)
    cosines = np.linalg.norm(principal @ null.T, axis=1)
    np.testing.assert_allclose(found.report["residual"], cosines, rtol=1e-5)
    values = np.linalg.eigvalsh(gram(region))[::-1][:3]
    np.testing.assert_allclose(found.report["eigenvalues"], values, rtol=1e-5)
    counts = [int(found.facts[key]) for key in ("rank_region", "rank_rest")]
    assert [*counts, int(found.facts["removed"])] == [3, 5, 5]
    assert (found.method, found.space) == ("lowrankgan", "w")


def test_principal_directions_as_they_are():
    region, rest = planted()
    found = found_by(gram(region), gram(rest), rank="tol", project=False)
    assert angle(found.vectors, np.linalg.svd(region)[2][:3]) < 1e-6
    np.testing.assert_allclose(
        found.report["gain"], found.report["eigenvalues"], rtol=1e-5
    )
    assert (found.report["leak"] > 1e-2).all()
    assert int(found.facts["removed"]) == 0


def test_a_null_space_that_is_not_there_is_said():
    region, rest = planted(outside=12)
    with pytest.raises(
        NoDirectionError, match="'tol' is 12 of 12, which leaves no direction"
    ):
        found_by(gram(region), gram(rest), rank="tol")
    assert len(found_by(gram(region), gram(rest), rank="tol", relax=1)) == 3


def test_directions_inside_the_rest_are_dropped():
    """The first basis vector moves both parts, the second the region alone."""
    region, rest = np.diag([2.0, 1, 0, 0]), np.diag([1.0, 0, 1, 0])
    found = found_by(region, rest, rank="tol")
    np.testing.assert_allclose(found.vectors, [[0, 1, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(found.report["eigenvalues"], [1])
    with pytest.raises(NoDirectionError, match="every principal direction lies in"):
        found_by(region, rest, rank=(1, 2))


def test_ranks_of_zero():
    """Entries at random make the minimum at a small penalty zero."""
    region, rest = planted()
    with pytest.raises(NoDirectionError, match="gram_region: its rank by 'pcp' is 0"):
        found_by(gram(region), gram(rest), rank=("pcp", 5), penalty=1 / 60)
    still = 0 * gram(rest)
    for rank in ("tol", "energy", "pcp", 0):
        found = found_by(gram(region), still, rank=(3, rank))
        assert angle(found.vectors, np.linalg.svd(region)[2][:3]) < 1e-6
        assert int(found.facts["rank_rest"]) == int(found.facts["removed"]) == 0
    # the original takes one away from nothing
    found = found_by(gram(region), still, rank=(3, "reference"))
    assert int(found.facts["removed"]) == 1


def test_relaxation_takes_fewer_away():
    region, rest = planted(dim=14, outside=6)
    edits = [
        found_by(gram(region), gram(rest), rank="tol", relax=relax)
        for relax in (0, 2, 5, 9)
    ]
    assert [int(edit.facts["removed"]) for edit in edits] == [6, 4, 1, 1]
    leaks = np.stack([edit.report["leak"] for edit in edits[:3]])
    assert (np.diff(leaks, axis=0) > 0).all()
    lengths = np.stack([edit.report["residual"] for edit in edits[:3]])
    assert (np.diff(lengths, axis=0) > 0).all()


@pytest.mark.parametrize("rank", RANKS)
def test_units_do_not_count(rank):
    region, rest = planted(outside=5)
    rest = rest + 0.3 * np.random.default_rng(1).normal(size=rest.shape)
    options = {"rank": ("tol", rank), "energy": 0.9, "tolerance": 1e-2, "penalty": 0.4}
    found = found_by(gram(region), gram(rest), **options)
    scaled = found_by(7e3 * gram(region), 3e-4 * gram(rest), **options)
    assert angle(found.vectors, scaled.vectors) < 1e-6
    np.testing.assert_allclose(
        scaled.report["gain"], 7e3 * found.report["gain"], rtol=1e-5
    )


def test_pcp_takes_the_rank_of_the_minimum():
    rng = np.random.default_rng(2)
    rest = gram(rng.normal(size=(90, 2)) @ rng.normal(size=(2, 30)))
    rest[[3, 8], [8, 3]] += 5 * np.abs(rest).max()
    found = found_by(np.eye(30), rest, rank=("tol", "pcp"))
    assert int(found.facts["rank_rest"]) == principal_component_pursuit(rest).rank
    assert bool(found.facts["converged_rest"])
    assert "iterations_region" not in found.facts


# against the original


@pytest.mark.parametrize("picture", [0, 1])
@pytest.mark.parametrize("variant", VARIANTS)
def test_recorded_directions(variant, picture):
    relax, inverse = VARIANTS[variant]
    case = {
        key: RECORDED[f"{variant}/img{picture}/{key}"]
        for key in ("M_fore", "M_back", "F_principal", "projected", "ranks", "iters")
    }
    for project, expected in ((False, "F_principal"), (True, "projected")):
        found = found_by(
            case["M_fore"],
            case["M_back"],
            rank="reference",
            relax=relax,
            penalty=1 / inverse,
            project=project,
        )
        assert angle(found.vectors, case[expected]) < 1e-6
        for kind, counts in (("rank", case["ranks"]), ("iterations", case["iters"])):
            ours = [int(found.facts[f"{kind}_{part}"]) for part in ("region", "rest")]
            assert ours == counts.tolist()


def test_recorded_edits():
    """A base code moved in a few rows, in steps."""
    latent = jnp.asarray(EDITS["manip_latent"])
    vector = EDITS["manip_direction"][:, 0]
    for block in ("manip_default", "manip_range"):
        layers = EDITS[f"{block}/layers"].tolist()
        edit = directions(vector.astype(np.float32), space="w", layers=layers)
        start, end, steps = EDITS[f"{block}/start_end_steps"]
        moved = edit.traverse(latent, 0, np.linspace(start, end, int(steps)))[:, 0]
        expected = EDITS[f"{block}/codes"].reshape(moved.shape)
        np.testing.assert_allclose(moved, expected, atol=2e-6)


# what both methods share


def test_stacks_are_averaged_or_taken_apart():
    parts = [planted(seed=seed) for seed in (0, 1)]
    region, rest = (np.stack([gram(pair[i]) for pair in parts]) for i in (0, 1))
    mean = found_by(region, rest, rank=("tol", 5), average=True)
    again = found_by(region.mean(axis=0), rest.mean(axis=0), rank=("tol", 5))
    assert angle(mean.vectors, again.vectors) < 1e-6
    alone = per_picture(found_by, region, rest, rank="tol")
    for number, edit in enumerate(alone):
        one = found_by(region[number], rest[number], rank="tol")
        assert angle(edit.vectors, one.vectors) < 1e-6
    with pytest.raises(ValueError, match=r"shape \(2, 12, 12\) given.*average=True"):
        found_by(region, rest)
    with pytest.raises(ValueError, match="shapes"):
        per_picture(found_by, region, rest[:1])


def test_random_directions_leak():
    region, rest = planted(dim=12, outside=6)
    found = found_by(gram(region), gram(rest), rank="tol")
    own = locality(found.vectors, gram(region), gram(rest))
    np.testing.assert_allclose(own.gain, found.report["gain"], rtol=1e-6)
    np.testing.assert_allclose(own.leak, found.report["leak"], rtol=1e-6)
    random = random_directions(found, key=jax.random.key(0))
    other = locality(random.vectors, gram(region), gram(rest))
    assert (other.ratio > 1e6 * own.ratio).all()
    # lengths do not count, and the mean leak is the mean eigenvalue
    basis = 3 * np.eye(12, dtype=np.float32)
    leak = locality(basis, gram(region), gram(rest)).leak
    assert leak.mean() == pytest.approx(np.trace(gram(rest)) / 12)
    with pytest.raises(ValueError, match=r"vectors: shape \(12, 12\) given"):
        locality(basis, np.eye(5), np.eye(5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": "best"}, "rank: 'best' given; one of"),
        ({"rank": 2.5}, "rank: 2.5 given"),
        ({"rank": 4}, "rank: 4 given for gram_region; 0 to its rank 3"),
        ({"rank": (1, 2, 3)}, r"leading: \(Leading\(rank=1.* given"),
        ({"relax": -1}, "relax: -1 given"),
        ({"energy": 0}, "energy: 0 given"),
        ({"tolerance": 1}, "tolerance: 1 given"),
        ({"gram_rest": np.eye(3)}, "gram_rest: "),
        ({"gram_rest": np.triu(np.ones((12, 12)))}, "gram_rest: is not symmetric"),
        ({"gram_region": np.zeros((12, 12))}, "gram_region: is zero"),
        ({"gram_region": np.full((12, 12), np.inf)}, "gram_region: holds values"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    region, rest = planted()
    grams = {"gram_region": gram(region), "gram_rest": gram(rest)}
    with pytest.raises(ValueError, match=message) as refusal:
        found_by(**(grams | options))
    assert refusal.type is ValueError
