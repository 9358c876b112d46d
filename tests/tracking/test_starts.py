"""OTB's starts, worked by hand from its toolkit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from support.sequences import find_sequences
from support.synthetic_clips import moving_patch, write_otb

from spiketrack.errors import ClipError, ConfigError
from spiketrack.tracking.sequences import Sequence
from spiketrack.tracking.starts import expand, parse_starts, protocol_of, shifted
from spiketrack.video.boxes import Box


def test_twelve_boxes() -> None:
    """A box of 40 by 20 whose first pixel is 30, 50 of 1: tenths are 4 and 2, moved by round(x.5).

    Sides move by round(4 + 0.5) = 5 and round(2 + 0.5) = 3, a corner by 4 and 2, scales about the
    centre (50, 60).
    """
    got = shifted(Box(29, 49, 40, 20), 200, 200)
    assert {name: box.moved(1, 1).as_tuple() for name, box in got.items()} == {
        "left": (25, 50, 40, 20),
        "right": (35, 50, 40, 20),
        "up": (30, 47, 40, 20),
        "down": (30, 53, 40, 20),
        "top-left": (26, 48, 44, 22),
        "top-right": (30, 48, 44, 22),
        "bottom-left": (26, 50, 44, 22),
        "bottom-right": (30, 50, 44, 22),
        "scale-0.8": (34, 52, 32, 16),
        "scale-0.9": (32, 51, 36, 18),
        "scale-1.1": (28, 49, 44, 22),
        "scale-1.2": (26, 48, 48, 24),
    }


def test_boxes_are_cut_to_the_frame() -> None:
    got = shifted(Box(1, 0, 40, 20), 44, 20)
    assert got["left"].as_tuple() == (0, 0, 40, 20)
    assert got["right"].as_tuple() == (6, 0, 38, 20)
    assert got["scale-1.2"].moved(1, 1).as_tuple() == (1, 1, 44, 20)


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    (only,) = find_sequences(write_otb(tmp_path / "Patch", *moving_patch(8)))
    return only


def longer(sequence: Sequence, count: int) -> Sequence:
    """The same labels again and again."""
    images, boxes = sequence.images[:1] * count, np.repeat(sequence.boxes[:1], count, 0)
    return dataclasses.replace(
        sequence, images=images, boxes=boxes, visible=np.ones(count, np.bool_)
    )


def test_runs_of_a_sequence(sequence: Sequence) -> None:
    assert expand(sequence, "ope") == [sequence]
    runs = expand(sequence, "sre")
    assert len(runs) == len({run.start for run in runs}) == len({run.digest for run in runs}) == 12
    assert (runs[0].name, runs[0].of, runs[0].base) == ("Patch@left", "Patch", "Patch")
    assert runs[0].boxes is sequence.boxes
    moved = {run.begins: run.start for run in expand(sequence, "pixel")}
    assert moved["given"] == sequence.start
    assert moved["up"] == sequence.start.moved(0, -1)
    assert len(moved) == 5
    with pytest.raises(ConfigError, match="--starts often: choose one of ope, sre, tre, pixel"):
        expand(sequence, "often")


def test_twenty_segments(sequence: Sequence) -> None:
    """100 frames, the last start with 20 left is frame 81: floor(1 + 81 k / 19), and 81."""
    runs = expand(longer(sequence, 100), "tre")
    starts = [100 - len(run.boxes) + 1 for run in runs]
    assert starts == [
        1,
        5,
        9,
        13,
        18,
        22,
        26,
        30,
        35,
        39,
        43,
        47,
        52,
        56,
        60,
        64,
        69,
        73,
        77,
        81,
    ]
    assert (runs[0].name, runs[19].name) == ("Patch@segment-01", "Patch@segment-20")
    assert all(len(run.images) == len(run.boxes) == len(run.visible) for run in runs)


def test_segments_begin_where_the_target_is_seen(sequence: Sequence) -> None:
    whole = longer(sequence, 60)
    whole.visible[5:30] = False
    starts = {60 - len(run.boxes) for run in expand(whole, "tre")}
    assert max(starts) == 40
    assert not starts & set(range(5, 30))
    with pytest.raises(ClipError, match="Patch: has no start for TRE with 20 frames after it"):
        expand(sequence, "tre")


def test_several_protocols(sequence: Sequence) -> None:
    """One too short for TRE keeps its other runs, which say why there are no more."""
    starts = "ope,sre,tre"
    runs = expand(longer(sequence, 60), starts)
    counts = [protocol_of(run.begins, starts) for run in runs]
    assert [counts.count(name) for name in ("ope", "sre", "tre")] == [1, 12, 20]
    assert protocol_of("left", "tre,pixel") == "pixel"
    short = expand(sequence, starts)
    assert len(short) == 13
    assert all("Patch: has no start for TRE" in run.notes[-1] for run in short)
    assert parse_starts("tre, sre,tre") == ("tre", "sre")
    with pytest.raises(ConfigError, match="--starts sre,pixel: sre and pixel name starts alike"):
        parse_starts("sre,pixel")
