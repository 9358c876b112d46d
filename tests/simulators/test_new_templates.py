"""A search reads the memory of the templates that were encoded last, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.random_graphs import tiny_graph, tiny_model
from support.traces import assert_same_inference

from spiketrack.export.passes.spiketrack import fold
from spiketrack.inference import Crop, Simulator
from spiketrack.simulators.chip import ChipSimulator
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.simulators.inline import InlineSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.simulators.norse_backend import NorseSimulator
from spiketrack.simulators.onnx_backend import OnnxFloatSimulator, OnnxSimulator

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = pytest.mark.filterwarnings("ignore::ImportWarning")
GRAPHS = {branch: tiny_graph(1, branch) for branch in ("template", "search")}
CONFIG = tiny_model(1).config


def crops() -> Crop:
    rough = np.random.default_rng(4).uniform(-1.8, 2.2, (3, 3, 8, 8))
    return rough.repeat(8, 2).repeat(8, 3).astype(np.float32)


EXACT = (OnnxSimulator, NorseSimulator, InlineSimulator, ChipSimulator, IntegerSimulator)


@pytest.mark.parametrize("backend", EXACT)
def test_new_templates_take_the_place_of_the_old(backend: Any) -> None:
    replaced(
        lambda: backend(GRAPHS, CONFIG, counts=True),
        lambda: IntegerSimulator(GRAPHS, CONFIG, counts=True),
    )


def test_and_of_the_float_networks() -> None:
    replaced(*[lambda: FloatSimulator(tiny_model(1), record=True)] * 2)
    folded = {branch: fold(tiny_model(1), branch) for branch in GRAPHS}
    replaced(*[lambda: OnnxFloatSimulator(folded, CONFIG, counts=True)] * 2)


def replaced(backend: Callable[[], Simulator], like: Callable[[], Simulator]) -> None:
    """Encode, search, encode again, search again: as a network that knows the last alone."""
    first, second, crop = crops()
    found = []
    with backend() as simulator:
        for template in (first, second):
            encoded = simulator.encode_template(template[None])
            found.append(simulator.search(crop))
            with like() as fresh:
                wanted = fresh.encode_template(template[None]), fresh.search(crop)
            assert_same_inference(encoded, wanted[0], operations=False)
            assert_same_inference(found[-1], wanted[1], operations=False)
    with pytest.raises(AssertionError):
        assert_same_inference(found[0], found[1], operations=False)
