"""A pickle reader that cannot call anything outside a table of names.

``pickletools.genops`` decodes the opcodes and a small machine carries out those that
checkpoints use. ``pickle.Unpickler`` is not used, for three reasons. Its C version
allocates what a file merely announces: a memo index of 2^31 costs 32 GiB, an eight-byte
string length as much as it says. Its BUILD opcode writes attributes of whatever lies on
the stack, which with an allow-list are the functions of that list. And it cannot tell
that a key was stored twice. ``genops`` allocates no more than the bytes that are there.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import TypeVar

from converters.containers.limits import Budget, shown
from converters.containers.placeholders import (
    Constructor,
    Foreign,
    Placeholder,
    Refusal,
    Stateful,
    as_key,
    foreign,
    made_by,
    set_item,
    unread,
)
from jaxlatent.types import CheckpointError

_LITERALS = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"}
    | {"FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"}
    | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
)

# Python 2 and NumPy 1 spellings of modules, and what they are called in the tables.
_MODULES = {
    "__builtin__": "builtins",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric",
}

_MOST_BITS = 128

_Container = TypeVar("_Container", list, dict, set)


def load(
    data: bytes,
    start: int,
    allowed: Mapping[str, object],
    budget: Budget,
    persistent: Callable[[object], object] | None = None,
) -> tuple[object, int]:
    """Reads one pickle without executing anything.

    Args:
        data: the bytes that hold the pickle.
        start: where it starts.
        allowed: what stands for each global that may occur: a function, which a pickle
            may call with arguments of its choice; a ``Refusal``; or any other object,
            which is only passed along. Placeholders stand for other globals.
        budget: counts the opcodes.
        persistent: gives the object for a persistent id; None if none may occur.

    Returns:
        The unpickled object, which may hold placeholders and anything that ``allowed``
        makes, and the position after the pickle.

    Raises:
        CheckpointError: if the pickle is damaged or asks for anything else.
    """
    stream = io.BytesIO(data)
    stream.seek(start)
    machine = _Machine(allowed, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            budget.spend_operation()
            if opcode.name == "FRAME" and stream.tell() + (argument or 0) > len(data):
                raise CheckpointError("the file ends inside a pickle frame")
            machine.execute(opcode.name, argument)
    except CheckpointError:
        raise
    except IndexError:
        raise CheckpointError("the pickle takes more values than it made") from None
    except (ValueError, DeprecationWarning) as error:
        # The warning is genops' for a bad escape, where warnings are errors.
        raise CheckpointError(f"a damaged pickle: {shown(str(error))}") from None
    return machine.result, stream.tell()


class _Machine:
    """The stack machine: one method call per opcode, no opcode that runs code.

    Each MARK sets the current stack aside and starts a new one.
    """

    def __init__(
        self,
        allowed: Mapping[str, object],
        persistent: Callable[[object], object] | None,
    ) -> None:
        self.allowed = allowed
        self.persistent = persistent
        self.result: object = None
        self.stack: list = []
        self.outer_stacks: list[list] = []
        self.memo: dict[int, object] = {}
        self.foreign: dict[str, Foreign] = {}

    def execute(self, opcode: str, argument: object) -> None:
        """Carries out one opcode."""
        stack = self.stack
        match opcode:
            case _ if opcode in _LITERALS:
                self.push_literal(argument)
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                self.result = stack.pop()
                if self.stack or self.outer_stacks:
                    raise CheckpointError("the pickle leaves values behind")
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode == "NEWTRUE")
            case "BYTEARRAY8" if isinstance(argument, bytearray):
                stack.append(bytes(argument))
            case "BINGET" | "LONG_BINGET" | "GET":
                self.recall(argument)
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                self.memorise(argument)
            case "MEMOIZE":
                self.memorise(len(self.memo))
            case "MARK":
                self.outer_stacks.append(stack)
                self.stack = []
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self.pop(int(opcode[-1]))))
            case "TUPLE":
                self.push(tuple(self.pop_mark()))
            case "EMPTY_LIST":
                stack.append([])
            case "LIST":
                self.push(self.pop_mark())
            case "APPEND":
                (item,) = self.pop(1)
                self.top(list).append(item)
            case "APPENDS":
                items = self.pop_mark()
                self.top(list).extend(items)
            case "EMPTY_DICT":
                stack.append({})
            case "DICT":
                items = self.pop_mark()
                self.push({})
                self.set_items(items)
            case "SETITEM":
                self.set_items(self.pop(2))
            case "SETITEMS":
                self.set_items(self.pop_mark())
            case "EMPTY_SET":
                stack.append(set())
            case "ADDITEMS":
                items = self.pop_mark()
                self.top(set).update(map(as_key, items))
            case "GLOBAL" if isinstance(argument, str):
                self.push_global(*argument.split(" ", 1))
            case "STACK_GLOBAL":
                self.push_global(*self.pop(2))
            case "REDUCE" | "NEWOBJ":
                constructor, arguments = self.pop(2)
                self.push(_build(constructor, arguments))
            case "NEWOBJ_EX" if isinstance(self.stack[-3], Foreign | Placeholder):
                constructor, arguments, _ = self.pop(3)
                self.push(_build(constructor, arguments))
            case "FROZENSET":
                self.pop_mark()
                self.push(Placeholder(unread("the pickle opcode FROZENSET")))
            case "BUILD":
                (state,) = self.pop(1)
                self.set_state(state)
            case "BINPERSID" if self.persistent is not None:
                stack.append(self.persistent(stack.pop()))
            case "BINPERSID":
                raise CheckpointError("persistent ids are not allowed here")
            case _:
                raise CheckpointError(f"the pickle opcode {opcode} is not allowed")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self, count: int) -> list:
        if len(self.stack) < count:
            raise IndexError
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def pop_mark(self) -> list:
        items = self.stack
        self.stack = self.outer_stacks.pop()
        return items

    def top(self, kind: type[_Container]) -> _Container:
        target = self.stack[-1]
        if isinstance(target, Placeholder):
            target = target.contents(kind)
        if not isinstance(target, kind):
            raise CheckpointError(
                f"the pickle fills a {type(target).__name__} as if it were a "
                f"{kind.__name__}"
            )
        return target

    def push_literal(self, value: object) -> None:
        # Long integers are slow to print and to compute with; no tensor has any.
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            what = f"an integer of {value.bit_length()} bits"
            value = Placeholder(unread(what, f"at most {_MOST_BITS} are read"))
        self.push(value)

    def memorise(self, index: object) -> None:
        if not isinstance(index, int) or index in self.memo:
            raise CheckpointError("the pickle stores two values in one place")
        self.memo[index] = self.stack[-1]

    def recall(self, index: object) -> None:
        if not isinstance(index, int) or index not in self.memo:
            raise CheckpointError("the pickle recalls what it never stored")
        self.push(self.memo[index])

    def set_items(self, items: list) -> None:
        target = self.top(dict)
        if len(items) % 2:
            raise CheckpointError("a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            set_item(target, key, value)

    def set_state(self, state: object) -> None:
        target = self.stack[-1]
        if isinstance(target, Stateful):
            target.set_state(state)
        elif not (isinstance(target, dict) and isinstance(state, dict)):
            # A dict's own attributes (the `_metadata` of a state dict) are dropped.
            raise CheckpointError(
                f"the pickle writes attributes of a {type(target).__name__}"
            )

    def push_global(self, module: object, name: object = "") -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise CheckpointError("a global whose name is not text")
        # people keep NVIDIA's packages within their own
        if module.endswith(".torch_utils.persistence"):
            module = "torch_utils.persistence"
        full_name = f"{_MODULES.get(module, module)}.{name}"
        if full_name not in self.allowed:
            return self.push_foreign(full_name)
        value = self.allowed[full_name]
        if isinstance(value, Refusal):
            raise CheckpointError(f"{full_name}: {value.reason}")
        return self.push(Constructor(full_name, value) if callable(value) else value)

    def push_foreign(self, name: str) -> None:
        """A name that is not on the list, looked up once in each pickle."""
        if name not in self.foreign:
            self.foreign[name] = foreign(name)
        self.push(self.foreign[name])


def _build(constructor: object, arguments: object) -> object:
    if isinstance(constructor, Foreign | Placeholder) and isinstance(arguments, tuple):
        return made_by(constructor)
    if not isinstance(constructor, Constructor) or not isinstance(arguments, tuple):
        raise CheckpointError(f"the pickle calls a {type(constructor).__name__}")
    try:
        return constructor.build(*arguments)
    except CheckpointError:
        raise
    except (TypeError, ValueError):
        raise CheckpointError(f"wrong arguments for {constructor.name}") from None
