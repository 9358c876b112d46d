"""Ctrl-C at the worst moment: while HDF5 writes through Python."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from support.runs import run_document

from spiketrack.files import PatientFile
from spiketrack.inference import Trace
from spiketrack.machine.interrupts import interrupts_wait
from spiketrack.runs.folder import RunWriter
from spiketrack.tracking.tracker import TrackResult
from spiketrack.video.boxes import Box, BoxRow

ROW = BoxRow(1, Box(1, 2, 3, 4), 0.5)


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Ctrl-C raises, also in tests that a shell started in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _result() -> TrackResult:
    trace = Trace({"population": np.ones((1, 2, 4, 4), np.int8)}, {})
    parts: dict[str, Any] = {"row": ROW, "updated": False, "frame": 1, "encoding": None}
    return cast(TrackResult, SimpleNamespace(inference=SimpleNamespace(trace=trace), **parts))


def _strike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during the next write of a run's file."""
    write = PatientFile.write

    def struck(self: PatientFile, data: Any) -> int:
        monkeypatch.setattr(PatientFile, "write", write)
        signal.raise_signal(signal.SIGINT)
        return write(self, data)

    monkeypatch.setattr(PatientFile, "write", struck)


def _write(out: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    if moment == "open":
        _strike(monkeypatch)
    with RunWriter(out, {}) as writer:
        if moment == "add":
            _strike(monkeypatch)
        for _ in range(100):
            writer.add(_result())
        _strike(monkeypatch)
        writer.finish(run_document())


@pytest.mark.parametrize("moment", ["open", "add", "finish"])
def test_ctrl_c_inside_hdf5_ends_the_run_and_leaves_nothing(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        _write(tmp_path / "run", monkeypatch, moment)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_waits_for_the_end_of_the_section() -> None:
    done = []

    @interrupts_wait()
    def section() -> None:
        signal.raise_signal(signal.SIGINT)
        done.append(True)

    with pytest.raises(KeyboardInterrupt):
        section()
    assert done == [True]
