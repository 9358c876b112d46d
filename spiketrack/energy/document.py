"""The energy document: what ``spiketrack energy --json`` writes, schema ``spiketrack.energy`` 1.

====================== =======================================================================
schema, version        "spiketrack.energy", 1
run, frames, encodes   the run folder, tracked frames, template encodings
prices, execution      the table that prices ``layers`` (whole, with sources); spike, graded, dense
layers                 a row a layer of the search branch, means per frame (see below)
total                  sums over ``layers``, and ``energy_sd_pj``, ``energy_se_pj`` (frame to
                       frame), ``neuron_update_share`` (null: no price), ``unpriced`` operations
template               {layers, total} of one template encoding, apart
run_total              integer sums over the whole run: {search, template}, ``energy_pj``
amortised              null, or {interval, search_pj, template_pj, energy_pj} per frame
published_formula      {first_conv_pj, other_pj, energy_pj, exact_pj, prices}: see ``Published``
ann_twin               {dense_mac, energy_pj, prices}: every MAC of the same network as an ANN
tables                 the search branch at each price table: {name, version, title, execution,
                       energy_pj, by_operation, unpriced, neuron_update_share, dense_pj}
network_on_chip        null, or what the placement's traffic costs: see ``network_cost``
statement              {measured, modelled, unpublished}
====================== =======================================================================

A layer has ``name``, ``kind``, ``branch``, the fields of ``run_counts.FIELDS``, ``dense_mac``,
``energy_pj``, ``energy_sd_pj``, ``energy_se_pj`` and ``energy_share``. Populations hold
``events``, ``spikes`` and ``neuron_updates``, synapses their operations, so columns add up to
``total``; ``events_in`` and ``spikes_in`` are what reaches a layer's synapses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spiketrack.energy.joules import Energy, Spread, published
from spiketrack.energy.prices import DEFAULT, PriceTable, load_prices
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.integer.counting import Layers
from spiketrack.runs.operations import BranchCounts, RunCounts

SCHEMA, VERSION = "spiketrack.energy", 1
STATEMENT = {
    "measured": "operations: counted from every spike of this run, exactly; a memory entry takes "
    "two 8-bit synapses, and a read counts both",
    "modelled": "joules: counts times the prices of a table, not measured on a chip; no memory "
    "traffic beyond what a price contains, no static power",
    "unpublished": "Intel has published no price list for Loihi 2; none is assumed here",
}
Document = dict[str, Any]


def document(
    counts: RunCounts,
    table: PriceTable,
    tables: Sequence[PriceTable] = (),
    execution: str | None = None,
    amortise: int | None = None,
    run: str = "",
) -> Document:
    """Everything about one run. ``amortise``: frames between two template encodings."""
    search = Energy.of(counts[SEARCH], table, execution)
    template = Energy.of(counts.get(TEMPLATE) or _nothing(), table, execution)
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "run": run,
        "frames": len(search.by_inference),
        "encodes": len(template.by_inference),
        "prices": table.model_dump(),
        "execution": search.execution,
        "layers": layer_rows(search, SEARCH),
        "total": total_row(search),
        "template": {"layers": layer_rows(template, TEMPLATE), "total": total_row(template)},
        "run_total": _run_total(search, template),
        "amortised": None if amortise is None else _amortised(search, template, amortise),
        "published_formula": _published(search),
        "ann_twin": _twin(search),
        "tables": [_at(search.branch, other, execution) for other in tables or [table]],
        "network_on_chip": None,
        "statement": STATEMENT,
    }


def _nothing() -> BranchCounts:
    """A branch that never ran."""
    return BranchCounts(Layers((), (), (), ()), np.zeros((0, 0, len(FIELDS)), np.int64))


def layer_rows(energy: Energy, branch: str) -> list[Document]:
    """A row a layer: means per inference."""
    layers, runs = energy.branch.layers, len(energy.by_inference)
    if not runs:
        return []
    means = energy.branch.operations.mean(0)
    found = []
    for index, (name, kind) in enumerate(zip(layers.names, layers.kinds, strict=True)):
        series = energy.by_layer[:, index]
        found.append(
            {
                "name": name,
                "kind": kind,
                "branch": branch,
                **{field: _plain(v) for field, v in zip(FIELDS, means[index], strict=True)},
                "dense_mac": layers.dense_mac[index],
                **_energy(series),
                "energy_share": _share(float(series.mean()), energy.mean),
            }
        )
    return found


def total_row(energy: Energy) -> Document:
    """Sums over the layers of one inference."""
    runs = len(energy.by_inference)
    sums = energy.branch.operations.sum(1).mean(0) if runs else np.zeros(len(FIELDS))
    return {
        **{field: _plain(value) for field, value in zip(FIELDS, sums, strict=True)},
        "dense_mac": sum(energy.branch.layers.dense_mac),
        **_energy(energy.by_inference),
        "by_operation": energy.shares,
        "neuron_update_share": energy.update_share,
        "unpriced": {name: _plain(number) for name, number in energy.unpriced.items()},
    }


def _energy(series: Any) -> Document:
    spread = Spread.of(series)
    return {
        "energy_pj": float(series.mean()) if len(series) else 0.0,
        "energy_sd_pj": spread.deviation,
        "energy_se_pj": spread.standard_error,
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _plain(value: float) -> int | float:
    """Whole means as integers: counts stay counts in the file."""
    return int(value) if float(value).is_integer() else float(value)


def _run_total(search: Energy, template: Energy) -> Document:
    found: Document = {
        name: dict(zip(FIELDS, energy.branch.operations.sum((0, 1)).tolist(), strict=True))
        for name, energy in ((SEARCH, search), (TEMPLATE, template))
    }
    total = search.by_inference.sum() + template.by_inference.sum()
    return found | {"energy_pj": float(total)}


def _amortised(search: Energy, template: Energy, interval: int) -> Document:
    return {
        "interval": interval,
        "search_pj": search.mean,
        "template_pj": template.mean / interval,
        "energy_pj": search.mean + template.mean / interval,
    }


def _published(search: Energy) -> Document:
    table = load_prices(DEFAULT)
    found = published(search.branch, table)
    return {
        "formula": "e_mac * MAC(image convolution) + e_ac * sum(dense MAC * mean input count)",
        "prices": f"{table.name} {table.version}",
        "first_conv_pj": found.first_pj,
        "other_pj": found.rest_pj,
        "energy_pj": found.energy_pj,
        "exact_pj": found.exact_pj,
    }


def _twin(search: Energy) -> Document:
    table = load_prices(DEFAULT)
    dense = sum(search.branch.layers.dense_mac)
    price = table.pj("mac") or 0.0
    return {
        "dense_mac": dense,
        "energy_pj": dense * price,
        "prices": f"{table.name} {table.version}",
    }


def _at(branch: BranchCounts, table: PriceTable, execution: str | None) -> Document:
    """One line of the comparison of tables; a dense machine stays dense."""
    energy = Energy.of(branch, table, None if table.execution == "dense" else execution)
    dense = Energy.of(branch, table, "dense") if table.pj("mac") is not None else None
    return {
        "name": table.name,
        "version": table.version,
        "title": table.title,
        "execution": energy.execution,
        "energy_pj": energy.mean,
        "by_operation": energy.shares,
        "unpriced": {name: _plain(number) for name, number in energy.unpriced.items()},
        "neuron_update_share": energy.update_share,
        "dense_pj": None if dense is None else dense.mean,
    }


def compare(first: Document, second: Document) -> Document:
    """Two documents side by side: {runs, total, layers}, rows matched by name."""
    names = [row["name"] for row in first["layers"]]
    others = {row["name"]: row for row in second["layers"]}
    mine = {row["name"]: row for row in first["layers"]}
    names += [name for name in others if name not in mine]
    either = others | mine
    rows = [
        {"name": name, "kind": either[name]["kind"], **_pair(mine.get(name), others.get(name))}
        for name in names
    ]
    return {
        "runs": [first["run"], second["run"]],
        "total": _pair(first["total"], second["total"]),
        "template": _pair(first["template"]["total"], second["template"]["total"]),
        "layers": rows,
    }


def _pair(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> Document:
    """{field: [first, second]} and the energy's ratio; null where a run has no such layer."""
    keys = (*FIELDS, "dense_mac", "energy_pj")
    sides = [{} if side is None else side for side in (first, second)]
    found: Document = {key: [side.get(key) for side in sides] for key in keys}
    old, new = found["energy_pj"]
    return found | {"ratio": new / old if old and new is not None else None}
