"""News of authorizations from orders, payers and people: kept, put together, linked, warned of, and undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bridge.clock import FixedClock
from bridge.domain.authorization import Authorization, AuthorizationLine, AuthorizationStatus
from bridge.domain.authorization_links import LinkRule
from bridge.domain.authorization_news import AuthorizationNews, NewsKind
from bridge.domain.evidence_needs import Need
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.member_id import Coverage, MemberId
from bridge.errors import Conflict
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.notice_news import Audience, NewsWatch
from bridge.flows.take_authorization_news import (
    NewsOutcome,
    Taken,
    Taking,
    assign_news,
    take_authorization_news,
)
from bridge.flows.undo_merge import MergeUndoer
from bridge.store import (
    authorization_gaps,
    authorization_links,
    authorization_news,
    authorization_warnings,
    authorizations,
    coverages,
    events,
    orders,
    patients,
)
from bridge.store.events import Station
from bridge.store.tables import merges
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, Person, adt, merge, order, report
from tests.flows.asking import say, typed_authorization

# What differs between databases is the store's, and told apart there.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CHEST = AuthorizationLine("71260", sequence=1)


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """A house with an order of a CT of the chest for the second of March."""
    found = make_house(FixedClock(NOW))
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    return found


def answer(decision: str = "A1", person: Person | None = PLAIN, **said: Any) -> AuthorizationNews:
    """Return a payer's answer about a CT of the chest."""
    numbers = (PatientIdentifier(person.patient_id, "RIVERSIDE"),) if person is not None else ()
    whole: dict[str, Any] = {
        "source": "x12:acme",
        "said_at": NOW,
        "kind": NewsKind.ANSWERED,
        "payer_id": "60054",
        "number": "PA-1 1",
        "patient_numbers": numbers,
        "decision": decision,
        "lines": (CHEST,),
        "effective_on": "20260301",
        "expires_on": "20260430",
    }
    return AuthorizationNews(**whole | said)


def take(house: House, *said: AuthorizationNews) -> list[Taken]:
    with house.store.write() as tx:
        return [take_authorization_news(tx, one, Taking(house.rules, house.clock.now(), one.source)) for one in said]


def look(house: House) -> None:
    """Let everything be looked at that is due."""
    watch = NewsWatch(house.store, house.clock, timedelta(0), Audience(), owner="test", rules=house.rules)
    while watch.work():
        pass


def the_one(house: House, number: str = "PA11") -> Authorization:
    with house.store.read() as tx:
        found = authorizations.find(tx, "60054", number)
    assert found is not None
    return found


def links(house: House, number: str = "PA11") -> list[tuple[str, LinkRule]]:
    with house.store.read() as tx:
        found = authorization_links.of_authorization(tx, the_one(house, number).key)
        return [(orders.get(tx, one.order_key).accession_number, one.rule) for one in found]


def warned(house: House, number: str = "PA11") -> list[str]:
    look(house)
    with house.store.read() as tx:
        found = authorization_warnings.of_authorizations(tx, [the_one(house, number).key])
    return [one.warning.kind.value for one in found]


def told(house: House, accession: str = "A1") -> list[str]:
    with house.store.read() as tx:
        (found,) = orders.by_accession(tx, accession)
        lines = events.timeline(tx, [found.key], [])
    return [line.what for line in lines if line.station == Station.AUTHORIZATION]


def insured(house: House, person: Person = PLAIN, member: str = "W12345678901") -> None:
    with house.store.write() as tx:
        found = patients.find(tx, PatientIdentifier(person.patient_id, "RIVERSIDE"))
        assert found is not None
        coverages.put(tx, found.key, Coverage("60054", "ACME", MemberId(member)), "test", NOW)


def in1(number: str = "PA11", payer: str = "60054") -> str:
    """Return an insurance segment with an authorization (IN1-14)."""
    fields = ["IN1", "1", "PLAN", payer, "ACME", *[""] * 9, number]
    return "|".join(fields) + "\r"


