"""A network run step by step: activations by name, hooks on them, early stops.

A family writes its network as a Python generator, `run`, that yields every named
activation and goes on with what is sent back: `x = yield name, x`. The last one is the
image.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

import jax

Hook = Callable[[jax.Array], jax.Array]
"""A function of one activation; what it returns takes the activation's place."""

Steps = Generator[tuple[str, jax.Array], jax.Array, None]


def activations(
    steps: Steps, hooks: Mapping[str, Hook] | None, offered: Sequence[str]
) -> Iterator[tuple[str, jax.Array]]:
    """Every activation by name, behind its hook.

    Args:
        steps: the network.
        hooks: by the name of the activation they replace; None for none.
        offered: the names that the network yields.

    Raises:
        ValueError: for a hook on an unknown name, or one that returns another shape.
    """
    hooks = hooks or {}
    check_names("hooks", hooks, offered)
    try:
        name, value = next(steps)
        while True:
            if name in hooks:
                value = _replaced(name, value, hooks[name])
            yield name, value
            name, value = steps.send(value)
    except StopIteration:
        return


def last(
    steps: Steps, hooks: Mapping[str, Hook] | None, offered: Sequence[str]
) -> jax.Array:
    """The activation that leaves the network; see `activations`."""
    *_, (_, value) = activations(steps, hooks, offered)
    return value


def collect(
    steps: Steps,
    names: Sequence[str],
    hooks: Mapping[str, Hook] | None,
    offered: Sequence[str],
) -> dict[str, jax.Array]:
    """The activations called `names`; nothing behind the last of them is run.

    Raises:
        ValueError: for an unknown name, or as `activations`.
    """
    check_names("names", names, offered)
    found: dict[str, jax.Array] = {}
    running = activations(steps, hooks, offered)
    while set(found) != set(names):
        name, value = next(running)
        if name in names:
            found[name] = value
    return found


def check_names(
    argument: str, names: Sequence[str] | Mapping[str, Hook], offered: Sequence[str]
) -> None:
    """Raise ValueError if any of `names` is not offered."""
    unknown = sorted(set(names) - set(offered))
    if unknown:
        raise ValueError(
            f"{argument}: {unknown} given; this generator offers {tuple(offered)}"
        )


def _replaced(name: str, value: jax.Array, hook: Hook) -> jax.Array:
    replaced = hook(value)
    if replaced.shape != value.shape:
        raise ValueError(
            f"hooks: that of {name} returned {replaced.shape} for {value.shape}"
        )
    return replaced
