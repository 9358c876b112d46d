"""What a whole frame costs on a chip: from the operations to static power, a row each."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator
from typing_extensions import Self

from spiketrack.documents.base import Amount, Count, Part
from spiketrack.documents.prices import Picojoules
from spiketrack.documents.timing import Estimate

FigureKind = Literal["counted", "modelled", "derived", "assumed"]


class WholeRow(Part):
    """One part: how many of what, the energy of the low and of the high estimate, why they differ.

    ``kind``: of the energy; the number is counted, where there is one.
    """

    part: str
    number: Amount | None
    unit: str
    low_pj: Picojoules
    high_pj: Picojoules
    kind: FigureKind
    source: str


class WholeEnergy(Part):
    """One inference of a branch. ``seconds``: that the chips are on for it, low to high;
    ``dominates``: the part that is largest in the high estimate, ``least``: in the low one;
    ``unpriced``: amounts that occur and have no price, and are in neither sum.
    """

    branch: str
    inferences: Count
    prices: str
    rates: str
    chips: Count
    seconds: Estimate
    rows: tuple[WholeRow, ...]
    low_pj: Picojoules
    high_pj: Picojoules
    dominates: str
    least: str
    unpriced: dict[str, Amount]

    @property
    def largest(self) -> tuple[str, ...]:
        """What dominates the high estimate, then the low one where that is another part."""
        return tuple(dict.fromkeys((self.dominates, self.least)))

    @model_validator(mode="after")
    def _sums(self) -> Self:
        for name in ("low_pj", "high_pj"):
            total = sum(getattr(row, name) for row in self.rows)
            if abs(total - getattr(self, name)) > 1e-6 * max(total, 1.0):
                raise ValueError(f"{self.branch}: {name} is not the sum of its rows")
        return self
