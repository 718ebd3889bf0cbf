"""The README's table of errors against recordings, written by the tests themselves:

python -m pytest tests --parity=README.md

Whatever `helpers.error` held against a recording during that session goes into it; a
row is the worst of all arrays: latents, styles, features, pictures and scores.
"""

import pathlib
from dataclasses import dataclass
from types import ModuleType

from helpers import WORST

from converters import (
    alexnet,
    biggan_ajbrock,
    biggan_deep_ajbrock,
    biggan_deep_huggingface,
    biggan_ganalyze,
    dcgan,
    emonet,
    lenet,
    lpips,
    progan_genforce,
    progan_interfacegan,
    progan_netdissect,
    progan_ptrblck,
    reconstructors,
    resnet,
    sequential,
    sngan,
    squeezenet,
    stylegan2_genforce,
    stylegan2_higan,
    stylegan2_nvidia,
    stylegan2_rosinality,
    stylegan3_nvidia,
    stylegan_ganspace,
    stylegan_genforce,
    stylegan_interfacegan,
    unet,
    vgg,
)

BEGIN, END = "<!-- parity -->", "<!-- end of parity -->"
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        family: the architecture, in words.
        files: whose files they are, in words.
        module: the converter that reads them.
        recordings: their names, as `helpers.error` was told.
    """

    family: str
    files: str
    module: ModuleType
    recordings: tuple[str, ...]


ROWS = (
    Row("StyleGAN2", "NVlabs ADA", stylegan2_nvidia, ("stylegan2_ada_a",)),
    Row(
        "StyleGAN2",
        "NVlabs ADA, conditional, residual",
        stylegan2_nvidia,
        ("stylegan2_ada_b",),
    ),
    Row(
        "StyleGAN2",
        "NVlabs stylegan3's",
        stylegan2_nvidia,
        ("stylegan2_sg3repo_a",),
    ),
    Row("StyleGAN2", "rosinality", stylegan2_rosinality, ("rosinality_stylegan2_a",)),
    Row("StyleGAN2", "genforce", stylegan2_genforce, ("genforce_stylegan2_a",)),
    Row("StyleGAN2", "HiGAN", stylegan2_higan, ("higan_stylegan2_a",)),
    Row("StyleGAN2-ADA", "genforce", stylegan2_genforce, ("genforce_stylegan2ada_a",)),
    Row("StyleGAN3, T", "NVlabs", stylegan3_nvidia, ("stylegan3_a",)),
    Row("StyleGAN", "genforce", stylegan_genforce, ("genforce_stylegan_a",)),
    Row(
        "StyleGAN",
        "InterFaceGAN",
        stylegan_interfacegan,
        ("interfacegan_stylegan_a",),
    ),
    Row("StyleGAN", "HiGAN", stylegan_interfacegan, ("higan_stylegan_a",)),
    Row("StyleGAN", "idinvert", stylegan_interfacegan, ("idinvert_stylegan_a",)),
    Row("StyleGAN", "GANSpace", stylegan_ganspace, ("ganspace_stylegan_a",)),
    Row("ProGAN", "genforce", progan_genforce, ("genforce_pggan_a",)),
    Row("ProGAN", "InterFaceGAN", progan_interfacegan, ("interfacegan_pggan_a",)),
    Row("ProGAN", "HiGAN", progan_interfacegan, ("higan_pggan_a",)),
    Row("ProGAN", "ptrblck", progan_ptrblck, ("proggan_voynov_a",)),
    Row("ProGAN", "netdissect", progan_netdissect, ("proggan_netdissect_a",)),
    Row("BigGAN", "ajbrock", biggan_ajbrock, ("ajbrock_biggan_a",)),
    Row("BigGAN", "GANalyze", biggan_ganalyze, ("ganalyze_biggan_a",)),
    Row("BigGAN-deep", "ajbrock", biggan_deep_ajbrock, ("ajbrock_biggan_d",)),
    Row("BigGAN-deep", "huggingface", biggan_deep_huggingface, ("hf_biggan_deep_a",)),
    Row("SNGAN", "GANLatentDiscovery", sngan, ("sngan_a", "sngan_generator_a")),
    Row("chains of layers", "PyTorch, beside ours", sequential, ("sequential",)),
    Row("DCGAN", "PyTorch, beside ours", dcgan, ("dcgan",)),
    Row("VGG-16", "torchvision", vgg, ("torchvision_vgg16_a",)),
    Row("VGG-16", "genforce, of Keras' weights", vgg, ("genforce_perceptual_a",)),
    Row("AlexNet", "torchvision, as LPIPS sees it", alexnet, ("lpips_alex_a",)),
    Row("SqueezeNet", "torchvision", squeezenet, ("torchvision_squeezenet1_1_a",)),
    Row(
        "LPIPS",
        "PerceptualSimilarity, without heads",
        lpips,
        ("lpips_alex_a", "lpips_vgg_a", "lpips_squeeze_a"),
    ),
    Row("EmoNet", "GANalyze", emonet, ("ganalyze_emonet_a",)),
    Row(
        "ResNet-18",
        "torchvision, as a reconstructor",
        resnet,
        ("voynov_resnet18_a",),
    ),
    Row(
        "reconstructors",
        "GANLatentDiscovery",
        reconstructors,
        ("voynov_lenet_a", "voynov_resnet18_a"),
    ),
    Row("LeNet", "PyTorch, beside ours", lenet, ("lenet",)),
    Row("U-Net", "GANLatentDiscovery", unet, ("voynov_unet_a",)),
)


def table() -> str:
    """The table of what this session has compared.

    Raises:
        ValueError: naming the rows for which nothing was compared.
    """
    lines = ["| network | files | float32 | float64 |", "|---|---|--:|--:|"]
    lacking = []
    for row in ROWS:
        errors = [
            [WORST[name, dtype] for name in row.recordings if (name, dtype) in WORST]
            for dtype in DTYPES
        ]
        if not errors[0]:
            lacking.append(f"{row.family} ({row.files})")
        cells = (f"{max(found):.1e}" if found else "" for found in errors)
        lines.append(f"| {' | '.join((row.family, row.files, *cells))} |")
    if lacking:
        raise ValueError(f"nothing was compared for: {', '.join(lacking)}")
    return "\n".join(lines).replace("e-0", "e-")


def write(path: str) -> None:
    """Put the table between the two markers of a file."""
    file = pathlib.Path(path)
    before, rest = file.read_text().split(BEGIN)
    file.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}")


def rows(text: str) -> list[list[str]]:
    """The cells of every row between the markers of a text."""
    inside = text.split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in inside]
