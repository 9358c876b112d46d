"""All that chips spend on a frame of a sequence, from the operations that its tracker counted.

    E = E_whole(search) + encodings / frames · E_whole(template)

``E_whole`` is ``energy/whole.py``'s of the mean inference: as many events and spikes of each
population as the sequence had on average, at places drawn with a fixed seed. Errors: each end is
that of the rates; mean counts in the place of every frame's leave out that the longest term of a
time step may be another in another frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from spiketrack.deploy.chip.work.sending import Counts
from spiketrack.documents.prices import PriceTable
from spiketrack.documents.rates import RateTable
from spiketrack.energy.whole import whole_energy
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.timing.document import Placed, document_of
from spiketrack.timing.events import SPREAD, spread_out
from spiketrack.tracking.evaluation import Operations, Tally

EVENTS, SPIKES = FIELDS.index("events"), FIELDS.index("spikes")
SEED = 0


@dataclass(frozen=True, eq=False)
class WholeFrames:
    """Prices the sequences of a network on one placement."""

    where: Placed
    prices: PriceTable
    rates: RateTable

    def __call__(self, tally: Tally) -> tuple[float, float]:
        """Picojoules of a tracked frame, low and high."""
        sums = {SEARCH: (tally.search, tally.frames), TEMPLATE: (tally.template, tally.encodings)}
        counts = {
            branch: [self._mean(branch, *sums[branch])] if sums[branch][1] else []
            for branch in self.where.programs
        }
        time = document_of(self.where, counts, SPREAD, self.rates)
        low = high = 0.0
        for part in time.branches:
            spent = whole_energy(time, self.prices, part.name)
            share = sums[part.name][1] / tally.frames
            low, high = low + share * spent.low_pj, high + share * spent.high_pj
        return low, high

    def _mean(self, branch: str, summed: Operations, inferences: int) -> Counts:
        """Counts of the mean inference of a branch."""
        graph = self.where.network.graphs[branch]
        sent = {
            node.name: (
                round(int(summed[node.name][EVENTS]) / inferences),
                round(int(summed[node.name][SPIKES]) / inferences),
            )
            for node in graph.populations
        }
        return spread_out(graph, sent, SEED)
