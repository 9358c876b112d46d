"""``verify --amplification``: what the least push of a search reaches, in figures and on screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.jobs import write_small
from support.program import Program
from support.synthetic_clips import moving_patch, write_images

from spiketrack.documents.verification import VerifyDocument
from spiketrack.documents.yardstick import AmplificationPart
from spiketrack.pipeline import calibration, export_checkpoint
from spiketrack.reference.checkpoint import read_checkpoint


@pytest.mark.slow
def test_verify_prints_how_far_a_push_reaches(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = Program(capfd)
    small = write_small(tmp_path / "small.safetensors")
    read = read_checkpoint(small)
    export_checkpoint(read, tmp_path / "out", calibrated=calibration(read))
    frames, boxes = moving_patch(4)
    write_images(tmp_path / "clip", frames, "{:04d}.png")
    box = ",".join(f"{v:g}" for v in boxes[0].as_tuple())
    line: tuple[object, ...] = (
        "verify",
        tmp_path / "out",
        "--checkpoint",
        small,
        "--video",
        tmp_path / "clip",
    )
    line += ("--box", box, "--frames", 3, "--amplification", 2)
    told = program.refuses(*line, "--backends", "inline")
    assert told == "--amplification: is of the float network; give --backends float"
    printed = " ".join(program(*line, "--backends", "float", "--json", tmp_path / "v.json").split())
    assert re.search(
        r"amplification, 2 frames: [\d.]+% of the counts differ after one was changed by one, "
        r"[\d.]+% after the crop was shifted by a pixel",
        printed,
    )
    part = VerifyDocument.read(tmp_path / "v.json").float_
    assert part is not None
    assert part.amplification is not None
    assert part.amplification.searches == 2
    assert 2 <= part.amplification.flipped <= part.amplification.counts


def test_rates_are_shares_of_the_counts() -> None:
    values: dict[str, Any] = {
        "searches": 1,
        "counts": 8,
        "flipped": 2,
        "flipped_rate": 0.25,
        "shifted": 4,
    }
    AmplificationPart(**values, shifted_rate=0.5)
    with pytest.raises(ValidationError, match="a rate is not its share of counts"):
        AmplificationPart(**values, shifted_rate=0.4)
    with pytest.raises(ValidationError, match="flipped or shifted exceed the counts"):
        AmplificationPart(**{**values, "counts": 3}, shifted_rate=0.5)
