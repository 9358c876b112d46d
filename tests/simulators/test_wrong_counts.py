"""Every integer backend refuses counts outside 0..4 and names the layer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.random_graphs import tiny_graph, tiny_model

from spiketrack.errors import SpikeTrackError
from spiketrack.integer.graph import Neuron
from spiketrack.integer.kernels import KERNELS
from spiketrack.runs.folder import open_counts
from spiketrack.simulators.inline import InlineSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.simulators.lava import LavaSimulator
from spiketrack.simulators.onnx_backend import OnnxSimulator, Session

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = [pytest.mark.platform, pytest.mark.filterwarnings("ignore::ImportWarning")]
GRAPHS = {branch: tiny_graph(1, branch) for branch in ("template", "search")}
CONFIG = tiny_model(1).config
VICTIM = GRAPHS["template"].populations[-1].name
CROPS = np.zeros((1, 3, 64, 64), np.float32)


@pytest.mark.parametrize("backend", [IntegerSimulator, InlineSimulator, LavaSimulator])
@pytest.mark.slow
def test_a_kernel_that_counts_wrongly(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = KERNELS.table[Neuron]

    def kernel(node: Neuron, graph: Any) -> Any:
        run = right(node, graph)
        return (lambda inputs: run(inputs) - 1) if node.name == VICTIM else run

    monkeypatch.setitem(KERNELS.table, Neuron, kernel)
    monkeypatch.setattr("spiketrack.integer.kernels.power_of_two_unit", lambda node: None)
    with backend(GRAPHS, CONFIG) as simulator, pytest.raises(SpikeTrackError) as caught:
        simulator.encode_template(CROPS)
    assert f"{VICTIM}: a count of 255; populations count 0 to 4" in str(caught.value)


def test_a_model_that_counts_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Session.run

    def run(session: Session, values: Any) -> Any:
        found = right(session, values)
        return found | {VICTIM: found[VICTIM] + 5}

    monkeypatch.setattr(Session, "run", run)
    simulator = OnnxSimulator(GRAPHS, CONFIG, counts=True)
    with pytest.raises(SpikeTrackError, match=rf"{re.escape(VICTIM)}: a count of [5-9];"):
        simulator.encode_template(CROPS)


def test_a_file_with_wrong_counts(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "counts.h5", "w") as file:
        file["counts/search/layer.spike"] = np.full((1, 1, 1, 1, 1), 9, np.int8)
    with (
        open_counts(tmp_path) as counts,
        pytest.raises(SpikeTrackError, match=r"counts\.h5: layer\.spike: a count of 9;"),
    ):
        counts["layer.spike"]
