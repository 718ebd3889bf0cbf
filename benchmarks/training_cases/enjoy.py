"""Enjoy Your Editing for StyleGAN2-64: one attribute, a vector for each row of w+.

The regressor is the sigmoid of a ResNet-50's output, which sees pictures of 64 pixels
as they are; the content distance is that of VGG-19's first four convolutions, each
computed once, where the authors' code computes the first of them four times. PyTorch is
given codes of w+, so that it has no mapping network to run.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.synthesis import widths
from benchmarks.synthesis_sides import draw, draw_like
from benchmarks.training_cases.ganalyze import BLOCKS, drawn_network, torch_state
from benchmarks.training_cases.steps import StepCase
from jaxlatent.generators import stylegan2, stylegan2_discriminator
from jaxlatent.generators.base import Discriminator, Generator
from jaxlatent.latents import prior
from jaxlatent.methods.enjoy_your_editing import EnjoyYourEditing, judges
from jaxlatent.methods.enjoy_your_editing_settings import PAPER
from jaxlatent.networks.base import Network
from jaxlatent.networks.distances import VGG_CONTENT, vgg_content
from jaxlatent.networks.outputs import Column, Sigmoid
from jaxlatent.networks.preprocess import IMAGENET_MEAN, IMAGENET_STD
from jaxlatent.networks.vgg import vgg

WIDTHS = widths(64, 16384)
CONFIG = stylegan2.Config(64, WIDTHS)
JUDGE = stylegan2_discriminator.Config(64, WIDTHS)


class EnjoyCase(StepCase):
    """With all three losses, at the authors' weights."""

    momentum = PAPER.settings.betas[0]

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.params = draw(CONFIG)
        init = stylegan2_discriminator.init
        self.judge = draw_like(lambda: init(jax.random.key(0), JUDGE), 1)
        self.network = drawn_network()
        self.content = drawn_vgg()

    def method(self) -> EnjoyYourEditing:
        """Ours, with the paper's settings."""
        regressor = Sigmoid(Column(self.network, 0))
        models = judges(
            regressor, Discriminator(self.judge, JUDGE), vgg_content(self.content)
        )
        generator = Generator(jax.tree.map(jnp.asarray, self.params), CONFIG)
        return EnjoyYourEditing(prior(generator, space="w+"), models, PAPER.settings)

    def problem(self) -> EnjoyYourEditing:
        """See `StepCase`."""
        method = jax.tree.map(jnp.asarray, self.method())
        ready = jax.jit(lambda g: g.prepare())(method.prior.generator)
        return method.replace(prior=method.prior.replace(generator=ready))

    def torch_step(self, *, compiled: bool) -> Callable[[], Any]:
        """See `StepCase`."""
        import torch
        import torch.nn.functional as F

        from benchmarks.torch_baseline import resnet as torch_resnet
        from benchmarks.torch_baseline import stylegan2 as torch_generator
        from benchmarks.torch_baseline import stylegan2_discriminator as torch_judge

        method, how = self.method(), PAPER.settings
        start = method.init(jax.random.key(1)).params["vectors"]
        rows, drawn, first = (
            torch.tensor(np.array(x))
            for x in (
                jax.jit(lambda keys: method.prior(keys).codes)(self.keys),
                method.drawn(self.keys, 1),
                start,
            )
        )
        weights = torch_generator.load(self.params, CONFIG)
        judge = torch_judge.load(self.judge, JUDGE)
        state = torch_state(self.network)
        convolutions = torch_state(self.content)
        vectors = first.clone().requires_grad_()
        optimizer = torch.optim.Adam([vectors], lr=how.learning_rate, betas=how.betas)
        mean, std = (
            torch.tensor(x)[None, :, None, None] for x in (IMAGENET_MEAN, IMAGENET_STD)
        )

        def look(images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
            found, x = [], (images - mean) / std
            for number, name in enumerate(VGG_CONTENT):
                if number:
                    x = x.relu()
                if number == 2:
                    x = F.max_pool2d(x, 2)
                layer = (convolutions[f"{name}.{kind}"] for kind in ("weight", "bias"))
                x = F.conv2d(x, *layer, padding=1)
                found.append(x)
            return torch_resnet.score(state, images, BLOCKS).sigmoid()[:, None], found

        def before() -> tuple[torch.Tensor, list[torch.Tensor]]:
            return look(torch_generator.synthesize(weights, CONFIG, rows))

        def lossy(
            vectors: torch.Tensor, alpha: torch.Tensor, features: list[torch.Tensor]
        ) -> torch.Tensor:
            target = (alpha + drawn).clamp(0, 1)
            moved = rows + torch.einsum("na,ald->nld", target - alpha, vectors)
            images = torch_generator.synthesize(weights, CONFIG, moved, functional=True)
            predicted, found = look(images)
            margin = how.margin
            wrong = F.binary_cross_entropy(predicted.clamp(margin, 1 - margin), target)
            fooled = F.softplus(-torch_judge.discriminate(judge, JUDGE, images)).mean()
            content = sum(
                F.mse_loss(one, two) for one, two in zip(found, features, strict=True)
            )
            return 10 * wrong + 0.05 * fooled + 0.05 * content / len(found)

        seed, loss_of = before, lossy
        if compiled:
            seed = torch.compile(before, dynamic=False)
            loss_of = torch.compile(lossy, dynamic=False)

        def call() -> Any:
            with torch.no_grad():
                alpha, features = seed()
            optimizer.zero_grad()
            loss = loss_of(vectors, alpha, features)
            loss.backward()
            optimizer.step()
            assert vectors.grad is not None
            return loss.detach(), [vectors.grad.clone()]

        return call


def make(name: str, batch: int | None) -> EnjoyCase:
    """The one case."""
    del name
    return EnjoyCase(batch or PAPER.batch)


def drawn_vgg() -> Network:
    """VGG-19's first two blocks, random."""
    module = vgg(19, outputs=None)
    rng = np.random.default_rng(4)
    params, inputs = {}, 3
    for name, outputs in zip(VGG_CONTENT, (64, 64, 128, 128), strict=True):
        kernel = rng.standard_normal((3, 3, inputs, outputs), np.float32)
        kernel *= np.float32(np.sqrt(2 / (9 * inputs)))
        bias = 0.1 * rng.standard_normal(outputs, np.float32)
        params[name.replace(".", "_")] = {"kernel": kernel, "bias": bias}
        inputs = outputs
    return Network(params, module)
