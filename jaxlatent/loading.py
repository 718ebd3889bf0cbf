"""One door for generators and networks, wherever they come from."""

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, overload

from jaxlatent import checkpoint
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Discriminator, Generator
from jaxlatent.networks.base import Network

EMBEDDED = {"faces": rendered.embedded}
"""Generators that come with the library."""

Part = Literal["generator", "discriminator", "network"]


@overload
def load(
    source: str | os.PathLike[str],
    *,
    part: Literal["generator"] = ...,
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
) -> Generator: ...
@overload
def load(
    source: str | os.PathLike[str],
    *,
    part: Literal["discriminator"],
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
) -> Discriminator: ...
@overload
def load(
    source: str | os.PathLike[str],
    *,
    part: Literal["network"],
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
) -> Network: ...
def load(
    source: str | os.PathLike[str],
    *,
    part: Part = "generator",
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Generator | Discriminator | Network:
    """A generator, a discriminator or a network that looks at pictures.

    Args:
        source: a folder that `save_generator` wrote; a checkpoint file of PyTorch,
            NVIDIA or safetensors, of which no code is run; "faces", the generator that
            comes with the library; or "module:function", which is imported (modules in
            the current folder first) and called without arguments.
        part: "generator", "discriminator" or "network". Folders and "faces" hold
            generators alone.
        family: of a checkpoint file: its architecture, None to recognise it.
        config: of a checkpoint file: values that replace inferred or assumed ones.

    Raises:
        ValueError: if there is no such source, or it is something else than `part`.
        CheckpointError: if a file or folder is damaged or does not fit.
    """
    text = os.fspath(source)
    is_file = text not in EMBEDDED and is_checkpoint(text)
    if not is_file and (family or config):
        argument = "family" if family else "config"
        raise ValueError(f"{argument}: given, but {text} is no checkpoint file")
    found: Any = None
    if text in EMBEDDED:
        found = EMBEDDED[text]()
    elif checkpoint.is_generator(text):
        found = checkpoint.load_generator(text)
    elif is_file:
        import converters

        return converters.load(text, part=part, family=family, config=config)
    elif ":" in text and not os.path.exists(text):
        found = import_name(text)()
    else:
        reason = (
            "is not a converted folder" if os.path.exists(text) else "does not exist"
        )
        raise ValueError(
            f"source: {text} {reason}; a converted folder, a checkpoint file, "
            f"{', '.join(EMBEDDED)} or module:function is accepted"
        )
    wanted = {
        "generator": Generator,
        "discriminator": Discriminator,
        "network": Network,
    }
    if not isinstance(found, wanted[part]):
        raise ValueError(
            f"source: {text} is a {type(found).__name__}; a {part} is asked for"
        )
    return found


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a file, or a folder as huggingface keeps its models."""
    if not os.path.isdir(path):
        return os.path.isfile(path)
    import converters

    return converters.is_folder(path)


def import_name(text: str, argument: str = "source") -> Any:
    """What `module:name` names; modules in the current folder come first.

    Raises:
        ValueError: if there is none; names `argument`.
    """
    module, _, name = text.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{argument}: {text}: {error}") from error
    finally:
        sys.path.pop(0)


def short_name(source: str) -> str:
    """A source's name for a title: a path without its folders."""
    return Path(source).name if os.path.exists(source) else source
