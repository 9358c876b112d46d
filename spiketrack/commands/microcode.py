"""``spiketrack microcode``: the chip's neurons as programs, and the proof of the counting ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.inputs import is_export
from spiketrack.terminal.console import say
from spiketrack.terminal.progress import frame_bar
from spiketrack.terminal.table import Column, Table, print_table

if TYPE_CHECKING:
    from spiketrack.integer.graph import Graph


def microcode(
    networks: Annotated[
        list[str] | None,
        typer.Argument(help="Checkpoints, export folders or bundled weights: nano, nano-t3."),
    ] = None,
    listings: Annotated[
        bool, typer.Option("--listings", help="Show the programs, instruction by instruction.")
    ] = False,
    stock: Annotated[
        bool,
        typer.Option(
            "--stock",
            help="Run Lava's stock processes in place of the chip's elements; what the layers of "
            "networks (nano) ask for beyond them.",
        ),
    ] = False,
) -> None:
    """Show what the programs of the chip's neurons take; with networks, prove that they count.

    For every distinct set of thresholds the counting program runs on all 2^24 membranes and is
    compared with the integer network's rule. The opcodes are published, their encoding is not:
    the programs are a model.
    """
    from spiketrack.deploy.chip.microcode.programs import LISTINGS, instructions

    if stock:
        _show_stock(networks or ["nano"])
        return
    if networks:
        _prove(networks)
        return
    for listing in LISTINGS if listings else ():
        say(f"{listing}\n")
    rows = [
        (listing.name, counted.idle, counted.silent, counted.sending, listing.equation)
        for listing in LISTINGS
        for counted in [instructions(listing)]
    ]
    columns = (
        "program", "idle", "fires, silent", "fires, sends", Column("what it does", kind="text"),
    )  # fmt: skip
    print_table(Table.of("instructions of a neuron in a time step", columns, rows))
    if not listings:
        say("the programs themselves: spiketrack microcode --listings")


def _show_stock(networks: list[str]) -> None:
    """One row for each stock process and place, then what keeps layers from being made of them."""
    from spiketrack.deploy.lava_chip.stock import judge, trials

    verdicts = []
    with frame_bar("Stock processes", len(list(trials()))) as advance:
        for trial in trials():
            verdicts.append(judge(trial))
            advance()
    columns = (
        Column("process", kind="name"), Column("in place of"), Column("probed with"),
        Column("right"), Column("why not used"), Column("compared", rank=1),
        Column("differ", rank=2), Column("first", "what it sent, or why it does not run", rank=3),
    )  # fmt: skip
    rows = [
        (v.stock, v.place, v.probes, v.right, v.why, v.compared, v.differing, v.first)
        for v in verdicts
    ]
    print_table(Table.of("Lava's stock processes in fixed point", columns, rows))
    right = sum(verdict.right for verdict in verdicts)
    say(f"right in {right} of {len(verdicts)} trials")
    could = sum(_show_lacks(name) for name in networks)
    say(
        "lava-chip uses none of them: a layer is one process, its synapses and its neurons, and "
        f"{could or 'no'} layer{'s' * (could != 1)} of these networks could be stock synapses and "
        "a stock neuron"
    )


def _show_lacks(network: str) -> int:
    """Layers by what they ask for beyond stock processes; how many ask for nothing."""
    from spiketrack.deploy.chip.program import FALL_THROUGH, Choices, build_program
    from spiketrack.deploy.lava_chip.lacks import NOTHING, lacking

    rows = []
    for graph in _graphs(network):
        lacks = lacking(build_program(graph, Choices(FALL_THROUGH)), graph)
        rows += [(graph.name, kind, number, why) for (kind, why), number in lacks.most_common()]
    columns = ("branch", "layers", "number", "what they ask for beyond stock processes")
    print_table(Table.of(f"layers of {network}", columns, rows))
    return sum(number for *_, number, why in rows if why == NOTHING)


def _prove(networks: list[str]) -> None:
    from spiketrack.deploy.chip.microcode.proof import distinct_thresholds, prove

    sets = distinct_thresholds(graph for name in networks for graph in _graphs(name))
    proofs = []
    with frame_bar("Membranes", len(sets)) as advance:
        for levels, populations in sets.items():
            proofs.append(prove(levels, populations))
            advance()
    rows = [(p.thresholds, p.populations, p.compared, p.differing) for p in proofs]
    columns = ("thresholds", "populations", "membranes", "counts that differ")
    print_table(Table.of("the counting program against the integer rule", columns, rows))
    differing = sum(proof.differing for proof in proofs)
    compared = sum(proof.compared for proof in proofs)
    say(f"{compared:,} membranes compared, {differing:,} counts differ")
    if differing:
        raise typer.Exit(1)


def _graphs(name: str) -> Iterator[Graph]:
    from spiketrack.export.nir.folder import read_export
    from spiketrack.pipeline import calibration, compile_network
    from spiketrack.reference.checkpoint import read_checkpoint

    if is_export(name):
        yield from read_export(Path(name)).graphs.values()
        return
    read = read_checkpoint(name)
    yield from compile_network(read, calibration(read)).graphs.values()
