"""The search: balance what is cut, then cut finer what binds, and keep what is faster.

The objective is the priced time of one search frame (``timing/model.py``, central estimate), in the
mode of the program. It starts from the greedy placement and returns nothing slower. Each attempt
cuts all blocks, then those of layers that bind, finer, and balances all of them anew on
as many cores as the chips of the greedy placement have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from spiketrack.deploy.chip.board import Board, CapacityError
from spiketrack.deploy.chip.loads import readers_of
from spiketrack.deploy.chip.mapping import Events, place
from spiketrack.deploy.chip.partition import partition
from spiketrack.deploy.chip.placement import Branch, Placement
from spiketrack.deploy.chip.program import PIPELINED, ChipProgram
from spiketrack.deploy.chip.reach import Index
from spiketrack.deploy.chip.sites import Sites
from spiketrack.deploy.chip.work.frame import FrameCounter
from spiketrack.deploy.chip.work.rows import FrameWork
from spiketrack.deploy.chip.work.sending import Counts
from spiketrack.deploy.chip.work.traffic import traffic
from spiketrack.errors import ConfigError
from spiketrack.inference import SEARCH
from spiketrack.integer.graph import Graph
from spiketrack.timing.model import NOWHERE, Rates, StepTimes, step_times
from spiketrack.timing.search.balance import Balance, Blocks, profiles

NAME = "hardware, optimised"
FINEST = 64.0  # times that a layer's blocks are cut finer at most
TOGETHER = 6  # layers that one attempt cuts finer at most
PATIENCE = 12  # attempts without a faster one, then the search ends

OVERALL = (2.0, 4.0, 8.0)  # first attempts: everything in smaller blocks, which balance better
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Cuts:
    """How much finer blocks are than a core allows: all of them, and single layers of search."""

    overall: float = 1.0
    layers: Mapping[str, float] = field(default_factory=dict)

    def of(self, program: ChipProgram) -> dict[str, float]:
        """Layer → how much finer."""
        own = self.layers if program.branch == SEARCH else {}
        return {n.name: self.overall * own.get(n.name, 1.0) for n in program.layers}


@dataclass(frozen=True, eq=False)
class Candidate:
    """A placement, the times of its steps, and the cuts that it was made with."""

    placement: Placement
    work: FrameWork
    times: StepTimes
    cuts: Cuts

    @property
    def seconds(self) -> float:
        """Of a frame, or between two, by the mode."""
        return self.times.total


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was found; ``attempts``: placements that were priced after the greedy one."""

    greedy: Candidate
    best: Candidate
    attempts: int

    @property
    def gain(self) -> float:
        """Share of the greedy time that is saved."""
        return 1 - self.best.seconds / self.greedy.seconds


@dataclass(frozen=True, eq=False)
class Problem:
    """What is placed and priced: programs of all branches, the search graph, what it counted."""

    programs: Mapping[str, ChipProgram]
    graph: Graph
    board: Board
    rates: Rates
    counts: Counts | None = None
    events: Events | None = None


def optimise(
    problem: Problem,
    seed: int = 0,
    seconds: float = 60.0,
    most: int | None = None,
    tell: Tell = lambda line: None,
) -> Outcome:
    """Search for so many seconds, or ``most`` attempts; never slower than the greedy placement.

    ``ConfigError`` for rates at which a frame takes no time.
    """
    ends = time.monotonic() + seconds
    search = Search(problem)
    greedy = best = search.price(place(problem.programs, problem.board, problem.events), Cuts())
    if not greedy.seconds:
        raise ConfigError("a frame takes no time at these rates; give a central barrier")
    random = np.random.default_rng(seed)
    attempts = idle = 0
    while idle < PATIENCE and time.monotonic() < ends and (most is None or attempts < most):
        proposal = finer(best, random)
        if attempts < len(OVERALL):
            proposal = Cuts(OVERALL[attempts])
        attempts += 1
        attempt = search.attempt(proposal, greedy.work)
        idle += 1
        if attempt is not None and attempt.seconds < best.seconds:
            best, idle = attempt, 0
        tell(f"{attempts} placements, {1e3 * best.seconds:.3g} ms of {1e3 * greedy.seconds:.3g} ms")
    return Outcome(greedy, best, attempts)


