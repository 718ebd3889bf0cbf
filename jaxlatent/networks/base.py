"""`Network`: a flax module with its parameters, callable and a pytree."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import flax.linen as nn
import flax.struct
import jax
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxlatent.types import NO_ORIGIN, Origin, Params

STATISTICS = "statistics"
"""The collection in which batch norms leave their updated running statistics."""


@flax.struct.dataclass(eq=False)
class Network:
    """A network that looks at pictures: `network(images) -> outputs`.

    It crosses `jit`, `vmap` and `grad` like any pytree, so new weights never recompile,
    and it is a scorer where its outputs are scores.

    Attributes:
        params: the module's parameters, statistics of batch norms among them.
        module: the architecture, used through `apply` only.
        origin: the file that they are of and what that left open; compiled code does
            not depend on it.
    """

    params: Params
    module: nn.Module = flax.struct.field(pytree_node=False)
    origin: Origin = flax.struct.field(pytree_node=False, default=NO_ORIGIN)

    @classmethod
    def init(cls, key: jax.Array, module: nn.Module, *images: jax.Array) -> "Network":
        """A network with fresh parameters, for images of this shape and dtype."""
        variables: Any = module.init(key, *images)
        return cls(params=variables["params"], module=module)

    def __call__(self, *images: jax.Array) -> Any:
        """Images [N, H, W, C] in [-1, 1] -> whatever the module returns.

        A module that compares pictures takes two such arrays.
        """
        return self.module.apply({"params": self.params}, *images)

    def features(
        self, *images: jax.Array, names: Sequence[str]
    ) -> dict[str, jax.Array]:
        """Activations by name; nothing behind the last of them is run.

        Args:
            images: as for a call.
            names: the activations, by the names of the module's reference checkpoint
                ("layer3", "features.22", "avgpool").

        Returns:
            Feature maps [N, h, w, C], and vectors [N, C] where the network has them.

        Raises:
            ValueError: for a name that the module does not hand out.
        """
        found: Any = self.module.apply(
            {"params": self.params}, *images, names=tuple(names)
        )
        return found

    def train(self, *images: jax.Array) -> tuple[Any, "Network"]:
        """A forward pass as in training: batch norms use the batch's own statistics.

        Returns:
            What a call returns, and the network with its running statistics updated,
            as PyTorch does. No gradient flows into these.
        """
        outputs, changed = self.module.apply(
            {"params": self.params}, *images, train=True, mutable=[STATISTICS]
        )
        statistics: Any = changed.get(STATISTICS, {})
        return outputs, replace(self, params=updated(self.params, statistics))


def updated(params: Params, statistics: Mapping[str, Any]) -> Params:
    """Parameters in which the statistics of batch norms are replaced.

    Args:
        params: a module's parameters.
        statistics: the collection that a training pass left, by the same names.
    """
    fresh = dict(flatten_dict(dict(statistics)))
    return unflatten_dict(dict(flatten_dict(params)) | fresh)


def trainable(params: Params) -> Params:
    """A mask of the parameters: False for the statistics of batch norms."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: "running" not in path[-1].key, params
    )
