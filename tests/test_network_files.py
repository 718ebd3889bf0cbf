"""Networks on disk."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn

from jaxlatent import load, load_network, save_edit, save_network
from jaxlatent.edits.directions import directions
from jaxlatent.files import read_arrays
from jaxlatent.network_files import HEADER, MODULES, is_network, read_facts
from jaxlatent.networks.base import Network
from jaxlatent.networks.reconstructors import PairLeNet
from jaxlatent.types import CheckpointError, Origin

MODULE = PairLeNet(directions=3, image_channels=1, channels=(2, 3, 4), hidden=5)


@pytest.fixture
def kept(tmp_path):
    images = jnp.zeros((1, 32, 32, 1))
    found = drawn(lambda key: Network.init(key, MODULE, images, images), 1)
    network = Network(found.params, MODULE, Origin(file="a.pt", guesses=("one",)))
    file = tmp_path / "network.npz"
    save_network(file, network, facts={"steps": 3})
    return network, file


def test_what_is_kept_comes_back(kept):
    network, file = kept
    for found in (load_network(file), load(file, part="network")):
        assert found.module == network.module
        assert (found.origin.file, found.origin.guesses) == ("a.pt", ("one",))
        jax.tree.map(np.testing.assert_array_equal, found.params, network.params)
    assert read_facts(file) == {"steps": 3}
    with pytest.raises(ValueError, match="is a Network; a generator is asked for"):
        load(file)
    with pytest.raises(ValueError, match=r"family: given, but .* is no checkpoint"):
        load(file, part="network", family="unet")


def test_edits_are_no_networks(tmp_path):
    save_edit(tmp_path / "e.npz", directions(np.eye(2, dtype=np.float32), space="z"))
    assert not is_network(tmp_path / "e.npz")
    with pytest.raises(CheckpointError, match=r"e\.npz: not a network, or damaged"):
        load_network(tmp_path / "e.npz")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"version": 2}, "version 2; 1 is accepted"),
        ({"module": "System"}, "architecture 'System'; AlexNet"),
        ({"settings": {"odd": 1}}, "unexpected keyword argument 'odd'"),
        ({"origin": {"file": 3}}, "origin: file: 3 there"),
    ],
)
def test_headers_that_nobody_wrote(kept, changes, expected):
    _, file = kept
    arrays = read_arrays(file)
    header = json.loads(arrays[HEADER].tobytes()) | changes
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(file, **arrays)
    with pytest.raises(CheckpointError, match=expected):
        load_network(file)


def test_numbers_that_nobody_wrote(kept):
    _, file = kept
    arrays = read_arrays(file)
    arrays["params.convnet_0.bias"] = np.float32([np.nan, 0])
    np.savez(file, **arrays)
    with pytest.raises(CheckpointError, match=r"convnet_0\.bias': finite floats"):
        load_network(file)


class Own(nn.Module):
    def __call__(self, images):
        return images


def test_other_architectures_cannot_be_kept(tmp_path):
    assert "UNet" in MODULES
    with pytest.raises(TypeError, match=r"network: .*Own given"):
        save_network(tmp_path / "own.npz", Network({}, Own()))
    assert not list(tmp_path.iterdir())
