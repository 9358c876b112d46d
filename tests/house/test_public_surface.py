"""The advertised Python surface: every name imports, late, and the documents' examples run."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest
from support.python import python

from spiketrack.commands import own_commands

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("spiketrack", "spiketrack.export", "spiketrack.deploy", "spiketrack.simulators")
PAGES = ("docs/checkpoints.md", "docs/files.md", "docs/lava.md", "docs/nir.md")


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_every_advertised_name_imports(package: ModuleType) -> None:
    assert len(set(package.__all__)) == len(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_no_name_is_hidden_by_a_module(package: ModuleType) -> None:
    modules = {found.name for found in pkgutil.iter_modules(package.__path__)}
    assert modules.isdisjoint(package.__all__)


def test_an_unknown_name_is_refused(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute 'nothing'"):
        getattr(package, "nothing")  # noqa: B009  (mypy would refuse the plain form)


def test_importing_the_packages_loads_neither_torch_nor_lava() -> None:
    code = f"import sys, {', '.join(PACKAGES)}; print(*sys.modules)"
    assert {"torch", "lava", "nir", "h5py"}.isdisjoint(python(code, folder=ROOT).stdout.split())


def blocks(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_the_examples_of_the_documents_run(tmp_path: Path) -> None:
    """In one program, docs/python.md first: the other pages start from what it leaves behind."""
    pages = {page: blocks(page) for page in ("docs/python.md", *PAGES)}
    assert all(pages.values())
    texts = {page: "\n".join(found) for page, found in pages.items()}
    code = f"for page, text in {texts!r}.items(): exec(compile(text, page, 'exec'), {{}})"
    python(code, folder=tmp_path)


def test_the_page_lists_the_commands_that_exist() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    listed = re.findall(r"^\| `spiketrack ([\w-]+)", page, re.M)
    assert sorted(own_commands()) == sorted(listed)


@pytest.mark.parametrize("document", sorted(p.name for p in (ROOT / "docs").glob("*.md")))
def test_links_between_documents_lead_somewhere(document: str) -> None:
    check_links(ROOT / "docs" / document)


def test_links_of_the_readme_lead_somewhere() -> None:
    check_links(ROOT / "README.md")


def check_links(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert not missing
