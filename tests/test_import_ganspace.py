"""GANSpace's caches, named directions and `*_pca.pt`."""

import dataclasses

import numpy as np
import pytest
from artefact_files import broken, cache, named_direction, same, write
from helpers import GOLDEN, golden

from converters import import_edit
from jaxlatent.edits.directions import directions
from jaxlatent.types import CheckpointError


def latent_part(found, *, space, **report):
    return directions(
        found["lat_comp"][:, 0],
        space=space,
        scale=found["lat_stdev"],
        mean=found["lat_mean"][0],
        report={
            "stdev": found["act_stdev"],
            "variance_ratio": found["var_ratio"],
            "random_stdev": found["random_stdevs"],
            **report,
        },
        method="ganspace",
    )


def equal(ours, theirs):
    assert ours.report.keys() == theirs.report.keys()
    for field in dataclasses.fields(theirs):
        left, right = getattr(ours, field.name), getattr(theirs, field.name)
        if field.metadata.get("pytree_node", True) and field.name != "report":
            assert (left is None) == (right is None), field.name
            if right is not None:
                same(left, right)
        elif field.name != "report":
            assert left == right, field.name
    for name, value in theirs.report.items():
        same(ours.report[name], value)
        assert ours.report[name].dtype == value.dtype


@pytest.mark.parametrize(
    ("name", "space", "options"),
    [
        # the latent itself, and a layer behind it
        ("stylegan2-ffhq_style_ipca_c4_n1000000_w", "w", {"feature": ()}),
        ("renamed", "w", {"feature": ()}),
        ("stylegan2-ffhq_convs.3_ipca_c4_n300000_w_seed5", "w", {"of_z": False}),
        ("renamed", "w", {"of_z": False}),
        ("biggan-512-husky_generator.gen_z_ipca_c4_n1000000", "z", {}),
        ("proggan-bedroom_layer1_pca-full_c4_n4000_seed3", "z", {"feature": (2, 3, 3)}),
        ("stylegan-ffhq_conv_ica_c4_w_n1000_w", "w", {}),
    ],
)
def test_component_caches(tmp_path, name, space, options):
    found = cache(**options)
    spread = {"latent_stdev": found["lat_stdev"]}
    has_spread = space == "w" and options != {"feature": ()}
    expected = latent_part(found, space=space, **(spread if has_spread else {}))
    equal(import_edit(write(tmp_path, f"{name}.npz", found)), expected)


def test_component_caches_in_z_and_w_the_original_computed(tmp_path):
    for mode, space in (("w_ipca", "w"), ("z_act_pca", "z")):
        recorded = golden(f"ganspace_compute_{mode}")
        names = [name for name in recorded if name.startswith("out_")]
        found = {name.removeprefix("out_"): recorded[name] for name in names}
        edit = import_edit(write(tmp_path, "components.npz", found))
        equal(edit, latent_part(found, space=space))
        edit = import_edit(tmp_path / "components.npz", part="activation", layer="b8")
        same(edit.vectors, found["act_comp"][:, 0])
        assert (edit.space, len(edit.names)) == ("feature:b8", len(edit))
        same(edit.mean, found["act_mean"][0])
        same(edit.scale, found["act_stdev"])


def test_activations_come_in_our_order(tmp_path):
    found = cache(feature=(2, 3, 5))
    path = write(tmp_path, "proggan-bedroom_layer1_ipca_c4_n4000.npz", found)
    with pytest.raises(ValueError, match="layer: missing; the original's layer 'bedro"):
        import_edit(path, part="activation")
    edit = import_edit(path, part="activation", layer="conv")
    ours = np.moveaxis(found["act_comp"][:, 0], 1, -1)
    assert edit.vectors.shape == (4, 30)
    same(edit.vectors.reshape(4, 3, 5, 2), ours)
    same(edit.mean.reshape(3, 5, 2), np.moveaxis(found["act_mean"][0], 0, -1))


