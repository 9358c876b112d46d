"""Boxes in pixels counted from 0, and the files they are kept in: CSV, OTB text, GOT-10k text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spiketrack.errors import ClipError
from spiketrack.files import atomic_path

CSV_HEADER = ("frame", "x", "y", "w", "h", "score")


@dataclass(frozen=True)
class Box:
    """An upright box: left x, top y, width w, height h, in pixels, the first pixel being 0."""

    x: float
    y: float
    w: float
    h: float

    @property
    def centre(self) -> tuple[float, float]:
        """(x + w/2, y + h/2)."""
        return self.x + 0.5 * self.w, self.y + 0.5 * self.h

    @property
    def valid(self) -> bool:
        """Finite, with a width and a height."""
        return all(map(math.isfinite, self.as_tuple())) and self.w > 0 and self.h > 0

    def as_tuple(self) -> tuple[float, float, float, float]:
        """(x, y, w, h)."""
        return self.x, self.y, self.w, self.h

    def moved(self, dx: float, dy: float) -> Box:
        """The box shifted by (dx, dy) pixels."""
        return Box(self.x + dx, self.y + dy, self.w, self.h)


@dataclass(frozen=True)
class BoxRow:
    """A row of ``boxes.csv``: frame number from 0, box, confidence 0..1."""

    frame: int
    box: Box
    score: float


def intersection(a: Box, b: Box) -> float:
    """Area that two boxes share, in square pixels."""
    w = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    h = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    return max(0.0, w) * max(0.0, h)


def iou(a: Box, b: Box) -> float:
    """Intersection over union, |a ∩ b| / |a ∪ b|, in 0..1; 0 where the union is empty."""
    shared = intersection(a, b)
    union = a.w * a.h + b.w * b.h - shared
    return min(1.0, shared / union) if union > 0 else 0.0


def write_csv(path: Path, rows: Iterable[BoxRow]) -> None:
    """``frame,x,y,w,h,score``; every number reads back as the same float. Appears whole."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for row in rows:
        writer.writerow([row.frame, *map(_exact, (*row.box.as_tuple(), row.score))])
    _write(path, text.getvalue())


def read_csv(path: Path) -> list[BoxRow]:
    """Rows of a ``boxes.csv``; ``ClipError`` names the file and the line that is not one."""
    lines = _read(path).splitlines()
    if not lines or tuple(lines[0].split(",")) != CSV_HEADER:
        raise ClipError(f"{path}: no box file: its first line is not {','.join(CSV_HEADER)}")
    return [_csv_row(path, number, line) for number, line in enumerate(lines[1:], 2)]


def write_otb(path: Path, boxes: Iterable[Box]) -> None:
    """OTB text: a line ``x,y,w,h`` for each frame, x and y counted from 1."""
    lines = (",".join(map(_short, box.moved(1, 1).as_tuple())) for box in boxes)
    _write(path, "".join(f"{line}\n" for line in lines))


def write_got10k(path: Path, boxes: Iterable[Box]) -> None:
    """GOT-10k result text: as OTB from 1 (the toolkit draws at x - 1), four decimals always."""
    lines = (",".join(f"{v:.4f}" for v in box.moved(1, 1).as_tuple()) for box in boxes)
    _write(path, "".join(f"{line}\n" for line in lines))


def read_rectangles(path: Path) -> list[Box]:
    """Boxes of an OTB, GOT-10k or LaSOT text, moved from 1-based to 0-based pixels.

    Commas, tabs, spaces and semicolons separate; ``NaN`` stands for an absent target. Errors:
    ``ClipError`` for a missing or empty file and, with its number, a line without four numbers.
    """
    lines = _read(path).split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise ClipError(f"{path}: holds no boxes")
    return [_rectangle(path, number, line) for number, line in enumerate(lines, 1)]


def _rectangle(path: Path, number: int, line: str) -> Box:
    fields = line.replace(",", " ").replace(";", " ").split()
    values = _numbers(path, number, fields, 4)
    return Box(*values).moved(-1, -1)


def _csv_row(path: Path, number: int, line: str) -> BoxRow:
    values = _numbers(path, number, line.split(","), 6)
    frame = values[0]
    if not (math.isfinite(frame) and frame == int(frame) >= 0):
        raise ClipError(f"{path}: line {number}: frame {line.split(',')[0]} is no frame number")
    return BoxRow(int(frame), Box(*values[1:5]), values[5])


def _numbers(path: Path, number: int, fields: Sequence[str], want: int) -> list[float]:
    try:
        values = [float(field) for field in fields]
    except ValueError:
        values = []
    if len(values) != want:
        raise ClipError(f"{path}: line {number}: {' '.join(fields)!r} is not {want} numbers")
    return values


def _exact(value: float) -> str:
    """Shortest text that reads back as the same float; whole numbers without ``.0``."""
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def _short(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ClipError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ClipError(f"{path}: cannot be read as text: {error}") from error


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
