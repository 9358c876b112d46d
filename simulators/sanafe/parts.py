"""Parts of the network in SANA-FE, spike for spike: a count is a thermometer of four spikes.

Neuron i of a count's four fires where the membrane reaches threshold i. SANA-FE's neurons fire
*above* their threshold, so theirs is

    threshold_i - constants of the neuron - ½,    weights are weight << shift of the convolutions.

They forget at once (leak 0), so that a wave through several populations comes out one time step a
population. Populations outside the part are neurons that fire in every step what the frame counted;
synapses of those that never fire are left out, they carry nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import UnsupportedError
from spiketrack.integer.graph import Conv, Graph, Neuron, Node, Read, Sum
from spiketrack.limits import MAX_COUNT
from spiketrack.simulators.sanafe.chips import (
    UNIT,
    Units,
    architecture,
    dendrite_unit,
    loihi1,
    soma_unit,
    synapse_unit,
)
from spiketrack.simulators.sanafe.engine import sanafe, silent

MOST = 3_000_000  # synapses: about 740 bytes each
Counts = NDArray[np.int8]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class PartResult:
    """``neurons`` of SANA-FE, ``synapses`` between them, ``spikes`` compared and ``different``."""

    name: str
    populations: tuple[str, ...]
    neurons: int
    synapses: int
    spikes: int
    different: int


@dataclass(frozen=True, eq=False)
class Edges:
    """Synapses of one convolution: source, target and weight of each, by flat (C, H, W) index."""

    source: Integers
    target: Integers
    weight: Integers


def run_part(
    name: str, graph: Graph, populations: Sequence[str], counts: Mapping[str, Counts]
) -> PartResult:
    """Populations of one network step, in order, against the ``counts`` (1, C, H, W) of a frame.

    ``UnsupportedError`` says what SANA-FE cannot hold.
    """
    nodes = [_population(graph, name) for name in populations]
    terms = {node.name: _terms(graph, node.inputs[0]) for node in nodes}
    sources = dict.fromkeys(
        graph[conv.inputs[0]].name for convs, _ in terms.values() for conv in convs
    )
    given = [source for source in sources if source not in populations]
    links = {
        node.name: [
            (conv.inputs[0], _needed(conv_edges(conv, graph), counts, conv, given))
            for conv in terms[node.name][0]
        ]
        for node in nodes
    }
    size = MAX_COUNT * sum(
        len(edges.source) * (1 if source in given else MAX_COUNT)
        for joined in links.values()
        for source, edges in joined
    )
    if size > MOST:
        raise UnsupportedError(
            f"{name}: {size:,} synapses, more than the {MOST:,} that are given to SANA-FE; "
            "choose a smaller part"
        )
    with silent():
        spikes = _simulate(nodes, terms, given, links, counts)
    different = sum(
        int(np.count_nonzero(spikes[node.name] != _thermometer(counts[node.name])))
        for node in nodes
    )
    neurons = MAX_COUNT * sum(counts[n].size for n in (*given, *populations))
    compared = MAX_COUNT * sum(counts[n].size for n in populations)
    return PartResult(name, tuple(populations), neurons, size, compared, different)


def conv_edges(conv: Conv, graph: Graph) -> Edges:
    """Every synapse of weight other than 0, borders and groups included."""
    _, channels, height, width = graph[conv.inputs[0]].shape
    _, out, rows, columns = conv.shape
    weight = conv.weight[0].astype(np.int64) << conv.shift[0][:, None, None, None]
    o, i, a, b = np.nonzero(weight)
    y, x = np.divmod(np.arange(rows * columns), columns)
    at_y = y[:, None] * conv.stride + a - conv.padding
    at_x = x[:, None] * conv.stride + b - conv.padding
    per_group = channels // conv.groups
    channel = o // (out // conv.groups) * per_group + i
    inside = (at_y >= 0) & (at_y < height) & (at_x >= 0) & (at_x < width)
    source = (channel * height + at_y) * width + at_x
    target = o * rows * columns + np.arange(rows * columns)[:, None]
    weights = np.broadcast_to(weight[o, i, a, b], source.shape)
    return Edges(source[inside], target[inside], weights[inside])


def _needed(edges: Edges, counts: Mapping[str, Counts], conv: Conv, given: Sequence[str]) -> Edges:
    """One copy of a synapse for each spike that a given source fires."""
    source = conv.inputs[0]
    if source not in given:
        return edges
    fired = counts[source].reshape(-1)[edges.source].astype(np.int64)
    which = np.repeat(np.arange(len(fired)), fired)
    level = np.arange(len(which)) - np.repeat(np.cumsum(fired) - fired, fired)
    return Edges(edges.source[which] * MAX_COUNT + level, edges.target[which], edges.weight[which])


def _population(graph: Graph, name: str) -> Neuron:
    node = graph[name]
    if not isinstance(node, Neuron):
        raise UnsupportedError(
            f"{name}: SANA-FE has no neuron that computes a {type(node).__name__}"
        )
    if node.shape[0] != 1:
        raise UnsupportedError(f"{name}: leaks between {node.shape[0]} network steps; one is held")
    return node


def _terms(graph: Graph, name: str) -> tuple[list[Conv], NDArray[np.int64]]:
    """Convolutions of counts whose sum a membrane is, and its constants (C, H, W)."""
    node = graph[name]
    added = node.added(0)
    constant = np.zeros(node.shape[1:], np.int64) + (0 if added is None else added)
    if isinstance(node, Conv):
        if not graph[node.inputs[0]].traits.population:
            raise UnsupportedError(_graded(graph[node.inputs[0]], name))
        return [node], constant
    if isinstance(node, Read):
        raise UnsupportedError(
            f"{name}: multiplies two signals of one frame, or a count by a memory that the host "
            "rewrites; SANA-FE's neurons add only"
        )
    if not isinstance(node, Sum):
        raise UnsupportedError(_graded(node, name))
    convs: list[Conv] = []
    for source in node.inputs:
        inner, more = _terms(graph, source)
        convs, constant = convs + inner, constant + more
    return convs, constant


def _graded(node: Node, reader: str) -> str:
    return (
        f"{reader}: reads a {type(node).__name__} ({node.name}), values of many bits; SANA-FE's "
        "messages carry none"
    )


def _thermometer(counts: Counts) -> NDArray[np.bool_]:
    """Flat index · 4 + i is whether the count exceeds i."""
    flat: NDArray[np.bool_] = (counts.reshape(-1)[:, None] > np.arange(MAX_COUNT)).reshape(-1)
    return flat


class Group:
    """Neurons by number, in SANA-FE's groups of as many as one of its units holds."""

    def __init__(self, network: Any, name: str, size: int, first_unit: int, log: bool) -> None:
        self.first_unit = first_unit
        model = {"leak_decay": 0.0, "reset_mode": "none", "threshold": 0.5, "force_update": True}
        self.parts = [
            network.create_neuron_group(
                f"{name}/{start}",
                min(UNIT, size - start),
                model,
                log_spikes=log,
                default_synapse_hw_name=synapse_unit(1),
                default_dendrite_hw_name=dendrite_unit(first_unit * UNIT + start),
                soma_hw_name=soma_unit(first_unit * UNIT + start),
            )
            for start in range(0, size, UNIT)
        ]

    def set(self, number: int, **model: float) -> None:
        """Attributes of one neuron's model."""
        self.parts[number // UNIT].neurons[number % UNIT].set_attributes(
            soma_hw_name=soma_unit(self.first_unit * UNIT + number),  # else they are forgotten
            dendrite_hw_name=dendrite_unit(self.first_unit * UNIT + number),
            default_synapse_hw_name=synapse_unit(1),
            model_attributes=model,
        )

    def connect(self, target: Group, source: Integers, end: Integers, weight: Integers) -> None:
        """Synapses by numbers of neurons."""
        parts = len(target.parts)
        where = source // UNIT * parts + end // UNIT
        order = np.argsort(where, kind="stable")
        cuts = np.flatnonzero(np.diff(where[order])) + 1
        for chosen in np.split(order, cuts) if len(order) else ():
            mine, other = divmod(int(where[chosen[0]]), parts)
            pairs = zip(
                (source[chosen] % UNIT).tolist(), (end[chosen] % UNIT).tolist(), strict=True
            )
            self.parts[mine].connect_neurons_sparse(
                target.parts[other], {"weight": weight[chosen].astype(float).tolist()}, list(pairs)
            )


