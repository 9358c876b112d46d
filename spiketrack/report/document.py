"""The report as one frozen value: pictures, boxes, tables, figures, and what made them.

Everything that the page shows is in here; the page, its CSV files and the PNG pictures are
interpreters of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from spiketrack.documents.base import Part
from spiketrack.video.boxes import BoxRow

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    """Rows under named columns; the page shows them and offers the same as CSV.

    ``columns``: keys, as in the JSON document that the rows come from; ``folded``: those that
    the page shows on demand only. ``note``: a sentence for the reader.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: tuple[str, ...] = ()
    note: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        rows: Sequence[Mapping[str, Any] | Part],
        columns: Sequence[str] = (),
        folded: Sequence[str] = (),
        note: str = "",
    ) -> Table:
        """From rows by key; columns are the keys of the first row unless given."""
        plain = [dict(row) for row in rows]
        keys = tuple(columns or (plain[0] if plain else ()))
        cells = tuple(tuple(cell(row.get(key)) for key in keys) for row in plain)
        return cls(name, title, keys, cells, tuple(folded), note)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the page."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "folded": list(self.folded),
            "note": self.note,
        }


def cell(value: Any) -> Cell:
    """A value of a JSON document as one cell; a list becomes 1×2×3."""
    if isinstance(value, (list, tuple)):
        return "×".join(str(item) for item in value)
    if isinstance(value, Part):
        value = dict(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {item}" for key, item in value.items())
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture in one or several variants; ``log_axis``: x or y, if it may be logarithmic."""

    name: str
    title: str
    variants: tuple[tuple[str, go.Figure], ...]
    log_axis: str = ""
    note: str = ""


@dataclass(frozen=True)
class Overlay:
    """Boxes of one source over the clip: ``label`` names it, one row a frame."""

    label: str
    rows: tuple[BoxRow, ...]


@dataclass(frozen=True)
class Pictures:
    """Frames of the clip as JPEG data URIs.

    ``width``, ``height``: of the clip in pixels; ``frames``: the numbers of the frames that
    ``data`` shows; ``note``: why there are none, or not all.
    """

    width: int
    height: int
    frames: tuple[int, ...] = ()
    data: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """A number at the top of the page and what it means."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page: paragraphs, figures and tables by name."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Report:
    """The whole page."""

    title: str
    subtitle: str
    facts: tuple[Fact, ...]
    pictures: Pictures
    fps: float | None
    overlays: tuple[Overlay, ...]
    sections: tuple[Section, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures in order."""
        return tuple(figure for section in self.sections for figure in section.figures)

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables in order."""
        return tuple(table for section in self.sections for table in section.tables)
