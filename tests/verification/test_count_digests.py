"""Every exact backend gives the counts whose digests are stored: the same on every platform."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.count_digest import FRAMES, STORED, Crops, crops, described, digests

from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.pipeline import export_checkpoint
from spiketrack.simulators.backends import names

pytestmark = [
    pytest.mark.platform,
    pytest.mark.lava,
    pytest.mark.filterwarnings("ignore::ImportWarning"),  # networkx looks for pandas
]
EXPECTED = json.loads(STORED.read_text("utf-8"))
Network = tuple[str, ExportedNetwork, Crops]


@pytest.fixture(scope="module", params=FRAMES)
def network(
    request: pytest.FixtureRequest,
    synthetic: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Network:
    """Name, exported network, crops."""
    torch.set_num_threads(1)
    name: str = request.param
    checkpoint = name if name == "nano" else synthetic(name)
    exported = export_checkpoint(checkpoint, tmp_path_factory.mktemp(name) / "export")
    return name, exported, crops(exported, FRAMES[name])


@pytest.mark.parametrize("backend", names(exact=True))
@pytest.mark.slow
def test_counts_have_the_stored_digests(backend: str, network: Network) -> None:
    name, exported, given = network
    assert described(exported, digests(exported, backend, given)) == EXPECTED[name]
