"""Progress on standard error, where it is a terminal: frames a second, stages, shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from spiketrack.interrupts import interruptible
from spiketrack.terminal.console import lively, note, notes


def _bar(*columns: ProgressColumn) -> Progress:
    return Progress(*columns, console=notes, transient=True, disable=not lively())


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
    with interruptible() as watch, _bar(*columns) as bar:
        task = bar.add_task(name, total=total, rate="")

        def step() -> None:
            nonlocal count
            count += 1
            rate = f"{count / (time.perf_counter() - begin):.1f} frames/s"
            bar.update(task, completed=count, rate=rate)
            watch.look()

        yield step


@contextmanager
def stages(first: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that says which stage of long work is under way, with the time it takes."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with _bar(*columns) as bar:
        task = bar.add_task(first, total=None)

        def tell(stage: str) -> None:
            bar.update(task, description=stage)

        yield tell


@contextmanager
def share_bar(name: str) -> Iterator[Callable[[float, str, str], None]]:
    """Yield a function that takes the share done, 0..1, its line, and a line to keep (or none)."""
    with _bar(
        TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    ) as bar:
        task = bar.add_task(name, total=1.0)

        def tell(share: float, line: str, kept: str = "") -> None:
            bar.update(task, completed=share, description=line)
            if kept:
                note(kept)

        yield tell
