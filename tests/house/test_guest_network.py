"""A network that is no tracker, written in one file, goes the whole way."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.everywhere import assert_same_everywhere, pixels
from support.examples import load_example
from support.naive import evaluate

from spiketrack.deploy.process_graph.grouping import group
from spiketrack.export.outlets.onnx_float import float_model
from spiketrack.export.outlets.standard_nir_parts import partition
from spiketrack.export.passes.quantise import Statistics, quantise
from spiketrack.integer.graph import Graph
from spiketrack.integer.rules.checks import check
from spiketrack.preprocessing import PIXEL_MEAN, PIXEL_STEP
from spiketrack.simulators.onnx_backend import Session


@pytest.fixture(scope="module")
def guest() -> ModuleType:
    return load_example("guest_network")


@pytest.fixture(scope="module")
def graph(guest: ModuleType) -> Graph:
    found: Graph = quantise(guest.classifier())
    check(found, "quantising the guest")
    return found


def test_every_backend_agrees_to_the_last_bit(graph: Graph, tmp_path: Path) -> None:
    placement = assert_same_everywhere(graph, tmp_path)
    assert placement.fits
    assert {layer.name for layer in placement.layers} > {p.name for p in graph.populations}


def test_all_populations_spike(graph: Graph) -> None:
    values = evaluate(graph, {"image": pixels(graph)})
    assert not [p.name for p in graph.populations if not values[p.name].any()]


def test_integers_stay_near_the_real_network(guest: ModuleType, graph: Graph) -> None:
    """Counts of the float network in onnxruntime, without calibration: alike, not equal."""
    folded = guest.classifier()
    names = [node.name for node in folded.populations]
    image = pixels(graph)
    real = ((image - PIXEL_MEAN[:, None, None]) / PIXEL_STEP[:, None, None]).astype(np.float32)
    found = Session(float_model(folded, names)).run({"image": real})
    values = evaluate(graph, {"image": image})
    assert max(np.mean(found[name] * 4 != values[name]) for name in names) < 0.2
    classes = np.ldexp(values["classes"].astype(float), -graph.fractions["classes"])
    assert found["classes"].argmax() == classes.argmax()
    assert np.corrcoef(found["classes"].ravel(), classes.ravel())[0, 1] > 0.98


def test_parts_of_it_are_stock_nir(graph: Graph) -> None:
    plan = partition(graph)
    reasons = {glue.reason for glue in plan.glue}
    assert reasons == {
        "NIR's biases are per channel, a constant map is not",
        "NIR has no product of two signals",
        "read by the host",
    }
    assert sum(len(part.nodes) for part in plan.parts) > 20


def test_the_file_is_a_program(guest: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    guest.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines][1:2] == ["classes"]
    assert lines[-1].endswith("cores of 120")


def test_blocks_that_read_each_other_share_a_process(graph: Graph) -> None:
    """The projection reads the attention, whose sum reads the projection."""
    home = {name: part.name for part in group(graph).parts for name in part.nodes}
    assert home["attention.project.conv"] == home["attention.add"] == home["attention.kv"]
    assert home["attention.q.conv"] != home["attention.kv"] != home["mlp.up.conv"]


def test_calibration_takes_statistics_by_population(guest: ModuleType, graph: Graph) -> None:
    folded = guest.classifier()
    crops = np.random.default_rng(1).normal(0, 1, (2, 3, 32, 32)).astype(np.float32)
    means = {node.name: np.full(node.shape[:2], 0.25) for node in folded.populations}
    calibrated = quantise(folded, Statistics(means, crops))
    check(calibrated, "calibrating the guest")
    assert dataclasses.asdict(calibrated)["fractions"] == graph.fractions
