"""What every node has: a name, inputs, a shape, traits and answers; and the table of all types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import GraphError
from spiketrack.integer.nodes.traits import Free, Grid, Stage, Traits

if TYPE_CHECKING:
    from spiketrack.integer.graph import Graph

Shape = tuple[int, int, int, int]
Integers = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Node:
    """One operation: a unique name, the names it reads, the shape of what it gives."""

    traits: ClassVar[Traits] = Traits("unregistered", None, Free())

    name: str
    inputs: tuple[str, ...]
    shape: Shape

    def line(self) -> str:
        """Itself in one line; its arrays would take pages."""
        shape = "×".join(map(str, self.shape))
        read = f" ← {', '.join(self.inputs)}" if self.inputs else ""
        return f"{type(self).__name__}({self.name}: {shape}{read})"

    @property
    def gives(self) -> str | None:
        """Signal of the output; None for that of the first input."""
        return self.traits.signal

    @property
    def grid(self) -> Grid:
        """Rule of the output's fraction."""
        return self.traits.grid

    @property
    def beside_source(self) -> bool:
        """Whether it belongs to what makes its only input rather than to its readers."""
        return self.traits.beside_source

    def kind(self, graph: Graph) -> str:
        """Name of its row in operation counts."""
        return self.traits.kind

    def folds_into(self, reader: Node, graph: Graph) -> bool:
        """Whether its sums can happen in the accumulators of ``reader``, if no other reads it."""
        return self.traits.dendritic and reader.traits.accumulates

    def unit_squared(self, fraction: int) -> int:
        """Square of one real unit of its output in integers of this fraction."""
        return int(4**fraction)

    def largest_entry(self) -> int:
        """Largest integer of the memory that it gives; ``GraphError`` where it gives none."""
        raise GraphError(f"{self.name}: a {type(self).__name__} gives no memory")

    def added(self, step: int) -> Integers | None:
        """What it adds in one step whatever arrives, (C, H, W) or (C, 1, 1); None for nothing."""
        return None

    def stored(self) -> dict[str, Any]:
        """Number formats of what it stores, for the manifest's table of layers."""
        return {}


_TYPES: dict[str, type[Node]] = {}
N = TypeVar("N", bound=Node)


def node_type(kind: type[N]) -> type[N]:
    """Decorator: adds a type to the table of node types; ``GraphError`` for no traits or twice."""
    name = kind.__name__
    if not isinstance(vars(kind).get("traits"), Traits):
        raise GraphError(f"node type {name}: no traits; give the class its own ``traits``")
    if name in _TYPES:
        raise GraphError(f"node type {name}: registered twice, now by {kind.__module__}")
    _TYPES[name] = kind
    # dataclasses make one of all fields, arrays included
    kind.__repr__ = Node.line  # type: ignore[method-assign, assignment]
    return kind


def node_types(stages: Stage = Stage.INTEGER) -> tuple[type[Node], ...]:
    """Registered node types that stand in graphs of these stages, in order of registration."""
    return tuple(kind for kind in _TYPES.values() if kind.traits.stages & stages)
