"""Rankings of paths that WarpedGANSpace publishes, and our own."""

import json

import numpy as np
import pytest
from helpers import golden

from jaxlatent.evaluation.ranking import rank_scores
from jaxlatent.evaluation.ranking_files import load_orders

F = golden("wgs_path_ranking_a")
NAMES = [str(name) for name in F["attributes"]]


def published(measure):
    """A table as its program writes it: three digits of every path."""
    lines = [",".join(["path_id", *NAMES])]
    for number, row in enumerate(F[measure]):
        lines.append(",".join([str(number), *(f"{one:.3f}" for one in row)]))
    return "\n".join(lines) + "\n"


def test_published_lists(tmp_path):
    file = tmp_path / "interpretable_paths.json"
    ranked = {
        measure: {
            name: order.tolist()
            for name, order in zip(NAMES, F[f"rank_{measure}"], strict=True)
        }
        for measure in ("corr", "corr_l1")
    }
    file.write_text(json.dumps(ranked))
    found = load_orders(file)
    assert set(found.orders) == {"steepness", "selectivity"}
    for column, name in enumerate(NAMES):
        np.testing.assert_array_equal(
            found.orders["selectivity"][name], F["rank_corr_l1"][column]
        )
    first = int(F["rank_corr"][0][0])
    assert NAMES[0] in found.names(5)[first]
    with pytest.raises(ValueError, match="ranking: path 4 found; 0 to 2 are there"):
        found.names(3)
    with pytest.raises(ValueError, match="by: 'corr' given; one of steepness, sel"):
        found.names(5, by="corr")


@pytest.mark.parametrize("measure", ["corr", "corr_l1"])
def test_published_tables(tmp_path, measure):
    file = tmp_path / f"attr_idx_{measure}_sorted_by_age.csv"
    lines = published(measure).splitlines()
    # sorted tables call the first column nothing
    file.write_text("\n".join([lines[0][7:], *lines[:0:-1]]))
    found = load_orders(file)
    ours = {"corr": "steepness", "corr_l1": "selectivity"}[measure]
    for column, name in enumerate(NAMES):
        values = F[measure][:, column]
        assert found.orders[ours][name][0] == np.argmax(values)
        np.testing.assert_allclose(
            found.values[ours][name], np.sort(values)[::-1], atol=5.1e-4
        )


def test_our_own_table(tmp_path):
    scores = np.moveaxis(F["values"], 2, 3)
    ranked = rank_scores(scores, np.arange(9) - 4, attributes=NAMES)
    file = tmp_path / "ranking.csv"
    file.write_text(ranked.to_csv())
    found = load_orders(file)
    for by in ("steepness", "selectivity"):
        for name in NAMES:
            np.testing.assert_array_equal(
                found.orders[by][name], ranked.order(name, by)
            )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "[]"),
        ("a.json", '{"corr": [1]}'),
        ("a.json", '{"corr": {"age": [1, 1]}}'),
        ("a.json", '{"corr": {"age": ["1"]}}'),
        ("a.json", "{"),
        ("a.csv", ""),
        ("a.csv", "path_id,age\n0,x\n"),
        ("a.csv", "path_id,age\n0,1\n1\n"),
        ("a.csv", "attribute,rank,direction\n"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"^ranking: .* is accepted$"):
        load_orders(tmp_path / name)
    with pytest.raises(ValueError, match="is not a file"):
        load_orders(tmp_path / "none.csv")
