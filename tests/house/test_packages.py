"""Wheels hold the files of the tree, whether built from a checkout, an sdist or a ZIP."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.python import python

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("export", "deploy", "simulators")
LOOSE = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*cache")
BUILD = "import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a clone holds, links and all."""
    folder = tmp_path_factory.mktemp("trees") / "checkout"
    for name in ("spiketrack", *ROOMS):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=IGNORED)
    for name in LOOSE:
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def zipped(checkout: Path) -> Path:
    """The same as ``unzip`` and code hosts leave it: links are files that hold their target."""
    folder = checkout.parent / "zipped"
    shutil.copytree(checkout, folder, symlinks=True)
    for room in ROOMS:
        link = folder / "spiketrack" / room
        target = str(link.readlink())
        link.unlink()
        link.write_text(target)
    return folder


@pytest.fixture(scope="module")
def sdist(checkout: Path) -> Path:
    """What a source distribution unpacks to."""
    folder = checkout.parent / "sdist"
    archive = build(checkout, "build_sdist", folder)
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def build(tree: Path, what: str, out: Path) -> Path:
    out.mkdir(exist_ok=True)
    python(BUILD, what, out, folder=tree)
    (found,) = (path for path in out.iterdir() if path.suffix in (".whl", ".gz"))
    return found


def wheel(tree: Path, out: Path) -> dict[str, str]:
    with zipfile.ZipFile(build(tree, "build_wheel", out)) as opened:
        return {
            name: hashlib.sha256(opened.read(name)).hexdigest()
            for name in opened.namelist()
            if ".dist-info/" not in name
        }


def tree(folder: Path) -> dict[str, str]:
    """Installed name → digest of every file of the packages."""
    found = {}
    for top in ("spiketrack", *ROOMS):
        prefix = "" if top == "spiketrack" else "spiketrack/"
        for path in sorted((folder / top).rglob("*")):
            inside = path.relative_to(folder)
            own = top != "spiketrack" or inside.parts[1] not in ROOMS
            if path.is_file() and own:
                name = prefix + inside.as_posix()
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.parametrize("source", ["checkout", "sdist", "zipped"])
@pytest.mark.slow
def test_a_wheel_holds_the_files_of_the_tree(
    source: str, checkout: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert wheel(request.getfixturevalue(source), tmp_path / "wheel") == tree(checkout)


@pytest.mark.slow
def test_files_of_an_older_build_stay_out(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "used"
    shutil.copytree(checkout, folder, symlinks=True)
    stale = folder / "build" / "lib" / "spiketrack" / "long_gone.py"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.write_text("")
    assert "spiketrack/long_gone.py" not in wheel(folder, tmp_path / "wheel")


@pytest.mark.parametrize("damage", [shutil.rmtree, lambda path: (path / "__init__.py").unlink()])
def test_a_checkout_without_a_room_is_refused(
    damage: Callable[[Path], None], zipped: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(zipped, folder)
    damage(folder / "deploy")
    run = python(BUILD, "build_wheel", tmp_path, ends_with=1, folder=folder)
    assert "deploy: no package; this checkout is incomplete" in run.stderr
