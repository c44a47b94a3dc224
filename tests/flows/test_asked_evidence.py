"""What a payer asks for by its code counts as on its checklist: it goes along if it is here, and is missed aloud if it is not."""

from __future__ import annotations

import json

import pytest

from bridge.building.asking import evidence_requests as people
from bridge.building.destinations import packet_ground
from bridge.domain.accounts import Role
from bridge.domain.attachment import ClaimAttachment
from bridge.domain.authorization import AuthorizationLine
from bridge.domain.evidence_needs import Need
from bridge.domain.packet import PacketFile
from bridge.flows.offer_evidence import EvidenceDesk
from bridge.store import authorization_gaps, authorizations
from samples.strict_payer import StrictPayer
from tests.cast import PLAIN, STRANGER, document, lab
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.flows.payer_desk import Desk
from tests.flows.test_authorization_news import look as judge
from tests.flows.test_evidence_requests import asked, look, task
from tests.flows.test_packets import open_file

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CONSULT = "11488-4^Consultation note^LN"
PROGRESS = "11506-3^Progress note^LN"


def attached(desk: Desk) -> ClaimAttachment:
    """Return evidence for a service that no checklist is for."""
    return desk.ready(lines=(AuthorizationLine("S8042"),))


def missing(desk: Desk, made: ClaimAttachment) -> tuple[str, ...]:
    house = desk.house
    with house.store.read() as tx:
        one = authorizations.get(tx, made.authorization_key)
        return EvidenceDesk(house.rules, packet_ground(house)).missing(tx, one, house.clock.now())


def held(desk: Desk, made: ClaimAttachment, what: str, word: str) -> list[str]:
    return [one[word] for one in json.loads(open_file(desk.house, made, PacketFile.MANIFEST))[what]]


def hear(desk: Desk, *said: bytes) -> None:
    say(desk.house, *said)
    desk.later(minutes=1)
    desk.work()


def gaps(desk: Desk, made: ClaimAttachment) -> tuple[Need, ...]:
    judge(desk.house)
    with desk.house.store.read() as tx:
        return authorization_gaps.of_authorizations(tx, [made.authorization_key]).get(made.authorization_key, ())


def test_a_note_of_the_kind_asked_for_goes_along_and_another_does_not(desk: Desk, payer: StrictPayer) -> None:
    made = attached(desk)
    hear(desk, document(PLAIN, "He walks well.", kind=PROGRESS))
    assert held(desk, made, "notes", "title") == []
    payer.ask(task(code="11488-4"))
    look(desk)
    assert held(desk, made, "notes", "title") == []
    (said,) = missing(desk, made)
    assert said.startswith("no consultation note of the last 90 days is here")
    assert Need.OFFICE_NOTE in gaps(desk, made)
    hear(desk, document(PLAIN, "He may not need surgery.", kind=CONSULT, number="D2"))
    assert held(desk, made, "notes", "title") == ["Consultation note"]
    assert (missing(desk, made), gaps(desk, made)) == ((), ())


@pytest.mark.parametrize(("code", "kind"), [("11506-3", PROGRESS), ("09", PROGRESS), ("11488-4", "CN^Consult^HL70270")])
def test_a_kind_of_note_has_several_codes(desk: Desk, payer: StrictPayer, code: str, kind: str) -> None:
    made = attached(desk)
    hear(desk, document(PLAIN, kind=kind))
    payer.ask(task(code=code))
    look(desk)
    assert len(held(desk, made, "notes", "title")) == 1
    assert missing(desk, made) == ()


@pytest.mark.parametrize("code", ["RT", "11502-2"])
def test_a_result_that_is_asked_for_goes_along_and_never_another_person_s(
    desk: Desk, payer: StrictPayer, code: str
) -> None:
    made = attached(desk)
    hear(desk, lab(STRANGER, "9.9", number="L9"))
    payer.ask(task(code=code))
    look(desk)
    (said,) = missing(desk, made)
    assert said.startswith("no final creatinine or egfr")
    hear(desk, lab(PLAIN))
    assert (held(desk, made, "labs", "words"), missing(desk, made)) == (["creatinine 1.1 mg/dL"], ())


def test_pages_tell_what_goes_along_and_what_is_missing_before_it_is_let_go(desk: Desk, payer: StrictPayer) -> None:
    made = attached(desk)
    for number, code in (("PAYER-77", "RT"), ("PAYER-78", "11488-4")):
        payer.ask(task(number, code=code))
    look(desk)
    hear(desk, lab(PLAIN))
    biller = Console(desk.house).browser(Role.BILLING)
    place = f"/authorizations/{made.authorization_key}/attachments/{made.key}"
    release = biller.get(f"{place}/release").text
    assert "1 lab result, a list of" in release
    assert "no consultation note of the last 90 days is here" in release
    assert "creatinine 1.1 mg/dL" in biller.get(f"{place}/packet").text
    hear(desk, document(PLAIN, kind=CONSULT))
    release = biller.get(f"{place}/release").text
    assert "1 office note, 1 lab result, a list of" in release
    assert "wants to see, and is not here" not in release
    assert "Consultation note" in biller.get(f"{place}/packet").text


def test_what_is_asked_for_no_more_does_not_go_along(desk: Desk, payer: StrictPayer) -> None:
    made = attached(desk)
    hear(desk, document(PLAIN, kind=CONSULT))
    payer.ask(task(code="11488-4"))
    look(desk)
    assert held(desk, made, "notes", "title") == ["Consultation note"]
    people(desk.house).decline(asked(desk)[0].key, "sent by post", "user:bill")
    desk.work()
    assert (held(desk, made, "notes", "title"), missing(desk, made)) == ([], ())
