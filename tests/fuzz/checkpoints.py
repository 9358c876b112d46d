"""Mutated checkpoints: our own error or a right result, never anything else.

Each kind is a function of a seed and a folder, which it leaves as it was. It writes one damaged or
hostile file and reads it. Right is this project's own error in one line, or a network's exact keys
and shapes, finite, in float32, of this very file; anything else is an ``AssertionError`` that names
the kind and seed. While a file is read, nothing may be executed, imported, started, removed, or
opened beside it. Time and memory are for the caller to bound.
"""

from __future__ import annotations

import codecs
import functools
import hashlib
import io
import json
import random
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from support import pickles
from support.checkpoints import small_state

from spiketrack.errors import CheckpointError
from spiketrack.reference.checkpoint import Checkpoint, read_checkpoint

TAKEN = "taken"
REFUSED = "refused"
LONGEST = 2000  # characters of an error
_FORBIDDEN = (
    "exec",
    "compile",
    "import",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "subprocess.Popen",
    "socket.",
    "shutil.",
    "ctypes.",
)


class _Watch:
    """What an audit hook saw while it was armed; a hook can never be taken out again."""

    def __init__(self) -> None:
        self.allowed: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        elsewhere = event == "open" and str(arguments[0]) != self.allowed
        if elsewhere or event.startswith(_FORBIDDEN):
            self.seen.append(f"{event} {str(arguments[:1])[:80]}")


@lru_cache(maxsize=1)
def _watch() -> _Watch:
    return _Watch()


@contextmanager
def watched(path: Path) -> Iterator[None]:
    """``AssertionError`` where anything but ``path`` was opened, or anything was executed."""
    watch = _watch()
    watch.seen, watch.allowed = [], str(path)
    try:
        yield
    finally:
        watch.allowed = None
    assert not watch.seen, watch.seen


@lru_cache(maxsize=1)
def _warm(folder: Path) -> None:
    """Read each format once, so that what is imported late has been."""
    for codec in ("cp437", "unicode_escape", "raw_unicode_escape", "latin1", "ascii"):
        codecs.lookup(codec)
    for index, content in enumerate((_zip(), _stream(), _tensors())):
        path = folder / f"warm{index}"
        path.write_bytes(content)
        read_checkpoint(path)
        path.write_bytes(content[:-100])
        attempt(path)
        path.unlink()


def attempt(path: Path) -> str:
    """Read one file and hold what comes to the demands above."""
    try:
        found = read_checkpoint(path)
    except CheckpointError as error:
        text = str(error)
        assert text.isprintable(), "an error with control characters"
        assert len(text) < LONGEST, "an error without end"
        assert text.startswith(f"{path}: "), "an error without the file's name"
        return REFUSED
    _hold(found, path)
    return TAKEN


def _hold(found: Checkpoint, path: Path) -> None:
    model = found.build()
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    assert set(found.state) == {key for key in shapes if not key.endswith("num_batches_tracked")}
    for key, value in found.state.items():
        assert value.shape == shapes[key]
        assert value.dtype == torch.float32
        assert bool(torch.isfinite(value).all())
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


Mutation = Callable[[random.Random], bytes]


def _fuzzer(make: Mutation) -> Callable[[int, Path], str]:
    """A function of a seed and a folder from one that makes the bytes."""

    @functools.wraps(make)
    def run(seed: int, folder: Path) -> str:
        _warm(folder)
        path = folder / f"{make.__name__}-{seed}"
        path.write_bytes(make(random.Random(f"{make.__name__} {seed}")))
        try:
            with watched(path):
                return attempt(path)
        except Exception as error:
            raise AssertionError(f"{make.__name__}, seed {seed}: {error!r}") from error
        finally:
            path.unlink()

    return run


# whole files to start from


def _saved(**options: Any) -> bytes:
    buffer = io.BytesIO()
    state = {key: value for key, value in small_state().items() if "num_batches" not in key}
    torch.save({"net": state, "epoch": 3, "stats": [1.5, None, (2,)]}, buffer, **options)
    return buffer.getvalue()


