"""Times of steps: fixed points worked out by hand, and that more work never takes less time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frame_work import frame_work, rates

from spiketrack.deploy.chip.work.rows import BETWEEN_CHIPS, EAST_WEST, NORTH_SOUTH, WITH_HOST
from spiketrack.timing.model import (
    BARRIER,
    LINKS,
    NOWHERE,
    OPERATIONS,
    READS,
    UPDATES,
    core_seconds,
    step_times,
)

NS = 1e-9
FAST = settings(max_examples=60, deadline=None)


def test_a_barrier_alone() -> None:
    """Nothing to do on three chips: 200 ns and 50 ns for each further chip, in each of 4 steps."""
    found = step_times(frame_work(4, chips=3), rates(barrier=200, barrier_chip=50))
    assert found.seconds == pytest.approx([300 * NS] * 4)
    assert found.total == pytest.approx(1200 * NS)
    assert found.binding.tolist() == [BARRIER] * 4
    assert (found.place == NOWHERE).all()


def test_one_core() -> None:
    """100 of 1,000 neurons act, 60 send; 5,000 operations of 40 arrivals; 700 words."""
    work = frame_work(
        1,
        [1000],
        updates=[[100]],
        messages=[[60]],
        operations=[[4000]],
        multiplications=[[1000]],
        arrivals=[[40]],
        words=[[700]],
    )
    given_ = rates(
        neuron_update=10,
        neuron_idle=2,
        message_out=5,
        synaptic_operation=0.5,
        message_in=4,
        memory_read=3,
        barrier=100,
    )
    found = step_times(work, given_)
    updates = 900 * 2 + 100 * 10 + 60 * 5
    operations, reads = 5000 * 0.5 + 40 * 4, 700 * 3
    assert found.terms[0] == pytest.approx([updates * NS, operations * NS, reads * NS, 0, 100 * NS])
    assert found.binding.tolist() == [UPDATES]
    skipped = step_times(work, given_, idle=False)
    assert skipped.terms[0, UPDATES] == pytest.approx((100 * 10 + 60 * 5) * NS)
    assert skipped.binding.tolist() == [OPERATIONS]
    assert core_seconds(work, given_) == pytest.approx([updates * NS])


def test_the_busiest_core_of_each_step_sets_its_time() -> None:
    work = frame_work(3, [10, 10], operations=[[1, 7], [9, 2], [0, 0]])
    found = step_times(work, rates(synaptic_operation=1))
    assert found.seconds == pytest.approx([7 * NS, 9 * NS, 0])
    assert found.place[:, OPERATIONS].tolist()[:2] == [1, 0]


def test_a_core_that_rests_may_be_the_longest() -> None:
    work = frame_work(2, [10, 500], updates=[[10, 0], [10, 0]])
    found = step_times(work, rates(neuron_update=4, neuron_idle=1))
    assert found.seconds == pytest.approx([500 * NS] * 2)
    assert found.place[:, UPDATES].tolist() == [1, 1]
    assert core_seconds(work, rates(neuron_update=4, neuron_idle=1)) == pytest.approx(
        [80 * NS, 1000 * NS]
    )


def test_links_by_kind() -> None:
    """Payload and a header of 32 bits each; what the host sends is no link's time."""
    kinds = [EAST_WEST, NORTH_SOUTH, BETWEEN_CHIPS, WITH_HOST]
    work = frame_work(4, bits=np.diag([10, 20, 30, 9999]), kinds=kinds)
    found = step_times(work, rates(link_bit=2, chip_link_bit=5, message_header=32))
    assert found.terms[:, LINKS] == pytest.approx([84 * NS, 104 * NS, 310 * NS, 0])
    assert found.place[:3, LINKS].tolist() == [0, 1, 2]
    assert found.binding.tolist()[:3] == [LINKS] * 3


def test_reads_bind_where_they_are_longest() -> None:
    work = frame_work(1, operations=[[3]], words=[[2]])
    found = step_times(work, rates(synaptic_operation=1, memory_read=2))
    assert found.binding.tolist() == [READS]


def test_frames_in_flight_share_steps() -> None:
    """A frame every second step: what steps 0, 2, 4 do falls into one."""
    work = frame_work(5, [1, 1], operations=[[1, 0], [2, 0], [4, 1], [8, 0], [16, 9]])
    folded = work.folded(2)
    found = step_times(folded, rates(synaptic_operation=1))
    assert found.seconds == pytest.approx([21 * NS, 10 * NS])
    assert folded.core("operations").sum() == work.core("operations").sum()


# more never takes less

amounts = st.integers(0, 1000)
NAMES = ("updates", "messages", "operations", "arrivals", "words")
ANY = rates(
    neuron_update=4.0,
    neuron_idle=3.0,
    message_out=3.0,
    synaptic_operation=0.8,
    message_in=3.2,
    memory_read=0.5,
    link_bit=0.1,
    chip_link_bit=0.5,
    message_header=32,
    barrier=200,
    barrier_chip=20,
)


def tables(steps: int, places: int) -> st.SearchStrategy[Any]:
    return st.lists(
        st.lists(amounts, min_size=places, max_size=places), min_size=steps, max_size=steps
    )


@FAST
@given(st.data(), st.sampled_from(NAMES), st.integers(1, 3), st.integers(1, 3))
def test_more_work_never_takes_less_time(data: Any, column: str, steps: int, cores: int) -> None:
    resident = [2000] * cores
    given_ = {name: data.draw(tables(steps, cores)) for name in NAMES}
    more = np.array(given_[column]) + np.array(data.draw(tables(steps, cores)))
    before = step_times(frame_work(steps, resident, **given_), ANY)
    after = step_times(frame_work(steps, resident, **{**given_, column: more}), ANY)
    assert (after.terms >= before.terms - 1e-18).all()
    assert after.total >= before.total - 1e-18


@FAST
@given(st.data(), st.integers(1, 4))
def test_more_hops_chips_and_cores_never_take_less_time(data: Any, links: int) -> None:
    bits = np.array(data.draw(tables(2, links)))
    kinds = data.draw(st.lists(st.integers(0, 2), min_size=links, max_size=links))
    before = step_times(frame_work(2, bits=bits, kinds=kinds), ANY)
    further = np.concatenate([bits, bits[:, :1]], 1)  # a message takes one link more
    after = step_times(frame_work(2, bits=further, kinds=[*kinds, kinds[0]]), ANY)
    assert (after.terms >= before.terms).all()
    chips = step_times(frame_work(2, bits=bits, kinds=kinds, chips=5), ANY)
    assert (chips.terms >= before.terms).all()
    cores = step_times(frame_work(2, [0, 900], bits=bits, kinds=kinds), ANY)
    assert (cores.terms >= before.terms).all()


@FAST
@given(st.data(), st.integers(1, 3))
def test_slower_rates_never_take_less_time(data: Any, factor: int) -> None:
    given_ = {name: data.draw(tables(2, 2)) for name in NAMES}
    work = frame_work(2, [1500, 3000], **given_)
    slower = {name: value * factor for name, value in ANY.items()}
    assert step_times(work, slower).total >= step_times(work, ANY).total - 1e-18
