"""Section on seconds and joules of a chip: from operations to the whole frame, and what binds."""

from __future__ import annotations

from collections.abc import Iterator

from spiketrack.documents.timing import BranchTime, ModeTime, TimeDocument
from spiketrack.documents.whole import WholeEnergy
from spiketrack.inference import SEARCH
from spiketrack.pages.parts import Figure, Section, Table
from spiketrack.report.commands import time_command
from spiketrack.report.figures.time import (
    activity_figure,
    core_time_figure,
    seconds_figure,
    timeline_figure,
    whole_figure,
)
from spiketrack.report.sources import Sources
from spiketrack.terminal.amounts import counted, joules, seconds

TITLE = "Seconds and joules of a chip"


def chip_section(sources: Sources) -> Section:
    """What a frame takes on silicon if the rates hold; or how to get it."""
    time = sources.time
    if time is None:
        missing = ("Not given: seconds. Model them and give them to the report with --time:",)
        return Section("chip", TITLE, missing, commands=(time_command(sources.run),))
    whole = sources.run.priced.whole
    figures: list[Figure] = [whole_figure(whole), seconds_figure(time)]
    figures += [timeline_figure(time.branches), activity_figure(time.branches)]
    if sources.placement is not None and sources.placement.cores == time.cores:
        figures.append(core_time_figure(sources.placement, time))
    tables = (
        whole_table(whole), time_table(time), binding_table(time), rate_table(time),
        Table.of("time_kinds", "What these figures are", time.kinds),
    )  # fmt: skip
    return Section("chip", TITLE, tuple(sentences(time, whole)), tuple(figures), tables)


def sentences(time: TimeDocument, whole: tuple[WholeEnergy, ...]) -> Iterator[str]:
    """The story: what dominates, how long, what binds, and that no silicon was used."""
    for spent in whole:
        what = "A frame" if spent.branch == SEARCH else "A template encoding"
        yield (
            f"{what} takes {joules(spent.low_pj)} to {joules(spent.high_pj)} on "
            f"{counted(spent.chips, 'chip')}; {most(spent)}."
        )
    search = time.branch(SEARCH)
    for mode in () if search is None else search.modes:
        rate = mode.frames_a_second
        yield (
            f"{mode.mode.capitalize()}, with the host: {seconds(mode.frame.low)} to "
            f"{seconds(mode.frame.high)} a frame, {rate.low:,.3g} to {rate.high:,.3g} frames a "
            f"second; {mode.bound_by} bind."
        )
    yield (
        "Work is counted for every core, link and step; "
        f"rates: {time.rates.title or time.rates.name}. "
        "Modelled, not measured on a chip by this project."
    )


def most(spent: WholeEnergy) -> str:
    """Which part is largest in the high estimate, and in the low one."""
    if spent.dominates == spent.least:
        return f"most of it is {spent.dominates}, in both estimates"
    return f"most of the high estimate is {spent.dominates}, of the low one {spent.least}"


def whole_table(whole: tuple[WholeEnergy, ...]) -> Table:
    """The rows of ``spiketrack energy --json``: ``whole``."""
    rows = [{"branch": energy.branch, **dict(row)} for energy in whole for row in energy.rows]
    columns = ("branch", "part", "number", "unit", "low_pj", "high_pj", "kind", "source")
    return Table.of(
        "whole", "From operations to the whole frame", rows, columns, ("source",), unfolded=True
    )


def time_table(time: TimeDocument) -> Table:
    """Estimates of each branch and mode."""
    rows = []
    for branch, mode in modes(time):
        for what, estimate in (
            ("compute, s", mode.compute),
            ("latency, s", mode.latency),
            ("frame, s", mode.frame),
            ("frames a second", mode.frames_a_second),
        ):
            rows.append(
                {"branch": branch.name, "mode": mode.mode, "steps": mode.steps, "what": what}
                | dict(estimate)
            )
    note = "Compute and latency without the host, frame with it."
    return Table.of("time", "Seconds, low to high", rows, note=note, unfolded=True)


def binding_table(time: TimeDocument) -> Table:
    """Which layer and place bind, and for how long."""
    rows = [
        {"branch": branch.name, "mode": mode.mode, **dict(row)}
        for branch, mode in modes(time)
        for row in mode.bindings
    ]
    return Table.of("binding", "What binds longest", rows, note="Central estimate.")


def rate_table(time: TimeDocument) -> Table:
    """The rates themselves."""
    rows = [{"rate": name, **dict(rate)} for name, rate in time.rates.rates.items()]
    title = f"Rates of {time.rates.name}"
    return Table.of("rates_of_time", title, rows, note=" ".join(time.rates.notes))


def modes(time: TimeDocument) -> Iterator[tuple[BranchTime, ModeTime]]:
    """Every branch in every mode."""
    for branch in time.branches:
        for mode in branch.modes:
            yield branch, mode
