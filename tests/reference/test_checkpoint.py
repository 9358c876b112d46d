"""Checkpoints of every kind load by one path; nothing in a file is ever executed."""

from __future__ import annotations

import contextlib
import json
import struct
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from support.checkpoints import SMALL, State, message, same, small_model, small_state
from torch import nn

from spiketrack import load_checkpoint
from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.errors import CheckpointError
from spiketrack.reference.checkpoint import derive_config, read_checkpoint, save_checkpoint
from spiketrack.reference.model import SpikeTrack

VARIANTS = {
    "spiketrack_s256_t1": ((32, 64, 128, 192), 16, 1, 192),
    "spiketrack_s256_t3": ((32, 64, 128, 192), 16, 3, 192),
    "spiketrack_b256_t1": ((64, 128, 256, 360), 16, 1, 256),
    "spiketrack_b256_t3": ((64, 128, 256, 360), 16, 3, 256),
    "spiketrack_b384_t1": ((64, 128, 256, 360), 24, 1, 256),
    "spiketrack_b384_t3": ((64, 128, 256, 360), 24, 3, 256),
}


@pytest.fixture
def model() -> SpikeTrack:
    return small_model()


@pytest.fixture
def state() -> State:
    return small_state()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pth.tar"


# what loads


@pytest.mark.parametrize("variant", VARIANTS)
def test_sizes_of_every_published_variant(variant: str, shared_data: Path) -> None:
    manifest = json.loads((shared_data / "golden" / f"{variant}.json").read_text())["manifest"]
    with torch.device("meta"):
        shapes = {key: torch.empty(shape) for key, shape in manifest.items()}
        config = derive_config(shapes)
        model = SpikeTrack(config)
    assert (config.embed_dims, config.grid, config.templates, config.head_channels) == VARIANTS[
        variant
    ]
    assert config.variant == variant
    expected = {k: list(v.shape) for k, v in model.state_dict().items()}
    counters = {k for k in expected if k.endswith("num_batches_tracked")}
    assert {k: v for k, v in expected.items() if k in manifest} == manifest
    assert set(expected) - set(manifest) <= counters


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig((8, 16, 24, 32), 3, 2, 8),
        NetworkConfig((16, 16, 16, 16), 2, 1, 16, (2, 0, 1, 3), 4, 1),
    ],
)
def test_any_other_size(config: NetworkConfig, path: Path) -> None:
    model = SpikeTrack(config)
    torch.save({"net": model.state_dict()}, path)
    checkpoint = read_checkpoint(path)
    assert checkpoint.network == config
    assert checkpoint.network.variant == "custom"
    assert checkpoint.tracker == TrackerConfig()


def test_load_gives_an_evaluating_model(state: State, path: Path) -> None:
    torch.save({"net": state}, path)
    model = load_checkpoint(path)
    assert model.config == SMALL
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


@pytest.mark.slow
def test_trainers_extras_load_where_its_package_is_absent(
    synthetic: Callable[..., Path],
) -> None:
    plain, extras = (synthetic("spiketrack_s256_t1", extras=e) for e in (False, True))
    assert b"lib.train.admin.settings" in extras.read_bytes()
    with pytest.raises(ModuleNotFoundError):
        torch.load(extras, weights_only=False)
    a, b = read_checkpoint(plain), read_checkpoint(extras)
    assert a.network == b.network
    assert a.sha256 != b.sha256
    assert all(torch.equal(a.state[key], b.state[key]) for key in a.state)
    assert "lib.train.admin.settings" not in sys.modules


def _wrap(kind: str, state: State) -> Any:
    return state if kind == "bare" else {kind: state, "epoch": 3}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "stream"])
@pytest.mark.parametrize("kind", ["bare", "net", "state_dict", "model"])
def test_containers(kind: str, legacy: bool, state: State, path: Path) -> None:
    new = not legacy
    torch.save(_wrap(kind, OrderedDict(state)), path, _use_new_zipfile_serialization=new)
    assert same(path, state)


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "stream"])
def test_pickle_protocols(protocol: int, legacy: bool, state: State, path: Path) -> None:
    new = not legacy
    torch.save({"net": state}, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    assert same(path, state)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.bin", "a"])
def test_content_tells_the_kind_of_a_file(name: str, state: State, tmp_path: Path) -> None:
    safetensors.torch.save_file(state, tmp_path / name)
    assert same(tmp_path / name, state)
    torch.save(state, tmp_path / name)
    assert same(tmp_path / name, state)


def test_views_parameters_half_and_bfloat16(state: State, path: Path) -> None:
    keys = list(state)
    flat = torch.cat([state[keys[0]].flatten(), torch.zeros(7)])
    changed: State = dict(state)
    changed[keys[0]] = flat[: state[keys[0]].numel()].view_as(state[keys[0]])
    changed[keys[1]] = torch.nn.Parameter(state[keys[1]])
    transposed = state[keys[2]].transpose(0, -1).contiguous().transpose(0, -1)
    changed[keys[2]] = transposed
    changed[keys[3]] = state[keys[3]].half()
    changed[keys[4]] = state[keys[4]].bfloat16()
    torch.save({"net": changed}, path)
    assert same(path, changed)


def test_harmless_extras_of_the_standard_library_numpy_and_torch(state: State, path: Path) -> None:
    extras = {
        "numbers": [1, 2.5, True, None, 10**40, b"bytes", bytearray(b"x"), 1j, slice(1, 2)],
        "sets": {1, 2},
        "frozen": frozenset({3}),
        "tuple": (1, (2,)),
        "counter": Counter("abba"),
        "default": defaultdict(list, {"a": [1]}),
        "numpy": [np.float64(1.5), np.arange(5)],
        "objects": np.array([{"a": 1}], object),
        "dtype": torch.float16,
        "size": torch.Size([1]),
        "device": torch.device("cpu"),
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}},
    }
    torch.save({"net": state, **extras}, path)
    assert same(path, state)


