"""Jacobian analysis compiled by the TPU compiler, for chips that are not there."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.tpu import compiled

pytestmark = pytest.mark.tpu
pytest.importorskip("libtpu", reason="libtpu is not installed; the extra tpu brings it")

SIDE, SIZE = 32, 32
TINY = {
    "config": {
        "resolution": SIDE,
        "channels": (16, 16),
        "base_size": (SIDE // 2, SIDE // 2),
        "z_dim": SIZE,
        "w_dim": SIZE,
        "mapping_layers": 1,
        "mapping_width": SIZE,
    },
    "topology": "v5e:4x4",
    "precision": "default",
    "effort": -1.0,
}
COLUMNS = SIZE * SIDE**2 * 3 * 4
MEMORY = 2**24
"""Bytes of temporaries that two tangents at a time may take, and all at once do not."""

CASES = {
    # nothing but the columns, once
    ("gram-stored", 2): {"all-gather": {"count": 1, "bytes": COLUMNS}},
    ("grams-free", 2): {},
    ("grams-free", SIZE): {},
    # products of twenty vectors, filled up to a multiple of 16 chips
    ("leading", 2): {"all-gather": {"count": 1, "bytes": 32 * SIZE * 4}},
}


@pytest.fixture(scope="module")
def found():
    with ThreadPoolExecutor(2) as pool:
        jobs = [{**TINY, "work": work, "chunk": chunk} for work, chunk in CASES]
        return dict(zip(CASES, pool.map(compiled, jobs), strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_only_what_must_be_is_exchanged(found, case):
    row = found[case]
    assert "failed" not in row, row["failed"]
    assert row["chips"] == 16
    assert row["flops"] > 0
    assert row["bytes"] > row["argument_bytes"] > 0
    assert row["collectives"] == CASES[case]


def test_memory_is_that_of_a_chunk(found):
    used = {case: row["temp_bytes"] for case, row in found.items()}
    whole = used.pop(("grams-free", SIZE))
    assert max(used.values()) < MEMORY < whole
