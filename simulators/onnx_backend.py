"""Both networks as ONNX in onnxruntime: an oracle that shares no arithmetic with torch or Lava."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from spiketrack.config import NetworkConfig
from spiketrack.errors import GraphError, MissingDependency
from spiketrack.export.outlets.onnx_float import float_model
from spiketrack.export.outlets.onnx_integer import integer_model
from spiketrack.inference import (
    SEARCH,
    TEMPLATE,
    Counts,
    Crop,
    Inference,
    Maps,
    SimulatorBase,
    Trace,
)
from spiketrack.integer.count_range import in_range
from spiketrack.integer.graph import Graph
from spiketrack.integer.readout import quantise_image, to_maps
from spiketrack.limits import MAX_COUNT
from spiketrack.optional import load
from spiketrack.simulators.integer import Network

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.simulators.backends import Options

Arrays = dict[str, NDArray[Any]]
ERRORS_ONLY = 3  # onnxruntime's log severity
WITHOUT_TF32 = (1, 18)  # the first onnxruntime that has the option
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def providers(device: str, version: str) -> list[str | tuple[str, dict[str, str]]]:
    """Where a model may run; on CUDA without TF32, which keeps 10 bits of a factor."""
    if device == "cpu":
        return [PROVIDERS["cpu"]]
    if tuple(int(part) for part in version.split(".")[:2]) < WITHOUT_TF32:
        raise MissingDependency(
            f"--device cuda: onnxruntime {version} cannot do without TF32; "
            "pip install 'onnxruntime-gpu>=1.18', or use cpu"
        )
    return [(PROVIDERS[device], {"use_tf32": "0"}), PROVIDERS["cpu"]]


class Session:
    """A model in onnxruntime on ``cpu`` or ``cuda``; ``threads`` are those of one operator."""

    def __init__(self, model: Any, threads: int = 1, device: str = "cpu") -> None:
        runtime = load("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = ERRORS_ONLY
        if PROVIDERS[device] not in runtime.get_available_providers():
            raise MissingDependency(
                f"--device {device}: onnxruntime {runtime.__version__} has no "
                f"{PROVIDERS[device]}; pip install onnxruntime-gpu in its place, or use cpu"
            )
        wanted = providers(device, runtime.__version__)
        self.session = runtime.InferenceSession(model.SerializeToString(), options, wanted)
        self.names = [output.name for output in self.session.get_outputs()]

    def run(self, values: Arrays) -> Arrays:
        """Outputs by name."""
        return dict(zip(self.names, self.session.run(self.names, values), strict=True))


class OnnxBase(SimulatorBase):
    """Two sessions and the memory between them; ``counts`` records every population."""

    build: Callable[[Graph, Collection[str]], Any]

    def __init__(
        self,
        network: Network,
        config: NetworkConfig,
        counts: bool = False,
        threads: int = 1,
        device: str = "cpu",
    ) -> None:
        self.config = config
        self.graphs = network
        self.recorded = {n: populations(g) if counts else () for n, g in network.items()}
        self.sessions = {
            name: Session(type(self).build(graph, self.recorded[name]), threads, device)
            for name, graph in network.items()
        }
        self.memory: Arrays = {}

    @classmethod
    def open(cls, network: ExportedNetwork, options: Options) -> Self:
        """As the table of backends opens it."""
        return cls(network.graphs, network.config, options.counts, options.threads)

    def encode_template(self, crops: Crop) -> Inference:
        """Write the memory of T templates (T, 3, S, S)."""
        self.memory, trace = self._run(TEMPLATE, crops, {})
        return Inference(None, trace)

    def search(self, crop: Crop) -> Inference:
        """Read the memory for one crop (3, S, S)."""
        if not self.memory:
            raise GraphError("search: no template was encoded; call encode_template first")
        outputs, trace = self._run(SEARCH, crop[None], self.memory)
        return Inference(self.maps(outputs), trace)

    def close(self) -> None:
        """Free the sessions; may be called twice."""
        self.sessions = {}

    def _run(self, branch: str, crops: Crop, memory: Arrays) -> tuple[Arrays, Trace]:
        image = self.image(crops, self.graphs[branch])
        outputs = self.sessions[branch].run({"image": image} | memory)
        counts = {n: in_range(n, self.counts(outputs.pop(n))) for n in self.recorded[branch]}
        return outputs, Trace(counts)

    def image(self, crops: Crop, graph: Graph) -> NDArray[Any]:
        """What the model takes for normalised crops."""
        raise NotImplementedError

    def counts(self, recorded: NDArray[Any]) -> Counts:
        """Counts of a recorded population."""
        raise NotImplementedError

    def maps(self, outputs: Arrays) -> Maps:
        """Maps of the search model's outputs."""
        raise NotImplementedError


class OnnxSimulator(OnnxBase):
    """The integer graphs: equal bit for bit to every other integer backend."""

    name = "onnx"
    build = staticmethod(integer_model)

    def image(self, crops: Crop, graph: Graph) -> NDArray[Any]:
        """Integers of the first grid."""
        return quantise_image(crops, graph).astype(np.int32)

    def counts(self, recorded: NDArray[Any]) -> Counts:
        """Counts are recorded as they are."""
        return recorded.astype(np.int8)

    def maps(self, outputs: Arrays) -> Maps:
        """Sigmoid and clamp of the integer read-outs."""
        return to_maps(outputs, self.graphs[SEARCH].fractions)


class OnnxFloatSimulator(OnnxBase):
    """The folded graphs (``fold``): the float reference on any provider."""

    name = "onnx-float"
    build = staticmethod(float_model)

    def image(self, crops: Crop, graph: Graph) -> NDArray[Any]:
        """The crops themselves."""
        return np.ascontiguousarray(crops, np.float32)

    def counts(self, recorded: NDArray[Any]) -> Counts:
        """Normalised spikes · 4."""
        return (recorded * MAX_COUNT).astype(np.int8)

    def maps(self, outputs: Arrays) -> Maps:
        """The model's outputs are maps already."""
        return Maps(outputs["score"][0, 0], outputs["size"][0], outputs["offset"][0])


def populations(graph: Graph) -> tuple[str, ...]:
    """Names of the counting populations of an integer or folded graph."""
    return tuple(node.name for node in graph.populations)
