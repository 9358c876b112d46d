"""Who watches a step: nobody, or a terminal with notes, bars and stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

Tick = Callable[[], None]
Tell = Callable[[str], None]


def _ignore(line: str) -> None:
    """Nobody reads it."""


@contextmanager
def _no_frames(name: str, total: int | None) -> Iterator[Tick]:
    yield lambda: None


@contextmanager
def _no_stages(first: str) -> Iterator[Tell]:
    yield _ignore


@dataclass(frozen=True)
class Watch:
    """What a step tells while it works.

    ``note``: a line beside the results, such as what is odd about a clip; ``frames(name, total)``
    gives a function to call after each frame; ``stages(first)`` one that takes the name of each
    stage.
    """

    note: Tell = _ignore
    frames: Callable[[str, int | None], AbstractContextManager[Tick]] = _no_frames
    stages: Callable[[str], AbstractContextManager[Tell]] = _no_stages


SILENT = Watch()
