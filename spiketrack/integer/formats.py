"""Number formats and head-room of each layer, as the manifest and ``info`` show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spiketrack.integer.counting import dense_mac
from spiketrack.integer.graph import Graph, Node
from spiketrack.integer.rules.ranges import Range


def layer_formats(graph: Graph, proven: Mapping[str, Range]) -> list[dict[str, Any]]:
    """One row a node: shapes, weights, dense MACs, grid, bits and head-room."""
    return [_row(node, graph, proven[node.name]) for node in graph]


def _row(node: Node, graph: Graph, reach: Range) -> dict[str, Any]:
    return {
        "name": node.name,
        "type": type(node).__name__,
        "signal": graph.signal(node.name),
        "inputs": list(node.inputs),
        "shape": list(node.shape),
        "dense_mac": dense_mac(node, graph),
        "fraction": graph.fractions[node.name],
        "peak": round(reach.peak),
        "headroom_bits": round(reach.headroom_bits, 3),
        **node.stored(),
    }
