"""``spiketrack map``: does the network fit on the chips, and where would it lie?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spiketrack.commands.inputs import EXPORT_HELP
from spiketrack.commands.targets import then_show, will_write
from spiketrack.commands.views import LAYERS_HELP
from spiketrack.errors import ConfigError
from spiketrack.packaged import BOARDS
from spiketrack.terminal.amounts import counted
from spiketrack.terminal.console import say
from spiketrack.terminal.table import Column, print_table, table

if TYPE_CHECKING:
    from spiketrack.deploy.chip.program import ChipProgram, Choices
    from spiketrack.documents.placement import (
        BranchPlacement,
        ChipRow,
        CoreMap,
        LayerPlacement,
        MapDocument,
    )
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.integer.graph import Graph
    from spiketrack.pages import Figure
    from spiketrack.steps.optimise import Effort

BOARD_HELP = (
    f"{', '.join(BOARDS.names())}, 'N chips', or a YAML file; loihi2 is endless. "
    "Default: hala-point."
)
RATES_HELP = "Table of rates, or a file, that the search prices with."
RULES_HELP = (
    "hardware: published limits, layers share cores; intel-compiler: the slices that Intel's "
    "compiler printed for other networks, a core for each."
)
TRADE_COLUMNS = (
    "tiles", "latency", "interval", "frames in flight", "neurons", "more neurons %",
    "relays that keep time", "neurons × steps, 10⁹",
)  # fmt: skip
LAYER_COLUMNS = (
    Column("layer"), Column("kind", rank=4), Column("shape", "", 7, "number"),
    Column("block", "largest piece on one core", 8, "number"), Column("blocks", rank=9),
    Column("cores"), Column("neurons", rank=1), Column("synapses KiB", rank=2),
    Column("unrolled KiB", "with every synapse stored by itself", 10),
    Column("fan-in", "synapses of a neuron", 11), Column("to cores", "that a neuron reaches", 12),
    Column("axons in", "table entries", 13), Column("axons out", "table entries", 14),
    Column("fullest", "resource of its cores", 5), Column("messages out", "an inference", 3),
)  # fmt: skip


def map(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=EXPORT_HELP)],
    run: Annotated[
        Path | None, typer.Option(help="Folder of a run: traffic from its counted events.")
    ] = None,
    board: Annotated[str | None, typer.Option(help=BOARD_HELP)] = None,
    mode: Annotated[
        str, typer.Option(help="pipelined: a frame every interval; fall-through: one at a time.")
    ] = "pipelined",
    spikes: Annotated[
        str, typer.Option(help="graded, or binary: a count as up to four spikes.")
    ] = "graded",
    tiles: Annotated[
        str,
        typer.Option(
            help="Copies of products: 16 of kv; 8x2, and 2 of q·kv; auto: fewest steps for 15 % "
            "more neurons."
        ),
    ] = "1",
    rules: Annotated[str, typer.Option(help=RULES_HELP)] = "hardware",
    optimise: Annotated[
        bool, typer.Option("--optimise", help="Search for a faster placement on no more chips.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of that search.")] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="That the search may take.")] = 120.0,
    rates: Annotated[str, typer.Option(help=RATES_HELP)] = "loihi2-scaled",
    layers: Annotated[bool, typer.Option("--layers", help=LAYERS_HELP)] = False,
    json: Annotated[Path | None, typer.Option(help="Write the whole placement.")] = None,
    timeline: Annotated[
        Path | None, typer.Option(help="Write a page that shows which layer works in which step.")
    ] = None,
) -> None:
    """Place both branches on the neuro-cores of a Loihi 2 board and say whether they fit.

    A network that does not fit is reported with what would help; the exit code stays 0.
    """
    from spiketrack.deploy.chip.board import DEFAULT_BOARD, load_board
    from spiketrack.deploy.chip.program import choices_of
    from spiketrack.deploy.chip.rules.strategy import rules_of
    from spiketrack.export.nir.folder import read_export
    from spiketrack.inference import SEARCH
    from spiketrack.steps.left import left, run_of
    from spiketrack.steps.optimise import Effort
    from spiketrack.steps.place import place_network

    will_write((folder, run, board), json=json, timeline=timeline)
    there = left(folder)
    board = board or there.board or DEFAULT_BOARD
    run = there.run if run is None else run_of(run)
    load_board(board)
    network = read_export(there.export)
    choices = choices_of(mode, spikes, tiles)
    chosen = rules_of(rules)
    if optimise:
        if rules != "hardware":
            raise ConfigError(f"--optimise: the slices of --rules {rules} are what they are")
        report = faster(network, board, choices, run, Effort(rates, seed, seconds))
    else:
        report = place_network(network, board, choices, run, chosen)
    with then_show(lambda: show(report, layers)):
        if json is not None:
            report.write(json)
        if timeline is not None:
            write_timeline(timeline, report, run)
        if layers or tiles != "1":
            show_trade(network.graphs[SEARCH], choices)


def faster(
    network: ExportedNetwork, board: str, choices: Choices, run: Path | None, effort: Effort
) -> MapDocument:
    """What a search finds, never slower than the greedy placement; says what it gained."""
    from spiketrack.steps.optimise import optimise_network
    from spiketrack.terminal.progress import stages

    with stages("placing") as tell:
        report, search = optimise_network(network, board, choices, run, effort, tell)
    old, new = search.greedy, search.best
    what = "a frame" if choices.mode == "fall-through" else "from one frame to the next"
    say(
        f"optimised: {1e3 * old.seconds:.4g} → {1e3 * new.seconds:.4g} ms {what} "
        f"({-search.gain:+.1%}; modelled at the rates {effort.rates}, central), {search.attempts} "
        f"placements tried; {old.placement.cores:,} → {new.placement.cores:,} cores on "
        f"{old.placement.chips:,} → {counted(new.placement.chips, 'chip')}"
    )
    return report


def show(placement: MapDocument, layers: bool) -> None:
    """The summary, or limits, every layer and chip; the verdict last."""
    if layers:
        show_layers(placement)
    else:
        from spiketrack.commands.views.placement import show_summary

        show_summary(placement)
    show_spike_costs(placement, layers)
    verdict(placement)


def show_spike_costs(placement: MapDocument, layers: bool) -> None:
    """Graded against binary spikes, where a run was counted; the summary has one branch's."""
    from spiketrack.commands.views.placement import costs_are_shown
    from spiketrack.commands.views.spikes import spike_table

    counted = [branch for branch in placement.branches if branch.spike_costs]
    if not layers:
        counted = counted[:1] if costs_are_shown(placement) else []
    for branch in counted:
        print_table(spike_table(branch))


