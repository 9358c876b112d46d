"""Rates: how long a chip takes for one update, operation, bit or barrier, and how sure that is.

seconds of a step = max over the terms of Σ amounts · rates
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import Self

from spiketrack.documents.base import Document, Part

RateKind = Literal[
    "measured",  # on the chip that the table is about, by whoever wrote the table
    "seen",  # read in the source
    "excerpt",  # read in a quotation of the source
    "derived",  # arithmetic on figures of the source
    "scaled",  # of another chip, by a factor that its maker gives
    "assumed",  # no source
]
RateName = Literal[
    "neuron_update",  # ns, a neuron whose program runs in a step
    "neuron_idle",  # ns, a resident neuron that rests in a step; 0: it is skipped
    "message_out",  # ns, a value sent, at its core
    "message_in",  # ns, a value that reaches a core, there
    "synaptic_operation",  # ns, one accumulation
    "memory_read",  # ns, a word of 64 bits of synaptic memory
    "link_bit",  # ns, a bit on a link between tiles
    "chip_link_bit",  # ns, a bit on a link between chips
    "message_header",  # bits that a message has beside its payload
    "barrier",  # ns, a step on one chip
    "barrier_chip",  # ns, a step, for each further chip
    "host_in",  # ns, a value that the host sends
    "host_out",  # ns, a value that the host reads
    "static_power",  # W, a chip
    "host_energy",  # pJ, a value that the host sends or reads
]
RATE_NAMES: tuple[RateName, ...] = get_args(RateName)
Level = Literal["low", "central", "high"]
LEVELS: tuple[Level, ...] = ("low", "central", "high")
UNITS: dict[str, str] = {"message_header": "bit", "static_power": "W", "host_energy": "pJ"}
NANOSECONDS = "ns"

Text = Annotated[str, Field(min_length=1)]
Size = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class Rate(Part):
    """A number from low to high, what kind of number it is and where it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    low: Size
    central: Size
    high: Size
    unit: Literal["ns", "bit", "W", "pJ"]
    kind: RateKind
    source: Text

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.central <= self.high:
            raise ValueError("low, central and high are not in order")
        return self


class RateTable(Document):
    """A named list of rates. ``chip``: which one it is about; ``notes``: what a reader must know.

    A packaged table is called measured nowhere: none of its numbers was measured by this project.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
    REMEDY: ClassVar[str] = "see docs/chip-time.md for the keys of a table of rates"

    schema_id: Literal["spiketrack.rates"] = Field(default="spiketrack.rates", alias="schema")
    version: Literal[1] = 1
    name: Text
    title: str = ""
    chip: Text
    rates: dict[RateName, Rate]
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        missing = [name for name in RATE_NAMES if name not in self.rates]
        if missing:
            raise ValueError(f"rates without {', '.join(missing)}; a term that costs nothing is 0")
        for name, rate in self.rates.items():
            if rate.unit != UNITS.get(name, NANOSECONDS):
                raise ValueError(f"{name} is in {UNITS.get(name, NANOSECONDS)}, not {rate.unit}")
        update, idle = self.rates["neuron_update"], self.rates["neuron_idle"]
        if any(getattr(update, level) < getattr(idle, level) for level in LEVELS):
            raise ValueError("neuron_update is less than neuron_idle: an update is never cheaper")
        return self

    def at(self, level: Level) -> dict[RateName, float]:
        """One estimate: every rate at its low, central or high end."""
        return {name: getattr(rate, level) for name, rate in self.rates.items()}
