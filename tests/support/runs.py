"""Run folders of any content, written by the program's own writer of documents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.documents.digests import folder_digests
from spiketrack.documents.network import CheckpointPart, NetworkPart, TrackerPart
from spiketrack.documents.run import ClipPart, RunDocument, SecondsPart
from spiketrack.runs.folder import BOXES_FILE, RUN_FILE
from spiketrack.runs.operations import COUNTS_FILE, BranchCounts, write_operations
from spiketrack.video.boxes import Box, BoxRow, write_csv

START = Box(200, 120, 80, 100)
SIZES = NetworkConfig((16, 32, 64, 96), 8, 1, 128)
NETWORK = "a" * 64


def run_document(**changes: Any) -> RunDocument:
    """A run of no frames; ``changes`` replace its keys."""
    about = RunDocument(
        network=NetworkPart(**SIZES.as_dict(), variant=SIZES.variant),  # type: ignore[arg-type]
        checkpoint=CheckpointPart(sha256="ab" * 32),
        export="export",
        clip=ClipPart(name="clip", path="clip", fps=25.0),
        box=START.as_tuple(),
        frames=0,
        backend="integer",
        counts="totals",
        tracker=TrackerPart(**TrackerConfig().as_dict()),  # type: ignore[arg-type]
        seconds=SecondsPart(first=1.0, frames=()),
        placement=None,
        updates=(),
        versions={"spiketrack": "0.1.0"},
        network_digest=NETWORK,
        files={},
    )
    return about.model_copy(update=changes)


def write_run_folder(
    folder: Path, branches: Mapping[str, BranchCounts], frames: int, **changes: Any
) -> Path:
    """A run folder with these operation counts and standing boxes."""
    folder.mkdir()
    with h5py.File(folder / COUNTS_FILE, "w") as file:
        for name, found in branches.items():
            write_operations(file, name, found.layers, found.operations)
    write_csv(folder / BOXES_FILE, [BoxRow(i, START, 1.0) for i in range(frames + 1)])
    sign_run(folder, run_document(frames=frames, **changes))
    return folder


def sign_run(folder: Path, about: RunDocument) -> None:
    """Write ``run.json`` with the digests of what lies beside it."""
    about.model_copy(update={"files": folder_digests(folder, RUN_FILE)}).write(folder / RUN_FILE)
