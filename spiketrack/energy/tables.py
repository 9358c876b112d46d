"""The energy document as text: tables for a terminal, CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from rich.table import Table

from spiketrack.documents.energy import (
    Comparison,
    EnergyDocument,
    LayerEnergy,
    LayerPair,
    PairRow,
    TotalEnergy,
)
from spiketrack.integer.costs.formulas import FIELDS

NUMBERS = {
    "events": "events",
    "spikes": "spikes",
    "ac_graded": "AC graded",
    "ac_spike": "AC spike",
    "mac": "MAC",
    "dense_mac": "dense MAC",
    "neuron_updates": "updates",
}
CSV_COLUMNS = (
    "branch", "name", "kind", *FIELDS, "dense_mac",
    "energy_pj", "energy_sd_pj", "energy_se_pj", "energy_share",
)  # fmt: skip
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_JOULES = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (0.0, "pJ"))


def amount(value: float | None) -> str:
    """12.3 M: three digits and a unit; empty for None."""
    if value is None:
        return ""
    for size, unit in _UNITS:
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def joules(picojoules: float | None) -> str:
    """1.23 mJ: three digits and a unit; empty for None and for nothing."""
    if not picojoules:
        return ""
    size, unit = next(pair for pair in _JOULES if picojoules >= pair[0])
    return f"{picojoules / (size or 1):.3g} {unit}"


def percent(share: float | None) -> str:
    """12.3 %; empty for None."""
    return "" if share is None else f"{share:.1%}"


def layer_table(title: str, rows: Sequence[LayerEnergy], total: TotalEnergy) -> Table:
    """A row a layer and the total."""
    table = _table(title, ("layer", "kind"), (*NUMBERS.values(), "energy", "± s.e.", "share"))
    for row in rows:
        share = percent(row.energy_share)
        table.add_row(row.name, row.kind, *_numbers(row), *_energies(row), share)
    table.add_section()
    table.add_row("total", "", *_numbers(total), *_energies(total), "", style="bold")
    return table


def kind_table(rows: Sequence[LayerEnergy], total: TotalEnergy) -> Table:
    """The same by kind of layer."""
    table = _table(
        "by kind, search branch, a frame", ("kind",), (*NUMBERS.values(), "energy", "share")
    )
    for kind in dict.fromkeys(row.kind for row in rows):
        same = [row for row in rows if row.kind == kind]
        sums = (sum(getattr(row, key) for row in same) for key in NUMBERS)
        energy = sum(row.energy_pj for row in same)
        share = sum(row.energy_share for row in same)
        table.add_row(kind, *_amounts(sums), joules(energy), percent(share))
    table.add_section()
    table.add_row("total", *_numbers(total), joules(total.energy_pj), "", style="bold")
    return table


def price_table(document: EnergyDocument) -> Table:
    """The same counts at every price table."""
    table = _table(
        "search branch at each price table, a frame",
        ("prices", "execution"),
        ("energy", "dense ANN", "updates' share", "not priced"),
    )
    for row in document.tables:
        missing = ", ".join(f"{amount(n)} {name}" for name, n in row.unpriced.items())
        label = f"{row.name} {row.version}"
        found = joules(row.energy_pj), joules(row.dense_pj)
        share = percent(row.neuron_update_share)
        table.add_row(label, row.execution, *found, share, missing.replace("_", " "))
    return table


def summary_table(document: EnergyDocument) -> Table:
    """Totals, template, published formula and ANN twin."""
    table = _table("energy", ("what", "at"), ("energy",))
    at = f"{document.prices.name}, {document.execution}"
    total, template = document.total, document.template.total
    table.add_row(f"a frame, mean of {document.frames}", at, joules(total.energy_pj))
    for label, value in (("frame to frame, standard deviation", total.energy_sd_pj),
                         ("standard error of the mean", total.energy_se_pj)):  # fmt: skip
        table.add_row(f"  {label}", "", joules(value))
    label = f"a template encoding, mean of {document.encodes}"
    table.add_row(label, at, joules(template.energy_pj))
    if amortised := document.amortised:
        label = f"a frame with an encoding every {amortised.interval} frames"
        table.add_row(label, at, joules(amortised.energy_pj))
    if network := document.network_on_chip:
        label = f"{amount(network.messages)} messages on the chip, a frame"
        table.add_row(label, at, joules(network.energy_pj))
        label = f"  {amount(network.between_chips)} messages between chips"
        table.add_row(label, "no published price", "")
    formula, twin = document.published_formula, document.ann_twin
    table.add_row("published formula, a frame", formula.prices, joules(formula.energy_pj))
    table.add_row("  the same layers, exact", formula.prices, joules(formula.exact_pj))
    table.add_row("dense ANN of the same shape", twin.prices, joules(twin.energy_pj))
    return table


def compare_table(comparison: Comparison) -> Table:
    """Two runs side by side."""
    table = _table(
        f"{comparison.runs[0]} | {comparison.runs[1]}, search branch, a frame",
        ("layer", "kind"),
        ("spikes", "", "AC spike", "", "energy", "", "ratio"),
    )
    for row in comparison.layers:
        table.add_row(row.name, row.kind, *_pair(row))
    table.add_section()
    table.add_row("total", "", *_pair(comparison.total), style="bold")
    return table


def _pair(row: PairRow | LayerPair) -> list[str]:
    cells = [amount(value) for pair in (row.spikes, row.ac_spike) for value in pair]
    ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
    return [*cells, *(joules(value) for value in row.energy_pj), ratio]


def _table(title: str, texts: Iterable[str], numbers: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in texts:
        table.add_column(heading, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _numbers(row: LayerEnergy | TotalEnergy) -> list[str]:
    return _amounts(getattr(row, key) for key in NUMBERS)


def _amounts(values: Iterable[float]) -> list[str]:
    return [amount(value) if value else "" for value in values]


def _energies(row: LayerEnergy | TotalEnergy) -> tuple[str, str]:
    return joules(row.energy_pj), joules(row.energy_se_pj)


def to_csv(document: EnergyDocument) -> str:
    """All layers of both branches, one line each, columns ``CSV_COLUMNS``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    rows = (*document.layers, *document.template.layers)
    writer.writerows(row.model_dump(mode="json") for row in rows)
    return text.getvalue()
