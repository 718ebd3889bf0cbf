"""Generators and edits on disk: what comes back, and what is refused."""

import dataclasses
import io
import json
import pickle
import zipfile

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn

from jaxlatent import checkpoint
from jaxlatent.edits.base import EDIT_KINDS, register_edit
from jaxlatent.edits.directions import directions
from jaxlatent.generators import rendered, sequential, stylegan2
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.generators.sequential_layers import Flatten, Unflatten
from jaxlatent.generators.sequential_weighted import Linear
from jaxlatent.types import CheckpointError, Origin

CHAIN = sequential.Config((Linear("net.0", 12), Unflatten("u", (2, 2, 3))), 5)
STYLE = stylegan2.Config(
    resolution=8,
    channels=(3, 2),
    z_dim=4,
    w_dim=5,
    mapping_layers=1,
    mapping_width=5,
    label_dim=2,
    embed_dim=3,
    clamp=256.0,
    filter=(1.0, 2.0, 1.0),
)


def fresh(module, config, seed=0):
    params = drawn(lambda key: module.init(key, config), seed, scale=1.0)
    return Generator(params, config)


def equal(left, right):
    """Whether two pytrees have the same structure, dtypes and bits."""
    same = jax.tree.map(
        lambda a, b: a.dtype == b.dtype and a.tobytes() == b.tobytes(),
        jax.tree.map(np.asarray, left),
        jax.tree.map(np.asarray, right),
    )
    return jax.tree.all(same)


# generators


@pytest.mark.parametrize("family", ["rendered", "sequential", "stylegan2"])
def test_a_generator_comes_back_to_the_bit(family, tmp_path):
    made = {
        "rendered": rendered.embedded,
        "sequential": lambda: fresh(sequential, CHAIN),
        "stylegan2": lambda: fresh(stylegan2, STYLE),
    }[family]()
    origin = Origin(file="ü.pt", assumed={"rate": 0.1}, guesses=("one", "two"))
    made = dataclasses.replace(made, origin=origin)
    checkpoint.save_generator(tmp_path / "g", made)
    found = checkpoint.load_generator(tmp_path / "g")
    assert dataclasses.astuple(found.origin) == dataclasses.astuple(origin)
    assert equal(found.params, made.params)
    assert found.config == made.config
    assert hash(found.config) == hash(made.config)
    assert fingerprint(found) == fingerprint(made)
    latent = jnp.ones((1, made.config.w_dim))
    if family == "rendered":  # its pictures follow from these, and take long to compile
        draw = jax.jit(lambda g: g.features(latent, names=("factors",)))
    else:
        draw = jax.jit(lambda g: g.synthesize(latent))
    assert equal(draw(found), draw(made))
    header = checkpoint.read_header(tmp_path / "g")
    assert header["family"] == family
    assert header["fingerprint"] == fingerprint(made)
    assert header["origin"]["file"] == "ü.pt"
    assert set(header["versions"]) == {"jaxlatent", "jax", "numpy"}


def test_loaded_arrays_are_committed_to_no_device(folder):
    found = checkpoint.load_generator(folder)
    assert not any(leaf.committed for leaf in jax.tree.leaves(found.params))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 4)])
def test_empty_arrays_survive(tmp_path, shape):
    empty = jnp.zeros(shape, jnp.float16)
    params = {"a": {"full": jnp.ones(2), "empty": empty}}
    checkpoint.save_generator(tmp_path / "g", Generator(params, CHAIN))
    assert equal(checkpoint.load_generator(tmp_path / "g").params, params)
    only = {"a": {"empty": empty}}
    checkpoint.save_generator(tmp_path / "only", Generator(only, CHAIN))
    assert equal(checkpoint.load_generator(tmp_path / "only").params, only)


def test_a_generator_without_parameters(tmp_path):
    made = Generator({}, sequential.Config((Unflatten("u", (1, 1, 3)),), 3))
    checkpoint.save_generator(tmp_path / "g", made)
    found = checkpoint.load_generator(tmp_path / "g")
    assert (found.params, found.config) == ({}, made.config)


