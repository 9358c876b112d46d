"""The chip's program: layers with their times, from the integer graph, on one page.

    graph → layers of neurons → copies of products → one sending each → times → balanced paths

Phase counters, delays and resets are settled here; what runs (``execution``), is placed
(``mapping.py``) and is written (``chip.json``) reads them and adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from spiketrack.deploy.chip.balance import balance
from spiketrack.deploy.chip.layers import Layer, build_layers
from spiketrack.deploy.chip.routes import separate
from spiketrack.deploy.chip.schedule import schedule
from spiketrack.errors import UnsupportedError
from spiketrack.integer.graph import Graph

PIPELINED, FALL_THROUGH = "pipelined", "fall-through"
MODES = (FALL_THROUGH, PIPELINED)
GRADED, BINARY = "graded", "binary"
SPIKES = (GRADED, BINARY)


@dataclass(frozen=True)
class Choices:
    """How a network is brought onto the chip.

    ``mode``: frames one after the other, or one every interval; ``spikes``: a count as one
    graded message, or as up to four binary ones; ``tiles``: copies of each product.
    """

    mode: str = PIPELINED
    spikes: str = GRADED
    tiles: int = 1

    def __post_init__(self) -> None:
        for option, value, known in (
            ("--mode", self.mode, MODES),
            ("--spikes", self.spikes, SPIKES),
        ):
            if value not in known:
                raise UnsupportedError(f"{option} {value}: choose one of {', '.join(known)}")


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


def build_program(graph: Graph, choices: Choices = Choices()) -> ChipProgram:
    """Everything that is settled before the chip runs; ``GraphError`` where paths do not fit."""
    layers = separate(build_layers(graph))
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
