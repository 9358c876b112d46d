"""Joules from operation counts.

    E(layer) = AC · e_ac + MAC · e_mac + active updates · e_active + inactive updates · e_inactive

Counts are measured, prices are a table (``prices.py``), so joules are a model. What the AC and
MAC of a layer are depends on the table's execution:

- ``spike``: a count k is k binary spikes, each reaching its synapses, in the first k of four
  sub-steps: every neuron is updated four times;
- ``graded``: a count is one message whatever its value;
- ``dense``: the same layer in an ANN: every MAC, zeros and padding included.

Sums of membranes, pooling and up-sampling are the same in all three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from spiketrack.documents.prices import ON_CHIP, Execution, Operation, PriceTable
from spiketrack.errors import ConfigError
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.integer.counting import Layers
from spiketrack.limits import MAX_COUNT
from spiketrack.runs.operations import BranchCounts

Reals = NDArray[np.float64]
Operations = Mapping[str, NDArray[np.int64]]

IMAGE_CONV = "image_conv"
UPDATES: tuple[Operation, ...] = ("neuron_update_active", "neuron_update_inactive")
_STRONGEST = 0.99  # correlation of neighbouring frames beyond which no error can be estimated


def operations(branch: BranchCounts, execution: Execution) -> Reals:
    """Operations in the order of ``prices.ON_CHIP``: float64 (inferences, layers, 4)."""
    field = {name: branch.field(name).astype(np.float64) for name in FIELDS}
    ac, mac = field["ac_spike"], field["mac"]
    updates, sent = field["neuron_updates"], field["events"]
    if execution == "spike":  # a spike each in up to four sub-steps: as many updates
        updates, sent = updates * MAX_COUNT, field["spikes"]
    if execution == "graded":
        ac = field["ac_graded"]
    elif execution == "dense":
        dense = np.array(branch.layers.dense_mac, np.float64)
        ac, mac = np.where(dense > 0, 0, field["ac_graded"]), np.where(dense > 0, dense, mac)
    active = np.minimum(sent, updates)
    return np.stack([ac, mac, active, updates - active], -1)


@dataclass(frozen=True, eq=False)
class Energy:
    """Energy of one branch at one table's prices; picojoules throughout."""

    branch: BranchCounts
    table: PriceTable
    execution: Execution

    @classmethod
    def of(cls, branch: BranchCounts, table: PriceTable, execution: str | None = None) -> Energy:
        """At the table's own execution unless another is named."""
        return cls(branch, table, check_execution(execution) or table.execution)

    @cached_property
    def operations(self) -> Reals:
        """(inferences, layers, 4) in the order of ``prices.ON_CHIP``."""
        return operations(self.branch, self.execution)

    @cached_property
    def by_operation(self) -> Reals:
        """Energy, (inferences, layers, 4); an operation without a price is left out."""
        prices = np.array([self.table.pj(name) or 0.0 for name in ON_CHIP])
        priced: Reals = self.operations * prices
        return priced

    @cached_property
    def by_layer(self) -> Reals:
        """Energy, (inferences, layers)."""
        energy: Reals = self.by_operation.sum(-1)
        return energy

    @cached_property
    def by_inference(self) -> Reals:
        """Energy, (inferences,)."""
        energy: Reals = self.by_layer.sum(-1)
        return energy

    @property
    def mean(self) -> float:
        """Energy of one inference."""
        return float(self.by_inference.mean()) if len(self.by_inference) else 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Mean energy of an inference by operation, for those that have a price."""
        means = self.by_operation.sum(1).mean(0) if len(self.by_inference) else np.zeros(4)
        pairs = zip(ON_CHIP, means, strict=True)
        return {name: float(value) for name, value in pairs if self.table.pj(name) is not None}

    @property
    def unpriced(self) -> dict[str, float]:
        """Mean number of operations that occur and have no price in this table."""
        means = self.operations.sum(1).mean(0) if len(self.by_inference) else np.zeros(4)
        pairs = zip(ON_CHIP, means, strict=True)
        return {name: float(n) for name, n in pairs if n and self.table.pj(name) is None}

    @property
    def update_share(self) -> float | None:
        """Share of neuron updates in the energy, None where they have no price."""
        if any(self.table.pj(name) is None for name in UPDATES) or not self.mean:
            return None
        return sum(self.shares[name] for name in UPDATES) / self.mean


def check_execution(name: str | None) -> Execution | None:
    """The execution of that name; ``ConfigError`` lists those that exist."""
    known: tuple[Execution, ...] = get_args(Execution)
    for execution in known:
        if name == execution:
            return execution
    if name is None:
        return None
    raise ConfigError(f"--execution {name}: choose one of {', '.join(known)}")


def price_operations(
    table: PriceTable, execution: str | None = None
) -> Callable[[Operations], float]:
    """A function: one inference's operations (layer → fields) to picojoules.

    For spike-driven and graded tables; a dense one needs the layers' dense MACs (``Energy``).
    """
    chosen = check_execution(execution) or table.execution
    if chosen == "dense":
        raise ConfigError(f"{table.name}: dense execution; price a run of spiketrack simulate")

    def price(layers: Operations) -> float:
        blank = Layers(tuple(layers), ("",) * len(layers), (0,) * len(layers), (0,) * len(layers))
        rows = np.stack([*layers.values()])[None] if layers else np.zeros((1, 0, len(FIELDS)), int)
        return Energy(BranchCounts(blank, rows), table, chosen).mean

    return price


@dataclass(frozen=True)
class Spread:
    """Spread of a number from frame to frame.

    ``deviation``: sample standard deviation. ``standard_error`` of the mean: deviation / √n',
    n' = n (1 - r) / (1 + r), r the correlation of neighbouring frames (not below 0): frames of
    one video resemble each other, so there are fewer independent ones. None for too few frames.
    """

    deviation: float | None
    standard_error: float | None

    @classmethod
    def of(cls, series: Reals) -> Spread:
        """Of one number a frame."""
        n = len(series)
        if n < 2:
            return cls(None, None)
        # the rounded mean of equal values may differ from them
        deviation = float(series.std(ddof=1)) if np.ptp(series) else 0.0
        if deviation == 0 or n < 3:
            return cls(deviation, deviation / n**0.5)
        around = series - series.mean()
        near = float((around[1:] * around[:-1]).sum() / (around**2).sum())
        near = min(max(near, 0.0), _STRONGEST)
        independent = max(n * (1 - near) / (1 + near), 1.0)
        return cls(deviation, deviation / independent**0.5)


@dataclass(frozen=True)
class Published:
    """The formula of papers on spike-driven transformers, per frame; SpikeTrack's own is known
    second-hand only.

        E = e_mac · MAC(image convolution) + e_ac · Σ dense MAC · mean input count

    ``exact_pj``: the same layers at the same prices with the operations really counted. The
    formula takes every position for an inner one (padding has no cost in the exact count), and
    for kᵀv it takes the mean over both factors; memory entries are one synapse in it, not two.
    """

    first_pj: float
    rest_pj: float
    exact_pj: float

    @property
    def energy_pj(self) -> float:
        """Both terms."""
        return self.first_pj + self.rest_pj


def published(branch: BranchCounts, table: PriceTable) -> Published:
    """Evaluate the formula on one branch; the table needs prices of ``ac`` and ``mac``."""
    e_ac, e_mac = (table.pj(name) for name in ("ac", "mac"))
    if e_ac is None or e_mac is None:
        raise ConfigError(f"{table.name}: the published formula needs prices of ac and mac")
    layers = branch.layers
    dense = np.array(layers.dense_mac, np.float64)
    image = np.array([kind == IMAGE_CONV for kind in layers.kinds])
    counts = branch.field("spikes_in").mean(0) / np.maximum(layers.inputs, 1)
    rest = float((dense * counts)[~image].sum())
    energy = Energy(branch, table, "spike").by_layer[:, dense > 0]
    exact = float(energy.sum(1).mean())
    return Published(float(dense[image].sum()) * e_mac, rest * e_ac, exact)
