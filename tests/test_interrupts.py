"""Signals that wait for a place where they lose nothing."""

import os
import signal
import threading

import pytest

from jaxlatent.training.interrupts import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_waits_and_the_second_does_not(number):
    before = signal.getsignal(number)
    again = []
    signal.signal(number, lambda *_: again.append(number))
    try:
        with interruptible() as check:
            check()
            os.kill(os.getpid(), number)
            assert again == []
            with pytest.raises(KeyboardInterrupt):
                check()
            os.kill(os.getpid(), number)
            assert again == [number]
        os.kill(os.getpid(), number)
        assert again == [number, number]
    finally:
        signal.signal(number, before)


def test_handlers_are_as_they_were():
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with interruptible() as check:
        check()
    after = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    assert after == before


def test_other_threads_run_without_signals():
    def run():
        with interruptible() as check:
            check()
            done.append(True)

    done = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [True]
