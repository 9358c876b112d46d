"""One integer graph through every interpreter, compared with the oracles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.execution.engine import Chip
from spiketrack.deploy.chip.mapping import map_network
from spiketrack.deploy.chip.placement import Placement
from spiketrack.deploy.chip.program import Choices, build_program
from spiketrack.deploy.lava.network import LavaNetwork
from spiketrack.deploy.process_graph.inline import InlineNetwork
from spiketrack.deploy.process_graph.processes import Recording
from spiketrack.export.nir.reader import read_nir
from spiketrack.export.nir.writer import write_nir
from spiketrack.export.outlets.onnx_integer import integer_model
from spiketrack.integer.compare import difference
from spiketrack.integer.counting import FIELDS, OperationCounter
from spiketrack.integer.graph import Graph
from spiketrack.integer.kernels import Program
from spiketrack.integer.rules.checks import check
from spiketrack.simulators.onnx_backend import Session
from support.brute_counting import enumerate_operations
from support.naive import Array, evaluate

RECORD = Recording(operations=True, counts=True)


def pixels(graph: Graph, seed: int = 0) -> Array:
    """A random image for a graph's only input."""
    (image,) = graph.inputs
    return np.random.default_rng(seed).integers(0, 256, image.shape)


def assert_same_everywhere(graph: Graph, folder: Path, lava: bool = False) -> Placement:
    """Exact on every backend, counted, within its ranges, kept by files; its placement."""
    image = pixels(graph)
    expected = evaluate(graph, {"image": image})
    assert_evaluator(graph, image, expected)
    assert_counts(graph, expected)
    proven = check(graph, "the test")
    for node in graph:
        low, high = proven[node.name].low.min(), proven[node.name].high.max()
        assert low <= expected[node.name].min() <= expected[node.name].max() <= high, node.name
    for kind in (InlineNetwork, LavaNetwork) if lava else (InlineNetwork,):
        assert_processes(kind(graph, recording=RECORD), graph, image, expected)
    assert_onnx(graph, image, expected)
    assert_chip(graph, image, expected)
    write_nir(graph, folder / "graph.nir")
    assert difference(graph, read_nir(folder / "graph.nir")) is None
    return map_network({graph.name: graph}, load_board("1 chip"))


def assert_evaluator(graph: Graph, image: Array, expected: dict[str, Array]) -> None:
    found = Program(graph).run({"image": torch.from_numpy(image.astype(np.float32))})
    for node in graph:
        assert np.array_equal(found[node.name].numpy(), expected[node.name]), node.name


def assert_counts(graph: Graph, expected: dict[str, Array]) -> None:
    counter = OperationCounter(graph)
    sent = {name: torch.from_numpy(expected[name].astype(np.float32)) for name in counter.names}
    rows = counter.take(sent)
    brute = enumerate_operations(graph, expected)
    assert [node.name for node in counter.nodes] == list(brute)
    for node, row in zip(counter.nodes, rows.tolist(), strict=True):
        wanted = brute[node.name]
        assert dict(zip(FIELDS, row, strict=True)) == dict.fromkeys(FIELDS, 0) | wanted, node.name


def assert_processes(
    network: InlineNetwork | LavaNetwork, graph: Graph, image: Array, expected: dict[str, Array]
) -> None:
    try:
        step = network.run(image)
    finally:
        network.close()
    for node in graph.outputs:
        assert np.array_equal(step.outputs[node.name], expected[node.name]), node.name
    for population in graph.populations:
        name = population.name
        assert np.array_equal(step.counts[name], expected[name]), name
    brute = enumerate_operations(graph, expected)
    assert {name: row.tolist() for name, row in step.operations.items()} == {
        name: [row.get(field, 0) for field in FIELDS] for name, row in brute.items()
    }


def assert_chip(graph: Graph, image: Array, expected: dict[str, Array]) -> None:
    """Two frames in the chip's own time."""
    chip = Chip(graph, build_program(graph, Choices()))
    for frame in chip.run([torch.from_numpy(image)] * 2).frames:
        for node in graph.outputs:
            assert np.array_equal(frame.outputs[node.name].numpy(), expected[node.name]), node.name


def assert_onnx(graph: Graph, image: Array, expected: dict[str, Array]) -> None:
    names = [node.name for node in graph.populations]
    found = Session(integer_model(graph, names)).run({"image": image.astype(np.int32)})
    assert set(found) == {*names, *(node.name for node in graph.outputs)}
    for name, values in found.items():
        assert np.array_equal(values, expected[name]), name
