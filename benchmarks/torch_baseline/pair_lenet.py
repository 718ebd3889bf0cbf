"""The LeNet that tells pairs of pictures apart, as in training."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from flax.traverse_util import flatten_dict

Weights = dict[str, torch.Tensor]


def load(params: Any) -> Weights:
    """Our parameters; those that are learned ask for gradients."""
    found = {}
    for name, leaf in flatten_dict(params, sep="/").items():
        value = np.asarray(leaf)
        axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(value.ndim)
        value = value if axes is None else value.transpose(axes)
        tensor = torch.tensor(np.array(value, order="C"))
        found[name] = tensor.requires_grad_("running" not in name)
    return found


def gradients(weights: Weights) -> list[torch.Tensor]:
    """Of what is learned, in the layout and the order of our parameters."""
    found = []
    for _, weight in sorted(weights.items(), key=lambda item: item[0].split("/")):
        if weight.grad is not None:
            axes = {4: (2, 3, 1, 0), 2: (1, 0)}.get(weight.ndim, (0,))
            found.append(weight.grad.permute(axes).clone())
    return found


def guess(
    weights: Weights, before: torch.Tensor, after: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images [N, C, H, W] -> (logits [N, K], shift [N])."""
    x = torch.cat([before, after], dim=1)
    for index in (0, 4, 8):
        x = F.conv2d(x, *_layer(weights, f"convnet_{index}"))
        x = F.relu(_norm(weights, f"convnet_{index + 1}", x))
        x = x.mean((2, 3)) if index == 8 else F.max_pool2d(x, 2)

    def head(name: str) -> torch.Tensor:
        y = F.linear(x, *_layer(weights, f"{name}_0"))
        y = F.relu(_norm(weights, f"{name}_1", y))
        return F.linear(y, *_layer(weights, f"{name}_3"))

    return head("fc_logits"), head("fc_shift")[:, 0]


def _layer(weights: Weights, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    return weights[f"{name}/kernel"], weights[f"{name}/bias"]


def _norm(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    own = {key: weights[f"{name}/{key}"] for key in ("running_mean", "running_var")}
    scale, bias = weights[f"{name}/scale"], weights[f"{name}/bias"]
    return F.batch_norm(x, **own, weight=scale, bias=bias, training=True)
