"""A strict session: 8 virtual devices, no rank promotion, no reused keys."""

import gc
import os
import sys
from importlib.metadata import version

# Tests run each program once or twice: compiling costs more than they would save.
# A flag that this version does not know would end the process.
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_backend_optimization_level=0",
        *[
            "--xla_cpu_use_fusion_emitters=false",
            "--xla_cpu_parallel_codegen_split_count=1",  # small programs, busy cores
        ]
        * version("jax").startswith("0.10."),
    ]
)

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

# tracing makes many objects and little garbage
gc.set_threshold(50_000, 50, 50)


def pytest_addoption(parser):
    parser.addoption(
        "--parity", metavar="FILE", help="write the errors against recordings there"
    )


def pytest_collection_finish():
    gc.freeze()  # modules and parameters stay to the end


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == 0 and (path := session.config.getoption("--parity")):
        import parity

        parity.write(path)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty current folder for commands; no clock, and no compiled code kept.

    Modules that a command imports from there are forgotten: the next test may have
    others of the same names.
    """
    from jaxlatent import cli
    from jaxlatent.cli import progress

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_keep_compiled_code", lambda: None)
    # bars would stand among the errors wherever a loaded machine is slow
    monkeypatch.setattr(progress, "_DELAY", 3600.0)
    yield tmp_path
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
