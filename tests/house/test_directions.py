"""Imports point down the floors that ``docs/architecture.md`` draws, without an exception."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
TOPS = {"spiketrack": "", "export": "export", "deploy": "deploy", "simulators": "simulators"}
DEEP = ("export", "deploy")  # their own folders are the rooms
GROUND = "ground"
MOST_FILES = 22  # what a screen shows
MOST_IN_ROOT = 20


def table(kind: str) -> dict[str, tuple[str, ...]]:
    """Lines ``name   entry · entry`` of a fenced block of the page."""
    block = re.search(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert block, kind
    rows = (line.split(None, 1) for line in block.group(1).splitlines())
    return {name: tuple(entries.split(" · ")) for name, entries in rows}


FLOORS = table("floors")
ALONE = table("alone")
HEIGHT = {room: height for height, rooms in enumerate(FLOORS.values()) for room in rooms}


def modules() -> Iterator[tuple[str, Path]]:
    """Dotted name below ``spiketrack`` and file of every module."""
    for top, prefix in TOPS.items():
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT / top).with_suffix("").parts
            if top == "spiketrack" and parts[0] in TOPS:
                continue  # a link to one of the others
            yield ".".join(part for part in (prefix, *parts) if part), path


MODULES = dict(modules())
FACADES = tuple(f"{top}.__init__" for top in TOPS if top != "spiketrack")


def room(module: str) -> str:
    """The entry of the page that a module belongs to."""
    parts = module.removeprefix("spiketrack").lstrip(".").split(".")
    if parts[0] in DEEP and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def imported(path: Path, module: str) -> Iterator[str]:
    """Modules of ours that a file imports anywhere, by name below ``spiketrack``."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = node.value.partition(":")[0].removeprefix("spiketrack.")
            names = [f"spiketrack.{named}"] if named in MODULES and named != node.value else []
        else:
            continue
        for name in names:
            if name == "spiketrack" or name.startswith("spiketrack."):
                yield from resolved(name.removeprefix("spiketrack").lstrip("."))


def resolved(name: str) -> Iterator[str]:
    """The module that a dotted name stands for: itself, or the one that defines it."""
    for candidate in (name, name.rpartition(".")[0]):
        for module in (candidate, f"{candidate}.__init__".lstrip(".")):
            if module in MODULES:
                yield module
                return


def arrows() -> Iterator[tuple[str, str, str]]:
    """(module, room, other room) of every import between rooms."""
    for module, path in MODULES.items():
        if module in FACADES:
            continue  # names of their own rooms, imported on first use
        for other in imported(path, module):
            if other not in FACADES and room(other) != room(module):
                yield module, room(module), room(other)


ARROWS = sorted(set(arrows()))


def floor(name: str) -> str:
    return next(floor for floor, rooms in FLOORS.items() if name in rooms)


def test_every_module_stands_in_a_room_of_the_page() -> None:
    homeless = sorted(m for m in MODULES if m not in FACADES and room(m) not in HEIGHT)
    assert not homeless
    assert set(ALONE) <= set(HEIGHT)


def test_the_reading_of_imports_sees_them() -> None:
    assert ("pipeline", "pipeline", "integer") in ARROWS
    assert ("runs.folder", "runs", "tracking") in ARROWS
    assert len(ARROWS) > 300


def test_imports_point_down() -> None:
    up = [
        f"{module}: {source} → {target}"
        for module, source, target in ARROWS
        if floor(target) != GROUND and HEIGHT[target] <= HEIGHT[source]
        if not floor(source) == floor(target) == "start"
    ]
    assert not up


def test_the_ground_floor_stands_on_nothing() -> None:
    assert not [a for a in ARROWS if floor(a[1]) == GROUND and floor(a[2]) != GROUND]


@pytest.mark.parametrize("name", ALONE)
def test_rooms_that_stand_alone(name: str) -> None:
    allowed = {entry for entry in ALONE[name] if entry != GROUND} | set(FLOORS[GROUND])
    assert not [
        (m, other) for m, source, other in ARROWS if source == name and other not in allowed
    ]


def test_facades_name_their_own_rooms_alone() -> None:
    for facade in FACADES:
        top = facade.partition(".")[0]
        for other in imported(MODULES[facade], facade):
            own = other.split(".")[0] == top
            assert own or room(other) in ("integer", *FLOORS[GROUND]), other


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES.values()}))
def test_a_folder_fits_on_a_screen(folder: Path) -> None:
    files = [path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".pyc"]
    assert len(files) <= MOST_FILES, sorted(files)


def test_the_root_holds_where_one_starts_reading_and_the_ground() -> None:
    files = sorted(path.name for path in (ROOT / "spiketrack").glob("*.py"))
    assert len(files) <= MOST_IN_ROOT, files
