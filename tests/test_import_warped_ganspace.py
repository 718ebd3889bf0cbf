"""WarpedGANSpace's files, as its programs write them."""

import hashlib
import json

import numpy as np
import pytest
from artefact_files import normal, write
from helpers import golden, ok, run_file

import jaxlatent
from converters import CheckpointError, export_edit, import_edit, load_codes
from converters.artefacts.warped_ganspace import (
    code_hash,
    find_experiment,
    read_arguments,
    read_path_codes,
    read_pool,
    write_pool,
)
from jaxlatent.edits.directions import directions
from jaxlatent.edits.rbf import RBFField
from jaxlatent.evaluation.paths import follow_paths, path_strengths
from jaxlatent.guesses import GuessWarning

RECORDED = golden("wgs_support_sets_a")
STATE = {
    name: RECORDED[f"cfg0/trained/{name}"]
    for name in ("SUPPORT_SETS", "ALPHAS", "LOGGAMMA")
}
K, D = 4, 6


def experiment(folder, arguments, **files):
    """A folder as the trainer leaves it."""
    for name, value in files.items():
        write(folder, f"models/{name.replace('__', '-')}.pt", value)
    (folder / "args.json").write_text(json.dumps(arguments))
    return folder


def test_paths_of_the_original_from_its_file(tmp_path):
    file = write(tmp_path, "support_sets.pt", STATE)
    with pytest.warns(GuessWarning, match="taken for paths of z, .* space='w' for"):
        edit = import_edit(file)
    assert isinstance(edit, RBFField)
    assert (edit.space, edit.step, edit.steps) == ("z", 0.2, 16)
    assert edit.names[3] == "path 3"
    step, steps = RECORDED["cfg0/trav/eps_steps"]
    codes = follow_paths(edit, RECORDED["cfg0/z"][:1], path_strengths(step, int(steps)))
    np.testing.assert_allclose(codes[:, 0], RECORDED["cfg0/trav/codes"], atol=1e-5)
    assert import_edit(file, space="w").space == "w"
    np.testing.assert_allclose(
        edit.report["gamma"], np.exp(STATE["LOGGAMMA"][:, 0]), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "space", "step", "steps"),
    [
        ({"gan_type": "SNGAN_MNIST"}, "z", 0.2, 16),
        ({"gan_type": "SNGAN_AnimeFaces"}, "z", 0.25, 24),
        ({"gan_type": "StyleGAN2", "shift_in_w_space": True}, "w", 0.15, 20),
        ({"gan_type": "StyleGAN2", "stylegan2_w_shift": True}, "w", 0.15, 20),
        ({"gan_type": "StyleGAN2", "stylegan2_w_shift": False}, "z", 0.15, 20),
    ],
)
def test_an_experiment_tells_where_its_paths_are(
    tmp_path, arguments, space, step, steps
):
    folder = experiment(tmp_path / "exp", arguments, support_sets=STATE)
    for source in (folder, folder / "models" / "support_sets.pt"):
        edit = import_edit(source)
        assert isinstance(edit, RBFField)
        assert (edit.space, edit.step, edit.steps) == (space, step, steps)
        assert edit.facts["arguments"]["gan_type"] == arguments["gan_type"]


def test_the_last_support_sets_of_an_experiment_are_taken(tmp_path):
    wrapped = {
        "iter": 7,
        "support_sets": {f"module.{name}": value for name, value in STATE.items()},
        "reconstructor": {"a": np.zeros(2, np.float32)},
    }
    folder = experiment(tmp_path / "exp", {"gan_type": "ProgGAN"}, checkpoint=wrapped)
    found = find_experiment(folder)
    assert found.support_sets == found.reconstructor == folder / "models/checkpoint.pt"
    assert found.start is None
    np.testing.assert_array_equal(import_edit(folder).weights, STATE["ALPHAS"])
    for number in (900, 1000):
        other = STATE | {"ALPHAS": number * STATE["ALPHAS"]}
        write(folder, f"models/support_sets-{number}.pt", other)
    write(folder, "models/support_sets_init.pt", STATE)
    assert find_experiment(folder).support_sets.name == "support_sets-1000.pt"
    assert find_experiment(folder).start is not None
    np.testing.assert_array_equal(import_edit(folder).weights, 1000 * STATE["ALPHAS"])


