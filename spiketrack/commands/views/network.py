"""What ``info`` shows of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spiketrack.commands.views import LARGEST
from spiketrack.energy.stages import by_stage
from spiketrack.inference import SEARCH
from spiketrack.terminal.amounts import amount
from spiketrack.terminal.console import say
from spiketrack.terminal.table import Column, Table, print_table

Row = Mapping[str, Any]
Branches = Mapping[str, Sequence[Row]]
HEADROOM = "left of 24 bits by the largest value that can occur"
PROCESS = Column("Lava process", "which executes the layer", 5, "name")
COLUMNS = (
    Column("layer"),
    Column("type", rank=3),
    Column("shape", "time steps×channels×height×width", 4, "number"),
    Column("weights", rank=2),
    Column("weight shape", rank=6, kind="number"),
    Column("dense MAC", "multiplications if every input were used"),
    Column("fraction", "bits after the binary point", 7),
    Column("head-room", HEADROOM, 1),
    PROCESS,
)


def show_network(facts: Mapping[str, Any], layers: bool) -> None:
    """The summary, or with ``layers`` a table for each branch; the sizes and sums last."""
    branches: Branches = facts["layers"]
    _head(facts)
    if layers:
        for branch, rows in branches.items():
            print_table(Table.of(f"{branch} branch", COLUMNS, map(_cells, rows)))
    else:
        print_table(_stages(branches))
        print_table(_largest(branches[SEARCH]))
    for branch, rows in branches.items():
        say(
            f"{branch}: {len(rows)} nodes, {amount(_sum(rows, 'weights'))} weights, "
            f"{amount(_sum(rows, 'dense_mac'))} dense MACs, {len(_processes(rows))} Lava processes"
        )


def _head(facts: Mapping[str, Any]) -> None:
    network, tracker = facts["network"], facts["tracker"]
    dims = "×".join(map(str, network["embed_dims"]))
    say(
        f"variant {network['variant']}: T = {network['templates']}, grid {network['grid']}, "
        f"embed dims {dims}, head {network['head_channels']}",
        "bold",
    )
    say(
        (f"{facts['parameters']:,} parameters; " if "parameters" in facts else "")
        + f"tracker: crops ×{tracker['search_factor']:g} and ×{tracker['template_factor']:g}, "
        f"update every {tracker['update_every']} from {tracker['update_threshold']:g}"
    )


def _stages(branches: Branches) -> Table:
    """A line a stage; the branches share weights, so that only MACs and processes add up."""
    parts = {name: by_stage(rows, lambda row: row["name"]) for name, rows in branches.items()}
    names = dict.fromkeys(name for part in parts.values() for name in part)
    rows = [_stage(name, [part.get(name, []) for part in parts.values()]) for name in names]
    columns = (
        Column("stage", kind="name"),
        *(Column(f"{branch} nodes", rank=2) for branch in branches),
        Column("weights", rank=3),
        *(Column(f"{branch} MAC") for branch in branches),
        Column("head-room", HEADROOM, 1),
    )
    title = "by stage (MAC: dense; the branches share weights: those sums do not add)"
    return Table.of(title, columns, rows)


def _stage(name: str, parts: Sequence[Sequence[Row]]) -> list[Any]:
    bits = [row["headroom_bits"] for rows in parts for row in rows]
    weights = max(_sum(rows, "weights") for rows in parts) or None
    macs = [_sum(rows, "dense_mac") or None for rows in parts]
    return [name, *(len(rows) for rows in parts), weights, *macs, min(bits)]


def _largest(rows: Sequence[Row]) -> Table:
    chosen = sorted(rows, key=lambda row: -row["dense_mac"])[:LARGEST]
    share = _sum(chosen, "dense_mac") / max(1, _sum(rows, "dense_mac"))
    title = f"the {len(chosen)} largest of {len(rows)} layers, search branch: {share:.0%} of MAC"
    columns = (COLUMNS[0], COLUMNS[2], COLUMNS[3], COLUMNS[5])
    plain = tuple(Column(c.title, "", c.rank, c.kind) for c in columns)
    keys = ("name", "shape", "weights", "dense_mac")
    return Table.of(title, plain, ([row.get(key) for key in keys] for row in chosen))


def _cells(row: Row) -> list[Any]:
    keys = (
        "name", "type", "shape", "weights", "weight_shape", "dense_mac", "fraction",
        "headroom_bits", "process",
    )  # fmt: skip
    return [row.get(key) for key in keys]


def _sum(rows: Sequence[Row], key: str) -> int:
    return sum(row.get(key) or 0 for row in rows)


def _processes(rows: Sequence[Row]) -> set[str]:
    return {row["process"] for row in rows if row["process"]}
