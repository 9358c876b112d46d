"""An exported network on the neuro-cores of a board, as its document."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.document import document, events_of
from spiketrack.deploy.chip.mapping import Events, map_network
from spiketrack.deploy.chip.program import BINARY, Choices
from spiketrack.deploy.chip.rules.strategy import HARDWARE, Rules
from spiketrack.deploy.chip.spike_costs import columns_of, spike_costs
from spiketrack.documents.placement import MapDocument, SpikeCost
from spiketrack.errors import SpikeTrackError
from spiketrack.export.nir.folder import ExportedNetwork, read_export
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.counting import counted, dense_mac
from spiketrack.integer.graph import Graph
from spiketrack.runs.folder import RunFolder
from spiketrack.runs.operations import BranchCounts
from spiketrack.runs.places import mean_messages


def place(
    folder: Path,
    board: str,
    choices: Choices,
    run: Path | None = None,
    rules: Rules = HARDWARE,
) -> MapDocument:
    """Place both branches; with a ``run`` its counted events are the traffic.

    ``SpikeTrackError`` for a run of another network; one that does not fit is a finding.
    """
    return place_network(read_export(folder), board, choices, run, rules)


def place_network(
    network: ExportedNetwork,
    board: str,
    choices: Choices,
    run: Path | None = None,
    rules: Rules = HARDWARE,
) -> MapDocument:
    """The same of a network that is read."""
    target = load_board(board)
    graphs = {branch: network.graphs[branch] for branch in (SEARCH, TEMPLATE)}
    made = None if run is None else run_of_network(run, network)
    events = None if made is None else events_of_run(made, graphs, choices.spikes)
    placement = map_network(graphs, target, events, choices, rules)
    digests = network.manifest.network_digest, None if made is None else made.digest
    costs = {} if made is None else costs_of_run(made, graphs, choices)
    return document(placement, *digests, costs)


def run_of_network(run: Path, network: ExportedNetwork) -> RunFolder:
    """A run of this network; ``SpikeTrackError`` where it was made with another one."""
    made = RunFolder.read(run)
    if made.about.network_digest != network.manifest.network_digest:
        raise SpikeTrackError(
            f"{run}: the run was made with another network ({made.about.network_digest[:12]}) "
            f"than the export holds ({network.manifest.network_digest[:12]})"
        )
    return made


def events_of_run(run: RunFolder, graphs: Mapping[str, Graph], spikes: str) -> Events:
    """Mean messages of a run, neuron by neuron where its counts were recorded so.

    ``SpikeTrackError`` where its counts are not of these graphs.
    """
    counts = run.counts()
    for branch, recorded in counts.items():
        require_same(run.path, graphs[branch], recorded)
    numbers = events_of(counts, spikes)
    if run.about.counts != "full":
        return numbers
    binary = spikes == BINARY
    return {b: {**events, **mean_messages(run.path, b, binary)} for b, events in numbers.items()}


def costs_of_run(
    run: RunFolder, graphs: Mapping[str, Graph], choices: Choices
) -> dict[str, tuple[SpikeCost, ...]]:
    """What graded and binary spikes cost by a run, for each branch of which it counted any."""
    return {
        branch: spike_costs(graphs[branch], choices, columns_of(recorded))
        for branch, recorded in run.counts().items()
        if len(recorded.operations)
    }


def require_same(run: Path, graph: Graph, recorded: BranchCounts) -> None:
    """Names and dense MACs of a run's layers must be those of the graph."""
    sizes = dict(zip(recorded.layers.names, recorded.layers.dense_mac, strict=True))
    for node in counted(graph):
        size = dense_mac(node, graph)
        if sizes.get(node.name) != size:
            raise SpikeTrackError(
                f"{run}: {node.name} of the {graph.name} branch has {sizes.get(node.name)} dense "
                f"MACs, the network {size}; the run was made with another network"
            )
