"""Runs of the methods, and what they found, held against what is there."""

import dataclasses

import jax

from jaxlatent.comparison.entries import ENTRIES, Task
from jaxlatent.evaluation.edit_comparison import Compared, Judge, oracle_judge
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents

TRUTH = "truth"
"""The row of the true directions, or paths."""

ROWS = (*ENTRIES, TRUTH)
"""Of a table: random directions first, the truth last."""

SIZE = 24
"""Height and width of the pictures that methods look at."""


def sized(generator: Generator, size: int) -> Generator:
    """An oracle that draws pictures of another size."""
    config = dataclasses.replace(generator.config, size=size)
    return dataclasses.replace(generator, config=config)


def judge_of(oracle: Generator, *, key: jax.Array, codes: int = 256) -> Judge:
    """What methods are judged by: as many directions as there are factors.

    Args:
        oracle: of the family `rendered`.
        key: of the codes and of the random directions.
        codes: how many are moved.
    """
    latents = Latents(oracle.sample(jax.random.fold_in(key, 0), codes), "z")
    return oracle_judge(oracle, latents, key=jax.random.fold_in(key, 1))


def compare(name: str, task: Task, judge: Judge) -> Compared | None:
    """Run a method and score what it found.

    Args:
        name: one of `ROWS`.
        task: what it is given.
        judge: of the same oracle.

    Returns:
        None for a method that cannot be told what it needs, or that finds nothing.

    Raises:
        KeyError: for another name.
    """
    if name == TRUTH:
        return judge.compare(rendered.truth(task.generator, task.space))
    entry = ENTRIES[name]
    found = entry.discover(task) if entry.fits(task) else ()
    return judge.compare(found, supervised=entry.supervised) if found else None
