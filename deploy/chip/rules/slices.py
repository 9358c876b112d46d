"""The slices of Intel's compiler, from the shape of a layer alone: x · y · channels on one core.

One reading of the printed partitions, the same steps for every layer:

1. A slice is as wide (x) as the largest power of two with x · y · channels within the neurons of a
   core, never wider than the map needs. It starts with all rows and all channels.
2. Its rows (y) are halved while it does not fit, and as long as that takes no more cores and leaves
   it at least as high as wide.
3. Its channels are halved until its synapses fit; x grows again by rule 1, y stays.
4. A dense layer is cut along its neurons. While its synapses do not fit, the neurons that a core
   may hold (at first 4,095) are divided by the ratio that the limit is exceeded by, rounded up.
"""

from __future__ import annotations

from spiketrack.deploy.chip.board import CapacityError
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.reach import Block, Tiling
from spiketrack.deploy.chip.rules.registers import Registers, is_dense


def tiling(layer: Layer, registers: Registers, places: int) -> Tiling:
    """The layer in slices; ``places``: of a core's neurons that one neuron takes.

    ``CapacityError`` where not even one neuron's synapses fit.
    """
    dense = any(is_dense(link, layer) for link in layer.synapses)
    cut = _dense if dense else _map
    return Tiling(layer.shape, cut(layer, registers, places))


def _dense(layer: Layer, registers: Registers, places: int) -> Block:
    limit, most = registers.neurons.value // places, registers.synapse_words.value
    while limit:
        neurons = min(limit, layer.shape[0])
        words = registers.words(layer, (neurons, 1, 1))
        if words <= most:
            return neurons, 1, 1
        limit //= -(-words // most)
    raise _too_large(layer, registers, (1, 1, 1))


def _map(layer: Layer, registers: Registers, places: int) -> Block:
    channels, height, width = layer.shape
    capacity = registers.neurons.value // places
    rows = height
    while channels > capacity:
        channels = -(-channels // 2)
    while rows > 1:
        half = -(-rows // 2)
        now, then = (_width(width, y * channels, capacity) for y in (rows, half))
        more = now and _cores(layer, then, half) > _cores(layer, now, rows)
        if now and (more or then > half):
            break
        rows = half
    while registers.words(layer, (channels, rows, 1)) > registers.synapse_words.value:
        if channels == 1:
            raise _too_large(layer, registers, (1, rows, 1))
        channels = -(-channels // 2)
    return channels, rows, min(_width(width, rows * channels, capacity), width)


def _width(width: int, column: int, capacity: int) -> int:
    """Largest power of two of columns that fit, at most the first that holds the whole map."""
    fits = capacity // column
    return min(1 << fits.bit_length() - 1, 1 << (width - 1).bit_length()) if fits else 0


def _cores(layer: Layer, columns: int, rows: int) -> int:
    return -(-layer.shape[2] // columns) * -(-layer.shape[1] // rows)


def _too_large(layer: Layer, registers: Registers, block: Block) -> CapacityError:
    words, most = registers.words(layer, block), registers.synapse_words.value
    return CapacityError(
        f"{layer.name}: one channel needs {words:,} synapse words, {words - most:,} more than the "
        f"{most:,} of a core under the compiler's rules; use a narrower variant"
    )
