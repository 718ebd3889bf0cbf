"""GANSpace: Discovering Interpretable GAN Controls.

Erik Härkönen, Aaron Hertzmann, Jaakko Lehtinen, Sylvain Paris, NeurIPS 2020,
arXiv 2004.02546.

Principal components v_k, with standard deviations s_k, of y = F(z): of w itself where a
mapping network makes one, else of the activations of a layer. An edit moves w by
s_k v_k per unit of strength, in chosen rows of w+ only: E(v_k, a-b). Components of
activations are carried to the latent by least squares on the scaled coordinates
a_k = <v_k, y - mean> / s_k: u = argmin sum_j ||U a_j - z_j||^2, each u_k brought to
unit length.

One unit of strength is one standard deviation: s_k for w and for activations,
sqrt(u_k^T Cov(w) u_k) for w behind a regression, 1 for z, as the original.

Estimators: "exact" (streamed mean and covariance), "randomized" (features too wide for
a covariance, `passes` over the codes), and scikit-learn's "incremental" (the original's
default), "ica" and "sparse" (which hold all features in memory).

Where this differs from the original code, and why:

- The exact covariance is the default: the incremental estimator forgets all but K
  directions between blocks, which bends the last ones, and costs far more.
- Estimators that hold all features get those alone. The original hands them a matrix
  whose unfilled rows are zero, which moves the mean and the components.
- Exactly `samples` codes are used. Code i depends on the key and i alone, so that no
  chunk size changes a draw; the original seeds each batch.
- The regression is solved from moments gathered in the same pass; `resample=True` draws
  max(10 000, samples) fresh codes and leaves the intercept out, as the original.
- `report["regression_norm"]` keeps the length of u_k, which the original throws away:
  the least-squares step is that much shorter than one unit of strength.
- Spreads of w come from all codes, the original's from 5 000 more.
- The largest entry of every component is positive, for all estimators.

Set-to-target edits are `Directions.move_to`; `set_to_target` measures the first row of
w+ alone, as the original. Defaults of the original: incremental, 80 components, 300 000
codes (1 000 000 in the paper), blocks of max(batch, 2000, 3 K) rows.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypedDict, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxlatent.edits.directions import Directions, directions, linear
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.generators.steps import check_names
from jaxlatent.latents import Prior, Truncation, prior, to_space
from jaxlatent.numerics.decomposition import Decomposition, Estimation, decompose
from jaxlatent.numerics.pca import Components
from jaxlatent.numerics.stream import Progress, Source
from jaxlatent.types import Model, as_model, parse_layers

EDITS = ("latent", "activation", "both")


class Options(TypedDict, total=False):
    """How to decompose; `decompose` tells what each option does."""

    estimation: Estimation
    chunk: int | None
    mesh: Mesh | None
    progress: Progress | None


def ganspace(
    features: Callable[[jax.Array], jax.Array],
    sample: Callable[[jax.Array, int], jax.Array],
    *,
    samples: int,
    key: jax.Array,
    space: str = "w",
    regressed: bool = False,
    **options: Unpack[Options],
) -> Directions:
    """GANSpace of any function of any latents.

    The two functions are compiled and found again by identity: define them once.

    Args:
        features: latents [N, d] -> [N, ...]; the identity for PCA of the latent.
        sample: `(key, num) -> latents [num, d]`; called for one code at a time.
        samples: codes to use.
        key: of all draws; code i depends on the key and i alone.
        space: that of the result: of the features, or, if `regressed`, of the latents.
        regressed: return directions of the latent instead of the features.
        **options: as for `decompose`.

    Returns:
        Directions of unit vectors in `space`; `report` as `feature_directions` says.

    Raises:
        ValueError: names the argument that does not fit.
    """
    source = function_source(features, sample)
    found = decompose(source, samples=samples, key=key, regressed=regressed, **options)
    build = latent_directions if regressed else feature_directions
    return build(found, space=space)


def discover(
    generator: Generator,
    *,
    key: jax.Array,
    layer: str | None = None,
    edit: str = "latent",
    regress: str | None = None,
    layers: Sequence[int] | str | None = None,
    label: Any = None,
    samples: int | None = None,
    **options: Unpack[Options],
) -> tuple[Directions, ...]:
    """GANSpace of a generator.

    Args:
        generator: the generator; prepare it first.
        key: of all draws.
        layer: what to decompose: "w", or one of `Generator.feature_names`; None for w.
        edit: what to move: "latent"; the layer's "activation", in "feature:LAYER"; or
            "both" together.
        regress: the latent to carry components of a layer to: "w" or "z"; None for w
            if there is one.
        layers: rows of w+ to edit: indices or a selection such as "0-1"; None for all.
        label: the classes of the codes, as `latents.prior` takes them.
        samples: codes; None for 1 000 000 of w and 20 000 of features.
        **options: as for `decompose`.

    Returns:
        The edit; for "both" that of the latent and that of the activation, which
        `editing.traverse_images` moves together.

    Raises:
        ValueError: names the argument that does not fit.
    """
    of_latent = layer in (None, "w")
    if edit not in EDITS:
        raise ValueError(f"edit: {edit!r} given; one of {EDITS} is accepted")
    if of_latent and (regress or edit != "latent"):
        given = f"regress: {regress!r}" if regress else f"edit: {edit!r}"
        raise ValueError(f"{given} given for components of w; layer names a layer")
    rows = parse_layers(layers, generator.config.num_layers)
    space = "w" if of_latent else regress or generator.latent_space
    if rows is not None and (edit == "activation" or space != generator.latent_space):
        moved = "activations" if edit == "activation" else space
        raise ValueError(
            f"layers: {layers!r} given for an edit of {moved}; one of "
            f"{generator.latent_space} has rows"
        )
    carried = None if of_latent or edit == "activation" else space
    source = generator_source(generator, layer=layer, regress=carried, label=label)
    found = decompose(
        source,
        samples=default_samples(layer) if samples is None else samples,
        key=key,
        regressed=carried is not None,
        **options,
    )
    owner = fingerprint(generator)
    edits = []
    if edit != "activation":
        build = feature_directions if of_latent else latent_directions
        edits.append(build(found, space=space, layers=rows, generator=owner))
    if edit != "latent":
        feature = f"feature:{layer}"
        edits.append(feature_directions(found, space=feature, generator=owner))
    return tuple(edits)


def default_samples(layer: str | None) -> int:
    """Codes to use: 1 000 000 of w, as the paper, 20 000 of features."""
    return 1_000_000 if layer in (None, "w") else 20_000


def function_source(
    features: Callable[[jax.Array], jax.Array],
    sample: Callable[[jax.Array, int], jax.Array],
) -> Source:
    """The codes and features that `ganspace` sees."""
    return jax.tree_util.Partial(_of_functions, as_model(sample), as_model(features))


def _of_functions(
    sample: Model, features: Model, keys: jax.Array
) -> tuple[jax.Array, jax.Array]:
    latents = jax.vmap(lambda key: sample(key, 1)[0])(keys)
    return latents, features(latents)


@flax.struct.dataclass(eq=False)
class GeneratorSource:
    """A generator's codes, and w or a feature of what is made of them.

    Attributes:
        prior: draws the codes, in the space that components may be carried to.
        layer: "w", or the name of a feature.
    """

    prior: Prior
    layer: str = flax.struct.field(pytree_node=False)

    def __call__(self, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Typed keys [N] -> latents [N, d] and features [N, ...]."""
        generator, drawn = self.prior.generator, self.prior(keys)
        latents = to_space(generator, drawn, generator.latent_space)
        if self.layer == "w":
            return drawn.codes, latents.codes
        names = (self.layer,)
        found = generator.features(latents.codes, latents.label, names=names)
        return drawn.codes, found[self.layer]


