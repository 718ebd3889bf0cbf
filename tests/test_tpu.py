"""Gram matrices compiled by the TPU compiler, for chips that are not there."""

import pytest

from benchmarks.tpu import compiled

pytestmark = pytest.mark.tpu
pytest.importorskip("libtpu", reason="libtpu is not installed; the extra tpu brings it")

TINY = {
    "channels": (16, 16, 16),
    "config": {
        "resolution": 16,
        "z_dim": 32,
        "w_dim": 32,
        "mapping_layers": 1,
        "mapping_width": 32,
    },
    "topology": "v5e:4x4",
    "chunk": 2,
    "precision": "default",
}
PICTURE = 16 * 16 * 3 * 4
MEMORY = 2**20
"""Bytes of temporaries, ten times what all activations of a chunk are."""


@pytest.mark.parametrize("work", ["gram-free", "grams-free", "gram-stored"])
def test_only_stored_columns_are_exchanged(work):
    found = compiled({**TINY, "work": work})
    assert "failed" not in found, found["failed"]
    assert found["chips"] == 16
    assert found["temp_bytes"] < MEMORY
    assert found["flops"] > 0
    assert found["bytes"] > found["argument_bytes"] > 0
    exchanged = found["collectives"]
    if work == "gram-stored":
        assert exchanged == {"all-gather": {"count": 1, "bytes": 32 * PICTURE}}
    else:
        assert exchanged == {}