def _simulate(
    nodes: Sequence[Neuron],
    terms: Mapping[str, tuple[list[Conv], Integers]],
    given: Sequence[str],
    links: Mapping[str, Sequence[tuple[str, Edges]]],
    counts: Mapping[str, Counts],
) -> dict[str, NDArray[np.bool_]]:
    """Which neurons of each population fire in the step that its wave reaches it."""
    tool = sanafe()
    network = tool.Network()
    groups: dict[str, Group] = {}
    units = 0
    for name in (*given, *(node.name for node in nodes)):
        size = MAX_COUNT * counts[name].size
        groups[name] = Group(network, name, size, units, name not in given)
        units += len(groups[name].parts)
    for name in given:
        for number in np.flatnonzero(_thermometer(counts[name])):
            groups[name].set(int(number), bias=1.0)
    for node in nodes:
        constant = terms[node.name][1].reshape(-1)
        below = np.array(node.thresholds, np.int64) - constant[:, None] - 0.5
        for number, threshold in enumerate(below.reshape(-1).tolist()):
            groups[node.name].set(number, threshold=threshold)
        for source, edges in links[node.name]:
            groups[source].connect(groups[node.name], *_unrolled(edges, source in given))
    chip = architecture((1, 1), 1, {0: Units(units * UNIT)}, loihi1())
    for group in groups.values():
        for part in group.parts:
            part.map_to_core(chip.tiles[0].cores[0])
    simulated = tool.SpikingChip(chip)
    simulated.load(network)
    trace = simulated.sim(
        1 + len(nodes), timing_model="simple", spike_trace=True, processing_threads=1
    )["spike_trace"]
    fired = {node.name: np.zeros(MAX_COUNT * counts[node.name].size, np.bool_) for node in nodes}
    for address in trace[-1]:  # every wave has come through, and sources fire in every step
        name, _, start = address.group_name.rpartition("/")
        fired[name][int(start) + address.neuron_offset] = True
    return fired


def _unrolled(edges: Edges, given: bool) -> tuple[Integers, Integers, Integers]:
    """Each synapse to the four neurons of its target, from the four of a source that runs here."""
    levels = np.arange(MAX_COUNT)
    ends = edges.target[:, None] * MAX_COUNT + levels
    starts = edges.source[:, None]
    weights = edges.weight[:, None]
    if not given:
        ends, weights = ends[:, None, :], weights[:, None]
        starts = (edges.source[:, None] * MAX_COUNT + levels)[:, :, None]
    starts, ends, weights = np.broadcast_arrays(starts, ends, weights)
    return starts.reshape(-1), ends.reshape(-1), weights.reshape(-1)
