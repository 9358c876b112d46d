"""What calibration gathers is the same whatever the processor's instructions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.python import python
from support.random_graphs import tiny_model

from spiketrack.config import TrackerConfig
from spiketrack.pipeline import export_checkpoint
from spiketrack.reference.checkpoint import save_checkpoint

FEW = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "OMP_NUM_THREADS": "2"}
EXPORT = """
import sys
from pathlib import Path
from spiketrack.pipeline import export_checkpoint
export_checkpoint(sys.argv[1], Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_exports_are_the_same_with_other_instructions(tmp_path: Path) -> None:
    """Templates start equal: the gate's weighted sums are then ties but for their last bits."""
    checkpoint = tmp_path / "tiny.safetensors"
    save_checkpoint(checkpoint, tiny_model(3), TrackerConfig())
    folders = [tmp_path / name for name in ("one thread", "two", "few")]
    for threads, folder in enumerate(folders[:2], 1):
        torch.set_num_threads(threads)
        export_checkpoint(checkpoint, folder)
    python(EXPORT, checkpoint, folders[2], environment=FEW)
    for name in ("template.nir", "search.nir"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1, name
