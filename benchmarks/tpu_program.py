"""One process of `benchmarks.tpu`: a program compiled for chips that are not there.

    python -m benchmarks.tpu_program JOB

JOB is JSON: "model", or "config" of a StyleGAN2; "work", "topology", "chunk",
"precision" and "effort". The last line is JSON.
"""

import json
import math
import re
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from benchmarks.synthesis import CASES
from jaxlatent.generators import stylegan2
from jaxlatent.generators.base import Generator, family_module, family_name
from jaxlatent.generators.rendering import _synthesize
from jaxlatent.jacobians import picture
from jaxlatent.latents import prior
from jaxlatent.methods.ganspace import generator_source
from jaxlatent.methods.unsupervised_discovery import UnsupervisedDiscovery
from jaxlatent.numerics.jacobian import (
    columns,
    gram,
    grams,
)
from jaxlatent.numerics.jacobian_sketches import leading_singular_vectors
from jaxlatent.numerics.moments import init_moments, update_moments
from jaxlatent.parallel import LATENTS
from jaxlatent.training.blocks import run_block
from jaxlatent.types import Noise

SHARE = 8
"""Pictures, codes or pairs of a chip."""

VECTORS = 10

Spec = PartitionSpec
WHOLE, ROWS = Spec(), Spec("data")


class Program(NamedTuple):
    """What is compiled: a function, what it is given (shapes), how that is divided."""

    call: Callable[..., Any]
    given: tuple[Any, ...]
    specs: tuple[Spec, ...]
    latents: int = 1


class Setting(NamedTuple):
    """What all works have in common."""

    generator: Generator
    devices: list[Any]
    chunk: int

    def mesh(self, *, latents: bool = False) -> Mesh:
        """All chips on one axis, or as many groups as chips."""
        count = len(self.devices)
        shape, names = ((count, 1), (LATENTS, "data")) if latents else ((count,), ROWS)
        kinds = (AxisType.Auto,) * len(shape)
        return jax.make_mesh(
            shape, tuple(names), axis_types=kinds, devices=self.devices
        )

    @property
    def label(self) -> int | None:
        """Of class-conditional families."""
        return 0 if self.generator.config.label_dim else None

    @property
    def picture(self) -> Any:
        """At zeros of w, or of z where there is none."""
        space = "w" if "w" in self.generator.code_spaces else "z"
        zeros = jnp.zeros(self.generator.code_shapes[space])
        build = partial(picture, space=space, label=self.label)
        return jax.eval_shape(lambda generator: build(generator, zeros), self.generator)


def chips(topology: str) -> list[Any]:
    """The devices of a topology that is not there; "1x1" is one chip of the least."""
    kind, _, shape = topology.partition(":")
    single = shape == "1x1"
    name = f"{kind}:2x2{'x1' * (kind == 'v5p')}" if single else topology
    described = topologies.get_topology_desc(platform="tpu", topology_name=name)
    return list(described.devices)[: 1 if single else None]


