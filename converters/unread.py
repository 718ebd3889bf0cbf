"""Networks that people hold and that no layout reads, told by the names of tensors.

A file of one of these gets words instead of a list of tensors that do not fit. Some
hold parts that look like a whole network of a known layout and are not one.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple


class Unread(NamedTuple):
    """One kind of network.

    Attributes:
        name: what it is, in words.
        signs: patterns of dotted names from the start of a part on, each of which a
            tensor of such a file has.
        instead: what a user can do.
        encloses: whether parts of it must not be taken for networks of their own.
    """

    name: str
    signs: tuple[str, ...]
    instead: str = ""
    encloses: bool = False


_INVERTED = "codes that it finds can be used; its generator, if it is in the file, too"
_NO_CODE = "it draws pictures in many steps, not from one code"
_TRANSLATES = "it makes pictures from pictures, not from codes"

KINDS = (
    Unread(
        "lucidrains' stylegan2-pytorch, whose layers differ from StyleGAN2's",
        (r"blocks\.0\.to_style1\.weight", r"blocks\.0\.to_noise1\.weight"),
        "train or convert with NVIDIA's or rosinality's code",
    ),
    Unread(
        "StyleGAN (1) of rosinality's style-based-gan-pytorch",
        (r"progression\.0\.adain1\.style\.linear\.weight_orig",),
    ),
    Unread(
        "StyleGAN (1) of huangzh13's StyleGAN.pytorch",
        (r"g_mapping\.map\.dense0\.weight", r"g_synthesis\.init_block\."),
    ),
    Unread(
        "StyleGAN2 of BasicSR or GFPGAN",
        (r"style_mlp\.\d+\.weight", r"style_conv1\.modulated_conv\.weight"),
        "the files of rosinality's code that it was converted from are read",
    ),
    Unread(
        "StyleGAN2 of mmgeneration",
        (r"style_mapping\.\d+\.", r"conv1\.conv\.style_modulation\."),
        "the NVIDIA files that it was converted from are read",
    ),
    Unread(
        "ProGAN of Facebook's pytorch_GAN_zoo",
        (r"formatLayer\.module\.weight", r"toRGBLayers\.\d+\.module\.weight"),
    ),
    Unread("FastGAN or a projected GAN of its kind", (r"feat_8\.", r"feat_16\.")),
    Unread(
        "StyleGAN-XL, which embeds labels by another network",
        (r"mapping\.embed_proj\.weight", r"synthesis\.input\.freqs"),
        encloses=True,
    ),
    Unread(
        "EG3D, whose StyleGAN2 draws planes to render and not pictures",
        (r"backbone\.synthesis\.b4\.const", r"superresolution\.block0\."),
        encloses=True,
    ),
    Unread(
        "an encoder from pictures to codes, of pSp's or e4e's kind",
        (r"input_layer\.0\.weight", r"styles\.\d+\.convs\.0\.weight"),
        _INVERTED,
    ),
    Unread(
        "idinvert's encoder from pictures to codes",
        (r"block0\.conv\.weight", r"block1\.conv1\.weight", r"block\d+\.fc\.weight"),
        _INVERTED,
    ),
    Unread(
        "a diffusion model",
        (r"(?:down_blocks\.0\.resnets\.0\.|input_blocks\.0\.0\.).*weight",),
        _NO_CODE,
        encloses=True,
    ),
    Unread(
        "an autoencoder of a diffusion model or VQGAN",
        (r"post_quant_conv\.weight",),
        "it decodes maps of codes, not one code",
        encloses=True,
    ),
    Unread(
        "a generator of CycleGAN or pix2pix",
        (r"model\.\d+\.conv_block\.\d+\.weight",),
        _TRANSLATES,
    ),
    Unread(
        "a U-Net of pix2pix",
        (r"model\.model\.\d+\.model\.\d+\.weight",),
        _TRANSLATES,
    ),
)


def recognised(names: Iterable[str]) -> Unread | None:
    """The kind of a network that is known and not read, by its tensors' names."""
    lines = "\n".join(names)
    for kind in KINDS:
        if all(re.search(rf"(?m)(?:^|\.){sign}", lines) for sign in kind.signs):
            return kind
    return None


def explain(kind: Unread) -> str:
    """What to tell a user who holds such a file."""
    ending = f"; {kind.instead}" if kind.instead else ""
    return f"this is {kind.name}, which is not read{ending}"
