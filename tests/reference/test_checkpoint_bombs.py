"""Small files that would hang, crash or fill the memory: each ends at once with one line."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
import safetensors.torch
import torch
from support.checkpoints import State, message, small_state
from support.pickles import (
    PROTO2,
    PROTO4,
    archive,
    group,
    name,
    number,
    numbers,
    state,
    storage,
    tensor,
    text,
)
from torch import Tensor

from spiketrack.reference.checkpoint import read_checkpoint

pytestmark = pytest.mark.timeout(120)  # a hang, not a slow machine
TENSOR = tensor(numbers(2, 2), numbers(2, 1))
MILLION = 10**6


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pth"


def _doubled_sets() -> bytes:
    program = PROTO4 + b"}(\x91q\x00" + b"0(h\x00h\x00\x85\x91q\x00" * 36
    return program + TENSOR + b"s."


DOUBLED = b"(lq\x050" + b"(h\x05h\x05lq\x050" * 40 + b"h\x05"  # a list of 2^40 lists
LEGACY = b"".join(
    pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
)
LONG = b"a" * 5 * MILLION
HUGE = b"\x8b" + struct.pack("<I", 10**5) + b"\x01" * 10**5  # a number of 240,000 digits


def _copies(program: bytes, *maker: str) -> bytes:
    """One large value, copied four hundred times by a maker."""
    return PROTO2 + program + b"q\x01(" + (name(*maker) + b"h\x01\x85R") * 400 + b"l."


A_NESTED_KEY = "a nested container as a dictionary's key or in a set"
MORE = "a pickle that builds more than it holds"
BOMBS = {
    "deep key": (PROTO2 + b"})" + b"\x85" * MILLION + b"Ns.", A_NESTED_KEY),
    "deep key in an archive": (
        archive(PROTO2 + b"})" + b"\x85" * MILLION + TENSOR + b"s."),
        A_NESTED_KEY,
    ),
    "deep member of a set": (PROTO4 + b"\x8f()" + b"\x85" * MILLION + b"\x90.", A_NESTED_KEY),
    "deep key of a maker": (
        PROTO2 + name("collections", "OrderedDict") + b"()" + b"\x85" * MILLION + b"N\x86t\x85R.",
        A_NESTED_KEY,
    ),
    "doubled key": (archive(PROTO2 + b"})" + b"2\x86" * 40 + TENSOR + b"s."), A_NESTED_KEY),
    "doubled sets": (archive(_doubled_sets()), A_NESTED_KEY),
    "doubled count": (
        archive(PROTO2 + DOUBLED + storage(b"h\x05") + b"."),
        "a storage of an unknown type",
    ),
    "doubled keys of a stream": (
        LEGACY + PROTO2 + b"}." + PROTO2 + DOUBLED + b".",
        "a stream that does not hold the storages that it names",
    ),
    "doubled value": (
        archive(PROTO2 + DOUBLED + b"}" + text("net") + b"h\x05s."),
        "holds no tensors",
    ),
    "deep value": (
        archive(PROTO2 + b"}" + text("net") + b")" + b"\x85" * MILLION + b"s."),
        "holds no tensors",
    ),
    "deep arguments": (
        archive(PROTO2 + b"N" + (b"\x85q\x01" + name("lib", "X") + b"h\x01R") * 10**5 + b"."),
        "holds a lib.X, not a state dict",
    ),
    "nested marks": (archive(PROTO4 + b"(" * MILLION), "more than 1,000 nested containers"),
    "huge count": (archive(PROTO2 + storage(HUGE) + b"."), "should hold more elements"),
    "huge key": (archive(PROTO2 + b"}" + HUGE + b"}s."), "holds no tensors"),
    "operations": (PROTO2 + b"N0" * 3 * MILLION + b".", "more than 2,000,000 operations"),
    "copies of a string": (
        archive(_copies(b"X" + struct.pack("<I", len(LONG)) + LONG, "_codecs", "encode")),
        MORE,
    ),
    "list of a string": (
        archive(_copies(b"X" + struct.pack("<I", len(LONG)) + LONG, "builtins", "list")),
        "makes a container from a str",
    ),
    "copies of a list": (archive(_copies(b"](" + b"N" * MILLION + b"e", "builtins", "list")), MORE),
    "copies of arguments": (
        archive(
            PROTO2
            + b"("
            + b"N" * MILLION
            + b"tq\x01("
            + (name("lib", "X") + b"h\x01R") * 400
            + b"l."
        ),
        MORE,
    ),
    "frame": (PROTO4 + b"\x95" + struct.pack("<Q", 2**62) + b"N.", "not one of torch.save"),
    "long text": (PROTO4 + b"\x8d" + struct.pack("<Q", 2**62) + b"N.", "corrupt, truncated"),
    "elements": (
        archive(state(("a", tensor(numbers(2**32, 2**32), numbers(0, 0))))),
        "a tensor that is larger than its storage",
    ),
    "axes": (
        archive(state(("a", tensor(numbers(*[1] * 5000), numbers(*[1] * 5000))))),
        "a tensor without sizes",
    ),
    "tensor with items": (
        archive(PROTO2 + TENSOR + group(*[b"N"] * 60) + number(1) + b"s."),
        "sets items of a Tensor",
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.slow
def test_bombs_end_with_one_line(bomb: str, path: Path) -> None:
    content, complaint = BOMBS[bomb]
    path.write_bytes(content)
    assert complaint in message(path)


def _nested_records(count: int, size: int) -> bytes:
    """A zip archive whose stored records all end with the same bytes."""
    data, output, directory = bytes(size), io.BytesIO(), b""
    fields = (20, 0, 0, 0, 0, zlib.crc32(data), size, size)
    length = 30 + len(f"archive/data/{0:05d}")
    for index in range(count):
        label = f"archive/data/{index:05d}".encode()
        skipped = (count - 1 - index) * length
        directory += struct.pack("<4sH", b"PK\x01\x02", 20) + struct.pack("<HHHHHIII", *fields)
        directory += struct.pack("<HHHHHII", len(label), 0, 0, 0, 0, 0, output.tell()) + label
        output.write(b"PK\x03\x04" + struct.pack("<HHHHHIII", *fields))
        output.write(struct.pack("<HH", len(label), skipped) + label)
    output.write(data)
    with zipfile.ZipFile(output, "a") as target:
        target.writestr("archive/data.pkl", PROTO2 + b"}.")
    whole = bytearray(output.getvalue())
    end = whole.rfind(b"PK\x05\x06")
    entries, _, kept, start = struct.unpack("<HHII", whole[end + 8 : end + 20])
    whole[end:end] = directory
    total = entries + count
    struct.pack_into(
        "<HHII", whole, end + len(directory) + 8, total, total, kept + len(directory), start
    )
    return bytes(whole)


def test_records_of_an_archive_that_overlap(path: Path) -> None:
    path.write_bytes(_nested_records(600, 10_000))
    with zipfile.ZipFile(path) as archived:
        with contextlib.suppress(zipfile.BadZipFile):  # newer Pythons look for it themselves
            assert len(archived.read("archive/data/00000")) == 10_000
        assert sum(entry.file_size for entry in archived.infolist()) > 50 * path.stat().st_size
    assert "records that overlap" in message(path)


def test_two_records_of_one_name(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("archive/data.pkl", PROTO2 + b"}.")
        with pytest.warns(UserWarning, match="Duplicate name"):
            target.writestr("archive/data.pkl", PROTO2 + b"}.")
    assert message(path)


# sizes that a file claims


def test_a_stream_that_lists_no_storages_leaves_no_uninitialised_memory(path: Path) -> None:
    torch.save({"net": small_state()}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    listed = whole.rfind(b"\x80\x02]", 0, whole.rfind(b"e."))
    path.write_bytes(whole[:listed] + pickle.dumps([], 2) + whole[whole.rfind(b"e.") + 2 :])
    assert "a stream that does not hold the storages that it names" in message(path)


def test_a_stream_that_fills_one_storage_twice(path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    listed = whole.rfind(b"\x80\x02]")
    keys = pickle.loads(whole[listed:])
    again = pickle.dumps(keys * 2, 2) + whole[listed + len(pickle.dumps(keys, 2)) :]
    path.write_bytes(whole[:listed] + again)
    assert "a stream that does not hold the storages that it names" in message(path)


def test_many_tensors_of_one_storage(path: Path) -> None:
    """Views cost nothing, their copies in float32 would."""
    shared = torch.zeros(10**6, dtype=torch.float16).view(1000, 1000)
    torch.save({"net": dict.fromkeys(small_state(), shared)}, path)
    assert "elements in tensors, more than a file of" in message(path)


def _blocks(state: State, count: int, tail: str) -> State:
    return state | {f"encoder.block3.{i + 1}.{tail}": torch.zeros(1) for i in range(count)}


@pytest.mark.parametrize("count", [2_000, 20_000])
@pytest.mark.slow
def test_surplus_keys_are_compared_before_a_network_is_built(
    count: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = _built_blocks(monkeypatch)
    safetensors.torch.save_file(_blocks(small_state(), count, "a"), path)
    assert f"{count} keys surplus: encoder.block3.1.a, encoder.block3.10.a" in message(path)
    safetensors.torch.save_file(_blocks(small_state(), count, "attn.q_spike.decay"), path)
    assert f"{count} keys misshapen: encoder.block3.1.attn" in message(path)
    assert max(built) <= 4


def _built_blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many transformer blocks each network that is built has."""
    from spiketrack.reference import state_dicts
    from spiketrack.reference.model import SpikeTrack

    state_dicts._template.cache_clear()
    built: list[int] = []

    def build(config: object) -> SpikeTrack:
        model = SpikeTrack(config)  # type: ignore[arg-type]
        built.append(len(model.encoder.block3) + len(model.encoder.block4))
        return model

    monkeypatch.setattr(state_dicts, "SpikeTrack", build)
    return built


