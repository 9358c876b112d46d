"""A layer as it runs: state, accumulators, phase counter and what has just arrived; nothing else.

In each time step a unit integrates the messages that arrived, multiplies where it is a product,
fires where its phase counter says so and sends what is due. It reads no other unit. Between its
steps nothing changes, so a unit without messages and phases may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spiketrack.deploy.chip.execution.activity import Work
from spiketrack.deploy.chip.execution.messages import Message, for_tile, part_of, payload_bits
from spiketrack.deploy.chip.execution.synapses import MemoryRead, Operator, constants, operator
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.requirements import (
    COUNTS,
    KEYS,
    POSITIONS,
    RELAYS,
    ROUNDS,
    VOTES,
    WEIGHS,
)
from spiketrack.errors import GraphError, UnsupportedError
from spiketrack.integer.costs.formulas import FORMULAS, synapses_per_entry
from spiketrack.integer.counting import FIELDS
from spiketrack.integer.graph import COUNT, Gate, Graph, Neuron, Read, Upsample
from spiketrack.integer.neurons import count
from spiketrack.limits import DECAY_BITS, HEADS, MAX_COUNT


@dataclass(frozen=True)
class Phases:
    """Phase counters of a layer for ``frames`` frames: step → what is due.

    ``fires``: step → (frame, network step); ``sends``: step → part of a sending (network step,
    part), in the steps of ``Sends``. The host sets how many frames a run has.
    """

    fires: Mapping[int, tuple[int, int]]
    sends: Mapping[int, tuple[int, int]]

    @classmethod
    def of(cls, layer: Layer, frames: int, period: int) -> Phases:
        """Counters that start with the run."""
        fires, sends = {}, {}
        for frame in range(frames):
            start = frame * period
            for t in range(layer.steps):
                fires[start + layer.first + layer.stride * t] = (frame, t)
            for t in range(layer.sends.times):
                for part in range(layer.sends.parts):
                    step = start + layer.sends.first + layer.stride * t + part
                    sends[step] = (t, part)
        return cls(fires, sends)


@dataclass(frozen=True, eq=False)
class Fired:
    """What a unit computed when it fired: (1, C, H, W), for the host and for probes."""

    frame: int
    step: int
    value: Tensor


class Unit:
    """One layer's neurons. ``receive`` messages of a step, then ``step`` once."""

    def __init__(self, graph: Graph, layer: Layer) -> None:
        self.layer = layer
        self.operators: list[Operator | None] = [
            operator(graph, link) if link.part not in (KEYS, POSITIONS) and link.port == 0 else None
            for link in layer.synapses
        ]
        self.constants = [constants(graph, layer.nodes, t) for t in range(layer.steps)]
        self.fixed = _fixed(graph, layer)
        self.potential: Tensor | None = None
        self.register: Tensor | None = None
        self.work = Work()
        self.phases = Phases({}, {})
        self.network_step = 0

    def start(self, frames: int, period: int) -> None:
        """Set the phase counters; the state stays what it is."""
        self.phases = Phases.of(self.layer, frames, period)
        self.network_step = 0

    def write(self, memory: Mapping[str, Tensor]) -> None:
        """The host rewrites weights that are a memory."""
        for found in self.operators:
            if isinstance(found, MemoryRead) and found.name in memory:
                found.write(memory[found.name])

    def receive(self, now: int, index: int, message: Message) -> None:
        """Integrate a message that arrives through connection ``index``."""
        synapses = self.operators[index]
        if synapses is None:
            raise GraphError(f"{self.layer.name}: no accumulator for connection {index}")
        added = synapses.apply(message.values, self.network_step)
        self.potential = added if self.potential is None else self.potential + added
        self.work.operations += synapses.operations(message.values)

    def step(self, now: int) -> tuple[Work, Fired | None, Message | None]:
        """One time step after its messages: what was done, computed and sent."""
        self.combine(now)
        fired = None
        if now in self.phases.fires:
            frame, t = self.phases.fires[now]
            fired = Fired(frame, t, self.fire(t))
            self.network_step = (t + 1) % self.layer.steps
            self.work.operations += self.fixed[0]
            self.work.multiplications += self.fixed[1]
        message = None
        if now in self.phases.sends:
            message = self.sent(self.phases.sends[now][1])
        work, self.work = self.work, Work()
        work.updates = self.layer.neurons
        return work, fired, message

    def combine(self, now: int) -> None:
        """What neurons with two ports do with what has arrived."""

    def fire(self, t: int) -> Tensor:
        """The program of the neurons in network step t: their value, kept in the register."""
        value = self.rounded(self.taken(t))
        if self.layer.resets:
            self.potential = None
        self.register = value.to(torch.uint8) if self.layer.signal == COUNT else value
        return self.register

    def rounded(self, value: Tensor) -> Tensor:
        """What a relay sends of its potential."""
        return value

    def taken(self, t: int) -> Tensor:
        """The potential with the neurons' own constants."""
        found = self.potential
        if found is None:
            found = torch.zeros(1, *self.layer.shape)
        constant = self.constants[t]
        return found if constant is None else found + constant

    def sent(self, part: int) -> Message:
        """The part of the register that is due."""
        if self.register is None:
            self.register = torch.zeros(1, *self.layer.shape)
        message = part_of(self.register, self.layer, part)
        number = message.values.numel()
        if self.layer.signal == COUNT:
            number = int(torch.count_nonzero(message.values))
        self.work.messages += number
        self.work.bits += number * payload_bits(self.layer)
        return message