def generator_source(
    generator: Generator,
    *,
    layer: str | None = None,
    regress: str | None = None,
    label: Any = None,
) -> GeneratorSource:
    """The codes and features of a generator; see `discover` for the arguments."""
    spaces = [space for space in generator.code_spaces if space != "w+"]
    layer = layer or "w"
    if layer == "w" and "w" not in spaces:
        raise ValueError(
            "layer: this generator has no w; one of its features is accepted: "
            f"{', '.join(generator.feature_names)}"
        )
    if regress is not None and regress not in spaces:
        raise ValueError(f"regress: {regress!r} given; one of {spaces} is accepted")
    if layer != "w":
        check_names("layer", [layer], generator.feature_names)
    # the original draws BigGAN's z within two deviations
    truncation = Truncation(1.0) if generator.truncates_prior else None
    space = regress or generator.latent_space
    return GeneratorSource(
        prior(generator, space=space, label=label, truncation=truncation), layer
    )


def feature_directions(
    found: Decomposition,
    *,
    space: str,
    layers: Sequence[int] | None = None,
    generator: str = "",
) -> Directions:
    """The components themselves as directions of the (flattened) features.

    `report` holds "stdev" and "variance_ratio", `facts` the "total_variance",
    "random_stdev" (the spread to expect along a random direction) and the "rank".
    """
    return directions(
        _single(found.components.vectors),
        space=space,
        scale=_single(found.components.stdev),
        mean=_single(found.components.mean),
        report=_report(found.components),
        facts=_facts(found.components),
        layers=layers,
        method="ganspace",
        generator=generator,
    )