def test_expected_keys_are_those_of_the_network(path: Path) -> None:
    """Repeating one block gives the keys, shapes and order of the network itself."""
    from spiketrack.config import NetworkConfig
    from spiketrack.reference.model import SpikeTrack

    config = NetworkConfig((8, 16, 24, 32), 2, 2, 8, (3, 0, 2, 1), 4, 0)
    torch.save(SpikeTrack(config).state_dict(), path)
    read = read_checkpoint(path)
    assert read.network == config
    names = [k for k in SpikeTrack(config).state_dict() if not k.endswith("num_batches_tracked")]
    assert list(read.state) == names


@pytest.mark.parametrize(
    ("key", "tensor", "complaint"),
    [
        (
            "encoder.downsample4.encode_conv.weight",
            torch.zeros(800_000, 1, 1, 1),
            "E3 = 800000 is no multiple of 8 up to 16,384",
        ),
        (
            "encoder.downsample4.encode_conv.weight",
            torch.zeros(2**40, 0, 1, 1),
            "E3 = 1099511627776 is no multiple of 8 up to 16,384",
        ),
        (
            "encoder.mrm.0.retriever.s_pos_embed",
            torch.zeros(1, 0, 2**60),
            "1152921504606846976 positions are no square grid",
        ),
    ],
)
def test_sizes_that_no_network_has(key: str, tensor: Tensor, complaint: str, path: Path) -> None:
    safetensors.torch.save_file(small_state() | {key: tensor}, path)
    assert complaint in message(path)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ("[" * 100_000, "unreadable tracker settings"),
        ('{"search_factor": ' + "[" * 500 + "]" * 500 + "}", "search_factor = a list, not 0.001"),
        ('{"search_factor": {}}', "tracker setting search_factor = a dict, not 0.001 to 100"),
        ('{"search_factor": ' + "9" * 400 + "}", "search_factor = a number of more than 40 digits"),
        ('{"margin": ' + "9" * 400 + "}", "margin = a number of more than 40 digits"),
        ('{"margin": ' + "9" * 5000 + "}", "unreadable tracker settings"),
        ('{"update_every": 1e400}', "tracker setting update_every = Infinity"),
        ('{"template_factor": 1e300}', "tracker setting template_factor = 1e+300, not 0.001 to"),
        ('{"update_every": "' + "\\u001b" * 10**5 + '"}', "(600,002 characters)"),
    ],
)
def test_settings_without_end(settings: str, complaint: str, path: Path) -> None:
    safetensors.torch.save_file(small_state(), path, {"spiketrack": settings})
    assert complaint in message(path)
