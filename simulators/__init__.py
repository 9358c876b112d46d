"""Backends that run the network: float reference, integer, Lava and others, one interface."""

from spiketrack.simulators.base import Inference, Maps, Simulator, Trace

__all__ = ["Inference", "Maps", "Simulator", "Trace"]
