"""One process of `benchmarks.training`: both frameworks' steps, timed in turns.

    python -m benchmarks.training_sides JOB

JOB is JSON: "assessor", "batch", and either "memory", the one side whose memory is
wanted, or "sides" and "rounds". The last line is JSON.
"""

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from benchmarks.synthesis import CASES
from benchmarks.synthesis_sides import Side, attempt, draw, forget, resident, take_turns
from jaxlatent.evaluation.formulas import LUMA, brightness
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Prior, Truncation, prior, sample_keys
from jaxlatent.methods.ganalyze import GANalyze
from jaxlatent.methods.ganalyze_settings import PAPER
from jaxlatent.networks.base import Network
from jaxlatent.networks.outputs import Column
from jaxlatent.networks.resnet import DEPTHS, resnet
from jaxlatent.training.blocks import finite, run_block
from jaxlatent.types import Model, as_model

CONFIG = CASES["biggan-128"].config
BLOCK = 2
BLOCKS = DEPTHS[50][0]


class Inputs:
    """What all sides are given: weights, an assessor, and the draws of a step."""

    def __init__(self, assessor: str, batch: int) -> None:
        self.params = draw(CONFIG)
        self.batch = batch
        self.network = drawn_network() if assessor == "resnet50" else None
        self.keys = sample_keys(jax.random.key(0), np.arange(batch))
        self.start = GANalyze(self.prior(), self.model, PAPER.settings)
        found = self.start.prior(self.keys)
        alpha = self.start.alphas(self.keys, jnp.zeros(batch))
        self.draws = [np.asarray(x) for x in (found.codes, found.label, alpha)]

    @property
    def model(self) -> Model:
        """The assessor, ours."""
        return as_model(brightness) if self.network is None else Column(self.network, 0)

    def prior(self, params: Any = None) -> Prior:
        """Of all classes alike, within two deviations."""
        generator = Generator(self.params if params is None else params, CONFIG)
        return prior(generator, label="every", truncation=Truncation(1.0))


def drawn_network() -> Network:
    """A ResNet-50 of one output, random but tame."""
    module = resnet(50, outputs=1)
    image = jax.ShapeDtypeStruct((1, 128, 128, 3), jnp.float32)
    shapes: Any = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
    rng = np.random.default_rng(3)

    def leaf(path: tuple[Any, ...], shape: jax.ShapeDtypeStruct) -> np.ndarray:
        name = path[-1].key
        if name in ("scale", "running_var"):
            # branches end small, so that sixteen of them do not overflow
            last = name == "scale" and path[-2].key == "bn3"
            return np.full(shape.shape, 0.2 if last else 1.0, np.float32)
        if name in ("bias", "running_mean"):
            return np.zeros(shape.shape, np.float32)
        values = rng.standard_normal(shape.shape, np.float32)
        return values * np.float32(np.sqrt(2 / np.prod(shape.shape[:-1])))

    return Network(jax.tree_util.tree_map_with_path(leaf, shapes), module)


def ours(inputs: Inputs, *, block: bool = False) -> Callable[[], Side]:
    """The compiled update, or BLOCK of them as `fit` runs them."""
    params = jax.tree.map(jnp.asarray, inputs.params)
    generator = jax.jit(lambda g: g.prepare())(Generator(params, CONFIG))
    drawn = inputs.prior(generator.params)
    method = GANalyze(drawn, jax.tree.map(jnp.asarray, inputs.model), PAPER.settings)
    state = jax.block_until_ready(method.init(jax.random.key(1)))
    del params, generator, drawn

    def build() -> Side:
        start = time.perf_counter()
        if not block:
            step = jax.jit(lambda method, state, keys: method.update(state, keys))
            program = step.lower(method, state, inputs.keys).compile()
            seconds = time.perf_counter() - start
            return Side(
                lambda: jax.block_until_ready(program(method, state, inputs.keys)),
                seconds,
            )

        strict = np.array([bool(finite(leaf)) for leaf in jax.tree.leaves(state)])

        def call() -> Any:
            key, first, count = jax.random.key(0), np.uint32(0), np.int32(BLOCK)
            return jax.block_until_ready(
                run_block(
                    method,
                    key,
                    state,
                    first,
                    count,
                    None,
                    strict=strict,
                    batch=inputs.batch,
                    block=BLOCK,
                    mesh=None,
                )
            )

        call()
        return Side(call, time.perf_counter() - start)

    return build


