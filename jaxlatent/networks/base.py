"""`Network`: a flax module with its parameters, callable and a pytree."""

from typing import Any

import flax.linen as nn
import flax.struct
import jax

from jaxlatent.types import Params


@flax.struct.dataclass(eq=False)
class Network:
    """A network that looks at pictures: `network(images) -> outputs`.

    It crosses `jit`, `vmap` and `grad` like any pytree, so new weights never recompile,
    and it is a scorer where its outputs are scores.

    Attributes:
        params: the module's parameters, statistics of batch norms among them.
        module: the architecture, used through `apply` only.
    """

    params: Params
    module: nn.Module = flax.struct.field(pytree_node=False)

    @classmethod
    def init(cls, key: jax.Array, module: nn.Module, images: jax.Array) -> "Network":
        """A network with fresh parameters, for images of this shape and dtype."""
        variables: Any = module.init(key, images)
        return cls(params=variables["params"], module=module)

    def __call__(self, images: jax.Array) -> Any:
        """Images [N, H, W, C] in [-1, 1] -> whatever the module returns."""
        return self.module.apply({"params": self.params}, images)
