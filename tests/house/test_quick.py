"""The first answer: ``make quick`` asks every folder, and leaves out what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
MARKS = ("lava", "browser", "slow")
LEFT_OUT = " and ".join(f"not {mark}" for mark in MARKS)


@pytest.mark.slow
def test_it_touches_every_folder(request: pytest.FixtureRequest) -> None:
    assert f'-m "{LEFT_OUT}"' in (ROOT / "Makefile").read_text("utf-8")
    files = set(TESTS.glob("*/test_*.py"))
    items, option = request.session.items, request.config.option
    folders = {path.parent for path in files}
    whole = {item.path.parent for item in items} == folders and not option.keyword
    if whole and not option.markexpr:  # what this run collected will do
        asked = {i.path.parent.name for i in items if not any(map(i.get_closest_marker, MARKS))}
    else:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", LEFT_OUT]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        asked = {line.split("/")[1] for line in done.stdout.splitlines() if "::" in line}
    assert asked == {folder.name for folder in folders}
