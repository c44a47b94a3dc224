"""A payer's answer: whether it is one, to which request, and whether the request was taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.codecs.fhir.payer_answer import is_about, numbers_of, read_answer, responses_in, why_not_taken
from bridge.errors import Malformed
from tests.conftest import ROOT

Json = dict[str, Any]
EXAMPLES = ROOT.parent / "shared" / "corpus" / "fhir" / "pas-examples"


def response(**more: Any) -> Json:
    return {"resourceType": "ClaimResponse", "id": "1", "identifier": [{"value": "T1"}], "outcome": "complete"} | more


def bundle(*resources: Json) -> Json:
    entries = [{"fullUrl": f"urn:x:{number}", "resource": one} for number, one in enumerate(resources)]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


@pytest.mark.parametrize(
    "answer", [response(), bundle(response()), bundle({"resourceType": "Parameters"}, bundle(response()))]
)
def test_a_response_is_found_alone_in_a_bundle_and_in_a_notification(answer: Json) -> None:
    ((found, _),) = responses_in(answer)
    assert numbers_of(found) == ("T1",)
    assert is_about(found, "T1")
    assert not is_about(found, "T2")
    assert why_not_taken(answer) == ""


def test_bundles_within_bundles_end_somewhere() -> None:
    answer = response()
    for _ in range(200):
        answer = bundle(answer)
    assert responses_in(answer) == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"resourceType": 7}'])
def test_what_is_no_resource_is_no_answer(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_answer(body)


@pytest.mark.parametrize(
    "answer",
    [
        bundle(),
        {"resourceType": "Bundle", "entry": "none"},
        {"resourceType": "Bundle", "entry": [None, {"resource": 3}]},
        {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]},
    ],
)
def test_an_answer_without_a_decision_is_told_as_such(answer: Json) -> None:
    assert why_not_taken(answer) == "the payer answers with no decision"


def test_an_outcome_is_told_in_words_and_never_in_its_own() -> None:
    issue = {"severity": "error", "code": "required", "diagnostics": "OKAFOR^CHIDI", "expression": ["Claim.item"]}
    said = why_not_taken({"resourceType": "OperationOutcome", "issue": [issue]})
    assert said == "something is missing that the server requires (Claim.item)"


def test_a_request_that_was_not_read_says_what_was_wrong_with_it() -> None:
    codes = [{"code": {"coding": [{"code": code}]}} for code in ("72", "ZZ", "OKAFOR^CHIDI")]
    assert why_not_taken(response(outcome="error", error=codes)) == "the member number is missing or wrong; error ZZ"
    assert why_not_taken(response(outcome="error")) == "the payer could not read the request"


def test_the_guide_s_answers_are_read() -> None:
    if not EXAMPLES.is_dir():
        pytest.skip("the guide's examples are not here")
    taken = {
        "Bundle-ReferralPendingAuthorizationResponseBundleExample.json": "",
        "Bundle-PASSubscriptionNotification.json": "",
    }
    refused = {
        "Bundle-ErrorResponseBundleExample.json": "an authorized quantity is exceeded; the payer's name or number is missing"
    }
    for name, why in (taken | refused).items():
        said = read_answer((EXAMPLES / name).read_bytes())
        assert responses_in(said), name
        assert why_not_taken(said) == why, json.dumps(said)[:200]
