"""Published chains of layers, as configs of `sequential`.

    config = descriptions.glo(z_dim=128)
    generator = Generator(sequential.init(key, config), config)

Networks whose originals are PyTorch's have the names of their files. The others are
architectures to train: their files are TensorFlow's and are not read.
"""

from collections.abc import Collection, Sequence
from typing import Any

from jaxlatent.generators.sequential import Config
from jaxlatent.generators.sequential_layers import Activation, Layer, Unflatten
from jaxlatent.generators.sequential_weighted import (
    BatchNorm,
    Linear,
    TransposedConvolution,
)

# How csinva's last transposed convolution turns the 32 x 32 map into the picture.
_LAST = {32: {"kernel": 1}, 28: {"kernel": 1, "padding": 2}}


def dcgan(
    side: int = 64,
    *,
    z_dim: int = 100,
    width: int = 64,
    channels: int = 3,
    name: str = "main",
) -> Config:
    """The generator of PyTorch's DCGAN example, grown or cut to other pictures.

    Args:
        side: of the pictures in pixels; 64, or 8, 16, 32, 128, ... by fewer or more of
            the same layers.
        z_dim: dimension of z.
        width: channels of the last map before the picture (`ngf`).
        channels: of the pictures.
        name: of the module that holds the chain.

    Raises:
        ValueError: for another side.

    Source: Radford et al., "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks" (2016).
    """
    levels = side.bit_length() - 3
    if side < 8 or side != 4 << levels:
        raise ValueError(f"side: {side!r} given; 8, 16, 32, 64, 128, ... is accepted")
    widths = tuple(width << level for level in reversed(range(levels)))
    return transposed_chain(
        (*widths, channels), (4,) * (levels + 1), z_dim=z_dim, name=name
    )


def dcgan_csinva(side: int = 28, *, z_dim: int = 100, width: int = 64) -> Config:
    """csinva's DCGAN, for MNIST (28 pixels, grey) or CIFAR (32 pixels, in colour).

    Args:
        side: of the pictures in pixels.
        z_dim: dimension of z.
        width: channels of the last map before the picture.

    Raises:
        ValueError: for another side.
    """
    if side not in _LAST:
        raise ValueError(f"side: {side!r} given; one of {tuple(_LAST)}")
    features = (8 * width, 4 * width, 2 * width, width, 1 if side == 28 else 3)
    return transposed_chain(features, (4, 4, 4, 4, 1), z_dim=z_dim)


def transposed_chain(
    features: Sequence[int],
    kernels: Sequence[int],
    *,
    z_dim: int,
    name: str = "main",
    first: int = 0,
    biases: Collection[int] = (),
) -> Config:
    """Transposed convolutions from z to a picture, as DCGANs chain them.

    A batch norm and a ReLU stand behind all but the last, a tanh behind that. The first
    makes a map of its kernel's side, all others double it; a last one of one pixel
    leaves it, but cuts 32 grey pixels to 28, as csinva's do.

    Args:
        features: channels that each of them makes.
        kernels: sides of their kernels: of the first any, of the others even.
        z_dim: dimension of z.
        name: of the module that holds the chain, "" if its layers have numbers alone.
        first: number of the first layer.
        biases: which of them, counted from 0, have a bias.

    Raises:
        ValueError: for kernels whose stride is not known.
    """
    start = f"{name}." if name else ""
    layers: list[Layer] = [Unflatten("view", (1, 1, z_dim))]
    side, last = 1, len(features) - 1
    for index, (made, kernel) in enumerate(zip(features, kernels, strict=True)):
        number = first + 3 * index
        step: dict[str, int] = {"kernel": kernel}
        if index == 0:
            side = kernel
        elif kernel == 1 and index == last:
            step |= _LAST[28] if (side, made) == (32, 1) else {}
        elif kernel % 2:
            raise ValueError(
                f"kernels: {kernel} given for layer {start}{number}, which tells no "
                "stride; even numbers are accepted"
            )
        else:
            step |= {"stride": 2, "padding": kernel // 2 - 1}
            side *= 2
        layers.append(
            TransposedConvolution(
                f"{start}{number}", made, bias=index in biases, **step
            )
        )
        if index < last:
            layers.append(BatchNorm(f"{start}{number + 1}"))
            layers.append(Activation(f"{start}{number + 2}", "relu"))
        else:
            layers.append(Activation(f"{start}{number + 1}", "tanh"))
    return Config(tuple(layers), z_dim)


def glo(*, z_dim: int = 128, width: int = 64, channels: int = 3) -> Config:
    """The generator that minimal_glo trains: a DCGAN for 64 x 64 pixels.

    Args:
        z_dim: dimension of the codes, which that method keeps in the unit ball.
        width: channels of the last map before the picture.
        channels: of the pictures.

    Source: Bojanowski et al., "Optimizing the Latent Space of Generative Networks"
    (2018), as T. Neumann implemented it.
    """
    return dcgan(z_dim=z_dim, width=width, channels=channels, name="dcnn")


def digits(*, z_dim: int = 100, width: int = 64) -> Config:
    """The DCGAN for MNIST of which steerability trains generator and walk together.

    Its original appends the one-hot class to z and to every map; a chain has no labels,
    so this is the same network without. In the original the border of five-pixel
    kernels lies the other way round, which mirrored kernels and pictures undo.

    Args:
        z_dim: dimension of z, which is uniform in [-1, 1] there.
        width: half the channels of the two maps.

    Source: Jahanian et al., "On the 'steerability' of generative adversarial networks"
    (2020).
    """
    doubling: dict[str, Any] = {
        "kernel": 5,
        "stride": 2,
        "padding": 2,
        "output_padding": 1,
    }
    return Config(
        (
            Linear("g_h0_lin", 1024),
            BatchNorm("g_bn0"),
            Activation("relu0", "relu"),
            Linear("g_h1_lin", 7 * 7 * 2 * width),
            BatchNorm("g_bn1"),
            Activation("relu1", "relu"),
            Unflatten("view", (7, 7, 2 * width)),
            TransposedConvolution("g_h2", 2 * width, **doubling),
            BatchNorm("g_bn2"),
            Activation("relu2", "relu"),
            TransposedConvolution("g_h3", 1, **doubling),
            Activation("sigmoid", "sigmoid"),
        ),
        z_dim,
        image_range=(0.0, 1.0),
    )


def dsprites(*, z_dim: int = 10, channels: int = 1) -> Config:
    """The decoder with which variational autoencoders learn dSprites, 64 x 64 pixels.

    The papers on continuous factors of variation and on disentanglement train such
    decoders; this is the one whose layers are published.

    Args:
        z_dim: dimension of z.
        channels: of the pictures.

    Source: Locatello et al., "Challenging Common Assumptions in the Unsupervised
    Learning of Disentangled Representations" (2019), table of architectures.
    """
    layers: list[Layer] = [
        Linear("dense0", 256),
        Activation("relu0", "relu"),
        Linear("dense1", 4 * 4 * 64),
        Activation("relu1", "relu"),
        Unflatten("view", (4, 4, 64)),
    ]
    for index, features in enumerate((64, 32, 32, channels)):
        last = index == 3
        layers += [
            TransposedConvolution(
                f"deconvolution{index}", features, kernel=4, stride=2, padding=1
            ),
            Activation(f"act{index}", "sigmoid" if last else "relu"),
        ]
    return Config(tuple(layers), z_dim, image_range=(0.0, 1.0))
