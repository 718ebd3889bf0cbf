"""Directions written for other programs, and read back."""

import dataclasses
import pickle
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from artefact_files import cache, named_direction, normal, same, unit, write

from converters import import_edit
from converters.artefacts.exporting import LAYOUTS, LINEAR_LAYOUTS, export_edit
from jaxlatent.edits.base import as_facts
from jaxlatent.edits.directions import directions
from jaxlatent.edits.rbf import rbf_field
from jaxlatent.types import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore::jaxlatent.GuessWarning")

K, L, D = 4, 3, 6
VECTORS = unit(normal(0, K, D)).astype(np.float32)
SCALE = np.linspace(2, 0.5, K, dtype=np.float32)
MEAN = normal(1, D).astype(np.float32)
REPORT = {
    "stdev": SCALE * 1.01,
    "variance_ratio": SCALE**2 / 10,
    "random_stdev": np.full(K, 0.3, np.float32),
}
PLAIN = directions(VECTORS, space="w")
COMPONENTS = directions(
    VECTORS, space="w", scale=SCALE, mean=MEAN, report=REPORT, method="ganspace"
)
LAYERED = directions(unit(normal(2, 2, L, D)).astype(np.float32), space="w+")
FEATURE = directions(VECTORS, space="feature:b8", scale=SCALE, mean=MEAN)


def equal(ours, theirs, *, without=()):
    """Equal to the last bit, and of one type."""
    for field in dataclasses.fields(theirs):
        left, right = getattr(ours, field.name), getattr(theirs, field.name)
        if field.name in without:
            continue
        if field.name == "report":
            assert left.keys() == right.keys()
            pairs = [(left[name], right[name]) for name in right]
        elif field.metadata.get("pytree_node", True):
            pairs = [(left, right)]
        else:
            assert left == right, field.name
            continue
        for one, other in pairs:
            assert (one is None) == (other is None), field.name
            if other is not None:
                assert one.dtype == other.dtype, field.name
                np.testing.assert_array_equal(one, other, field.name)


# bare arrays


