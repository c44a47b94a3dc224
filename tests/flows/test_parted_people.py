"""What a packet holds beside its exam was another person's after all: it does not leave, and what left is asked back."""

from __future__ import annotations

import json

import pytest

from bridge.domain.attachment import AttachmentState, ClaimAttachment
from bridge.domain.packet import PacketFile
from bridge.domain.submission import SubmissionState
from bridge.errors import Conflict
from samples.strict_payer import StrictPayer
from tests.cast import NEAR_TWIN, PLAIN, adt, document, lab, merge
from tests.flows.asking import say
from tests.flows.payer_desk import Desk
from tests.flows.test_evidence_requests import look, task
from tests.flows.test_packets import open_file
from tests.flows.test_reports import undo

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def labs(desk: Desk, made: ClaimAttachment) -> list[str]:
    return [one["words"] for one in json.loads(open_file(desk.house, made, PacketFile.MANIFEST))["labs"]]


@pytest.fixture
def made(desk: Desk, payer: StrictPayer) -> ClaimAttachment:
    """Evidence with a result of somebody who was said to be the same person."""
    say(desk.house, adt(NEAR_TWIN), lab(NEAR_TWIN), merge(PLAIN, NEAR_TWIN))
    found = desk.ready()
    payer.ask(task(code="RT"))
    look(desk)
    assert labs(desk, found) == ["creatinine 1.1 mg/dL"]
    return found


def test_trap_11_a_draft_with_another_person_s_result_is_not_let_go(desk: Desk, made: ClaimAttachment) -> None:
    undo(desk.house)
    with pytest.raises(Conflict) as fault:
        desk.release(made)
    assert fault.value.code == "binding_changed"
    desk.later(minutes=1)
    assert labs(desk, made) == []
    desk.release(made)


@pytest.mark.parametrize("status", ["503", "429"])
def test_trap_11_what_was_let_go_with_another_person_s_result_does_not_leave(
    desk: Desk, payer: StrictPayer, made: ClaimAttachment, status: str
) -> None:
    payer.misbehave(status, None, ["POST"])
    desk.release(made)
    desk.work()
    undo(desk.house)
    payer.misbehave("", 0, ["POST"])
    desk.later(hours=2)
    assert (desk.state(made).state, payer.received) == (AttachmentState.DRAFT, {})
    assert desk.submission(made).state == SubmissionState.TAKEN_BACK
    assert labs(desk, made) == []
    desk.release(made)
    desk.work()
    assert len(payer.received) == 1


def test_trap_11_what_left_with_another_person_s_result_is_asked_back(desk: Desk, made: ClaimAttachment) -> None:
    desk.release(made)
    desk.work()
    assert desk.state(made).state == AttachmentState.SENT
    undo(desk.house)
    (said,) = desk.tasks()
    assert "that holds a lab result of another person" in said
    assert "tell it to withdraw" in said


def test_what_holds_its_own_exam_alone_stays_as_it_is(desk: Desk, payer: StrictPayer) -> None:
    say(desk.house, adt(NEAR_TWIN), merge(PLAIN, NEAR_TWIN))
    found = desk.sent()
    undo(desk.house)
    desk.later(minutes=5)
    assert (desk.tasks(), desk.state(found).state, len(payer.received)) == ([], AttachmentState.SENT, 1)


def test_what_is_known_of_a_record_goes_along_once_it_became_one(desk: Desk, payer: StrictPayer) -> None:
    say(desk.house, adt(NEAR_TWIN), lab(NEAR_TWIN), document(NEAR_TWIN))
    found = desk.ready()
    payer.ask(task(code="RT"))
    look(desk)
    assert labs(desk, found) == []
    say(desk.house, merge(PLAIN, NEAR_TWIN))
    desk.later(minutes=1)
    assert labs(desk, found) == ["creatinine 1.1 mg/dL"]
