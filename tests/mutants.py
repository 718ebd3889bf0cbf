"""State dicts that lie: recorded ones with a few tensors changed, by a seed."""

import random

import numpy as np

NUMBERS = ("9999999999", "99", "7", "0", "-1", "\u0663", "1" * 5000)
ODD = (3, 2.5, None, "text", b"bytes", [1, 2], {}, {"a": 1}, (), True, {1, 2})


def _shapes(draw, tensor):
    """Another array under the same name."""
    shape = list(tensor.shape)
    axis = draw.randrange(len(shape)) if shape else 0
    return draw.choice(
        (
            tensor[None],
            tensor.reshape(-1),
            np.zeros((), tensor.dtype),
            np.zeros([*shape[:axis], 0, *shape[axis + 1 :]], tensor.dtype),
            np.zeros([*shape[:axis], 3, *shape[axis + 1 :]], tensor.dtype),
            np.zeros(shape[:-1], tensor.dtype),
            np.zeros(shape[::-1], tensor.dtype),
            np.broadcast_to(
                np.float32(1), [*shape[:axis], 1 << 20, *shape[axis + 1 :]]
            ),
            tensor.astype(np.int64),
            tensor.astype(bool),
            tensor.astype(np.complex64),
            np.full(tensor.shape, None, object),
            np.asarray(tensor, "f8")[..., ::-1] if shape else tensor,
            np.full(tensor.shape, np.nan, np.float32),
        )
    )


def _names(draw, name):
    """Another name for the same tensor."""
    parts = name.split(".")
    index = draw.randrange(len(parts))
    numbered = [i for i, part in enumerate(parts) if any(c.isdigit() for c in part)]
    if numbered and draw.random() < 0.6:
        index = draw.choice(numbered)
        stem = parts[index].rstrip("0123456789")
        return ".".join(
            [*parts[:index], stem + draw.choice(NUMBERS), *parts[index + 1 :]]
        )
    return draw.choice(
        (
            f"module.{name}",
            name.upper(),
            name + ".",
            "." + name,
            name.replace(".", "..", 1),
            ".".join(parts[index:]),
            ".".join([*parts[:index], *parts]),
            "",
            "a." * 400 + name,
            name + "x" * 3000,
            "\x1b[31m" + name,
            "n\nn" + name,
            name.replace("weight", "bias"),
            5,
            2.5,
            None,
            (name,),
        )
    )


def _dicts(tree):
    """Every dict of tensors in a file's content."""
    if isinstance(tree, dict):
        if any(isinstance(value, np.ndarray) for value in tree.values()):
            yield tree
        for value in tree.values():
            yield from _dicts(value)


def _copy(tree):
    return {k: _copy(v) for k, v in tree.items()} if isinstance(tree, dict) else tree


def mutant(content, seed):
    """A file's content with one to three of its tensors changed."""
    draw = random.Random(seed)
    content = _copy(content)
    for _ in range(draw.randint(1, 3)):
        state = draw.choice(list(_dicts(content)) or [content])
        name = draw.choice([n for n in state if isinstance(n, str)] or [""])
        tensor = state.get(name)
        if not isinstance(tensor, np.ndarray) or tensor.dtype == object:
            continue
        match draw.randrange(7):
            case 0:
                state[_names(draw, name)] = state.pop(name)
            case 1:
                state[_names(draw, name)] = tensor
            case 2:
                del state[name]
            case 3 | 4:
                state[name] = _shapes(draw, tensor)
            case 5:
                state[name] = draw.choice(ODD)
            case 6:
                stem = name.rpartition(".")[0]
                for other in [n for n in state if str(n).startswith(stem)]:
                    state.pop(other)
    return content
