"""Lava's stock processes in the place of the chip's elements."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from spiketrack.deploy.lava_chip.stock import STEPS, judge, trials

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = [pytest.mark.lava, pytest.mark.filterwarnings("ignore::ImportWarning")]


def test_trials_probe_what_the_chip_is_made_of() -> None:
    found = list(trials())
    assert {trial.stock for trial in found} == {
        "Conv", "Dense", "DelayDense", "GradedVec", "LIF", "ProdNeuron", "Sigma", "Sparse",
    }  # fmt: skip
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


def test_a_stock_process_that_fails_is_a_verdict() -> None:
    def build() -> None:
        raise ValueError("no such process")

    verdict = judge(dataclasses.replace(next(trials()), build=build))
    assert (verdict.right, verdict.differing, verdict.compared) == (False, None, 0)
    assert verdict.first == "fails: ValueError: no such process"
