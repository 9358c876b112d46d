"""Blocks → cores so that no core is busier than others in the same time step.

A step takes as long as its busiest core. Blocks are placed from the costliest to the cheapest, each
on the core with room where it lengthens the sum over the steps of

    max over cores and terms of (what they do in the step, in nanoseconds)

least, and of those on the one with fewest neurons. A block's cost is its share of its layer's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.board import Board, CapacityError
from spiketrack.deploy.chip.loads import Loads, limits
from spiketrack.deploy.chip.reach import Index
from spiketrack.deploy.chip.work.rows import FrameWork
from spiketrack.timing.model import Rates, core_costs

Reals = NDArray[np.float32]
TERMS = 3  # updates, operations, reads


@dataclass(frozen=True, eq=False)
class Profile:
    """Steps in which a layer costs anything, and nanoseconds of one of its neurons in each of
    them, (terms, steps)."""

    steps: Index
    cost: Reals


def profiles(work: FrameWork, rates: Rates, neurons: Mapping[str, int]) -> dict[str, Profile]:
    """Of every layer of a placed frame, whatever cores its blocks are on."""
    resting = rates["neuron_idle"]
    shares = {}
    table = np.zeros((TERMS, len(work.layers), work.steps))
    for term, cost in enumerate(core_costs(work, rates, resting)):
        np.add.at(table[term], (work.core("layer"), work.core("step")), cost)
    for number, name in enumerate(work.layers):
        (steps,) = np.nonzero(table[:, number].any(0))
        share = table[:, number, steps] / neurons.get(name, 1)
        shares[name] = Profile(steps, share.astype(np.float32))
    return shares


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of one branch: its loads by layer; ``profiles`` are empty where it is not timed."""

    branch: str
    loads: Mapping[str, Loads]
    neurons: Mapping[str, Index]
    profiles: Mapping[str, Profile]


class Balance:
    """``cores`` cores of a board, filled evenly over ``steps`` time steps."""

    def __init__(self, board: Board, cores: int, steps: int, resting: float) -> None:
        self.room = np.tile(limits(board), (cores, 1))
        self.used = np.zeros_like(self.room)
        self.work = np.zeros((TERMS, cores, steps), np.float32)
        self.longest = np.zeros(steps, np.float32)
        self.resident = np.zeros(cores, np.int64)
        self.resting, self.steps = resting, steps

    def place(self, branches: Sequence[Blocks]) -> dict[str, dict[str, Index]]:
        """Branch → layer → core of each block; ``CapacityError`` where one has no room."""
        cores = {
            part.branch: {
                name: np.full(len(table), -1, np.int64) for name, table in part.loads.items()
            }
            for part in branches
        }
        rows = []
        for number, part in enumerate(branches):
            for rank, (name, neurons) in enumerate(part.neurons.items()):
                profile = part.profiles.get(name)
                peak = 0.0 if profile is None else float(profile.cost.max(initial=0.0))
                rows += [
                    (-float(size) * peak, -int(size), number, rank, name, block)
                    for block, size in enumerate(neurons)
                ]
        for _, _, number, _, name, block in sorted(rows):
            part = branches[number]
            load = part.loads[name].table[block]
            core = self._choose(name, load, part.profiles.get(name), int(part.neurons[name][block]))
            cores[part.branch][name][block] = core
        return cores

    def _choose(self, name: str, load: Index, profile: Profile | None, neurons: int) -> int:
        (open_,) = np.nonzero((self.room >= load).all(1))
        if not len(open_):
            raise CapacityError(f"{name}: a block finds no room on {len(self.room):,} cores")
        longer = (
            np.maximum(
                (self.resident[open_] + neurons) * self.resting - self.longest.max(initial=0.0), 0.0
            )
            * self.steps
        )
        if profile is not None and len(profile.steps):
            added = neurons * profile.cost
            after = self.work[:, open_][:, :, profile.steps] + added[:, None]
            after[0] += (self.resident[open_] * self.resting)[:, None]
            over = after.max(0) - self.longest[profile.steps]
            longer = longer + np.maximum(over, 0.0).sum(1)
        best = open_[np.lexsort((self.resident[open_], longer))[0]]
        self.room[best] -= load
        self.used[best] += load
        self.resident[best] += neurons
        if profile is not None and len(profile.steps):
            self.work[:, best, profile.steps] += neurons * profile.cost
            now = self.work[:, best, profile.steps].copy()
            now[0] += self.resident[best] * self.resting
            self.longest[profile.steps] = np.maximum(self.longest[profile.steps], now.max(0))
        np.maximum(self.longest, self.resident[best] * self.resting, out=self.longest)
        return int(best)
