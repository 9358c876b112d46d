"""Wrong messages, weights, thresholds and relays: the first layer that is wrong is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.random_crops import random_crops
from support.random_graphs import tiny_graph, tiny_model

from spiketrack.deploy.chip.balance import early
from spiketrack.deploy.chip.execution.engine import Chip
from spiketrack.deploy.chip.execution.messages import Message
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.program import Choices, build_program
from spiketrack.inference import BRANCHES, Trace
from spiketrack.integer.graph import Conv, Graph, Neuron
from spiketrack.simulators.chip import ChipSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.verification.comparison import Agreement

NAME = "encoder.block3.1.conv.spike2"


CONFIG = tiny_model(1).config
GRAPHS = {branch: tiny_graph(1, branch) for branch in BRANCHES}
MESSAGES: dict[str, Callable[[torch.Tensor], list[torch.Tensor]]] = {
    "twice": lambda values: [values, values],
    "elsewhere": lambda values: [values.roll(1, -1)],
    "another count": lambda values: [values ^ 1],
}


@pytest.fixture(scope="module")
def expected() -> Trace:
    """Of an encoding."""
    return trace(IntegerSimulator(GRAPHS, CONFIG, False, True))


def trace(simulator: Any) -> Trace:
    found: Trace = simulator.encode_template(random_crops(1)).trace
    return found


def first_difference(simulator: Any, expected: Trace) -> str:
    agreement = Agreement("chip")
    agreement.add("template", 0, expected, trace(simulator))
    assert not agreement.exact
    return str(agreement.first)


def named(reader: str, step: int) -> str:
    return (
        f"chip differs from integer first in {reader} (template branch): frame 0, step 0, "
        f"time step {step:,} of the chip, index ("
    )


@pytest.mark.parametrize("mistake", MESSAGES)
def test_a_wrong_message_is_named(
    mistake: str, expected: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent twice, to neighbours, with another count: its reader miscounts in the next step."""
    right = Chip._send

    def send(chip: Chip, now: int, name: str, message: Message, calendar: Any) -> None:
        wrong = MESSAGES[mistake](message.values) if name == NAME else [message.values]
        for values in wrong:
            right(chip, now, name, Message(values), calendar)

    monkeypatch.setattr(Chip, "_send", send)
    chip = ChipSimulator(GRAPHS, CONFIG, False, True, Choices("fall-through"))
    reader = NAME.replace("spike2", "spike3")
    step = chip.programs["template"].by_name[reader].first
    assert first_difference(chip, expected).startswith(named(reader, step))


def heavier(graph: Graph) -> Graph:
    """The first kernel of the convolution before ``NAME`` has the other sign."""
    conv = graph[graph[NAME].inputs[0]]
    assert isinstance(conv, Conv)
    weight = conv.weight.copy()
    weight[0, 0] = -weight[0, 0]
    return replaced(graph, dataclasses.replace(conv, weight=weight))


def easier(graph: Graph) -> Graph:
    """Each threshold of ``NAME`` is a quarter lower."""
    node = graph[NAME]
    assert isinstance(node, Neuron)
    a, b, c, d = (level * 3 // 4 for level in node.thresholds)
    return replaced(graph, dataclasses.replace(node, thresholds=(a, b, c, d)))


def replaced(graph: Graph, node: Any) -> Graph:
    nodes = tuple(node if n.name == node.name else n for n in graph)
    return Graph(graph.name, nodes, graph.fractions)


@pytest.mark.parametrize("change", [heavier, easier])
def test_a_wrong_number_is_named(change: Callable[[Graph], Graph], expected: Trace) -> None:
    """A weight, the thresholds: the layer that holds them, in the step in which it fires."""
    wrong = {name: change(graph) for name, graph in GRAPHS.items()}
    chip = ChipSimulator(wrong, CONFIG, False, True, Choices("fall-through"))
    step = chip.programs["template"].by_name[NAME].first
    assert first_difference(chip, expected).startswith(named(NAME, step))


def moved(layer: Layer, by: int) -> Layer:
    """It fires and sends so many time steps earlier."""
    sends = dataclasses.replace(layer.sends, first=layer.sends.first - by)
    return dataclasses.replace(layer, first=layer.first - by, sends=sends)


def test_a_relay_that_keeps_too_short_is_named(
    expected: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pipelined, without delays: what it says falls into the sums of the frame before."""
    monkeypatch.setattr("spiketrack.deploy.chip.balance._delays", lambda *about: False)
    programs = {n: build_program(g, Choices("pipelined")) for n, g in GRAPHS.items()}
    program = programs["template"]
    hold = next(layer for layer in program.layers if "+hold" in layer.name)
    reader, link = next(
        (x, link) for x in program.layers for link in x.synapses if link.source == hold.name
    )
    earlier_ones = (moved(hold, by) for by in range(program.period))
    short = next(x for x in earlier_ones if early(x, link, reader, program.period))
    layers = tuple(short if layer is hold else layer for layer in program.layers)
    wrong = programs | {"template": dataclasses.replace(program, layers=layers)}
    chip = ChipSimulator(GRAPHS, CONFIG, False, True, Choices("pipelined"), wrong)
    said = first_difference(chip, expected)
    assert "(template branch): frame 0, step 0, time step " in said
    assert int(said.split("time step ")[1].split(" ")[0]) >= reader.first + program.period
