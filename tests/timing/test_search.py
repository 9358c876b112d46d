"""The search for a faster placement: rules kept, never slower, the same for one seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.random_graphs import tiny_graph

from spiketrack.deploy.chip.board import Board, CapacityError, load_board
from spiketrack.deploy.chip.loads import Loads, limits
from spiketrack.deploy.chip.program import Choices, build_program
from spiketrack.errors import ConfigError
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.timing.rates import load_rates
from spiketrack.timing.search.balance import Balance, Blocks, Profile
from spiketrack.timing.search.optimise import Outcome, Problem, optimise

pytestmark = pytest.mark.slow


def problem(board: Board, mode: str = "pipelined") -> Problem:
    graphs = {branch: tiny_graph(1, branch) for branch in (SEARCH, TEMPLATE)}
    programs = {name: build_program(graph, Choices(mode)) for name, graph in graphs.items()}
    return Problem(programs, graphs[SEARCH], board, load_rates("loihi2-scaled").at("central"))


@pytest.fixture(scope="module")
def found() -> Outcome:
    board = load_board("loihi2").changed(neurons_per_core=2000, cores_per_chip=40)
    return optimise(problem(board), seed=1, seconds=60, most=4)


def test_it_is_faster_on_no_more_chips(found: Outcome) -> None:
    assert found.gain > 0.15
    assert found.best.placement.chips <= found.greedy.placement.chips
    assert found.best.placement.rules == "hardware, optimised"


def test_every_block_has_its_place(found: Outcome) -> None:
    """Cores hold what their blocks take, recounted one by one, and no more than they can."""
    placement = found.best.placement
    used = np.zeros_like(placement.used)
    for branch in placement.branches:
        for name, table in branch.loads.items():
            assert len(branch.cores[name]) == len(branch.tilings[name])
            for core, load in zip(branch.cores[name], table.table, strict=True):
                used[core] += load
    assert np.array_equal(used, placement.used)
    assert (used <= limits(placement.board)).all()


def test_it_is_the_same_for_one_seed_and_never_slower() -> None:
    board = load_board("1").changed(neurons_per_core=4000)
    first, second = (optimise(problem(board, "fall-through"), 3, 60, most=2) for _ in range(2))
    assert first.best.seconds == second.best.seconds <= first.greedy.seconds
    nothing = optimise(problem(board), seconds=0)
    assert (nothing.attempts, nothing.gain) == (0, 0.0)
    assert nothing.best is nothing.greedy


def test_rates_at_which_a_frame_takes_no_time_are_refused() -> None:
    """Nothing would be faster, and no share of the time be saved."""
    given = problem(load_board("loihi2"))
    nothing = replace(given, rates=dict.fromkeys(given.rates, 0.0))
    with pytest.raises(ConfigError, match="a frame takes no time at these rates; give a central"):
        optimise(nothing)


def test_blocks_of_one_step_are_kept_apart() -> None:
    """Four blocks that work in step 0, four in step 1, four cores: one of each on every core."""
    board = load_board("loihi2").changed(neurons_per_core=100)
    cost = np.ones((3, 1), np.float32)
    profiles = {name: Profile(np.array([at]), cost) for at, name in enumerate("ab")}
    zeros = np.zeros(4, np.int64)
    loads = {name: Loads(zeros + 50, zeros, zeros, zeros) for name in "ab"}
    blocks = Blocks(SEARCH, loads, dict.fromkeys("ab", zeros + 50), profiles)
    cores = Balance(board, 4, 2, 0.0).place([blocks])[SEARCH]
    assert sorted(cores["a"]) == sorted(cores["b"]) == [0, 1, 2, 3]
    with pytest.raises(CapacityError, match="finds no room on 3 cores"):
        Balance(board, 3, 2, 0.0).place([blocks])
