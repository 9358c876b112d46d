"""Two sets of rules to choose from: what the hardware allows, or what Intel's compiler does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from spiketrack.deploy.chip import partition as hardware
from spiketrack.deploy.chip.board import Board, CapacityError
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import RESOURCES, Loads, limits, places, readers_of
from spiketrack.deploy.chip.packing import Packer
from spiketrack.deploy.chip.reach import Block, Index, Tiling
from spiketrack.deploy.chip.rules.registers import Registers, axons_out, registers
from spiketrack.deploy.chip.rules.slices import tiling
from spiketrack.errors import ConfigError, printable

Parts = tuple[dict[str, Tiling], dict[str, Loads]]


class Rules(Protocol):
    """How layers are cut into blocks and which blocks may share a core."""

    name: str

    def board(self, board: Board) -> Board:
        """The board as these rules see it."""

    def partition(self, layers: Sequence[Layer], board: Board) -> Parts:
        """Tilings and loads of all layers; ``CapacityError`` where one fits no core."""

    def packer(self, board: Board) -> Packer:
        """What gives blocks their cores."""


class Hardware:
    """The published limits; blocks of any layers share a core."""

    name = "hardware"

    def board(self, board: Board) -> Board:
        """As it is."""
        return board

    def partition(self, layers: Sequence[Layer], board: Board) -> Parts:
        """The cheapest cutting of every layer."""
        return hardware.partition(layers, board)

    def packer(self, board: Board) -> Packer:
        """First core with room."""
        return Packer(board)


class IntelCompiler:
    """Slices and registers of Intel's compiler; every slice has a core of its own."""

    name = "intel-compiler"

    def __init__(self, registers: Registers | None = None) -> None:
        self.given = registers

    @property
    def registers(self) -> Registers:
        """Those given, or those of the package."""
        return self.given or registers()

    def board(self, board: Board) -> Board:
        """Its cores with the compiler's registers."""
        return self.registers.board(board)

    def partition(self, layers: Sequence[Layer], board: Board) -> Parts:
        """Slices, and what each takes of the registers; memory is that of synapse words."""
        cut = {layer.name: tiling(layer, self.registers, places(layer, board)) for layer in layers}
        readers = readers_of(layers)
        needed = {}
        for layer in layers:
            sizes = np.diff(cut[layer.name].bounds(), axis=2)[:, :, 0]
            taken = [
                (
                    self.registers.words(layer, block) * self.registers.bits_a_word.value,
                    self.registers.axons_in(layer),
                    axons_out(readers.get(layer.name, []), layer.host, block),
                )
                for block in map(_block, sizes)
            ]
            memory, entering, leaving = np.array(taken, np.int64).T
            neurons = sizes.prod(1).astype(np.int64) * places(layer, board)
            needed[layer.name] = Loads(neurons, memory, entering, leaving)
            _check(layer, needed[layer.name], board)
        return cut, needed

    def packer(self, board: Board) -> Packer:
        """A new core for every slice."""
        return OneEach(board)


class OneEach(Packer):
    """Every block on a core of its own."""

    def place(self, load: Index) -> int:
        """The next core."""
        self.used.append(load)
        return len(self.used) - 1


def rules_of(name: str) -> Rules:
    """Rules by name; ``ConfigError`` names those that exist."""
    if name not in RULES:
        raise ConfigError(f"--rules {printable(name)}: choose {' or '.join(RULES)}")
    return RULES[name]


def _block(sizes: Index) -> Block:
    c, h, w = (int(size) for size in sizes)
    return c, h, w


def _check(layer: Layer, needed: Loads, board: Board) -> None:
    """Tables are not made smaller by cutting: what exceeds them fits no core."""
    over = needed.table.max(0) - limits(board)
    if over.max() > 0:
        resource = int(over.argmax())
        raise CapacityError(
            f"{layer.name}: {RESOURCES[resource]} of a core under the compiler's rules exceeded by "
            f"{int(over[resource]):,}; use a narrower variant"
        )


HARDWARE, INTEL_COMPILER = Hardware(), IntelCompiler()
RULES: Mapping[str, Rules] = {rules.name: rules for rules in (HARDWARE, INTEL_COMPILER)}
