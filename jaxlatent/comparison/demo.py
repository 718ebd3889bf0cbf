"""One page that shows what every method finds in the generator of the library.

The learned methods look at pictures of few pixels, so that all of it takes minutes; the
page shows what they found in the full size.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.comparison.entries import ENTRIES, Task
from jaxlatent.comparison.running import ROWS, compare, judge_of, sized
from jaxlatent.editing import traverse_images
from jaxlatent.evaluation.edit_comparison import Compared
from jaxlatent.gallery.comparing import told
from jaxlatent.gallery.drawing import PAGE_FILE
from jaxlatent.gallery.page import Gallery, Row, write_page
from jaxlatent.gallery.plots import HeatMap, Table
from jaxlatent.gallery.regions import outline
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents

STRENGTHS = (-2.0, -1.35, -0.7, 0.0, 0.7, 1.35, 2.0)
"""Of the page's columns, in deviations of the prior."""

REGION = "eyes"
"""The part of the picture whose edit is shown with its mask."""

SAMPLES = 3200
"""Pictures that a method looks at; enough for those that learn to be on their way."""

SIZE = 16
"""Side of the pictures that methods look at."""

LONGEST = (
    "lowrankgan",
    "unsupervised_discovery",
    "steerability",
    "warped_ganspace",
    "factors_of_variation",
    "perceptual_geometry",
    "resefa",
)
"""Methods that differentiate pictures, each in a program of its own."""

LINES = (
    "Every method of the library looked for what moves these portraits. They are drawn "
    "from fourteen known factors of variation, so that what was found can be held "
    "against the truth: coverage tells whether each factor has a direction of its own, "
    "purity whether a direction changes one factor alone. Random directions score 0, "
    "the true ones 1.",
    "Below are the purest directions of each method, named after the factor that they "
    "change most. Move a slider, or play them all.",
)


@dataclasses.dataclass(frozen=True)
class Demo:
    """What is shown, and from how much.

    Attributes:
        samples: pictures that a run of a method may look at.
        methods: which rows of `running.ROWS`, in that order.
        directions: of each method that are drawn.
        codes: how many portraits they are drawn of.
        threads: methods that run at a time. Nearly all of the time is the compiler's,
            which uses a single core for each program.
    """

    samples: int = SAMPLES
    methods: tuple[str, ...] = ROWS
    directions: int = 2
    codes: int = 3
    threads: int = 2


def compare_all(
    generator: Generator,
    demo: Demo,
    *,
    key: jax.Array,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Compared]:
    """Every method at a small budget, scored, by its name.

    Args:
        generator: an oracle of the family `rendered`.
        demo: which methods, and their budget.
        key: of everything that is drawn.
        progress: called with a row of `running.ROWS` before it is run.
    """
    judge = judge_of(generator, key=jax.random.fold_in(key, 1))
    size = min(SIZE, generator.config.size)
    task = Task(sized(generator, size), jax.random.fold_in(key, 2), demo.samples)

    def run(name: str) -> Compared | None:
        if progress is not None:
            progress(name)
        return compare(name, task, judge)

    # those that learn from pictures take longest to compile, and begin
    order = sorted(demo.methods, key=lambda name: name not in LONGEST)
    with ThreadPoolExecutor(demo.threads) as pool:
        found = dict(zip(order, pool.map(run, order), strict=True))
    return {name: one for name in demo.methods if (one := found[name]) is not None}


def write_demo(
    folder: Path | str,
    generator: Generator,
    compared: Mapping[str, Compared],
    demo: Demo,
    *,
    key: jax.Array,
    progress: Callable[[int], None] | None = None,
) -> str:
    """Write the page: the table, the purest directions, and a region's edit.

    Args:
        folder: where to, made if it is missing.
        generator: what draws, in the size of the page.
        compared: from `compare_all`.
        demo: what is shown.
        key: of the portraits.
        progress: called with the number of pictures just drawn.

    Returns:
        The name of the file.
    """
    latents = Latents(generator.sample(key, demo.codes), "z")
    rows, region = [], None
    for name, one in compared.items():
        for index in purest(one, demo.directions if name in ENTRIES else 0):
            rows.append(_row(generator, name, one, index, latents, progress))
    if told_regions := compared.get("lowrankgan"):
        region = _region_row(generator, told_regions, latents, progress)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    gallery = Gallery(
        "What moves a portrait?",
        [*([region] if region else []), *rows],
        STRENGTHS,
        [f"portrait {number + 1}" for number in range(demo.codes)],
        LINES,
        value_name="share of its factor",
        plots=[league_table(compared), *_heat_maps(compared)],
    )
    write_page(folder / PAGE_FILE, gallery)
    return PAGE_FILE


