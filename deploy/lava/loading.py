"""How Lava is loaded: the one release that is known, mended where Python 3.11 and later refuse it.

lava-nc 0.10.0, the last release, gives eight fields of data classes in one file a default that
they would share, a ``ByteEncoder``; Python >= 3.11 refuses that when the file is imported. Here
each field gets a factory. Another file sets ``multiprocessing`` to fork for the whole program, and
fails where another start method is set; that line is left out, since our processes have a context
of their own. Both are mended while they are compiled; nothing is written to disk, and every other
file of Lava is loaded as it is. Any other release is refused by name.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module, metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

from spiketrack.errors import LavaError, MissingDependency
from spiketrack.optional import LAVA_INSTALL, LAVA_RELEASE, remedy

FIELDS = "lava.magma.compiler.var_model"
STARTS = "lava.magma.runtime.message_infrastructure.multiprocessing"
SHARED = "ByteEncoder"  # the class of the defaults
DEFAULTS = 8


def prepare() -> None:
    """To be called before the first import of Lava; later calls do nothing.

    ``MissingDependency`` where Lava is absent, ``LavaError`` where it is another release.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    release = installed()
    if release is None:
        raise MissingDependency(f"lava-nc: not installed; {remedy('lava')}")
    if release != LAVA_RELEASE:
        raise LavaError(
            f"lava-nc {release}: only {LAVA_RELEASE} is known to run here; run: {LAVA_INSTALL}"
        )
    sys.meta_path.insert(0, _Finder())


def load_lava(module: str) -> ModuleType:
    """A module of Lava, for the few that ``names.py`` does not hold; errors as of ``opening``."""
    with opening():
        return import_module(module)


@contextmanager
def opening() -> Iterator[None]:
    """Around imports of Lava: errors of ``prepare``, and of an installation that is not whole.

    ``MissingDependency`` where a package that Lava imports is absent, ``LavaError`` where files of
    its own are, or cannot be compiled.
    """
    prepare()
    try:
        yield
    except (ImportError, SyntaxError) as error:
        words = f"cannot be imported ({type(error).__name__}: {error})"
        if isinstance(error, ModuleNotFoundError) and not _own(error.name or ""):
            raise MissingDependency(f"lava-nc: {words}; {remedy('lava')}") from error
        raise LavaError(
            f"lava-nc {LAVA_RELEASE}: {words}; its files are not whole: "
            f"{LAVA_INSTALL} --force-reinstall"
        ) from error


def _own(module: str) -> bool:
    return module.split(".")[0] == "lava"


def installed() -> str | None:
    """Lava's release, None where it is absent."""
    try:
        return metadata.version("lava-nc")
    except metadata.PackageNotFoundError:
        return None


class _Finder(MetaPathFinder):
    """Finds the modules that are mended, where Lava is installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in MENDS else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    """Compiles the mended text and keeps no byte code: a plain import may not find ours."""

    def get_code(self, fullname: str) -> CodeType:
        tree = MENDS[fullname](self.get_source(fullname) or "")
        return compile(tree, self.path, "exec", dont_inherit=True)


def without_start_method(source: str) -> ast.Module:
    """The module without the line that sets a start method for the whole program."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and _starts(node)]
    if len(calls) != 1:
        raise _changed(STARTS, f"{len(calls)} calls of set_start_method where 1 is known")
    calls[0].value = ast.copy_location(ast.Constant(None), calls[0])
    return tree


def _starts(line: ast.Expr) -> bool:
    call = line.value
    name = call.func if isinstance(call, ast.Call) else None
    return isinstance(name, ast.Attribute) and name.attr == "set_start_method"


def _changed(module: str, what: str) -> LavaError:
    return LavaError(
        f"lava-nc {LAVA_RELEASE}: {module} has {what}; the installed files were changed: "
        f"{LAVA_INSTALL} --force-reinstall"
    )


def with_factories(source: str) -> ast.Module:
    """The module with a factory for each shared default; ``LavaError`` unless there are eight."""
    tree = ast.parse(source)
    fields = [
        line
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for line in node.body
        if isinstance(line, ast.AnnAssign) and _shares(line.value)
    ]
    if len(fields) != DEFAULTS:
        raise _changed(FIELDS, f"{len(fields)} shared defaults where {DEFAULTS} are known")
    for line in fields:
        factory = f"__import__('dataclasses').field(default_factory={SHARED})"
        line.value = ast.parse(factory, mode="eval").body
    return ast.fix_missing_locations(tree)


def _shares(value: ast.expr | None) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == SHARED
        and not value.args
        and not value.keywords
    )


MENDS = {FIELDS: with_factories, STARTS: without_start_method}
