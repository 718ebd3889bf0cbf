"""What several test files share."""

import contextlib
import functools
import json
import logging
import pathlib
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxlatent import cli
from jaxlatent.generators import filters

GOLDEN = pathlib.Path(__file__).parent / "golden"


WORST: dict[tuple[str, str], float] = {}
"""(recording, "float32" or "float64") -> the largest error so far."""

_RECORDINGS: dict[int, str] = {}


@functools.cache
def _arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        found = {key: np.array(file[key]) for key in file.files}
    for array in found.values():
        array.setflags(write=False)
        _RECORDINGS[id(array)] = name
    return found


def golden(name: str) -> dict[str, np.ndarray]:
    """Every array of `tests/golden/NAME.npz`, read once and not to be changed."""
    return dict(_arrays(name))


def error(ours: Any, theirs: np.ndarray, *, recording: str | None = None) -> float:
    """Largest absolute difference, over the largest absolute value.

    Errors against what `golden` gave, or a view of it, are kept for the README's table;
    `recording` names one where `theirs` is neither.
    """
    ours = np.asarray(ours)
    assert ours.shape == theirs.shape
    found = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    owner = getattr(theirs, "base", None)
    name = recording or _RECORDINGS.get(id(theirs if owner is None else owner))
    if name is not None:
        wide = ours.dtype == theirs.dtype == np.float64
        key = name, "float64" if wide else "float32"
        WORST[key] = max(WORST.get(key, 0.0), found)
    return found


def nhwc(images: np.ndarray) -> np.ndarray:
    """[N, C, H, W] -> [N, H, W, C]."""
    return np.moveaxis(images, 1, -1)


def drawn(
    build: Callable[[jax.Array], Any], seed: int, *, scale: float | None = None
) -> Any:
    """What `build(key)` would give, with values drawn by NumPy.

    They are normal, of deviation `scale`, or at the fan-in's scale by default.

    Variances and magnitudes are their absolute values and one more; filters have
    positive taps of sum one.

    Compiling `jax.random` takes a second for every shape, and no test needs its values.
    """
    rng = np.random.default_rng(seed)

    def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> jax.Array:
        deviation = np.prod(leaf.shape[:-1]) ** -0.5 if scale is None else scale
        values = rng.normal(0, deviation, leaf.shape)
        if path and any(word in str(path[-1]) for word in ("_var", "magnitude")):
            values = 1 + np.abs(values)
        if path and "_filter" in str(path[-1]):
            values = np.abs(values) / np.abs(values).sum()
        return jnp.asarray(values, leaf.dtype)

    shapes = jax.eval_shape(build, jax.random.key(0))
    return jax.tree_util.tree_map_with_path(draw, shapes)


def recipe(case: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights that a recording describes by `seed`, `keys` and `shapes`.

    Each tensor has a random stream of its own, seeded by its name.
    """
    found = {}
    for name, shape in zip(case["keys"].tolist(), case["shapes"].tolist(), strict=True):
        seed = (zlib.crc32(name.encode()) ^ int(case["seed"])) & 0xFFFFFFFF
        values = np.random.RandomState(seed).standard_normal(json.loads(shape))
        if name.endswith("bias"):
            values *= 0.1
        else:
            values *= np.sqrt(2 / np.prod(values.shape[1:]))
        found[name] = values.astype(np.float32)
    return found


def stream_recipe(case: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights that a recording describes by `seed`, `keys` and `shapes`.

    One random stream for all tensors, in the order of their names.
    """
    rng, state = np.random.RandomState(int(case["seed"])), {}
    for name, text in zip(case["keys"].tolist(), case["shapes"].tolist(), strict=True):
        shape = json.loads(text)
        if name.endswith("num_batches_tracked"):
            state[name] = np.zeros((), np.int64)
            continue
        r = rng.standard_normal(shape)
        if name.endswith("running_var"):
            r = 1 + 0.5 * np.abs(r)
        elif name.endswith("running_mean"):
            r = 0.2 * r
        elif len(shape) == 1:
            r = 1 + 0.3 * r if name.endswith("weight") else 0.1 * r
        else:
            r = r * np.sqrt(2 / np.prod(shape[1:]))
        state[name] = r.astype(np.float32)
    return state


def torch_state(params: Any) -> dict[str, np.ndarray]:
    """A network's parameters in PyTorch's axes and under torchvision's names."""
    found = {}
    for name, leaf in flatten_dict(params, sep=".").items():
        value = np.asarray(leaf)
        layer, _, kind = name.rpartition(".")
        if not layer:
            continue  # a constant that the file does not hold
        layer = re.sub(r"_(\d+)(?=\.|$)", r".\1", layer)
        if value.ndim == 4:
            value = value.transpose(3, 2, 0, 1)
        elif value.ndim == 2:
            value = value.T
        kind = {"kernel": "weight", "scale": "weight"}.get(kind, kind)
        found[f"{layer}.{kind}"] = value
        if kind == "running_var":
            found[f"{layer}.num_batches_tracked"] = np.zeros((), np.int64)
    return found


@contextlib.contextmanager
def compilations() -> Iterator[Callable[[], int]]:
    """Count the compilations that happen inside the block."""
    names: list[str] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("Compiling "):
                names.append(record.getMessage())

    logger = logging.getLogger("jax._src.interpreters.pxla")
    recorder, level = Recorder(), logger.level
    logger.addHandler(recorder)
    logger.propagate = False
    try:
        with jax.log_compiles(True):
            yield lambda: len(names)
    finally:
        logger.removeHandler(recorder)
        logger.setLevel(level)
        logger.propagate = True


def take_forms_of(platform: str, monkeypatch: Any) -> None:
    """Let what `lax.platform_dependent` chooses from now on be what a platform runs."""

    def chosen(*arguments: Any, default: Any = None, **forms: Any) -> Any:
        return forms.get(platform, default)(*arguments)

    monkeypatch.setattr(jax.lax, "platform_dependent", chosen)
    # what is compiled on its own would be remembered
    monkeypatch.setattr(filters, "_resample", filters._resample.__wrapped__)


def ok(*words: object) -> None:
    """Run a command that must succeed."""
    assert cli.main([str(word) for word in words]) == 0


def run_file(folder: pathlib.Path) -> dict[str, Any]:
    """A run's record."""
    return json.loads((folder / "run.json").read_text())
