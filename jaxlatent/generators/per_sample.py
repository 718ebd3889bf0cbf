"""Batches of large images, whose last layers run image by image on CPUs.

The activations of one large image nearly fit the caches, those of a batch do not; and
memory is that of one image. Layers of low resolution stay one batch, since there it is
the weights that are read anew for every call.
"""

from collections.abc import Callable
from itertools import takewhile
from typing import Any, Protocol

import jax
import numpy as np
from jax import lax

LARGE_IMAGE = 128
"""Resolution from where on to look for large activations."""

LARGE_ACTIVATION = 2**19
"""Values of one image's activation, from where on a batch is slower, as measured."""


class Network(Protocol):
    """What is asked of a generator."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of all activations, in the network's order; the image is last."""
        ...

    def synthesize(self, **inputs: Any) -> jax.Array:
        """Images [N, H, W, C]; `hooks` replace activations."""
        ...

    def features(self, **inputs: Any) -> dict[str, jax.Array]:
        """Activations [N, ...], by `names`."""
        ...


def map_per_sample(
    network: Network,
    together: Callable[[], jax.Array],
    inputs: dict[str, Any],
    count: int,
) -> jax.Array:
    """Images of a batch, each the one that it would be alone.

    Args:
        network: synthesizes the images.
        together: synthesizes all of them as one batch, where that is faster.
        inputs: of the network by name, pytrees; arrays of N rows hold one for each
            image, others serve all of them.
        count: N, 2 or more.
    """
    # no image is larger than what it is made of, and some take long to trace
    names = network.feature_names[:-1]
    shapes = jax.eval_shape(lambda: network.features(**inputs, names=names))
    small = tuple(
        takewhile(lambda name: shapes[name].size < count * LARGE_ACTIVATION, names)
    )
    if len(small) == len(names):
        return together()

    def one_by_one() -> jax.Array:
        leaves, build = jax.tree.flatten(inputs)
        rows = {i: x for i, x in enumerate(leaves) if np.shape(x)[:1] == (count,)}

        def one(given: tuple[dict[int, jax.Array], dict[str, jax.Array]]) -> jax.Array:
            own, before = jax.tree.map(lambda row: row[None], given)
            found = [own.get(index, shared) for index, shared in enumerate(leaves)]
            hooks = {name: lambda _, x=x: x for name, x in before.items()}
            alone = jax.tree.unflatten(build, found)
            return network.synthesize(**alone, hooks=hooks)[0]

        return lax.map(one, (rows, network.features(**inputs, names=small)))

    return lax.platform_dependent(cpu=one_by_one, default=together)
