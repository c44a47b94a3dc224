"""What was examined before: which studies count as prior, and which packets a new study concerns."""

from __future__ import annotations

import json

import pytest

from bridge.building.destinations import packet_ground
from bridge.domain.attachment import ClaimAttachment
from bridge.domain.authorization import AuthorizationLine
from bridge.domain.authorization_news import NewsKind
from bridge.domain.evidence_needs import Need
from bridge.domain.packet import PacketFile
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.offer_evidence import EvidenceDesk
from bridge.pictures.pool import DecoderPool
from bridge.store import authorizations, deliveries
from bridge.store.deliveries import DeliveryState
from bridge.wiring import House
from tests.cast import PLAIN, image, order, report
from tests.flows.asking import say, typed_authorization
from tests.flows.test_packets import MakeHouse, attach, clinic, newest, open_file, receive, work

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def house(make_house: MakeHouse, decoders: DecoderPool) -> House:
    return clinic(make_house, decoders)


def examined(house: House, accession: str, day: str, time: str = "102030") -> None:
    """Let the patient have another CT of the chest."""
    say(house, order(PLAIN, accession, start=f"{day}101500"))
    other = image(PLAIN, accession)
    other.StudyDate, other.StudyTime = day, time
    receive(house, other)


def priors_in(house: House, made: ClaimAttachment) -> list[str]:
    work(house)
    said = json.loads(open_file(house, made, PacketFile.MANIFEST))["priors"]
    return [one["accession_number"] for one in said]


@pytest.mark.parametrize(
    ("time", "is_prior"), [("0800", True), ("102029.5", True), ("102030", False), ("1800", False), ("", False)]
)
def test_of_the_same_day_what_was_examined_earlier_alone_is_prior(house: House, time: str, is_prior: bool) -> None:
    examined(house, "P1", "20260302", time)
    assert priors_in(house, attach(house)) == (["P1"] if is_prior else [])


def test_two_earlier_studies_that_read_alike_are_two(house: House) -> None:
    for series in (7, 8):
        older = image(PLAIN, "", 1, series=series)
        older.StudyInstanceUID = f"{older.StudyInstanceUID}.{series}"
        older.SOPInstanceUID = f"{older.SOPInstanceUID}.{series}"
        older.StudyDate = "20250302"
        receive(house, older)
    say(house, report(PLAIN, "A1"))
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    said = typed_authorization("PA9", PLAIN, "A1", lines=(AuthorizationLine("71260"),))
    key = entry.enter(said, "user:bill")
    with house.store.read() as tx:
        rows = EvidenceDesk(house.rules, packet_ground(house)).gaps(tx, authorizations.get(tx, key), house.clock.now())
    (gap,) = [one.gap for one in rows if one.need == Need.PRIOR_REPORTS]
    assert gap.count("2025-03-02") == 2


def waiting(house: House) -> list[int | None]:
    """Return the attachments whose packets are to be looked at."""
    with house.store.read() as tx:
        found = deliveries.search(tx, DeliveryState.PENDING)
    return sorted(one.attachment_key or 0 for one in found if one.topic == "packet")


def test_a_new_study_concerns_no_packet_of_what_was_examined_before_it(house: House) -> None:
    made = attach(house)
    work(house)
    examined(house, "N1", "20260303")
    assert waiting(house) == []
    examined(house, "P1", "20250303")
    assert waiting(house) == [made.key]
    assert priors_in(house, made) == ["P1"]


def test_a_packet_of_a_closed_authorization_is_made_anew_no_more(house: House) -> None:
    made, open_one = attach(house), attach(house, "PA2")
    work(house)
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    said = typed_authorization("PA1", PLAIN, "A1", decision="C", kind=NewsKind.ANSWERED)
    entry.add_answer(made.authorization_key, said, "user:bill")
    work(house)
    examined(house, "P1", "20250303")
    assert waiting(house) == [open_one.key]
    work(house)
    assert (newest(house, made).version, newest(house, open_one).version) == (1, 2)
