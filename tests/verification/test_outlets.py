"""The outlets together: what the manifest says of them, and the command that measures them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.random_graphs import tiny_graph, tiny_model

from spiketrack.commands.outlets import markdown, outlets
from spiketrack.documents.manifest import OutletEntry
from spiketrack.documents.verification import OutletsDocument
from spiketrack.errors import ConfigError, UnsupportedError
from spiketrack.export.outlets.formats import (
    OUTLETS,
    ExportContext,
    template_memories,
    write_outlets,
)
from spiketrack.export.passes.spiketrack import fold
from spiketrack.verification.outlet_readers import Reading, try_readers
from spiketrack.verification.outlets import Measured

Entries = dict[str, tuple[OutletEntry, ...]]
BRANCHES = ("template", "search")
BEGIN, END = "<!-- outlets: begin -->", "<!-- outlets: end -->"
EXACT = Measured(
    "onnx, integer",
    "onnxruntime",
    {"onnxruntime": "9.9"},
    {"search": (3, 4, 0.5)},
    1000,
    0,
    0.0,
    0.25,
)


def context(folder: Path, templates: int) -> ExportContext:
    """The tiny network and smooth random templates."""
    model = tiny_model(templates)
    rough = np.random.default_rng(0).uniform(-1.8, 2.2, (templates, 3, 8, 8))
    crops = rough.repeat(8, 2).repeat(8, 3).astype(np.float32)
    graphs = {branch: tiny_graph(templates, branch) for branch in BRANCHES}
    return ExportContext(folder, graphs, {b: fold(model, b) for b in BRANCHES}, crops)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Path, Entries]]:
    """All outlets of both tiny networks, written once."""
    found = {}
    for templates in (1, 3):
        folder = tmp_path_factory.mktemp(f"t{templates}")
        found[templates] = (folder, write_outlets(tuple(OUTLETS), context(folder, templates)))
    return found


@pytest.mark.parametrize("templates", [1, 3])
@pytest.mark.slow
def test_manifest_entries(templates: int, written: dict[int, tuple[Path, Entries]]) -> None:
    tmp_path, found = written[templates]
    populations = {b: len(tiny_graph(templates, b).populations) for b in BRANCHES}
    for entries in found.values():
        for entry in entries:
            assert (tmp_path / entry.path).exists()
            assert entry.of == populations[entry.branch]
            assert 0 <= entry.populations <= entry.of
            assert 0 <= entry.operations <= 1
    assert [e.populations for e in found["onnx"]] == [
        populations[b] for b in BRANCHES for _ in range(2)
    ]
    whole = {e.branch: e for e in found["standard-nir"] if e.path.endswith(".json")}
    if templates == 1:
        assert whole["search"].populations == populations["search"]
        assert whole["search"].operations > 0.9
    else:
        assert whole["template"].populations == 0
        assert 0 < whole["search"].populations < populations["search"]
    parts = {f"standard/{path.name}" for path in (tmp_path / "standard").glob("*.nir")}
    assert parts == {e.path for e in found["standard-nir"] if e.path.endswith(".nir")}


def test_the_template_s_memory_is_baked_in(tmp_path: Path) -> None:
    memories = template_memories(context(tmp_path, 1))
    assert set(memories) == {f"memory.{index}" for index in range(6)}
    assert all(value.max() > 0 for value in memories.values())


def test_unknown_outlets_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedError, match="--also tflite: choose from onnx, standard-nir, netx"
    ):
        write_outlets(("tflite",), context(tmp_path, 1))


def test_markdown() -> None:
    loss = Measured("onnx, float", "onnxruntime", {}, {}, 2000, 1, 0.01, 0.5, 0.987654)
    reading = Reading("reader", "1.0", 1, 3, {"ValueError: no": 2})
    text = markdown([EXACT, loss], [reading], "nano")
    assert (
        "| onnx, integer | search 3 of 4 | search 50.0 % | exact: 0 of 1,000 counts differ |"
        in text
    )
    assert "teacher-forced 1 of 2,000 counts differ, at most 1.00% of a population" in text
    assert "box IoU at least 0.988" in text
    assert "| `reader` | 1.0 | 1 of 3 | 2 parts: ValueError: no |" in text


@pytest.mark.slow
def test_readers(written: dict[int, tuple[Path, Entries]], tmp_path: Path) -> None:
    for name in ("search-00.nir", "template-03.nir"):
        shutil.copy(written[1][0] / "standard" / name, tmp_path)
    found = {reading.reader: reading for reading in try_readers(tmp_path)}
    everything = found["nir.read(type_check=False)"]
    assert everything.taken == everything.parts
    assert set(found["nir.read"].reasons) == {"ValueError: Type inference error: type mismatch"}


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    """The tiny network as a file."""
    path = tmp_path / "tiny.pth"
    torch.save(tiny_model(1).state_dict(), path)
    return str(path)


@pytest.mark.slow
def test_command_replaces_the_table(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    outlets(checkpoint, None, 1, "onnx", readme, tmp_path / "found.json")
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\nMeasured with")
    assert text.endswith(f"|\n{END}\nafter\n")
    assert "\nold\n" not in text
    assert "exact: 0 of" in capsys.readouterr().out
    (found,) = OutletsDocument.read(tmp_path / "found.json").outlets
    assert found.different == 0
    assert found.compared > 100_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: (9, "onnx", None, None), "--frames 9: choose 1 to 8"),
        (lambda path: (1, "keras", None, None), "--only keras: choose among onnx-float"),
        (lambda path: (1, "onnx", path, None), "has no lines <!-- outlets: begin -->"),
    ],
)
def test_wrong_options(
    change: Callable[[Path], tuple[object, ...]], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "empty.md"
    path.write_text("nothing\n")
    with pytest.raises((ConfigError, UnsupportedError), match=message):
        outlets("nano", None, *change(path))  # type: ignore[arg-type]
