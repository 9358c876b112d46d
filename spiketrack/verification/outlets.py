"""What the outlets are worth: each run by its own tool on crops of a real clip and compared.

Integer outlets are held against the integer backend, count by count; the float outlet against
the float reference under teacher forcing, and by the boxes that both find on the same crops.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.calibration import CalibrationData
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.export.outlets.formats import ExportContext, write_outlets
from spiketrack.export.outlets.netx_layers import find_chains
from spiketrack.export.outlets.onnx_float import float_model
from spiketrack.export.passes.spiketrack import fold
from spiketrack.inference import SEARCH, TEMPLATE, Counts, Crop, Maps, Simulator
from spiketrack.integer.graph import Graph
from spiketrack.limits import MAX_COUNT
from spiketrack.pipeline import calibration, compile_network
from spiketrack.reference.checkpoint import Checkpoint
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.simulators.netx_run import run_netx
from spiketrack.simulators.norse_backend import NorseSimulator
from spiketrack.simulators.onnx_backend import (
    OnnxFloatSimulator,
    OnnxSimulator,
    Session,
    populations,
)
from spiketrack.tracking.tracker import decode
from spiketrack.verification.comparison import unlike
from spiketrack.video.boxes import Box, iou

HEAD = "decoder."
Traces = list[Mapping[str, Counts]]


@dataclass(frozen=True)
class Measured:
    """One outlet: what it covers, what differs, and seconds a frame in its tool.

    ``covers``: branch → (populations, of, share of dense MACs); ``different`` of ``compared``
    counts; ``worst``: largest share in one population; ``least_iou`` of boxes, float alone.
    """

    outlet: str
    tool: str
    versions: Mapping[str, str]
    covers: Mapping[str, tuple[int, int, float]]
    compared: int
    different: int
    worst: float
    seconds: float
    least_iou: float | None = None


class Bench:
    """A compiled network, crops of the calibration clip and what the references make of them."""

    def __init__(
        self, checkpoint: Checkpoint, frames: int, folder: Path, outlets: Sequence[str]
    ) -> None:
        data: CalibrationData = calibration(checkpoint)
        self.model = checkpoint.build()
        self.network: ExportedNetwork = compile_network(checkpoint, data)
        self.folded = {branch: fold(self.model, branch) for branch in (TEMPLATE, SEARCH)}
        self.template: Crop = data.statistics[TEMPLATE].crops[: checkpoint.network.templates]
        self.crops: Crop = data.statistics[SEARCH].crops[:frames]
        self.folder = folder
        context = ExportContext(folder, self.network.graphs, self.folded, self.template)
        self.entries = write_outlets(outlets, context)

    @cached_property
    def integer(self) -> Traces:
        """Counts of the integer backend: of the template, then of each crop."""
        network, config = self.network.graphs, self.network.config
        return self.traces(IntegerSimulator(network, config, counts=True))

    def traces(self, simulator: Simulator) -> Traces:
        """Counts of all inferences, in the same order."""
        encoding = [simulator.encode_template(self.template).trace.counts]
        return encoding + [simulator.search(crop).trace.counts for crop in self.crops]

    def seconds(self, simulator: Simulator) -> float:
        """Mean time of a search after one to warm up."""
        simulator.encode_template(self.template)
        simulator.search(self.crops[0])
        begin = time.perf_counter()
        for crop in self.crops:
            simulator.search(crop)
        return (time.perf_counter() - begin) / len(self.crops)

    def covers(self, outlet: str, arithmetic: str) -> dict[str, tuple[int, int, float]]:
        """Coverage of each branch: that of its widest file, index or folder."""
        widest: dict[str, tuple[int, int, float]] = {}
        for entry in self.entries[outlet]:
            row = (entry.populations, entry.of, entry.operations)
            if entry.arithmetic == arithmetic:
                widest[entry.branch] = max(widest.get(entry.branch, row), row)
        return widest


def measure_onnx(bench: Bench) -> Measured:
    """The integer models in onnxruntime."""
    network = bench.network
    traces = bench.traces(OnnxSimulator(network.graphs, network.config, counts=True))
    seconds = bench.seconds(OnnxSimulator(network.graphs, network.config))
    covers = bench.covers("onnx", "integer")
    return _measured("onnx, integer", "onnxruntime", covers, bench.integer, traces, seconds)


def measure_norse(bench: Bench) -> Measured:
    """The stock NIR parts in norse."""
    network = bench.network
    traces = bench.traces(NorseSimulator(network.graphs, network.config, counts=True))
    seconds = bench.seconds(NorseSimulator(network.graphs, network.config))
    covers = bench.covers("standard-nir", "real")
    return _measured("standard-nir", "norse nir nirtorch", covers, bench.integer, traces, seconds)


def measure_netx(bench: Bench) -> Measured:
    """The head's chains in Lava's stock models, start included."""
    graph = bench.network.graphs[SEARCH]
    chains = [c for c in find_chains(graph).chains if c[0].population.startswith(HEAD)]
    expected: list[dict[str, Counts]] = [{}]
    begin = time.perf_counter()
    for chain in chains:
        source = chain[0].conv.inputs[0]
        given = np.concatenate([trace[source] for trace in bench.integer[1:]])
        path = bench.folder / "netx" / SEARCH / f"{chain[0].conv.name}.net"
        expected[0][chain[-1].population] = run_netx(path, given)
    seconds = (time.perf_counter() - begin) / len(bench.crops)
    names = expected[0]
    wanted = [{n: np.concatenate([t[n] for t in bench.integer[1:]]) for n in names}]
    covers = bench.covers("netx", "thermometer")
    return _measured(
        "netx, head run", "lava-dl lava-nc", covers, list(wanted), list(expected), seconds
    )


def measure_float(bench: Bench) -> Measured:
    """The float models in onnxruntime: teacher-forced counts, and boxes free running."""
    reference = FloatSimulator(bench.model, record=True)
    wanted = bench.traces(reference)
    simulator = OnnxFloatSimulator(bench.folded, bench.network.config)
    forced = [
        _forced(bench, reference, branch, traces)
        for branch, traces in ((TEMPLATE, wanted[:1]), (SEARCH, wanted[1:]))
    ]
    seconds = bench.seconds(simulator)
    overlap = min(
        iou(_box(simulator.search(crop).maps), _box(reference.search(crop).maps))
        for crop in bench.crops
    )
    covers = bench.covers("onnx", "float")
    both = [trace for traces in forced for trace in traces]
    return _measured("onnx, float", "onnxruntime", covers, wanted, both, seconds, overlap)


def _forced(bench: Bench, reference: FloatSimulator, branch: str, traces: Traces) -> Traces:
    """Counts of every population when all read the reference's counts."""
    folded = bench.folded[branch]
    names = populations(folded)
    session = Session(float_model(folded, names, names))
    memory = {f"memory.{i}": m[:, 0].numpy() for i, m in enumerate(reference.memory)}
    images = [bench.template] if branch == TEMPLATE else [crop[None] for crop in bench.crops]
    counts: Traces = []
    for image, trace in zip(images, traces, strict=True):
        spikes = {f"{n}/forced": _shaped(trace[n], folded, n) / MAX_COUNT for n in names}
        values = {"image": image} | (memory if branch == SEARCH else {})
        result = session.run(values | {n: s.astype(np.float32) for n, s in spikes.items()})
        counts.append({n: (result[n] * MAX_COUNT).astype(np.int8) for n in names})
    return counts


