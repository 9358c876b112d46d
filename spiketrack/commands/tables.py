"""Tables on the terminal and the small words that all commands share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_FILE_WIDTH = 180  # columns where no terminal says how wide it is

console = Console()
if not console.is_terminal:
    console = Console(width=max(console.width, _FILE_WIDTH))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; text columns left, numbers right."""
    built = [[text(value) for value in row] for row in rows]
    view = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for index, name in enumerate(columns):
        numeric = all(_number(row[index]) for row in built)
        view.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in built:
        view.add_row(*row)
    console.print(view)
    console.print()


def text(value: Any) -> str:
    """Thousands separated, four significant digits, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return "×".join(str(item) for item in value)
    return str(value).replace("[", r"\[")


def _number(value: str) -> bool:
    return not value or value.lstrip("-")[:1].isdigit()


def say(line: str) -> None:
    """A line for people."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)
