"""How long each time step takes: the longest of five terms, each linear in work.

    t(step) = max( max over cores of   idle · resting + update · updates + out · messages,
                   max over cores of   operation · operations + in · arrivals,
                   max over cores of   read · words,
                   max over links of   bit · (payload + header · messages),
                   barrier + barrier_chip · (chips - 1) )

All cores advance together, so the busiest of them sets the step. The form is that of Timcheck,
Pierro and Shrestha (arXiv 2601.10035, a lower bound that follows the chip with a correlation of at
least 0.97); their rates are not published as numbers, and ours stand in a table with their kinds.
A core's multiplications of pixels and of the gate count as operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.work.rows import FrameWork
from spiketrack.documents.rates import RateName

TERMS = ("neuron updates", "synaptic operations", "memory reads", "links", "barrier")
UPDATES, OPERATIONS, READS, LINKS, BARRIER = range(len(TERMS))
NANO = 1e-9

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]
Rates = Mapping[RateName, float]
NOWHERE = -1


@dataclass(frozen=True, eq=False)
class StepTimes:
    """``terms`` (steps, 5) in seconds, in the order of ``TERMS``; ``place`` (steps, 5): the core
    or link that a term is the longest of, ``layer``: the layer that takes most of it there;
    ``NOWHERE`` of the barrier and where nothing acts.
    """

    terms: Reals
    place: Integers
    layer: Integers

    @property
    def seconds(self) -> Reals:
        """(steps,): the longest term of each."""
        longest: Reals = self.terms.max(1, initial=0.0)
        return longest

    @property
    def binding(self) -> Integers:
        """(steps,): index of the longest term; the barrier where others only equal it."""
        turned: Integers = len(TERMS) - 1 - self.terms[:, ::-1].argmax(1)
        return turned

    @property
    def total(self) -> float:
        """Seconds of all steps."""
        return float(self.seconds.sum())


def step_times(work: FrameWork, rates: Rates, idle: bool = True) -> StepTimes:
    """Times of every step; ``idle`` False: neurons that rest are skipped in any case."""
    terms = np.zeros((work.steps, len(TERMS)))
    place = np.full((work.steps, len(TERMS)), NOWHERE)
    layer = place.copy()
    resting = rates["neuron_idle"] if idle else 0.0
    costs = core_costs(work, rates, resting)
    base = work.resident * resting
    for term, cost in zip((UPDATES, OPERATIONS, READS), costs, strict=True):
        floor = base if term == UPDATES else np.zeros(len(work.resident))
        longest = _longest(work.core("step"), work.core("core"), work.core("layer"), cost, floor)
        _take(terms, place, layer, term, longest, floor)
    link = link_costs(work, rates)
    none = np.zeros(len(work.kinds))
    longest = _longest(work.link("step"), work.link("link"), work.link("layer"), link, none)
    _take(terms, place, layer, LINKS, longest, none)
    terms[:, BARRIER] = rates["barrier"] + rates["barrier_chip"] * (work.chips - 1)
    return StepTimes(terms * NANO, place, layer)


def core_costs(work: FrameWork, rates: Rates, resting: float) -> tuple[Reals, Reals, Reals]:
    """Nanoseconds of each row of cores by term; an update takes the place of a rest."""
    updates = (rates["neuron_update"] - resting) * work.core("updates")
    sent = rates["message_out"] * work.core("messages")
    added = work.core("operations") + work.core("multiplications")
    operations = rates["synaptic_operation"] * added + rates["message_in"] * work.core("arrivals")
    return updates + sent, operations, rates["memory_read"] * work.core("words")


def link_costs(work: FrameWork, rates: Rates) -> Reals:
    """Nanoseconds of each row of links."""
    bits = work.link("bits") + rates["message_header"] * work.link("messages")
    mesh, between = rates["link_bit"], rates["chip_link_bit"]
    by_kind = np.array([mesh, mesh, between, 0.0])  # the host's is a term of its own
    costs: Reals = by_kind[work.kinds[work.link("link")]] * bits
    return costs


def core_seconds(work: FrameWork, rates: Rates) -> Reals:
    """(cores,): how long each core is busy in all steps, were there no others to wait for."""
    resting = rates["neuron_idle"]
    cores = len(work.resident)
    key, group = np.unique(work.core("step") * cores + work.core("core"), return_inverse=True)
    sums = [np.bincount(group.reshape(-1), cost) for cost in core_costs(work, rates, resting)]
    base: Reals = work.resident * resting
    sums[0] = sums[0] + base[key % cores]
    longest: Reals = np.max(sums, 0, initial=0.0)
    resting_steps: Integers = work.steps - np.bincount(key % cores, minlength=cores)
    busy: Reals = np.bincount(key % cores, longest, cores) + base * resting_steps
    return busy * NANO


@dataclass(frozen=True, eq=False)
class _Longest:
    step: Integers
    place: Integers
    layer: Integers
    cost: Reals


def _longest(
    step: Integers, place: Integers, layer: Integers, cost: Reals, floor: Reals
) -> _Longest:
    """Of each step that has rows: the place whose costs, with its floor, add up to most."""
    if not len(step):
        return _Longest(step, place, layer, cost)
    places = len(floor)
    key, group = np.unique(step * places + place, return_inverse=True)
    group = group.reshape(-1)
    sums = np.bincount(group, cost) + floor[key % places]
    most = np.lexsort((cost, group))  # the last row of each group costs most of it
    heaviest = most[np.append(np.flatnonzero(np.diff(group[most])), len(most) - 1)]
    order = np.lexsort((-key, sums, key // places))  # the last of each step is its longest
    last = order[np.append(np.flatnonzero(np.diff(key[order] // places)), len(order) - 1)]
    return _Longest(key[last] // places, key[last] % places, layer[heaviest[last]], sums[last])


def _take(
    terms: Reals, place: Integers, layer: Integers, term: int, longest: _Longest, floor: Reals
) -> None:
    """Enter one term; a core that rests may take longer than those that act."""
    if floor.max(initial=0.0) > 0:
        terms[:, term], place[:, term] = floor.max(), floor.argmax()
    longer = longest.cost > terms[longest.step, term]
    at = longest.step[longer]
    terms[at, term] = longest.cost[longer]
    place[at, term], layer[at, term] = longest.place[longer], longest.layer[longer]
