"""From the float network to integer graphs and their files: fold, quantise, prove, write, read.

``spiketrack.export_checkpoint`` does all of it; these names are its stages and values.
"""

from typing import TYPE_CHECKING

from spiketrack.lazy import attributes

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork, read_export, write_export
    from spiketrack.export.nir.reader import from_nir, read_nir
    from spiketrack.export.nir.writer import to_nir, write_nir
    from spiketrack.export.outlets.onnx_float import float_model
    from spiketrack.export.outlets.onnx_integer import integer_model
    from spiketrack.export.passes.quantise import quantise
    from spiketrack.export.passes.spiketrack import fold
    from spiketrack.integer.builder import Builder, Norm, Weights
    from spiketrack.integer.counting import OperationCounter
    from spiketrack.integer.graph import Graph
    from spiketrack.integer.kernels import Program
    from spiketrack.integer.readout import quantise_image
    from spiketrack.integer.rules.checks import check
    from spiketrack.integer.rules.ranges import prove_headroom

__all__ = [
    "Builder",
    "ExportedNetwork",
    "Graph",
    "Norm",
    "OperationCounter",
    "Program",
    "Weights",
    "check",
    "float_model",
    "fold",
    "from_nir",
    "integer_model",
    "prove_headroom",
    "quantise",
    "quantise_image",
    "read_export",
    "read_nir",
    "to_nir",
    "write_export",
    "write_nir",
]

_HOMES = {
    "Builder": "spiketrack.integer.builder",
    "Norm": "spiketrack.integer.builder",
    "Weights": "spiketrack.integer.builder",
    "quantise": "spiketrack.export.passes.quantise",
    "ExportedNetwork": "spiketrack.export.nir.folder",
    "Graph": "spiketrack.integer.graph",
    "OperationCounter": "spiketrack.integer.counting",
    "Program": "spiketrack.integer.kernels",
    "check": "spiketrack.integer.rules.checks",
    "float_model": "spiketrack.export.outlets.onnx_float",
    "fold": "spiketrack.export.passes.spiketrack",
    "from_nir": "spiketrack.export.nir.reader",
    "integer_model": "spiketrack.export.outlets.onnx_integer",
    "prove_headroom": "spiketrack.integer.rules.ranges",
    "quantise_image": "spiketrack.integer.readout",
    "read_export": "spiketrack.export.nir.folder",
    "read_nir": "spiketrack.export.nir.reader",
    "to_nir": "spiketrack.export.nir.writer",
    "write_export": "spiketrack.export.nir.folder",
    "write_nir": "spiketrack.export.nir.writer",
}

__getattr__ = attributes(__name__, _HOMES)
