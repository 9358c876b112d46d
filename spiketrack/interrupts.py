"""Sections of a program that no signal may cut in two, and children that end with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Ctrl-C and SIGTERM inside take effect at the end; processes forked inside ignore Ctrl-C.

    Usable as a decorator, too.
    """
    home = os.getpid()
    pending: list[int] = []

    def later(number: int, frame: object) -> None:
        if os.getpid() == home:
            pending.append(number)
        elif number == signal.SIGTERM:
            os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted
        return
    before = {number: signal.signal(number, later) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if pending:
        signal.raise_signal(signal.Signals(pending[0]))


def follow(parent: int) -> None:
    """In a child process: leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that closes tells all at once
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
