"""A search reads the memory of the templates that were encoded last, on every exact backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.random_graphs import tiny_graph, tiny_model
from support.traces import assert_same_inference

from spiketrack.inference import Crop
from spiketrack.simulators.inline import InlineSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.simulators.norse_backend import NorseSimulator
from spiketrack.simulators.onnx_backend import OnnxSimulator

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = pytest.mark.filterwarnings("ignore::ImportWarning")
GRAPHS = {branch: tiny_graph(1, branch) for branch in ("template", "search")}
CONFIG = tiny_model(1).config


def crops() -> Crop:
    rough = np.random.default_rng(4).uniform(-1.8, 2.2, (3, 3, 8, 8))
    return rough.repeat(8, 2).repeat(8, 3).astype(np.float32)


@pytest.mark.parametrize("backend", [OnnxSimulator, NorseSimulator, InlineSimulator])
def test_new_templates_take_the_place_of_the_old(backend: Any) -> None:
    """Encode, search, encode again, search again: as a network that knows the last alone."""
    first, second, crop = crops()
    found = []
    with backend(GRAPHS, CONFIG, counts=True) as simulator:
        for template in (first, second):
            encoded = simulator.encode_template(template[None])
            found.append(simulator.search(crop))
            fresh = IntegerSimulator(GRAPHS, CONFIG, counts=True)
            assert_same_inference(encoded, fresh.encode_template(template[None]), operations=False)
            assert_same_inference(found[-1], fresh.search(crop), operations=False)
    with pytest.raises(AssertionError):
        assert_same_inference(found[0], found[1], operations=False)
