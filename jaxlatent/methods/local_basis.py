"""Local Basis: how w can change at all, by the singular vectors of the mapping network.

Jaewoong Choi, Junho Lee, Changyeon Yoon, Jung Ho Park, Geonho Hwang and Myungjoo Kang,
"Do Not Escape From the Manifold: Discovering the Local Coordinates on the Latent Space
of GANs", ICLR 2022.

At w = f(z), the left singular vectors of the Jacobian of the mapping network f are
the directions in which w varies with z, the largest singular value first. They differ
from code to code: `directions_at` are those of one, straight ahead and on rows of w+ if
wanted; `discover` follows them, finding them anew at every step (`edits.LocalBasis`).

Needed for both is the z of a code, since a w alone does not tell its Jacobian.
"""

import math
from typing import Any

import jax
import numpy as np

from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.local_basis import LocalBasis, local_basis
from jaxlatent.evaluation.distortion import mapping_of
from jaxlatent.generators.base import Generator, family_name, fingerprint
from jaxlatent.generators.ops import ACTIVATIONS
from jaxlatent.latents import Latents, prior, sample_keys
from jaxlatent.numerics.local_bases import LocalBases, local_bases
from jaxlatent.numerics.spectral import canonical_sign
from jaxlatent.types import parse_layers

SLOPES = {"linear": 1.0, "relu": 0.0, "lrelu": 0.2}
"""Of rectifiers below zero, by the activation's name."""


def discover(
    generator: Generator,
    *,
    key: jax.Array,
    k: int = 10,
    label: Any = None,
    step: float = 1.0,
    steps: int = 12,
) -> LocalBasis:
    """Paths along the Local Basis of a generator's mapping network.

    Args:
        generator: one with a mapping network.
        key: of the code whose basis says which side of a singular vector is ahead.
        k: how many singular vectors, the largest value first.
        label: the class of all codes, as `latents.prior` takes it; a single one.
        step: length in w of a step; 1 in the original.
        steps: steps each way; 12 in the original.

    Returns:
        An edit of z, whose strengths are lengths of w. `report` holds the "singular"
        values at the reference. Where the mapping network is a user's function, or
        normalises z together with a label, it cannot be saved.

    Raises:
        ValueError: for a generator without a mapping network, or k beyond the rank.
    """
    f = mapping_of(generator, label)
    found = local_bases(f, prior(generator, label=label)(sample_keys(key, [0])).codes)
    outputs = _leading(found, k)
    network: Any = _network(generator, f.args[1]) or {"mapping": f}
    return local_basis(
        **network,
        number=np.arange(k),
        reference=outputs.astype(np.float32),
        size=generator.config.z_dim,
        step=step,
        steps=steps,
        space="z",
        report={"singular": found.values[0, :k].astype(np.float32)},
        method="local_basis",
        generator=fingerprint(generator),
    )


def directions_at(
    generator: Generator, latents: Latents, *, k: int = 10, layers: Any = None
) -> Directions:
    """The Local Basis at one code, as directions of w.

    Args:
        generator: one with a mapping network.
        latents: one code of z, with its class where there are classes.
        k: how many, the largest singular value first.
        layers: rows of w+ that directions move; None for all.

    Returns:
        Unit directions [K, D]; `report` holds their "singular" values, how much w
        changes for a unit of z.

    Raises:
        ValueError: names the argument that does not fit.
    """
    if latents.space != "z" or len(latents) != 1:
        raise ValueError(
            f"latents: {len(latents)} codes of {latents.space} given; one of z is "
            "accepted"
        )
    label = latents.label
    f = mapping_of(generator, None if label is None else label[0])
    found = local_bases(f, latents.codes)
    outputs = _leading(found, k)
    w = jax.eval_shape(f, latents.codes).shape[1:]
    return directions(
        outputs.reshape(k, *w).astype(np.float32),
        space="w" if len(w) == 1 else "w+",
        layers=parse_layers(layers, generator.config.num_layers),
        report={"singular": found.values[0, :k].astype(np.float32)},
        method="local_basis",
        generator=fingerprint(generator),
    )


def _leading(found: LocalBases, k: int) -> np.ndarray:
    """The first k singular vectors [k, M], the largest entry of each positive."""
    sizes = found.outputs.shape[2], found.inputs.shape[2]
    rounding = max(sizes) * np.finfo(np.float32).eps * found.values[0, 0]
    rank = int(np.sum(found.values[0] > rounding))
    if not 1 <= k <= rank:
        raise ValueError(
            f"k: {k} given; 1 to {rank}, the rank of the Jacobian, is accepted"
        )
    return canonical_sign(found.outputs[0, :k])


def _network(generator: Generator, label: jax.Array | None) -> dict[str, Any] | None:
    """A mapping network as `edits.LocalBasis` can keep it; None where it cannot."""
    params, config = generator.params, generator.config
    family = family_name(config)
    if family == "rendered":
        # with rows of w+ and no mapping network, w is z
        return {"mapping": {"flow": params.get("mapping", {})}}
    activation = getattr(config, "activation", "lrelu")
    if family not in ("stylegan", "stylegan2", "stylegan3") or activation not in SLOPES:
        return None
    if label is not None and (
        family == "stylegan" or getattr(config, "joint_normalization", False)
    ):
        return None
    gain, rate = ACTIVATIONS[activation].gain, config.mapping_rate
    name = "dense" if family == "stylegan" else "fc"
    layers: dict[str, Any] = {}
    for index in range(config.mapping_layers):
        layer = params["mapping"][f"{name}{index}"]
        weight = layer["weight"] * (gain * rate / math.sqrt(len(layer["weight"])))
        # genforce's StyleGAN has the gain in the weights alone
        bias = layer["bias"] * (rate if family == "stylegan" else gain * rate)
        if index == 0 and label is not None:
            bias = bias + generator.embed(label)[0] @ weight[config.z_dim :]
            weight = weight[: config.z_dim]
        layers[str(index)] = {"weight": weight, "bias": bias}
    return {"mapping": {"layers": layers}, "slope": SLOPES[activation]}
