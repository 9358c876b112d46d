"""``spiketrack sanafe``: the network in an independent simulator of a chip, spike for spike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.inputs import choose_clip
from spiketrack.commands.targets import then_show, will_write
from spiketrack.commands.views.markdown import Slot
from spiketrack.commands.views.markdown import table as markdown_table
from spiketrack.terminal.console import say
from spiketrack.terminal.progress import stages
from spiketrack.terminal.table import Column, Table, print_table, text

if TYPE_CHECKING:
    from spiketrack.verification.sanafe import Compared


def sanafe(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Export folder.")],
    video: Annotated[Path | None, typer.Option(help="Clip; default: the bundled one.")] = None,
    box: Annotated[
        str | None, typer.Option(help="x,y,w,h of the object in its first frame.")
    ] = None,
    parts: Annotated[
        bool, typer.Option("--parts", help="Only the parts, not the whole search branch.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option(help="Markdown file whose SANA-FE tables are to be replaced.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write all findings as JSON.")] = None,
) -> None:
    """Run the network in SANA-FE and compare: spikes, operations, messages, hops, energy, time.

    One frame of a clip. Prices and times are SANA-FE's own of Loihi 1 on both sides. Exit code 1 if
    a spike or a number differs. Needs the extra sanafe (Python 3.10 and 3.11).
    """
    from spiketrack.export.nir.folder import read_export
    from spiketrack.simulators.sanafe.engine import sanafe as package
    from spiketrack.verification.sanafe import compare, document

    will_write((folder, video), into=into, json=json)
    slots = [Slot(into, name) for name in SLOTS] if into else []
    package()
    network = read_export(folder)
    clip, start = choose_clip(video, box, 2)
    with stages("reading the clip") as tell:
        comparison = compare(network, list(clip), start, tell, whole=not parts)
    tables = [_parts(comparison), *([] if parts else [_quantities(comparison), _terms(comparison)])]

    def show() -> None:
        for table in tables:
            print_table(table)
        say("equal" if comparison.agrees else "SANA-FE and this program differ")

    with then_show(show):
        if json is not None:
            document(comparison, network.manifest.network_digest).write(json)
        for slot, table in zip(slots, tables, strict=False):  # without --parts there are all
            rows = [[text(value) for value in row] for row in table.rows]
            slot.fill(markdown_table([column.title for column in table.columns], rows))
    if not comparison.agrees:
        raise typer.Exit(1)


SLOTS = ("sanafe-parts", "sanafe-frame", "sanafe-time")


def _parts(comparison: Compared) -> Table:
    columns = (
        Column("part", kind="name"),
        Column("populations"),
        Column("neurons", rank=1),
        Column("synapses", rank=2),
        Column("spikes", "that could be fired"),
        Column("differ"),
        Column("why not", kind="text"),
    )
    rows = []
    for part in comparison.parts:
        run = part.result
        numbers: tuple[int | None, ...] = (None,) * 5
        if run is not None:
            numbers = (len(run.populations), run.neurons, run.synapses, run.spikes, run.different)
        rows.append((part.name, *numbers, part.reason))
    return Table.of("parts in SANA-FE, one frame", columns, rows)


def _quantities(comparison: Compared) -> Table:
    rows = [(q.name, q.ours, q.theirs, q.equal) for q in comparison.quantities]
    columns = (Column("one frame", kind="name"), "ours", "SANA-FE", "equal")
    return Table.of(f"the search branch, {comparison.steps} time steps", columns, rows)


def _terms(comparison: Compared) -> Table:
    rows = [(term.name, 1e3 * term.seconds, 1e3 * term.added) for term in comparison.terms]
    columns = (Column("time of the frame", kind="text"), "ms", "added, ms")
    return Table.of("from our form of a step's time to SANA-FE's", columns, rows)
