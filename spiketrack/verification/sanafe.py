"""SANA-FE against this program: parts spike for spike, a whole frame message for message.

Both are described the same placement; what SANA-FE counts is compared with what the chip's engine
counted in the same frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.execution.landings import fixed_landings
from spiketrack.deploy.chip.execution.ledger import CORE_COLUMNS, LINK_COLUMNS
from spiketrack.deploy.chip.links import HOST, NONE
from spiketrack.deploy.chip.loads import readers_of
from spiketrack.deploy.chip.mapping import place
from spiketrack.deploy.chip.program import FALL_THROUGH, ChipProgram, Choices
from spiketrack.deploy.chip.sites import Sites
from spiketrack.documents.chip.sanafe import SanafeDocument
from spiketrack.errors import SpikeTrackError, UnsupportedError
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.inference import SEARCH, Trace
from spiketrack.integer.graph import Graph
from spiketrack.simulators.chip import ChipSimulator, build_programs
from spiketrack.simulators.sanafe.chips import Prices, loihi1
from spiketrack.simulators.sanafe.messages import frame_messages
from spiketrack.simulators.sanafe.parts import PartResult, run_part
from spiketrack.simulators.sanafe.replay import Replay, Replayed
from spiketrack.tracking.tracker import Tracker
from spiketrack.video.boxes import Box
from spiketrack.video.footage import Frame

ONE_MESH = 2**15  # cores of a chip: more than any branch takes, so that all tiles are one mesh
RETRIEVER = "encoder.mrm.0.retriever"
# what is tried, and the populations that run in SANA-FE, each fed by those before it
PARTS: Mapping[str, Sequence[str]] = {
    "depthwise convolution": ("encoder.block3.0.conv.spike3",),
    "residual pair": tuple(f"{RETRIEVER}.{n}_spike" for n in ("seg_dw", "seg_pw", "fuser")),
    "head branch, third": ("decoder.ctr3_spike",),
    "head branch, fourth": ("decoder.ctr4_spike",),
    "image layer": ("encoder.ConvBlock1_1.0.Conv.spike1",),
    "residual stream": ("encoder.block3.0.mlp.fc1_spike",),
    "attention": ("encoder.block3.0.attn.attn_spike",),
}
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """A part that was run, or the reason why SANA-FE cannot hold it."""

    name: str
    result: PartResult | None = None
    reason: str = ""


@dataclass(frozen=True)
class Quantity:
    """One number on both sides; ``equal``: exactly, or to the rounding of sums of floats."""

    name: str
    ours: float
    theirs: float
    equal: bool


@dataclass(frozen=True)
class Term:
    """Seconds of a frame with one more of SANA-FE's times, and what they add to those before."""

    name: str
    seconds: float
    added: float


@dataclass(frozen=True)
class Compared:
    """Everything that was found."""

    steps: int
    parts: tuple[Part, ...]
    quantities: tuple[Quantity, ...]
    terms: tuple[Term, ...]

    @property
    def agrees(self) -> bool:
        """Not a spike and not a number differs."""
        runs = [part.result for part in self.parts if part.result is not None]
        return not any(run.different for run in runs) and all(q.equal for q in self.quantities)


def document(compared: Compared, network_digest: str) -> SanafeDocument:
    """The findings as a file."""
    facts = asdict(compared) | {"agrees": compared.agrees}
    return SanafeDocument(**facts, network_digest=network_digest)


