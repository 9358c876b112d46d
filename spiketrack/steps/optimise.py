"""An exported network placed by a search for a faster placement, as its document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.document import document
from spiketrack.deploy.chip.program import Choices, build_program
from spiketrack.documents.placement import MapDocument
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.steps.place import costs_of_run, events_of_run, run_of_network
from spiketrack.timing.events import frames_of
from spiketrack.timing.rates import load_rates
from spiketrack.timing.search.optimise import Outcome, Problem, Tell, optimise


@dataclass(frozen=True)
class Effort:
    """Table of rates that the search prices with, its seed and the seconds that it may take."""

    rates: str
    seed: int = 0
    seconds: float = 120.0


def optimise_network(
    network: ExportedNetwork,
    board: str,
    choices: Choices,
    run: Path | None,
    effort: Effort,
    tell: Tell = lambda line: None,
) -> tuple[MapDocument, Outcome]:
    """Both branches where a search frame takes least; with a ``run``, the first frame of it.

    ``SpikeTrackError`` for a run of another network.
    """
    table = load_rates(effort.rates)
    graphs = {branch: network.graphs[branch] for branch in (SEARCH, TEMPLATE)}
    made = None if run is None else run_of_network(run, network)
    events = None if made is None else events_of_run(made, graphs, choices.spikes)
    programs = {name: build_program(graph, choices) for name, graph in graphs.items()}
    counts = next(frames_of(made, SEARCH, graphs[SEARCH], 1), None)
    problem = Problem(
        programs, graphs[SEARCH], load_board(board), table.at("central"), counts, events
    )
    outcome = optimise(problem, effort.seed, effort.seconds, tell=tell)
    costs = {} if made is None else costs_of_run(made, graphs, choices)
    digests = network.manifest.network_digest, None if made is None else made.digest
    return document(outcome.best.placement, *digests, costs), outcome
