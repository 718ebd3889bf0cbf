"""The demonstration: every method on the generator that comes with the library."""

import itertools
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import jax

from jaxlatent.cli.options import option
from jaxlatent.cli.progress import progress_bar
from jaxlatent.comparison.demo import (
    Demo,
    compare_all,
    league_table,
    title_of,
    write_demo,
)
from jaxlatent.gallery.comparing import as_text
from jaxlatent.generators import rendered
from jaxlatent.runs import Run, plain

FILE = "scores.json"
# without the emitters code of the lowest level is quick to compile and runs not too
# slowly, with them it crawls; a flag that a version does not know would end the process
QUICK_TO_COMPILE = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
    if version("jax").startswith("0.10.")
    else "--xla_backend_optimization_level=1"
)


def demo(
    *,
    out: Annotated[Path, option("DIR")] = Path("demo"),
    samples: int = Demo.samples,
    seed: int = 0,
) -> None:
    """Every method on the built-in generator: from nothing to a page of pictures.

    Args:
        out: The folder for the results.
        samples: How many pictures a run of a method may look at.
        seed: Of everything that is drawn.
    """
    run = Run(out, "demo", locals())
    # read when jax first computes; programs here run for seconds and compile for more
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK_TO_COMPILE}"
    settings, key = Demo(samples=samples), jax.random.key(seed)
    generator = rendered.embedded()
    print("Every method looks for what moves the portraits of jaxlatent ...")
    count, started = len(settings.methods), itertools.count()
    with progress_bar("searching", count, unit="method") as progress:

        def tell(name: str) -> None:
            progress(min(next(started), 1), title_of(name))

        compared = compare_all(generator, settings, key=key, progress=tell)
    run.start()
    with progress_bar("drawing") as progress:
        page = write_demo(out, generator, compared, settings, key=key)
    record = {name: one.scores.to_json() for name, one in compared.items()}
    text = json.dumps(plain(record), indent=1, allow_nan=False)
    run.file(FILE).write_text(text + "\n")
    run.names.append(page)
    run.finish(generator)
    print("\n".join(as_text([league_table(compared)])))
    print((out / page).resolve().as_uri())
    print("Open that page in a browser.")
