"""278 as news of an authorization: a number counts only where the payer grants, and each line has its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridge.codecs.x12 import claim_status, envelope, prior_authorization
from bridge.codecs.x12.facts import Decision, Delivery, Reference, Rejection, Trace, When
from bridge.codecs.x12.news import news_of, news_of_request_for_documents
from bridge.codecs.x12.parties import Party
from bridge.domain.authorization import AuthorizationStatus, Urgency, status_of
from bridge.domain.authorization_news import NewsKind, fold
from bridge.errors import Malformed
from tests.unit.codecs.x12.claims import ACKNOWLEDGED, ASKED, file_of
from tests.unit.codecs.x12.payers import ANSWERED, REFUSED, REQUESTED

MAINE = ZoneInfo("America/New_York")


def decided(action: str, number: str = "EP-1") -> prior_authorization.PriorAuthorization:
    """The answer with one decision on all of it, and none on its lines."""
    assert ANSWERED.event is not None
    lines = tuple(replace(one, decision=None) for one in ANSWERED.event.lines)
    event = replace(ANSWERED.event, decision=Decision(action, number), lines=lines, references=())
    return replace(ANSWERED, event=event)


def test_a_request_says_what_is_asked_for_whom() -> None:
    news = news_of(REQUESTED, "x12:clearview", MAINE)

    assert (news.kind, news.source) == (NewsKind.REQUESTED, "x12:clearview")
    assert news.said_at == datetime(2026, 3, 2, 19, 5, tzinfo=UTC)
    assert (news.payer_id, news.payer_name, news.trace) == ("EAST01", "EASTPLAN HEALTH", "CLV-EVENT-1")
    assert (news.number, news.replaces, news.decision) == ("", "OLD-AUTH-17", "")
    assert (news.patient_name, news.birth_date) == ("HALVORSEN^INGRID^M", "19580312")
    assert (news.member_id, news.subscriber_id) == ("EP0041001", "EP0041001")
    assert (news.request_category, news.certification, news.service_type) == ("HS", "I", "62")
    assert (news.urgency, news.wanted) == (Urgency.EXPEDITED, ())
    lumbar, pelvis = news.lines
    assert (lumbar.code, lumbar.modifiers, lumbar.requested_units, lumbar.trace) == (
        "72148",
        ("TC",),
        "1",
        "CLV-72148-1",
    )
    assert lumbar.diagnoses == ("M545", "M5116")
    assert (lumbar.place_of_service, lumbar.rendering_npi, lumbar.site_npi) == ("22", "1098765432", "1234567893")
    assert (lumbar.service_from, lumbar.service_to) == ("20260310", "20260324")
    assert (pelvis.requested_units, pelvis.approved_units, pelvis.diagnoses) == ("2", "", ())


def test_an_answer_says_what_was_decided_line_by_line() -> None:
    news = news_of(ANSWERED, "x12:EP", MAINE)

    assert news.kind is NewsKind.ANSWERED
    assert (news.decision, news.number, news.administrative_reference) == ("A2", "EP-AUTH-000", "EP-ADMIN-5")
    assert (news.effective_on, news.expires_on) == ("20260310", "20260408")
    assert (news.patient_name, news.subscriber_id, news.member_id) == ("HALVORSEN^NILS", "EP0041001", "")
    assert news.trace == "CLV-EVENT-1"
    assert news.wanted == ("55113-5", "18748-4", "11488-4", "RR")
    assert [(one.code, one.decision, one.number, one.approved_units) for one in news.lines] == [
        ("72148", "A1", "EP-AUTH-001", "1"),
        ("72195", "A6", "EP-AUTH-002", "1"),
        ("72158", "A4", "", ""),
        ("70551", "", "", ""),
    ]
    assert [one.trace for one in news.lines] == ["CLV-72148-1", "CLV-72195-1", "", ""]
    assert news.lines[1].reason_codes == ("36",)


@pytest.mark.parametrize("action", ["A3", "A4", "CT", "NA"])
def test_a_number_on_an_answer_that_does_not_grant_is_only_a_reference(action: str) -> None:
    news = news_of(decided(action, "EP-TRACK-9"), "x12:EP", MAINE)

    assert (news.number, news.administrative_reference, news.decision) == ("", "EP-TRACK-9", action)


@pytest.mark.parametrize("action", ["A1", "A2", "A6", "C"])
def test_a_number_on_an_answer_that_grants_is_the_authorization(action: str) -> None:
    news = news_of(decided(action, "EP-AUTH-9"), "x12:EP", MAINE)

    assert (news.number, news.administrative_reference) == ("EP-AUTH-9", "")


def test_a_number_without_a_decision_decides_nothing() -> None:
    assert ANSWERED.event is not None
    event = replace(ANSWERED.event, decision=None, lines=(), references=(Reference("BB", "EP-7"),))
    news = news_of(replace(ANSWERED, event=event), "x12:EP", MAINE)

    assert (news.number, news.decides) == ("EP-7", False)
    assert status_of(fold([(news, "a")]).standing) is AuthorizationStatus.UNCONFIRMED


def test_request_and_answer_come_to_one_account() -> None:
    asked, answered = news_of(REQUESTED, "x12:CLV", MAINE), news_of(ANSWERED, "x12:EP", MAINE)
    account = fold([(answered, "b"), (asked, "a")])

    assert status_of(account.standing) is AuthorizationStatus.PARTIAL
    lumbar = account.lines[0]
    assert (lumbar.requested_units, lumbar.approved_units, lumbar.number) == ("1", "1", "EP-AUTH-001")


def test_a_request_that_could_not_be_worked_on_is_an_error_with_its_reasons() -> None:
    assert ANSWERED.subscriber is not None
    party = replace(ANSWERED.subscriber.party, rejections=(Rejection("75", "C"), Rejection("42")))
    news = news_of(replace(REFUSED, subscriber=replace(ANSWERED.subscriber, party=party)), "x12:EP", MAINE)

    assert news.error_codes == ("42", "75")
    assert status_of(fold([(news, "a")]).standing) is AuthorizationStatus.ERROR


def test_what_is_told_of_the_event_holds_for_its_lines() -> None:
    assert REQUESTED.event is not None
    ordering = Party("DK", "OKAFOR", qualifier="XX", number="1000000004")
    bare = replace(REQUESTED.event.lines[1], delivery=Delivery(("VS", "3")))
    assert bare.service is not None
    bare = replace(bare, service=replace(bare.service, quantity="", pointers=("9", "x")))
    event = replace(
        REQUESTED.event, lines=(bare,), parties=(ordering,), dates=(When("007", "20260101-20260131", "RD8"),)
    )
    news = news_of(replace(REQUESTED, event=event), "x12:CLV", MAINE)

    assert (news.effective_on, news.expires_on) == ("20260101", "20260131")
    [line] = news.lines
    assert (line.place_of_service, line.ordering_npi, line.site_npi) == ("22", "1000000004", "")
    assert (line.requested_units, line.diagnoses, line.service_from) == ("3", (), "")


def test_a_decision_on_a_line_without_a_procedure_is_kept() -> None:
    assert ANSWERED.event is not None
    traced = replace(ANSWERED.event.lines[1], service=None, decision=Decision("A4", "EP-TRACK-3"))
    event = replace(ANSWERED.event, lines=(traced,), decision=None)
    account = fold(
        [(news_of(REQUESTED, "x12", MAINE), "a"), (news_of(replace(ANSWERED, event=event), "x12", MAINE), "b")]
    )

    assert [(one.code, one.decision) for one in account.lines] == [("72148", ""), ("72195", "A4")]
    assert status_of(account.standing) is not AuthorizationStatus.APPROVED


@pytest.mark.parametrize("created", ["", "2026", "20261301", "2026030299xx", "２０２６０３０２"])
def test_news_without_a_time_are_refused(created: str) -> None:
    with pytest.raises(Malformed) as caught:
        news_of(replace(ANSWERED, created=created), "x12:EP", MAINE)
    assert caught.value.where == "BHT04"


def test_news_without_a_time_of_day_are_of_its_beginning() -> None:
    assert news_of(replace(ANSWERED, created="20260303"), "x12", UTC).said_at == datetime(2026, 3, 3, tzinfo=UTC)


def test_the_payers_own_number_does_not_hide_the_requesters() -> None:
    assert ANSWERED.event is not None
    both = (Trace("1", "EP-OWN"), Trace("2", "CLV-EVENT-1"))
    news = news_of(replace(ANSWERED, event=replace(ANSWERED.event, traces=both)), "x12", UTC)

    assert news.trace == "CLV-EVENT-1"


def test_a_request_for_documents_is_news_of_the_authorization_that_its_claim_names() -> None:
    text = ASKED.replace("REF*EJ*ACC17\n", "REF*EJ*ACC17\nREF*G1*EP-AUTH-001\n")
    [transaction] = envelope.read(file_of("277", "005010X213", text))[0].transactions()
    [asked] = claim_status.outcomes(claim_status.read(transaction))
    [news] = news_of_request_for_documents(asked, "x12:EP", MAINE)

    assert (news.number, news.payer_id, news.decides) == ("EP-AUTH-001", "EAST01", False)
    assert news.wanted == ("18748-4", "55113-5", "RR")
    assert news.said_at == datetime(2026, 3, 15, 4, tzinfo=UTC)
    granted = news_of(decided("A1", "EP-AUTH-001"), "x12:EP", MAINE)
    account = fold([(granted, "a"), (news, "b")])
    assert (status_of(account.standing), account.wanted) == (AuthorizationStatus.APPROVED, news.wanted)


def test_any_other_status_of_a_claim_is_no_news_of_an_authorization() -> None:
    [transaction] = envelope.read(file_of("277", "005010X214", ACKNOWLEDGED))[0].transactions()
    found = claim_status.outcomes(claim_status.read(transaction))

    assert [news_of_request_for_documents(one, "x12:EP", MAINE) for one in found] == [[], []]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("278-request.edi", AuthorizationStatus.SUBMITTED),
        ("278-response.edi", AuthorizationStatus.APPROVED),
        ("278-comprehensive.edi", AuthorizationStatus.APPROVED),
        ("278-edge.edi", AuthorizationStatus.SUBMITTED),
    ],
)
def test_a_278_of_the_corpus_is_news(corpus: Path, name: str, status: AuthorizationStatus) -> None:
    [transaction] = envelope.read((corpus / "x12/cosyte/auth" / name).read_bytes())[0].transactions()
    [said] = prior_authorization.read(transaction.let_through())
    news = news_of(said, "x12", UTC)

    assert status_of(fold([(news, "a")]).standing) is status
    assert (news.payer_id, news.subscriber_id) == ("UMO001", "MBR0001")
