"""What draws codes while one factor is held: a sampler with an encoder, or a table."""

from typing import Protocol

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.types import Model

_FIRST, _SECOND = range(2)


class Source(Protocol):
    """What draws codes while factors are held: a pytree."""

    @property
    def num_factors(self) -> int:
        """F."""
        ...

    def draw(self, keys: jax.Array) -> jax.Array:
        """[T, C] codes for T keys."""
        ...

    def held(self, keys: jax.Array, factor: jax.Array, size: int) -> jax.Array:
        """[T, size, C]: batches of codes that share the value of factor [T]."""
        ...

    def pairs(
        self, keys: jax.Array, factor: jax.Array, size: int
    ) -> tuple[jax.Array, jax.Array]:
        """Two of [T, size, C]: pairs of codes that share the value of factor [T]."""
        ...


@flax.struct.dataclass(eq=False)
class FactorSampler:
    """Codes of what is drawn from factors, such as a world and an encoder.

    Attributes:
        sample: key, number -> factors [number, F]; what is not learned of is `sample`
            of a `jaxlatent.data` world, as `jax.tree_util.Partial`.
        encode: factors [N, F] -> codes [N, C].
        num_factors: F.
    """

    sample: Model
    encode: Model
    num_factors: int = flax.struct.field(pytree_node=False)

    def draw(self, keys: jax.Array) -> jax.Array:
        """As `Source` has it."""
        return self.encode(jax.vmap(lambda key: self.sample(key, 1)[0])(keys))

    def held(self, keys: jax.Array, factor: jax.Array, size: int) -> jax.Array:
        """As `Source` has it: the value is that of the first sample."""
        factors = jax.vmap(lambda key: self.sample(key, size))(keys)
        return self._encoded(self._copied(factors, factors[:, :1], factor))

    def pairs(
        self, keys: jax.Array, factor: jax.Array, size: int
    ) -> tuple[jax.Array, jax.Array]:
        """As `Source` has it."""
        one, two = (
            jax.vmap(
                lambda key, part=part: self.sample(jax.random.fold_in(key, part), size)
            )(keys)
            for part in (_FIRST, _SECOND)
        )
        return self._encoded(one), self._encoded(self._copied(two, one, factor))

    def _copied(
        self, factors: jax.Array, source: jax.Array, factor: jax.Array
    ) -> jax.Array:
        """Factors [T, B, F] in which that of each vote [T] is the source's."""
        held = jnp.arange(self.num_factors)[None] == factor[:, None]
        source = jnp.broadcast_to(source, factors.shape)
        return jnp.where(held[:, None], source, factors)

    def _encoded(self, factors: jax.Array) -> jax.Array:
        codes = self.encode(factors.reshape(-1, factors.shape[-1]))
        return codes.reshape(*factors.shape[:-1], -1)


@flax.struct.dataclass(eq=False)
class FactorTable:
    """A table of codes and factors; `factor_table` makes one.

    A value is held by taking rows that have it, with replacement: what else they have
    is as in the whole table where factors are independent of each other.

    Attributes:
        codes: [N, C].
        order: [F, N] the rows by the values of each factor.
        starts: [N, F] where in the order those with this row's value begin.
        sizes: [N, F] how many they are.
    """

    codes: jax.Array
    order: jax.Array
    starts: jax.Array
    sizes: jax.Array

    @property
    def num_factors(self) -> int:
        """F."""
        return self.order.shape[0]

    def draw(self, keys: jax.Array) -> jax.Array:
        """As `Source` has it."""
        return self.codes[jax.vmap(lambda key: self._rows(key, ()))(keys)]

    def held(self, keys: jax.Array, factor: jax.Array, size: int) -> jax.Array:
        """As `Source` has it."""

        def one(key: jax.Array, factor: jax.Array) -> jax.Array:
            first = self._rows(jax.random.fold_in(key, _FIRST), ())
            rows = jnp.broadcast_to(first, (size,))
            return self._alike(jax.random.fold_in(key, _SECOND), rows, factor)

        return self.codes[jax.vmap(one)(keys, factor)]

    def pairs(
        self, keys: jax.Array, factor: jax.Array, size: int
    ) -> tuple[jax.Array, jax.Array]:
        """As `Source` has it."""

        def one(key: jax.Array, factor: jax.Array) -> tuple[jax.Array, jax.Array]:
            rows = self._rows(jax.random.fold_in(key, _FIRST), (size,))
            return rows, self._alike(jax.random.fold_in(key, _SECOND), rows, factor)

        first, second = jax.vmap(one)(keys, factor)
        return self.codes[first], self.codes[second]

    def _rows(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.randint(key, shape, 0, len(self.codes))

    def _alike(self, key: jax.Array, rows: jax.Array, factor: jax.Array) -> jax.Array:
        """Rows that have the same value of a factor as the given ones."""
        place = jax.random.randint(key, rows.shape, 0, self.sizes[rows, factor])
        return self.order[factor, self.starts[rows, factor] + place]


def factor_table(codes: np.ndarray, factors: np.ndarray) -> FactorTable:
    """A table to draw from.

    Args:
        codes: [N, C].
        factors: [N, F] integers from 0.
    """
    order = np.argsort(factors, axis=0, kind="stable")
    count = int(factors.max()) + 1
    sizes = (factors[..., None] == np.arange(count)).sum(axis=0)  # [F, V]
    starts = np.cumsum(sizes, axis=1) - sizes
    columns = np.arange(factors.shape[1])[None]
    return FactorTable(
        jnp.asarray(codes, jnp.float32),
        jnp.asarray(order.T, jnp.int32),
        jnp.asarray(starts[columns, factors], jnp.int32),
        jnp.asarray(sizes[columns, factors], jnp.int32),
    )
