"""Compiled synthesis of any number of latents, on any number of devices."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxlatent.batching import in_chunks
from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import NoiseInput, per_image
from jaxlatent.types import Noise


@partial(jax.jit, static_argnames="mesh")
def _synthesize(
    generator: Generator,
    latent: Any,
    label: jax.Array | None,
    noise: Any,
    *,
    mesh: Mesh | None,
) -> jax.Array:
    def draw(
        generator: Generator, latent: Any, label: jax.Array | None, noise: Any
    ) -> jax.Array:
        return generator.synthesize(latent, label, noise=noise)

    if mesh is None:
        return draw(generator, latent, label, noise)
    # each device its own rows: a loop over all of them would run on every device
    whole, rows = PartitionSpec(), PartitionSpec(mesh.axis_names)
    share = jax.shard_map(
        draw,
        mesh=mesh,
        in_specs=(whole, rows, rows, rows),
        out_specs=rows,
        check_vma=False,  # what is made of the weights alone is the same everywhere
    )
    return share(generator, latent, label, noise)


def render(
    generator: Generator,
    latent: Any,
    label: jax.Array | None = None,
    *,
    noise: NoiseInput = Noise.FIXED,
    chunk: int = 8,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Compiled synthesis of any number of latents, `chunk` at a time.

    Args:
        generator: the generator; weights are an argument of the compiled function.
        latent: [N, D] or [N, L, D], or styles [N, C] by layer.
        label: int [N] or [N, C], for class-conditional families.
        noise: "fixed", "none", [N] keys, one key of which image i gets fold_in(key, i),
            or maps by layer name, [N or 1, r, r].
        chunk: images per call; bounds memory. The last call is padded, so that one
            compilation serves all.
        mesh: devices among which each chunk is split, None for one. Any number of
            latents is accepted; the pictures are those of one device within 1e-6.
        progress: called with the number of images just finished.

    Returns:
        Images [N, H, W, C] on the host, of every process.

    Raises:
        ValueError: for no codes, a chunk below one, labels or noise of another number
            than the codes, a mesh whose axes are not Auto, or processes that hold
            different generators or latents.
    """
    count = len(jax.tree.leaves(latent)[0])
    inputs = (latent, label, per_image(noise, count))
    parts = in_chunks(
        partial(_synthesize, mesh=mesh),
        inputs,
        count,
        chunk,
        progress,
        whole=(generator,),
        mesh=mesh,
    )
    return np.concatenate(list(parts))
