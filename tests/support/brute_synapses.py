"""Every synapse of a small graph by plain loops: which neurons feed a neuron.

``feeds(graph, node, index)`` gives the elements of the node's inputs that element ``index`` =
(c, y, x) is computed from; ``synapses_of`` walks through nodes without neurons until it meets
neurons or an Input. No interval arithmetic, nothing of the mapper's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from spiketrack.deploy.chip.layers import is_layer
from spiketrack.integer.graph import (
    Conv,
    Gate,
    Graph,
    Input,
    KeyValue,
    Neuron,
    Node,
    Pool,
    PositionsAsChannels,
    Read,
    Sum,
    Upsample,
)

Element = tuple[str, int, int, int]
Index = tuple[int, int, int]


def synapses_of(graph: Graph, name: str, index: Index) -> Iterator[Element]:
    """(layer or Input, c, y, x) of every synapse into a neuron, with repetitions."""
    for source, *element in feeds(graph, graph[name], index):
        node = graph[source]
        place = (element[0], element[1], element[2])
        if isinstance(node, Input) or is_layer(graph, node):
            yield (source, *place)
        else:
            yield from synapses_of(graph, source, place)


def feeds(graph: Graph, node: Node, index: Index) -> Iterator[Element]:
    """Elements of the inputs; what is not the node's business is left to its type's function."""
    yield from FEEDS[type(node)](graph, node, *index)


def _conv(graph: Graph, node: Conv, c: int, y: int, x: int) -> Iterator[Element]:
    source = node.inputs[0]
    _, _, height, width = graph[source].shape
    _, out, width_in, rows, columns = node.weight.shape
    first = c // (out // node.groups) * width_in
    for i in range(first, first + width_in):
        for dy in range(rows):
            for dx in range(columns):
                row, column = (
                    y * node.stride + dy - node.padding,
                    x * node.stride + dx - node.padding,
                )
                if 0 <= row < height and 0 <= column < width:
                    yield (source, i, row, column)


def _same(graph: Graph, node: Node, c: int, y: int, x: int) -> Iterator[Element]:
    for source in node.inputs:
        yield (source, c, y, x)


def _pool(graph: Graph, node: Pool, c: int, y: int, x: int) -> Iterator[Element]:
    k = node.kernel
    for dy in range(k):
        for dx in range(k):
            yield (node.inputs[0], c, y * k + dy, x * k + dx)


def _upsample(graph: Graph, node: Upsample, c: int, y: int, x: int) -> Iterator[Element]:
    side = graph[node.inputs[0]].shape[2]
    for row in _between(y, node.factor, side):
        for column in _between(x, node.factor, side):
            yield (node.inputs[0], c, row, column)


def _between(index: int, factor: int, side: int) -> list[int]:
    """The cells of which a half-pixel-centred sample is a mixture."""
    centre = (index + 0.5) / factor - 0.5
    return [n for n in range(side) if abs(n - centre) < 1]


def _read(graph: Graph, node: Read, c: int, y: int, x: int) -> Iterator[Element]:
    query, matrix = node.inputs
    d = graph[query].shape[1] // 8
    head, column = divmod(c, 4 * d)
    for i in range(d):
        yield (query, head * d + i, y, x)
        if not isinstance(graph[matrix], Input):
            yield (matrix, head * d + i, 0, column)


def _key_value(graph: Graph, node: KeyValue, c: int, _: int, x: int) -> Iterator[Element]:
    key, value = node.inputs
    _, _, height, width = graph[key].shape
    head = c // node.shape[2]
    for row in range(height):
        for column in range(width):
            yield (key, c, row, column)
            yield (value, head * node.shape[3] + x, row, column)


def _positions(graph: Graph, node: Node, c: int, y: int, _: int) -> Iterator[Element]:
    width = graph[node.inputs[0]].shape[3]
    yield (node.inputs[0], y, *divmod(c, width))


def _gate(graph: Graph, node: Gate, c: int, y: int, x: int) -> Iterator[Element]:
    yield (node.inputs[0], c, y, x)
    yield (node.inputs[1], 0, c, 0)


FEEDS: dict[type, Callable[..., Iterator[Element]]] = {
    Conv: _conv,
    Sum: _same,
    Neuron: _same,
    Pool: _pool,
    Upsample: _upsample,
    Read: _read,
    KeyValue: _key_value,
    PositionsAsChannels: _positions,
    Gate: _gate,
}
