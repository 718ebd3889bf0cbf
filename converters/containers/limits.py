"""What an untrusted file may make its reader spend, and how messages quote it."""

from dataclasses import dataclass
from typing import TypeGuard

from jaxlatent import texts
from jaxlatent.files import HARMLESS_BYTES, MAX_EXPANSION
from jaxlatent.types import CheckpointError

# Training checkpoints with optimiser state need some ten thousand opcodes. One opcode
# can make an object of 200 bytes, so this is also the bound on memory: no pickle costs
# more than about 100 MB of objects.
MAX_OPERATIONS = 500_000

# A module tree adds three levels per module; real generators stay below 30.
MAX_DEPTH = 100

# Weight tying and repeated rows let a file describe more bytes than it holds, and
# shared containers more values than it spells out. Both expand in the hands of the
# caller, so a result may be MAX_EXPANSION times larger than its file, or as large as is
# harmless anyway.
HARMLESS_VALUES = 10_000


@dataclass(frozen=True)
class Unread:
    """Stands for a value that is not read, in the content of a file that is.

    Attributes:
        what: what it is, in words.
        message: why it is not read, in one line.
    """

    what: str
    message: str


def shown(value: object) -> str:
    """Quotes a value from an untrusted file: short, printable, on one line.

    Args:
        value: anything that a reader came upon.

    Returns:
        The words for it if it is not read, else those of `jaxlatent.texts.shown`.
    """
    if isinstance(value, Unread):
        return f"{value.what}, which is not read,"
    return texts.shown(value)


def is_size(value: object) -> TypeGuard[int]:
    """Tells whether a value from a file can be a count, an offset or a length."""
    return type(value) is int and 0 <= value < 2**63


@dataclass
class Budget:
    """Counts what one file has made its reader spend, and stops it at the limits.

    Attributes:
        file_bytes: the file's size.
        max_bytes: the caller's cap on ``value_bytes``, if any.
        operations: pickle opcodes carried out.
        values: values of the result, shared ones counted each time they appear.
        value_bytes: bytes of the result's arrays and texts, counted likewise.
        arrays: arrays of the result.
        unread: the first value that is not read.
    """

    file_bytes: int
    max_bytes: int | None = None
    operations: int = 0
    values: int = 0
    value_bytes: int = 0
    arrays: int = 0
    unread: Unread | None = None

    @property
    def allowed_expansion(self) -> int:
        """The number of bytes that the file's content may expand to."""
        return max(MAX_EXPANSION * self.file_bytes, HARMLESS_BYTES)

    def spend_operation(self) -> None:
        """Counts one pickle opcode."""
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            raise CheckpointError(f"the pickle has over {MAX_OPERATIONS} operations")

    def spend_value(self, depth: int) -> None:
        """Counts one value of the result, ``depth`` containers deep."""
        if depth > MAX_DEPTH:
            raise CheckpointError(f"values are nested over {MAX_DEPTH} levels deep")
        self.values += 1
        if self.values > max(MAX_EXPANSION * self.operations, HARMLESS_VALUES):
            raise CheckpointError(
                "shared containers expand to far more values than the file spells out"
            )

    def spend_array(self, count: int) -> None:
        """Counts one array, before it is made, and its bytes."""
        self.arrays += 1
        self.spend_bytes(count)

    def leave_out(self, value: Unread) -> Unread:
        """Remembers a value that is not read."""
        self.unread = self.unread or value
        return value

    def spend_bytes(self, count: int) -> None:
        """Counts the bytes of one array, before it is made, or of one text."""
        self.value_bytes += count
        if self.max_bytes is not None and self.value_bytes > self.max_bytes:
            raise CheckpointError(
                f"the values take more than max_bytes={self.max_bytes} bytes"
            )
        if self.value_bytes > self.allowed_expansion:
            raise CheckpointError(
                f"shared values expand to over {MAX_EXPANSION} times the file's size"
            )
