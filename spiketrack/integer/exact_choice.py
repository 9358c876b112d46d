"""Which variant of a private operator this machine computes with: proven once, then remembered.

The proof takes milliseconds. Its result lies in the user's cache folder, under the release of
torch, the processor, its instructions and the text of variants and cases; where nothing can be
written there it is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

import numba
import platformdirs
import torch

from spiketrack.errors import UnsupportedError
from spiketrack.integer import compiled, exact_ops, exact_proof
from spiketrack.integer.compiled.dots import features, wide
from spiketrack.integer.compiled.forms import takes
from spiketrack.integer.exact_ops import (
    COUNTS,
    PIXELS,
    REALS,
    SMALL,
    Family,
    Layer,
    OneStep,
    Variant,
)
from spiketrack.integer.exact_proof import first_exact

# below it a call of torch's takes a good part of the time, or its kernel is slower without VNNI
SMALL_MACS = 16_000_000 if wide() else 64_000_000
ISA_SETTINGS = (
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
)


class SlowOperatorWarning(UserWarning):
    """A slower operator computes in place of one that is not exact here."""


def pack(layer: Layer) -> OneStep:
    """The layer on the operator that is proven for such weights and such a size."""
    return chosen(_family(layer)).pack(layer)


def compiles() -> bool:
    """Whether the loops compiled for this processor are proven here."""
    return chosen(SMALL) is SMALL.variants[0]


def _family(layer: Layer) -> Family:
    small = layer.macs <= SMALL_MACS and takes(layer.weight, layer.groups)
    if layer.weight.dtype == torch.int8:
        return SMALL if small else COUNTS
    return PIXELS if small and layer.pixels else REALS


@cache
def chosen(family: Family) -> Variant:
    """The fastest exact variant; a note on a slower one is a warning.

    ``UnsupportedError`` where none is exact.
    """
    variant = choose(family, platformdirs.user_cache_path("spiketrack") / "operators")
    if variant.note:
        warnings.warn(f"torch {torch.__version__}: {variant.note}", SlowOperatorWarning, 2)
    return variant


def choose(family: Family, folder: Path) -> Variant:
    """What ``folder`` remembers of this machine, else what the proof finds, remembered there."""
    note = folder / f"{_key(family)}.json"
    known = {variant.name: variant for variant in family.variants}
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        return known[json.loads(note.read_text(encoding="utf-8"))["variant"]]
    exact = first_exact(family)
    if exact is None:
        tried = ", ".join(known)
        raise UnsupportedError(
            f"torch {torch.__version__}: no {family.name} gives exact integers on {processor()} "
            f"(tried {tried}); install a torch that docs/platforms.md names"
        )
    _remember(note, family, exact)
    return exact


def _remember(note: Path, family: Family, variant: Variant) -> None:
    row = {"operation": family.name, "variant": variant.name, "torch": torch.__version__}
    draft = note.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(row | {"processor": processor()}), encoding="utf-8")
        draft.replace(note)


def _key(family: Family) -> str:
    own = sorted(Path(compiled.__file__ or "").parent.glob("*.py"))
    files = [*(Path(module.__file__ or "") for module in (exact_ops, exact_proof)), *own]
    texts = [file.read_text(encoding="utf-8") for file in files]
    names = [variant.name for variant in family.variants]
    build = [torch.__version__, str(torch.version.git_version), numba.__version__]
    settings = [os.environ.get(name, "") for name in ISA_SETTINGS]
    machine = [processor(), *sorted(features())]  # a virtual one can hide what its name promises
    words = "\n".join([family.name, *names, *build, *machine, *settings, *texts])
    return hashlib.sha256(words.encode()).hexdigest()[:16]


@cache
def processor() -> str:
    """The processor's name and the instruction set that torch uses of it."""
    name = "this processor"
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        name = next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"
