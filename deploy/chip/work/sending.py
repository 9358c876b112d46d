"""What each layer sends in each part of a sending, box by box.

A layer sends ``times`` times in a frame, in ``parts`` time steps each (``layers.Sends``): whole
maps, one position a step, one key index a step, or the gate's weights. Populations send their
non-zero counts, and relays what they repeat of them; relays and products of membranes send every
value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.reach import Index
from spiketrack.deploy.chip.requirements import KEYS, POSITIONS, TABLE
from spiketrack.deploy.chip.work.boxes import Sums
from spiketrack.deploy.chip.work.needs import Boxes
from spiketrack.errors import GraphError
from spiketrack.integer.graph import COUNT
from spiketrack.limits import HEADS

Counts = Mapping[str, NDArray[np.int8]]  # population → (T, C, H, W) of one inference
Map = NDArray[np.bool_]  # (C, H, W): which neurons send


@dataclass(frozen=True, eq=False)
class Sending:
    """One of the times that a layer sends: ``maps``, which neurons send, one a part if whole.

    ``maps`` (parts, C, H, W) of whole maps, of binary spikes and of the gate's weights; (1, C, H,
    W) where part p sends positions or key indices p.
    """

    layer: Layer
    maps: Map

    @property
    def parts(self) -> int:
        """Time steps that it takes."""
        return self.layer.sends.parts

    def over(self, boxes: Boxes) -> Index:
        """Messages of the neurons in each box in each part, (boxes, parts)."""
        kind = self.layer.sends.part
        if kind == POSITIONS:
            return positions(self.maps[0], boxes, self.parts)
        if kind == KEYS:
            return keys(self.maps[0], boxes, self.parts)
        return np.stack([Sums(sent).over(boxes) for sent in self.maps], 1).astype(np.int64)


def sending(layer: Layer, source: Layer, counts: Counts | None, time: int) -> Sending:
    """Time ``time`` of a layer that sends the counts of ``source``; None: every neuron sends."""
    sends = layer.sends
    parts = sends.parts if sends.binary or sends.part == TABLE else 1
    if counts is None or layer.signal != COUNT:
        return Sending(layer, np.ones((parts, *layer.shape), bool))
    if source.name not in counts:
        raise GraphError(f"{source.name}: the run recorded no counts of it")
    recorded = counts[source.name]
    k = recorded[time if len(recorded) > 1 else 0].reshape(layer.shape)
    return Sending(layer, np.stack([k > part for part in range(parts)]))


def positions(sent: Map, boxes: Boxes, parts: int) -> Index:
    """Part p sends positions p, p + parts, … of the map, row by row: (boxes, parts)."""
    channels, height, width = sent.shape
    below = np.zeros((channels + 1, height, width), np.int64)
    np.cumsum(sent, 0, np.int64, out=below[1:])
    places = np.zeros((len(boxes), height, width), np.int64)
    for number, (c0, c1, y0, y1, x0, x1) in enumerate(boxes.tolist()):
        places[number, y0:y1, x0:x1] = (below[c1] - below[c0])[y0:y1, x0:x1]
    sums: Index = places.reshape(len(boxes), -1, parts).sum(1)
    return sums


def keys(sent: Map, boxes: Boxes, parts: int) -> Index:
    """Part p sends channels p, p + parts, … of each head: (boxes, parts)."""
    channels = len(sent)
    if channels % (HEADS * parts):
        raise GraphError(f"{channels} channels are not {HEADS} heads of {parts} key indices")
    events = np.zeros((len(boxes), channels), np.int64)
    for number, (c0, c1, y0, y1, x0, x1) in enumerate(boxes.tolist()):
        events[number, c0:c1] = np.count_nonzero(sent[c0:c1, y0:y1, x0:x1], (1, 2))
    sums: Index = events.reshape(len(boxes), -1, parts).sum(1)
    return sums
