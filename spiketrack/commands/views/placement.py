"""The summary of ``map``: cores by stage, the layers that take most, the boards."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from spiketrack.commands.views import LARGEST, LINES
from spiketrack.documents.placement import BranchPlacement, LayerPlacement, MapDocument
from spiketrack.energy.stages import by_stage
from spiketrack.terminal.amounts import counted
from spiketrack.terminal.console import console, say
from spiketrack.terminal.table import Column, Table, print_table

KIB = 1024
AROUND = 19  # lines of a summary that names no layer, which fits
COSTS = 7  # lines of what graded and binary spikes cost
WIDE, MORE = 120, 2  # columns below which those take so many more


def show_summary(placement: MapDocument) -> None:
    """Both branches by stage, the largest layers, the boards."""
    print_table(_stages(placement.branches))
    say("layers and branches share cores: what they take together is less than the sum")
    print_table(_largest(placement.branches, _room(placement)))
    boards = (
        f"{board.name} {'yes' if board.fits else 'no'} ({counted(board.needed_chips, 'chip')})"
        for board in placement.boards
    )
    say(f"fits: {', '.join(boards)}")


def _room(placement: MapDocument) -> int:
    """Layers that may be named, so that what comes after them ends within the summary's lines."""
    why = len(textwrap.wrap(placement.obstacle or "", console.width))
    costs = 0
    if costs_are_shown(placement):
        costs = COSTS + (MORE if console.width < WIDE else 0)
    return max(1, min(LARGEST, LINES - AROUND - why - costs))


def costs_are_shown(placement: MapDocument) -> bool:
    """Whether the summary has room for what spikes cost: not beside why it does not fit."""
    return placement.fits and any(branch.spike_costs for branch in placement.branches)


def _stages(branches: Sequence[BranchPlacement]) -> Table:
    parts = [by_stage(branch.layers, lambda row: row.name) for branch in branches]
    names = dict.fromkeys(name for part in parts for name in part)
    columns = (
        Column("stage", kind="name"),
        *(Column(f"{branch.name} cores", kind="number") for branch in branches),
        *(Column(f"{branch.name} neurons", rank=1, kind="number") for branch in branches),
        *(Column(f"{branch.name} KiB", rank=2, kind="number") for branch in branches),
    )
    rows = [(name, *_cells([part.get(name, []) for part in parts])) for name in names]
    together = (
        "together",
        *(branch.cores for branch in branches),
        *(branch.neurons for branch in branches),
        *(None for _ in branches),
    )
    return Table.of("by stage (KiB: synapses)", columns, rows, together)


def _cells(parts: Sequence[Sequence[LayerPlacement]]) -> list[int]:
    return [
        *(sum(row.cores for row in rows) for rows in parts),
        *(sum(row.neurons for row in rows) for rows in parts),
        *(sum(row.synapse_bytes for row in rows) // KIB for rows in parts),
    ]


def _largest(branches: Sequence[BranchPlacement], most: int) -> Table:
    layers = [(branch.name, row) for branch in branches for row in branch.layers]
    chosen = sorted(layers, key=lambda pair: -pair[1].cores)[:most]
    columns = (
        Column("layer", kind="name"),
        Column("branch", rank=1),
        Column("cores", kind="number"),
        Column("neurons", rank=2, kind="number"),
        Column("fullest", rank=3),
    )
    rows = [(row.name, name, row.cores, row.neurons, row.fullest) for name, row in chosen]
    return Table.of(f"the {len(chosen)} layers on most cores", columns, rows)
