"""Products over positions, spread over copies of their neurons: fewer steps for more neurons.

kv = Σ over positions of k · v takes one position a time step. With n tiles there are n copies of
its neurons, each for a rectangle of P² / n positions, and all of them work in the same steps. Their
partial sums add up where they arrive: at the port of the population that reads kv, or in a relay
where the host does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from spiketrack.deploy.chip.layers import READOUT, Layer
from spiketrack.deploy.chip.reach import Axis, identity, whole
from spiketrack.deploy.chip.requirements import POSITIONS, RELAYS, Synapses
from spiketrack.limits import POTENTIAL_BITS, WEIGHT_BITS


def tile(layers: Sequence[Layer], tiles: int) -> tuple[Layer, ...]:
    """Layers with each product over positions in at most ``tiles`` copies."""
    found: list[Layer] = []
    copies: dict[str, tuple[Layer, ...]] = {}
    for layer in layers:
        if tiles > 1 and layer.product and layer.synapses[0].part == POSITIONS:
            parts = _copies(layer, tiles)
            found += parts
            if not layer.host:
                copies[layer.name] = parts
            elif len(parts) > 1:
                found.append(_collector(layer, parts))
        else:
            found.append(_reading(layer, copies))
    return tuple(found)


def possible_tiles(layers: Sequence[Layer]) -> tuple[int, ...]:
    """Numbers of copies that cut a map into equal rectangles, ascending, 1 among them."""
    found = {1}
    for layer in layers:
        if layer.product and layer.synapses[0].part == POSITIONS:
            found |= {n for n in range(2, layer.busy + 1) if _busy(layer, n) * n == layer.busy}
    return tuple(sorted(found))


def _busy(layer: Layer, tiles: int) -> int:
    """Positions of each of the most copies, at most ``tiles``, that are equal rectangles."""
    width = layer.synapses[0].axes[2].extent
    for number in range(min(tiles, layer.busy), 1, -1):
        size, rest = divmod(layer.busy, number)
        if not rest and (size % width == 0 or width % size == 0):
            return size
    return layer.busy


def _copies(layer: Layer, tiles: int) -> tuple[Layer, ...]:
    busy = _busy(layer, tiles)
    number = layer.busy // busy
    if number == 1:
        return (layer,)
    return tuple(
        dataclasses.replace(
            layer,
            name=f"{layer.name}+tile{index}",
            busy=busy,
            host=False,
            synapses=tuple(_cut(link, index, busy) for link in layer.synapses),
        )
        for index in range(number)
    )


def _cut(link: Synapses, index: int, busy: int) -> Synapses:
    """The positions index · busy to (index + 1) · busy - 1 of a map, row by row."""
    channels, _, columns = link.axes
    width = columns.extent
    row, column = divmod(index * busy, width)
    rows = whole(max(busy // width, 1), row)
    axes: tuple[Axis, Axis, Axis] = (channels, rows, whole(min(busy, width), column))
    return dataclasses.replace(link, tile=index, axes=axes)


def _collector(layer: Layer, parts: Sequence[Layer]) -> Layer:
    """A relay that adds the partial sums up for the host; it has the layer's name."""
    axes = identity(layer.shape)
    links = tuple(
        Synapses(part.name, axes, 0, WEIGHT_BITS, layer.steps, WEIGHT_BITS) for part in parts
    )
    return dataclasses.replace(
        layer, kind=READOUT, synapses=links, ports=1, busy=1, state_bits=POTENTIAL_BITS,
        nodes=(), rule=RELAYS,
    )  # fmt: skip


def _reading(layer: Layer, copies: dict[str, tuple[Layer, ...]]) -> Layer:
    links: list[Synapses] = []
    for link in layer.synapses:
        parts = copies.get(link.source, ())
        links += [dataclasses.replace(link, source=part.name) for part in parts] or [link]
    return dataclasses.replace(layer, synapses=tuple(links))
