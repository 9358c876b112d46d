"""SpikeTrack on neuromorphic hardware: float reference, integer network, NIR, Lava, energy."""

from typing import TYPE_CHECKING, Any

from spiketrack.version import VERSION as __version__

if TYPE_CHECKING:
    from spiketrack.checkpoint import load_checkpoint
    from spiketrack.config import NetworkConfig, TrackerConfig
    from spiketrack.model import SpikeTrack

__all__ = ["NetworkConfig", "SpikeTrack", "TrackerConfig", "__version__", "load_checkpoint"]

_HOMES = {
    "load_checkpoint": "spiketrack.checkpoint",
    "NetworkConfig": "spiketrack.config",
    "TrackerConfig": "spiketrack.config",
    "SpikeTrack": "spiketrack.model",
}


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that ``spiketrack --help`` does not wait for torch."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'spiketrack' has no attribute {name!r}")
