"""The chip as a backend: closed loop, recorded activity, its program on disk, damage that shows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import typer
from support.random_graphs import random_graph, tiny_graph, tiny_model
from support.traces import assert_same_inference

from spiketrack.commands.export import export
from spiketrack.commands.map import map as map_network
from spiketrack.commands.simulate import simulate
from spiketrack.commands.verify import verify
from spiketrack.config import TrackerConfig
from spiketrack.deploy.chip.balance import early
from spiketrack.deploy.chip.execution.activity import COLUMNS
from spiketrack.deploy.chip.execution.engine import Chip, Run
from spiketrack.deploy.chip.execution.ledger import CORE_COLUMNS, LINK_COLUMNS
from spiketrack.deploy.chip.execution.messages import Message
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.program import MODES, SPIKES, ChipProgram, Choices, build_program
from spiketrack.deploy.chip.program_document import CHIP_FILE, chip_document, read_programs
from spiketrack.errors import DocumentError, SpikeTrackError, UnsupportedError
from spiketrack.export.nir.folder import read_export
from spiketrack.inference import BRANCHES, Trace
from spiketrack.integer.graph import Conv, Graph, Neuron
from spiketrack.reference.checkpoint import save_checkpoint
from spiketrack.report.figures.placement import step_figure
from spiketrack.runs.activity import activity_branches, read_activity, read_placed_activity
from spiketrack.simulators.chip import ChipSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.verification.comparison import Agreement

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
    home = tmp_path_factory.mktemp("home")
    save_checkpoint(home / "tiny.safetensors", tiny_model(1), TrackerConfig())
    export(str(home / "tiny.safetensors"), out=home / "export")
    return home / "export"


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
def test_a_program_is_run_as_it_is_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the options say; a delay that was edited in the file is found by verify."""
    graphs_ = read_export(folder).graphs
    programs = {n: build_program(g, Choices(tiles=4)) for n, g in graphs_.items()}
    path = tmp_path / CHIP_FILE
    chip_document(programs, graphs_).write(path)
    simulate(folder, frames=1, out=tmp_path / "run", backend="chip", chip=path)
    assert (tmp_path / "run" / CHIP_FILE).read_bytes() == path.read_bytes()
    broken = {name: in_layer(later)(program) for name, program in programs.items()}
    chip_document(broken, graphs_).write(path)
    with pytest.raises(typer.Exit):
        verify(folder, frames=1, backends="integer,chip", chip=path)
    step = programs["template"].by_name[NAME].first + programs["template"].period
    check(capsys.readouterr().out, "template", 0, step)
    chip_document({"search": programs["search"]}, graphs_).write(path)
    with pytest.raises(DocumentError, match=r"chip\.json: no program of the template branch"):
        simulate(folder, frames=1, out=tmp_path / "other", backend="chip", chip=path)


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


# damage

NAME = "encoder.block3.1.conv.spike2"
Damage = Callable[[ChipProgram], ChipProgram]


def in_layer(change: Callable[[Layer], Layer]) -> Damage:
    def damage(program: ChipProgram) -> ChipProgram:
        layers = (change(x) if x.name == NAME else x for x in program.layers)
        return dataclasses.replace(program, layers=tuple(layers))

    return damage


def later(layer: Layer) -> Layer:
    links = (dataclasses.replace(link, delay=link.delay + 1) for link in layer.synapses)
    return dataclasses.replace(layer, synapses=tuple(links))


def earlier(layer: Layer) -> Layer:
    return dataclasses.replace(layer, first=layer.first - 1)


def unreset(layer: Layer) -> Layer:
    return dataclasses.replace(layer, resets=False)


