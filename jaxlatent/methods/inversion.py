"""Inversion: the codes of given pictures, by gradient descent.

    argmin_c  likeness(G(c), x) + distance |c - mean|^2 / D + autocorrelation(noise)

over codes c of z, w or w+ and, with them, over noise maps. Sources: z, Creswell and
Bharath, "Inverting the generator of a generative adversarial network" (2018); w, Karras
et al., "Analyzing and improving the image quality of StyleGAN" (2020), appendix D; w+,
Abdal et al., "Image2StyleGAN" (2019). The start may be an encoder's codes (Zhu et al.,
"Generative visual manipulation on the natural image manifold", 2016). What no code can
say, `pivotal_tuning` teaches the generator.
"""

import dataclasses
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.batching import in_chunks
from jaxlatent.evaluation.image_measures import mse, psnr
from jaxlatent.generators.base import Generator
from jaxlatent.latents import CODE_SPACES, Latents, class_choices, last_space
from jaxlatent.methods.inversion_problem import Inversion, Targets, of_rows
from jaxlatent.methods.inversion_settings import QUICK, Preset
from jaxlatent.methods.likeness import Features, Likeness, Weights, likeness
from jaxlatent.networks.lpips import Lpips
from jaxlatent.training.fit import FitOptions, Fitted, fit

_KEPT = 2**30
"""Bytes of the targets' features that are kept rather than computed at every step."""

_LOOKS = Weights(pixel=0, perceptual=1)


class Inverted(NamedTuple):
    """What was found for P pictures.

    Attributes:
        latents: the codes.
        noise: maps [P, h, w] by layer, {} where none were optimised.
        images: [P, H, W, C] what the codes make, with those maps.
        errors: [P] "mse", "psnr" and, with weights of LPIPS, "lpips".
        losses: [P, S] of every start, at its end.
        chosen: [P] the start that was kept, the one of the least loss.
        fitted: the run.
    """

    latents: Latents
    noise: dict[str, jax.Array]
    images: np.ndarray
    errors: dict[str, np.ndarray]
    losses: np.ndarray
    chosen: np.ndarray
    fitted: Fitted


def invert(
    generator: Generator,
    targets: Targets,
    preset: Preset = QUICK,
    *,
    key: jax.Array,
    space: str | None = None,
    lpips: Lpips | None = None,
    **run: Unpack[FitOptions],
) -> Inverted:
    """Find the codes of pictures.

    Args:
        generator: the generator; `prepare` it first.
        targets: the pictures, and what is known of them.
        preset: what is sought, and for how long; one of `PRESETS`, or your own.
        key: of the whole run.
        space: "z", "w" or "w+", in place of the preset's.
        lpips: needed where the preset weighs it; its distance is told anyway.
        **run: as for `fit`; of a mesh, the batch is a multiple of its devices.

    Raises:
        ValueError: names the argument that does not fit.
    """
    problem = learner(generator, targets, preset, space=space, lpips=lpips)
    steps, batch = duration(problem, preset)
    fitted = fit(problem, steps, key=key, batch=batch, data=problem.source, **run)
    return finished(problem, fitted, lpips=lpips, chunk=batch)


