"""One table per interpreter: node type → function, complete or with the reason why not.

    KERNELS: Registry[Callable[..., Kernel]] = Registry("kernel")

    @KERNELS.register(Conv)
    def _conv(node: Conv, graph: Graph) -> Kernel: ...

    NETX.unsupported(Sum, reason="netx has dense and conv layers only")

A type that is in neither list is an error, wherever it is met; so is a second registration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from spiketrack.errors import GraphError, UnsupportedError
from spiketrack.integer.graph import node_types
from spiketrack.integer.nodes.traits import Stage, Traits

F = TypeVar("F", bound=Callable[..., Any])
NO_NODES = Stage(0)  # a table of something else than node types
_ALL: list[Registry[Any]] = []


class Registry(Generic[F]):
    """``registry.register(Conv)`` adds a function, ``registry[node]`` finds it.

    ``purpose``: what each function is, for errors. ``stages``: graphs it interprets. ``applies``:
    which of their types it has to know.
    """

    def __init__(
        self,
        purpose: str,
        stages: Stage = Stage.INTEGER,
        applies: Callable[[Traits], bool] = lambda traits: True,
    ) -> None:
        self.purpose = purpose
        self.stages = stages
        self.applies = applies
        self.table: dict[type, F] = {}
        self.reasons: dict[type, str] = {}
        _ALL.append(self)

    def register(self, *types: type) -> Callable[[F], F]:
        """Decorator: this function interprets nodes of these types."""

        def add(function: F) -> F:
            for kind in types:
                self._new(kind)
                self.table[kind] = function
            return function

        return add

    def unsupported(self, *types: type, reason: str) -> None:
        """These types are left out on purpose; ``reason`` says why."""
        for kind in types:
            self._new(kind)
            self.reasons[kind] = reason

    def reason(self, kind: type, name: str = "?") -> str | None:
        """Why a type is left out, None where it has a function; ``GraphError`` for an unknown."""
        if kind not in self.table and kind not in self.reasons:
            known = ", ".join(sorted(k.__name__ for k in self.table))
            raise GraphError(
                f"{name}: no {self.purpose} for node type {kind.__name__}; there are {known}"
            )
        return self.reasons.get(kind)

    def of(self, kind: type, name: str = "?") -> F:
        """The function of a type; ``GraphError`` or ``UnsupportedError`` name the node."""
        reason = self.reason(kind, name)
        if reason is not None:
            raise UnsupportedError(
                f"{name}: no {self.purpose} for node type {kind.__name__}: {reason}"
            )
        return self.table[kind]

    def __getitem__(self, node: object) -> F:
        return self.of(type(node), getattr(node, "name", "?"))

    @property
    def asked(self) -> tuple[type, ...]:
        """Node types that this interpreter has to know."""
        return tuple(kind for kind in node_types(self.stages) if self.applies(kind.traits))

    @property
    def missing(self) -> tuple[type, ...]:
        """Those of them that have neither a function nor a reason."""
        return tuple(k for k in self.asked if k not in self.table and k not in self.reasons)

    def _new(self, kind: type) -> None:
        if kind in self.table or kind in self.reasons:
            raise GraphError(f"{self.purpose} for node type {kind.__name__}: registered twice")


def all_registries() -> tuple[Registry[Any], ...]:
    """The interpreters of all modules imported so far."""
    return tuple(_ALL)
