"""Sections on energy: the layers of both branches, runs side by side, price tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spiketrack.documents.energy import EnergyDocument, NetworkCost
from spiketrack.documents.prices import PriceTable
from spiketrack.pages.parts import Section, Table
from spiketrack.report.figures.energy import energy_figure, kind_figure
from spiketrack.report.sources import Run, Sources
from spiketrack.terminal.amounts import counted

COLUMNS = (
    "name", "kind", "branch", "energy_pj", "energy_se_pj", "energy_share", "events", "spikes",
    "ac_graded", "ac_spike", "mac", "dense_mac", "neuron_updates", "events_in", "spikes_in",
    "energy_sd_pj",
)  # fmt: skip
FOLDED = ("events_in", "spikes_in", "energy_sd_pj")


def energy_section(sources: Sources) -> Section:
    """What each layer costs, measured counts times a table's prices."""
    energy = sources.run.priced
    prices = energy.prices
    text = [
        f"Prices: {prices.name} {prices.version} ({prices.title}), "
        f"{energy.execution} execution. Means over "
        f"{counted(energy.frames, 'frame')} (search branch) and "
        f"{counted(energy.encodes, 'template encoding')} (template branch).",
        *(f"{word.replace('_', ' ').capitalize()}: {line}." for word, line in energy.statement),
        _updates(energy),
    ]
    tables = [layer_table(energy), kind_table(energy)]
    text += [
        f"{run.label} ({run.about.backend}) counted no operations: it has boxes alone."
        for run in sources.runs
        if run not in sources.priced
    ]
    if len(sources.priced) > 1:
        tables.append(comparison_table(sources.priced))
    tables += [price_table(sources.priced), source_table(prices), reference_table(sources.priced)]
    if energy.network_on_chip:
        tables.append(network_table(energy.network_on_chip))
    figures = (energy_figure(sources.priced), kind_figure(sources.priced))
    return Section("energy", "Energy", tuple(text), figures, tuple(tables))


def _updates(energy: EnergyDocument) -> str:
    share = energy.total.neuron_update_share
    if share is None:
        return "Neuron updates have no price in this table: the price tables below show them."
    return f"Neuron updates take {share:.1%} of the energy of a frame."


def layer_table(energy: EnergyDocument) -> Table:
    """The rows of ``spiketrack energy --json``: ``layers``, then ``template.layers``."""
    rows = [*energy.layers, *energy.template.layers]
    note = (
        "Means per frame (search) and per encoding (template). events: messages sent; spikes: sum "
        "of counts; AC and MAC: operations of the layer's synapses; ± s.e.: standard error of the "
        "energy from frame to frame; share: of its branch."
    )
    return Table.of("energy", "Energy by layer", rows, COLUMNS, FOLDED, note, unfolded=True)


def kind_table(energy: EnergyDocument) -> Table:
    """What each kind of layer costs, by branch."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in (*energy.layers, *energy.template.layers):
        blank = {"kind": row.kind, "branch": row.branch, "layers": 0}
        entry = rows.setdefault(
            (row.branch, row.kind), blank | dict.fromkeys(("energy_pj", "energy_share"), 0.0)
        )
        entry["layers"] += 1
        entry["energy_pj"] += row.energy_pj
        entry["energy_share"] += row.energy_share
    title = "Energy by kind of layer"
    return Table.of("kinds", title, list(rows.values()), unfolded=True)


def comparison_table(runs: Sequence[Run]) -> Table:
    """Energy and spikes of the search branch in all runs; the ratio to the first."""
    columns = ["name", "kind"]
    by_name: dict[str, dict[str, Any]] = {}
    for run in runs:
        columns += [f"energy_pj {run.label}", f"spikes {run.label}"]
        for row in run.priced.layers:
            entry = by_name.setdefault(row.name, {"name": row.name, "kind": row.kind})
            entry[f"energy_pj {run.label}"] = row.energy_pj
            entry[f"spikes {run.label}"] = row.spikes
    for run in runs[1:]:
        columns.append(f"ratio {run.label}")
        for entry in by_name.values():
            old, new = (entry.get(f"energy_pj {r.label}") for r in (runs[0], run))
            entry[f"ratio {run.label}"] = new / old if old and new is not None else None
    note = f"Search branch, means per frame; ratio: energy over that of {runs[0].label}."
    return Table.of("comparison", "Runs side by side", list(by_name.values()), columns, note=note)


def price_table(runs: Sequence[Run]) -> Table:
    """One frame at the prices of every table."""
    rows = [
        {
            "run": run.label,
            "table": f"{row.name} {row.version}",
            "title": row.title,
            "execution": row.execution,
            "energy_pj": row.energy_pj,
            "dense_energy_pj": row.dense_pj,
            "neuron_update_share": row.neuron_update_share,
            "unpriced": ", ".join(row.unpriced),
        }
        for run in runs
        for row in run.priced.tables
    ]
    note = (
        "dense energy: the same network as a dense ANN at this table's prices: every MAC, and "
        "the sums of membranes and pooling that both have."
    )
    return Table.of("prices", "One frame at every price table", rows, note=note, unfolded=True)


def source_table(prices: PriceTable) -> Table:
    """The prices themselves, with sources."""
    rows = [{"operation": name, **dict(price)} for name, price in prices.prices.items()]
    title = f"Prices of {prices.name} {prices.version}"
    return Table.of("price_sources", title, rows, note=" ".join(prices.notes))


def reference_table(runs: Sequence[Run]) -> Table:
    """The published formula, the ANN twin and the whole run beside the counted energy."""
    rows = []
    for run in runs:
        energy, formula, twin = run.priced, run.priced.published_formula, run.priced.ann_twin
        total, template = energy.total, energy.template.total
        references = [
            ("a frame, counted", energy.prices.name, total.energy_pj),
            ("standard error of a frame", energy.prices.name, total.energy_se_pj),
            ("a template encoding, counted", energy.prices.name, template.energy_pj),
            ("the whole run", energy.prices.name, energy.run_total.energy_pj),
            ("published formula", formula.prices, formula.energy_pj),
            ("the formula's layers, counted", formula.prices, formula.exact_pj),
            ("a dense ANN, its MACs alone", twin.prices, twin.energy_pj),
            *_dense(energy),
        ]
        rows += [
            {"run": run.label, "what": what, "prices": prices, "energy_pj": value}
            for what, prices, value in references
        ]
    return Table.of("references", "Totals and references", rows)


def _dense(energy: EnergyDocument) -> list[tuple[str, str, float]]:
    """The dense ANN at the chosen table, where that prices a MAC."""
    at = next(row for row in energy.tables if row.name == energy.prices.name)
    what = "a dense ANN, MACs, sums and pooling"
    return [] if at.dense_pj is None else [(what, f"{at.name} {at.version}", at.dense_pj)]


def network_table(cost: NetworkCost) -> Table:
    """Messages on the network-on-chip of the placement."""
    rows = [
        {"what": "messages on a chip", "number": cost.messages, "energy_pj": None},
        {"what": "messages between chips", "number": cost.between_chips, "energy_pj": None},
        *(
            {"what": name, "number": number, "energy_pj": None}
            for name, number in cost.unpriced.items()
        ),
        *(
            {"what": name, "number": None, "energy_pj": value}
            for name, value in cost.by_operation.items()
        ),
        {"what": "sum of what has a price", "number": None, "energy_pj": cost.energy_pj},
    ]
    note = f"Search branch, a frame, on {cost.board}; messages between chips have no price."
    return Table.of("network_on_chip", "Network-on-chip", rows, note=note)
