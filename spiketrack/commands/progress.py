"""A progress bar that counts frames and shows how many there are a second."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(stderr=True)


@contextmanager
def frame_bar(name: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of ``total`` frames (None: unknown)."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    begin = time.perf_counter()
    count = 0
    shown = console.is_terminal
    with (
        interruptible() as look,
        Progress(*columns, console=console, transient=True, disable=not shown) as bar,
    ):
        task = bar.add_task(name, total=total, rate="")

        def step() -> None:
            nonlocal count
            count += 1
            rate = f"{count / (time.perf_counter() - begin):.1f} frames/s"
            bar.update(task, completed=count, rate=rate)
            look()

        yield step


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Yield a function that raises again what Ctrl-C or SIGTERM raised if that got lost.

    Python drops it with a message when it strikes inside a destructor, such as those of HDF5.
    """
    raised: list[BaseException] = []
    hook = sys.unraisablehook

    def interrupt(number: int, frame: object) -> None:
        ended = SystemExit(128 + number) if number == signal.SIGTERM else KeyboardInterrupt()
        raised.append(ended)
        raise ended

    def drop(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, (KeyboardInterrupt, SystemExit)):
            hook(lost)

    def look() -> None:
        if raised:
            raise raised[0]

    if threading.current_thread() is not threading.main_thread():
        yield look  # only the main thread is interrupted
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    sys.unraisablehook = drop
    try:
        yield look
        look()
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
