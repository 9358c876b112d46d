"""Process graphs as a document: ``process-graph.json``."""

from __future__ import annotations

from collections.abc import Mapping

from spiketrack.deploy.process_graph.grouping import group
from spiketrack.deploy.process_graph.processes import (
    Connection,
    End,
    Port,
    Process,
    ProcessGraph,
    Recording,
    process_graph,
)
from spiketrack.documents.process_graph import (
    BranchPart,
    ConnectionPart,
    PortPart,
    ProcessGraphDocument,
    ProcessPart,
)
from spiketrack.inference import SEARCH
from spiketrack.integer.digest import network_digest
from spiketrack.integer.graph import Graph


def document(graphs: Mapping[str, Graph]) -> ProcessGraphDocument:
    """The processes of all branches, without ports for records."""
    return ProcessGraphDocument(
        network_digest=network_digest(graphs),
        branches={
            name: _branch(process_graph(graph, group(graph), Recording()))
            for name, graph in graphs.items()
        },
        memories=tuple(node.name for node in graphs[SEARCH].memories),
    )


def _branch(graph: ProcessGraph) -> BranchPart:
    return BranchPart(
        processes=tuple(_process(process) for process in graph.processes),
        connections=tuple(
            ConnectionPart(sender=(*c.sender,), receiver=(*c.receiver,)) for c in graph.connections
        ),
    )


def _process(process: Process) -> ProcessPart:
    return ProcessPart(
        name=process.name,
        kind=process.kind,
        inputs=tuple(_port(port) for port in process.inputs),
        outputs=tuple(_port(port) for port in process.outputs),
        nodes=process.nodes,
    )


def _port(port: Port) -> PortPart:
    return PortPart(
        name=port.name, shape=port.shape, dtype=port.dtype, carries=port.carries, host=port.host
    )


def branches(stored: ProcessGraphDocument) -> dict[str, ProcessGraph]:
    """The process graphs that a document holds, checked again; ``GraphError`` names a port."""
    return {
        name: ProcessGraph(
            name,
            tuple(_read(process) for process in branch.processes),
            tuple(Connection(End(*c.sender), End(*c.receiver)) for c in branch.connections),
        )
        for name, branch in stored.branches.items()
    }


def _read(process: ProcessPart) -> Process:
    inputs, outputs = (
        tuple(Port(p.name, p.shape, p.dtype, p.carries, p.host) for p in ports)
        for ports in (process.inputs, process.outputs)
    )
    return Process(process.name, process.kind, inputs, outputs, process.nodes)
