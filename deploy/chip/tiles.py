"""Products spread over copies of their neurons: fewer steps for more neurons.

kv = Σ over positions of k · v takes one position a time step. With n tiles there are n copies of
its neurons, each for a rectangle of P² / n positions, and all of them work in the same steps. Their
partial sums add up where they arrive: at the port of the population that reads kv, or in a relay
where the host does.

q · kv takes one key index a time step. With m tiles the population that counts it multiplies d / m
of them, and m - 1 copies of its neurons, which count nothing, the others; it fires one step later,
when their partial sums have come.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spiketrack.deploy.chip.layers import READOUT, Layer
from spiketrack.deploy.chip.reach import Axis, identity, whole
from spiketrack.deploy.chip.requirements import KEYS, POSITIONS, PRODUCT, RELAYS, Synapses
from spiketrack.integer.graph import MEMBRANE
from spiketrack.limits import POTENTIAL_BITS, WEIGHT_BITS

Copies = dict[str, tuple[Layer, ...]]


@dataclass(frozen=True)
class Tiles:
    """Copies at most of products over positions (kv), and over key indices (q · kv)."""

    positions: int = 1
    keys: int = 1

    def __str__(self) -> str:
        return str(self.positions) if self.keys == 1 else f"{self.positions}x{self.keys}"


def tile(layers: Sequence[Layer], tiles: Tiles) -> tuple[Layer, ...]:
    """Layers with each product in at most so many copies."""
    tiled: list[Layer] = []
    copies: Copies = {}
    for layer in layers:
        if _multiplies(layer, POSITIONS):
            tiled += _over_positions(layer, tiles.positions, copies)
        elif _multiplies(layer, KEYS):
            tiled += (_reading(part, copies) for part in _over_keys(layer, tiles.keys))
        else:
            tiled.append(_reading(layer, copies))
    return tuple(tiled)


def possible_tiles(layers: Sequence[Layer]) -> tuple[Tiles, ...]:
    """Every pair of numbers of copies that cut maps and key indices into equal parts, ascending."""
    positions = _possible(layers, POSITIONS, _positions_of)
    return tuple(Tiles(n, m) for m in _possible(layers, KEYS, _keys_of) for n in positions)


def neurons(layers: Sequence[Layer], tiles: Tiles) -> int:
    """Of the layers that ``tile`` gives."""
    return sum(_copies_of(layer, tiles) * layer.neurons for layer in layers)


def _copies_of(layer: Layer, tiles: Tiles) -> int:
    if _multiplies(layer, KEYS):
        return layer.busy // _keys_of(layer, tiles.keys)
    if _multiplies(layer, POSITIONS):
        number = layer.busy // _positions_of(layer, tiles.positions)
        return number + (layer.host and number > 1)  # one more where a relay adds them up
    return 1


def _multiplies(layer: Layer, part: str) -> bool:
    return layer.product and layer.synapses[0].part == part


def _possible(
    layers: Sequence[Layer], part: str, shared: Callable[[Layer, int], int]
) -> tuple[int, ...]:
    numbers = {1}
    for layer in layers:
        if _multiplies(layer, part):
            numbers |= {n for n in range(2, layer.busy + 1) if shared(layer, n) * n == layer.busy}
    return tuple(sorted(numbers))


# positions


def _over_positions(layer: Layer, tiles: int, copies: Copies) -> list[Layer]:
    """Copies of kv; where the host reads it, a relay that has its name adds them up."""
    parts = _position_copies(layer, tiles)
    if not layer.host:
        copies[layer.name] = parts
    elif len(parts) > 1:
        return [*parts, _collector(layer, parts)]
    return list(parts)


def _positions_of(layer: Layer, tiles: int) -> int:
    """Positions of each of the most copies, at most ``tiles``, that are equal rectangles."""
    width = layer.synapses[0].axes[2].extent
    for number in range(min(tiles, layer.busy), 1, -1):
        size, rest = divmod(layer.busy, number)
        if not rest and (size % width == 0 or width % size == 0):
            return size
    return layer.busy


def _position_copies(layer: Layer, tiles: int) -> tuple[Layer, ...]:
    busy = _positions_of(layer, tiles)
    number = layer.busy // busy
    if number == 1:
        return (layer,)
    return tuple(
        dataclasses.replace(
            layer,
            name=f"{layer.name}+tile{index}",
            busy=busy,
            host=False,
            synapses=tuple(_rectangle(link, index, busy) for link in layer.synapses),
        )
        for index in range(number)
    )


def _rectangle(link: Synapses, index: int, busy: int) -> Synapses:
    """The positions index · busy to (index + 1) · busy - 1 of a map, row by row."""
    channels, _, columns = link.axes
    width = columns.extent
    row, column = divmod(index * busy, width)
    rows = whole(max(busy // width, 1), row)
    axes: tuple[Axis, Axis, Axis] = (channels, rows, whole(min(busy, width), column))
    return dataclasses.replace(link, tile=index, axes=axes)


def _collector(layer: Layer, parts: Sequence[Layer]) -> Layer:
    """A relay that adds the partial sums up for the host; it has the layer's name."""
    return dataclasses.replace(
        layer, kind=READOUT, synapses=_sums(parts, layer), ports=1, busy=1,
        state_bits=POTENTIAL_BITS, nodes=(), rule=RELAYS,
    )  # fmt: skip


def _sums(parts: Sequence[Layer], layer: Layer) -> tuple[Synapses, ...]:
    """Synapses of weight 1 from each partial sum."""
    axes = identity(layer.shape)
    return tuple(
        Synapses(part.name, axes, 0, WEIGHT_BITS, layer.steps, WEIGHT_BITS) for part in parts
    )


# key indices


def _keys_of(layer: Layer, tiles: int) -> int:
    """Key indices of each of the most copies, at most ``tiles``, that have equally many."""
    return next(layer.busy // n for n in range(tiles, 0, -1) if layer.busy % n == 0)


def _over_keys(layer: Layer, tiles: int) -> tuple[Layer, ...]:
    """Copies that send their partial sums to the last of them, which is the layer itself."""
    parts = _keys_of(layer, tiles)
    number = layer.busy // parts
    if number == 1:
        return (layer,)
    cut = [tuple(_slice(x, n, parts) for x in layer.synapses) for n in range(number)]
    copies = tuple(
        Layer(
            name=f"{layer.name}+tile{index}",
            kind=PRODUCT,
            shape=layer.shape,
            steps=layer.steps,
            synapses=cut[index],
            ports=2,
            busy=parts,
            state_bits=POTENTIAL_BITS * 2,
            nodes=(layer.synapses[0].node,),
            rule=RELAYS,
            signal=MEMBRANE,
        )
        for index in range(1, number)
    )
    links = (*cut[0], *_sums(copies, layer))
    return (*copies, dataclasses.replace(layer, busy=parts + 1, synapses=links))


def _slice(link: Synapses, index: int, parts: int) -> Synapses:
    """The key indices index · parts to (index + 1) · parts - 1 of each head."""
    across, rows, columns = link.axes
    own = dataclasses.replace(across, width=parts, padding=-index * parts)
    return dataclasses.replace(link, tile=index, axes=(own, rows, columns))


def _reading(layer: Layer, copies: Copies) -> Layer:
    links: list[Synapses] = []
    for link in layer.synapses:
        parts = copies.get(link.source, ())
        links += [dataclasses.replace(link, source=part.name) for part in parts] or [link]
    return dataclasses.replace(layer, synapses=tuple(links))
