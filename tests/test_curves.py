"""Metrics as a table."""

import csv
import io

import numpy as np

from jaxlatent.training.curves import to_csv


def test_a_table_holds_every_value_exactly():
    rng = np.random.default_rng(0)
    history = {
        "a,b": rng.normal(size=20).astype(np.float32),
        "loss": rng.normal(size=20) * 1e-30,
        'say "x"': np.array([np.nan, np.inf, *range(18)], np.float32),
    }
    header, *rows = csv.reader(io.StringIO(to_csv(history)))
    assert header == ["step", "loss", "a,b", 'say "x"']
    table = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert table["step"] == tuple(map(str, range(20)))
    for name, values in history.items():
        np.testing.assert_array_equal(np.array(table[name], values.dtype), values)


def test_a_run_without_steps_is_a_header():
    assert to_csv({"loss": np.zeros(0)}) == "step,loss\n"
