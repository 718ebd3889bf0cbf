"""GLO at 64 pixels: a DCGAN in training mode, two Laplacian pyramids, SGD on both."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from benchmarks.training_cases.steps import StepCase
from jaxlatent.generators.base import Generator
from jaxlatent.generators.descriptions import glo as description
from jaxlatent.generators.sequential import init
from jaxlatent.generators.sequential_weighted import STATISTICS
from jaxlatent.learning import Rows
from jaxlatent.methods.glo import GLO, ROOM
from jaxlatent.methods.glo_settings import MINIMAL_GLO
from jaxlatent.numerics.laplacian_pyramid import blur_kernel

CONFIG = description(z_dim=MINIMAL_GLO.z_dim, width=MINIMAL_GLO.width)
SETTINGS = MINIMAL_GLO.settings


class GLOCase(StepCase):
    """minimal_glo's settings; codes and pictures lie on the device on both sides."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        shapes = jax.eval_shape(lambda: init(jax.random.key(0), CONFIG))
        rng = np.random.default_rng(1)

        def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
            if len(leaf.shape) == 4:
                return 0.02 * rng.standard_normal(leaf.shape, np.float32)
            rises = path[-1].key in ("weight", "running_var")
            return np.full(leaf.shape, float(rises), np.float32)

        self.params: Any = jax.tree_util.tree_map_with_path(draw, shapes)
        room = -(-batch // ROOM) * ROOM
        codes = rng.standard_normal((room, CONFIG.z_dim), np.float32)
        self.codes = codes / np.linalg.norm(codes, axis=1, keepdims=True)
        self.images = rng.uniform(-1, 1, (batch, 64, 64, 3)).astype(np.float32)

    @property
    def data(self) -> Any:
        """See `StepCase`."""
        numbers = np.arange(self.batch, dtype=np.int32)
        return {"image": self.images, "number": numbers}

    def problem(self) -> GLO:
        """See `StepCase`."""
        generator = Generator(jax.tree.map(jnp.asarray, self.params), CONFIG)
        return GLO(generator, Rows(jnp.asarray(self.codes)), self.batch, SETTINGS)

    def outcome(self, name: str, returned: Any) -> tuple[float, np.ndarray] | None:
        """The gradient is how far SGD has moved the weights."""
        if name != "ours":
            return super().outcome(name, returned)
        state, metrics = returned
        before, after = flatten_dict(self.params), flatten_dict(state.params)
        flat = [
            (before[path] - np.asarray(after[path])).ravel() / SETTINGS.learning_rate
            for path in before
            if path[-1] not in STATISTICS
        ]
        return float(metrics["loss"]), np.concatenate(flat)

    def torch_step(self, *, compiled: bool) -> Callable[[], Any]:
        """See `StepCase`."""
        import torch
        import torch.nn.functional as F

        flat = flatten_dict(self.params)
        weights = {
            path: torch.tensor(np.ascontiguousarray(torch_axes(leaf)))
            for path, leaf in flat.items()
        }
        learned = [path for path in flat if path[-1] not in STATISTICS]
        for path in learned:
            weights[path].requires_grad_()
        optimizer = torch.optim.SGD(
            [weights[path] for path in learned], SETTINGS.learning_rate
        )
        images = torch.tensor(self.images.transpose(0, 3, 1, 2).copy())
        codes = torch.tensor(self.codes)
        numbers = torch.arange(self.batch)
        kernel = torch.tensor(blur_kernel(kernel="minimal_glo").astype(np.float32))
        kernel = kernel.expand(3, 1, 5, 5).contiguous()
        last = max(int(path[1]) for path in flat)

        def generate(z: torch.Tensor) -> torch.Tensor:
            x = z[:, :, None, None]
            for number in range(0, last, 3):
                steps = (1, 0) if number == 0 else (2, 1)
                x = F.conv_transpose2d(
                    x, weights["dcnn", str(number), "weight"], None, *steps
                )
                norm = {
                    name: weights["dcnn", str(number + 1), name]
                    for name in ("running_mean", "running_var", "weight", "bias")
                }
                x = F.relu(F.batch_norm(x, *norm.values(), training=True))
            x = F.conv_transpose2d(x, weights["dcnn", str(last), "weight"], None, 2, 1)
            return torch.tanh(x)

        def pyramid(x: torch.Tensor) -> list[torch.Tensor]:
            found = []
            for _ in range(SETTINGS.levels):
                around = F.pad(x, (2, 2, 2, 2), mode="replicate")
                smooth = F.conv2d(around, kernel, groups=3)
                found.append(x - smooth)
                x = F.avg_pool2d(smooth, 2)
            return [*found, x]

        def lossy(z: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
            pairs = zip(pyramid(generate(z)), pyramid(images), strict=True)
            return torch.stack([F.l1_loss(one, two) for one, two in pairs]).sum()

        loss_of = torch.compile(lossy, dynamic=False) if compiled else lossy

        def call() -> Any:
            z = codes[numbers].requires_grad_()
            optimizer.zero_grad()
            loss = loss_of(z, images)
            loss.backward()
            optimizer.step()
            assert z.grad is not None
            with torch.no_grad():
                moved = z - SETTINGS.code_rate * z.grad
                length = moved.norm(dim=1, keepdim=True).clamp(min=1)
                codes[numbers] = moved / length
            gradients = []
            for path in learned:
                gradient = weights[path].grad
                assert gradient is not None
                if gradient.ndim == 4:
                    gradient = gradient.permute(2, 3, 0, 1)
                gradients.append(gradient.clone())
            return loss.detach(), gradients

        return call


def make(name: str, batch: int | None) -> GLOCase:
    """The one case."""
    del name
    return GLOCase(batch or MINIMAL_GLO.batch)


def torch_axes(leaf: np.ndarray) -> np.ndarray:
    """[height, width, in, out] -> [in, out, height, width]."""
    return leaf.transpose(2, 3, 0, 1) if leaf.ndim == 4 else leaf
