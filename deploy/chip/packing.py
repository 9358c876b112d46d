"""Blocks → cores: order blocks so that neighbours meet, then fill core after core.

Consecutive layers of one map size form a stage. A stage that needs several chips is cut into
image cells of about a chip each, all its layers of a cell together, so that convolutions cross
chips at the cells' borders only. Within a cell blocks stand in the order of the network. Each
goes to the first recent core that has room for it, whatever else that core holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from spiketrack.deploy.chip.board import Board
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import Loads, Tilings, limits
from spiketrack.deploy.chip.reach import Index, Tiling

WINDOW = 120  # cores that are still open: a chip, so that shared cores stay near


def order(
    layers: Sequence[Layer], tilings: Tilings, loads: Mapping[str, Loads], board: Board
) -> list[tuple[str, int]]:
    """(layer, block) in the order in which cores are filled."""
    placed: list[tuple[str, int]] = []
    for _, group in groupby(layers, key=lambda layer: layer.shape[1:]):
        stage = list(group)
        neurons = sum(int(loads[layer.name].neurons.sum()) for layer in stage)
        chips = neurons / (board.neurons_per_core.value * board.cores_per_chip.value)
        across = _cells(stage, tilings, math.ceil(chips))
        keys = []
        for rank, layer in enumerate(stage):
            cells = _cell(tilings[layer.name], across)
            keys += [(int(cell), rank, block) for block, cell in enumerate(cells)]
        placed += [(stage[rank].name, block) for _, rank, block in sorted(keys)]
    return placed


def _cells(stage: Sequence[Layer], tilings: Tilings, wanted: int) -> tuple[int, int]:
    """Cells along rows and columns, never finer than the coarsest layer's tiles."""
    rows = min(tilings[layer.name].counts[1] for layer in stage)
    columns = min(tilings[layer.name].counts[2] for layer in stage)
    across = min(columns, math.isqrt(max(wanted - 1, 0)) + 1)
    return min(rows, -(-wanted // across)), across


def _cell(tiling: Tiling, across: tuple[int, int]) -> Index:
    """Cell of each block's centre, rows of cells run to and fro."""
    row, column = (
        (tiling.bounds()[:, axis].sum(1) * number) // (2 * tiling.shape[axis])
        for axis, number in zip((1, 2), across, strict=True)
    )
    cell: Index = row * across[1] + np.where(row % 2, across[1] - 1 - column, column)
    return cell


class Packer:
    """Cores filled so far and the room of those that are still open."""

    def __init__(self, board: Board) -> None:
        self.limits = limits(board)
        self.used: list[Index] = []
        self.open: list[int] = []
        self.room = np.zeros((0, len(self.limits)), np.int64)

    @property
    def table(self) -> Index:
        """(cores, resources): what each core holds."""
        return np.array(self.used, np.int64).reshape(-1, len(self.limits))

    def place(self, load: Index) -> int:
        """The core that takes this load: the first open one with room, else a new one."""
        fits = (self.room >= load).all(1)
        place = int(np.argmax(fits)) if fits.any() else self._new_core()
        self.room[place] -= load
        core = self.open[place]
        self.used[core] = self.used[core] + load
        return core

    def _new_core(self) -> int:
        full = (self.room[:, :2] <= self.limits[:2] // 128).any(1)
        kept = np.flatnonzero(~full)[-(WINDOW - 1) :]
        self.open = [self.open[place] for place in kept] + [len(self.used)]
        self.room = np.concatenate([self.room[kept], self.limits[None]])
        self.used.append(np.zeros_like(self.limits))
        return len(self.open) - 1


def pack(
    packer: Packer, placed: Sequence[tuple[str, int]], loads: Mapping[str, Loads]
) -> dict[str, Index]:
    """Core of every block of every layer."""
    tables = {name: table.table for name, table in loads.items()}
    cores = {name: np.full(len(table), -1, np.int64) for name, table in tables.items()}
    for name, block in placed:
        cores[name][block] = packer.place(tables[name][block])
    return cores
