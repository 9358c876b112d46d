"""A progress bar that counts frames and shows how many there are a second."""

from __future__ import annotations

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
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=total, rate="")

        def step() -> None:
            nonlocal count
            count += 1
            rate = f"{count / (time.perf_counter() - begin):.1f} frames/s"
            bar.update(task, completed=count, rate=rate)

        yield step
