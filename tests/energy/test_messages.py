"""Messages priced from a tracker's counts: what placing the network with those counts gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.exports import tiny_exported

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.document import document
from spiketrack.deploy.chip.mapping import map_network
from spiketrack.documents.placement import MapDocument
from spiketrack.energy.messages import price_messages
from spiketrack.energy.prices import load_prices
from spiketrack.errors import ConfigError, DocumentError
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.costs.formulas import FIELDS

pytestmark = pytest.mark.slow
NETWORK = tiny_exported(1)
DIGEST = NETWORK.manifest.network_digest
FRAMES = 3
LOIHI = load_prices("loihi1")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As if every neuron sent in every step."""
    return placed(tmp_path_factory.mktemp("placed") / "plain.json")


def placed(path: Path, events: dict[str, float] | None = None) -> Path:
    """``spiketrack map --json``, with a run's events or without."""
    graphs = {branch: NETWORK.graphs[branch] for branch in (SEARCH, TEMPLATE)}
    counted = None if events is None else {SEARCH: events, TEMPLATE: {}}
    placement = map_network(graphs, load_board("3 chips"), counted)
    document(placement, DIGEST, None if events is None else "0" * 64).write(path)
    return path


def test_as_if_placed_with_the_counts(tmp_path: Path, plain: Path) -> None:
    """Independent: the placement counts the same events itself; prices times its messages."""
    rng = np.random.default_rng(2)
    graph = NETWORK.graphs[SEARCH]
    events = {
        node.name: float(rng.integers(0, int(np.prod(graph[node.name].shape))))
        for node in graph.populations
    }
    counts = {}
    for name, number in events.items():
        counts[name] = np.zeros(len(FIELDS), np.int64)
        counts[name][FIELDS.index("events")] = FRAMES * number
        counts[name][FIELDS.index("spikes")] = 2 * FRAMES * number
    counted = MapDocument.read(placed(tmp_path / "counted.json", events))
    branch = next(b for b in counted.branches if b.name == SEARCH)
    expected = 0.0
    for layer in branch.layers:
        sent = layer.traffic
        expected += (sent.within_core + sent.between_cores) * (LOIHI.pj("spike_in_tile") or 0)
        expected += sent.hops_east_west * (LOIHI.pj("hop_east_west") or 0)
        expected += sent.hops_north_south * (LOIHI.pj("hop_north_south") or 0)
    assert expected > 0
    graded = price_messages(plain, DIGEST, LOIHI, "graded")(counts, FRAMES)
    assert graded == pytest.approx(expected)
    assert graded < price_messages(plain, DIGEST, LOIHI, "spike")(counts, FRAMES) < 2 * expected + 1
    everything = price_messages(plain, DIGEST, LOIHI, "graded")({}, FRAMES)
    assert everything > graded


def test_placements_that_do_not_fit(tmp_path: Path, plain: Path) -> None:
    counted = placed(tmp_path / "counted.json", {})
    with pytest.raises(DocumentError, match=r"places network .*, not ffffffffffff; place that"):
        price_messages(plain, "f" * 64, LOIHI, "graded")
    with pytest.raises(DocumentError, match="without a run's messages; write it with spiketrack"):
        price_messages(counted, DIGEST, LOIHI, "graded")
    with pytest.raises(ConfigError, match="--map: operations-45nm-fp32 has no price of a message"):
        price_messages(plain, DIGEST, load_prices("horowitz45"), "graded")
