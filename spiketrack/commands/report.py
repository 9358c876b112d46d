"""``spiketrack report``: one self-contained HTML file about a run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from spiketrack.commands.inputs import DEFAULT_PRICES, PRICES_HELP, RUN_HELP
from spiketrack.commands.targets import will_write
from spiketrack.terminal.console import begin, say


def report(
    run: Annotated[Path, typer.Argument(help=RUN_HELP)],
    against: Annotated[
        list[Path] | None, typer.Option(help="Another run to show beside; may be repeated.")
    ] = None,
    verify: Annotated[
        Path | None, typer.Option(help="Comparison of backends (spiketrack verify --json).")
    ] = None,
    placement: Annotated[
        Path | None, typer.Option("--map", help="Placement (spiketrack map --json).")
    ] = None,
    time: Annotated[
        Path | None, typer.Option(help="Seconds of the run (spiketrack time --json).")
    ] = None,
    prices: Annotated[
        str | None, typer.Option(help=f"Price table: {PRICES_HELP} Default: {DEFAULT_PRICES}.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The HTML file; default: report.html, in the folder of spiketrack run."),
    ] = None,
    png: Annotated[
        bool, typer.Option("--png", help="Also write the main pictures into OUT's name + -png/.")
    ] = False,
) -> None:
    """Write a report that opens without a network: clip, energy, counts, agreement, cores.

    Clip with boxes and slider, energy by layer, firing rates, comparison of backends, core map,
    number formats; every table downloads as CSV. Sections without their input say how to get it.
    """
    from spiketrack.steps.left import left, run_of
    from spiketrack.steps.report import report as write

    there = left(run)
    page = out or (Path("report.html") if there.results is None else there.results.report)
    will_write((run, *(against or ()), verify, placement, time, prices), out=page)
    begin(f"{page}: reading the run, drawing")
    if there.results is not None:
        verify = verify or _present(there.results.verify)
        placement = placement or _present(there.results.map)
        time = time or _present(there.results.time)
    made = write(
        there.run or run,
        page,
        tuple(run_of(path) for path in against or ()),
        verify,
        placement,
        prices or there.prices or DEFAULT_PRICES,
        shlex.join(["spiketrack", *sys.argv[1:]]),
        page.with_name(f"{page.stem}-png") if png else None,
        time,
    )
    say(f"{page}: {made.size / 1e6:.1f} MB, opens in any browser without a network")
    if made.pictures:
        say(f"{page.stem}-png: {', '.join(made.pictures)}")


def _present(path: Path) -> Path | None:
    return path if path.is_file() else None
