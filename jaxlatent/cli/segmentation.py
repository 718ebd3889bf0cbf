"""Weakly supervised segmentation as commands: training a network, and using it."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from jaxlatent.cli import arguments, inputs
from jaxlatent.cli.options import (
    Background,
    EditFile,
    JobGroup,
    Reading,
    Training,
    TrainingGroup,
    group,
    option,
)
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.session import Session
from jaxlatent.collectives import is_main
from jaxlatent.data.photographs import read_photograph
from jaxlatent.data.regions import file_mask
from jaxlatent.evaluation.segmentation import mask_errors
from jaxlatent.gallery import enlarge, grid, over_white, save_png, shrink
from jaxlatent.gallery.drawing import check_pictures
from jaxlatent.latents import sample_keys
from jaxlatent.loading import load
from jaxlatent.methods import segmentation
from jaxlatent.methods.background_removal import MaskSettings, mask_synthesis
from jaxlatent.methods.segmentation import PRESETS
from jaxlatent.network_files import save_network
from jaxlatent.networks.base import Network
from jaxlatent.networks.unet import UNet
from jaxlatent.runs import Run

NETWORK = "segmentation.npz"
SHEET = "sheet.png"
ERRORS = "errors.csv"
_SHOWN = 12
_MOST_SHOWN = 48
_SIDE = 128
_AS_IT_IS = Reading()


@dataclasses.dataclass(frozen=True)
class Masks:
    """What replaces the preset's way from the direction to masks."""

    mode: Literal["intensity", "difference"] | None = None
    """Background is what is white once it is moved, or what gets lightest."""
    strength: float | None = None
    """How far codes are moved; negative where the opposite way paints white."""
    threshold: float | None = None
    """From 0 to 1; what stays below is foreground."""
    area: Annotated[str | None, option("LOW,HIGH")] = None
    """Shares of the picture between which foregrounds are kept, such as 0.05,0.5."""
    tries: int | None = None
    """Codes that each sample tries at most."""

    def applied(self, settings: MaskSettings) -> MaskSettings:
        """Settings with those of these in their place that are given."""
        given = dict(vars(self), area=arguments.parse_ends(self.area, "area"))
        known = {name: value for name, value in given.items() if value is not None}
        return dataclasses.replace(settings, **known)


def train_segmentation(
    job: JobGroup,
    chosen: Annotated[EditFile, group("")],
    *,
    direction: int,
    preset: Literal["quick", "paper"] = "quick",
    masks: Annotated[Masks, group("mask")] = Masks(),
    learning_rate: float | None = None,
    training: TrainingGroup = Training(),
) -> None:
    """A network that segments, from a direction that paints backgrounds white.

    Args:
        job: What to work on; its codes are drawn anew, of all classes if left out.
        chosen: Whose direction it is.
        direction: Its number.
        preset: A small network and minutes on a CPU, or the paper's settings.
        masks: What replaces the preset's way from the direction to masks.
        learning_rate: Of Adam; the preset's if left out.
        training: How long to learn.
    """
    session = Session.open(job, "train segmentation", locals())
    again = ", but codes are drawn anew for every step"
    arguments.refuse(job.start, again, "codes", "space", "seeds", "numpy_seeds")
    check_pictures(session.generator)
    edit, _ = session.open_edit(chosen)
    edit = inputs.restrict(edit, chosen.layers, session.generator)
    if not 0 <= direction < len(edit):
        raise ValueError(
            f"direction: {direction} given; there are directions 0 to {len(edit) - 1}"
        )
    how = PRESETS[preset]
    rates = {} if learning_rate is None else {"learning_rate": learning_rate}
    how = dataclasses.replace(
        how,
        settings=dataclasses.replace(how.settings, **rates),
        masks=masks.applied(how.masks),
    )
    synthesis = mask_synthesis(
        session.generator,
        edit,
        direction,
        how.masks,
        label=None if job.start.label is None else session.label,
        truncation=session.truncation,
    )
    key = session.held_out_key(training)
    with session.progress("drawing masks", how.held_out) as progress:
        problem = segmentation.learner(
            synthesis,
            how,
            key=key,
            chunk=job.chunk,
            mesh=session.mesh,
            progress=progress,
        )
    fitted = session.fit(problem, training, steps=how.steps, batch=how.batch)
    network = segmentation.finished(problem, fitted)
    known = problem.held_out
    found = segmentation.segment(network, known.pictures, chunk=job.chunk)
    good = known.weight > 0
    errors = _means([mask_errors(found[good], known.masks[good])])
    if not is_main():
        return
    told = {
        "source": session.owner,
        "direction": edit.names[direction],
        "masks": dataclasses.asdict(how.masks),
        "settings": dataclasses.asdict(how.settings),
        "steps": fitted.steps,
        "held_out": errors,
    }
    save_network(session.run.file(NETWORK), network, facts=told)
    keys = sample_keys(key, np.arange(_SHOWN))[: len(found)]
    moved = synthesis.last_pictures(keys, known.tries[: len(keys)])[1]
    columns = [known.pictures[: len(keys)], np.asarray(moved)]
    for maps in (known.masks, found):
        grey = 2 * maps[: len(keys), ..., None].astype(np.float32) - 1
        columns.append(np.broadcast_to(grey, columns[0].shape))
    save_png(session.run.file(SHEET), grid(enlarge(np.stack(columns, 1), least=64)))
    session.keep_losses(fitted)
    session.finish(None, read=(chosen.edit,), **told)
    print(
        f"Of {good.sum()} unseen pictures against the direction's own masks: "
        f"{_in_words(errors)}"
    )
    print((job.out / NETWORK).resolve())


