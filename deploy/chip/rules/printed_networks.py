"""Networks whose partitions Intel's compiler printed: layers of neurons from shapes alone.

Sizes are (x, y, channels) in the files, as printed, and (channels, rows, columns) in layers. A
layer of the files reads the one before it: with a kernel as a convolution, else densely; the first
reads the image that the host sends, or nothing where neurons are the input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.program import ChipProgram, Choices
from spiketrack.deploy.chip.reach import Block, whole, window
from spiketrack.deploy.chip.requirements import COUNTS, POPULATION, Synapses
from spiketrack.deploy.chip.rules.strategy import INTEL_COMPILER
from spiketrack.deploy.chip.schedule import schedule
from spiketrack.documents.yaml_files import parse_yaml
from spiketrack.integer.graph import COUNT
from spiketrack.limits import WEIGHT_BITS
from spiketrack.packaged import PRINTED_PARTITIONS

IMAGE = "image"
Size = tuple[int, int, int]  # x, y, channels
Pair = tuple[int, int]


class PrintedRow(BaseModel):
    """One kind of core as the compiler printed it; ``slice`` is (x, y, channels), None if dense."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cores: int
    neurons: int
    words: int
    slice: Size | None = None


class PrintedLayer(BaseModel):
    """A layer by its shapes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    shape: Size
    kernel: int | None = None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    printed: PrintedRow


class PrintedNetwork(BaseModel):
    """A network, its printed total, and whether a dense row holds means over its cores."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    cores: int
    means: bool
    input: Size | None
    layers: tuple[PrintedLayer, ...]

    def chip_layers(self) -> tuple[Layer, ...]:
        """Populations and their synapses, every weight of 8 bits."""
        layers: list[Layer] = []
        source = None if self.input is None else (IMAGE, _chw(self.input))
        for layer in self.layers:
            links = () if source is None else (_link(layer, *source),)
            shape = _chw(layer.shape)
            layers.append(
                Layer(
                    layer.name,
                    POPULATION,
                    shape,
                    1,
                    links,
                    rule=COUNTS,
                    signal=COUNT,
                    nodes=(layer.name,),
                    host=layer is self.layers[-1],
                )
            )
            source = (layer.name, shape)
        return tuple(layers)

    def program(self) -> ChipProgram:
        """Layers one step after the other, a new sample every step: the compiler's pipeline."""
        times = schedule(self.chip_layers())
        return ChipProgram(
            self.name,
            Choices(),
            times.period,
            times.interval,
            times.slowest,
            times.chain,
            times.layers,
        )


@dataclass(frozen=True)
class RowResult:
    """A printed row beside ours; ``neurons`` is the number that the row would print."""

    network: str
    layer: str
    size: Size
    slice: Size
    neurons: int
    cores: int
    words: int
    printed: PrintedRow

    @property
    def reproduced(self) -> bool:
        """Slice, neurons a core and number of cores are the printed ones."""
        slices = self.printed.slice in (None, self.slice)
        return slices and (self.cores, self.neurons) == (self.printed.cores, self.printed.neurons)


def printed_networks() -> tuple[PrintedNetwork, ...]:
    """All that come with the package."""
    return tuple(printed_network(name) for name in PRINTED_PARTITIONS.names())


def printed_network(name: str) -> PrintedNetwork:
    """One of them, such as ``pilotnet-snn``."""
    return PrintedNetwork.model_validate(parse_yaml(PRINTED_PARTITIONS.read(name), name))


def reproduce(network: PrintedNetwork) -> tuple[RowResult, ...]:
    """Every layer cut by the compiler's rules, beside what was printed."""
    layers = network.chip_layers()
    tilings, loads = INTEL_COMPILER.partition(layers, INTEL_COMPILER.board(load_board("loihi2")))
    results = []
    for row, layer in zip(network.layers, layers, strict=True):
        cut = tilings[layer.name]
        c, h, w = cut.block
        mean = network.means and row.printed.slice is None
        neurons = math.prod(layer.shape) // len(cut) if mean else math.prod(cut.block)
        words = int(loads[layer.name].memory.max()) // INTEL_COMPILER.registers.bits_a_word.value
        results.append(
            RowResult(
                network.name, row.name, row.shape, (w, h, c), neurons, len(cut), words, row.printed
            )
        )
    return tuple(results)


def _link(layer: PrintedLayer, source: str, shape: Block) -> Synapses:
    channels, height, width = shape
    if layer.kernel is None:
        axes = (whole(channels), whole(height), whole(width))
        weights = math.prod(shape)
    else:
        k = layer.kernel
        axes = (
            whole(channels),
            window(height, 1, k, layer.stride[1], layer.padding[1]),
            window(width, 2, k, layer.stride[0], layer.padding[0]),
        )
        weights = channels * k * k
    return Synapses(source, axes, weights * WEIGHT_BITS, WEIGHT_BITS, 1, node=layer.name)


def _chw(size: Size) -> Block:
    x, y, channels = size
    return channels, y, x
