"""Means, modes and bindings of frames of work, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.frame_work import frame_work

from spiketrack.deploy.chip.work.rows import BETWEEN_CHIPS, EAST_WEST, NORTH_SOUTH, WITH_HOST
from spiketrack.documents.rates import RATE_NAMES, UNITS, Rate, RateTable
from spiketrack.errors import ConfigError
from spiketrack.timing.events import chosen, drawn
from spiketrack.timing.frames import BranchTimes, counted
from spiketrack.timing.model import BARRIER, TERMS

NS = 1e-9


def table(**values: float) -> RateTable:
    """Rates that are 0 unless given; low is half of it, high twice."""
    rates = {
        name: Rate(
            low=values.get(name, 0) / 2,
            central=values.get(name, 0),
            high=values.get(name, 0) * 2,
            unit=UNITS.get(name, "ns"),  # type: ignore[arg-type]
            kind="assumed",
            source="test",
        )
        for name in RATE_NAMES
    }
    return RateTable(name="t", chip="c", rates=rates)


def test_both_modes_of_one_frame_by_hand() -> None:
    """Four steps, a frame every two: operations 4, 1, 2, 8 ns; the barrier 3 ns."""
    work = frame_work(4, operations=[[4], [1], [2], [8]], interval=2)
    work = replace(work, host_in=10, host_out=5)
    times = BranchTimes(
        "search", table(synaptic_operation=1, barrier=3, host_in=1), "recorded", frozenset()
    )
    times.add(work)
    found = times.document()
    alone, full = found.modes
    assert alone.step_seconds == pytest.approx([4 * NS, 3 * NS, 3 * NS, 8 * NS])
    assert alone.compute.central == pytest.approx(18 * NS)
    assert alone.compute.low == pytest.approx(9 * NS)
    assert alone.frame.central == pytest.approx(28 * NS)
    assert alone.frames_a_second.central == pytest.approx(1e9 / 28)
    assert alone.frames_a_second.low == pytest.approx(1e9 / 56)
    assert [TERMS[index] for index in alone.step_terms] == [
        "synaptic operations",
        "barrier",
        "barrier",
        "synaptic operations",
    ]
    assert full.step_seconds == pytest.approx([6 * NS, 9 * NS])
    assert full.frame.central == pytest.approx(15 * NS)  # the host's 10 ns run beside
    assert full.latency.central == pytest.approx(30 * NS)
    assert full.bound_by == "synaptic operations"
    barrier = alone.terms[BARRIER]
    assert (barrier.term, barrier.steps) == ("barrier", 2)
    assert barrier.seconds == pytest.approx(6 * NS)
    top = alone.bindings[0]
    assert (top.term, top.layer, top.place, top.steps) == (
        "synaptic operations",
        "layer",
        "core 0",
        2,
    )


def test_a_slow_host_binds() -> None:
    times = BranchTimes("search", table(barrier=1, host_in=100), "recorded", frozenset())
    times.add(replace(frame_work(2, interval=1), host_in=7))
    found = times.document()
    assert {mode.bound_by for mode in found.modes} == {"host input and output"}
    assert found.modes[1].frame.central == pytest.approx(700 * NS)


def test_means_over_frames_and_resting_neurons() -> None:
    given = table(neuron_update=2, neuron_idle=1)
    times = BranchTimes("search", given, "recorded", frozenset())
    for number in (10, 30):
        times.add(frame_work(2, [100], updates=[[number], [0]]))
    (alone,) = times.document().modes
    assert alone.serviced == pytest.approx((100 + 20 + 100) * NS)
    assert alone.skipped == pytest.approx(40 * NS)
    assert times.document().work.updates == 20
    assert times.document().work.resident_updates == 200


def test_work_is_added_up_by_kind_of_link() -> None:
    kinds = [EAST_WEST, BETWEEN_CHIPS, WITH_HOST, NORTH_SOUTH, NORTH_SOUTH]
    work = frame_work(1, bits=[[3, 5, 7, 11, 13]], kinds=kinds, updates=[[9]])
    found = counted(work, frozenset({"layer"}))
    assert (found["hops_east_west"], found["hops_north_south"]) == (1, 2)
    assert (found["between_chips"], found["bits"]) == (1, 32)
    assert found["relay_updates"] == 9
    assert counted(work, frozenset())["relay_updates"] == 0


def test_inferences_are_chosen_evenly() -> None:
    assert chosen(2, 4) == [0, 1]
    assert chosen(100, 3) == [0, 50, 99]
    assert chosen(5, 1) == [0]


def test_events_that_are_spread_keep_their_numbers() -> None:
    counts = drawn(np.random.default_rng(0), (3, 4, 5, 6), 101, 251)
    assert np.count_nonzero(counts) == 101
    assert counts.sum() == 251
    assert counts.max() == 3
    assert not drawn(np.random.default_rng(0), (1, 2, 2, 2), 0, 0).any()


def test_rates_at_which_a_frame_takes_no_time_are_refused() -> None:
    """They would give endless frames a second; the barrier is what every step takes."""
    times = BranchTimes("search", table(barrier_chip=1), "recorded", frozenset())
    times.add(frame_work(2, operations=[[4], [1]]))
    with pytest.raises(ConfigError, match="rates t: a frame takes no time; give a low barrier"):
        times.document()
