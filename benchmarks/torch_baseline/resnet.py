"""ResNet with bottlenecks, from torchvision's state dict, as frozen networks run."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

State = dict[str, torch.Tensor]


def score(state: State, images: torch.Tensor, blocks: Sequence[int]) -> torch.Tensor:
    """[N, 3, H, W] in [-1, 1] -> [N]; `blocks` is the number of each stage."""
    mean, std = (torch.tensor(x)[None, :, None, None] for x in (MEAN, STD))
    x = ((images + 1) / 2 - mean) / std
    x = _normed(state, "bn1", F.conv2d(x, state["conv1.weight"], stride=2, padding=3))
    x = F.max_pool2d(x.relu(), 3, 2, 1)
    for stage, count in enumerate(blocks, start=1):
        for index in range(count):
            stride = 2 if stage > 1 and index == 0 else 1
            x = _block(state, f"layer{stage}.{index}", x, stride)
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])[:, 0]


def _block(state: State, name: str, x: torch.Tensor, stride: int) -> torch.Tensor:
    y = x
    for number, (step, padding) in enumerate([(1, 0), (stride, 1), (1, 0)], start=1):
        y = y if number == 1 else y.relu()
        weight = state[f"{name}.conv{number}.weight"]
        y = F.conv2d(y, weight, stride=step, padding=padding)
        y = _normed(state, f"{name}.bn{number}", y)
    if f"{name}.downsample.0.weight" in state:
        x = F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride)
        x = _normed(state, f"{name}.downsample.1", x)
    return (x + y).relu()


def _normed(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    parts = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(state[f"{name}.{part}"] for part in parts))