def league_table(compared: Mapping[str, Compared]) -> Table:
    """The scores of all methods."""
    heads = ("method", "coverage", "purity", "is told", "directions")
    lines = []
    for name, one in compared.items():
        scores = one.scores.summary
        lines.append(
            (
                title_of(name),
                *(
                    f"{scores[what]:.2f}".replace("-", "−")
                    for what in ("coverage", "purity")
                ),
                told_of(name),
                str(len(one.effects.directions)),
            )
        )
    return Table("All methods, by what they are told", heads, lines)


def title_of(name: str) -> str:
    """What a row of `running.ROWS` is called."""
    return ENTRIES[name].title if name in ENTRIES else "The true directions"


def told_of(name: str) -> str:
    """What a row of `running.ROWS` knows beside the generator."""
    return ENTRIES[name].told if name in ENTRIES else "everything"


def purest(one: Compared, num: int) -> list[int]:
    """The directions that change one factor the most alone, each another factor.

    Of those that are pure to the same fifth, the factor that a world names first, as
    the most visible.
    """
    share = np.nan_to_num(one.effects.selectivity)
    largest, factor = share.max(axis=1), share.argmax(axis=1)
    order = np.lexsort((-largest, factor, -np.floor(5 * largest)))
    chosen: dict[int, int] = {}
    for index in order.tolist():
        chosen.setdefault(int(factor[index]), index)
    return list(chosen.values())[:num]


def _heat_maps(compared: Mapping[str, Compared]) -> Iterator[HeatMap]:
    """Of the best method that is told nothing, and of chance."""
    alone = {
        name: one
        for name, one in compared.items()
        if name in ENTRIES and ENTRIES[name].told == "nothing"
    }
    best = sorted(alone, key=lambda name: -alone[name].scores.summary["coverage"])
    for name in dict.fromkeys((*best[:1], *[*alone][:1])):
        effects = alone[name].effects
        order = effects.order()
        yield HeatMap(
            f"{title_of(name)}: change of each factor along each direction",
            [str(index) for index in order],
            effects.factors,
            effects.slope[order],
        )


def _row(
    generator: Generator,
    name: str,
    one: Compared,
    index: int,
    latents: Latents,
    progress: Callable[[int], None] | None,
) -> Row:
    """A direction's pictures, turned so that its factor rises to the right."""
    effects = one.effects
    factor = int(np.nan_to_num(effects.selectivity[index]).argmax())
    sign = -1 if effects.slope[index, factor] < 0 else 1
    strengths = sign * effects.units[index] * np.asarray(STRENGTHS)
    # one program draws single directions of all edits of a kind
    images = traverse_images(
        generator,
        one.single(index),
        latents,
        0,
        strengths.tolist(),
        chunk=latents.codes.shape[0] * len(STRENGTHS),
        progress=progress,
    )
    return Row(
        f"{title_of(name)}: {effects.factors[factor].replace('_', ' ')}",
        index,
        # in colour, as the outline of a region is
        np.broadcast_to(images, (*images.shape[:-1], 3)),
        float(effects.selectivity[index, factor]),
        {
            "is told": told_of(name),
            "changes": told(effects, index),
        },
    )


def _region_row(
    generator: Generator,
    one: Compared,
    latents: Latents,
    progress: Callable[[int], None] | None,
) -> Row | None:
    """The region's first direction, its mask outlined; None without that region."""
    names = [name for name in one.effects.directions if name.startswith(REGION)]
    if not names:
        return None
    index = one.effects.directions.index(names[0])
    row = _row(generator, "lowrankgan", one, index, latents, progress)
    codes = jnp.asarray(latents.codes)
    config = generator.config
    values = generator.features(codes, names=("factors",))["factors"]
    masks = config.painted.masks(values, size=config.size)[REGION]
    pictures = np.stack(
        [
            outline(np.asarray(images), np.asarray(mask))
            for images, mask in zip(np.asarray(row.pictures), masks, strict=True)
        ]
    )
    return dataclasses.replace(
        row,
        name=f"LowRankGAN, told the {REGION}",
        pictures=pictures,
    )
