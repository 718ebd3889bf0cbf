"""The metric of LPIPS at one code: ours beside the original's ways, in one process.

    python -m benchmarks.perceptual_geometry --json geometry.json

The generator is a chain of convolutions and LPIPS sits on AlexNet, both of random
weights, the same numbers in both frameworks. The original (Wang and Ponce, ICLR 2021)
has three ways, written out here in PyTorch: "BP", a backward pass through the gradient
for each direction; "BackwardIter", Lanczos' method on such products, two for each of
`count` eigenvectors; "ForwardIter", the same on differences of gradients. Ours is the
whole metric, from columns of a Jacobian.

"basis" is the Local Basis (Choi et al., ICLR 2022) at a code of a mapping network of 8
layers of 512: the original differentiates as many copies of the code as w has numbers,
one for each, and decomposes the Jacobian in single precision; ours is decomposed in
double precision.
"""

import argparse
import json
import statistics
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F

from jaxlatent.generators.base import Generator
from jaxlatent.jacobians import picture
from jaxlatent.methods.perceptual_geometry import perceptual_metric
from jaxlatent.networks.lpips import MEAN, STD, TAPS, TRUNKS, Lpips
from jaxlatent.numerics.local_bases import local_bases

WIDTHS = (256, 128, 64, 32)


