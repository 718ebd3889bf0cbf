"""The README's table of errors is whole."""

import pathlib

import parity
import pytest

from converters.loading import LAYOUTS

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_the_table_has_every_layout():
    """MemNet alone was recorded nowhere."""
    written = parity.rows(README.read_text())
    assert [row[:2] for row in written] == [[r.family, r.files] for r in parity.ROWS]
    for *_, single, double in written:
        assert 0 < float(single) <= 3e-5
        assert not double or 0 < float(double) <= 1e-10
    layouts = {module for modules in LAYOUTS.values() for module in modules}
    lacking = layouts - {row.module for row in parity.ROWS}
    assert [module.__name__ for module in lacking] == ["converters.memnet"]


def test_rows_without_a_comparison_are_named(monkeypatch):
    found = {name: 1.5e-6 for row in parity.ROWS for name in row.recordings}
    worst = {(name, "float32"): error for name, error in found.items()}
    monkeypatch.setattr(parity, "WORST", worst | {("sngan_a", "float64"): 2e-15})
    assert "| SNGAN | GANLatentDiscovery | 1.5e-6 | 2.0e-15 |" in parity.table()
    del worst["stylegan3_a", "float32"]
    monkeypatch.setattr(parity, "WORST", worst)
    with pytest.raises(ValueError, match=r"compared for: StyleGAN3, T \(NVlabs\)$"):
        parity.table()
