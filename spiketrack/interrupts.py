"""Sections of a program that Ctrl-C and SIGTERM may not cut in two."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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
