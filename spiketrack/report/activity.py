"""How much the populations of a run fire, inference by inference.

firing rate = events / neuron updates        share of neuron steps that send, 0..1
mean count  = spikes / neuron updates        0..4
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.report.names import stage
from spiketrack.runs.operations import BranchCounts, RunCounts

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Activity:
    """Populations of a branch, in the order of the graph; arrays (populations, inferences)."""

    names: tuple[str, ...]
    spikes: Integers
    events: Integers
    updates: Integers

    @classmethod
    def of(cls, branch: BranchCounts) -> Activity:
        """Rows of the branch whose neurons are updated."""
        updates = branch.field("neuron_updates").T
        rows = [i for i in range(len(branch.layers)) if updates[i].any()]
        names = tuple(branch.layers.names[i] for i in rows)
        spikes, events = (branch.field(name).T[rows] for name in ("spikes", "events"))
        return cls(names, spikes, events, updates[rows])

    @property
    def rate(self) -> Reals:
        """Share of neuron steps that send a message."""
        rate: Reals = self.events / np.maximum(self.updates, 1)
        return rate

    @property
    def mean_count(self) -> Reals:
        """Mean count of a neuron step."""
        mean: Reals = self.spikes / np.maximum(self.updates, 1)
        return mean

    def by_stage(self) -> dict[str, Integers]:
        """Spikes of each stage, (inferences,)."""
        stages = [stage(name) for name in self.names]
        return {
            name: self.spikes[[i for i, other in enumerate(stages) if other == name]].sum(0)
            for name in dict.fromkeys(stages)
        }


def activities(counts: RunCounts) -> dict[str, Activity]:
    """Every branch that ran."""
    return {
        branch: Activity.of(counts[branch])
        for branch in sorted(counts)
        if len(counts[branch].operations)
    }
