"""A whole branch in SANA-FE, driven by its trace: every message of a frame, on every core.

A neuron that sends is a neuron of SANA-FE that fires once, in the step in which it sends. Each core
that needs its message has one synapse for it, of the unit whose cost is that of all synapses that
the message meets there. SANA-FE then counts messages, hops, energy and time by its own rules. What
the host sends leaves from the core that it reaches. Updates of neurons and sums of membranes, which
happen in the neurons' programs, are priced on neither side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.board import Board
from spiketrack.simulators.sanafe.chips import (
    SINK,
    SINK_SUMS,
    UNIT,
    Prices,
    Units,
    architecture,
    dendrite_unit,
    soma_unit,
    synapse_unit,
)
from spiketrack.simulators.sanafe.engine import sanafe, silent
from spiketrack.simulators.sanafe.messages import Messages

SEGMENT = 32  # time steps at a time: a neuron that waits is updated by SANA-FE in every step
NEVER = 1e6  # a threshold, and a potential below which no neuron comes back within a frame
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Replayed:
    """What SANA-FE counted: operations, hops and seconds of each time step; spikes, messages, J."""

    operations: Integers
    hops: Integers
    seconds: NDArray[np.float64]
    spikes: int
    messages: int
    energy: float

    @property
    def time(self) -> float:
        """Seconds of the frame."""
        return float(self.seconds.sum())


@dataclass(frozen=True, eq=False)
class Rows:
    """All messages of a frame: number of the neuron that fires, core and operations of each.

    ``step`` and ``core`` of each neuron that fires, in the order of (core, step).
    """

    step: Integers
    core: Integers
    neuron: Integers
    receiver: Integers
    operations: Integers

    @classmethod
    def of(cls, messages: Sequence[Messages]) -> Rows:
        """From the messages of every source."""
        source = np.concatenate([np.full(len(m.step), i) for i, m in enumerate(messages)])
        columns = [
            np.concatenate([getattr(m, name) for m in messages])
            for name in ("sender", "step", "neuron", "receiver", "operations")
        ]
        sender, step, neuron, receiver, operations = columns
        keys = np.stack([sender, step, source, neuron], 1)
        fired, which = np.unique(keys, axis=0, return_inverse=True)
        return cls(fired[:, 1], fired[:, 0], which.reshape(-1), receiver, operations)

    def between(self, first: int, last: int) -> Rows:
        """Those of the steps first..last-1, counted from the first."""
        kept = (self.step >= first) & (self.step < last)
        number = np.cumsum(kept) - 1
        mine = kept[self.neuron]
        return Rows(
            self.step[kept] - first,
            self.core[kept],
            number[self.neuron[mine]],
            self.receiver[mine],
            self.operations[mine],
        )


class Replay:
    """Messages of one frame on a board that is one mesh; ``steps``: time steps of the frame.

    Nothing is kept from step to step, so the frame is run in segments.
    """

    def __init__(self, messages: Sequence[Messages], board: Board, steps: int) -> None:
        self.rows, self.board, self.steps = Rows.of(messages), board, steps
        self.hosted = sum(len(m.step) for m in messages if m.host)
        cores = int(max(self.rows.core.max(), self.rows.receiver.max())) + 1
        across, inside = board.tiles_across.value, board.cores_per_tile.value
        self.size = (across, -(-cores // (across * inside)))

    def busiest(self, floor: float, operation: float) -> float:
        """Σ over the steps of max(floor, operations of the busiest core · seconds of one)."""
        table = np.zeros((self.steps, int(self.rows.receiver.max()) + 1), np.int64)
        at = self.rows.step[self.rows.neuron], self.rows.receiver
        np.add.at(table, at, self.rows.operations)
        return float(np.maximum(table.max(1) * operation, floor).sum())

    def run(self, prices: Prices) -> Replayed:
        """The frame with these prices."""
        parts = []
        for first in range(0, self.steps, SEGMENT):
            last = min(first + SEGMENT, self.steps)
            segment = Segment(self.rows.between(first, last), self.board, self.size)
            with silent():
                parts.append(segment.run(prices, last - first))
        return Replayed(
            np.concatenate([part.operations for part in parts]),
            np.concatenate([part.hops for part in parts]),
            np.concatenate([part.seconds for part in parts]),
            sum(part.spikes for part in parts),
            sum(part.messages for part in parts),
            sum(part.energy for part in parts),
        )


class Segment:
    """Some time steps of a frame as a network of SANA-FE."""

    def __init__(self, rows: Rows, board: Board, size: tuple[int, int]) -> None:
        self.rows, self.board, self.size = rows, board, size
        self.sorts = {
            int(core): np.unique(rows.operations[rows.receiver == core])
            for core in np.unique(rows.receiver)
        }

    def run(self, prices: Prices, steps: int) -> Replayed:
        """As many steps with these prices."""
        tool = sanafe()
        network = tool.Network()
        groups, neurons = self._fire(network)
        units = {
            self._slot(core): Units(
                neurons.get(core, 0), tuple(map(int, self.sorts.get(core, (0,))))
            )
            for core in {*neurons, *self.sorts}
        }
        inside = self.board.cores_per_tile.value
        chip = architecture(self.size, inside, units, prices)
        sinks = self._sinks(network)
        for core, group in (*((c, g) for c, g, _, _ in groups), *sinks.items()):
            tile, place = divmod(self._slot(core), inside)
            group.map_to_core(chip.tiles[tile].cores[place])
        self._connect(groups, sinks)
        simulated = tool.SpikingChip(chip)
        simulated.load(network)
        results = simulated.sim(steps, timing_model="simple", perf_trace=True, processing_threads=1)
        trace = results["perf_trace"]
        return Replayed(
            np.rint(np.array(trace["synapse_energy"]) / prices.operation[0]).astype(np.int64),
            np.array(trace["hops"], np.int64),
            np.array(trace["sim_time"]),
            int(results["neurons_fired"]),
            int(results["packets_sent"]),
            float(results["energy"]["total"]),
        )

    def _slot(self, core: int) -> int:
        """Number of a core in SANA-FE, whose tiles are numbered column by column."""
        column, row = self.board.tile(core)
        inside = self.board.cores_per_tile.value
        return (column * self.size[1] + row) * inside + core % inside

    def _fire(self, network: Any) -> tuple[list[tuple[int, Any, int, int]], dict[int, int]]:
        """Groups (core, group, first neuron, one beyond the last), and places taken in a core."""
        core, step = self.rows.core, self.rows.step
        cuts = np.flatnonzero((np.diff(core) != 0) | (np.diff(step) != 0)) + 1
        ends = [0, *cuts.tolist(), len(core)] if len(core) else [0]
        groups: list[tuple[int, Any, int, int]] = []
        taken: dict[int, int] = {}
        for first, last in pairwise(ends):
            for start in range(first, last, UNIT):
                stop, where = min(start + UNIT, last), int(core[start])
                at = taken.get(where, 0)
                if at % UNIT + stop - start > UNIT:
                    at = -(-at // UNIT) * UNIT  # no group in two units
                taken[where] = at + stop - start
                groups.append((where, self._group(network, start, stop, at), start, stop))
        return groups, taken

    def _group(self, network: Any, start: int, stop: int, at: int) -> Any:
        """Neurons that count steps and fire when theirs has come."""
        model = {
            "leak_decay": 1.0,
            "bias": 1.0,
            "threshold": float(self.rows.step[start]) + 0.5,
            "reset_mode": "hard",
            "reset": -NEVER,
        }
        return network.create_neuron_group(
            f"fire{start}",
            stop - start,
            model,
            default_synapse_hw_name=synapse_unit(0),
            default_dendrite_hw_name=dendrite_unit(at),
            soma_hw_name=soma_unit(at),
        )

    def _sinks(self, network: Any) -> dict[int, Any]:
        """For each core a neuron for each number of operations that a message meets there."""
        sinks = {}
        for core, sorts in self.sorts.items():
            sinks[core] = network.create_neuron_group(
                f"sink{core}",
                len(sorts),
                {"threshold": NEVER, "leak_decay": 0.0},
                default_synapse_hw_name=synapse_unit(int(sorts[0])),
                default_dendrite_hw_name=SINK_SUMS,
                soma_hw_name=SINK,
            )
            for neuron, number in zip(sinks[core].neurons, sorts, strict=True):
                neuron.set_attributes(
                    soma_hw_name=SINK,
                    dendrite_hw_name=SINK_SUMS,
                    default_synapse_hw_name=synapse_unit(int(number)),
                )
        return sinks

    def _connect(self, groups: Sequence[tuple[int, Any, int, int]], sinks: dict[int, Any]) -> None:
        order = np.lexsort((self.rows.receiver, self.rows.neuron))
        neuron, receiver = self.rows.neuron[order], self.rows.receiver[order]
        operations = self.rows.operations[order]
        for _, group, start, stop in groups:
            low, high = np.searchsorted(neuron, (start, stop))
            reached = receiver[low:high]
            for core in np.unique(reached):
                mine = low + np.flatnonzero(reached == core)
                end = np.searchsorted(self.sorts[int(core)], operations[mine])
                pairs = zip((neuron[mine] - start).tolist(), end.tolist(), strict=True)
                group.connect_neurons_sparse(
                    sinks[int(core)], {"weight": [0.0] * len(mine)}, list(pairs)
                )
