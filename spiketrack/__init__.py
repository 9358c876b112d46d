"""SpikeTrack on neuromorphic hardware: float reference, integer network, NIR, Lava, energy.

Public names are imported on first use, so that ``spiketrack --help`` does not wait for torch.
"""

from typing import TYPE_CHECKING

from spiketrack.lazy import attributes
from spiketrack.version import VERSION as __version__

if TYPE_CHECKING:
    from spiketrack.config import NetworkConfig, TrackerConfig
    from spiketrack.pipeline import compile_network, export_checkpoint
    from spiketrack.reference.checkpoint import (
        Checkpoint,
        load_checkpoint,
        read_checkpoint,
        save_checkpoint,
    )
    from spiketrack.reference.model import SpikeTrack
    from spiketrack.runs.folder import open_counts
    from spiketrack.tracking.tracker import Tracker, follow
    from spiketrack.video.boxes import Box
    from spiketrack.video.clip import open_clip

__all__ = [
    "Box",
    "Checkpoint",
    "NetworkConfig",
    "SpikeTrack",
    "Tracker",
    "TrackerConfig",
    "__version__",
    "compile_network",
    "export_checkpoint",
    "follow",
    "load_checkpoint",
    "open_clip",
    "open_counts",
    "read_checkpoint",
    "save_checkpoint",
]

_HOMES = {
    "Box": "spiketrack.video.boxes",
    "Checkpoint": "spiketrack.reference.checkpoint",
    "NetworkConfig": "spiketrack.config",
    "SpikeTrack": "spiketrack.reference.model",
    "Tracker": "spiketrack.tracking.tracker",
    "TrackerConfig": "spiketrack.config",
    "compile_network": "spiketrack.pipeline",
    "export_checkpoint": "spiketrack.pipeline",
    "follow": "spiketrack.tracking.tracker",
    "load_checkpoint": "spiketrack.reference.checkpoint",
    "open_clip": "spiketrack.video.clip",
    "open_counts": "spiketrack.runs.folder",
    "read_checkpoint": "spiketrack.reference.checkpoint",
    "save_checkpoint": "spiketrack.reference.checkpoint",
}

__getattr__ = attributes(__name__, _HOMES)
