"""A network under every set of rules, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spiketrack.deploy.chip.board import CapacityError, load_board
from spiketrack.deploy.chip.mapping import place
from spiketrack.deploy.chip.placement import Placement
from spiketrack.deploy.chip.program import build_program
from spiketrack.deploy.chip.rules.strategy import RULES
from spiketrack.deploy.chip.work.traffic import Traffic
from spiketrack.inference import BRANCHES
from spiketrack.integer.graph import Graph


@dataclass(frozen=True)
class UnderRules:
    """Both branches placed by one set of rules; ``reason`` instead where they cannot be.

    ``use``: mean over the cores of the fullest resource; ``messages`` that leave their core in an
    inference of each branch if every neuron sends.
    """

    network: str
    rules: str
    cores: int | None = None
    chips: int | None = None
    use: float | None = None
    neurons_a_core: int | None = None
    messages: int | None = None
    reason: str | None = None


def under_both(name: str, graphs: Mapping[str, Graph]) -> list[UnderRules]:
    """One row for each set of rules, on as many chips as it takes."""
    programs = {branch: build_program(graphs[branch]) for branch in BRANCHES}
    rows = []
    for rules in RULES.values():
        try:
            rows.append(_row(name, place(programs, load_board("loihi2"), rules=rules)))
        except CapacityError as error:
            rows.append(UnderRules(name, rules.name, reason=str(error)))
    return rows


def _row(name: str, placement: Placement) -> UnderRules:
    sent = sum((t for b in placement.branches for t in b.traffic.values()), Traffic())
    return UnderRules(
        name,
        placement.rules,
        placement.cores,
        placement.chips,
        float(placement.fractions.max(1).mean()),
        placement.neurons // placement.cores,
        round(sent.between_cores + sent.between_chips),
    )
