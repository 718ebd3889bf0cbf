"""Pickles outside any container of torch: NVIDIA's networks, NumPy's objects.

Tensors lie in the pickle as byte strings, each a complete pre-1.6 torch stream of one
storage.
"""

from converters.containers.contents import content
from converters.containers.limits import Budget
from converters.containers.numpy_pickles import as_bytes
from converters.containers.pickles import load
from converters.containers.rebuilding import GLOBALS
from converters.containers.tensors import Storage
from converters.containers.torch_legacy import read_storage
from jaxlatent.types import CheckpointError


def read(data: bytes, budget: Budget) -> object:
    """Reads a plain pickle.

    Args:
        data: the whole file.
        budget: counts what the file makes us spend.

    Returns:
        The pickled object with NumPy arrays for tensors and records for networks.

    Raises:
        CheckpointError: if the file is anything but a sound pickle of such objects.
    """

    def load_from_bytes(stream: object) -> Storage:
        return read_storage(as_bytes(stream), budget)

    allowed = GLOBALS | {"torch.storage._load_from_bytes": load_from_bytes}
    value, end = load(data, 0, allowed, budget)
    if end != len(data):
        raise CheckpointError(f"{len(data) - end} bytes after the pickle's end")
    networks = value if isinstance(value, tuple) else ()
    if len(networks) == 3 and all(isinstance(network, dict) for network in networks):
        raise CheckpointError(
            "a tuple of three networks, as TensorFlow-era pickles hold: convert it "
            "with the legacy script of stylegan2-ada-pytorch or stylegan3 first"
        )
    return content(value, budget)
