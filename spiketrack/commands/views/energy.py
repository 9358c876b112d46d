"""What ``energy`` shows of a run: totals by stage and the largest layers, or every table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from spiketrack.commands.views import LARGEST
from spiketrack.documents.energy import (
    Comparison,
    EnergyDocument,
    LayerEnergy,
    LayerPair,
    PairRow,
    TotalEnergy,
)
from spiketrack.documents.whole import WholeEnergy, WholeRow
from spiketrack.energy.stages import by_stage
from spiketrack.inference import SEARCH
from spiketrack.report.names import short
from spiketrack.terminal.amounts import amount, counted, joules, percent, seconds
from spiketrack.terminal.console import say
from spiketrack.terminal.table import Column, Kind, Table, print_table

FIELDS = ("events", "spikes", "ac_graded", "ac_spike", "mac", "dense_mac", "neuron_updates")
NUMBERS = (
    Column("events", "messages sent", 5, "number"),
    Column("spikes", "sum of counts", 1, "number"),
    Column("AC graded", "accumulations, one a message", 6, "number"),
    Column("AC spike", "one a spike", 2, "number"),
    Column("MAC", "multiplications", 3, "number"),
    Column("dense MAC", "as an ANN", 7, "number"),
    Column("updates", "of neurons", 4, "number"),
)
LAYER = (Column("layer", kind="name"), Column("kind", rank=8))
ENERGY = Column("energy", "counts times prices", kind="number")
ERROR = Column("± s.e.", "standard error from frame to frame", 9, "number")
SHARE = Column("share", "of the branch", 10, "number")
BRIEF = ("spikes", "ac_spike", "mac")
OPERATIONS = BRIEF[1:]
PARTS = 3  # of a whole frame, in a summary
MODELLED = "modelled, not measured on a chip"


def show_energy(priced: EnergyDocument, layers: bool) -> None:
    """What dominates; the summary, or every layer and price table; the energy of a frame last."""
    say(first_line(priced), "bold")
    for table in _whole(priced) if layers else _brief(priced):
        print_table(table)
    if layers:
        for word, text in priced.statement.model_dump().items():
            say(f"{word}: {text}")
    for whole in priced.whole if layers else priced.whole[:1]:
        print_table(_whole_frame(whole) if layers else _largest_parts(whole))
    _answer(priced)


def first_line(priced: EnergyDocument) -> str:
    """What a frame spends most on, or why that is not known."""
    operations = f"operations alone {joules(priced.total.energy_pj) or 'none'}"
    if not priced.whole:
        reason = f": {priced.whole_missing}" if priced.whole_missing else ""
        return f"{operations} a frame; no whole frame{reason}"
    whole = priced.whole[0]
    parts = whole.largest
    shares = {row.part: (row.low_pj, row.high_pj) for row in whole.rows}
    largest = " and ".join(
        f"{part} ({percent(shares[part][0] / whole.low_pj)} of the low, "
        f"{percent(shares[part][1] / whole.high_pj)} of the high estimate)"
        for part in parts
    )
    verb = "dominates" if len(parts) == 1 else "dominate"
    return f"{largest} {verb} a frame of {_span(whole)}; {operations}"


def _span(whole: WholeEnergy) -> str:
    return f"{joules(whole.low_pj)} to {joules(whole.high_pj)}"


def _whole_frame(whole: WholeEnergy) -> Table:
    """From the operations to static power, low and high, with units and sources."""
    head = (
        Column("part", kind="text"),
        Column("number", kind="number"),
        Column("of", rank=2, kind="text"),
        Column("low", kind="number"),
        Column("high", kind="number"),
        Column("kind", "of the energy; numbers are counted", rank=1),
        Column("source", rank=3, kind="text"),
    )
    rows = [
        (row.part, amount(row.number), row.unit, *_ends([row]), row.kind, row.source)
        for row in whole.rows
    ]
    totals = ("together", None, None, *_ends(whole.rows), None, None)
    return Table.of(_powered(whole), head, rows, totals)


def _largest_parts(whole: WholeEnergy) -> Table:
    """The parts with the largest shares of either end, in their order, and the others together."""
    low, high = whole.low_pj or 1, whole.high_pj or 1
    by_share = sorted(whole.rows, key=lambda row: -max(row.low_pj / low, row.high_pj / high))
    small = by_share[PARTS:]
    head = (
        Column("part", kind="text"),
        *(Column(title, kind="number") for title in ("number", "low", "high")),
        Column("kind", rank=1),
    )
    rows: list[tuple[str, ...]] = [
        (row.part, amount(row.number), *_ends([row]), row.kind)
        for row in whole.rows
        if row not in small
    ]
    if small:
        rows.append((counted(len(small), "smaller part"), "", *_ends(small), ""))
    return Table.of(_powered(whole), head, rows, ("together", None, *_ends(whole.rows), None))


def _powered(whole: WholeEnergy) -> str:
    what = "frame" if whole.branch == SEARCH else "template encoding"
    return (
        f"a whole {what} on {counted(whole.chips, 'chip')}, powered for "
        f"{seconds(whole.seconds.low)} to {seconds(whole.seconds.high)}"
    )


def _ends(rows: Sequence[WholeRow]) -> tuple[str, str]:
    low, high = sum(row.low_pj for row in rows), sum(row.high_pj for row in rows)
    return joules(low) or "0", joules(high) or "0"


def _brief(priced: EnergyDocument) -> list[Table]:
    """By stage, and the largest layers."""
    plain = {key: column for key, column in zip(FIELDS, NUMBERS, strict=True) if key in BRIEF}
    few = tuple(Column(c.title, c.legend, c.rank, "number") for c in plain.values())
    bare = tuple(Column(plain[key].title, rank=1, kind="number") for key in OPERATIONS)
    parts = by_stage(priced.layers, lambda row: row.name)
    stages = [
        (name, len(rows), *_sums(rows, BRIEF), *_energy_of(rows)) for name, rows in parts.items()
    ]
    total = priced.total
    sums = ("total", len(priced.layers), *_cells(total, BRIEF), joules(total.energy_pj), None)
    title = f"a frame of {priced.run}, mean of {priced.frames}, by stage"
    energy = (Column("energy", kind="number"), Column("share", kind="number"))
    head = (Column("stage", kind="name"), Column("layers", kind="number"))
    tables = [Table.of(title, (*head, *few, *energy), stages, sums)]
    largest = sorted(priced.layers, key=lambda row: -row.energy_pj)[:LARGEST]
    share = sum(row.energy_share for row in largest)
    title = f"the {len(largest)} largest of {len(priced.layers)} layers: {share:.0%} of the energy"
    if priced.whole:  # whose table needs room: two beside each other, without headings
        cells = [(short(row.name), *_energy_of([row])) for row in largest]
        half = (len(cells) + 1) // 2
        pairs = zip_longest(cells[:half], cells[half:], fillvalue=("", "", ""))
        kinds: tuple[Kind, ...] = ("name", "number", "number")
        bare_head = [Column("", kind=kind) for kind in 2 * kinds]
        return [*tables, Table.of(f"{title} of operations", bare_head, [a + b for a, b in pairs])]
    rows = [(row.name, row.kind, *_cells(row, OPERATIONS), *_energy_of([row])) for row in largest]
    return [*tables, Table.of(title, (LAYER[0], Column("kind", rank=8), *bare, *energy), rows)]


def _whole(priced: EnergyDocument) -> Iterable[Table]:
    template = priced.template
    yield _layers("search branch, a frame", priced.layers, priced.total)
    if template.layers:
        yield _layers("template branch, an encoding", template.layers, template.total)
    if priced.comparison is not None:
        yield _compared(priced.comparison)
    yield _kinds(priced.layers, priced.total)
    yield _prices(priced)
    yield _references(priced)


def _layers(title: str, rows: Sequence[LayerEnergy], total: TotalEnergy) -> Table:
    lines = [
        (row.name, row.kind, *_cells(row), *_energies(row), percent(row.energy_share))
        for row in rows
    ]
    sums = ("total", None, *_cells(total), *_energies(total), None)
    return Table.of(title, (*LAYER, *NUMBERS, ENERGY, ERROR, SHARE), lines, sums)


def _kinds(rows: Sequence[LayerEnergy], total: TotalEnergy) -> Table:
    lines = []
    for kind in dict.fromkeys(row.kind for row in rows):
        same = [row for row in rows if row.kind == kind]
        lines.append((kind, *_sums(same, FIELDS), *_energy_of(same)))
    sums = ("total", *_cells(total), joules(total.energy_pj), None)
    plain = tuple(Column(column.title, "", column.rank, "number") for column in NUMBERS)
    head = (Column("kind", kind="name"), *plain, Column("energy", kind="number"), Column("share"))
    return Table.of("by kind, search branch, a frame", head, lines, sums)


def _prices(priced: EnergyDocument) -> Table:
    head = (
        Column("prices", kind="name"),
        Column("execution", rank=2),
        Column("energy", kind="number"),
        Column("all dense", "every MAC, and sums, pooling, updates", kind="number"),
        Column("updates' share", rank=1, kind="number"),
        Column("not priced", rank=3, kind="text"),
    )
    lines = []
    for row in priced.tables:
        missing = ", ".join(f"{amount(n)} {name}" for name, n in row.unpriced.items())
        lines.append((
            f"{row.name} {row.version}", row.execution, joules(row.energy_pj),
            joules(row.dense_pj), percent(row.neuron_update_share), missing.replace("_", " "),
        ))  # fmt: skip
    return Table.of("search branch at each price table, a frame", head, lines)


def _references(priced: EnergyDocument) -> Table:
    """Totals, template, published formula and ANN twin."""
    at = f"{priced.prices.name}, {priced.execution}"
    total, formula, twin = priced.total, priced.published_formula, priced.ann_twin
    lines: list[tuple[Any, ...]] = [
        (f"a frame, mean of {priced.frames}", at, joules(total.energy_pj)),
        ("frame to frame, standard deviation", None, joules(total.energy_sd_pj)),
        ("standard error of the mean", None, joules(total.energy_se_pj)),
        (
            f"a template encoding, mean of {priced.encodes}", at,
            joules(priced.template.total.energy_pj),
        ),
        (
            "formula of spike-driven transformers, a frame", formula.prices,
            joules(formula.energy_pj),
        ),
        ("the formula's layers, exact", formula.prices, joules(formula.exact_pj)),
        ("as an ANN: MACs alone", twin.prices, joules(twin.energy_pj)),
    ]  # fmt: skip
    head = (Column("what", kind="text"), Column("at"), Column("energy", kind="number"))
    return Table.of("energy", head, lines)


def _compared(comparison: Comparison) -> Table:
    first, second = comparison.runs
    head = (
        *LAYER,
        Column("spikes", f"of {first}", 2, "number"),
        Column("spikes 2", f"of {second}", 2, "number"),
        Column("AC spike", rank=3, kind="number"),
        Column("AC spike 2", rank=3, kind="number"),
        Column("energy", kind="number"),
        Column("energy 2", kind="number"),
        Column("ratio", kind="number"),
    )
    lines = [(row.name, row.kind, *_pair(row)) for row in comparison.layers]
    sums = ("total", None, *_pair(comparison.total))
    return Table.of(f"{first} | {second}, search branch, a frame", head, lines, sums)


def _pair(row: PairRow | LayerPair) -> list[str]:
    cells = [amount(value) for pair in (row.spikes, row.ac_spike) for value in pair]
    ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
    return [*cells, *(joules(value) for value in row.energy_pj), ratio]


def _answer(priced: EnergyDocument) -> None:
    """What surrounds the number, then the number."""
    total, template = priced.total, priced.template.total
    if priced.encodes:
        say(f"a template encoding, mean of {priced.encodes}: {joules(template.energy_pj)}")
    if (spread := priced.amortised) is not None:
        say(f"a frame with an encoding every {spread.interval}: {joules(spread.energy_pj)}")
    if not priced.whole and (cost := priced.network_on_chip) is not None:
        price = joules(cost.energy_pj) or "no price"
        say(f"{amount(cost.messages)} messages on the chip: {price}; between chips: no price")
    if priced.comparison is not None:
        ratio = priced.comparison.total.ratio
        times = "" if ratio is None else f", ratio {ratio:.3f}"
        say(f"{priced.comparison.runs[1]}: {joules(priced.comparison.total.energy_pj[1])}{times}")
    if not priced.whole:
        _beside(priced)
    error = f" ± {joules(total.energy_se_pj)}" if total.energy_se_pj else ""
    at = f"{priced.prices.name} {priced.prices.version}, {priced.execution}"
    say(f"operations of a frame: {joules(total.energy_pj) or 'none'}{error} ({at})", "bold")
    if priced.whole:
        whole = priced.whole[0]
        at = f"{whole.prices}, {whole.rates}"
        say(f"a whole frame: {_span(whole)} ({at}; modelled)", "bold")


def _beside(priced: EnergyDocument) -> None:
    """The same operations dense, and at the other tables."""
    total = priced.total
    dense = next((r.dense_pj for r in priced.tables if r.name == priced.prices.name), None)
    if dense and total.energy_pj:
        ratio = dense / total.energy_pj
        say(f"all dense (every MAC, sums, updates): {joules(dense)}, {ratio:.3g} times as much")
    spans = [row.energy_pj for row in priced.tables if row.energy_pj]
    if spans:
        many = f"{joules(min(spans))} to {joules(max(spans))} over {len(spans)} price tables"
        say(f"{many}; {MODELLED}")


def _cells(row: LayerEnergy | TotalEnergy, fields: Sequence[str] = FIELDS) -> list[str]:
    return [_amount(getattr(row, field)) for field in fields]


def _sums(rows: Sequence[LayerEnergy], fields: Sequence[str]) -> list[str]:
    return [_amount(sum(getattr(row, field) for row in rows)) for field in fields]


def _amount(value: float) -> str:
    return amount(value) if value else ""


def _energy_of(rows: Sequence[LayerEnergy]) -> tuple[str, str]:
    return (
        joules(sum(row.energy_pj for row in rows)),
        percent(sum(row.energy_share for row in rows)),
    )


def _energies(row: LayerEnergy | TotalEnergy) -> tuple[str, str]:
    return joules(row.energy_pj), joules(row.energy_se_pj)
