"""A short run of the fuzzer over clips, images and label files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fuzz.media import KINDS, REFUSED, TAKEN

TRIES = 24


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_error_or_a_right_result(tmp_path: Path, kind: str) -> None:
    """Both happen, so neither the mutations nor the readers are without effect."""
    outcomes: Counter[str] = Counter()
    for seed in range(TRIES):
        home = tmp_path / str(seed)
        home.mkdir()
        outcomes[KINDS[kind](seed, home)] += 1
    assert set(outcomes) == {TAKEN, REFUSED}
