"""Shared memory that takes no semaphore is named with what helps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spiketrack.machine import room


def test_shared_memory_that_is_missing_or_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert room.closed(tmp_path) is None
    gone = tmp_path / "gone"
    assert room.closed(gone) == f"{gone} is missing: mount -t tmpfs tmpfs {gone}"
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root writes anywhere
    why = room.closed(tmp_path)
    assert why == f"{tmp_path} cannot be written to: mount -o remount,rw,mode=1777 {tmp_path}"
