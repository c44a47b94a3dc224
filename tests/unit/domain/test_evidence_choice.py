"""Which study fits an authorization: its own order outweighs the code, and the code the day."""

from __future__ import annotations

import pytest

from bridge.domain.authorization import Authorization, AuthorizationLine
from bridge.domain.authorization_exam import Exam
from bridge.domain.evidence_choice import Fit, fit_of

LINES = (AuthorizationLine("71260", service_from="20260301", service_to="20260331"), AuthorizationLine("72148"))
ONE = Authorization(1, "PA1", "60054", "ACME", 1, lines=LINES, effective_on="20260101", expires_on="20260630")


def exam(*codes: str, days: tuple[str, ...] = ()) -> Exam:
    return Exam(order_key=1, patient_key=1, codes=codes, days=days)


def test_the_order_outweighs_the_code_and_the_code_the_day() -> None:
    ranked = [
        Fit(is_ordered=True, has_code=True, is_inside=True),
        Fit(is_ordered=True, has_code=True, is_inside=False),
        Fit(is_ordered=True, has_code=False, is_inside=True),
        Fit(is_ordered=True, has_code=False, is_inside=False),
        Fit(is_ordered=False, has_code=True, is_inside=True),
        Fit(is_ordered=False, has_code=True, is_inside=False),
        Fit(is_ordered=False, has_code=False, is_inside=True),
        Fit(is_ordered=False, has_code=False, is_inside=False),
    ]
    assert [one.rank for one in ranked] == list(range(8))


def test_a_study_of_the_right_code_and_day_says_so() -> None:
    fit = fit_of(ONE, exam("71260"), "20260310", is_ordered=True)
    assert fit.rank == 0
    assert fit.reasons == (
        "its order is under this authorization",
        "71260 is authorized",
        "done on a day that it covers",
    )


def test_another_code_is_named_as_what_is_not_on_it() -> None:
    fit = fit_of(ONE, exam("74177"), "20260310", is_ordered=True)
    assert (fit.has_code, fit.is_inside) == (False, True)
    assert "74177 is not on it" in fit.reasons


@pytest.mark.parametrize(
    ("study_date", "days", "is_inside"),
    [
        ("20260401", ("20260310",), False),
        ("", ("20260310",), True),
        ("", (), False),
        ("20260331", (), True),
    ],
)
def test_the_day_of_the_images_counts_before_the_day_that_was_planned(
    study_date: str, days: tuple[str, ...], is_inside: bool
) -> None:
    assert fit_of(ONE, exam("71260", days=days), study_date, is_ordered=False).is_inside is is_inside


def test_a_study_without_an_order_is_offered_by_its_day_alone() -> None:
    fit = fit_of(ONE, None, "20260310", is_ordered=False)
    assert (fit.is_ordered, fit.has_code, fit.is_inside, fit.code) == (False, False, True, "")


def test_an_authorization_without_dates_covers_no_day_for_certain() -> None:
    open_ended = Authorization(1, "PA1", "", "", 1)
    assert not fit_of(open_ended, None, "20260310", is_ordered=False).is_inside


def test_where_no_procedure_is_authorized_by_name_none_is_said_to_be_missing() -> None:
    numbered = Authorization(1, "PA1", "60054", "ACME", 1, expires_on="20260630")
    fit = fit_of(numbered, exam("71260"), "20260310", is_ordered=True)
    assert fit.reasons == ("its order is under this authorization", "done on a day that it covers")
