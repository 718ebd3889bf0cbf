"""The networks of `benchmarks.accelerator` that no other benchmark has."""

from benchmarks.synthesis import Case, widths
from jaxlatent.generators import (
    biggan,
    biggan_deep,
    progan,
    rendered,
    sequential,
    sngan,
    stylegan,
    stylegan2,
    stylegan3,
)
from jaxlatent.generators.sequential_layers import Activation, Unflatten
from jaxlatent.generators.sequential_weighted import (
    BatchNorm,
    Linear,
    TransposedConvolution,
)

SYNTHESIS = (
    "stylegan2-256",
    "stylegan2-1024",
    "stylegan3-t-256",
    "biggan-deep-128",
    "biggan-128",
    "stylegan-1024",
    "progan-1024",
    "biggan-deep-256",
    "sngan-64",
)
"""Cases of `benchmarks.synthesis`, by what users ask for first."""

SMALL = {
    "stylegan2": stylegan2.Config(32, widths(32, 1024)),
    "stylegan3": stylegan3.Config(16, (64,) * 4, margin=2),
    "stylegan": stylegan.Config(32, widths(32, 1024)),
    "progan": progan.Config(32, widths(32, 1024)),
    "biggan": biggan.Config((128, 128, 64, 32), 120, 10, attention=(16,)),
    "biggan_deep": biggan_deep.Config(
        (128, 128, 128, 64), (False, True, True), label_dim=10, attention=(1,)
    ),
    "sngan": sngan.Config((128, 64, 32), z_dim=64),
    "sequential": sequential.Config(
        (
            Linear("net.0", 4 * 4 * 64),
            Unflatten("net.1", (4, 4, 64)),
            BatchNorm("net.2"),
            Activation("net.3", "relu"),
            TransposedConvolution("net.4", 32, 4, 2, 1),
            BatchNorm("net.5"),
            Activation("net.6", "relu"),
            TransposedConvolution("net.7", 3, 4, 2, 1),
            Activation("net.8", "tanh"),
        ),
        64,
    ),
    "rendered": rendered.Config(size=32),
}
"""A generator of every family, whose layers are wide enough for rounding to show."""

TINY = {
    name: Case(SMALL[family])
    for name, family in (
        ("stylegan2-256", "stylegan2"),
        ("stylegan2-1024", "stylegan2"),
        ("stylegan3-t-256", "stylegan3"),
        ("stylegan-1024", "stylegan"),
        ("progan-1024", "progan"),
        ("biggan-128", "biggan"),
        ("biggan-deep-128", "biggan_deep"),
        ("biggan-deep-256", "biggan_deep"),
        ("sngan-64", "sngan"),
    )
}
