"""A run of `training.fit` as commands show it: a bar, checkpoints, the way on."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import jax
from jax.sharding import Mesh

from jaxlatent.cli import arguments
from jaxlatent.cli.options import Training
from jaxlatent.cli.progress import progress_bar
from jaxlatent.collectives import is_main
from jaxlatent.learning import Problem
from jaxlatent.runs import RUN_FILE, Run
from jaxlatent.training.curves import CURVES_FILE
from jaxlatent.training.fit import Fitted, fit
from jaxlatent.training.interrupts import interruptible
from jaxlatent.training.sources import Source

TRAINING = "training"
"""The folder of a run in which it keeps its checkpoints."""


def fit_run(
    problem: Problem,
    training: Training,
    *,
    steps: int,
    batch: int,
    out: Path,
    mesh: Mesh | None,
    data: Source | None = None,
    part: str = "",
) -> Fitted:
    """Solve a problem: a bar with its losses, checkpoints, the way on.

    Args:
        problem: see `jaxlatent.learning.Problem`.
        training: how long, and whether to go on.
        steps: where the options do not tell; so is `batch`.
        batch: samples of a step.
        out: the run's folder.
        mesh: see `training.fit`.
        data: the rows that the steps see.
        part: which of several fits of the run this is, "" for the only one.

    Raises:
        ValueError: for an unfinished run in the folder, unless it is to go on; or a
            step that was not finite.
        KeyboardInterrupt: once what was done is saved; says how to go on.
    """
    steps = steps if training.steps is None else training.steps
    batch = batch if training.batch is None else training.batch
    asked = {"steps": steps, "batch": batch, "save_every": training.save_every}
    for option, value in asked.items():
        arguments.at_least_one(value, option)
    key = jax.random.key(arguments.check_seed(training.seed))
    folder = out / TRAINING / part
    if folder.exists() and not training.resume:
        if not (out / RUN_FILE).exists():
            raise ValueError(
                f"resume: not given, but {out} holds an unfinished run; "
                "--resume goes on with it, another --out starts anew"
            )
        if is_main():
            shutil.rmtree(folder)
    done = 0
    with progress_bar(part or "learning", steps, unit="step") as progress:
        try:
            with interruptible() as check:

                def tell(step: int, metrics: Mapping[str, float]) -> None:
                    nonlocal done
                    note = ", ".join(f"{k} {v:.4g}" for k, v in metrics.items())
                    progress(step - done, note)
                    done = step
                    check()

                fitted = fit(
                    problem,
                    steps,
                    key=key,
                    batch=batch,
                    data=data,
                    mesh=mesh,
                    folder=folder,
                    save_every=training.save_every,
                    callback=tell,
                )
                check()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted after step {done}; the same command with --resume goes on"
            ) from None
    if fitted.failed is not None:
        raise ValueError(
            f"steps: number {fitted.failed} was not finite; {folder} keeps the "
            "state before it; a lower learning rate may help"
        )
    return fitted


def keep_losses(run: Run, part: str = "") -> None:
    """Record the history of a fit as `losses.csv`."""
    text = (run.out / TRAINING / part / CURVES_FILE).read_text()
    name = f"{part}_{CURVES_FILE}" if part else CURVES_FILE
    run.file(name).write_text(text)
