"""One picture of 256 pixels in w+ of StyleGAN2: pixels, LPIPS on VGG-16, Adam."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.synthesis import CASES
from benchmarks.synthesis_sides import draw
from benchmarks.training_cases.steps import StepCase
from jaxlatent.generators.base import Generator
from jaxlatent.methods.inversion import learner
from jaxlatent.methods.inversion_problem import Inversion, Targets
from jaxlatent.methods.inversion_settings import IMAGE2STYLEGAN
from jaxlatent.networks.lpips import MEAN, STD, TRUNKS, Lpips

CONFIG = CASES["stylegan2-256"].config
POOLED = (4, 9, 16, 23)
"""Where VGG-16 pools before the last tap."""
TAPS = (2, 7, 14, 21, 28)
"""The convolutions before the taps."""


class InversionCase(StepCase):
    """Image2StyleGAN's settings; features of the target are computed once."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.params = draw(CONFIG)
        self.trunk = drawn_trunk()
        rng = np.random.default_rng(4)
        shape = (batch, CONFIG.resolution, CONFIG.resolution, 3)
        self.pictures = rng.uniform(-1, 1, shape).astype(np.float32)

    def problem(self) -> Inversion:
        """See `StepCase`."""
        generator = Generator(jax.tree.map(jnp.asarray, self.params), CONFIG)
        generator = jax.jit(lambda g: g.prepare())(generator)
        lpips = Lpips({"trunk": jax.tree.map(jnp.asarray, self.trunk)})
        targets = Targets(jnp.asarray(self.pictures))
        return learner(generator, targets, IMAGE2STYLEGAN, lpips=lpips)

    def torch_step(self, *, compiled: bool) -> Callable[[], Any]:
        """See `StepCase`."""
        import torch
        import torch.nn.functional as F

        from benchmarks.torch_baseline import stylegan2

        start = self.problem().init(jax.random.key(1)).params["codes"]
        codes = torch.tensor(np.array(start)).requires_grad_()
        weights = stylegan2.load(self.params, CONFIG)
        optimizer = torch.optim.Adam([codes], IMAGE2STYLEGAN.settings.learning_rate)
        state = {
            int(name.partition("_")[2]): (
                torch.tensor(leaf["kernel"].transpose(3, 2, 0, 1).copy()),
                torch.tensor(leaf["bias"]),
            )
            for name, leaf in self.trunk.items()
        }
        mean, std = (torch.tensor(x)[None, :, None, None] for x in (MEAN, STD))

        def features(images: torch.Tensor) -> list[torch.Tensor]:
            x, found = ((images + 1) / 2 - mean) / std, []
            for index in range(TAPS[-1] + 1):
                if index in POOLED:
                    x = F.max_pool2d(x, 2)
                if index in state:
                    kernel, bias = state[index]
                    x = F.conv2d(x, kernel, bias, padding=1).relu()
                if index in TAPS:
                    found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
            return found

        pictures = torch.tensor(self.pictures).permute(0, 3, 1, 2).contiguous()
        with torch.no_grad():
            kept = features(pictures)

        def lossy(codes: torch.Tensor) -> torch.Tensor:
            images = stylegan2.synthesize(weights, CONFIG, codes, functional=True)
            loss = F.mse_loss(images, pictures)
            for one, two in zip(features(images), kept, strict=True):
                loss = loss + (one - two).square().sum(1).mean()
            return loss

        loss_of = torch.compile(lossy, dynamic=False) if compiled else lossy

        def call() -> Any:
            optimizer.zero_grad()
            loss = loss_of(codes)
            loss.backward()
            optimizer.step()
            assert codes.grad is not None
            # ours is of the sum over pictures
            return loss.detach(), [codes.grad * self.batch]

        return call


def make(name: str, batch: int | None) -> InversionCase:
    """The case; a batch is so many pictures."""
    del name
    return InversionCase(batch or 1)


def drawn_trunk() -> Any:
    """VGG-16's convolutions, random but tame."""
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    module = TRUNKS["vgg"]
    shapes: Any = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
    rng = np.random.default_rng(3)

    def leaf(shape: jax.ShapeDtypeStruct) -> np.ndarray:
        values = rng.standard_normal(shape.shape, np.float32)
        scale = np.sqrt(2 / np.prod(shape.shape[:-1])) if len(shape.shape) > 1 else 0.0
        return values * np.float32(scale)

    return jax.tree.map(leaf, shapes)
