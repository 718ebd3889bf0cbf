"""What the names that other projects give to their files say about a direction.

InterFaceGAN: `{model}_{attribute}[_c_{condition}_{condition}][_w]_boundary.npy`.
LowRankGAN: `directions/{dataset}{resolution}/{name}.npy`, and what its script writes,
`directions_img_{i}_region_{region}_{name}[_projected].npy`. ReSeFa:
`directions/{dataset}/{stylegan2 or stylegan3}/{name}.npy`. GANalyze:
`checkpoints/{generator}_{settings}/{assessor}/{transformer}_{settings}/{commit}/`
`pytorch_model_{step}.pth`.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_BOUNDARY = re.compile(
    r"[a-z]*gan\d*_[a-z]+\d*_(?P<attribute>.+?)(_c_(?P<conditions>.+?))?(?P<w>_w)?"
    r"_boundary"
)
_SCRIPT_OUTPUT = re.compile(r"directions_img_\d+_region_.+")
_TRAINED = re.compile(r"pytorch_model_\d+")
_DATASET = re.compile(r"[a-z]+\d{3,4}")

SHAPE_LAYERS = (4, 5, 6, 7)
COLOUR_LAYERS = (8, 9, 10, 11)
COLOUR_NAMES = ("eyebrows", "lipstick")


@dataclass(frozen=True)
class Origin:
    """What a file name tells.

    Attributes:
        method: the method that found the directions; "imported" if nothing tells.
        space: the space they live in, None if nothing tells.
        layers: the rows of w+ that their authors move, None if nothing tells.
        name: what the direction changes.
    """

    method: str
    space: str | None
    layers: tuple[int, ...] | None
    name: str


def origin(path: str | os.PathLike[str]) -> Origin:
    """Where a file of directions comes from, by its name and its folders."""
    file = Path(path).absolute()
    boundary = _BOUNDARY.fullmatch(file.stem)
    if boundary:
        name = boundary["attribute"].replace("_", " ")
        if boundary["conditions"]:
            name += f" | {boundary['conditions'].replace('_', ', ')}"
        return Origin("interfacegan", "w" if boundary["w"] else "z", None, name)
    if _SCRIPT_OUTPUT.fullmatch(file.stem):
        return Origin("lowrankgan", "w", None, file.stem)
    layers = COLOUR_LAYERS if file.stem in COLOUR_NAMES else SHAPE_LAYERS
    match file.parts[-6:-1]:
        case ("checkpoints", _, assessor, _, _) if _TRAINED.fullmatch(file.stem):
            return Origin("ganalyze", "z", None, assessor)
        case (*_, "directions", _, "stylegan2" | "stylegan3"):
            return Origin("resefa", "w", layers, file.stem)
        case (*_, "directions", dataset) if _DATASET.fullmatch(dataset):
            return Origin("lowrankgan", "w", layers, file.stem)
    return Origin("imported", None, None, file.stem)