def _shaped(counts: NDArray[Any], folded: Graph, name: str) -> NDArray[Any]:
    return counts.reshape(folded[name].shape)


def _box(maps: Maps | None) -> Box:
    if maps is None:
        raise ValueError("no search was run")
    at = decode(maps)
    return Box(at.cx - at.w / 2, at.cy - at.h / 2, at.w, at.h)


def _measured(
    outlet: str,
    packages: str,
    covers: Mapping[str, tuple[int, int, float]],
    wanted: Traces,
    traces: Traces,
    seconds: float,
    least_iou: float | None = None,
) -> Measured:
    """Count what differs between two lists of traces of the same populations."""
    compared = different = 0
    worst = 0.0
    for expected, got in zip(wanted, traces, strict=True):
        for name, counts in expected.items():
            wrong = int(np.count_nonzero(unlike(counts, got.get(name))))
            compared, different = compared + counts.size, different + wrong
            worst = max(worst, wrong / counts.size)
    versions = {name: version(name) for name in packages.split()}
    tool = packages.split()[0]
    rest = (compared, different, worst, seconds, least_iou)
    return Measured(outlet, tool, versions, covers, *rest)


@dataclass(frozen=True)
class Measurement:
    """The outlet whose files are needed and the function that runs them."""

    outlet: str
    run: Callable[[Bench], Measured]


MEASUREMENTS: Mapping[str, Measurement] = {
    "onnx-float": Measurement("onnx", measure_float),
    "onnx": Measurement("onnx", measure_onnx),
    "standard-nir": Measurement("standard-nir", measure_norse),
    "netx": Measurement("netx", measure_netx),
}