@pytest.mark.parametrize("change", [later, earlier, unreset])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.slow
def test_a_mistake_in_the_program_is_named(
    mode: str,
    change: Callable[[Layer], Layer],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    build = in_layer(change)
    monkeypatch.setattr(
        "spiketrack.simulators.chip.build_program",
        lambda graph, choices: build(build_program(graph, choices)),
    )
    said = refused(folder, mode, capsys)
    program = build_program(read_export(folder).graphs["template"], Choices(mode))
    step = program.by_name[NAME].first + (program.period if mode == "pipelined" else 0)
    if change is earlier:
        step -= 1
    if change is unreset and mode == "fall-through":  # the second search is the first to be wrong
        program = build_program(read_export(folder).graphs["search"], Choices(mode))
        return check(said, "search", 2, program.by_name[NAME].first)
    return check(said, "template", 0, step)


def refused(folder: Path, mode: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(typer.Exit) as exit_:
        verify(folder, frames=2, backends="integer,chip", mode=mode)
    assert exit_.value.exit_code == 1
    return capsys.readouterr().out


def check(said: str, branch: str, frame: int, step: int) -> None:
    assert (
        f"chip differs from integer first in {NAME} ({branch} branch): frame {frame}, step 0, "
        f"time step {step:,} of the chip, index ("
    ) in said


@pytest.mark.slow
def test_a_dropped_message_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one neuron, in the second search: its reader miscounts in the next time step."""
    right, seen = Chip._send, []

    def send(chip: Chip, now: int, name: str, message: Message, calendar: Any) -> None:
        if name == NAME and chip.program.branch == "search":
            seen.append(now)
            if len(seen) == 2:
                values = message.values.clone()
                values[0, :, 0, 0] = 0
                message = Message(values)
        right(chip, now, name, message, calendar)

    monkeypatch.setattr(Chip, "_send", send)
    said = refused(folder, "fall-through", capsys)
    reader = NAME.replace("spike2", "spike3")
    step = seen[1] + 1
    assert f"in {reader} (search branch): frame 2, step 0, time step {step:,} of the chip" in said


@pytest.mark.slow
def test_swapped_frames_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = Chip.run

    def run(chip: Chip, images: list[torch.Tensor]) -> Run:
        found = right(chip, images)
        first, second, *rest = found.frames
        return dataclasses.replace(found, frames=(second, first, *rest))

    monkeypatch.setattr(Chip, "run", run)
    said = refused(folder, "pipelined", capsys)
    name = "encoder.ConvBlock1_1.0.Conv.spike1"
    program = build_program(read_export(folder).graphs["template"])
    step = program.by_name[name].first
    assert f"in {name} (template branch): frame 0, step 0, time step {step} of the chip" in said


# relatives of these mistakes, without a folder


MESSAGES: dict[str, Callable[[torch.Tensor], list[torch.Tensor]]] = {
    "twice": lambda values: [values, values],
    "elsewhere": lambda values: [values.roll(1, -1)],
    "another count": lambda values: [values ^ 1],
}


@pytest.fixture(scope="module")
def expected() -> Trace:
    """Of an encoding."""
    return trace(IntegerSimulator(graphs(1), CONFIG[1], False, True))


def trace(simulator: Any) -> Trace:
    found: Trace = simulator.encode_template(crops(1, 3)).trace
    return found


def first_difference(simulator: Any, expected: Trace) -> str:
    agreement = Agreement("chip")
    agreement.add("template", 0, expected, trace(simulator))
    assert not agreement.exact
    return str(agreement.first)


def named(reader: str, step: int) -> str:
    return (
        f"chip differs from integer first in {reader} (template branch): frame 0, step 0, "
        f"time step {step:,} of the chip, index ("
    )


@pytest.mark.parametrize("mistake", MESSAGES)
def test_a_wrong_message_is_named(
    mistake: str, expected: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent twice, to neighbours, with another count: its reader miscounts in the next step."""
    right = Chip._send

    def send(chip: Chip, now: int, name: str, message: Message, calendar: Any) -> None:
        wrong = MESSAGES[mistake](message.values) if name == NAME else [message.values]
        for values in wrong:
            right(chip, now, name, Message(values), calendar)

    monkeypatch.setattr(Chip, "_send", send)
    chip = ChipSimulator(graphs(1), CONFIG[1], False, True, Choices("fall-through"))
    reader = NAME.replace("spike2", "spike3")
    step = chip.programs["template"].by_name[reader].first
    assert first_difference(chip, expected).startswith(named(reader, step))


def heavier(graph: Graph) -> Graph:
    """The first kernel of the convolution before ``NAME`` has the other sign."""
    conv = graph[graph[NAME].inputs[0]]
    assert isinstance(conv, Conv)
    weight = conv.weight.copy()
    weight[0, 0] = -weight[0, 0]
    return replaced(graph, dataclasses.replace(conv, weight=weight))


def easier(graph: Graph) -> Graph:
    """Each threshold of ``NAME`` is a quarter lower."""
    node = graph[NAME]
    assert isinstance(node, Neuron)
    a, b, c, d = (level * 3 // 4 for level in node.thresholds)
    return replaced(graph, dataclasses.replace(node, thresholds=(a, b, c, d)))


def replaced(graph: Graph, node: Any) -> Graph:
    nodes = tuple(node if n.name == node.name else n for n in graph)
    return Graph(graph.name, nodes, graph.fractions)


@pytest.mark.parametrize("change", [heavier, easier])
def test_a_wrong_number_is_named(change: Callable[[Graph], Graph], expected: Trace) -> None:
    """A weight, the thresholds: the layer that holds them, in the step in which it fires."""
    wrong = {name: change(graph) for name, graph in graphs(1).items()}
    chip = ChipSimulator(wrong, CONFIG[1], False, True, Choices("fall-through"))
    step = chip.programs["template"].by_name[NAME].first
    assert first_difference(chip, expected).startswith(named(NAME, step))


def moved(layer: Layer, by: int) -> Layer:
    """It fires and sends so many time steps earlier."""
    sends = dataclasses.replace(layer.sends, first=layer.sends.first - by)
    return dataclasses.replace(layer, first=layer.first - by, sends=sends)


def test_a_relay_that_keeps_too_short_is_named(
    expected: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pipelined, without delays: what it says falls into the sums of the frame before."""
    monkeypatch.setattr("spiketrack.deploy.chip.balance._delays", lambda *about: False)
    programs = {n: build_program(g, Choices("pipelined")) for n, g in graphs(1).items()}
    program = programs["template"]
    hold = next(layer for layer in program.layers if "+hold" in layer.name)
    reader, link = next(
        (x, link) for x in program.layers for link in x.synapses if link.source == hold.name
    )
    earlier_ones = (moved(hold, by) for by in range(program.period))
    short = next(x for x in earlier_ones if early(x, link, reader, program.period))
    layers = tuple(short if layer is hold else layer for layer in program.layers)
    wrong = programs | {"template": dataclasses.replace(program, layers=layers)}
    chip = ChipSimulator(graphs(1), CONFIG[1], False, True, Choices("pipelined"), wrong)
    said = first_difference(chip, expected)
    assert "(template branch): frame 0, step 0, time step " in said
    assert int(said.split("time step ")[1].split(" ")[0]) >= reader.first + program.period
