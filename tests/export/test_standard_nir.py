"""Stock NIR parts: exact in norse, readable by plain ``nir``, refused by name elsewhere."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.naive import evaluate
from support.random_graphs import graphs, random_graph, random_inputs, tiny_graph, tiny_model
from support.traces import assert_same_inference

from spiketrack.errors import GraphError
from spiketrack.export.outlets.standard_nir_nodes import Part, PartWriter
from spiketrack.export.outlets.standard_nir_parts import obstacle, partition
from spiketrack.export.outlets.standard_nir_writer import write_parts
from spiketrack.integer.graph import Conv, Graph, Input, Neuron, Output, Sum
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.simulators.norse_backend import NorseBranch, NorseSimulator
from spiketrack.simulators.norse_modules import NorsePart

STOCK = (nir.Input, nir.Output, nir.Conv2d, nir.Scale, nir.SumPool2d, nir.Threshold)


@pytest.fixture(scope="module")
def memories() -> dict[str, NDArray[np.int32]]:
    """What the search graph of the tiny network could read."""
    inputs = random_inputs(tiny_graph(1, "search"), 0)
    return {n: v.astype(np.int32) for n, v in inputs.items() if n != "image"}


def assert_exact(
    graph: Graph, seed: int, extreme: bool = False, folder: Path | None = None
) -> None:
    """norse, joined by our kernels, equals the naive evaluator on populations and outputs."""
    inputs = random_inputs(graph, seed, extreme)
    baked = {n.name: inputs[n.name].astype(np.int32) for n in graph.inputs if n.name != "image"}
    given_ = {n: torch.from_numpy(v.astype(np.float32)) for n, v in inputs.items()}
    if folder:
        write_parts(graph, partition(graph, baked), baked, folder)
    outputs, counts = NorseBranch(graph, baked, folder).run(given_)
    expected = evaluate(graph, inputs)
    assert set(counts) == {node.name for node in graph.populations}
    for name, value in (outputs | counts).items():
        assert np.array_equal(value.numpy(), expected[name]), name


@settings(max_examples=15, deadline=None)
@given(graphs(3), st.integers(0, 999), st.booleans())
def test_random_graphs_are_exact(graph: Graph, seed: int, extreme: bool) -> None:
    assert_exact(graph, seed, extreme)


def test_files_with_memory_pooling_and_attention_are_exact(tmp_path: Path) -> None:
    graph = random_graph(5, ("retrieval", "pooled", "attention", "depthwise", "constant"), 1)
    assert_exact(dataclasses.replace(graph, name="files"), 2, folder=tmp_path)


def test_backend_equals_integer_backend() -> None:
    model = tiny_model(1)
    network = {branch: tiny_graph(1, branch) for branch in ("template", "search")}
    integer = IntegerSimulator(network, model.config, counts=True)
    rough = np.random.default_rng(0).uniform(-1.8, 2.2, (2, 3, 8, 8)).astype(np.float32)
    crops = rough.repeat(8, 2).repeat(8, 3)
    with NorseSimulator(network, model.config, counts=True) as simulator:
        with pytest.raises(GraphError, match="no template was encoded"):
            simulator.search(crops[1])
        assert_same_inference(
            simulator.encode_template(crops[:1]),
            integer.encode_template(crops[:1]),
            operations=False,
        )
        assert_same_inference(
            simulator.search(crops[1]), integer.search(crops[1]), operations=False
        )


def test_parts_cover_all_populations_and_run_in_order(memories: Any) -> None:
    graph = tiny_graph(1, "search")
    plan = partition(graph, memories)
    known = {"image", *memories}
    for step in plan.steps:
        needed = step.inputs if isinstance(step, Part) else graph[step.node].inputs
        assert set(needed) <= known
        known |= set(step.outputs) if isinstance(step, Part) else {step.node}
    inside = [name for part in plan.parts for name in part.nodes]
    assert len(inside) == len(set(inside))
    assert {node.name for node in graph.populations} <= set(inside)
    assert {type(graph[glue.node]).__name__ for glue in plan.glue} <= {
        "KeyValue",
        "Sum",
        "Read",
        "Upsample",
        "Output",
    }


def test_reasons_are_told() -> None:
    graph = random_graph(0, ("constant", "retrieval", "attention", "gated"), 1)
    reasons = {type(n).__name__: obstacle(n, graph, ()) for n in graph if not isinstance(n, Input)}
    assert reasons["KeyValue"] == "NIR has no product of two signals"
    assert reasons["Gate"] is not None
    memory_reads = [g.reason for g in partition(random_graph(1, ("retrieval",), 1)).glue]
    assert any("no template" in r or "several" in r for r in memory_reads)
    constant = next(n for n in graph if isinstance(n, Sum) and n.constant is not None)
    assert "a constant map is not" in (obstacle(constant, graph, ()) or "")
    twice = Sum("twice", ("image", "image"), graph["image"].shape)
    assert obstacle(twice, graph, ()) == "NIR refuses repeated edges"


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.integers(-200, 400), min_size=4, max_size=4, unique=True).map(sorted),
    st.integers(-9, 9),
    st.integers(0, 12),
)
def test_a_population_is_four_thresholds(levels: list[int], offset: int, fraction: int) -> None:
    """Every integer around the thresholds, a constant map in front, any grid."""
    shape = (1, 1, 24, 32)
    values = np.arange(-256, 512, dtype=np.int32).reshape(shape)
    constant = np.full(shape, offset, np.int32)
    nodes = (
        Input("image", (), shape, "image", -999, 999),
        Sum("add", ("image",), shape, constant),
        Neuron("spike", ("add",), shape, (levels[0], levels[1], levels[2], levels[3]), 1),
        Output("out", ("spike",), shape),
    )
    graph = Graph("one", nodes, dict.fromkeys(["image", "add"], fraction) | {"spike": 2, "out": 2})
    outputs, _ = NorseBranch(graph, {}).run({"image": torch.from_numpy(values).float()})
    expected = sum((values + offset >= level).astype(int) for level in levels)
    assert np.array_equal(outputs["out"].numpy(), expected)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, memories: Any) -> Path:
    """The parts of the tiny search branch."""
    path = tmp_path_factory.mktemp("standard")
    graph = tiny_graph(1, "search")
    write_parts(graph, partition(graph, memories), memories, path)
    return path


@pytest.mark.slow
def test_files_hold_stock_nodes_only(folder: Path) -> None:
    join = json.loads((folder / "search.json").read_text())
    parts = [step for step in join["steps"] if "part" in step]
    assert {p.name for p in folder.glob("*.nir")} == {step["part"] for step in parts}
    for step in parts:
        loaded = nir.read(folder / step["part"], type_check=False)
        assert float(loaded.metadata["dt"]) == join["dt"]
        assert all(isinstance(node, STOCK) for node in loaded.nodes.values())
        inputs = {n for n, node in loaded.nodes.items() if isinstance(node, nir.Input)}
        assert inputs == {tensor["name"] for tensor in step["inputs"]}
        outputs = [n for n in loaded.nodes.values() if isinstance(n, nir.Output)]
        assert len(outputs) == len(step["outputs"])
        assert len(set(loaded.edges)) == len(loaded.edges)
        for node in loaded.nodes.values():
            if isinstance(node, nir.Conv2d):
                assert node.bias.shape == (len(node.weight),)


@pytest.mark.slow
def test_plain_read_takes_all_but_grouped_convolutions(folder: Path) -> None:
    """The one known defect: nir's type check knows no groups."""
    for path in folder.glob("*.nir"):
        loaded = nir.read(path, type_check=False)
        grouped = any(
            isinstance(n, nir.Conv2d) and int(n.groups) > 1 for n in loaded.nodes.values()
        )
        if grouped:
            with pytest.raises(ValueError, match="type mismatch"):
                nir.read(path)
        else:
            assert nir.read(path).nodes.keys() == loaded.nodes.keys()