# ── what is said, and by whom ────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_answer_twice_is_one_answer(house: House) -> None:
    first, again = take(house, answer(), answer())
    assert (first.outcome, again.outcome) == (NewsOutcome.APPLIED, NewsOutcome.KNOWN)
    with house.store.read() as tx:
        assert len(authorization_news.of_authorization(tx, the_one(house).key)) == 1


@pytest.mark.parametrize("late_first", [False, True])
def test_the_newest_answer_counts_in_whatever_order_it_comes(house: House, late_first: bool) -> None:
    said = [answer("A4"), answer("A1", said_at=NOW + timedelta(hours=1))]
    take(house, *(reversed(said) if late_first else said))
    one = the_one(house)
    assert one.status == AuthorizationStatus.APPROVED
    with house.store.read() as tx:
        history = [heard.news.decision for heard in authorization_news.of_authorization(tx, one.key)]
    assert history == ["A4", "A1"]


def test_trap_20_a_number_typed_with_spaces_is_the_same_authorization(house: House) -> None:
    take(house, answer(number="PA-1 1"), answer("A6", number="pa11", said_at=NOW + timedelta(hours=1)))
    assert the_one(house).status == AuthorizationStatus.MODIFIED
    with house.store.read() as tx:
        assert authorizations.keys_by_number(tx, "p a-11") == [the_one(house).key]


def test_trap_7_an_order_that_names_a_number_approves_nothing(house: House) -> None:
    say(house, order(PLAIN, "A2", extra=in1()))
    assert the_one(house).status == AuthorizationStatus.UNCONFIRMED
    take(house, answer("A4", number="", administrative_reference="PA11", said_at=NOW + timedelta(days=1)))
    assert the_one(house).status == AuthorizationStatus.PENDED
    say(house, order(PLAIN, "A3", at="20260310080500", extra=in1()))
    assert the_one(house).status == AuthorizationStatus.PENDED


def test_trap_2_a_line_s_own_number_leads_to_its_authorization(house: House) -> None:
    lines = (AuthorizationLine("71260", sequence=1, decision="A1", number="PA-11-1"),)
    take(house, answer("", lines=lines))
    (later,) = take(
        house,
        answer(
            "",
            number="",
            lines=(AuthorizationLine("71260", sequence=1, decision="A3", number="PA111"),),
            said_at=NOW + timedelta(1),
        ),
    )
    assert later.authorization is not None
    assert later.authorization.key == the_one(house).key
    assert later.authorization.status == AuthorizationStatus.DENIED


def test_an_answer_by_our_own_trace_needs_to_name_nobody(house: House) -> None:
    asked = answer("", number="", kind=NewsKind.REQUESTED, trace="T1", received_at=NOW)
    take(house, asked, answer("A1", person=None, trace="T1", said_at=NOW + timedelta(hours=1)))
    assert the_one(house).status == AuthorizationStatus.APPROVED


def test_a_request_has_its_due_time_until_it_is_answered(house: House) -> None:
    (asked,) = take(house, answer("", number="", kind=NewsKind.REQUESTED, trace="T1", received_at=NOW))
    assert asked.authorization is not None
    with house.store.read() as tx:
        found = authorizations.get(tx, asked.authorization.key)
    assert (found.status, found.received_at) == (AuthorizationStatus.SUBMITTED, NOW)
    take(house, answer("A1", trace="T1", said_at=NOW + timedelta(hours=1)))
    assert the_one(house).answered_at == NOW + timedelta(hours=1)


def test_a_request_that_follows_another_takes_its_place(house: House) -> None:
    take(house, answer(accession_number="A1"), answer(number="PA12", replaces="PA11", said_at=NOW + timedelta(hours=1)))
    assert the_one(house).status == AuthorizationStatus.SUPERSEDED
    assert the_one(house, "PA12").status == AuthorizationStatus.APPROVED
    assert "Authorization PA-1 1: replaced by another" in told(house)


