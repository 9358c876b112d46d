"""The integer network: a graph of a few frozen node types, the spine of the whole project.

Every other part of the toolchain is an interpreter of the types in ``nodes/types.py``, registered
per type (see ``registry.py``). What an interpreter asks of any node beyond that are its traits
(``nodes/traits.py``) and its methods (``nodes/node.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from spiketrack.errors import GraphError
from spiketrack.integer.nodes.node import Integers, Node, Shape, node_type, node_types
from spiketrack.integer.nodes.traits import (
    COUNT,
    COUNT_FRACTION,
    IMAGE,
    MEMBRANE,
    MEMORY,
    MEMORY_FRACTION,
)
from spiketrack.integer.nodes.types import (
    Conv,
    Gate,
    Input,
    KeyValue,
    Neuron,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Sum,
    Upsample,
)
from spiketrack.notebook.markup import table_html

__all__ = [
    "COUNT",
    "COUNT_FRACTION",
    "IMAGE",
    "MEMBRANE",
    "MEMORY",
    "MEMORY_FRACTION",
    "Conv",
    "Gate",
    "Graph",
    "Input",
    "Integers",
    "KeyValue",
    "Neuron",
    "Node",
    "Output",
    "Pool",
    "PositionsAsChannels",
    "Read",
    "Shape",
    "Sum",
    "Upsample",
    "node_type",
    "node_types",
]


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """Nodes in topological order and the fraction (grid) of every node's output."""

    name: str
    nodes: tuple[Node, ...]
    fractions: Mapping[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        try:
            return self.by_name[name]
        except KeyError:
            raise GraphError(f"{self.name}: no node named {name}") from None

    def __repr__(self) -> str:
        return (
            f"Graph({self.name} branch: {len(self.nodes)} nodes, "
            f"{len(self.populations)} populations)"
        )

    def _repr_html_(self) -> str:
        """For notebooks: a row a node."""
        rows = [
            (n.name, type(n).__name__, self.signal(n.name), n.shape, self.fractions[n.name])
            for n in self.nodes
        ]
        columns = ("node", "type", "signal", "steps×C×H×W", "fraction")
        note = "A value is its integer times 2^-fraction."
        return table_html(repr(self), columns, rows, note=note)

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """Name → node."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def consumers(self) -> dict[str, tuple[Node, ...]]:
        """Name → the nodes that read it."""
        readers: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node)
        return {name: tuple(nodes) for name, nodes in readers.items()}

    @cached_property
    def populations(self) -> tuple[Node, ...]:
        """Counting populations in order."""
        return tuple(node for node in self.nodes if node.traits.population)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """Input nodes in order."""
        return tuple(node for node in self.nodes if isinstance(node, Input))

    @cached_property
    def memories(self) -> tuple[Input, ...]:
        """Memories that come from outside, in order."""
        return tuple(node for node in self.inputs if node.signal == MEMORY)

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """Output nodes in order."""
        return tuple(node for node in self.nodes if isinstance(node, Output))

    def sources(self, node: Node) -> list[Node]:
        """The nodes that ``node`` reads, in order."""
        return [self[name] for name in node.inputs]

    def signal(self, name: str) -> str:
        """What kind of integers a node gives: image, count, membrane or memory."""
        node = self[name]
        return node.gives or self.signal(node.inputs[0])
