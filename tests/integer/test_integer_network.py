"""The integer evaluator equals a naive one of int64 loops, node by node, to the last bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.naive import evaluate
from support.random_graphs import (
    PARTS,
    Array,
    Builder,
    graphs,
    random_graph,
    random_inputs,
    tiny_graph,
)

from spiketrack.errors import GraphError
from spiketrack.integer.graph import (
    IMAGE,
    Conv,
    Gate,
    Graph,
    Input,
    Neuron,
    Node,
    Output,
    Upsample,
    node_types,
)
from spiketrack.integer.kernels import Program
from spiketrack.integer.rules.ranges import prove_headroom
from spiketrack.limits import POTENTIAL_MAX


def run(graph: Graph, inputs: dict[str, Array]) -> dict[str, Array]:
    """The project's evaluator with integers in and out."""
    given = {name: torch.from_numpy(value.astype(np.float32)) for name, value in inputs.items()}
    found = {name: value.numpy() for name, value in Program(graph).run(given).items()}
    for name, value in found.items():
        assert np.array_equal(value, np.rint(value)), f"{name}: not integers"
    return {name: value.astype(np.int64) for name, value in found.items()}


def assert_exact(graph: Graph, inputs: dict[str, Array]) -> dict[str, Array]:
    """Both evaluators agree on every node; the first that differs is named."""
    expected, found = evaluate(graph, inputs), run(graph, inputs)
    for node in graph:
        here = expected[node.name], found[node.name]
        if not np.array_equal(*here):
            where = np.argwhere(here[0] != here[1])[0].tolist()
            raise AssertionError(f"{graph.name}: {node.name} differs first at {where}")
    return expected


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(0, 999), st.booleans())
def test_random_graphs(graph: Graph, seed: int, extreme: bool) -> None:
    assert_exact(graph, random_inputs(graph, seed, extreme))


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("part", PARTS)
def test_every_part(part: str, steps: int) -> None:
    for seed in range(3):
        graph = random_graph(seed, (part,), steps)
        values = assert_exact(graph, random_inputs(graph, seed))
        for population in graph.populations:
            assert values[population.name].min() >= 0
            assert values[population.name].max() <= 4


def test_parts_cover_every_node_type() -> None:
    graph = random_graph(0, ("retrieval", "pooled", "attention", "gated"), 1)
    assert {type(node) for node in graph} == set(node_types())


@pytest.mark.parametrize("templates", [1, 3])
def test_whole_networks(templates: int) -> None:
    template = tiny_graph(templates, "template")
    search = tiny_graph(templates, "search")
    inputs = random_inputs(search, 2)
    written = assert_exact(template, random_inputs(template, 1))
    inputs |= {name: written[name] for name in inputs if name != "image"}
    values = assert_exact(search, inputs)
    silent = [p.name for p in search.populations if not values[p.name].any()]
    assert not silent, "the comparison would be empty here"


def _single(node: Node, *sources: Input) -> Graph:
    nodes = (*sources, node, Output("out", (node.name,), node.shape))
    graph = Graph(type(node).__name__, nodes, {n.name: 2 for n in nodes})
    prove_headroom(graph)
    return graph


def test_convolution_is_exact_at_the_limit_of_24_bits() -> None:
    rng = np.random.default_rng(3)
    source = Input("image", (), (1, 512, 4, 4), IMAGE, 0, 4)
    weight = rng.choice([-127, 127, 126, -1], (1, 16, 512, 3, 3)).astype(np.int8)
    reach = 4 * np.maximum(weight[0].astype(np.int64), 0).sum((1, 2, 3)).max()
    shift = np.full((1, 16), int(np.log2(POTENTIAL_MAX / reach)), np.int32)
    bias = np.full((1, 16), POTENTIAL_MAX - (int(reach) << int(shift[0, 0])), np.int32)
    shape = (1, 16, 4, 4)
    graph = _single(Conv("conv", ("image",), shape, weight, shift, bias, 1, 1), source)
    best = int(np.argmax(weight[0, :, :, 1, 1].astype(int).sum(1)))
    for x in (
        np.where(weight[0, best, :, 1, 1] > 0, 4, 0)[None, :, None, None].repeat(4, 2).repeat(4, 3),
        rng.integers(0, 5, source.shape),
    ):
        assert_exact(graph, {"image": x.astype(np.int64)})


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 2**20), min_size=4, max_size=4, unique=True),
    st.lists(st.integers(0, 4095), min_size=2, max_size=2),
    st.integers(0, 2**16),
    st.integers(0, 2**32 - 1),
)
def test_neuron_with_any_thresholds(
    levels: list[int], decay: list[int], reset: int, seed: int
) -> None:
    a, b, c, d = sorted(levels)
    rng = np.random.default_rng(seed)
    near = np.concatenate([[level - 1, level, level + 1] for level in (a, b, c, d)])
    x = np.concatenate([rng.choice(near, 60), rng.integers(-(2**20), 2**20, 60)])
    x = rng.permuted(np.stack([x, x, x]), axis=1).reshape(3, 12, 10, 1)
    source = Input("image", (), (3, 12, 10, 1), IMAGE, -(2**20), 2**20 + 1)
    node = Neuron("spike", ("image",), source.shape, (a, b, c, d), min(reset, a), tuple(decay))
    assert_exact(_single(node, source), {"image": x})