class RecordedFrame:
    """One search of the network in the chip's time, on a board that is one mesh."""

    def __init__(self, network: ExportedNetwork, frames: Sequence[Frame], box: Box) -> None:
        self.graph: Graph = network.graphs[SEARCH]
        self.board = load_board("loihi2").changed(name="one mesh", cores_per_chip=ONE_MESH)
        programs = build_programs(network.graphs, Choices(FALL_THROUGH))
        self.program: ChipProgram = programs[SEARCH]
        placed = place({SEARCH: self.program}, self.board)
        self.sites = Sites.of(placed.branches[0], self.board)
        simulator = ChipSimulator(
            network.graphs,
            network.config,
            counts=True,
            programs=programs,
            sites={SEARCH: self.sites},
        )
        tracker = Tracker(simulator, network.tracker)
        tracker.start(frames[0], box)
        inference = tracker.step(frames[1]).inference
        if inference is None or inference.trace.cores is None or inference.trace.links is None:
            raise SpikeTrackError("the frame was run without its cores")
        self.trace: Trace = inference.trace
        self.cores, self.links = inference.trace.cores, inference.trace.links
        self.chip = simulator.chips[SEARCH]

    @cached_property
    def fixed(self) -> int:
        """Sums of membranes, which happen in the neurons' programs and in no synapse."""
        layers = self.program.layers
        landed = (fixed_landings(self.graph, layer).operations * layer.steps for layer in layers)
        return sum(int(operations.sum()) for operations in landed)

    @property
    def operations(self) -> int:
        """Synaptic operations, and products of pixels and weights."""
        columns = [CORE_COLUMNS.index(name) for name in ("operations", "multiplications")]
        return int(self.cores[:, columns].sum()) - self.fixed

    @property
    def arrivals(self) -> int:
        """Messages that reached a core from another one or from the host."""
        return int(self.cores[:, CORE_COLUMNS.index("arrivals")].sum())

    @cached_property
    def hops(self) -> tuple[int, int]:
        """Messages over links between tiles: along the columns, along the rows."""
        ends = self.chip.described.links
        if ends is None:
            raise SpikeTrackError("the frame was run without its links")
        across = self.board.tiles_across.value
        mesh = (ends[:, 0] != HOST) & (ends[:, 2] != HOST) & (ends[:, 1] != NONE)
        level = mesh & (ends[:, 1] // across == ends[:, 3] // across)
        links = self.links[:, LINK_COLUMNS.index("link")]
        messages = self.links[:, LINK_COLUMNS.index("messages")]
        return int(messages[level[links]].sum()), int(messages[(mesh & ~level)[links]].sum())

    @property
    def spikes(self) -> int:
        """Values that neurons sent to others; what the host alone reads is left out."""
        readers = readers_of(self.program.layers)
        alone = [n for n in self.program.layers if n.host and n.name not in readers]
        sent = int(self.cores[:, CORE_COLUMNS.index("messages")].sum())
        return sent - sum(layer.neurons * layer.steps for layer in alone)


def compare(
    network: ExportedNetwork,
    frames: Sequence[Frame],
    box: Box,
    tell: Tell,
    parts: Mapping[str, Sequence[str]] = PARTS,
    whole: bool = True,
) -> Compared:
    """Parts, then the whole frame and its time with one kind of event after the other."""
    tell("running the frame on the chip")
    frame = RecordedFrame(network, frames, box)
    compared = []
    for name, populations in parts.items():
        tell(f"SANA-FE: {name}")
        compared.append(_part(name, frame, populations))
    if not whole:
        return Compared(frame.program.latency + 1, tuple(compared), (), ())
    counts: dict[str, NDArray[np.int64]] = {
        name: values.astype(np.int64) for name, values in frame.trace.counts.items()
    }
    messages = list(frame_messages(frame.graph, frame.program, frame.sites, counts))
    replay = Replay(messages, frame.board, frame.program.latency + 1)
    prices = loihi1()
    terms, everything = _ladder(replay, prices, tell)
    quantities = _quantities(frame, replay, prices, everything, terms)
    return Compared(replay.steps, tuple(compared), quantities, terms)


def _part(name: str, frame: RecordedFrame, populations: Sequence[str]) -> Part:
    try:
        return Part(name, run_part(name, frame.graph, populations, frame.trace.counts))
    except UnsupportedError as error:
        return Part(name, reason=str(error))


LADDER = (
    ("SANA-FE: operations of the busiest core alone", ("operation",)),
    ("and each message that a core receives", ("message_in",)),
    ("and each spike and message that a core sends", ("spike", "message_out")),
    ("and hops", ("east_west", "north_south")),
    ("and a barrier after each step", ("barrier",)),
)


def _ladder(replay: Replay, prices: Prices, tell: Tell) -> tuple[tuple[Term, ...], Replayed]:
    """From our form, the larger of operations and barrier, to SANA-FE's, one kind of event more
    at a time."""
    before = replay.busiest(prices.barrier, prices.operation[1])
    terms = [Term("ours: the larger of the busiest core's operations and a barrier", before, 0.0)]
    given: list[str] = []
    for name, fields in LADDER:
        tell(f"whole branch: {name}")
        given += fields
        run = replay.run(prices.only(*given))
        terms.append(Term(name, run.time, run.time - before))
        before = run.time
    return tuple(terms), run


def _quantities(
    frame: RecordedFrame,
    replay: Replay,
    prices: Prices,
    theirs: Replayed,
    terms: Sequence[Term],
) -> tuple[Quantity, ...]:
    rows = replay.rows
    level, upright = frame.hops
    inside = int((rows.core[rows.neuron] == rows.receiver).sum()) - replay.hosted
    messages, spikes = frame.arrivals + inside, frame.spikes + replay.hosted
    energy = (
        frame.operations * prices.operation[0]
        + messages * (prices.message_out[0] + prices.message_in[0])
        + level * prices.east_west[0]
        + upright * prices.north_south[0]
        + spikes * prices.spike[0]
    )
    seconds = replay.busiest(0.0, prices.operation[1])
    return (
        _same("operations of synapses", frame.operations, int(theirs.operations.sum())),
        _same("spikes", spikes, theirs.spikes),
        _same("messages", messages, theirs.messages),
        _same("hops", level + upright, int(theirs.hops.sum())),
        _close("energy, J", energy, theirs.energy, 1e-12),
        _close("operations of the busiest core, s", seconds, terms[1].seconds, 1e-9),
    )


def _same(name: str, ours: int, theirs: int) -> Quantity:
    return Quantity(name, ours, theirs, ours == theirs)


def _close(name: str, ours: float, theirs: float, within: float) -> Quantity:
    return Quantity(name, ours, theirs, abs(ours - theirs) <= within * abs(ours))
