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
from spiketrack.deploy.chip.execution.landings import Landed, fixed_landings
from spiketrack.deploy.chip.execution.messages import Message, part_of, payload_bits
from spiketrack.deploy.chip.execution.synapses import MemoryRead, Operator, constants, operator
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.requirements import (
    KEYS,
    POSITIONS,
)
from spiketrack.errors import GraphError
from spiketrack.integer.costs.formulas import FORMULAS
from spiketrack.integer.counting import FIELDS
from spiketrack.integer.graph import COUNT, Graph, Neuron, Upsample
from spiketrack.integer.neurons import count
from spiketrack.limits import DECAY_BITS


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
        self.landed: Landed | None = None
        self.fixed_landed: Landed | None = None
        self.potential: Tensor | None = None
        self.register: Tensor | None = None
        self.work = Work()
        self.phases = Phases({}, {})
        self.network_step = 0

    def locate(self, graph: Graph) -> None:
        """Note from now on where operations land; ``take_landed`` gives those of a step."""
        self.landed = Landed.none(self.layer.shape)
        self.fixed_landed = fixed_landings(graph, self.layer)

    def take_landed(self) -> Landed:
        """What has landed since the last call, of a unit that locates."""
        landed, self.landed = self.landed, Landed.none(self.layer.shape)
        return landed or self.landed

    def start(self, frames: int, period: int) -> None:
        """Set the phase counters; the state stays what it is."""
        self.phases = Phases.of(self.layer, frames, period)
        self.network_step = 0

    def write(self, memory: Mapping[str, Tensor]) -> None:
        """The host rewrites weights that are a memory."""
        for part in self.operators:
            if isinstance(part, MemoryRead) and part.name in memory:
                part.write(memory[part.name])

    def receive(self, now: int, index: int, message: Message) -> None:
        """Integrate a message that arrives through connection ``index``."""
        synapses = self.operators[index]
        if synapses is None:
            raise GraphError(f"{self.layer.name}: no accumulator for connection {index}")
        added = synapses.apply(message.values, self.network_step)
        self.potential = added if self.potential is None else self.potential + added
        self.work.operations += synapses.operations(message.values)
        if self.landed is not None and (reached := synapses.reached(message.values)) is not None:
            self.landed.operations += reached

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
            if self.landed is not None and self.fixed_landed is not None:
                self.landed.add(self.fixed_landed)
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
        potential = self.potential
        if potential is None:
            potential = torch.zeros(1, *self.layer.shape)
        constant = self.constants[t]
        return potential if constant is None else potential + constant

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


def _fixed(graph: Graph, layer: Layer) -> tuple[int, int]:
    """Accumulations and multiplications of each firing that depend on no message."""
    rows = [FORMULAS[graph[name]](graph[name], graph).constant for name in layer.nodes]
    totals = [
        sum(int(row[FIELDS.index(column)]) for row in rows) // layer.steps
        for column in ("ac_graded", "mac")
    ]
    return totals[0], totals[1]
