"""The command line: a thin skin over the library."""

import contextlib
import io
import os
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxlatent.texts import printable

BAD_INPUT = 2
INTERRUPTED = 130
PIPE_CLOSED = 141
FORESEEN = (ValueError, OSError, LookupError, TypeError, NotImplementedError)
MOST_WORDS = 2_000
"""Characters of a message."""
NO_MEMORY = "out of memory; a smaller chunk, fewer codes or smaller pictures need less"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after "jaxlatent", None for the process's own.

    Returns:
        0 if the command succeeds; 2 after one line on standard error if it cannot be
        done, which is found out before it writes anything wherever that is possible;
        130 if it is interrupted, 141 if nobody reads its output to the end. With
        `--debug` an error is raised instead.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    if argv is None:  # what a terminal cannot show is no reason to fail
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore
    try:
        command, debug = _parse(words)
        from jaxlatent.cli import refusals

        refusals.check(command)
        _keep_compiled_code()
        with _one_line_warnings(), contextlib.redirect_stdout(_Printable(sys.stdout)):
            command()
        sys.stdout.flush()
    except _Stopped as stop:
        return stop.status
    except SystemExit as stop:
        if debug:
            raise
        _complain(f"{_own_place(stop)}ended itself, with {stop.code!r}")
        return BAD_INPUT
    except KeyboardInterrupt as interrupt:
        if debug:
            raise
        _complain(str(interrupt) or "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has gone; nothing may be flushed there at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:
        if debug:
            raise
        _complain(_describe(error))
        return BAD_INPUT
    return 0


class _Printable(io.TextIOBase):
    """A stream for what files say, which may not steer a terminal."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        """Write every line as `texts.printable` shows it."""
        self._stream.write("\n".join(map(printable, text.split("\n"))))
        return len(text)

    def flush(self) -> None:
        """Of what is behind it."""
        self._stream.flush()


class _Stopped(Exception):
    """The parser was done with the words: --help, or nothing that a command accepts."""

    def __init__(self, status: int) -> None:
        self.status = status


def _parse(words: Sequence[str]) -> tuple[Callable[[], None], bool]:
    """The command that the words ask for, ready to run, and whether to debug it."""
    from jaxlatent.cli.parser import parse
    from jaxlatent.cli.usage import one_line

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            parsed = parse(words)
    except SystemExit as stop:
        if complaint.getvalue():
            _complain(one_line(complaint.getvalue()))
        raise _Stopped(stop.code if isinstance(stop.code, int) else BAD_INPUT) from None
    return parsed.command, parsed.debug


def _describe(error: Exception) -> str:
    """An error in words, without the quotes and numbers that Python adds."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    if place := _own_place(error):
        return f"{place}{type(error).__name__}: {text}"
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return NO_MEMORY
    if isinstance(error, FORESEEN) and text:
        return text
    return f"{type(error).__name__}: {text} (unexpected; --debug shows where)"


def _own_place(error: BaseException) -> str:
    """Where in the user's own code an error came from, if it did."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: "
    ours = [Path(__file__).parents[1], Path(__file__).parents[2] / "converters"]
    ours += map(Path, sysconfig.get_paths().values())
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        file = Path(code.co_filename)
        if file.is_file() and not any(file.is_relative_to(one) for one in ours):
            place = f"{file}, line {line}, in {code.co_name}: "
    return place


def _complain(text: str) -> None:
    line = printable(" ".join(text.split()), MOST_WORDS)
    sys.stderr.write(f"jaxlatent: {line}\n")


@contextlib.contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Show a warning as what it says, without a place in our source."""

    def show(message: Warning | str, *args: object, **kwargs: object) -> None:
        _complain(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _keep_compiled_code() -> None:
    """Let later runs find what this one compiles, unless the user keeps it already."""
    import jax

    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(home) / "jaxlatent"
    with contextlib.suppress(OSError):  # a home that cannot be written is no error
        folder.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))
