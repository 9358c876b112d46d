"""The table of backends, and one that comes from outside the package."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from support.program import Program
from support.python import python
from support.random_graphs import tiny_model
from support.synthetic_clips import moving_patch, write_images

from spiketrack.config import TrackerConfig
from spiketrack.errors import MissingDependency, SpikeTrackError, UnsupportedError
from spiketrack.optional import remedy
from spiketrack.pipeline import export_checkpoint
from spiketrack.reference.checkpoint import save_checkpoint
from spiketrack.simulators import backends as table
from spiketrack.simulators.backends import (
    Backend,
    either,
    find,
    names,
    open_simulator,
    register_backend,
)
from spiketrack.simulators.integer import IntegerSimulator

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = pytest.mark.filterwarnings("ignore::ImportWarning")
BOX = "10,20,20,16"
TWIN = Backend("twin", "the integer network again", f"{__name__}:Twin", "export", True, False)


class Twin(IntegerSimulator):
    """A backend of the user's own; its runs hold no operations."""

    name = "twin"


class Wrong(Twin):
    """The same with one map off by a little."""

    def search(self, crop):  # type: ignore[no-untyped-def]
        found = super().search(crop)
        assert found.maps is not None
        maps = dataclasses.replace(found.maps, score=np.nextafter(found.maps.score, np.float32(1)))
        return dataclasses.replace(found, maps=maps)


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_registered", {})
    register_backend(TWIN)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, its export and a clip."""
    folder = tmp_path_factory.mktemp("home")
    save_checkpoint(folder / "tiny.safetensors", tiny_model(1), TrackerConfig())
    write_images(folder / "frames", moving_patch(4)[0])
    export_checkpoint(str(folder / "tiny.safetensors"), folder / "export", folder / "frames", BOX)
    return folder


def clip(home: Path) -> list[object]:
    return ["--video", home / "frames", "--box", BOX, "--frames", 2]


@pytest.mark.usefixtures("twin")
@pytest.mark.slow
def test_a_backend_from_outside_simulates_and_is_verified(
    home: Path, tmp_path: Path, program: Program
) -> None:
    export, run = home / "export", tmp_path / "run"
    program("simulate", export, *clip(home), "--backend", "twin", "--out", run)
    assert program.refuses("energy", run).startswith(
        f"{run}: made on twin, which counts no operations; simulate on {either(operations=True)}"
    )
    verdict = tmp_path / "verify.json"
    program("verify", export, *clip(home), "--backends", "twin", "--json", verdict)
    assert json.loads(verdict.read_text())["backends"]["twin"]["exact"] is True


@pytest.mark.usefixtures("twin")
@pytest.mark.slow
def test_verify_judges_what_must_be_exact(
    home: Path, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference is an error of an exact backend, a measurement of another one."""
    home_of_wrong = f"{__name__}:Wrong"
    verify = ["verify", home / "export", *clip(home), "--json", tmp_path / "v.json"]
    for exact, code, verdict in ((True, 1, False), (False, 0, None)):
        row = dataclasses.replace(TWIN, home=home_of_wrong, exact=exact)
        monkeypatch.setattr(table, "_registered", {"twin": row})
        program(*verify, "--backends", "twin", code=code)
        document = json.loads((tmp_path / "v.json").read_text())
        assert document["exact"] is verdict
        assert document["backends"]["twin"]["maps_differ"] == 2


@pytest.mark.slow
def test_float_alone_is_a_comparison(home: Path, tmp_path: Path, program: Program) -> None:
    out = tmp_path / "v.json"
    options = ["--checkpoint", home / "tiny.safetensors", "--backends", "float,integer"]
    program("verify", home / "export", *clip(home), *options, "--json", out)
    document = json.loads(out.read_text())
    assert document["exact"] is None
    assert document["backends"] == {}
    assert len(document["float"]["same_crops"]["iou"]) == 2


