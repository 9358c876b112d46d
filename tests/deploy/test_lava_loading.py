"""Lava is loaded through one door: one known release, mended in memory, on every Python."""

from __future__ import annotations

import ast
import dataclasses
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from support.python import python

from spiketrack.deploy.lava import loading
from spiketrack.errors import LavaError, MissingDependency

pytestmark = pytest.mark.platform

ROOT = Path(__file__).resolve().parents[2]
ENCODER = "@dataclass\nclass ByteEncoder:\n    base: int = 0\n"
HEAD = "from dataclasses import dataclass\n" + ENCODER


def module(fields: int) -> str:
    """A module with data classes that share ``fields`` defaults, two a class."""
    text = HEAD
    for index in range(fields):
        if index % 2 == 0:
            text += f"@dataclass\nclass Pair{index // 2}:\n"
        text += f"    f{index}: ByteEncoder = ByteEncoder()\n"
    return text


def test_each_shared_default_becomes_a_factory() -> None:
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(loading.with_factories(module(8)), "text", "exec", dont_inherit=True), names)
    pairs = [kind for name, kind in names.items() if name.startswith("Pair")]
    assert len(pairs) == 4
    for kind in pairs:
        for field in dataclasses.fields(kind):
            first, second = (getattr(kind(), field.name) for _ in range(2))
            assert first == second
            assert first is not second


@pytest.mark.parametrize("fields", [0, 7, 9])
def test_a_changed_file_is_refused(fields: int) -> None:
    with pytest.raises(LavaError, match=rf"has {fields} shared defaults where 8 are known"):
        loading.with_factories(module(fields))


def test_other_defaults_stay() -> None:
    text = module(8) + "@dataclass\nclass Other:\n    n: int = int()\n    b: str = ByteEncoder(1)\n"
    before = {ast.dump(node) for node in ast.parse(text).body[-1:]}
    assert {ast.dump(node) for node in loading.with_factories(text).body[-1:]} == before


def test_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.setattr(metadata, "version", lambda name: "0.11.0")
    with pytest.raises(LavaError, match=r"lava-nc 0\.11\.0: only 0\.10\.0 is known to run here"):
        loading.prepare()


def test_an_absent_lava_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(MissingDependency, match=r"no-deps --ignore-requires-python lava-nc==0\.10"):
        loading.prepare()


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (ModuleNotFoundError("No module named 'lava.magma'", name="lava.magma"), LavaError, "own"),
        (ImportError("cannot import name 'CPU'", name="lava.magma.core"), LavaError, "own"),
        (SyntaxError("unterminated string"), LavaError, "own"),
        (ModuleNotFoundError("No module named 'scipy'", name="scipy"), MissingDependency, "need"),
    ],
)
def test_an_installation_that_is_not_whole_says_what_mends_it(
    failure: Exception, kind: type[Exception], words: str
) -> None:
    remedy = {
        "own": rf"lava-nc 0\.10\.0: .*{failure}.*; its files are not whole: pip .* --force-reinst",
        "need": rf"lava-nc: .*{failure}.*; pip install 'spiketrack-loihi\[lava\]'",
    }
    with pytest.raises(kind, match=remedy[words]), loading.opening():
        raise failure


HALF = """
import sys
class Half:
    def find_spec(self, name, path, target=None):
        if name == "lava.magma.runtime":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Half())
from spiketrack.errors import LavaError
try:
    import spiketrack.deploy.lava_chip.stock
except LavaError as error:
    print(error)
"""


@pytest.mark.lava
def test_half_an_installation_is_one_line_at_every_door() -> None:
    assert "No module named 'lava.magma.runtime'" in python(HALF).stdout


FRESH = """
from spiketrack.deploy.lava.loading import FIELDS, load_lava, prepare
import importlib.util, pathlib, sys
prepare(); prepare()
assert sum(type(f).__module__ == "spiketrack.deploy.lava.loading" for f in sys.meta_path) == 1
model = load_lava(FIELDS)
cores = model.CoreEncoder(), model.CoreEncoder()
assert cores[0].x == cores[1].x and cores[0].x is not cores[1].x
kept = pathlib.Path(importlib.util.cache_from_source(model.__file__))
print(kept.stat().st_mtime if kept.exists() else None)
"""


def test_the_installed_release_loads_and_leaves_no_trace() -> None:
    def load() -> str:
        return python(FRESH, environment={"PYTHONWARNINGS": "ignore::ImportWarning"}).stdout

    assert load() == load()


@pytest.mark.slow
def test_one_module_imports_lava() -> None:
    found = set()
    for folder in ("spiketrack", "export", "deploy", "simulators", "tests", "tools", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                if any(name.split(".")[0] == "lava" for name in names):
                    found.add(path.resolve().relative_to(ROOT).as_posix())
    assert found == {"deploy/lava/names.py"}
