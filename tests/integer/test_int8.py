"""The exponent of a row of weights against a search in exact fractions."""

from __future__ import annotations

from fractions import Fraction

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spiketrack.integer import int8

WEIGHTS = st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=12)


def loss(row: list[Fraction], exponent: int) -> Fraction:
    step = Fraction(2) ** exponent
    kept = [min(max(round(w / step), -127), 127) * step for w in row]
    return sum(((k - w) ** 2 for k, w in zip(kept, row, strict=True)), Fraction(0))


@settings(max_examples=300, deadline=None)
@given(WEIGHTS, st.integers(-24, 4))
def test_exponent_and_mantissas_of_any_row(units: list[int], power: int) -> None:
    row = [unit * Fraction(2) ** power for unit in units]
    weight = torch.tensor([[float(w) for w in row]], dtype=torch.float64)
    exponent = int8.exponents(weight)
    found = int(exponent[0])
    mantissa = int8.mantissas(weight, exponent)[0].tolist()
    step = Fraction(2) ** found
    assert mantissa == [min(max(round(w / step), -127), 127) for w in row]
    assert int8.nearest(weight, exponent)[0].tolist() == [float(int(m) * step) for m in mantissa]
    if any(row):
        peak = max(abs(w) for w in row)
        holding = next(e for e in range(-60, 60) if peak <= 127 * Fraction(2) ** e)
        finer, wide = loss(row, holding - 1), loss(row, holding)
        assert found == (holding - 1 if finer < wide else holding)


def test_a_row_of_zeros_stays_zero() -> None:
    weight = torch.zeros(2, 5)
    assert int8.nearest(weight, int8.exponents(weight)).abs().sum() == 0
