"""What runs where and what travels between: the processes of one branch, their ports, connections.

A plain value that imports no run-time. ``inline.py`` executes it in one process, ``deploy/lava``
builds the same value for Lava, and ``document.py`` writes it to a file.

Every process receives the messages of one time step (one frame), computes and sends in the same
step. A message is a whole tensor; counts are int8 with a payload of 0..4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from spiketrack.deploy.process_graph.grouping import (
    Grouping,
    Part,
    message_dtype,
    message_shape,
)
from spiketrack.errors import GraphError
from spiketrack.integer.counting import FIELDS, counted
from spiketrack.integer.graph import IMAGE, Graph

IMAGE_INPUT, MEMORY_WRITER, COLLECTOR = "image_input", "memory_writer", "collector"
HOST_KINDS = (IMAGE_INPUT, MEMORY_WRITER, COLLECTOR)  # what is no block of the network
KEPT, REWRITTEN = 0, 1  # commands of the memory writer
IMAGES, MEMORIES, OUTPUTS, OPERATIONS, COUNTS = "image", "memory", "outputs", "operations", "counts"


@dataclass(frozen=True)
class Recording:
    """What processes report besides their messages."""

    operations: bool = False
    counts: bool = False


@dataclass(frozen=True)
class Port:
    """One end of a connection: the shape and NumPy type of a message and what it holds.

    ``carries`` is a node of the integer graph or a word of this module; ``host``: the other end
    is the host's.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    carries: str
    host: bool = False


@dataclass(frozen=True)
class Process:
    """``nodes`` of the integer graph, executed in one step, behind ports in a fixed order."""

    name: str
    kind: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    nodes: tuple[str, ...] = ()

    @property
    def ports(self) -> dict[str, Port]:
        """Ports by name."""
        return {port.name: port for port in (*self.inputs, *self.outputs)}


class End(NamedTuple):
    """A port of a process."""

    process: str
    port: str


class Connection(NamedTuple):
    """A channel from an output to an input."""

    sender: End
    receiver: End


@dataclass(frozen=True)
class ProcessGraph:
    """Processes of one branch, each behind those that it receives from, and their connections."""

    name: str
    processes: tuple[Process, ...]
    connections: tuple[Connection, ...]

    def __post_init__(self) -> None:
        _check(self)

    @cached_property
    def by_name(self) -> dict[str, Process]:
        """Process by name."""
        return {process.name: process for process in self.processes}

    @cached_property
    def senders(self) -> dict[End, End]:
        """Where each input's messages come from."""
        return {c.receiver: c.sender for c in self.connections}

    @property
    def blocks(self) -> tuple[Process, ...]:
        """Processes that hold layers of the network."""
        return tuple(p for p in self.processes if p.kind not in HOST_KINDS)


def _check(graph: ProcessGraph) -> None:
    """Every input has one sender, before it, of its shape and type."""
    seen: set[str] = set()
    for process in graph.processes:
        if process.name in seen:
            raise GraphError(f"{graph.name}: two processes have the name {process.name}")
        for port in process.inputs:
            if not port.host:
                _check_input(graph, End(process.name, port.name), port, seen)
        seen.add(process.name)
    if len(graph.senders) != len(graph.connections):
        raise GraphError(f"{graph.name}: an input has two senders")


def _check_input(graph: ProcessGraph, end: End, port: Port, seen: set[str]) -> None:
    sender = graph.senders.get(end)
    where = f"{graph.name}: {end.process}.{end.port}"
    if sender is None or sender.process not in seen:
        raise GraphError(f"{where}: receives from {sender}, which does not come before it")
    sent = graph.by_name[sender.process].ports.get(sender.port)
    if sent is None or (sent.shape, sent.dtype) != (port.shape, port.dtype):
        raise GraphError(f"{where}: takes {port.dtype} {port.shape}, {sender} sends {sent}")


def process_graph(graph: Graph, grouping: Grouping, recording: Recording) -> ProcessGraph:
    """The processes of a grouped graph, those of the host around them, and their connections."""
    processes = [_image(graph)]
    if graph.memories:
        processes.append(_memory(graph))
    processes += [_block(graph, part, recording) for part in grouping.parts]
    processes += _collectors(graph, processes, recording)
    return ProcessGraph(graph.name, tuple(processes), tuple(_connections(processes)))


