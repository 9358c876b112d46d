"""A short run of every mutation of checkpoints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fuzz.checkpoints import KINDS, REFUSED, TAKEN, watched
from spiketrack.reference.checkpoint import read_checkpoint


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_checkpoints_are_read_right_or_refused(kind: str, tmp_path: Path) -> None:
    results = [KINDS[kind](seed, tmp_path) for seed in range(12)]
    assert set(results) <= {TAKEN, REFUSED}
    assert REFUSED in results
    assert list(tmp_path.iterdir()) == []


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with watched(tmp_path / "a"):
        (tmp_path / "a").read_bytes()
    with pytest.raises(AssertionError, match="open"), watched(tmp_path / "b"):
        (tmp_path / "a").read_bytes()
    with pytest.raises(AssertionError, match=r"os\.system"), watched(tmp_path / "a"):
        os.system("true")
    with pytest.raises(AssertionError, match="exec"), watched(tmp_path / "a"):
        exec("1")


def test_the_watch_lets_a_right_file_be_read(tmp_path: Path) -> None:
    assert KINDS["tensors_header"](0, tmp_path) in (TAKEN, REFUSED)  # everything is imported
    read_checkpoint("nano")
    path = read_checkpoint("nano").path
    with watched(path):
        read_checkpoint(path)
