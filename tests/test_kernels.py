"""Prepared generators of every family: pictures, gradients, and what may be done."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import CONFIGS, answer, fresh, normal
from flax.traverse_util import flatten_dict, unflatten_dict
from helpers import compilations, error

from jaxlatent import checkpoint
from jaxlatent.generators import base, convolutions, kernels, stylegan3
from jaxlatent.generators.base import fingerprint
from jaxlatent.generators.convolutions import winograd_kernel

FORMS = {"weight", "winograd_kernel", "upsample_kernel", "phase_kernels"}
PLAIN = (
    "functions",
    "rendered",
    "rendered by rows",
    "rendered mapping",
    "sequential",
)
"""Families that have nothing to prepare."""

MEASURED = convolutions.LEAST_CHANNELS, convolutions.LEAST_MAP


@pytest.fixture(scope="module")
def replacing():
    """Every kernel that can be replaced is, of however few channels and pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolutions, "LEAST_CHANNELS", 1)
        patch.setattr(convolutions, "LEAST_MAP", 1)
        yield


@pytest.fixture(scope="module", params=CONFIGS)
def case(request, replacing):
    """A family's generator in float64, prepared; what both draw and its gradients."""
    with jax.enable_x64(True):
        single = fresh(request.param)
        generator = single.replace(params=base.cast(single.params, jnp.float64))
        prepared = generator.prepare()
        codes = normal(1, 2, generator.config.z_dim).astype(jnp.float64)

        def value(generator, codes):
            pictures = answer(generator, codes)
            return jnp.sum(jnp.sin(pictures)), pictures

        gradient = jax.jit(jax.grad(value, has_aux=True))
        of_plain, pictures = gradient(generator, codes)
        of_prepared, prepared_pictures = gradient(prepared, codes)
        yield SimpleNamespace(
            name=request.param,
            single=single,
            generator=generator,
            prepared=prepared,
            codes=codes,
            value=jax.jit(lambda *given: value(*given)[0]),
            pictures=pictures,
            prepared_pictures=prepared_pictures,
            of_plain=of_plain.params,
            of_prepared=of_prepared.params,
        )


def entries(params, names):
    """Every dictionary of a tree that has one of the names, by its path."""
    found = {}
    for path in flatten_dict(params):
        for end in range(len(path)):
            if path[end] in names:
                entry = params
                for key in path[:end]:
                    entry = entry[key]
                found[path[:end]] = entry
    return found


def test_a_layer_keeps_its_kernel_in_one_form(case):
    before = entries(case.generator.params, {"weight"})
    after = entries(case.prepared.params, FORMS)
    assert before.keys() == after.keys()
    replaced = {
        path: entry.keys() & FORMS
        for path, entry in after.items()
        if "weight" not in entry
    }
    assert all(len(entry.keys() & FORMS) == 1 for entry in after.values())
    assert bool(replaced) == (case.name not in PLAIN)
    forms = set().union(*replaced.values())
    expected = {"winograd_kernel", "upsample_kernel"}
    if case.name == "stylegan2":
        expected = {"winograd_kernel", "phase_kernels"}
    if case.name == "stylegan3":
        expected = {"winograd_kernel"}
    assert forms == (set() if case.name in PLAIN else expected)
    square = {path for path, entry in before.items() if entry["weight"].ndim == 4}
    assert replaced.keys() <= square
    last = ("output_layer", "2"), ("generator", "conv_to_rgb"), ("model", "5")
    small = {path for path in square if before[path]["weight"].shape[0] != 3}
    expected = set() if case.name in PLAIN else square - small - set(last)
    assert replaced.keys() == expected


def test_pictures_are_the_same(case):
    assert case.pictures.dtype == jnp.float64
    assert error(case.prepared_pictures, np.asarray(case.pictures)) <= 1e-12


