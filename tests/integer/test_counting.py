"""The operation counter equals an enumeration of every synapse and every addition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.brute_counting import enumerate_operations
from support.random_graphs import PARTS, graphs, random_graph, random_inputs, tiny_graph, tiny_model
from torch import Tensor

from spiketrack.errors import GraphError
from spiketrack.integer.costs.formulas import FORMULAS
from spiketrack.integer.counting import (
    FIELDS,
    OperationCounter,
    counted,
    dense_mac,
    layers,
    prepare,
)
from spiketrack.integer.graph import (
    COUNT,
    IMAGE,
    MEMBRANE,
    MEMORY,
    Conv,
    Graph,
    Input,
    KeyValue,
    Neuron,
    Node,
    Read,
    node_types,
)
from spiketrack.integer.kernels import Program
from spiketrack.reference.model import SpikeTrack

PROPERTY = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def tensors(graph: Graph, seed: int = 0) -> dict[str, Tensor]:
    inputs = random_inputs(graph, seed)
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in inputs.items()}


def measure(
    graph: Graph, values: dict[str, Tensor]
) -> tuple[dict[str, list[int]], dict[str, Tensor]]:
    counter = OperationCounter(graph)
    found = Program(graph).run(values)
    names = [node.name for node in counter.nodes]
    return dict(zip(names, counter.take(found).tolist(), strict=True)), found


def assert_enumerated(graph: Graph, seed: int) -> None:
    rows, values = measure(graph, tensors(graph, seed))
    integers = {name: value.numpy().astype(np.int64) for name, value in values.items()}
    expected = enumerate_operations(graph, integers)
    assert list(rows) == list(expected)
    for name, row in expected.items():
        assert rows[name] == [row.get(field, 0) for field in FIELDS], name


@PROPERTY
@given(graphs(3), st.integers(0, 99))
def test_every_node_type_equals_an_enumeration(graph: Graph, seed: int) -> None:
    assert_enumerated(graph, seed)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("steps", [1, 3])
def test_each_part_equals_an_enumeration(part: str, steps: int) -> None:
    assert_enumerated(random_graph(7, (part,), steps), 1)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_order_in_memory_does_not_count(layout: torch.memory_format) -> None:
    """Counts of one byte are read where they lie, in either order."""
    graph = random_graph(7, ("plain", "down", "attention"), 3)
    counter, values = OperationCounter(graph), Program(graph).run(tensors(graph))
    expected = counter.take(values).tolist()
    counts = {name: values[name] for name in counter.names if graph.signal(name) != IMAGE}
    assert any(x.dim() == 4 and min(x.shape[1:]) > 1 for x in counts.values())
    laid = {name: x.to(torch.uint8).contiguous(memory_format=layout) for name, x in counts.items()}
    assert counter.take({**values, **laid}).tolist() == expected


def conv_graph(draw: st.DrawFn) -> tuple[Graph, Tensor]:
    groups = draw(st.sampled_from([1, 2, 3]))
    fan_in, fan_out = (draw(st.integers(1, 3)) for _ in range(2))
    kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    padding, steps = draw(st.integers(0, 3)), draw(st.integers(1, 2))
    height, width = (draw(st.integers(max(1, kernel - 2 * padding), 7)) for _ in range(2))
    size = [(n + 2 * padding - kernel) // stride + 1 for n in (height, width)]
    source = (steps, groups * fan_in, height, width)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    weight = rng.integers(-3, 4, (1, groups * fan_out, fan_in, kernel, kernel)).astype(np.int8)
    none = np.zeros((1, groups * fan_out), np.int32)
    shape = (steps, groups * fan_out, size[0], size[1])
    nodes = (
        Input("x", (), source, COUNT),
        Conv("y", ("x",), shape, weight, none, none, stride, padding, groups),
    )
    counts = rng.choice(5, source, p=[0.5, 0.2, 0.1, 0.1, 0.1]).astype(np.float32)
    return Graph("one convolution", nodes), torch.from_numpy(counts)


@PROPERTY
@given(st.data())
def test_convolutions_of_any_kernel_stride_padding_and_groups(data: st.DataObject) -> None:
    graph, counts = data.draw(st.composite(conv_graph)())
    rows, values = measure(graph, {"x": counts})
    integers = {name: value.numpy().astype(np.int64) for name, value in values.items()}
    expected = enumerate_operations(graph, integers)["y"]
    assert rows["y"] == [expected.get(field, 0) for field in FIELDS]


def test_two_kernels_that_read_the_same_counts() -> None:
    shape, rng = (2, 3, 6, 6), np.random.default_rng(4)
    none = np.zeros((1, 3), np.int32)
    convolutions = [
        Conv(
            f"y{kernel}",
            ("k",),
            shape,
            rng.integers(-3, 4, (1, 3, 3, kernel, kernel)).astype(np.int8),
            none,
            none,
            1,
            kernel // 2,
            1,
        )
        for kernel in (1, 3, 5)
    ]
    nodes = (Input("x", (), shape, MEMBRANE), Neuron("k", ("x",), shape, (1, 2, 3, 4), 1, (9,)))
    graph = Graph("three kernels", (*nodes, *convolutions))
    values = {"x": torch.from_numpy(rng.integers(-2, 9, shape).astype(np.float32))}
    rows, found = measure(graph, values)
    integers = {name: value.numpy().astype(np.int64) for name, value in found.items()}
    expected = enumerate_operations(graph, integers)
    for name, row in expected.items():
        assert rows[name] == [row.get(field, 0) for field in FIELDS], name


@pytest.mark.parametrize("templates", [1, 3])
@pytest.mark.parametrize("branch", ["template", "search"])
def test_whole_network_counts_each_node_alone_and_together_alike(
    templates: int, branch: str
) -> None:
    graph = tiny_graph(templates, branch)
    alone = {node.name: prepare(node, graph) for node in counted(graph)}
    found: dict[str, list[int]] = {}
    counter = OperationCounter(graph)

    def observe(node: Node, inputs: list[Tensor], output: Tensor) -> None:
        if node.name in alone:
            found[node.name] = alone[node.name](inputs, output).tolist()

    together = Program(graph).run(tensors(graph), counter.names, observe)  # type: ignore[arg-type]
    assert dict(zip(found, counter.take(together).tolist(), strict=True)) == found


def test_a_part_of_a_graph_is_counted_as_in_the_whole() -> None:
    graph = tiny_graph(1, "search")
    whole, values = measure(graph, tensors(graph))
    names = [node.name for node in graph][40:80]
    part = OperationCounter(graph, names)
    inputs = {name: value for name, value in values.items() if name not in names}
    found = Program(graph, names).run(inputs, part.names)
    assert [whole[node.name] for node in part.nodes] == part.take(found).tolist()


def test_forced_counts_are_counted() -> None:
    graph = tiny_graph(3, "search")
    values = tensors(graph)
    outputs = Program(graph).run(values)
    forced = {n.name: outputs[n.name].flip(-1) for n in graph.populations}
    counter = OperationCounter(graph)
    found = Program(graph).run(values, counter.names, forced=forced)
    rows = dict(zip((n.name for n in counter.nodes), counter.take(found).tolist(), strict=True))
    integers = {name: value.numpy().astype(np.int64) for name, value in (outputs | forced).items()}
    expected = enumerate_operations(graph, integers)
    for name, row in rows.items():
        assert row == [expected[name].get(f, 0) for f in FIELDS], name


def test_counts_may_be_bytes() -> None:
    graph = tiny_graph(3, "search")
    _, values = measure(graph, tensors(graph))
    for node in counted(graph):
        inputs = [values[name] for name in node.inputs]
        bytes_ = [
            x.to(torch.int8) if graph.signal(name) == COUNT else x
            for x, name in zip(inputs, node.inputs, strict=True)
        ]
        count, output = prepare(node, graph), values[node.name]
        assert count(bytes_, output).tolist() == count(inputs, output).tolist(), node.name


def test_sums_beyond_the_exact_range_of_float32() -> None:
    shape = (1, 300, 128, 128)
    graph = Graph(
        "large", (Input("x", (), shape, MEMBRANE), Neuron("k", ("x",), shape, (1, 2, 3, 4), 1))
    )
    counts = torch.full(shape, 4.0)
    counts[0, 0, 0, 0] = 3.0
    row = prepare(graph["k"], graph)([counts], counts)
    assert row[FIELDS.index("spikes")] == 4 * counts.numel() - 1


def test_every_node_type_has_a_counter() -> None:
    assert set(FORMULAS.table) == set(node_types())


def test_totals_of_dense_macs_are_those_of_the_float_network() -> None:
    """Convolutions as torch performs them and attention products, counted by hooks."""
    for branch in ("template", "search"):
        graph = tiny_graph(3, branch)
        convolutions = sum(dense_mac(n, graph) for n in graph if isinstance(n, Conv))
        assert convolutions == _hooked_macs(branch)
    attention = [n for n in graph if isinstance(n, (KeyValue, Read))]
    for node in attention:
        steps, heads, d, four_d = (
            graph[node.inputs[1]].shape if isinstance(node, Read) else node.shape
        )
        positions = node.positions if isinstance(node, KeyValue) else 16
        assert dense_mac(node, graph) == steps * heads * d * four_d * positions


def _hooked_macs(branch: str) -> int:
    model, total = tiny_model(3), 0

    def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = module.get_parameter("weight")
        total += output.numel() * weight[0].numel()

    kinds = (torch.nn.Conv1d, torch.nn.Conv2d)
    hooks = [m.register_forward_hook(hook) for m in model.modules() if isinstance(m, kinds)]
    crops = torch.zeros(3, 3, 64, 64)
    memory = model.encode_template(crops) if branch == "template" else _memory(model)
    if branch == "search":
        total = 0
        model(crops[:1], memory)
    for handle in hooks:
        handle.remove()
    return total


def _memory(model: SpikeTrack) -> list[Tensor]:
    return [torch.zeros(s[0], 1, *s[1:]) for s in model.config.memory_shapes]


def test_layers_describe_the_rows() -> None:
    graph = tiny_graph(3, "search")
    found = layers(graph)
    assert found.names == tuple(node.name for node in OperationCounter(graph).nodes)
    kinds = dict(zip(found.names, found.kinds, strict=True))
    assert kinds["encoder.downsample1_1.encode_conv"] == "image_conv"
    assert kinds["encoder.mrm.0.retriever.read"] == "memory_read"
    assert kinds["encoder.block4.0.attn.read"] == "attention"
    assert set(found.kinds) == {
        "image_conv",
        "conv",
        "neuron",
        "sum",
        "pool",
        "upsample",
        "key_value",
        "attention",
        "memory_read",
        "gate",
    }
    inputs = dict(zip(found.names, found.inputs, strict=True))
    assert inputs["encoder.downsample1_1.encode_conv"] == 3 * 64 * 64
    assert inputs["encoder.mrm.0.retriever.read"] == 3 * 16 * 4 * 4


def test_a_convolution_of_membranes_is_refused() -> None:
    graph = tiny_graph(1, "search")
    image = next(node for node in graph if isinstance(node, Conv))
    spoiled = Graph("spoiled", (Input("image", (), (1, 3, 64, 64), MEMBRANE), image))
    with pytest.raises(GraphError, match="convolution of membrane integers; feed it counts"):
        prepare(image, spoiled)


def test_a_read_of_anything_but_a_memory_is_refused() -> None:
    shape = (1, 16, 4, 4)
    nodes = (Input("q", (), shape, COUNT), Input("kv", (), (1, 8, 2, 8), IMAGE))
    read = Read("r", ("q", "kv"), (1, 64, 4, 4))
    with pytest.raises(GraphError, match="r: reads kv, which is no memory"):
        prepare(read, Graph("spoiled", (*nodes, read)))


def test_memory_entries_of_14_bits_take_two_synapses() -> None:
    q = Input("q", (), (1, 16, 24, 24), COUNT)
    for high, synapses in ((127, 1), (128, 2), (16 * 24**2, 2), (2**14, 3)):
        kv = Input("kv", (), (1, 8, 2, 8), MEMORY, 0, high)
        read = Read("r", ("q", "kv"), (1, 64, 24, 24))
        counts = torch.zeros(q.shape)
        counts[0, 3, 5, 5] = 4.0
        row = prepare(read, Graph("g", (q, kv, read)))([counts, torch.zeros(kv.shape)], counts)
        assert row[FIELDS.index("ac_graded")] == 8 * synapses
        assert row[FIELDS.index("ac_spike")] == 32 * synapses
