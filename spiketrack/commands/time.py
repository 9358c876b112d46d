"""``spiketrack time``: how long a frame and an encoding take on the chip, and what binds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spiketrack.commands.targets import then_show, will_write
from spiketrack.commands.views import LAYERS_HELP
from spiketrack.packaged import BOARDS, RATE_TABLES

DEFAULT_RATES = "loihi2-scaled"
RATES_HELP = f"{', '.join(RATE_TABLES.names(DEFAULT_RATES))}, or a YAML or JSON file of your own."
MODE_HELP = "fall-through (one frame at a time) or pipelined (one every interval); default: both."


def time(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|DIR",
            help="A run, whose counts are taken, or an export folder: then every neuron sends.",
        ),
    ],
    placement: Annotated[
        Path | None,
        typer.Option("--map", help="Placement (spiketrack map --json); default: placed here."),
    ] = None,
    rates: Annotated[str, typer.Option(help=RATES_HELP)] = DEFAULT_RATES,
    mode: Annotated[str | None, typer.Option(help=MODE_HELP)] = None,
    board: Annotated[
        str, typer.Option(help=f"Without --map: {', '.join(BOARDS.names())}, 'N chips' or a file.")
    ] = "hala-point",
    frames: Annotated[
        int, typer.Option(min=1, help="Inferences of the run that are taken, evenly chosen.")
    ] = 4,
    layers: Annotated[bool, typer.Option("--layers", help=LAYERS_HELP)] = False,
    json: Annotated[Path | None, typer.Option(help="Write the whole document.")] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a page: the time of each step, by term."),
    ] = None,
) -> None:
    """Model the seconds of a frame and of a template encoding: a range, and what binds.

    A step takes as long as the longest of five terms: the busiest core's updates, operations and
    memory reads, the heaviest link, the barrier. Work is counted, rates are published or scaled:
    no table is measured on Loihi 2 by this project.
    """
    from spiketrack.commands.views.time import show_time
    from spiketrack.deploy.chip.program import MODES
    from spiketrack.errors import ConfigError, printable
    from spiketrack.steps.left import run_of
    from spiketrack.steps.timing import time as model

    if mode is not None and mode not in MODES:
        raise ConfigError(f"--mode {printable(mode)}: choose one of {', '.join(MODES)}")
    will_write((source, placement, rates, board), json=json, timeline=timeline)
    document = model(run_of(source), placement, rates, board, frames)
    with then_show(lambda: show_time(document, mode, layers)):
        if json is not None:
            document.write(json)
        if timeline is not None:
            from spiketrack.report.figures.time import write_timeline

            write_timeline(timeline, document)
