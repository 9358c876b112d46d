"""All that chips spend on a frame of a sequence: what ``energy --map`` says of a run of it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.jobs import write_small
from support.program import Program
from support.synthetic_clips import moving_patch, write_images, write_otb

from spiketrack.documents.tracking import EvaluationDocument

pytestmark = pytest.mark.slow
FRAMES, BOXES = moving_patch(2, 64, 48)
BOX = ",".join(f"{value:g}" for value in BOXES[0].as_tuple())


@pytest.fixture
def home(tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export, its placement, and two frames as a sequence and as a folder of images."""
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path / "small.safetensors")
    write_otb(tmp_path / "Patch", FRAMES, BOXES)
    write_images(tmp_path / "clip", FRAMES)
    program("export", "small.safetensors", "--out", "ex")
    program("map", "ex", "--json", "map.json")
    return tmp_path


def test_one_frame_is_that_of_the_run(home: Path, program: Program) -> None:
    """Its search, and the one encoding that its one frame bears alone."""
    clip = ("--video", "clip", "--box", BOX)
    program("simulate", "ex", *clip, "--backend", "integer", "--out", "run")
    program("energy", "run", "--map", "map.json", "--json", "energy.json")
    spent: dict[str, Any] = {
        part["branch"]: part for part in json.loads((home / "energy.json").read_text())["whole"]
    }
    assert spent["search"]["inferences"] == spent["template"]["inferences"] == 1
    shown = program("evaluate", "ex", "Patch", "--map", "map.json", "--out", "found")
    mean = EvaluationDocument.read(home / "found" / "evaluation.json").mean
    assert mean is not None
    assert mean.whole_mj is not None
    for found, end in zip(mean.whole_mj, ("low_pj", "high_pj"), strict=True):
        assert found == pytest.approx(1e-9 * (spent["search"][end] + spent["template"][end]))
        assert f"{found:.4g}" in shown
    assert mean.operations_mj is not None
    assert 0 < mean.operations_mj < mean.whole_mj[0] < mean.whole_mj[1]
    page = (home / "found" / "plots.html").read_text(encoding="utf-8")
    low, high = mean.whole_mj
    assert "operations of a frame" in page
    assert f"{low:.3g} to {high:.3g} mJ" in page
    shown = program("score", "found", "Patch", "--csv", "table.csv", "--scatter", "energy.html")
    assert "mJ/frame: operations of searches and template encodings" in shown
    assert "whole mJ, low: all that the chips of the placement spend" in shown
    head, row = (home / "table.csv").read_text().splitlines()[:2]
    assert "whole mJ, low" in head
    assert f"{mean.whole_mj[0]:.6g}"[:5] in row
    assert "all that chips spend, low to high" in (home / "energy.html").read_text()


def test_what_does_not_fit_is_refused(home: Path, program: Program) -> None:
    placed = json.loads((home / "map.json").read_text())
    (home / "other.json").write_text(json.dumps(placed | {"network_digest": "0" * 64}))
    told = program.refuses("evaluate", "ex", "Patch", "--map", "other.json")
    assert told.startswith("other.json: places network 000000000000, this evaluation holds ")
    told = program.refuses(
        "evaluate", "small.safetensors", "Patch", "--backend", "float", "--map", "map.json"
    )
    assert told == "--map: places an integer network; choose a backend that runs one"


def test_a_page_that_could_not_be_written_is_made_by_the_next_call(
    home: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at the very end: the table is shown all the same, nothing is followed again."""

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "plots.html")

    line = ("evaluate", "ex", "Patch", "--workers", 1, "--out", "found")
    with monkeypatch.context() as changed:
        changed.setattr("spiketrack.tracking.page.write_html", full)
        shown = program(*line, code=2)
    assert "AUC" in shown
    assert "the disk is full" in program.err
    (boxes,) = (home / "found" / "boxes").glob("*/Patch.txt")
    before = boxes.stat().st_mtime_ns
    assert program(*line).splitlines()[:4] == shown.splitlines()[:4]
    assert (home / "found" / "plots.html").is_file()
    assert boxes.stat().st_mtime_ns == before
    assert "exists already" in program.refuses(*line)
