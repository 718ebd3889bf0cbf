"""What the globals of a pickle become, and what stands for those that nothing reads.

Options, paths, dates, dtypes and other people's classes lie beside the tensors of many
checkpoints. Nothing here imports or calls them: a global that is not on the list is a
name, and whatever it would have made is a ``Placeholder``, which takes what the pickle
gives it and does nothing. No tensor can be built from one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from converters.containers.limits import Unread, shown
from jaxlatent.types import CheckpointError

# No file is the less safe for what is missing here, for nothing is ever called. But a
# checkpoint that names one of these is an attack or a program, and is refused whole.
_DANGEROUS_MODULES = frozenset(
    {"_ctypes", "_operator", "_pickle", "_posixsubprocess", "_thread", "ast", "asyncio"}
    | {"bdb", "cPickle", "cProfile", "cffi", "cloudpickle", "cmd", "code", "codeop"}
    | {"commands", "concurrent.futures", "ctypes", "dill", "distutils", "doctest"}
    | {"ensurepip", "fileinput", "ftplib", "gc", "http", "imp", "importlib", "inspect"}
    | {"joblib", "logging.config", "logging.handlers", "marshal", "multiprocessing"}
    | {"nt", "numpy.distutils", "numpy.f2py", "numpy.testing", "operator", "os", "pdb"}
    | {"pickle", "pip", "pkgutil", "popen2", "posix", "profile", "pty", "pydoc"}
    | {"runpy", "setuptools", "shelve", "shutil", "signal", "site", "smtplib", "socket"}
    | {"subprocess", "sys", "sysconfig", "tempfile", "timeit", "torch._dynamo"}
    | {"torch._inductor", "torch.distributed.rpc", "torch.hub", "torch.jit"}
    | {"torch.package", "torch.utils.bottleneck"}
    | {"torch.utils.cpp_extension", "trace", "urllib", "venv", "webbrowser"}
    | {"zipimport"}
)
_DANGEROUS_NAMES = frozenset(
    {"builtins.__import__", "builtins.apply", "builtins.breakpoint", "builtins.compile"}
    | {"builtins.delattr", "builtins.eval", "builtins.exec", "builtins.execfile"}
    | {"builtins.filter", "builtins.globals", "builtins.input", "builtins.locals"}
    | {"builtins.map", "builtins.open", "builtins.reload", "builtins.setattr"}
    | {"builtins.vars", "_io.FileIO", "_io.open", "_io.open_code", "io.FileIO"}
    | {"io.open", "io.open_code", "logging.FileHandler", "numpy.fromfile", "numpy.load"}
    | {"numpy.memmap", "numpy.save", "torch.load", "torch.serialization.load"}
    | {
        "torch.storage._load_from_bytes",
        "types.CodeType",
        "types.FunctionType",
        "types.MethodType",
    }
)

_LONGEST_KEY = 16


@dataclass(frozen=True, eq=False)
class Constructor:
    """A callable global that a pickle named: the only thing that REDUCE may call."""

    name: str
    build: Callable[..., object]


@dataclass(frozen=True)
class Refusal:
    """A table entry for a global that no file worth reading holds."""

    reason: str


class Stateful:
    """An object under construction that takes the state of a BUILD opcode."""

    __slots__ = ()

    def set_state(self, state: object) -> None:
        """Completes the object.

        Args:
            state: the unpickled state, of any type.

        Raises:
            CheckpointError: if the state is not what such an object has.
        """
        raise NotImplementedError


class Foreign:
    """A global that is not on the list: its name, and the words for what it makes."""

    __slots__ = ("name", "unread")

    def __init__(self, name: str, why: str | None = None) -> None:
        self.name = name
        readable = name.isascii() and name.isprintable() and len(name) < 80
        self.unread = unread(f"global {name if readable else shown(name)}", why)


class Placeholder(Stateful):
    """What a foreign global would have made.

    Other people's dicts and lists are subclasses of Python's, which pickles fill like
    any: those contents are kept, as is the state of a module. Arguments are not.

    Attributes:
        unread: the words for it.
        class_name: the last part of the global's name.
        items: what was stored by key, None if nothing was.
        elements: what was appended, None if nothing was.
        state: what BUILD gave it.
    """

    __slots__ = ("class_name", "elements", "items", "state", "unread")

    def __init__(self, of: Unread, class_name: str = "") -> None:
        self.unread = of
        self.class_name = class_name
        self.items: dict | None = None
        self.elements: list | None = None
        self.state: object = None

    def set_state(self, state: object) -> None:
        """Keeps the state that a pickle gives once."""
        if self.state is not None:
            raise CheckpointError("the pickle gives one object two states")
        self.state = state

    def contents(self, kind: type) -> dict | list | set:
        """What a pickle fills: kept of dicts and lists, not of sets."""
        if kind is dict:
            self.items = {} if self.items is None else self.items
            return self.items
        if kind is list:
            self.elements = [] if self.elements is None else self.elements
            return self.elements
        return set()

    @property
    def is_module(self) -> bool:
        """Whether its state is that of a ``torch.nn.Module``."""
        return isinstance(self.state, dict) and {"_parameters", "_modules"} <= set(
            self.state
        )


class UnreadKey:
    """Takes the place of a key that cannot be one; the container is not read then."""

    __slots__ = ("unread",)

    def __init__(self, of: Unread) -> None:
        self.unread = of


def unread(what: str, why: str | None = None) -> Unread:
    """The words for a value that is not read."""
    why = why or "only tensors and plain values are read"
    return Unread(what, f"{what} is not allowed: {why}")


def foreign(name: str) -> Foreign:
    """What stands for a global that is not on the list.

    Args:
        name: the module and the name within it, joined by a dot.

    Raises:
        CheckpointError: if it belongs to what runs code, opens files or reaches out.
    """
    found = Foreign(name)
    parts = name.split(".")
    modules = {".".join(parts[:count]) for count in (1, 2, 3)}
    if name in _DANGEROUS_NAMES or not modules.isdisjoint(_DANGEROUS_MODULES):
        raise CheckpointError(found.unread.message)
    return found


def made_by(constructor: Foreign | Placeholder) -> Placeholder:
    """What a call of something foreign gives."""
    if isinstance(constructor, Placeholder):
        return Placeholder(constructor.unread, constructor.class_name)
    return Placeholder(constructor.unread, constructor.name.rpartition(".")[2])


def as_key(key: object) -> object:
    """What a dict or a set may hold for a key: a leaf, or a flat tuple of such.

    The hash of a nested tuple recurses without limit in C, and that of other objects is
    theirs to define: they are neither hashed nor compared.

    Raises:
        CheckpointError: for what Python itself would not hash.
    """
    if _is_leaf(key):
        return key
    parts = key if isinstance(key, tuple) else (key,)
    if parts is key and 0 < len(parts) <= _LONGEST_KEY and all(map(_is_leaf, parts)):
        return key
    refused = f"a {type(key).__name__} is not allowed as a key"
    if isinstance(key, list | dict):
        raise CheckpointError(refused)
    named = (part.unread for part in parts if isinstance(part, Foreign | Placeholder))
    return UnreadKey(next(named, Unread("a dict whose keys are no text", refused)))


def set_item(target: dict, key: object, value: object) -> None:
    """Stores a key, which must be new."""
    key = as_key(key)
    if key in target:
        raise CheckpointError(f"the key {shown(key)} is stored twice")
    target[key] = value


def unread_key(container: Iterable) -> Unread | None:
    """The words for a key of a dict, or a member of a set, that could not be one."""
    return next((key.unread for key in container if isinstance(key, UnreadKey)), None)


def _is_leaf(key: object) -> bool:
    return key is None or isinstance(key, str | bytes | int | float)
