"""Which nodes share a Lava process: a choice of placement that leaves the graph as it is.

Cuts lie behind the populations that open a block, so that counts travel between processes. A
process holds the layers of one block of the network, from the counts that open it to the counts
that open the next, or of several blocks in a row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from spiketrack.errors import GraphError, UnsupportedError
from spiketrack.integer.counting import dense_mac
from spiketrack.integer.graph import COUNT, IMAGE, MEMBRANE, Graph, Node

BLOCK, BRANCH = "block", "branch"  # a process a block; one for all blocks of a branch
SEVERAL = "blocks"  # kind of a process that holds several blocks

CHANNELS_LAST = (COUNT, MEMBRANE)  # signals whose messages are (steps, H, W, C)

# block kind ← node name; the first pattern that matches decides
_BLOCKS: tuple[tuple[str, str], ...] = (
    (r"(encoder\.downsample\w+)\.", "downsampling"),
    (r"(encoder\.ConvBlock\w+\.\d+)\.", "conv_block"),
    (r"(encoder\.block\d\.\d+\.conv)\.", "sep_conv"),  # attention and MLP share the other
    (r"(encoder\.block\d\.\d+)\.(?:attn|mlp)\.", "attention"),
    (r"(encoder\.mrm\.\d+\.retriever)\.", "retriever"),
    (r"(encoder\.mrm\.\d+\.mlp)\.", "mlp"),
    (r"decoder\.(?:conv\d_)?(ctr|offset|size)", "head"),
)


@dataclass(frozen=True)
class Part:
    """One Lava process: its nodes, what it receives and what it sends, all by node name."""

    name: str
    kind: str
    nodes: tuple[str, ...]
    receives: tuple[str, ...]
    sends: tuple[str, ...]


@dataclass(frozen=True)
class Grouping:
    """Parts in an order in which each receives from earlier ones alone."""

    graph: str
    parts: tuple[Part, ...]


def check_processes(processes: str) -> str:
    """``block``, ``branch`` or a number from 1, as given; ``UnsupportedError`` for others."""
    if processes in (BLOCK, BRANCH) or (processes.isdecimal() and int(processes) > 0):
        return processes
    raise UnsupportedError(f"--processes {processes}: choose {BLOCK}, {BRANCH} or a number from 1")


def group(graph: Graph, processes: str = BLOCK) -> Grouping:
    """One process a block, one a branch, or as many as a number says (at most one a block).

    Fewer processes hold blocks that follow each other, shared out by their dense MACs. Blocks that
    read each other share one.
    """
    blocks = _blocks(graph)
    if check_processes(processes) == BLOCK:
        return blocks
    count = 1 if processes == BRANCH else int(processes)
    return Grouping(graph.name, tuple(_several(graph, blocks.parts, count)))


def _several(graph: Graph, parts: tuple[Part, ...], count: int) -> list[Part]:
    """Parts in a row as one wherever they fall into the same of ``count`` equal shares of work."""
    work = [sum(1 + dense_mac(graph[name], graph) for name in part.nodes) for part in parts]
    share = sum(work) / count
    rows: dict[int, list[Part]] = {}
    done = 0
    for part, own in zip(parts, work, strict=True):
        rows.setdefault(int((done + own / 2) / share), []).append(part)
        done += own
    home = {
        node: row[0].name if len(row) == 1 else f"{row[0].name} to {row[-1].name}"
        for row in rows.values()
        for part in row
        for node in part.nodes
    }
    kinds = {
        home[row[0].nodes[0]]: row[0].kind if len(row) == 1 else SEVERAL for row in rows.values()
    }
    return [
        _part(graph, home, name, kind, [node for node, place in home.items() if place == name])
        for name, kind in kinds.items()
    ]


def _blocks(graph: Graph) -> Grouping:
    home: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for node in graph:
        if node.traits.given or node.traits.read_out:
            continue
        block, kind = _block(node)
        if node.beside_source:
            earlier = {home[name] for name in node.inputs if name in home}
            if earlier and block not in earlier:
                home[node.name] = earlier.pop()
                continue
        home[node.name] = block
        kinds[block] = kind
    return Grouping(graph.name, _parts(graph, _merged(graph, home), kinds))


def _block(node: Node) -> tuple[str, str]:
    for pattern, kind in _BLOCKS:
        if match := re.match(pattern, node.name):
            name = match.group(1)
            return (name if "." in name else f"decoder.{name}"), kind
    return node.name.rsplit(".", 1)[0], "layers"


def _merged(graph: Graph, home: Mapping[str, str]) -> dict[str, str]:
    """Blocks that read each other, however far round, as one: the first of them."""
    reached: dict[str, set[str]] = {block: set() for block in home.values()}
    for name, block in home.items():
        reached[block] |= {home[source] for source in graph[name].inputs if source in home}
    for middle in reached:
        for blocks in reached.values():
            if middle in blocks:
                blocks |= reached[middle]
    first = {
        block: next(b for b in reached if b == block or {b, block} <= reached[b] & reached[block])
        for block in reached
    }
    return {name: first[block] for name, block in home.items()}


def _parts(graph: Graph, home: Mapping[str, str], kinds: Mapping[str, str]) -> tuple[Part, ...]:
    members: dict[str, list[str]] = {}
    for name, part in home.items():
        members.setdefault(part, []).append(name)
    parts = [_part(graph, home, name, kinds[name], nodes) for name, nodes in members.items()]
    made = {node.name for node in graph.inputs}
    ordered: list[Part] = []
    while parts:
        ready = [part for part in parts if set(part.receives) <= made]
        if not ready:
            names = [part.name for part in parts]
            raise GraphError(f"{graph.name}: the blocks {names} read what no node makes")
        ordered += ready
        made |= {name for part in ready for name in part.nodes}
        parts = [part for part in parts if part not in ready]
    return tuple(ordered)


def _part(graph: Graph, home: Mapping[str, str], name: str, kind: str, nodes: list[str]) -> Part:
    inside = set(nodes)
    read = [source for node in nodes for source in graph[node].inputs]
    receives = tuple(dict.fromkeys(source for source in read if source not in inside))
    sends = tuple(
        node for node in nodes if any(c.name not in inside for c in graph.consumers[node])
    )
    return Part(name, kind, tuple(nodes), receives, sends)


def message_shape(graph: Graph, name: str) -> tuple[int, ...]:
    """Counts and membranes travel channels last, as they lie in memory; the rest as it is."""
    steps, channels, height, width = graph[name].shape
    if graph.signal(name) in CHANNELS_LAST:
        return steps, height, width, channels
    return steps, channels, height, width


def message_dtype(graph: Graph, name: str) -> str:
    """Counts and images travel in the smallest type that holds them, membranes as int32."""
    signal = graph.signal(name)
    return {COUNT: "int8", IMAGE: "int16"}.get(signal, "int32")