# ── whose it is ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"person": None}, "nothing in it says for certain whose it is"),
        (
            {"patient_name": "OKAFOR^CHIDI", "birth_date": "19830504"},
            "name or birth date are another person's than its numbers'",
        ),
        ({"person": STRANGER, "accession_number": "A1"}, "its numbers lead to different patients"),
        (
            {"person": None, "patient_name": "HALVORSEN^INGRID", "birth_date": "19580312"},
            "nothing in it says for certain whose it is",
        ),
    ],
)
def test_what_names_nobody_for_certain_waits_for_a_person(house: House, said: dict[str, Any], why: str) -> None:
    (taken,) = take(house, answer(**said))
    assert (taken.outcome, taken.why, taken.authorization) == (NewsOutcome.WAITS, why, None)
    with house.store.read() as tx:
        assert [heard.waits for heard in authorization_news.waiting(tx)] == [why]


def test_a_foreign_authorization_s_number_changes_nothing_of_it(house: House) -> None:
    take(house, answer())
    (taken,) = take(house, answer("A3", person=STRANGER, said_at=NOW + timedelta(hours=1)))
    assert taken.outcome == NewsOutcome.WAITS
    assert the_one(house).status == AuthorizationStatus.APPROVED
    (said,) = say(house, order(STRANGER, "A5", extra="AUT||60054|ACME|||PA11\r"))
    assert b"the authorization is another patient's" in said


def test_a_member_with_equal_name_and_birth_date_is_the_patient(house: House) -> None:
    insured(house)
    who = {
        "person": None,
        "member_id": "W123456789-01",
        "patient_name": "Halvorsen^Ingrid",
        "birth_date": PLAIN.birth_date,
    }
    (taken,) = take(house, answer(**who))
    assert taken.outcome == NewsOutcome.APPLIED
    (other,) = take(house, answer(**who | {"number": "PA9", "patient_name": "HALVORSEN^INGEBORG"}))
    assert other.outcome == NewsOutcome.WAITS


def test_a_member_number_that_two_have_is_nobody_s(house: House) -> None:
    insured(house)
    say(house, adt(NEAR_TWIN))
    insured(house, NEAR_TWIN)
    (taken,) = take(
        house, answer(person=None, member_id="W12345678901", patient_name=PLAIN.name, birth_date=PLAIN.birth_date)
    )
    assert taken.outcome == NewsOutcome.WAITS


def test_a_person_says_whose_waiting_news_are(house: House) -> None:
    (taken,) = take(house, answer(person=None))
    with house.store.write() as tx:
        owner = patients.find(tx, PatientIdentifier(PLAIN.patient_id, "RIVERSIDE"))
        assert owner is not None
        taking = Taking(house.rules, NOW, "user:bill")
        assign_news(tx, taken.news_key, owner.key, taking)
        with pytest.raises(Conflict):
            assign_news(tx, taken.news_key, owner.key, taking)
    assert the_one(house).status == AuthorizationStatus.APPROVED
    with house.store.read() as tx:
        assert authorization_news.waiting(tx) == []


def waiting(house: House) -> list[str]:
    """Return why news wait once everything was looked at that is due in half a minute."""
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(seconds=30)
    look(house)
    with house.store.read() as tx:
        return [heard.waits for heard in authorization_news.waiting(tx)]


def test_waiting_news_are_the_patient_s_as_soon_as_their_number_is_registered(house: House) -> None:
    take(house, answer(person=NEAR_TWIN), answer(person=None, number="PA99"))
    assert len(waiting(house)) == 2
    say(house, adt(NEAR_TWIN))
    assert waiting(house) == ["nothing in it says for certain whose it is"]
    found = the_one(house)
    with house.store.read() as tx:
        assert patients.get(tx, found.patient_key).identifiers[0].patient_id == NEAR_TWIN.patient_id
        (heard,) = authorization_news.of_authorization(tx, found.key)
    assert (found.status, heard.heard_at) == (AuthorizationStatus.APPROVED, NOW)


def test_waiting_news_of_two_patients_are_theirs_who_turn_out_to_be_one(house: House) -> None:
    take(house, answer(person=STRANGER, accession_number="A1"))
    assert waiting(house) == ["its numbers lead to different patients"]
    say(house, merge(PLAIN, STRANGER))
    assert waiting(house) == []
    assert links(house) == [("A1", LinkRule.NAMED)]


