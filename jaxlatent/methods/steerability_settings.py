"""Settings of steerability, those of the paper's runs, and of a quick look."""

import dataclasses

WALKS = ("linear", "network")
LOSSES = ("l2", "lpips")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What walks, and how it learns."""

    walk: str = "linear"
    """"linear" for a direction to each slider; "network" for steps of one small network
    forwards and of another backwards, with one slider."""
    loss: str = "l2"
    """"l2", the mean square of what the mask leaves; "lpips", or another distance of
    pictures, of both pictures times the mask."""
    learning_rate: float = 1e-3
    """Of Adam."""
    init_scale: float | None = None
    """Deviation of what a walk begins with: 0.1 of directions, 0.05 of weights of a
    network if left out."""
    shared_alpha: bool = False
    """One strength for a whole batch and one mean over all its pixels, as the original
    has it, and not one for each sample; a batch then is not the sum of its parts."""
    accumulate: int = 1
    """Steps whose gradients are averaged for one move."""

    def __post_init__(self) -> None:
        for name, accepted in (("walk", WALKS), ("loss", LOSSES)):
            if getattr(self, name) not in accepted:
                raise ValueError(
                    f"{name}: {getattr(self, name)!r} given; one of {accepted} is "
                    "accepted"
                )

    @property
    def scale(self) -> float:
        """`init_scale`, or what it is by default."""
        default = 0.1 if self.walk == "linear" else 0.05
        return default if self.init_scale is None else self.init_scale


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is learned, where, and for how long."""

    settings: Settings = Settings()
    steps: int = 5_000
    batch: int = 4
    space: str = "z"
    """Of the codes: "z", "w" or "w+", in which a linear walk has a row for each."""
    truncation: float | None = 1.0
    """Of the prior, where the generator has a truncated one (BigGAN)."""


_SLOW = Settings(learning_rate=1e-4)
_LPIPS = Settings(loss="lpips")

PRESETS = {
    # a minute or two on a CPU with small networks
    "quick": Preset(Settings(learning_rate=2e-2), steps=400, batch=32),
    # BigGAN: colour, shifts and rotations; zoom; walks of networks
    "biggan": Preset(),
    "biggan-zoom": Preset(_SLOW),
    "biggan-network-color": Preset(Settings(walk="network")),
    "biggan-network": Preset(
        Settings(walk="network", loss="lpips", learning_rate=1e-4)
    ),
    # StyleGAN: colour; shifts and rotations; zoom, and everything of cats
    "stylegan-color": Preset(steps=500, space="w+"),
    "stylegan-cats-color": Preset(_SLOW, steps=500, space="w+"),
    "stylegan": Preset(_LPIPS, steps=15_000, space="w+"),
    "stylegan-zoom": Preset(
        Settings(loss="lpips", learning_rate=1e-4), steps=15_000, space="w+"
    ),
}
"""By what the paper's runs were of, 20 000 samples of BigGAN and 2 000 to 60 000 of
StyleGAN; and "quick"."""
QUICK = PRESETS["quick"]