class RoundingUnit(Unit):
    """Relays of an up-sampled map: (u + half) >> shift."""

    def __init__(self, graph: Graph, layer: Layer) -> None:
        super().__init__(graph, layer)
        node = graph[layer.nodes[0]]
        if not isinstance(node, Upsample):
            raise GraphError(f"{layer.name}: rounds for {node.name}, which has no shift")
        self.shift = node.shift

    def rounded(self, value: Tensor) -> Tensor:
        """Half up."""
        return ((value + (1 << self.shift >> 1)) * 2.0**-self.shift).floor_()


class CountingUnit(Unit):
    """A counting population: thresholds, leak between network steps, reset after the last."""

    def __init__(self, graph: Graph, layer: Layer) -> None:
        super().__init__(graph, layer)
        node = graph[layer.nodes[0]]
        if not isinstance(node, Neuron):
            raise GraphError(f"{layer.name}: counts for {node.name}, which is no population")
        self.node = node
        self.thresholds = np.array(node.thresholds, np.int32)

    def fire(self, t: int) -> Tensor:
        """k = number of thresholds that u reaches; u ← ((u - k · reset) · decay) >> 12."""
        u = self.taken(t)
        self.register = count(u, self.thresholds)
        if t < self.layer.steps - 1:
            left = u.to(torch.int64) - self.register.to(torch.int64) * self.node.reset
            self.potential = ((left * self.node.decay[t]) >> DECAY_BITS).float()
        else:
            self.potential = None if self.layer.resets else u
        return self.register


class WeighingUnit(Unit):
    """Logits of the gate: kept for all network steps, then sent as e[t] of its table."""

    def __init__(self, graph: Graph, layer: Layer) -> None:
        super().__init__(graph, layer)
        node = graph[layer.table]
        if not isinstance(node, Gate):
            raise GraphError(f"{layer.name}: sends the table of {node.name}, which is no gate")
        self.table = torch.from_numpy(node.table.astype(np.int64))
        self.shift = node.shift
        self.logits = torch.zeros(layer.steps, layer.shape[1])

    def fire(self, t: int) -> Tensor:
        """Keep l[t]; after the last, e[t] = table[min((max l - l[t] + half) >> shift, last)]."""
        value = self.taken(t)
        self.logits[t] = value[0, 0, :, 0]
        if t == self.layer.steps - 1:
            behind = (self.logits.amax(0) - self.logits).to(torch.int64)
            index = (behind + (1 << self.shift >> 1)) >> self.shift
            self.register = self.table[index.clamp_(max=len(self.table) - 1)].float()
        if self.layer.resets:
            self.potential = None
        return value

    def sent(self, part: int) -> Message:
        """The weights of one network step."""
        if self.register is None:
            self.register = torch.zeros_like(self.logits)
        return super().sent(part)


