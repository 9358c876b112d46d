"""What ``doctor`` asks for is what the bundled network takes on Lava."""

from __future__ import annotations

import dataclasses

import pytest

from spiketrack.deploy.lava import lifetime
from spiketrack.deploy.lava.needs import Needs
from spiketrack.deploy.lava.network import LavaNetwork
from spiketrack.errors import LavaError
from spiketrack.export.passes.quantise import quantise
from spiketrack.export.passes.spiketrack import fold
from spiketrack.inference import BRANCHES
from spiketrack.machine.limits import NANO
from spiketrack.reference.checkpoint import read_checkpoint

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = [pytest.mark.lava, pytest.mark.filterwarnings("ignore::ImportWarning")]


def test_doctor_asks_for_what_nano_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in the compiled networks of both branches, before their first fork."""
    found: list[Needs] = []

    def enough(needs: Needs) -> None:
        found.append(needs)
        raise LavaError("compiled")

    monkeypatch.setattr(lifetime, "require", enough)
    model = read_checkpoint("nano").build()
    for branch in BRANCHES:
        network = LavaNetwork(quantise(fold(model, branch)))
        with pytest.raises(LavaError, match="compiled"):
            network.start()
        network.close()
    both = {f.name: sum(getattr(n, f.name) for n in found) for f in dataclasses.fields(Needs)}
    for asked, needed in (
        (NANO.descriptors, both["descriptors"]),
        (NANO.processes, both["tasks"]),
        (NANO.shared, both["shared"]),
    ):
        assert needed <= asked <= 1.25 * needed