# settings that shapes cannot tell


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth.tar"])
@pytest.mark.parametrize("half", [False, True])
def test_round_trip_with_tracker_settings(
    name: str, half: bool, model: SpikeTrack, tmp_path: Path
) -> None:
    state = model.state_dict()
    tracker = TrackerConfig(search_factor=4.5, template_factor=2.0, update_every=7)
    save_checkpoint(tmp_path / name, model, tracker, {"origin": "test"}, half)
    found = read_checkpoint(tmp_path / name)
    assert found.tracker == tracker
    assert found.metadata["origin"] == "test"
    assert found.network == model.config
    for key, value in found.state.items():
        assert torch.equal(value, state[key].half().float() if half else state[key])
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth.tar"])
def test_same_model_gives_the_same_bytes(name: str, model: SpikeTrack, tmp_path: Path) -> None:
    written = []
    for _ in range(3):
        save_checkpoint(tmp_path / name, model, TrackerConfig())
        written.append((tmp_path / name).read_bytes())
    assert len(set(written)) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("no json", "unreadable tracker settings"),
        ("[1]", "unreadable tracker settings"),
        ("null", "unreadable tracker settings"),
        ('{"update_every": 0}', "tracker setting update_every = 0"),
        ('{"update_every": 2.5}', "tracker setting update_every = 2.5"),
        ('{"search_factor": "4"}', 'tracker setting search_factor = "4"'),
        ('{"template_factor": NaN}', "tracker setting template_factor = NaN"),
        ('{"search_factor": Infinity}', "tracker setting search_factor = Infinity"),
        ('{"search_factor": true}', "tracker setting search_factor = true"),
        ('{"window": 1}', "tracker setting window = 1"),
        ('{"margin": -1}', "tracker setting margin = -1"),
        ('{"of_a_later_version": 1}', None),
    ],
)
def test_tracker_settings_are_checked(
    text: str, complaint: str | None, state: State, path: Path
) -> None:
    safetensors.torch.save_file(state, path, {"spiketrack": text})
    if complaint is None:
        assert read_checkpoint(path).tracker == TrackerConfig()
    else:
        assert complaint in message(path)


