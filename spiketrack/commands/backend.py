"""Opening a backend for the commands that track: network, backend name and device in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spiketrack.config import TrackerConfig
from spiketrack.errors import UnsupportedError
from spiketrack.simulators.base import Simulator


@dataclass(frozen=True)
class Opened:
    """A running backend, the tracker's settings of its network, and the network's name."""

    simulator: Simulator
    settings: TrackerConfig
    name: str


def open_backend(source: str, backend: str, device: str) -> Opened:
    """Backend ``float`` from a checkpoint (a file, ``nano`` or ``nano-t3``)."""
    from spiketrack.checkpoint import read_checkpoint
    from spiketrack.simulators.float_reference import FloatSimulator

    if backend != "float":
        raise UnsupportedError(f"--backend {backend}: choose float")
    read = read_checkpoint(source)
    simulator = FloatSimulator(read.build(), device)
    return Opened(simulator, read.tracker, Path(source).name.split(".")[0])
