"""The page on extending: its files exist and its tables load."""

from __future__ import annotations

import re
from pathlib import Path

from spiketrack.deploy.chip.board import load_board
from spiketrack.energy.prices import load_prices

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")


def test_every_file_that_it_names_exists() -> None:
    named = re.findall(r"`((?:spiketrack|export|deploy|simulators|tests)/[\w/.]*)`", PAGE)
    linked = [f"docs/{path}" for path in re.findall(r"\]\(([\w/.]+)\)", PAGE)]
    assert len(named) > 15
    assert not [path for path in (*named, *linked) if not (ROOT / path).exists()]


def test_its_price_table_and_board_load(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    prices, board = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path.write_text(prices, "utf-8")
    assert load_prices(str(path)).pj("ac") == 2.5
    path.write_text(board, "utf-8")
    assert load_board(str(path)).cores == 600
