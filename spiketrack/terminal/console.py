"""The consoles, made here alone: results on standard output, notes and progress on the other.

A terminal's width is its own, ``COLUMNS`` where that is set; a pipe or file takes whole lines.
``NO_COLOR`` takes colours away, ``FORCE_COLOR`` brings them into a pipe and changes nothing else.
"""

from __future__ import annotations

import os
import sys
import textwrap
from contextlib import suppress
from typing import IO

from rich.console import Console, ConsoleDimensions
from rich.text import Text

from spiketrack.errors import harmless

WHOLE = 100_000  # columns of what is no terminal: nothing is cut or wrapped


class Reader(Console):
    """A console as wide as whoever reads it."""

    @property
    def size(self) -> ConsoleDimensions:
        """The reader's width, asked for anew each time."""
        return ConsoleDimensions(width(self.file), super().size.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        """Not to be set."""

    @property
    def width(self) -> int:
        """The same; rich would keep what ``COLUMNS`` was when the console was made."""
        return self.size.width

    @width.setter
    def width(self, width: int) -> None:
        """Not to be set."""


class Notes(Reader):
    """A console whose reader may go away: what is said then is lost, the work is not."""

    def on_broken_pipe(self) -> None:
        """Say nothing any more."""
        self.quiet = True
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def width(stream: IO[str] | None) -> int:
    """Columns that a line may take on a stream."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns):
        return int(columns)
    if is_terminal(stream) and stream is not None:
        with suppress(OSError):
            return os.get_terminal_size(stream.fileno()).columns or 80
        return 80
    return WHOLE


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a person looks at it, whatever ``FORCE_COLOR`` says."""
    with suppress(ValueError, AttributeError):
        return stream is not None and stream.isatty()
    return False


def lively() -> bool:
    """Whether progress may move: standard error is a terminal that can."""
    return is_terminal(sys.stderr) and os.environ.get("TERM") not in ("dumb", "unknown")


console = Reader(highlight=False)  # results; its ``stderr`` is set where they must go aside
notes = Notes(stderr=True, highlight=False)  # notes and progress


def say(line: str = "", style: str = "") -> None:
    """A line of a result."""
    _line(console, line, style)


def note(line: str) -> None:
    """A line beside the results: what was skipped, assumed or comes next."""
    _line(notes, line)


def begin(line: str) -> None:
    """What a command is about to do, at once, where a person waits for it."""
    if is_terminal(sys.stderr):
        note(line)


def _line(where: Console, line: str, style: str = "") -> None:
    """Broken between words alone, so that a path can be copied."""
    lines = [
        textwrap.fill(part, where.width, break_long_words=False, break_on_hyphens=False)
        for part in harmless(line).split("\n")
    ]
    where.print(Text("\n".join(lines), style), soft_wrap=True)
