"""Methods that learn from pairs, for SNGAN-MNIST: a LeNet, two Adams.

PyTorch is given the draws of ours; its generator's weights ask for no gradient and the
first pictures are made without a graph, where the originals differentiate both.
"""

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.synthesis_sides import draw
from benchmarks.training_cases.steps import StepCase
from jaxlatent.evaluation.recognition import draw_pairs
from jaxlatent.generators import sngan
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Prior, prior
from jaxlatent.methods.pair_reconstruction import (
    DIRECTIONS,
    RECONSTRUCTOR,
    PairMethod,
)

if TYPE_CHECKING:
    import torch

CONFIG = sngan.Config((256, 256, 256, 256), image_channels=1)


class PairCase(StepCase):
    """A step of a method with a LeNet."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.params = draw(CONFIG)

    @abc.abstractmethod
    def method(self, prior: Prior) -> PairMethod:
        """Ours."""

    @abc.abstractmethod
    def torch_directions(
        self, directions: Any, index: "torch.Tensor", shift: "torch.Tensor"
    ) -> tuple[dict[str, "torch.Tensor"], Callable[..., "torch.Tensor"]]:
        """What PyTorch learns of directions, by our names, and `moved(z)`."""

    def problem(self) -> PairMethod:
        """See `StepCase`."""
        generator = Generator(jax.tree.map(jnp.asarray, self.params), CONFIG)
        return self.method(prior(jax.jit(lambda g: g.prepare())(generator)))

    def outcome(self, name: str, returned: Any) -> tuple[float, np.ndarray] | None:
        """The gradients of both optimisers; see `StepCase`."""
        if name != "ours":
            return super().outcome(name, returned)
        state, metrics = returned
        moments = [
            np.asarray(leaf).ravel() / (1 - self.momentum)
            for _, tree in optax.tree.get_all_with_path(state.optimizer, "mu")
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
            if "running" not in path[-1].key
        ]
        return float(metrics["loss"]), np.concatenate(moments)

    def torch_step(self, *, compiled: bool) -> Callable[[], Any]:
        """See `StepCase`."""
        import torch

        from benchmarks.torch_baseline import pair_lenet, sngan

        method = self.problem()
        how, count = method.pairs, method.module.directions
        pairs = jax.jit(lambda keys: draw_pairs(method.prior, how.shifts, count, keys))(
            self.keys
        )
        z, index, shift = (
            torch.tensor(np.array(x))
            for x in (pairs.latents.codes, pairs.index, pairs.shift)
        )
        index = index.long()
        start = method.init(jax.random.key(1)).params
        directions, moved = self.torch_directions(start[DIRECTIONS], index, shift)
        weights = sngan.load(self.params, CONFIG)
        network = pair_lenet.load(start[RECONSTRUCTOR])
        learned = [one for one in network.values() if one.requires_grad]
        moving = [one for one in directions.values() if one.requires_grad]
        optimizers = [
            torch.optim.Adam(moving, lr=how.directions_rate),
            torch.optim.Adam(learned, lr=how.reconstructor_rate),
        ]

        def synthesize(codes: torch.Tensor) -> torch.Tensor:
            return sngan.synthesize(weights, CONFIG, codes)

        def lossy(before: torch.Tensor) -> torch.Tensor:
            logits, told = pair_lenet.guess(network, before, synthesize(moved(z)))
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
            gradients = [
                torch.zeros_like(one) if one.grad is None else one.grad.clone()
                for _, one in sorted(directions.items())
            ]
            return loss.detach(), [*gradients, *pair_lenet.gradients(network)]

        return call
