"""Synapses into a neuron, cores that its message reaches, and widths, against a board's limits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spiketrack.deploy.chip.board import Board, CapacityError
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import Readers, Tilings
from spiketrack.deploy.chip.requirements import Synapses
from spiketrack.limits import POTENTIAL_BITS, WEIGHT_BITS


def check_widths(layers: Sequence[Layer], board: Board) -> None:
    """``CapacityError`` where weights, potentials or payloads are wider than the board's."""
    for bits, quantity, what in (
        (WEIGHT_BITS, board.weight_bits, "weights"),
        (POTENTIAL_BITS, board.state_bits, "potentials"),
        (POTENTIAL_BITS, board.payload_bits, "payloads"),
    ):
        if bits > quantity.value:
            raise CapacityError(
                f"{layers[0].name}: {what} of {bits} bits exceed the {quantity.value} of board "
                f"{board.name}; choose a board with {bits}"
            )


def check_fans(layers: Sequence[Layer], tilings: Tilings, readers: Readers, board: Board) -> None:
    """``CapacityError`` where a neuron has more synapses or readers than the board allows."""
    if board.fan_in.value is None and board.fan_out_cores.value is None:
        return
    for layer in layers:
        _check_fan(layer, fan_in(layer), board.fan_in.value, "fan-in", "synapses a neuron", board)
        reached = fan_out_cores(layer, tilings, readers)
        _check_fan(layer, reached, board.fan_out_cores.value, "fan-out", "cores a neuron", board)


def _check_fan(
    layer: Layer, value: int, limit: int | None, what: str, unit: str, board: Board
) -> None:
    if limit is not None and value > limit:
        raise CapacityError(
            f"{layer.name}: {what} of {value:,} {unit} exceeds the {limit:,} of board "
            f"{board.name} by {value - limit:,}; use a narrower variant or relay in two stages"
        )


def fan_in(layer: Layer) -> int:
    """Most synapses that end in one neuron."""
    return sum(fan_in_of(link, layer) for link in layer.synapses)


def fan_in_of(link: Synapses, layer: Layer) -> int:
    """Most synapses of one kind that end in one neuron."""
    sizes = (1 if axis.of is None else layer.shape[axis.of] for axis in link.axes)
    reached = math.prod(int(a.fan_in(n).max()) for a, n in zip(link.axes, sizes, strict=True))
    return reached // link.thin


def fan_out_cores(layer: Layer, tilings: Tilings, readers: Readers) -> int:
    """Most blocks of readers that one neuron's message reaches."""
    total = 0
    for reader, link in readers.get(layer.name, ()):
        tiling = tilings[reader.name]
        product, unread = 1, {0, 1, 2}
        for along, axis in enumerate(link.axes):
            if axis.of is None:
                continue
            unread.discard(axis.of)
            start, stop = axis.reach(*tiling.cuts(axis.of))
            steps = np.zeros(layer.shape[along] + 1, np.int64)
            np.add.at(steps, start, 1)
            np.subtract.at(steps, stop, 1)
            product *= int(np.cumsum(steps).max())
        for number in unread:
            product *= tiling.counts[number]
        total += product
    return total
