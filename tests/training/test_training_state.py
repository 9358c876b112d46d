"""A state file that is foreign, empty, cut or of another network: one line and the way on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.training_data import tiny_config

from spiketrack.errors import ConfigError
from spiketrack.reference.model import SpikeTrack
from spiketrack.training.state import Run, begin, restore, save


@pytest.fixture(scope="module")
def run() -> Run:
    config = tiny_config()
    return begin(config, SpikeTrack(config.network.build()))


@pytest.fixture
def state(run: Run, tmp_path: Path) -> Path:
    save(run, tmp_path)
    return tmp_path / "state.pt"


def refusal(run: Run, folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        restore(run, folder)
    text = str(caught.value)
    assert text.startswith(f"{folder / 'state.pt'}: no state of a training run (")
    assert text.isprintable()
    assert "weights_only" not in text
    return text


def test_a_state_comes_back(run: Run, state: Path) -> None:
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    restore(run, state.parent)
    assert all(torch.equal(value, before[key]) for key, value in run.model.state_dict().items())


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "an empty file"),
        (b"x\n", "KeyError 120"),
        (b"<html></html>", "an HTML page, not the file behind its address"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git-LFS pointer"),
        (bytes(100), "KeyError 0"),
        (b"PK\x03\x04", "BadZipFile"),
    ],
)
def test_foreign_files(content: bytes, what: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(content)
    said = refusal(run, tmp_path)
    assert f"no state of a training run ({what}" in said
    assert "leave --resume out: start again with another --out" in said


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_state_that_was_cut(share: float, run: Run, state: Path) -> None:
    whole = state.read_bytes()
    state.write_bytes(whole[: int(share * len(whole))])
    refusal(run, state.parent)


@pytest.mark.parametrize("name", ["best-weights.safetensors", "weights.safetensors"])
def test_weights_beside_it_are_the_way_on(name: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"x")
    (tmp_path / name).write_bytes(b"")
    text = refusal(run, tmp_path)
    assert f"--init {tmp_path / name} goes on from its weights, with another --out" in text


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"net": {}}, "Missing key"),
        ({"average": None}, "TypeError"),
        ({"optimiser": {"state": {}, "param_groups": []}}, "parameter group"),
        ({"random": torch.zeros(3)}, "RNG state must be"),
        ({"step": "many"}, "invalid literal"),
        ({"best": [1]}, "TypeError"),
    ],
)
@pytest.mark.slow
def test_wrong_parts(change: dict[str, Any], complaint: str, run: Run, state: Path) -> None:
    torch.save(torch.load(state, weights_only=True) | change, state)
    assert complaint in refusal(run, state.parent)


def test_missing_parts_are_named(run: Run, state: Path) -> None:
    whole = torch.load(state, weights_only=True)
    del whole["net"], whole["step"]
    torch.save(whole, state)
    assert "(net, step missing)" in refusal(run, state.parent)
    torch.save([1], state)
    assert "(another kind of file)" in refusal(run, state.parent)


class Evil:
    """Pickles as a call."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit",)


def test_a_state_that_would_run_code(run: Run, state: Path) -> None:
    torch.save(torch.load(state, weights_only=True) | {"hook": Evil()}, state)
    assert "refused: the file names builtins.exec" in refusal(run, state.parent)
