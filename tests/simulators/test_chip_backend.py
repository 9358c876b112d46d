"""The chip as a backend: closed loop, recorded activity, its program on disk, damage that shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.exports import export_folder
from support.random_graphs import random_graph, tiny_graph, tiny_model
from support.traces import assert_same_inference

from spiketrack.commands.map import map as map_network
from spiketrack.commands.simulate import simulate
from spiketrack.deploy.chip.execution.activity import COLUMNS
from spiketrack.deploy.chip.execution.ledger import CORE_COLUMNS, LINK_COLUMNS
from spiketrack.deploy.chip.program import MODES, SPIKES, Choices, build_program
from spiketrack.deploy.chip.program_document import CHIP_FILE, chip_document, read_programs
from spiketrack.errors import DocumentError, SpikeTrackError, UnsupportedError
from spiketrack.export.nir.folder import read_export
from spiketrack.inference import BRANCHES
from spiketrack.integer.graph import Graph
from spiketrack.report.figures.placement import step_figure
from spiketrack.runs.activity import activity_branches, read_activity, read_placed_activity
from spiketrack.simulators.chip import ChipSimulator
from spiketrack.simulators.integer import IntegerSimulator

CONFIG = {templates: tiny_model(templates).config for templates in (1, 3)}


def graphs(templates: int) -> dict[str, Graph]:
    return {branch: tiny_graph(templates, branch) for branch in BRANCHES}


def crops(number: int, seed: int) -> Any:
    """Normalised crops made of whole pixels."""
    from spiketrack.preprocessing import normalise

    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (number, 64, 64, 3), np.uint8)
    return np.stack([normalise(image) for image in pixels])


@pytest.mark.parametrize("templates", [1, 3])
@pytest.mark.parametrize("spikes", SPIKES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.slow
def test_traces_are_those_of_the_integer_backend(mode: str, spikes: str, templates: int) -> None:
    """Templates are renewed in between."""
    network = graphs(templates)
    record = (network, CONFIG[templates], True, True)
    chip, integer = ChipSimulator(*record, Choices(mode, spikes)), IntegerSimulator(*record)
    for round_ in range(2):
        templates_ = crops(templates, round_)
        inferences = [(x.encode_template(templates_)) for x in (chip, integer)]
        for number in range(2):
            crop = crops(1, 10 * round_ + number)[0]
            inferences += [x.search(crop) for x in (chip, integer)]
    for found, expected in zip(inferences[::2], inferences[1::2], strict=True):
        assert_same_inference(found, expected)


def test_a_search_before_any_template_is_refused() -> None:
    simulator = ChipSimulator(graphs(1), CONFIG[1])
    with pytest.raises(SpikeTrackError, match="its memory was never written; encode templates"):
        simulator.search(crops(1, 0)[0])


# on disk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_folder(tmp_path_factory.mktemp("home"))


@pytest.mark.slow
def test_a_run_holds_activity_and_program(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    simulate(folder, frames=3, out=run, backend="chip", device="cpu", mode="pipelined")
    network = read_export(folder)
    programs = read_programs(run / CHIP_FILE, network.graphs)
    assert programs == {
        branch: build_program(graph, Choices()) for branch, graph in network.graphs.items()
    }
    found = read_activity(run, "search")
    assert found.columns == ("inference", *COLUMNS)
    assert found.layers == (*(layer.name for layer in programs["search"].layers), "image")
    assert set(found.column("inference")) == {0, 1, 2}
    assert activity_branches(run) == ("search", "template")
    plot = step_figure("search", found).variants[0][1]
    drawn = {trace.name: np.array(trace.y) for trace in plot.data}
    assert drawn["messages"].sum() == pytest.approx(found.means()["messages"])
    one = found.inference(1)
    assert one.column("step").max() == 2 * programs["search"].period + programs["search"].latency
    with h5py.File(run / "counts.h5") as file:
        counted = file["operations/search"][()]
        fields = list(file["operations/search"].attrs["fields"])
    graded = counted[1, :, fields.index("ac_graded")].sum()
    assert found.means()["step"] == one.column("step").max()
    assert found.means()["messages"] == found.column("messages").sum() / 3
    assert 2.5 * graded < one.column("operations").sum() < 3.5 * graded  # with its neighbours


@pytest.mark.slow
def test_a_run_on_placed_cores_holds_what_they_did(folder: Path, tmp_path: Path) -> None:
    placement, run = tmp_path / "map.json", tmp_path / "run"
    map_network(folder, json=placement, board="4 chips")
    simulate(folder, frames=2, out=run, backend="chip", mode="pipelined", map=placement)
    for branch, inferences in (("search", 2), ("template", 1)):
        cores, layers = read_placed_activity(run, branch), read_activity(run, branch)
        assert cores.core_columns == ("inference", *CORE_COLUMNS)
        assert cores.link_columns == ("inference", *LINK_COLUMNS)
        assert set(cores.of_cores("inference")) == set(range(inferences))
        assert cores.of_links("link").max() < len(cores.ends)
        image = layers.column("layer") == len(layers.layers) - 1
        for column in ("updates", "operations", "multiplications", "messages", "bits"):
            assert cores.of_cores(column).sum() == layers.column(column)[~image].sum()
        one = cores.inference(0)
        assert len(one.cores) * inferences == len(cores.cores)
        steps = [one.cores[one.of_cores("step") == s] for s in range(5)]
        at = cores.core_columns.index("updates")
        most = [rows[:, at].max(initial=0) for rows in steps]
        assert one.busiest_core("updates")[:5].tolist() == most
        assert one.busiest_link("messages").max() == one.of_links("messages").max()
    with pytest.raises(UnsupportedError, match=r"placed with --mode pipelined .* runs with --mode"):
        simulate(folder, frames=1, out=tmp_path / "b", backend="chip", map=placement)
    document = json.loads(placement.read_text())
    placement.write_text(json.dumps(document | {"network_digest": "0" * 64}))
    with pytest.raises(DocumentError, match=r"map\.json: places another network; write it with"):
        simulate(folder, frames=1, out=tmp_path / "b", backend="chip", map=placement)


@pytest.mark.slow
def test_runs_without_activity_say_so(folder: Path, tmp_path: Path) -> None:
    simulate(folder, frames=1, out=tmp_path / "run", backend="integer", device="cpu")
    with pytest.raises(SpikeTrackError, match="no activity of the search branch; simulate with"):
        read_activity(tmp_path / "run", "search")
    with pytest.raises(SpikeTrackError, match=r"no counts\.h5 in it"):
        read_activity(tmp_path, "search")
    with pytest.raises(SpikeTrackError, match="no activity of cores in the search branch; simul"):
        read_placed_activity(tmp_path / "run", "search")
    assert not (tmp_path / "run" / CHIP_FILE).exists()


def test_programs_come_back_as_they_were(tmp_path: Path) -> None:
    found = {"g": random_graph(2, ("retrieval", "attention", "gated"))}
    for chosen in (Choices(mode, spikes) for mode in MODES for spikes in SPIKES):
        programs = {"g": build_program(found["g"], chosen)}
        chip_document(programs, found).write(tmp_path / "chip.json")
        assert read_programs(tmp_path / "chip.json", found) == programs


def test_programs_of_another_network_are_refused(tmp_path: Path) -> None:
    one, other = ({"g": random_graph(seed, ("plain",))} for seed in (1, 2))
    path = tmp_path / "chip.json"
    chip_document({"g": build_program(one["g"])}, one).write(path)
    with pytest.raises(DocumentError, match=r"chip\.json: of another network; write it with"):
        read_programs(path, other)
    document = json.loads(path.read_text())
    layers = document["programs"]["g"]["layers"]
    layers.append(layers[0])
    path.write_text(json.dumps(document))
    with pytest.raises(DocumentError, match=r"two layers are called|reads .* too early"):
        read_programs(path, one)