def test_what_is_written_is_what_was_read(tmp_path):
    edit = import_edit(write(tmp_path, "a.pt", STATE), space="z")
    export_edit(edit, tmp_path / "b.pt", layout="support-sets")
    from converters import read

    again = read(tmp_path / "b.pt").tensors
    assert set(again) == set(STATE)
    for name, value in STATE.items():
        assert again[name].dtype == np.float32
        np.testing.assert_allclose(again[name], value, rtol=1e-6)
    with pytest.raises(TypeError, match="edit: a Directions given; the layout"):
        export_edit(
            directions(np.eye(3), space="z"), tmp_path / "c", layout="support-sets"
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ALPHAS": STATE["ALPHAS"][0]}, r"ALPHAS: shape \(6,\) found; \(any, any\)"),
        ({"SUPPORT_SETS": normal(0, K, 35)}, r"SUPPORT_SETS: shape \(4, 35\) found"),
        ({"LOGGAMMA": np.full((K, 1), np.nan, np.float32)}, "LOGGAMMA: numbers that"),
        ({"LOGGAMMA": np.full((K, 1), 200, np.float32)}, "scales: holds NaN or inf"),
        ({"LOGGAMMA": None}, "LOGGAMMA: no array of real numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path, changes, message):
    file = write(tmp_path, "support_sets.pt", STATE | changes)
    with pytest.raises(CheckpointError, match=message):
        import_edit(file)


def test_arguments_that_are_none(tmp_path):
    (tmp_path / "args.json").write_text("[1]")
    with pytest.raises(CheckpointError, match="list, not a JSON object"):
        read_arguments(tmp_path / "args.json")
    (tmp_path / "models").mkdir()
    (tmp_path / "args.json").write_text("{")
    with pytest.raises(CheckpointError, match="models: no support sets"):
        find_experiment(tmp_path)


def test_pools_are_named_by_hashes(tmp_path):
    codes = normal(3, 3, D).astype(np.float32)
    names = write_pool(tmp_path / "pool", codes, numbered=True)
    digest = hashlib.sha1(codes[1].astype("<f4").tobytes()).hexdigest()
    assert names[1] == f"001_{digest}" == f"001_{code_hash(codes[1])}"
    found = read_pool(tmp_path / "pool")
    assert found.names == names
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(
        load_codes(tmp_path / "pool" / names[2] / "latent_code.pt"), codes[2:]
    )
    write(tmp_path / "pool" / names[0], "latent_code.pt", codes[1:2])
    with pytest.raises(CheckpointError, match="not the code that 000_"):
        read_pool(tmp_path / "pool")
    write(tmp_path / "pool" / names[0], "latent_code.pt", codes)
    with pytest.raises(CheckpointError, match=r"shape \(3, 6\) found; \(1, D\)"):
        read_pool(tmp_path / "pool")
    with pytest.raises(ValueError, match=r"codes: shape \(6,\) given"):
        write_pool(tmp_path / "pool", codes[0])


def test_codes_along_paths(tmp_path):
    codes = RECORDED["cfg0/trav/codes"]
    file = write(tmp_path, "paths_latent_codes.pt", codes)
    np.testing.assert_array_equal(read_path_codes(file), codes)
    with pytest.raises(CheckpointError, match=r"\(K, 2 T \+ 1, D\) is accepted"):
        read_path_codes(write(tmp_path, "b.pt", codes[:, 1:]))


def test_commands_take_experiments_rankings_and_pools(workplace, capsys):
    experiment(workplace / "exp", {"gan_type": "SNGAN_MNIST"}, support_sets=STATE)
    ranked = {"corr": {"age": [2, 0, 1, 3], "smile": [0, 1, 2, 3], "pose": [2, 3]}}
    (workplace / "interpretable_paths.json").write_text(json.dumps(ranked))
    ok("import", "exp", "paths.npz", "--ranking", "interpretable_paths.json")
    assert "4 directions of warpedganspace in z" in capsys.readouterr().out
    edit = jaxlatent.load_edit("paths.npz")
    assert edit.names == ("smile", "path 1", "age, pose", "path 3")
    ok("export", "paths.npz", "out.pt", "--layout", "support-sets")
    np.testing.assert_allclose(
        import_edit("out.pt", space="z").supports, edit.supports, rtol=1e-6
    )
    faces = jaxlatent.loading.load("faces")
    codes = normal(4, 2, faces.config.z_dim).astype(np.float32)
    write_pool("pool", codes)
    ok("sample", "faces", "--out", "drawn", "--codes", "pool")
    drawn = np.load("drawn/codes.npz")["z"]
    assert {row.tobytes() for row in drawn} == {row.tobytes() for row in codes}
    assert run_file(workplace / "drawn")["files"]
