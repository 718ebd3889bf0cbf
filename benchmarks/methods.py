"""Which method finds the factors of generators whose factors are known?

    python -m benchmarks.methods [--worlds faces ...] [--methods sefa ...] [--seeds 5]
        [--samples 12800] [--folder league] [--readme README.md] [--json]

Every method of `jaxlatent.comparison` on oracles over each world, by seeds that decide
the oracle's weights and all that the method draws. A call of a method's `discover` may
look at `--samples` pictures of 24 pixels; methods that find one direction at a time
make a call for each. Each row is kept in a file of its own in the folder as soon as it
is there, so that a run goes on where it was stopped. `--readme` writes the table
between the marks of that file.

The figures are mean and deviation over the seeds: coverage, whether each factor has a
direction of its own, and purity, whether each direction changes one factor alone, both
corrected so that random directions score 0 and the truth 1; seconds of processor time,
their median, so that compilations, which one seed pays for all, are not among them. The
last line is one JSON object with every score of every row.
"""

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import jax

from jaxlatent.comparison.demo import title_of, told_of
from jaxlatent.comparison.entries import Task
from jaxlatent.comparison.running import ROWS, SIZE, compare, judge_of
from jaxlatent.evaluation.edit_comparison import Judge
from jaxlatent.files import atomic_write, keep_record
from jaxlatent.generators.rendered import oracle
from jaxlatent.runs import plain

ORACLES: dict[str, dict[str, Any]] = {
    "faces": dict(world="faces"),
    "faces, curved": dict(world="faces", curved=1.0),
    "faces, w+": dict(world="faces", mapped=True, rows=4),
    "dsprites": dict(world="dsprites"),
}
"""By name: what makes them. Linear in z; along paths in z; linear in w, behind a
mapping, four rows of w+ that each some of the factors read; linear in z."""

MARK = "<!-- league -->"
"""Before and after the table in a file."""


def row(
    name: str, world: str, seed: int, samples: int, judges: dict[int, Judge]
) -> dict[str, Any] | None:
    """What a method scores; None where it cannot be told what it needs."""
    key = jax.random.key(seed)
    generator = oracle(**ORACLES[world], key=key, size=SIZE)
    if seed not in judges:
        judges[seed] = judge_of(generator, key=jax.random.fold_in(key, 1))
    task = Task(generator, jax.random.fold_in(key, 2), samples)
    start = time.process_time()
    found = compare(name, task, judges[seed])
    seconds = time.process_time() - start
    if found is None:
        return None
    facts = getattr(found.edits[0], "facts", {})
    return {
        "seconds": seconds,
        "directions": len(found.effects.directions),
        **found.scores.to_json(),
        "facts": {one: facts[one] for one in ("rca", "loss", "failed") if one in facts},
    }


def spread(values: list[float]) -> str:
    """Mean and deviation, as a table has them."""
    known = [one for one in values if one is not None and math.isfinite(one)]
    if not known:
        return "–"
    text = f"{statistics.fmean(known):.2f} ± {statistics.pstdev(known):.2f}"
    return text.replace("-", "−")


def table(rows: dict[tuple[str, str], list[dict[str, Any]]]) -> list[str]:
    """Lines of Markdown: a row for each method, a column for each world."""
    worlds = list(dict.fromkeys(world for world, _ in rows))
    lines = [
        " | ".join(("| method", "is told", *worlds, "seconds |")),
        "|---|---|" + "---|" * len(worlds) + "--:|",
    ]
    there = {name for _, name in rows}
    for name in [one for one in ROWS if one in there]:
        cells = []
        for world in worlds:
            found = [one["scores"] for one in rows.get((world, name), [])]
            scores = ("coverage", "purity")
            parts = [spread([one[what] for one in found]) for what in scores]
            cells.append(" / ".join(parts) if found else "–")
        took = [one["seconds"] for w in worlds for one in rows.get((w, name), [])]
        seconds = f"{statistics.median(took):.0f}" if took else "–"
        lines.append(
            " | ".join((f"| {title_of(name)}", told_of(name), *cells, f"{seconds} |"))
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--worlds", nargs="+", choices=ORACLES, default=[*ORACLES])
    parser.add_argument("--methods", nargs="+", choices=ROWS, default=[*ROWS])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=12_800)
    parser.add_argument("--folder", type=Path, default=Path("league"))
    parser.add_argument("--readme", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    config = {"samples": given.samples, "oracles": ORACLES}
    if differing := keep_record(given.folder / "job.json", config):
        parser.error(f"folder: of another run, which differs in {differing}")
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for world in given.worlds:
        judges: dict[int, Judge] = {}
        for name in given.methods:
            for seed in range(given.seeds):
                file = given.folder / world / f"{name}-{seed}.json"
                if not file.exists():
                    found = plain(row(name, world, seed, given.samples, judges))
                    file.parent.mkdir(exist_ok=True)
                    atomic_write(file, json.dumps(found, indent=1).encode())
                if (found := json.loads(file.read_text())) is None:
                    continue
                rows.setdefault((world, name), []).append(found)
                scores = found["scores"]
                if not given.json:
                    print(
                        f"{world}, {name}, seed {seed}: "
                        f"coverage {scores['coverage']:.2f}, "
                        f"purity {scores['purity']:.2f}, {found['seconds']:.1f} s",
                        flush=True,
                    )
            jax.clear_caches()  # the programs of a method serve it alone
    lines = table(rows)
    print("\n".join(lines))
    if given.readme:
        before, _, after = given.readme.read_text().split(MARK)
        text = MARK.join((before, "\n".join(["", *lines, ""]), after))
        given.readme.write_text(text)
    if given.json:
        print(json.dumps([[*where, found] for where, found in rows.items()]))


if __name__ == "__main__":
    main()
