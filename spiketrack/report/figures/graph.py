"""The network as a drawing: blocks of both branches side by side, and the memory between them.

A box is a block; its bar is the block's share of its branch's energy, and it leads to the block's
rows of the energy table. Lines are what one block sends to another.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spiketrack.documents.manifest import LayerFormat
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.report.names import block, short
from spiketrack.terminal.amounts import counted, joules

BOX, HEIGHT, STEP = 310, 26, 36  # pixels: a box's width and height, from row to row
LEFT, RIGHT, TOP = 90, 590, 46  # where the columns of both branches begin, and the first row
LANE = 14  # pixels that each line passing by lies farther out
MEMORY = "memory"


@dataclass
class Box:
    """A block of one branch: its layers, what it costs, which blocks feed it."""

    branch: str
    name: str
    layers: int = 0
    energy_pj: float = 0.0
    share: float = 0.0
    feeds: dict[str, None] = field(default_factory=dict)
    row: int = 0

    @property
    def left(self) -> int:
        """Its left edge."""
        return _left(self.branch)

    @property
    def top(self) -> int:
        """Its upper edge."""
        return TOP + STEP * self.row


def _left(branch: str) -> int:
    return LEFT if branch == TEMPLATE else RIGHT


Energies = Mapping[tuple[str, str], tuple[float, float]]  # (branch, layer) → picojoules, share


def network_svg(layers: Mapping[str, Sequence[LayerFormat]], energies: Energies) -> str:
    """Both branches as SVG; a branch that the network lacks is an empty column."""
    columns = {branch: blocks(branch, rows, energies) for branch, rows in layers.items()}
    _align(columns)
    boxes = [box for column in columns.values() for box in column.values()]
    height = max(box.top for box in boxes) + HEIGHT + 14
    heads = "".join(
        f'<text class="head" x="{_left(branch)}" y="22">{branch} branch</text>'
        for branch in columns
    )
    lines = "".join(_lines(columns))
    return (
        f'<div class="scroll graph" tabindex="0" role="group" aria-label="Blocks of the network">'
        f'<svg viewBox="0 0 {RIGHT + BOX + 90} {height}" width="{RIGHT + BOX + 90}" '
        f'height="{height}">{heads}{lines}{"".join(_box(box) for box in boxes)}</svg></div>'
    )


def blocks(branch: str, rows: Sequence[LayerFormat], energies: Energies) -> dict[str, Box]:
    """Blocks of a branch in the order of the network."""
    boxes: dict[str, Box] = {}
    for row in rows:
        if block(row.name) == MEMORY:  # drawn as the lines from branch to branch
            continue
        box = boxes.setdefault(block(row.name), Box(branch, block(row.name)))
        box.layers += 1
        energy, share = energies.get((branch, row.name), (0.0, 0.0))
        box.energy_pj += energy
        box.share += share
        sources = {block(name) for name in row.inputs} - {box.name}
        box.feeds |= dict.fromkeys(sorted(sources))
    return boxes


def _align(columns: Mapping[str, Mapping[str, Box]]) -> None:
    """Blocks of one name in both branches share a row; rows keep the order of both."""
    order: list[str] = []
    for column in columns.values():
        place = 0
        for name in column:
            if name in order[place:]:
                place = order.index(name) + 1
            elif name not in order:
                order.insert(place, name)
                place += 1
    for column in columns.values():
        for box in column.values():
            box.row = order.index(box.name)


def _lines(columns: Mapping[str, Mapping[str, Box]]) -> Iterable[str]:
    """Lines inside a branch, past other blocks on its outer side, and from branch to branch."""
    for branch, column in columns.items():
        taken = {box.row for box in column.values()}
        for box in column.values():
            for source in (column[name] for name in box.feeds if name in column):
                between = taken & set(range(source.row + 1, box.row))
                yield _past(source, box, branch) if between else _down(source, box)
    yield from (_across(source, target) for source, target in _memories(columns))


def _across(source: Box, target: Box) -> str:
    """A memory, from the right edge of its writer to the left edge of its reader."""
    x, y = source.left + BOX, source.top + HEIGHT // 2
    end, down = target.left, target.top + HEIGHT // 2
    middle = (x + end) // 2
    return f'<path class="memory" d="M{x} {y}C{middle} {y} {middle} {down} {end} {down}"/>'


def _memories(columns: Mapping[str, Mapping[str, Box]]) -> Iterable[tuple[Box, Box]]:
    """Blocks of one name of which the search branch's reads what the template branch's wrote."""
    written, read = columns.get(TEMPLATE, {}), columns.get(SEARCH, {})
    for name, box in read.items():
        if MEMORY in box.feeds and name in written:
            yield written[name], box


def _down(source: Box, box: Box) -> str:
    x = box.left + BOX // 2
    return f'<path d="M{x} {source.top + HEIGHT}V{box.top}"/>'


def _past(source: Box, box: Box, branch: str) -> str:
    """Around the blocks between, farther out the more there are."""
    away = LANE * min(box.row - source.row, 5)
    edge = box.left if branch == TEMPLATE else box.left + BOX
    x = edge - away if branch == TEMPLATE else edge + away
    y, end = source.top + HEIGHT - 6, box.top + 6
    return f'<path d="M{edge} {y}H{x}V{end}H{edge}"/>'


def _box(box: Box) -> str:
    label = html.escape(short(box.name))
    layers = counted(box.layers, "layer")
    told = f"{joules(box.energy_pj) or '0'}, {box.share:.1%}"
    said = html.escape(f"{box.name}, {box.branch} branch: {layers}, {told} of the energy")
    width = max(0, round(BOX * min(box.share, 1)))
    name = html.escape(box.name, quote=True)
    return (
        f'<a href="#energy" data-rows="{name}" data-branch="{box.branch}">'
        f"<title>{said}</title>"
        f'<rect x="{box.left}" y="{box.top}" width="{BOX}" height="{HEIGHT}" rx="5"/>'
        f'<rect class="share" x="{box.left}" y="{box.top}" width="{width}" height="{HEIGHT}"/>'
        f'<text x="{box.left + 9}" y="{box.top + 17}">{label}</text>'
        f'<text class="told" x="{box.left + BOX - 9}" y="{box.top + 17}">{told}</text></a>'
    )
