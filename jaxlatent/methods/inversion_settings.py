"""Settings of inversion, and those of papers and of a quick look."""

import dataclasses

from jaxlatent.methods.likeness import PIXELS, Weights

CONSTRAINTS = ("none", "ball", "sphere")
STARTS = ("mean", "prior")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is asked of codes, and how they are sought."""

    weights: Weights = PIXELS
    """Of the difference between a picture and what the codes make."""
    learning_rate: float = 0.1
    """Of Adam, for each picture by itself."""
    ramp_up: float = 0.05
    """Share of the steps over which the rate grows from 0, linearly."""
    ramp_down: float = 0.25
    """Share of the steps over which it falls to 0 at the end, as half a cosine."""
    perturbation: float = 0.0
    """Noise on codes at the first step, in units of the root of the mean squared
    distance of codes from their mean; it falls to 0 as a parabola."""
    perturbed: float = 0.75
    """Share of the steps in which there is any."""
    distance: float = 0.0
    """Weight of the mean squared difference of codes from their mean."""
    constraint: str = "none"
    """Of z: "ball" shrinks codes to the length sqrt(D), "sphere" stretches them too."""
    noise: bool = False
    """Whether noise maps are optimised too, where there are any."""
    autocorrelation: float = 1e5
    """Weight of what keeps them noise; see `numerics.autocorrelation`."""
    start: str = "mean"
    """Where the first start lies, unless it is given: at the "mean" code, or at one
    that the "prior" draws. All others are drawn."""
    starts: int = 1
    """Starts of each picture, of which the best is kept."""

    def __post_init__(self) -> None:
        for name, accepted in (("constraint", CONSTRAINTS), ("start", STARTS)):
            if getattr(self, name) not in accepted:
                raise ValueError(
                    f"{name}: {getattr(self, name)!r} given; one of {accepted} is "
                    "accepted"
                )
        for name in ("learning_rate", "perturbation", "distance", "autocorrelation"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; 0 or more is accepted"
                )
        for name in ("ramp_up", "ramp_down", "perturbed"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; 0 to 1 is accepted"
                )
        if self.starts < 1:
            raise ValueError(f"starts: {self.starts} given; 1 or more is accepted")


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is sought, and for how long."""

    settings: Settings = Settings()
    steps: int = 1000
    """Of each picture."""
    batch: int = 4
    """Pictures, or starts of pictures, at a time; codes do not depend on it."""
    space: str | None = None
    """Of the codes; the space before it where a generator lacks it, the last for
    None."""


PROJECTOR = Preset(
    Settings(Weights(pixel=0, perceptual=1), perturbation=0.05, noise=True), space="w"
)
"""The projector of StyleGAN2 (Karras et al., 2020, appendix D), on LPIPS."""
PTI = Preset(
    dataclasses.replace(PROJECTOR.settings, learning_rate=5e-3), steps=450, space="w"
)
"""The first half of pivotal tuning (Roich et al., 2021); see `pivotal_tuning.PTI`."""
IMAGE2STYLEGAN = Preset(
    Settings(Weights(perceptual=1), learning_rate=0.01, ramp_up=0, ramp_down=0),
    steps=5000,
    space="w+",
)
"""Image2StyleGAN (Abdal et al., 2019), with LPIPS for its sum over layers of VGG."""
QUICK = Preset(Settings(starts=4))
"""Pixels alone, so that nothing else is needed; a minute on a CPU with MLPs."""
PRESETS = {
    "quick": QUICK,
    "projector": PROJECTOR,
    "pti": PTI,
    "image2stylegan": IMAGE2STYLEGAN,
}
