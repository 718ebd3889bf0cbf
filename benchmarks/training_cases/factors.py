"""Trajectories of Factors of Variation on SNGAN-64: a share of the search for 64 codes.

A call takes 64 codes through one amount of either sign, STEPS steps of Adam each. The
original goes through batches of ten codes, signs and steps in loops, blurs by a kernel
of 18 x 18 taps, and asks for the loss after every step; ours is one call.
"""

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.synthesis import CASES
from benchmarks.synthesis_sides import Side, draw
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents
from jaxlatent.methods.factors_of_variation_settings import Search
from jaxlatent.methods.factors_of_variation_trajectories import _both_ways
from jaxlatent.methods.factors_of_variation_transformations import as_transformation

CONFIG = CASES["sngan-64"].config
CODES, TOGETHER, STEPS = 64, 10, 2
"""Codes; how many of them the original takes at a time; steps of the 50 it does."""
CHUNK = 4
"""Codes of a call of ours, each of which makes two pictures."""
AMOUNT = 0.1
SEARCH = Search((AMOUNT,), steps=STEPS, kernel="reference", tangent=False)


class FactorsCase:
    """See `Case`; a step is one of Adam for all codes and both signs."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.params = draw(CONFIG)
        rng = np.random.default_rng(1)
        self.codes = rng.standard_normal((batch, CONFIG.z_dim), np.float32)

    def makers(self) -> dict[str, Callable[[], Callable[[], Side]]]:
        """See `Case`."""
        return {"ours": self._ours, "eager": self._eager}

    def steps(self, name: str) -> int:
        """See `Case`."""
        del name
        return STEPS

    def outcome(self, name: str, returned: Any) -> tuple[float, np.ndarray]:
        """The mean error before the last step, and how far it has moved codes."""
        del name
        ends, errors = returned
        return float(np.mean(errors)), (ends - self.codes[:, None]).ravel()

    def _ours(self) -> Callable[[], Side]:
        generator = Generator(jax.tree.map(jnp.asarray, self.params), CONFIG)
        generator = jax.jit(lambda g: g.prepare())(generator)
        change = as_transformation("horizontal_position")
        parts = [
            Latents(jnp.asarray(part), "z")
            for part in np.split(self.codes, range(CHUNK, self.batch, CHUNK))
        ]

        def build() -> Side:
            start = time.perf_counter()
            run = functools.partial(
                _both_ways, generator, change, search=SEARCH, mesh=None
            )

            def call() -> Any:
                found = [jax.device_get(run(part)) for part in parts]
                ends = np.concatenate([one.ends[:, :, 0] for one in found])
                return ends, np.concatenate([one.errors[:, :, 0] for one in found])

            run(parts[0])
            return Side(call, time.perf_counter() - start)

        return build

    def _eager(self) -> Callable[[], Side]:
        import torch

        from benchmarks.torch_baseline import sngan

        weights = sngan.load(self.params, CONFIG)
        codes = torch.tensor(self.codes)
        sigma = SEARCH.sigma
        taps = torch.linspace(-9, 9, 18)
        square = taps[:, None] ** 2 + taps[None] ** 2
        blur = torch.exp(-square / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
        kernel = blur.expand(3, 1, 18, 18).contiguous()

        def project(z: torch.Tensor) -> torch.Tensor:
            radius = z.shape[1] ** 0.5
            return z * radius / z.norm(dim=1, keepdim=True).clamp(min=radius)

        def moved(images: torch.Tensor, amount: float) -> Any:
            width = images.shape[3]
            shift = int(amount * width)
            targets, mask = torch.zeros_like(images), torch.zeros_like(images)
            old = slice(max(-shift, 0), width - max(shift, 0))
            new = slice(max(shift, 0), width + min(shift, 0))
            targets[..., new], mask[..., new] = images[..., old], 1
            return targets, mask

        def errors(z: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> Any:
            off = torch.nn.functional.pad(
                sngan.synthesize(weights, CONFIG, z) - targets, (8, 9, 8, 9)
            )
            off = torch.nn.functional.conv2d(off, kernel, groups=3)
            return (off**2 * mask).mean((1, 2, 3)) / mask.mean()

        def call() -> Any:
            ends = torch.zeros(self.batch, 2, codes.shape[1])
            found = torch.zeros(self.batch, 2)
            for start in range(0, self.batch, TOGETHER):
                rows = slice(start, start + TOGETHER)
                first = project(codes[rows])
                with torch.no_grad():
                    images = sngan.synthesize(weights, CONFIG, first)
                for number, sign in enumerate((-1, 1)):
                    z = first.clone().requires_grad_(True)
                    optimizer = torch.optim.Adam([z], lr=SEARCH.learning_rate, eps=1e-7)
                    targets, mask = moved(images, sign * AMOUNT)
                    for _ in range(STEPS):
                        optimizer.zero_grad()
                        each = errors(z, targets, mask)
                        each.mean().backward()
                        optimizer.step()
                        with torch.no_grad():
                            z.copy_(project(z))
                        each.mean().item()
                    ends[rows, number] = z.detach()
                    found[rows, number] = each.detach()
            return ends.numpy(), found.numpy()

        return lambda: Side(call)


def make(name: str, batch: int | None) -> FactorsCase:
    """The one case, whose batch is the number of codes."""
    del name
    return FactorsCase(batch or CODES)
