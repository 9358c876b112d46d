"""A short run of the fuzzer over ``.nir`` files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fuzz.graphs import KINDS
from fuzz.media import REFUSED, TAKEN

TRIES = 40


@pytest.mark.parametrize("kind", ["nir structure", "nir values"])
@pytest.mark.slow
def test_our_own_error_or_a_right_result(tmp_path: Path, kind: str) -> None:
    """Both happen, so neither the mutations nor the readers are without effect."""
    outcomes: Counter[str] = Counter()
    for seed in range(TRIES):
        outcomes[KINDS[kind](seed, tmp_path)] += 1
    assert set(outcomes) == {TAKEN, REFUSED}


def test_damaged_bytes_are_probed(tmp_path: Path) -> None:
    assert {KINDS["nir bytes"](seed, tmp_path) for seed in range(3)} <= {TAKEN, REFUSED}
