"""What the chip's pages say of networks, measured by the functions of the commands, into
docs/chip.json: ``python -m tools.readme chip [PART …]``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from spiketrack.config import VARIANTS
from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.mapping import map_network
from spiketrack.deploy.chip.program import (
    AUTO,
    BINARY,
    FALL_THROUGH,
    GRADED,
    MODES,
    PIPELINED,
    ChipProgram,
    Choices,
    build_program,
    trade,
)
from spiketrack.deploy.chip.requirements import POPULATION
from spiketrack.documents.timing import TimeDocument
from spiketrack.energy.prices import DEFAULT, load_prices
from spiketrack.energy.whole import whole_frames
from spiketrack.export.nir.folder import read_export
from spiketrack.export.passes.quantise import quantise
from spiketrack.export.passes.spiketrack import fold
from spiketrack.files import write_json
from spiketrack.inference import BRANCHES, SEARCH, TEMPLATE
from spiketrack.integer.graph import Graph
from spiketrack.reference.checkpoint import read_checkpoint
from spiketrack.reference.model import SpikeTrack
from spiketrack.runs.activity import read_activity
from spiketrack.runs.folder import RunFolder
from spiketrack.steps.export import export
from spiketrack.steps.optimise import Effort, optimise_network
from spiketrack.steps.price import price
from spiketrack.steps.simulate import Execution, simulate
from spiketrack.steps.timing import time
from spiketrack.timing.printed import ACTIVITY, measured
from spiketrack.timing.rates import DEFAULT as RATES
from spiketrack.timing.rates import load_rates
from tools.readme.blocks import inputs
from tools.readme.chip_blocks import SHEET

BOARD = "hala-point"
FRAMES, EXECUTED = 30, 3  # of the bundled clip; of those in the chip's own time
SECONDS = 120.0  # that a search for a placement may take
NETWORKS = {
    name.removeprefix("spiketrack_").upper().replace("_", "-") if "_" in name else name: sizes
    for name, sizes in VARIANTS.items()
}
TRADED = ("nano", "S256-T1", "B256-T3")


def measure_chip(parts: Sequence[str]) -> None:
    """Measure the named parts (all without names); keep what the file says of others."""
    sheet: dict[str, Any] = json.loads(SHEET.read_text("utf-8")) if SHEET.exists() else {}
    for part in parts or PARTS:
        print(part, flush=True)
        sheet[part] = PARTS[part]()
        sheet["inputs"] = inputs()
        sheet["network_digest"] = digest()
        write_json(SHEET, sheet)


def digest() -> str:
    """Of the bundled network."""
    with tempfile.TemporaryDirectory() as folder:
        made = export(read_checkpoint("nano"), Path(folder) / "export")
    found: str = made.network.manifest.network_digest
    return found


# what shapes alone decide


def graphs(name: str) -> dict[str, Graph]:
    """Both branches of a network of these shapes; its weights are drawn."""
    torch.manual_seed(0)
    model = SpikeTrack(NETWORKS[name]).eval().requires_grad_(False)
    return {branch: quantise(fold(model, branch)) for branch in BRANCHES}


def variants() -> dict[str, Any]:
    """Time steps and cores of every size, and the trade between steps and neurons of some."""
    return {name: variant(name) for name in NETWORKS}


def variant(name: str) -> dict[str, Any]:
    """One size."""
    print(f"  {name}", flush=True)
    both = graphs(name)
    placed = map_network(both, load_board(BOARD), None, Choices())
    program = build_program(both[SEARCH], Choices())
    populations = {
        branch.name: sum(layer.neurons for layer in branch.layers if layer.kind == POPULATION)
        for branch in placed.branches
    }
    found: dict[str, Any] = {
        "search": populations[SEARCH],
        "template": populations[TEMPLATE],
        "neurons": placed.neurons,
        "cores": placed.cores,
        "lower_bound_cores": placed.lower_bound_cores,
        "unrolled_lower_bound_cores": placed.unrolled_lower_bound_cores,
        "chips": placed.chips,
        "latency": program.latency,
        "interval": program.interval,
        "frames_in_flight": program.frames_in_flight,
        "waiting": waiting(both, PIPELINED),
        "waiting_alone": waiting(both, FALL_THROUGH),
    }
    if name in TRADED:
        found["trade"] = trades(both[SEARCH])
    return found


def waiting(both: Mapping[str, Graph], mode: str) -> list[int]:
    """Relay layers that keep time in both branches, and their neurons."""
    programs = [build_program(graph, Choices(mode)) for graph in both.values()]
    relays = [layer.neurons for program in programs for layer in program.layers if not layer.nodes]
    return [len(relays), sum(relays)]


def trades(graph: Graph) -> list[dict[str, Any]]:
    """Every number of copies of products that ``map --layers`` shows, and which ``auto`` takes."""
    chosen = build_program(graph, Choices(tiles=AUTO)).choices.copies
    return [
        traded(program, program.choices.copies == chosen) for program in trade(graph, Choices())
    ]


def traded(program: ChipProgram, auto: bool) -> dict[str, Any]:
    """One of them."""
    return {
        "tiles": str(program.choices.copies),
        "auto": auto,
        "latency": program.latency,
        "interval": program.interval,
        "neurons": program.neurons,
    }


# the bundled network on the bundled clip


def frame() -> dict[str, Any]:
    """Seconds and joules of a frame, where its events were recorded, and where totals were."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = export(read_checkpoint("nano"), folder / "export")
        for counts in ("full", "totals"):
            how = Execution(backend="integer", counts=counts)
            simulate(made.folder, folder / counts, frames=FRAMES, how=how)
            found[counts] = seconds_and_joules(folder / counts)
    return found


