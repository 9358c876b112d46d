"""What Intel's compiler lets a core hold: registers with their limits, and how they are filled.

    SynMem  = Σ over convolutions ⌈channels of the slice · weights a channel · words a weight⌉
              + Σ over dense connections ⌈rows · (neurons · words a synapse + words a row)⌉
    AxonIn  = rows of dense connections, one for every other connection
    AxonMap = for each reader, neurons of the slice where it is dense or the host, else its pixels

Sizes in words; sources of all numbers stand in ``intel-compiler.yaml``. What the compiler's AxonMem
and NeuronGr count is not known, and neither is why AxonMap has two entries a pixel in three layers
of PilotNet.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict

from spiketrack.deploy.chip.board import Board
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.reach import Block
from spiketrack.deploy.chip.requirements import Synapses
from spiketrack.documents.placement import Quantity
from spiketrack.documents.yaml_files import parse_yaml

FILE = "intel-compiler.yaml"
KIB_BITS = 8 * 1024
WEIGHT = 8  # bits of a stored weight


class Registers(BaseModel):
    """Limits of a core and words that synapses take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    neurons: Quantity[int]
    axon_in: Quantity[int]
    axon_map: Quantity[int]
    synapse_words: Quantity[int]
    bits_a_word: Quantity[int]
    words_a_weight: Quantity[float]
    words_a_synapse: Quantity[float]
    words_a_row: Quantity[int]

    def board(self, board: Board) -> Board:
        """A board whose cores have these registers; tables have room of their own."""
        bits = self.synapse_words.value * self.bits_a_word.value
        return board.changed(
            neurons_per_core=self.neurons,
            memory_kib_per_core=Quantity[int](
                value=-(-bits // KIB_BITS),
                source=f"{self.synapse_words.value:,} synapse words alone "
                f"({self.synapse_words.source}); {self.bits_a_word.source}",
            ),
            input_axons_per_core=self.axon_in,
            output_axons_per_core=self.axon_map,
            axon_bits=Quantity[int](value=0, source="axons have registers of their own"),
        )

    def words(self, layer: Layer, block: Block) -> int:
        """SynMem of a slice of (channels, rows, columns) neurons."""
        total = 0
        for link in layer.synapses:
            if is_dense(link, layer):
                row = block[0] * self.words_a_synapse.value + self.words_a_row.value
                total += math.ceil(rows(link) * row)
            else:
                weights = (block[0] * link.weight_bits + link.fixed_bits) / WEIGHT
                total += math.ceil(weights * self.words_a_weight.value)
        return total

    def axons_in(self, layer: Layer) -> int:
        """AxonIn of any slice."""
        return sum(rows(link) if is_dense(link, layer) else 1 for link in layer.synapses)


@cache
def registers() -> Registers:
    """The registers that come with the package."""
    return Registers.model_validate(
        parse_yaml(resources.files(__package__).joinpath(FILE).read_bytes(), FILE)
    )


def is_dense(link: Synapses, layer: Layer) -> bool:
    """Whether each neuron has weights of its own for everything that it reads."""
    spatial = any(axis.of in (1, 2) for axis in link.axes)
    return bool(link.weight_bits) and not spatial and layer.shape[1:] == (1, 1)


def rows(link: Synapses) -> int:
    """Neurons of the source that a dense connection reads."""
    return math.prod(axis.extent for axis in link.axes)


def axons_out(readers: list[tuple[Layer, Synapses]], host: bool, block: Block) -> int:
    """AxonMap of a slice whose layer these read."""
    neurons, pixels = math.prod(block), block[1] * block[2]
    entries = [neurons if is_dense(link, reader) else pixels for reader, link in readers]
    return sum(entries) + (neurons if host else 0)
