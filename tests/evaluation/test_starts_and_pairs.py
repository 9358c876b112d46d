"""Several kinds of starts, sequences of a list, two networks in pairs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.jobs import write_small
from support.program import Program
from support.sequences import find_sequences
from support.synthetic_clips import moving_patch, write_otb

from spiketrack.documents.tracking import EvaluationDocument
from spiketrack.errors import ConfigError
from spiketrack.evaluation.plans import Plan
from spiketrack.tracking.evaluation import SequenceResult, score_boxes
from spiketrack.tracking.ledger import Ledger
from spiketrack.tracking.starts import expand

FRAMES, BOXES = moving_patch(3)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in "ABC":
        write_otb(tmp_path / "data" / name, FRAMES, BOXES)
    return tmp_path / "data"


def document(data: Path, off: dict[str, float], starts: str) -> EvaluationDocument:
    """Every run off by so many pixels."""
    runs = [run for s in find_sequences(data) for run in expand(s, starts)]
    ledger = Ledger(["net"], [run.name for run in runs], {"starts": starts})
    for run in runs:
        boxes = np.array([b.moved(off[run.base], 0).as_tuple() for b in BOXES])
        scores = score_boxes(run, boxes, (96, 72))
        ledger.add("net", SequenceResult(run, boxes, (96, 72), scores, (0.1,) * 3, None))
    return ledger.document()


def test_pairs_take_a_hard_sequence_as_hard_for_both(data: Path) -> None:
    """Every sequence is better by nearly as much, though the sequences differ by more."""
    weak = document(data, {"A": 2.0, "B": 8.0, "C": 14.0}, "ope,sre")
    strong = document(data, {"A": 0.0, "B": 6.0, "C": 12.0}, "ope,sre")
    assert set(strong.spread_by_starts) == {"ope", "sre"}
    assert strong.spread_by_starts["sre"].runs == 36
    ledger = Ledger(["net"], strong.planned, {"starts": "ope,sre"})
    ledger.methods["net"].outcomes = dict(strong.sequences)
    ledger.rival = weak
    pair = ledger.document().against
    assert pair is not None
    assert strong.spread is not None
    assert weak.spread is not None
    assert (pair.sequences, pair.runs, pair.better) == (3, 39, 3)
    assert pair.difference == pytest.approx(strong.spread.mean - weak.spread.mean)
    assert 0 < pair.low <= pair.difference <= pair.high
    assert pair.high - pair.low < strong.spread.high - strong.spread.low


def test_a_list_chooses_sequences(data: Path) -> None:
    plan = Plan.of(data, None, None, "pixel", None, ("C", "A"))
    assert list(dict.fromkeys(run.base for run in plan.footage)) == ["A", "C"]
    with pytest.raises(ConfigError, match=r"--only: 2 of 3 sequences are not in .*, X first"):
        Plan.of(data, None, None, "ope", None, ("X", "A", "Y"))


def test_the_command_prints_each_and_the_pair(data: Path, tmp_path: Path, program: Program) -> None:
    small = write_small(tmp_path / "small.safetensors")
    (tmp_path / "list.txt").write_text("B\n")
    line: tuple[object, ...] = (
        "evaluate",
        small,
        data,
        "--backend",
        "float",
        "--workers",
        1,
        "--frames",
        1,
    )
    line += ("--only", tmp_path / "list.txt", "--starts", "ope,pixel")
    program(*line, "--out", tmp_path / "one")
    printed = program(*line, "--against", tmp_path / "one", "--json", tmp_path / "two.json")
    assert re.search(r"small, pixel: AUC 0\.\d+; over 5 runs: worst", printed)
    assert "small less small: AUC +0.000, in pairs of 6 runs of 1 sequence; better in 0" in printed
    found = EvaluationDocument.read(tmp_path / "two.json")
    assert found.against is not None
    assert found.against.difference == 0
    assert found.starts == "ope,pixel"
