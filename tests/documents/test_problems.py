"""Messages about foreign values: one line, bounded, nothing that moves a cursor."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from spiketrack.documents.problems import problem
from spiketrack.errors import printable


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    number: int
    low: int = 0

    @model_validator(mode="after")
    def _ordered(self) -> Inner:
        if self.low > self.number:
            raise ValueError("low exceeds number; lower it")
        return self


class Outer(BaseModel):
    inner: Inner
    table: dict[int, int] = {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"inner": {"number": "3"}}, "inner.number: Input should be a valid integer, found 3"),
        ({"inner": {}}, "inner.number: Field required"),
        ({"inner": {"number": []}}, "inner.number: Input should be a valid integer, found a list"),
        (
            {"inner": {"number": 1, "x": 1}},
            "inner.x: unknown key; remove it or correct its spelling",
        ),
        ({"inner": {"number": 1, "low": 2}}, "inner: low exceeds number; lower it, found a table"),
        ({"inner": {"number": None, "low": ""}}, "found None (and 1 more)"),
        ({"inner": {"number": 1, "low": ""}}, "found nothing"),
        ([], "the whole file: Input should be a valid dictionary"),
        ({"inner": 10**5000}, "found a number of too many digits"),
        ({"inner": "\x1b[31m\r\n" + "x" * 100_000}, "found \\x1b[31m\\r\\nxxx"),
        ({"inner": {"number": 1}, "table": {"\x1b" * 1000: 1}}, "table.\\x1b\\x1b"),
    ],
)
def test_one_line(value: Any, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(value)
    text = problem(caught.value)
    assert message in text
    assert text.isprintable()
    assert len(text) < 600


def test_printable_keeps_letters_of_all_languages() -> None:
    assert printable("Größe 帯") == "Größe 帯"
    assert printable("a" * 5000, 59) == "a" * 59 + "… (5,000 characters)"
