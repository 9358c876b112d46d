"""Every exact backend gives the counts whose digests are stored: the same on every platform."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.count_digest import FIRST, FRAMES, STORED, Crops, crops, described, digests

from spiketrack.export.nir.folder import ExportedNetwork, read_export
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.pipeline import export_checkpoint
from spiketrack.simulators.backends import names

pytestmark = [
    pytest.mark.platform,
    pytest.mark.lava,
    pytest.mark.filterwarnings("ignore::ImportWarning"),  # networkx looks for pandas
]
LAVA_CHIP = "lava-chip"
EXPECTED = json.loads(STORED.read_text("utf-8"))
Network = tuple[str, ExportedNetwork, Crops]


@pytest.fixture(scope="module", params=FRAMES)
def network(
    request: pytest.FixtureRequest,
    full_size: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Network:
    """Name, exported network, crops."""
    torch.set_num_threads(1)
    name: str = request.param
    if name == "nano":
        exported = export_checkpoint(name, tmp_path_factory.mktemp(name) / "export")
    else:
        exported = read_export(full_size(name))
    return name, exported, crops(exported, FRAMES[name])


@pytest.mark.parametrize("backend", [name for name in names(exact=True) if name != LAVA_CHIP])
@pytest.mark.slow
def test_counts_have_the_stored_digests(backend: str, network: Network) -> None:
    name, exported, given = network
    counts = described(exported, digests(exported, backend, given))
    assert counts == {key: EXPECTED[name][key] for key in counts}


@pytest.mark.slow
def test_the_first_counts_of_a_process_a_layer(network: Network) -> None:
    name, exported, given = network
    counts = digests(exported, LAVA_CHIP, given.first(FIRST[name]))
    assert counts[TEMPLATE] == EXPECTED[name][TEMPLATE]
    assert counts[SEARCH] == EXPECTED[name][f"search, first {FIRST[name]}"]


@pytest.mark.long
@pytest.mark.slow
def test_all_counts_of_a_process_a_layer(network: Network) -> None:
    name, exported, given = network
    counts = described(exported, digests(exported, LAVA_CHIP, given))
    assert counts == {key: EXPECTED[name][key] for key in counts}
