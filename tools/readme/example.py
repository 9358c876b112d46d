"""Run the worked example and put what the commands print into README.md and docs/tutorial.md."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from spiketrack.export.nir.folder import read_manifest
from tools.readme.blocks import README, ROOT, filled

TUTORIAL = ROOT / "docs" / "tutorial.md"
COLUMNS = "96"
RUN = "spiketrack run nano --frames 30 --out demo-run"
STEPS = (
    ("export", "spiketrack export nano"),
    ("simulate", "spiketrack simulate nano --frames 8 --out run"),
    ("boxes", "head -n 4 run/boxes.csv"),
    ("verify", "spiketrack verify nano --checkpoint nano --frames 3 --json verify.json"),
    ("others", "spiketrack verify nano --frames 2 --backends integer,onnx,norse"),
    ("energy", "spiketrack energy run --json energy.json"),
    ("map", "spiketrack map nano --run run --board kapoho-point --json map.json"),
    ("report", "spiketrack report run --verify verify.json --map map.json"),
)


def printed(line: str, folder: Path) -> str:
    """The command and what it printed on standard output, unedited, as a block of Markdown."""
    bin_folder = str(Path(sys.executable).parent)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    environment = dict(os.environ, COLUMNS=COLUMNS, PATH=path)
    output = subprocess.run(
        shlex.split(line),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    ).stdout
    lines = [text.rstrip() for text in output.strip("\n").splitlines()]
    return "```text\n" + "\n".join([f"$ {line}", *lines]) + "\n```\n"


def fill() -> None:
    """Every block of both pages, each with the network that it is of."""
    readme, tutorial = README.read_text("utf-8"), TUTORIAL.read_text("utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = printed(RUN, folder)
        digest = read_manifest(folder / "demo-run" / "export").network_digest
        sign = f"<!-- network {digest} -->\n"
        readme = filled(readme, "run", sign + text)
        tutorial = filled(tutorial, "run", sign + text)
        for part, line in STEPS:
            tutorial = filled(tutorial, part, sign + printed(line, folder))
    README.write_text(readme, "utf-8")
    TUTORIAL.write_text(tutorial, "utf-8")
