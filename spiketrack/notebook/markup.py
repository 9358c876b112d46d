"""Tables as the HTML that notebooks show: escaped, without a style sheet, script or request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from spiketrack.terminal.table import text

RIGHT, LEFT = "text-align: right", "text-align: left"


def table_html(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    legends: Mapping[str, str] | None = None,
    note: str = "",
) -> str:
    """A table with its title above; ``legends``: what a column's name is explained by on hover."""
    known = legends or {}
    head = "".join(_head(name, known.get(name, "")) for name in columns)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    below = f"<p>{escape(note)}</p>" if note else ""
    caption = f"<caption style='{LEFT}'><b>{escape(title)}</b></caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def _head(name: str, legend: str) -> str:
    hint = f" title='{escape(legend)}'" if legend else ""
    return f"<th{hint}>{escape(name)}</th>"


def _cell(value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"<td style='{RIGHT if number else LEFT}'>{escape(text(value))}</td>"
