"""Settings of GANalyze, and those of the original and of a quick look."""

import dataclasses

TRANSFORMERS = ("direction", "class", "mlp", "class mlp")
NORMALIZE = ("sample", "none", "batch")
STARTS = ("zeros", "random")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What moves codes, and how it learns."""

    transformer: str = "direction"
    """"direction" for one theta; "class" for theta = W y + b, one for each class; "mlp"
    for a network of the code; "class mlp" for one of the code and the class."""
    normalize: str = "sample"
    """Whose length is kept: of each "sample", of the "batch", of "none"."""
    start: str = "zeros"
    """"zeros" (TensorFlow), or "random" (PyTorch): a normal theta, and weights uniform
    within one over the root of the number of inputs. A network's hidden layers are
    random either way."""
    hidden: tuple[int, ...] = (64,)
    """Widths of a network's hidden layers."""
    alpha: tuple[float, float] = (-0.5, 0.5)
    """Least and largest wanted change of the score."""
    score_range: tuple[float, float] | None = None
    """Scores that can be reached: alpha is drawn so that the wanted one is among them;
    None for no limit."""
    learning_rate: float = 2e-4
    """Of Adam, in units of theta: the smaller, the larger the numbers of the score."""
    accumulate: int = 1
    """Steps whose gradients are averaged for one move."""
    clear_gradients: bool = True
    """Whether gradients are cleared after a move."""

    def __post_init__(self) -> None:
        for name, accepted in (
            ("transformer", TRANSFORMERS),
            ("normalize", NORMALIZE),
            ("start", STARTS),
        ):
            if getattr(self, name) not in accepted:
                raise ValueError(
                    f"{name}: {getattr(self, name)!r} given; one of {accepted} is "
                    "accepted"
                )
        for name in ("alpha", "score_range"):
            ends = getattr(self, name)
            if ends is not None and not (len(ends) == 2 and ends[0] < ends[1]):
                raise ValueError(
                    f"{name}: {ends} given; a number and a larger one are accepted"
                )
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden: {self.hidden} given; widths from 1 are accepted")

    @property
    def by_class(self) -> bool:
        """Whether it sees the class."""
        return self.transformer.startswith("class")

    @property
    def is_network(self) -> bool:
        """Whether it sees the code."""
        return self.transformer.endswith("mlp")


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is learned, and for how long."""

    settings: Settings = Settings()
    steps: int = 100_000
    batch: int = 4
    truncation: float | None = 1.0
    """Of the prior, where the generator has a truncated one (BigGAN)."""


PAPER = Preset()
"""Of the paper's results on memorability and aesthetics."""
PYTORCH = Preset(Settings(normalize="batch", start="random"))
"""Of the original's PyTorch code, gradients cleared."""
QUICK = Preset(Settings(learning_rate=2e-2), steps=600, batch=32)
"""A minute on a CPU with small networks and scores from 0 to 1."""
PRESETS = {"paper": PAPER, "pytorch": PYTORCH, "quick": QUICK}