def show_layers(placement: MapDocument) -> None:
    """Limits, layers, chips and boards."""
    table(
        f"limits of board {placement.board}",
        ("limit", "value", "source"),
        [(name, row.value, row.source) for name, row in placement.limits],
    )
    for branch in placement.branches:
        show_branch(branch)
    table(
        "chips",
        ("chip", "cores", "neurons", *(f"{n} %" for n in placement.core_map.resources)),
        [chip_row(number, chip) for number, chip in enumerate(placement.chip_table)],
    )
    show_cores(placement.core_map)
    table(
        "boards",
        ("board", "chips", "needed", "fits"),
        [(b.name, b.chips, b.needed_chips, b.fits) for b in placement.boards],
    )


def write_timeline(path: Path, placement: MapDocument, run: Path | None) -> None:
    """A page of its own: the timeline of each branch, and the activity that a run recorded."""
    from spiketrack.pages import Page, Section, write_page
    from spiketrack.report.figures.placement import timeline_figure

    figures = [timeline_figure(placement.branches)]
    figures += () if run is None else step_figures(placement, run)
    notice = "Modelled: time steps of a placement, no chip was used."
    title, about = figures[0].title, f"Placement on {placement.board}"
    section = Section("time", "Time steps", figures=tuple(figures))
    write_page(Page(title, about, notice, (), (section,)), path)


def step_figures(placement: MapDocument, run: Path) -> Iterator[Figure]:
    """One figure a branch whose activity the run holds."""
    from spiketrack.report.figures.placement import step_figure
    from spiketrack.runs.activity import activity_branches, read_activity

    for branch in placement.branches:
        if branch.name in activity_branches(run):
            yield step_figure(branch.name, read_activity(run, branch.name))


