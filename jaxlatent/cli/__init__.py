"""The command line: a thin skin over the library."""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

BAD_INPUT = 2
INTERRUPTED = 130
PIPE_CLOSED = 141
FORESEEN = (ValueError, OSError, LookupError, TypeError, NotImplementedError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after "jaxlatent", None for the process's own.

    Returns:
        0 if the command succeeds; 2 after one line on standard error if it cannot be
        done; 130 if it is interrupted, 141 if nobody reads its output to the end. With
        `--debug` an error is raised instead.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = False
    try:
        command, debug = _parse(words)
        _keep_compiled_code()
        with _one_line_warnings():
            command()
        sys.stdout.flush()
    except SystemExit as stop:  # --help, or words that no command accepts
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
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


def _parse(words: Sequence[str]) -> tuple[Callable[[], None], bool]:
    """The command that the words ask for, ready to run, and whether to debug it."""
    from jaxlatent.cli.parser import parse
    from jaxlatent.cli.usage import one_line

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            parsed = parse(words)
    except SystemExit:
        if complaint.getvalue():
            _complain(one_line(complaint.getvalue()))
        raise
    return parsed.command, parsed.debug


def _describe(error: Exception) -> str:
    """An error in words, without the quotes and numbers that Python adds."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    if isinstance(error, FORESEEN) and text:
        return text
    return f"{type(error).__name__}: {text} (unexpected; --debug shows where)"


def _complain(text: str) -> None:
    sys.stderr.write(f"jaxlatent: {' '.join(text.split())}\n")


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
