"""The log of a run: JSON lines as it goes, and the page drawn from them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from spiketrack.files import atomic_path
from spiketrack.training.place import CURVES, LOG

if TYPE_CHECKING:
    from spiketrack.training.state import Run


class Journal:
    """Appends events to ``log.jsonl``, after those up to step ``done``; a context manager.

    A new file appears with its first event: a training that never began leaves none.
    """

    def __init__(self, folder: Path, done: int) -> None:
        self.folder = folder
        self.file: TextIO | None = None
        path = folder / LOG
        if path.exists():
            kept = [row for row in rows(path) if row["step"] <= done] if done else []
            with atomic_path(path) as temporary:
                temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), "utf-8")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            with suppress(OSError):  # all is flushed, unless that failed and was said
                self.file.close()

    def write(self, event: str, run: Run, figures: Mapping[str, float]) -> None:
        """One line: the event, step, minutes of training so far and the figures."""
        values = {k: round(v, 6) if math.isfinite(v) else None for k, v in figures.items()}
        row = {"event": event, "step": run.step, "minutes": round(run.minutes, 3), **values}
        try:
            if self.file is None:
                self.file = (self.folder / LOG).open("a", encoding="utf-8")
            self.file.write(json.dumps(row, allow_nan=False) + "\n")
            self.file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.folder / LOG)) from error

    def plot(self) -> None:
        """Draw loss, validation and speed over the steps into ``curves.html``."""
        from spiketrack.training.page import write_curves

        write_curves(list(rows(self.folder / LOG)), self.folder / CURVES)


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a log; a line that a kill cut off, or that is none, is left out."""
    if path.is_file():
        for line in path.read_text("utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                row = json.loads(line, parse_constant=lambda name: None)
                if isinstance(row, dict) and "event" in row and isinstance(row.get("step"), int):
                    yield row
