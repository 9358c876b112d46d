"""Names of foreign files steer no terminal and break no line: in tables, progress and summaries."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress, ProgressColumn

from spiketrack.errors import one_line
from spiketrack.terminal.progress import Name, frame_bar
from spiketrack.terminal.table import table

NAME = '-a "b" <c> \'\x1b[31mred\nline\ttab\x07\u202e[bold]µ'
SHOWN = '-a "b" <c> \'\\x1b[31mred\\nline\\ttab\\x07\\u202e[bold]µ'


def test_one_line() -> None:
    assert one_line(NAME) == SHOWN


def test_a_table_shows_names_with_their_control_characters_as_escapes(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    table("names", ("name", "frames"), [(NAME, 3), ("plain", 4)])
    out = capfd.readouterr().out
    assert [line for line in out.splitlines() if SHOWN in line]
    assert not set(out) & {"\x1b", "\x07", "\t", "\u202e"}


def test_progress_shows_names_with_their_control_characters_as_escapes() -> None:
    out = io.StringIO()
    with Progress(Name(), console=Console(file=out, width=100), transient=False) as bar:
        bar.add_task(NAME, total=1)
    assert SHOWN in out.getvalue()
    assert not set(out.getvalue()) & {"\x07", "\t", "\u202e"}


def test_a_very_long_name_leaves_room_for_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Progress] = []

    def kept(*columns: ProgressColumn) -> Progress:
        made.append(Progress(*columns, disable=True))
        return made[0]

    monkeypatch.setattr("spiketrack.terminal.progress._bar", kept)
    with frame_bar("x" * 240, 3):
        assert len(made[0].tasks[0].description) <= 40
