"""``energy --json``: what every layer of a run costs at a table's prices.

====================== =======================================================================
schema, version        "spiketrack.energy", 1
run, frames, encodes   the run folder, tracked frames, template encodings
prices, execution      the table that prices ``layers`` (whole, with sources); spike, graded, dense
layers                 a row a layer of the search branch, means per frame
total                  sums over ``layers``, and ``energy_sd_pj``, ``energy_se_pj`` (frame to
                       frame), ``neuron_update_share`` (null: no price), ``unpriced`` operations
template               {layers, total} of one template encoding, apart
run_total              integer sums over the whole run: {search, template}, ``energy_pj``
amortised              null, or {interval, search_pj, template_pj, energy_pj} per frame
published_formula      {first_conv_pj, other_pj, energy_pj, exact_pj, prices}
ann_twin               {dense_mac, energy_pj, prices}: every MAC of the same network as an ANN
tables                 the search branch at each price table
network_on_chip        null, or what the placement's traffic costs
whole                  a row a branch: from operations to static power, low and high; empty where
                       the network could not be placed (``whole_missing`` says why)
statement              {measured, modelled, unpublished, not_counted}
comparison             with --compare: {runs, total, template, layers}, pairs; else absent
network_digest         of the exported network that ran
run_digest             of the run, the SHA-256 of its run.json
====================== =======================================================================

Populations hold ``events``, ``spikes`` and ``neuron_updates``, synapses their operations, so
columns add up to ``total``; ``events_in`` and ``spikes_in`` are what reaches a layer's synapses.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from spiketrack.documents.base import Amount, Count, Digest, Document, Part, Share, Sparse
from spiketrack.documents.network import Operations
from spiketrack.documents.prices import Execution, Picojoules, PriceTable
from spiketrack.documents.whole import WholeEnergy

Amounts = dict[str, Amount]
Pair = tuple[Amount | None, Amount | None]


class LayerPart(Part):
    """A layer by name."""

    name: str
    kind: str
    branch: str


class Spent(Part):
    """Mean energy of an inference, its deviation and standard error (null: too few)."""

    dense_mac: Count
    energy_pj: Picojoules
    energy_sd_pj: Picojoules | None
    energy_se_pj: Picojoules | None


class LayerEnergy(Spent, Operations, LayerPart):
    """Means of one layer per inference; ``energy_share``: of its branch."""

    energy_share: Share


class TotalEnergy(Spent, Operations):
    """Sums over the layers of one inference."""

    by_operation: Amounts
    neuron_update_share: Share | None
    unpriced: Amounts


class TemplateEnergy(Part):
    """One template encoding; no layers where none ran."""

    layers: tuple[LayerEnergy, ...]
    total: TotalEnergy


class RunTotal(Part):
    """Integer sums of every operation over the whole run, by branch."""

    search: Operations
    template: Operations
    energy_pj: Picojoules


class Amortised(Part):
    """A frame with one template encoding every ``interval`` frames."""

    interval: Annotated[int, Field(ge=1)]
    search_pj: Picojoules
    template_pj: Picojoules
    energy_pj: Picojoules


class PublishedFormula(Part):
    """The form that papers on spike-driven transformers use, and the same layers counted.

    ``basis``: what is known of the one that SpikeTrack's paper used.
    """

    formula: str
    basis: str
    prices: str
    first_conv_pj: Picojoules
    other_pj: Picojoules
    energy_pj: Picojoules
    exact_pj: Picojoules


class AnnTwin(Part):
    """Every MAC of the same network as an ANN, and nothing else: no sums, pooling or updates."""

    dense_mac: Count
    energy_pj: Picojoules
    prices: str


class AtTable(Part):
    """The search branch at one price table.

    ``dense_pj``: all that the network does with every MAC in place of its spikes: MACs, sums,
    pooling, up-sampling, the gate and updates; null where the table has no price of a MAC.
    """

    name: str
    version: int
    title: str
    execution: Execution
    energy_pj: Picojoules
    by_operation: Amounts
    unpriced: Amounts
    neuron_update_share: Share | None
    dense_pj: Picojoules | None


class NetworkCost(Part):
    """Messages of the search branch on a placement's network-on-chip, a frame.

    ``energy_pj``: null where no message has a price; those between chips never have one.
    """

    map: str
    board: str
    counted: bool
    messages: Amount
    between_chips: Amount
    hops_east_west: Amount
    hops_north_south: Amount
    energy_pj: Picojoules | None
    by_operation: Amounts
    unpriced: Amounts


class Statement(Part):
    """What kind of numbers these are."""

    measured: str
    modelled: str
    unpublished: str
    not_counted: str


class PairRow(Part):
    """Two runs side by side; null where a run has no such layer. ``ratio``: of the energies."""

    events: Pair
    spikes: Pair
    events_in: Pair
    spikes_in: Pair
    ac_graded: Pair
    ac_spike: Pair
    mac: Pair
    neuron_updates: Pair
    dense_mac: Pair
    energy_pj: Pair
    ratio: Annotated[float, Field(ge=0)] | None


class LayerPair(PairRow):
    """A layer of two runs."""

    name: str
    kind: str


class Comparison(Part):
    """Two runs, rows matched by name."""

    runs: tuple[str, str]
    total: PairRow
    template: PairRow
    layers: tuple[LayerPair, ...]


class EnergyDocument(Document, Sparse):
    """The energy of a run, exact counts times the prices of a table."""

    REMEDY: ClassVar[str] = "write it with spiketrack energy --json"

    schema_id: Literal["spiketrack.energy"] = Field(default="spiketrack.energy", alias="schema")
    version: Literal[1] = 1
    run: str
    frames: Count
    encodes: Count
    prices: PriceTable
    execution: Execution
    layers: tuple[LayerEnergy, ...]
    total: TotalEnergy
    template: TemplateEnergy
    run_total: RunTotal
    amortised: Amortised | None
    published_formula: PublishedFormula
    ann_twin: AnnTwin
    tables: tuple[AtTable, ...]
    network_on_chip: NetworkCost | None
    whole: tuple[WholeEnergy, ...] = ()
    whole_missing: str | None = None
    statement: Statement
    comparison: Comparison | None = None
    network_digest: Digest
    run_digest: Digest
