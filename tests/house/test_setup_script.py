"""The setup script says in one line what it cannot take, before it makes anything."""

from __future__ import annotations

import os
import subprocess
import sys
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


def test_a_shim_that_fails_hides_no_python_behind_it(tmp_path: Path) -> None:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder, text in (("shims", "exit 127"), ("behind it", f'exec "{sys.executable}" "$@"')):
        program = tmp_path / folder / name
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    path = f"{tmp_path / 'shims'}:{tmp_path / 'behind it'}:/usr/bin:/bin"
    done = setup(
        tmp_path, PATH=path, HOME=str(tmp_path), PYTHON=name, CONSTRAINTS="absent.txt"
    )  # no package is installed
    assert "No working Python" not in done.stderr
    assert done.stdout.startswith(f"Making {tmp_path / 'venv'} with Python {name[6:]}.")


def test_what_others_made_is_kept(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "mine.txt").write_text("mine")
    done = setup(tmp_path)
    assert done.returncode == 1
    assert "venv: holds something that this script did not make" in done.stderr
    assert (tmp_path / "venv" / "mine.txt").read_text() == "mine"


def test_an_interrupted_environment_is_made_again(tmp_path: Path) -> None:
    """One without pip, as an end in the middle of its making leaves it."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (venv / ".made-by-setup").touch()
    (venv / "left").touch()
    setup(tmp_path, PYTHON=sys.executable, CONSTRAINTS="absent.txt")  # no package is installed
    assert not (venv / "left").exists()
    assert (venv / "bin" / "pip").exists()