def show_trade(graph: Graph, choices: Choices) -> None:
    """Steps against neurons for every number of tiles."""
    from spiketrack.deploy.chip.program import trade

    programs = trade(graph, choices)
    rows = [trade_row(program, programs[0]) for program in programs]
    table(f"{graph.name} branch: copies of products, steps and neurons", TRADE_COLUMNS, rows)


def trade_row(program: ChipProgram, plain: ChipProgram) -> tuple[Any, ...]:
    """Cells of one number of tiles, in the order of ``TRADE_COLUMNS``."""
    relays = sum(not layer.nodes for layer in program.layers)
    more = 100 * (program.neurons / plain.neurons - 1)
    work = program.neurons * program.latency / 1e9
    return (
        str(program.choices.copies), program.latency, program.interval, program.frames_in_flight,
        program.neurons, more, relays, work,
    )  # fmt: skip


def show_branch(branch: BranchPlacement) -> None:
    """Layers of a branch, its times and its traffic."""
    table(f"{branch.name} branch", LAYER_COLUMNS, [layer_row(row) for row in branch.layers])
    say(
        f"{branch.name}: {branch.neurons:,} neurons ({kinds(branch.neurons_by_kind)}) "
        f"on {branch.cores:,} cores"
    )
    say(
        f"  longest chain {len(branch.longest_chain)} layers, latency "
        f"{branch.latency_steps:,} time steps; a new frame every {branch.interval_steps:,} "
        f"({branch.slowest_layer}): up to {branch.frames_in_flight} frames in flight, of "
        "independent objects: the next crop of one object waits for its last box"
    )
    sent = branch.traffic
    source = "from the run" if branch.counted else "at most: without --run every neuron sends"
    say(
        f"  messages an inference ({source}): {sent.between_cores:,.0f} between cores of a "
        f"chip, {sent.between_chips:,.0f} between chips, {sent.within_core:,.0f} within a "
        f"core, {sent.with_host:,.0f} with the host"
    )


def layer_row(row: LayerPlacement) -> tuple[Any, ...]:
    """Cells of one layer, in the order of ``LAYER_COLUMNS``."""
    sent = row.traffic
    out = sum(getattr(sent, key) for key in ("within_core", "between_cores", "between_chips"))
    kib = (row.synapse_bytes // 1024, row.unrolled_synapse_bytes // 1024)
    axons = (row.input_axons, row.output_axons)
    return (
        row.name, row.kind, row.shape, row.block, row.blocks, row.cores,
        row.neurons, *kib, row.fan_in, row.fan_out_cores, *axons, row.fullest,
        round(out),
    )  # fmt: skip


def chip_row(number: int, chip: ChipRow) -> tuple[Any, ...]:
    """Cells of one chip."""
    return (number, chip.cores, chip.neurons, *(100 * s for s in chip.use.values()))


def show_cores(cores: CoreMap) -> None:
    """How many cores each resource fills most, and how many are shared."""
    names = [cores.resources[index] for index in cores.fullest]
    most = ", ".join(f"{name} on {names.count(name):,}" for name in dict.fromkeys(names))
    shared = sum(len(held) > 1 for held in cores.layers)
    mean = sum(cores.use) / len(cores.use)
    say(f"fullest resource of the cores: {most}; mean use of it {mean:.1%}")
    say(f"{shared:,} cores hold several layers\n")


def kinds(by_kind: dict[str, int]) -> str:
    """``17,070,080 population, 86,016 product``."""
    return ", ".join(f"{number:,} {kind}" for kind, number in by_kind.items())


def verdict(placement: MapDocument) -> None:
    """The answer in three lines."""
    say(
        f"every synapse stored by itself would take at least "
        f"{placement.unrolled_lower_bound_cores:,} cores"
    )
    say(
        f"{counted(placement.cores, 'core')} on {counted(placement.chips, 'chip')}; lower bound "
        f"{placement.lower_bound_cores:,} cores (ratio {placement.lower_bound_ratio:.3f})"
    )
    say(f"fits {placement.board}" if placement.fits else f"does not fit: {placement.obstacle}")
