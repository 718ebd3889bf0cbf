"""Steerability for BigGAN-128: a linear walk that zooms, L2, codes of all classes.

The original makes its targets on the host, by TensorFlow and OpenCV; the step here
resizes on the device, so that what is compared is the step and not that detour.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.synthesis import CASES
from benchmarks.synthesis_sides import draw
from benchmarks.training_cases.steps import StepCase
from jaxlatent.generators.base import Generator
from jaxlatent.methods.steerability import Steerability, learner
from jaxlatent.methods.steerability_edits import Zoom
from jaxlatent.methods.steerability_settings import PRESETS

CONFIG = CASES["biggan-128"].config
PRESET = PRESETS["biggan-zoom"]


class SteerabilityCase(StepCase):
    """Of all classes alike, within two deviations."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.params = draw(CONFIG)

    def problem(self) -> Steerability:
        """See `StepCase`."""
        generator = Generator(jax.tree.map(jnp.asarray, self.params), CONFIG)
        generator = jax.jit(lambda g: g.prepare())(generator)
        return learner(generator, Zoom(), PRESET, label="every")

    def torch_step(self, *, compiled: bool) -> Callable[[], Any]:
        """See `StepCase`."""
        import torch

        from benchmarks.torch_baseline import biggan

        method = learner(Generator(self.params, CONFIG), Zoom(), PRESET, label="every")
        drawn, strength = method.prior(self.keys), method.strengths(self.keys)
        start = method.init(jax.random.key(1)).params["walk"]
        assert drawn.label is not None
        z, label, alpha, first = (
            torch.tensor(np.array(x))
            for x in (drawn.codes, drawn.label, strength, start)
        )
        weights = biggan.load(self.params, CONFIG)
        walk = first.clone().requires_grad_()
        optimizer = torch.optim.Adam([walk], lr=PRESET.settings.learning_rate)
        factor = alpha[:, 0].exp()
        affine = torch.zeros(len(z), 2, 3)
        affine[:, 0, 0] = affine[:, 1, 1] = factor

        def synthesize(codes: torch.Tensor) -> torch.Tensor:
            return biggan.synthesize(weights, CONFIG, codes, label)

        def target(codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            images = synthesize(codes)
            how: Any = dict(mode="bilinear", align_corners=False)
            shape = list(images.shape)
            grid = torch.nn.functional.affine_grid(affine, shape, align_corners=False)
            edited = torch.nn.functional.grid_sample(images, grid, **how)
            known = torch.nn.functional.grid_sample(images * 0 + 1, grid, **how)
            return edited, (known[:, :1] > 1e-4).float().expand_as(images)

        def lossy(
            walk: torch.Tensor, wanted: torch.Tensor, mask: torch.Tensor
        ) -> torch.Tensor:
            images = synthesize(z + alpha @ walk)
            square = (mask * (images - wanted) ** 2).sum((1, 2, 3))
            return (square / mask.sum((1, 2, 3))).mean()

        target_of, loss_of = target, lossy
        if compiled:
            target_of = torch.compile(target, dynamic=False)
            loss_of = torch.compile(lossy, dynamic=False)

        def call() -> Any:
            with torch.no_grad():
                wanted, mask = target_of(z)
            optimizer.zero_grad()
            loss = loss_of(walk, wanted, mask)
            loss.backward()
            optimizer.step()
            assert walk.grad is not None
            return loss.detach(), [walk.grad.clone()]

        return call


def make(name: str, batch: int | None) -> SteerabilityCase:
    """The one case."""
    del name
    return SteerabilityCase(batch or PRESET.batch)
