"""What every StyleGAN2 file layout shares: sizes, filters and the mapping network."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from converters.entries import Entry
from converters.plans import Source, dense, kernel, parameter_shapes
from jaxlatent.generators import stylegan2, stylegan2_discriminator
from jaxlatent.generators.inputs import normal_codes
from jaxlatent.types import CheckpointError, Params

Tensors = Mapping[str, np.ndarray]


def size(tensors: Tensors, name: str, axis: int) -> int:
    """Length of one axis of a tensor of the file.

    Raises:
        CheckpointError: if the tensor or the axis is missing.
    """
    if name not in tensors:
        raise CheckpointError(f"missing (1): {name}")
    shape = tensors[name].shape
    if not -len(shape) <= axis < len(shape):
        raise CheckpointError(f"misshapen (1): {name} is {shape}")
    return shape[axis]


def count(tensors: Tensors, pattern: str, start: int = 0) -> int:
    """How many tensors a numbered pattern such as "fc{}.weight" has."""
    number = start
    while pattern.format(number) in tensors:
        number += 1
    return number - start


def separate(filter_kernel: np.ndarray) -> tuple[float, ...]:
    """1-D taps, sum 1, of a stored 1-D or 2-D filter of any scale.

    Raises:
        CheckpointError: if a 2-D filter is not the outer product of equal 1-D ones.
    """
    taps = np.asarray(filter_kernel, np.float64)
    taps = taps.reshape(taps.shape[-2:] if taps.ndim > 2 else taps.shape)
    total = taps.sum()
    if taps.ndim not in (1, 2) or total == 0:
        raise CheckpointError(f"a filter of shape {taps.shape} and sum {total}")
    taps = taps / total
    if taps.ndim == 2:
        line = taps.sum(axis=0)
        if taps.shape[0] != taps.shape[1] or not np.allclose(
            np.outer(line, line), taps, atol=1e-6
        ):
            raise CheckpointError("a resampling filter that is not separable")
        taps = line
    return tuple(taps.tolist())


def base_size(tensors: Tensors, const: str) -> tuple[int, int]:
    """Height and width of the constant [..., C, H, W], from which a network grows."""
    return size(tensors, const, -2), size(tensors, const, -1)


def resolution(base: tuple[int, int], levels: int) -> int:
    """The larger side of the image after so many levels."""
    return max(base) << max(levels - 1, 0)


def constant_beside(entry: Entry, const: str) -> np.ndarray | None:
    """The constant of a generator beside a discriminator, None if there is none."""
    found = (tensors[const] for tensors in entry.siblings() if const in tensors)
    return next(found, None)


def judged_size(
    inputs: int,
    channels: int,
    drawn: np.ndarray | None,
    changes: Mapping[str, Any] | None,
) -> tuple[tuple[int, int], dict[str, Any]]:
    """Height and width of the map that a discriminator's dense layer takes.

    Its weight tells their product alone. They are those of the generator's constant
    where the file has one, else 4 x 4, else a height of 4 or, where that does not
    divide the product, all of it.

    Args:
        inputs: of the dense layer.
        channels: of the map.
        drawn: the constant of the generator in the same file.
        changes: config values that the caller gave.

    Returns:
        The size, and what of it is assumed: nothing where it was given, where the
        constant tells it, or where there are sixteen pixels.
    """
    given = (changes or {}).get("base_size")
    if isinstance(given, list | tuple) and [type(side) for side in given] == [int, int]:
        return (given[0], given[1]), {}
    pixels = inputs // max(channels, 1)
    if drawn is not None and drawn.ndim > 1 and math.prod(drawn.shape[-2:]) == pixels:
        return (drawn.shape[-2], drawn.shape[-1]), {}
    if pixels == 16:
        return (4, 4), {}
    guess = (4, pixels // 4) if pixels and pixels % 4 == 0 else (max(pixels, 1), 1)
    return guess, {"base_size": guess}


def generator_sources(
    config: stylegan2.Config,
    layer_source: Callable[[stylegan2.Layer, str], Source],
    *,
    const: Source,
    mean: Source,
    mapping: Callable[[int], str],
    embedding: Mapping[str, Source],
) -> dict[str, Source]:
    """The sources of a generator's parameters, given one layout's names.

    Args:
        config: the generator's config.
        layer_source: (layer, parameter below it, such as "affine.weight") -> source.
        const: the learned input.
        mean: the mean w.
        mapping: number of a mapping layer -> its name.
        embedding: sources of the label embedding's parameters.
    """
    sources = {"synthesis.b4.const": const, "mapping.w_avg": mean}
    if config.label_dim:
        sources |= {f"mapping.embed.{key}": value for key, value in embedding.items()}
    for index in range(config.mapping_layers):
        sources |= dense_layer(f"mapping.fc{index}", mapping(index))
    for layer in stylegan2.layers(config):
        parameters = ["weight", "bias", "affine.weight", "affine.bias"]
        if config.use_noise and not layer.rgb:
            parameters += ["noise_const", "noise_strength"]
        for parameter in parameters:
            source = layer_source(layer, parameter)
            sources[f"synthesis.{layer.name}.{parameter}"] = source
        if config.architecture == "resnet" and layer.up:
            name = f"synthesis.{layer.block}.skip.weight"
            sources[name] = layer_source(layer, "skip.weight")
    return sources


def discriminator_sources(
    config: stylegan2_discriminator.Config, name: Callable[[str], str]
) -> dict[str, Source]:
    """The sources of a discriminator's parameters; `name` translates each of them."""
    shapes = discriminator_shapes(config)
    image = (config.channels[0], *config.base_size)
    sources = {}
    for path, _ in jax.tree_util.tree_leaves_with_path(shapes):
        ours = ".".join(entry.key for entry in path)
        theirs = name(ours)
        if ours.endswith("bias"):
            sources[ours] = Source(theirs)
        elif ours == "b4.fc.weight":
            sources[ours] = dense(theirs, image=image)
        elif ours == "b4.out.weight" or ours.startswith("mapping."):
            sources[ours] = dense(theirs)
        else:
            sources[ours] = kernel(theirs)
    return sources


