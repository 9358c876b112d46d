"""Change one small thing after the other and see whether a test notices.

    python tools/mutation.py [--number 40] [--seed 1] [--area NAME] [--least SHARE]

cosmic-ray makes the changes. ``--number`` places of each area of ``mutation.yaml`` are drawn, and
one of the changes that are possible there; the same seed draws the same. What is no code of a run
is left out: annotations, and numba's own settings; so are bit operators in the place of sums. Each
change runs in a fork of a process that has imported the libraries, where an import hook gives the
changed module; no file is touched. Exit code 1 where the share of changes that tests notice lies
below ``--least``.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import importlib.abc
import importlib.machinery
import os
import random
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_name("mutation.yaml")
LIBRARIES = (
    "pytest", "hypothesis.extra.numpy", "numba.extending", "torch", "cv2", "av", "h5py", "nir",
    "pydantic", "typer", "rich",
)  # fmt: skip
BITS = {"BitOr", "BitAnd", "BitXor", "LShift", "RShift"}
PATIENCE = 6.0  # times the processor seconds that the unchanged module's tests take


Place = tuple[int, int]


@dataclass(frozen=True)
class Change:
    """One place of a module and what cosmic-ray puts there."""

    module: Path
    operator: str
    occurrence: int
    place: Place

    def source(self) -> str:
        """The changed module."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        code = mutate_code(
            self.module.read_text("utf-8"), get_operator(self.operator)(), self.occurrence
        )
        assert code is not None
        return str(code)

    def __str__(self) -> str:
        """Place, operator and the lines that differ."""
        before, after = self.module.read_text("utf-8").splitlines(), self.source().splitlines()
        lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[3:]
        return "\n    ".join(
            [
                f"{self.module.relative_to(ROOT)}:{self.place[0]} {self.operator.split('/')[1]}",
                *lines,
            ]
        )


def changes(module: Path) -> Iterator[Change]:
    """Everything that can be changed in a module."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    text = module.read_text("utf-8")
    nodes, silent = list(ast_nodes(get_ast(text))), list(_silent(ast.parse(text)))
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or _clumsy(name):
            continue
        positions = [p for node in nodes for p in operator().mutation_positions(node)]
        for occurrence, (start, _) in enumerate(positions):
            if not any(first <= start < last for first, last in silent):
                yield Change(module, name, occurrence, start)


def _clumsy(name: str) -> bool:
    """Whether any run would notice: bits of floats. (Operators with arguments want names.)"""
    if "ReplaceBinaryOperator_" not in name:
        return False
    old, new = name.rpartition("ReplaceBinaryOperator_")[2].split("_")
    return (old in BITS) != (new in BITS)


def _silent(tree: ast.Module) -> Iterator[tuple[Place, Place]]:
    """Where annotations and the compiler's own settings stand."""
    for node in ast.walk(tree):
        parts = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.FunctionDef):
            parts += [d for d in node.decorator_list if "compiled" in ast.unparse(d)]
        for part in parts:
            if part is not None:
                # from the decorator's @ on
                yield (part.lineno, part.col_offset - 1), (part.end_lineno, part.end_col_offset)


def drawn(modules: Sequence[Path], number: int, seed: int) -> list[Change]:
    """One change at each of ``number`` places; what is no Python is drawn again."""
    places: dict[tuple[Path, Place], list[Change]] = {}
    for module in modules:
        for change in changes(module):
            places.setdefault((module, change.place), []).append(change)
    chance = random.Random(seed)
    order = chance.sample(sorted(places), len(places))
    kept: list[Change] = []
    for key in order:
        change = chance.choice(places[key])
        if len(kept) < number and _compiles(change.source()):
            kept.append(change)
    return kept


def _compiles(source: str) -> bool:
    try:
        compile(source, "changed", "exec")
    except SyntaxError:
        return False
    return True


class Changed(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Gives one module's changed source, everything else as it is."""

    def __init__(self, path: Path, source: str) -> None:
        self.path, self.source = path, source
        self.name = ".".join(path.relative_to(ROOT).with_suffix("").parts)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """A spec for the changed module alone."""
        if fullname not in (self.name, f"spiketrack.{self.name}"):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=str(self.path))

    def get_filename(self, fullname: str) -> str:
        """Where the unchanged source stands."""
        return str(self.path)

    def get_data(self, path: str) -> bytes:
        """The changed source."""
        return self.source.encode()


def attempt(tests: Sequence[str], change: Change | None, seconds: float) -> tuple[str, float]:
    """Run tests in a fork: ``passed``, ``failed``, ``no end`` or ``broke``; processor seconds."""
    child = os.fork()
    if not child:
        try:
            code = _run(tests, change, seconds)
        except BaseException:
            traceback.print_exc()
            code = 70
        os._exit(code)
    _, status, used = os.wait4(child, 0)
    spent = used.ru_utime + used.ru_stime
    if os.WIFSIGNALED(status):
        late = os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
        return ("no end" if late else "broke"), spent
    return {0: "passed", 1: "failed"}.get(os.WEXITSTATUS(status), "broke"), spent


def _run(tests: Sequence[str], change: Change | None, seconds: float) -> int:
    import pytest
    from hypothesis import settings

    limit = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    with tempfile.TemporaryDirectory() as folder:
        if os.environ.get("MUTATION_OUTPUT") is None:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
        if change is not None:
            # numba's key for a stored loop leaves out its constants
            importlib.import_module("numba").config.CACHE_DIR = folder
            sys.meta_path.insert(0, Changed(change.module, change.source()))
        settings.register_profile("mutation", database=None, derandomize=True)
        settings.load_profile("mutation")
        return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--assert=plain", *tests]))


def main() -> None:
    """Draw, try and tell, area by area."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=40, help="places of each area")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--area", action="append", help="only this area; may be repeated")
    parser.add_argument("--least", type=float, default=0.9, help="share that must be noticed")
    asked = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    for name in LIBRARIES:
        importlib.import_module(name)
    noticed = tried = 0
    for area, table in yaml.safe_load(TABLE.read_text("utf-8")).items():
        if asked.area is None or area in asked.area:
            caught, number = survey(area, table, asked.number, asked.seed)
            noticed, tried = noticed + caught, tried + number
    print(f"all: {noticed} of {tried} changes noticed, {noticed / max(tried, 1):.1%}", flush=True)
    raise SystemExit(0 if noticed >= asked.least * tried else 1)


def survey(
    area: str, table: Mapping[str, Sequence[str]], number: int, seed: int
) -> tuple[int, int]:
    """Changes of one area that tests noticed, of those tried; the others are printed."""
    limits: dict[str, float] = {}
    outcomes: Counter[str] = Counter()
    changes = drawn([ROOT / name for name in table], number, seed)
    for change in changes:
        name = str(change.module.relative_to(ROOT))
        if name not in limits:
            outcome, seconds = attempt(table[name], None, 600)
            if outcome != "passed":
                raise SystemExit(
                    f"{name}: its tests do not pass unchanged: {' '.join(table[name])}"
                )
            limits[name] = PATIENCE * seconds + 30
        outcome, _ = attempt(table[name], change, limits[name])
        outcomes[outcome] += 1
        if outcome == "passed":
            print(f"not noticed: {change}", flush=True)
    caught = len(changes) - outcomes["passed"]
    print(f"{area}, {number} places, seed {seed}: {caught} of {len(changes)} noticed", flush=True)
    return caught, len(changes)


if __name__ == "__main__":
    main()
