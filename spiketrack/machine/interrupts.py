"""Ctrl-C, SIGTERM and SIGHUP: where they may strike, and that none of them gets lost.

Children end with their parent.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PAUSE = 0.02  # seconds until a signal that came during an import is sent again
_PR_SET_PDEATHSIG = 1
_IMPORTING = "<frozen importlib._bootstrap"  # and _bootstrap_external


def ending(number: int) -> BaseException:
    """What a signal raises: ``KeyboardInterrupt`` for Ctrl-C, else ``SystemExit(128 + number)``."""
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


def _end_child(number: int) -> None:
    """A forked process leaves Ctrl-C to its parent and ends at once with the others."""
    if number != signal.SIGINT:
        os._exit(128 + number)


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Signals inside take effect at the end; processes forked inside ignore Ctrl-C.

    Usable as a decorator, too.
    """
    home = os.getpid()
    pending: list[int] = []

    def later(number: int, frame: object) -> None:
        if os.getpid() == home:
            pending.append(number)
        else:
            _end_child(number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted
        return
    before = {number: signal.signal(number, later) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if pending:
        signal.raise_signal(signal.Signals(pending[0]))


class Watch:
    """The handler of ``interruptible`` and what it raised so far."""

    def __init__(self) -> None:
        self.home = os.getpid()
        self.raised: BaseException | None = None
        self.held: int | None = None
        self.over = False

    def strike(self, number: int, frame: FrameType | None) -> None:
        """Raise; during an import, whose C code may swallow that, come again a little later."""
        if os.getpid() != self.home:
            _end_child(number)
        elif _importing(frame):
            self.held = number
            again = threading.Timer(PAUSE, self._send, (number,))
            again.daemon = True
            again.start()
        else:
            self.held, self.raised = None, ending(number)
            raise self.raised

    def _send(self, number: int) -> None:
        main = threading.main_thread().ident
        if not self.over and main is not None:
            signal.pthread_kill(main, number)

    def look(self) -> None:
        """Raise again what was raised and got lost."""
        if self.held is not None:
            self.raised = ending(self.held)
        if self.raised is not None:
            raise self.raised


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            return True
        frame = frame.f_back
    return False


@contextmanager
def interruptible() -> Iterator[Watch]:
    """Signals raise, at the end of an import if there is one; yield what looks for lost ones.

    C code drops what strikes inside it, Python what strikes inside a destructor, such as those
    of HDF5: ``look`` raises it again, also in place of an error that it was turned into. A
    signal that is ignored, as ``nohup`` does, stays so.
    """
    watch = Watch()
    if threading.current_thread() is not threading.main_thread():
        yield watch  # only the main thread is interrupted
        return
    hook = sys.unraisablehook

    def drop(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, (KeyboardInterrupt, SystemExit)):
            hook(lost)

    heeded = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, watch.strike) for number in heeded}
    sys.unraisablehook = drop
    try:
        yield watch
        watch.look()
    except Exception:
        watch.look()
        raise
    finally:
        watch.over = True
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(parent: int) -> None:
    """In a child process: leave Ctrl-C to the parent, and end with it however it ends."""
    import ctypes  # slow; the program's start imports this module

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that closes tells all at once
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
