"""``spiketrack microcode``: listings, and a proof that can fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.exports import tiny_exported
from support.program import Program

from spiketrack.deploy.chip.microcode import proof
from spiketrack.deploy.chip.microcode.machine import Listing
from spiketrack.deploy.chip.microcode.programs import COUNT_ONCE, LISTINGS
from spiketrack.export.nir.folder import write_export


@pytest.fixture
def few_membranes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "LOW", -(2**10))
    monkeypatch.setattr(proof, "HIGH", 2**10 - 1)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    write_export(tiny_exported(1), tmp_path)
    return tmp_path


def test_every_listing_is_shown(program: Program) -> None:
    shown = program("microcode", "--listings")
    for listing in LISTINGS:
        assert str(listing) in shown
        assert listing.equation in shown


@pytest.mark.usefixtures("few_membranes")
@pytest.mark.slow
def test_membranes_are_counted(program: Program, tiny: Path) -> None:
    shown = program("microcode", tiny)
    assert "0 counts differ" in shown


@pytest.mark.usefixtures("few_membranes")
@pytest.mark.slow
def test_a_wrong_program_fails(
    program: Program, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "\n".join(map(str, COUNT_ONCE.instructions)).replace("#theta1", "0")
    wrong = Listing.parse("wrong", "", COUNT_ONCE.variables, f"{lines}\nend:")
    monkeypatch.setattr(proof.prove, "__defaults__", (1, lambda done: None, wrong))
    shown = program("microcode", tiny, code=1)
    assert "counts differ" in shown
    assert " 0 counts differ" not in shown
