"""The network in formats of other tools: one function an outlet, each an interpreter of the graph.

``OUTLETS[name](context)`` writes into a folder of its own under ``context.folder`` and returns
one ``OutletEntry`` for every file: what it covers and what it leaves out, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spiketrack.documents.manifest import OutletEntry
from spiketrack.errors import UnsupportedError
from spiketrack.export.outlets.netx_layers import Layer, find_chains
from spiketrack.export.outlets.netx_writer import write_netx
from spiketrack.export.outlets.onnx_float import float_model
from spiketrack.export.outlets.onnx_integer import integer_model
from spiketrack.export.outlets.standard_nir_parts import partition
from spiketrack.export.outlets.standard_nir_writer import write_parts
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.counting import dense_mac
from spiketrack.integer.graph import Graph
from spiketrack.integer.kernels import Program
from spiketrack.integer.readout import quantise_image


@dataclass(frozen=True, eq=False)
class ExportContext:
    """What an outlet works from.

    ``folder``: the export folder; ``graphs`` and ``folded``: integer and folded graph by branch;
    ``template``: normalised crops (T, 3, S, S) whose memory ``standard-nir`` bakes into weights.
    """

    folder: Path
    graphs: Mapping[str, Graph]
    folded: Mapping[str, Graph]
    template: NDArray[np.float32]


Outlet = Callable[[ExportContext], list[OutletEntry]]


def write_outlets(
    names: Sequence[str], context: ExportContext
) -> dict[str, tuple[OutletEntry, ...]]:
    """Write the named outlets; returns the manifest's entries by outlet."""
    for name in names:
        if name not in OUTLETS:
            raise UnsupportedError(f"--also {name}: choose from {', '.join(OUTLETS)}")
    return {name: tuple(OUTLETS[name](context)) for name in names}


def _folder(context: ExportContext, name: str) -> Path:
    path = context.folder / name
    path.mkdir()
    return path


def _entry(
    graph: Graph, path: str, arithmetic: str, nodes: Iterable[str], reasons: Iterable[str]
) -> OutletEntry:
    inside = set(nodes)
    populations = [n.name for n in graph.populations]
    whole = sum(dense_mac(node, graph) for node in graph)
    share = sum(dense_mac(graph[name], graph) for name in inside) / whole
    covered = len(inside.intersection(populations))
    left_out = dict(Counter(reasons))
    return OutletEntry(
        path=path,
        branch=graph.name,
        arithmetic=arithmetic,
        populations=covered,
        of=len(populations),
        operations=round(share, 6),
        left_out=left_out,
    )


def write_onnx(context: ExportContext) -> list[OutletEntry]:
    """``<branch>.onnx`` in float and ``<branch>_integer.onnx``, all of the network in each."""
    folder = _folder(context, "onnx")
    entries = []
    for branch, graph in context.graphs.items():
        for arithmetic, model in (
            ("float", float_model(context.folded[branch])),
            ("integer", integer_model(graph)),
        ):
            name = f"{branch}.onnx" if arithmetic == "float" else f"{branch}_integer.onnx"
            (folder / name).write_bytes(model.SerializeToString())
            everything = [node.name for node in graph]
            entries.append(_entry(graph, f"onnx/{name}", arithmetic, everything, []))
    return entries


def write_standard_nir(context: ExportContext) -> list[OutletEntry]:
    """One ``.nir`` a part and ``<branch>.json``; search parts hold the template's memory."""
    folder = _folder(context, "standard")
    memories = template_memories(context)
    entries = []
    for branch, graph in context.graphs.items():
        known = memories if branch == SEARCH else {}
        plan = partition(graph, known)
        write_parts(graph, plan, known, folder)
        nodes = [name for part in plan.parts for name in part.nodes]
        reasons = [glue.reason for glue in plan.glue]
        path = f"standard/{branch}.json"
        entries.append(_entry(graph, path, "real", nodes, reasons))
        for part in plan.parts:
            path = f"standard/{part.name}.nir"
            entries.append(_entry(graph, path, "real", part.nodes, []))
    return entries


def template_memories(context: ExportContext) -> dict[str, NDArray[np.int32]]:
    """Memory inputs of the search graph for the context's template."""
    graph = context.graphs[TEMPLATE]
    image = torch.from_numpy(quantise_image(context.template, graph).astype(np.float32))
    memories = Program(graph).run({"image": image}, {node.name for node in graph.outputs})
    return {name: value.numpy().astype(np.int32) for name, value in memories.items()}


def write_netx_chains(context: ExportContext) -> list[OutletEntry]:
    """One ``.net`` a sequential part, named after its first convolution, by branch."""
    folder = _folder(context, "netx")
    entries = []
    for branch, graph in context.graphs.items():
        parts = find_chains(graph)
        (folder / branch).mkdir()
        for chain in parts.chains:
            path = f"netx/{branch}/{chain[0].conv.name}.net"
            write_netx(graph, chain, context.folder / path)
            entries.append(_entry(graph, path, "thermometer", _nodes(chain), []))
        whole = [name for chain in parts.chains for name in _nodes(chain)]
        reasons = list(parts.left_out.values())
        entries.append(_entry(graph, f"netx/{branch}", "thermometer", whole, reasons))
    return entries


def _nodes(chain: tuple[Layer, ...]) -> list[str]:
    return [name for part in chain for name in (part.conv.name, part.population)]


OUTLETS: Mapping[str, Outlet] = {
    "onnx": write_onnx,
    "standard-nir": write_standard_nir,
    "netx": write_netx_chains,
}
