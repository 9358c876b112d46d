"""``spiketrack partitions``: Intel's printed partitions beside ours, networks under both rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.targets import then_show, will_write
from spiketrack.commands.views import ROWS_HELP
from spiketrack.commands.views.markdown import Slot
from spiketrack.commands.views.markdown import table as markdown_table
from spiketrack.terminal.console import say
from spiketrack.terminal.progress import frame_bar
from spiketrack.terminal.table import Column, Table, print_table

if TYPE_CHECKING:
    from spiketrack.deploy.chip.rules.comparison import UnderRules
    from spiketrack.deploy.chip.rules.printed_networks import PrintedNetwork, RowResult

ROW_COLUMNS = (
    Column("network"),
    Column("layer", kind="name"),
    Column("x, y, channels", "", 4, "number"),
    Column("slice", "x, y, channels on one core", kind="number"),
    Column("printed slice", "", 1, "number"),
    Column("neurons"),
    Column("printed neurons", rank=2),
    Column("cores"),
    Column("printed cores"),
    Column("words", "synapse words, modelled", 3),
    Column("printed words", "", 5),
    Column("same", "slice, neurons and cores"),
)
BOTH_COLUMNS = (
    Column("network", kind="name"),
    Column("rules"),
    Column("cores"),
    Column("chips"),
    Column("mean use", "of the fullest resource of a core, %"),
    Column("neurons a core"),
    Column("messages", "an inference of both branches that change cores, at most", 2),
    Column("reason", "why it cannot be placed", kind="text"),
)


def partitions(
    networks: Annotated[
        list[Path] | None, typer.Argument(help="Export folders to place under both rules.")
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help=ROWS_HELP)] = False,
    into: Annotated[
        Path | None, typer.Option(help="Markdown file whose partition tables are to be replaced.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write all rows as JSON.")] = None,
) -> None:
    """Reproduce the partitions that Intel's compiler printed, from shapes alone.

    With export folders: their cores and chips under the hardware's and the compiler's rules. Exit
    code 1 if a printed row is not reproduced.
    """
    from dataclasses import asdict

    from spiketrack.deploy.chip.rules.comparison import under_both
    from spiketrack.deploy.chip.rules.printed_networks import printed_networks, reproduce
    from spiketrack.documents.chip.partitions import (
        PartitionRow,
        PartitionsDocument,
        PrintedCores,
        RulesRow,
    )
    from spiketrack.export.nir.folder import read_export

    folders = networks or []
    will_write(folders, into=into, json=json)
    slots = [Slot(into, name) for name in ("printed", "rules")] if into else []
    printed = printed_networks()
    results = [row for network in printed for row in reproduce(network)]
    placed: list[UnderRules] = []
    if folders:
        with frame_bar("Networks", len(folders)) as advance:
            for folder in folders:
                placed += under_both(folder.name, read_export(folder).graphs)
                advance()
    tables = [_rows(results), _both(placed)]
    missed = [row for row in results if not row.reproduced]
    shown = [tables[0]] if layers else [_networks(printed, results), _rows(missed)]

    def show() -> None:
        for table in (*shown, tables[1]):
            if table.rows:
                print_table(table)
        same = len(results) - len(missed)
        say(f"{same} of {len(results)} printed rows reproduced from shapes alone")

    with then_show(show):
        if json is not None:
            PartitionsDocument(
                printed=tuple(
                    PartitionRow(
                        **asdict(row)
                        | {
                            "printed": PrintedCores(**dict(row.printed)),
                            "reproduced": row.reproduced,
                        }
                    )
                    for row in results
                ),
                rules=tuple(RulesRow(**asdict(row)) for row in placed),
            ).write(json)
        for slot, table in zip(slots, tables, strict=bool(slots)):
            if table.rows:
                slot.fill(markdown_table([c.title for c in table.columns], _cells(table)))
    if missed:
        raise typer.Exit(1)


def _networks(printed: Sequence[PrintedNetwork], results: Sequence[RowResult]) -> Table:
    """A line a network."""
    rows = []
    for network in printed:
        own = [row for row in results if row.network == network.name]
        same = sum(row.reproduced for row in own)
        rows.append((network.name, len(own), same, sum(row.cores for row in own), network.cores))
    columns = (
        Column("network", kind="name"),
        Column("rows", "that the compiler printed, a layer each"),
        Column("same", "slice, neurons and cores"),
        Column("cores"),
        Column("printed cores"),
    )
    return Table.of("partitions that Intel's compiler printed", columns, rows)


def _rows(results: Sequence[RowResult]) -> Table:
    rows = [
        (
            row.network,
            row.layer,
            row.size,
            row.slice,
            row.printed.slice,
            row.neurons,
            row.printed.neurons,
            row.cores,
            row.printed.cores,
            row.words,
            row.printed.words,
            row.reproduced,
        )
        for row in results
    ]
    return Table.of("partitions that Intel's compiler printed", ROW_COLUMNS, rows)


def _both(placed: Sequence[UnderRules]) -> Table:
    rows = [
        (
            one.network,
            one.rules,
            one.cores,
            one.chips,
            one.use and 100 * one.use,
            one.neurons_a_core,
            one.messages,
            one.reason,
        )
        for one in placed
    ]
    return Table.of("both branches under both rules", BOTH_COLUMNS, rows)


def _cells(table: Table) -> list[list[str]]:
    from spiketrack.terminal.table import text

    return [[text(value) for value in row] for row in table.rows]