@pytest.mark.parametrize("backend", names(operations=False, needs="export"))
@pytest.mark.slow
def test_a_run_without_operations_stands_beside_another_in_a_report(
    backend: str, home: Path, tmp_path: Path, program: Program
) -> None:
    for name in ("integer", backend):
        simulate = ["simulate", home / "export", *clip(home), "--backend", name]
        program(*simulate, "--out", tmp_path / name)
    line = f"{tmp_path / backend}: made on {backend}, which counts no operations"
    assert line in program.refuses("energy", tmp_path / backend)
    assert line in program.refuses("energy", tmp_path / "integer", "--compare", tmp_path / backend)
    page = tmp_path / "report.html"
    program("report", tmp_path / "integer", "--against", tmp_path / backend, "--out", page)
    assert f"{backend} ({backend}) counted no operations" in page.read_text("utf-8")
    assert line in program.refuses("report", tmp_path / backend, "--out", page)


@pytest.mark.usefixtures("twin")
def test_a_name_is_given_once() -> None:
    with pytest.raises(SpikeTrackError, match="backend twin: registered already"):
        register_backend(TWIN)
    with pytest.raises(SpikeTrackError, match="backend integer: registered already"):
        register_backend(dataclasses.replace(TWIN, name="integer"))


def test_an_unknown_name_lists_the_rows() -> None:
    with pytest.raises(UnsupportedError, match="--backend tpu: choose among float, integer, lava"):
        find("tpu")


def test_what_a_backend_needs_is_asked_for() -> None:
    with pytest.raises(SpikeTrackError, match="--backend float: needs --checkpoint"):
        open_simulator("float")
    with pytest.raises(SpikeTrackError, match="--backend lava: needs an export folder"):
        open_simulator("lava")


@pytest.mark.slow
def test_a_missing_package_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, program: Program
) -> None:
    row = dataclasses.replace(TWIN, home="no_such_module:Twin", extra="onnx")
    monkeypatch.setattr(table, "_registered", {"twin": row})
    said = program.refuses("simulate", home / "export", *clip(home), "--backend", "twin")
    assert "--backend twin: cannot be loaded (ModuleNotFoundError: No module named" in said
    assert said.endswith("pip install 'spiketrack-loihi[onnx]'")


def test_what_cannot_be_loaded_has_the_remedy_of_its_extra() -> None:
    """For Lava two commands: pip alone does not install it on newer Pythons."""
    row = dataclasses.replace(TWIN, home="no_such_module:Twin", extra="lava")
    with pytest.raises(MissingDependency) as raised:
        table.load(row)
    assert str(raised.value).endswith(remedy("lava"))


OUTSIDE = """
from spiketrack.simulators.backends import Backend
row = Backend("far", "of another package", "far_backend:Far", "export", True, False)
"""


def package(folder: Path, name: str, module: str, points: str) -> None:
    """An installed package: a module and what its metadata says."""
    (folder / f"{name}.py").write_text(module)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


def test_an_installed_package_brings_a_row(tmp_path: Path) -> None:
    """Found by its entry point; one that breaks is told apart and does no harm."""
    group = "[spiketrack.backends]\n"
    package(tmp_path, "far_backend", OUTSIDE, f"{group}far = far_backend:row\n")
    package(tmp_path, "broken", "import no_such_module", f"{group}broken = broken:row\n")
    package(tmp_path, "other", "row = 1", f"{group}other = other:row\n")
    code = (
        "import sys; from spiketrack.simulators.backends import *; "
        "print(*backends()); print(*broken_backends().values(), sep='\\n'); "
        "print({'torch', 'numpy'} & set(sys.modules))"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    rows, *broken, modules = python(code, environment={"PYTHONPATH": path}).stdout.splitlines()
    assert rows.split()[:2] == ["float", "integer"]
    assert "far" in rows.split()
    assert "broken:row: ModuleNotFoundError: No module named 'no_such_module'" in broken
    assert "other:row: no Backend, but int" in broken
    assert modules == "set()"
