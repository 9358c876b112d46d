"""A short run of the fuzzer over documents, run folders and YAML files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.report_data import Files

from fuzz.documents import KINDS, REFUSED, TAKEN, targets
from spiketrack.commands.energy import energy

TRIES = {"report of verify": 4, "report of map": 4}
USUAL = 40


@pytest.fixture(scope="module")
def energy_document(report_files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("energy") / "energy.json"
    energy(report_files.run, compare_with=report_files.other, json=path)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_our_own_error_or_a_right_result(
    report_files: Files, energy_document: Path, tmp_path: Path, kind: str
) -> None:
    """Both happen, so neither the mutations nor the readers are without effect."""
    found = targets(report_files, energy_document)
    assert tuple(found) == KINDS
    outcomes: Counter[str] = Counter()
    for seed in range(TRIES.get(kind, USUAL)):
        home = tmp_path / str(seed)
        home.mkdir()
        outcomes[found[kind](seed, home)] += 1
    assert outcomes[REFUSED]
    assert outcomes[TAKEN] or kind in TRIES