def learner(
    generator: Generator,
    targets: Targets,
    preset: Preset = QUICK,
    *,
    space: str | None = None,
    lpips: Lpips | None = None,
) -> Inversion:
    """The problem that `invert` solves; see there for the arguments."""
    targets = _checked(generator, targets)
    space = _space(generator, space, preset.space)
    how = preset.settings
    if how.constraint != "none" and space != "z":
        raise ValueError(
            f"constraint: {how.constraint!r} given for codes of {space}; z is accepted"
        )
    start = targets.start
    behind = [one for one in CODE_SPACES if one not in _until(space)]
    if start is not None and start.space in behind:
        raise ValueError(
            f"start: codes of {start.space} given; of {' or '.join(_until(space))} are "
            f"accepted, where codes of {space} are sought"
        )
    alike = likeness(how.weights, lpips, targets.pictures.shape[-1])
    rows = len(targets) * how.starts
    batch = min(preset.batch, rows)
    return Inversion(
        generator,
        targets,
        alike,
        _kept_features(alike, targets.pictures),
        space,
        how,
        preset.steps,
        -(-rows // batch) * batch,
    )


def duration(problem: Inversion, preset: Preset) -> tuple[int, int]:
    """The steps of the run in all, and the rows of each."""
    batch = min(preset.batch, problem.rows)
    return preset.steps * (problem.rows // batch), batch


def finished(
    problem: Inversion, fitted: Fitted, *, lpips: Lpips | None = None, chunk: int = 8
) -> Inverted:
    """What a run has found: of every picture the start whose loss is the least.

    Args:
        problem: what was solved.
        fitted: the run.
        lpips: as for `invert`.
        chunk: rows per compiled call.
    """
    params = fitted.state.params
    count, starts = len(problem.targets), problem.settings.starts
    rows = np.arange(count * starts)

    def look(rows: np.ndarray, call: Any) -> Any:
        inputs = (rows, of_rows(params, rows))
        whole = (problem, fitted.state.mean)
        parts = list(in_chunks(call, inputs, len(rows), chunk, whole=whole))
        return jax.tree.map(lambda *some: np.concatenate(some), *parts)

    losses = look(rows, _losses).reshape(count, starts)
    chosen = losses.argmin(axis=1)
    best = rows.reshape(count, starts)[np.arange(count), chosen]
    images = look(best, _images)
    kept = of_rows(params, best)
    latents = Latents(kept["codes"], problem.space, problem.targets.label)
    return Inverted(
        latents,
        kept["noise"],
        images,
        errors(images, problem.targets, lpips=lpips, chunk=chunk),
        losses,
        chosen,
        fitted,
    )


def errors(
    images: np.ndarray,
    targets: Targets,
    *,
    lpips: Lpips | None = None,
    chunk: int = 8,
) -> dict[str, np.ndarray]:
    """How far pictures [P, H, W, C] are from the targets, [P] by name.

    "mse" and "psnr" are those of pixels in [-1, 1] that count, "lpips" of whole
    pictures of 1 or 3 channels, where it is given.
    """
    pixels = targets.pictures
    seen = lpips if pixels.shape[-1] in (1, 3) else None
    inputs = (images, pixels, targets.mask)
    parts = list(in_chunks(_errors, inputs, len(images), chunk, whole=(seen,)))
    return jax.tree.map(lambda *some: np.concatenate(some), *parts)


@jax.jit
def _losses(problem: Inversion, mean: jax.Array, rows: Any, params: Any) -> jax.Array:
    """Of rows, [N], without perturbation."""
    pictures, _ = problem.places(rows)
    return problem.losses(params, pictures, jnp.zeros(()), mean[pictures])[0]


@jax.jit
def _images(problem: Inversion, mean: jax.Array, rows: Any, params: Any) -> jax.Array:
    del mean
    pictures, _ = problem.places(rows)
    return problem.images(params["codes"], pictures, params["noise"])


@jax.jit
def _errors(
    lpips: Lpips | None, images: jax.Array, targets: jax.Array, mask: Any
) -> dict[str, jax.Array]:
    found = {"mse": mse(images, targets, mask), "psnr": psnr(images, targets, mask)}
    if lpips is not None:
        found["lpips"] = Likeness(_LOOKS, lpips)(images, targets, mask)["perceptual"]
    return found


@jax.jit
def _features(alike: Likeness, pictures: jax.Array) -> Features:
    return alike.features(pictures)


def _kept_features(alike: Likeness, pictures: jax.Array) -> Features | None:
    """Those of the targets, unless nobody asks for them or they take much memory."""
    if not alike.weights.perceptual:
        return None
    shapes = jax.eval_shape(_features, alike, pictures)
    if sum(leaf.size * leaf.dtype.itemsize for leaf in shapes) > _KEPT:
        return None
    parts = list(in_chunks(_features, (pictures,), len(pictures), 4, whole=(alike,)))
    return jax.tree.map(lambda *some: jnp.concatenate(some), *parts)


def _until(space: str) -> tuple[str, ...]:
    return CODE_SPACES[: CODE_SPACES.index(space) + 1]


def _space(generator: Generator, given: str | None, wanted: str | None) -> str:
    """The space of codes: as given, or as near to the preset's as there is."""
    accepted = generator.code_spaces
    if given is not None:
        if given not in accepted:
            raise ValueError(f"space: {given!r} given; {list(accepted)} are accepted")
        return given
    if wanted is None:
        return last_space(generator)
    return [one for one in _until(wanted) if one in accepted][-1]


def _checked(generator: Generator, targets: Targets) -> Targets:
    """Targets as arrays that fit the generator and each other.

    Raises:
        ValueError: names what does not fit.
    """
    pictures = jnp.asarray(targets.pictures, jnp.float32)
    shape = generator.image_shape
    if pictures.ndim != 4 or not len(pictures) or pictures.shape[1:] != shape:
        sides = ", ".join(map(str, shape))
        raise ValueError(
            f"pictures: shape {pictures.shape} given; [P, {sides}] is accepted"
        )
    if not np.isfinite(pictures).all():
        raise ValueError("pictures: not all finite; numbers from -1 to 1 are accepted")
    mask = targets.mask
    if mask is not None:
        mask = jnp.asarray(mask, jnp.float32)
        if mask.shape != pictures.shape[:3]:
            raise ValueError(
                f"mask: shape {mask.shape} given; {pictures.shape[:3]} is accepted"
            )
        if not (jnp.min(mask) >= 0 and jnp.min(jnp.sum(mask, axis=(1, 2))) > 0):
            raise ValueError(
                "mask: negative, or 0 everywhere; 0 to 1 with a pixel that counts is "
                "accepted"
            )
    label = targets.label
    class_choices(label, generator.config.label_dim)
    for name, rows in {"label": label, "start": targets.start}.items():
        if rows is not None and len(rows) != len(pictures):
            raise ValueError(
                f"{name}: {len(rows)} given for {len(pictures)} pictures; one for each "
                "is accepted"
            )
    start = targets.start
    if start is not None:
        start = dataclasses.replace(start, label=label)
    return Targets(pictures, mask, None if label is None else jnp.asarray(label), start)