def test_narrow_floats_come_back(tmp_path):
    params = {"a": jnp.arange(4, dtype=jnp.bfloat16), "b": jnp.ones(2, jnp.float16)}
    checkpoint.save_generator(tmp_path / "g", Generator(params, CHAIN))
    assert equal(checkpoint.load_generator(tmp_path / "g").params, params)


def test_generators_of_foreign_functions_cannot_be_kept(tmp_path):
    made = Generator.from_functions(lambda params, z: z, z_dim=2)
    with pytest.raises(ValueError, match="family: 'functions' given"):
        checkpoint.save_generator(tmp_path / "g", made)
    assert not list(tmp_path.iterdir())


def test_a_discriminator_is_no_generator(tmp_path):
    layers = (Flatten("f"), Linear("0", 1))
    config = sequential.DiscriminatorConfig(layers, (1, 1, 3))
    with pytest.raises(ValueError, match=r"^generator: .*DiscriminatorConfig"):
        checkpoint.save_generator(tmp_path / "g", Generator({}, config))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A generator's folder that tests may damage if they repair it."""
    path = tmp_path_factory.mktemp("kept") / "g"
    checkpoint.save_generator(path, fresh(sequential, CHAIN))
    return path


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_every_flipped_bit_is_noticed(folder):
    rng = np.random.default_rng(0)
    contents = {path: path.read_bytes() for path in files(folder)}
    targets = [path for path, content in contents.items() if content]
    assert {"MANIFEST.json", "generator.json"} < {path.name for path in targets}
    # a share for every file, however small
    missed = []
    for trial in range(1000):
        path = targets[trial % len(targets)]
        content = bytearray(contents[path])
        bit = int(rng.integers(8 * len(content)))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            checkpoint.verify(folder)
            missed.append((path.name, bit))
        except CheckpointError:
            pass
        path.write_bytes(contents[path])
    checkpoint.verify(folder)
    assert missed == []


def test_a_flipped_bit_keeps_a_generator_from_loading(folder):
    path = max(files(folder / "params"), key=lambda path: path.stat().st_size)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    name = path.relative_to(folder).as_posix()
    with pytest.raises(CheckpointError, match=f"not as it was written: {name}"):
        checkpoint.load_generator(folder)
    path.write_bytes(content)
    checkpoint.load_generator(folder)


def test_missing_and_additional_files_are_named(folder):
    path = folder / "generator.json"
    content = path.read_bytes()
    path.unlink()
    (folder / "params" / "more").write_text("")
    with pytest.raises(CheckpointError, match=r"generator\.json, params/more"):
        checkpoint.verify(folder)
    path.write_bytes(content)
    (folder / "params" / "more").unlink()
    checkpoint.verify(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"files": {}}',
        '{"files": [], "sha256": ""}',
        "\xff",
    ],
)
def test_a_manifest_of_another_form_is_damaged(tmp_path, text):
    (tmp_path / "MANIFEST.json").write_text(text, encoding="latin-1")
    with pytest.raises(CheckpointError, match=r"MANIFEST\.json: damaged"):
        checkpoint.verify(tmp_path)


