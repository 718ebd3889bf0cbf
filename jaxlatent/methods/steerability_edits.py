"""Edits of pictures that steerability teaches to walks, and how far each is drawn.

An edit takes strengths, in which walks are linear: the logarithm of a zoom, shares of
the longest shift or rotation, colours as they are. One of your own is a function, as
`FunctionEdit`; or a subclass of `ImageEdit`, where its strengths have their own law.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.numerics import image_operators as operators
from jaxlatent.numerics.image_operators import Edited

Shape = tuple[int, ...]
"""(H, W, C) of a picture."""


@dataclass(frozen=True)
class ImageEdit:
    """An edit of pictures: compared by its fields, so that it never recompiles.

    Attributes:
        original: pixels and draws of the original's code; see
            `numerics.image_operators` and the kinds.
    """

    original: bool = False

    def __call__(self, images: jax.Array, strength: jax.Array) -> Edited:
        """Edited pictures [N, H, W, C], and masks [N, H, W, 1], for strengths [N, S].

        Where the mask is zero the edit does not know the picture.
        """
        raise NotImplementedError

    def names(self, shape: Shape) -> tuple[str, ...]:
        """What each of the S sliders changes."""
        raise NotImplementedError

    def unit(self, shape: Shape) -> str:
        """What a strength is, in words."""
        raise NotImplementedError

    def draw(self, key: jax.Array, shape: Shape) -> jax.Array:
        """The strengths [S] that a linear walk is taught with, drawn by a typed key."""
        raise NotImplementedError

    def numpy_draw(
        self, state: np.random.RandomState, batch: int, shape: Shape
    ) -> np.ndarray:
        """The next strengths [batch, S] that the original's code draws."""
        raise NotImplementedError

    def reach(self, shape: Shape) -> float:
        """The largest strength that is drawn."""
        raise NotImplementedError

    def steps(self, shape: Shape) -> tuple[float, int]:
        """The strength of a network walk's step, and how many are taught each way."""
        raise NotImplementedError

    def spread(self, strength: jax.Array, shape: Shape) -> jax.Array:
        """The strengths [N, S] of the sliders where a walk has one for all, [N]."""
        return jnp.broadcast_to(strength[:, None], (len(strength), self.sliders(shape)))

    def sliders(self, shape: Shape) -> int:
        """S."""
        return len(self.names(shape))


@dataclass(frozen=True)
class Zoom(ImageEdit):
    """Seen from another distance; strengths are log alpha, above 0 zooms out.

    Attributes:
        limit: the largest alpha, and one over the smallest. They are drawn alike in the
            logarithm; the original draws from 1 / limit to 1 and from 1 to limit, each
            half of the time.
    """

    limit: float = 4.0

    def __post_init__(self) -> None:
        if not self.limit > 1:
            raise ValueError(f"limit: {self.limit} given; above 1 is accepted")

    def __call__(self, images: jax.Array, strength: jax.Array) -> Edited:
        """See `ImageEdit`."""
        alpha = jnp.exp(strength[:, 0])
        return operators.zoom(images, alpha, original=self.original)

    def names(self, shape: Shape) -> tuple[str, ...]:
        """See `ImageEdit`."""
        return ("zoom",)

    def unit(self, shape: Shape) -> str:
        """See `ImageEdit`."""
        return "logarithms of how much of each side is seen; above 0 zooms out"

    def draw(self, key: jax.Array, shape: Shape) -> jax.Array:
        """See `ImageEdit`."""
        if not self.original:
            most = math.log(self.limit)
            return jax.random.uniform(key, (1,), minval=-most, maxval=most)
        coin, place = jax.random.uniform(key, (2,))
        inwards = 1 / self.limit + (1 - 1 / self.limit) * place
        outwards = 1 + (self.limit - 1) * place
        return jnp.log(jnp.where(coin > 0.5, outwards, inwards))[None]

    def numpy_draw(
        self, state: np.random.RandomState, batch: int, shape: Shape
    ) -> np.ndarray:
        """See `ImageEdit`; the same for the whole batch."""
        outwards = state.uniform() > 0.5
        ends = (1, self.limit) if outwards else (1 / self.limit, 1)
        return np.full((batch, 1), np.log(state.uniform(*ends)))

    def reach(self, shape: Shape) -> float:
        """See `ImageEdit`."""
        return math.log(self.limit)

    def steps(self, shape: Shape) -> tuple[float, int]:
        """See `ImageEdit`."""
        return math.log(1.41), 4


@dataclass(frozen=True)
class _Whole(ImageEdit):
    """Strengths are shares of a limit; whole multiples of one below it are drawn."""

    def limit(self, shape: Shape) -> int:
        """What a strength of one is, in pixels or degrees."""
        raise NotImplementedError

    def draw(self, key: jax.Array, shape: Shape) -> jax.Array:
        """See `ImageEdit`; none is zero."""
        size, sign = jax.random.split(key)
        limit = self.limit(shape)
        whole = jax.random.randint(size, (1,), 1, limit)
        return whole * jax.random.rademacher(sign, (1,), jnp.float32) / limit

    def numpy_draw(
        self, state: np.random.RandomState, batch: int, shape: Shape
    ) -> np.ndarray:
        """See `ImageEdit`; the same for the whole batch."""
        limit = self.limit(shape)
        whole = state.randint(1, limit)
        sign = 1 if state.uniform() > 0.5 else -1
        return np.full((batch, 1), sign * whole / limit)

    def reach(self, shape: Shape) -> float:
        """See `ImageEdit`."""
        return 1.0


