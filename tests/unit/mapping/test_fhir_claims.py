"""What a payer answered to a claim for payment by FHIR: money and reasons decide, as in an 835."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge.domain.claim_outcome import OutcomeStatus, ReasonCategory
from bridge.errors import Incomplete
from bridge.mapping.fhir_claims import read_claim_outcome
from bridge.mapping.fhir_fields import Resource

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "fhir" / "r4-examples"
CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
RARC = "https://x12.org/codes/remittance-advice-remark-codes"
GROUP = "https://x12.org/codes/claim-adjustment-group-codes"
CLAIM: dict[str, Any] = {
    "resourceType": "Claim",
    "id": "c1",
    "identifier": [{"value": "A1"}],
    "use": "claim",
    "insurance": [{"sequence": 1, "focal": True, "preAuthRef": ["PA-1"]}],
    "item": [
        {
            "sequence": 1,
            "productOrService": {"coding": [{"code": "71260"}]},
            "modifier": [{"coding": [{"code": "TC"}]}],
            "servicedDate": "2026-03-02",
        }
    ],
}


def money(kind: str, amount: object, *reasons: tuple[str, str]) -> dict[str, Any]:
    part: dict[str, Any] = {"category": {"coding": [{"code": kind}]}, "amount": {"value": amount, "currency": "USD"}}
    coded = [{"system": system, "code": code} for system, code in reasons]
    return part | ({"reason": {"coding": coded}} if coded else {})


def response(*parts: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {
        "resourceType": "ClaimResponse",
        "id": "r1",
        "identifier": [{"value": "ICN-9"}],
        "status": "active",
        "use": "claim",
        "outcome": "complete",
        "created": "2026-03-20",
        "insurer": {"identifier": {"value": "60054"}, "display": "Acme"},
        "request": {"reference": "Claim/c1"},
        "item": [{"itemSequence": 1, "adjudication": list(parts)}],
    } | said


def read(said: dict[str, Any], claim: dict[str, Any] = CLAIM) -> Any:
    return read_claim_outcome(Resource(said, {"Claim/c1": claim}), "fhir:ehr")


def test_a_paid_claim_has_its_numbers_money_and_days() -> None:
    paid = response(
        money("submitted", 400),
        money("benefit", 300.5),
        payment={"date": "2026-03-25", "amount": {"value": 300.5}, "identifier": {"value": "EFT7"}},
    )
    said = read(paid)
    assert (said.status, said.charged, said.paid) == (OutcomeStatus.PAID, Decimal(400), Decimal("300.50"))
    assert (said.claim_number, said.payer_claim_number, said.payment_number) == ("A1", "ICN-9", "EFT7")
    assert (said.said_on, said.service_from) == (date(2026, 3, 25), date(2026, 3, 2))
    assert said.authorization_numbers == ("PA-1",)
    assert (said.lines[0].code, said.lines[0].modifiers, said.processed_as) == ("71260", ("TC",), "1")


def test_a_denial_for_want_of_documents_is_one_here_too() -> None:
    why = money("denialreason", 400, (CARC, "16"), (GROUP, "CO"), (RARC, "N706"))
    said = read(response(money("submitted", 400), money("benefit", 0), why))
    assert (said.status, said.lacks_documents) == (OutcomeStatus.DENIED, True)
    assert [one.code for one in said.denials] == ["CO-16"]
    assert said.every_remark == ("N706",)


def test_a_reason_without_its_group_is_named_alone() -> None:
    said = read(response(money("submitted", 400), money("benefit", 0, (CARC, "50"))))
    assert [(one.code, one.category) for one in said.denials] == [("50", ReasonCategory.NECESSITY)]


def test_complete_is_no_payment_and_nothing_paid_without_a_reason_is_denied() -> None:
    assert read(response(money("submitted", 400), money("benefit", 0))).status == OutcomeStatus.DENIED
    assert read(response()).status == OutcomeStatus.UNKNOWN
    assert read(response(money("submitted", 400), money("deductible", 400))).status == OutcomeStatus.PAID


def test_one_line_denied_of_two_is_paid_in_part() -> None:
    lines = [
        {"itemSequence": 1, "adjudication": [money("submitted", 400), money("benefit", 300)]},
        {"itemSequence": 2, "adjudication": [money("submitted", 200), money("benefit", 0, (CARC, "252"))]},
    ]
    lines[1]["adjudication"].append(money("denialreason", 200, (CARC, "252"), (GROUP, "CO")))  # type: ignore[attr-defined]
    assert read(response(item=lines)).status == OutcomeStatus.PARTLY_PAID


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"outcome": "queued"}, OutcomeStatus.PENDED),
        ({"outcome": "error"}, OutcomeStatus.RETURNED),
        ({"status": "cancelled"}, OutcomeStatus.REVERSED),
        ({"status": "entered-in-error"}, OutcomeStatus.REVERSED),
    ],
)
def test_what_is_no_decision_says_what_it_is(said: dict[str, Any], status: OutcomeStatus) -> None:
    assert read(response(money("submitted", 400), money("benefit", 400), **said)).status == status


def test_a_second_insurer_says_that_it_is_one() -> None:
    second = CLAIM | {"insurance": [{"sequence": 1, "focal": False}, {"sequence": 2, "focal": True}]}
    assert read(response(money("submitted", 400), money("benefit", 50)), second).processed_as == "2"


def test_what_is_not_about_money_is_left_to_others() -> None:
    assert read(response(use="preauthorization")) is None
    assert read(response(use="predetermination")) is None
    assert read(response(status="draft")) is None


def test_a_claim_that_did_not_come_along_goes_by_the_number_that_the_answer_names() -> None:
    assert read(response(request={"identifier": {"value": "A7"}})).claim_number == "A7"
    assert read(response(request={"reference": "Claim/elsewhere"})).claim_number == "elsewhere"
    assert read(response(request={})).claim_number == "ClaimResponse/r1"


@pytest.mark.parametrize("amount", ["NaN", "1e300", True, None, "much", {}, [1], -5])
def test_odd_amounts_break_nothing(amount: object) -> None:
    said = read(response(money("submitted", amount), money("benefit", amount)))
    assert said.status in (OutcomeStatus.UNKNOWN, OutcomeStatus.DENIED, OutcomeStatus.PAID)
    assert said.paid <= 0


def test_a_response_without_an_id_is_refused() -> None:
    with pytest.raises(Incomplete):
        read(response(id=""))


def test_hl7_s_examples_are_read() -> None:
    files = sorted(CORPUS.glob("ClaimResponse-R35*.json"))
    if not files:
        pytest.skip("the corpus is not beside this checkout")
    found = [read_claim_outcome(Resource(json.loads(each.read_bytes()), {}), "fhir:x") for each in files]
    assert [one.status.value for one in found if one] == ["paid", "returned", "paid", "paid"]


def test_the_same_money_is_counted_once_however_often_it_is_told() -> None:
    parts = (money("submitted", 400), money("benefit", 300), money("paidtoprovider", 300))
    parts += (money("copay", 40), money("coinsurance", 60), money("memberliability", 100))
    said = read(response(*parts, adjudication=list(parts), total=list(parts)))
    assert (said.charged, said.paid, said.patient_share) == (Decimal(400), Decimal(300), Decimal(100))
    assert said.lines[0].paid == Decimal(300)
