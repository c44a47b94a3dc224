"""A payer asks by Tasks what it wants to see: found, matched, answered under its own number, and told how it stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bridge.building.asking import evidence_requests as people
from bridge.building.fetching import evidence_polls
from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment
from bridge.domain.evidence_request import AskState, EvidenceRequest
from bridge.errors import Conflict
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.release_attachment import Release
from bridge.store import evidence_requests, packets
from samples.strict_payer import StrictPayer
from tests.cast import PLAIN, study_uid
from tests.flows.payer_desk import Desk

Json = dict[str, Any]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

_TEMP = "http://hl7.org/fhir/us/davinci-pas/CodeSystem/PASTempCodes"
_LINE = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-serviceLineNumber"


def concept(code: str, system: str = _TEMP) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def task(number: str = "PAYER-77", code: str = "18748-4", line: int = 1, **more: Any) -> Json:
    """Return a Task as the profile cdex-task-attachment-request has it."""
    family, given = PLAIN.name.split("^")[:2]
    born = PLAIN.birth_date
    whom = {
        "resourceType": "Patient",
        "id": "patient",
        "identifier": [{"type": {"coding": [{"code": "MB"}]}, "value": "W1122"}],
        "name": [{"family": family, "given": [given]}],
        "birthDate": f"{born[:4]}-{born[4:6]}-{born[6:]}",
    }
    needed = {
        "type": concept("attachments-needed"),
        "extension": [{"url": _LINE, "valuePositiveInt": line}],
        "valueCodeableConcept": concept(code, "http://loinc.org"),
    }
    return {
        "resourceType": "Task",
        "contained": [whom],
        "identifier": [{"type": concept("tracking-id"), "system": "urn:acme:tracking", "value": number}],
        "status": "requested",
        "intent": "order",
        "code": concept("attachment-request-code"),
        "for": {"reference": "#patient"},
        "reasonCode": concept("preauthorization"),
        "reasonReference": {"identifier": {"value": "PA1"}},
        "restriction": {"period": {"end": "2026-03-09"}},
        "input": [needed],
    } | more


def look(desk: Desk) -> None:
    """Let the payer be asked as if it had not been, and the worker do what follows."""
    (poll,) = evidence_polls(desk.house)
    desk.later(minutes=6)
    poll.work()
    desk.work()


def asked(desk: Desk) -> list[EvidenceRequest]:
    with desk.house.store.read() as tx:
        return evidence_requests.open_ones(tx, states=tuple(AskState))


def status_of(payer: StrictPayer, kept: Json) -> str:
    return str(payer.books.read("Task", kept["id"])["status"])


def test_what_a_payer_asks_for_is_answered_under_its_own_number_and_its_task_says_so(
    desk: Desk, payer: StrictPayer
) -> None:
    made = desk.ready()
    kept = payer.ask(task())
    look(desk)
    (request,) = asked(desk)
    assert (request.state, request.authorization_key) == (AskState.OPEN, made.authorization_key)
    assert status_of(payer, kept) == "accepted"
    shown = desk.outgoing(made)
    assert shown.control_number == "PAYER-77"
    assert dict(shown.facts)["The payer asked for"] == "report of the study, until 2026-03-09 23:59 UTC"
    desk.release(made)
    desk.work()
    ((received,),) = payer.received.values()
    (tracking,) = [one["valueIdentifier"] for one in received["parameter"] if one["name"] == "TrackingId"]
    assert tracking == {"system": "urn:acme:tracking", "value": "PAYER-77"}
    assert (desk.state(made).state, asked(desk)[0].state) == (AttachmentState.SENT, AskState.ANSWERED)
    assert status_of(payer, kept) == "completed"


def test_trap_16_a_task_for_each_line_is_one_request_and_is_answered_once(desk: Desk, payer: StrictPayer) -> None:
    made = desk.ready()
    tasks = [payer.ask(task("PAYER-77", line=1)), payer.ask(task("PAYER-78", line=2)), payer.ask(task("PAYER-77"))]
    look(desk)
    assert len(asked(desk)) == 1
    desk.release(made)
    desk.later(minutes=5)
    assert [len(one) for one in payer.received.values()] == [1]
    assert [status_of(payer, one) for one in tasks] == ["completed"] * 3
    ((received,),) = payer.received.values()
    attachment = next(one for one in received["parameter"] if one["name"] == "Attachment")
    assert [one["valueString"] for one in attachment["part"] if one["name"] == "LineItem"] == ["1", "2"]


@pytest.mark.parametrize(("who", "state"), [("acme", AskState.OPEN), ("beta", AskState.WAITS)])
def test_a_control_number_leads_to_what_went_to_that_payer_alone(
    desk: Desk, payer: StrictPayer, who: str, state: AskState
) -> None:
    made = desk.sent()
    settings = desk.house.settings
    if who == "beta":
        other = settings.payers[0].model_copy(update={"name": "beta", "id": "70001"})
        desk.house.settings = settings.model_copy(update={"payers": (other,)})
    number = desk.submission(made).control_number
    payer.ask(task(reasonReference={"identifier": {"value": number}}))
    look(desk)
    assert [one.state for one in asked(desk)] == [state]


def test_the_same_task_read_again_is_no_news(desk: Desk, payer: StrictPayer) -> None:
    desk.ready()
    payer.ask(task())
    look(desk)
    look(desk)
    assert len(asked(desk)) == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"reasonReference": {"identifier": {"value": "PA9"}}}, "its number leads to no authorization of this payer"),
        ({"member": "W9999"}, "its member number is not the authorization's"),
        ({"family": "NOBODY"}, "its name or birth date are not those of the authorization's patient"),
        ({"birthDate": "1901-01-01"}, "its name or birth date are not those of the authorization's patient"),
    ],
)
def test_a_request_for_another_than_the_authorization_s_patient_waits_for_a_person(
    desk: Desk, payer: StrictPayer, changed: Json, why: str
) -> None:
    desk.ready()
    said = task()
    whom = said["contained"][0]
    whom["identifier"][0]["value"] = changed.pop("member", "W1122")
    whom["name"][0]["family"] = changed.pop("family", whom["name"][0]["family"])
    whom["birthDate"] = changed.pop("birthDate", whom["birthDate"])
    kept = payer.ask(said | changed)
    look(desk)
    (request,) = asked(desk)
    assert (request.state, request.why) == (AskState.WAITS, why)
    assert status_of(payer, kept) == "requested"
    assert desk.told() == [line for line in desk.told() if "asks for" not in line]


def test_a_person_cannot_give_a_request_to_somebody_else_s_authorization(desk: Desk, payer: StrictPayer) -> None:
    desk.ready()
    said = task() | {"reasonReference": {"identifier": {"value": "PA9"}}}
    payer.ask(said)
    said["contained"][0]["name"][0]["family"] = "NOBODY"
    payer.ask(said)
    look(desk)
    right, wrong = asked(desk)
    with pytest.raises(Conflict):
        people(desk.house).assign(wrong.key, "PA1", "user:bill")
    assert people(desk.house).assign(right.key, "PA1", "user:bill").state == AskState.OPEN


def test_what_a_person_says_is_there_answers_what_the_payer_asked(desk: Desk, payer: StrictPayer) -> None:
    payer.looks_up = False
    made = desk.ready()
    kept = payer.ask(task())
    look(desk)
    desk.release(made)
    payer.misbehave("commit-then-reset", 1, ["POST"])
    desk.work()
    desk.later(minutes=5)
    said = Release("their hotline", "user:bill")
    desk.releases.settle_unclear(made.authorization_key, made.key, is_there=True, said=said)
    desk.work()
    assert asked(desk)[0].state == AskState.ANSWERED
    assert status_of(payer, kept) == "completed"


@pytest.mark.parametrize(
    "odd",
    [
        {"restriction": {"period": {"end": "9999-12-31T23:59:59-05:00"}}},
        {"contained": 5},
        {"input": [{"type": concept("attachments-needed"), "valueCodeableConcept": {"coding": 5}}]},
        {"input": [{"type": concept("attachments-needed"), "extension": 5}]},
    ],
)
def test_an_odd_task_keeps_no_other_from_being_read(desk: Desk, payer: StrictPayer, odd: Json) -> None:
    desk.ready()
    payer.books.create(task("PAYER-70") | odd)
    payer.ask(task("PAYER-77", "55113-5"))
    look(desk)
    assert "PAYER-77" in [one.tracking_id for one in asked(desk)]


def test_what_is_declined_is_told_to_the_payer_with_the_reason(desk: Desk, payer: StrictPayer) -> None:
    desk.ready()
    kept = payer.ask(task())
    look(desk)
    people(desk.house).decline(asked(desk)[0].key, "the exam was not done", "user:bill")
    desk.work()
    stands = payer.books.read("Task", kept["id"])
    assert (stands["status"], stands["statusReason"]["text"]) == ("rejected", "the exam was not done")


def test_what_the_payer_takes_back_is_asked_no_more(desk: Desk, payer: StrictPayer) -> None:
    desk.ready()
    kept = payer.ask(task())
    look(desk)
    payer.books.update(payer.books.read("Task", kept["id"]) | {"status": "cancelled"}, kept["id"])
    look(desk)
    (request,) = asked(desk)
    assert (request.state, request.why) == (AskState.CLOSED, "the payer's Task is cancelled")


def test_what_was_released_does_not_leave_once_the_payer_asks_for_it_no_more(desk: Desk, payer: StrictPayer) -> None:
    made = desk.ready()
    kept = payer.ask(task())
    look(desk)
    desk.release(made)
    payer.books.update(payer.books.read("Task", kept["id"]) | {"status": "cancelled"}, kept["id"])
    (poll,) = evidence_polls(desk.house)
    desk.house.clock.at += timedelta(minutes=6)  # type: ignore[attr-defined]
    poll.work()
    desk.work()
    assert payer.received == {}
    assert desk.state(made).state == AttachmentState.DRAFT
    assert "asked for no more" in desk.submission(made).detail
    desk.release(made)
    desk.work()
    ((received,),) = payer.received.values()
    (tracking,) = [one["valueIdentifier"]["value"] for one in received["parameter"] if one["name"] == "TrackingId"]
    assert (tracking != "PAYER-77", desk.state(made).state) == (True, AttachmentState.SENT)


def test_a_line_whose_task_the_payer_took_back_is_answered_no_more(desk: Desk, payer: StrictPayer) -> None:
    made = desk.ready()
    first, _ = payer.ask(task("PAYER-77", line=1)), payer.ask(task("PAYER-78", line=2))
    look(desk)
    payer.books.update(payer.books.read("Task", first["id"]) | {"status": "cancelled"}, first["id"])
    look(desk)
    desk.release(made)
    desk.work()
    ((received,),) = payer.received.values()
    (tracking,) = [one["valueIdentifier"]["value"] for one in received["parameter"] if one["name"] == "TrackingId"]
    attachment = next(one for one in received["parameter"] if one["name"] == "Attachment")
    lines = [one["valueString"] for one in attachment["part"] if one["name"] == "LineItem"]
    assert (tracking, lines) == ("PAYER-78", ["2"])
    assert {one.state for one in asked(desk)} == {AskState.CLOSED, AskState.ANSWERED}


def test_what_is_asked_for_again_is_asked_for_once_the_first_task_is_taken_back(desk: Desk, payer: StrictPayer) -> None:
    desk.ready()
    tasks = [payer.ask(task(f"PAYER-7{line}", line=line)) for line in (1, 2, 3)]
    look(desk)
    payer.books.update(payer.books.read("Task", tasks[0]["id"]) | {"status": "cancelled"}, tasks[0]["id"])
    look(desk)
    tasks.append(payer.ask(task("PAYER-79", line=1)))
    look(desk)
    with desk.house.store.read() as tx:
        (open_one,) = evidence_requests.open_ones(tx)
        whole = evidence_requests.whole(tx, open_one.key)
    assert (whole.tracking_id, whole.lines) == ("PAYER-72", (1, 2, 3))
    people(desk.house).decline(open_one.key, "sent by post", "user:bill")
    desk.work()
    assert [status_of(payer, one) for one in tasks] == ["cancelled", "rejected", "rejected", "rejected"]


@pytest.mark.parametrize(
    ("code", "gap"),
    [
        ("99999-9", "the payer asks for 99999-9, a code that is not known here: no packet holds it"),
        ("M1", "the payer asks for medical record attachment (M1): no packet holds it"),
        ("102089-0", "the payer asks for its own questionnaire"),
    ],
)
def test_trap_15_a_code_that_no_packet_answers_is_said_in_words_before_anything_leaves(
    desk: Desk, payer: StrictPayer, code: str, gap: str
) -> None:
    made = desk.ready()
    payer.ask(task(code=code))
    look(desk)
    (said,) = desk.outgoing(made).notes
    assert said.startswith(gap)


def test_trap_15_a_retired_code_is_answered_and_said_to_be_one(desk: Desk, payer: StrictPayer) -> None:
    made = desk.ready()
    payer.ask(task(code="11528-7"))
    look(desk)
    shown = desk.outgoing(made)
    assert shown.notes == ()
    assert dict(shown.facts)["The payer asked for"].startswith("radiology report (a code that LOINC has retired)")


def pictures_of(desk: Desk, made: ClaimAttachment) -> tuple[int, list[str]]:
    """Return how many images an attachment's newest packet shows, and what it says of those that it does not."""
    with desk.house.store.read() as tx:
        kept = packets.newest(tx, made.key)
    assert kept is not None
    return kept.pictures, [one for one in kept.left_out if "key images" in one]


