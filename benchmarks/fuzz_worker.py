"""A process that runs jaxlatent's command lines in a folder of tiny files.

The folder is put back after each line that changes it.
"""

import contextlib
import io
import json
import os
import pathlib
import resource
import shutil
import sys
import time
import zipfile
from multiprocessing.connection import Connection
from typing import Any

MEMORY = 8 << 30
SIZE = 8
FUNCTIONS = """
import jax.numpy as jnp
import jaxlatent

MATRIX = jnp.asarray([[[0.1 * (i - r) * (c + k) for k in range(3)] for c in range(8)]
                      for r in range(8) for i in range(4)]).reshape(8, 4, 8, 3)

def draw(params, z):
    return jnp.tanh(jnp.einsum("nd,rdck->nrck", z, params["matrix"]))

def make():
    return jaxlatent.Generator.from_functions(draw, z_dim=4, params={"matrix": MATRIX})

def broken():
    raise RuntimeError("the disk\\nis on fire")

def fails(params, z):
    return z @ params["matrix"] @ z

def dark():
    return jaxlatent.Generator.from_functions(fails, z_dim=4, params={"matrix": MATRIX})

def wrong():
    return "a generator"

def needs(size):
    return size

def ends():
    raise SystemExit(3)

def light(images):
    return images.mean((1, 2, 3))

def two(images):
    return images.mean((1, 2))[:, :2]

def unfit(images):
    raise KeyError("column")
"""


def make_places(folder: pathlib.Path) -> None:
    """Write what the lines work on."""
    import jax
    import numpy as np
    from PIL import Image

    from converters.containers.writing import torch_zip
    from jaxlatent.checkpoint import save_edit, save_generator
    from jaxlatent.edits import directions, neural_walk
    from jaxlatent.evaluation.tables import ScoreTable, save_table
    from jaxlatent.generators import sequential, stylegan2
    from jaxlatent.generators.base import Generator
    from jaxlatent.generators.sequential_layers import Unflatten
    from jaxlatent.generators.sequential_weighted import Linear

    draw = np.random.default_rng(0)
    folder.mkdir(parents=True)
    os.chdir(folder)

    def normal(*shape: int) -> Any:
        return draw.normal(size=shape).astype(np.float32)

    chain = sequential.Config((Linear("net.0", 12), Unflatten("u", (2, 2, 3))), 4)
    style: Any = dict(resolution=SIZE, channels=(3, 2), z_dim=4, w_dim=4)
    style |= dict(mapping_layers=1, mapping_width=4, filter=(1.0, 2.0, 1.0))
    classes = style | dict(label_dim=2, embed_dim=3)
    for name, family, config in (
        ("chain", sequential, chain),
        ("style", stylegan2, stylegan2.Config(**style)),
        ("classes", stylegan2, stylegan2.Config(**classes)),
    ):
        shapes = jax.eval_shape(
            lambda key, family=family, config=config: family.init(key, config),
            jax.random.key(0),
        )
        params = jax.tree.map(lambda leaf: normal(*leaf.shape), shapes)
        save_generator(name, Generator(params, config))
    rows = 4
    save_edit("edit.npz", directions(normal(3, 4), space="w"))
    save_edit("rows.npz", directions(normal(2, rows, 4), space="w+"))
    save_edit("walk.npz", neural_walk([{"bias": normal(2, 4)}], space="z"))
    strange = ["\x1b[2J\x1b]0;x\x07", "a\nb\u202e<script>"]
    save_edit("rich.npz", directions(normal(2, 4), space="w", names=strange))
    shutil.copy("edit.npz", "\u7b11.npz")
    np.save("z.npy", normal(3, 4))
    np.save("w.npy", normal(2, 4))
    np.save("wp.npy", normal(2, rows, 4))
    np.save("nan.npy", np.full((2, 4), np.nan))
    np.save("ints.npy", np.arange(8).reshape(2, 4))
    np.save("labels.npy", np.arange(3) % 2)
    np.save("boundary.npy", normal(1, 4))
    np.save("objects.npy", np.array([{}, None], object), allow_pickle=True)
    np.savez("codes.npz", w=normal(2, 4), z=normal(2, 4))
    table = ScoreTable(normal(30, 2), ("brightness", "age"), {"z": normal(30, 4)})
    save_table("scores.npz", table)
    whole = pathlib.Path("edit.npz").read_bytes()
    pathlib.Path("broken.npz").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(draw.integers(0, 255, (16, 16, 3), np.uint8)).save("picture.png")
    Image.fromarray(np.uint8(255 * (np.arange(64).reshape(8, 8) < 32))).save("mask.png")
    for place in ("folder", "full_folder", "pictures", "half", "run", "listed_grams"):
        pathlib.Path(place).mkdir()
    pathlib.Path("full_folder/notes.txt").write_text("mine")
    shutil.copy("picture.png", "pictures/1.png")
    shutil.copy("picture.png", "pictures/2.png")
    shutil.copy("style/generator.json", "half/generator.json")
    pathlib.Path("run/run.json").write_text('{"files": {"' + "x" * 300 + '": "y"}}')
    pathlib.Path("listed_grams/job.json").write_text("[1]")
    pathlib.Path("text.txt").write_text("a letter to a friend")
    pathlib.Path("empty").write_text("")
    pathlib.Path("deep.json").write_text("[" * 100_000)
    pathlib.Path("list.json").write_text("[1]")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    pathlib.Path("pointer.pth").write_text(pointer)
    with zipfile.ZipFile("archive.zip", "w") as archive:
        archive.write("text.txt")
    pathlib.Path("functions.py").write_text(FUNCTIONS)
    pathlib.Path("unfinished.py").write_text("def make(:\n")
    pathlib.Path("needs_torch.py").write_text("import a_module_that_is_not_here\n")
    os.symlink("nothing", "dangling")
    os.symlink("looping", "looping")
    os.mkfifo("fifo")
    tensors = {"net.0.weight": normal(12, 4), "net.0.bias": normal(12)}
    pathlib.Path("chain.pth").write_bytes(torch_zip(tensors))


