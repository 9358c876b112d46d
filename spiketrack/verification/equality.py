"""Do the float and the integer network give the same counts? They do on the grid of training."""

from __future__ import annotations

from collections.abc import Iterable

from spiketrack.export.passes.quantise import quantise
from spiketrack.export.passes.spiketrack import fold
from spiketrack.inference import SEARCH, TEMPLATE, Crop
from spiketrack.integer.rules.checks import check
from spiketrack.reference.model import SpikeTrack
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.verification.comparison import Agreement


def differences(model: SpikeTrack, crops: Iterable[tuple[Crop, Crop]]) -> dict[str, int]:
    """Counts of both branches that ``differ`` between the two networks, of all ``compared``.

    ``crops``: templates (T, 3, S, S) and a search crop (3, S, S), normalised; each network reads
    its own memory. ``GraphError`` where an integer could leave 24 bits.
    """
    graphs = {branch: quantise(fold(model, branch)) for branch in (TEMPLATE, SEARCH)}
    for branch, graph in graphs.items():
        check(graph, f"quantising the {branch} branch")
    real = FloatSimulator(model, record=True)
    whole = IntegerSimulator(graphs, model.config, counts=True)
    agreement = Agreement(real.name)
    for index, (z, x) in enumerate(crops):
        templates = whole.encode_template(z), real.encode_template(z)
        agreement.add(TEMPLATE, index, *(inference.trace for inference in templates))
        searches = whole.search(x), real.search(x)
        agreement.add(SEARCH, index, *(inference.trace for inference in searches))
    return {"differ": agreement.mismatches, "compared": agreement.compared}
