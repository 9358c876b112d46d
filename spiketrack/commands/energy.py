"""``spiketrack energy``: what every layer of a run costs, at named prices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spiketrack.commands.inputs import DEFAULT_PRICES, PRICES_HELP, RUN_HELP
from spiketrack.commands.targets import then_show, will_write
from spiketrack.commands.views import LAYERS_HELP


def energy(
    run: Annotated[Path, typer.Argument(help=RUN_HELP)],
    prices: Annotated[str, typer.Option(help=PRICES_HELP)] = DEFAULT_PRICES,
    execution: Annotated[
        str | None, typer.Option(help="spike, graded or dense instead of the table's own.")
    ] = None,
    amortise: Annotated[
        int | None,
        typer.Option(min=1, help="Spread template encodings over so many frames each."),
    ] = None,
    compare_with: Annotated[
        Path | None, typer.Option("--compare", help="A second run, shown beside.")
    ] = None,
    placement: Annotated[
        Path | None,
        typer.Option("--map", help="Placement (spiketrack map --json); default: placed here."),
    ] = None,
    time: Annotated[
        Path | None,
        typer.Option(help="Seconds of this run (spiketrack time --json); default: modelled here."),
    ] = None,
    operations_alone: Annotated[
        bool, typer.Option("--operations-alone", help="No placement, no seconds, no whole frame.")
    ] = False,
    layers: Annotated[bool, typer.Option("--layers", help=LAYERS_HELP)] = False,
    json: Annotated[Path | None, typer.Option(help="Write the whole document.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the layers of both branches.")] = None,
) -> None:
    """Report the energy of a run: exact counts times published prices, then the whole frame.

    Operations are counted and priced by stage, or --layers. The whole frame adds what decides on
    a chip: relays, neurons that rest, messages by hop, the host, static power for as long as the
    frame takes on the chips that it needs; a range from low to high, modelled.
    """
    from spiketrack.commands.views.energy import show_energy
    from spiketrack.energy.document import compare
    from spiketrack.energy.prices import load_prices
    from spiketrack.energy.tables import to_csv
    from spiketrack.files import atomic_path
    from spiketrack.steps.left import run_of
    from spiketrack.steps.price import price, with_whole_frames

    will_write((run, compare_with, placement, time, prices), json=json, csv=csv)
    table = load_prices(prices)
    run = run_of(run)
    priced = price(run, table, execution, amortise, placement)
    if not operations_alone:
        priced = with_whole_frames(priced, run, table, placement, time)
    other = None
    if compare_with is not None:
        other = price(run_of(compare_with), table, execution, amortise)
        priced = priced.model_copy(update={"comparison": compare(priced, other)})
    with then_show(lambda: show_energy(priced, layers)):
        if json is not None:
            priced.write(json)
        if csv is not None:
            with atomic_path(csv) as path:
                path.write_text(to_csv(priced), encoding="utf-8", errors="backslashreplace")
