"""Mutated documents, YAML files and run folders: our own error or a right result.

Each kind is a function of a seed and an empty folder. It makes one file, reads it as the program
does and says what became of it; an ``AssertionError`` is a wrong result, any other exception but
our own is a failure of the reader. ``files`` of the first call are real ones, made by the
commands; see ``support.report_data``.
"""

from __future__ import annotations

import copy
import functools
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from support.random_graphs import tiny_graph
from support.timing import time_document

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.program import Choices, build_program
from spiketrack.deploy.chip.program_document import chip_document, read_programs
from spiketrack.documents import SCHEMAS
from spiketrack.documents.base import Document
from spiketrack.documents.tracking import EvaluationDocument
from spiketrack.energy.prices import load_prices
from spiketrack.errors import SpikeTrackError
from spiketrack.inference import BRANCHES
from spiketrack.integer.graph import Graph
from spiketrack.packaged import BOARDS, PRICE_TABLES, RATE_TABLES
from spiketrack.pages import render
from spiketrack.report import build_report, read_sources
from spiketrack.report.page import page_of
from spiketrack.runs.folder import RunFolder
from spiketrack.timing.rates import load_rates
from spiketrack.tracking.evaluation import Energy, SequenceResult
from spiketrack.tracking.ledger import Ledger
from spiketrack.tracking.metrics import Scores
from spiketrack.tracking.sequences import Sequence
from spiketrack.training.schema import load_config

TAKEN, REFUSED = "taken", "refused"
SECONDS = 20.0  # a mutant that takes longer hangs
LONGEST = 2000  # characters of a message
CURVES = (21, 51, 51)
ROOT = Path(__file__).parents[2]
WILD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    10**400,
    0.5,
    -0.5,
    1e308,
    "",
    "0",
    "1",
    "\x1b[31m",
    "x" * 10_000,
    "</script><script>",
    "\u2028",
    [],
    {},
    [[]],
    [1, 2],
    {"a": 1},
    [None] * 1000,
    "../../x",
    "2001-99-99",
)
TEXT = (
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!python/name:os.system ",
    b"[" * 500,
    b"{",
    b"}",
    b": ",
    b"- ",
    b"\t",
    b"\x00",
    b"\xff",
    b"9" * 5000,
    b"NaN",
    b".inf",
    b"1e999",
    b"2001-99-99",
    b"'",
    b'"',
    b"\n---\n",
    b"? ",
    b"|",
    b">",
    b"%YAML 9",
    b"\xef\xbb\xbf",
    b"#",
    b",",
    b"~",
    b"0x",
    b"0o9",
)


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all keys and items of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*here, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*here, key))


def mutated_value(value: Any, rng: np.random.Generator) -> Any:
    """None to three keys or items that are missing, retyped, renamed, repeated or exchanged."""
    found = copy.deepcopy(value)
    for _ in range(int(rng.integers(4))):
        paths = list(places(found))
        if not paths:
            break
        path = paths[int(rng.integers(len(paths)))]
        _change(found, path, rng)
    return found


def _change(value: Any, path: tuple[Any, ...], rng: np.random.Generator) -> None:
    home = value
    for key in path[:-1]:
        home = home[key]
    key, kind = path[-1], int(rng.integers(5))
    if kind == 0:
        del home[key]
    elif kind == 1 and isinstance(home, list):
        home.append(copy.deepcopy(home[key]))
    elif kind == 1:
        home[f"{key}x"] = home.pop(key)
    elif kind == 2 and isinstance(home[key], (int, float)):
        home[key] = _number(home[key], rng)
    else:
        home[key] = copy.deepcopy(WILD[int(rng.integers(len(WILD)))])


def _number(value: float, rng: np.random.Generator) -> Any:
    changed = (value + 1, -value, value * 2, float(value), str(value), not value)
    return changed[int(rng.integers(len(changed)))]


