"""StyleGAN2 written out in NumPy, in float64 and in the layout of NVlabs' state dicts.

Maps are [C, H, W], kernels [O, I, h, w], weights of dense layers [out, in]. It knows
the skip generator and the residual discriminator, without clamps, with leaky ReLUs and
the filter [1, 3, 3, 1]; maps may have any height and width.
"""

import numpy as np

TAPS = np.array([1.0, 3, 3, 1]) / 8
FILTER = np.outer(TAPS, TAPS)[None, None]


def correlate(x, kernel, padding=0, stride=1):
    """What torch calls a convolution, with zeros around."""
    before, after = padding if isinstance(padding, tuple) else (padding, padding)
    x = np.pad(x, ((0, 0), (before, after), (before, after)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], (1, 2))
    return np.einsum("ihwab,oiab->ohw", windows[:, ::stride, ::stride], kernel)


def scatter(x, kernel):
    """A transposed convolution of stride 2, of a kernel [O, I, 3, 3]."""
    wide = np.zeros((len(x), 2 * x.shape[1] - 1, 2 * x.shape[2] - 1))
    wide[:, ::2, ::2] = x
    return correlate(wide, kernel[..., ::-1, ::-1], padding=2)


def smooth(x, padding, *, gain=1.0, stride=1):
    """Each map through the filter."""
    return np.concatenate(
        [correlate(one[None], FILTER * gain, padding, stride) for one in x]
    )


def enlarge(image):
    """Twice the size, as between two levels of the image."""
    wide = np.zeros((len(image), 2 * image.shape[1], 2 * image.shape[2]))
    wide[:, ::2, ::2] = image
    return smooth(wide, (2, 1), gain=4.0)


def rectify(x, bias):
    x = x + bias.reshape(-1, *(1,) * (x.ndim - 1))
    return np.where(x > 0, x, 0.2 * x) * 2**0.5


def styled(state, name, x, w, *, up=False):
    style = state[f"{name}.affine.weight"] @ w / len(w) ** 0.5
    style = style + state[f"{name}.affine.bias"]
    kernel = state[f"{name}.weight"]
    if "torgb" in name:
        kernel = kernel * style[None, :, None, None] / kernel.shape[1] ** 0.5
        return correlate(x, kernel) + state[f"{name}.bias"][:, None, None]
    kernel = kernel * style[None, :, None, None]
    kernel /= np.sqrt(np.square(kernel).sum((1, 2, 3), keepdims=True) + 1e-8)
    y = smooth(scatter(x, kernel), 1, gain=4.0) if up else correlate(x, kernel, 1)
    y = y + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"]
    return rectify(y, state[f"{name}.bias"])


def draw(state, w):
    """w [D] -> the image [C, H, W], with the stored noise."""
    x, image, size = np.asarray(state["synthesis.b4.const"]), None, 4
    while f"synthesis.b{size}.conv1.weight" in state:
        block = f"synthesis.b{size}"
        if image is not None:
            x, image = styled(state, f"{block}.conv0", x, w, up=True), enlarge(image)
        x = styled(state, f"{block}.conv1", x, w)
        image = styled(state, f"{block}.torgb", x, w) + (0 if image is None else image)
        size *= 2
    return image


def equalized(state, name):
    weight = state[f"{name}.weight"]
    return weight / weight[0].size ** 0.5


def judge(state, images):
    """Images [N, C, H, W], one group of the minibatch deviation -> logits [N, 1]."""
    size = max(int(name[1:].split(".")[0]) for name in state if name.startswith("b"))
    maps = []
    for image in images:
        name = f"b{size}.fromrgb"
        x = rectify(correlate(image, equalized(state, name)), state[f"{name}.bias"])
        for level in (size >> step for step in range(size.bit_length() - 3)):
            block = f"b{level}"
            skip = smooth(x, 1)[:, ::2, ::2]
            skip = correlate(skip, equalized(state, f"{block}.skip")) * 0.5**0.5
            for name, again in ((f"{block}.conv0", False), (f"{block}.conv1", True)):
                kernel = equalized(state, name)
                y = smooth(x, 2) if again else x
                y = correlate(y, kernel, 0 if again else 1, 2 if again else 1)
                x = rectify(y, state[f"{name}.bias"])
            x = x * 0.5**0.5 + skip
        maps.append(x)
    x = np.stack(maps)
    spread = np.sqrt(x.var(axis=0) + 1e-8).mean()
    logits = []
    for one in x:
        one = np.concatenate([one, np.full((1, *one.shape[1:]), spread)])
        one = correlate(one, equalized(state, "b4.conv"), 1)
        one = rectify(one, state["b4.conv.bias"]).reshape(-1)
        one = rectify(equalized(state, "b4.fc") @ one, state["b4.fc.bias"])
        logits.append(equalized(state, "b4.out") @ one + state["b4.out.bias"])
    return np.stack(logits)
