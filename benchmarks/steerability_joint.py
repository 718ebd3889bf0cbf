"""Does training generator and walk together steer farther? As the paper has it.

    python -m benchmarks.steerability_joint [--steps 6000] [--walk-steps 800] [--seed 0]
        --json

Small networks on scikit-learn's digits (16 x 16 pixels), turned in their plane by up
to 20 degrees. "none": a generator of the digits, and a walk for it afterwards;
"augmented": the same of digits that were turned; "joint": generator and walk together
on those. The figures are the mean square differences of moved pictures from turned ones
over alpha, and those of pictures of consecutive alphas. The last line is one JSON
object; "ordered" says whether joint < augmented < none for the mean over alpha.
"""

import argparse
import itertools
import json
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.evaluation.steerability import walk_errors
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior
from jaxlatent.methods import steerability
from jaxlatent.methods.steerability_edits import AlongSlider, Rotation
from jaxlatent.methods.steerability_joint import (
    EditedSource,
    JointSettings,
    JointSteerability,
)
from jaxlatent.methods.steerability_settings import Preset, Settings
from jaxlatent.training.fit import fit
from jaxlatent.training.sources import ArraySource

SIDE, WIDTH, HIDDEN = 16, 16, 256
DEGREES = 20
EDIT = Rotation(degrees=DEGREES)


def chain(params: Any, x: jax.Array) -> jax.Array:
    """Dense layers with leaky rectifiers between them."""
    for number in range(len(params)):
        x = jax.nn.leaky_relu(x, 0.2) if number else x
        layer = params[str(number)]
        x = x @ layer["weight"] + layer["bias"][None]
    return x


def layers(key: jax.Array, *widths: int) -> Any:
    """Random weights of a chain."""
    return {
        str(number): {
            "weight": jax.random.normal(jax.random.fold_in(key, number), shape)
            * (2 / shape[0]) ** 0.5,
            "bias": jnp.zeros(shape[1]),
        }
        for number, shape in enumerate(itertools.pairwise(widths))
    }


def synthesize(params: Any, z: jax.Array) -> jax.Array:
    """[N, WIDTH] -> pictures."""
    return jnp.tanh(chain(params, z)).reshape(-1, SIDE, SIDE, 1)


@flax.struct.dataclass(eq=False)
class Judge:
    """Pictures -> logits [N, 1]."""

    params: Any

    def __call__(self, images: jax.Array) -> jax.Array:
        return chain(self.params, images.reshape(len(images), -1))


def digits() -> ArraySource:
    """In [-1, 1], enlarged."""
    from sklearn.datasets import load_digits

    small = jnp.asarray(load_digits().images, jnp.float32)[..., None] / 8 - 1
    shape = (len(small), SIDE, SIDE, 1)
    return ArraySource({"image": np.asarray(jax.image.resize(small, shape, "linear"))})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=6000, help="of generators")
    parser.add_argument("--walk-steps", type=int, default=800, help="of walks alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="nothing but the result")
    options = parser.parse_args()
    key = jax.random.key(options.seed)
    start = Generator.from_functions(
        synthesize,
        z_dim=WIDTH,
        params=layers(jax.random.key(1), WIDTH, HIDDEN, HIDDEN, SIDE * SIDE),
    )
    judge = Judge(layers(jax.random.key(2), SIDE * SIDE, HIDDEN, HIDDEN, 1))
    plain = digits()
    turned = EditedSource(plain, EDIT, jax.random.key(3), copies=20)
    strengths = np.linspace(-1, 1, 11)
    result: dict[str, Any] = {"alphas": (strengths * DEGREES).tolist()}
    for name, data in (("none", plain), ("augmented", turned), ("joint", turned)):
        problem = JointSteerability(
            prior(start), judge, EDIT, JointSettings(walk=name == "joint")
        )
        fitted = fit(problem, options.steps, key=key, batch=64, data=data)
        generator = problem.generator(fitted.state)
        if name == "joint":
            edit = problem.edit(fitted.state)
        else:
            preset = Preset(Settings(learning_rate=5e-3), options.walk_steps, 16)
            edit = steerability.discover(generator, EDIT, key=key, preset=preset)
        errors = walk_errors(
            prior(generator),
            edit,
            AlongSlider(EDIT),
            strengths,
            key=jax.random.key(7),
            num=500,
        )
        result[name] = {
            "to_edit": errors.to_edit.mean.tolist(),
            "mean": float(errors.to_edit.mean.mean()),
            "unmoved": float(errors.unmoved.mean.mean()),
            "between": float(errors.between.mean.mean()),
        }
        if not options.json:
            print(name, result[name], flush=True)
    means = [result[name]["mean"] for name in ("joint", "augmented", "none")]
    print(json.dumps(result | {"ordered": means == sorted(means)}))


if __name__ == "__main__":
    main()
