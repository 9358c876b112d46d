"""The notebooks run from top to bottom, are stored without outputs and are linked."""

from __future__ import annotations

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "docs" / "notebooks"
BOOKS = ("paper_figure.ipynb", "price_table.ipynb", "layer_by_layer.ipynb")
LEFT = ("energy.pdf", "mine.yaml", "nano/manifest.json", "run/run.json")


def test_there_are_three() -> None:
    assert sorted(BOOKS) == sorted(path.name for path in HOME.glob("*.ipynb"))
    for page in ("docs/index.md", "docs/python.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert all(f"notebooks/{name}" in text for name in BOOKS), page


@pytest.mark.parametrize("name", BOOKS)
def test_they_are_stored_without_outputs(name: str) -> None:
    book = nbformat.read(HOME / name, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert len(code) > 5
    assert not any(cell.outputs or cell.execution_count for cell in code)
    links = re.findall(r"\]\((\.\./[\w./-]+)", "".join(c.source for c in book.cells))
    assert links
    assert all((HOME / link).exists() for link in links)


@pytest.mark.slow
def test_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an empty folder, one after the other; names are forgotten between two, packages kept.

    The first exports and runs ``nano``, which the others find. A cell that fails is an error with
    its text.
    """
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    books = [nbformat.read(HOME / name, as_version=4) for name in BOOKS]
    forget = [nbformat.v4.new_code_cell("%reset -f") for _ in books]
    whole = books[0]
    whole.cells = [cell for f, book in zip(forget, books, strict=True) for cell in (*book.cells, f)]
    places = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(whole, timeout=300, kernel_name="python3", resources=places)
    client.execute()
    outputs = [out for cell in whole.cells for out in cell.get("outputs", ())]
    assert not [out for out in outputs if out.output_type == "error"]
    kinds = [kind for out in outputs for kind in out.get("data", {})]
    assert kinds.count("text/html") > 10
    assert kinds.count("image/png") == 2
    assert not [name for name in LEFT if (tmp_path / name).stat().st_size < 100]
