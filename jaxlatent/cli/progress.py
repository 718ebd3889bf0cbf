"""Progress for a person who waits."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jaxlatent.collectives import is_main

_DELAY = 1.0  # seconds; what ends sooner shows nothing
_INTERVAL = 0.25
_LOG_INTERVAL = 10.0  # a log needs few lines


@contextmanager
def progress_bar(
    label: str, total: int | None = None, *, unit: str = "image"
) -> Iterator[Callable[..., None]]:
    """A bar on standard error for work that lasts longer than a second.

    With several processes the first one alone shows it.

    Its clock moves even while nothing is finished (a long compilation, a large file).

    Args:
        label: what is being done.
        total: images to draw; None for work that cannot be counted.
        unit: what is counted.

    Yields:
        A function to call with the number just finished, and with a note that stands
        behind the bar until the next one.
    """
    if not is_main():
        yield lambda count, note="": None
        return
    finished = threading.Event()
    counted: list[tuple[int, str]] = []

    def report(count: int, note: str = "") -> None:
        counted.append((count, note))

    clock = threading.Thread(target=_show, args=(label, total, unit, counted, finished))
    clock.start()
    try:
        yield report
    finally:
        finished.set()
        clock.join()


def _show(
    label: str,
    total: int | None,
    unit: str,
    counted: list[tuple[int, str]],
    finished: threading.Event,
) -> None:
    """Draw the bar again and again until the work is finished; its own thread."""
    if finished.wait(_DELAY):
        return
    from tqdm import tqdm

    class Bar(tqdm):
        monitor_interval = 0  # this thread redraws it; tqdm needs none of its own

    interval = _INTERVAL if sys.stderr.isatty() else _LOG_INTERVAL
    with Bar(
        total=total,
        desc=label,
        unit=unit,
        leave=False,
        bar_format="{desc}: {elapsed}" if total is None else None,
    ) as bar:
        bar.start_t -= _DELAY
        while True:
            bar.n = sum(count for count, _ in counted)
            bar.set_postfix_str(counted[-1][1] if counted else "", refresh=False)
            bar.refresh()
            if finished.wait(interval):
                return
