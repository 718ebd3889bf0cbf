"""Networks that are known and not read are called by their names."""

import re

import numpy as np
import pytest
from helpers import GOLDEN
from writer import safetensors, torch_zip

import converters
from converters.checkpoints import Checkpoint
from converters.entries import entries
from converters.loading import find_plan
from converters.unread import KINDS, recognised
from jaxlatent.describing import describe
from jaxlatent.types import CheckpointError

# some tensors of each, by the names that the originals' modules give them
FILES = {
    "lucidrains": (
        "GAN.S.net.0.weight",
        "GAN.GE.initial_block",
        "GAN.GE.blocks.0.to_style1.weight",
        "GAN.GE.blocks.0.to_noise1.weight",
        "GAN.GE.blocks.0.conv1.weight",
    ),
    "style-based-gan-pytorch": (
        "g_running.generator.progression.0.conv1.input",
        "g_running.generator.progression.0.adain1.style.linear.weight_orig",
        "g_running.style.1.linear.weight_orig",
    ),
    "huangzh13": (
        "g_mapping.map.dense0.weight",
        "g_synthesis.init_block.const",
        "truncation.avg_latent",
    ),
    "BasicSR or GFPGAN": (
        "params_ema.style_mlp.1.weight",
        "params_ema.constant_input.weight",
        "params_ema.style_conv1.modulated_conv.weight",
    ),
    "mmgeneration": (
        "state_dict.generator_ema.style_mapping.1.linear.weight_orig",
        "state_dict.generator_ema.conv1.conv.style_modulation.linear.weight_orig",
    ),
    "pytorch_GAN_zoo": (
        "netG.formatLayer.module.weight",
        "netG.scaleLayers.0.0.module.weight",
        "netG.toRGBLayers.0.module.weight",
    ),
    "FastGAN": ("g.init.init.0.weight_orig", "g.feat_8.1.weight", "g.feat_16.1.weight"),
    "StyleGAN-XL": (
        "G_ema.mapping.embed.weight",
        "G_ema.mapping.embed_proj.weight",
        "G_ema.synthesis.input.freqs",
    ),
    "an encoder": (
        "encoder.input_layer.0.weight",
        "encoder.body.0.res_layer.1.weight",
        "encoder.styles.0.convs.0.weight",
    ),
    "idinvert's encoder": (
        "block0.conv.weight",
        "block1.conv1.weight",
        "block7.fc.weight",
    ),
    "diffusion model": (
        "down_blocks.0.resnets.0.conv1.weight",
        "time_embedding.linear_1.weight",
    ),
    "autoencoder": ("encoder.conv_in.weight", "post_quant_conv.weight"),
    "CycleGAN": ("model.1.weight", "model.10.conv_block.1.weight"),
    "U-Net of pix2pix": ("model.model.0.weight", "model.model.1.model.1.weight"),
}


def state(names):
    return {name: np.ones((2, 3), np.float32) for name in names}


@pytest.mark.parametrize("kind", FILES)
def test_kinds_are_named(tmp_path, kind):
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors(state(FILES[kind])))
    with pytest.raises(CheckpointError, match=f"this is .*{kind}.*, which is not read"):
        converters.load(path)
    facts = describe(path)
    assert kind in facts["problem"]
    assert set(facts["tensors"]) == set(FILES[kind])
    # every sign counts
    found = recognised(FILES[kind])
    assert found is not None
    for missing in found.signs:
        left = [
            name for name in FILES[kind] if not re.search(rf"(?:^|\.){missing}", name)
        ]
        assert recognised(left) is None


def test_nested_dicts_are_the_same(tmp_path):
    inner = {
        name.removeprefix("GAN."): tensor
        for name, tensor in state(FILES["lucidrains"]).items()
    }
    path = tmp_path / "model_1.pt"
    path.write_bytes(torch_zip({"GAN": inner, "version": "1.8.9"}))
    with pytest.raises(CheckpointError, match="this is lucidrains' stylegan2-pytorch"):
        converters.load(path)


def generator_of_nvidia():
    """The tensors of a generator under NVIDIA's names."""
    file = converters.read(GOLDEN / "stylegan2_ada_a.pkl")
    found = (entry.tensors for entry in entries(file))
    return next(tensors for tensors in found if "synthesis.b4.const" in tensors)


def test_a_part_of_another_network_is_not_taken_for_a_whole_one():
    planes = {f"backbone.{n}": t for n, t in generator_of_nvidia().items()}
    alone = find_plan(Checkpoint(planes), part="generator")
    assert alone.family == "stylegan2"
    whole = planes | state(["superresolution.block0.conv0.weight"])
    with pytest.raises(CheckpointError, match=f"this is {EG3D}"):
        find_plan(Checkpoint(whole), part="generator")
    with pytest.raises(CheckpointError, match=f"this is {EG3D}"):
        converters.inspect(Checkpoint(whole))
    # what is asked for by name is given
    asked = find_plan(Checkpoint(whole), part="generator", entry="backbone")
    assert asked.config == alone.config


def test_an_encoder_beside_a_generator_does_no_harm():
    generator = {f"decoder.{n}": t for n, t in generator_of_nvidia().items()}
    file = generator | state(FILES["an encoder"])
    assert find_plan(Checkpoint(file), part="generator").family == "stylegan2"


def test_all_kinds_are_tried():
    found = (recognised(names) for names in FILES.values())
    named = {kind.name for kind in found if kind}
    assert named | {EG3D} == {kind.name for kind in KINDS}


EG3D = "EG3D, whose StyleGAN2 draws planes to render and not pictures"
