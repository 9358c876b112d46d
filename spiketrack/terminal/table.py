"""The one table: as wide as its reader allows, numbers never cut.

Where a line is too long, headings are broken between words, names are shortened in the middle
and texts wrapped, then the columns of the highest rank are left out, which is said below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from spiketrack.errors import one_line
from spiketrack.terminal.characters import shown
from spiketrack.terminal.console import console, say

Kind = Literal["name", "text", "number"]
GAP = 2  # between two columns
NARROW: dict[Kind, int] = {"name": 22, "text": 24}  # what is left of them at the least
WORD = 36  # of a text's longest word, which is only broken where it is longer
TEXT = 100  # columns after which a text is wrapped, wherever it is read
STYLES = {True: "green", False: "red"}


@dataclass(frozen=True)
class Column:
    """A heading; ``legend``: what it holds and its unit; ``rank``: 0 stays, the highest goes first.

    ``kind``: a name is shortened in the middle, a text wrapped, a number kept; numbers are told
    by their cells where nothing is said.
    """

    title: str
    legend: str = ""
    rank: int = 0
    kind: Kind | None = None


@dataclass(frozen=True)
class Table:
    """A title, columns, rows of values, and perhaps last lines of totals."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    totals: tuple[tuple[Any, ...], ...] = ()

    @classmethod
    def of(
        cls,
        title: str,
        columns: Sequence[Column | str],
        rows: Iterable[Sequence[Any]],
        *totals: Sequence[Any],
    ) -> Table:
        """From any sequences; a column may be its title alone."""
        made = tuple(c if isinstance(c, Column) else Column(c) for c in columns)
        return cls(title, made, tuple(map(tuple, rows)), tuple(map(tuple, totals)))


def text(value: Any) -> str:
    """Thousands separated, four significant digits, yes and no, nothing for None."""
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
    return str(value)


def print_table(table: Table) -> None:
    """Print a table, its legend, and what had no room."""
    fitted = _Fit(table, console)
    if table.title:
        say(table.title, "bold")
    console.print(fitted.drawn(), soft_wrap=fitted.wide)
    for line in fitted.footer():
        say(line, "dim")


class _Fit:
    """A table laid out for one console."""

    def __init__(self, table: Table, console: Console) -> None:
        self.table = table
        self.console = console
        self.lines = (*table.rows, *table.totals)
        self.cells = [
            [shown(one_line(text(v)), console.encoding) for v in line] for line in self.lines
        ]
        self.titles = [shown(column.title, console.encoding) for column in table.columns]
        self.kinds = [self._kind(i) for i in range(len(table.columns))]
        self.kept = list(range(len(table.columns)))
        self.widths = self._layout()

    @property
    def wide(self) -> bool:
        """Whether the narrowest layout is still wider than the console: let it run over."""
        return sum(self.widths.values()) + GAP * (len(self.kept) - 1) > self.console.width

    def _kind(self, index: int) -> Kind:
        column = self.table.columns[index]
        numeric = all(_number(row[index]) for row in self.cells)
        return column.kind or ("number" if numeric else "name" if index == 0 else "text")

    def _layout(self) -> dict[int, int]:
        """Widths of the kept columns; drops columns until they fit or none can go."""
        while True:
            room = self.console.width - GAP * (len(self.kept) - 1)
            for titles in (self.titles, [_longest_word(title) for title in self.titles]):
                full = {i: self._natural(i, titles[i]) for i in self.kept}
                if sum(full.values()) <= room:
                    return full
            least = {i: min(full[i], self._least(i, full[i])) for i in self.kept}
            if sum(least.values()) <= room:
                return self._spread(least, full, room)
            last = max(self.kept, key=lambda i: (self.table.columns[i].rank, i))
            if not self.table.columns[last].rank:
                return least
            self.kept.remove(last)

    def _natural(self, index: int, title: str) -> int:
        longest = max((len(row[index]) for row in self.cells), default=0)
        if self.kinds[index] == "text":
            longest = min(longest, TEXT)
        return max(len(title), longest, 1)

    def _least(self, index: int, full: int) -> int:
        """To what a column may shrink; words of a text stay whole, so that they can be copied."""
        kind = self.kinds[index]
        if kind != "text":
            return NARROW.get(kind, full)
        longest = max((len(_longest_word(row[index])) for row in self.cells), default=0)
        return max(NARROW["text"], min(longest, WORD))

    def _spread(self, least: dict[int, int], full: dict[int, int], room: int) -> dict[int, int]:
        """Give the room that is left to the columns from the left."""
        left = room - sum(least.values())
        widths = dict(least)
        for index in self.kept:
            more = min(left, full[index] - least[index])
            widths[index] += more
            left -= more
        return widths

    def drawn(self) -> RichTable:
        """For rich."""
        view = RichTable(
            box=SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=any(self.titles),
            padding=(0, GAP - 1, 0, 0), header_style="none",
        )  # fmt: skip
        for index in self.kept:
            right = self.kinds[index] == "number"
            view.add_column(
                Text(self.titles[index]), justify="right" if right else "left",
                width=self.widths[index], overflow="fold", no_wrap=False,
            )  # fmt: skip
        for number, row in enumerate(self.cells):
            view.add_row(*(self._cell(number, i, row[i]) for i in self.kept))
        return view

    def _cell(self, number: int, index: int, cell: str) -> Text:
        value = self.lines[number][index]
        style = STYLES[value] if isinstance(value, bool) else ""
        bold = "bold " if number == len(self.table.rows) else ""
        return Text(self._short(index, cell), bold + style)

    def _short(self, index: int, cell: str) -> str:
        if self.kinds[index] != "name":
            return cell
        return shorten(cell, self.widths[index], shown("…", self.console.encoding))

    def footer(self) -> list[str]:
        """Legends of what is shown, and the titles of what is not."""
        columns = self.table.columns
        legends = [
            f"{columns[i].title}: {columns[i].legend}" for i in self.kept if columns[i].legend
        ]
        lines = ["; ".join(legends)] if legends else []
        gone = [column.title for i, column in enumerate(columns) if i not in self.kept]
        return [*lines, f"no room for: {', '.join(gone)}"] if gone else lines


def shorten(name: str, width: int, mark: str = "…") -> str:
    """``encoder.block3.0.attn.q_conv`` → ``encod….attn.q_conv``: both ends, more of the last."""
    if len(name) <= width:
        return name
    first = (width - len(mark)) // 3
    return name[:first] + mark + name[len(name) - (width - len(mark) - first) :]


def _longest_word(title: str) -> str:
    return max(title.split() or [""], key=len)


def _number(cell: str) -> bool:
    return not cell or cell.lstrip("-+(")[:1].isdigit()


def table(
    title: str,
    columns: Sequence[Column | str],
    rows: Iterable[Sequence[Any]],
    *totals: Sequence[Any],
) -> None:
    """Print a table of any sequences."""
    print_table(Table.of(title, columns, rows, *totals))
