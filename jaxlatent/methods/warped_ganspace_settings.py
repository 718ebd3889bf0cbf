"""Settings of WarpedGANSpace, and those of the original's five scripts."""

import dataclasses
from typing import Any, Literal

from jaxlatent.evaluation.recognition import Shifts
from jaxlatent.methods.pair_reconstruction import PairSettings


@dataclasses.dataclass(frozen=True)
class Settings:
    """The warping functions, the reconstructor, and how they learn."""

    paths: int = 64
    """Warping functions K, one for each path."""
    dipoles: int = 128
    """Pairs of support vectors of each function, N."""
    reconstructor: Literal["resnet", "lenet"] = "lenet"
    """What tells the paths apart: a ResNet-18, or the small network that is enough for
    pictures of 32 and 64 pixels."""
    downsample: int | None = None
    """Pixels of a side that a ResNet sees; all if left out."""
    min_shift: float = 0.25
    """The least length of a step along a path."""
    max_shift: float = 0.45
    """The largest length of a step."""
    sampling: Literal["fair", "reference"] = "fair"
    """Either sign as often, or as the original's code draws them: more positive."""
    gamma: float | None = None
    """Scale of the functions at the start; one over the dimension if left out."""
    learn_alphas: bool = False
    """Whether the weights of the support vectors are learned."""
    learn_gammas: bool = True
    """Whether the scales are learned."""
    learn_supports: bool = True
    """Whether the support vectors are learned; without them and the scales, the
    reconstructor learns to tell the paths of the start apart."""
    radii: tuple[float, float] = (1.0, 4.0)
    """Lengths of the support vectors of the first path and, excluded, after the last,
    at the start."""
    step: float = 0.2
    """After how much length of a path its direction is computed anew, once learned."""
    steps: int = 16
    """How often that is, to each side."""
    classification: float = 1.0
    """Weight of the cross-entropy of the path."""
    regression: float = 0.25
    """Weight of the absolute error of the length."""
    learning_rate: float = 1e-4
    """Of Adam, for the functions."""
    reconstructor_rate: float = 1e-4
    """Of Adam, for the reconstructor."""
    sparse_rows: bool = False
    """Whether a path that no sample of a step moved along rests, rather than move on by
    Adam's momentum."""
    accumulate: int = 1
    """Steps whose gradients are averaged for one move."""

    def __post_init__(self) -> None:
        for name, least in (("paths", 1), ("dipoles", 1), ("steps", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; {least} or more is accepted"
                )
        if self.gamma is not None and not self.gamma > 0:
            raise ValueError(f"gamma: {self.gamma} given; a number above 0 is accepted")
        if not 0 < min(self.radii) <= max(self.radii) < float("inf"):
            raise ValueError(
                f"radii: {self.radii} given; two lengths above 0 are accepted"
            )
        if self.sampling not in ("fair", "reference"):
            raise ValueError(
                f"sampling: {self.sampling!r} given; 'fair' or 'reference' is accepted"
            )
        _ = self.pairs  # refuses lengths that do not fit

    @property
    def pairs(self) -> PairSettings:
        """How pairs are drawn, and what is learned from them."""
        law = "two-sided" if self.sampling == "fair" else "pool"
        return PairSettings(
            Shifts(law, most=self.max_shift, least=self.min_shift),
            self.classification,
            self.regression,
            self.learning_rate,
            self.reconstructor_rate,
            self.accumulate,
            self.sparse_rows,
        )


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is learned, and for how long."""

    settings: Settings = Settings()
    steps: int = 100_000
    batch: int = 32
    space: str = "z"
    label: int | None = None
    """The class of the original's run, where the generator has classes."""
    bound: float | None = None
    """z is drawn from the normal law within this many deviations."""


_LARGE: dict[str, Any] = dict(reconstructor="resnet", min_shift=0.1, max_shift=0.2)
_FACES: dict[str, Any] = dict(paths=200, dipoles=512, step=0.15, **_LARGE)

PRESETS = {
    # of short runs, on small pictures
    "quick": Preset(
        Settings(
            paths=32,
            dipoles=32,
            min_shift=0.5,
            max_shift=2.0,
            learning_rate=1e-2,
            reconstructor_rate=1e-3,
        ),
        steps=1500,
    ),
    "warped-mnist": Preset(Settings(min_shift=0.15, max_shift=0.25), 120_000, 128),
    "warped-anime": Preset(
        Settings(min_shift=0.25, max_shift=0.35, step=0.25, steps=24), 120_000, 128
    ),
    "warped-biggan": Preset(
        Settings(paths=120, dipoles=256, **_LARGE), 150_000, label=239
    ),
    "warped-proggan": Preset(Settings(steps=30, **_FACES), 150_000, 8),
    "warped-stylegan2": Preset(
        Settings(steps=20, **_FACES), 150_000, 12, space="w", bound=0.7
    ),
}
"""The original's scripts by the generators that they are for, and minutes on a CPU."""