@dataclass(frozen=True)
class Shift(_Whole):
    """Moved by whole pixels; strengths are shares of the longest shift.

    Attributes:
        axis: "x" to the right, "y" down.
        pixels: the longest shift; None for half of the picture.
    """

    axis: Literal["x", "y"] = "x"
    pixels: int | None = None

    def __post_init__(self) -> None:
        if self.axis not in ("x", "y"):
            raise ValueError(f"axis: {self.axis!r} given; 'x' or 'y' is accepted")
        if self.pixels is not None and self.pixels < 2:
            raise ValueError(f"pixels: {self.pixels} given; 2 or more are accepted")

    def __call__(self, images: jax.Array, strength: jax.Array) -> Edited:
        """See `ImageEdit`."""
        pixels = strength[:, 0] * self.limit(images.shape[1:])
        return operators.shift(images, **{self.axis: pixels}, original=self.original)

    def limit(self, shape: Shape) -> int:
        """See `_Whole`."""
        return self.pixels or max(shape[1 if self.axis == "x" else 0] // 2, 2)

    def names(self, shape: Shape) -> tuple[str, ...]:
        """See `ImageEdit`."""
        return (f"shift {self.axis}",)

    def unit(self, shape: Shape) -> str:
        """See `ImageEdit`."""
        where = "to the right" if self.axis == "x" else "down"
        return f"shares of {self.limit(shape)} pixels {where}"

    def steps(self, shape: Shape) -> tuple[float, int]:
        """See `ImageEdit`; 25 of 128 pixels."""
        limit = self.limit(shape)
        return max(1, round(limit * 25 / 128)) / limit, 5


@dataclass(frozen=True)
class Rotation(_Whole):
    """Turned by whole degrees; strengths are shares of the largest angle.

    Attributes:
        dimensions: 2 in the plane, counter-clockwise; 3 about the vertical axis.
        degrees: the largest angle.
    """

    dimensions: Literal[2, 3] = 2
    degrees: int = 45

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3) or self.degrees < 2:
            raise ValueError(
                f"dimensions, degrees: {self.dimensions}, {self.degrees} given; 2 or 3 "
                "and 2 degrees or more are accepted"
            )

    def __call__(self, images: jax.Array, strength: jax.Array) -> Edited:
        """See `ImageEdit`."""
        rotate = operators.rotate_2d if self.dimensions == 2 else operators.rotate_3d
        return rotate(images, strength[:, 0] * self.degrees, original=self.original)

    def limit(self, shape: Shape) -> int:
        """See `_Whole`."""
        return self.degrees

    def names(self, shape: Shape) -> tuple[str, ...]:
        """See `ImageEdit`."""
        return (f"rotation {self.dimensions}d",)

    def unit(self, shape: Shape) -> str:
        """See `ImageEdit`."""
        return f"shares of {self.degrees} degrees"

    def steps(self, shape: Shape) -> tuple[float, int]:
        """See `ImageEdit`; 10 of 45 degrees."""
        return 10 / 45, 5


@dataclass(frozen=True)
class Color(ImageEdit):
    """Colours added to, each by a slider of its own, all drawn from -1/2 to 1/2.

    Attributes:
        lab: along the axes of CIE Lab, in units of `image_operators.LAB_UNITS`, in
            place of the channels.
        channel: the one that is changed; None for all.
    """

    lab: bool = False
    channel: int | None = None

    def __call__(self, images: jax.Array, strength: jax.Array) -> Edited:
        """See `ImageEdit`."""
        count = 3 if self.lab else operators.num_colours(images.shape[-1])
        if self.channel is not None:
            self.names(images.shape[1:])
            zeros = jnp.zeros((len(strength), count), strength.dtype)
            strength = zeros.at[:, self.channel].set(strength[:, 0])
        change = operators.color_lab if self.lab else operators.color
        return change(images, strength)

    def names(self, shape: Shape) -> tuple[str, ...]:
        """See `ImageEdit`.

        Raises:
            ValueError: for a channel that there is not.
        """
        count = 3 if self.lab else operators.num_colours(shape[-1])
        known = {1: ("grey",), 3: ("red", "green", "blue")}
        found = known.get(count) or tuple(f"channel {n}" for n in range(count))
        if self.lab:
            found = ("lightness", "green to red", "blue to yellow")
        if self.channel is None:
            return found
        if not 0 <= self.channel < count:
            raise ValueError(
                f"channel: {self.channel} given; 0 to {count - 1} are accepted"
            )
        return (found[self.channel],)

    def unit(self, shape: Shape) -> str:
        """See `ImageEdit`."""
        if self.lab:
            return "shares of 50 of L, or of 128 of a or b"
        return "what is added to a channel from -1 to 1"

    def draw(self, key: jax.Array, shape: Shape) -> jax.Array:
        """See `ImageEdit`."""
        return jax.random.uniform(key, (self.sliders(shape),)) - 0.5

    def numpy_draw(
        self, state: np.random.RandomState, batch: int, shape: Shape
    ) -> np.ndarray:
        """See `ImageEdit`; each sample has its own."""
        return state.random_sample((batch, self.sliders(shape))) - 0.5

    def reach(self, shape: Shape) -> float:
        """See `ImageEdit`."""
        return 0.5

    def steps(self, shape: Shape) -> tuple[float, int]:
        """See `ImageEdit`."""
        return 0.1, 5

    def spread(self, strength: jax.Array, shape: Shape) -> jax.Array:
        """See `ImageEdit`; of Lab, the lightness alone."""
        spread = super().spread(strength, shape)
        if self.lab and self.channel is None:
            return spread * jnp.asarray([1, 0, 0], spread.dtype)
        return spread


