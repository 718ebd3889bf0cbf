"""The sampling rates, bands and sizes of StyleGAN3's layers, from a few numbers.

Source: Karras et al., "Alias-Free Generative Adversarial Networks" (2021), 3.2 and
appendix C. Rates are in samples per width of the image, bands in cycles per width.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxlatent.generators.filters import lowpass


class Layer(NamedTuple):
    """One layer: what feeds it, what it makes, and how it resamples on the way.

    Attributes:
        name: as in the checkpoint, below "synthesis".
        row: of w+, that styles it.
        rgb: whether it makes the image.
        kernel: side of its kernel.
        inputs: feature maps that enter.
        outputs: feature maps that leave.
        rates: sampling rates before and behind it.
        rate: at which its activation works.
        cutoffs: of the bands before and behind it.
        half_widths: of those bands' transitions.
        up: factor from the rate before it to `rate`.
        down: factor from `rate` to the rate behind it.
        up_taps: length of the filter that goes up; 1 for none.
        down_taps: length of the filter that goes down; 1 for none.
        radial: whether that filter is circularly symmetric.
        padding: (before, after) between the two filters, along both axes; negative
            values crop.
    """

    name: str
    row: int
    rgb: bool
    kernel: int
    inputs: int
    outputs: int
    rates: tuple[int, int]
    rate: int
    cutoffs: tuple[float, float]
    half_widths: tuple[float, float]
    up: int
    down: int
    up_taps: int
    down_taps: int
    radial: bool
    padding: tuple[int, int]

    def filters(self) -> dict[str, np.ndarray]:
        """The filters as designed, float64; none where nothing is resampled."""
        (before, behind), (start, end) = self.cutoffs, self.half_widths
        designs = {
            "up_filter": lowpass(self.up_taps, before, 2 * start, self.rate),
            "down_filter": lowpass(
                self.down_taps, behind, 2 * end, self.rate, radial=self.radial
            ),
        }
        return {name: taps for name, taps in designs.items() if taps is not None}


@dataclass(frozen=True)
class Schedule:
    """What the layers follow from. The defaults are those of configuration T.

    Configuration R has `kernel` 1 and `radial` filters.

    Attributes:
        resolution: of the square image, a power of two from 4 up.
        channels: feature maps of every layer but the last.
        image_channels: 3 for colour.
        critical: how many layers at the end are sampled critically; they and the
            to-RGB layer leave no room above their band.
        first_cutoff: cutoff of the input.
        first_stopband: where the input's transition ends.
        last_stopband: where the last layer's transition ends, over half the resolution.
        margin: samples around the image, at every rate.
        kernel: side of the kernels.
        filter_size: taps of a filter, per factor by which it resamples.
        oversampling: of activations.
        radial: whether filters that go down are circularly symmetric, where the
            sampling is not critical.
    """

    resolution: int
    channels: tuple[int, ...]
    image_channels: int = 3
    critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband: float = 2**0.3
    margin: int = 10
    kernel: int = 3
    filter_size: int = 6
    oversampling: int = 2
    radial: bool = False

    def __post_init__(self) -> None:
        power = 1 << (self.resolution.bit_length() - 1)
        if self.resolution < 4 or self.resolution != power:
            raise ValueError(
                f"resolution: {self.resolution} given; a power of two from 4 up is "
                "accepted"
            )
        if not 0 <= self.critical < len(self.channels):
            raise ValueError(
                f"critical: {self.critical} given for {len(self.channels)} entries of "
                "channels; fewer of them is accepted"
            )

    def _grown(self, first: float, last: float) -> tuple[float, ...]:
        """A number per layer: from `first`, by equal factors, to the critical ones."""
        growing = len(self.channels) - self.critical
        return tuple(
            first * (last / first) ** min(index / growing, 1.0)
            for index in range(len(self.channels) + 1)
        )

    @property
    def cutoffs(self) -> tuple[float, ...]:
        """Where each layer's band ends."""
        return self._grown(self.first_cutoff, self.resolution / 2)

    @property
    def stopbands(self) -> tuple[float, ...]:
        """Where each layer's transition ends."""
        last = self.resolution / 2 * self.last_stopband
        return self._grown(self.first_stopband, last)

    @property
    def rates(self) -> tuple[int, ...]:
        """Each layer's sampling rate, a power of two."""
        return tuple(
            2 ** math.ceil(math.log2(min(2 * stop, self.resolution)))
            for stop in self.stopbands
        )

    @property
    def half_widths(self) -> tuple[float, ...]:
        """Half the width of each layer's transition."""
        return tuple(
            max(stop, rate / 2) - cutoff
            for stop, rate, cutoff in zip(
                self.stopbands, self.rates, self.cutoffs, strict=True
            )
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Side of each layer's output; the last two have no margin."""
        wide = [rate + 2 * self.margin for rate in self.rates]
        return (*wide[:-2], self.resolution, self.resolution)

    def layers(self) -> tuple[Layer, ...]:
        """Every layer behind the input, in order; the last one makes the image."""
        widths = (*self.channels, self.image_channels)
        return tuple(self._layer(index, widths) for index in range(len(widths)))

    def _layer(self, index: int, widths: tuple[int, ...]) -> Layer:
        before = max(index - 1, 0)
        rgb = index == len(self.channels)
        rates = self.rates[before], self.rates[index]
        rate = max(rates) * (1 if rgb else self.oversampling)
        up, down = rate // rates[0], rate // rates[1]
        up_taps, down_taps = (
            self.filter_size * factor if factor > 1 and not rgb else 1
            for factor in (up, down)
        )
        kernel = 1 if rgb else self.kernel
        size = self.sizes[index]
        # what the upsampled, fully padded convolution lacks to give `size` samples
        total = (size - 1) * down + 1 - (self.sizes[before] + kernel - 1) * up
        total += up_taps + down_taps - 2
        low = (total + up) // 2
        return Layer(
            name=f"L{index}_{size}_{widths[index]}",
            row=index + 1,
            rgb=rgb,
            kernel=kernel,
            inputs=widths[before],
            outputs=widths[index],
            rates=rates,
            rate=rate,
            cutoffs=(self.cutoffs[before], self.cutoffs[index]),
            half_widths=(self.half_widths[before], self.half_widths[index]),
            up=up,
            down=down,
            up_taps=up_taps,
            down_taps=down_taps,
            radial=self.radial and not self._critical(index) and down_taps > 1,
            padding=(low, total - low),
        )

    def _critical(self, index: int) -> bool:
        return index >= len(self.channels) - self.critical
