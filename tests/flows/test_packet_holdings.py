"""What a packet holds beside its study turns out to be another person's: it does not leave, and what left is asked back."""

from __future__ import annotations

import pytest

from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment
from bridge.domain.identifiers import PatientIdentifier
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.store import packets
from samples.strict_payer import StrictPayer
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, adt, document, image, lab, merge, order, report, spooled, study_uid
from tests.flows.asking import say
from tests.flows.payer_desk import Desk
from tests.flows.test_asked_evidence import CONSULT, attached, held, judge
from tests.flows.test_evidence_requests import look, task
from tests.flows.test_reports import undo

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def made(desk: Desk, payer: StrictPayer) -> ClaimAttachment:
    """A draft for whom two records were merged, with a result of the other one, for which the payer asks."""
    attachment = attached(desk)
    say(desk.house, adt(NEAR_TWIN), lab(NEAR_TWIN, "2.4"), document(NEAR_TWIN, kind=CONSULT), merge(PLAIN, NEAR_TWIN))
    for number, code in (("PAYER-77", "RT"), ("PAYER-78", "11488-4")):
        payer.ask(task(number, code=code))
    look(desk)
    assert held(desk, attachment, "labs", "words") == ["creatinine 2.4 mg/dL"]
    return attachment


def part(desk: Desk) -> None:
    """Undo the merge, and let what follows be done."""
    undo(desk.house)
    settle(desk)


def settle(desk: Desk) -> None:
    judge(desk.house)
    desk.later(minutes=1)
    desk.work()


def test_what_left_is_asked_back_once(desk: Desk, made: ClaimAttachment) -> None:
    desk.release(made)
    desk.work()
    assert desk.state(made).state == AttachmentState.SENT
    part(desk)
    (asked,) = desk.tasks()
    assert "that holds a lab result and an office note of another person: tell it to withdraw that" in asked
    settle(desk)
    assert desk.tasks() == [asked]


def test_what_somebody_took_out_is_looked_for(desk: Desk, made: ClaimAttachment) -> None:
    paper = desk.attach_again(made.authorization_key, AttachmentKind.PDF)
    desk.work()
    with desk.house.store.write() as tx:
        for one in (paper, made):
            kept = packets.newest(tx, one.key)
            assert kept is not None
            packets.note_opened(tx, kept.key, desk.house.clock.now())
    part(desk)
    (asked,) = desk.tasks()
    assert asked.startswith("packet version 1 (")
    assert (
        "it was taken out for authorization PA1, and holds a lab result and an office note of another person" in asked
    )
    assert held(desk, paper, "labs", "words") == []


def test_a_prior_study_that_becomes_another_person_s_is_asked_back_with_its_report(desk: Desk) -> None:
    house = desk.house
    say(house, order(PLAIN, "A0"))
    early = image(PLAIN, "A0")
    early.StudyDate = early.SeriesDate = "20260101"
    house.instances.receive(spooled(house, early, "CT1"))
    say(house, report(PLAIN, "A0"), order(STRANGER, "S0"))
    made = desk.sent()
    with house.store.read() as tx:
        kept = packets.newest(tx, made.key)
    assert kept is not None
    assert sorted(one.partition("/")[0] for one in kept.holds) == ["report", "report", "study"]
    assert desk.tasks() == []
    desk.later(minutes=5)
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    whose = PatientIdentifier(STRANGER.patient_id, "RIVERSIDE")
    resolver.resolve(study_uid("A0"), Ruling("bind", "wrong entry", "user:maria", patient=whose))
    judge(house)
    assert any("that holds a prior study of another person" in one for one in desk.tasks())