@pytest.mark.parametrize("shift", [0, 1, 3, 5])
@pytest.mark.parametrize("factor", [2, 4])
def test_upsampling_rounds_half_up_also_below_zero(factor: int, shift: int) -> None:
    source = Input("image", (), (2, 8, 5, 5), IMAGE, -100_000, 100_000)
    node = Upsample("up", ("image",), (2, 8, 5 * factor, 5 * factor), factor, shift)
    rng = np.random.default_rng(shift)
    for limit in (3, 100_000):
        x = rng.integers(-limit, limit + 1, source.shape)
        assert_exact(_single(node, source), {"image": x})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.integers(1, 3))
def test_gate_with_any_table(seed: int, shift: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    table = np.sort(rng.integers(0, 2**15 + 1, 40).astype(np.int32))[::-1].copy()
    counts = Input("image", (), (steps, 16, 3, 3), IMAGE, 0, 4)
    logits = Input("logits", (), (steps, 1, 16, 1), IMAGE, -(2**12), 2**12)
    node = Gate("gate", ("image", "logits"), (1, 16, 3, 3), table, shift)
    spread = 50 << shift
    values = {
        "image": rng.integers(0, 5, counts.shape),
        "logits": rng.integers(-min(spread, 2**12), min(spread, 2**12) + 1, logits.shape),
    }
    assert_exact(_single(node, counts, logits), values)


@settings(max_examples=40, deadline=None)
@given(st.integers(-(2**19), 2**19), st.integers(1, 2**20), st.integers(0, 12))
def test_a_gate_reaches_the_widest_difference_of_its_logits(
    low: int, width: int, shift: int
) -> None:
    """One logit lowest, one highest: max - l + half is ``width`` + half."""
    table = np.array([3, 2, 1, 0], np.int32)
    counts = Input("image", (), (2, 8, 1, 1), IMAGE, 0, 4)
    logits = Input("logits", (), (2, 1, 8, 1), IMAGE, low, low + width)
    node = Gate("gate", ("image", "logits"), (1, 8, 1, 1), table, shift)
    half = (1 << shift) >> 1
    gate = prove_headroom(_single(node, counts, logits))["gate"]
    assert gate.held == width
    assert gate.peak == max(width + max(half, 1), 3 * 2 * 3)


def test_only_part_of_a_graph_and_only_kept_outputs() -> None:
    graph = random_graph(5, ("attention", "pooled"), 3)
    inputs = random_inputs(graph, 5)
    expected = evaluate(graph, inputs)
    names = [node.name for node in graph]
    cut = len(names) // 2
    late = set(names[cut:])
    needed = {i for node in graph if node.name in late for i in node.inputs if i not in late}
    given = {name: torch.from_numpy(expected[name].astype(np.float32)) for name in needed}
    found = Program(graph, late).run(given, keep=[names[-1]])
    assert list(found) == [names[-1]]
    assert np.array_equal(found[names[-1]].numpy(), expected[names[-1]])


def test_teacher_forcing_replaces_a_population_after_observing_it() -> None:
    graph = random_graph(6, ("plain", "plain"), 1)
    inputs = random_inputs(graph, 6)
    first = graph.populations[0]
    assert isinstance(first, Neuron)
    forced = torch.zeros(first.shape)
    seen: dict[str, Array] = {}

    def observe(node: Node, sources: object, output: torch.Tensor) -> None:
        seen[node.name] = output.numpy().astype(np.int64)

    given = {name: torch.from_numpy(value.astype(np.float32)) for name, value in inputs.items()}
    Program(graph).run(given, observe=observe, forced={first.name: forced})
    assert np.array_equal(seen[first.name], evaluate(graph, inputs)[first.name])
    silenced = dataclasses.replace(first, thresholds=(2**22, 2**22 + 1, 2**22 + 2, 2**22 + 3))
    changed = Graph("silenced", tuple(silenced if n is first else n for n in graph))
    after = evaluate(changed, inputs)
    for node in graph.nodes[graph.nodes.index(first) + 1 :]:
        assert np.array_equal(seen[node.name], after[node.name])


def test_unknown_node_type_is_named() -> None:
    class Foreign(Node):
        """Not registered."""

    graph = Graph("g", (Foreign("odd", (), (1, 1, 1, 1)),))
    with pytest.raises(GraphError, match="odd: no kernel for node type Foreign; there are Conv"):
        Program(graph)


def test_builder_repeats_itself() -> None:
    one, two = (random_graph(9, ("retrieval", "down"), 1) for _ in range(2))
    assert [n.name for n in one] == [n.name for n in two]
    inputs = random_inputs(one, 4)
    a, b = evaluate(one, inputs), evaluate(two, inputs)
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert Builder(1, 1, 8).choose(3) == 3
