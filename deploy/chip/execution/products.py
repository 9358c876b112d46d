"""Units whose neurons multiply: products of two ports, the gate; and the table of all units."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spiketrack.deploy.chip.execution.messages import Message, for_tile
from spiketrack.deploy.chip.execution.units import CountingUnit, RoundingUnit, Unit
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.requirements import (
    COUNTS,
    POSITIONS,
    RELAYS,
    ROUNDS,
    VOTES,
    WEIGHS,
    WHOLE,
)
from spiketrack.errors import GraphError, UnsupportedError
from spiketrack.integer.costs.formulas import synapses_per_entry
from spiketrack.integer.graph import Gate, Graph, Read
from spiketrack.limits import HEADS, MAX_COUNT


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
    q (8, 1, H, W) · kv (8, 4d, 1, 1). Partial sums of kv add up at the port, those of copies that
    multiply other key indices in the accumulators.
    """

    def __init__(self, graph: Graph, layer: Layer) -> None:
        super().__init__(graph, layer)
        self.outer = layer.synapses[0].part == POSITIONS
        node = graph[layer.synapses[0].node]
        self.gain = 2.0**node.shift if isinstance(node, Read) else 1.0
        self.synapses = 1
        self.per_entry = 1
        if isinstance(node, Read):
            self.per_entry = synapses_per_entry(node, graph)
            self.synapses = node.shape[1] // HEADS * self.per_entry
        self.ports: list[Tensor | None] = [None, None]

    def receive(self, now: int, index: int, message: Message) -> None:
        """What arrives adds up at its port."""
        link = self.layer.synapses[index]
        if link.part == WHOLE:
            super().receive(now, index, message)
            self.work.operations += message.values.numel()
            if self.landed is not None:
                self.landed.operations += 1
            return
        values = for_tile(message, link).reshape(HEADS, -1).float()
        before = self.ports[link.port]
        if before is not None:
            self.work.operations += values.numel()  # a partial sum of another tile
            self._land_first(link.port, values)
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
            self._land((a != 0)[:, :, None] & (b != 0)[:, None, :])
        else:
            product = (b * self.gain)[:, :, None] * a[:, None, :]
            self.work.operations += int(torch.count_nonzero(a)) * self.synapses
            self._land((a != 0)[:, None, :].expand(-1, b.shape[1], -1))
        product = product.reshape(1, *self.layer.shape)
        self.potential = product if self.potential is None else self.potential.add_(product)

    def _land(self, multiplied: Tensor) -> None:
        """Products of two values that are not 0, neuron by neuron."""
        if self.landed is not None:
            self.landed.operations += multiplied.reshape(self.layer.shape) * self.per_entry

    def _land_first(self, port: int, values: Tensor) -> None:
        """What is added up at a port counts once, at the first neuron that takes it."""
        if self.landed is not None:
            first = 2 if (port == 0) is self.outer else 1  # the axis along which others take it
            landed = self.landed.operations.view(HEADS, self.layer.shape[0] // HEADS, -1)
            landed.select(first, 0).add_(torch.ones_like(values, dtype=torch.int64))


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
