"""Nothing shortens float32 where counts are made, and the program's settings come back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from support.random_graphs import random_graph, random_inputs, tiny_model

from spiketrack.errors import MissingDependency
from spiketrack.integer.kernels import Program
from spiketrack.machine.precision import switches, whole_float32
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.simulators.onnx_backend import providers


@pytest.fixture
def hurried() -> Iterator[list[Any]]:
    """A program that lets torch shorten whatever it can; what it set."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    values = settings()
    assert settings() != whole()
    yield values
    assert settings() == values
    torch.set_float32_matmul_precision(before)


def settings() -> list[Any]:
    return [switch.read() for switch in switches()]


def whole() -> list[Any]:
    """What every switch reads inside: its own value, or that nothing was ever allowed."""
    with whole_float32():
        return settings()


def test_every_switch_is_off_inside_and_back_after(hurried: list[Any]) -> None:
    with whole_float32():
        assert not {"tf32", "bf16", "high", "medium", True} & set(settings())
        with whole_float32():
            assert not {"tf32", "bf16"} & set(settings())
        assert not {"tf32", "bf16"} & set(settings())
    assert settings() == hurried
    with pytest.raises(ZeroDivisionError), whole_float32():
        raise ZeroDivisionError
    assert settings() == hurried


def test_the_float_reference_computes_with_all_bits(hurried: list[Any]) -> None:
    simulator = FloatSimulator(tiny_model(1), record=True)
    seen: list[list[Any]] = []
    handle = next(m for m in simulator.model.modules() if isinstance(m, torch.nn.Conv2d))
    hook = handle.register_forward_hook(lambda *given: seen.append(settings()))
    crop = np.zeros((3, 64, 64), np.float32)
    try:
        simulator.encode_template(crop[None])
        simulator.search(crop)
    finally:
        hook.remove()
    assert len(seen) == 2
    assert seen == [whole()] * 2
    assert settings() == hurried


def test_the_integer_network_computes_with_all_bits(hurried: list[Any]) -> None:
    graph = random_graph(1, ("attention",))
    seen: list[list[Any]] = []
    given = {n: torch.from_numpy(v.astype(np.float32)) for n, v in random_inputs(graph, 1).items()}
    Program(graph).run(given, observe=lambda *node: seen.append(settings()))
    assert seen == [whole()] * len(seen)
    assert settings() == hurried


@pytest.mark.parametrize(("version", "tells"), [("1.18.0", True), ("1.17.3", False)])
def test_onnxruntime_is_told_as_well(version: str, tells: bool) -> None:
    assert providers("cpu", version) == ["CPUExecutionProvider"]
    if not tells:
        with pytest.raises(MissingDependency, match=r"1\.17\.3 cannot do without TF"):
            providers("cuda", version)
        return
    cuda = ("CUDAExecutionProvider", {"use_tf32": "0"})
    assert providers("cuda", version) == [cuda, "CPUExecutionProvider"]