def latent_directions(
    found: Decomposition,
    *,
    space: str,
    layers: Sequence[int] | None = None,
    generator: str = "",
) -> Directions:
    """The components as directions of the latent they were regressed to.

    `report` holds what `feature_directions` has, "regression_norm" and "latent_stdev".

    Raises:
        ValueError: if the decomposition was made without `regressed`.
    """
    if found.latents is None:
        raise ValueError("found: decomposed without latents; regressed=True finds them")
    assert found.latent_stdev is not None
    stdev = found.latent_stdev
    extra = {"regression_norm": _single(found.norms), "latent_stdev": _single(stdev)}
    return directions(
        _single(found.latents),
        space=space,
        scale=_single(np.ones_like(stdev) if space == "z" else stdev),
        mean=_single(found.latent_mean),
        report=_report(found.components) | extra,
        facts=_facts(found.components),
        layers=layers,
        method="ganspace",
        generator=generator,
    )


def set_to_target(
    edit: Directions,
    latent: jax.Array,
    index: ArrayLike,
    value: ArrayLike,
    *,
    mirror: bool = False,
) -> jax.Array:
    """Move latents to a coordinate that is measured on the first row of w+.

    `Directions.move_to` measures the rows that it shifts instead; the two agree where
    all rows are equal.

    Args:
        edit: the directions.
        latent: [N, D] or [N, L, D].
        index: direction, scalar or [N].
        value: the coordinate to reach, in units of strength, scalar or [N].
        mirror: go to the side opposite to the present one, at distance `value`.

    Raises:
        TypeError: for an edit that is not linear.
    """
    edit = linear(edit, "edit")
    first = latent[:, 0] if latent.ndim == 3 else latent
    now = dataclasses.replace(edit, layers=None).coordinate(first, index)
    value = jnp.asarray(value, latent.dtype)
    target = -jnp.sign(now) * value if mirror else value
    return edit.shift(latent, index, target - now)


def _single(array: Any) -> np.ndarray:
    return np.asarray(array, np.float32)


def _report(components: Components) -> dict[str, np.ndarray]:
    return {
        "stdev": _single(components.stdev),
        "variance_ratio": _single(components.variance_ratio),
    }


def _facts(components: Components) -> dict[str, Any]:
    return {
        "total_variance": float(components.total_variance),
        "random_stdev": float(
            np.sqrt(components.total_variance / len(components.mean))
        ),
        "rank": int(components.rank),
    }