def forged(folder, **changes):
    """A folder whose header says something else, and whose manifest is right."""
    file = folder / "generator.json"
    header = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({k: v for k, v in header.items() if v is not ...}))
    hashes = checkpoint._hashes(folder)
    (folder / "MANIFEST.json").write_bytes(checkpoint._manifest_text(hashes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": 1}, "generator.json: family: 1 there; a text is accepted"),
        ({"family": "vqgan"}, "family: 'vqgan' given"),
        ({"family": ...}, "generator.json: family: None there"),
        ({"config": []}, "generator.json: config: list there; a JSON object"),
        ({"config": {"colour": "red"}}, "colour"),
        ({"parameters": 1}, "generator.json: parameters: 1 there"),
        ({"parameters": {"a": 1}}, "int"),
        ({"parameters": {"a": ["float32", [-1]]}}, "'a': a shape that is none"),
        ({"parameters": {"a": ["float32", [True]]}}, "'a': a shape that is none"),
        ({"parameters": {"a": ["int32", [2]]}}, "'a': int32; floating parameters"),
        ({"parameters": {"a": ["poem", [2]]}}, "poem"),
        ({"parameters": {"a": ["float32", [10**9, 10**9]]}}, "parameters of 4000000"),
        ({"parameters": {"a": ["float32", [2]]}}, ""),
        ({"origin": "here"}, "generator.json: origin: 'here' there"),
        ({"origin": {"file": 3}}, "origin: file: 3 there"),
        ({"origin": {"guesses": [1]}}, "origin: guesses: tuple there"),
        ({"versions": None}, "generator.json: versions: None there"),
        ({"fingerprint": {}}, "generator.json: fingerprint: dict there"),
        ({"format": "\x1b[2J"}, r"format '\x1b[2J'; 1 is accepted"),
    ],
)
def test_a_header_of_a_stranger_is_held_against_what_it_may_be(
    changes, message, tmp_path
):
    checkpoint.save_generator(tmp_path / "g", fresh(sequential, CHAIN))
    forged(tmp_path / "g")
    checkpoint.load_generator(tmp_path / "g")
    forged(tmp_path / "g", **changes)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_generator(tmp_path / "g")
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000])
def test_a_header_that_is_none(text, tmp_path):
    checkpoint.save_generator(tmp_path / "g", Generator({}, CHAIN))
    (tmp_path / "g" / "generator.json").write_text(text)
    hashes = checkpoint._hashes(tmp_path / "g")
    (tmp_path / "g" / "MANIFEST.json").write_bytes(checkpoint._manifest_text(hashes))
    with pytest.raises(CheckpointError, match=r"generator\.json (is|holds) no JSON"):
        checkpoint.read_header(tmp_path / "g")


def test_what_is_no_folder_of_ours_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file", tmp_path / "missing"):
        assert not checkpoint.is_generator(path)
        for call in (checkpoint.load_generator, checkpoint.read_header):
            with pytest.raises(CheckpointError, match="so not a generator"):
                call(path)


def test_another_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", 99)
    checkpoint.save_generator(tmp_path / "g", Generator({}, CHAIN))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="format 99; 1 is accepted"):
        checkpoint.load_generator(tmp_path / "g")


