"""What a run says of its populations: counts with their places, or numbers alone, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.work.sending import Counts
from spiketrack.documents.timing import EventKind
from spiketrack.integer.graph import Graph
from spiketrack.limits import MAX_COUNT
from spiketrack.runs.folder import RunFolder, open_counts
from spiketrack.runs.operations import BranchCounts

RECORDED: EventKind = "recorded"
SPREAD: EventKind = "spread"
EVERY: EventKind = "every neuron"


def kind_of(run: RunFolder | None) -> EventKind:
    """How much a run tells of where its events were."""
    if run is None:
        return EVERY
    return RECORDED if run.about.counts == "full" else SPREAD


def frames_of(
    run: RunFolder | None, branch: str, graph: Graph, most: int
) -> Iterator[Counts | None]:
    """Counts of at most so many inferences, evenly chosen; one None without a run."""
    if run is None:
        yield None
        return
    recorded = run.counts().get(branch)
    if recorded is None or not len(recorded.operations):
        return
    for number in chosen(len(recorded.operations), most):
        if kind_of(run) == RECORDED:
            yield read_counts(run.path, branch, number)
        else:
            yield spread(recorded, graph, number)


def chosen(inferences: int, most: int) -> list[int]:
    """At most ``most`` of them, the first and the last among them."""
    wanted = np.linspace(0, inferences - 1, min(inferences, most))
    return [int(number) for number in np.unique(np.rint(wanted))]


def read_counts(run: Path, branch: str, number: int) -> Counts:
    """Of one inference, population by population."""
    with open_counts(run, branch) as counts:
        return {name: counts.inference(name, number) for name in counts}


def spread(recorded: BranchCounts, graph: Graph, number: int) -> Counts:
    """As many events and spikes as a run counted, at places drawn with a fixed seed."""
    events, spikes = (recorded.field(field)[number] for field in ("events", "spikes"))
    numbers = zip(events.tolist(), spikes.tolist(), strict=True)
    return spread_out(graph, dict(zip(recorded.layers.names, numbers, strict=True)), number)


def spread_out(graph: Graph, sent: Mapping[str, tuple[int, int]], seed: int) -> Counts:
    """Counts of every population with so many events and spikes, at places drawn with a seed."""
    rng = np.random.default_rng(seed)
    return {node.name: drawn(rng, node.shape, *sent[node.name]) for node in graph.populations}


def drawn(
    rng: np.random.Generator, shape: tuple[int, ...], events: int, spikes: int
) -> NDArray[np.int8]:
    """Counts (T, C, H, W): so many that are not 0, with this sum, as even as integers are."""
    counts = np.zeros(int(np.prod(shape)), np.int8)
    if events:
        each, left = divmod(min(spikes, MAX_COUNT * events), events)
        values = np.full(events, each, np.int8)
        values[:left] += 1
        counts[rng.choice(len(counts), events, replace=False)] = values
    return counts.reshape(shape)
