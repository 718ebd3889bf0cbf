"""Settings of GLO, and those of the paper, of its code and of a quick look."""

import dataclasses

from jaxlatent.numerics.laplacian_pyramid import KERNELS, LEVEL_WEIGHTS

PROJECTIONS = ("ball", "sphere", "none")
STARTS = ("random", "pca")
OPTIMIZERS = ("sgd", "adam")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is asked of the pictures, where codes may be, and what moves both."""

    laplacian: float = 1.0
    """Weight of the mean absolute difference in the Laplacian pyramid."""
    squared: float = 1.0
    """Weight of the mean squared difference of pixels."""
    levels: int = 3
    """Of the pyramid, besides the small image that is left."""
    level_weights: str = "4^j"
    """"4^j", the paper's; "mean" of each level; "4^-j"."""
    kernel: str = "gaussian"
    """Of the pyramid's blur: "gaussian", or "minimal_glo" as that code computes it."""
    projection: str = "ball"
    """Where codes are brought after every move: into the unit "ball", onto the unit
    "sphere", or "none"."""
    start: str = "pca"
    """Of the codes, before they are projected: "random" normal ones, or the "pca"
    coordinates of the pictures."""
    optimizer: str = "sgd"
    """Of weights and codes: "sgd" or "adam"."""
    learning_rate: float = 1.0
    """Of the weights."""
    code_rate: float = 10.0
    """Of the codes. The loss is a mean over the batch, so that SGD moves a code by this
    over the batch times the gradient of its own picture's loss."""
    accumulate: int = 1
    """Steps whose gradients are averaged for one move of the weights."""

    def __post_init__(self) -> None:
        for name, accepted in (
            ("level_weights", LEVEL_WEIGHTS),
            ("kernel", KERNELS),
            ("projection", PROJECTIONS),
            ("start", STARTS),
            ("optimizer", OPTIMIZERS),
        ):
            if getattr(self, name) not in accepted:
                raise ValueError(
                    f"{name}: {getattr(self, name)!r} given; one of {accepted} is "
                    "accepted"
                )
        for name in ("laplacian", "squared", "levels", "learning_rate", "code_rate"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; 0 or more is accepted"
                )
        if not (self.laplacian or self.squared):
            raise ValueError(
                "laplacian, squared: 0 and 0 given; one above 0 is accepted"
            )


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is learned, and for how long."""

    settings: Settings = Settings()
    epochs: int = 25
    batch: int = 128
    z_dim: int = 128
    """Dimension of the codes."""
    width: int = 64
    """Channels of the generator's last map before the picture."""


PAPER = Preset()
"""SGD at 1 and 10, both losses alike, codes in the ball."""
MINIMAL_GLO = Preset(
    Settings(squared=0.0, level_weights="mean", kernel="minimal_glo", start="pca")
)
"""Of T. Neumann's code: the pyramid alone."""
QUICK = Preset(
    Settings(optimizer="adam", learning_rate=2e-3, code_rate=2e-2),
    epochs=20,
    batch=64,
    z_dim=32,
    width=16,
)
"""Minutes on a CPU for some thousand pictures of 32 pixels."""
PRESETS = {"quick": QUICK, "paper": PAPER, "minimal_glo": MINIMAL_GLO}
