"""Oracles: pictures of a world behind a known way from latents to factors.

These are no trained networks but instruments: a world of `jaxlatent.data.worlds` draws
the pictures, and the latent in front of it holds planted directions, openly, so that
what a method finds can be compared with what is there. `truth` gives them as an edit.

    z [N, D] -> w [N, D] -> rows [N, L, D] -> layer0, layer1, ...: linear units [N, H]
    -> mean of each factor's units -> tanh -> factors [N, F] -> picture

Every stage but the linear ones is there only where the config asks for it:

- `mapped`: w is a rotation and couplings (`numerics.coupling`) of z. Directions of w
  that are straight are paths in z. Without it, w is z.
- `rows`: w+ has so many rows, and factor j reads row j mod `rows` alone.
- `curved`: another flow, the warp, stands before the linear layers, in every row alike.
  Then no straight direction moves one factor alone everywhere, but a path does.
- `shows`: "factors" draws the factors themselves, [N, 1, 1, F].

How directions are planted in the linear layers, and in which order methods find them,
is told in `jaxlatent.generators.planting`.
"""

import importlib.resources
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.data import faces
from jaxlatent.data.worlds import WORLDS, World
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.flow import FlowPaths, flow_paths
from jaxlatent.generators import plain, style_mapping
from jaxlatent.generators.base import Generator, config_from_json, fingerprint
from jaxlatent.generators.inputs import without_label, without_noise
from jaxlatent.generators.plain import embed as embed
from jaxlatent.generators.plain import noise_maps as noise_maps
from jaxlatent.generators.plain import prepare as prepare
from jaxlatent.generators.plain import sample as sample
from jaxlatent.generators.planting import plant, planted_directions
from jaxlatent.generators.steps import Steps, collect
from jaxlatent.numerics.coupling import chain, forward, random_flow
from jaxlatent.types import Affine, Noise, Params

SHOWS = ("image", "factors")
"""What an oracle may draw."""

EMBEDDED = "faces"
"""The name of the generator that comes with the library."""


