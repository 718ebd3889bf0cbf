"""GANalyze for BigGAN-128: codes, classes and alpha, two pictures, two scores, Adam."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from benchmarks.synthesis import CASES
from benchmarks.synthesis_sides import draw
from benchmarks.training_cases.steps import StepCase
from jaxlatent.evaluation.formulas import LUMA, brightness
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Truncation, prior
from jaxlatent.methods.ganalyze import GANalyze
from jaxlatent.methods.ganalyze_settings import PAPER
from jaxlatent.networks.base import Network
from jaxlatent.networks.outputs import Column
from jaxlatent.networks.resnet import DEPTHS, resnet
from jaxlatent.types import Model, as_model

CONFIG = CASES["biggan-128"].config
BLOCKS = DEPTHS[50][0]


class GANalyzeCase(StepCase):
    """Of all classes alike, within two deviations."""

    def __init__(self, assessor: str, batch: int) -> None:
        super().__init__(batch)
        self.params = draw(CONFIG)
        self.network = drawn_network() if assessor == "resnet50" else None

    @property
    def model(self) -> Model:
        """The assessor, ours."""
        return as_model(brightness) if self.network is None else Column(self.network, 0)

    def method(self, generator: Generator) -> GANalyze:
        """Ours, with the paper's settings."""
        drawn = prior(generator, label="every", truncation=Truncation(1.0))
        return GANalyze(drawn, self.model, PAPER.settings)

    def problem(self) -> GANalyze:
        """See `StepCase`."""
        generator = Generator(jax.tree.map(jnp.asarray, self.params), CONFIG)
        method = self.method(jax.jit(lambda g: g.prepare())(generator))
        return method.replace(assessor=jax.tree.map(jnp.asarray, method.assessor))

    def torch_step(self, *, compiled: bool) -> Callable[[], Any]:
        """See `StepCase`."""
        import torch

        from benchmarks.torch_baseline import biggan
        from benchmarks.torch_baseline import resnet as torch_resnet

        method = self.method(Generator(self.params, CONFIG))
        drawn = method.prior(self.keys)
        assert drawn.label is not None
        draws = (
            drawn.codes,
            drawn.label,
            method.alphas(self.keys, jnp.zeros(len(drawn))),
        )
        z, label, alpha = (torch.tensor(np.array(x)) for x in draws)
        weights = biggan.load(self.params, CONFIG)
        luma = torch.tensor(LUMA)[None, :, None, None]
        state = None if self.network is None else torch_state(self.network)
        theta = torch.zeros(1, z.shape[1], requires_grad=True)
        optimizer = torch.optim.Adam([theta], lr=PAPER.settings.learning_rate)

        def score(codes: torch.Tensor) -> torch.Tensor:
            images = biggan.synthesize(weights, CONFIG, codes, label)
            if state is None:
                return ((images + 1) / 2 * luma).sum(1).mean((1, 2))
            return torch_resnet.score(state, images, BLOCKS)

        def lossy(theta: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            moved = z + alpha[:, None] * theta
            moved = moved * (z.norm(dim=1) / moved.norm(dim=1))[:, None]
            return torch.nn.functional.mse_loss(score(moved), target)

        seed_score, loss_of = score, lossy
        if compiled:
            seed_score = torch.compile(score, dynamic=False)
            loss_of = torch.compile(lossy, dynamic=False)

        def call() -> Any:
            with torch.no_grad():
                target = seed_score(z) + alpha
            optimizer.zero_grad()
            loss = loss_of(theta, target)
            loss.backward()
            optimizer.step()
            assert theta.grad is not None
            return loss.detach(), [theta.grad[0].clone()]

        return call


def make(name: str, batch: int | None) -> GANalyzeCase:
    """The case of an assessor."""
    return GANalyzeCase(name.partition("-")[2], batch or PAPER.batch)


def drawn_network() -> Network:
    """A ResNet-50 of one output, random but tame."""
    module = resnet(50, outputs=1)
    image = jax.ShapeDtypeStruct((1, 128, 128, 3), jnp.float32)
    shapes: Any = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
    rng = np.random.default_rng(3)

    def leaf(path: tuple[Any, ...], shape: jax.ShapeDtypeStruct) -> np.ndarray:
        name = path[-1].key
        if name in ("scale", "running_var"):
            # branches end small, so that sixteen of them do not overflow
            last = name == "scale" and path[-2].key == "bn3"
            return np.full(shape.shape, 0.2 if last else 1.0, np.float32)
        if name in ("bias", "running_mean"):
            return np.zeros(shape.shape, np.float32)
        values = rng.standard_normal(shape.shape, np.float32)
        return values * np.float32(np.sqrt(2 / np.prod(shape.shape[:-1])))

    return Network(jax.tree_util.tree_map_with_path(leaf, shapes), module)


def torch_state(network: Network) -> dict[str, Any]:
    """A ResNet's weights under torchvision's names."""
    import torch

    found = {}
    for name, leaf in flatten_dict(network.params, sep="/").items():
        *layers, kind = name.split("/")
        value = np.asarray(leaf)
        axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(value.ndim)
        value = value if axes is None else value.transpose(axes)
        layer = ".".join(layers).replace("_", ".")
        kind = {"kernel": "weight", "scale": "weight"}.get(kind, kind)
        found[f"{layer}.{kind}"] = torch.tensor(np.array(value, order="C"))
    return found
