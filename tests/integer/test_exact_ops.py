"""Private operators are taken only where they give the integers that numpy gives."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from llvmlite import binding
from numba.core.errors import LoweringError
from support.random_graphs import random_graph, random_inputs
from torch import Tensor

from spiketrack.errors import UnsupportedError
from spiketrack.integer import convolutions
from spiketrack.integer.exact_choice import SlowOperatorWarning, choose, chosen, pack
from spiketrack.integer.exact_ops import (
    COMPILED,
    COUNTS,
    PIXELS,
    REALS,
    SMALL,
    Family,
    Layer,
    OneStep,
    Pack,
    Variant,
)
from spiketrack.integer.exact_proof import cases, first_exact
from spiketrack.integer.kernels import Program

pytestmark = pytest.mark.platform

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = (COUNTS, REALS, SMALL, PIXELS)


def broken(family: Family, names: set[str], shift: float) -> Family:
    """The family with some variants whose results are off by ``shift``."""

    def spoil(variant: Variant) -> Variant:
        def pack(layer: Layer) -> OneStep:
            run = variant.pack(layer)

            def wrong(x: Tensor) -> Tensor:
                y = run(x)
                y[0, -1, -1, -1] += shift
                return y

            return wrong

        return replace(variant, pack=pack) if variant.name in names else variant

    return replace(family, variants=tuple(spoil(v) for v in family.variants))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_some_variant_is_exact_and_found_again(family: Family, tmp_path: Path) -> None:
    found = choose(family, tmp_path)
    assert found.name == first_exact(family).name  # type: ignore[union-attr]
    (note,) = tmp_path.iterdir()
    text = note.read_text()
    assert torch.__version__ in text
    note.write_text(text.replace(found.name, "conv2d"))
    assert choose(family, tmp_path).name == "conv2d"  # it is read, not computed again


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        pytest.param("[" * 100_000, id="deep"),
        "[]",
        '{"variant": "unknown"}',
        '{"variant": []}',
    ],
)
def test_a_spoiled_note_is_proven_anew(text: str, tmp_path: Path) -> None:
    found = choose(COUNTS, tmp_path)
    (note,) = tmp_path.iterdir()
    note.write_text(text)
    assert choose(COUNTS, tmp_path) is found
    assert found.name in note.read_text()


def test_no_folder_for_notes_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert choose(COUNTS, tmp_path / "file" / "below").name == chosen(COUNTS).name


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_a_wrong_variant_is_refused(family: Family, shift: float, tmp_path: Path) -> None:
    first = choose(family, tmp_path / "right").name
    spoiled = broken(family, {first}, shift)
    assert choose(spoiled, tmp_path / "wrong").name != first


def failing(error: Exception) -> Pack:
    def pack(layer: Layer) -> OneStep:
        raise error

    return pack


def returning(what: Callable[[Tensor, Tensor], Any]) -> Pack:
    """What an operator might give in place of the right tensor, from that and from its input."""

    def pack(layer: Layer) -> OneStep:
        run = COUNTS.variants[-1].pack(layer)
        return lambda x: what(run(x), x)

    return pack


@pytest.mark.parametrize(
    "wrong",
    [
        failing(ImportError("another release's module")),
        failing(ValueError("another release's argument")),
        failing(LoweringError("another release's compiler")),
        returning(lambda y, x: (y,)),
        returning(lambda y, x: y.numpy()),
        returning(lambda y, x: y.float() * float("nan")),
        returning(lambda y, x: x.zero_()),
        returning(lambda y, x: y + x.zero_().sum() + 1),
    ],
)
def test_whatever_a_variant_does_the_next_is_tried(wrong: Pack, tmp_path: Path) -> None:
    right = COUNTS.variants[-1]
    family = replace(COUNTS, variants=(Variant("wrong", wrong), right))
    assert choose(family, tmp_path) is right


def test_what_is_remembered_holds_for_the_same_instructions_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Virtual machines of one processor differ in what they show of it, and may share a home."""
    choose(PIXELS, tmp_path)
    monkeypatch.setattr(binding, "get_host_cpu_features", dict)
    found = choose(PIXELS, tmp_path)
    assert found.name != COMPILED
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_exact_is_an_error(tmp_path: Path) -> None:
    names = {variant.name for variant in COUNTS.variants}
    with pytest.raises(UnsupportedError, match=r"no convolution of counts gives exact integers"):
        choose(broken(COUNTS, names, 1.0), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_inverse_scale_is_seen() -> None:
    """torch 2.3 and 2.13 read the output scale in opposite ways: one of the two must fail."""
    inverse, plain = COUNTS.variants[:2]
    found = [first_exact(replace(COUNTS, variants=(v,))) is not None for v in (inverse, plain)]
    assert sum(found) == 1


def test_what_is_slower_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = replace(COUNTS, variants=COUNTS.variants[-1:])
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path)
    with pytest.warns(SlowOperatorWarning, match="float32 takes its place: exact and slower"):
        chosen(slow)


@pytest.mark.parametrize("position", range(len(COUNTS.variants)))
def test_every_variant_that_is_taken_computes_the_network(
    position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = COUNTS.variants[position]
    usable = first_exact(replace(COUNTS, variants=(variant,))) is not None
    assert usable or variant.name.startswith("onednn")
    graph = random_graph(3, ("retrieval", "pooled", "attention", "gated"), 1)
    inputs = {n: torch.from_numpy(v).float() for n, v in random_inputs(graph, 3).items()}
    expected = Program(graph, fused=True).run(inputs)
    if usable:
        monkeypatch.setattr(convolutions, "pack", lambda layer: taken(variant, layer))
        found = Program(graph, fused=True).run(inputs)
        for name, value in expected.items():
            assert torch.equal(found[name], value), name


def taken(variant: Variant, layer: Layer) -> OneStep:
    """The layer on this variant where it reads counts."""
    return variant.pack(layer) if layer.weight.dtype == torch.int8 else pack(layer)


def test_cases_hold_what_they_promise() -> None:
    counted = [case for case in cases(True) if case.layer.unit]
    for case in counted:
        assert set(np.unique(case.expected)) == set(range(5))
    heights = [np.abs(case.expected).max() for case in cases(True) if not case.layer.unit]
    assert min(heights) > 2**21
    assert max(heights) > 2**22


@pytest.mark.slow
def test_one_module_calls_private_operators() -> None:
    found = set()
    for folder in ("spiketrack", "export", "deploy", "simulators"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text())
            names = (ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute))
            if any(n in ("torch.ops.onednn", "torch.ops.mkldnn", "torch._C") for n in names):
                found.add(path.resolve().relative_to(ROOT).as_posix())
    assert found == {"spiketrack/integer/exact_ops.py"}
