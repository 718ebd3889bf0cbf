"""Files as the original projects write them."""

import io
import pickle

import numpy as np
from writer import safetensors, torch_legacy, torch_zip


def unit(vectors):
    """Rows of length one."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def same(ours, theirs):
    """Equal to rounding in single precision."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


def broken(array):
    changed = np.array(array)
    changed.flat[0] = np.nan
    return changed


def npz_bytes(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def npy_bytes(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def write(folder, name, value):
    """Writes a value in the container that the name's ending tells."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = {
        ".npy": npy_bytes,
        ".npz": lambda value: npz_bytes(**value),
        ".pkl": lambda value: pickle.dumps(value, 3),
        ".safetensors": safetensors,
        ".pt": torch_legacy if "legacy" in name else torch_zip,
    }[path.suffix]
    path.write_bytes(encode(value))
    return path


def cache(seed=0, *, k=4, d=6, feature=(5,), of_z=True):
    """A component cache of GANSpace: of the latent itself if there is no feature."""
    latents = unit(normal(seed, k, d))[:, None]
    stdev = np.linspace(2, 0.5, k)
    found = {
        "lat_comp": latents,
        "lat_mean": normal(seed + 1, 1, d),
        "lat_stdev": np.ones(k) if of_z else stdev * 0.99,
        "act_comp": latents,
        "act_stdev": stdev,
        "var_ratio": stdev**2 / 10,
        "random_stdevs": np.full(k, 0.3),
    }
    found["act_mean"] = found["lat_mean"]
    if feature:
        flat = unit(normal(seed + 2, k, np.prod(feature)))
        found["act_comp"] = flat.reshape(k, 1, *feature)
        found["act_mean"] = normal(seed + 3, 1, *feature)
    else:
        found["lat_stdev"] = stdev * 0.99
    return {name: array.astype(np.float32) for name, array in found.items()}


def named_direction(**changes):
    """A named direction of GANSpace."""
    return {
        "name": "light",
        "sigma_range": np.float64(-2.8),
        "component_index": 15,
        "act_comp": unit(normal(1, 1, 12)).reshape(1, 3, 2, 2).astype(np.float32),
        "lat_comp": unit(normal(2, 1, 6)).astype(np.float32),
        "latent_space": "W",
        "act_stdev": 1.044,
        "lat_stdev": np.float32(1.0335),
        "model_name": "StyleGAN2",
        "output_class": "ffhq",
        "decomposition": {"name": "ipca", "components": 80, "layer": "convs.3"},
        "edit_type": "latent",
        "truncation": 0.9,
        "edit_start": 2,
        "edit_end": 5,
        "example_seed": 123,
        "use_slerp": False,
    } | changes
