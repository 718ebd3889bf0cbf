"""Every method through one table, on a world of discs, and the page of the demo."""

import importlib
import pkgutil

import jax
import numpy as np
import pytest

from jaxlatent import methods
from jaxlatent.comparison import demo as demos
from jaxlatent.comparison.entries import CODES, ENTRIES, Task
from jaxlatent.comparison.running import ROWS, TRUTH, compare, judge_of, sized
from jaxlatent.generators import rendered
from jaxlatent.methods import lowrankgan, sefa

NOT_COMPARED = {
    # trains the generator together with the walk of another entry
    "steerability_joint",
    # no oracle has style vectors
    "stylespace",
}


@pytest.fixture(scope="module")
def generator():
    key = jax.random.key(3)
    return rendered.oracle("disc", key=key, size=8, z_dim=12, largest_group=8)


@pytest.fixture(scope="module")
def task(generator):
    return Task(generator, jax.random.key(1), samples=8192)


@pytest.fixture(scope="module")
def judge(generator):
    return judge_of(generator, key=jax.random.key(2), codes=64)


@pytest.fixture(scope="module")
def cheap(task, judge):
    names = ("random", "sefa", "ganspace", "enjoy_your_editing", TRUTH)
    return {name: compare(name, task, judge) for name in names}


def test_every_method_that_discovers_is_in_the_table():
    found = set()
    for module in pkgutil.iter_modules(methods.__path__):
        loaded = importlib.import_module(f"jaxlatent.methods.{module.name}")
        if hasattr(loaded, "discover"):
            found.add(module.name)
    assert found - NOT_COMPARED == set(ENTRIES) - {"random"}
    assert ROWS[0] == "random"
    assert ROWS[-1] == TRUTH


def test_the_local_basis_is_found_where_there_is_a_mapping(task, judge):
    assert compare("local_basis", task, judge) is None
    mapped = rendered.oracle(
        "disc", key=jax.random.key(4), z_dim=12, largest_group=8, mapped=True
    )
    found = compare(
        "local_basis",
        Task(mapped, jax.random.key(5), samples=1),
        judge_of(mapped, key=jax.random.key(6), codes=8),
    )
    (edit,) = found.edits
    assert edit.space == "w"
    np.testing.assert_allclose(
        np.asarray(edit.vectors @ edit.vectors.T), np.eye(4), atol=1e-5
    )


def test_perceptual_axes_of_a_linear_oracle_stay_within_the_planted_ones(
    task, judge, cheap
):
    (edit,) = compare("perceptual_geometry", task, judge).edits
    (planted,) = cheap[TRUTH].edits
    basis = np.linalg.qr(np.asarray(planted.vectors).T)[0]
    outside = edit.vectors - edit.vectors @ basis @ basis.T
    np.testing.assert_allclose(outside, 0, atol=1e-4)


def test_chance_scores_zero_and_the_truth_one(cheap):
    for name in ("coverage", "purity", "diversity"):
        assert cheap[TRUTH].scores.summary[name] == pytest.approx(1)
    # a sample of four directions out of the law that chance is the mean of
    assert abs(cheap["random"].scores.summary["coverage"]) < 0.4
    assert cheap["random"].scores.summary["coverage"] < 0.5


@pytest.mark.parametrize("name", ["sefa", "enjoy_your_editing"])
def test_what_finds_the_planted_directions_scores_near_the_truth(cheap, name):
    assert cheap[name].scores.summary["coverage"] > 0.85
    assert len(cheap[name].effects.directions) == 4


def test_told_directions_are_held_against_what_they_were_told(cheap, task):
    one = cheap["enjoy_your_editing"]
    assert one.effects.directions == task.factors
    assert ENTRIES["enjoy_your_editing"].supervised
    assert not ENTRIES["sefa"].supervised
    np.testing.assert_array_equal(one.scores.best, range(4))


def test_methods_that_cannot_be_told_are_no_rows(judge):
    bent = rendered.oracle(
        "disc", key=jax.random.key(0), size=8, z_dim=12, largest_group=8, curved=0.5
    )
    other = Task(bent, jax.random.key(1), samples=8192)
    assert compare("sefa", other, judge) is None  # no affine map is seen behind a warp
    with pytest.raises(KeyError):
        compare("unknown", other, judge)


def test_a_part_without_a_direction_is_passed_over(task, judge, monkeypatch):
    def discover(generator, mask, latents, **options):
        if mask is refused:
            raise lowrankgan.NoDirectionError("gram_rest: leaves none")
        return sefa.discover(generator, k=1)

    refused, *others = task.regions.values()
    monkeypatch.setattr(lowrankgan, "discover", discover)
    found = compare("lowrankgan", task, judge)
    assert len(found.edits) == len(others) > 0
    monkeypatch.setattr(lowrankgan, "discover", lambda *_, **__: int("none"))
    with pytest.raises(ValueError, match="invalid literal"):
        compare("lowrankgan", task, judge)


def test_regions_are_where_a_part_is_seen(task):
    masks = task.regions
    assert "disc" in masks
    latents = task.latents(CODES)
    names = ("factors",)
    factors = task.generator.features(latents.codes, names=names)["factors"]
    config = task.generator.config
    for name, seen in config.painted.masks(factors, size=config.size).items():
        whole = np.asarray(seen).max(axis=0)  # of several codes: more than one shows
        if name in masks:
            np.testing.assert_allclose(masks[name], whole, atol=1e-6)
            assert whole.max() > 0.5
            assert whole.min() < 1
        else:
            assert whole.max() <= 0.5 or whole.min() >= 1


def test_the_budget_bounds_what_is_looked_at(task):
    assert task.steps(64) == 128
    assert task.steps(10_000) == 1


def test_another_size_has_the_same_factors(generator):
    z = generator.sample(jax.random.key(0), 2)
    other = sized(generator, 5)
    assert other.synthesize(z).shape == (2, 5, 5, 1)
    names = ("factors",)
    ours = generator.features(z, names=names)["factors"]
    np.testing.assert_array_equal(other.features(z, names=names)["factors"], ours)


def test_the_page_shows_the_table_and_the_purest_directions(tmp_path, generator):
    asked = []
    demo = demos.Demo(2048, ("random", "sefa", TRUTH), directions=2, codes=2)
    key = jax.random.key(0)
    found = demos.compare_all(generator, demo, key=key, progress=asked.append)
    assert asked == ["random", "sefa", TRUTH]
    page = demos.write_demo(tmp_path / "new", generator, found, demo, key=key)
    text = (tmp_path / "new" / page).read_text()
    table = demos.league_table(found)
    assert [row[0] for row in table.rows] == [
        "Random directions",
        "SeFa",
        "The true directions",
    ]
    assert all(name in text for name in ("SeFa: x", "SeFa: y", "changes", "0.9"))
    assert text.count('class="row"') == 4
    assert text.count("<img") == 8


def test_the_purest_directions_are_of_different_factors(cheap):
    chosen = demos.purest(cheap["sefa"], 3)
    share = cheap["sefa"].effects.selectivity[chosen]
    assert share.argmax(axis=1).tolist() == [0, 1, 2]
    assert len(demos.purest(cheap["random"], 99)) <= 4
