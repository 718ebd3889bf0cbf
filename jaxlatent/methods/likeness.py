"""How far pictures are from what they should be, as a loss: pixels, looks, blur."""

import dataclasses
from collections.abc import Mapping

import flax.struct
import jax
import jax.numpy as jnp

from jaxlatent.evaluation.image_measures import mse
from jaxlatent.networks.lpips import Lpips
from jaxlatent.numerics.frequency_loss import frequency_loss

Features = tuple[jax.Array, ...]

TERMS = ("pixel", "perceptual", "frequency")
"""The terms of the loss, which bear the names of their weights."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """What of a difference counts, and how much."""

    pixel: float = 1.0
    """Of the mean squared difference of pixels in [-1, 1]."""
    perceptual: float = 0.0
    """Of LPIPS."""
    frequency: float = 0.0
    """Of the difference blurred by `sigma`; see `numerics.frequency_loss`."""
    sigma: float = 3.0
    """Of that blur, in pixels."""
    side: int = 256
    """LPIPS sees pictures whose longer side has this many pixels at most."""

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in TERMS}
        for name, value in given.items():
            if not value >= 0:
                raise ValueError(f"{name}: {value} given; 0 or more is accepted")
        if not any(given.values()):
            raise ValueError(f"{', '.join(TERMS)}: all 0; one above is accepted")
        for name in ("sigma", "side"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; a number above 0 is accepted"
                )


PIXELS, PIXELS_AND_LOOKS = Weights(), Weights(perceptual=1)


@flax.struct.dataclass(eq=False)
class Likeness:
    """The loss of pictures beside their targets, each by itself.

    Attributes:
        weights: of its terms; what weighs nothing is not computed.
        lpips: needed where it weighs something.
    """

    weights: Weights = flax.struct.field(pytree_node=False)
    lpips: Lpips | None = None

    def __call__(
        self,
        images: jax.Array,
        targets: jax.Array,
        mask: jax.Array | None = None,
        features: Features | None = None,
    ) -> dict[str, jax.Array]:
        """Every term, without its weight.

        Args:
            images: [N, H, W, C].
            targets: likewise.
            mask: [N, H, W], how much each pixel counts, 0 to 1; None for all.
            features: what `features` says of the targets, where it was kept.

        Returns:
            [N] by name.
        """
        found = {}
        if self.weights.pixel:
            found["pixel"] = mse(images, targets, mask)
        if self.weights.perceptual:
            found["perceptual"] = self._looks(images, targets, mask, features)
        if self.weights.frequency:
            counts = None if mask is None else mask[..., None]
            found["frequency"] = frequency_loss(
                images, targets, counts, sigma=self.weights.sigma
            )
        return found

    def total(self, terms: Mapping[str, jax.Array]) -> jax.Array:
        """The weighted sum [N] of what a call returned."""
        return sum(
            (getattr(self.weights, name) * term for name, term in terms.items()),
            jnp.zeros(()),
        )

    def features(self, targets: jax.Array) -> Features:
        """What LPIPS compares targets [N, H, W, C] by."""
        assert self.lpips is not None
        return self.lpips.features(shown_to(targets, self.weights.side))

    def _looks(
        self,
        images: jax.Array,
        targets: jax.Array,
        mask: jax.Array | None,
        features: Features | None,
    ) -> jax.Array:
        assert self.lpips is not None
        if mask is not None:
            # what does not count is alike, and so are features near it
            share = mask[..., None]
            images = share * images + (1 - share) * targets
        if features is None:
            shown = [shown_to(one, self.weights.side) for one in (images, targets)]
            distance = self.lpips(*shown)
        else:
            distance = self.lpips.between(self.features(images), features)
        return distance if mask is None else distance / jnp.mean(mask, axis=(1, 2))


def likeness(weights: Weights, lpips: Lpips | None, channels: int) -> Likeness:
    """A `Likeness` that has what its weights need.

    Args:
        weights: of its terms.
        lpips: the perceptual distance; left out where it weighs nothing.
        channels: of the pictures.

    Raises:
        ValueError: if LPIPS is missing, or cannot see such pictures.
    """
    if not weights.perceptual:
        return Likeness(weights)
    if lpips is None:
        raise ValueError(
            f"lpips: missing, but perceptual is {weights.perceptual:g}; weights of "
            "LPIPS are accepted, or a perceptual of 0"
        )
    if channels not in (1, 3):
        raise ValueError(
            f"perceptual: {weights.perceptual:g} given for pictures of {channels} "
            "channels; LPIPS sees 1 or 3"
        )
    return Likeness(weights, lpips)


def shown_to(images: jax.Array, side: int) -> jax.Array:
    """Pictures [N, H, W, 1 or 3] as LPIPS sees them: coloured, and not too large."""
    count, height, width, channels = images.shape
    if channels == 1:
        images = jnp.broadcast_to(images, (count, height, width, 3))
    longest = max(height, width)
    if longest <= side:
        return images
    sides = [max(1, round(length * side / longest)) for length in (height, width)]
    return jax.image.resize(images, (count, *sides, 3), "bilinear")