def test_an_ungrouped_part_passes_the_type_check(tmp_path: Path) -> None:
    graph = dataclasses.replace(random_graph(0, ("plain", "pooled"), 1), name="plain")
    plan = partition(graph)
    write_parts(graph, plan, {}, tmp_path)
    for part in plan.parts:
        assert nir.read(tmp_path / f"{part.name}.nir").nodes


def test_snntorch_names_what_it_cannot_read(folder: Path) -> None:
    importer = pytest.importorskip("snntorch.import_nir", reason="pip install snntorch==1.0.0")
    loaded = nir.read(sorted(folder.glob("*.nir"))[-1], type_check=False)
    with pytest.raises(ValueError, match=r"Unknown node type .*(Scale|Threshold|SumPool2d)"):
        importer.import_from_nir(loaded)


def test_numbers_beyond_float32_are_refused() -> None:
    shape = (1, 1, 1, 1)
    bias = np.full((1, 1), 2**24 + 1, np.int32)
    weight, zero = np.ones((1, 1, 1, 1, 1), np.int8), np.zeros((1, 1), np.int32)
    image = Input("image", (), shape, "image", -9, 9)
    conv = Conv("conv", ("image",), shape, weight, zero, bias)
    graph = Graph("g", (image, conv), {"image": 0, "conv": 0})
    part = Part("g-00", ("conv",), ("image",), ("conv",))
    with pytest.raises(GraphError, match="conv: a number needs more than 24 bits"):
        PartWriter(graph, part, {}).run()


def test_a_part_executes_alone(folder: Path) -> None:
    step = json.loads((folder / "search.json").read_text())["steps"][0]
    part = NorsePart(nir.read(folder / step["part"], type_check=False))
    given_ = {t["name"]: torch.zeros(1, *t["shape"]) for t in step["inputs"]}
    outputs, counts = part.run(given_)
    assert set(outputs) == {tensor["name"] for tensor in step["outputs"]}
    assert all(float(value.max()) <= 4 for value in counts.values())