class VotingUnit(Unit):
    """The gate: Σ e[t] · (c[t] - 2) > 0 over the counts that it keeps."""

    def __init__(self, graph: Graph, layer: Layer) -> None:
        super().__init__(graph, layer)
        self.counts = torch.zeros(layer.synapses[0].steps, *layer.shape)
        self.weights: Tensor | None = None
        self.period = 1

    def start(self, frames: int, period: int) -> None:
        """Set the phase counters, also that of the counts that arrive."""
        super().start(frames, period)
        self.period = period

    def receive(self, now: int, index: int, message: Message) -> None:
        """Counts go to the place of their network step, weights to the second port."""
        if index == 0:
            self.counts[self.slot(now)] += message.values[0].float()
        else:
            self.weights = message.values

    def slot(self, now: int) -> int:
        """The network step of counts that arrive now, by the phase counter."""
        since = (now - self.layer.opens) % self.period
        return min(since // self.layer.stride, len(self.counts) - 1)

    def combine(self, now: int) -> None:
        """One vote a time step: of the network step whose weights have come."""
        if self.weights is None:
            return
        t = (now - (self.layer.first - self.layer.busy + 1)) % self.period
        vote = self.weights[None, :, None, None] * (self.counts[t][None] - MAX_COUNT // 2)
        self.potential = vote if self.potential is None else self.potential + vote
        self.counts[t] = 0
        self.weights = None

    def fire(self, t: int) -> Tensor:
        """1 where the votes are above 0."""
        self.register = (self.taken(t) > 0).to(torch.uint8)
        if self.layer.resets:
            self.potential = None
        return self.register


class ProductUnit(Unit):
    """Neurons that add up products of what arrives at their two ports in the same time step.

    Positions: (8, d, 4d) += k (8, d, 1) · v (8, 1, 4d). Key indices: (8, 4d, H, W) +=
    q (8, 1, H, W) · kv (8, 4d, 1, 1). Partial sums of tiles add up at the port.
    """

    def __init__(self, graph: Graph, layer: Layer) -> None:
        super().__init__(graph, layer)
        self.outer = layer.synapses[0].part == POSITIONS
        node = graph[layer.synapses[0].node]
        self.gain = 2.0**node.shift if isinstance(node, Read) else 1.0
        self.synapses = 1
        if isinstance(node, Read):
            self.synapses = node.shape[1] // HEADS * synapses_per_entry(node, graph)
        self.ports: list[Tensor | None] = [None, None]

    def receive(self, now: int, index: int, message: Message) -> None:
        """What arrives adds up at its port."""
        link = self.layer.synapses[index]
        values = for_tile(message, link).reshape(HEADS, -1).float()
        before = self.ports[link.port]
        if before is not None:
            self.work.operations += values.numel()  # a partial sum of another tile
            values = before + values
        self.ports[link.port] = values

    def combine(self, now: int) -> None:
        """Multiply and empty the ports."""
        a, b = self.ports
        self.ports = [None, None]
        if a is None or b is None:
            return
        if self.outer:
            product = a[:, :, None] * b[:, None, :]
            both = torch.count_nonzero(a, dim=1) * torch.count_nonzero(b, dim=1)
            self.work.operations += int(both.sum())
        else:
            product = (b * self.gain)[:, :, None] * a[:, None, :]
            self.work.operations += int(torch.count_nonzero(a)) * self.synapses
        product = product.reshape(1, *self.layer.shape)
        self.potential = product if self.potential is None else self.potential.add_(product)


class CountingProductUnit(ProductUnit, CountingUnit):
    """A population that multiplies by itself: q · kv of the same frame."""


UNITS: dict[tuple[str, bool], type[Unit]] = {  # by rule, and whether two ports are multiplied
    (COUNTS, False): CountingUnit,
    (COUNTS, True): CountingProductUnit,
    (WEIGHS, False): WeighingUnit,
    (VOTES, False): VotingUnit,
    (RELAYS, True): ProductUnit,
    (RELAYS, False): Unit,
    (ROUNDS, False): RoundingUnit,
}


def build_unit(graph: Graph, layer: Layer) -> Unit:
    """The unit of a layer by its rule."""
    unit = UNITS.get((layer.rule, layer.product))
    if unit is None:
        known = ", ".join(sorted({rule for rule, _ in UNITS}))
        raise UnsupportedError(
            f"{layer.name}: no neurons of the chip run the rule {layer.rule}; there are {known}"
        )
    return unit(graph, layer)


def _fixed(graph: Graph, layer: Layer) -> tuple[int, int]:
    """Accumulations and multiplications of each firing that depend on no message."""
    rows = [FORMULAS[graph[name]](graph[name], graph).constant for name in layer.nodes]
    totals = [
        sum(int(row[FIELDS.index(column)]) for row in rows) // layer.steps
        for column in ("ac_graded", "mac")
    ]
    return totals[0], totals[1]
