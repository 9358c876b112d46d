"""The one table at every width: numbers whole, names shortened, columns left out and named."""

from __future__ import annotations

import io
import re

import pytest

from spiketrack.terminal.characters import shown
from spiketrack.terminal.console import WHOLE, Reader
from spiketrack.terminal.table import Column, Table, print_table, shorten, text

NAMES = ("encoder.block3.0.attn.q_conv", "encoder.mrm.2.retriever.v_spike", "decoder.ctr")
NUMBERS = (1_234_567_890, 98_765.4321, 12)
WIDE = Table.of(
    "layers",
    (
        Column("layer"),
        Column("dense MAC", "multiplications of an ANN"),
        Column("head-room bits", rank=2),
        Column("why", rank=1, kind="text"),
        Column("fits"),
    ),
    [
        (n, v, v / 3, f"because of {n} and {n}", v > 100)
        for n, v in zip(NAMES, NUMBERS, strict=True)
    ],
    ("total", sum(NUMBERS), None, None, None),
)


def printed(
    width: int | None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    if width is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(width))
    print_table(WIDE)
    return capfd.readouterr().out


@pytest.mark.parametrize("width", [48, 60, 70, 80, 100, 120])
def test_nothing_is_wider_than_the_terminal_and_no_number_is_cut(
    width: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = printed(width, capfd, monkeypatch)
    assert max(map(len, out.splitlines())) <= width
    for number in NUMBERS:
        assert re.search(rf"(?<![\d,]){re.escape(text(number))}(?![\d,])", out)
    for name in NAMES:
        assert name[-8:] in out


def test_what_has_no_room_is_named(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The highest rank goes first; the legend tells of what is shown alone."""
    assert "no room for" not in printed(120, capfd, monkeypatch)
    narrow = printed(48, capfd, monkeypatch)
    assert "no room for: head-room bits, why" in narrow.replace("\n", " ")
    assert "dense MAC: multiplications of an ANN" in narrow.replace("\n", " ")
    assert "why" in printed(80, capfd, monkeypatch).splitlines()[1]


def test_a_pipe_takes_the_whole(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = printed(None, capfd, monkeypatch)
    assert all(name in out for name in NAMES)
    assert "no room for" not in out
    assert len([line for line in out.splitlines() if "encoder" in line]) == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (1234567.8, "1,234,568"),
        ((1, 8, 64), "1×8×64"),
        ("[red]x", "[red]x"),
    ],
)
def test_values_as_text(value: object, expected: str) -> None:
    assert text(value) == expected


def test_names_keep_both_ends() -> None:
    assert shorten("encoder.block3.0.attn.q_conv", 40) == "encoder.block3.0.attn.q_conv"
    assert shorten("encoder.block3.0.attn.q_conv", 16) == "encod…ttn.q_conv"
    for width in range(5, 28):
        assert len(shorten(NAMES[0], width)) == width


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "12 µJ × 3 …"), ("latin-1", "12 µJ × 3 ~"), ("ascii", "12 uJ x 3 ~")],
)
def test_what_an_encoding_cannot_hold_is_replaced(encoding: str, expected: str) -> None:
    assert shown("12 µJ × 3 …", encoding) == expected
    assert shown("漢", "ascii") == "?"


def test_a_width_that_changes_later_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    made = Reader(file=io.StringIO())
    monkeypatch.setenv("COLUMNS", "200")
    assert (made.width, made.size.width) == (200, 200)
    monkeypatch.delenv("COLUMNS")
    assert made.width == WHOLE