def mutated_text(content: bytes, rng: np.random.Generator) -> bytes:
    """One to six pieces put in, cut out, repeated, or overwritten."""
    out = bytearray(content)
    for _ in range(int(rng.integers(1, 7))):
        place, length = int(rng.integers(len(out) + 1)), int(rng.integers(1, 40))
        kind = int(rng.integers(4))
        if kind == 0:
            out[place:place] = TEXT[int(rng.integers(len(TEXT)))]
        elif kind == 1:
            del out[place : place + length]
        elif kind == 2:
            out[place:place] = out[place : place + length] * int(rng.integers(1, 30))
        else:
            out[place : place + 1] = rng.bytes(1)
    return bytes(out)


def outcome(read: Callable[[], None]) -> str:
    """What became of one file; errors are one bounded line that moves no cursor."""
    begin = time.perf_counter()
    try:
        read()
    except SpikeTrackError as error:
        line = " ".join(str(error).split(" "))
        assert line.isprintable(), repr(line[:200])
        assert len(line) < LONGEST, len(line)
        return REFUSED
    finally:
        assert time.perf_counter() - begin < SECONDS, "too slow"
    return TAKEN


def document(kind: type[Document], source: Path, seed: int, home: Path) -> str:
    """A document of ours with mutated keys or bytes; what is taken is written and read again."""
    rng = np.random.default_rng(seed)
    path = home / "document.json"
    if seed % 3:
        value = mutated_value(json.loads(source.read_text("utf-8")), rng)
        path.write_text(json.dumps(value), encoding="utf-8")
    else:
        path.write_bytes(mutated_text(source.read_bytes(), rng))

    def read() -> None:
        found = kind.read(path)
        assert kind.parse(found.text().encode(), "again") == found

    return outcome(read)


def report(name: str, source: Path, run: Path, seed: int, home: Path) -> str:
    """A mutated document given to the report of a run: a page, or a line."""
    rng = np.random.default_rng(seed)
    path = home / source.name
    path.write_text(json.dumps(mutated_value(json.loads(source.read_text("utf-8")), rng)))
    given: Any = {name: path}
    return outcome(lambda: _page(run, given))


def run_folder(source: Path, seed: int, home: Path) -> str:
    """A run folder with a mutated run.json, boxes.csv or counts.h5."""
    rng = np.random.default_rng(seed)
    run = home / "run"
    shutil.copytree(source, run)
    name = ("run.json", "boxes.csv", "counts.h5")[seed % 3]
    path = run / name
    if name == "run.json":
        value = mutated_value(json.loads(path.read_text("utf-8")), rng)
        path.write_text(json.dumps(value), encoding="utf-8")
    else:
        path.write_bytes(mutated_text(path.read_bytes(), rng))

    def read() -> None:
        found = RunFolder.read(run)
        boxes, counts = found.boxes(), found.counts()
        assert len(boxes) == found.about.frames + 1
        assert all(math.isfinite(v) for row in boxes for v in row.box.as_tuple())
        assert name == "run.json" or counts.keys() == RunFolder.read(source).counts().keys()

    return outcome(read)


def _page(run: Path, given: Any) -> None:
    page = render(page_of(build_report(read_sources(run, **given))))
    assert "</script><script>" not in page


def yaml_files() -> dict[str, list[tuple[Callable[[str], Any], bytes]]]:
    """Readers with the packaged files that they take, by kind."""
    boards = [BOARDS.read(name) for name in BOARDS.names()]
    prices = [PRICE_TABLES.read(name) for name in PRICE_TABLES.names()]
    rates = [RATE_TABLES.read(name) for name in RATE_TABLES.names()]
    configs = [path.read_bytes() for path in (ROOT / "spiketrack/configs").glob("*.yaml")]
    return {
        "board": [(load_board, content) for content in boards],
        "prices": [(load_prices, content) for content in prices],
        "rates": [(load_rates, content) for content in rates],
        "training": [(load_config, content) for content in configs],
    }