def dense_layer(ours: str, theirs: str) -> dict[str, Source]:
    """Weight and bias of a dense layer."""
    return {
        f"{ours}.weight": dense(f"{theirs}.weight"),
        f"{ours}.bias": Source(f"{theirs}.bias"),
    }


def fan_in_gain(layer: stylegan2.Layer) -> float:
    """1 / sqrt(fan in) of a 3 x 3 layer, for layouts that store it apart."""
    return 1 / math.sqrt(9 * layer.inputs)


def generator_shapes(config: stylegan2.Config) -> Params:
    """The parameter tree of a generator, as shapes."""
    return parameter_shapes(stylegan2.init, config)


def discriminator_shapes(config: stylegan2_discriminator.Config) -> Params:
    """The parameter tree of a discriminator, as shapes."""
    return parameter_shapes(stylegan2_discriminator.init, config)


def add_mean(params: Params, config: stylegan2.Config) -> Params:
    """Estimate the mean w from 4096 mapped codes, where a file holds none."""
    dtype = params["mapping"]["fc0"]["weight"].dtype
    mapping = {**params["mapping"], "w_avg": jnp.zeros(config.w_dim, dtype)}
    z = normal_codes(jax.random.key(0), 4096, config.z_dim)
    w = stylegan2.map({"mapping": mapping}, config, z)
    return {**params, "mapping": {**mapping, "w_avg": jnp.mean(w, axis=0)}}


def add_noise(params: Params, config: stylegan2.Config) -> Params:
    """Draw the noise maps, where a file holds none."""
    synthesis = {block: dict(kinds) for block, kinds in params["synthesis"].items()}
    for index, layer in enumerate(stylegan2.layers(config)):
        entry = synthesis[layer.block][layer.kind]
        if not layer.rgb:
            key = jax.random.fold_in(jax.random.key(0), index)
            noise = jax.random.normal(key, layer.size, entry["weight"].dtype)
            synthesis[layer.block][layer.kind] = {**entry, "noise_const": noise}
    return {**params, "synthesis": synthesis}
