"""Nothing is executed, imported, read out of bounds or built without end, whatever a file asks."""

from __future__ import annotations

import copyreg
import functools
import io
import os
import pickle
import struct
import sys
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.checkpoints import State, message, same, small_state

from spiketrack.reference.pickled_values import Inert
from spiketrack.reference.unpickling import Unpickler


@pytest.fixture
def state() -> State:
    return small_state()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pth.tar"


CANARY = "SPIKETRACK_EXECUTED"


@pytest.fixture(autouse=True)
def _canary(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails when anything in a file managed to run Python code."""
    monkeypatch.delenv(CANARY, raising=False)
    modules = set(sys.modules)
    yield
    assert CANARY not in os.environ
    assert not {"antigravity", "this", "turtle"} & (set(sys.modules) - modules)


CODE = f"__import__('os').environ.__setitem__('{CANARY}', '1')"


class Call:
    """Pickles as a call of ``function(*arguments)``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _call(module: str, name: str, *arguments: str) -> bytes:
    """A protocol 0 program that calls module.name with strings."""
    pushed = b"".join(b"V" + a.encode("raw_unicode_escape") + b"\n" for a in arguments)
    return _global(module, name) + b"(" + pushed + b"tR."


ATTACKS: dict[str, tuple[bytes, str]] = {
    "system": (_call("os", "system", "true"), "os.system"),
    "posix": (_call("posix", "system", "true"), "posix.system"),
    "eval": (_call("builtins", "eval", CODE), "builtins.eval"),
    "old eval": (_call("__builtin__", "eval", CODE), "__builtin__.eval"),
    "exec": (_call("builtins", "exec", CODE), "builtins.exec"),
    "getattr": (_call("builtins", "getattr", "a", "b"), "builtins.getattr"),
    "import": (_call("builtins", "__import__", "antigravity"), "builtins.__import__"),
    "open": (_call("builtins", "open", "x", "w"), "builtins.open"),
    "type": (_call("builtins", "type", "x"), "builtins.type"),
    "partial": (_call("functools", "partial", "x"), "functools.partial"),
    "subprocess": (_call("subprocess", "Popen", "true"), "subprocess.Popen"),
    "import by name": (_global("antigravity", "geohash") + b".", "antigravity.geohash"),
    "torch storage": (
        _call("torch.storage", "_load_from_bytes", "x"),
        "torch.storage._load_from_bytes",
    ),
    "torch load": (_call("torch", "load", "x"), "torch.load"),
    "torch hub": (_call("torch.hub", "load", "x"), "torch.hub.load"),
    "torch script": (_global("torch.jit", "ScriptModule") + b".", "torch.jit.ScriptModule"),
    "typed rebuild": (
        _global("torch._tensor", "_rebuild_from_type_v2")
        + b"("
        + _global("os", "system")
        + b"NV1\nNtR.",
        "os.system",
    ),
    "numpy load": (_call("numpy", "load", "x"), "numpy.load"),
    "numpy f2py": (_global("numpy.testing._private.utils", "runstring") + b".", "runstring"),
    "process of a library": (_call("psutil", "Popen", "true"), "psutil.Popen"),
    "function of a library": (_call("requests.api", "get", "x"), "calls requests.api.get"),
    "function of a trainer": (_call("lib.utils", "download", "x"), "calls lib.utils.download"),
    "method of a class": (
        b"(" + _global("builtins", "getattr") + b"(" + _global("lib", "Box") + b"Vopen\ntR(tR.",
        "calls lib.Box",
    ),
    "special attribute": (
        _global("builtins", "getattr") + b"(" + _global("lib", "Box") + b"V__init__\ntR.",
        "builtins.getattr",
    ),
    "module inside a module": (b"\x80\x04\x8c\x03lib\x8c\x09os.system\x93.", "lib.os.system"),
    "own package": (_global("spiketrack.files", "atomic_folder") + b".", "atomic_folder"),
    "copyreg": (_call("copyreg", "add_extension", "a"), "copyreg.add_extension"),
    "operator": (_call("operator", "attrgetter", "a"), "operator.attrgetter"),
    "itemgetter": (_call("_operator", "itemgetter", "a"), "_operator.itemgetter"),
    "inst opcode": (b"(V" + CODE.encode() + b"\nibuiltins\neval\n.", "builtins.eval"),
    "obj opcode": (b"(" + _global("builtins", "eval") + b"V1\no.", "builtins.eval"),
    "stack global": (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
    "dotted name": (b"\x80\x04\x8c\x08builtins\x8c\x0ddict.__init__\x93.", "dict.__init__"),
    "dotted allowed": (
        b"\x80\x04\x8c\x0bcollections\x8c\x1aOrderedDict.__reduce__.__x\x93.",
        "OrderedDict.__red",
    ),
    "newline in a name": (b"\x80\x04\x8c\x05os\n\x1bx\x8c\x06sys\ntm\x93.", "refused"),
    "newobj": (b"\x80\x02" + _global("subprocess", "Popen") + b")\x81.", "subprocess.Popen"),
    "extension": (b"\x80\x02\x82\x01.", "uses pickle extension 1"),
    "call of a storage type": (_call("torch", "FloatStorage", "9"), "calls a StorageType"),
    "call of a string": (b"V1\n(tR.", "calls a str"),
    "other codec": (_call("_codecs", "encode", "x", "rot13"), "another codec than latin1"),
    "codec lookup": (_call("_codecs", "lookup", "x"), "_codecs.lookup"),
}


def _zipped(path: Path, program: bytes) -> None:
    """A torch zip archive whose pickle is ``program``."""
    buffer = io.BytesIO()
    torch.save({}, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            is_pickle = entry.filename.endswith("data.pkl")
            target.writestr(entry.filename, program if is_pickle else source.read(entry))


@pytest.mark.parametrize("name", ["a.pth.tar", "a.safetensors"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_refused_names_are_named_and_never_called(attack: str, name: str, tmp_path: Path) -> None:
    program, complaint = ATTACKS[attack]
    for write in (lambda p: p.write_bytes(program), lambda p: _zipped(p, program)):
        write(tmp_path / name)
        text = message(tmp_path / name)
        assert complaint in text
        assert "refuse" in text


@pytest.mark.parametrize(
    "trap",
    [
        Call(os.system, "true"),
        Call(eval, CODE),
        Call(functools.partial(eval, CODE)),
        Call(copyreg._reconstructor, functools.partial, object, None),  # type: ignore[attr-defined]
        np.array([Call(eval, CODE)], object),
        {Call(eval, CODE): 1},
    ],
    ids=lambda trap: type(trap).__name__,
)
@pytest.mark.parametrize("protocol", [1, 2, 4])
def test_traps_beside_weights(trap: Any, protocol: int, path: Path) -> None:
    for legacy in (False, True):
        torch.save(
            {"net": {"w": torch.zeros(3)}, "stats": trap},
            path,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=not legacy,
        )
        assert "refused: the file names " in message(path)


def test_bytes_of_a_numpy_scalar_are_not_unpickled(state: State, path: Path) -> None:
    inner = pickle.dumps(Call(eval, CODE))
    trap = Call(type(np.float64(0)).__reduce__(np.float64(0))[0], np.dtype(object), inner)
    torch.save({"net": state, "stats": trap}, path)
    assert same(path, state)


def test_unknown_classes_stay_inert(state: State, path: Path) -> None:
    """Whatever a pickle does with them: call, build, set items, append, add, use as keys."""
    unknown = _global("lib.train.stats", "Meter")
    for program in (
        unknown + b".",
        unknown + b"(I1\nV2\ntR.",
        b"\x80\x02" + unknown + b")\x81}q\x00(X\x01\x00\x00\x00aK\x01ub.",
        b"\x80\x02" + unknown + b")R(K\x01K\x02e.",
        b"\x80\x02" + unknown + b")RK\x01K\x02s.",
        b"\x80\x04" + unknown + b")R(K\x01\x90.",
        b"\x80\x04" + unknown + b")}\x92.",
        b"(" + unknown + b"I1\no.",
        b"(I1\nilib.train\nMeter\n.",
        b"\x80\x02}" + unknown + b")RK\x01s.",
    ):
        loaded = Unpickler(io.BytesIO(program), len(program)).load()
        assert type(loaded) in (Inert, dict)
    assert not any(name.startswith("lib.train") for name in sys.modules if "settings" not in name)


@pytest.mark.parametrize("module", ["torch", "builtins", "collections"])
def test_state_of_a_name_is_not_set(module: str) -> None:
    """BUILD with slots sets attributes of classes in Python's own unpickler."""
    name = {"torch": "FloatStorage", "builtins": "dict", "collections": "OrderedDict"}[module]
    program = b"\x80\x02" + _global(module, name) + b"N}X\x06\x00\x00\x00canaryK\x01s\x86b."
    Unpickler(io.BytesIO(program), len(program)).load()
    owner = sys.modules[module]
    assert not hasattr(getattr(owner, name), "canary")


def test_attributes_of_containers_cannot_shadow_methods() -> None:
    program = (
        b"\x80\x02" + _global("collections", "OrderedDict") + b")R}(X\x05\x00\x00\x00itemsK\x01ub."
    )
    loaded = Unpickler(io.BytesIO(program), len(program)).load()
    assert isinstance(loaded, OrderedDict)
    assert not loaded.items()


class Lying:
    """Pickles as a tensor of a storage with other sizes than it has."""

    def __init__(self, size: Any, stride: Any, offset: int = 0) -> None:
        hooks: dict[str, Any] = OrderedDict()
        self.arguments = (offset, size, stride, False, hooks)

    def __reduce__(self) -> Any:
        storage = torch.arange(4.0).storage()  # type: ignore[no-untyped-call]
        return torch._utils._rebuild_tensor_v2, (storage, *self.arguments)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "stream"])
@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((5,), (1,), 0),
        ((2,), (4,), 0),
        ((4,), (1,), 1),
        ((1,), (1,), -1),
        ((2,), (-1,), 3),
        ((10**12,), (0,), 0),
        ((2**62, 2**62), (1, 1), 0),
        ((-1,), (1,), 0),
        ("ab", (1,), 0),
    ],
)
def test_tensors_stay_inside_their_storage(
    size: Any, stride: Any, offset: int, legacy: bool, path: Path
) -> None:
    content = {"encoder": Lying(size, stride, offset)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    message(path)


def test_storage_that_claims_more_than_its_record(path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(4)}, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            target.writestr(entry.filename, data[:-4] if "/data/" in entry.filename else data)
    assert "a storage of 12 bytes that should hold 4 elements" in message(path)


def test_stream_storage_that_claims_more_than_the_file(path: Path) -> None:
    torch.save({"w": torch.zeros(77)}, path, _use_new_zipfile_serialization=False)
    for claimed in (b"\x8a\x06" + struct.pack("<Q", 10**12)[:6], b"K\x4e"):
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"K\x4dN", claimed + b"N", 1))
        message(path)
        path.write_bytes(whole)


def test_torchscript_is_refused(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, and still in use
        script = torch.jit.script(torch.nn.Linear(2, 2))
        torch.jit.save(script, path)  # type: ignore[no-untyped-call]
    assert "a TorchScript program, which contains code; save a state dict" in message(path)


def test_other_archives_are_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    assert "a zip archive, but not one of torch.save" in message(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}." + bytes(10**6))
    assert "compressed records" in message(path)
