"""Operations of a run: what every layer did in one inference, in the mean, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spiketrack.energy.stages import by_stage, stage
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.notebook.sheet import Sheet
from spiketrack.runs.operations import BranchCounts
from spiketrack.surface.layered import Layered

ONE = {SEARCH: "a frame", TEMPLATE: "an encoding"}
LEGENDS = {
    "events": "non-zero messages that a population sends",
    "spikes": "sum of the counts it sends",
    "events_in": "messages that reach its synapses",
    "spikes_in": "sum of the counts that reach them",
    "ac_graded": "accumulations, a count being one message",
    "ac_spike": "accumulations, a count k being k spikes",
    "mac": "multiplications",
    "neuron_updates": "steps × neurons",
    "dense_mac": "MACs of the same layer in an ANN",
}
HEAD = {"name": "layer", "stage": "part of the network", "kind": "of layer"}
SUMS = {"stage": "part of the network", "layers": "number of layers"}


@dataclass(frozen=True, eq=False, repr=False)
class Operations(Layered):
    """Counted operations of one branch, means over ``inferences``; columns may be added up.

    ``events_in`` and ``spikes_in`` repeat the source's messages for every reader.
    """

    run: str
    branch: str
    counts: BranchCounts

    @property
    def inferences(self) -> int:
        """Frames of the search branch, encodings of the template branch."""
        return len(self.counts.operations)

    @property
    def title(self) -> str:
        """What the numbers are."""
        return (
            f"operations {ONE[self.branch]} of {self.run}, {self.branch} branch, "
            f"mean of {self.inferences}"
        )

    @property
    def by_layer(self) -> Sheet:
        """A row a layer that operates."""
        rows = self._rows()
        return Sheet.of(f"{self.title}, by layer", rows, HEAD | LEGENDS)

    @property
    def by_stage(self) -> Sheet:
        """Sums over the layers of each stage."""
        rows = [
            {"stage": name, "layers": len(part)}
            | {key: sum(row[key] for row in part) for key in LEGENDS}
            for name, part in by_stage(self._rows(), lambda row: str(row["name"])).items()
        ]
        return Sheet.of(f"{self.title}, by stage", rows, SUMS | LEGENDS)

    def _rows(self) -> list[dict[str, Any]]:
        layers, means = self.counts.layers, self.counts.operations.mean(0)
        return [
            {"name": name, "stage": stage(name), "kind": kind, "dense_mac": dense}
            | dict(zip(FIELDS, map(float, row), strict=True))
            for name, kind, dense, row in zip(
                layers.names, layers.kinds, layers.dense_mac, means, strict=True
            )
        ]

    def __repr__(self) -> str:
        return f"Operations({self.run}: {self.branch} branch, {len(self.counts.layers)} layers)"


__all__ = ["SEARCH", "Operations"]
