"""Sheets of values: rows, columns, pandas, CSV, what a notebook shows."""

from __future__ import annotations

import csv
import io
import sys

import pandas
import pytest

from spiketrack.errors import MissingDependency, SpikeTrackError
from spiketrack.notebook.sheet import SHOWN, Sheet

LEGENDS = {"name": "layer", "spikes": "sum of counts", "share": "0..1"}
ROWS = [
    {"name": "a.conv", "spikes": 10, "share": 0.25, "unused": 1},
    {"name": "<b>", "spikes": 30_000, "share": 0.75, "unused": 1},
    {"name": "c", "spikes": 20, "share": None, "unused": 1},
]
SHEET = Sheet.of("three layers", ROWS, LEGENDS, "a note")


def test_rows_and_columns() -> None:
    assert len(SHEET) == 3
    assert SHEET[0] == {"name": "a.conv", "spikes": 10, "share": 0.25}
    assert SHEET[-1] == SHEET.row("c")
    assert SHEET["spikes"] == [10, 30_000, 20]
    assert [row["name"] for row in SHEET] == ["a.conv", "<b>", "c"]
    assert SHEET.largest("spikes", 2)["name"] == ["<b>", "c"]
    assert repr(SHEET) == "Sheet(three layers: 3 rows × 3 columns)"


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(SpikeTrackError, match="no column 'mac'; there are name, spikes, share"):
        SHEET["mac"]
    with pytest.raises(SpikeTrackError, match="three layers: no row 'd' in column name"):
        SHEET.row("d")


def test_a_frame_of_pandas() -> None:
    frame = SHEET.to_frame()
    expected = pandas.DataFrame([{k: row[k] for k in LEGENDS} for row in ROWS])
    pandas.testing.assert_frame_equal(frame, expected)
    assert frame.attrs == {"title": "three layers", "legends": LEGENDS, "note": "a note"}


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependency, match=r"pandas: cannot be imported .*loihi\[notebook\]"):
        SHEET.to_frame()


def test_csv_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(SHEET.to_csv())))
    assert rows[0] == list(LEGENDS)
    assert rows[2] == ["<b>", "30000", "0.75"]


def test_a_notebook_shows_it_escaped_and_short() -> None:
    shown = SHEET._repr_html_()
    assert "<b>three layers</b>" in shown
    assert "&lt;b&gt;" in shown
    assert "title='sum of counts'" in shown
    assert "30,000" in shown
    assert "a note" in shown
    many = Sheet("many", ("n",), tuple((n,) for n in range(SHOWN + 7)))._repr_html_()
    assert many.count("<tr>") == SHOWN + 1
    assert "7 more rows" in many
