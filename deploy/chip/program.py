"""The chip's program: layers with their times, from the integer graph, on one page.

    graph → layers of neurons → tiles of products → one sending each → times → balanced paths

Phase counters, delays and resets are settled here; what runs (``execution``), is placed
(``mapping.py``) and is written (``chip.json``) reads them and adds nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from spiketrack.deploy.chip.balance import balance
from spiketrack.deploy.chip.layers import Layer, build_layers
from spiketrack.deploy.chip.routes import separate
from spiketrack.deploy.chip.schedule import schedule
from spiketrack.deploy.chip.tiles import Tiles, neurons, possible_tiles, tile
from spiketrack.errors import UnsupportedError
from spiketrack.integer.graph import Graph

PIPELINED, FALL_THROUGH = "pipelined", "fall-through"
MODES = (FALL_THROUGH, PIPELINED)
GRADED, BINARY = "graded", "binary"
SPIKES = (GRADED, BINARY)
AUTO = 0  # tiles
MORE_NEURONS = 1.15  # that automatic tiling may take
MOST_NEURONS = 1.5  # of what is shown beside it


@dataclass(frozen=True)
class Choices:
    """How a network is brought onto the chip.

    ``mode``: frames one after the other, or one every interval; ``spikes``: a count as one
    graded message, or as up to four binary ones; ``tiles``: copies of each product over positions,
    or ``AUTO``: as many, of all products, as give the fewest steps with at most 15 % more neurons;
    ``key_tiles``: copies of each product over key indices.
    """

    mode: str = PIPELINED
    spikes: str = GRADED
    tiles: int = 1
    key_tiles: int = 1

    def __post_init__(self) -> None:
        if self.tiles < 0 or self.key_tiles < 1:
            raise UnsupportedError(_unknown_tiles(str(Tiles(self.tiles, self.key_tiles))))
        for option, value, known in (
            ("--mode", self.mode, MODES),
            ("--spikes", self.spikes, SPIKES),
        ):
            if value not in known:
                raise UnsupportedError(f"{option} {value}: choose one of {', '.join(known)}")

    @property
    def copies(self) -> Tiles:
        """Of products, as ``--tiles`` names them."""
        return Tiles(self.tiles, self.key_tiles)


def choices_of(mode: str, spikes: str, tiles: str) -> Choices:
    """Choices from options as text; ``UnsupportedError`` names the one that is wrong."""
    if tiles == "auto":
        return Choices(mode, spikes, AUTO)
    match = re.fullmatch(r"([1-9][0-9]{0,8})(?:x([1-9][0-9]{0,8}))?", tiles)
    if match is None:
        raise UnsupportedError(_unknown_tiles(tiles))
    return Choices(mode, spikes, int(match[1]), int(match[2] or 1))


def _unknown_tiles(tiles: str) -> str:
    return (
        f"--tiles {tiles}: give a number of copies of kv, such as 16, also of q·kv, such as 8x2, "
        "or auto"
    )


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
        return fewest_steps(graph, choices)
    return _program(graph, choices, build_layers(graph))


def _program(graph: Graph, choices: Choices, plain: Sequence[Layer]) -> ChipProgram:
    layers = separate(tile(plain, choices.copies))
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
    """The same program with every possible number of tiles of kv, ascending; then those that tile
    q · kv too, take at most ``MOST_NEURONS`` and are beaten in steps and neurons by no other."""
    plain = build_layers(graph)
    most = MOST_NEURONS * neurons(plain, Tiles())
    tried = [
        _program(graph, _tiled(choices, tiles), plain)
        for tiles in possible_tiles(plain)
        if tiles.keys == 1 or neurons(plain, tiles) <= most
    ]
    plain_keys = [p for p in tried if p.choices.key_tiles == 1]
    both = [p for p in tried if p.choices.key_tiles > 1]
    return (*plain_keys, *(p for p in both if not any(_beats(q, p) for q in tried)))


def fewest_steps(graph: Graph, choices: Choices) -> ChipProgram:
    """The fastest program that takes few more neurons than the one without tiles.

    Relays that keep time come on top of the layers, so layers that are too many need no program.
    """
    layers = build_layers(graph)
    first, *others = possible_tiles(layers)
    plain = _program(graph, _tiled(choices, first), layers)
    most = plain.neurons * MORE_NEURONS
    few = (tiles for tiles in others if neurons(layers, tiles) <= most)
    tried = [plain, *(_program(graph, _tiled(choices, n), layers) for n in few)]
    return min((p for p in tried if p.neurons <= most), key=lambda p: (p.latency, p.neurons))


def _tiled(choices: Choices, tiles: Tiles) -> Choices:
    return dataclasses.replace(choices, tiles=tiles.positions, key_tiles=tiles.keys)


def _beats(one: ChipProgram, other: ChipProgram) -> bool:
    """Fewer steps for no more neurons, or as many for fewer."""
    return (one.latency, one.neurons) != (other.latency, other.neurons) and (
        one.latency <= other.latency and one.neurons <= other.neurons
    )
