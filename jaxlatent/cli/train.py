"""GLO as a command: a generator and codes from pictures alone."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxlatent import checkpoint
from jaxlatent.cli import arguments
from jaxlatent.cli.devices import open_mesh
from jaxlatent.cli.fitting import fit_run, keep_losses
from jaxlatent.cli.options import (
    Background,
    Devices,
    Training,
    TrainingGroup,
    group,
    option,
)
from jaxlatent.cli.progress import progress_bar
from jaxlatent.collectives import is_main
from jaxlatent.data.picture_source import PictureSource, open_pictures
from jaxlatent.data.regions import Fit
from jaxlatent.gallery import enlarge, grid, save_png
from jaxlatent.generators import sequential
from jaxlatent.generators.base import Generator
from jaxlatent.generators.descriptions import dcgan
from jaxlatent.generators.rendering import render
from jaxlatent.latents import analogy, interpolate
from jaxlatent.methods import glo
from jaxlatent.methods.glo_codes import as_images
from jaxlatent.methods.glo_settings import PRESETS, Preset
from jaxlatent.runs import Run, plain

GENERATOR = "generator"
"""The folder of the trained generator."""
HERE = Devices()
_SHOWN, _COLUMNS, _WAYS = 24, 8, 6
_NO_STEP = np.uint32(2**32 - 3)


@dataclasses.dataclass(frozen=True)
class Pictures:
    """How pictures are read."""

    side: int | None = None
    """Of the square that all pictures are brought to: 8, 16, 32, 64, 128, ...; the
    smallest that the shortest side of all fills, at most 64, if left out."""
    channels: int | None = None
    """1 for grey pictures, 3 for colours; as the pictures are if left out."""
    fit: Fit = "crop"
    """Pictures of other proportions are cropped around their centre, squeezed
    (stretch), or refused."""
    background: Background = "white"
    """What transparent pixels are laid on."""


@dataclasses.dataclass(frozen=True)
class Changes:
    """What replaces the preset's settings."""

    epochs: int | None = None
    """How often every picture is seen, in place of steps."""
    z_dim: int | None = None
    """Dimension of the codes."""
    width: int | None = None
    """Channels of the generator's last map before the picture."""
    laplacian: float | None = None
    """Weight of the difference in the Laplacian pyramid."""
    squared: float | None = None
    """Weight of the mean squared difference of pixels."""
    levels: int | None = None
    """Of the pyramid, besides the small picture that is left."""
    level_weights: Literal["mean", "4^j", "4^-j"] | None = None
    """Of the levels: 4^j is the paper's, 4^-j stresses detail."""
    kernel: Literal["gaussian", "minimal_glo"] | None = None
    """Of the pyramid's blur."""
    projection: Literal["ball", "sphere", "none"] | None = None
    """Where codes are kept."""
    start: Literal["random", "pca"] | None = None
    """Of the codes: random, or the principal coordinates of the pictures."""
    optimizer: Literal["sgd", "adam"] | None = None
    """Of weights and codes."""
    learning_rate: float | None = None
    """Of the weights."""
    code_rate: float | None = None
    """Of the codes."""
    accumulate: int | None = None
    """Steps whose gradients are averaged for one move of the weights."""

    def applied(self, preset: Preset) -> Preset:
        """The preset with those of these in its place that are given."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        own = {field.name for field in dataclasses.fields(preset)} & given.keys()
        settings = {name: value for name, value in given.items() if name not in own}
        for name in own:
            arguments.at_least_one(given[name], name)
        return dataclasses.replace(
            preset,
            settings=dataclasses.replace(preset.settings, **settings),
            **{name: given[name] for name in own},
        )


def train_glo(
    pictures: Annotated[Path, tyro.conf.Positional, option("PICTURES")],
    *,
    out: Annotated[Path, option("DIR")],
    preset: Literal["quick", "paper", "minimal_glo"] = "quick",
    chunk: int = 64,
    arithmetic: Annotated[str | None, option("A:B:C")] = None,
    reading: Annotated[Pictures, group("picture")] = Pictures(),
    changes: Annotated[Changes, group("setting")] = Changes(),
    training: TrainingGroup = Training(),
    where: Annotated[Devices, group("device")] = HERE,
) -> None:
    """GLO: a generator, and a code for each picture, without a discriminator.

    Args:
        pictures: A folder of PNG, JPEG or WebP pictures, or an array file: .npz or
            .npy, [N, H, W], [N, H, W, 1] or [N, H, W, 3], uint8 or floats in [-1, 1].
        out: The folder for the results.
        preset: Minutes on a CPU, the paper's settings, or those of minimal_glo.
        chunk: Pictures per compiled call, where they are drawn.
        arithmetic: Numbers of pictures, such as 3,5:7-9:12; draws mean code A minus
            mean code B plus mean code C.
        reading: How pictures are read.
        changes: What replaces the preset's settings.
        training: How long to learn.
        where: Where to compute.
    """
    words = {name: value for name, value in locals().items() if name != "where"}
    run = Run(out, "train glo", words | {"where": where})
    chosen = changes.applied(PRESETS[preset])
    if training.batch is not None:
        batch = arguments.at_least_one(training.batch, "batch")
        chosen = dataclasses.replace(chosen, batch=batch)
    arguments.at_least_one(chunk, "chunk")
    mesh = open_mesh(where, plain(words))
    with progress_bar("looking at the pictures"):
        data = open_pictures(
            pictures,
            reading.side,
            reading.channels,
            fit=reading.fit,
            background=reading.background,
        )
    if len(data) < 2:
        raise ValueError(f"pictures: {len(data)} given; 2 or more are accepted")
    side, _, channels = data.shape
    config = dcgan(side, z_dim=chosen.z_dim, width=chosen.width, channels=channels)
    terms = _terms(arithmetic, len(data))
    key = jax.random.key(arguments.check_seed(training.seed))
    fresh = sequential.init(jax.random.fold_in(key, _NO_STEP), config)
    with progress_bar("first codes"):
        problem = glo.learner(Generator(fresh, config), data, chosen.settings, key=key)
    fitted = fit_run(
        problem,
        training,
        steps=glo.duration(len(data), chosen),
        batch=chosen.batch,
        out=out,
        mesh=mesh,
        data=data,
    )
    trained = glo.finished(problem, fitted)
    with progress_bar("drawing"):
        sheets = _sheets(trained, data, terms, chunk, mesh)
        errors = glo.errors(problem, trained, data, chunk=chunk)
    for note, names in data.noted.items():
        if is_main():
            print(f"{len(names)} pictures are {note}, the first {min(names)}")
    if not is_main():
        return
    run.start()
    folder = out / GENERATOR
    checkpoint.save_generator(folder, trained.generator, overwrite=folder.exists())
    codes = trained.latents.codes
    for name, some in {
        "latents": codes,
        "reconstructions": codes[_shown(len(data))],
    }.items():
        checkpoint.save_arrays(run.file(f"{name}.npz"), {"z": some})
    for name, sheet in sheets.items():
        save_png(run.file(f"{name}.png"), sheet)
    keep_losses(run)
    run.finish(
        trained.generator,
        inputs=[pictures],
        pictures={"count": len(data), "shape": data.shape},
        preset=dataclasses.asdict(chosen),
        steps=fitted.steps,
        errors=errors,
    )
    told = ", ".join(f"{name} {value:.4g}" for name, value in errors.items())
    print(f"{len(data)} pictures of {side} pixels, {fitted.steps} steps: {told}")
    print(f"{GENERATOR}, latents.npz, {', '.join(f'{name}.png' for name in sheets)}")
    print("reconstructions.npz: the codes of what reconstructions.png shows")
    print((out / "reconstructions.png").resolve())


def _terms(text: str | None, count: int) -> list[np.ndarray] | None:
    """The numbers of pictures A, B and C of `arithmetic`."""
    if text is None:
        return None
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(f"arithmetic: {text!r} given; such as 3,5:7-9:12 is accepted")
    terms = [np.array(arguments.parse_numbers(one, "arithmetic")) for one in parts]
    if max(map(np.max, terms)) >= count:
        raise ValueError(
            f"arithmetic: {text!r} given; pictures 0 to {count - 1} are accepted"
        )
    return terms


def _shown(count: int) -> np.ndarray:
    """The numbers of pictures that are shown beside their reconstructions."""
    shown = np.linspace(0, count - 1, min(_SHOWN, count)).astype(int)
    return shown[: max(len(shown) // _COLUMNS, 1) * _COLUMNS]


def _sheets(
    trained: glo.Trained,
    data: PictureSource,
    terms: list[np.ndarray] | None,
    chunk: int,
    mesh: Any,
) -> dict[str, np.ndarray]:
    """Pictures by the name of their file."""
    codes = trained.latents.codes

    def drawn(some: jax.Array) -> np.ndarray:
        return render(trained.generator, some, chunk=chunk, mesh=mesh)

    def originals(numbers: np.ndarray) -> np.ndarray:
        return np.asarray(as_images(jnp.asarray(data.batch(numbers)["image"])))

    shown = _shown(len(data))
    pairs = np.stack([originals(shown), drawn(codes[shown])])
    columns = min(_COLUMNS, len(shown))
    pairs = pairs.reshape(2, -1, columns, *data.shape).swapaxes(0, 1)
    sheets = {"reconstructions": pairs.reshape(-1, columns, *data.shape)}
    samples = trained.generator.sample(jax.random.key(0), _COLUMNS**2)
    sheets["samples"] = drawn(samples).reshape(_COLUMNS, _COLUMNS, *data.shape)
    ends = np.linspace(0, len(data) - 1, 2 * min(_WAYS, len(data) // 2)).astype(int)
    ways = [
        interpolate(codes[pair], _COLUMNS - 1, spherical=False)
        for pair in ends.reshape(-1, 2)
    ]
    sheets["interpolation"] = drawn(jnp.concatenate(ways)).reshape(
        -1, _COLUMNS, *data.shape
    )
    if terms is not None:
        means = [codes[one].mean(0) for one in terms]
        found = analogy(*(codes[one] for one in terms))
        sheets["arithmetic"] = drawn(jnp.stack([*means, found]))[None]
    return {name: grid(enlarge(sheet, least=64)) for name, sheet in sheets.items()}
