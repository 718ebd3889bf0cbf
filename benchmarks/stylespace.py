"""StyleSpace's local channels, beside the original's gradient maps, at 256 pixels.

    python -m benchmarks.stylespace [--columns 12] [--entries 1] [--rounds 1] [--json]

StyleGAN2-256 with random weights, float32, all cores, one code; both sides find the
derivative of the picture, averaged to 32 pixels, by every style channel, and take turns
in one process. A share of the work is measured and scaled to all of it.

"ours" pushes COLUMNS channels through `methods.stylespace_local`, those of the
convolutions and those of to-RGB layers apart; linearising is counted with every
COLUMNS, though it is done once for all. "original" does in PyTorch what the original's
code (`invert_mask.py` in betterze/StyleSpace) does in TensorFlow: for the style of each
convolution and each of the 3 x 32 x 32 numbers, the picture is run and one gradient is
pulled back to that style; ENTRIES numbers are measured for each layer. It leaves to-RGB
layers out, so "over_original" compares the channels of convolutions; "all_s" are ours
with to-RGB layers. "pulled" is a kinder way than the original's: the picture once, then
one backward pass for each number, to all styles together.

The last line is one JSON object: seconds for one code, and ratios; medians of rounds.
"""

import argparse
import functools
import json
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.synthesis import CASES
from benchmarks.synthesis_sides import Inputs
from jaxlatent.generators.base import Generator
from jaxlatent.generators.style_space import split_styles, style_sizes
from jaxlatent.jacobians import View, picture
from jaxlatent.latents import Latents, to_space
from jaxlatent.methods.stylespace_local import CELLS, Channels, kept, layer_groups
from jaxlatent.numerics.entries import reduced_columns

REGIONS = 4


def our_calls(inputs: Inputs, count: int) -> dict[str, tuple[Callable[[], Any], int]]:
    """Calls of `count` columns by group of layers, and how many channels there are."""
    params = jax.tree.map(jnp.asarray, inputs.params)
    generator = jax.jit(lambda g: g.prepare())(Generator(params, inputs.config))
    code = to_space(generator, Latents(jnp.asarray(inputs.latent), "w"), "s").codes
    given = picture(generator, code[0], View(size=CELLS), space="s")
    sizes = style_sizes(generator)
    weights = jnp.ones((REGIONS, CELLS, CELLS)) / REGIONS
    members = jnp.asarray(np.arange(CELLS**2) % (REGIONS + 1)).reshape(CELLS, CELLS)
    members = members[None] == jnp.arange(REGIONS + 1)[:, None, None]
    reduce = functools.partial(kept, cells=(CELLS, CELLS))

    @jax.jit
    def run(channels: Channels, which: jax.Array) -> Any:
        held = (channels.origin, reduce, weights, members)
        return reduced_columns(channels, *held, which=which, chunk=1)

    calls = {}
    names = ("convolutions", "to_rgb")
    for name, group in zip(names, layer_groups(generator), strict=True):
        channels = Channels(given, split_styles(code, sizes), group)
        total = channels.origin.size
        which = jnp.arange(count) * (total // count)
        program = run.lower(channels, which).compile()

        def call(program: Any = program, given: Any = (channels, which)) -> Any:
            return jax.block_until_ready(program(*given))

        call()
        calls[name] = (call, total)
    return calls


def torch_calls(inputs: Inputs, entries: int) -> dict[str, Callable[[], Any]]:
    """The original's way for each convolution; the kinder way; the number of passes."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    weights = inputs.baseline.load(inputs.params, inputs.config)
    latent = torch.from_numpy(inputs.latent)
    # a style is its offset and a constant
    styles = {name: one["offset"] for name, one in weights.items() if "." in name}
    factor = inputs.config.resolution // CELLS

    def draw() -> Any:
        image = inputs.baseline.synthesize(
            weights, inputs.config, latent, functional=True
        )
        return torch.nn.functional.avg_pool2d(image, factor).flatten()

    def layer(name: str) -> None:
        for number in range(entries):
            styles[name].requires_grad_(True)
            torch.autograd.grad(draw()[number * 97 + 500], styles[name])
            styles[name].requires_grad_(False)

    def pulled() -> float:
        """Seconds of the backward passes alone."""
        for style in styles.values():
            style.requires_grad_(True)
        numbers = draw()
        start = time.perf_counter()
        for number in range(entries):
            every = list(styles.values())
            torch.autograd.grad(numbers[number * 97 + 500], every, retain_graph=True)
        for style in styles.values():
            style.requires_grad_(False)
        return time.perf_counter() - start

    found: dict[str, Callable[[], Any]] = {
        name: functools.partial(layer, name) for name in styles if "torgb" not in name
    }
    return found | {"pulled": pulled}


def seconds(call: Callable[[], Any]) -> float:
    """Of one call; what the call itself returns if it measured."""
    start = time.perf_counter()
    own = call()
    return own if isinstance(own, float) else time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--columns", type=int, default=12, help="of ours, per turn")
    parser.add_argument("--entries", type=int, default=1, help="of theirs, per turn")
    parser.add_argument("--rounds", type=int, default=1, help="turns of every side")
    parser.add_argument("--json", action="store_true", help="nothing but the result")
    options = parser.parse_args()
    for name in ("columns", "entries", "rounds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name}: at least 1 is accepted")
    inputs = Inputs(CASES["stylegan2-256"], 1)
    mine = our_calls(inputs, options.columns)
    theirs = torch_calls(inputs, options.entries)
    numbers = 3 * CELLS**2 / options.entries
    rows = []
    for turn in range(options.rounds):
        if not options.json:
            print(f"round {turn} ...", flush=True)
        ours = {
            name: seconds(call) * total / options.columns
            for name, (call, total) in mine.items()
        }
        passes = {name: numbers * seconds(call) for name, call in theirs.items()}
        pulled = passes.pop("pulled")
        rows.append((*ours.values(), sum(passes.values()), pulled))
    convolutions, rgb, original, pulled = np.array(rows).T
    medians = {
        "convolutions_s": convolutions,
        "all_s": convolutions + rgb,
        "original_s": original,
        "pulled_s": pulled,
        "over_original": original / convolutions,
        "over_original_all": original / (convolutions + rgb),
        "over_pulled": pulled / (convolutions + rgb),
    }
    result = {name: float(np.median(values)) for name, values in medians.items()}
    channels = {name: total for name, (_, total) in mine.items()}
    told = {"channels": channels, "load": os.getloadavg(), **vars(options)}
    print(json.dumps(result | told))


if __name__ == "__main__":
    main()
