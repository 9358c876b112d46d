"""Lava's stock processes in the place of the chip's elements."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.random_graphs import tiny_graph

from spiketrack.deploy.chip.layers import RELAY, Layer, Sends
from spiketrack.deploy.chip.program import build_program
from spiketrack.deploy.chip.reach import identity
from spiketrack.deploy.chip.requirements import Synapses
from spiketrack.deploy.lava_chip.lacks import (
    LATER,
    NOTHING,
    OF_RULE,
    OWN,
    PRODUCTS,
    WAITS,
    lacking,
)
from spiketrack.deploy.lava_chip.stock import STEPS, judge, trials

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = [pytest.mark.lava, pytest.mark.filterwarnings("ignore::ImportWarning")]


def test_trials_probe_what_the_chip_is_made_of() -> None:
    found = list(trials())
    assert {trial.stock for trial in found} == {
        "Conv",
        "Dense",
        "DelayDense",
        "GradedVec",
        "LIF",
        "ProdNeuron",
        "Sigma",
        "Sparse",
    }
    for trial in found:
        assert all(inputs.shape[-1] == STEPS for inputs in (*trial.inputs, trial.expected))
        assert len(trial.inputs) == len(trial.ports)
    again = list(trials())
    for one, other in zip(found, again, strict=True):
        assert np.array_equal(one.expected, other.expected)


def test_weights_of_both_signs_lose_their_last_bit() -> None:
    """In Lava's Dense, as on Loihi: the wrong sums are those of even weights."""
    mixed, positive = list(trials())[:2]
    lost, kept = judge(mixed), judge(positive)
    assert (lost.right, kept.right) == (False, True)
    assert lost.differing
    weights = mixed.build().proc_params["weights"]
    even = weights >> 1 << 1
    sums = np.concatenate([np.zeros((len(even), 1), np.int64), even @ mixed.inputs[0][:, :-1]], 1)
    assert judge(dataclasses.replace(mixed, expected=sums)).right


def test_no_layer_is_a_stock_neuron() -> None:
    """Of a whole network; but for a relay of what arrives at once, when it arrives."""
    graph = tiny_graph(3, "search")
    program = build_program(graph)
    found = lacking(program, graph)
    assert found.total() == len(program.layers)
    assert NOTHING not in {why for _, why in found}
    assert found["population", OF_RULE["counts"]] > found["population", PRODUCTS] > 0
    assert {WAITS, OWN} <= {why for _, why in found}
    link = Synapses("image", identity((3, 4, 4)), 0, 8, 1)
    one = Layer("one", RELAY, (3, 4, 4), 1, (link,), first=1, sends=Sends(first=1))
    for layer, why in (
        (one, NOTHING),
        (dataclasses.replace(one, first=2, sends=Sends(first=2)), LATER),
        (dataclasses.replace(one, synapses=(link, dataclasses.replace(link, delay=1))), WAITS),
    ):
        assert lacking(dataclasses.replace(program, layers=(layer,)), graph) == {("relay", why): 1}


def test_a_stock_process_that_fails_is_a_verdict() -> None:
    def build() -> None:
        raise ValueError("no such process")

    verdict = judge(dataclasses.replace(next(trials()), build=build))
    assert (verdict.right, verdict.differing, verdict.compared) == (False, None, 0)
    assert verdict.first == "fails: ValueError: no such process"