def finer(best: Candidate, random: np.random.Generator) -> Cuts:
    """Some of the layers that bind, drawn by how long they do, cut twice as fine."""
    bound = np.zeros(len(best.work.layers))
    steps = np.arange(len(best.times.seconds))
    layer = best.times.layer[steps, best.times.binding]
    named = layer != NOWHERE
    np.add.at(bound, layer[named], best.times.seconds[named])
    names = list(best.work.layers)
    cuts = best.cuts.layers
    able = np.array([cuts.get(name, 1.0) < FINEST for name in names])
    weights = bound * able
    if not weights.any():
        return best.cuts
    number = min(int(random.integers(1, TOGETHER + 1)), int(np.count_nonzero(weights)))
    chosen = random.choice(len(names), number, replace=False, p=weights / weights.sum())
    twice = {names[i]: 2 * cuts.get(names[i], 1.0) for i in chosen}
    return Cuts(best.cuts.overall, {**cuts, **twice})


class Search:
    """Prices placements of one problem; no more chips than the greedy one takes."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.program = problem.programs[SEARCH]
        self.cores = 0

    def price(self, placement: Placement, cuts: Cuts) -> Candidate:
        """Count one frame on a placement and time its steps."""
        branch = next(b for b in placement.branches if b.name == SEARCH)
        if not self.cores:
            whole = placement.chips * placement.board.cores_per_chip.value
            self.cores = max(placement.cores, min(whole, placement.board.cores or whole))
        counter = FrameCounter(
            self.problem.graph,
            self.program,
            Sites.of(branch, placement.board),
            _resident(placement),
        )
        work = counter.frame(self.problem.counts)
        pipelined = self.program.choices.mode == PIPELINED and work.interval is not None
        work = work.folded(work.interval or work.steps) if pipelined else work.folded(work.steps)
        return Candidate(placement, work, step_times(work, self.problem.rates), cuts)

    def attempt(self, cuts: Cuts, priced: FrameWork) -> Candidate | None:
        """Cut, balance by what ``priced`` says of each layer, and price; None where no room is."""
        try:
            return self.price(self._balanced(cuts, priced), cuts)
        except CapacityError:
            return None

    def _balanced(self, cuts: Cuts, priced: FrameWork) -> Placement:
        board, programs = self.problem.board, self.problem.programs
        neurons = {layer.name: layer.neurons for layer in self.program.layers}
        known = profiles(priced, self.problem.rates, neurons)
        parts, tilings = [], {}
        for name, program in sorted(programs.items()):
            tilings[name], loads = partition(program.layers, board, cuts.of(program))
            sizes = {
                layer: (tiling.bounds()[:, :, 1] - tiling.bounds()[:, :, 0]).prod(1)
                for layer, tiling in tilings[name].items()
            }
            parts.append(Blocks(name, loads, sizes, known if name == SEARCH else {}))
        balance = Balance(board, self.cores, priced.steps, self.problem.rates["neuron_idle"])
        cores = balance.place(parts)
        branches = {}
        for part in parts:
            layers, own_cores = programs[part.branch].layers, cores[part.branch]
            counted = (self.problem.events or {}).get(part.branch)
            sent = traffic(
                layers, tilings[part.branch], readers_of(layers), own_cores, board, counted
            )
            branches[part.branch] = Branch(
                part.branch,
                layers,
                tilings[part.branch],
                part.loads,
                own_cores,
                programs[part.branch],
                sent,
                counted is not None,
            )
        used = balance.used
        last = int(np.flatnonzero(used.any(1)).max()) + 1
        return Placement(board, tuple(branches[name] for name in programs), used[:last], NAME)


def _resident(placement: Placement) -> Index:
    """(cores,): neurons of all branches."""
    neurons = np.zeros(placement.cores, np.int64)
    for branch in placement.branches:
        for name, tiling in branch.tilings.items():
            ends = tiling.bounds()
            np.add.at(neurons, branch.cores[name], (ends[:, :, 1] - ends[:, :, 0]).prod(1))
    return neurons
