"""``--key`` in every command that takes a checkpoint, ``convert``, and errors as one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch
from support.program import Program
from support.python import python
from support.random_graphs import tiny_model
from support.synthetic_clips import moving_patch, write_video
from torch import Tensor

from spiketrack import cli
from spiketrack.commands import own_commands
from spiketrack.config import TrackerConfig
from spiketrack.errors import printable
from spiketrack.pipeline import export_checkpoint
from spiketrack.reference.checkpoint import read_checkpoint, save_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::ImportWarning")
BOX = "10,20,20,16"
FRAMES, _ = moving_patch(6)
NOTE = "took net of its state dicts net, net_ema (--key chooses)"


def average(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Another state dict of the same network."""
    return {k: v * 0.5 if v.is_floating_point() else v for k, v in state.items()}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one state dict, one with two, a clip, and the export of the second; read only."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("home")
    model = tiny_model(1)
    state = model.state_dict()
    save_checkpoint(folder / "one.safetensors", model, TrackerConfig(margin=7))
    both = {"net": state, "net_ema": {f"module.{k}": v for k, v in average(state).items()}}
    torch.save(both, folder / "two.pth")
    write_video(folder / "clip.avi", FRAMES)
    chosen = read_checkpoint(folder / "two.pth", "net_ema")
    export_checkpoint(chosen, folder / "averaged", folder / "clip.avi", BOX)
    return folder


def test_every_command_that_takes_a_checkpoint_has_the_option(program: Program) -> None:
    takes = {
        "info",
        "convert",
        "export",
        "simulate",
        "verify",
        "track",
        "evaluate",
        "train",
        "outlets",
        "bench",
        "run",
    }
    for name in own_commands():
        assert ("--key" in program(name, "--help")) == (name in takes), name


@pytest.mark.slow
def test_info_says_what_it_took(home: Path, program: Program) -> None:
    program("info", home / "two.pth")
    assert program.err == f"note: {home / 'two.pth'}: {NOTE}\n"
    program("info", home / "two.pth", "--key", "net_ema")
    assert "stripped module. from its keys" in program.err
    text = program.refuses("info", home / "two.pth", "--key", "ema")
    assert "no state dict 'ema'; --key takes one of: net, net_ema" in text
    text = program.refuses("info", home / "averaged", "--key", "net")
    assert f"--key net: {home / 'averaged'} is an export folder; --key is for checkpoints" in text


@pytest.mark.slow
def test_an_export_records_its_key(home: Path, tmp_path: Path, program: Program) -> None:
    clip = ("--calibrate", home / "clip.avi", "--box", BOX)
    source = home / "two.pth"
    program("export", source, "--key", "net_ema", "--out", tmp_path / "chosen", *clip)
    manifest = json.loads((tmp_path / "chosen" / "manifest.json").read_text())
    assert manifest["checkpoint"]["key"] == "net_ema"
    program("export", home / "one.safetensors", "--out", tmp_path / "one", *clip)
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert list(manifest["checkpoint"]) == ["sha256"]


@pytest.mark.slow
def test_the_float_network_is_the_exported_state_dict(
    home: Path, tmp_path: Path, program: Program
) -> None:
    """Without --key too; the file is the same, but another state dict is another network."""
    clip = ("--video", home / "clip.avi", "--box", BOX, "--frames", "2", "--out", tmp_path / "run")
    simulate = ("simulate", home / "averaged", "--backend", "float", *clip)
    program(*simulate, "--checkpoint", home / "two.pth")
    text = program.refuses(*simulate, "--force", "--checkpoint", home / "two.pth", "--key", "net")
    assert "--key net, but the export is of net_ema" in text
    text = program.refuses(*simulate, "--force", "--checkpoint", home / "one.safetensors")
    assert "no state dict 'net_ema'" in text
    text = program.refuses(*simulate, "--force", "--key", "net")
    assert "--key net: needs --checkpoint, the file that was exported" in text


@pytest.mark.slow
def test_track_takes_a_key(home: Path, tmp_path: Path, program: Program) -> None:
    clip = ("--video", home / "clip.avi", "--box", BOX, "--frames", "1")
    out = ("--out", tmp_path / "boxes.csv")
    program("track", home / "two.pth", *clip, *out, "--key", "net_ema")
    assert (tmp_path / "boxes.csv").exists()
    assert "--key takes one of" in program.refuses(
        "track", home / "two.pth", *clip, "--out", tmp_path / "b.csv", "--key", "x"
    )


# convert


