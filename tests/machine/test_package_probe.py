"""Packages that are missing, broken, or end the process that imports them."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import pytest

from spiketrack.machine import packages
from spiketrack.machine.packages import Loaded, load, requirements

STUBS = {
    "fine": "__version__ = '1.2'",
    "noisy": "print('hello'); __version__ = '3'",
    "broken": "raise OSError('libfoo.so.1: cannot open shared object file')",
    "quits": "raise SystemExit(3)",
    "dies": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "leaves": "import os; os._exit(5)",
    "last": "__version__ = '9'",
    "needs": "import no_such_module",
}


@pytest.fixture
def stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in STUBS.items():
        (tmp_path / f"{name}.py").write_text(text)
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), known])))


@pytest.mark.usefixtures("stubs")
def test_each_module_has_its_own_end() -> None:
    found = load(["absent", *STUBS])
    assert found["fine"] == Loaded("1.2")
    assert found["noisy"] == Loaded("3")
    assert found["last"] == Loaded("9")
    assert found["broken"].error.startswith("OSError: libfoo.so.1")
    assert found["quits"].error == "SystemExit: 3"
    assert found["dies"].error == "ends Python with SIGSEGV"
    assert found["leaves"].error == "ends Python"
    assert found["absent"].missing
    assert not found["needs"].missing
    assert "no_such_module" in found["needs"].error


@pytest.mark.usefixtures("stubs")
@pytest.mark.slow
def test_one_that_hangs_is_named(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text("import time; time.sleep(600)")
    found = load(["fine", "hangs", "last"], patience=2)
    assert found["hangs"].error == "is not imported within 2 s"
    assert found["last"] == Loaded("9")


def test_requirements_are_those_of_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["torch<2.4,>=2.3", 'onnx<2,>=1.16; extra == "onnx"', 'pytest; extra == "test"']
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    found = [(one.name, one.text, one.extra, one.module) for one in requirements()]
    assert found == [
        ("torch", "torch<2.4,>=2.3", "", "torch"),
        ("onnx", "onnx<2,>=1.16", "onnx", "onnx"),
    ]


def test_no_metadata_no_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "NAME", "no-such-distribution")
    assert requirements() == ()