def test_waiting_news_find_the_member_whose_insurance_is_told_later(house: House) -> None:
    who = {"member_id": "W123456789-01", "patient_name": PLAIN.name, "birth_date": PLAIN.birth_date}
    take(house, answer(person=None, **who))
    assert len(waiting(house)) == 1
    insured(house)
    say(house, adt(PLAIN, at="20260302160000"))
    assert waiting(house) == []


def test_an_answer_that_came_before_its_request_is_taken_once_that_is_known(house: House) -> None:
    take(house, answer("A1", person=None, number="", trace="T1"))
    assert len(waiting(house)) == 1
    (asked,) = take(house, answer("", number="", kind=NewsKind.REQUESTED, trace="T1", said_at=NOW - timedelta(hours=1)))
    assert waiting(house) == []
    assert asked.authorization is not None
    with house.store.read() as tx:
        assert authorizations.get(tx, asked.authorization.key).status == AuthorizationStatus.APPROVED


def test_what_another_patient_s_order_said_of_an_authorization_waits_for_a_person_for_good(house: House) -> None:
    take(house, answer())
    say(house, order(STRANGER, "A5", extra="AUT||60054|ACME|||PA11\r"))
    say(house, adt(STRANGER, at="20260302160000"))
    assert waiting(house) == ["the authorization is another patient's and was left there"]
    assert links(house) == []


# ── which order it is for ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_under_the_authorization_it_names(house: House) -> None:
    say(house, order(PLAIN, "A2", extra="AUT||60054|ACME|||PA11\r"))
    assert links(house) == [("A2", LinkRule.NUMBER)]


def test_trap_19_a_number_on_every_order_s_insurance_stays_the_insurance_s(house: House) -> None:
    say(house, order(PLAIN, "A2", extra=in1()), order(PLAIN, "A3", extra=in1()))
    assert links(house) == [("A2", LinkRule.INSURANCE), ("A3", LinkRule.INSURANCE)]
    say(house, order(PLAIN, "A4", extra="AUT||60054|ACME|||PA11\r"))
    assert the_one(house).order_key == order_key(house, "A4")
    assert links(house)[-1] == ("A4", LinkRule.NUMBER)


def order_key(house: House, accession: str) -> int:
    with house.store.read() as tx:
        return orders.by_accession(tx, accession)[0].key


def test_an_answer_that_names_the_order_is_its_authorization(house: House) -> None:
    take(house, answer(accession_number="A1"))
    assert links(house) == [("A1", LinkRule.NAMED)]


def test_payer_member_code_and_day_find_the_order(house: House) -> None:
    insured(house)
    take(house, answer(member_id="W123456789-01"))
    assert links(house) == [("A1", LinkRule.MEMBER_CODE_DATE)]


def test_an_order_that_comes_after_its_authorization_is_found_as_well(house: House) -> None:
    insured(house)
    take(house, answer(member_id="W123456789-01", effective_on="20260401"))
    assert links(house) == []
    say(house, order(PLAIN, "A2", start="20260402101500"))
    look(house)
    assert links(house) == [("A2", LinkRule.MEMBER_CODE_DATE)]


def test_two_orders_that_fit_are_left_to_a_person(house: House) -> None:
    insured(house)
    say(house, order(PLAIN, "A2"))
    take(house, answer(member_id="W123456789-01"))
    assert links(house) == []


# ── what its payer wants to see ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_report_that_comes_later_is_missing_until_then(house: House) -> None:
    take(house, answer(accession_number="A1"))
    key = the_one(house).key

    def missing() -> tuple[Need, ...]:
        look(house)
        with house.store.read() as tx:
            return authorization_gaps.of_authorizations(tx, [key]).get(key, ())

    assert {Need.REPORT, Need.IMAGES} <= set(missing())
    say(house, report(PLAIN, "A1"))
    assert Need.REPORT not in missing()
    take(house, answer("A3", said_at=NOW + timedelta(hours=1)))
    assert missing() == ()


