"""Frames of an evaluation's sequences: which, and where the boxes stand on them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.sequences import find_sequences
from support.synthetic_clips import moving_patch, write_otb

from spiketrack.documents.tracking import SequencePart
from spiketrack.evaluation.looks import FOUND, GAP, MOST, TRUTH, WIDTH, looks, strip
from spiketrack.tracking.evaluation import Tally, Tracked, judge
from spiketrack.tracking.figures import outcome
from spiketrack.tracking.sequences import Sequence
from spiketrack.video.boxes import Box
from spiketrack.video.boxes import write_otb as write_boxes

FRAMES, BOXES = moving_patch(9, 96, 64)


def sequence(folder: Path, name: str) -> Sequence:
    return find_sequences(write_otb(folder / name, FRAMES, BOXES))[0]


def followed(one: Sequence, moved: float) -> tuple[list[Box], SequencePart]:
    """Boxes that are off by so many pixels from the second frame on."""
    found = [replace(box, x=box.x + moved * (i > 0)) for i, box in enumerate(BOXES)]
    table = np.array([box.as_tuple() for box in found])
    tracked = Tracked(table, (), (0.01,) * len(found), (96, 64), Tally(), ())
    part = SequencePart.timed(outcome(judge(one, tracked)), 0.09)
    return found, part


def test_boxes_stand_where_they_were_found(tmp_path: Path) -> None:
    one = sequence(tmp_path, "Patch")
    hidden = one.visible.copy()
    hidden[8] = False
    found, _ = followed(one, 3.0)
    tree = ElementTree.fromstring(strip(replace(one, visible=hidden), found))
    images = [part for part in tree if part.tag == "image"]
    assert [int(part.attrib["x"]) for part in images] == [i * (WIDTH + GAP) for i in range(4)]
    assert all(part.attrib["href"].startswith("data:image/jpeg;base64,") for part in images)
    assert [part.text for part in tree if part.tag == "text"] == [
        f"frame {number}" for number in (1, 3, 6, 8)
    ]
    drawn = [part for part in tree if part.tag == "rect"]
    assert [TRUTH in part.attrib["style"] for part in drawn] == [True, False] * 3 + [False]
    scale = WIDTH / 96
    for part, box in zip(drawn[:2], (BOXES[1], found[1]), strict=True):
        values = [float(part.attrib[key]) for key in ("x", "y", "width", "height")]
        assert values == pytest.approx([value * scale for value in box.as_tuple()], abs=0.06)
    assert FOUND in drawn[1].attrib["style"]


def test_the_worst_are_shown_and_what_is_gone_is_not(tmp_path: Path) -> None:
    footage, parts = [], {}
    for number in range(MOST + 2):
        one = sequence(tmp_path / "data", f"P{number}<b>")
        boxes, parts[one.name] = followed(one, float(number))
        (tmp_path / "boxes").mkdir(exist_ok=True)
        write_boxes(tmp_path / "boxes" / f"{one.name}.txt", boxes)
        footage.append(one)
    shown = looks(footage, parts, tmp_path / "boxes")
    order = [f"P{number}<b>" for number in reversed(range(2, MOST + 2))]
    assert [drawing.title.split(":")[0] for drawing in shown] == order
    assert "<b>" not in "".join(drawing.svg for drawing in shown)
    footage[-1].images[3].unlink()
    assert [d.title.split(":")[0] for d in looks(footage, parts, tmp_path / "boxes")] == order[1:]
