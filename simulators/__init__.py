"""Backends that run the network: float reference, integer, Lava and others, one interface."""

from typing import TYPE_CHECKING

from spiketrack.lazy import attributes

if TYPE_CHECKING:
    from spiketrack.inference import Inference, Maps, Simulator, Trace
    from spiketrack.simulators.backends import (
        Backend,
        Options,
        open_simulator,
        register_backend,
    )
    from spiketrack.simulators.chip import ChipSimulator
    from spiketrack.simulators.float_reference import FloatSimulator
    from spiketrack.simulators.inline import InlineSimulator
    from spiketrack.simulators.integer import IntegerSimulator
    from spiketrack.simulators.lava import LavaSimulator
    from spiketrack.simulators.norse_backend import NorseSimulator
    from spiketrack.simulators.onnx_backend import OnnxFloatSimulator, OnnxSimulator

__all__ = [
    "Backend",
    "ChipSimulator",
    "FloatSimulator",
    "Inference",
    "InlineSimulator",
    "IntegerSimulator",
    "LavaSimulator",
    "Maps",
    "NorseSimulator",
    "OnnxFloatSimulator",
    "OnnxSimulator",
    "Options",
    "Simulator",
    "Trace",
    "open_simulator",
    "register_backend",
]

_HOMES = {
    "Backend": "spiketrack.simulators.backends",
    "ChipSimulator": "spiketrack.simulators.chip",
    "FloatSimulator": "spiketrack.simulators.float_reference",
    "Inference": "spiketrack.inference",
    "InlineSimulator": "spiketrack.simulators.inline",
    "IntegerSimulator": "spiketrack.simulators.integer",
    "LavaSimulator": "spiketrack.simulators.lava",
    "Maps": "spiketrack.inference",
    "NorseSimulator": "spiketrack.simulators.norse_backend",
    "OnnxFloatSimulator": "spiketrack.simulators.onnx_backend",
    "OnnxSimulator": "spiketrack.simulators.onnx_backend",
    "Options": "spiketrack.simulators.backends",
    "Simulator": "spiketrack.inference",
    "Trace": "spiketrack.inference",
    "open_simulator": "spiketrack.simulators.backends",
    "register_backend": "spiketrack.simulators.backends",
}

__getattr__ = attributes(__name__, _HOMES)
