"""``doctor`` on machines that lack something."""

from __future__ import annotations

import json
import os
from importlib import metadata
from pathlib import Path

import pytest
from support.program import Program

from spiketrack.commands import doctor as module
from spiketrack.commands.doctor import Check
from spiketrack.machine import limits, packages
from spiketrack.machine.packages import Loaded

STUBS = {
    "torch": "raise ImportError('libtorch_cpu.so: cannot open shared object file')",
    "cv2": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
    "numba": "raise RuntimeError('numba needs NumPy 1.26 or less')",
    "lava": "raise ModuleNotFoundError(\"No module named 'lava'\", name='lava')",
    "h5py": "raise OSError('HDF5 library version mismatched error')",
    "onnx": "raise ValueError('broken')",
}


@pytest.mark.parametrize("names", [tuple(STUBS)])
@pytest.mark.slow
def test_whatever_is_broken_is_named(
    names: tuple[str, ...], tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        (tmp_path / f"{name}.py").write_text(STUBS[name])
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), known])))
    out = program("doctor", "--json", tmp_path / "d.json", code=1)
    checks = {row["what"]: row for row in json.loads((tmp_path / "d.json").read_text())["checks"]}
    assert not checks["torch"]["ok"]
    assert "ImportError: libtorch_cpu.so" in checks["torch"]["found"]
    assert checks["torch"]["remedy"].startswith("pip install --force-reinstall 'torch")
    assert "ends Python with SIGILL" in checks["opencv-python-headless"]["found"]
    assert "RuntimeError: numba needs NumPy" in checks["numba"]["found"]
    assert "spiketrack.deploy.lava.names" in checks["backend lava"]["found"]
    assert "HDF5 library version" in checks["h5py"]["found"]
    assert checks["extra onnx"]["ok"]
    assert "broken: ValueError: broken" in checks["extra onnx"]["found"]
    assert "torch" in checks["backend float"]["found"]
    assert not checks["Lava run"]["ok"]
    assert "missing or broken: " in out


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine on which everything loads, without trying; versions of its distributions."""
    versions = {"torch": "2.3.1", "opencv-python-headless": "4.11.0.86"}
    lines = ["torch>=2.3", "opencv-python-headless<4.12,>=4.9", 'onnx>=1; extra == "onnx"']
    monkeypatch.setattr(metadata, "requires", lambda name: lines)

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(packages, "load", lambda names: {n: Loaded("4.11.0") for n in names})
    monkeypatch.setattr(module, "_lava", lambda: Check("Lava run", "exact", True))
    monkeypatch.setattr(module, "_operators", lambda: Check("8-bit operator", "proven", True))
    return versions


def test_any_of_the_four_opencv_distributions_counts(
    whole: dict[str, str], program: Program
) -> None:
    whole["opencv-contrib-python-headless"] = whole.pop("opencv-python-headless")
    out = program("doctor")
    assert "opencv-python-headless 4.11.0" in out
    assert "everything that is needed is here" in out
    whole["opencv-python"] = "4.11.0.86"
    assert "2 at once: opencv-python, opencv-contrib-python-headless" in program("doctor")


@pytest.mark.usefixtures("whole")
def test_it_asks_for_what_a_small_network_takes(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "shared_memory", lambda: 64_000_000)
    assert "64 MB free" in program("doctor")
    monkeypatch.setattr(limits, "shared_memory", lambda: 3_000_000)
    assert "docker run --shm-size=256m" in program("doctor", code=1)
    monkeypatch.setattr(limits, "shared_memory", lambda: 64_000_000)
    monkeypatch.setattr(limits, "descriptors", lambda: 256)
    assert "nano takes 520 on Lava: ulimit -n 8192" in program("doctor", code=1)
    monkeypatch.setattr(limits, "shared_writable", lambda: False)
    assert "read-only" in program("doctor", code=1)


@pytest.mark.usefixtures("whole")
def test_leftovers_are_named_and_cleared(
    tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    left = tmp_path / ".run.spiketrack-0123abcd"
    left.mkdir()
    assert "doctor --clear" in program("doctor")
    assert left.is_dir()
    assert "removed" in program("doctor", "--clear")
    assert not left.exists()
