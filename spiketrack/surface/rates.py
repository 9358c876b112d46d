"""Firing rates of a run: how much every population sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spiketrack.energy.stages import by_stage, stage
from spiketrack.notebook.sheet import Sheet
from spiketrack.report.activity import Activity
from spiketrack.surface.figures import bars
from spiketrack.surface.layered import Layered

LEGENDS = {
    "neurons": "neuron steps an inference: steps × neurons",
    "firing_rate": "share of neuron steps that send a message, 0..1",
    "mean_count": "mean count of a neuron step, 0..4",
}


@dataclass(frozen=True, eq=False, repr=False)
class Rates(Layered):
    """Rates of the populations of one branch, means over its inferences.

        firing rate = events / neuron steps        mean count = spikes / neuron steps

    ``activity`` holds them inference by inference, (populations, inferences).
    """

    run: str
    branch: str
    activity: Activity

    @property
    def title(self) -> str:
        """What the numbers are."""
        return f"firing rates of {self.run}, {self.branch} branch"

    @property
    def by_layer(self) -> Sheet:
        """A row a population; also the lowest and highest rate of one inference."""
        legends = {"name": "population", "stage": "part of the network"} | LEGENDS
        legends |= {
            "lowest_rate": "of one inference",
            "highest_rate": "of one inference",
        }
        return Sheet.of(f"{self.title}, by population", self._rows(), legends)

    @property
    def by_stage(self) -> Sheet:
        """Rates over all neurons of each stage."""
        rows = []
        for name, part in by_stage(self._rows(), lambda row: str(row["name"])).items():
            neurons = np.array([row["neurons"] for row in part])
            means = {
                key: float((neurons * [row[key] for row in part]).sum() / neurons.sum())
                for key in ("firing_rate", "mean_count")
            }
            total = int(neurons.sum())
            rows.append({"stage": name, "populations": len(part), "neurons": total} | means)
        legends = {"stage": "part of the network", "populations": "their number"} | LEGENDS
        return Sheet.of(f"{self.title}, by stage", rows, legends)

    @property
    def mean(self) -> float:
        """Share of all neuron steps that send a message."""
        return float(self.activity.events.sum() / self.activity.updates.sum())

    def figure(self, axes: Any = None) -> Any:
        """Bars of ``by_stage`` in matplotlib; ``axes``: where to draw, a new figure otherwise."""
        sheet = self.by_stage
        return bars(sheet["stage"], {"": sheet["firing_rate"]}, "firing rate", axes)

    def _rows(self) -> list[dict[str, Any]]:
        activity = self.activity
        rate, mean = activity.rate, activity.mean_count
        return [
            {
                "name": name,
                "stage": stage(name),
                "neurons": int(activity.updates[i, 0]),
                "firing_rate": float(rate[i].mean()),
                "mean_count": float(mean[i].mean()),
                "lowest_rate": float(rate[i].min()),
                "highest_rate": float(rate[i].max()),
            }
            for i, name in enumerate(activity.names)
        ]

    def __repr__(self) -> str:
        return (
            f"Rates({self.run}: {self.branch} branch, {len(self.activity.names)} populations, "
            f"mean {self.mean:.3f})"
        )