def test_named_directions(tmp_path):
    found = named_direction()
    edit = import_edit(write(tmp_path, "light.pkl", found))
    same(edit.vectors, found["lat_comp"])
    same(edit.scale, [1.0335])
    assert (edit.space, edit.layers, edit.names) == ("w", (2, 3, 4), ("light",))
    assert (edit.method, edit.mean) == ("ganspace", None)
    assert dict(edit.facts) == {
        "sigma_range": -2.8,
        "component_index": 15,
        "truncation": 0.9,
        "example_seed": 123,
    }
    report = {name: value.tolist() for name, value in edit.report.items()}
    assert report == {"stdev": [np.float32(1.044)]}


def test_the_named_direction_of_the_original():
    edit = import_edit(GOLDEN / "ganspace_named_direction.pkl")
    recorded = golden("ganspace_named_direction_expected")
    np.testing.assert_array_equal(edit.vectors, recorded["comp"])
    start, end = int(recorded["edit_start"]), int(recorded["edit_end"])
    assert edit.layers == tuple(range(start, end))
    for ours, theirs in (
        (edit.scale, "lat_stdev"),
        (edit.report["stdev"], "act_stdev"),
    ):
        np.testing.assert_array_equal(ours, [np.float32(recorded[theirs])])
    assert edit.facts["sigma_range"] == recorded["sigma_range"]


@pytest.mark.parametrize(
    ("start", "end", "num_layers", "layers"),
    [
        (0, -1, None, None),
        (0, -1, 18, None),
        (0, 18, 18, None),
        (0, 999, None, None),
        (0, 5, 18, (0, 1, 2, 3, 4)),
        (0, 3, None, (0, 1, 2)),
        (15, -1, 18, (15, 16, 17)),
        (15, 20, 18, (15, 16, 17)),
        (15, 18, None, (15, 16, 17)),
    ],
)
def test_the_end_of_a_range(tmp_path, start, end, num_layers, layers):
    found = named_direction(edit_start=start, edit_end=end)
    path = write(tmp_path, "a.pkl", found)
    assert import_edit(path, num_layers=num_layers).layers == layers


def test_an_open_range_needs_the_number_of_layers(tmp_path):
    path = write(tmp_path, "a.pkl", named_direction(edit_start=3, edit_end=-1))
    with pytest.raises(
        ValueError, match=r"num_layers: missing; .*a\.pkl edits the row"
    ):
        import_edit(path)


def test_named_directions_of_activations(tmp_path):
    path = write(tmp_path, "a.pkl", named_direction(edit_type="activation"))
    with pytest.raises(
        ValueError, match=r"the original's layer 'convs\.3' has another"
    ):
        import_edit(path)
    edit = import_edit(path, layer="b8.conv1")
    assert (edit.space, edit.layers) == ("feature:b8.conv1", None)
    ours = np.moveaxis(named_direction()["act_comp"], 1, -1)
    same(edit.vectors, ours.reshape(1, 12))
    same(edit.scale, [1.044])
    assert import_edit(path, part="latent").space == "w"
    path = write(tmp_path, "b.pkl", named_direction())
    assert import_edit(path, part="activation", layer="b8").space == "feature:b8"


def test_pca_files_of_inversion_projects(tmp_path):
    found = cache(feature=())
    kept = {"mean": "lat_mean", "comp": "lat_comp", "std": "lat_stdev"}
    value = {name: found[theirs] for name, theirs in kept.items()}
    edit = import_edit(write(tmp_path, "ffhq_pca.pt", value))
    expected = dataclasses.replace(latent_part(found, space="w"), report={})
    equal(edit, expected)


# what does not fit


def without(found, *names):
    return {name: value for name, value in found.items() if name not in names}