@lru_cache(maxsize=1)
def _zip() -> bytes:
    return _saved()


@lru_cache(maxsize=1)
def _stream() -> bytes:
    return _saved(_use_new_zipfile_serialization=False)


@lru_cache(maxsize=1)
def _tensors() -> bytes:
    return bytes(safetensors.torch.save(small_state(), {"spiketrack": '{"margin": 7}'}))


@lru_cache(maxsize=1)
def _records() -> tuple[bytes, dict[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(_zip())) as archive:
        data = {n: archive.read(n) for n in archive.namelist()}
    program = data.pop("archive/data.pkl")
    return program, {n.rpartition("/")[2]: v for n, v in data.items() if "/data/" in n}


# mutations of bytes


def _damage(data: bytes, rng: random.Random, reach: int | None = None) -> bytes:
    """A few bytes changed, cut out, doubled, or put in; in the first ``reach`` alone."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(min(reach or len(result), len(result)) or 1)
        length = rng.choice((1, 2, 8, 100))
        kind = rng.randrange(5)
        if kind == 0:
            result[at : at + 1] = rng.randbytes(1)
        elif kind == 1:
            del result[at : at + length]
        elif kind == 2:
            result[at:at] = result[at : at + length]
        elif kind == 3:
            result[at:at] = rng.choice(HOSTILE)
        else:
            result[at : at + 8] = struct.pack("<q", rng.choice(NUMBERS))
    return bytes(result[: rng.randrange(len(result) + 1)] if rng.random() < 0.1 else result)


NUMBERS = (0, 1, -1, 2**31, 2**32 - 1, 2**62, -(2**63), 2**63 - 1)
NAMES = (
    ("os", "system"),
    ("builtins", "eval"),
    ("builtins", "list"),
    ("builtins", "dict"),
    ("builtins", "set"),
    ("builtins", "getattr"),
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch", "FloatStorage"),
    ("torch", "load"),
    ("functools", "partial"),
    ("copyreg", "_reconstructor"),
    ("_codecs", "encode"),
    ("lib.config", "Config"),
    ("lib.utils", "run"),
    ("argparse", "Namespace"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("torch.nn.modules.linear", "Linear"),
)
HOSTILE = tuple(pickles.name(*pair) for pair in NAMES)
SIMPLE = (
    b"N",
    b"K\x01",
    b"K\x00",
    b"\x88",
    b"]",
    b"}",
    b")",
    b"(",
    b"0",
    b"1",
    b"2",
    b"q\x00",
    b"h\x00",
    b"\x8f",
    b"C\x01a",
    b"G" + bytes(8),
    b"I1\n",
    b"L1L\n",
    b"S'a'\n",
)
ACTING = (
    b"R",
    b"\x81",
    b"\x92",
    b"b",
    b"s",
    b"u",
    b"a",
    b"e",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"l",
    b"d",
    b"o",
    b"Q",
    b"\x90",
    b"\x91",
    b"\x94",
    b"\x93",
    b"\x82\x01",
)


def _program(rng: random.Random) -> bytes:
    """Opcodes at random, more pushing than acting."""
    parts = [rng.choice((pickles.PROTO2, pickles.PROTO4, b""))]
    for _ in range(rng.randrange(2, 40)):
        kind = rng.random()
        if kind < 0.45:
            parts.append(rng.choice(SIMPLE))
        elif kind < 0.6:
            parts.append(rng.choice(HOSTILE))
        elif kind < 0.7:
            parts.append(pickles.text(rng.choice(("a", "net", "encoder.x", "os.system", "\x1b"))))
        elif kind < 0.75:
            parts.append(_tensor(rng))
        else:
            parts.append(rng.choice(ACTING))
    return b"".join(parts) + b"."


def _tensor(rng: random.Random) -> bytes:
    count = rng.choice((0, 1, 16, 17, 2**40))
    size = [rng.choice((0, 1, 4, 16, 2**33, -1)) for _ in range(rng.randrange(4))]
    stride = [rng.choice((0, 1, 4, 2**33, -1)) for _ in range(rng.choice((len(size), 1)))]
    offset = rng.choice((0, 1, 16, -1, 2**40))
    key = rng.choice(("0", "1", "../version"))
    return pickles.tensor(pickles.numbers(*size), pickles.numbers(*stride), offset, count, key)


def pickled_program(rng: random.Random) -> bytes:
    """A hostile pickle in an archive, a stream, or bare."""
    program = _program(rng)
    return rng.choice((pickles.archive(program), program, _stream()[:60] + program))


def pickled_network(rng: random.Random) -> bytes:
    """A network's archive whose pickle is damaged, its checksums right."""
    program, records = _records()
    return pickles.archive(_damage(program, rng), records)


def archive_bytes(rng: random.Random) -> bytes:
    """A network's archive with damaged bytes: in its directory, its pickle, or anywhere."""
    data = _zip()
    directory = data.rfind(b"PK\x05\x06") - 60_000
    if rng.random() < 0.5:
        return data[:directory] + _damage(data[directory:], rng)
    return _damage(data, rng, rng.choice((200, 100_000, len(data))))


def stream_bytes(rng: random.Random) -> bytes:
    """The format before torch 1.6, damaged."""
    return _damage(_stream(), rng, rng.choice((200, 100_000, len(_stream()))))


def tensors_bytes(rng: random.Random) -> bytes:
    """``.safetensors`` with damaged bytes."""
    return _damage(_tensors(), rng, rng.choice((10, 20_000, len(_tensors()))))


def tensors_header(rng: random.Random) -> bytes:
    """``.safetensors`` whose header lies: shapes, types, offsets, names, metadata."""
    data = _tensors()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    for _ in range(rng.choice((1, 1, 2, 5))):
        _lie(header, rng)
    text = json.dumps(header).encode()
    length = len(text) if rng.random() < 0.9 else rng.choice((0, 1, 2**20, 2**27, 2**62))
    return struct.pack("<Q", length) + text + data[8 + struct.unpack("<Q", data[:8])[0] :]


SETTINGS = (
    "[" * 5000,
    "{",
    "null",
    "[]",
    '{"search_factor": 1e400}',
    '{"search_factor": [[4]]}',
    '{"margin": ' + "9" * 400 + "}",
    '{"window": 2}',
    '{"update_every": "\\u001b"}',
    '{"margin": 3}',
    "\x00",
)


def _lie(header: dict[str, Any], rng: random.Random) -> None:
    key = rng.choice([name for name in header if name != "__metadata__"])
    entry, kind = header[key], rng.randrange(7)
    if kind == 0:
        entry["dtype"] = rng.choice(("F16", "BF16", "F64", "I64", "F8_E4M3", "U8", "BOOL", "X"))
    elif kind == 1:
        entry["shape"] = [rng.choice((0, 1, 8, 2**20, 2**62, -1)) for _ in range(rng.randrange(6))]
    elif kind == 2:
        entry["data_offsets"] = [
            rng.choice((0, 8, 2**20, 2**62)) for _ in range(rng.choice((1, 2)))
        ]
    elif kind == 3:
        header[rng.choice(("a", "\x1b[31m", "module." + key, "x" * 5000, ""))] = header.pop(key)
    elif kind == 4:
        del header[key]
    elif kind == 5:
        header["__metadata__"] = rng.choice(({"spiketrack": rng.choice(SETTINGS)}, 1, {"a": 1}, []))
    else:
        header[key] = rng.choice((None, [], entry | {"more": 1}, {**entry, "shape": [[1]]}))


KINDS: dict[str, Callable[[int, Path], str]] = {
    make.__name__: _fuzzer(make)
    for make in (
        pickled_program,
        pickled_network,
        archive_bytes,
        stream_bytes,
        tensors_bytes,
        tensors_header,
    )
}
