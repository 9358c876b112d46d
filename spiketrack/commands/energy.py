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
        typer.Option("--map", help="Placement (spiketrack map --json): adds message costs."),
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help=LAYERS_HELP)] = False,
    json: Annotated[Path | None, typer.Option(help="Write the whole document.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the layers of both branches.")] = None,
) -> None:
    """Report the energy of a run, exact counts times published prices: by stage, or --layers."""
    from spiketrack.commands.views.energy import show_energy
    from spiketrack.energy.document import compare
    from spiketrack.energy.prices import load_prices
    from spiketrack.energy.tables import to_csv
    from spiketrack.files import atomic_path

    will_write((run, compare_with, placement, prices), json=json, csv=csv)
    table = load_prices(prices)
    priced = describe(run, table, execution, amortise, placement)
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
