"""Prefixes are stripped and said; several state dicts in one file are named, and one is chosen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from support.checkpoints import State, message, same, small_model, small_state
from torch.optim.swa_utils import AveragedModel

from spiketrack.reference.checkpoint import read_checkpoint


@pytest.fixture
def state() -> State:
    return small_state()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pth"


def with_prefix(state: State, prefix: str) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def negative(state: State) -> State:
    """Another state dict of the same network."""
    return {
        key: value if "running_var" in key or "num_batches" in key else -value
        for key, value in state.items()
    }


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "model.",
        "net.",
        "module._orig_mod.",
        "model._orig_mod.module.",
        "ema_model.",
        "network.",
        "student.backbone.",
    ],
)
@pytest.mark.parametrize("container", [None, "net", "state_dict"])
def test_prefixes_are_stripped_and_said(
    prefix: str, container: str | None, state: State, path: Path
) -> None:
    wrapped = with_prefix(state, prefix)
    torch.save({container: wrapped} if container else wrapped, path)
    assert same(path, state)
    assert read_checkpoint(path).notes == (f"stripped {prefix} from its keys",)
    assert read_checkpoint(path).key is None


def test_prefixes_of_safetensors(state: State, path: Path) -> None:
    safetensors.torch.save_file(with_prefix(state, "module."), path)
    assert same(path, state)
    assert read_checkpoint(path).notes == ("stripped module. from its keys",)


def test_plain_keys_have_nothing_to_say(state: State, path: Path) -> None:
    torch.save({"net": state, "epoch": 3}, path)
    assert read_checkpoint(path).notes == ()


def test_a_wrapper_inside_the_keys(state: State, path: Path) -> None:
    """``model.encoder = torch.compile(model.encoder)`` and its like."""
    wrapped = {key.replace("encoder.", "encoder._orig_mod.", 1): v for key, v in state.items()}
    torch.save({"net": wrapped}, path)
    assert same(path, state)
    assert read_checkpoint(path).notes == ("stripped _orig_mod. from its keys",)


def test_averaged_model(state: State, path: Path) -> None:
    torch.save(AveragedModel(small_model()).state_dict(), path)
    assert same(path, state)
    notes = read_checkpoint(path).notes
    assert notes == (
        "stripped module. from its keys",
        "left out what stands beside the prefix: n_averaged",
    )


def test_surplus_behind_a_prefix_is_still_surplus(state: State, path: Path) -> None:
    torch.save({"net": with_prefix(state | {"encoder.more": torch.zeros(1)}, "module.")}, path)
    assert "1 key surplus: encoder.more" in message(path)


def test_missing_keys_behind_a_prefix_are_named_without_it(state: State, path: Path) -> None:
    del state["decoder.conv5_size.bias"]
    torch.save({"net": with_prefix(state, "module.")}, path)
    assert "1 key missing: decoder.conv5_size.bias" in message(path)


def test_one_key_with_and_without_a_wrapper(state: State, path: Path) -> None:
    both = state | {"decoder.module.conv5_size.bias": state["decoder.conv5_size.bias"]}
    torch.save({"net": both}, path)
    assert "two tensors for decoder.conv5_size.bias, with and without a wrapper" in message(path)


@pytest.mark.parametrize("name", ["model_ema", "ema", "net_ema", "averaged", "shadow"])
def test_a_single_state_dict_under_any_key(name: str, state: State, path: Path) -> None:
    torch.save({name: state, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}}, path)
    assert same(path, state)
    assert read_checkpoint(path).key is None


def several(state: State) -> Mapping[str, Any]:
    other = negative(state)
    return {
        "net and its average": {"net": state, "net_ema": other},
        "average first": {"model_ema": other, "model": state},
        "deep": {"state_dict": state, "ema": {"module": other}},
        "one mapping": {"state_dict": with_prefix(state, "model.") | with_prefix(other, "ema.")},
        "module": {"module": state, "ema": {"module": other}},
        "bare": state | with_prefix(other, "ema."),
    }


OTHERS = {
    "net and its average": "net_ema",
    "average first": "model_ema",
    "deep": "ema.module",
    "one mapping": "state_dict.ema",
    "module": "ema.module",
    "bare": "ema",
}


@pytest.mark.parametrize("case", OTHERS)
def test_the_network_itself_comes_first_and_all_are_named(
    case: str, state: State, path: Path
) -> None:
    torch.save(several(state)[case], path)
    assert same(path, state)
    (note,) = [note for note in read_checkpoint(path).notes if "--key chooses" in note]
    assert OTHERS[case] in note
    assert read_checkpoint(path).key != OTHERS[case]


@pytest.mark.parametrize("case", OTHERS)
def test_a_key_chooses(case: str, state: State, path: Path) -> None:
    torch.save(several(state)[case], path)
    assert same(path, negative(state), OTHERS[case])
    assert read_checkpoint(path, OTHERS[case]).key == OTHERS[case]


def test_a_key_that_is_not_there(state: State, path: Path) -> None:
    torch.save({"net": state, "net_ema": state | {}}, path)
    text = message(path, "ema")
    assert "no state dict 'ema'; --key takes one of: net, net_ema" in text
    torch.save(state, path)
    assert "no state dict 'net'; --key takes one of: the file itself" in message(path, "net")


def test_averages_alone_have_to_be_chosen_from(state: State, path: Path) -> None:
    torch.save({"ema": state, "model_ema": negative(state)}, path)
    assert "holds 2 state dicts, ema, model_ema; choose one with --key" in message(path)
    assert same(path, negative(state), "model_ema")


def test_one_state_dict_under_two_keys_is_one(state: State, path: Path) -> None:
    torch.save({"net": state, "state_dict": state}, path)
    assert read_checkpoint(path).key is None


def test_metadata_of_a_pickled_state_dict_is_ignored(path: Path) -> None:
    state = small_model().state_dict()
    assert isinstance(state, OrderedDict)
    torch.save({"net": state}, path)
    assert same(path, small_state())