def floats(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def keys(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.eval_shape(lambda: jax.random.split(jax.random.key(0), shape))


def gram_of(
    setting: Setting, kind: str, masks: str = "1", tangents: str | None = None
) -> Program:
    """The columns of one latent over all chips."""
    given = setting.picture
    height, width = jax.eval_shape(lambda given: given(given.origin), given).shape[:2]
    how: Any = {
        "mesh": setting.mesh(),
        "chunk": setting.chunk,
        "store": kind == "stored",
        "tangents": tangents,
    }

    def call(given: Any, weights: jax.Array) -> jax.Array:
        return gram(given, given.origin, weights=weights, **how)

    weights = floats(int(masks), height, width, 1)
    return Program(call, (given, weights), (WHOLE, WHOLE))


def grams_of(setting: Setting, kind: str) -> Program:
    """Each chip its own latent."""
    mesh, given = setting.mesh(latents=True), setting.picture
    how = {"mesh": mesh, "chunk": setting.chunk, "store": kind == "stored"}
    count = len(setting.devices)
    shifts = floats(count, *given.base.shape)
    call = partial(grams, **how)
    return Program(call, (given, shifts), (WHOLE, Spec(LATENTS)), count)


def columns_of(setting: Setting) -> Program:
    how = {"mesh": setting.mesh(), "chunk": setting.chunk}
    return Program(
        lambda given: columns(given, given.origin, **how), (setting.picture,), (WHOLE,)
    )


def leading_of(setting: Setting) -> Program:
    how: Any = {"mesh": setting.mesh(), "chunk": setting.chunk}

    def call(given: Any, key: jax.Array) -> Any:
        return leading_singular_vectors(given, given.origin, VECTORS, key=key, **how)

    return Program(call, (setting.picture, keys()), (WHOLE, WHOLE))


def synthesis_of(setting: Setting) -> Program:
    generator, count = setting.generator, SHARE * len(setting.devices)
    codes = floats(count, *generator.code_shapes[setting.picture.space])
    given, specs = (generator, codes), (WHOLE, ROWS)
    if setting.label is not None:
        given = (*given, jax.ShapeDtypeStruct((count,), jnp.int32))
        specs = (*specs, ROWS)

    def call(generator: Any, codes: Any, label: Any = None) -> jax.Array:
        return _synthesize(generator, codes, label, Noise.FIXED, mesh=setting.mesh())

    return Program(call, given, specs, count)


def ganspace_of(setting: Setting) -> Program:
    """Of w, or of the first feature where there is none."""
    generator, count = setting.generator, SHARE * len(setting.devices)
    layer = "w" if "w" in generator.code_spaces else generator.feature_names[0]
    build = partial(generator_source, layer=layer, label=setting.label)
    source = jax.eval_shape(lambda generator: build(generator), generator)
    size = math.prod(
        jax.eval_shape(lambda f, keys: f(keys), source, keys(count))[1].shape[1:]
    )
    moments = jax.eval_shape(lambda: init_moments(size))

    def call(moments: Any, source: Any, keys: jax.Array) -> Any:
        return update_moments(moments, source(keys)[1].reshape(count, -1))

    given = (moments, source, keys(count))
    return Program(call, given, (WHOLE, WHOLE, ROWS), count)


def fit_of(setting: Setting) -> Program:
    """One step; a block of more of them is a loop over the same."""
    generator, count = setting.generator, SHARE * len(setting.devices)
    space = "w" if "w" in generator.code_spaces else "z"
    build = partial(prior, space=space, label=setting.label)
    method = jax.eval_shape(
        lambda generator: UnsupervisedDiscovery(prior=build(generator)), generator
    )
    state = jax.eval_shape(lambda method, key: method.init(key), method, keys())
    strict = jax.ShapeDtypeStruct((len(jax.tree.leaves(state)),), bool)
    number = jax.ShapeDtypeStruct((), jnp.uint32)
    given = (method, keys(), state, number, number, strict)

    def call(method: Any, key: Any, state: Any, start: Any, steps: Any, strict: Any):
        return run_block(
            method,
            key,
            state,
            start,
            steps.astype(jnp.int32),
            None,
            strict=strict,
            batch=count,
            block=1,
            mesh=setting.mesh(),
        )

    return Program(call, given, (WHOLE,) * len(given), count)


WORKS: dict[str, Callable[..., Program]] = {
    "gram": gram_of,
    "grams": grams_of,
    "columns": columns_of,
    "leading": leading_of,
    "synthesis": synthesis_of,
    "ganspace": ganspace_of,
    "fit": fit_of,
}


COLLECTIVE = re.compile(
    r"= (.*?) (all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter|"
    r"ragged-all-to-all|collective-broadcast)(-start)?\("
)
ARRAY = re.compile(r"[a-z]+(\d+)\[([\d,]*)\]")
CONTEXT = "u32[]"
BLOCK = re.compile(r"^(?:ENTRY )?%([\w.\-]+) \(.*\{$", re.M)
LOOP = re.compile(r" while\(.*condition=%([\w.\-]+), body=%([\w.\-]+)")
NAME = re.compile(
    r"(?:calls|to_apply|[a-z_]+_computations?)=\{?(%[\w.\-]+(?:, %[\w.\-]+)*)"
)


class Text:
    """A compiled program as text, whose compiler counts every loop's body once.

    The computations of a program stand before those that call them. A loop runs as
    often as the number says that its condition compares with.
    """

    def __init__(self, text: str) -> None:
        self.client = jax.devices("cpu")[0].client
        self.text = text
        heads = [*BLOCK.finditer(text)]
        stops = [*(head.start() for head in heads[1:]), len(text)]
        self.blocks = {
            head[1]: (head.start(), stop)
            for head, stop in zip(heads, stops, strict=True)
        }
        self.first = heads[0].start()
        self.entry = next(head[1] for head in heads if head[0].startswith("ENTRY "))
        self.once, self.whole = cache(self._once), cache(self._whole)

    def block(self, name: str) -> str:
        """One computation."""
        start, stop = self.blocks[name]
        return self.text[start:stop]

    def called(self, name: str) -> list[str]:
        """The computations that one runs once."""
        found = NAME.findall(self.block(name))
        return [one.strip(" %") for names in found for one in names.split(",")]

    def loops(self, name: str) -> list[tuple[int, str]]:
        """Turns and body of the loops of a computation and of those it calls."""
        own = [
            (self.turns(condition), body)
            for condition, body in LOOP.findall(self.block(name))
        ]
        return own + [pair for one in self.called(name) for pair in self.loops(one)]

    def turns(self, condition: str) -> int:
        """How often a loop runs."""
        names = [condition, *self.called(condition)]
        texts = "".join(self.block(name) for name in names)
        return max(map(int, re.findall(r"constant\((\d+)\)", texts)), default=1)

    def _once(self, name: str) -> tuple[float, float]:
        """FLOPs and bytes of a computation, each loop inside of it run once."""
        from jaxlib import _hlo, _jax

        start, stop = self.blocks[name]
        before = self.text[self.first : start].replace("\nENTRY ", "\n")
        own = self.text[start:stop].removeprefix("ENTRY ")
        module = _hlo.hlo_module_from_text(f"HloModule one\n\n{before}ENTRY {own}")
        found = _jax.hlo_module_cost_analysis(self.client, module)
        return found.get("flops", 0.0), found.get("bytes accessed", 0.0)

    def _whole(self, name: str) -> tuple[float, float]:
        flops, bytes_ = self.once(name)
        for turns, body in self.loops(name):
            more, once = self.whole(body), self.once(body)
            flops += turns * more[0] - once[0]
            bytes_ += turns * more[1] - once[1]
        return flops, bytes_

    def collectives(self) -> dict[str, dict[str, int]]:
        """Of each kind how many, and the bytes that come out of them."""
        found: dict[str, dict[str, int]] = {}

        def visit(name: str, times: int) -> None:
            text = self.block(name)
            for shapes, kind, begun in COLLECTIVE.findall(text):
                one = found.setdefault(kind, {"count": 0, "bytes": 0})
                one["count"] += times
                arrays = ARRAY.findall(shapes)
                if begun and kind != "all-reduce":
                    # what goes in, what comes out, and a context
                    arrays = ARRAY.findall(shapes.replace(CONTEXT, ""))
                    arrays = arrays[len(arrays) // 2 :]
                for bits, entries in arrays:
                    size = math.prod(int(n) for n in entries.split(",") if n)
                    one["bytes"] += times * size * int(bits) // 8
            for condition, body in LOOP.findall(text):
                visit(body, times * self.turns(condition))
            for one in self.called(name):
                visit(one, times)

        visit(self.entry, 1)
        return found


def figures(job: dict[str, Any]) -> dict[str, Any]:
    """Everything that a row is made of."""
    if "model" in job:
        config = CASES[job["model"]].config
    else:
        # JSON has no tuples
        tuples = {
            name: tuple(one)
            for name, one in job["config"].items()
            if isinstance(one, list)
        }
        config = stylegan2.Config(**job["config"] | tuples)
    init = family_module(family_name(config)).init

    def build() -> Generator:
        return Generator(init(jax.random.key(0), config), config).prepare()

    # kernels are prepared in the form of the platform that runs them
    with mock.patch("jax.default_backend", return_value="tpu"):
        generator = jax.eval_shape(build)
    setting = Setting(generator, chips(job["topology"]), job["chunk"])
    work, *options = job["work"].split("-")
    program = WORKS[work](setting, *options)
    mesh = setting.mesh(latents=work == "grams")
    shardings = tuple(NamedSharding(mesh, spec) for spec in program.specs)
    with jax.default_matmul_precision(job["precision"]):
        lowered = jax.jit(program.call, in_shardings=shardings).lower(*program.given)
    started, spent = time.perf_counter(), time.process_time()
    effort = {"exec_time_optimization_effort": job["effort"]}
    found = lowered.compile(compiler_options=effort)
    seconds = time.perf_counter() - started, time.process_time() - spent
    text, cost = Text(found.as_text()), found.cost_analysis()
    memory = found.memory_analysis()
    once, whole = text.once(text.entry), text.whole(text.entry)
    return {
        "chips": len(setting.devices),
        "latents": program.latents,
        "compile_s": seconds[0],
        "compile_cpu_s": seconds[1],
        "argument_bytes": memory.argument_size_in_bytes,
        "temp_bytes": memory.temp_size_in_bytes,
        "flops": cost["flops"] * whole[0] / max(once[0], 1),
        "bytes": cost["bytes accessed"] * whole[1] / max(once[1], 1),
        "collectives": text.collectives(),
    }


def main() -> None:
    print(json.dumps(figures(json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
