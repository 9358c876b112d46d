"""The energy document of a run; ``spiketrack.documents.energy`` has its keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spiketrack.documents.energy import (
    Amortised,
    AnnTwin,
    AtTable,
    Comparison,
    EnergyDocument,
    LayerEnergy,
    LayerPair,
    PairRow,
    PublishedFormula,
    RunTotal,
    Statement,
    TemplateEnergy,
    TotalEnergy,
)
from spiketrack.documents.network import Operations
from spiketrack.documents.prices import PriceTable
from spiketrack.energy.joules import Energy, Spread, published
from spiketrack.energy.prices import DEFAULT, load_prices
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.integer.counting import Layers
from spiketrack.runs.folder import RunReference
from spiketrack.runs.operations import BranchCounts, RunCounts

STATEMENT = Statement(
    measured="operations: counted from every spike of this run, exactly; a memory entry takes "
    "two 8-bit synapses, and a read counts both",
    modelled="joules: counts times the prices of a table, not measured on a chip; no memory "
    "traffic beyond what a price contains; static power, resting neurons, relays and the host "
    "stand in the whole frame alone",
    unpublished="Intel has published no price list for Loihi 2; none is assumed here",
    not_counted="threshold comparisons, soft resets and products with the leak: they happen "
    "within a neuron update and cost what an update costs, nothing where a table has no price "
    "of one",
)
PAIRED = (*FIELDS, "dense_mac", "energy_pj")


def document(
    counts: RunCounts,
    table: PriceTable,
    tables: Sequence[PriceTable] = (),
    execution: str | None = None,
    amortise: int | None = None,
    *,
    of: RunReference,
) -> EnergyDocument:
    """Everything about one run. ``amortise``: frames between two template encodings."""
    search = Energy.of(counts[SEARCH], table, execution)
    template = Energy.of(counts.get(TEMPLATE) or _nothing(), table, execution)
    return EnergyDocument(
        run=of.path,
        frames=len(search.by_inference),
        encodes=len(template.by_inference),
        prices=table,
        execution=search.execution,
        layers=layer_rows(search, SEARCH),
        total=total_row(search),
        template=TemplateEnergy(layers=layer_rows(template, TEMPLATE), total=total_row(template)),
        run_total=_run_total(search, template),
        amortised=None if amortise is None else _amortised(search, template, amortise),
        published_formula=_published(search),
        ann_twin=_twin(search),
        tables=tuple(_at(search.branch, other, execution) for other in tables or [table]),
        network_on_chip=None,
        statement=STATEMENT,
        network_digest=of.network_digest,
        run_digest=of.run_digest,
    )


def _nothing() -> BranchCounts:
    """A branch that never ran."""
    return BranchCounts(Layers((), (), (), ()), np.zeros((0, 0, len(FIELDS)), np.int64))


def layer_rows(energy: Energy, branch: str) -> tuple[LayerEnergy, ...]:
    """A row a layer: means per inference."""
    layers, runs = energy.branch.layers, len(energy.by_inference)
    if not runs:
        return ()
    means = energy.branch.operations.mean(0)
    return tuple(
        LayerEnergy(
            name=name,
            kind=kind,
            branch=branch,
            **_fields(means[index]),
            dense_mac=layers.dense_mac[index],
            **_energy(energy.by_layer[:, index]),
            energy_share=_share(float(energy.by_layer[:, index].mean()), energy.mean),
        )
        for index, (name, kind) in enumerate(zip(layers.names, layers.kinds, strict=True))
    )


def total_row(energy: Energy) -> TotalEnergy:
    """Sums over the layers of one inference."""
    runs = len(energy.by_inference)
    sums = energy.branch.operations.sum(1).mean(0) if runs else np.zeros(len(FIELDS))
    return TotalEnergy(
        **_fields(sums),
        dense_mac=sum(energy.branch.layers.dense_mac),
        **_energy(energy.by_inference),
        by_operation=dict(energy.shares),
        neuron_update_share=energy.update_share,
        unpriced=_plain_values(energy.unpriced),
    )


def _fields(values: Any) -> dict[str, Any]:
    return {field: _plain(value) for field, value in zip(FIELDS, values, strict=True)}


def _energy(series: Any) -> dict[str, Any]:
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


def _plain_values(values: dict[str, float]) -> dict[str, int | float]:
    return {name: _plain(number) for name, number in values.items()}


def _run_total(search: Energy, template: Energy) -> RunTotal:
    sums = [energy.branch.operations.sum((0, 1)).tolist() for energy in (search, template)]
    first, second = (Operations(**dict(zip(FIELDS, totals, strict=True))) for totals in sums)
    total = search.by_inference.sum() + template.by_inference.sum()
    return RunTotal(search=first, template=second, energy_pj=float(total))


def _amortised(search: Energy, template: Energy, interval: int) -> Amortised:
    each = template.mean / interval
    return Amortised(
        interval=interval,
        search_pj=search.mean,
        template_pj=each,
        energy_pj=search.mean + each,
    )


def _published(search: Energy) -> PublishedFormula:
    table = load_prices(DEFAULT)
    formula = published(search.branch, table)
    return PublishedFormula(
        formula="e_mac * MAC(image convolution) + e_ac * sum(dense MAC * mean input count)",
        basis="the form that papers on spike-driven transformers use; SpikeTrack's own is known "
        "second-hand, its treatment of the first layer, attention and templates unknown",
        prices=f"{table.name} {table.version}",
        first_conv_pj=formula.first_pj,
        other_pj=formula.rest_pj,
        energy_pj=formula.energy_pj,
        exact_pj=formula.exact_pj,
    )


def _twin(search: Energy) -> AnnTwin:
    table = load_prices(DEFAULT)
    dense = sum(search.branch.layers.dense_mac)
    price = table.pj("mac") or 0.0
    return AnnTwin(dense_mac=dense, energy_pj=dense * price, prices=f"{table.name} {table.version}")


def _at(branch: BranchCounts, table: PriceTable, execution: str | None) -> AtTable:
    """One line of the comparison of tables; a dense machine stays dense."""
    energy = Energy.of(branch, table, None if table.execution == "dense" else execution)
    dense = Energy.of(branch, table, "dense") if table.pj("mac") is not None else None
    return AtTable(
        name=table.name,
        version=table.version,
        title=table.title,
        execution=energy.execution,
        energy_pj=energy.mean,
        by_operation=dict(energy.shares),
        unpriced=_plain_values(energy.unpriced),
        neuron_update_share=energy.update_share,
        dense_pj=None if dense is None else dense.mean,
    )


def compare(first: EnergyDocument, second: EnergyDocument) -> Comparison:
    """Two documents side by side, rows matched by name."""
    mine = {row.name: row for row in first.layers}
    others = {row.name: row for row in second.layers}
    either = others | mine
    names = [*mine, *(name for name in others if name not in mine)]
    rows = (
        LayerPair(name=name, kind=either[name].kind, **_pair(mine.get(name), others.get(name)))
        for name in names
    )
    return Comparison(
        runs=(first.run, second.run),
        total=PairRow(**_pair(first.total, second.total)),
        template=PairRow(**_pair(first.template.total, second.template.total)),
        layers=tuple(rows),
    )


def _pair(first: Operations | None, second: Operations | None) -> dict[str, Any]:
    """{field: (first, second)} and the energy's ratio; None where a run has no such layer."""
    pair: dict[str, Any] = {
        key: (getattr(first, key, None), getattr(second, key, None)) for key in PAIRED
    }
    old, new = pair["energy_pj"]
    return pair | {"ratio": new / old if old and new is not None else None}
