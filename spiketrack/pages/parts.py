"""What a page is made of, as frozen values: facts, sections, figures, drawings, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from pydantic import BaseModel

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    """Rows under named columns; the page shows them and offers the same as CSV.

    ``columns``: keys, as in the JSON document that the rows come from; ``folded``: those that
    the page shows on demand only. ``note``: a sentence for the reader. ``unfolded``: whether its
    rows are shown at once.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: tuple[str, ...] = ()
    note: str = ""
    unfolded: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        rows: Sequence[Mapping[str, Any] | BaseModel],
        columns: Sequence[str] = (),
        folded: Sequence[str] = (),
        note: str = "",
        unfolded: bool = False,
    ) -> Table:
        """From rows by key; columns are the keys of the first row unless given."""
        plain = [dict(row) for row in rows]
        keys = tuple(columns or (plain[0] if plain else ()))
        cells = tuple(tuple(cell(row.get(key)) for key in keys) for row in plain)
        return cls(name, title, keys, cells, tuple(folded), note, unfolded)

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
    if isinstance(value, BaseModel):
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
class Drawing:
    """A picture that needs no library: ``svg`` is markup of our own, its texts escaped."""

    name: str
    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """A number at the top of the page, what it means, and ``kind``: how it came about."""

    label: str
    value: str
    detail: str = ""
    kind: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page: paragraphs, commands, drawings, figures and tables by name."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    commands: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
