"""What is differentiated, and with respect to which parts of the picture."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
import tyro

from jaxlatent.cli import arguments, inputs
from jaxlatent.cli.inputs import Start
from jaxlatent.cli.options import Codes, Number, option
from jaxlatent.data import regions
from jaxlatent.editing import to_space
from jaxlatent.files import read_arrays
from jaxlatent.generators.base import Generator
from jaxlatent.jacobians import Picture, picture

DRAWN_AT = 256
"""Side to which larger pictures are shrunk unless the user says otherwise."""

Texts = Annotated[
    tuple[str, ...],
    tyro.conf.UseAppendAction,
    tyro.conf.arg(metavar="S", help_behavior_hint="(repeatable)"),
]


@dataclass(frozen=True)
class Regions:
    """Parts of the picture."""

    region: Texts = ()
    """A named region such as eyes, mouth or top_side; see the command regions."""
    rectangle: Texts = ()
    """Row centre, column centre, height, width at 256 x 256, such as 120,128,20,115."""
    mask: Texts = ()
    """A picture or array file that is bright inside the region."""
    labels: Annotated[str | None, option("LABELS")] = None
    """Take the mask files as segmentations and these labels of them, such as 4,5."""


@dataclass(frozen=True)
class Derivative:
    """How pictures are differentiated."""

    layers: Annotated[str, option("ROWS")] = "all"
    """Rows of w+ that move, and that the directions will edit."""
    size: Annotated[int | None, option("PIXELS")] = None
    """Shrink pictures to this side; 256 at most if left out."""
    channels: Literal["keep", "mean", "sum"] = "keep"
    """Keep colours apart, or merge them as LowRankGAN (mean) and ReSeFa (sum)."""
    resize: Literal["area", "nearest"] = "area"
    """Shrink by averages, or by leaving pixels out as the originals."""
    tangents: Number = 8
    """Columns at a time; less needs less memory."""


RegionsGroup = Annotated[Regions, tyro.conf.arg(name="region")]
DerivativeGroup = Annotated[Derivative, tyro.conf.arg(name="derivative")]
NOWHERE = Regions()
AS_A_WHOLE = Derivative()


def pictures_at(
    model: Generator, first: Start, options: Codes, derivative: Derivative
) -> list[Picture]:
    """One function of a shift for each code."""
    arguments.at_least_one(derivative.tangents, "--tangents")
    codes, space = first.codes, first.space
    layers: str | None = derivative.layers
    psi = inputs.psi(options, model)
    if space == "z" and "w" in model.config.spaces:
        target = "w" if psi is None else "w+"
        codes = to_space(model, codes, space, target, psi=psi, label=first.label)
        space = target
    if "w+" not in model.config.spaces:
        if layers != "all":
            raise ValueError(f"--layers: {layers} given, but this generator has no w+")
        layers = None
    elif space == "z" and layers == "all":
        layers = None
    size = derivative.size
    with arguments.naming(
        layers="--layers", size="--size", channels="--channels", resize="--resize"
    ):
        made = [
            picture(
                model,
                code,
                space=space,
                label=None if first.label is None else first.label[index],
                layers=layers,
                size=size,
                channels=derivative.channels,
                resize=derivative.resize,
            )
            for index, code in enumerate(codes)
        ]
    if size is None and side(made[0]) > DRAWN_AT:
        made = [one.replace(size=DRAWN_AT) for one in made]  # pyright: ignore[reportAttributeAccessIssue]
    return made


def side(given: Picture) -> int:
    """The side of what comes out."""
    return jax.eval_shape(given, given.origin).shape[0]


def region_masks(
    where: Regions, size: int | tuple[int, int]
) -> tuple[list[str], list[np.ndarray]]:
    """Regions by what the user called them."""
    if where.labels is not None and not where.mask:
        raise ValueError("--labels: given without --mask")
    found: dict[str, np.ndarray] = {}
    with arguments.naming(name="--region", rectangle="--rectangle", mask="--mask"):
        for name in where.region:
            found[name] = regions.named_mask(name, size)
        for text in where.rectangle:
            words = text.split(",")
            if not all(word.strip().lstrip("-").isdecimal() for word in words):
                raise ValueError(
                    f"--rectangle: {text!r} given; four integers such as 120,128,20,115"
                )
            numbers = [int(word) for word in words]
            found[text] = regions.rectangle_mask(numbers, size)
        for text in where.mask:
            found[text] = _file_mask(Path(text), where.labels, size)
    return list(found), list(found.values())


def _file_mask(
    path: Path, labels: str | None, size: int | tuple[int, int]
) -> np.ndarray:
    """A mask file, or the chosen labels of a segmentation."""
    if not path.is_file():
        raise ValueError(f"--mask: {path} is not a file")
    if path.suffix in (".npy", ".npz"):
        array = read_arrays(path)
        if isinstance(array, dict):
            raise ValueError(f"--mask: {path} holds {sorted(array)}; one array is read")
    else:
        from PIL import Image

        with Image.open(path) as file:
            # a palette's numbers are the labels
            array = np.asarray(
                file if labels and file.mode == "P" else file.convert("L")
            )
    if labels is not None:
        words = [word.strip() for word in labels.split(",")]
        with arguments.naming(labels="--labels", segmentation="--mask"):
            array = regions.label_mask(
                array, [int(word) if word.isdecimal() else word for word in words]
            )
    return regions.picture_mask(array, size, resize=True)


def digest(array: Any) -> str:
    """Sixteen hex digits of an array's values."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