def yaml_file(kind: str, seed: int, home: Path) -> str:
    """A mutated price table, table of rates, board or training configuration."""
    rng = np.random.default_rng(seed)
    cases = yaml_files()[kind]
    read, content = cases[int(rng.integers(len(cases)))]
    path = home / f"{kind}.yaml"
    path.write_bytes(mutated_text(content, rng))
    return outcome(lambda: read(str(path)) and None)


def unfinished_evaluation(home: Path) -> tuple[Ledger, Sequence]:
    """Two methods on two sequences, the second of which failed, and the first sequence."""
    first = Sequence("A", "OTB", (), np.ones((8, 4)), np.ones(8, np.bool_))
    scores = Scores(*(0.5,) * 7, *((0.5,) * n for n in CURVES))
    result = SequenceResult(
        first, first.boxes, (96, 72), scores, (0.5,) * 8, Energy(1.5, 0.1), ("odd",)
    )
    ledger = Ledger(["net", "mil"], ["A", "B"], {"backend": "float"})
    ledger.into(home, None)
    for method in ledger.methods:
        ledger.add(method, result)
    ledger.fail("net", "B", "B: unreadable")
    ledger.write()
    return ledger, first


def evaluation(seed: int, home: Path) -> str:
    """A mutated evaluation.json, or document of a sequence, that is gone on with."""
    rng = np.random.default_rng(seed)
    _, first = unfinished_evaluation(home)
    path = home / "evaluation.json"
    changed = path if seed % 2 else home / "sequences" / "net" / "A.json"
    value = mutated_value(json.loads(changed.read_text(encoding="utf-8")), rng)
    changed.write_text(json.dumps(value), encoding="utf-8")

    def read() -> None:
        earlier = EvaluationDocument.read(path)
        ledger = Ledger(["net", "mil"], ["A", "B"], {"backend": "float"})
        ledger.go_on(earlier, home, [first])
        ledger.into(home, None)
        ledger.write()
        assert EvaluationDocument.read(path) == ledger.document()

    return outcome(read)


def chip(graphs: Mapping[str, Graph], text: str, seed: int, home: Path) -> str:
    """A mutated chip.json, read for the network that it was made of."""
    rng = np.random.default_rng(seed)
    path = home / "chip.json"
    if seed % 3:
        path.write_text(json.dumps(mutated_value(json.loads(text), rng)), encoding="utf-8")
    else:
        path.write_bytes(mutated_text(text.encode(), rng))

    def read() -> None:
        read_programs(path, graphs)

    return outcome(read)


YAML = ("board", "prices", "rates", "training")
KINDS = (
    "manifest",
    "run",
    "verify",
    "map",
    "energy",
    "time",
    "report of verify",
    "report of map",
    "run folder",
    "evaluation",
    "chip",
    *YAML,
)


def _chip() -> Callable[[int, Path], str]:
    graphs = {branch: tiny_graph(1, branch) for branch in BRANCHES}
    programs = {branch: build_program(graph, Choices()) for branch, graph in graphs.items()}
    return functools.partial(chip, graphs, chip_document(programs, graphs).text())


def _time(path: Path) -> Path:
    """A document of seconds beside that of the energy."""
    time_document(updates=5.0, resident_updates=9.0).write(path)
    return path


def targets(files: Any, energy: Path) -> dict[str, Callable[[int, Path], str]]:
    """Every kind by name; ``files``: of ``support.report_data``, ``energy``: a document."""
    sources = {
        "manifest": files.export / "manifest.json",
        "run": files.run / "run.json",
        "verify": files.verify,
        "map": files.placement,
        "energy": energy,
        "time": _time(energy.with_name("time.json")),
    }
    documents = {n: functools.partial(document, SCHEMAS[n], s) for n, s in sources.items()}
    return {
        **documents,
        "report of verify": functools.partial(report, "verify", files.verify, files.run),
        "report of map": functools.partial(report, "placement", files.placement, files.run),
        "run folder": functools.partial(run_folder, files.run),
        "evaluation": evaluation,
        "chip": _chip(),
        **{name: functools.partial(yaml_file, name) for name in YAML},
    }