@dataclass(frozen=True)
class FunctionEdit(ImageEdit):
    """One of your own, whose strengths are its alpha.

    Attributes:
        function: `(images [N, H, W, C], alpha [N]) -> (images, mask)`, with a mask
            [N, H, W, 1] or [N, H, W, C]; define it once, at module level.
        alpha: the least and the largest, drawn alike.
        name: what it changes.
    """

    function: Callable[[jax.Array, jax.Array], Any] = operators.color
    alpha: tuple[float, float] = (-1.0, 1.0)
    name: str = "edit"

    def __post_init__(self) -> None:
        if not self.alpha[0] < self.alpha[1]:
            raise ValueError(
                f"alpha: {self.alpha} given; a number and a larger one are accepted"
            )

    def __call__(self, images: jax.Array, strength: jax.Array) -> Edited:
        """See `ImageEdit`.

        Raises:
            ValueError: for a function that returns anything else.
        """
        found = self.function(images, strength[:, 0])
        accepted = f"images {images.shape} and a mask {(*images.shape[:3], 1)}"
        if not isinstance(found, tuple) or len(found) != 2:
            raise ValueError(
                f"edit: {self.name} returned a {type(found).__name__}; {accepted} are "
                "accepted"
            )
        edited, mask = map(jnp.asarray, found)
        one = (*images.shape[:3], 1)
        if edited.shape != images.shape or mask.shape not in (one, images.shape):
            raise ValueError(
                f"edit: {self.name} returned {edited.shape} and {mask.shape}; "
                f"{accepted} are accepted"
            )
        return edited, mask.astype(images.dtype)

    def names(self, shape: Shape) -> tuple[str, ...]:
        """See `ImageEdit`."""
        return (self.name,)

    def unit(self, shape: Shape) -> str:
        """See `ImageEdit`."""
        return f"alphas of {self.name}"

    def draw(self, key: jax.Array, shape: Shape) -> jax.Array:
        """See `ImageEdit`."""
        low, high = self.alpha
        return jax.random.uniform(key, (1,), minval=low, maxval=high)

    def numpy_draw(
        self, state: np.random.RandomState, batch: int, shape: Shape
    ) -> np.ndarray:
        """See `ImageEdit`; each sample has its own."""
        return state.uniform(*self.alpha, (batch, 1))

    def reach(self, shape: Shape) -> float:
        """See `ImageEdit`."""
        return max(map(abs, self.alpha))

    def steps(self, shape: Shape) -> tuple[float, int]:
        """See `ImageEdit`."""
        return self.reach(shape) / 5, 5


@dataclass(frozen=True)
class AlongSlider:
    """An edit as a function of one strength for each picture.

    Attributes:
        image_edit: the edit.
        slider: the one that is moved; None for all of them together, as a network does.
    """

    image_edit: ImageEdit
    slider: int | None = 0

    def __call__(self, images: jax.Array, strength: jax.Array) -> Edited:
        """Edited pictures and masks for strengths [N]."""
        shape = images.shape[1:]
        if self.slider is None:
            return self.image_edit(images, self.image_edit.spread(strength, shape))
        chosen = jnp.arange(self.image_edit.sliders(shape)) == self.slider
        return self.image_edit(images, strength[:, None] * chosen[None])


def numpy_steps(edit: ImageEdit, state: np.random.RandomState, shape: Shape) -> int:
    """The next number of steps of a network walk that the original's code draws."""
    count = edit.steps(shape)[1]
    return int(state.randint(0, 2 * count + 1)) - count


EDITS: dict[str, ImageEdit] = {
    "zoom": Zoom(),
    "shiftx": Shift(axis="x"),
    "shifty": Shift(axis="y"),
    "color": Color(),
    "colorlab": Color(lab=True),
    "luminance": Color(lab=True, channel=0),
    "rotate2d": Rotation(dimensions=2),
    "rotate3d": Rotation(dimensions=3),
}
"""The paper's edits by the names of its code, and the Lab lightness by itself."""
