"""Whole systems that others measured, beside what the model gives for the same work.

PilotNet is known by its shapes and by the partition that Intel's compiler printed; how many of its
neurons send in a step is not. So its activity is assumed, from low to high, and the same share in
every layer: what a core meets is that share of its synapses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.execution.messages import COUNT_PAYLOAD
from spiketrack.deploy.chip.links import HOST, Links
from spiketrack.deploy.chip.loads import readers_of, synapses
from spiketrack.deploy.chip.mapping import place
from spiketrack.deploy.chip.reach import Index
from spiketrack.deploy.chip.rules.printed_networks import PrintedNetwork, printed_network
from spiketrack.deploy.chip.rules.strategy import INTEL_COMPILER
from spiketrack.deploy.chip.work.deliveries import deliveries, received, wanted
from spiketrack.deploy.chip.work.frame import core_rows, link_kinds, rows_of
from spiketrack.deploy.chip.work.rows import CORE_COLUMNS, LINK_COLUMNS, FrameWork, Rows, joined
from spiketrack.deploy.chip.work.words import PACKED
from spiketrack.documents.rates import LEVELS, RateTable
from spiketrack.documents.timing import Estimate
from spiketrack.timing.model import step_times

ACTIVITY = (0.1, 0.2, 0.4)  # share of neurons that send in a step, low to high: assumed
STEPS_A_SAMPLE = 16  # of PilotNet SNN: 10,000 steps in 1.54 s, 408.9 samples a second


@dataclass(frozen=True)
class Measured:
    """A figure that others measured on Loihi 2, and the model's range, which has no host in it."""

    system: str
    figure: str
    unit: str
    value: float
    source: str
    modelled: Estimate

    @property
    def inside(self) -> bool:
        """Whether it lies between low and high."""
        return self.modelled.low <= self.value <= self.modelled.high


def measured(table: RateTable) -> tuple[Measured, ...]:
    """PilotNet's printed times beside the model's, at a table's rates and assumed activity."""
    spiking, graded = (printed_network(f"pilotnet-{kind}") for kind in ("snn", "sdnn"))
    step = estimate(spiking, table, pipelined=True)
    rate = Estimate(
        low=1 / (STEPS_A_SAMPLE * step.high),
        central=1 / (STEPS_A_SAMPLE * step.central),
        high=1 / (STEPS_A_SAMPLE * step.low),
    )
    notebook = f"lava-dl, {spiking.source.rpartition('tutorials/')[2]}"
    return (
        Measured("PilotNet SNN", "a step", "s", 1.54 / 10_000, notebook, step),
        Measured("PilotNet SNN", "samples a second", "1/s", 408.9, notebook, rate),
        Measured(
            "PilotNet SDNN", "a frame", "s", 1.21e-3, "arXiv 2310.03251, without host",
            estimate(graded, table, pipelined=False),
        ),
    )  # fmt: skip


def estimate(network: PrintedNetwork, table: RateTable, pipelined: bool) -> Estimate:
    """Seconds of a step with a sample in every layer, or of all steps of one sample."""
    totals = []
    for level, activity in zip(LEVELS, ACTIVITY, strict=True):
        work = sample_work(network, activity)
        times = step_times(work.folded(1) if pipelined else work, table.at(level))
        totals.append(times.total)
    return Estimate(low=totals[0], central=totals[1], high=totals[2])


def sample_work(network: PrintedNetwork, activity: float) -> FrameWork:
    """One sample through the layers, one a step, each with this share of its neurons sending.

    Pixels all arrive, one value each. The step after the last layer's reads its output.
    """
    board = INTEL_COMPILER.board(load_board("loihi2"))
    program = network.program()
    placement = place({network.name: program}, board, rules=INTEL_COMPILER)
    (branch,) = placement.branches
    links = Links(board)
    readers = readers_of(branch.layers)
    names = tuple(layer.name for layer in branch.layers)
    cores: list[Rows] = []
    sent: list[Rows] = []
    for number, layer in enumerate(branch.layers):
        at = np.array([layer.first])
        tiling, where = branch.tilings[layer.name], branch.cores[layer.name]
        ends = tiling.bounds()
        neurons = (ends[:, :, 1] - ends[:, :, 0]).prod(1)
        messages = share(neurons, activity)
        cores.append(
            core_rows(where, at, number, updates=neurons[:, None], messages=messages[:, None])
        )
        for link in layer.synapses:
            dense = 1.0 if link.source not in names else activity
            met = share(synapses(link, tiling), dense)
            operations = "multiplications" if link.source not in names else "operations"
            channels = ends[:, 0, 1] - ends[:, 0, 0]
            words = met // channels * -(-channels // PACKED)
            cores.append(
                core_rows(where, at, number, words=words[:, None], **{operations: met[:, None]})
            )
            if link.source not in names:
                owners, boxes = received(wanted([(layer, link)], branch.tilings, branch.cores))
                pixels = (boxes[:, 1::2] - boxes[:, ::2]).prod(1)
                cores.append(core_rows(owners, at, number, arrivals=pixels[:, None]))
        reading = readers.get(layer.name, [])
        if reading:
            wants = wanted(reading, branch.tilings, branch.cores)
            pairs = deliveries(tiling, where, wants)
            copies = share((pairs.boxes[:, 1::2] - pairs.boxes[:, ::2]).prod(1), activity)
            away = pairs.sender != pairs.receiver
            late = at + 1
            cores.append(core_rows(pairs.receiver[away], late, number, arrivals=copies[away, None]))
            cores.append(core_rows(pairs.sender[away], at, number, copies=copies[away, None]))
            sent += _taken(links, pairs.sender, pairs.receiver, copies, at, number)
    resident = placement.used[:, 0]
    return FrameWork(
        layers=names,
        steps=program.latency + 1,
        interval=1,
        cores=joined(cores, CORE_COLUMNS),
        links=joined(sent, LINK_COLUMNS),
        resident=resident,
        ends=links.table,
        kinds=link_kinds(links),
        chips=placement.chips,
        host_in=0,
        host_out=0,
    )


def share(number: Index, activity: float) -> Index:
    """Whole numbers."""
    active: Index = np.rint(number * activity).astype(np.int64)
    return active


def _taken(
    links: Links, senders: Index, receivers: Index, copies: Index, at: Index, layer: int
) -> Iterator[Rows]:
    for sender, receiver, number in zip(senders, receivers, copies, strict=True):
        path = np.array(links.path(int(sender), int(receiver)), np.int64)
        if len(path) and HOST not in (sender, receiver):
            one = np.full((len(path), 1), number)
            yield rows_of(LINK_COLUMNS, path, at, layer, messages=one, bits=one * COUNT_PAYLOAD)
