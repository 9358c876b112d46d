"""What trainers save beside the weights is left inert, alike whatever is installed."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import decimal
import enum
import functools
import logging
import pathlib
import random
import re
import sys
import types
import uuid
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.checkpoints import SMALL, State, message, same, small_model, small_state
from torch import nn

from spiketrack.reference.checkpoint import read_checkpoint
from spiketrack.reference.pickled_names import resolve
from spiketrack.reference.pickled_values import Inert, Refused


@pytest.fixture
def state() -> State:
    return small_state()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pth"


OBJECTS = {
    "namespace": argparse.Namespace(lr=1e-3, out=pathlib.Path("x"), nested=argparse.Namespace()),
    "posix path": pathlib.PosixPath("a/b"),
    "pure path": pathlib.PureWindowsPath("a/b"),
    "date": datetime.datetime(2024, 5, 1, tzinfo=datetime.timezone.utc),
    "duration": datetime.timedelta(3),
    "simple namespace": types.SimpleNamespace(a=1),
    "decimal": decimal.Decimal("1.5"),
    "uuid": uuid.UUID(int=5),
    "old range": range(0, 3, 2),
    "pattern": re.compile("a+"),
    "logger": logging.getLogger("train"),
    "random": random.Random(0),
    "numpy random": np.random.default_rng(0),
    "old numpy random": np.random.RandomState(0),
    "layer factory": functools.partial(nn.LayerNorm, eps=1e-6),
    "loss": nn.CrossEntropyLoss(),
    "activation": nn.functional.relu,
    "schedule": torch.optim.lr_scheduler.LambdaLR,
    "type of None": type(None),
    "exception": ValueError("x"),
    "counts": range(3),
}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "stream"])
@pytest.mark.parametrize("name", OBJECTS)
def test_objects_of_the_libraries_that_are_always_there(
    name: str, legacy: bool, state: State, path: Path
) -> None:
    content = {"model": state, "args": OBJECTS[name]}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    assert same(path, state)


class Settings(dict[str, Any]):
    """Stands for the dictionaries with attributes that configuration packages have."""


class Level(enum.Enum):
    HIGH = 1


@dataclasses.dataclass
class Options:
    rate: float = 0.1


Pair = namedtuple("Pair", "a b")


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A configuration package that is installed, until it is taken out of ``sys.modules``."""
    module = types.ModuleType("easydict")
    for kind in (Settings, Level, Options, Pair):
        monkeypatch.setattr(kind, "__module__", "easydict")
        monkeypatch.setattr(module, kind.__name__, kind, raising=False)
    monkeypatch.setitem(sys.modules, "easydict", module)
    return module


@pytest.mark.parametrize("protocol", [2, 4])
def test_configuration_classes_installed_or_not(
    protocol: int,
    state: State,
    path: Path,
    package: types.ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = Settings(a=Settings(b=1)), Level.HIGH, Options(), Pair(1, 2), Settings
    torch.save({"net": state, "cfg": values}, path, pickle_protocol=protocol)
    assert same(path, state)
    monkeypatch.delitem(sys.modules, "easydict")
    assert same(path, state)
    assert "easydict" not in sys.modules


@pytest.mark.parametrize(
    "name",
    [
        "easydict.EasyDict",
        "yacs.config.CfgNode",
        "omegaconf.dictconfig.DictConfig",
        "pydantic.main.BaseModel",
        "yaml.nodes.Node",
        "lib.config.Config",
        "__main__.Config",
        "pytorch_lightning.utilities.parsing.AttributeDict",
        "ml_collections.ConfigDict",
    ],
)
def test_a_class_is_inert_whether_its_package_is_installed(name: str) -> None:
    module, _, last = name.rpartition(".")
    found = resolve(module, last)
    assert type(found) is Inert
    assert found.name == name


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "os.path.join",
        "subprocess.getoutput",
        "distutils.spawn.spawn",
        "torch.load",
        "torch.hub.load",
        "torch.jit.ScriptModule",
        "numpy.load",
        "numpy.fromfile",
        "spiketrack.cli.main",
        "logging.FileHandler",
        "builtins.eval",
        "subprocess.Popen",
        "psutil.Popen",
    ],
)
def test_names_that_are_refused(name: str) -> None:
    module, _, last = name.rpartition(".")
    found = resolve(module, last)
    assert type(found) is Refused
    assert found.reason == f"names {name}"


def test_old_spellings_are_translated() -> None:
    """Protocols 0 to 2 write Python 2's names."""
    assert resolve("copy_reg", "_reconstructor") == resolve("copyreg", "_reconstructor")
    assert resolve("ConfigParser", "ConfigParser").name == "configparser.ConfigParser"
    assert type(resolve("exceptions", "ValueError")) is Inert
    assert resolve("posix", "system").reason == "names os.system (written posix.system)"
    assert resolve("nt", "system").reason == "names os.system (written nt.system)"


def test_a_whole_pickled_module_gives_its_state(state: State, path: Path) -> None:
    torch.save({"model": nn.DataParallel(small_model())}, path)
    read = read_checkpoint(path)
    assert read.network == SMALL
    assert all(torch.equal(read.state[key], state[key]) for key in read.state)
    assert read.notes == ("stripped module. from its keys",)


def test_tensors_with_attributes_and_of_classes_of_their_own(state: State, path: Path) -> None:
    key = "decoder.conv5_size.weight"
    marked = state[key].clone()
    marked.note = "no decay"  # type: ignore[attr-defined]
    other = "decoder.conv5_ctr.weight"
    parameter = nn.Parameter(state[other].clone())
    parameter.note = "no decay"  # type: ignore[attr-defined]
    torch.save({"net": state | {key: marked, other: parameter}}, path)
    assert same(path, state)


class _Calls:
    """Pickles as a call of ``function(*arguments)``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "stream"])
@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"stats": _Calls(eval, "1")}, "stats"),
        ({"args": argparse.Namespace(callback=_Calls(eval, "1"))}, "args.callback"),
        ({"args": {"deep": [0, {"er": (1, _Calls(eval, "1"))}]}}, "args.deep.er"),
        ({"cfg": Settings(hook=_Calls(eval, "1"))}, "cfg.hook"),
        ({"factory": functools.partial(eval, "1")}, "factory"),
        ({"evil\n\x1b[31m": _Calls(eval, "1")}, r"evil\n\x1b[31m"),
    ],
)
def test_the_key_of_what_is_refused_and_the_way_to_strip_it(
    content: dict[str, Any], key: str, legacy: bool, state: State, path: Path
) -> None:
    saved = {"epoch": 3, "net": state} | content
    torch.save(saved, path, _use_new_zipfile_serialization=not legacy)
    text = message(path)
    written = "builtins.eval (written __builtin__.eval)"
    assert f"refused: the file names {written} under the key '{key}', which could run" in text
    assert f"spiketrack convert {path} clean.safetensors --strip" in text
    read = read_checkpoint(path, strip=True)
    assert all(torch.equal(read.state[key], state[key]) for key in read.state)


def test_a_key_that_is_refused_itself_is_told_by_its_place(state: State, path: Path) -> None:
    torch.save({"net": state, "inner": {_Calls(eval, "1"): 1}}, path)
    assert "eval) under the key 'inner'" in message(path)


def test_a_state_dict_of_a_class_of_its_own(state: State, path: Path) -> None:
    torch.save({"net": Settings(state), "other": OrderedDict(a=1)}, path)
    assert same(path, state)


def test_a_model_of_this_project_is_taken_by_its_tensors(state: State, path: Path) -> None:
    torch.save({"net": small_model()}, path)
    assert same(path, state)
