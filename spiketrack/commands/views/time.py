"""What ``time`` shows: a frame in both modes, what binds, host and counted work; ranges."""

from __future__ import annotations

from collections.abc import Iterator

from spiketrack.documents.rates import UNITS
from spiketrack.documents.timing import BranchTime, Estimate, ModeTime, TimeDocument
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.terminal.amounts import amount, counted, seconds
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
TERMS = 4  # of what binds a mode, in the summary


def show_time(document: TimeDocument, mode: str | None, layers: bool) -> None:
    """A frame and what binds it, or every table; then the answer."""
    if layers:
        for branch in document.branches:
            print_table(_branch(branch, mode))
            for run in _modes(branch, mode):
                print_table(_bindings(branch, run))
        print_table(_rates(document))
        for part in document.kinds:
            say(f"{part.figure}: {part.kind}; {part.source}")
    elif (search := document.branch(SEARCH)) is not None:
        print_table(_branch(search, mode, document.branch(TEMPLATE)))
        print_table(_terms(search, mode))
    _answer(document, mode)


def _modes(branch: BranchTime, mode: str | None) -> Iterator[ModeTime]:
    yield from (run for run in branch.modes if mode in (None, run.mode))


def _branch(branch: BranchTime, mode: str | None, encoding: BranchTime | None = None) -> Table:
    """Seconds of a branch, and below them those of an encoding as a whole."""
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
    rows += [
        (f"{WHAT[TEMPLATE]}, {run.mode}", *_range(run.frame))
        for run in ([] if encoding is None else _modes(encoding, mode))
    ]
    what = WHAT.get(branch.name, branch.name)
    events = {
        "recorded": "events where the run recorded them",
        "spread": "events spread over the neurons",
        "every neuron": "at most: every neuron sends",
    }[branch.events]
    return Table.of(f"{what}, mean of {branch.inferences}; {events}", HEAD, rows)


def _terms(branch: BranchTime, mode: str | None) -> Table:
    """The terms that bind most, each with the layer and core or link that it binds longest."""
    rows = []
    for run in _modes(branch, mode):
        for term in sorted(run.terms, key=lambda term: -term.seconds)[:TERMS]:
            if not term.steps:
                continue
            first = next((row for row in run.bindings if row.term == term.term), None)
            most = ("", "") if first is None else (first.layer, first.place)
            rows.append((run.mode, term.term, f"{term.steps:,.0f}", seconds(term.seconds), *most))
    head = (
        Column("what binds", kind="text"),
        Column("term", kind="text"),
        Column("steps", kind="number"),
        Column("together", kind="number"),
        Column("longest in", "layer, core or link", kind="name"),
        Column("where", rank=1, kind="text"),
    )
    return Table.of("", head, rows)


def _bindings(branch: BranchTime, run: ModeTime) -> Table:
    terms = ", ".join(
        f"{term.term} {term.steps:,.0f} steps {seconds(term.seconds)}"
        for term in run.terms
        if term.steps
    )
    rows = [
        (row.term, row.layer, row.place, f"{row.steps:,.0f}", seconds(row.seconds))
        for row in run.bindings
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
        f"{counted(document.cores, 'core')} of {counted(document.chips, 'chip')} "
        f"({document.board}), rates {document.rates.name}; modelled, not measured on a chip"
    )
    branch = document.branch(SEARCH)
    for run in [] if branch is None else _modes(branch, mode):
        say(
            f"{run.mode}, central, neurons that rest skipped: {seconds(run.skipped)}; "
            f"serviced: {seconds(run.serviced)}"
        )
    for run in [] if branch is None else _modes(branch, mode):
        rate = run.frames_a_second
        say(
            f"{WHAT[SEARCH]}, {run.mode}: {seconds(run.frame.low)} to {seconds(run.frame.high)} "
            f"with the host, {rate.low:,.3g} to {rate.high:,.3g} a second",
            "bold",
        )


def _range(part: Estimate) -> tuple[str, str, str]:
    return seconds(part.low), seconds(part.central), seconds(part.high)


def _rate(part: Estimate) -> tuple[str, str, str]:
    return f"{part.low:,.3g}", f"{part.central:,.3g}", f"{part.high:,.3g}"
