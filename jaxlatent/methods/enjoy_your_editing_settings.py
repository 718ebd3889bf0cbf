"""Settings of "Enjoy your editing", those of its authors and of a quick look."""

import dataclasses

WALKS = ("global", "local", "scaled")
EPSILONS = ("paper", "stylegan_repo")
BCES = ("clipped", "latent2im")

REGRESSION, ALONE, OTHERS = 10.0, 1.0, 0.05
"""The authors' weights: of the regression loss, of it without the others, of each of
the others."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What moves codes, what is asked of it, and how it learns."""

    walk: str = "global"
    """"global" for one direction d_i to an attribute, in w+ with a vector for each row;
    "local" for a network d_i(z); "scaled" for z times a vector (the authors' linear
    walk of ProGAN)."""
    hidden: tuple[int, ...] = (1024, 1024)
    """Widths of a network's hidden layers; none for a linear map."""
    slope: float = 0.2
    """Of a network's rectifiers below zero."""
    length: float | None = None
    """Of a network's every step: 3 in the authors' first walks of ProGAN; None for what
    the network returns."""
    layers: tuple[int, ...] | None = None
    """Rows of w+ that move; None for all."""
    joint: bool = True
    """Whether all attributes change at once, by epsilons of their own; else each is
    learned as if alone, in one program."""
    epsilon: str = "paper"
    """"paper": a change is drawn for each code, and cut where the target would leave
    [0, 1]. "stylegan_repo": the target itself is drawn, one for the whole batch."""
    drawn: tuple[float, float] = (-1.0, 1.0)
    """Ends of what is drawn: of the change; of the target 0 to 1 for faces, -1 to 1 for
    scenes, as the authors' code has it."""
    bce: str = "clipped"
    """"clipped", or "latent2im"; see `enjoy_your_editing_losses.cross_entropy`."""
    margin: float = 1e-6
    """How far from 0 and 1 predictions are kept by "clipped". Regressors with linear
    outputs, which leave [0, 1], want 0.01: one picture beyond would outweigh all."""
    regression_weight: float | None = None
    """None for the authors': 10, but 1 where it is the only loss."""
    discriminator_weight: float | None = None
    """None for 0.05 where there is a discriminator, else 0."""
    content_weight: float | None = None
    """None for 0.05 where there is a content distance, else 0."""
    learning_rate: float = 1e-4
    """Of Adam."""
    betas: tuple[float, float] = (0.5, 0.99)
    """Of Adam."""
    accumulate: int = 1
    """Steps whose gradients are averaged for one move."""

    def __post_init__(self) -> None:
        for name, accepted in (
            ("walk", WALKS),
            ("epsilon", EPSILONS),
            ("bce", BCES),
        ):
            if getattr(self, name) not in accepted:
                raise ValueError(
                    f"{name}: {getattr(self, name)!r} given; one of {accepted} is "
                    "accepted"
                )
        if not (len(self.drawn) == 2 and self.drawn[0] < self.drawn[1]):
            raise ValueError(
                f"drawn: {self.drawn} given; a number and a larger one are accepted"
            )
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden: {self.hidden} given; widths from 1 are accepted")
        if not 0 < self.margin < 0.5:
            raise ValueError(f"margin: {self.margin} given; 0 to 0.5 is accepted")
        if self.length is not None and not self.length > 0:
            raise ValueError(f"length: {self.length} given; above 0 is accepted")
        for name in ("regression_weight", "discriminator_weight", "content_weight"):
            weight = getattr(self, name)
            if weight is not None and not weight >= 0:
                raise ValueError(f"{name}: {weight} given; 0 or more is accepted")

    def weights(
        self, *, discriminator: bool = True, content: bool = True
    ) -> dict[str, float]:
        """The weight of each loss, by name.

        Args:
            discriminator: whether there is one.
            content: whether there is a content distance.

        Raises:
            ValueError: for a weight of a loss that lacks its model.
        """
        found = {}
        for name, there in (("discriminator", discriminator), ("content", content)):
            weight = getattr(self, f"{name}_weight")
            if weight and not there:
                raise ValueError(
                    f"{name}: missing, but its weight is {weight}; a model, or "
                    f"{name}_weight 0, is accepted"
                )
            found[name] = OTHERS * there if weight is None else weight
        usual = REGRESSION if any(found.values()) else ALONE
        own = self.regression_weight
        return {"regression": usual if own is None else own, **found}


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is learned, and for how long."""

    settings: Settings = Settings()
    steps: int = 50_000
    batch: int = 4
    truncation: float | None = 1.0
    """Of the prior, where the generator has a truncated one (BigGAN)."""


_WHOLE = Settings(discriminator_weight=OTHERS, content_weight=OTHERS)

PAPER = Preset(_WHOLE)
"""Ten epochs of 20 000 samples, as for single attributes."""
PAPER_MULTI = Preset(_WHOLE, steps=15_000)
"""Three such epochs, as for several attributes at once."""
STYLEGAN_REPO = Preset(
    dataclasses.replace(
        _WHOLE, epsilon="stylegan_repo", drawn=(0.0, 1.0), bce="latent2im"
    )
)
"""The rules of the authors' code for faces of StyleGAN2, in w+."""
QUICK = Preset(Settings(hidden=(64,), learning_rate=2e-2), steps=600, batch=32)
"""A minute on a CPU with small networks."""
PRESETS = {
    "quick": QUICK,
    "paper": PAPER,
    "paper_multi": PAPER_MULTI,
    "stylegan_repo": STYLEGAN_REPO,
}
