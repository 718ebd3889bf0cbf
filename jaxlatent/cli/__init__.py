"""The command line: a thin skin over the library."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it succeeds, 2 with one line on standard error if not.

    Args:
        argv: the words after "jaxlatent", None for the process's own. "--debug"
            anywhere among them shows the traceback of an error.
    """
    import tyro

    from jaxlatent.cli import commands

    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    discover = tyro.extras.SubcommandApp()
    discover.command(name="sefa")(commands.discover_sefa)
    app = tyro.extras.SubcommandApp()
    for command in (commands.demo, commands.convert, commands.inspect, commands.sample):
        app.command(command)
    app.command(discover, name="discover", help="Find directions with a method.")
    app.command(commands.edit)
    try:
        _keep_compiled_code()
        app.cli(
            prog="jaxlatent",
            description="Find and apply edits in the latent space of image generators.",
            args=words,
            config=(tyro.conf.OmitArgPrefixes,),
        )
    except (ValueError, OSError, LookupError, TypeError, NotImplementedError) as error:
        if debug:
            raise
        message = " ".join(str(error).split())
        sys.stderr.write(f"jaxlatent: {message}\n")
        return 2
    return 0


def _keep_compiled_code() -> None:
    """Let later runs find what this one compiles."""
    import jax

    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    jax.config.update("jax_compilation_cache_dir", str(home / "jaxlatent"))
