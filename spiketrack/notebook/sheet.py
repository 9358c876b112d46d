"""A sheet: rows of values under keys, each key with what it holds and its unit."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spiketrack.errors import SpikeTrackError
from spiketrack.notebook.markup import table_html
from spiketrack.optional import load

EXTRA = "notebook"  # brings pandas and matplotlib
SHOWN = 20  # rows of a long sheet in a notebook


@dataclass(frozen=True, eq=False, repr=False)
class Sheet:
    """Rows in a fixed order; ``legends``: key → what the column holds, with its unit.

        sheet[0]            # a row by number: a dictionary
        sheet["spikes"]     # a column by key: a list
        sheet.row("decoder.spike")   # the row whose first column holds this
        sheet.largest("energy_pj", 10)
        sheet.to_frame()    # a pandas DataFrame

    Values are unrounded. ``note``: a sentence for the reader.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    legends: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def of(
        cls,
        title: str,
        rows: Sequence[Mapping[str, Any]],
        legends: Mapping[str, str],
        note: str = "",
    ) -> Sheet:
        """From rows by key; the columns are the keys of ``legends``, in their order."""
        columns = tuple(legends)
        cells = tuple(tuple(row[key] for key in columns) for row in rows)
        return cls(title, columns, cells, dict(legends), note)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, str):
            return [row[self._place(key)] for row in self.rows]
        return dict(zip(self.columns, self.rows[key], strict=True))

    def _place(self, key: str) -> int:
        if key not in self.columns:
            raise SpikeTrackError(
                f"{self.title}: no column {key!r}; there are {', '.join(self.columns)}"
            )
        return self.columns.index(key)

    def row(self, name: object) -> dict[str, Any]:
        """The row whose first column holds ``name``; ``SpikeTrackError`` where none does."""
        for number, row in enumerate(self.rows):
            if row[0] == name:
                values: dict[str, Any] = self[number]
                return values
        raise SpikeTrackError(f"{self.title}: no row {name!r} in column {self.columns[0]}")

    def largest(self, key: str, number: int) -> Sheet:
        """The rows with the largest values of a column, the largest first."""
        place = self._place(key)
        rows = sorted(self.rows, key=lambda row: -row[place])[:number]
        title = f"{self.title}: the {len(rows)} largest in {key}"
        return Sheet(title, self.columns, tuple(rows), self.legends, self.note)

    def to_frame(self) -> Any:
        """A pandas ``DataFrame`` with the same columns; ``attrs`` hold title, legends and note.

        ``MissingDependency`` names the extra where pandas is not installed.
        """
        pandas = load("pandas", EXTRA)
        frame = pandas.DataFrame(list(self.rows), columns=list(self.columns))
        frame.attrs |= {"title": self.title, "legends": dict(self.legends), "note": self.note}
        return frame

    def to_csv(self) -> str:
        """The same as text for a spreadsheet."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return out.getvalue()

    def __repr__(self) -> str:
        return f"Sheet({self.title}: {len(self.rows):,} rows × {len(self.columns)} columns)"

    def _repr_html_(self) -> str:
        more = len(self.rows) - SHOWN
        rest = f"{more:,} more rows; to_frame() or iterating gives all." if more > 0 else ""
        note = " ".join(filter(None, [self.note, rest]))
        return table_html(self.title, self.columns, self.rows[:SHOWN], self.legends, note)
