"""``spiketrack report``: one self-contained HTML file about a run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from spiketrack.commands.inputs import DEFAULT_PRICES, PRICES_HELP
from spiketrack.commands.targets import will_write
from spiketrack.terminal.console import say


def report(
    run: Annotated[Path, typer.Argument(help="Folder that spiketrack simulate wrote.")],
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
    prices: Annotated[str, typer.Option(help=f"Price table: {PRICES_HELP}")] = DEFAULT_PRICES,
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    png: Annotated[
        bool, typer.Option("--png", help="Also write the main pictures into OUT's name + -png/.")
    ] = False,
) -> None:
    """Write a report that opens without a network: clip, energy, counts, agreement, cores.

    Clip with boxes and slider, energy by layer, firing rates, comparison of backends, core map,
    number formats; every table downloads as CSV. Sections without their input say how to get it.
    """

    will_write((run, *(against or ()), verify, placement, time, prices), out=out)
    from spiketrack.report import build_report, read_sources, write_html, write_pngs

    sources = read_sources(run, tuple(against or ()), verify, placement, prices, _command(), time)
    built = build_report(sources)
    write_html(built, out)
    say(f"{out}: {out.stat().st_size / 1e6:.1f} MB, opens in any browser without a network")
    if png:
        folder = out.with_name(f"{out.stem}-png")
        names = write_pngs(built, folder)
        say(f"{folder}: {', '.join(names)}")


def _command() -> str:
    """The command line that is being executed."""
    return shlex.join(["spiketrack", *sys.argv[1:]])
