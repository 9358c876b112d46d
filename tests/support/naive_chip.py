"""The chip, naively: every layer in every time step, int64, no skipping, none of the engine's code.

A second oracle beside ``naive.py``: it follows a program's phases, delays and resets step by step
with one array of accumulators a port, and gives the counts, what the host reads, and how many
values each layer sent in each time step.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.deploy.chip.requirements import Synapses
from spiketrack.integer.graph import Conv, Graph, Input, Neuron, PositionsAsChannels, Read, Upsample
from support.naive import RULES

Array = NDArray[np.int64]
Mail = dict[int, list[tuple[str, Synapses, Array]]]


class NaiveChip:
    """Runs frames through a program; see the module's text for what it gives."""

    def __init__(
        self, graph: Graph, program: ChipProgram, memory: Mapping[str, Array] | None = None
    ) -> None:
        self.graph, self.program, self.memory = graph, program, memory or {}
        self.layers = {layer.name: layer for layer in program.layers}
        self.state: dict[tuple[str, str], Any] = {}
        self.fired: dict[str, list[Array]] = defaultdict(list)
        self.sent: dict[tuple[int, str], int] = {}

    def run(self, images: Sequence[Array]) -> None:
        period = self.program.period
        stride = self.program.layers[0].stride if self.program.layers else 1
        (image,) = (n.name for n in self.graph.inputs if n.signal == "image")
        mail: Mail = defaultdict(list)
        for now in range(period * (len(images) - 1) + self.program.latency + 300):
            for f, crops in enumerate(images):
                for t, crop in enumerate(crops):
                    if now == f * period + t * stride:
                        self.deliver(mail, now, image, crop[None])
            for name, link, values in mail.pop(now, []):
                self.integrate(self.layers[name], link, values, now, len(images))
            for layer in self.program.layers:
                self.multiply(layer, now)
                for f in range(len(images)):
                    since = now - f * period
                    for t in range(layer.steps):
                        if since == layer.first + layer.stride * t:
                            self.fire(layer, t)
                    self.send(layer, since, now, mail)

    def deliver(self, mail: Mail, now: int, name: str, values: Array) -> None:
        for layer in self.program.layers:
            for link in layer.synapses:
                if link.source == name:
                    mail[now + 1 + link.delay].append((layer.name, link, values))

    def integrate(self, layer: Layer, link: Synapses, values: Array, now: int, frames: int) -> None:
        if layer.rule == "votes":
            if link.port == 1:
                self.state[layer.name, "weights"] = values
                return
            slots = self.state.setdefault(
                (layer.name, "slots"), np.zeros((link.steps, *layer.shape), np.int64)
            )
            times = [
                (f * self.program.period + layer.opens + layer.stride * t, t)
                for f in range(frames)
                for t in range(link.steps)
            ]
            slots[max(t for t in times if t[0] <= now)[1]] += values[0]
        elif link.part == "whole" and layer.ports == 2:
            self.add(layer, "sums", values)
        elif link.part == "whole":
            self.add(layer, "u", self.weigh(link, values, self.state.get((layer.name, "t"), 0)))
        else:
            tile = values[link.tile] if link.part == "positions" else values[:, link.tile]
            self.add(layer, f"port{link.port}", tile.reshape(8, -1))

    def weigh(self, link: Synapses, values: Array, t: int) -> Array:
        """What a message of a whole map adds, by the rule of the node whose weights they are."""
        if not link.node:
            return values
        node = self.graph[link.node]
        source = self.graph[node.inputs[0]]
        if isinstance(source, PositionsAsChannels):
            wiring = dataclasses.replace(source, shape=(1, *source.shape[1:]))
            values = RULES[wiring](wiring, values)
        one = dataclasses.replace(node, shape=(1, *node.shape[1:]))
        if isinstance(one, Conv):
            s = t if len(one.weight) > 1 else 0
            one = dataclasses.replace(
                one,
                weight=one.weight[s : s + 1],
                shift=one.shift[s : s + 1],
                bias=0 * one.bias[s : s + 1],
            )
            return RULES[one](one, values)
        if isinstance(one, Upsample):
            return RULES[one](dataclasses.replace(one, shift=0), values)
        if isinstance(one, Read):
            memory = self.memory[one.inputs[1]]
            s = t if len(memory) > 1 else 0
            return RULES[one](one, values, memory[s : s + 1])
        return RULES[one](one, values)

    def add(self, layer: Layer, what: str, values: Array) -> None:
        self.state[layer.name, what] = self.state.get((layer.name, what), 0) + values

    def multiply(self, layer: Layer, now: int) -> None:
        name = layer.name
        if layer.rule == "votes" and (name, "weights") in self.state:
            weights = self.state.pop((name, "weights"))
            slots = self.state[name, "slots"]
            t = (now - layer.first + layer.busy - 1) % self.program.period
            self.add(layer, "u", weights[None, :, None, None] * (slots[t][None] - 2))
            slots[t] = 0
        if (name, "port0") not in self.state and (name, "port1") not in self.state:
            return
        a, b = self.state.pop((name, "port0"), None), self.state.pop((name, "port1"), None)
        if a is None or b is None:
            return
        if layer.synapses[0].part == "positions":
            product = np.einsum("hi,hj->hij", a, b)
        else:
            product = np.einsum("hp,hj->hjp", a, b)
        self.add(layer, "u", product.reshape(1, *layer.shape))

    def fire(self, layer: Layer, t: int) -> None:
        name = layer.name
        u = self.state.pop((name, "u"), 0) + np.zeros((1, *layer.shape), np.int64)
        for node_name in layer.nodes:
            node = self.graph[node_name]
            if isinstance(node, Conv):
                u = u + node.bias[t if len(node.bias) > 1 else 0].astype(np.int64)[:, None, None]
            elif (constant := getattr(node, "constant", None)) is not None:
                u = u + constant[t if len(constant) > 1 else 0].astype(np.int64)
            elif isinstance(node, Read) and not isinstance(self.graph[node.inputs[1]], Input):
                leaked = self.state.pop((name, "leaked"), 0)
                u = (u << node.shift) + leaked + self.state.pop((name, "sums"), 0)
        value = u
        host = self.graph[layer.nodes[0]] if layer.nodes else None
        if layer.rule == "counts" and isinstance(host, Neuron):
            value = sum(((u >= level).astype(np.int64) for level in host.thresholds), 0 * u)
            if t < layer.steps - 1:
                left = ((u - value * host.reset) * host.decay[t]) >> 12
                self.state[name, "leaked" if layer.ports == 2 else "u"] = left
        elif layer.rule == "votes":
            value = (u > 0).astype(np.int64)
        elif isinstance(host, Upsample):
            value = (u + ((1 << host.shift) >> 1)) >> host.shift
        self.fired[name].append(value)
        self.state[name, "t"] = (t + 1) % layer.steps
        if layer.rule != "weighs":
            self.state[name, "register"] = value
            return
        logits = self.state.setdefault((name, "logits"), {})
        logits[t] = value[0, 0, :, 0]
        if t == layer.steps - 1:
            self.state[name, "register"] = self.weights(layer, logits)

    def weights(self, layer: Layer, logits: Mapping[int, Array]) -> Array:
        gate = self.graph[layer.table]
        table, shift = gate.table, gate.shift  # type: ignore[attr-defined]
        found = np.zeros((layer.steps, layer.shape[1]), np.int64)
        for c in range(layer.shape[1]):
            most = max(row[c] for row in logits.values())
            for t, row in logits.items():
                index = (most - row[c] + ((1 << shift) >> 1)) >> shift
                found[t, c] = table[min(index, len(table) - 1)]
        return found

    def send(self, layer: Layer, since: int, now: int, mail: Mail) -> None:
        sends = layer.sends
        for t in range(sends.times):
            part = since - sends.first - layer.stride * t
            if not 0 <= part < sends.parts:
                continue
            value = self.state[layer.name, "register"]
            if sends.binary:
                value = (value >= part + 1).astype(np.int64)
            elif sends.part == "positions":
                h, w = value.shape[2:]
                tiles = h * w // sends.parts
                places = [divmod(tile * sends.parts + part, w) for tile in range(tiles)]
                value = np.stack([value[0, :, y, x] for y, x in places])
            elif sends.part == "keys":
                d = value.shape[1] // 8
                tiles = [range(h * d + part, (h + 1) * d, sends.parts) for h in range(8)]
                value = np.stack([[value[0, c] for c in channels] for channels in tiles])
            elif sends.part == "table":
                value = value[part]
            counts = layer.signal == "count"
            self.sent[now, layer.name] = int((value != 0).sum()) if counts else value.size
            self.deliver(mail, now, layer.name, value)
