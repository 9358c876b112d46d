"""What ``time`` shows: a frame in both modes, what binds, host and counted work; ranges."""

from __future__ import annotations

from collections.abc import Iterator

from spiketrack.documents.rates import UNITS
from spiketrack.documents.timing import BranchTime, Estimate, ModeTime, TimeDocument
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.terminal.amounts import amount, seconds
from spiketrack.terminal.console import say
from spiketrack.terminal.table import Column, Table, print_table

WHAT = {SEARCH: "a frame", TEMPLATE: "a template encoding"}
HEAD = (
    Column("what", kind="text"),
    Column("low", kind="number"),
    Column("central", kind="number"),
    Column("high", kind="number"),
)
BINDING = (
    Column("term", kind="text"),
    Column("layer", kind="name"),
    Column("where", kind="text"),
    Column("steps", rank=1, kind="number"),
    Column("seconds", kind="number"),
)
SHOWN = 3  # rows of what binds, in the summary


def show_time(document: TimeDocument, mode: str | None, layers: bool) -> None:
    """A frame and what binds it, or every table; then the answer."""
    for branch in document.branches:
        if layers or branch.name == SEARCH:
            print_table(_branch(branch, mode))
            for run in _modes(branch, mode):
                print_table(_bindings(branch, run, None if layers else SHOWN))
    if layers:
        print_table(_rates(document))
        for part in document.kinds:
            say(f"{part.figure}: {part.kind}; {part.source}")
    _answer(document, mode)


def _modes(branch: BranchTime, mode: str | None) -> Iterator[ModeTime]:
    yield from (run for run in branch.modes if mode in (None, run.mode))


def _branch(branch: BranchTime, mode: str | None) -> Table:
    rows: list[tuple[str, ...]] = []
    for run in _modes(branch, mode):
        rows += [
            (f"{run.mode}: {run.steps:,} steps", *_range(run.compute)),
            ("  a frame with the host", *_range(run.frame)),
            ("  frames a second", *_rate(run.frames_a_second)),
            *([("  latency", *_range(run.latency))] if run.mode == "pipelined" else []),
        ]
    rows += [
        (f"host sends {amount(branch.work.host_in)} values", *_range(branch.host_in)),
        (f"host reads {amount(branch.work.host_out)} values", *_range(branch.host_out)),
    ]
    what = WHAT.get(branch.name, branch.name)
    events = {
        "recorded": "events where the run recorded them",
        "spread": "events spread over the neurons",
        "every neuron": "at most: every neuron sends",
    }[branch.events]
    return Table.of(f"{what}, mean of {branch.inferences}; {events}", HEAD, rows)


def _bindings(branch: BranchTime, run: ModeTime, most: int | None) -> Table:
    terms = ", ".join(
        f"{term.term} {term.steps:,.0f} steps {seconds(term.seconds)}"
        for term in run.terms
        if term.steps
    )
    rows = [
        (row.term, row.layer, row.place, f"{row.steps:,.0f}", seconds(row.seconds))
        for row in run.bindings[:most]
    ]
    return Table.of(f"what binds, {branch.name}, {run.mode}: {terms}", BINDING, rows)


def _rates(document: TimeDocument) -> Table:
    columns = (
        Column("rate", kind="name"),
        Column("low", kind="number"),
        Column("central", kind="number"),
        Column("high", kind="number"),
        Column("unit"),
        Column("kind"),
        Column("source", rank=1, kind="text"),
    )
    rows = [
        (name, rate.low, rate.central, rate.high, UNITS.get(name, "ns"), rate.kind, rate.source)
        for name, rate in document.rates.rates.items()
    ]
    return Table.of(f"rates {document.rates.name}: {document.rates.title}", columns, rows)


def _answer(document: TimeDocument, mode: str | None) -> None:
    say(
        f"{document.neurons:,} neurons on {document.cores:,} cores of {document.chips:,} chips "
        f"({document.board}); rates {document.rates.name}, modelled, not measured on a chip"
    )
    for branch in sorted(document.branches, key=lambda branch: branch.name == SEARCH):
        what = WHAT.get(branch.name, branch.name)
        for run in _modes(branch, mode):
            rate = run.frames_a_second
            say(
                f"{what}, {run.mode}: {seconds(run.frame.low)} to {seconds(run.frame.high)} with "
                f"the host, {rate.low:,.3g} to {rate.high:,.3g} a second; {run.bound_by} bind; "
                f"resting neurons skipped {seconds(run.skipped)}, serviced "
                f"{seconds(run.serviced)} (central)",
                "bold" if branch.name == SEARCH else "",
            )


def _range(part: Estimate) -> tuple[str, str, str]:
    return seconds(part.low), seconds(part.central), seconds(part.high)


def _rate(part: Estimate) -> tuple[str, str, str]:
    return f"{part.low:,.3g}", f"{part.central:,.3g}", f"{part.high:,.3g}"