def _message(graph: Graph, name: str, port: str) -> Port:
    return Port(port, message_shape(graph, name), message_dtype(graph, name), name)


def _image(graph: Graph) -> Process:
    (node,) = (n for n in graph.inputs if n.signal == IMAGE)
    out = _message(graph, node.name, "out")
    return Process(IMAGES, IMAGE_INPUT, (Port("host", out.shape, out.dtype, IMAGES, True),), (out,))


def _memory(graph: Graph) -> Process:
    sent = [_message(graph, node.name, f"out_{i}") for i, node in enumerate(graph.memories)]
    size = sum(_size(port.shape) for port in sent)
    inputs = Port("host", (size,), "int32", MEMORIES, True), _rewritten("command", True)
    return Process(MEMORIES, MEMORY_WRITER, inputs, (_rewritten("rewritten"), *sent))


def _rewritten(name: str, host: bool = False) -> Port:
    """Whether memories are rewritten in this step: ``KEPT`` or ``REWRITTEN``."""
    return Port(name, (1,), "int8", "rewritten", host)


def _block(graph: Graph, part: Part, recording: Recording) -> Process:
    inputs = [_message(graph, name, f"in_{i}") for i, name in enumerate(part.receives)]
    outputs = [_message(graph, name, f"out_{i}") for i, name in enumerate(part.sends)]
    if memories(part, graph):
        inputs.append(_rewritten("rewritten"))
    if recording.operations:
        shape = (len(counted_nodes(part, graph)), len(FIELDS))
        outputs.append(Port("operations", shape, "int64", OPERATIONS))
    if recording.counts and (size := recorded_size(part, graph)):
        outputs.append(Port("counts", (size,), "int8", COUNTS, True))
    return Process(part.name, part.kind, tuple(inputs), tuple(outputs), part.nodes)


def _collectors(graph: Graph, processes: list[Process], recording: Recording) -> list[Process]:
    """One process gathers what the outputs read, another the operations of all blocks."""
    sent = {port.carries: port for process in processes for port in process.outputs}
    read = [sent[node.inputs[0]] for node in graph.outputs]
    collectors = [_collector(OUTPUTS, [(port.shape, port.carries) for port in read], "int32")]
    if recording.operations:
        rows = [p.ports["operations"].shape for p in processes if "operations" in p.ports]
        collectors.append(_collector(OPERATIONS, [(shape, OPERATIONS) for shape in rows], "int64"))
    return collectors


def _collector(name: str, messages: list[tuple[tuple[int, ...], str]], dtype: str) -> Process:
    inputs = [Port(f"in_{i}", shape, dtype, what) for i, (shape, what) in enumerate(messages)]
    size = sum(_size(port.shape) for port in inputs)
    return Process(name, COLLECTOR, tuple(inputs), (Port("host", (size,), dtype, name, True),))


def _connections(processes: list[Process]) -> Iterator[Connection]:
    """An input takes what it carries; those of the operations' collector one block after the other.

    Every port but those carries what one process alone sends.
    """
    outputs = [(p.name, port) for p in processes for port in p.outputs if not port.host]
    sent = {port.carries: End(name, port.name) for name, port in outputs}
    rows = iter([End(name, port.name) for name, port in outputs if port.carries == OPERATIONS])
    for process in processes:
        for port in process.inputs:
            if not port.host:
                sender = next(rows) if port.carries == OPERATIONS else sent[port.carries]
                yield Connection(sender, End(process.name, port.name))


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for edge in shape:
        size *= edge
    return size


def memories(part: Part, graph: Graph) -> tuple[str, ...]:
    """Memory inputs of the graph that this part reads: its rewritable synaptic weights."""
    given = {node.name for node in graph.memories}
    return tuple(name for name in part.receives if name in given)


def counted_nodes(part: Part, graph: Graph) -> tuple[str, ...]:
    """Nodes of a part that operations are counted for, in the order of the rows."""
    inside = set(part.nodes)
    return tuple(node.name for node in counted(graph) if node.name in inside)


def recorded_populations(part: Part, graph: Graph) -> tuple[str, ...]:
    """Populations of a part in the order in which their counts are recorded."""
    inside = set(part.nodes)
    return tuple(node.name for node in graph.populations if node.name in inside)


def recorded_size(part: Part, graph: Graph) -> int:
    """Number of counts that a part records in each step."""
    return sum(_size(graph[name].shape) for name in recorded_populations(part, graph))
