"""The folder of a training: who may begin in it, and that one program alone trains there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spiketrack.errors import ConfigError
from spiketrack.machine.locks import alone
from spiketrack.targets import check_target, precious, real

STATE, LOG, CURVES = "state.pt", "log.jsonl", "curves.html"
WEIGHTS, PUBLISHED = "weights.safetensors", "weights.pth.tar"
BEST = f"best-{WEIGHTS}"
OWN = (STATE, LOG, CURVES, WEIGHTS, PUBLISHED, BEST)


def check_place(folder: Path, resume: bool, force: bool, init: str | None = None) -> None:
    """Refuse a folder that holds a training already, unless it is resumed or begun anew.

    ``force`` overwrites the files of a training; whatever else the folder holds stays there.
    """
    if resume and force:
        raise ConfigError("--resume goes on with a training, --force begins anew: give one of them")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--out {folder}: is a file, not a folder")
    if why := precious(real(folder), [init]):
        raise ConfigError(f"--out {folder}: {why}")
    present = [name for name in OWN if (folder / name).exists()]
    if present and not (resume or force):
        raise ConfigError(
            f"{folder}: holds a training ({present[0]}); --resume goes on with it, --force begins "
            "anew and overwrites it"
        )
    if force and present and not {STATE, LOG} & set(present):
        raise ConfigError(
            f"{folder}: holds {present[0]}, but no training, which is all that --force overwrites; "
            "choose another --out"
        )
    if resume and STATE not in present:
        raise ConfigError(f"{folder / STATE}: no state to resume from; leave --resume out")
    for name in OWN if folder.is_dir() else ():
        check_target("--out", folder / name, (init,))
    if not folder.exists():  # the first of its parts that will be made
        parts = (folder.absolute(), *folder.absolute().parents)
        check_target("--out", next(part for part in parts if part.parent.exists()))


@contextmanager
def training_place(folder: Path, resume: bool, force: bool, init: str | None) -> Iterator[str]:
    """Make and hold the folder; with ``force`` without the files of a former training.

    Yields what is to be said of it, mostly nothing.
    """
    check_place(folder, resume, force, init)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder, does="trains") as said:
        if force:
            for name in OWN:
                (folder / name).unlink(missing_ok=True)
        yield said