def segment(
    words: Annotated[tuple[str, ...], tyro.conf.Positional, option("PICTURE... MODEL")],
    *,
    out: Annotated[Path, option("DIR")],
    masks: Annotated[Path | None, option("FOLDER")] = None,
    threshold: float = 0.5,
    background: Background = "white",
    reading: Annotated[Reading, group("model")] = _AS_IT_IS,
) -> None:
    """Cut the foreground out of pictures with a network that segments.

    Args:
        words: Pictures or folders of pictures, then what train segmentation wrote, or
            a U-Net's checkpoint file such as GANLatentDiscovery's segmentation.pth.
        out: The folder for the results.
        masks: A folder of true masks, which bear the names of the pictures, to hold the
            network's against.
        threshold: From which probability on a pixel is foreground.
        background: What transparent pixels are laid on.
        reading: How to read a checkpoint file.
    """
    given = dict(locals())
    if len(words) < 2:
        raise ValueError(
            f"words: {' '.join(words) or 'nothing'} given; pictures, then a network "
            "are accepted"
        )
    if not 0 < threshold < 1:
        raise ValueError(f"threshold: {threshold} given; between 0 and 1 is accepted")
    files = inputs.picture_files(words[:-1], "a network")
    true = {} if masks is None else _masks_of(files, masks)
    network = _open(words[-1], reading)
    run = Run(out, "segment", given)
    channels = network.module.image_channels  # pyright: ignore
    rows, shown, noted = {}, [], {}
    names = _names(files)
    with progress_bar("segmenting", len(files)) as progress:
        for file, name in zip(files, names, strict=True):
            pixels, notes = read_photograph(file, channels, background=background)
            for note in notes:
                noted.setdefault(note, []).append(file.name)
            image = pixels.astype(np.float32)[None] / 127.5 - 1
            found = segmentation.segment(network, image)
            if file in true:
                sides = found.shape[1], found.shape[2]
                mask = file_mask(true[file], sides)[None]
                rows[name] = mask_errors(found, mask, threshold=threshold)
            inside = np.where(found[0] >= threshold, 255, 0).astype(np.uint8)[..., None]
            colours = pixels[..., : 1 if pixels.shape[-1] < 3 else 3]
            cut = np.concatenate([colours, inside], axis=-1)
            save_png(run.file(f"{name}_mask.png"), inside)
            save_png(run.file(f"{name}_cutout.png"), cut)
            if len(shown) < _MOST_SHOWN:
                soft = np.rint(255 * found[0]).astype(np.uint8)[..., None]
                shown.append(np.stack([_squared(one) for one in (colours, soft, cut)]))
            progress(1)
    for note, some in noted.items():
        print(f"{', '.join(some)}: {note}")
    save_png(run.file(SHEET), grid(np.stack(shown)))
    told: dict[str, Any] = {"pictures": [str(file) for file in files]}
    if rows:
        errors = _means(list(rows.values()))
        run.file(ERRORS).write_text(_table(rows))
        told["errors"] = errors
        print(f"Of {len(rows)} pictures with a true mask: {_in_words(errors)}")
    run.finish(None, inputs=(words[-1], *files, *true.values()), **told)
    print((out / SHEET).resolve())


def _open(text: str, reading: Reading) -> Network:
    """The network, if it tells foreground from background."""
    config = arguments.parse_config(reading.config)
    with progress_bar(f"reading {Path(text).name}"):
        network = load(
            text,
            part="network",
            family=reading.family,
            config=config,
            entry=reading.entry,
        )
    module = network.module
    if not isinstance(module, UNet) or module.outputs != 2:
        what = f"a {type(module).__name__}"
        what += f" of {module.outputs} outputs" * isinstance(module, UNet)
        raise ValueError(f"words: {text} is {what}; a UNet of 2 outputs is accepted")
    if "resolution" in network.origin.assumed:
        print(
            f"{text}: assumed: resolution = {module.resolution}, the pixels of a side "
            "that it learned from (--config resolution=N replaces it)"
        )
    return network


def _masks_of(files: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """The true mask of each picture: the file of its name, whatever its ending."""
    there: dict[str, list[Path]] = {}
    for one in sorted(folder.iterdir()):
        if one.is_file() and not one.name.startswith("."):
            there.setdefault(one.stem, []).append(one)
    for file in files:
        found = there.get(file.stem, [])
        if len(found) != 1:
            raise ValueError(
                f"masks: {folder} holds {len(found)} files for {file.name}; one is "
                "accepted"
            )
    return {file: there[file.stem][0] for file in files}


def _names(files: Sequence[Path]) -> list[str]:
    """What results of pictures are called; numbered where names are alike."""
    stems = [file.stem for file in files]
    return [
        f"{stem}_{number}" if stems.count(stem) > 1 else stem
        for number, stem in enumerate(stems)
    ]


def _means(errors: Sequence[Mapping[str, np.ndarray]]) -> dict[str, float]:
    return {
        name: float(np.mean(np.concatenate([one[name] for one in errors])))
        for name in errors[0]
    }


def _in_words(errors: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in errors.items())


def _table(rows: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """A line for each picture."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("picture", *next(iter(rows.values()))))
    for name, errors in rows.items():
        writer.writerow((name, *(f"{value[0]:.6g}" for value in errors.values())))
    return text.getvalue()


def _squared(picture: np.ndarray) -> np.ndarray:
    """A picture in the middle of a white square of one size for all."""
    small = over_white(shrink(enlarge(picture, least=_SIDE), most=_SIDE))
    height, width = small.shape[:2]
    square = np.full((_SIDE, _SIDE, 3), 255, np.uint8)
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    square[top : top + height, left : left + width] = np.broadcast_to(
        small, (height, width, 3)
    )
    return square