@dataclass(frozen=True)
class Config:
    """What decides the way and the pictures.

    Attributes:
        z_dim: dimension of z and w; at least two more than there are factors.
        size: height and width of the pictures.
        largest_group: units of the first factor; each next factor has one less.
        jitter: length of a unit's weight at right angles to its factor's direction,
            relative to its length along it.
        gain: slope of a factor along its direction, before it saturates.
        world: one of `WORLDS`.
        factors: names of the world's factors that the latent decides.
        curved: how far the warp bends, 0 for none; 1 turns directions by about half a
            radian from place to place.
        mapped: whether a mapping network makes w of z.
        rows: of w+; 0 for no w+.
        shows: "image", or "factors" to draw these in place of a picture.
    """

    z_dim: int = 64
    size: int = 128
    largest_group: int = 24
    jitter: float = 0.25
    gain: float = 0.55
    world: str = faces.FACES.name
    factors: tuple[str, ...] = faces.APPEARANCE
    curved: float = 0.0
    mapped: bool = False
    rows: int = 0
    shows: str = "image"

    label_dim = 0
    truncated_prior = False
    recompute = True
    """Pictures are cheap to draw, and many times their size to linearise."""

    def __post_init__(self) -> None:
        for label, value, accepted in (
            ("world", self.world, tuple(WORLDS)),
            ("shows", self.shows, SHOWS),
        ):
            if value not in accepted:
                raise ValueError(
                    f"{label}: {value!r} given; one of {accepted} is accepted"
                )
        WORLDS[self.world].select(self.factors)
        if not 0 <= self.rows <= len(self.factors):
            raise ValueError(
                f"rows: {self.rows} given; 0 to {len(self.factors)}, the number of "
                "factors, is accepted"
            )

    @property
    def painted(self) -> World:
        """The world with these factors alone."""
        return WORLDS[self.world].select(self.factors)

    @property
    def factor_names(self) -> tuple[str, ...]:
        """Of the columns of what the feature "factors" gives."""
        return self.factors

    @property
    def num_layers(self) -> int:
        """`rows`."""
        return self.rows

    @property
    def spaces(self) -> tuple[str, ...]:
        """z; w behind a mapping or before rows; w+ where there are rows."""
        if self.rows:
            return ("z", "w", "w+")
        return ("z", "w") if self.mapped else ("z",)

    @property
    def resolution(self) -> int:
        """`size`, or 1 where factors are drawn."""
        return self.size if self.shows == "image" else 1

    @property
    def w_dim(self) -> int:
        """That of z."""
        return self.z_dim

    @property
    def groups(self) -> tuple[int, ...]:
        """Units per factor, m_j."""
        return tuple(self.largest_group - j for j in range(len(self.factors)))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the linear layers, one per row."""
        return tuple(f"layer{row}" for row in range(max(self.rows, 1)))

    @property
    def readers(self) -> np.ndarray:
        """The row of w+ that each factor reads, [F]."""
        return np.arange(len(self.factors)) % len(self.layers)


def init(key: jax.Array, config: Config) -> Params:
    """Plant the directions.

    Args:
        key: decides directions, noise, lengths and flows.
        config: the sizes.

    Returns:
        `layer0.weight` [D, H] and `layer0.bias` [H], likewise for further rows, and
        `pool.weight` [H, F], which undoes the lengths and averages each group; the
        flows `mapping` and `warp` where the config has them.

    Raises:
        ValueError: if z is too small for the factors, or a group would be empty.
    """
    count, groups = len(config.factors), config.groups
    if config.z_dim < count + 2:
        raise ValueError(
            f"z_dim: {config.z_dim} given; {count + 2} or more is accepted"
        )
    if groups[-1] < 1:
        raise ValueError(
            f"largest_group: {config.largest_group} given; {count} or more is accepted"
        )
    params = plant(
        key,
        dim=config.z_dim,
        groups=groups,
        readers=config.readers,
        jitter=config.jitter,
    )
    mapping_key, warp_key = (jax.random.fold_in(key, index) for index in (3, 4))
    if config.mapped:
        params["mapping"] = random_flow(mapping_key, config.z_dim, rotate=True)
    if config.curved:
        params["warp"] = random_flow(warp_key, config.z_dim, bend=config.curved)
    return params


def trainable(params: Params) -> Params:
    """Which leaves training may change: the linear layers.

    Not the pooling that reads them, nor the flows, whose rotations have to stay such.
    """
    return {
        part: jax.tree.map(lambda _, part=part: part.startswith("layer"), leaves)
        for part, leaves in params.items()
    }


def factors(params: Params, config: Config, latent: jax.Array) -> jax.Array:
    """The factors of latents that `run` takes: [N, F] in (-1, 1).

    Raises:
        ValueError: for latents of another shape.
    """
    steps = run(params, config, latent)
    return collect(steps, ("factors",), None, feature_names(config))["factors"]


def map(
    params: Params, config: Config, z: jax.Array, label: jax.Array | None = None
) -> jax.Array:
    """z [N, D] -> w [N, D]; the identity without a mapping network."""
    without_label(label)
    if not config.mapped:
        return z
    _check_codes(z, "z", config)
    return forward(params["mapping"], _as_weights(params, z))


def broadcast(config: Config, w: jax.Array) -> jax.Array:
    """w [N, D] -> w+ [N, L, D]; a w+ passes through. Not available without rows."""
    return (style_mapping if config.rows else plain).broadcast(config, w)


def truncate(
    params: Params,
    config: Config,
    w: jax.Array,
    psi: float | jax.Array,
    cutoff: int | None = None,
) -> jax.Array:
    """`psi * w`, where there are rows in the first `cutoff` of them as w+ [N, L, D].

    The mean w is zero: z is symmetric about it, and the mapping odd. Not available
    where w is z.
    """
    if config.rows:
        mean = jnp.zeros(config.w_dim, w.dtype)
        return style_mapping.truncate_rows(broadcast(config, w), mean, psi, cutoff)
    if not config.mapped:
        return plain.truncate(params, config, w, psi, cutoff)
    if cutoff is not None:
        raise ValueError(f"cutoff: {cutoff} given, but this generator has no rows of w")
    return psi * w


def run(
    params: Params,
    config: Config,
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    noise: Noise = Noise.FIXED,
) -> Steps:
    """z, w or w+ -> units of each row [N, H], factors [N, F], images [N, S, S, C].

    Images are in [-1, 1]; where the config shows factors, they are [N, 1, 1, F].

    Raises:
        ValueError: for latents of another shape, a label, or noise.
    """
    without_label(label)
    without_noise(noise)
    if config.rows:
        codes = broadcast(config, latent)
    else:
        _check_codes(latent, config.spaces[-1], config)
        codes = latent[:, None]
    codes = _as_weights(params, codes)
    if config.curved:
        codes = forward(params["warp"], codes)
    found = []
    for row, name in enumerate(config.layers):
        layer = params[name]
        units = jnp.dot(codes[:, row], layer["weight"], precision="highest")
        units = yield name, units + layer["bias"][None]
        found.append(units)
    # undo the lengths and average each group
    pool = params["pool"]["weight"]
    means = jnp.dot(jnp.concatenate(found, axis=1), pool, precision="highest")
    values = yield "factors", jnp.tanh(config.gain * means)
    if config.shows == "factors":
        yield "image", values[:, None, None]
    else:
        yield "image", config.painted.render(values, size=config.size)


def feature_names(config: Config) -> tuple[str, ...]:
    """The linear layers, the factors and the image."""
    return (*config.layers, "factors", "image")


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """The linear layers, where the latent enters; none behind a warp."""
    if config.curved:
        return ()
    return tuple(
        Affine(matrix=params[name]["weight"], name=name, layer=row)
        for row, name in enumerate(config.layers)
    )


def oracle(
    world: str,
    *,
    key: jax.Array,
    factors: Sequence[str] | None = None,
    **settings: Any,
) -> Generator:
    """An oracle over a world, with random directions planted.

    Args:
        world: one of `WORLDS`.
        key: of what is planted; see `init`.
        factors: names of the world's factors that the latent decides; None for all.
        **settings: fields of `Config`; `size` is 64 if not given.

    Raises:
        ValueError: names the argument that does not fit.
    """
    if factors is None and world in WORLDS:
        factors = WORLDS[world].names
    settings = {"size": 64, **settings}
    config = Config(world=world, factors=tuple(factors or ()), **settings)
    return Generator(init(key, config), config)


def truth(generator: Generator, space: str | None = None) -> Directions | FlowPaths:
    """What an oracle's factors are moved by: one direction, or path, for each factor.

    It moves its own factor and no other: the atanh of the factor by `gain` times the
    strength, wherever the latent is. So one unit of strength is about one standard
    deviation of the latent along it. Directions are the shortest that do that; see
    `planting.planted_directions`.

    Args:
        generator: an oracle.
        space: one of its `code_spaces`: None for w+ where there are rows, else w or z.

    Returns:
        `Directions` where the way from the space to the factors is linear, else
        `FlowPaths`; names are those of the factors. In w+ each moves the row that its
        factor reads, in w and z all rows alike.

    Raises:
        ValueError: for a space that the oracle does not have.
    """
    params, config = generator.params, generator.config
    space = space or ("w+" if config.rows else generator.latent_space)
    if space not in generator.code_spaces:
        raise ValueError(
            f"space: {space!r} given; one of {generator.code_spaces} is accepted"
        )
    by_row = space == "w+"
    vectors = planted_directions(params, config.readers, by_row=by_row)
    flows = [params["mapping"]] if config.mapped and space == "z" else []
    flows += [params["warp"]] if config.curved else []
    told: Any = {
        "space": space,
        "names": config.factors,
        "method": "truth",
        "generator": fingerprint(generator),
    }
    if flows:
        return flow_paths(vectors, chain(*flows), **told)
    return directions(vectors, **told)


def embedded() -> Generator:
    """The generator that comes with the library, under the name "faces".

    Its weights are `init(jax.random.key(0), Config())`, kept in a file because random
    streams may change between versions of jax; `save_embedded` wrote it.
    """
    asset = importlib.resources.files("jaxlatent") / "assets" / f"{EMBEDDED}.npz"
    with asset.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        header = json.loads(arrays["header"].tobytes())
        params: Params = {}
        for name in arrays.files:
            if name != "header":
                layer, leaf = name.split(".")
                params.setdefault(layer, {})[leaf] = jnp.asarray(arrays[name])
    config = config_from_json(header["family"], header["config"])
    return Generator(params=params, config=config)


def save_embedded(path: str | Path) -> None:
    """Write the file that `embedded` reads, from key 0 and the default config."""
    config = Config()
    header = {"family": "rendered", "name": EMBEDDED, "config": asdict(config)}
    arrays: dict[str, Any] = {
        f"{layer}.{leaf}": np.asarray(value, np.float32)
        for layer, leaves in init(jax.random.key(0), config).items()
        for leaf, value in leaves.items()
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez_compressed(path, header=text, **arrays)


def _as_weights(params: Params, codes: jax.Array) -> jax.Array:
    return jnp.asarray(codes, params["pool"]["weight"].dtype)


def _check_codes(codes: jax.Array, space: str, config: Config) -> None:
    if codes.ndim != 2 or codes.shape[1] != config.z_dim:
        raise ValueError(
            f"latent: shape {codes.shape} given; {space} [N, {config.z_dim}] is "
            "accepted"
        )
