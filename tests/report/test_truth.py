"""Ground truth beside a run's clip: drawn and scored where it is of the tracked object."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.report_data import FRAMES, Files, changed_run

from spiketrack.documents.run import ClipPart
from spiketrack.report import Report, build_report, read_sources
from spiketrack.report.truth import ground_truth
from spiketrack.video.boxes import BoxRow

SHIFT = 3.0  # pixels that the labels lie beside the boxes


def labelled(folder: Path, files: Files, shift: float, absent: tuple[int, ...] = ()) -> Path:
    """A copy of the clip with labels in GOT-10k's layout, which counts pixels from 1."""
    shutil.copytree(files.clip, folder)
    lines = []
    for row in files.boxes:
        x, y, w, h = row.box.as_tuple()
        moved = x + shift if row.frame else x
        lines.append("0,0,0,0" if row.frame in absent else f"{moved + 1},{y + 1},{w},{h}")
    (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    return folder


def shown(folder: Path, files: Files, clip: Path) -> Report:
    part = ClipPart(name="labelled", path=str(clip), fps=None)
    return build_report(read_sources(changed_run(folder, files.run, clip=part)))


def test_labels_are_drawn_and_the_run_is_scored(report_files: Files, tmp_path: Path) -> None:
    clip = labelled(tmp_path / "clip", report_files, SHIFT, absent=(2,))
    found = shown(tmp_path / "run", report_files, clip)
    truth = found.overlays[-1]
    assert truth.label == "ground truth"
    assert [row.frame for row in truth.rows] == [0, 1, *range(3, FRAMES + 1)]
    for row in truth.rows[1:]:
        tracked = report_files.boxes[row.frame].box
        assert row.box.x == pytest.approx(tracked.x + SHIFT)
        assert row.box.y == pytest.approx(tracked.y)
    card = next(fact for fact in found.facts if fact.label == "accuracy on this clip")
    assert f"centre within 20 px in 100% of {FRAMES} frames" in card.detail
    assert card.kind == "measured"
    boxes = next(table for table in found.tables if table.name == "boxes")
    assert {row[-1] for row in boxes.rows if row[0] == "ground truth"} == {None}
    scores = next(figure for figure in found.figures if figure.name == "scores")
    names = [trace.name for trace in scores.variants[0][1].data]
    assert "ground truth" not in names


def test_labels_of_another_object_are_not_its_truth(report_files: Files, tmp_path: Path) -> None:
    clip = labelled(tmp_path / "clip", report_files, 0)
    first, *later = report_files.boxes
    elsewhere = BoxRow(0, first.box.moved(70, 0), 1.0)
    assert ground_truth(clip, report_files.boxes)
    assert ground_truth(clip, [elsewhere, *later]) is None
    assert ground_truth(report_files.clip, report_files.boxes) is None
    assert ground_truth(tmp_path / "none.mp4", report_files.boxes) is None


def test_labels_of_other_frames_are_not_its_truth(report_files: Files, tmp_path: Path) -> None:
    clip = labelled(tmp_path / "clip", report_files, 0)
    text = (clip / "groundtruth.txt").read_text().splitlines()
    (clip / "groundtruth.txt").write_text("\n".join(text[:-2]) + "\n")
    assert ground_truth(clip, report_files.boxes) is None


def test_frames_without_a_target_are_not_scored(report_files: Files, tmp_path: Path) -> None:
    every = tuple(range(1, FRAMES + 1))
    clip = labelled(tmp_path / "clip", report_files, 0, absent=every)
    card = next(
        fact
        for fact in shown(tmp_path / "run", report_files, clip).facts
        if fact.label == "accuracy on this clip"
    )
    assert card.value == "not scored"
