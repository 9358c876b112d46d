"""SpikeTrack on neuromorphic hardware: float reference, integer network, NIR, Lava, energy.

Public names are imported on first use, so that ``spiketrack --help`` does not wait for torch.
"""

from typing import TYPE_CHECKING

from spiketrack.lazy import attributes
from spiketrack.version import VERSION as __version__

if TYPE_CHECKING:
    from spiketrack.config import NetworkConfig, TrackerConfig
    from spiketrack.energy.prices import load_prices
    from spiketrack.notebook.sheet import Sheet
    from spiketrack.pipeline import compile_network, export_checkpoint
    from spiketrack.reference.checkpoint import (
        Checkpoint,
        load_checkpoint,
        read_checkpoint,
        save_checkpoint,
    )
    from spiketrack.reference.model import SpikeTrack
    from spiketrack.runs.folder import open_counts
    from spiketrack.surface.drawing import NetworkDrawing, draw_network
    from spiketrack.surface.energy import RunEnergy
    from spiketrack.surface.operations import Operations
    from spiketrack.surface.rates import Rates
    from spiketrack.surface.road import place, simulate, verify, write_report
    from spiketrack.surface.run import Run, open_run
    from spiketrack.tracking.tracker import Tracker, follow
    from spiketrack.video.boxes import Box
    from spiketrack.video.clip import open_clip

__all__ = [
    "Box",
    "Checkpoint",
    "NetworkConfig",
    "NetworkDrawing",
    "Operations",
    "Rates",
    "Run",
    "RunEnergy",
    "Sheet",
    "SpikeTrack",
    "Tracker",
    "TrackerConfig",
    "__version__",
    "compile_network",
    "draw_network",
    "export_checkpoint",
    "follow",
    "load_checkpoint",
    "load_prices",
    "open_clip",
    "open_counts",
    "open_run",
    "place",
    "read_checkpoint",
    "save_checkpoint",
    "simulate",
    "verify",
    "write_report",
]

_HOMES = {
    "Box": "spiketrack.video.boxes",
    "Checkpoint": "spiketrack.reference.checkpoint",
    "NetworkConfig": "spiketrack.config",
    "NetworkDrawing": "spiketrack.surface.drawing",
    "Operations": "spiketrack.surface.operations",
    "Rates": "spiketrack.surface.rates",
    "Run": "spiketrack.surface.run",
    "RunEnergy": "spiketrack.surface.energy",
    "Sheet": "spiketrack.notebook.sheet",
    "SpikeTrack": "spiketrack.reference.model",
    "Tracker": "spiketrack.tracking.tracker",
    "TrackerConfig": "spiketrack.config",
    "compile_network": "spiketrack.pipeline",
    "draw_network": "spiketrack.surface.drawing",
    "export_checkpoint": "spiketrack.pipeline",
    "follow": "spiketrack.tracking.tracker",
    "load_checkpoint": "spiketrack.reference.checkpoint",
    "load_prices": "spiketrack.energy.prices",
    "open_clip": "spiketrack.video.clip",
    "open_counts": "spiketrack.runs.folder",
    "open_run": "spiketrack.surface.run",
    "place": "spiketrack.surface.road",
    "read_checkpoint": "spiketrack.reference.checkpoint",
    "save_checkpoint": "spiketrack.reference.checkpoint",
    "simulate": "spiketrack.surface.road",
    "verify": "spiketrack.surface.road",
    "write_report": "spiketrack.surface.road",
}

__getattr__ = attributes(__name__, _HOMES)
