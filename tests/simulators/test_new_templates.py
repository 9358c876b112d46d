"""A search reads the memory of the templates that were encoded last, on every exact backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.random_graphs import tiny_graph, tiny_model

from spiketrack.inference import Crop, Inference
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


def same(found: Inference, wanted: Inference) -> bool:
    counts = wanted.trace.counts
    assert counts.keys() == found.trace.counts.keys()
    equal = all(np.array_equal(found.trace.counts[name], counts[name]) for name in counts)
    if wanted.maps is None or found.maps is None:
        return equal and found.maps is wanted.maps
    parts = ("score", "size", "offset")
    pairs = [(getattr(found.maps, part), getattr(wanted.maps, part)) for part in parts]
    return equal and all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("backend", [OnnxSimulator, NorseSimulator, InlineSimulator])
def test_new_templates_take_the_place_of_the_old(backend: Any) -> None:
    first, second, crop = crops()
    found = []
    with backend(GRAPHS, CONFIG, counts=True) as simulator:
        for template in (first, second):
            encoded = simulator.encode_template(template[None])
            searched = simulator.search(crop)
            found.append(searched)
            fresh = IntegerSimulator(GRAPHS, CONFIG, counts=True)
            assert same(encoded, fresh.encode_template(template[None]))
            assert same(searched, fresh.search(crop))
    assert not same(*found)
