"""Exported networks in memory."""

from __future__ import annotations

from pathlib import Path

from spiketrack.config import TrackerConfig
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.inference import BRANCHES
from spiketrack.pipeline import describe, export_checkpoint
from spiketrack.reference.checkpoint import Checkpoint, save_checkpoint
from support.random_graphs import tiny_graph, tiny_model


def tiny_exported(templates: int) -> ExportedNetwork:
    """The tiny network with the manifest that its export would have, without rows of layers."""
    model = tiny_model(templates)
    graphs = {branch: tiny_graph(templates, branch) for branch in BRANCHES}
    read = Checkpoint(Path("tiny"), model.state_dict(), model.config, TrackerConfig(), {}, "0" * 64)
    manifest = describe(read, None, graphs, dict.fromkeys(BRANCHES, ()))
    return ExportedNetwork(graphs, model.config, TrackerConfig(), manifest)


def export_folder(home: Path) -> Path:
    """An export of the tiny network, written by the program; its checkpoint is gone."""
    checkpoint = home / "tiny.safetensors"
    save_checkpoint(checkpoint, tiny_model(1), TrackerConfig())
    export_checkpoint(checkpoint, home / "export")
    checkpoint.unlink()
    return home / "export"