def converted(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safetensors.safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


@pytest.mark.slow
def test_convert_writes_clean_safetensors(home: Path, tmp_path: Path, program: Program) -> None:
    out = tmp_path / "clean.safetensors"
    shown = program("convert", home / "two.pth", out, "--key", "net_ema")
    assert f"{out}: custom" in shown
    state, metadata = converted(out)
    source = read_checkpoint(home / "two.pth", "net_ema")
    assert sorted(state) == sorted(source.state)
    assert all(torch.equal(state[key], value) for key, value in source.state.items())
    assert metadata["source"] == "two.pth"
    assert metadata["source_sha256"] == source.sha256
    assert metadata["source_key"] == "net_ema"
    assert json.loads(metadata["spiketrack"]) == TrackerConfig().as_dict()
    assert read_checkpoint(out).notes == ()


@pytest.mark.slow
def test_convert_keeps_settings_and_texts(home: Path, tmp_path: Path, program: Program) -> None:
    out = tmp_path / "clean.safetensors"
    program("convert", home / "one.safetensors", out)
    assert read_checkpoint(out).tracker == TrackerConfig(margin=7)
    program("convert", out, tmp_path / "again.safetensors")
    assert read_checkpoint(tmp_path / "again.safetensors").tracker == TrackerConfig(margin=7)


@pytest.mark.slow
def test_convert_of_views_of_one_storage(home: Path, tmp_path: Path, program: Program) -> None:
    state = read_checkpoint(home / "one.safetensors").state
    flat = torch.cat([value.flatten() for value in state.values()])
    parts = torch.split(flat, [value.numel() for value in state.values()])
    views = {k: p.view_as(v) for (k, v), p in zip(state.items(), parts, strict=True)}
    torch.save({"net": views}, tmp_path / "flat.pth")
    program("convert", tmp_path / "flat.pth", tmp_path / "clean.safetensors")
    found = converted(tmp_path / "clean.safetensors")[0]
    assert all(torch.equal(found[k], v) for k, v in state.items())


class Evil:
    """Pickles as a call that would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.path)!r}, 'w')",)


@pytest.mark.slow
def test_the_line_that_a_refusal_names_strips_the_file(
    home: Path, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state = dict(read_checkpoint(home / "one.safetensors").state)
    torch.save({"net": state, "hook": Evil(tmp_path / "canary")}, "evil file.pth")
    text = program.refuses("info", "evil file.pth")
    assert "under the key 'hook'" in text
    command = text.rpartition("to take its tensors alone: ")[2]
    assert command == "spiketrack convert 'evil file.pth' clean.safetensors --strip"
    program("convert", "evil file.pth", "clean.safetensors", "--strip")
    found = converted(tmp_path / "clean.safetensors")[0]
    assert all(torch.equal(found[key], value) for key, value in state.items())
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
def test_convert_refuses_what_would_be_lost(home: Path, tmp_path: Path, program: Program) -> None:
    source, out = home / "one.safetensors", tmp_path / "clean.safetensors"
    text = program.refuses("convert", source, tmp_path / "clean.pth")
    assert "convert writes .safetensors; give such a name" in text
    assert "is an input of this command" in program.refuses("convert", source, source, "--force")
    assert "its folder does not exist" in program.refuses(
        "convert", source, tmp_path / "no" / out.name
    )
    program("convert", source, out)
    before = out.stat().st_mtime_ns
    assert "exists already; choose another name or give --force" in program.refuses(
        "convert", source, out
    )
    assert out.stat().st_mtime_ns == before
    program("convert", source, out, "--force")


# errors


def test_errors_show_escapes_and_are_cut(tmp_path: Path, program: Program) -> None:
    name = "a\x1b[31m\x07\u202eb.pth"
    text = program.refuses("info", tmp_path / name)
    assert r"a\x1b[31m\x07\u202eb.pth: no such file" in text
    assert text.isprintable()
    text = program.refuses("export", "x" * 100_000)
    assert len(text) < cli.LONGEST + 100
    text = program.refuses("info", "nano", "--" + "y" * 100_000)
    assert len(text) < cli.LONGEST + 100


def test_printable() -> None:
    assert printable("a\nb\x00é帯") == r"a\nb\x00é帯"
    assert printable("a" * 200) == "a" * 160 + "… (200 characters)"
    assert printable("\x1b" * 5, 2) == r"\x1b\x1b… (5 characters)"


@pytest.mark.slow
def test_a_checkpoint_without_permission(home: Path, tmp_path: Path) -> None:
    """As another user, since nothing is closed to root."""
    path = tmp_path / "closed.safetensors"
    path.write_bytes((home / "one.safetensors").read_bytes())
    path.chmod(0)
    code = (
        "import os, sys\n"
        "from spiketrack.reference.checkpoint import read_checkpoint\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: read_checkpoint(sys.argv[1])\n"
        "except Exception as error: print(error)\n"
    )
    found = python(code, path)
    assert found.stdout.strip().endswith("Permission denied"), found.stdout
    assert found.stdout.count("\n") == 1
