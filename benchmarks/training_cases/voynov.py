"""Unsupervised Discovery for SNGAN-MNIST: pairs of pictures, a LeNet, two Adams.

PyTorch is given the draws of ours, one-hot shifts among them; its generator's weights
ask for no gradient and the first pictures are made without a graph, where the original
differentiates both.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.synthesis_sides import draw
from benchmarks.training_cases.steps import StepCase
from jaxlatent.evaluation.recognition import draw_pairs
from jaxlatent.generators import sngan
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior
from jaxlatent.methods.pair_reconstruction import RECONSTRUCTOR
from jaxlatent.methods.unsupervised_discovery import UnsupervisedDiscovery
from jaxlatent.methods.unsupervised_discovery_settings import MNIST

CONFIG = sngan.Config((256, 256, 256, 256), image_channels=1)
AXES = {4: (3, 2, 0, 1), 2: (1, 0)}
"""Of PyTorch's weights, by rank."""


class VoynovCase(StepCase):
    """As many directions as a code has numbers, which start near the axes."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.params = draw(CONFIG)

    def problem(self) -> UnsupervisedDiscovery:
        """See `StepCase`."""
        generator = Generator(jax.tree.map(jnp.asarray, self.params), CONFIG)
        ready = jax.jit(lambda g: g.prepare())(generator)
        return UnsupervisedDiscovery(prior(ready), MNIST.settings)

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
        import torch.nn.functional as F

        from benchmarks.torch_baseline import sngan as torch_generator

        method = self.problem()
        params = method.init(jax.random.key(1)).params
        count = method.directions
        pairs = jax.jit(
            lambda keys: draw_pairs(method.prior, learning.shifts, count, keys)
        )
        learning = MNIST.settings.learning
        drawn = pairs(self.keys)
        z, index, shift = (
            torch.tensor(np.array(x))
            for x in (drawn.latents.codes, drawn.index, drawn.shift)
        )
        index = index.long()
        sparse = F.one_hot(index, count) * shift[:, None]
        weights = torch_generator.load(self.params, CONFIG)
        half = torch.tensor(np.array(params["directions"]["logarithm"]))
        half.requires_grad_()
        state, learned, back = {}, [], []
        leaves = jax.tree_util.tree_leaves_with_path(params[RECONSTRUCTOR])
        for (layer, kind), leaf in (([key.key for key in p], x) for p, x in leaves):
            axes = AXES.get(np.ndim(leaf), (0,))
            value = torch.tensor(np.array(np.transpose(leaf, axes), order="C"))
            state[f"{layer}.{kind}"] = value
            if "running" not in kind:
                learned.append(value.requires_grad_())
                back.append(tuple(np.argsort(axes).tolist()))
        optimizers = [
            torch.optim.Adam([half], lr=learning.directions_rate),
            torch.optim.Adam(learned, lr=learning.reconstructor_rate),
        ]

        def normed(x: torch.Tensor, name: str) -> torch.Tensor:
            scale, bias, mean, var = (
                state[f"{name}.{kind}"]
                for kind in ("scale", "bias", "running_mean", "running_var")
            )
            return F.batch_norm(x, mean, var, scale, bias, training=True).relu()

        def linear(x: torch.Tensor, name: str) -> torch.Tensor:
            return F.linear(x, state[f"{name}.kernel"], state[f"{name}.bias"])

        def head(x: torch.Tensor, name: str) -> torch.Tensor:
            return linear(normed(linear(x, f"{name}_0"), f"{name}_1"), f"{name}_3")

        def lossy(before: torch.Tensor) -> torch.Tensor:
            matrix = torch.matrix_exp(half - half.T)
            moved = z + sparse @ matrix.T
            after = torch_generator.synthesize(weights, CONFIG, moved)
            x = torch.cat([before, after], 1)
            for number in (0, 4, 8):
                kernel, bias = (
                    state[f"convnet_{number}.{kind}"] for kind in ("kernel", "bias")
                )
                x = normed(F.conv2d(x, kernel, bias), f"convnet_{number + 1}")
                x = x.mean((2, 3)) if number == 8 else F.max_pool2d(x, 2)
            wrong = F.cross_entropy(head(x, "fc_logits"), index)
            off = (head(x, "fc_shift")[:, 0] - shift).abs().mean()
            return learning.classification * wrong + learning.regression * off

        def first() -> torch.Tensor:
            return torch_generator.synthesize(weights, CONFIG, z)

        if compiled:
            first, lossy = (torch.compile(f, dynamic=False) for f in (first, lossy))

        def call() -> Any:
            with torch.no_grad():
                before = first()
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = lossy(before)
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            gradients = [
                leaf.grad.permute(axes)
                for leaf, axes in zip(learned, back, strict=True)
            ]
            assert half.grad is not None
            return loss.detach(), [half.grad.clone(), *gradients]

        return call


def make(name: str, batch: int | None) -> VoynovCase:
    """The one case."""
    del name
    return VoynovCase(batch or MNIST.batch)
