"""Cut every layer into blocks that a core holds: by channels and by image tiles with halo.

For each layer all pairs of tile sizes that divide its map evenly are tried, each with the block
counts that divide its channels evenly and with as many channels as fit. The cheapest cutting
wins: fewest cores, then fewest messages and table entries. Sources are cut before their readers,
so what a block receives is known; what it sends is known after a first round and reserved in the
next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.board import Board, CapacityError
from spiketrack.deploy.chip.fans import check_fans, check_widths, fan_in_of
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import (
    RESOURCES,
    Loads,
    Tilings,
    limits,
    loads,
    places,
    readers_of,
)
from spiketrack.deploy.chip.reach import Axis, Index, Tiling

ROUNDS = 12  # of reserving for what is sent; three suffice for the published networks
SLENDER = 4  # tiles longer than this times their width have too much halo
NEARLY = 1.01  # cuttings within this of the fewest cores compete by routes
FEW = 1.25  # times the fewest blocks: crumbs would pack as well, but need more routes
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Reserve:
    """Entries a pixel kept free for what a layer sends; ``shrink`` ≥ 1 cuts finer."""

    axons: float = 0.0
    shrink: float = 1.0


def partition(
    layers: Sequence[Layer], board: Board, finer: Mapping[str, float] = MappingProxyType({})
) -> tuple[dict[str, Tiling], dict[str, Loads]]:
    """A tiling of every layer and the loads of its blocks, none above any limit of the board.

    ``finer``: layers whose blocks have at most so many times fewer neurons than a core holds.
    ``CapacityError`` names the layer, the resource and by how much where none exists.
    """
    check_widths(layers, board)
    readers = readers_of(layers)
    reserves = {n.name: Reserve(shrink=finer.get(n.name, 1.0)) for n in layers}
    for _ in range(ROUNDS):
        tilings = _cut(layers, reserves, board)
        needed = {layer.name: loads(layer, tilings, readers, board) for layer in layers}
        worse = _too_big(layers, needed, board)
        reserves.update({n.name: _raised(n, tilings, needed, reserves, board) for n in worse})
        if not worse:
            check_fans(layers, tilings, readers, board)
            return tilings, needed
    raise _overfull(worse[0], needed[worse[0].name], board)


# one layer


def _cut(
    layers: Sequence[Layer], reserves: Mapping[str, Reserve], board: Board
) -> dict[str, Tiling]:
    """Cut layer after layer; layers that look alike are cut alike."""
    tilings: dict[str, Tiling] = {}
    known: dict[object, Tiling] = {}
    for layer in layers:
        sources = tuple(tilings.get(link.source) for link in layer.synapses)
        links = tuple((s.axes, s.weight_bits, s.synapse_bits) for s in layer.synapses)
        sizes = (layer.shape, layer.ports, layer.state_bits, layer.channel_bits, layer.fixed_bits)
        key = (sizes, links, sources, reserves[layer.name])
        if key not in known:
            known[key] = _choose(layer, tilings, reserves[layer.name], board)
        tilings[layer.name] = known[key]
    return tilings


def _choose(layer: Layer, tilings: Tilings, reserve: Reserve, board: Board) -> Tiling:
    blocks = _candidates(layer, reserve, board)
    fraction, routes = _estimate(layer, blocks, tilings, reserve, board)
    fits = fraction <= 1
    if not fits.any():
        smallest = blocks[[int(np.argmin(fraction))]]
        raise _nothing_fits(layer, smallest, tilings, reserve, board)
    number = _number(layer, blocks)
    kept = fits & (number <= number[fits].min() * FEW)
    blocks, routes = blocks[kept], (routes * number)[kept]
    cores = _cores(layer, blocks, tilings, reserve, board)
    routes[cores > cores.min() * NEARLY] = np.inf
    c, h, w = (int(n) for n in blocks[np.argmin(routes)])
    return Tiling(layer.shape, (c, h, w))


def _candidates(layer: Layer, reserve: Reserve, board: Board) -> Index:
    """(n, 3) block sizes of at most as many neurons as a core holds."""
    capacity = int(board.neurons_per_core.value / places(layer, board) / reserve.shrink)
    if capacity < 1:
        raise CapacityError(
            f"{layer.name}: a neuron that takes the place of {places(layer, board)} exceeds the "
            f"{board.neurons_per_core.value} neurons of a core of board {board.name}"
        )
    rows, columns = np.meshgrid(_even(layer.shape[1]), _even(layer.shape[2]))
    tiles = np.stack([rows.ravel(), columns.ravel()], axis=1)
    long, short = tiles.max(1), tiles.min(1)
    square = (long <= SLENDER * short) | (min(layer.shape[1:]) == 1) | (long == 1)
    tiles = tiles[square & (tiles.prod(1) <= capacity)]
    most = np.minimum(capacity // tiles.prod(1), layer.shape[0])
    channels = np.broadcast_to(_even(layer.shape[0]), (len(tiles), len(_even(layer.shape[0]))))
    channels = np.concatenate([np.minimum(channels, most[:, None]), most[:, None]], axis=1)
    tiles = np.repeat(tiles, channels.shape[1], axis=0)
    return np.asarray(np.unique(np.column_stack([channels.ravel(), tiles]), axis=0), np.int64)


def _even(extent: int) -> Index:
    """Sizes that cut an axis into equal parts as far as possible, one for each useful number."""
    return np.asarray(np.unique(-(-extent // np.arange(1, extent + 1))), np.int64)


def _estimate(
    layer: Layer, blocks: Index, tilings: Tilings, reserve: Reserve, board: Board
) -> tuple[Reals, Reals]:
    """Fullest resource as a fraction, and routes (messages received if all sources fire, and
    axon entries), of blocks wherever they lie."""
    used, received = _used(layer, blocks, tilings, reserve, board)
    fraction: Reals = (used / limits(board)).max(1)
    return fraction, received + used[:, RESOURCES.index("input axons")]


def _used(
    layer: Layer, blocks: Index, tilings: Tilings, reserve: Reserve, board: Board
) -> tuple[Reals, Reals]:
    """Upper bounds of each resource (blocks, resources) and of the messages received."""
    c, pixels, neurons = blocks[:, 0], blocks[:, 1] * blocks[:, 2], blocks.prod(1)
    entries = np.zeros(len(blocks), np.int64)
    received = np.zeros(len(blocks))
    memory = neurons * layer.state_bits + c * layer.channel_bits + layer.fixed_bits
    for link in layer.synapses:
        reach = [_longest(axis, blocks) for axis in link.axes]
        source = tilings.get(link.source)
        size = source.block[0] if source else link.axes[0].extent
        touched = np.minimum((reach[0] - 2 + size) // size + 1, -(-link.axes[0].extent // size))
        entries += touched * reach[1] * reach[2]
        received += reach[0] * reach[1] * reach[2]
        if board.shared_kernels.value:
            memory = memory + c * link.weight_bits + link.fixed_bits
        else:
            memory = memory + neurons * fan_in_of(link, layer) * link.synapse_bits
    leaving = np.ceil(pixels * reserve.axons)
    memory = memory + (entries + leaving) * board.axon_bits.value
    return np.stack([neurons * places(layer, board), memory, entries, leaving], axis=1), received


def _longest(axis: Axis, blocks: Index) -> Index:
    return axis.longest(blocks[:, 0 if axis.of is None else axis.of])


def _cores(layer: Layer, blocks: Index, tilings: Tilings, reserve: Reserve, board: Board) -> Reals:
    """Cores that a tiling takes: whole blocks by how many share a core, borders by what is used."""
    whole = np.array(layer.shape) // blocks
    rest = np.array(layer.shape) % blocks
    total = np.zeros(len(blocks))
    for corner in np.ndindex(2, 2, 2):
        border = np.array(corner, bool)
        sizes = np.where(border, rest, blocks)
        number = np.where(border, rest > 0, whole).prod(1)
        fraction, _ = _estimate(layer, np.maximum(sizes, 1), tilings, reserve, board)
        share = fraction if border.any() else 1 / np.maximum(np.floor(1 / fraction), 1)
        total += number * share
    return total


def _number(layer: Layer, blocks: Index) -> Index:
    number: Index = (-(-np.array(layer.shape) // blocks)).prod(1)
    return number


# rounds


def _too_big(layers: Sequence[Layer], needed: Mapping[str, Loads], board: Board) -> list[Layer]:
    most = limits(board)
    return [layer for layer in layers if (needed[layer.name].table > most).any()]


def _raised(
    layer: Layer,
    tilings: Tilings,
    needed: Mapping[str, Loads],
    reserves: Mapping[str, Reserve],
    board: Board,
) -> Reserve:
    """Reserve what the layer sends now; cut finer where that was reserved already."""
    old = reserves[layer.name]
    tiling = tilings[layer.name]
    rows, columns = (np.diff(tiling.cuts(axis), axis=0)[0] for axis in (1, 2))
    pixels = tiling.grid((np.ones(tiling.counts[0], np.int64), rows, columns))
    axons = float((needed[layer.name].output_axons / pixels).max())
    if axons > old.axons:
        return Reserve(axons, old.shrink)
    return Reserve(old.axons, old.shrink * 1.25)


def _overfull(layer: Layer, needed: Loads, board: Board) -> CapacityError:
    excess = needed.table / limits(board)
    block, resource = np.unravel_index(np.argmax(excess), excess.shape)
    over = int(needed.table[block, resource] - limits(board)[resource])
    return CapacityError(
        f"{layer.name}: {RESOURCES[resource]} of a core of board {board.name} exceeded by "
        f"{over:,} after {ROUNDS} attempts to cut finer; {_help()}"
    )


def _nothing_fits(
    layer: Layer, block: Index, tilings: Tilings, reserve: Reserve, board: Board
) -> CapacityError:
    used, _ = _used(layer, block, tilings, reserve, board)
    resource = int((used / limits(board)).argmax())
    need, limit = int(used[0, resource]), int(limits(board)[resource])
    unit = " bits" if RESOURCES[resource] == "memory" else ""
    c, h, w = block[0]
    return CapacityError(
        f"{layer.name}: even a block of {c}×{h}×{w} neurons needs {need:,}{unit} of "
        f"{RESOURCES[resource]}, {need - limit:,} more than the {limit:,} of a core of board "
        f"{board.name}; {_help()}"
    )


def _help() -> str:
    return "use a narrower variant, a board with more memory a core, or shared kernels"
