"""Convolutions of images [N, H, W, C] with kernels [h, w, I, O], written to be fast.

Kernels are applied as correlations. On a CPU a product of matrices runs nearer to the
machine's limit than a convolution does, so that fewer multiplications, done as products
of matrices, are worth more passes over memory.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxlatent.generators.filters import Padding

SAME: Padding = ((1, 1), (1, 1))
VALID: Padding = ((0, 0), (0, 0))

PARITIES = ("even_even", "even_odd", "odd_even", "odd_odd")
"""Of rows and columns: what `interleave` puts together."""

LEAST_CHANNELS, LEAST_PIXELS, LEAST_MAP = 96, 1024, 256
"""From where on Winograd's transforms cost less than they save, as measured: pixels of
a batch where the kernel's transform is computed too, or those of one map where it is
kept."""


def convolve(
    x: jax.Array, kernel: jax.Array, *, padding: Padding = VALID, stride: int = 1
) -> jax.Array:
    """Correlate [N, H, W, I] with a kernel [h, w, I, O].

    Large 3 x 3 convolutions go through sums and products of matrices on CPUs, as
    `winograd_convolve` does.

    Args:
        x: the image.
        kernel: the kernel.
        padding: by zeros.
        stride: every how many-th output is kept, each way.
    """
    direct = partial(_direct, padding=padding, stride=stride)
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    if not _wide(kernel.shape) or stride != 1 or pixels < LEAST_PIXELS:
        return direct(x, kernel)

    def saving(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return _winograd(x, winograd_kernel(kernel), padding=padding)

    return lax.platform_dependent(x, kernel, cpu=saving, default=direct)


def takes_winograd(shape: tuple[int, ...], pixels: int) -> bool:
    """Whether kernels of a shape [h, w, I, O] are worth keeping as `winograd_kernel`.

    Args:
        shape: of the kernel.
        pixels: of one map that its layer makes.
    """
    on_cpu = jax.default_backend() == "cpu"
    return on_cpu and pixels >= LEAST_MAP and _wide(shape)


def _wide(shape: tuple[int, ...]) -> bool:
    return shape[:2] == (3, 3) and min(shape[2:]) >= LEAST_CHANNELS


def _direct(
    x: jax.Array, kernel: jax.Array, *, padding: Padding, stride: int = 1
) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def winograd_kernel(kernel: jax.Array) -> jax.Array:
    """What `winograd_convolve` needs of a kernel [3, 3, I, O]: [4, 4, I, O]."""
    for axis in (0, 1):
        first, second, third = jnp.moveaxis(kernel, axis, 0)
        ends = (first + third) / 2
        sums = [first, ends + second / 2, ends - second / 2, third]
        kernel = jnp.stack(sums, axis=axis)
    return kernel


def invert_winograd_kernel(kernel: jax.Array) -> jax.Array:
    """The kernel [3, 3, I, O] of its `winograd_kernel` [4, 4, I, O]."""
    for axis in (0, 1):
        first, plus, minus, third = jnp.moveaxis(kernel, axis, 0)
        kernel = jnp.stack([first, plus - minus, third], axis=axis)
    return kernel


def winograd_convolve(
    x: jax.Array, kernel: jax.Array, *, padding: Padding = SAME
) -> jax.Array:
    """A 3 x 3 convolution of stride 1 by a kernel that is transformed already.

    On CPUs with four ninths of the multiplications: each 2 x 2 square of the output
    comes from 16 products of sums of a 4 x 4 square of the input with sums of the
    kernel, where it would take 36; all squares together make 16 products of matrices.
    The sums cost a rounding or two. Other platforms convolve faster than that, by the
    kernel that the transformed one stands for.

    Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016),
    F(2 x 2, 3 x 3).

    Args:
        x: the image, [N, H, W, I].
        kernel: `winograd_kernel` of the kernel.
        padding: by zeros.
    """

    def direct(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return _direct(x, invert_winograd_kernel(kernel), padding=padding)

    products = partial(_winograd, padding=padding)
    return lax.platform_dependent(x, kernel, cpu=products, default=direct)


def _winograd(x: jax.Array, kernel: jax.Array, *, padding: Padding) -> jax.Array:
    (top, bottom), (left, right) = padding
    height = x.shape[1] + top + bottom - 2
    width = x.shape[2] + left + right - 2
    margins = ((0, 0), (top, bottom + height % 2), (left, right + width % 2), (0, 0))
    x = jnp.pad(x, margins)
    squares = [column for row in _slide(x, 1) for column in _slide(row, 2)]
    matrices = [matrix for row in kernel for matrix in row]
    products = [_multiply(x, k) for x, k in zip(squares, matrices, strict=True)]
    rows = [_join(products[column::4]) for column in range(4)]
    quarters = [
        quarter for parity in (0, 1) for quarter in _join([row[parity] for row in rows])
    ]
    return interleave(quarters)[:, :height, :width]


def upsample_kernel(kernel: jax.Array) -> jax.Array:
    """What `upsample_convolve_nearest` needs of a 3 x 3 kernel; of the same shape."""
    for axis in (0, 1):
        first, second, third = jnp.moveaxis(kernel, axis, 0)
        kernel = jnp.stack([first, first + second + third, -third], axis=axis)
    return kernel


def upsample_convolve_nearest(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A 3 x 3 convolution behind a repetition of pixels: [N, 2H, 2W, O].

    Along an axis, pixel x_i and its left neighbour give the even output
    k_0 x_(i-1) + (k_1 + k_2) x_i = k_0 (x_(i-1) - x_i) + (k_0 + k_1 + k_2) x_i, and
    with its right neighbour the odd one, so that three products make two outputs. Along
    both axes nine products of the small image make what takes 36 on the large one. TPUs
    run 16 of them instead, as one transposed convolution by a 4 x 4 kernel.

    Args:
        x: the small image, [N, H, W, I].
        kernel: `upsample_kernel` of the kernel.
    """
    return lax.platform_dependent(x, kernel, tpu=_stamp_nearest, default=_nine_products)


