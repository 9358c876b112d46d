"""What one time step gives, put together from the messages of the processes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.process_graph.grouping import CHANNELS_LAST, Part, message_shape
from spiketrack.deploy.process_graph.processes import counted_nodes, recorded_populations
from spiketrack.integer.counting import FIELDS
from spiketrack.integer.graph import Graph


@dataclass(frozen=True)
class StepResult:
    """One step: outputs by name (int32), operations (nodes, fields), counts by population."""

    outputs: Mapping[str, NDArray[np.int32]]
    operations: Mapping[str, NDArray[np.int64]]
    counts: Mapping[str, NDArray[np.int8]]


class Buffers:
    """Vectors of bytes that are used again once nobody holds them or a view of them.

    New memory for every frame's counts would cost more than copying them: the kernel clears it page
    by page. A view keeps its vector alive, so a vector with no reference but ours is free.
    """

    KEPT = 3

    def __init__(self, size: int) -> None:
        self.size = size
        self.vectors: list[NDArray[np.int8]] = []

    def take(self) -> NDArray[np.int8]:
        """A vector that nobody else holds."""
        for index in range(len(self.vectors)):
            if sys.getrefcount(self.vectors[index]) == 2:  # the list's, and the call's own
                return self.vectors[index]
        vector = np.empty(self.size, np.int8)
        if len(self.vectors) < self.KEPT:
            self.vectors.append(vector)
        return vector


class Assembly:
    """Puts vectors that the processes of a graph sent, one behind the other, together by name."""

    def __init__(self, graph: Graph, parts: Sequence[Part]) -> None:
        self.graph = graph
        self._outputs = self._layout([node.name for node in graph.outputs])
        rows = [name for part in parts for name in counted_nodes(part, graph)]
        place = {name: index for index, name in enumerate(rows)}
        self._counted = [node.name for node in graph if node.name in place]
        self._order = np.array([place[name] for name in self._counted], np.int64)
        recorded = [recorded_populations(part, graph) for part in parts]
        self._counts = [self._layout(names) for names in recorded if names]
        self._populations = [node.name for node in graph.populations]

    def _layout(self, names: Sequence[str]) -> dict[str, tuple[int, int, tuple[int, ...], bool]]:
        """Name → first and last element, shape, and whether channels are last."""
        layout, start = {}, 0
        for name in names:
            shape = message_shape(self.graph, name)
            end = start + int(np.prod(shape))
            layout[name] = start, end, shape, self.graph.signal(name) in CHANNELS_LAST
            start = end
        return layout

    def outputs(self, vector: NDArray[Any]) -> dict[str, NDArray[np.int32]]:
        """Outputs by name."""
        return self._split(self._outputs, vector)

    def operations(self, vector: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
        """Rows by node, in the graph's order."""
        rows = vector.reshape(-1, len(FIELDS))[self._order]
        return dict(zip(self._counted, rows, strict=True))

    def counts(self, vectors: Sequence[NDArray[Any]]) -> dict[str, NDArray[np.int8]]:
        """Counts by population, in the graph's order, from one vector a part that has any."""
        counts: dict[str, NDArray[np.int8]] = {}
        for layout, vector in zip(self._counts, vectors, strict=True):
            counts |= self._split(layout, vector)
        return {name: counts[name] for name in self._populations}

    @staticmethod
    def _split(
        layout: Mapping[str, tuple[int, int, tuple[int, ...], bool]], vector: NDArray[Any]
    ) -> dict[str, NDArray[Any]]:
        arrays = {}
        for name, (start, end, shape, last) in layout.items():
            value = vector[start:end].reshape(shape)
            arrays[name] = value.transpose(0, 3, 1, 2) if last else value
        return arrays