# ── what is warned of ────────────────────────────────────────────────────────────────────────────────────────────────


def test_trap_3_a_rescheduled_exam_is_warned_of_until_it_is_back_inside(house: House) -> None:
    take(house, answer(accession_number="A1"))
    assert warned(house) == []
    say(house, order(PLAIN, "A1", "XO", at="20260302090000", start="20260510101500"))
    assert warned(house) == ["date_outside"]
    say(house, order(PLAIN, "A1", "XO", at="20260302091000", start="20260410101500"))
    assert warned(house) == []
    lines = [line for line in told(house) if "The exam is on" in line or "the exam is on" in line]
    assert lines == [
        "Authorization PA-1 1, the exam is on 2026-05-10; the authorization is good for 2026-03-01 to 2026-04-30.",
        "Authorization PA-1 1, no longer: The exam is on 2026-05-10; the authorization is good for 2026-03-01 to 2026-04-30.",
    ]


def test_trap_1_an_exam_changed_to_another_code_is_warned_of(house: House) -> None:
    take(house, answer(accession_number="A1"))
    changed = order(PLAIN, "A1", "XO", at="20260302090000").replace(b"71260^CT CHEST WITH CONTRAST", b"71270^CT CHEST")
    say(house, changed)
    assert warned(house) == ["code_not_covered"]


def test_trap_18_a_cancelled_order_s_authorization_is_to_be_released(house: House) -> None:
    take(house, answer(accession_number="A1"))
    say(house, order(PLAIN, "A1", "CA", at="20260302090000"))
    assert warned(house) == ["order_cancelled"]


def test_trap_6_another_member_than_the_patient_s_insurance(house: House) -> None:
    insured(house)
    take(house, answer(accession_number="A1", member_id="W123456789-02"))
    assert warned(house) == ["member_differs"]


def test_trap_11_a_merge_after_the_answer_asks_for_a_look_until_it_is_undone(house: House) -> None:
    take(house, answer(accession_number="A1"))
    assert warned(house) == []
    say(house, adt(NEAR_TWIN), merge(NEAR_TWIN, PLAIN))
    assert warned(house) == ["merged_patient"]
    with house.store.read() as tx:
        merged = tx.execute(select(merges.c.key)).scalar_one()
    MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(merged, "not the same", "user:maria")
    assert warned(house) == []


def test_an_order_moved_to_another_patient_leaves_its_authorization_and_is_warned_of(house: House) -> None:
    take(house, answer(accession_number="A1"))
    say(house, order(STRANGER, "A1", "XO", at="20260302090000"))
    assert warned(house) == ["other_patient"]


def test_time_alone_warns_and_ends(make_house: Callable[..., House]) -> None:
    clock = FixedClock(NOW)
    house = make_house(clock)
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    take(house, answer("", number="", administrative_reference="PA11", kind=NewsKind.REQUESTED, received_at=NOW))
    seen = []
    for days in (0, 4, 2, 2):
        clock.at += timedelta(days=days)
        look(house)
        with house.store.read() as tx:
            (one,) = authorizations.of_patients(tx, [1])
            seen.append([each.warning.sentence for each in authorization_warnings.of_authorizations(tx, [one.key])])
    assert seen == [
        [],
        ["50 % of the payer's time to answer are over."],
        ["80 % of the payer's time to answer are over."],
        ["The payer's time to answer is over."],
    ]


def test_a_typed_answer_of_the_payer_counts_as_one(house: House) -> None:
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    decided = {"kind": NewsKind.ANSWERED, "decision": "A1", "lines": (CHEST,), "expires_on": "20260430"}
    said = typed_authorization("PA11", PLAIN, "A1", **decided)
    entry.enter(said, "user:bill")
    assert (the_one(house).status, links(house)) == (AuthorizationStatus.APPROVED, [("A1", LinkRule.NUMBER)])
    plain = typed_authorization("PA12", PLAIN)
    entry.enter(plain, "user:bill")
    assert the_one(house, "PA12").status == AuthorizationStatus.UNCONFIRMED