@pytest.mark.parametrize("seed", [1, 2])
def test_gradients_are_finite_differences(case, seed):
    """With respect to each leaf, along a random direction."""
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        flat = jax.tree.map(np.asarray, flatten_dict(case.prepared.params))
        gradients = jax.tree.map(np.asarray, flatten_dict(case.of_prepared))
        worst = 0.0
        for path, leaf in flat.items():
            step = 1e-6 * rng.normal(size=leaf.shape)
            forward, back = (
                case.value(
                    case.prepared.replace(params=unflatten_dict(flat | {path: moved})),
                    case.codes,
                )
                for moved in (leaf + step, leaf - step)
            )
            found = np.sum(gradients[path] * step) / 1e-6
            scale = 1 + np.linalg.norm(gradients[path])
            worst = max(worst, abs(found - (forward - back) / 2e-6) / scale)
        assert worst <= 1e-6


def test_gradients_of_what_stays_are_the_same(case):
    plain, prepared = (
        jax.tree.map(np.asarray, flatten_dict(tree))
        for tree in (case.of_plain, case.of_prepared)
    )
    assert len(plain.keys() & prepared.keys()) > 2
    for path in plain.keys() & prepared.keys():
        scale = max(np.abs(plain[path]).max(), 1e-6)
        assert np.abs(prepared[path] - plain[path]).max() <= 1e-10 * scale, path


def test_gradients_lead_back_to_those_of_the_weights(case):
    """Through `prepare` itself, so that no part of any is lost."""
    prepare = case.generator.family.prepare
    with jax.enable_x64(True):
        params = case.generator.params

        @jax.jit
        def back(params, gradients):
            _, pulled = jax.vjp(lambda p: prepare(p, case.generator.config), params)
            return pulled(gradients)

        of_prepared = {
            name: leaf for name, leaf in case.of_prepared.items() if name != "prepared"
        }
        (found,) = back(params, of_prepared)
    plain, found = (
        jax.tree.map(np.asarray, flatten_dict(tree)) for tree in (case.of_plain, found)
    )
    for path, gradient in found.items():
        scale = max(np.abs(plain[path]).max(), 1e-6)
        assert np.abs(gradient - plain[path]).max() <= 1e-10 * scale, path


def test_no_gradient_is_zero_but_of_what_pictures_do_not_show(case):
    for path, gradient in flatten_dict(case.of_prepared).items():
        gradient = np.asarray(gradient)
        used = path[-1] != "w_avg" and path[0] != "prepared"
        assert (np.abs(gradient).max() > 0) == used, path


def test_preparing_keeps_the_fingerprint_and_happens_once(case):
    prepared = case.single.prepare()
    assert prepared.is_prepared == (case.name not in PLAIN)
    assert not case.single.is_prepared
    assert prepared.prepare() is prepared
    assert fingerprint(prepared) == fingerprint(case.single)
    again = prepared.family.prepare(prepared.params, prepared.config)
    for one, other in zip(
        jax.tree.leaves(again), jax.tree.leaves(prepared.params), strict=True
    ):
        assert one is other
    half = prepared.replace(params=base.cast(prepared.params, jnp.bfloat16))
    if prepared.is_prepared:
        assert fingerprint(half) == fingerprint(case.single)


def test_traced_weights_have_no_fingerprint(case):
    prepared = jax.jit(lambda generator: generator.prepare())(case.single)
    eager = case.single.prepare()
    assert jax.tree.structure(prepared) == jax.tree.structure(eager)
    if case.name not in PLAIN:
        assert prepared.is_prepared
        assert fingerprint(prepared) == ""
        assert prepared.prepare() is prepared


def test_other_prepared_weights_do_not_recompile(case):
    run = jax.jit(lambda generator, codes: answer(generator, codes))
    codes = jnp.asarray(case.codes, jnp.float32)
    first, second = (fresh(case.name, seed).prepare() for seed in (0, 5))
    expected = run(first, codes)
    with compilations() as count:
        found = run(second, codes)
        assert count() == 0
    assert not np.allclose(found, expected, atol=1e-3)