def weights(dim: int, side: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        fan = np.prod(shape[:-1])
        return rng.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32)

    levels = int(np.log2(side // 4))
    widths = [*WIDTHS[:levels], 3]
    found = {"dense": draw(dim, 4 * 4 * widths[0])}
    for level in range(levels):
        found[f"conv{level}"] = draw(3, 3, widths[level], widths[level + 1])
    return found


def synthesize(params, z):
    x = jax.nn.relu(z @ params["dense"]).reshape(len(z), 4, 4, -1)
    last = len(params) - 2
    for level in range(last + 1):
        x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        x = jax.lax.conv_general_dilated(
            x,
            params[f"conv{level}"],
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = jnp.tanh(x / 4) if level == last else jax.nn.relu(x)
    return x


class Original:
    """The same network and LPIPS, in PyTorch."""

    def __init__(self, params, trunk) -> None:
        def tensor(x):
            return torch.from_numpy(np.array(x))

        def kernel(x):
            return tensor(x).permute(3, 2, 0, 1).contiguous()

        self.dense = torch.from_numpy(params["dense"])
        self.kernels = [kernel(params[f"conv{i}"]) for i in range(len(params) - 1)]
        self.trunk = [
            (kernel(layer["kernel"]), tensor(layer["bias"]))
            for layer in (trunk[f"features_{i}"] for i in (0, 3, 6, 8, 10))
        ]
        self.mean, self.std = (
            torch.tensor(x)[None, :, None, None] for x in (MEAN, STD)
        )

    def draw(self, z):
        x = torch.relu(z @ self.dense).reshape(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        for level, kernel in enumerate(self.kernels):
            x = F.conv2d(F.interpolate(x, scale_factor=2), kernel, padding=1)
            x = torch.tanh(x / 4) if level == len(self.kernels) - 1 else torch.relu(x)
        return x

    def features(self, x):
        x = ((x + 1) / 2 - self.mean) / self.std
        for index, (kernel, bias) in enumerate(self.trunk):
            if index in (1, 2):
                x = F.max_pool2d(x, 3, 2)
            stride, padding = (4, 2) if index == 0 else (1, kernel.shape[-1] // 2)
            x = torch.relu(F.conv2d(x, kernel, bias, stride, padding))
            yield x / (torch.sqrt((x**2).sum(1, keepdim=True)) + 1e-10)

    def gradient(self, z, here, graph):
        pairs = zip(here, self.features(self.draw(z)), strict=True)
        value = sum(((a - b) ** 2).sum(1).mean() for a, b in pairs)
        return torch.autograd.grad(value, z, create_graph=graph)[0]

    def prepared(self, code):
        z = torch.from_numpy(code)[None]
        with torch.no_grad():
            here = list(self.features(self.draw(z)))
        return z, here

    def products(self, code):
        """v -> H v by a backward pass through a backward pass."""
        z, here = self.prepared(code)
        z = z.requires_grad_()
        gradient = self.gradient(z, here, True)

        def product(v):
            return torch.autograd.grad(gradient, z, v[None], retain_graph=True)[0][0]

        return product

    def differences(self, code, step=1e-3):
        """v -> H v by two gradients."""
        z, here = self.prepared(code)

        def product(v):
            ends = [
                self.gradient((z + s * step * v[None]).requires_grad_(), here, False)
                for s in (1, -1)
            ]
            return (ends[0] - ends[1])[0] / (2 * step)

        return product

    def whole(self, code):
        product = self.products(code)
        return torch.stack([product(v) for v in torch.eye(len(code))]).numpy()

    def lanczos(self, product, size, count):
        """Leading eigenvalues from a basis of twice as many vectors, orthogonalised."""
        vector = torch.from_numpy(np.random.default_rng(1).normal(size=size)).float()
        basis, images = [vector / vector.norm()], []
        while len(images) < min(2 * count, size):
            images.append(product(basis[-1]))
            rest = images[-1]
            for _ in range(2):
                held = torch.stack(basis)
                rest = rest - held.T @ (held @ rest)
            basis.append(rest / rest.norm())
        held = torch.stack(basis[: len(images)])
        small = held @ torch.stack(images).T
        return np.linalg.eigvalsh(((small + small.T) / 2).numpy())[::-1][:count]


def mapping_layers(size: int = 512, count: int = 8) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [
        rng.normal(0, (2 / size) ** 0.5, (size, size)).astype(np.float32)
        for _ in range(count)
    ]


def mapped(layers, z):
    for layer in layers:
        z = jax.nn.leaky_relu(z @ layer, 0.2)
    return z


def original_basis(layers, code):
    """Singular values, from a backward pass through one copy for each output."""
    z = torch.from_numpy(code).repeat(len(code), 1).requires_grad_()
    w = z
    for layer in layers:
        w = F.leaky_relu(w @ layer, 0.2)
    jacobian = torch.autograd.grad(w, z, torch.eye(len(code)))[0]
    return torch.linalg.svd(jacobian)[1].numpy()


def compare_bases(repeats):
    layers = mapping_layers()
    code = np.random.default_rng(4).normal(size=512).astype(np.float32)
    f = jax.tree_util.Partial(mapped, [jnp.asarray(layer) for layer in layers])
    theirs = [torch.from_numpy(layer) for layer in layers]
    codes = jnp.asarray(code)[None]
    found = local_bases(f, codes, chunk=1).values[0]
    expected = original_basis(theirs, code)
    ours = seconds(lambda: local_bases(f, codes, chunk=1), repeats)
    original = seconds(lambda: original_basis(theirs, code), repeats)
    return {
        "seconds": {"ours": ours, "original": original},
        "ratio": original / ours,
        "error": float(np.abs(found - expected).max() / expected.max()),
    }


def seconds(call, repeats):
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json")
    asked = parser.parse_args()
    params = weights(asked.dim, asked.side)
    shapes = jax.eval_shape(
        lambda: TRUNKS["alex"].init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    )["params"]
    rng = np.random.default_rng(2)

    def draw(leaf):
        deviation = (2 / np.prod(leaf.shape[:-1])) ** 0.5
        return rng.normal(0, deviation, leaf.shape).astype(np.float32)

    trunk = jax.tree.map(draw, shapes)
    code = rng.normal(size=asked.dim).astype(np.float32)
    generator = Generator.from_functions(
        synthesize, z_dim=asked.dim, params=jax.tree.map(jnp.asarray, params)
    )
    at = picture(generator, jnp.asarray(code), space="z")
    distance = Lpips({"trunk": jax.tree.map(jnp.asarray, trunk)})
    theirs = Original(params, trunk)

    start = time.perf_counter()
    metric = perceptual_metric(at, distance)
    rows = {"ours, compiling": time.perf_counter() - start}
    print(rows, file=sys.stderr)
    whole = theirs.whole(code)
    error = np.abs(2 * metric - whole).max() / np.abs(whole).max()
    ways = {
        "ours": lambda: perceptual_metric(at, distance),
        "BP": lambda: theirs.whole(code),
        "BackwardIter": lambda: theirs.lanczos(
            theirs.products(code), asked.dim, asked.count
        ),
        "ForwardIter": lambda: theirs.lanczos(
            theirs.differences(code), asked.dim, asked.count
        ),
    }
    for name, call in ways.items():
        rows[name] = seconds(call, asked.repeats)
        print(name, rows[name], file=sys.stderr)
    found = {
        **vars(asked),
        "taps": TAPS["alex"],
        "seconds": rows,
        "ratios": {name: rows[name] / rows["ours"] for name in list(ways)[1:]},
        "error": float(error),
        "basis": compare_bases(asked.repeats),
        "versions": {"jax": jax.__version__, "torch": torch.__version__},
    }
    text = json.dumps(found, indent=1)
    print(text)
    if asked.json:
        with open(asked.json, "w") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
