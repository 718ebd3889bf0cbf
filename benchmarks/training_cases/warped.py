"""WarpedGANSpace: 64 paths of 128 dipoles.

PyTorch's side looks the paths up, where the original multiplies all support vectors
with one-hot rows; and maps nothing thrice.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.training_cases.pairs import PairCase
from jaxlatent.latents import Prior
from jaxlatent.methods.warped_ganspace import (
    ALPHAS,
    LOG_GAMMAS,
    SUPPORTS,
    WarpedGANSpace,
)
from jaxlatent.methods.warped_ganspace_settings import PRESETS

if TYPE_CHECKING:
    import torch

PRESET = PRESETS["warped-mnist"]


class WarpedCase(PairCase):
    """Of the original's script."""

    def method(self, prior: Prior) -> WarpedGANSpace:
        """See `PairCase`."""
        return WarpedGANSpace(prior, PRESET.settings)

    def torch_directions(
        self, directions: Any, index: "torch.Tensor", shift: "torch.Tensor"
    ) -> tuple[dict[str, "torch.Tensor"], Callable[..., "torch.Tensor"]]:
        """See `PairCase`."""
        import torch

        warps = {name: torch.tensor(np.array(x)) for name, x in directions.items()}
        supports, logs = (
            warps[name].requires_grad_() for name in (SUPPORTS, LOG_GAMMAS)
        )
        alphas = warps[ALPHAS]

        def moved(z: torch.Tensor) -> torch.Tensor:
            away = z[:, None] - supports[index]
            gammas = logs[index].exp()[:, None]
            shares = alphas[index] * torch.exp(-gammas * away.square().sum(2))
            slope = -2 * gammas * torch.bmm(shares[:, None], away)[:, 0]
            return z + shift[:, None] * slope / slope.norm(dim=1, keepdim=True)

        return warps, moved


def make(name: str, batch: int | None) -> WarpedCase:
    """The one case."""
    del name
    return WarpedCase(batch or PRESET.batch)
