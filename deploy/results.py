"""What one time step gives, put together from the messages of the processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.grouping import CHANNELS_LAST, Part, message_shape
from spiketrack.deploy.processes.blocks import counted_nodes, recorded_populations
from spiketrack.export.counting import FIELDS
from spiketrack.export.graph import Graph


@dataclass(frozen=True)
class StepResult:
    """One step: outputs by name (int32), operations (nodes, fields), counts by population."""

    outputs: Mapping[str, NDArray[np.int32]]
    operations: Mapping[str, NDArray[np.int64]]
    counts: Mapping[str, NDArray[np.int8]]


def outputs_of(graph: Graph, vector: NDArray[Any]) -> dict[str, NDArray[np.int32]]:
    """The outputs' messages, one behind the other, by name."""
    return _split(graph, [node.name for node in graph.outputs], vector)


def operations_of(
    graph: Graph, parts: Sequence[Part], vector: NDArray[Any]
) -> dict[str, NDArray[np.int64]]:
    """Rows of all parts, one behind the other, by node in the graph's order."""
    names = [name for part in parts for name in counted_nodes(part, graph)]
    found = dict(zip(names, vector.reshape(-1, len(FIELDS)), strict=True))
    return {node.name: found[node.name] for node in graph if node.name in found}


def counts_of(
    graph: Graph, parts: Sequence[Part], vector: NDArray[Any]
) -> dict[str, NDArray[np.int8]]:
    """Counts of all parts, one behind the other, by population in the graph's order."""
    names = [name for part in parts for name in recorded_populations(part, graph)]
    found = _split(graph, names, vector)
    return {node.name: found[node.name] for node in graph.populations}


def _split(graph: Graph, names: Sequence[str], vector: NDArray[Any]) -> dict[str, NDArray[Any]]:
    found, start = {}, 0
    for name in names:
        shape = message_shape(graph, name)
        size = int(np.prod(shape))
        value = vector[start : start + size].reshape(shape)
        last = graph.signal(name) in CHANNELS_LAST
        found[name] = value.transpose(0, 3, 1, 2) if last else value
        start += size
    return found
