"""Run the README's worked example and put what the commands print into it.

    .venv/bin/python tools/readme_example.py [--frames 8]

Needed after the bundled weights or what a command prints have changed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- example: begin -->\n", "<!-- example: end -->"
COLUMNS = "100"


def commands(frames: int) -> list[tuple[str, str | int | None]]:
    """Command lines, and where what is shown of their output starts: a line or its number."""
    return [
        ("spiketrack-export nano", None),
        (f"spiketrack simulate nano --frames {frames} --out run", None),
        ("head -n 4 run/boxes.csv", None),
        ("spiketrack verify nano --checkpoint nano --frames 3 --json verify.json", None),
        ("spiketrack verify nano --frames 2 --backends integer,onnx,norse", None),
        ("spiketrack energy run --json energy.json", "by kind"),
        ("spiketrack map nano --run run --board kapoho-point --json map.json", -2),
        ("spiketrack report run --verify verify.json --map map.json", None),
    ]


def run(line: str, folder: Path, start: str | int | None) -> str:
    """What a command printed, from the line that begins with ``start`` or has this number."""
    bin_folder = str(Path(sys.executable).parent)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    environment = dict(os.environ, COLUMNS=COLUMNS, PATH=path)
    found = subprocess.run(
        shlex.split(line), cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout
    lines = [text.rstrip() for text in found.strip().splitlines()]
    if isinstance(start, str):
        lines = lines[next(i for i, text in enumerate(lines) if text.startswith(start)) :]
    if isinstance(start, int):
        lines = lines[start:]
    shown = f"$ {line}\n" + ("…\n" if start else "") + "\n".join(lines)
    return f"```text\n{shown}\n```\n"


def main() -> None:
    """Replace the example between the markers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=8)
    frames = parser.parse_args().frames
    with tempfile.TemporaryDirectory() as folder:
        parts = [run(line, Path(folder), start) for line, start in commands(frames)]
    text = README.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    README.write_text(before + BEGIN + "\n".join(parts) + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
