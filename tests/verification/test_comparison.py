"""What comparisons count: differences, maps, ties, teacher forcing, each by another way."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from support.random_graphs import tiny_graph, tiny_model

from spiketrack.inference import Crop, Inference, Maps, Trace
from spiketrack.integer.graph import COUNT, Conv, Gate, Graph, Input, Neuron
from spiketrack.integer.neurons import thresholds
from spiketrack.limits import POTENTIAL_MAX
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.verification.comparison import NOTHING, Agreement
from spiketrack.verification.teacher import (
    INPUT_LOSSES,
    Loss,
    TeacherForcing,
    add_counts,
    add_membrane,
)
from spiketrack.verification.verify import _same_maps


def trace(*counts: int) -> Trace:
    return Trace({"layer": np.array(counts, np.int8).reshape(1, -1, 1, 1)})


def test_nothing_compared_is_not_exact() -> None:
    agreement = Agreement("one")
    assert not agreement.exact
    agreement.add("search", 0, Trace(), Trace())
    assert not agreement.exact


def test_exact_means_counts_and_maps() -> None:
    agreement = Agreement("one")
    agreement.add("search", 1, trace(0, 4), trace(0, 4))
    assert (agreement.exact, agreement.compared, agreement.mismatches) == (True, 2, 0)
    agreement.maps_differ = 1
    assert not agreement.exact
    agreement.maps_differ = 0
    agreement.add("search", 2, trace(0, 4, 1), trace(0, 3, 2))
    assert (agreement.exact, agreement.compared, agreement.mismatches) == (False, 5, 2)
    first = agreement.first
    assert first is not None
    assert (first.frame, first.step, first.index) == (2, 0, (1, 0, 0))
    assert (first.expected, first.found) == (4, 3)


@pytest.mark.parametrize("actual", [Trace(), trace(0, 4, 4)])
def test_what_was_not_recorded_differs_everywhere(actual: Trace) -> None:
    agreement = Agreement("one")
    agreement.add("search", 1, trace(0, 4), actual)
    assert (agreement.exact, agreement.mismatches) == (False, 2)
    assert agreement.first is not None
    assert agreement.first.found == NOTHING


@pytest.mark.parametrize("changed", ["", "score", "size", "offset"])
def test_maps_are_the_same_in_all_three_parts(changed: str) -> None:
    rng = np.random.default_rng(0)
    shapes = {"score": (4, 4), "size": (2, 4, 4), "offset": (2, 4, 4)}
    maps = Maps(**{name: rng.random(shape, np.float32) for name, shape in shapes.items()})
    other = dataclasses.replace(maps)
    if changed:
        part = getattr(maps, changed).copy()
        part.flat[-1] = np.nextafter(part.flat[-1], np.float32(2))
        other = dataclasses.replace(maps, **{changed: part})
    found = _same_maps(Inference(maps, Trace()), Inference(other, Trace()))
    assert found is (not changed)


def test_maps_that_are_missing_are_not_the_same() -> None:
    assert not _same_maps(Inference(None, Trace()), Inference(None, Trace()))


# teacher forcing


def test_losses_are_counted_number_by_number() -> None:
    rng = np.random.default_rng(1)
    loss = Loss()
    wrong = ours = theirs = 0
    for _ in range(3):
        a, b = rng.integers(0, 5, (2, 1, 3, 4, 5))
        add_counts(loss, torch.from_numpy(a).float(), torch.from_numpy(b).float())
        pairs = list(zip(a.reshape(-1).tolist(), b.reshape(-1).tolist(), strict=True))
        wrong += sum(x != y for x, y in pairs)
        theirs += sum(x for x, _ in pairs)
        ours += sum(y for _, y in pairs)
    assert (loss.counts, loss.mismatches) == (180, wrong)
    assert loss.mismatch_rate == wrong / 180 > 0.5
    assert loss.mean_difference == pytest.approx((ours - theirs) / theirs)
    assert loss.as_dict()["mean_count_float"] == theirs / 180


@pytest.mark.parametrize("fraction", [1, 3, 6])
def test_ties_are_membranes_half_way_between_two_counts(fraction: int) -> None:
    unit = 2**fraction  # thresholds of a membrane whose unit is exact
    shape = (1, 1, 1, 1)
    source = Input("counts", (), shape, COUNT, 0, 4)
    weight, zeros = np.ones((1, *shape), np.int8), np.zeros((1, 1), np.int32)
    conv = Conv("conv", ("counts",), shape, weight, zeros, zeros)
    spike = Neuron("spike", ("conv",), shape, thresholds(unit**2), unit // 4)
    graph = Graph("g", (source, conv, spike), {"counts": 2, "conv": fraction, "spike": 2})
    halves = [Fraction(2 * j - 1, 2) for j in (1, 2, 3, 4)]
    for value in range(-unit, 5 * unit + 1):
        loss = Loss()
        membrane = torch.full(shape, float(value))
        add_membrane(spike, loss, graph, [membrane], {"spike": membrane / unit})
        # a tie is one where rounding had a choice: the exact quotient is j - 1/2
        assert loss.ties == (Fraction(value, unit) in halves)
        assert (loss.noise, loss.sqnr_db) == (0, None)
        assert loss.signal == pytest.approx((value / unit) ** 2)


def test_ties_of_a_gate_are_counts_of_two_in_every_step() -> None:
    gate = next(node for node in tiny_graph(3, "search").populations if isinstance(node, Gate))
    counts = torch.tensor(list(product(range(5), repeat=3))).T.reshape(3, -1, 1, 1).float()
    loss = Loss()
    INPUT_LOSSES[gate](gate, loss, tiny_graph(3, "search"), [counts, counts], {})
    assert loss.ties == 1


def test_a_membrane_that_is_off_has_a_signal_to_noise_ratio() -> None:
    loss = Loss(signal=100.0, noise=1.0)
    assert loss.sqnr_db == pytest.approx(20)
    assert Loss(signal=1.0, noise=0.0).sqnr_db is None


def crops() -> Crop:
    rough = np.random.default_rng(2).uniform(-1.8, 2.2, (2, 3, 8, 8))
    return rough.repeat(8, 2).repeat(8, 3).astype(np.float32)


def silenced(graph: Graph, name: str) -> Graph:
    """The same graph with one population that never counts."""
    never = (POTENTIAL_MAX - 3, POTENTIAL_MAX - 2, POTENTIAL_MAX - 1, POTENTIAL_MAX)
    nodes = [
        dataclasses.replace(node, thresholds=never)
        if isinstance(node, Neuron) and node.name == name
        else node
        for node in graph
    ]
    return Graph(graph.name, tuple(nodes), graph.fractions)


def test_only_the_population_that_is_wrong_loses() -> None:
    """Its loss is what the float network counts there, since its readers get the true counts."""
    model = tiny_model(1)
    graphs = {branch: tiny_graph(1, branch) for branch in ("template", "search")}
    victims = {branch: graph.populations[1].name for branch, graph in graphs.items()}
    broken = {branch: silenced(graph, victims[branch]) for branch, graph in graphs.items()}
    reference = FloatSimulator(model, record=True)
    template, crop = crops()
    wanted = {
        "template": reference.encode_template(template[None]).trace.counts,
        "search": reference.search(crop).trace.counts,
    }
    sound, wrong = TeacherForcing(model, graphs), TeacherForcing(model, broken)
    for forcing in (sound, wrong):
        forcing.encode_template(template[None])
        forcing.search(crop)
    for (branch, name), loss in wrong.losses.items():
        counts = wanted[branch][name]
        assert loss.counts == counts.size
        assert loss.float_sum == counts.sum()
        if name == victims[branch]:
            assert loss.mismatches == np.count_nonzero(counts) > 0
            assert loss.integer_sum == 0
        else:
            assert loss.mismatches == sound.losses[branch, name].mismatches
