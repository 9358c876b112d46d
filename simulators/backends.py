"""The backends: one row each says how it is loaded, what it needs and what its runs hold.

A package adds one with an entry point of the group ``spiketrack.backends`` whose object is a
``Backend``, a program with ``register_backend``. Reading the table imports no backend.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from spiketrack.errors import MissingDependency, SpikeTrackError, UnsupportedError
from spiketrack.optional import remedy

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.inference import Simulator
    from spiketrack.reference.checkpoint import Checkpoint

ENTRY_POINTS = "spiketrack.backends"
FLOAT, INTEGER = "float", "integer"  # what is lost by quantising; what every exact backend equals
STEP_TIMEOUT = 120.0


@dataclass(frozen=True)
class Options:
    """What to record and how to run; a backend ignores what does not concern it.

    ``operations`` and ``counts`` switch recording on; ``device`` is the float reference's;
    ``threads`` and ``timeout`` (seconds a step) are those of Lava's processes (threads also of
    onnxruntime), ``processes`` how
    many share the work (``deploy/process_graph/grouping.py``; inline, too); ``mode``,
    ``spikes`` and ``tiles`` are the chip's (``deploy/chip/program.py``), as are ``map``, the path
    of the ``map --json`` that says on which cores its layers lie, and ``chip``, that of a
    ``chip.json`` whose programs are run as they are written, whatever the three say; empty without.
    """

    operations: bool = False
    counts: bool = False
    device: str = "cpu"
    threads: int = 1
    timeout: float = STEP_TIMEOUT
    mode: str = "fall-through"
    spikes: str = "graded"
    tiles: str = "1"
    processes: str = "block"
    map: str = ""
    chip: str = ""


@dataclass(frozen=True)
class Backend:
    """One row of the table.

    ``home``: "module:class", imported on first use; ``class.open(source, options)`` returns a
    ``Simulator``, where the source is what the backend ``needs``: the ``Checkpoint`` or the
    ``ExportedNetwork``. ``exact``: its counts and maps equal those of ``integer`` to the last
    bit, else it is a bug. ``operations``: it counts operations when asked, which energy prices.
    ``packages``: modules that it imports; ``extra``: the extra of this package that brings them.
    """

    name: str
    summary: str
    home: str
    needs: Literal["checkpoint", "export"]
    exact: bool
    operations: bool
    packages: tuple[str, ...] = ()
    extra: str = ""


ROWS = (
    Backend(
        FLOAT, "the float reference in torch, on CPU or CUDA",
        "spiketrack.simulators.float_reference:FloatSimulator",
        needs="checkpoint", exact=False, operations=False, packages=("torch",),
    ),
    Backend(
        INTEGER, "the integer network in one process: what all exact backends equal",
        "spiketrack.simulators.integer:IntegerSimulator",
        needs="export", exact=True, operations=True, packages=("torch", "numba"),
    ),
    Backend(
        "lava", "Lava process graphs on Lava's own runtime, a process a block or fewer",
        "spiketrack.simulators.lava:LavaSimulator",
        needs="export", exact=True, operations=True,
        packages=("torch", "numba", "spiketrack.deploy.lava.names"), extra="lava",
    ),
    Backend(
        "inline", "the processes of the Lava graphs in one process, without Lava",
        "spiketrack.simulators.inline:InlineSimulator",
        needs="export", exact=True, operations=True, packages=("torch", "numba"),
    ),
    Backend(
        "chip", "the layers of neurons that are placed on the chip, one time step at a time",
        "spiketrack.simulators.chip:ChipSimulator",
        needs="export", exact=True, operations=True, packages=("torch", "numba"),
    ),
    Backend(
        "lava-chip", "those layers as Lava processes, one time step of Lava for one of the chip",
        "spiketrack.simulators.lava_chip:LavaChipSimulator",
        needs="export", exact=True, operations=True,
        packages=("torch", "numba", "spiketrack.deploy.lava.names"), extra="lava",
    ),
    Backend(
        "onnx", "the integer graphs in onnxruntime",
        "spiketrack.simulators.onnx_backend:OnnxSimulator",
        needs="export", exact=True, operations=False, packages=("onnx", "onnxruntime"),
        extra="onnx",
    ),
    Backend(
        "norse", "the parts that stock NIR expresses in norse, the rest in our kernels",
        "spiketrack.simulators.norse_backend:NorseSimulator",
        needs="export", exact=True, operations=False, packages=("norse", "nirtorch"),
        extra="norse",
    ),
)  # fmt: skip

_registered: dict[str, Backend] = {}


def register_backend(row: Backend) -> None:
    """Add a backend to the table of this process; ``SpikeTrackError`` where its name is taken."""
    if row.name in backends():
        raise SpikeTrackError(f"backend {row.name}: registered already; choose another name")
    _registered[row.name] = row


def backends() -> Mapping[str, Backend]:
    """All rows by name: those of this package, of installed packages, of this process."""
    own = {row.name: row for row in ROWS}
    return MappingProxyType({**own, **_installed()[0], **_registered})


def broken_backends() -> Mapping[str, str]:
    """Backends of installed packages that cannot be loaded, and why."""
    return MappingProxyType(_installed()[1])


@functools.cache
def _installed() -> tuple[dict[str, Backend], dict[str, str]]:
    rows: dict[str, Backend] = {}
    broken: dict[str, str] = {}
    for point in metadata.entry_points(group=ENTRY_POINTS):
        try:
            row = point.load()
        except Exception as error:  # a foreign package may fail in any way
            broken[point.name] = f"{point.value}: {type(error).__name__}: {error}"
            continue
        if not isinstance(row, Backend):
            broken[point.name] = f"{point.value}: no Backend, but {type(row).__name__}"
        elif row.name in {*rows, *(own.name for own in ROWS)}:
            broken[point.name] = f"{point.value}: the name {row.name} is taken"
        else:
            rows[row.name] = row
    return rows, broken


def find(name: str, option: str = "--backend") -> Backend:
    """The row of a name; ``UnsupportedError`` lists those that exist."""
    rows = backends()
    if name not in rows:
        why = broken_backends().get(name)
        if why:
            raise UnsupportedError(f"{option} {name}: cannot be loaded ({why})")
        raise UnsupportedError(f"{option} {name}: choose among {', '.join(rows)}")
    return rows[name]


def names(**wanted: object) -> tuple[str, ...]:
    """Names of the rows whose fields have these values: ``names(operations=True)``."""
    return tuple(
        name
        for name, row in backends().items()
        if all(getattr(row, field) == value for field, value in wanted.items())
    )


def require_operations(where: object, backend: str) -> None:
    """``UnsupportedError`` for a run of a backend that counts no operations.

    A backend that is not installed here is not judged: its run shows what it holds.
    """
    row = backends().get(backend)
    if row is not None and not row.operations:
        raise UnsupportedError(
            f"{where}: made on {backend}, which counts no operations; "
            f"simulate on {_either(names(operations=True))}"
        )


def _either(words: tuple[str, ...]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def either(**wanted: object) -> str:
    """The names that ``names`` finds, as text: ``float, integer or lava``."""
    return _either(names(**wanted))


def open_simulator(
    backend: str,
    network: ExportedNetwork | None = None,
    checkpoint: Checkpoint | None = None,
    options: Options = Options(),
) -> Simulator:
    """Open ``backend`` on what its row says it needs: the checkpoint or the exported network.

    Close the result, or use it as a context. ``UnsupportedError`` for an unknown name,
    ``SpikeTrackError`` where what it needs is not given, ``MissingDependency`` for a package.
    """
    row = find(backend)
    source: Checkpoint | ExportedNetwork | None = checkpoint
    if row.needs == "export":
        source = network
    if source is None:
        raise SpikeTrackError(f"--backend {backend}: {_MISSING[row.needs]}")
    simulator: Simulator = load(row).open(source, options)
    return simulator


_MISSING = {
    "checkpoint": "needs --checkpoint; an export folder has integers",
    "export": "needs an export folder; export the checkpoint",
}


def load(row: Backend) -> Any:
    """The class of a backend; ``MissingDependency`` says what its package lacks."""
    module, _, name = row.home.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except SpikeTrackError:
        raise
    except Exception as error:  # a package may be missing or broken in any way
        fix = remedy(row.extra) if row.extra else "spiketrack doctor"
        raise MissingDependency(
            f"--backend {row.name}: cannot be loaded ({type(error).__name__}: {error}); see {fix}"
        ) from error
