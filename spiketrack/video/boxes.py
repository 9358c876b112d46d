"""Boxes in pixels counted from 0, and the files they are kept in: CSV, OTB text, GOT-10k text."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spiketrack.errors import ClipError
from spiketrack.files import atomic_path

LARGEST = 2**26  # bytes of a label file
HEADINGS = (["x", "y", "w", "h"], ["x", "y", "width", "height"], ["left", "top", "width", "height"])
_PAIRS = re.compile(r"\s*[^\s,;]+,[^\s,;]+(\s+[^\s,;]+,[^\s,;]+){3}\s*")
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


def csv_line(row: BoxRow) -> str:
    """``frame,x,y,w,h,score``; every number reads back as the same float."""
    return ",".join([str(row.frame), *map(_exact, (*row.box.as_tuple(), row.score))])


def otb_line(box: Box) -> str:
    """``x,y,w,h``, x and y counted from 1."""
    return ",".join(map(_short, box.moved(1, 1).as_tuple()))


def got10k_line(box: Box) -> str:
    """As OTB from 1 (GOT-10k's toolkit draws at x - 1), four decimals always."""
    return ",".join(f"{v:.4f}" for v in box.moved(1, 1).as_tuple())


def write_csv(path: Path, rows: Iterable[BoxRow]) -> None:
    """A heading and a line for each row. Appears whole."""
    _write(path, [",".join(CSV_HEADER), *map(csv_line, rows)])


def read_csv(path: Path) -> list[BoxRow]:
    """Rows of a ``boxes.csv``; ``ClipError`` names the file and the line that is not one."""
    lines = read_text(path).splitlines()
    if not lines or tuple(lines[0].split(",")) != CSV_HEADER:
        raise ClipError(f"{path}: no box file: its first line is not {','.join(CSV_HEADER)}")
    return [_csv_row(path, number, line) for number, line in enumerate(lines[1:], 2)]


def write_otb(path: Path, boxes: Iterable[Box]) -> None:
    """OTB text, a line for each frame. Appears whole."""
    _write(path, map(otb_line, boxes))


def write_got10k(path: Path, boxes: Iterable[Box]) -> None:
    """GOT-10k result text, a line for each frame. Appears whole."""
    _write(path, map(got10k_line, boxes))


def read_rectangles(path: Path) -> list[Box]:
    """Boxes of an OTB, GOT-10k, LaSOT or VOT text, moved from 1-based to 0-based pixels.

    Commas, tabs, spaces and semicolons separate (beside semicolons a comma is a decimal point);
    ``NaN`` stands for an absent target; eight numbers are a polygon's corners, of which the
    smallest upright box is taken; a first line ``x,y,w,h`` is a heading. Errors: ``ClipError``
    for a missing or empty file and, with its number, a line that is no box.
    """
    lines = re.split(r"\r\n|\n|\r", read_text(path))
    while lines and not lines[-1].strip():
        lines.pop()
    start = 1 if lines and _fields(lines[0].lower()) in HEADINGS else 0
    if not lines[start:]:
        raise ClipError(f"{path}: holds no boxes")
    return [_rectangle(path, number, line) for number, line in enumerate(lines[start:], start + 1)]


def _rectangle(path: Path, number: int, line: str) -> Box:
    if _PAIRS.fullmatch(line):
        raise ClipError(
            f"{path}: line {number}: {line.strip()!r} may be four numbers with decimal commas or "
            "four points; separate all numbers by commas, or by semicolons"
        )
    fields = _fields(line)
    if len(fields) != 8:
        return Box(*_numbers(path, number, fields, 4)).moved(-1, -1)
    corners = _numbers(path, number, fields, 8)
    xs, ys = corners[::2], corners[1::2]
    return Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)).moved(-1, -1)


def _fields(line: str) -> list[str]:
    if ";" in line and "," in line:
        line = line.replace(",", ".")
    return line.replace(",", " ").replace(";", " ").split()


def _csv_row(path: Path, number: int, line: str) -> BoxRow:
    values = _numbers(path, number, line.split(","), 6)
    if not all(map(math.isfinite, values)):
        raise ClipError(f"{path}: line {number}: {line!r} is not finite")
    frame = values[0]
    if not frame == int(frame) >= 0:
        raise ClipError(f"{path}: line {number}: frame {line.split(',')[0]} is no frame number")
    return BoxRow(int(frame), Box(*values[1:5]), values[5])


def _numbers(path: Path, number: int, fields: Sequence[str], want: int) -> list[float]:
    try:
        values = [float(field) for field in fields if "_" not in field]
    except ValueError:
        values = []
    if len(values) != want or len(fields) != want:
        shown = " ".join(fields)[:80]
        mask = fields and fields[0][:1] == "m" and fields[0][1:].isdecimal()
        why = "; VOT's masks (since 2020) are not read, boxes and polygons are" if mask else ""
        raise ClipError(f"{path}: line {number}: {shown!r} is not {want} numbers{why}")
    return values


def _exact(value: float) -> str:
    """Shortest text that reads back as the same float; whole numbers without ``.0``."""
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def _short(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def read_text(path: Path) -> str:
    """A small text file in UTF-8, or in UTF-16 with its byte-order mark; ``ClipError`` if not."""
    try:
        if path.stat().st_size > LARGEST:
            raise ClipError(f"{path}: more than {LARGEST:,} bytes; no label file is so large")
        data = path.read_bytes()
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if wide else "utf-8-sig")
    except FileNotFoundError as error:
        raise ClipError(f"{path}: no such file") from error
    except OSError as error:
        raise ClipError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ClipError(f"{path}: cannot be read as text: {error}") from error


def _write(path: Path, lines: Iterable[str]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
