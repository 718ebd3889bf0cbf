"""Settings of Unsupervised Discovery, and those of the paper and of a quick look."""

import dataclasses

from jaxlatent.edits.deformation import DEFORMATORS
from jaxlatent.methods.pair_reconstruction import PairSettings

STARTS = ("identity", "random")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What deforms codes, what looks at the pictures, and how both learn."""

    deformator: str = "orthonormal"
    """One of `edits.deformation.DEFORMATORS`."""
    directions: int | None = None
    """How many, K; None for as many as a code has numbers."""
    start: str = "identity"
    """"identity": coordinate axes, or a rotation that is near to none; or "random"."""
    bias: bool = False
    """Whether "linear" and "projective" have one, as the original's."""
    padded: bool = False
    """Whether "orthonormal" turns the first K coordinates alone, as the original's; it
    else takes K columns of a rotation of all."""
    hidden: int = 1024
    """Width of "fc"."""
    reconstructor: str = "resnet"
    """"resnet" or "lenet"."""
    downsample: int | None = None
    """Pixels of a side that a ResNet sees; None for all."""
    learning: PairSettings = PairSettings()
    """Shifts, weights of the loss, rates."""

    def __post_init__(self) -> None:
        for name, accepted in (("deformator", DEFORMATORS), ("start", STARTS)):
            if getattr(self, name) not in accepted:
                raise ValueError(
                    f"{name}: {getattr(self, name)!r} given; one of {accepted} is "
                    "accepted"
                )
        owners = {"bias": ("linear", "projective"), "padded": ("orthonormal",)}
        for name, accepted in owners.items():
            if getattr(self, name) and self.deformator not in accepted:
                raise ValueError(
                    f"{name}: given, but the deformator {self.deformator!r} has none; "
                    f"one of {accepted} is accepted"
                )
        if self.directions is not None and self.directions < 1:
            raise ValueError(
                f"directions: {self.directions} given; 1 or more is accepted"
            )
        if self.hidden < 1:
            raise ValueError(f"hidden: {self.hidden} given; 1 or more is accepted")


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is learned, for how long, and where."""

    settings: Settings = Settings()
    steps: int = 100_000
    batch: int = 32
    space: str = "z"
    bound: float | None = None
    """z is drawn from the normal law within this many deviations."""


MNIST = Preset(Settings(reconstructor="lenet"), batch=128)
ANIME = MNIST
PROGAN = Preset(steps=200_000, batch=10)
BIGGAN = Preset()
STYLEGAN2 = Preset(Settings(downsample=256), batch=16, space="w")
"""With the downsampling that the author advises where memory is short."""
QUICK = Preset(
    Settings(
        reconstructor="lenet",
        learning=PairSettings(directions_rate=1e-3, reconstructor_rate=1e-3),
    ),
    steps=2000,
    batch=64,
)
"""Minutes on a CPU with small pictures."""
PRESETS = {
    "quick": QUICK,
    "mnist": MNIST,
    "anime": ANIME,
    "progan": PROGAN,
    "biggan": BIGGAN,
    "stylegan2": STYLEGAN2,
}