@pytest.mark.parametrize("edit", [PLAIN, LAYERED, FEATURE], ids=lambda e: e.space)
def test_vectors_as_they_are(tmp_path, edit):
    export_edit(edit, tmp_path / "a.npy", layout="npy")
    found = np.load(tmp_path / "a.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, edit.vectors)
    space = "w+" if edit is LAYERED else "w"
    again = import_edit(tmp_path / "a.npy")
    same(again.vectors, edit.vectors)
    assert again.space == space


def test_short_floats_that_numpy_does_not_know_are_widened(tmp_path):
    edit = directions(jnp.asarray(VECTORS, jnp.bfloat16), space="w")
    export_edit(edit, tmp_path / "a.npy", layout="npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.float32(edit.vectors))


@pytest.mark.parametrize(
    ("layout", "dtype", "name"),
    [
        ("interfacegan", np.float64, "stylegan_ffhq_age_w_boundary.npy"),
        ("lowrankgan", np.float64, "directions/ffhq1024/age.npy"),
        ("resefa", np.float32, "directions/ffhq/stylegan2/age.npy"),
    ],
)
def test_one_direction(tmp_path, layout, dtype, name):
    edit = directions(VECTORS * 3, space="w", bias=SCALE, names=["a", "b", "age", "d"])
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    export_edit(edit, path, layout=layout, index=2)
    assert path.read_bytes()[:8] == b"\x93NUMPY\x01\x00"
    found = np.load(path)
    assert (found.shape, found.dtype, found.flags.c_contiguous) == ((1, D), dtype, True)
    assert abs(np.linalg.norm(found) - 1) < (1e-15 if dtype == np.float64 else 1e-7)
    again = import_edit(path)
    same(again.vectors, VECTORS[2:3])
    assert (again.method, again.names) == (layout, ("age",))


def test_one_direction_of_one_needs_no_index(tmp_path):
    export_edit(PLAIN.select([1]), tmp_path / "a.npy", layout="interfacegan")
    same(np.load(tmp_path / "a.npy"), VECTORS[1:2])


# GANSpace


def test_component_caches_of_w(tmp_path):
    path = tmp_path / "stylegan2-ffhq_style_ipca_c4_n1000_w.npz"
    export_edit(COMPONENTS, path, layout="ganspace")
    with np.load(path, allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
    assert {name: (a.shape, a.dtype.name) for name, a in found.items()} == {
        "act_comp": ((K, 1, D), "float32"),
        "act_mean": ((1, D), "float32"),
        "act_stdev": ((K,), "float32"),
        "lat_comp": ((K, 1, D), "float32"),
        "lat_mean": ((1, D), "float32"),
        "lat_stdev": ((K,), "float32"),
        "var_ratio": ((K,), "float32"),
        "random_stdevs": ((K,), "float32"),
    }
    np.testing.assert_array_equal(found["act_comp"], found["lat_comp"])
    np.testing.assert_array_equal(found["act_stdev"], REPORT["stdev"])
    again = import_edit(path)
    same(again.vectors, VECTORS)
    same(again.scale, SCALE)
    equal(again, COMPONENTS, without=("vectors", "scale"))


@pytest.mark.parametrize("of_z", [True, False])
@pytest.mark.parametrize("feature", [(5,), (2, 3, 5)])
def test_component_caches_of_layers_go_round(tmp_path, of_z, feature):
    found = cache(feature=feature, of_z=of_z)
    path = write(tmp_path, "a.npz", found)
    latents = import_edit(path)
    features = import_edit(path, part="activation", layer="b8")
    shape = None if len(feature) == 1 else (feature[1], feature[2], feature[0])
    export_edit(
        latents,
        tmp_path / "b.npz",
        layout="ganspace",
        activations=features,
        feature_shape=shape,
    )
    with np.load(tmp_path / "b.npz") as again:
        assert set(again.files) == set(found)
        for name, array in found.items():
            assert again[name].shape == array.shape, name
            same(again[name], array)


def test_one_spread_for_all_is_repeated(tmp_path):
    edit = dataclasses.replace(
        COMPONENTS,
        report={k: v for k, v in COMPONENTS.report.items() if k != "random_stdev"},
        facts=as_facts({"random_stdev": 0.25}),
    )
    export_edit(edit, tmp_path / "a.npz", layout="ganspace", index=1)
    with np.load(tmp_path / "a.npz") as found:
        assert found["random_stdevs"].tolist() == [0.25]
        same(found["lat_comp"], VECTORS[1:2, None])


@pytest.mark.parametrize("layout", ["ganspace", "ganspace-direction", "pca-pt"])
def test_lengths_go_into_the_scale(tmp_path, layout):
    lengths = np.float32([2, 1, 0.5, 3])
    edit = dataclasses.replace(COMPONENTS, vectors=VECTORS * lengths[:, None])
    path = tmp_path / "a.bin"
    strength = {"strength": 1.0} if layout == "ganspace-direction" else {}
    export_edit(edit, path, layout=layout, index=3, **strength)
    again = import_edit(path)
    same(again.vectors, VECTORS[3:])
    same(again.scale, SCALE[3:] * 3)


def unpickled(path):
    """What the stock unpickler makes of a file, whatever NumPy says of its names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return pickle.loads(path.read_bytes())


def test_named_directions(tmp_path):
    edit = dataclasses.replace(COMPONENTS, layers=(2, 3, 4)).rename({1: "light"})
    path = tmp_path / "light.pkl"
    facts = {"model_name": "StyleGAN2", "output_class": "ffhq", "truncation": 0.7}
    export_edit(
        edit, path, layout="ganspace-direction", index=1, strength=-2.8, facts=facts
    )
    content = path.read_bytes()
    assert content[:2] == b"\x80\x03"
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in content
    found = unpickled(path)
    arrays = {name: found.pop(name) for name in ("lat_comp", "act_comp")}
    for array in arrays.values():
        assert array.dtype == np.float32
        same(array, VECTORS[1:2])
    assert found.pop("lat_stdev") == pytest.approx(SCALE[1], rel=1e-6)
    assert found.pop("act_stdev") == pytest.approx(REPORT["stdev"][1], rel=1e-6)
    assert found.pop("decomposition").keys() >= {"name", "components", "layer"}
    assert found == {
        "name": "light",
        "sigma_range": -2.8,
        "component_index": 1,
        "latent_space": "W",
        "model_name": "StyleGAN2",
        "output_class": "ffhq",
        "edit_type": "latent",
        "truncation": 0.7,
        "edit_start": 2,
        "edit_end": 5,
        "example_seed": 0,
    }
    assert set(named_direction()) - {"use_slerp"} == {
        *found,
        *arrays,
        *("lat_stdev", "act_stdev", "decomposition"),
    }


@pytest.mark.parametrize("space", ["W", "Z"])
@pytest.mark.parametrize(("start", "end"), [(0, -1), (2, 5)])
def test_named_directions_go_round(tmp_path, space, start, end):
    found = named_direction(latent_space=space, edit_start=start, edit_end=end)
    path = write(tmp_path, "a.pkl", found)
    edit = import_edit(path)
    features = import_edit(path, part="activation", layer="b8")
    export_edit(
        edit,
        tmp_path / "b.pkl",
        layout="ganspace-direction",
        activations=features,
        feature_shape=(2, 2, 3),
    )
    again = import_edit(tmp_path / "b.pkl")
    same(again.vectors, edit.vectors)
    equal(again, edit, without=("vectors",))
    written = unpickled(tmp_path / "b.pkl")
    same(written["act_comp"], found["act_comp"])
    assert (written["edit_start"], written["edit_end"]) == (start, end)


def test_pca_files(tmp_path):
    export_edit(COMPONENTS, tmp_path / "ffhq_pca.pt", layout="pca-pt")
    again = import_edit(tmp_path / "ffhq_pca.pt")
    same(again.vectors, VECTORS)
    equal(again, COMPONENTS, without=("vectors", "report"))


@pytest.mark.torch
def test_torch_reads_pca_files(tmp_path):
    torch = pytest.importorskip("torch")
    export_edit(COMPONENTS, tmp_path / "ffhq_pca.pt", layout="pca-pt")
    found = torch.load(tmp_path / "ffhq_pca.pt", weights_only=True)
    assert list(found) == ["mean", "comp", "std"]
    expected = {"mean": MEAN[None], "comp": VECTORS[:, None], "std": SCALE}
    for name, array in expected.items():
        assert found[name].dtype == torch.float32
        same(found[name].numpy(), array)


# safetensors

EVERYTHING = directions(
    VECTORS * 3,
    space="w",
    scale=SCALE,
    mean=MEAN,
    bias=SCALE - 1,
    report={
        "gain/of": SCALE,
        "__metadata__": SCALE + 1,
        "": np.ones(K, np.float16),
        "short": jnp.ones(K, jnp.bfloat16),
    },
    facts={
        "gain/of": 1.5,
        "__metadata__": 3,
        "": [None, [True, "ü"], {"a": {"b": []}}],
        "condition": np.inf,
        "array": np.arange(4).reshape(2, 2),
    },
    layers=[1, 4],
    names=["a", "b | c", 'ü "x"', ""],
    method="interfacegan",
    generator="abc",
)


@pytest.mark.parametrize(
    "edit", [EVERYTHING, PLAIN, COMPONENTS, LAYERED, FEATURE], ids=range(5)
)
def test_safetensors_hold_everything(tmp_path, edit):
    export_edit(edit, tmp_path / "a.safetensors", layout="safetensors")
    equal(import_edit(tmp_path / "a.safetensors"), edit)


def test_safetensors_hold_the_chosen_direction(tmp_path):
    export_edit(EVERYTHING, tmp_path / "a", layout="safetensors", index=2)
    equal(import_edit(tmp_path / "a"), EVERYTHING.select([2]))
    assert import_edit(tmp_path / "a", layers="all").layers is None


TENSORS = {"vectors": VECTORS, "scale": SCALE}
TEXTS = {
    "format": "jaxlatent directions 2",
    "space": "w",
    "layers": "null",
    "names": '["a", "b", "c", "d"]',
    "facts": "{}",
    "method": "",
    "generator": "",
}


@pytest.mark.parametrize(
    ("tensors", "texts", "message"),
    [
        ({"vectors": VECTORS[:, :0]}, {}, "vectors: none found"),
        ({"vectors": np.eye(4, dtype=int)}, {}, "vectors: int32"),
        ({"vectors": VECTORS * np.nan}, {}, "vectors: numbers that are not finite"),
        ({"scale": SCALE[:3]}, {}, r"scale: float32 \(3,\) given"),
        ({"scale": None}, {}, "'scale' is missing"),
        ({"vectors": None}, {}, "'vectors' is missing"),
        ({"mean": MEAN[:2]}, {}, r"mean: float32 \(2,\) given"),
        ({}, {"space": "y"}, "space: 'y' given"),
        ({}, {"names": '["a"]'}, "names: 1 given for 4"),
        ({}, {"names": '"abcd"'}, r"names: '\"abcd\"' found; a list of str"),
        (
            {},
            {"names": "[1, 2, 3, 4]"},
            r"names: .\[1, 2, 3, 4\]. found; a list of str",
        ),
        ({}, {"names": "["}, r"names: '\[' found; a list of str"),
        ({}, {"layers": "[-1]"}, r"layers: \(-1,\) given"),
        ({}, {"layers": "3"}, "layers: '3' found; a list of int"),
        ({}, {"layers": "[true]"}, "layers: .* a list of int"),
        ({}, {"layers": "[" * 10**5}, "layers: .* a list of int"),
        ({}, {"method": None}, "'method' is missing"),
        ({}, {"facts": None}, "'facts' is missing"),
        ({}, {"facts": "[1]"}, r"facts: '\[1\]' found; an object is needed"),
        ({}, {"facts": "{"}, "facts: '{' found; an object"),
        ({}, {"facts": '{"a":' * 10**5}, "facts: .* an object"),
        ({"report.a": SCALE[:2]}, {}, r"report: a: float32 \(2,\) given"),
        ({"report.a": np.arange(4)}, {}, r"report: a: int32 \(4,\) given"),
    ],
)
def test_safetensors_that_do_not_fit_are_refused(tmp_path, tensors, texts, message):
    from writer import safetensors

    def kept(entries):
        return {name: v for name, v in entries.items() if v is not None}

    content = safetensors(kept(TENSORS | tensors), kept(TEXTS | texts))
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"a: {message}"):
        import_edit(tmp_path / "a")


# what a layout cannot hold


FIELD = rbf_field(normal(3, K, 2, D), np.ones((K, 2)), np.ones(K), space="w")
GAPS = dataclasses.replace(COMPONENTS, layers=(1, 3)).select([0])
OF_Z = dataclasses.replace(
    PLAIN, space="z", mean=jnp.asarray(MEAN), report=dict(REPORT)
)
REGRESSED = dataclasses.replace(COMPONENTS, report={"latent_stdev": jnp.asarray(SCALE)})
ZERO = directions(VECTORS * 0, space="w", mean=MEAN)
STRENGTH = {"strength": 1.0, "index": 0}


@pytest.mark.parametrize(
    ("edit", "layout", "options", "message"),
    [
        (PLAIN, "poem", {}, "layout: 'poem' given; .'npy', 'interfacegan'"),
        (PLAIN, "interfacegan", {}, "index: missing; 4 directions given"),
        (PLAIN, "lowrankgan", {}, "index: missing"),
        (PLAIN, "resefa", {}, "index: missing"),
        (PLAIN, "ganspace-direction", {"strength": 1.0}, "index: missing"),
        (LAYERED, "interfacegan", {"index": 0}, "edit: one vector per layer given"),
        (LAYERED, "resefa", {"index": 0}, "edit: one vector per layer given"),
        (FEATURE, "interfacegan", {"index": 0}, "edit: directions of 'feature:b8' giv"),
        (FEATURE, "ganspace", {}, "edit: directions of 'feature:b8' given"),
        (OF_Z, "lowrankgan", {"index": 0}, "edit: directions of 'z' given"),
        (OF_Z, "pca-pt", {}, "edit: directions of 'z' given"),
        (LAYERED, "pca-pt", {}, r"edit: directions of 'w\+' given"),
        (ZERO, "pca-pt", {}, "edit: a direction that is zero or not finite"),
        (PLAIN, "pca-pt", {}, "edit: without a mean, which the layout 'pca-pt' needs"),
        (PLAIN, "ganspace", {}, "edit: without a mean"),
        (
            dataclasses.replace(COMPONENTS, report={}),
            "ganspace",
            {},
            "edit: its report has no 'variance_ratio'",
        ),
        (REGRESSED, "ganspace", {}, "activations: missing; these directions belong to"),
        (OF_Z, "ganspace", {}, "activations: missing"),
        (OF_Z, "ganspace-direction", STRENGTH, "activations: missing"),
        (
            dataclasses.replace(OF_Z, scale=jnp.asarray(SCALE)),
            "ganspace",
            {"activations": FEATURE},
            "edit: directions of 'z' with other scales than one",
        ),
        (OF_Z, "ganspace", {"activations": PLAIN}, "activations: 4 directions of 'w'"),
        (
            *(OF_Z, "ganspace", {"activations": FEATURE.select([0])}),
            "activations: 1 directions of 'feature:b8' given; 4 of a feature",
        ),
        (
            *(OF_Z, "ganspace", {"activations": FEATURE, "feature_shape": (1, 2, 4)}),
            r"feature_shape: \(1, 2, 4\) given for activations of dimension 6",
        ),
        (
            *(COMPONENTS, "ganspace", {"feature_shape": (1, 2, 3)}),
            "feature_shape: given without activations",
        ),
        (COMPONENTS, "ganspace-direction", {"index": 0}, "strength: missing"),
        (GAPS, "ganspace-direction", STRENGTH, r"edit: layers \(1, 3\) given"),
        (
            *(COMPONENTS, "ganspace-direction", STRENGTH | {"facts": {"name": "a"}}),
            r"facts: \['name'\] given; \('model_name', ",
        ),
        (
            *(COMPONENTS, "ganspace-direction"),
            STRENGTH | {"facts": {"decomposition": [1]}},
            "facts: a list cannot be written",
        ),
        (PLAIN, "npy", {"strength": 1.0}, "strength: given, but the layout 'npy' has"),
        (PLAIN, "pca-pt", {"facts": {}}, "facts: given, but the layout 'pca-pt' has"),
        (
            dataclasses.replace(PLAIN, report={"wave": np.ones(2, complex)}),
            *("safetensors", {}),
            "edit: report.wave: arrays of complex128 cannot be written",
        ),
    ],
)
def test_what_a_layout_cannot_hold_is_refused(tmp_path, edit, layout, options, message):
    path = tmp_path / "a"
    path.write_text("older")
    with pytest.raises(ValueError, match=message):
        export_edit(edit, path, layout=layout, **options)
    assert path.read_text() == "older"


@pytest.mark.parametrize("layout", [*LINEAR_LAYOUTS, "deformator"])
def test_edits_that_are_not_linear_are_refused(tmp_path, layout):
    with pytest.raises(TypeError, match=r"^edit: a RBFField given; linear directions"):
        export_edit(FIELD, tmp_path / "a", layout=layout)
    if layout.startswith("ganspace"):
        with pytest.raises(TypeError, match=r"^activations: a RBFField given; linear"):
            export_edit(COMPONENTS, tmp_path / "a", layout=layout, activations=FIELD)
    assert not list(tmp_path.iterdir())


def test_an_index_out_of_range_is_refused(tmp_path):
    with pytest.raises(IndexError, match="index: 4 given; there are 4 directions"):
        export_edit(PLAIN, tmp_path / "a", layout="npy", index=4)


def test_the_documentation_names_every_layout():
    assert export_edit.__doc__ is not None
    for layout in LAYOUTS:
        assert f'| "{layout}" |' in export_edit.__doc__
