"""Mutate inputs of every kind: our own error or a right result, or the seed that broke it.

    python tools/fuzz.py [--tries 300] [--first 0] [--kind NAME ...] [--patience 20] [--memory 8]

Each kind runs in a process of its own, which is watched: a crash, a case that does not end in time
or takes more memory than allowed is a failure like any other exception, and the next seed goes on.
The same seeds make the same inputs. Exit code 1 where anything failed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import resource
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

Kind = Callable[[int, Path], str]
FAILED = "failed"


def kinds(home: Path) -> dict[str, Kind]:
    """Every kind that the fuzz modules name."""
    from fuzz import checkpoints, documents, graphs, media
    from support.report_data import write_all

    from spiketrack.commands.energy import energy

    kinds_: dict[str, Kind] = {}
    for module in (media, graphs, checkpoints):
        kinds_ |= module.KINDS
    priced = home / "energy.json"
    with contextlib.redirect_stdout(io.StringIO()):  # tables of the commands that make inputs
        files = write_all(home)
        energy(files.run, compare_with=files.other, json=priced)
    return kinds_ | documents.targets(files, priced)


def work(kind: Kind, seeds: range, memory: int, out: Connection) -> None:
    """The watched process: tell which seed starts, and what became of it."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for seed in seeds:
        out.send((seed, ""))
        with tempfile.TemporaryDirectory() as folder:
            try:
                out.send((seed, kind(seed, Path(folder))))
            except Exception:  # whatever a reader lets through is what is looked for
                out.send((seed, f"{FAILED}: {traceback.format_exc(limit=-3)}"))


def watch(name: str, kind: Kind, seeds: range, patience: float, memory: int) -> Counter[str]:
    """Run the seeds of one kind; failures are printed as they come."""
    outcomes: Counter[str] = Counter()
    context = multiprocessing.get_context("fork")
    start = seeds.start
    while start < seeds.stop:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(
            target=work, args=(kind, range(start, seeds.stop), memory, theirs), daemon=True
        )
        child.start()
        theirs.close()
        start = follow(name, ours, child, start, seeds.stop, patience, outcomes)
    return outcomes


def follow(
    name: str,
    ours: Connection,
    child: multiprocessing.process.BaseProcess,
    seed: int,
    stop: int,
    patience: float,
    outcomes: Counter[str],
) -> int:
    """Read one process's messages until it ends; the seed to go on with."""
    while True:
        try:
            ended = not ours.poll(patience)
            message = None if ended else ours.recv()
        except EOFError:
            child.join()
            if seed >= stop or child.exitcode == 0:
                return stop
            fail(name, seed, f"the process ended with code {child.exitcode}", outcomes)
            return seed + 1
        if message is None:
            child.kill()
            fail(name, seed, f"no end within {patience:g} s", outcomes)
            return seed + 1
        seed, outcome = message
        if outcome.startswith(FAILED):
            fail(name, seed, outcome, outcomes)
        elif outcome:
            outcomes[outcome] += 1


def fail(name: str, seed: int, why: str, outcomes: Counter[str]) -> None:
    """Count and print a failure."""
    outcomes[FAILED] += 1
    print(f"{name}, seed {seed}: {why}", flush=True)


def main() -> None:
    """Run all kinds, or those that are named, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=300, help="cases of each kind")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--kind", action="append", help="only this kind; may be repeated")
    parser.add_argument("--patience", type=float, default=20.0, help="seconds a case may take")
    parser.add_argument("--memory", type=float, default=8.0, help="GB a process may address")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.tries)
    failures = 0
    with tempfile.TemporaryDirectory() as home:
        for name, kind in kinds(Path(home)).items():
            if asked.kind and name not in asked.kind:
                continue
            outcomes = watch(name, kind, seeds, asked.patience, int(asked.memory * 2**30))
            counts = ", ".join(f"{count} {what}" for what, count in sorted(outcomes.items()))
            print(f"{name}: {sum(outcomes.values())} tried, {counts}", flush=True)
            failures += outcomes[FAILED]
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
