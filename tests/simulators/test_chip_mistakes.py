"""A program that is wrong is found by ``verify``, on the engine and on Lava: exit code 1, and
layer, frame and time step are named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from support.exports import export_folder

from spiketrack.commands.simulate import simulate
from spiketrack.commands.verify import verify
from spiketrack.deploy.chip.execution.engine import Chip, Run
from spiketrack.deploy.chip.execution.messages import Message
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.program import (
    FALL_THROUGH,
    MODES,
    PIPELINED,
    ChipProgram,
    Choices,
    build_program,
)
from spiketrack.deploy.chip.program_document import CHIP_FILE, chip_document
from spiketrack.errors import DocumentError
from spiketrack.export.nir.folder import read_export

NAME = "encoder.block3.1.conv.spike2"
READER = NAME.replace("spike2", "spike3")
# networkx, which Lava's compiler imports, looks for pandas
ON_LAVA = [pytest.mark.lava, pytest.mark.filterwarnings("ignore::ImportWarning")]
BACKENDS = ["chip", pytest.param("lava-chip", marks=ON_LAVA)]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_folder(tmp_path_factory.mktemp("home"))


# a program that is wrong


def in_layer(change: Callable[[Layer], Layer], program: ChipProgram) -> ChipProgram:
    layers = (change(x) if x.name == NAME else x for x in program.layers)
    return dataclasses.replace(program, layers=tuple(layers))


def later(layer: Layer) -> Layer:
    links = (dataclasses.replace(link, delay=link.delay + 1) for link in layer.synapses)
    return dataclasses.replace(layer, synapses=tuple(links))


def earlier(layer: Layer) -> Layer:
    return dataclasses.replace(layer, first=layer.first - 1)


def unreset(layer: Layer) -> Layer:
    return dataclasses.replace(layer, resets=False)


MISTAKES = [
    *(("chip", mode, change) for mode in MODES for change in (later, earlier, unreset)),
    pytest.param("lava-chip", PIPELINED, earlier, marks=ON_LAVA),
    pytest.param("lava-chip", FALL_THROUGH, unreset, marks=ON_LAVA),
]


@pytest.mark.parametrize(("backend", "mode", "change"), MISTAKES)
def test_a_mistake_in_the_program_is_named(
    backend: str,
    mode: str,
    change: Callable[[Layer], Layer],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        "spiketrack.simulators.chip.build_program",
        lambda graph, choices: in_layer(change, build_program(graph, choices)),
    )
    said = refused(backend, folder, mode, capsys)
    program = right(folder, "template", mode)
    step = program.by_name[NAME].first + (program.period if mode == PIPELINED else 0)
    if change is earlier:
        step -= 1
    if change is unreset and mode == FALL_THROUGH:  # the second search is the first to be wrong
        step = right(folder, "search", mode).by_name[NAME].first
        return check(said, backend, NAME, ("search", 2, step))
    return check(said, backend, NAME, ("template", 0, step))


def right(folder: Path, branch: str, mode: str) -> ChipProgram:
    return build_program(read_export(folder).graphs[branch], Choices(mode))


def refused(backend: str, folder: Path, mode: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(typer.Exit) as exit_:
        verify(folder, frames=2, backends=f"integer,{backend}", mode=mode)
    assert exit_.value.exit_code == 1
    return capsys.readouterr().out


def check(said: str, backend: str, name: str, where: tuple[str, int, int]) -> None:
    branch, frame, step = where
    assert (
        f"{backend} differs from integer first in {name} ({branch} branch): frame {frame}, step 0, "
        f"time step {step:,} of the chip, index ("
    ) in said


# what goes wrong on the way


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_dropped_message_is_named(
    backend: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one neuron, in the second search: its reader miscounts in the next time step."""
    program = right(folder, "search", FALL_THROUGH)
    layer = program.by_name[NAME]
    assert layer.sends.times == layer.sends.parts == 1
    (drops_on_lava if backend == "lava-chip" else drops)(monkeypatch)
    said = refused(backend, folder, FALL_THROUGH, capsys)
    step = layer.sends.first + 1
    assert program.by_name[READER].first == step
    check(said, backend, READER, ("search", 2, step))


def drops(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the engine."""
    sends, seen = Chip._send, []

    def send(chip: Chip, now: int, name: str, message: Message, calendar: Any) -> None:
        if name == NAME and chip.program.branch == "search":
            seen.append(now)
            if len(seen) == 2:
                message = Message(without_one(message.values))
        sends(chip, now, name, message, calendar)

    monkeypatch.setattr(Chip, "_send", send)


def drops_on_lava(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the process of the layer, which is forked with this in it."""
    from spiketrack.deploy.lava_chip.processes.layers import LayerModel

    speaks, seen = LayerModel.speak, []

    def speak(model: LayerModel) -> None:
        graph = model.params["graph"]
        if model.layer.name == NAME and graph.name == "search" and model.pending is not None:
            seen.append(model.now)
            if len(seen) == 2:
                model.pending = without_one(model.pending)
        speaks(model)

    monkeypatch.setattr(LayerModel, "speak", speak)


def without_one(values: torch.Tensor) -> torch.Tensor:
    values = values.clone()
    values[0, :, 0, 0] = 0
    return values


@pytest.mark.parametrize("backend", BACKENDS)
def test_swapped_frames_are_named(
    backend: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind: Any = Chip
    if backend == "lava-chip":
        from spiketrack.deploy.lava_chip.network import LavaChip as kind  # noqa: N813
    runs = kind.run

    def run(chip: Any, images: list[torch.Tensor]) -> Run:
        found: Run = runs(chip, images)
        first, second, *rest = found.frames
        return dataclasses.replace(found, frames=(second, first, *rest))

    monkeypatch.setattr(kind, "run", run)
    said = refused(backend, folder, PIPELINED, capsys)
    name = "encoder.ConvBlock1_1.0.Conv.spike1"
    step = right(folder, "template", PIPELINED).by_name[name].first
    check(said, backend, name, ("template", 0, step))


# the program on disk


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_program_is_run_as_it_is_written(
    backend: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the file alone, whatever the options say; ``verify`` finds a delay edited in it."""
    graphs = read_export(folder).graphs
    programs = {n: build_program(g, Choices(tiles=4)) for n, g in graphs.items()}
    monkeypatch.setattr("spiketrack.simulators.chip.build_program", None)
    path = tmp_path / CHIP_FILE
    chip_document(programs, graphs).write(path)
    simulate(folder, frames=1, out=tmp_path / "run", backend=backend, chip=path)
    assert (tmp_path / "run" / CHIP_FILE).read_bytes() == path.read_bytes()
    broken = {name: in_layer(later, program) for name, program in programs.items()}
    chip_document(broken, graphs).write(path)
    with pytest.raises(typer.Exit):
        verify(folder, frames=1, backends=f"integer,{backend}", chip=path)
    step = programs["template"].by_name[NAME].first + programs["template"].period
    check(capsys.readouterr().out, backend, NAME, ("template", 0, step))
    chip_document({"search": programs["search"]}, graphs).write(path)
    with pytest.raises(DocumentError, match=r"chip\.json: no program of the template branch"):
        simulate(folder, frames=1, out=tmp_path / "other", backend=backend, chip=path)
