"""Where the blocks of a program lie, as a placement or ``map --json`` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spiketrack.deploy.chip.board import Board
from spiketrack.deploy.chip.placement import Branch
from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.deploy.chip.reach import Index, Tiling
from spiketrack.deploy.chip.tiles import Tiles
from spiketrack.documents.placement import BranchPlacement, MapDocument
from spiketrack.errors import UnsupportedError


@dataclass(frozen=True, eq=False)
class Sites:
    """Layer → how it is cut, and the core of each block."""

    board: Board
    tilings: Mapping[str, Tiling]
    cores: Mapping[str, Index]

    @classmethod
    def of(cls, branch: Branch, board: Board) -> Sites:
        """Of a placement."""
        return cls(board, branch.tilings, branch.cores)


def read_sites(document: MapDocument, program: ChipProgram, where: str) -> Sites:
    """Of ``map --json``; ``UnsupportedError`` where it places another program than this one."""
    branch = next((b for b in document.branches if b.name == program.branch), None)
    if branch is None:
        raise UnsupportedError(f"{where}: places no {program.branch} branch")
    _require_same(branch, program, where)
    layers = branch.layers
    return Sites(
        Board(name=document.board, **document.limits.model_dump()),
        {row.name: Tiling(row.shape, row.block) for row in layers},
        {row.name: np.array(row.core_of_block, np.int64) for row in layers},
    )


def _require_same(branch: BranchPlacement, program: ChipProgram, where: str) -> None:
    """Choices of the program and the shapes of its layers."""
    choices = program.choices
    tiles = Tiles(branch.tiles, branch.key_tiles)
    placed = branch.mode, branch.spikes, tiles
    if placed != (choices.mode, choices.spikes, choices.copies):
        raise UnsupportedError(
            f"{where}: the {program.branch} branch was placed with --mode {branch.mode} --spikes "
            f"{branch.spikes} --tiles {tiles}, and runs with --mode {choices.mode} --spikes "
            f"{choices.spikes} --tiles {choices.copies}; give both the same"
        )
    shapes = {row.name: tuple(row.shape) for row in branch.layers}
    if shapes != {layer.name: layer.shape for layer in program.layers}:
        raise UnsupportedError(
            f"{where}: places other layers than the {program.branch} branch has; map it again"
        )
