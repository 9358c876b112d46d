"""One table per interpreter: node type → function. An unregistered type is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from spiketrack.errors import GraphError

F = TypeVar("F", bound=Callable[..., Any])


class Registry(Generic[F]):
    """``@registry.register(Conv)`` adds a function, ``registry[node]`` finds it."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self.table: dict[type, F] = {}

    def register(self, *types: type) -> Callable[[F], F]:
        """Decorator: this function interprets nodes of these types."""

        def add(function: F) -> F:
            for kind in types:
                self.table[kind] = function
            return function

        return add

    def __getitem__(self, node: object) -> F:
        kind = type(node)
        if kind not in self.table:
            known = ", ".join(sorted(k.__name__ for k in self.table))
            name = getattr(node, "name", "?")
            raise GraphError(
                f"{name}: no {self.purpose} for node type {kind.__name__}; there are {known}"
            )
        return self.table[kind]
