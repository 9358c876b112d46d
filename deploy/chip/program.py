"""The chip's program: layers with their times, from the integer graph, on one page.

    graph → layers of neurons → tiles of products → one sending each → times → balanced paths

Phase counters, delays and resets are settled here; what runs (``execution``), is placed
(``mapping.py``) and is written (``chip.json``) reads them and adds nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from spiketrack.deploy.chip.balance import balance
from spiketrack.deploy.chip.layers import Layer, build_layers
from spiketrack.deploy.chip.routes import separate
from spiketrack.deploy.chip.schedule import schedule
from spiketrack.deploy.chip.tiles import possible_tiles, tile
from spiketrack.errors import UnsupportedError
from spiketrack.integer.graph import Graph

PIPELINED, FALL_THROUGH = "pipelined", "fall-through"
MODES = (FALL_THROUGH, PIPELINED)
GRADED, BINARY = "graded", "binary"
SPIKES = (GRADED, BINARY)
AUTO = 0  # tiles
MORE_NEURONS = 1.15  # that automatic tiling may take


@dataclass(frozen=True)
class Choices:
    """How a network is brought onto the chip.

    ``mode``: frames one after the other, or one every interval; ``spikes``: a count as one
    graded message, or as up to four binary ones; ``tiles``: copies of each product, or ``AUTO``:
    as many as give the fewest steps with at most 15 % more neurons.
    """

    mode: str = PIPELINED
    spikes: str = GRADED
    tiles: int = 1

    def __post_init__(self) -> None:
        if self.tiles < 0:
            raise UnsupportedError(f"--tiles {self.tiles}: give a number of copies, or auto")
        for option, value, known in (
            ("--mode", self.mode, MODES),
            ("--spikes", self.spikes, SPIKES),
        ):
            if value not in known:
                raise UnsupportedError(f"{option} {value}: choose one of {', '.join(known)}")


def choices_of(mode: str, spikes: str, tiles: str) -> Choices:
    """Choices from options as text; ``UnsupportedError`` names the one that is wrong."""
    if tiles != "auto" and not (tiles.isascii() and tiles.isdigit() and int(tiles) > 0):
        raise UnsupportedError(f"--tiles {tiles}: give a number of copies, or auto")
    return Choices(mode, spikes, AUTO if tiles == "auto" else int(tiles))


@dataclass(frozen=True)
class ChipProgram:
    """One branch: what each layer does and when; a frame enters every ``period`` time steps."""

    branch: str
    choices: Choices
    period: int
    interval: int
    slowest: str
    chain: tuple[str, ...]
    layers: tuple[Layer, ...]

    @property
    def latency(self) -> int:
        """Time steps from the image to the last layer."""
        return max((layer.last for layer in self.layers), default=0)

    @property
    def neurons(self) -> int:
        """Neurons of all layers, those with two ports counted once."""
        return sum(layer.neurons for layer in self.layers)

    @property
    def frames_in_flight(self) -> int:
        """Independent frames that a full pipeline holds; one tracked object uses one."""
        return -(-self.latency // max(self.interval, 1))

    @property
    def done(self) -> dict[str, tuple[int, ...]]:
        """For each layer, the time step in which each network step is complete."""
        return {
            layer.name: tuple(layer.first + layer.stride * t for t in range(layer.steps))
            for layer in self.layers
        }

    @cached_property
    def by_name(self) -> dict[str, Layer]:
        """Name → layer."""
        return {layer.name: layer for layer in self.layers}


def build_program(
    graph: Graph,
    choices: Choices = Choices(),
) -> ChipProgram:
    """Everything that is settled before the chip runs; ``GraphError`` where paths do not fit."""
    if choices.tiles == AUTO:
        return fewest_steps(trade(graph, choices))
    layers = separate(tile(build_layers(graph), choices.tiles))
    fall_through = choices.mode == FALL_THROUGH
    times = schedule(layers, choices.spikes == BINARY, fall_through)
    return ChipProgram(
        graph.name,
        choices,
        times.period,
        times.interval,
        times.slowest,
        times.chain,
        balance(times.layers, times.period),
    )


def trade(graph: Graph, choices: Choices) -> tuple[ChipProgram, ...]:
    """The same program with every possible number of tiles, ascending."""
    numbers = possible_tiles(build_layers(graph))
    return tuple(build_program(graph, dataclasses.replace(choices, tiles=n)) for n in numbers)


def fewest_steps(programs: Sequence[ChipProgram]) -> ChipProgram:
    """Of programs of which the first has no tiles, the fastest that takes few more neurons."""
    most = programs[0].neurons * MORE_NEURONS
    return min((p for p in programs if p.neurons <= most), key=lambda p: (p.latency, p.neurons))
