"""The setup script says in one line what it cannot take, before it makes anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def setup(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "tools/setup.sh", str(folder / "venv")],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PYTHON", "3.9", "PYTHON=3.9: choose one of 3.13 3.12 3.11 3.10, or a program of these."),
        ("PYTHON", "3.14", "PYTHON=3.14: choose one of 3.13 3.12 3.11 3.10, or a program"),
        ("PYTHON", "python3.9", "PYTHON=python3.9: choose one of 3.13 3.12 3.11 3.10, or"),
        ("PYTHON", "false", "PYTHON=false: no working Python of 3.13 3.12 3.11 3.10."),
        ("TORCH", "gpu", "TORCH=gpu: choose cpu or cuda."),
    ],
)
def test_what_it_cannot_take(tmp_path: Path, name: str, value: str, message: str) -> None:
    done = setup(tmp_path, **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
