"""``spiketrack energy``: what every layer of a run costs, at named prices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.inputs import DEFAULT_PRICES, PRICES_HELP
from spiketrack.commands.targets import will_write
from spiketrack.commands.views import LAYERS_HELP

if TYPE_CHECKING:
    from spiketrack.documents.energy import EnergyDocument
    from spiketrack.documents.prices import PriceTable


def energy(
    run: Annotated[Path, typer.Argument(help="Folder that spiketrack simulate wrote.")],
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

    Examples: spiketrack energy RUN; spiketrack energy RUN --map map.json --time time.json
    """
    from spiketrack.commands.views.energy import show_energy
    from spiketrack.energy.document import compare
    from spiketrack.energy.prices import load_prices
    from spiketrack.energy.tables import to_csv
    from spiketrack.files import atomic_path

    will_write((run, compare_with, placement, time, prices), json=json, csv=csv)
    table = load_prices(prices)
    priced = describe(run, table, execution, amortise, placement)
    if not operations_alone:
        priced = whole(priced, run, table, placement, time)
    other = None
    if compare_with is not None:
        other = describe(compare_with, table, execution, amortise)
        priced = priced.model_copy(update={"comparison": compare(priced, other)})
    if json is not None:
        priced.write(json)
    if csv is not None:
        with atomic_path(csv) as path:
            path.write_text(to_csv(priced), encoding="utf-8", errors="backslashreplace")
    show_energy(priced, layers)


def describe(
    run: Path,
    table: PriceTable,
    execution: str | None = None,
    amortise: int | None = None,
    placement: Path | None = None,
) -> EnergyDocument:
    """The document of one run; a table of the user's own stands first among the packaged ones."""
    from spiketrack.energy.document import document
    from spiketrack.energy.network import read_network_cost
    from spiketrack.energy.prices import packaged_tables
    from spiketrack.runs.folder import RunFolder
    from spiketrack.simulators.backends import require_operations

    read = RunFolder.read(run)
    require_operations(run, read.about.backend)
    tables = packaged_tables()
    if table not in tables:
        tables = [table, *tables]
    priced = document(read.counts(), table, tables, execution, amortise, of=read.reference)
    if placement is None:
        return priced
    cost = read_network_cost(placement, table, priced)
    return priced.model_copy(update={"network_on_chip": cost})


def whole(
    priced: EnergyDocument,
    run: Path,
    table: PriceTable,
    placement: Path | None = None,
    time: Path | None = None,
) -> EnergyDocument:
    """The same document with whole frames; ``whole_missing`` says why there are none.

    ``SpikeTrackError`` for seconds of another run.
    """
    from spiketrack.commands.time import describe as describe_time
    from spiketrack.documents.timing import TimeDocument
    from spiketrack.energy.whole import require_this_run, whole_frames
    from spiketrack.errors import SpikeTrackError
    from spiketrack.runs.folder import RunFolder

    about = RunFolder.read(run).about
    if time is not None:
        seconds = TimeDocument.read(time)
        require_this_run(time, seconds, priced)
    else:
        try:
            seconds = describe_time(run, placement)
        except SpikeTrackError as error:  # the operations are priced all the same
            return priced.model_copy(update={"whole_missing": str(error)})
    found = whole_frames(seconds, table, about.clip.fps)
    return priced.model_copy(update={"whole": found})
