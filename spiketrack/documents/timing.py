"""``time --json``: how long a chip takes, modelled from counted work and a table of rates.

====================== =======================================================================
schema, version        "spiketrack.time", 1
run, export            the run whose counts were taken, null without one; the network's folder
placement              the file of ``map --json``, null where this program placed the network
board, cores, chips    of the placement; ``neurons``: resident on all cores
rates                  the table, whole, with kinds and sources
branches               search: a frame; template: an encoding
kinds                  what kind of figure stands in this document, and how sure it is
network_digest         of the exported network
run_digest             of the run, null without one
====================== =======================================================================

Seconds are ``low``, ``central`` and ``high``: every rate at that end of its range.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from spiketrack.documents.base import Amount, Count, Digest, Document, Part
from spiketrack.documents.rates import RateTable

Seconds = Annotated[float, Field(ge=0)]
EventKind = Literal["recorded", "spread", "every neuron"]
ModeName = Literal["fall-through", "pipelined"]


class Estimate(Part):
    """A number from low to high."""

    low: Seconds
    central: Seconds
    high: Seconds


class CountedWork(Part):
    """Sums over one frame, mean of the frames.

    ``resident_updates``: neurons of all cores × steps, what a chip services that skips none;
    ``updates``: of neurons whose layer receives, fires or sends; ``relay_updates``: those of
    relays, products and read-outs among them; ``words``: of 64 bits of synaptic memory;
    ``messages``: values sent, ``copies``: messages to other cores; ``hops``: links that they take,
    ``between_chips``: copies that leave their chip; ``bits``: payload on the links of chips and
    between them; ``host_in``, ``host_out``: values.
    """

    updates: Amount
    relay_updates: Amount
    resident_updates: Amount
    operations: Amount
    multiplications: Amount
    words: Amount
    messages: Amount
    copies: Amount
    hops_east_west: Amount
    hops_north_south: Amount
    between_chips: Amount
    bits: Amount
    host_in: Amount
    host_out: Amount


class StepActivity(Part):
    """What all neurons do in each time step of one frame by itself, without the host's pixels.

    ``updates``: neurons whose program runs; ``operations``: synaptic; ``messages``: values sent,
    of so many ``bits`` of payload.
    """

    updates: tuple[Amount, ...]
    operations: tuple[Amount, ...]
    messages: tuple[Amount, ...]
    bits: tuple[Amount, ...]


class TermTime(Part):
    """Steps in which a term is the longest, and the seconds of those; central estimate."""

    term: str
    steps: Amount
    seconds: Seconds


class Binding(Part):
    """A layer and the place where it binds most: core number, or link by its ends."""

    term: str
    layer: str
    place: str
    steps: Amount
    seconds: Seconds


class ModeTime(Part):
    """One way to run.

    ``steps``: of one frame (fall-through) or between two (pipelined); ``compute``: seconds of
    those steps; ``latency``: from image to maps, without the host; ``frame``: seconds a frame with
    the host's input and output; ``frames_a_second``; ``skipped``, ``serviced``: compute where
    resting neurons cost nothing and where they cost the table's central rate, all else central;
    ``bound_by``: what is longest; ``step_seconds`` and ``step_terms``: of each step (central),
    index into the branch's ``terms``.
    """

    mode: ModeName
    steps: Count
    compute: Estimate
    latency: Estimate
    frame: Estimate
    frames_a_second: Estimate
    skipped: Seconds
    serviced: Seconds
    bound_by: str
    terms: tuple[TermTime, ...]
    bindings: tuple[Binding, ...]
    step_seconds: tuple[Seconds, ...]
    step_terms: tuple[Count, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not len(self.step_seconds) == len(self.step_terms) == self.steps:
            raise ValueError(
                f"{self.mode}: not one time and one term for each of {self.steps} steps"
            )
        return self


class BranchTime(Part):
    """One branch: a search frame or a template encoding, mean of ``inferences``.

    ``events``: whether places of events were recorded, spread evenly, or every neuron sends;
    ``activity``: step by step; ``core_seconds``: how long each core is busy in a frame by itself
    (central).
    """

    name: str
    inferences: Count
    events: EventKind
    work: CountedWork
    activity: StepActivity
    host_in: Estimate
    host_out: Estimate
    terms: tuple[str, ...]
    modes: tuple[ModeTime, ...]
    core_seconds: tuple[Seconds, ...]

    def mode(self, name: str) -> ModeTime | None:
        """Its times in one mode; None where its program cannot run so."""
        return next((mode for mode in self.modes if mode.mode == name), None)


class KindPart(Part):
    """A figure of this document: counted, derived, modelled, scaled or assumed, and from what."""

    figure: str
    kind: str
    source: str


class TimeDocument(Document):
    """Seconds of a placed network. ``run_digest``: null where no run was counted."""

    REMEDY: ClassVar[str] = "write it with spiketrack time --json"

    schema_id: Literal["spiketrack.time"] = Field(default="spiketrack.time", alias="schema")
    version: Literal[1] = 1
    run: str | None
    export: str
    placement: str | None
    board: str
    cores: Count
    chips: Count
    neurons: Count
    rates: RateTable
    branches: tuple[BranchTime, ...]
    kinds: tuple[KindPart, ...]
    network_digest: Digest
    run_digest: Digest | None

    def branch(self, name: str) -> BranchTime | None:
        """One branch."""
        return next((branch for branch in self.branches if branch.name == name), None)
