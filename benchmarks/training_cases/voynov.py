"""Unsupervised Discovery: as many directions as a code has numbers, near the axes.

PyTorch is given one-hot shifts, as the original.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.training_cases.pairs import PairCase
from jaxlatent.latents import Prior
from jaxlatent.methods.unsupervised_discovery import UnsupervisedDiscovery
from jaxlatent.methods.unsupervised_discovery_settings import MNIST

if TYPE_CHECKING:
    import torch


class VoynovCase(PairCase):
    """Orthonormal directions."""

    def method(self, prior: Prior) -> UnsupervisedDiscovery:
        """See `PairCase`."""
        return UnsupervisedDiscovery(prior, MNIST.settings)

    def torch_directions(
        self, directions: Any, index: "torch.Tensor", shift: "torch.Tensor"
    ) -> tuple[dict[str, "torch.Tensor"], Callable[..., "torch.Tensor"]]:
        """See `PairCase`."""
        import torch

        half = torch.tensor(np.array(directions["logarithm"])).requires_grad_()
        rows = torch.nn.functional.one_hot(index, len(half)) * shift[:, None]

        def moved(z: torch.Tensor) -> torch.Tensor:
            return z + rows @ torch.matrix_exp(half - half.T).T

        return {"logarithm": half}, moved


def make(name: str, batch: int | None) -> VoynovCase:
    """The one case."""
    del name
    return VoynovCase(batch or MNIST.batch)
