"""Which parts of an integer graph stock NIR nodes express, and in what order they join.

A node is *expressible* when stock nodes compute exactly its integers: convolutions, counts of one
time step, sums, pooling, and memory reads once the memory is known. What lies between (attention
products, up-sampling, anything with state) is *glue*. Nodes are placed in levels: a part may
follow glue only on a higher level, so that every part runs at once; the parts of a level are its
connected components.

``STOCK`` writes a node of a part, or says why NIR has no such node; ``CONDITIONS`` are what a
type of it asks beyond that of one node.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from spiketrack.errors import UnsupportedError
from spiketrack.export.outlets.standard_nir_nodes import STOCK, Part
from spiketrack.integer.graph import (
    MEMORY,
    Graph,
    Node,
    Read,
    Sum,
)

STATE = "stock NIR has no neuron with counts, soft reset and a state that starts afresh"
STEPS = "several time steps of one inference, beside populations with state"


@dataclass(frozen=True)
class Glue:
    """An operation between parts and why it is none of them."""

    node: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Parts and glue in an order in which they can run."""

    steps: tuple[Part | Glue, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts alone."""
        return tuple(step for step in self.steps if isinstance(step, Part))

    @property
    def glue(self) -> tuple[Glue, ...]:
        """The operations between them."""
        return tuple(step for step in self.steps if isinstance(step, Glue))


def obstacle(node: Node, graph: Graph, memories: Collection[str]) -> str | None:
    """Why stock NIR cannot express ``node``; None when it can."""
    reason = STOCK.reason(type(node), node.name)
    if any(n.shape[0] != 1 for n in (node, *graph.sources(node))):
        return STATE if node.traits.state else STEPS
    if reason is None and type(node) in CONDITIONS:
        reason = CONDITIONS[type(node)](node, graph, memories)
    return reason


def _sum(node: Sum, graph: Graph, memories: Collection[str]) -> str | None:
    """A constant map moves into the thresholds of the populations that read the sum."""
    if len(set(node.inputs)) != len(node.inputs):
        return "NIR refuses repeated edges"
    if node.constant is None or all(n.traits.state for n in graph.consumers[node.name]):
        return None
    return "NIR's biases are per channel, a constant map is not"


def _read(node: Read, graph: Graph, memories: Collection[str]) -> str | None:
    if node.inputs[1] in memories:
        return None
    if graph[node.inputs[1]].traits.given:
        return "no template was given whose memory could be the weights"
    return "NIR has no product of two signals"


CONDITIONS: Mapping[type[Node], Callable[..., str | None]] = {Sum: _sum, Read: _read}


def partition(graph: Graph, memories: Collection[str] = ()) -> Plan:
    """Parts and glue of ``graph``; ``memories`` are the memory inputs whose values are known."""
    reasons = {n.name: obstacle(n, graph, memories) for n in graph if not n.traits.given}
    levels = _levels(graph, reasons)
    steps: list[Part | Glue] = []
    for level in range(max(levels.values(), default=0) + 1):
        names = [name for name in reasons if levels[name] == level]
        steps += _parts(graph, [n for n in names if reasons[n] is None], len(_only_parts(steps)))
        steps += [Glue(n, reason) for n in names if (reason := reasons[n]) is not None]
    return Plan(tuple(steps))


def _only_parts(steps: list[Part | Glue]) -> list[Part]:
    return [step for step in steps if isinstance(step, Part)]


def _levels(graph: Graph, reasons: Mapping[str, str | None]) -> dict[str, int]:
    """Level of every node: glue stays on the level of what it reads, what reads glue rises."""
    levels: dict[str, int] = {}
    for node in graph:
        rises = [
            levels[name] + int(reasons[node.name] is None and reasons.get(name) is not None)
            for name in node.inputs
        ]
        levels[node.name] = max(rises, default=0)
    return levels


def _parts(graph: Graph, names: list[str], first: int) -> list[Part]:
    """Connected components of the expressible nodes of one level."""
    groups: list[list[str]] = []
    for name in names:
        linked = [g for g in groups if set(graph[name].inputs) & set(g)]
        merged = [name for name in names if any(name in g for g in linked)] + [name]
        groups = [g for g in groups if g not in linked] + [merged]
    ordered = sorted(groups, key=lambda g: names.index(g[0]))
    return [_part(graph, group, first + index) for index, group in enumerate(ordered)]


def _part(graph: Graph, names: list[str], index: int) -> Part:
    inside = set(names)
    read = [x for name in names for x in _signals(graph, name) if x not in inside]
    given = [n for n in names if any(c.name not in inside for c in graph.consumers[n])]
    if not given:
        raise UnsupportedError(f"{graph.name}: nothing reads the part that starts at {names[0]}")
    return Part(f"{graph.name}-{index:02d}", tuple(names), tuple(dict.fromkeys(read)), tuple(given))


def _signals(graph: Graph, name: str) -> tuple[str, ...]:
    """What a node of a part reads as a signal: not the memory, which is a weight."""
    return tuple(source for source in graph[name].inputs if graph.signal(source) != MEMORY)
