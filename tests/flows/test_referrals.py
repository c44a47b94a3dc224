"""Referrals that name authorizations (REF^I12), and the insurances that any message tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bridge.clock import FixedClock
from bridge.domain.authorization import Authorization, AuthorizationStatus, Urgency
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.member_id import Coverage, MemberId
from bridge.store import authorization_links, authorizations, coverages, orders, patients
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, Person, adt, order
from tests.flows.asking import say

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    found = make_house(FixedClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    return found


def referral(person: Person, *segments: str, at: str = "20260302090000", control_id: str = "REF1") -> bytes:
    """Return a REF^I12 for *person*."""
    head = f"MSH|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|{at}||REF^I12|{control_id}|P|2.5.1"
    return "\r".join((head, *segments[:1], person.pid, *segments[1:])).encode() + b"\r"


RF1 = "RF1|A^Accepted^HL70283|S^Stat^HL70280|||||20260301|20260430|||EXT-7" + "\r"
WHOLE = (
    "RF1|A|S||||TR-9|20260301|20260430|20260302||EXT-7",
    "IN1|1|PLAN|60054|ACME||||||||||||||||||||||||||||||||W123456789",
    "DG1|1||M54.5^Low back pain^I10",
    "PR1|1||71260^CT CHEST^C4|||||||||||||26",
    "AUT||60054|ACME|20260301|20260430|PA-1 1||2|1",
    "OBR|1|PA1^RIVEHR|FA1^RIVRIS|71260^CT CHEST^C4",
)


def the_one(house: House, number: str) -> Authorization:
    with house.store.read() as tx:
        (key,) = authorizations.keys_by_number(tx, number)
        return authorizations.get(tx, key)


def test_a_referral_s_authorization_is_known_with_its_line_and_its_order(house: House) -> None:
    (answer,) = say(house, referral(PLAIN, *WHOLE))
    assert b"MSA|AA" in answer
    one = the_one(house, "PA11")
    assert (one.trace, one.administrative_reference, one.urgency) == ("TR-9", "EXT-7", Urgency.EXPEDITED)
    assert (one.effective_on, one.expires_on) == ("20260301", "20260430")
    (line,) = one.lines
    assert (line.code, line.modifiers, line.diagnoses) == ("71260", ("26",), ("M54.5",))
    assert (line.requested_units, line.approved_units, line.number) == ("2", "1", "PA-1 1")
    with house.store.read() as tx:
        linked = [orders.get(tx, link.order_key) for link in authorization_links.of_authorization(tx, one.key)]
    assert [order.accession_number for order in linked] == ["A1"]


def test_trap_7_a_referral_that_is_accepted_is_no_approval(house: House) -> None:
    say(house, referral(PLAIN, *WHOLE))
    assert the_one(house, "PA11").status == AuthorizationStatus.UNCONFIRMED


def test_an_older_referral_that_comes_late_changes_nothing_that_was_said_since(house: House) -> None:
    later = [one.replace("20260430", "20260531") for one in WHOLE]
    say(house, referral(PLAIN, *later, at="20260303090000", control_id="REF2"), referral(PLAIN, *WHOLE))
    assert the_one(house, "PA11").expires_on == "20260531"


def test_a_referral_without_any_number_is_refused_with_its_place(house: House) -> None:
    (answer,) = say(house, referral(PLAIN, "RF1|A|R", "PR1|1||71260^CT CHEST^C4"))
    assert b"MSA|AE" in answer
    assert b"AUT" in answer


def test_a_foreign_authorization_s_number_in_a_referral_waits_for_a_person(house: House) -> None:
    say(house, referral(PLAIN, *WHOLE))
    (answer,) = say(house, referral(STRANGER, *WHOLE[:5], control_id="REF2"))
    assert b"MSA|AA" in answer
    assert b"another patient's" in answer


def test_the_newest_insurance_of_each_sender_is_the_patient_s(house: House) -> None:
    in1 = "IN1|1|PLAN|60054|ACME||||||||||||||||||||||||||||||||{}\r"
    say(house, adt(PLAIN, "A08", at="20260302090000", extra=in1.format("W2")))
    say(house, adt(PLAIN, "A08", at="20260301090000", extra=in1.format("W1")))
    with house.store.read() as tx:
        found = patients.find(tx, PatientIdentifier(PLAIN.patient_id, "RIVERSIDE"))
        assert found is not None
        assert coverages.of_records(tx, [found.key]) == (Coverage("60054", "ACME", MemberId("W2", "", "W2")),)
