"""Foreign HDF5 files through a narrow door.

A file may hold links to other files and to itself, data sets that map onto others, and arrays of
gigabytes in a few bytes. Only what our writers and ``nir.write`` leave is read: groups reached by
hard links, each once, and plain arrays of numbers or texts whose sizes the file's own size bounds.
``probe`` opens a file in a process of its own first, since damage can crash HDF5 or loop in it.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
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
PATIENCE = 60  # processor seconds that a probe may take: a busy machine is no damage
LONGEST = 1800.0  # seconds until a probe is given up whatever it waits for
READ_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, RecursionError)

Tree = dict[str, Any]


class Door:
    """Checks and reads objects of one open file against its size.

    In h5py's low-level objects: an export holds ten thousand small arrays.
    """

    def __init__(self, file: h5py.File, size: int) -> None:
        self.file = file
        self.left = MOST_SPREAD * size + SPARE_BYTES
        self.objects = 0
        self.groups: set[int] = set()

    def tree(self, group: h5py.Group) -> Tree:
        """Groups as dictionaries, arrays and texts as values; ``Hdf5Error`` for anything else."""
        return self._group(group.id, group.name, 0, read=True)

    def walk(self, group: h5py.Group) -> None:
        """Check everything below a group as ``tree`` does, without reading the arrays."""
        self._group(group.id, group.name, 0, read=False)

    def value(self, data: h5py.Dataset) -> Any:
        """The array, number or text of a data set, within what the file's size allows."""
        return self._array(data.id, data.name, read=True)

    def _group(self, group: Any, place: str, depth: int, read: bool) -> Tree:
        address = h5py.h5o.get_info(group).addr
        if address in self.groups:
            raise Hdf5Error(f"{place}: reached in two ways")
        if depth > MOST_DEPTH:
            raise Hdf5Error(f"{place}: groups deeper than {MOST_DEPTH}")
        self.groups.add(address)
        values: Tree = {}
        for key in group:
            name = key.decode("utf8")
            inside = f"{place.rstrip('/')}/{name}"
            self._count(inside)
            if group.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                raise Hdf5Error(f"{inside}: a link to another place")
            child = h5py.h5o.open(group, key)
            if isinstance(child, h5py.h5g.GroupID):
                values[name] = self._group(child, inside, depth + 1, read)
            elif isinstance(child, h5py.h5d.DatasetID):
                values[name] = self._array(child, inside, read)
            else:
                raise Hdf5Error(f"{inside}: neither a group nor an array")
        return values

    def _array(self, data: Any, place: str, read: bool) -> Any:
        """The values of a stored array of numbers or texts, None where they are not to be read."""
        how = data.get_create_plist()
        if how.get_layout() == h5py.h5d.VIRTUAL or how.get_external_count():
            raise Hdf5Error(f"{place}: its values lie in another place")
        filters = [how.get_filter(i)[0] for i in range(how.get_nfilters())]
        if unknown := [number for number in filters if number not in FILTERS]:
            known = ", ".join(FILTERS.values())
            raise Hdf5Error(f"{place}: filter {unknown[0]}; known are {known}")
        dtype = data.dtype
        text = dtype.kind == "O" and h5py.check_string_dtype(dtype) is not None
        empty = data.get_space().get_simple_extent_type() == h5py.h5s.NULL
        if empty or not (text or dtype.kind in "biufS"):
            raise Hdf5Error(f"{place}: type {dtype}; numbers and texts are read")
        shape = data.shape
        stored, size = data.get_storage_size(), math.prod(shape) * dtype.itemsize
        if size > (stored * MOST_DEFLATED if filters else stored):
            raise Hdf5Error(f"{place}: {size:,} bytes of which {stored:,} are stored")
        if not read:
            return None
        if text:
            return self._texts(h5py.Dataset(data), place)
        self._charge(place, size)
        values = np.empty(shape, dtype)
        if values.size:
            data.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return values[()]

    def _texts(self, data: h5py.Dataset, place: str) -> Any:
        if data.shape == ():
            text = data[()]
            self._charge(place, len(text))
            return text.decode("utf8") if isinstance(text, bytes) else text
        for start in range(0, len(data), SLICE):
            block = np.asarray(data[start : start + SLICE], object)
            self._charge(place, sum(len(text) for text in block.flat))
        return data[()]

    def _count(self, place: str) -> None:
        self.objects += 1
        if self.objects > MOST_OBJECTS:
            raise Hdf5Error(f"{place}: more than {MOST_OBJECTS:,} objects")

    def _charge(self, place: str, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Hdf5Error(f"{place}: {size:,} bytes more than a file of this size can need")


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
    command = [sys.executable, "-m", __name__, str(path.absolute()), str(PATIENCE)]
    try:
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Hdf5Error(
            f"not read within {LONGEST:g} s; the machine is too busy, or its disk does not answer: "
            "try again"
        ) from None
    if ended.returncode == -signal.SIGXCPU:
        raise Hdf5Error(f"damaged: HDF5 did not end reading it in {PATIENCE} processor seconds")
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


def main(path: Path, seconds: int) -> None:
    """The probe's own process: walk a file, read what is small, in so many processor seconds."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or hard > seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))
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
    main(Path(sys.argv[1]), int(sys.argv[2]))