def snapshot(folder: pathlib.Path) -> dict[str, Any]:
    """What is in a folder, as far as a command may change it."""
    found = {}
    for top, names, files in os.walk(folder):
        names[:] = [name for name in names if name != "__pycache__"]
        for name in (*names, *files):
            path = os.path.join(top, name)
            state = os.lstat(path)
            size = 0 if os.path.isdir(path) else state.st_size
            found[os.path.relpath(path, folder)] = (
                state.st_mode,
                size,
                0 if os.path.isdir(path) else state.st_mtime_ns,
            )
    return found


def check_records(before: dict[str, Any], folder: pathlib.Path) -> str | None:
    """What is wrong with the records that a command wrote."""

    def no_number(word: str) -> None:
        raise ValueError(word)

    for path in folder.rglob("run.json"):
        if str(path.relative_to(folder)) in before:
            continue
        try:
            json.loads(path.read_bytes(), parse_constant=no_number)
        except ValueError:
            return "writes a record that is no JSON"
    return None


def serve(ends: Connection, place: str) -> None:
    """Run the lines that come; send what became of each."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    top = pathlib.Path(place).resolve()
    pristine, folder = top / "pristine", top / "work"
    if not pristine.exists():
        make_places(pristine)
    from jaxlatent import cli
    from jaxlatent.cli import progress

    progress._DELAY = 3600.0
    shutil.rmtree(folder, ignore_errors=True)
    _copy(pristine, folder)
    before = snapshot(folder)
    ends.send("ready")
    while True:
        words = ends.recv()
        os.chdir(folder)
        out, err = io.StringIO(), io.StringIO()
        # of this process: others may keep the machine busy
        status, raised, began = None, "", time.process_time()
        for name in ("functions", "unfinished", "needs_torch"):
            sys.modules.pop(name, None)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = cli.main(words)
        except BaseException as error:  # noqa: BLE001
            raised = type(error).__name__
        seconds = time.process_time() - began
        changed = snapshot(folder) != before
        record = check_records(before, folder) if changed else None
        if changed:
            os.chdir(top)
            shutil.rmtree(folder)
            _copy(pristine, folder)
            before = snapshot(folder)
        ends.send(
            {
                "status": status,
                "raised": raised,
                "seconds": seconds,
                "stderr": err.getvalue().encode("utf8", "backslashreplace").decode(),
                "stdout": len(out.getvalue()),
                "changed": changed,
                "record": record,
            }
        )


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    shutil.copytree(
        source, target, symlinks=True, ignore=shutil.ignore_patterns("fifo")
    )
    os.mkfifo(target / "fifo")