def test_saving_is_refused(case, tmp_path):
    if case.name in PLAIN:
        return
    message = "^generator: prepared; save the one it was prepared from$"
    with pytest.raises(ValueError, match=message):
        checkpoint.save_generator(tmp_path / "g", case.single.prepare())
    assert not list(tmp_path.iterdir())
    checkpoint.save_generator(tmp_path / "g", case.single)
    header = checkpoint.read_header(tmp_path / "g")
    assert header["fingerprint"] == fingerprint(case.single.prepare())


def test_what_describes_weights_is_not_trained(case):
    family = case.single.family
    if case.name in PLAIN:
        return
    mask = flatten_dict(family.trainable(case.single.prepare().params))
    plain = flatten_dict(family.trainable(case.single.params))
    assert not mask["prepared",]
    for path, learned in mask.items():
        if path in plain:
            assert learned == plain[path], path
        elif path[0] != "prepared":
            assert learned == (path[-1] != "energy"), path


def test_a_moved_plane_has_another_fingerprint(replacing):
    prepared = fresh("stylegan3").prepare()
    moved = stylegan3.transformed(prepared.params, np.eye(3))
    assert fingerprint(prepared.replace(params=moved)) == ""


# which layers


@pytest.fixture
def measured(monkeypatch):
    """What is replaced where nobody asks for more."""
    monkeypatch.setattr(convolutions, "LEAST_CHANNELS", MEASURED[0])
    monkeypatch.setattr(convolutions, "LEAST_MAP", MEASURED[1])


def layer(side=3, inputs=96, outputs=96):
    return {"weight": normal(0, side, side, inputs, outputs), "bias": jnp.zeros(96)}


def forms(layer, pixels, **options):
    return kernels.precompute(layer, pixels, **options).keys() - {"bias"}


def test_wide_and_large_layers_are_transformed(measured):
    assert forms(layer(), 256) == {"winograd_kernel"}
    assert forms(layer(), 256, energy=True) == {"winograd_kernel", "energy"}
    assert forms(layer(), 255, energy=True) == {"weight"}
    assert forms(layer(inputs=95), 256) == {"weight"}
    assert forms(layer(outputs=95), 256) == {"weight"}
    assert forms(layer(1), 256) == {"weight"}
    assert forms(layer(), 16, upsample=True) == {"upsample_kernel"}
    assert forms(layer(), 64, transposed=True, energy=True) == {
        "phase_kernels",
        "energy",
    }


def test_other_platforms_keep_kernels_that_they_convolve_by(measured, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    kept = layer()
    assert kernels.precompute(kept, 256, energy=True) is kept
    assert forms(kept, 256, upsample=True) == {"upsample_kernel"}


def test_a_run_time_kernel_is_what_is_kept(measured):
    plain = {"weight": normal(0, 3, 3, 96, 96)}
    found = kernels.precompute(plain, 256, run_time=lambda kernel: 2 * kernel)
    expected = winograd_kernel(2 * plain["weight"])
    assert error(found["winograd_kernel"], np.asarray(expected)) <= 1e-6
    x = normal(1, 1, 4, 4, 96)
    double = partial(kernels.apply_kernel, x, run_time=lambda kernel: 2 * kernel)
    assert error(double(found), np.asarray(double(plain))) <= 1e-5


def test_a_part_of_a_tree_is_changed_and_nothing_else():
    params = {"a": {"b": {"c": 1}, "d": {"e": 2}}}
    found = kernels.at_layer(params, ("a", "b"), lambda part: {"f": part["c"] + 1})
    assert found == {"a": {"b": {"f": 2}, "d": {"e": 2}}}
    assert params == {"a": {"b": {"c": 1}, "d": {"e": 2}}}
    assert found["a"]["d"] is params["a"]["d"]
