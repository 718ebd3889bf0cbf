"""Losses and targets of "Enjoy your editing"; see `methods.enjoy_your_editing`."""

import jax
import jax.numpy as jnp

_LEAST = 1e-12


def wanted(
    drawn: jax.Array, alpha: jax.Array, rule: str
) -> tuple[jax.Array, jax.Array]:
    """The targets of attributes, and the epsilons that lead there.

    Args:
        drawn: [N, A], or [1, A] for all pictures: the changes ("paper"), or the targets
            themselves ("stylegan_repo"), which the authors' code takes as they are.
        alpha: [N, A] attributes before the edit.
        rule: "paper" or "stylegan_repo".

    Returns:
        Targets and epsilons, [N, A] each; a target is alpha + epsilon.
    """
    if rule == "paper":
        targets = jnp.clip(alpha + drawn, 0, 1)
    else:
        targets = jnp.broadcast_to(drawn, alpha.shape)
    return targets, targets - alpha


def cross_entropy(
    predicted: jax.Array, targets: jax.Array, rule: str, margin: float = 1e-6
) -> jax.Array:
    """-(y log p + (1 - y) log (1 - p)), elementwise.

    Predictions need not lie in [0, 1], since regressors may be linear. "latent2im", as
    in the authors' code, keeps p and 1 - p from falling below 1e-12, each in its own
    logarithm, and leaves them above one. "clipped" keeps p between `margin` and one
    minus it, and lets its gradient through where it leads back towards the target: one
    of 0 is met by everything below, and nothing beyond is lost.

    Args:
        predicted: p.
        targets: y in [0, 1], of the same shape.
        rule: "clipped" or "latent2im".
        margin: of "clipped".
    """
    low, high = predicted, 1 - predicted
    if rule == "latent2im":
        low, high = (jnp.maximum(one, _LEAST) for one in (low, high))
    else:
        kept = jnp.clip(predicted, margin, 1 - margin)
        outside = predicted != kept
        back = outside & ((targets - kept) * (kept - predicted) > 0)
        passed = predicted + jax.lax.stop_gradient(kept - predicted)
        low = jnp.where(back, passed, kept)
        high = 1 - low
    return -(targets * jnp.log(low) + (1 - targets) * jnp.log(high))


def fooling(logits: jax.Array) -> jax.Array:
    """The non-saturating loss of a generator, softplus(-D), elementwise."""
    return jax.nn.softplus(-logits)
