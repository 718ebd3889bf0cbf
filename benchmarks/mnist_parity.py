"""How far real MNIST networks are from PyTorch's outputs, as one JSON object.

    python -m benchmarks.mnist_parity FOLDER

FOLDER holds the files of csinva/gan-vae-pretrained-pytorch, one folder each, beside an
`io.npz` of inputs and of PyTorch's float32 outputs. Every output gets its largest
absolute value and the largest absolute difference from ours in float32 and in float64;
the latter is PyTorch's own rounding, and no float32 program can be asked for less.
Pixels are compared in [-1, 1].
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from converters.loading import load

Pair = tuple[str, jax.Array, np.ndarray]


def outputs(folder: Path, dtype: Any) -> Iterator[Pair]:
    """Name, our output and PyTorch's, for every output of every network."""

    def network(name: str, part: Any, config: Any = None) -> Any:
        files = (folder / name).iterdir()
        (path,) = (file for file in files if file.suffix in (".ckpt", ".pth"))
        return load(path, part=part, config=config, dtype=dtype)

    def arrays(name: str) -> dict[str, np.ndarray]:
        with np.load(folder / name / "io.npz") as file:
            return dict(file)

    stored = arrays("mnist_gan_mlp_G")
    generator = network("mnist_gan_mlp_G", "generator")
    yield "gan_img", generator.synthesize(stored["z"]), stored["gan_img"]
    hidden = generator.features(stored["z"], names=["1"])["1"]
    yield "gan_h1", hidden, stored["gan_h1"]

    stored = arrays("mnist_vae")
    decoder = network("mnist_vae", "generator")
    yield "vae_img", decoder.synthesize(stored["z"]), 2 * stored["vae_img"] - 1

    gan = stored["gan_img"].reshape(-1, 28, 28, 1).astype(dtype)
    vae = 2 * stored["vae_img"].reshape(-1, 28, 28, 1).astype(dtype) - 1
    stored = arrays("mnist_lenet")
    for fit, suffix in (("pad", "pad2"), ("bilinear", "bilinear")):
        classifier = network("mnist_lenet", "network", {"fit": fit})
        for source, images in (("gan", gan), ("vae", vae)):
            name = f"{source}_lenet_logp_{suffix}"
            yield name, classifier(images), stored[name]

    stored = arrays("mnist_gan_mlp_D")
    discriminator = network("mnist_gan_mlp_D", "discriminator")
    yield "gan_D_logit", discriminator(gan), stored["gan_D_logit"]

    stored = arrays("mnist_dcgan_D")
    discriminator = network("mnist_dcgan_D", "discriminator")
    yield "gan_dcganD_logit", discriminator(gan), stored["gan_dcganD_logit"]
    probability = jax.nn.sigmoid(discriminator(vae))
    yield "vae_dcganD_prob", probability, stored["vae_dcganD_prob"]


def differences(folder: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for dtype in (np.float32, np.float64):
        with jax.enable_x64(dtype is np.float64):
            for name, ours, theirs in outputs(folder, dtype):
                assert ours.dtype == dtype
                difference = np.asarray(ours).reshape(theirs.shape) - theirs
                entry = found.setdefault(name, {"largest": float(abs(theirs).max())})
                entry[dtype.__name__] = float(abs(difference).max())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    print(json.dumps(differences(parser.parse_args().folder), indent=2))


if __name__ == "__main__":
    main()
