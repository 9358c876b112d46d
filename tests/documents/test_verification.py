"""A verification that says exact is exact, in the whole and of each backend."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError
from support.runs import NETWORK, run_document

from spiketrack.documents.verification import BackendAgreement, PopulationRow, VerifyDocument


def backend(required: bool = True, **values: Any) -> BackendAgreement:
    found = {"exact": True, "counts_compared": 9, "mismatches": 0, "maps_differ": 0}
    return BackendAgreement(required=required, **{**found, **values})


def document(exact: bool | None, *backends: BackendAgreement) -> VerifyDocument:
    compared, mismatches = (
        sum(getattr(one, key) for one in backends) for key in ("counts_compared", "mismatches")
    )
    row = PopulationRow(
        branch="search", population="spike", compared=compared, mismatches=mismatches, backends={}
    )
    return VerifyDocument(
        spiketrack="0",
        exact=exact,
        counts_compared=compared,
        mismatches=mismatches,
        populations=1,
        frames=1,
        updates=(),
        backends={str(number): one for number, one in enumerate(backends)},
        first_divergence=None,
        by_population=(row,),
        float=None,
        boxes=(),
        network=run_document().network,
        clip="clip",
        box=(1, 2, 3, 4),
        network_digest=NETWORK,
    )


@pytest.mark.parametrize(
    ("compared", "mismatches", "maps"), [(9, 0, 0), (9, 1, 0), (9, 0, 1), (9, 1, 1), (0, 0, 0)]
)
def test_a_backend_is_exact_where_all_that_was_compared_is_equal(
    compared: int, mismatches: int, maps: int
) -> None:
    true = compared > 0 and mismatches == maps == 0
    for said in (True, False):
        one = backend(exact=said, counts_compared=compared, mismatches=mismatches, maps_differ=maps)
        if said == true:
            assert document(said, one).exact is true
        else:
            with pytest.raises(ValidationError, match="exact contradicts the counts beside it"):
                document(said, one)


@pytest.mark.parametrize("first", [True, False])
def test_the_verdict_is_that_of_all_that_must_be_exact(first: bool) -> None:
    wrong = backend(exact=False, mismatches=1)
    measured = backend(required=False, exact=False, mismatches=1)
    one = backend() if first else wrong
    for said, rest in product((True, False, None), ((), (measured,), (wrong,))):
        verdict = first and wrong not in rest
        if said is verdict:
            assert document(said, one, *rest).exact is verdict
        else:
            with pytest.raises(ValidationError, match="exact contradicts the backends"):
                document(said, one, *rest)
    assert document(None).exact is document(None, measured).exact is None
    with pytest.raises(ValidationError, match="exact contradicts the backends"):
        document(True, measured)
