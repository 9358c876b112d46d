"""What graded and binary spikes cost, from what a run counted: steps, messages, operations.

The same network is brought onto the chip both ways. A population sends as many messages as it had
events, or as many as its counts add up to; what multiplies two signals stays graded either way.
Relays, products and pixels send every value. Means of one inference.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from spiketrack.deploy.chip.execution.messages import PIXEL_PAYLOAD, payload_bits
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.program import SPIKES, ChipProgram, Choices, build_program
from spiketrack.deploy.chip.requirements import KEYS, TABLE
from spiketrack.documents.placement import SpikeCost
from spiketrack.integer.graph import COUNT, IMAGE, Graph

Means = Mapping[str, float]  # node → mean of one inference


def spike_costs(
    graph: Graph, choices: Choices, columns: Mapping[str, Means]
) -> tuple[SpikeCost, ...]:
    """Graded, then binary. ``columns``: ``counting.FIELDS`` → mean of one inference by node."""
    return tuple(
        _cost(graph, build_program(graph, dataclasses.replace(choices, spikes=spikes)), columns)
        for spikes in SPIKES
    )


def columns_of(recorded: Any) -> dict[str, dict[str, float]]:
    """Means of a branch that ``runs/operations.py`` read."""
    fields = ("events", "spikes", "ac_graded", "ac_spike", "mac")
    names = recorded.layers.names
    means = (recorded.field(field).mean(0) for field in fields)
    return {
        field: dict(zip(names, map(float, mean), strict=True))
        for field, mean in zip(fields, means, strict=True)
    }


def _cost(graph: Graph, program: ChipProgram, columns: Mapping[str, Means]) -> SpikeCost:
    image = math.prod(next(n for n in graph.inputs if n.signal == IMAGE).shape)
    sent = [(_messages(program, layer, columns), payload_bits(layer)) for layer in program.layers]
    return SpikeCost(
        spikes=program.choices.spikes,
        steps=program.latency,
        messages=image + sum(number for number, _ in sent),
        bits=image * PIXEL_PAYLOAD + sum(number * bits for number, bits in sent),
        operations=_operations(program, columns) + _partial_sums(program),
        multiplications=sum(columns["mac"].values()),
    )


def _messages(program: ChipProgram, layer: Layer, columns: Mapping[str, Means]) -> float:
    """Of a frame; what is sent once for several network steps of its readers is repeated."""
    sends = layer.sends
    if sends.part == TABLE:
        return layer.shape[1] * sends.parts
    if layer.signal != COUNT:
        return layer.neurons * sends.times
    column = columns["spikes" if sends.binary else "events"]
    return column[_population(program, layer)] * sends.times / layer.steps


def _population(program: ChipProgram, layer: Layer) -> str:
    """The node whose counts a layer sends, through relays that keep time."""
    while not layer.nodes:
        layer = program.by_name[layer.synapses[0].source]
    return layer.nodes[0]


def _operations(program: ChipProgram, columns: Mapping[str, Means]) -> float:
    """AC of every layer; where two signals are multiplied the graded ones."""
    binary = {
        name
        for layer in program.layers
        if any(_sends_binary(program, link.source) for link in layer.synapses)
        for name in layer.nodes
    }
    return sum(
        columns["ac_spike" if name in binary else "ac_graded"][name]
        for name in columns["ac_graded"]
    )


def _sends_binary(program: ChipProgram, name: str) -> bool:
    layer = program.by_name.get(name)
    return layer is not None and layer.sends.binary


def _partial_sums(program: ChipProgram) -> int:
    """Values that meet others, at a port or behind it, where a product is in several copies."""
    total = 0
    for layer in filter(lambda layer: layer.product, program.layers):
        ports = [link for link in layer.synapses if link.port == 1 and link.part == KEYS]
        sums = list(layer.sums)
        for link in ports[1:] + sums:
            source = program.by_name[link.source]
            across = link.axes[0]
            shared = across.stride // across.width if link.part == KEYS else 1
            total += source.neurons // shared * source.sends.times
    return total
