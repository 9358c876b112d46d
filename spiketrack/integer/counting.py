"""Operation counter: what one inference of every node costs, exactly, from its own tensors.

A row of ``FIELDS`` for each node, per inference:

=============== =============================================================================
events          non-zero messages that a population sends
spikes          sum of the counts it sends: binary spikes in spike-driven execution
events_in       non-zero messages that reach the synapses of this node
spikes_in       sum of the counts that reach them
ac_graded       accumulations when a count is one graded message: one a message and synapse
ac_spike        accumulations when a count k is k binary spikes: k a message and synapse
mac             multiplications that remain: image convolution, temporal gate
neuron_updates  steps × neurons of a population
=============== =============================================================================

``events``, ``spikes`` and ``neuron_updates`` stand in the rows of populations, operations in the
rows of what performs them, so that every column may be added up without counting twice;
``events_in`` and ``spikes_in`` repeat the source's messages for every reader.

Rules
  - A synapse counts when its source position lies inside the map: zero padding costs nothing.
    Its weight does not matter: a stored zero is read like any other weight.
  - A sum starts at its bias where it has one, so each term is one addition; without a bias the
    first term is a load: n terms are n - 1 additions.
  - A memory entry (up to 16·P²) takes several 8-bit synapses, each of which accumulates.
  - Sums of membranes are dense: their additions stand in both AC columns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from spiketrack.integer.costs.formulas import FIELDS, FORMULAS, Row
from spiketrack.integer.costs.sums import CompiledSums, Sums, rank
from spiketrack.integer.graph import COUNT, IMAGE, Graph, Node
from spiketrack.integer.loops import add_terms


@dataclass(frozen=True)
class Layers:
    """The rows of one branch, in the order of the graph.

    ``dense_mac``: MACs of the same layer in an ANN; ``inputs``: neurons (or pixels) that feed
    the synapses of the layer, over all time steps.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    dense_mac: tuple[int, ...]
    inputs: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)


class OperationCounter:
    """Counts a graph, or some of its nodes, after a ``Program`` ran.

        counter = OperationCounter(graph)
        sent = program.run(values, keep=counter.names)
        rows = counter.take(sent)     # int64 (len(counter.nodes), len(FIELDS))

    ``names`` are the nodes whose counts are looked at; each is summed once for all its readers.
    """

    def __init__(self, graph: Graph, names: Collection[str] | None = None) -> None:
        self.nodes = tuple(n for n in counted(graph) if names is None or n.name in names)
        formulas = [FORMULAS[node](node, graph) for node in self.nodes]
        asked = [(n, t) for n, f in zip(self.nodes, formulas, strict=True) for t in f.terms]
        sums = Sums(graph)
        for node, term in sorted(asked, key=lambda pair: rank(pair[1])):
            sums.place(node, term)
        index = {node.name: len(FIELDS) * row for row, node in enumerate(self.nodes)}
        terms = [
            (index[node.name] + FIELDS.index(column), sums.place(node, term) + i, term.factor)
            for node, term in asked
            for i, column in enumerate(term.columns)
        ]
        self.sums, self.names = CompiledSums(sums), tuple(sums.slots)
        self.terms = np.array(terms, np.int64).reshape(-1, 3)
        self.constant = np.array([f.constant for f in formulas]).reshape(-1, len(FIELDS))

    def take(self, sent: Mapping[str, Tensor]) -> Row:
        """The rows of one inference in the order of ``nodes``, from what ``names`` sent in it."""
        rows: Row = self.constant.copy()
        values = self.sums.take([sent[name] for name in self.names])
        add_terms(self.terms, values, rows.reshape(-1))
        return rows


def prepare(node: Node, graph: Graph) -> Callable[[Sequence[Tensor], Tensor], Row]:
    """The counter of one node alone: ``counter(inputs, output) -> int64 (len(FIELDS),)``.

    ``inputs`` and ``output`` hold the integers of one inference, (steps, C, H, W).
    """
    if node.traits.silent:
        silent: Row = FORMULAS[node](node, graph).constant
        return lambda inputs, output: silent
    counter = OperationCounter(graph, {node.name})

    def count(inputs: Sequence[Tensor], output: Tensor) -> Row:
        sent = dict(zip(node.inputs, inputs, strict=True)) | {node.name: output}
        row: Row = counter.take(sent)[0]
        return row

    return count


def dense_mac(node: Node, graph: Graph) -> int:
    """MACs of the same layer in an ANN, as profilers count: padding and zeros included."""
    return int(FORMULAS[node](node, graph).dense_mac)


def kind(node: Node, graph: Graph) -> str:
    """Name of a row's kind: conv, image_conv, neuron, sum, key_value, attention, memory_read, …"""
    return node.kind(graph)


def counted(graph: Graph) -> tuple[Node, ...]:
    """The nodes that have a row: all that operate."""
    return tuple(node for node in graph if not node.traits.silent)


def layers(graph: Graph) -> Layers:
    """Names, kinds, dense MACs and input sizes of the rows of ``OperationCounter``."""
    nodes = counted(graph)
    return Layers(
        tuple(node.name for node in nodes),
        tuple(kind(node, graph) for node in nodes),
        tuple(dense_mac(node, graph) for node in nodes),
        tuple(_inputs(node, graph) for node in nodes),
    )


def _inputs(node: Node, graph: Graph) -> int:
    """Pixels or neurons that feed the synapses of a node, over all steps."""
    signals = {name: graph.signal(name) for name in node.inputs}
    fed = [n for n in node.inputs if signals[n] in (IMAGE, COUNT)]
    return sum(int(np.prod(graph[name].shape)) for name in fed)


__all__ = [
    "FIELDS",
    "Layers",
    "OperationCounter",
    "counted",
    "dense_mac",
    "kind",
    "layers",
    "prepare",
]
