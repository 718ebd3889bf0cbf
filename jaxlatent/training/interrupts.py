"""Signals that end a run between two blocks, once what it has done can be saved."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C and SIGTERM wait for a place where they lose nothing.

    An exception that a handler raises may be swallowed by the code that it meets, a
    finalizer's for one. So the first signal is only noted, and raised by the function
    that this yields; the second one is what it always was.

    Yields:
        A function to call between blocks, from `fit`'s callback for one: it raises
        KeyboardInterrupt if a signal came.
    """
    before: dict[int, Any] = {}
    came: list[int] = []

    def note(number: int, _: Any) -> None:
        came.append(number)
        restore()

    def restore() -> None:
        while before:
            signal.signal(*before.popitem())

    # only the main thread may set handlers; in another one signals do not arrive
    with suppress(ValueError):
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    try:
        yield check
    finally:
        restore()
