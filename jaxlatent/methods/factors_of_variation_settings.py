"""Settings of Factors of Variation, and those of the original and of a quick look."""

import dataclasses

CONSTRAINTS = ("ball", "sphere", "none")
LINKS = ("piecewise", "linear", "gaussian")
OBJECTIVES = ("ours", "original")


def check_choice(label: str, given: str, accepted: tuple[str, ...]) -> None:
    """Raise ValueError, naming a setting, unless its word is one of those accepted."""
    if given not in accepted:
        raise ValueError(f"{label}: {given!r} given; one of {accepted} is accepted")


@dataclasses.dataclass(frozen=True)
class Search:
    """How codes of transformed pictures are found."""

    amounts: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5)
    """Of the transformation, rising; each sign is a way of its own from the start."""
    steps: int = 50
    """Of Adam, for each amount."""
    learning_rate: float = 0.01
    """Of Adam."""
    sigma: float = 3.0
    """Of the loss, in pixels; see `frequency_loss`."""
    kernel: str = "unit"
    """Of the loss: "unit" or "reference"."""
    constraint: str = "ball"
    """Codes of z stay within the "ball" of radius sqrt(D), on its "sphere", or "none";
    codes of w are free."""
    tangent: bool = True
    """Whether gradients that lead out of the ball lose their part along the code, so
    that the search ends at the least loss within. Without, as in the original, Adam
    divides what leads out by its size, and projected codes end elsewhere."""
    reset: bool = True
    """Whether Adam begins anew for each amount. The original goes on with its moments
    through amounts, signs and batches, so that these are done in turn."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip((0, *self.amounts), self.amounts))  # noqa: B905
        if not self.amounts or not rising:
            raise ValueError(
                f"amounts: {self.amounts} given; rising numbers above 0 are accepted"
            )
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} given; 1 or more is accepted")
        check_choice("constraint", self.constraint, CONSTRAINTS)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is learned from trajectories, and how."""

    link: str = "piecewise"
    """What g is: "piecewise" linear, "linear", or a scaled "gaussian" distribution
    function, r (2 Phi(k s) - 1)."""
    knots: int = 41
    """Places at which g is told."""
    reach: float = 4.0
    """How far they go, in standard deviations of the codes along u."""
    ridge: float = 10.0
    """Penalty of the linear regression that u begins with, relative to the mean square
    of the steps' coordinates. Steps from code to code hold much else beside the factor,
    so that u is best close to their mean, weighed by amounts, which is its limit."""
    anchor: float = 1.0
    """Penalty of one minus the cosine of u to the one it begins with, relative to the
    variance of the amounts: few trajectories fit by many a u."""
    smoothness: float = 1e-3
    """Penalty of the mean square difference of neighbouring slopes."""
    learning_rate: float = 5e-3
    """Of Adam."""
    objective: str = "ours"
    """"original" learns v without a norm, on 101 cells of width 0.1, from a random
    start, with the penalties 0.1 |v|^2 and 1 of the slopes' differences."""

    def __post_init__(self) -> None:
        check_choice("link", self.link, LINKS)
        check_choice("objective", self.objective, OBJECTIVES)
        if self.knots < 2:
            raise ValueError(f"knots: {self.knots} given; 2 or more are accepted")
        if not self.reach > 0:
            raise ValueError(f"reach: {self.reach} given; a number above 0 is accepted")


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is searched and learned, from how much, and for how long."""

    search: Search = Search()
    settings: Settings = Settings()
    trajectories: int = 50
    """Codes that trajectories begin at."""
    together: int | None = None
    """How many of them are searched at a time; None for as many as is convenient."""
    threshold: float | None = None
    """Of a trajectory's error, above which it is dropped (the paper); None for any."""
    dropped: float = 0.1
    """Share of the largest errors that is dropped beside (the code)."""
    steps: int = 1400
    """Of learning the direction."""
    batch: int | None = None
    """Ends of trajectories that a step sees; None for all."""

    def __post_init__(self) -> None:
        for name in ("trajectories", "together", "batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: {value} given; 1 or more is accepted")
        if not 0 <= self.dropped < 1:
            raise ValueError(
                f"dropped: {self.dropped} given; from 0 to below 1 is accepted"
            )


PAPER = Preset()
"""Of the paper and its example script, with the loss that does not leak."""
ORIGINAL = Preset(
    Search(kernel="reference", tangent=False, reset=False),
    Settings(objective="original", learning_rate=1e-3),
    together=10,
    batch=32,
)
"""Of the original's code, step by step."""
QUICK = Preset(
    Search((0.1, 0.2), steps=30, learning_rate=0.05, sigma=2.0),
    trajectories=256,
    steps=400,
)
"""A minute on a CPU with small networks: short ways, from many codes."""
PRESETS = {"paper": PAPER, "original": ORIGINAL, "quick": QUICK}
