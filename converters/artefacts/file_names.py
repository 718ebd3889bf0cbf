"""What the names that other projects give to their files say about a direction.

InterFaceGAN: `{model}_{attribute}[_c_{condition}_{condition}][_w]_boundary.npy`, and
`boundary.npy`, which its trainer writes. HiGAN: the same of scenes, in w without "_w".
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
    r"(?P<model>[a-z]*gan)\d*_(?P<data>[a-z]+)\d*_(?P<attribute>.+?)"
    r"(_c_(?P<conditions>.+?))?(?P<w>_w)?_boundary"
)
_SCRIPT_OUTPUT = re.compile(r"directions_img_\d+_region_.+")
_TRAINED = re.compile(r"pytorch_model_\d+")
_DATASET = re.compile(r"[a-z]+(\d{3,4})")

FACES = ("celeba", "celebahq", "ffhq")
"""What InterFaceGAN's models were trained on; HiGAN's draw scenes."""

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
        why: what tells the space or the layers, as a message says it.
        certain: whether the name leaves no doubt about the space.
        num_layers: the rows of w+ of their authors' generator, None if nothing tells.
    """

    method: str
    space: str | None
    layers: tuple[int, ...] | None
    name: str
    why: str = ""
    certain: bool = False
    num_layers: int | None = None


def origin(path: str | os.PathLike[str]) -> Origin:
    """Where a file of directions comes from, by its name and its folders."""
    file = Path(path).absolute()
    if boundary := _BOUNDARY.fullmatch(file.stem):
        return _boundary(boundary)
    if file.stem == "boundary":
        why = "as InterFaceGAN's trainer calls its boundaries, mostly of z"
        return Origin("imported", "z", None, file.stem, why)
    if _SCRIPT_OUTPUT.fullmatch(file.stem):
        why = "as LowRankGAN's script names its files"
        return Origin("lowrankgan", "w", None, file.stem, why, True)
    layers = COLOUR_LAYERS if file.stem in COLOUR_NAMES else SHAPE_LAYERS
    match file.parts[-6:-1]:
        case ("checkpoints", _, assessor, _, _) if _TRAINED.fullmatch(file.stem):
            return Origin("ganalyze", "z", None, assessor)
        case (*_, "directions", data, "stylegan2" | "stylegan3" as model):
            why = f"as ReSeFa's authors do in directions/{data}/{model}"
            return Origin("resefa", "w", layers, file.stem, why, True)
        case (*_, "directions", data) if found := _DATASET.fullmatch(data):
            why = f"as LowRankGAN's authors do in directions/{data}"
            rows = 2 * (int(found[1]).bit_length() - 1) - 2
            return Origin("lowrankgan", "w", layers, file.stem, why, True, rows)
    return Origin("imported", None, None, file.stem)


def _boundary(found: re.Match[str]) -> Origin:
    """A boundary by its name: of z unless it says w, but for scenes."""
    name = found["attribute"].replace("_", " ")
    if found["conditions"]:
        name += f" | {found['conditions'].replace('_', ', ')}"
    if found["w"]:
        return Origin("interfacegan", "w", None, name, "as _w_ in its name says", True)
    if found["model"] in ("pggan", "progan"):
        why = f"as a {found['model']} has no other space"
        return Origin("interfacegan", "z", None, name, why, True)
    if found["data"] in FACES:
        why = "as InterFaceGAN's names without _w_ say"
        return Origin("interfacegan", "z", None, name, why)
    why = "as HiGAN names its boundaries of scenes"
    return Origin("interfacegan", "w", None, name, why)
