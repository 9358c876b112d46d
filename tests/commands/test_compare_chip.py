"""A kit for a chip: its vectors give its counts, wrong measurements are found where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from support.exports import tiny_exported
from support.program import Program
from support.synthetic_clips import moving_patch, write_images

from spiketrack.commands.simulate import simulate
from spiketrack.documents.chip.comparison import ChipComparisonDocument
from spiketrack.documents.chip.kit import KitDocument, MeasuredDocument
from spiketrack.export.nir.folder import read_export, write_export
from spiketrack.integer.graph import Graph
from spiketrack.integer.kernels import Program as Evaluator
from spiketrack.runs.folder import open_counts
from spiketrack.verification.chip_kit import FORM, KIT_FILE, SCHEMA, VECTORS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chip_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one frame of the tiny network in the chip's time."""
    home = tmp_path_factory.mktemp("chip")
    frames, boxes = moving_patch(2)
    clip = write_images(home / "clip", frames)
    (home / "export").mkdir()
    write_export(tiny_exported(1), home / "export")
    box = ",".join(f"{value:g}" for value in (boxes[0].x, boxes[0].y, boxes[0].w, boxes[0].h))
    simulate(
        home / "export",
        video=clip,
        box=box,
        out=home / "run",
        frames=1,
        backend="chip",
        counts="full",
        mode="fall-through",
    )
    return home / "run"


@pytest.fixture
def kit(chip_run: Path, tmp_path: Path, program: Program) -> Path:
    folder = tmp_path / "kit"
    assert "fill in measured.json" in program("compare-chip", chip_run, "--kit", folder)
    return folder


def filled(kit: Path, **values: Any) -> dict[str, Any]:
    """The form with every sum of counts as the kit expects it."""
    form: dict[str, Any] = json.loads((kit / FORM).read_text())
    document = KitDocument.read(kit / KIT_FILE)
    form["layers"] = [
        {"name": layer.name, "spikes": list(layer.spikes), "operations": layer.operations}
        for layer in document.layers
        if layer.spikes
    ]
    form |= values
    (kit / FORM).write_text(json.dumps(form))
    return form


def test_vectors_give_the_expected_counts(kit: Path, chip_run: Path, program: Program) -> None:
    """Whoever evaluates them anew, with the kit's inputs alone, finds the run's counts."""
    graph: Graph = read_export(chip_run.parent / "export").graphs["search"]
    document = KitDocument.read(kit / KIT_FILE)
    with h5py.File(kit / VECTORS) as file, open_counts(chip_run) as counts:
        inputs = {name: torch.from_numpy(file["memory"][name][()]) for name in file["memory"]}
        inputs["image"] = torch.from_numpy(file["image"][()].astype(np.float32))
        found = Evaluator(graph).run(inputs)
        for layer in document.layers:
            group = file[layer.vectors]
            if not layer.spikes:
                continue
            assert np.array_equal(group["values"][()], counts[layer.name][0]), layer.name
            assert np.array_equal(group["values"][()], found[layer.name].numpy()), layer.name
            assert sum(layer.spikes) == int(counts[layer.name][0].sum(dtype=np.int64))
        for conv in ("encoder.block3.0.conv.pwconv1",):
            stored = file["layers/encoder.block3.0.conv.spike2"][conv]
            assert np.array_equal(stored["weight"][()], graph[conv].weight)  # type: ignore[attr-defined]
    assert json.loads((kit / SCHEMA).read_text()) == MeasuredDocument.json_schema()
    program("schema", "measured")


def test_a_chip_that_is_right(kit: Path, chip_run: Path, program: Program) -> None:
    filled(kit, seconds=0.5, joules=2.0, static_watts=1.5, device="bench")
    printed = program("compare-chip", chip_run, kit / FORM, "--json", kit.parent / "c.json")
    assert "no count differs" in printed
    document = ChipComparisonDocument.read(kit.parent / "c.json")
    assert [row.measured for row in document.whole] == [0.5, 1.25, 0.75]
    assert all(0 < row.low <= row.high for row in document.whole)
    assert document.run_digest == KitDocument.read(kit / KIT_FILE).run_digest


def test_the_first_layer_in_time_is_named(kit: Path, chip_run: Path, program: Program) -> None:
    """Sums first, then an array that says which neuron."""
    form = filled(kit)
    order = [row["name"] for row in form["layers"]]
    for name in (order[30], order[12]):
        next(row for row in form["layers"] if row["name"] == name)["spikes"][0] += 3
    (kit / FORM).write_text(json.dumps(form))
    printed = program("compare-chip", chip_run, kit / FORM, code=1)
    assert f"first layer that differs: {order[12]}, network step 0 (time step" in printed
    assert "2 layers differ" in printed
    with open_counts(chip_run) as counts:
        wrong = counts[order[12]][0].astype(np.int64)
    wrong[0, 1, 2, 3] += 1
    np.savez(kit / "counts.npz", **{order[12]: wrong})
    (kit / FORM).write_text(json.dumps(form | {"counts": "counts.npz", "layers": []}))
    printed = program("compare-chip", chip_run, kit / FORM, code=1)
    found = f"neuron (1, 2, 3): expected {wrong[0, 1, 2, 3] - 1}, measured {wrong[0, 1, 2, 3]}"
    assert found in printed


def test_what_does_not_fit_is_refused(kit: Path, chip_run: Path, program: Program) -> None:
    form = filled(kit)
    ask = ("compare-chip", chip_run)
    assert program.refuses(*ask).endswith("give measured.json to compare, or --kit to write a kit")
    assert "template or search" in program.refuses(*ask, "--kit", kit / "a", "--branch", "x")
    told = program.refuses(*ask, "--kit", kit)
    assert told == f"{kit}: exists already; choose another --kit or give --force"
    for change, said in (
        ({"network_digest": "0" * 64}, "measured with another network (000000000000)"),
        ({"layers": [{"name": "nobody", "spikes": [1]}]}, "search branch; fill in layers or"),
        ({"counts": "../x.npz"}, "counts is no plain file name"),
        ({"counts": "none.npz"}, "none.npz: no .npz file"),
        ({"version": 2}, "written as version 2"),
        ({"seconds": 2, "joules": 1, "static_watts": 1}, "static_watts · seconds is more than"),
    ):
        (kit / FORM).write_text(json.dumps(form | change))
        assert said in program.refuses(*ask, kit / FORM), change
    np.savez(kit / "pickled.npz", layer=np.array([object()]))
    (kit / FORM).write_text(json.dumps(form | {"counts": "pickled.npz"}))
    told = program.refuses(*ask, kit / FORM)
    assert told.endswith("pickled.npz: no .npz file of integer arrays; write it with numpy.savez")
