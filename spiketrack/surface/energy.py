"""Energy of a run at the prices of one table: counted operations, modelled joules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spiketrack.documents.energy import EnergyDocument, LayerEnergy
from spiketrack.energy.stages import by_stage, stage
from spiketrack.energy.tables import joules
from spiketrack.errors import SpikeTrackError
from spiketrack.notebook.markup import table_html
from spiketrack.notebook.sheet import Sheet
from spiketrack.surface.figures import COLOURS, bars
from spiketrack.surface.layered import Layered
from spiketrack.surface.operations import HEAD, LEGENDS, SUMS

ENERGY = {
    "energy_pj": "counts times prices, pJ an inference",
    "energy_share": "of the branch, 0..1",
}
ERRORS = {
    "energy_sd_pj": "standard deviation from inference to inference, pJ; None: too few",
    "energy_se_pj": "standard error of the mean, pJ; None: too few",
}
WHOLE = {
    "branch": "search: a frame; template: an encoding",
    "part": "of the energy",
    "number": "counted, where there is one",
    "unit": "of the number",
    "low_pj": "low estimate, pJ",
    "high_pj": "high estimate, pJ",
    "kind": "counted, modelled, derived or assumed",
    "source": "where the prices are from",
}
SUMMED = (*LEGENDS, "energy_pj", "energy_share")
SCALES = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"))
OTHER = "other"


@dataclass(frozen=True, eq=False, repr=False)
class RunEnergy(Layered):
    """What a frame costs. ``document``: all of it, as ``spiketrack energy --json`` writes it.

    Operations are counted, exactly; joules are a model, counts times the prices of
    ``document.prices``, not measured on a chip. Sheets are of the search branch, a frame;
    ``template`` is one encoding, apart; ``whole`` adds what a chip needs beside its operations.
    """

    document: EnergyDocument

    @property
    def pj(self) -> float:
        """Energy of a frame, picojoules."""
        return self.document.total.energy_pj

    @property
    def error_pj(self) -> float | None:
        """Its standard error from frame to frame; None for too few frames."""
        return self.document.total.energy_se_pj

    @property
    def dense_pj(self) -> float | None:
        """Every MAC of the same network as an ANN at the same prices; None without that price."""
        prices = self.document.prices
        rows = (row for row in self.document.tables if row.name == prices.name)
        return next((row.dense_pj for row in rows), None)

    @property
    def title(self) -> str:
        """What the numbers are."""
        document = self.document
        return (
            f"energy a frame of {document.run}, mean of {document.frames}, at {self.prices} "
            "(modelled)"
        )

    @property
    def prices(self) -> str:
        """Table, its version and the execution."""
        prices = self.document.prices
        return f"{prices.name} {prices.version}, {self.document.execution}"

    @property
    def by_layer(self) -> Sheet:
        """A row a layer of the search branch, means a frame."""
        return self._layers(self.document.layers, "by layer")

    @property
    def template(self) -> Sheet:
        """The layers of the template branch, means an encoding."""
        return self._layers(self.document.template.layers, "template branch, an encoding")

    @property
    def by_stage(self) -> Sheet:
        """Sums over the layers of each stage."""
        groups = by_stage(self.document.layers, lambda row: row.name)
        return self._sums("stage", groups, SUMS)

    @property
    def by_kind(self) -> Sheet:
        """Sums over the layers of each kind, the largest first."""
        groups: dict[str, list[LayerEnergy]] = {}
        for row in self.document.layers:
            groups.setdefault(row.kind, []).append(row)
        ordered = sorted(groups.items(), key=lambda pair: -_sum(pair[1], "energy_pj"))
        return self._sums("kind", dict(ordered), {"kind": "of layer", "layers": "their number"})

    @property
    def tables(self) -> Sheet:
        """The same frame at every price table, and as a dense ANN at the same prices."""
        legends = {
            "name": "price table",
            "execution": "spike, graded or dense",
            "energy_pj": "a frame, pJ",
            "dense_pj": "every MAC as an ANN, pJ; None: the table has no price of one",
            "unpriced": "operations that occur and have no price",
        }
        rows = [
            {key: getattr(row, key) for key in legends} | {"unpriced": ", ".join(row.unpriced)}
            for row in self.document.tables
        ]
        return Sheet.of(f"a frame of {self.document.run} at every price table", rows, legends)

    @property
    def whole(self) -> Sheet:
        """From operations to static power, low and high, a row a part of each branch.

        ``SpikeTrackError`` where it was not asked for or the network could not be placed.
        """
        document = self.document
        if not document.whole:
            why = document.whole_missing or "ask for it with energy(whole=True)"
            raise SpikeTrackError(f"{document.run}: no energy of whole frames; {why}")
        rows = [
            {"branch": branch.branch} | dict(row)
            for branch in document.whole
            for row in branch.rows
        ]
        title = f"whole frames of {document.run} at {self.prices} (modelled, low to high)"
        return Sheet.of(title, rows, WHOLE)

    def figure(self, axes: Any = None) -> Any:
        """Bars by stage, stacked by the largest kinds of layers, in matplotlib.

        ``axes``: where to draw, a new figure otherwise. ``MissingDependency`` without matplotlib.
        """
        groups = by_stage(self.document.layers, lambda row: row.name)
        scale, unit = next((s for s in SCALES if self.pj >= s[0]), (1.0, "pJ"))
        kinds = self.by_kind["kind"][: len(COLOURS) - 1]
        parts: dict[str, list[float]] = {kind: [] for kind in (*kinds, OTHER)}
        for rows in groups.values():
            for kind in parts:
                chosen = [r for r in rows if (r.kind if r.kind in kinds else OTHER) == kind]
                parts[kind].append(_sum(chosen, "energy_pj") / scale)
        spent = {kind: values for kind, values in parts.items() if any(values)}
        label = f"energy a frame, {unit} (modelled, {self.document.prices.name})"
        return bars(list(groups), spent, label, axes)

    def _layers(self, rows: Iterable[LayerEnergy], what: str) -> Sheet:
        cells = [{"stage": stage(row.name)} | dict(row) for row in rows]
        return Sheet.of(f"{self.title}, {what}", cells, HEAD | LEGENDS | ENERGY | ERRORS)

    def _sums(
        self, key: str, groups: Mapping[str, list[LayerEnergy]], head: Mapping[str, str]
    ) -> Sheet:
        rows = [
            {key: name, "layers": len(part)} | {field: _sum(part, field) for field in SUMMED}
            for name, part in groups.items()
        ]
        return Sheet.of(f"{self.title}, by {key}", rows, dict(head) | LEGENDS | ENERGY)

    def __repr__(self) -> str:
        error = "" if self.error_pj is None else f" ± {joules(self.error_pj) or '0 pJ'}"
        return f"RunEnergy({self.document.run}: {joules(self.pj)}{error} a frame, {self.prices})"

    def _repr_html_(self) -> str:
        dense = joules(self.dense_pj) or "no price"
        rows = [
            ("a frame", joules(self.pj)),
            ("standard error", joules(self.error_pj)),
            ("every MAC of the same network as an ANN", dense),
            ("a template encoding", joules(self.document.template.total.energy_pj)),
        ]
        shown = ("stage", "layers", "spikes", "ac_spike", "mac", "energy_pj", "energy_share")
        sheet = self.by_stage
        cells = [[row[key] for key in shown] for row in sheet]
        return table_html(self.title, ("what", "energy"), rows) + table_html(
            "by stage", shown, cells, sheet.legends
        )


def _sum(rows: Iterable[LayerEnergy], field: str) -> float:
    return float(sum(getattr(row, field) for row in rows))
