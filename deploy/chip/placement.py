"""The result of mapping: where every neuron is, what every core holds, whether it all fits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.board import Board
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import (
    RESOURCES,
    Loads,
    limits,
    places,
    synapse_bits,
    unrolled_bits,
)
from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.deploy.chip.reach import Index, Tiling
from spiketrack.deploy.chip.work.traffic import Traffic


@dataclass(frozen=True, eq=False)
class Branch:
    """One program on the board: for each layer its tiling, loads, core of each block, traffic.

    ``counted``: whether the traffic comes from a run's events (else every neuron sends always).
    """

    name: str
    layers: tuple[Layer, ...]
    tilings: Mapping[str, Tiling]
    loads: Mapping[str, Loads]
    cores: Mapping[str, Index]
    program: ChipProgram
    traffic: Mapping[str, Traffic]
    counted: bool

    @cached_property
    def used_cores(self) -> Index:
        """Cores that hold a block of this branch, ascending."""
        numbers: Index = np.unique(np.concatenate([self.cores[n.name] for n in self.layers]))
        return numbers


@dataclass(frozen=True, eq=False, repr=False)
class Placement:
    """Branches on a board; ``used`` (cores, resources) in the order of ``loads.RESOURCES``.

    ``rules``: name of those that cut the layers.
    """

    board: Board
    branches: tuple[Branch, ...]
    used: Index
    rules: str = "hardware"

    def __repr__(self) -> str:
        verdict = "fits" if self.fits else "does not fit"
        return (
            f"Placement({self.board.name}: {self.cores:,} cores on {self.chips:,} chips, {verdict})"
        )

    @property
    def cores(self) -> int:
        """Cores in use."""
        return len(self.used)

    @property
    def chips(self) -> int:
        """Chips in use; cores are numbered chip by chip."""
        return -(-self.cores // self.board.cores_per_chip.value)

    @property
    def fits(self) -> bool:
        """Whether the board has so many cores."""
        return self.board.cores is None or self.cores <= self.board.cores

    @property
    def layers(self) -> list[Layer]:
        """Layers of all branches."""
        return [layer for branch in self.branches for layer in branch.layers]

    @property
    def neurons(self) -> int:
        """Neurons of the network, those with two ports counted once."""
        return sum(layer.neurons for layer in self.layers)

    @cached_property
    def fractions(self) -> NDArray[np.float64]:
        """(cores, resources): share of each limit that a core uses."""
        shares: NDArray[np.float64] = self.used / limits(self.board)
        return shares

    @cached_property
    def fullest(self) -> Index:
        """Index in ``RESOURCES`` of each core's fullest resource."""
        resources: Index = self.fractions.argmax(1)
        return resources

    @cached_property
    def lower_bound_cores(self) -> int:
        """No placement takes fewer: neurons ÷ neurons a core, memory stored once ÷ capacity."""
        return least_cores(self.layers, self.board)

    @property
    def unrolled_lower_bound_cores(self) -> int:
        """The same bound where every synapse is stored by itself instead of once a kernel."""
        return least_cores(self.layers, self.board.changed(shared_kernels=False))

    @property
    def obstacle(self) -> str | None:
        """Why the network does not fit: resource, by how much, where, and what would help."""
        return None if self.fits else _obstacle(self)


def least_cores(layers: Sequence[Layer], board: Board) -> int:
    """Cores below which neurons or memory cannot go, axons and repeated kernels left out."""
    neurons = sum(layer.neurons * places(layer, board) for layer in layers)
    bits = sum(least_bits(layer, board) for layer in layers)
    return max(-(-neurons // board.neurons_per_core.value), -(-bits // board.memory_bits))


def least_bits(layer: Layer, board: Board) -> int:
    """Memory of a layer that one endless core would need."""
    uncut = Tiling(layer.shape, layer.shape)
    synapses = int(synapse_bits(layer, uncut, board).sum())
    channels = layer.shape[0] * layer.channel_bits
    return layer.neurons * layer.state_bits + channels + layer.fixed_bits + synapses


def unrolled_least_bits(layer: Layer) -> int:
    """Bits of all synapses of a layer, each stored by itself."""
    return int(unrolled_bits(layer, Tiling(layer.shape, layer.shape)).sum())


def _obstacle(placement: Placement) -> str:
    board, have = placement.board, placement.board.cores or 0
    shares = placement.fractions.sum(0)
    resource = int(shares.argmax())
    factor = -(-placement.cores // have)
    budget = placement.neurons * have / placement.cores
    return (
        f"{placement.cores:,} cores on {placement.chips:,} chips exceed the {have:,} on "
        f"{board.chips.value:,} of board {board.name} by {placement.cores - have:,} cores; "
        f"{RESOURCES[resource]} fill first ({shares[resource]:,.0f} cores' worth); "
        f"the first layer beyond the board is {_first_beyond(placement, have)}, "
        f"the largest {_largest(placement)}. What would help: {placement.chips:,} chips; "
        f"a smaller variant, of at most about {budget / 1e6:,.1f} million neurons instead of "
        f"{placement.neurons / 1e6:,.1f} million; {_alone(placement, have)}"
        f"time-multiplexing by a factor of {factor:,} (parts of the network take turns on the "
        "same cores, weights and states reloaded)"
    )


def _first_beyond(placement: Placement, have: int) -> str:
    for branch in placement.branches:
        for layer in branch.layers:
            if branch.cores[layer.name].max() >= have:
                return f"{branch.name} {layer.name}"
    return ""


def _largest(placement: Placement) -> str:
    layers = [(branch, layer) for branch in placement.branches for layer in branch.layers]
    branch, layer = max(layers, key=lambda pair: len(pair[0].tilings[pair[1].name]))
    return f"{branch.name} {layer.name} ({len(branch.tilings[layer.name]):,} blocks)"


def _alone(placement: Placement, have: int) -> str:
    """Branches never run at the same time, so one board may hold them in turn."""
    most = max(len(branch.used_cores) for branch in placement.branches)
    if len(placement.branches) < 2 or most > have:
        return ""
    chips = math.ceil(most / placement.board.cores_per_chip.value)
    plural = "" if chips == 1 else "s"
    return f"one branch at a time, loaded in turn ({chips:,} chip{plural}); "