def _stamp_nearest(x: jax.Array, kernel: jax.Array) -> jax.Array:
    for axis in (0, 1):
        first, total, last = jnp.moveaxis(kernel, axis, 0)
        taps = [first, total + last, total - first, -last]
        kernel = jnp.stack(taps, axis=axis)
    return _stamp(x, kernel, padding=((2, 2), (2, 2)))


def _nine_products(x: jax.Array, kernel: jax.Array) -> jax.Array:
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    down = padded[:, :-1] - padded[:, 1:]
    same = padded[:, 1:-1]
    corner = down[:, :, :-1] - down[:, :, 1:]
    across = same[:, :, :-1] - same[:, :, 1:]
    down = down[:, :, 1:-1]
    centre = _multiply(x, kernel[1, 1])
    columns = [_multiply(across[:, :, :-1], kernel[1, 0])]
    columns.append(_multiply(across[:, :, 1:], kernel[1, 2]))
    quarters = []
    for row, part in ((0, slice(None, -1)), (2, slice(1, None))):
        both = centre + _multiply(down[:, part], kernel[row, 1])
        for column, side in ((0, slice(None, -1)), (2, slice(1, None))):
            rest = _multiply(corner[:, part, side], kernel[row, column])
            quarters.append(both + columns[column // 2] + rest)
    return interleave(quarters)


def repeat_pixels(x: jax.Array, factor: int = 2) -> jax.Array:
    """Repeat every pixel of [N, H, W, C], `factor` times each way."""
    count, height, width, depth = x.shape
    tiled = jnp.broadcast_to(
        x[:, :, None, :, None, :], (count, height, factor, width, factor, depth)
    )
    return tiled.reshape(count, factor * height, factor * width, depth)


def transposed_phases(kernel: jax.Array) -> dict[str, jax.Array]:
    """Split a 3 x 3 kernel for a transposed convolution of stride 2 by output parity.

    Returns:
        Kernels [2, 2, I, O], [2, 1, I, O], [1, 2, I, O] and [1, 1, I, O], by the parity
        of the rows and the columns of the output pixels that they make.
    """
    even_rows = kernel[::-2]
    odd_rows = kernel[1:2]
    parts = (
        even_rows[:, ::-2],
        even_rows[:, 1:2],
        odd_rows[:, ::-2],
        odd_rows[:, 1:2],
    )
    return dict(zip(PARITIES, parts, strict=True))


def transposed_convolve(x: jax.Array, phases: Mapping[str, jax.Array]) -> jax.Array:
    """Transposed 3 x 3 convolution, stride 2: [N, H, W, I] -> [N, 2H + 1, 2W + 1, O].

    Four small convolutions, one per output parity, do a quarter of the multiplications
    of one over a zero-stuffed image, which XLA's CPU backend also runs many times
    slower. TPUs multiply no inserted zero, and have no cheap way to interleave pixels.
    """
    return lax.platform_dependent(
        x, dict(phases), tpu=_stamp_phases, default=_by_phases
    )


def _stamp_phases(x: jax.Array, phases: Mapping[str, jax.Array]) -> jax.Array:
    both, down, across, centre = (phases[parity] for parity in PARITIES)
    outer = jnp.concatenate([both[:, :1], down, both[:, 1:]], axis=1)
    middle = jnp.concatenate([across[:, :1], centre, across[:, 1:]], axis=1)
    kernel = jnp.concatenate([outer[:1], middle, outer[1:]])
    return _stamp(x, kernel, padding=((2, 2), (2, 2)))


def _stamp(x: jax.Array, kernel: jax.Array, *, padding: Padding) -> jax.Array:
    """Correlate an image with a zero between any two of its pixels, each way."""
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1, 1),
        padding=padding,
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _by_phases(x: jax.Array, phases: Mapping[str, jax.Array]) -> jax.Array:
    quarters = [
        convolve(x, phase, padding=((rows - 1, rows - 1), (columns - 1, columns - 1)))
        for phase in (phases[parity] for parity in PARITIES)
        for rows, columns in [phase.shape[:2]]
    ]
    even, across, down, both = quarters
    across, down = _extend(across, axis=2), _extend(down, axis=1)
    both = _extend(_extend(both, axis=2), axis=1)
    return interleave([even, across, down, both])[:, :-1, :-1]


def interleave(quarters: Sequence[jax.Array]) -> jax.Array:
    """Four [N, H, W, C], by parity of row and column, as one [N, 2H, 2W, C]."""
    count, height, width, _ = quarters[0].shape
    rows = [jnp.stack(quarters[:2], axis=3), jnp.stack(quarters[2:], axis=3)]
    return jnp.stack(rows, axis=2).reshape(count, 2 * height, 2 * width, -1)


def _extend(x: jax.Array, *, axis: int) -> jax.Array:
    """One more row or column of zeros at the end."""
    return jnp.pad(x, [(0, int(i == axis)) for i in range(x.ndim)])


def _multiply(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """[N, H, W, I] by [I, O], at every pixel."""
    product = lax.dot(x.reshape(-1, x.shape[-1]), matrix)
    return product.reshape(*x.shape[:-1], -1)


def _slide(x: jax.Array, axis: int) -> list[jax.Array]:
    """The four sums of four neighbours, for every second place along an axis."""
    last = x.shape[axis] - 3
    a, b, c, d = (
        lax.slice_in_dim(x, start, start + last, 2, axis) for start in range(4)
    )
    return [a - c, b + c, c - b, b - d]


def _join(products: Sequence[jax.Array]) -> tuple[jax.Array, jax.Array]:
    """The even and the odd output of four products."""
    a, b, c, d = products
    return a + b + c, b - c - d