def test_only_generators_are_overwritten_and_only_on_demand(tmp_path):
    first, second = (
        Generator({}, sequential.Config((Unflatten("u", (1, 1, n)),), n))
        for n in (1, 2)
    )
    path = tmp_path / "deep" / "g"
    checkpoint.save_generator(path, first)
    with pytest.raises(FileExistsError, match="g exists"):
        checkpoint.save_generator(path, second)
    assert checkpoint.load_generator(path).config == first.config
    checkpoint.save_generator(path, second, overwrite=True)
    assert checkpoint.load_generator(path).config == second.config
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="mine is not a generator"):
        checkpoint.save_generator(tmp_path / "mine", first, overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("stage", ["orbax.checkpoint.v1.save", "os.replace"])
def test_a_crash_while_writing_leaves_what_was_there(tmp_path, monkeypatch, stage):
    first, second = (fresh(sequential, CHAIN, seed) for seed in (0, 1))
    checkpoint.save_generator(tmp_path / "g", first)

    def crash(*_, **__):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(stage, crash)
        for name in ("g", "new"):
            with pytest.raises(OSError, match="disk full"):
                checkpoint.save_generator(tmp_path / name, second, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
    assert equal(checkpoint.load_generator(tmp_path / "g").params, first.params)


def test_file_hash(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checkpoint.file_hash(tmp_path / "a") == known


# edits


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


PLAIN = directions(normal(0, 2, 3), space="z")
FULL = directions(
    normal(1, 2, 4, 3),
    space="feature:b4.conv1",
    scale=[0.5, 2.0],
    mean=normal(2, 3),
    bias=[1.0, -1.0],
    report={
        "values": normal(3, 2),
        "a/b": normal(4, 2),
        "a": np.float32([np.nan, np.inf]),
        "100%/../x": np.zeros(2),
        "größe": np.ones(2),
        "file": normal(5, 2).astype(np.float16),
        "header": normal(6, 2),
        "narrow": jnp.asarray([1.0, 2.0], jnp.bfloat16),
    },
    facts={
        "rank": 7,
        "header": True,
        "kind": None,
        "größe/größer": {"a": [1, 2.5, ["x"]], "": {}},
        "condition": float("inf"),
        "settings": np.arange(4).reshape(2, 2),
    },
    layers=(0, 3),
    names=["Lächeln", '眼鏡 \N{GRINNING FACE} "/\\'],
    method="sefa",
    generator="0123456789abcdef",
)
EDITS = {
    "plain": PLAIN,
    "full": FULL,
    "mean alone": directions(normal(0, 2, 3), space="w", mean=normal(1, 3)),
    "bias alone": directions(normal(0, 2, 3), space="w", bias=normal(1, 2)),
    "no directions": directions(normal(0, 0, 3), space="w"),
    "not measured": directions(
        normal(0, 1, 2), space="s", report={"slope": np.float32([np.nan])}
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_comes_back_to_the_bit(tmp_path, name):
    checkpoint.save_edit(tmp_path / "e.npz", EDITS[name])
    found = checkpoint.load_edit(tmp_path / "e.npz")
    assert type(found) is type(EDITS[name])
    assert jax.tree.structure(found) == jax.tree.structure(EDITS[name])
    assert equal(found, EDITS[name])
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(found))


def test_an_edit_file_is_read_without_us(tmp_path):
    """The header's keys and the members' names are a promise to other readers."""
    checkpoint.save_edit(tmp_path / "e.npz", FULL)
    with np.load(tmp_path / "e.npz", allow_pickle=False) as file:
        header = json.loads(file["header"].tobytes().decode("utf-8"))
        np.testing.assert_array_equal(file["vectors"], FULL.vectors)
        np.testing.assert_array_equal(file["report/values"], FULL.report["values"])
    assert header["kind"] == "directions"
    assert header["version"] == 1
    assert header["layers"] == [0, 3]
    assert header["names"] == list(FULL.names)
    assert {"space", "method", "generator"} < header.keys()
    assert header["facts"]["rank"] == 7
    assert header["facts"]["größe/größer"] == {"a": [1, 2.5, ["x"]], "": {}}
    assert header["facts"]["settings"] == [[0, 1], [2, 3]]


def test_the_same_edit_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        checkpoint.save_edit(tmp_path / name, FULL)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_saving_replaces_and_a_failure_does_not(tmp_path):
    path = tmp_path / "e.npz"
    checkpoint.save_edit(path, FULL)
    checkpoint.save_edit(path, PLAIN)
    broken = dataclasses.replace(PLAIN, method=object())
    with pytest.raises(TypeError, match="JSON"):
        checkpoint.save_edit(path, broken)
    assert equal(checkpoint.load_edit(path), PLAIN)
    assert [entry.name for entry in tmp_path.iterdir()] == ["e.npz"]


@flax.struct.dataclass(eq=False)
class Walk:
    """A user's own edit, with nested parameters and static values."""

    params: dict
    origin: jax.Array | None
    extra: dict
    space: str = flax.struct.field(pytree_node=False)
    shape: tuple[tuple[int, ...], ...] = flax.struct.field(pytree_node=False)
    rate: float | None = flax.struct.field(pytree_node=False, default=None)


def walk(**changes):
    params = {"dense.0": {"kernel": jnp.ones((2, 2)), "b/c": {"d": jnp.zeros(1)}}}
    values = dict(params=params, origin=None, extra={}, space="z", shape=((1, 2), (3,)))
    return Walk(**values | changes)


@pytest.fixture
def registered():
    register_edit("walk of a test")(Walk)
    yield
    del EDIT_KINDS["walk of a test"]


@pytest.mark.usefixtures("registered")
def test_an_edit_class_of_ones_own_comes_back(tmp_path):
    for made in (walk(), walk(origin=jnp.ones(3), extra={"a": jnp.ones(1)}, rate=0.5)):
        checkpoint.save_edit(tmp_path / "e.npz", made)
        found = checkpoint.load_edit(tmp_path / "e.npz")
        assert type(found) is Walk
        assert jax.tree.structure(found) == jax.tree.structure(made)
        assert equal(found, made)
        hash(jax.tree.structure(found))


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"origin": object()}, "origin: not an array"),
        ({"params": {1: jnp.ones(1)}}, "expected"),
        ({"space": object()}, "JSON"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(tmp_path, changes, message):
    with pytest.raises(TypeError, match=message):
        checkpoint.save_edit(tmp_path / "e.npz", walk(**changes))
    assert not list(tmp_path.iterdir())


def test_classes_that_no_file_could_name_are_refused(tmp_path):
    with pytest.raises(
        TypeError, match=r"edit: Walk given; of the kinds .'deformation', 'directions'"
    ):
        checkpoint.save_edit(tmp_path / "e.npz", walk())


def test_fields_that_a_file_uses_itself_are_refused(tmp_path):
    cls = flax.struct.dataclass(type("Bad", (), {"__annotations__": {"header": dict}}))
    register_edit("bad")(cls)
    try:
        with pytest.raises(TypeError, match="edit: its field 'header' needs another"):
            checkpoint.save_edit(tmp_path / "e.npz", cls(header={}))
    finally:
        del EDIT_KINDS["bad"]


@pytest.mark.usefixtures("registered")
def test_an_unknown_kind_is_named(tmp_path, monkeypatch):
    checkpoint.save_edit(tmp_path / "e.npz", walk())
    monkeypatch.delitem(EDIT_KINDS, "walk of a test")
    with pytest.raises(
        CheckpointError, match=r"kind 'walk of a test'; \['deformation', 'directions'"
    ):
        checkpoint.load_edit(tmp_path / "e.npz")


def members(edit, tmp_path):
    checkpoint.save_edit(tmp_path / "good.npz", edit)
    with zipfile.ZipFile(tmp_path / "good.npz") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archived(members, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def with_header(good, **changes):
    header = json.loads(np.load(io.BytesIO(good["header.npy"])).tobytes()) | changes
    header = {name: value for name, value in header.items() if value is not ...}
    encoded = np.frombuffer(json.dumps(header).encode(), np.uint8)
    return archived(good | {"header.npy": npy(encoded)})


HOSTILE = {
    "an object array": lambda good: archived(
        good | {"vectors.npy": npy(np.array([{}], object), allow_pickle=True)}
    ),
    "an object header": lambda good: archived(
        good | {"header.npy": npy(np.array([{}], object), allow_pickle=True)}
    ),
    "no header": lambda good: archived({"vectors.npy": good["vectors.npy"]}),
    "no vectors": lambda good: archived(
        {name: value for name, value in good.items() if name != "vectors.npy"}
    ),
    "no array but a value": lambda good: with_header(
        {name: value for name, value in good.items() if name != "vectors.npy"},
        vectors=0,
    ),
    "another array": lambda good: archived(good | {"more.npy": npy(np.ones(1))}),
    "no numpy member": lambda good: archived(good | {"vectors.npy": b"abc"}),
    "a giant shape": lambda good: archived(
        good
        | {"vectors.npy": npy(np.ones(2)).replace(b"(2,)", b"(1" + b"0" * 15 + b",)")}
    ),
    "a compressed bomb": lambda good: archived(
        good | {"vectors.npy": npy(np.zeros((2, 2_000_000)))}, zipfile.ZIP_DEFLATED
    ),
    "a header of bytes": lambda good: archived(
        good | {"header.npy": npy(np.frombuffer(b"\xff\xfe", np.uint8))}
    ),
    "a header that is a list": lambda good: archived(
        good | {"header.npy": npy(np.frombuffer(b"[]", np.uint8))}
    ),
    "a deep header": lambda good: archived(
        good | {"header.npy": npy(np.frombuffer(b"[" * 100_000, np.uint8))}
    ),
    "another kind": lambda good: with_header(good, kind="poem"),
    "a kind that is a list": lambda good: with_header(good, kind=[]),
    "another version": lambda good: with_header(good, version=2),
    "no version": lambda good: with_header(good, version=...),
    "no space": lambda good: with_header(good, space=...),
    "another field": lambda good: with_header(good, colour="red"),
    "a value beside an array": lambda good: with_header(good, vectors=None),
    "an array as a value": lambda good: with_header(good, vectors=[[1.0]]),
    "an unknown dtype": lambda good: with_header(good, dtypes={"vectors": "poem"}),
    "a dtype of nothing": lambda good: with_header(good, dtypes={"none": "bfloat16"}),
    "an array file": lambda good: good["vectors.npy"],
    "a pickle": lambda good: pickle.dumps({"kind": "directions"}),
    "nothing": lambda good: b"",
    "text": lambda good: b"a letter to a friend",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_files_of_another_make_are_refused(tmp_path, name):
    (tmp_path / "bad.npz").write_bytes(HOSTILE[name](members(PLAIN, tmp_path)))
    with pytest.raises(CheckpointError, match=r"bad\.npz: not an edit, or damaged"):
        checkpoint.load_edit(tmp_path / "bad.npz")


def test_the_hostile_files_are_hostile_in_one_way_each(tmp_path):
    (tmp_path / "same.npz").write_bytes(with_header(members(PLAIN, tmp_path)))
    assert equal(checkpoint.load_edit(tmp_path / "same.npz"), PLAIN)


def refused(path, content):
    path.write_bytes(content)
    try:
        checkpoint.load_edit(path)
    except CheckpointError:
        return True
    return False


def test_every_truncated_edit_is_refused(tmp_path):
    checkpoint.save_edit(tmp_path / "good.npz", FULL)
    content = (tmp_path / "good.npz").read_bytes()
    lengths = [*range(0, len(content), 97), len(content) - 1]
    kept = [n for n in lengths if not refused(tmp_path / "bad.npz", content[:n])]
    assert kept == []


def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path):
    """Zip guards the members by a checksum each, but not every field about them."""
    checkpoint.save_edit(tmp_path / "good.npz", FULL)
    content = (tmp_path / "good.npz").read_bytes()
    rng = np.random.default_rng(0)
    noticed = 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        if refused(tmp_path / "bad.npz", damaged):
            noticed += 1
        else:
            assert equal(checkpoint.load_edit(tmp_path / "bad.npz"), FULL)
    assert noticed > 150


def test_random_bytes_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    for head in (b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x04"):
        for size in (10, 300):
            assert refused(tmp_path / "bad.npz", head + rng.bytes(size))


def test_a_missing_file_is_no_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        checkpoint.load_edit(tmp_path / "missing.npz")
    with pytest.raises(CheckpointError):
        checkpoint.load_edit(tmp_path)


def test_arrays_under_any_name(tmp_path):
    arrays = {"file": np.arange(2), "w+": np.ones((1, 2)), "a.npy": np.float32(1)}
    checkpoint.save_arrays(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert {name: found[name].tobytes() for name in found.files} == {
            name: array.tobytes() for name, array in arrays.items()
        }
