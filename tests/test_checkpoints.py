"""Every recorded checkpoint: what does not fit is told at once, what fits is kept."""

import copy
import dataclasses
import functools
import json
import re
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN

import converters
from converters.loading import PARTS, find_plan
from converters.plans import assemble
from jaxlatent import checkpoint
from jaxlatent.types import CheckpointError

DIRECTIONS = (
    "ganspace",
    "ganalyze_onedirection",
    "ganalyze_classdependent",
    "steerability",
)
FILES = sorted(
    path
    for path in GOLDEN.iterdir()
    if path.suffix != ".npz" and not path.name.startswith(DIRECTIONS)
)
NETWORKS = ("ganalyze_emonet_a", "torchvision_squeezenet1_1_a", "torchvision_vgg16_a")
DISCRIMINATORS = (
    "genforce_pggan_a",
    "genforce_stylegan2_a",
    "genforce_stylegan_a",
    "rosinality_stylegan2_a",
    "stylegan2_ada_a",
    "stylegan2_ada_b",
    "stylegan2_sg3repo_a",
    "stylegan3_a",
)


def parts_of(path):
    """What a file holds, told by its name: looking into all of them takes long."""
    name = path.name.partition(".")[0]
    if name in NETWORKS:
        return ["network"]
    return ["generator", *["discriminator"] * (name in DISCRIMINATORS)]


PLANS = [(path, part) for path in FILES for part in parts_of(path)]
GENERATORS = [path for path, part in PLANS if part == "generator"]


@functools.cache
def content(path):
    """What the file holds; not to be changed."""
    return converters.read(path)


@functools.cache
def plan_of(path, part):
    return find_plan(content(path), part=part)


def arrays(node):
    """(mapping, key) of every array in nested mappings."""
    for key, value in node.items():
        if isinstance(value, np.ndarray):
            yield node, key
        elif isinstance(value, Mapping):
            yield from arrays(value)


each = pytest.mark.parametrize(
    ("path", "part"), PLANS, ids=[f"{path.name}-{part}" for path, part in PLANS]
)


@each
def test_one_error_names_all_three_faults(path, part):
    plan, original = plan_of(path, part), content(path).tensors
    biases = [
        source.name
        for source in plan.sources.values()
        if source.name.endswith(("bias", "wscale.b"))
        and plan.tensors[source.name].ndim == 1
    ]
    bent, lost = biases[-2:]
    kept = {id(node[key]): node[key] for node, key in arrays(original)}
    changed = copy.deepcopy(original, kept)
    places = {id(node[key]): (node, key) for node, key in arrays(changed)}
    node, key = places[id(plan.tensors[lost])]
    del node[key]
    start = key.removesuffix(lost) if key.endswith(lost) else ""
    node[f"{start}odd"] = np.ones(2, np.float32)
    node, key = places[id(plan.tensors[bent])]
    length = len(node[key])
    node[key] = np.ones(length + 1, np.float32)
    damaged = dataclasses.replace(content(path), tensors=changed)
    with pytest.raises(CheckpointError) as caught:
        assemble(find_plan(damaged, part=part))
    assert re.search(
        rf"missing \(1\): {re.escape(lost)}; extra \(1\): (\S+\.)?odd; "
        rf"misshapen \(1\): {re.escape(bent)} is \({length + 1},\), not \({length},\)$",
        str(caught.value),
    )


@functools.cache
def smallest():
    """The smallest file of every family."""
    return {
        plan_of(path, "generator").family: path
        for path in sorted(GENERATORS, key=lambda path: -path.stat().st_size)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_part_of_a_file_is_found(path):
    plans = converters.inspect(path).plans
    assert [part for part in PARTS if part in plans] == parts_of(path)


@pytest.mark.parametrize("path", GENERATORS, ids=lambda path: path.name)
def test_a_converted_folder_holds_the_same_generator(tmp_path, path):
    """To the bit, in the tree of `init`; the smallest file of a family is drawn."""
    plan = converters.convert(path, tmp_path / "g")
    loaded, found = converters.load(path), checkpoint.load_generator(tmp_path / "g")
    assert found.config == loaded.config
    jax.tree.map(np.testing.assert_array_equal, found.params, loaded.params)
    init = loaded.family.init
    fresh = jax.eval_shape(lambda: init(jax.random.key(0), loaded.config))
    assert jax.tree.map(jnp.shape, fresh) == jax.tree.map(jnp.shape, found.params)
    origin = checkpoint.read_header(tmp_path / "g")["origin"]
    assert origin["format"] == plan.format
    assert origin["assumed"] == json.loads(json.dumps(dict(plan.assumed)))
    if path in smallest().values():
        label = jnp.zeros(1, jnp.int32) if loaded.config.label_dim else None
        z = jnp.ones((1, loaded.config.z_dim))
        draw = jax.jit(lambda g, z: g.synthesize(g.map(z, label), label))
        np.testing.assert_array_equal(draw(found, z), draw(loaded, z))
