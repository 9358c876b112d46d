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
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from spiketrack.errors import one_line
from spiketrack.machine.interrupts import interruptible
from spiketrack.terminal.console import lively, note, notes
from spiketrack.terminal.table import shorten

LONGEST = 40  # columns of a clip's name, which leaves room for the bar


class Name(ProgressColumn):
    """What is under way; it may be named after a file, which steers no terminal."""

    def render(self, task: Task) -> Text:
        """On one line."""
        return Text(one_line(task.description))


def _bar(*columns: ProgressColumn) -> Progress:
    return Progress(*columns, console=notes, transient=True, disable=not lively())


@contextmanager
def frame_bar(name: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of ``total`` frames (None: unknown)."""
    columns = (
        Name(),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    begin = time.perf_counter()
    count = 0
    with interruptible() as watch, _bar(*columns) as bar:
        task = bar.add_task(shorten(one_line(name), LONGEST), total=total, rate="")

        def step() -> None:
            nonlocal count
            count += 1
            rate = f"{count / (time.perf_counter() - begin):.1f} frames/s"
            bar.update(task, completed=count, rate=rate)
            watch.look()

        yield step


class SequenceBar:
    """Sequences and frames done, frames a second, time left by frames, failures."""

    def __init__(self, bar: Progress, name: str, sequences: int, frames: int) -> None:
        self.bar, self.name, self.sequences = bar, name, sequences
        self.task = bar.add_task(name, total=frames, done="", rate="")
        self.begin = time.perf_counter()
        self.done = self.failed = self.frames = self.whole = 0
        self._tell()

    def step(self) -> None:
        """One frame of the sequence that is under way in this process."""
        self.frames += 1
        self._tell()

    def sequence(self, frames: int, failed: bool = False) -> None:
        """A sequence of so many frames has ended."""
        self.done += 1
        self.failed += failed
        self.whole += frames
        self.frames = self.whole
        self._tell()

    def _tell(self) -> None:
        failures = f", {self.failed} failed" if self.failed else ""
        self.bar.update(
            self.task,
            completed=self.frames,
            done=f"{self.done}/{self.sequences} sequences{failures}",
            rate=f"{self.frames / (time.perf_counter() - self.begin):.1f} frames/s",
        )


@contextmanager
def sequence_bar(
    name: str, sequences: int, frames: int
) -> Iterator[tuple[SequenceBar, Callable[[], None]]]:
    """Yield what counts sequences, and a function that raises what a signal asked for."""
    columns = (
        Name(),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with interruptible() as watch, _bar(*columns) as bar:
        yield SequenceBar(bar, name, sequences, frames), watch.look


@contextmanager
def stages(first: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that says which stage of long work is under way, with the time it takes."""
    columns = (
        SpinnerColumn(),
        Name(),
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
    with _bar(Name(), BarColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task(name, total=1.0)

        def tell(share: float, line: str, kept: str = "") -> None:
            bar.update(task, completed=share, description=line)
            if kept:
                note(kept)

        yield tell