CACHE = cache()
PCA = {"mean": np.ones((1, 3)), "comp": np.eye(3)[:, None], "std": np.ones(3)}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a.npz", without(CACHE, "lat_mean"), "lat_mean: missing; .'act_comp', 'act_m"),
        ("a.npz", without(CACHE, "lat_comp"), "lat_comp: missing"),
        ("a.npz", without(CACHE, "lat_stdev"), "lat_stdev: missing"),
        (
            "a.npz",
            CACHE | {"lat_stdev": np.ones(3)},
            r"lat_stdev: shape \(3,\) found; \(4\) is needed",
        ),
        ("a.npz", CACHE | {"var_ratio": np.ones((4, 1))}, r"var_ratio: shape \(4, 1\)"),
        (
            "a.npz",
            CACHE | {"lat_mean": np.ones((1, 5))},
            r"\(1, 5\) found; \(1, 6\) is",
        ),
        (
            "a.npz",
            CACHE | {"lat_comp": np.eye(4)},
            r"lat_comp: .* \(any, 1, any\) is n",
        ),
        (
            "a.npz",
            CACHE | {"lat_mean": np.ones((1, 6), int)},
            "lat_mean: no array of re",
        ),
        (
            "a.npz",
            CACHE | {"lat_mean": broken(np.ones((1, 6)))},
            "lat_mean: numbers tha",
        ),
        (
            "a.npz",
            CACHE | {"lat_comp": np.zeros((4, 1, 6))},
            "a direction of length ze",
        ),
        # the latent directions alone
        ("a.pt", without(PCA, "std"), "std: missing"),
        (
            "a.pt",
            PCA | {"std": np.ones(2)},
            r"std: shape \(2,\) found; \(3\) is needed",
        ),
        ("a.pt", PCA | {"mean": np.ones(3)}, r"mean: shape \(3,\) found; \(1, 3\) is"),
        # named directions
        ("a.pkl", named_direction(name=3), "name: 3 found; a text is needed"),
        (
            "a.pkl",
            without(named_direction(), "lat_stdev"),
            "lat_stdev: None found; a num",
        ),
        (
            "a.pkl",
            without(named_direction(), "edit_end"),
            "edit_end: None found; an int",
        ),
        (
            "a.pkl",
            named_direction(edit_end=2),
            "edit_end: rows 2 to 2 found; at least on",
        ),
        ("a.pkl", named_direction(edit_start=-2), "rows -2 to 5 found"),
        ("a.pkl", named_direction(edit_start=True), "edit_start: True found"),
        ("a.pkl", named_direction(latent_space="S"), "latent_space: 'S' found; 'W' or"),
        ("a.pkl", named_direction(lat_stdev=np.nan), "lat_stdev: nan found; a number"),
        (
            "a.pkl",
            named_direction(truncation=1e300),
            r"truncation: 1e\+300 found",
        ),
        (
            "a.pkl",
            named_direction(example_seed=2**31),
            "seed: 2147483648 found; an int",
        ),
        (
            "a.pkl",
            named_direction(lat_comp=np.ones((2, 6))),
            r"lat_comp: shape \(2, 6\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, name, value, message):
    with pytest.raises(CheckpointError, match=rf"a\.\w+: .*{message}"):
        import_edit(write(tmp_path, name, value))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"act_comp": np.ones((4, 1, 2, 2), np.float32)},
            r"act_comp: shape \(4, 1, 2,",
        ),
        ({"act_mean": np.ones((1, 4), np.float32)}, r"act_mean: shape \(1, 4\)"),
        (
            {"act_mean": np.ones((1, 5, 1, 1), np.float32)},
            r"act_mean: shape \(1, 5, 1,",
        ),
        ({"act_stdev": np.ones(3, np.float32)}, r"act_stdev: shape \(3,\)"),
        ({"act_comp": np.ones((4, 1, 5), int)}, "act_comp: no array of real numbers"),
        ({"act_comp": np.zeros((4, 1, 5))}, "a direction of length zero"),
    ],
)
def test_activations_that_do_not_fit_are_refused(tmp_path, changes, message):
    path = write(tmp_path, "a.npz", CACHE | changes)
    with pytest.raises(CheckpointError, match=rf"a\.npz: {message}"):
        import_edit(path, part="activation", layer="b8")


def test_a_cache_without_activations_is_one_of_the_latent(tmp_path):
    kept = {name: CACHE[name] for name in ("lat_comp", "lat_mean", "lat_stdev")}
    edit = import_edit(write(tmp_path, "a.npz", kept))
    assert (edit.space, edit.report) == ("w", {})
    with pytest.raises(CheckpointError, match=r"a\.npz: act_comp: missing"):
        import_edit(tmp_path / "a.npz", part="activation", layer="b8")
