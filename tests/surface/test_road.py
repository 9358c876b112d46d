"""The road from Python: what the commands write, from plain paths and numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.program import Program
from support.report_data import BOX, FRAMES, Files

import spiketrack
from spiketrack.errors import CheckpointError, ClipError, SpikeTrackError
from spiketrack.surface.run import Run
from spiketrack.video.boxes import Box
from spiketrack.video.clip import box_of

pytestmark = pytest.mark.slow

NUMBERS = [200, 120, 80, 100]


@pytest.fixture
def checkpoint(report_files: Files) -> str:
    return str(report_files.export.parent / "tiny.safetensors")


def test_an_export_is_that_of_the_command(
    report_files: Files, checkpoint: str, tmp_path: Path, program: Program
) -> None:
    """Byte by byte, with a folder, clip and box as text and numbers."""
    clip = str(report_files.clip)
    network = spiketrack.export_checkpoint(checkpoint, str(tmp_path / "a"), clip, NUMBERS)
    program("export", checkpoint, "--out", tmp_path / "b", "--calibrate", clip, "--box", BOX)
    for name in ("manifest.json", "search.nir", "template.nir"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert repr(network).startswith("ExportedNetwork(custom: ")
    assert network.manifest.network_digest[:12] in repr(network)
    assert "head-room" in network._repr_html_()


def test_simulate_opens_the_run(report_files: Files, tmp_path: Path) -> None:
    """Boxes and operations of the run that the command made, on another exact backend."""
    run = spiketrack.simulate(
        str(report_files.export),
        str(tmp_path / "run"),
        video=str(report_files.clip),
        box=Box(*NUMBERS),
        frames=FRAMES,
        backend="integer",
    )
    assert isinstance(run, Run)
    other = spiketrack.open_run(report_files.run)
    assert run.boxes.rows == other.boxes.rows
    assert run.by_layer.rows == other.by_layer.rows
    with pytest.raises(SpikeTrackError, match="exists already; choose another"):
        spiketrack.simulate(report_files.export, tmp_path / "run", backend="integer")


def test_a_run_is_gone_on_from(report_files: Files, tmp_path: Path) -> None:
    """A run folder in the place of an export: its network, clip and box."""
    again = spiketrack.simulate(report_files.run, tmp_path / "run", frames=1, backend="integer")
    assert again.about.box == tuple(NUMBERS)
    assert again.about.clip.path == str(report_files.clip)
    assert again.about.counts == "totals"


def test_a_clip_that_fails_midway_is_a_warning(report_files: Files, tmp_path: Path) -> None:
    """The run holds what came before."""
    clip = tmp_path / "clip"
    shutil.copytree(report_files.clip, clip)
    (clip / "0003.jpg").write_bytes(b"no image")
    out = tmp_path / "run"
    with pytest.warns(UserWarning, match=r"0003\.jpg: .*the 2 frames tracked before are kept"):
        run = spiketrack.simulate(
            report_files.export, out, video=clip, box=NUMBERS, backend="integer"
        )
    assert run.about.frames == 2


def test_verify_and_place_return_what_the_commands_write(
    report_files: Files, checkpoint: str, tmp_path: Path
) -> None:
    found = spiketrack.verify(
        report_files.export,
        checkpoint=spiketrack.read_checkpoint(checkpoint),
        video=report_files.clip,
        box=BOX,
        frames=3,
        backends=("float", "integer", "inline"),
        out=str(tmp_path / "verify.json"),
    )
    written = json.loads(report_files.verify.read_text())
    assert found.to_json() == written == json.loads((tmp_path / "verify.json").read_text())
    assert repr(found).startswith("VerifyDocument(")
    placed = spiketrack.place(report_files.export, run=spiketrack.open_run(report_files.run))
    assert placed.to_json() == json.loads(report_files.placement.read_text())


def test_a_report(report_files: Files, tmp_path: Path) -> None:
    out = spiketrack.write_report(
        str(report_files.run),
        str(tmp_path / "page.html"),
        against=[report_files.other],
        verify=str(report_files.verify),
        placement=report_files.placement,
    )
    page = out.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "spiketrack.write_report(" in page
    with pytest.raises(SpikeTrackError, match="is an input of this command"):
        spiketrack.write_report(report_files.run, report_files.verify, verify=report_files.verify)


def test_errors_are_those_of_the_commands(report_files: Files, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="give --box x,y,w,h"):
        spiketrack.verify(report_files.export, video=report_files.clip, backends=["inline"])
    with pytest.raises(CheckpointError, match="not the checkpoint that was exported"):
        spiketrack.verify(report_files.export, checkpoint="nano")
    with pytest.raises(SpikeTrackError, match="--backends tpu: choose among"):
        spiketrack.verify(report_files.export, backends="integer,tpu")
    with pytest.raises(SpikeTrackError, match="--backend tpu: choose among"):
        spiketrack.simulate(report_files.export, tmp_path / "run", backend="tpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("box", ["1,2,3,4.5", [1, 2, 3, 4.5], (1, 2, 3, 4.5), Box(1, 2, 3, 4.5)])
def test_a_box_in_any_form(box: str | Box | list[float]) -> None:
    assert box_of(box) == Box(1, 2, 3, 4.5)


@pytest.mark.parametrize(
    ("box", "message"),
    [([1, 2, 3], "expected x,y,w,h"), ([1, 2, 0, 4], "greater than 0"), ("a", "expected x,y,w,h")],
)
def test_what_is_no_box(box: str | list[float], message: str) -> None:
    with pytest.raises(ClipError, match=message):
        box_of(box)