def seconds_and_joules(run: Path) -> dict[str, Any]:
    """Of one run, as ``time`` and ``energy`` show them."""
    seconds = time(run)
    table = load_prices(DEFAULT)
    priced = price(run, table)
    whole = whole_frames(seconds, table, RunFolder.read(run).about.clip.fps)[0]
    return {
        "frames": priced.frames,
        "taken": whole.inferences,
        "chips": whole.chips,
        "cores": seconds.cores,
        "prices": whole.prices,
        "rates": whole.rates,
        "operations_pj": priced.total.energy_pj,
        "on": whole.seconds.model_dump(),
        "rows": [row.model_dump() for row in whole.rows],
        "low_pj": whole.low_pj,
        "high_pj": whole.high_pj,
        "largest": list(whole.largest),
        "time": timed(seconds),
    }


def timed(document: TimeDocument) -> dict[str, Any]:
    """Both modes of a frame, what binds in them, the host, an encoding."""
    search, template = document.branch(SEARCH), document.branch(TEMPLATE)
    assert search is not None
    assert template is not None
    encoding = template.mode(FALL_THROUGH)
    assert encoding is not None
    return {
        "modes": {mode.mode: moded(mode.model_dump()) for mode in search.modes},
        "host_values": search.work.host_in,
        "host_in": search.host_in.model_dump(),
        "encoding": encoding.frame.model_dump(),
    }


def moded(mode: dict[str, Any]) -> dict[str, Any]:
    """Without what is told step by step; the binding that lasts longest of each term."""
    first: dict[str, Any] = {}
    for row in mode["bindings"]:
        first.setdefault(row["term"], row)
    kept = ("steps", "compute", "frame", "frames_a_second", "skipped", "serviced")
    terms = [term for term in mode["terms"] if term["steps"]]
    return {**{key: mode[key] for key in kept}, "terms": terms, "longest": first}


def spikes() -> list[dict[str, Any]]:
    """Executions in the chip's own time, a frame in the mean, in three ways."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = export(read_checkpoint("nano"), folder / "export")
        return list(executions(made.folder, folder))


def executions(exported: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Graded, binary, and graded with tiles."""
    graph = read_export(exported).graphs[SEARCH]
    for title, kind, tiles in (
        ("graded", GRADED, "1"),
        ("binary", BINARY, "1"),
        ("graded, tiles auto", GRADED, "auto"),
    ):
        how = Execution(backend="chip", mode=FALL_THROUGH, spikes=kind, tiles=tiles)
        run = folder / title.replace(" ", "-")
        simulate(exported, run, frames=EXECUTED, how=how)
        copies = AUTO if tiles == "auto" else 1
        program = build_program(graph, Choices(FALL_THROUGH, kind, copies))
        means = read_activity(run, SEARCH).means()
        kept = ("messages", "bits", "operations", "multiplications", "updates")
        yield {"spikes": title, "steps": program.latency, **{key: means[key] for key in kept}}


def optimised() -> list[dict[str, Any]]:
    """What searches for faster placements of one recorded frame gain."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = export(read_checkpoint("nano"), folder / "export")
        how = Execution(backend="integer", counts="full")
        simulate(made.folder, folder / "run", frames=1, how=how)
        network = read_export(made.folder)
        rows = []
        for mode in reversed(MODES):
            effort = Effort(RATES, 0, SECONDS)
            _, found = optimise_network(network, BOARD, Choices(mode), folder / "run", effort)
            rows.append({"network": "nano", "mode": mode, **gained(found)})
        return rows


def gained(found: Any) -> dict[str, Any]:
    """Of one search."""
    placed = {"greedy": found.greedy.placement, "best": found.best.placement}
    return {
        "attempts": found.attempts,
        "greedy": found.greedy.seconds,
        "best": found.best.seconds,
        "cores": [placement.cores for placement in placed.values()],
        "chips": [placement.chips for placement in placed.values()],
    }


def others() -> dict[str, Any]:
    """Whole systems that others measured, beside the model."""
    rows = [
        {
            "system": row.system,
            "figure": row.figure,
            "unit": row.unit,
            "value": row.value,
            "modelled": row.modelled.model_dump(),
            "source": row.source,
        }
        for row in measured(load_rates(RATES))
    ]
    return {"activity": list(ACTIVITY), "rows": rows}


PARTS = {
    "variants": variants,
    "frame": frame,
    "spikes": spikes,
    "optimised": optimised,
    "others": others,
}
