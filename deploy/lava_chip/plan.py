"""The processes of a chip program: a layer each, a port for each connection, and the host's two.

A message is a flat vector whose first entry says whether there is one in this time step: 0, and
the rest is left as it was, or 1 and the values. Counts and spikes travel in int8, membranes and
pixels in int32 and int16.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.deploy.chip.requirements import KEYS, POSITIONS, TABLE
from spiketrack.deploy.process_graph.processes import Connection, End, Port, Process, ProcessGraph
from spiketrack.integer.graph import COUNT, IMAGE, Graph, Input, Read
from spiketrack.limits import HEADS

PIXELS, WEIGHTS = "pixels", "weights"  # the host's processes, and their kinds
OUT, HOST = "out", "host"


def chip_graph(graph: Graph, program: ChipProgram, frames: int) -> ProcessGraph:
    """Processes of a branch, for runs of so many frames."""
    (image,) = (node for node in graph.inputs if node.signal == IMAGE)
    processes = [_pixels(image, frames)]
    if graph.memories:
        processes.append(_weights(graph))
    shapes = {layer.name: message_shape(layer) for layer in program.layers}
    signals = {layer.name: _dtype(layer) for layer in program.layers}
    shapes[image.name], signals[image.name] = (1, *image.shape[1:]), "int16"
    processes += [_layer(graph, layer, shapes, signals) for layer in program.layers]
    return ProcessGraph(program.branch, tuple(processes), tuple(_connections(processes)))


def message_shape(layer: Layer) -> tuple[int, ...]:
    """Of the values that a layer sends in one time step; see ``execution/messages.py``."""
    channels, height, width = layer.shape
    part, parts = layer.sends.part, layer.sends.parts
    if part == POSITIONS:
        return height * width // parts, channels
    if part == KEYS:
        return HEADS, channels // HEADS // parts, height, width
    if part == TABLE:
        return (height,)
    return 1, channels, height, width


def memories_of(graph: Graph, layer: Layer) -> tuple[str, ...]:
    """Memories that are weights of a layer's synapses."""
    given = {node.name for node in graph.memories}
    reads = (graph[link.node] for link in layer.synapses if link.node)
    inputs = (node.inputs[1] for node in reads if isinstance(node, Read))
    return tuple(dict.fromkeys(name for name in inputs if name in given))


def _dtype(layer: Layer) -> str:
    return "int8" if layer.signal == COUNT else "int32"


def _vector(name: str, shape: tuple[int, ...], dtype: str, carries: str) -> Port:
    return Port(name, (1 + math.prod(shape),), dtype, carries)


def _pixels(image: Input, frames: int) -> Process:
    taken = Port(HOST, (frames, *image.shape), "int16", image.name, host=True)
    sent = _vector(OUT, (1, *image.shape[1:]), "int16", image.name)
    return Process(PIXELS, PIXELS, (taken,), (sent,), (image.name,))


def _weights(graph: Graph) -> Process:
    """All memories behind one word: whether they are rewritten before this run."""
    sent = [
        _vector(f"out_{index}", node.shape, "int32", node.name)
        for index, node in enumerate(graph.memories)
    ]
    size = 1 + sum(math.prod(node.shape) for node in graph.memories)
    return Process(
        WEIGHTS, WEIGHTS, (Port(HOST, (size,), "int32", WEIGHTS, host=True),), tuple(sent)
    )


def _layer(
    graph: Graph, layer: Layer, shapes: dict[str, tuple[int, ...]], signals: dict[str, str]
) -> Process:
    inputs = [
        _vector(f"in_{index}", shapes[link.source], signals[link.source], link.source)
        for index, link in enumerate(layer.synapses)
    ]
    inputs += [
        _vector(f"weights_{index}", graph[name].shape, "int32", name)
        for index, name in enumerate(memories_of(graph, layer))
    ]
    out = _vector(OUT, shapes[layer.name], signals[layer.name], layer.name)
    return Process(layer.name, layer.rule, tuple(inputs), (out,), layer.nodes)


def _connections(processes: list[Process]) -> Iterator[Connection]:
    sent = {port.carries: End(p.name, port.name) for p in processes for port in p.outputs}
    for process in processes:
        for port in process.inputs:
            if not port.host:
                yield Connection(sent[port.carries], End(process.name, port.name))
