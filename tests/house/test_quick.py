"""The first answer: ``make quick`` asks every folder, and leaves out what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
LEFT_OUT = "not lava and not browser and not slow"


@pytest.mark.slow
def test_it_touches_every_folder() -> None:
    assert f'-m "{LEFT_OUT}"' in (ROOT / "Makefile").read_text("utf-8")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", LEFT_OUT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    asked = {line.split("/")[1] for line in done.stdout.splitlines() if "::" in line}
    assert asked == {path.parent.name for path in TESTS.glob("*/test_*.py")}