def eager(inputs: Inputs, *, compiled: bool = False) -> Callable[[], Side]:
    """The same step in PyTorch; its call returns the loss and the gradient."""
    import torch

    from benchmarks.torch_baseline import biggan
    from benchmarks.torch_baseline import resnet as torch_resnet

    weights = biggan.load(inputs.params, CONFIG)
    z, label, alpha = (torch.from_numpy(np.array(x)) for x in inputs.draws)
    luma = torch.tensor(LUMA)[None, :, None, None]
    state = None if inputs.network is None else torch_state(inputs.network)
    theta = torch.zeros(1, z.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=PAPER.settings.learning_rate)

    def score(codes: torch.Tensor) -> torch.Tensor:
        images = biggan.synthesize(weights, CONFIG, codes, label)
        if state is None:
            return ((images + 1) / 2 * luma).sum(1).mean((1, 2))
        return torch_resnet.score(state, images, BLOCKS)

    def lossy(theta: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        moved = z + alpha[:, None] * theta
        moved = moved * (z.norm(dim=1) / moved.norm(dim=1))[:, None]
        return torch.nn.functional.mse_loss(score(moved), target)

    seed_score, loss_of = score, lossy
    if compiled:
        seed_score = torch.compile(score, dynamic=False)
        loss_of = torch.compile(lossy, dynamic=False)

    def call() -> Any:
        with torch.no_grad():
            target = seed_score(z) + alpha
        optimizer.zero_grad()
        loss = loss_of(theta, target)
        loss.backward()
        optimizer.step()
        return loss.detach(), theta.grad

    def build() -> Side:
        return Side(call)

    return build


def torch_state(network: Network) -> dict[str, Any]:
    """A ResNet's weights under torchvision's names."""
    import torch

    found = {}
    for name, leaf in flatten_dict(network.params, sep="/").items():
        *layers, kind = name.split("/")
        value = np.asarray(leaf)
        axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(value.ndim)
        value = value if axes is None else value.transpose(axes)
        layer = ".".join(layers).replace("_", ".")
        kind = {"kernel": "weight", "scale": "weight"}.get(kind, kind)
        found[f"{layer}.{kind}"] = torch.from_numpy(np.array(value, order="C"))
    return found


MAKERS: dict[str, Callable[[Inputs], Callable[[], Side]]] = {
    "ours": ours,
    "block": functools.partial(ours, block=True),
    "eager": eager,
    "compiled": functools.partial(eager, compiled=True),
}


def timing(job: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Figures of all sides."""
    sides, result = {}, {}
    first: dict[str, tuple[float, np.ndarray]] = {}
    for name in job["sides"]:

        def make(name: str = name) -> Side:
            side = MAKERS[name](inputs)()
            first[name] = told(name, side.call())
            return side

        side, reason = attempt(make, name)
        if side is None:
            result[name] = {"steps_per_s": None, "reason": reason}
        else:
            sides[name] = side.call
    times = take_turns(sides, job["rounds"])
    times |= {"block": times["block"] / BLOCK} if "block" in times else {}
    loss, gradient = first["ours"]
    for name in sides:
        result[name] = {
            "steps_per_s": float(1 / np.median(times[name])),
            "range": [float(1 / f(times[name])) for f in (np.max, np.min)],
        }
        if name != "ours":
            result[f"{name}_over_ours"] = float(np.median(times[name] / times["ours"]))
        if name in ("eager", "compiled"):
            result[f"{name}_over_block"] = float(
                np.median(times[name] / times["block"])
            )
            other_loss, other = first[name]
            apart = np.linalg.norm(gradient - other) / np.linalg.norm(other)
            result[name]["difference"] = {
                "loss": abs(loss - other_loss) / other_loss,
                "gradient": float(apart),
            }
    return result


def told(name: str, found: Any) -> tuple[float, np.ndarray]:
    """The loss of a side's first step, and its gradient [D]."""
    if name in ("eager", "compiled"):
        loss, gradient = found
        return float(loss), gradient.numpy(force=True)[0].copy()
    if name == "block":
        return float(found[3]["loss"][0]), np.zeros(0)
    state, metrics = found
    # after one step Adam's first moment is a tenth of it
    moment = state.optimizer[0].mu["layers"]["0"]["bias"]
    return float(metrics["loss"]), 10 * np.asarray(moment)


def memory(job: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Memory and compile time of one side, alone in its process."""
    loaded = 0.0

    def make() -> Side:
        nonlocal loaded
        build = MAKERS[job["memory"]](inputs)
        del inputs.params, inputs.start
        inputs.network = None
        loaded = resident()
        return build()

    side, reason = attempt(make, job["memory"])
    if side is None:
        return {"peak_mib": None, "reason": reason}
    side.call()
    result = {
        "loaded_mib": loaded,
        "peak_mib": resident("VmHWM"),
        "compile_s": side.compile_s,
    }
    forgotten = forget()
    side.call()
    return result | {"warm_peak_mib": resident("VmHWM") if forgotten else None}


def main() -> None:
    job = json.loads(sys.argv[1])
    if job.get("memory") not in ("ours", "block"):
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
    inputs = Inputs(job["assessor"], job["batch"])
    print(json.dumps((memory if "memory" in job else timing)(job, inputs)))


if __name__ == "__main__":
    main()
