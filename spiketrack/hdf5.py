"""Foreign HDF5 files through a narrow door.

A file may hold links to other files and to itself, data sets that map onto others, and arrays of
gigabytes in a few bytes. Only what our writers and ``nir.write`` leave is read: groups reached by
hard links, each once, and plain arrays of numbers or texts whose sizes the file's own size bounds.
``probe`` opens a file in a process of its own first, since damage can crash HDF5 or loop in it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import platformdirs

from spiketrack.errors import Hdf5Error

MOST_OBJECTS = 200_000
MOST_DEPTH = 16
MOST_SPREAD = 32  # bytes in memory for a byte of the file; our weights reach 3
SPARE_BYTES = 64 * 2**20
MOST_DEFLATED = 1100  # deflate reaches 1032
SLICE = 256  # texts read at once
FILTERS = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_LZF: "lzf",
}
REFUSED = 3  # exit code of a probe
PATIENCE = 60.0  # seconds that a probe may take
READ_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, RecursionError)

Tree = dict[str, Any]


class Door:
    """Checks and reads objects of one open file against its size."""

    def __init__(self, file: h5py.File, size: int) -> None:
        self.file = file
        self.left = MOST_SPREAD * size + SPARE_BYTES
        self.seen: set[int] = set()

    def tree(self, group: h5py.Group, depth: int = 0) -> Tree:
        """Groups as dictionaries, arrays and texts as values; ``Hdf5Error`` for anything else."""
        self._enter(group, depth)
        values: Tree = {}
        for name in group:
            child = self._child(group, name)
            if isinstance(child, h5py.Group):
                values[name] = self.tree(child, depth + 1)
            else:
                values[name] = self.value(child)
        return values

    def walk(self, group: h5py.Group, depth: int = 0) -> None:
        """Check everything below a group as ``tree`` does, without reading the arrays."""
        self._enter(group, depth)
        for name in group:
            child = self._child(group, name)
            if isinstance(child, h5py.Group):
                self.walk(child, depth + 1)
            else:
                self.plain(child)

    def value(self, data: h5py.Dataset) -> Any:
        """The array, number or text of a data set, within what the file's size allows."""
        self.plain(data)
        if h5py.check_string_dtype(data.dtype) is not None:
            return self._texts(data)
        self._charge(data, data.size * data.dtype.itemsize)
        return data[()]

    def plain(self, data: h5py.Dataset) -> None:
        """``Hdf5Error`` unless a data set is a stored array of numbers or texts."""
        self._once(data)
        how = data.id.get_create_plist()
        if how.get_layout() == h5py.h5d.VIRTUAL or how.get_external_count():
            raise self._error(data, "its values lie in another place")
        filters = [how.get_filter(i)[0] for i in range(how.get_nfilters())]
        if unknown := [number for number in filters if number not in FILTERS]:
            raise self._error(data, f"filter {unknown[0]}; known are {', '.join(FILTERS.values())}")
        text = h5py.check_string_dtype(data.dtype) is not None
        if data.shape is None or not (text or data.dtype.kind in "biufS"):
            raise self._error(data, f"type {data.dtype}; numbers and texts are read")
        stored, size = data.id.get_storage_size(), data.size * data.dtype.itemsize
        if size > (stored * MOST_DEFLATED if filters else stored):
            raise self._error(data, f"{size:,} bytes of which {stored:,} are stored")

    def _texts(self, data: h5py.Dataset) -> Any:
        if data.shape == ():
            text = data[()]
            self._charge(data, len(text))
            return text.decode("utf8") if isinstance(text, bytes) else text
        for start in range(0, len(data), SLICE):
            block = np.asarray(data[start : start + SLICE], object)
            self._charge(data, sum(len(text) for text in block.flat))
        return data[()]

    def _enter(self, group: h5py.Group, depth: int) -> None:
        self._once(group)
        if depth > MOST_DEPTH:
            raise self._error(group, f"groups deeper than {MOST_DEPTH}")

    def _child(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise Hdf5Error(f"{group.name}/{name}: a link to another place")
        child = group[name]
        if not isinstance(child, (h5py.Group, h5py.Dataset)):
            raise Hdf5Error(f"{group.name}/{name}: neither a group nor an array")
        return child

    def _once(self, item: h5py.Group | h5py.Dataset) -> None:
        address = h5py.h5o.get_info(item.id).addr
        if address in self.seen:
            raise self._error(item, "reached in two ways")
        self.seen.add(address)
        if len(self.seen) > MOST_OBJECTS:
            raise self._error(item, f"more than {MOST_OBJECTS:,} objects")

    def _charge(self, data: h5py.Dataset, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise self._error(data, f"{size:,} bytes more than a file of this size can need")

    def _error(self, item: h5py.Group | h5py.Dataset, what: str) -> Hdf5Error:
        return Hdf5Error(f"{item.name}: {what}")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Door]:
    """The door of a file; whatever HDF5 raises meanwhile becomes ``Hdf5Error`` without the path."""
    try:
        with h5py.File(path, "r") as file:
            yield Door(file, path.stat().st_size)
    except READ_ERRORS as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise Hdf5Error(f"corrupt, truncated or no HDF5 file ({reason})") from error


def probe(path: Path) -> None:
    """Walk and read a file in another process; ``Hdf5Error`` where that crashes or does not end.

    Arrays whose chunks are many are walked, not read: theirs are read one by one later.
    """
    home = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places_first(home))}
    command = [sys.executable, "-m", __name__, str(path.absolute())]
    try:
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Hdf5Error(f"damaged: HDF5 did not end reading it within {PATIENCE:g} s") from None
    if ended.returncode < 0:
        raise Hdf5Error(f"damaged: HDF5 crashes reading it (signal {-ended.returncode})")
    if ended.returncode == REFUSED:
        raise Hdf5Error(ended.stderr.decode("utf8", "replace").strip())
    if ended.returncode:
        lines = ended.stderr.decode("utf8", "replace").strip().splitlines() or ["no reason given"]
        raise Hdf5Error(f"cannot be examined: {lines[-1][:200]}")


def probe_once(path: Path, digest: str) -> None:
    """``probe``, unless a file of this SHA-256 passed it before or was written here."""
    if not _mark(digest).is_file():
        probe(path)
        remember(digest)


def remember(digest: str) -> None:
    """A file of this SHA-256 needs no probe; where no cache can be kept it will be probed again."""
    with contextlib.suppress(OSError):
        _mark(digest).parent.mkdir(parents=True, exist_ok=True)
        _mark(digest).touch()


def _mark(digest: str) -> Path:
    return Path(platformdirs.user_cache_path("spiketrack")) / "hdf5" / digest


def places_first(home: str) -> list[str]:
    """Where the other process looks for modules first: this package, then what the user set."""
    return [home, *filter(None, [os.environ.get("PYTHONPATH")])]


def main(path: Path) -> None:
    """The probe's own process: walk a file, read what is small."""
    try:
        with opened(path) as door:
            door.walk(door.file)
        with opened(path) as door:
            for name in door.file:
                if name in ("node", "version", "operations"):
                    child = door.file[name]
                    door.tree(child) if isinstance(child, h5py.Group) else door.value(child)
    except Hdf5Error as error:
        print(error, file=sys.stderr)
        raise SystemExit(REFUSED) from None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