@pytest.mark.parametrize(("code", "pictures"), [("18748-4", 0), ("55113-5", 1), ("LL-NEW", 1)])
def test_who_asks_for_a_report_alone_gets_no_image_unless_a_person_chose_it(
    desk: Desk, payer: StrictPayer, code: str, pictures: int
) -> None:
    made = desk.ready()
    assert pictures_of(desk, made) == (1, [])
    payer.ask(task(code=code))
    look(desk)
    shown, why = pictures_of(desk, made)
    assert (shown, len(why)) == (pictures, 1 - pictures)
    assert all("the payer asks for reports alone" in one for one in why)
    attacher = ImageAttacher(desk.house.store, desk.house.clock, desk.house.destinations)
    chosen = [f"{study_uid('A1')}.1.1"]
    attacher.attach(made.authorization_key, study_uid("A1"), [AttachmentKind.CDEX], chosen, actor="user:bill")
    desk.work()
    assert pictures_of(desk, made) == (1, [])


def test_a_draft_has_its_images_again_when_the_payer_takes_its_request_back(desk: Desk, payer: StrictPayer) -> None:
    made = desk.ready()
    kept = payer.ask(task())
    look(desk)
    assert pictures_of(desk, made)[0] == 0
    people(desk.house).decline(asked(desk)[0].key, "sent by post", "user:bill")
    desk.work()
    assert pictures_of(desk, made) == (1, [])
    assert status_of(payer, kept) == "rejected"
