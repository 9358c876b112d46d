"""What calibration gathers is the same whatever the processor's instructions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.random_graphs import tiny_model

from spiketrack.config import TrackerConfig
from spiketrack.reference.checkpoint import save_checkpoint

INSTRUCTIONS = {
    "all": {},
    "few": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


@pytest.mark.slow
def test_exports_are_the_same_with_other_instructions(tmp_path: Path) -> None:
    """Templates start equal: the gate's weighted sums are then ties but for their last bits."""
    checkpoint = tmp_path / "tiny.safetensors"
    save_checkpoint(checkpoint, tiny_model(3), TrackerConfig())
    files = []
    for name, settings in INSTRUCTIONS.items():
        folder = tmp_path / name
        command = [
            sys.executable,
            "-m",
            "spiketrack",
            "export",
            str(checkpoint),
            "--out",
            str(folder),
        ]
        subprocess.run(command, env=os.environ | settings, check=True, capture_output=True)
        files.append([(folder / f"{branch}.nir").read_bytes() for branch in ("template", "search")])
    assert files[0] == files[1]
    assert files[0] == files[2]
