"""``spiketrack compare-chip``: a kit for whoever has a chip, and its measurements against a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.targets import then_show, will_fill, will_write
from spiketrack.commands.views import LARGEST, LAYERS_HELP
from spiketrack.errors import ConfigError, SpikeTrackError
from spiketrack.ownership import CHIP_KIT
from spiketrack.terminal.console import say
from spiketrack.terminal.table import Column, Table, print_table

if TYPE_CHECKING:
    from spiketrack.documents.chip.comparison import WholeFrame
    from spiketrack.documents.chip.kit import MeasuredDocument
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.runs.folder import RunFolder
    from spiketrack.verification.chip_comparison import ChipComparison

COLUMNS = (
    Column("layer", kind="name"),
    Column("counts compared", rank=3),
    Column("differ"),
    Column("updates", "measured ÷ expected", 1),
    Column("operations", "measured ÷ expected", 1),
    Column("messages", "measured ÷ expected", 2),
    Column("first", "count that differs", 4, "text"),
)
WHOLE = (
    Column("of a frame", kind="name"),
    "measured",
    "modelled low",
    "modelled high",
    Column("how", kind="text"),
)
PICO = 1e-12


def compare_chip(
    run: Annotated[Path, typer.Argument(help="Run of --backend chip with --counts full.")],
    measured: Annotated[
        Path | None, typer.Argument(help="What a chip gave: measured.json of a kit, filled in.")
    ] = None,
    kit: Annotated[
        Path | None, typer.Option(help="Folder to write: golden vectors, expected counts, schema.")
    ] = None,
    branch: Annotated[
        str | None, typer.Option(help="Of the kit: search, the default, or template.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Export folder; default: the one the run was made of.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an older kit.")] = False,
    placement: Annotated[
        Path | None, typer.Option("--map", help="Placement for modelled time and energy.")
    ] = None,
    rates: Annotated[str, typer.Option(help="Table of rates of modelled time.")] = "loihi2-scaled",
    layers: Annotated[bool, typer.Option("--layers", help=LAYERS_HELP)] = False,
    json: Annotated[Path | None, typer.Option(help="Write the comparison.")] = None,
) -> None:
    """Write what a chip must give, or compare what it gave: counts, profiler fields, time, energy.

    The first frame of the run. Exit code 1 if a count differs; the first layer that does, by the
    time step in which it fires, is named.
    """
    if (measured is None) == (kit is None):
        raise ConfigError("compare-chip: give measured.json to compare, or --kit to write a kit")
    from spiketrack.export.nir.folder import read_export
    from spiketrack.runs.folder import RunFolder

    will_write((run, measured, export, placement), json=json)
    will_fill(kit, CHIP_KIT, force, (run, export))
    read = RunFolder.read(run)
    network = read_export(export or Path(read.about.export))
    if network.manifest.network_digest != read.about.network_digest:
        raise SpikeTrackError(f"{run}: was made with another network; give --export its folder")
    if kit is not None:
        _write(kit, read, network, branch, force)
    elif measured is not None:
        _compare(read, network, measured, json, (placement, rates), layers)


def _write(
    kit: Path, run: RunFolder, network: ExportedNetwork, asked: str | None, force: bool
) -> None:
    from spiketrack.inference import BRANCHES, SEARCH
    from spiketrack.verification.chip_kit import FORM, SCHEMA, VECTORS, write_kit

    branch = asked or SEARCH
    if branch not in BRANCHES:
        raise ConfigError(f"--branch {branch}: choose {' or '.join(BRANCHES)}")
    written = write_kit(kit, run, network, branch, force)
    counting = sum(bool(layer.spikes) for layer in written.layers)
    say(
        f"{kit}: {len(written.layers)} layers of the {branch} branch, {counting} with counts, "
        f"{written.time_steps:,} time steps ({written.mode})"
    )
    say(f"  {VECTORS}: inputs, integer weights, expected values; {SCHEMA}: what to give back")
    say(f"  fill in {FORM}, then: spiketrack compare-chip {run.path} {kit / FORM}")


def _compare(
    run: RunFolder,
    network: ExportedNetwork,
    path: Path,
    json: Path | None,
    model: tuple[Path | None, str],
    layers: bool,
) -> None:
    import dataclasses

    from spiketrack.documents.chip.comparison import ChipComparisonDocument
    from spiketrack.documents.chip.kit import MeasuredDocument
    from spiketrack.verification.chip_comparison import compare_chip as compare
    from spiketrack.verification.chip_kit import expected_of

    measured = MeasuredDocument.read(path)
    expected = expected_of(run, network.graphs, measured.branch)
    verdict = compare(run, expected, measured, path)
    whole = _whole(run, measured, *model)
    with then_show(lambda: show(verdict, measured, whole, layers)):
        if json is not None:
            ChipComparisonDocument(
                **dataclasses.asdict(verdict),
                device=measured.device,
                branch=measured.branch,
                whole=whole,
                network_digest=measured.network_digest,
                run_digest=run.digest,
            ).write(json)
    if verdict.first is not None:
        raise typer.Exit(1)


def show(
    verdict: ChipComparison,
    measured: MeasuredDocument,
    whole: tuple[WholeFrame, ...],
    layers: bool = True,
) -> None:
    """Layers that were measured (of many those that differ first), the whole, the verdict last."""
    known = [layer for layer in verdict.layers if layer.compared or layer.fields]
    title = f"{measured.branch} branch on {measured.device}"
    if not layers and len(known) > LARGEST:
        title += f": {LARGEST} of {len(known)} layers, those that differ first; all: --layers"
        known = sorted(known, key=lambda layer: not layer.different)[:LARGEST]
    rows = []
    for layer in known:
        ratios = [_ratio(layer.fields.get(n)) for n in ("updates", "operations", "messages")]
        different = layer.different if layer.compared else None
        rows.append((layer.name, layer.compared or None, different, *ratios, layer.where))
    print_table(Table.of(title, COLUMNS, rows))
    print_table(Table.of("", WHOLE, (list(dict(row).values()) for row in whole)))
    for name in verdict.unknown:
        say(f"{name}: measured, but no layer of the {measured.branch} branch")
    total = len(verdict.layers)
    say(f"counts of {verdict.measured} of {total} layers were measured")
    first = verdict.first
    if first is None:
        say("no count differs" if verdict.measured else "no counts were measured: nothing is shown")
    else:
        differ = sum(layer.different > 0 for layer in verdict.layers)
        say(f"first layer that differs: {first.name}, {first.where}; {differ} layers differ")


def _ratio(pair: tuple[int, int] | None) -> float | None:
    if pair is None or not pair[0]:
        return None
    return pair[1] / pair[0]


def _whole(
    run: RunFolder, measured: MeasuredDocument, placement: Path | None, rates: str
) -> tuple[WholeFrame, ...]:
    """Time and energy of a frame: measured, and the range of the model."""
    from spiketrack.documents.chip.comparison import WholeFrame
    from spiketrack.energy.prices import load_prices
    from spiketrack.energy.whole import DEFAULT, STATIC, whole_energy
    from spiketrack.timing.document import open_source, placed, time_document
    from spiketrack.timing.rates import load_rates

    table = load_rates(rates)
    _, export = open_source(run.path)
    where = placed(export, run, placement, "hala-point")
    times = time_document(where, run, table, placement, 1)
    branch = times.branch(measured.branch)
    if branch is None:
        raise SpikeTrackError(f"{run.path}: no times of the {measured.branch} branch")
    mode = next(m for m in branch.modes if m.mode == "fall-through")
    whole = whole_energy(times, load_prices(DEFAULT), measured.branch)
    static = next((row for row in whole.rows if row.part == STATIC), None)
    low, high = (static.low_pj, static.high_pj) if static else (0.0, 0.0)
    spent = None
    if measured.static_watts is not None and measured.seconds is not None:
        spent = measured.static_watts * measured.seconds
    dynamic = None if measured.joules is None else measured.joules - (spent or 0.0)
    seconds = f"steps of the timeline and host, rates {table.name}: modelled, {table.title}"
    joules = f"prices {whole.prices}, rates {whole.rates}: modelled"
    rows = (
        ("seconds", measured.seconds, mode.frame.low, mode.frame.high, seconds),
        (
            "joules, without static",
            dynamic,
            PICO * (whole.low_pj - low),
            PICO * (whole.high_pj - high),
            joules,
        ),
        ("joules, static", spent, PICO * low, PICO * high, joules),
    )
    return tuple(
        WholeFrame(name=name, measured=value, low=least, high=most, how=how)
        for name, value, least, most, how in rows
    )
