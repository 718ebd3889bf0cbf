"""WarpedGANSpace for SNGAN-MNIST: 64 paths of 128 dipoles, LeNet, both optimisers.

PyTorch's side looks the paths up, where the original multiplies all support vectors
with one-hot rows; and maps nothing thrice.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.synthesis_sides import draw
from benchmarks.training_cases.steps import StepCase
from jaxlatent.evaluation.recognition import draw_pairs
from jaxlatent.generators.base import Generator
from jaxlatent.generators.sngan import Config
from jaxlatent.latents import prior
from jaxlatent.methods.pair_reconstruction import DIRECTIONS, RECONSTRUCTOR
from jaxlatent.methods.warped_ganspace import (
    ALPHAS,
    LOG_GAMMAS,
    SUPPORTS,
    WarpedGANSpace,
)
from jaxlatent.methods.warped_ganspace_settings import PRESETS

CONFIG = Config((256, 256, 256, 256), image_channels=1)
PRESET = PRESETS["warped-mnist"]


class WarpedCase(StepCase):
    """Of the original's script."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.params = draw(CONFIG)

    def method(self, generator: Generator) -> WarpedGANSpace:
        """Ours, with the script's settings."""
        return WarpedGANSpace(prior(generator), PRESET.settings)

    def problem(self) -> WarpedGANSpace:
        """See `StepCase`."""
        generator = Generator(jax.tree.map(jnp.asarray, self.params), CONFIG)
        return self.method(jax.jit(lambda g: g.prepare())(generator))

    def outcome(self, name: str, returned: Any) -> tuple[float, np.ndarray] | None:
        """See `StepCase`; the gradient is that of scales and support vectors."""
        if name in ("ours", "block"):
            if name == "block":
                return None
            state, metrics = returned
            moments = state.optimizer.inner_states[DIRECTIONS].inner_state[0].mu
            warps = moments[DIRECTIONS]
            flat = [np.asarray(warps[one]).ravel() for one in (LOG_GAMMAS, SUPPORTS)]
            return float(metrics["loss"]), np.concatenate(flat) / (1 - self.momentum)
        return super().outcome(name, returned)

    def torch_step(self, *, compiled: bool) -> Callable[[], Any]:
        """See `StepCase`."""
        import torch

        from benchmarks.torch_baseline import pair_lenet, sngan

        method = self.method(Generator(self.params, CONFIG))
        how = method.settings.pairs
        pairs = draw_pairs(method.prior, how.shifts, PRESET.settings.paths, self.keys)
        start = method.init(jax.random.key(1)).params
        z, index, shift = (
            torch.tensor(np.array(x))
            for x in (pairs.latents.codes, pairs.index, pairs.shift)
        )
        index = index.long()
        supports, logs = (
            torch.tensor(np.array(start[DIRECTIONS][name])).requires_grad_()
            for name in (SUPPORTS, LOG_GAMMAS)
        )
        alphas = torch.tensor(np.array(start[DIRECTIONS][ALPHAS]))
        weights = sngan.load(self.params, CONFIG)
        network = pair_lenet.load(start[RECONSTRUCTOR])
        learned = [one for one in network.values() if one.requires_grad]
        optimizers = [
            torch.optim.Adam([supports, logs], lr=how.directions_rate),
            torch.optim.Adam(learned, lr=how.reconstructor_rate),
        ]

        def synthesize(codes: torch.Tensor) -> torch.Tensor:
            return sngan.synthesize(weights, CONFIG, codes)

        def lossy(before: torch.Tensor) -> torch.Tensor:
            away = z[:, None] - supports[index]
            gammas = logs[index].exp()[:, None]
            shares = alphas[index] * torch.exp(-gammas * away.square().sum(2))
            slope = -2 * gammas * torch.bmm(shares[:, None], away)[:, 0]
            ahead = slope / slope.norm(dim=1, keepdim=True)
            after = synthesize(z + shift[:, None] * ahead)
            logits, told = pair_lenet.guess(network, before, after)
            entropy = torch.nn.functional.cross_entropy(logits, index)
            missed = (told - shift).abs().mean()
            return how.classification * entropy + how.regression * missed

        draw_before, loss_of = synthesize, lossy
        if compiled:
            draw_before = torch.compile(synthesize, dynamic=False)
            loss_of = torch.compile(lossy, dynamic=False)

        def call() -> Any:
            with torch.no_grad():
                before = draw_before(z)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = loss_of(before)
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            assert logs.grad is not None
            assert supports.grad is not None
            return loss.detach(), [logs.grad.clone(), supports.grad.clone()]

        return call


def make(name: str, batch: int | None) -> WarpedCase:
    """The case."""
    del name
    return WarpedCase(batch or PRESET.batch)
