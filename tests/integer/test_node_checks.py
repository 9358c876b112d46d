"""Every rule of every node type: a sound graph with one number changed is refused, and says why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from support.random_graphs import random_graph

from spiketrack.errors import GraphError
from spiketrack.integer.graph import (
    COUNT,
    MEMORY,
    Conv,
    Gate,
    Graph,
    Input,
    KeyValue,
    Neuron,
    Node,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Sum,
    Upsample,
)
from spiketrack.integer.nodes.traits import Stage
from spiketrack.integer.real import RealConv, RealNeuron
from spiketrack.integer.rules.checks import check, check_node
from spiketrack.limits import MAX_STEPS

PARTS = ("retrieval", "pooled", "attention", "gated", "depthwise", "each_step", "constant")
Changes = Callable[[Any], dict[str, Any]]


@lru_cache
def sound() -> Graph:
    """Every node type; the retrieval reads a memory of three steps."""
    graph = next(g for g in (random_graph(seed, PARTS) for seed in range(20)) if len(gates(g)) == 2)
    check(graph, "making it")
    return graph


def gates(graph: Graph) -> list[Node]:
    return [node for node in graph if isinstance(node, Gate)]


def changed(kind: type[Node], values: Changes, last: bool = False) -> Graph:
    """The graph with new values in the first, or last, node of a type."""
    graph = sound()
    nodes = [node for node in graph if type(node) is kind]
    victim = nodes[-1 if last else 0]
    swap = dataclasses.replace(victim, **values(victim))
    return Graph(graph.name, tuple(swap if n is victim else n for n in graph), graph.fractions)


def put(values: Any, place: tuple[int, ...], value: int) -> Any:
    copy = values.copy()
    copy[place] = value
    return copy


def wider(shape: tuple[int, ...], axis: int, by: int = 1) -> tuple[int, ...]:
    return tuple(n + by * (index == axis) for index, n in enumerate(shape))


SHIFTS = [(-1, r"shift -1; a membrane has 24 bits"), (25, r"shift 25; a membrane has 24 bits")]
CASES: list[tuple[type[Node], Changes, str]] = [
    (Input, lambda n: {"inputs": ("image",)}, r"reads image, which does not come before it"),
    (Input, lambda n: {"signal": COUNT}, r"signal count; from outside come image and memory"),
    (Input, lambda n: {"low": n.high + 1}, r"range 256\.\.255"),
    (Conv, lambda n: {"inputs": ()}, r"reads 0 nodes instead of one"),
    (Conv, lambda n: {"weight": n.weight[0]}, r"weights of shape \(16, 3, \d, \d\)"),
    (Conv, lambda n: {"weight": n.weight.astype(np.int16)}, r"weights are not int8"),
    (Conv, lambda n: {"weight": put(n.weight, (0, 0, 0, 0, 0), -128)}, r"a weight is -128"),
    (Conv, lambda n: {"stride": 0}, r"stride or groups below 1"),
    (Conv, lambda n: {"groups": 0}, r"stride or groups below 1"),
    (Conv, lambda n: {"padding": -1}, r"stride or groups below 1"),
    (Conv, lambda n: {"groups": 3}, r"16 channels in 3 groups"),
    (Conv, lambda n: {"groups": 2}, r"weights of 3 channels in 2 groups for 3 channels"),
    (Conv, lambda n: {"weight": np.tile(n.weight, (2, 1, 1, 1, 1))}, r"2 sets of weights for 1 st"),
    (Conv, lambda n: {"bias": n.bias[:, :-1]}, r"bias of shape \(1, 15\)"),
    (Conv, lambda n: {"shift": n.shift[:, :-1]}, r"shift or bias misshapen"),
    (Conv, lambda n: {"shift": put(n.shift, (0, 1), -1)}, r"a negative shift would lose bits"),
    (Conv, lambda n: {"shift": put(n.shift, (0, 1), 25)}, r"a shift exceeds 24 bits"),
    (Conv, lambda n: {"shape": wider(n.shape, 2)}, r"shape \(.*\) does not follow"),
    (Conv, lambda n: {"shape": wider(n.shape, 3)}, r"shape \(.*\) does not follow"),
    (Conv, lambda n: {"shape": wider(n.shape, 1)}, r"shape \(.*\) does not follow"),
    (Conv, lambda n: {"shape": wider(n.shape, 0)}, r"shape \(.*\) does not follow"),
    (Conv, lambda n: {"shape": (MAX_STEPS + 1, *n.shape[1:])}, r"shape .*; steps are 1 to \d+"),
    (Conv, lambda n: {"shape": (0, *n.shape[1:])}, r"shape .*; steps are 1 to \d+"),
    (Sum, lambda n: {"inputs": ()}, r"adds nothing"),
    (Sum, lambda n: {"inputs": ("image",)}, r"adds image, which is no membrane"),
    (Sum, lambda n: {"inputs": n.inputs[:1] * 2}, r"adds one input twice"),
    (Sum, lambda n: {"shape": wider(n.shape, 1)}, r"adds .* of shape .* to "),
    (Sum, lambda n: {"shape": wider(n.shape, 1, -1)}, r"adds .* of shape .* to "),
    (Sum, lambda n: {"constant": np.zeros(wider(n.shape, 3, -1), np.int32)}, r"constant of shape"),
    (Neuron, lambda n: {"shape": wider(n.shape, 1, -1)}, r"shape \(.*\) from \("),
    (Sum, lambda n: {"constant": np.zeros(wider(n.shape, 3), np.int32)}, r"constant of shape"),
    (Sum, lambda n: {"constant": np.zeros(wider(n.shape, 0), np.int32)}, r"constant of shape"),
    (Neuron, lambda n: {"inputs": ("image",)}, r"reads \('image',\), needs \('membrane',\)"),
    (Neuron, lambda n: {"shape": wider(n.shape, 1)}, r"shape \(.*\) from \("),
    (Neuron, lambda n: {"decay": (1,)}, r"needs a decay for each later step"),
    (Neuron, lambda n: {"thresholds": (1, 2, 2, 3)}, r"thresholds are not ascending"),
    (Neuron, lambda n: {"thresholds": (0, 1, 2, 3)}, r"thresholds are not ascending"),
    (Neuron, lambda n: {"reset": n.thresholds[0] + 1}, r"reset \d+ takes the potential below 0"),
    (Neuron, lambda n: {"reset": n.thresholds[3] // 4 + 1}, r"reset \d+ takes the potential below"),
    (Neuron, lambda n: {"reset": -1}, r"reset -1 takes the potential below 0 or raises it"),
    (Pool, lambda n: {"inputs": ("image",)}, r"reads \('image',\), needs \('membrane',\)"),
    (Pool, lambda n: {"kernel": 3}, r"kernel 3; its grid makes up for powers of two"),
    (Pool, lambda n: {"kernel": 0}, r"kernel 0; its grid makes up for powers of two"),
    (Pool, lambda n: {"shape": wider(n.shape, 3)}, r"shape \(.*\) from \("),
    (Pool, lambda n: {"shape": wider(n.shape, 1)}, r"shape \(.*\) from \("),
    (Upsample, lambda n: {"inputs": ("image",)}, r"reads \('image',\), needs \('membrane',\)"),
    (Upsample, lambda n: {"factor": 8}, r"factor 8; supported are 2 and 4"),
    (Upsample, lambda n: {"shape": wider(n.shape, 2)}, r"shape \(.*\) from \("),
    (Upsample, lambda n: {"shift": n.shift + 1}, r"its shift does not fit"),
    (KeyValue, lambda n: {"inputs": n.inputs[:1]}, r"reads \('count',\), needs \('count', 'count'"),
    (KeyValue, lambda n: {"inputs": n.inputs[::-1]}, r"shape \(.*\) from \(.*\) and \("),
    (KeyValue, lambda n: {"shape": wider(n.shape, 3)}, r"shape \(.*\) from \(.*\) and \("),
    (KeyValue, lambda n: {"shape": wider(n.shape, 2)}, r"shape \(.*\) from \(.*\) and \("),
    (KeyValue, lambda n: {"positions": n.positions + 1}, r"\d+ positions of \("),
    (Read, lambda n: {"inputs": n.inputs[::-1]}, r"reads \('memory', 'count'\), needs"),
    (Read, lambda n: {"shape": wider(n.shape, 1)}, r"shape from \(.*\) and \("),
    (Read, lambda n: {"shape": wider(n.shape, 2)}, r"shape from \(.*\) and \("),
    (Read, lambda n: {"shift": n.shift + 1}, r"its fraction is not \d+"),
    (PositionsAsChannels, lambda n: {"inputs": n.inputs * 2}, r"reads 2 nodes instead of one"),
    (PositionsAsChannels, lambda n: {"shape": wider(n.shape, 1)}, r"shape does not follow"),
    (PositionsAsChannels, lambda n: {"shape": wider(n.shape, 3)}, r"shape does not follow"),
    (Gate, lambda n: {"inputs": n.inputs[::-1]}, r"reads \('membrane', 'count'\), needs"),
    (Gate, lambda n: {"shape": wider(n.shape, 0)}, r"shape \(2, .* from \("),
    (Gate, lambda n: {"table": n.table[:0]}, r"its table is empty"),
    (Gate, lambda n: {"table": n.table[None]}, r"its table is empty"),
    (Gate, lambda n: {"table": n.table[::-1]}, r"its table does not fall to 0"),
    (
        Gate,
        lambda n: {"table": put(n.table, (1,), n.table[0] + 1)},
        r"its table does not fall to 0",
    ),
    (Gate, lambda n: {"table": put(n.table, (-1,), -1)}, r"its table does not fall to 0"),
    (Output, lambda n: {"inputs": n.inputs * 2}, r"reads 2 nodes instead of one"),
    (Output, lambda n: {"shape": wider(n.shape, 1)}, r"shape \(.*\) from \("),
    *(
        (kind, lambda n, shift=shift: {"shift": shift}, message)
        for kind in (Upsample, Read, Gate)
        for shift, message in SHIFTS
    ),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_one_wrong_number_is_refused_by_name(case: int) -> None:
    kind, values, message = CASES[case]
    name = next(node.name for node in sound() if type(node) is kind)
    with pytest.raises(GraphError, match=rf"^after the test: {name}: {message}"):
        check(changed(kind, values), "the test")


def test_cases_cover_every_node_type_of_integer_graphs() -> None:
    assert {kind for kind, _, _ in CASES} == {type(node) for node in sound()}


@pytest.mark.parametrize("leak", [-1, 4096])
def test_leaks_have_twelve_bits(leak: int) -> None:
    leaky = [n for n in sound() if isinstance(n, Neuron) and n.decay][-1]
    wrong = dataclasses.replace(leaky, decay=(leak, *leaky.decay[1:]))
    nodes = tuple(wrong if n is leaky else n for n in sound())
    with pytest.raises(GraphError, match=f"{leaky.name}: a decay exceeds 12 bits"):
        check(Graph("g", nodes, sound().fractions), "the test")


def test_a_convolution_reads_no_membrane_and_no_memory() -> None:
    graph = sound()
    conv = next(n for n in graph if isinstance(n, Conv))
    memory = next(n.name for n in graph if isinstance(n, Input) and n.signal == MEMORY)
    for source in (conv.name, memory):
        wrong = dataclasses.replace(conv, name="wrong", inputs=(source,))
        found = Graph("g", (*graph, wrong), {**graph.fractions, "wrong": 1})
        with pytest.raises(GraphError, match="wrong: reads no spikes"):
            check(found, "the test")


def test_logits_are_one_number_a_step_and_channel() -> None:
    graph = sound()
    gate = gates(graph)[-1]
    other = next(
        n.name
        for n in graph
        if isinstance(n, Conv) and n.shape != graph[gate.inputs[1]].shape and n.shape[1] > 1
    )
    wrong = dataclasses.replace(gate, name="wrong", inputs=(gate.inputs[0], other))
    found = Graph("g", (*graph, wrong), {**graph.fractions, "wrong": 2})
    with pytest.raises(GraphError, match=r"wrong: logits of shape \("):
        check(found, "the test")


@pytest.mark.parametrize("kind", [Conv, Sum, Neuron, Pool, Gate])
def test_a_fraction_that_is_missing_or_does_not_follow(kind: type[Node]) -> None:
    graph = sound()
    node = next(n for n in graph if type(n) is kind)
    without = {name: f for name, f in graph.fractions.items() if name != node.name}
    with pytest.raises(GraphError, match=f"{node.name}: no fraction is recorded for it"):
        check(Graph("g", tuple(graph), without), "the test")
    if kind is not Conv:  # its grid is free
        moved = {**graph.fractions, node.name: graph.fractions[node.name] + 1}
        with pytest.raises(GraphError, match=rf"{node.name}: (fraction|lies on another grid)"):
            check(Graph("g", tuple(graph), moved), "the test")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weight": np.full((1, 2, 3, 1, 1), np.nan)}, "weights or biases that are not finite"),
        ({"bias": np.array([[0, np.inf]])}, "weights or biases that are not finite"),
        ({}, ""),
    ],
)
def test_real_weights_are_finite(values: dict[str, Any], message: str) -> None:
    source = Input("image", (), (1, 3, 4, 4), "image", 0, 255)
    conv = RealConv("conv", ("image",), (1, 2, 4, 4), np.ones((1, 2, 3, 1, 1)), np.zeros((1, 2)))
    conv = dataclasses.replace(conv, **values)
    graph = Graph("g", (source, conv))
    if not message:
        check_node(conv, graph, {"image"}, Stage.REAL)
        return
    with pytest.raises(GraphError, match=f"conv: {message}"):
        check_node(conv, graph, {"image"}, Stage.REAL)


@pytest.mark.parametrize(("leak", "fits"), [(0.0, True), (1.0, True), (-0.1, False), (1.1, False)])
def test_real_leaks_lie_between_0_and_1(leak: float, fits: bool) -> None:
    source = Input("image", (), (2, 3, 4, 4), "image", 0, 255)
    conv = RealConv("conv", ("image",), (2, 2, 4, 4), np.ones((1, 2, 3, 1, 1)), np.zeros((1, 2)))
    spike = RealNeuron("spike", ("conv",), conv.shape, (leak,))
    graph = Graph("g", (source, conv, spike))
    if fits:
        check_node(spike, graph, {"image", "conv"}, Stage.REAL)
    else:
        with pytest.raises(GraphError, match=r"spike: a decay lies outside 0\.\.1"):
            check_node(spike, graph, {"image", "conv"}, Stage.REAL)
