"""What goes into a generator: codes of its prior, labels and noise."""

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxlatent.collectives import is_key
from jaxlatent.types import Noise


class GeneratorConfig(Protocol):
    """What every family's config offers, as fields, properties or class attributes."""

    @property
    def z_dim(self) -> int:
        """Dimension of z."""
        ...

    @property
    def w_dim(self) -> int:
        """Dimension of w; that of z where there is no mapping network."""
        ...

    @property
    def num_layers(self) -> int:
        """Rows of w+; 0 where the family has no per-layer latents."""
        ...

    @property
    def label_dim(self) -> int:
        """Number of classes; 0 if unconditional."""
        ...

    @property
    def resolution(self) -> int:
        """Of the image, its larger side; 0 where it is not known before a run."""
        ...

    @property
    def truncated_prior(self) -> bool:
        """Whether `sample` truncates z, as BigGAN does, in place of w."""
        ...

    @property
    def spaces(self) -> tuple[str, ...]:
        """The spaces in which `synthesize` or `map` accept latents, z first."""
        ...


PRIOR = "prior"
"""Where params keep what `Generator.with_prior` was given: "mean" [D], "factor" [D, D].
"""

NoiseInput = Noise | str | jax.Array | Mapping[str, jax.Array]


def as_noise(noise: NoiseInput) -> Noise | jax.Array | Mapping[str, jax.Array]:
    """Accept the words "fixed" and "none" for the members of `Noise`."""
    if not isinstance(noise, str):
        return noise
    try:
        return Noise(noise)
    except ValueError:
        raise ValueError(
            f'noise: {noise!r} given; "fixed", "none", a key or arrays are accepted'
        ) from None


def per_image(noise: NoiseInput, total: int) -> Noise | jax.Array | Mapping[str, Any]:
    """Noise whose arrays have one row per image, so that any part of it can be taken.

    Args:
        noise: as for `Generator.synthesize`.
        total: the number of images.

    Returns:
        A member of `Noise` as it is; [N] keys, of one key image i gets fold_in(key, i);
        maps by layer name, [N, r, r].
    """
    given = keys_per_image(as_noise(noise), total)
    if not isinstance(given, Mapping):
        return given
    for name, one in given.items():
        if np.shape(one)[:1] not in ((1,), (total,)):
            raise ValueError(
                f"noise: {name} has shape {np.shape(one)}; {total} or 1 rows are "
                "accepted"
            )
    # views: a map of one row is not copied
    return {
        name: np.broadcast_to(one, (total, *np.shape(one)[1:]))
        for name, one in given.items()
    }


def keys_per_image(noise: Any, total: int) -> Any:
    """One key as a key for each image; other noise as it is."""
    if is_key(noise) and noise.ndim == 0:
        return jax.vmap(jax.random.fold_in, (None, 0))(noise, jnp.arange(total))
    return noise


def without_noise(noise: Noise | Any) -> None:
    """Raise unless a family without noise inputs is asked for none."""
    if not isinstance(noise, Noise):
        raise ValueError("noise: given, but this generator has no noise inputs")


def without_label(label: jax.Array | None) -> None:
    """Raise if an unconditional family is given a label."""
    if label is not None:
        raise ValueError("label: given, but this generator is unconditional")


def as_label(label: jax.Array | None, label_dim: int, dtype: Any) -> jax.Array | None:
    """Labels as rows of class weights, [N, C]; None for an unconditional family.

    Args:
        label: int [N], or one-hot or soft [N, C].
        label_dim: C, 0 if the family takes no label.
        dtype: of the result.

    Raises:
        ValueError: for a missing label, an unwanted one, another shape, or a class that
            does not exist (where it is traced, its row is zero).
    """
    if label_dim == 0:
        without_label(label)
        return None
    if label is None:
        raise ValueError(f"label: missing; this generator has {label_dim} classes")
    label = jnp.asarray(label)
    if label.ndim == 1 and jnp.issubdtype(label.dtype, jnp.integer):
        if not isinstance(label, Tracer):
            wrong = [int(one) for one in np.asarray(label) if not 0 <= one < label_dim]
            if wrong:
                raise ValueError(
                    f"label: {wrong} given; classes 0 to {label_dim - 1} are accepted"
                )
        return jax.nn.one_hot(label, label_dim, dtype=dtype)
    if label.ndim != 2 or label.shape[1] != label_dim:
        raise ValueError(
            f"label: {label.dtype} {label.shape} given; int [N] or [N, {label_dim}] is "
            "accepted"
        )
    return label.astype(dtype)


def normal_codes(key: jax.Array, num: int, dim: int) -> jax.Array:
    """Standard normal [num, dim]; row i depends on the key and i alone."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(num))
    return jax.vmap(lambda one: jax.random.normal(one, (dim,)))(keys)
