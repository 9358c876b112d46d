"""The compiled loops and 8-bit convolutions equal plain loops over integers."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.naive import evaluate
from support.one_layer import conv_graph
from support.random_graphs import Array, graphs, random_inputs, tiny_graph

from spiketrack.integer import attention, loops
from spiketrack.integer.attention import memory_read
from spiketrack.integer.compiled.compiling import compiled
from spiketrack.integer.convolutions import convolution
from spiketrack.integer.exact_ops import OneStep
from spiketrack.integer.graph import COUNT, MEMORY, Conv, Graph, Input, Neuron, Read
from spiketrack.integer.kernels import Program, as_signal
from spiketrack.integer.neurons import power_of_two_unit, thresholds

EXTREME = 2**23 - 1


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 2500), st.booleans())
def test_populations_with_leak(seed: int, steps: int, size: int, shared: bool) -> None:
    rng = np.random.default_rng(seed)
    reset = int(rng.integers(1, 2**18))
    limits = np.sort(rng.integers(-(2**20), 2**22, 4)).astype(np.int32)
    decay = rng.integers(0, 4096, steps - 1).astype(np.int32)
    x = rng.integers(-EXTREME, EXTREME + 1, (1 if shared else steps, size))
    found = np.zeros((steps, size), np.uint8)
    loops.count_steps(x.astype(np.float32), limits, reset, decay, found)
    for i in range(min(size, 40)):
        u = k = 0
        for t in range(steps):
            now = int(x[0 if shared else t, i])
            u = ((u - k * reset) * int(decay[t - 1]) >> 12) + now if t else now
            k = sum(u >= int(limit) for limit in limits)
            assert found[t, i] == k


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_populations_of_one_step(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    limits = np.sort(rng.integers(-EXTREME, EXTREME, 4)).astype(np.float32)
    u = rng.choice(np.concatenate([limits, limits - 1, limits + 1]), size).astype(np.float32)
    found = np.zeros(size, np.uint8)
    loops.count_once(u.ctypes.data, size, limits, found.ctypes.data)
    assert found.tolist() == [sum(value >= limit for limit in limits) for value in u]


Rows = npt.NDArray[np.uint8]


def tallied(arrays: list[Rows], rows: list[list[int]], fans: list[int]) -> list[list[int]]:
    """Four sums a row; ``rows`` as ``tally_all`` takes them, without the place."""
    places = [[*row, 4 * i] for i, row in enumerate(rows)]
    addresses = np.array([x.ctypes.data for x in arrays], np.int64)
    values = np.zeros(4 * len(rows), np.int64)
    table = np.array(places, np.int64)
    loops.tally_all(addresses, table, np.array(fans, np.int32), values)
    return [[int(v) for v in row] for row in values.reshape(-1, 4)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 12), st.integers(1, 70))
def test_tally_weighs_every_position(seed: int, steps: int, positions: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (steps * positions, channels)
    first, second = (rng.integers(0, 5, shape).astype(np.uint8) for _ in range(2))
    fan_out = [int(v) for v in rng.integers(0, 50, positions)]
    expected = []
    for rows in (first, second):
        sums = [0, 0, 0, 0]
        for p, row in enumerate(rows):
            for value in row:
                weight = fan_out[p % positions]
                sums[0] += int(value > 0)
                sums[1] += int(value)
                sums[2] += weight * int(value > 0)
                sums[3] += weight * int(value)
        expected.append(sums)
    tallies = [[0, *shape, 0, positions], [1, *shape, 0, 0], [1, *shape, 0, positions]]
    found = tallied([first, second], tallies, fan_out)
    assert found == [expected[0], [*expected[1][:2], 0, 0], expected[1]]


def test_coincidences_multiply_sums_of_a_head() -> None:
    rng = np.random.default_rng(3)
    k, v = (rng.integers(0, 5, (37, width)).astype(np.uint8) for width in (3, 12))
    graded = sum(int((a > 0).sum()) * int((b > 0).sum()) for a, b in zip(k, v, strict=True))
    spiking = sum(int(a.sum()) * int(b.sum()) for a, b in zip(k, v, strict=True))
    addresses = np.array([k.ctypes.data, v.ctypes.data], np.int64)
    values = np.zeros(3, np.int64)
    loops.coincide_all(addresses, np.array([[0, 1, 37, 3, 12, 1]], np.int64), values)
    assert values.tolist() == [0, graded, spiking]


def test_sums_of_large_maps_do_not_wrap() -> None:
    rows = np.full((2**16, 256), 4, np.uint8)
    number = rows.size
    found = tallied([rows], [[0, *rows.shape, 0, 2**16]], [49] * 2**16)
    assert found == [[number, 4 * number, 49 * number, 4 * 49 * number]]


# convolutions


@pytest.mark.parametrize(
    ("groups", "kernel", "stride", "sets"),
    [(1, 3, 1, 1), (1, 1, 1, 3), (2, 3, 2, 1), (24, 7, 1, 1), (130, 3, 1, 3)],
)
def test_eight_bit_convolutions_equal_float64(
    groups: int, kernel: int, stride: int, sets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = conv_graph(groups, groups, kernel, stride, sets)
    node = graph["conv"]
    assert isinstance(node, Conv)
    counts = np.random.default_rng(1).integers(0, 5, graph["counts"].shape)
    x = as_signal(graph, "counts", torch.from_numpy(counts))
    expected = evaluate(graph, {"counts": counts})["conv"]
    unit = 2**20
    reader = Neuron("k", ("conv",), node.shape, thresholds(unit**2), unit // 4)
    assert power_of_two_unit(reader) == unit
    limits = np.array(reader.thresholds)[:, None, None, None, None]
    for available in (True, False):  # with and without oneDNN
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda a=available: a)
        found = convolution(node, graph)([x])
        assert found.dtype == torch.float32
        assert np.array_equal(found.numpy(), expected)
        found = convolution(node, graph, reader)([x])
        assert found.dtype == torch.uint8
        assert np.array_equal(found.numpy(), (expected >= limits).sum(0))


def test_counts_are_those_of_the_thresholds_at_every_tie() -> None:
    weight = np.ones((1, 1, 1, 1, 1), np.int8)
    for unit in (8, 64):
        values = np.arange(-unit, 5 * unit)
        zero = np.zeros((1, len(values)), np.int32)
        node = Conv(
            "conv",
            ("counts",),
            (1, len(values), 1, 1),
            weight.repeat(len(values), 1),
            zero,
            values[None].astype(np.int32),
        )
        graph = Graph("ties", (Input("counts", (), (1, 1, 1, 1), COUNT, 0, 4), node))
        reader = Neuron("k", ("conv",), node.shape, thresholds(unit**2), unit // 4)
        none = torch.zeros(1, 1, 1, 1, dtype=torch.uint8)
        found = convolution(node, graph, reader)([none]).numpy()[0, :, 0, 0]
        expected = [sum(value >= t for t in reader.thresholds) for value in values]
        assert found.tolist() == expected


def read_graph(steps: int) -> Graph:
    nodes = (
        Input("q", (), (steps, 24, 4, 4), COUNT, 0, 4),
        Input("kv", (), (steps, 8, 3, 12), MEMORY, 0, 4000),
        Read("read", ("q", "kv"), (steps, 96, 4, 4), 2),
    )
    return Graph("read", nodes)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_memory_that_changes_in_place_is_packed_anew(steps: int) -> None:
    graph, rng = read_graph(steps), np.random.default_rng(steps)
    node = graph["read"]
    assert isinstance(node, Read)
    kernel = memory_read(node, graph)
    q = rng.integers(0, 5, graph["q"].shape)
    memory = torch.zeros(graph["kv"].shape)
    for _ in range(2):
        kv = rng.integers(0, 4001, graph["kv"].shape)
        memory.copy_(torch.from_numpy(kv))
        found = kernel([as_signal(graph, "q", torch.from_numpy(q)), memory])
        assert np.array_equal(found.numpy(), evaluate(graph, {"q": q, "kv": kv})["read"])


# whole graphs


def assert_fused(graph: Graph, inputs: dict[str, Array]) -> None:
    """Populations and outputs of a program that counts inside its convolutions."""
    expected = evaluate(graph, inputs)
    sent = [node.inputs[0] for node in graph.outputs]
    program = Program(graph, fused=True, sent=sent)
    given = {name: torch.from_numpy(value.astype(np.float32)) for name, value in inputs.items()}
    found = program.run(given)
    for node in graph:
        if node.traits.population or node in graph.outputs:
            assert np.array_equal(found[node.name].numpy(), expected[node.name]), node.name


@settings(max_examples=40, deadline=None)
@given(graphs(), st.integers(0, 2**32 - 1))
def test_counting_inside_convolutions_changes_nothing(graph: Graph, seed: int) -> None:
    assert_fused(graph, random_inputs(graph, seed))


@pytest.mark.parametrize("branch", ["template", "search"])
def test_whole_networks_with_counting_inside_convolutions(branch: str) -> None:
    graph = tiny_graph(3, branch)
    assert_fused(graph, random_inputs(graph, 2))


def test_memory_is_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[Read] = []
    original = attention._grouped

    def grouped(weight: torch.Tensor, node: Read) -> OneStep:
        packed.append(node)
        return original(weight, node)

    monkeypatch.setattr(attention, "_grouped", grouped)
    monkeypatch.setattr(attention, "compiles", lambda: False)
    graph = read_graph(1)
    node = graph["read"]
    assert isinstance(node, Read)
    kernel = memory_read(node, graph)
    q, memory = torch.zeros(graph["q"].shape, dtype=torch.uint8), torch.ones(graph["kv"].shape)
    for _ in range(3):
        kernel([q, memory])
    assert len(packed) == 1


def test_loops_are_compiled_where_no_cache_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a read-only installation without a home: numba then refuses to cache."""
    compile = numba.njit

    def refuse(signature: str, cache: bool = False) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return compile(signature)

    monkeypatch.setattr(numba, "njit", refuse)

    def twice(x: int) -> int:
        return 2 * x

    assert compiled("i8(i8)")(twice)(21) == 42