def test_writing_is_atomic(model: SpikeTrack, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(path, model, TrackerConfig())
    before = path.read_bytes()

    def full(*ignored: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, model, TrackerConfig())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_half_precision_refuses_what_it_cannot_hold(path: Path) -> None:
    model = SpikeTrack(SMALL)
    nn.init.constant_(model.encoder.downsample1_1.encode_bn.weight, 1e6)
    with pytest.raises(CheckpointError, match=r"1 key not finite in fp16: encoder\.downsample1_1"):
        save_checkpoint(path, model, TrackerConfig(), half=True)
    assert not path.exists()


# what is wrong with keys and values is named


def _saved(path: Path, state: State) -> str:
    torch.save({"net": state}, path)
    return message(path)


def test_missing_and_surplus_keys_are_named_together(state: State, path: Path) -> None:
    keys = [k for k in state if k.startswith("encoder.block4.0.attn.q_conv") and "num" not in k]
    changed = {k: v for k, v in state.items() if k not in keys} | {"extra.w": torch.zeros(1)}
    text = _saved(path, changed)
    assert f"5 keys missing: {', '.join(sorted(keys)[:4])} and 1 more" in text
    assert "1 key surplus: extra.w" in text


def test_key_that_tells_a_size_is_named(state: State, path: Path) -> None:
    key = "encoder.downsample2.encode_conv.weight"
    text = _saved(path, {k: v for k, v in state.items() if k != key})
    assert f"1 key missing: {key}" in text
    text = _saved(path, state | {key: torch.zeros(3)})
    assert f"{key} has shape [3], expected 4 axes" in text


def test_foreign_state_dict(path: Path) -> None:
    text = _saved(path, {"conv.weight": torch.zeros(2, 2)})
    assert "its one key is none of SpikeTrack's (conv.weight): looks like another network" in text


def test_misshapen_keys_are_named_with_both_shapes(state: State, path: Path) -> None:
    key = "decoder.conv5_size.bias"
    assert f"1 key misshapen: {key} [3] instead of [2]" in _saved(
        path, state | {key: torch.zeros(3)}
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite(value: float, state: State, path: Path) -> None:
    key = "decoder.conv5_size.weight"
    tensor = state[key].clone()
    tensor.view(-1)[1] = value
    assert f"1 key not finite: {key}" in _saved(path, state | {key: tensor})


def test_negative_variance_integers_and_complex_numbers(state: State, path: Path) -> None:
    key = "encoder.downsample4.encode_bn.running_var"
    assert f"1 key negative: {key}" in _saved(path, state | {key: state[key] - 100})
    assert f"1 key not floating-point: {key}" in _saved(path, state | {key: state[key].long()})
    assert f"1 key not floating-point: {key}" in _saved_complex(path, state, key)


def _saved_complex(path: Path, state: State, key: str) -> str:
    # pickles have no complex storages on the allow-list; safetensors refuses them on its own
    raw = safetensors.torch.save(state | {key: state[key].long()})
    path.write_bytes(raw)
    return message(path)


def test_index_beyond_all_others_does_not_build_a_giant(state: State, path: Path) -> None:
    text = _saved(path, state | {"encoder.block3.99999999.x": torch.zeros(1)})
    assert "surplus: encoder.block3.99999999.x" in text


@pytest.mark.parametrize(
    ("key", "shape", "complaint"),
    [
        ("encoder.mrm.0.retriever.s_pos_embed", (1, 8, 15), "15 positions are no square grid"),
        ("encoder.mrm.0.retriever.s_pos_embed", (1, 8, 1), "1 positions are no square grid"),
        ("encoder.mrm.0.retriever.s_pos_embed", (1, 8, 0), "0 positions are no square grid"),
        ("encoder.downsample1_2.encode_conv.weight", (0, 4, 3, 3), "E0 = 0 is no multiple of 8"),
        ("encoder.downsample4.encode_conv.weight", (20, 8, 3, 3), "E3 = 20 is no multiple of 8"),
        ("decoder.conv1_ctr.0.weight", (4, 8, 3, 3), "head channels = 4 is no multiple of 8"),
    ],
)
def test_impossible_sizes(
    key: str, shape: tuple[int, ...], complaint: str, state: State, path: Path
) -> None:
    assert complaint in _saved(path, state | {key: torch.zeros(shape)})


def test_number_of_templates(state: State, path: Path) -> None:
    changed = dict(state)
    for key in state:
        if ".seg_responder_dw.0." in key:
            changed[key.replace("dw.0", "dw.3")] = state[key]
    assert "T = 4 templates; supported are 1 to 3" in _saved(path, changed)


def test_keys_with_control_characters_stay_on_one_line(state: State, path: Path) -> None:
    text = _saved(path, state | {"evil\n\x1b[31m" + "x" * 5000: torch.zeros(1)})
    assert r"evil\n\x1b[31mxxx" in text


# files that are no checkpoints


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "stream"])
def test_truncated_files(name: str, legacy: bool, state: State, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("safetensors"):
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    for share in (0.0001, 0.01, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        message(path)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "stream"])
def test_corrupt_files_fail_in_one_line_or_load(legacy: bool, state: State, path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(12):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 20):
            damaged[at] ^= int(rng.integers(1, 256))
        for at in rng.integers(0, 40_000, 10):
            damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with contextlib.suppress(CheckpointError):  # and nothing else
            read_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"hello world, this is text\n",
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        bytes(4096),
        b"\x89HDF\r\n\x1a\n" + bytes(500),
        b"PK\x03\x04" + bytes(100),
        b"\x80\x02.",
        b"\x80\x05N.",
        struct.pack("<Q", 20) + b"{not json at all...}",
        struct.pack("<Q", 2**27) + b"{}",
        b"\x8e" + struct.pack("<Q", 2**62),
        b"\x80\x04\x95" + struct.pack("<Q", 2**63),
        b"\x80\x05\x96" + struct.pack("<Q", 2**44),
        b"\x80\x05\x96" + struct.pack("<Q", 2**63),
        b"I" + b"9" * 4000 + b"\n.",
        b"(" * 100_000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_foreign_files(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    text = message(path)
    assert ("an empty file" in text) == (not content)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (torch.zeros(3), "holds a Tensor, not a state dict"),
        ([1, 2], "holds a list, not a state dict"),
        ({"epoch": 3}, "holds no tensors; expected keys encoder.* and decoder.*"),
        ({"net": {}}, "holds no tensors"),
    ],
)
def test_torch_files_of_other_things(content: Any, complaint: str, path: Path) -> None:
    torch.save(content, path)
    assert complaint in message(path)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    cases = {
        tmp_path / "absent.pth": "no such file",
        tmp_path: "a folder",
        Path("/dev/null"): "no regular file",
        tmp_path / ("x" * 5000): "File name too long",
    }
    for path, complaint in cases.items():
        with pytest.raises(CheckpointError, match=complaint):
            load_checkpoint(path)
