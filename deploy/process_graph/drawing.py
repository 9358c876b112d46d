"""Process graphs as pictures: DOT for graph tools, SVG for a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import NamedTuple

from spiketrack.deploy.process_graph.processes import (
    MEMORIES,
    OUTPUTS,
    Connection,
    Process,
    ProcessGraph,
)
from spiketrack.inference import SEARCH, TEMPLATE

BOX_W, BOX_H, GAP_X, GAP_Y, MARGIN = 250, 30, 24, 34, 40  # pixels
STYLE = (
    "text{font:12px sans-serif;text-anchor:middle}rect{fill:#fff;stroke:#345;rx:4}"
    "rect.host{fill:#eef}path{fill:none;stroke:#789;marker-end:url(#tip)}.memory{stroke:#a40;"
    "stroke-dasharray:6 4}"
)
TIP = (
    '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#789;stroke:none"/></marker>'
)


class Place(NamedTuple):
    """Upper left corner of a box."""

    x: float
    y: float


def dot(graphs: Mapping[str, ProcessGraph]) -> str:
    """A cluster a branch; an edge says what its channel carries."""
    lines = ["digraph processes {", "  node [shape=box];"]
    for name, graph in graphs.items():
        lines += [f'  subgraph "cluster_{name}" {{', f'    label="{name}";']
        lines += [f'    "{name}/{p.name}" [label="{p.name}"];' for p in graph.processes]
        for c in graph.connections:
            ends = f'"{name}/{c.sender.process}" -> "{name}/{c.receiver.process}"'
            lines.append(f'    {ends} [label="{_carried(graph, c)}"];')
        lines.append("  }")
    for sender, receiver in _between(graphs):
        lines.append(f'  "{sender}" -> "{receiver}" [style=dashed, label="memories"];')
    return "\n".join([*lines, "}"]) + "\n"


def svg(graphs: Mapping[str, ProcessGraph]) -> str:
    """Branches side by side, each from the image down; a box below all that it receives from."""
    parts: list[str] = []
    places: dict[str, Place] = {}
    left, bottom = float(MARGIN), 0.0
    for name, graph in graphs.items():
        rows = _rows(graph)
        width = max(map(len, rows)) * (BOX_W + GAP_X)
        here = _placed(rows, left, width)
        parts.append(_text(left + width / 2, MARGIN / 2, f"{name} branch"))
        parts += _branch(graph, here)
        places |= {f"{name}/{process}": place for process, place in here.items()}
        left, bottom = left + width + MARGIN, max(bottom, *(place.y for place in here.values()))
    between = [_arrow(places[a], places[b], "memories", "memory") for a, b in _between(graphs)]
    size = f'width="{left:g}" height="{bottom + BOX_H + MARGIN:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{TIP}'
    return "\n".join([head, *between, *parts, "</svg>"]) + "\n"


def _between(graphs: Mapping[str, ProcessGraph]) -> Iterator[tuple[str, str]]:
    """What the host carries from one branch to the other."""
    if TEMPLATE in graphs and MEMORIES in graphs.get(SEARCH, graphs[TEMPLATE]).by_name:
        yield f"{TEMPLATE}/{OUTPUTS}", f"{SEARCH}/{MEMORIES}"


def _carried(graph: ProcessGraph, connection: Connection) -> str:
    end = connection.receiver
    port = graph.by_name[end.process].ports[end.port]
    return f"{port.carries}: {port.dtype} {'×'.join(map(str, port.shape))}"


def _rows(graph: ProcessGraph) -> list[list[Process]]:
    """Processes by the length of the longest way to them."""
    depth: dict[str, int] = {}
    for process in graph.processes:
        senders = [s.process for r, s in graph.senders.items() if r.process == process.name]
        depth[process.name] = max((depth[name] + 1 for name in senders), default=0)
    rows: list[list[Process]] = [[] for _ in range(max(depth.values()) + 1)]
    for process in graph.processes:
        rows[depth[process.name]].append(process)
    return rows


def _placed(rows: list[list[Process]], left: float, width: float) -> dict[str, Place]:
    places = {}
    for level, row in enumerate(rows):
        start = left + (width - len(row) * (BOX_W + GAP_X)) / 2
        for index, process in enumerate(row):
            x, y = start + index * (BOX_W + GAP_X), MARGIN + level * (BOX_H + GAP_Y)
            places[process.name] = Place(x, y)
    return places


def _branch(graph: ProcessGraph, places: Mapping[str, Place]) -> Iterator[str]:
    for c in graph.connections:
        yield _arrow(places[c.sender.process], places[c.receiver.process], _carried(graph, c), "")
    for process in graph.processes:
        yield _box(process, places[process.name])


def _box(process: Process, place: Place) -> str:
    kind = "" if process.nodes else "host"
    about = escape(f"{process.name} ({process.kind}): {len(process.nodes)} nodes")
    rect = (
        f'<rect x="{place.x:g}" y="{place.y:g}" width="{BOX_W}" height="{BOX_H}" class="{kind}"/>'
    )
    label = _text(place.x + BOX_W / 2, place.y + BOX_H / 2 + 4, process.name)
    return f"<g><title>{about}</title>{rect}{label}</g>"


def _arrow(a: Place, b: Place, about: str, kind: str) -> str:
    x1, y1, x2, y2 = a.x + BOX_W / 2, a.y + BOX_H, b.x + BOX_W / 2, b.y
    curve = f"M{x1:g} {y1:g}C{x1:g} {y1 + GAP_Y:g} {x2:g} {y2 - GAP_Y:g} {x2:g} {y2:g}"
    return f'<path d="{curve}" class="{kind}"><title>{escape(about)}</title></path>'


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:g}" y="{y:g}">{escape(words)}</text>'
