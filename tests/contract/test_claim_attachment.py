"""A study on an authorization: the one Claim of its patient names it, once, whatever the server does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment
from bridge.domain.authorization import AuthorizationLine, AuthorizationStatus
from bridge.domain.authorization_news import AuthorizationNews, fold
from bridge.domain.patient import Patient
from bridge.domain.study import Study
from bridge.errors import Conflict
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.change_chart import ChartDesk
from bridge.flows.change_delivery import drop_delivery
from bridge.outbox import enqueue
from bridge.outbox.enqueue import CLAIM, Work
from bridge.publishers.fhir_client import Found
from bridge.store import authorizations, filing
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from samples.strict_ehr import StrictEhr
from tests.fakes.chart_scene import UID, Scene

Json = dict[str, Any]

NUMBER = "PA-778 120"


@pytest.fixture
def scene(store: Store) -> Iterator[Scene]:
    ehr = StrictEhr(slow_secs=2.0).start()
    found = Scene(store, ehr)
    yield found
    found.client.close()
    ehr.stop()


def attach(scene: Scene, study: Study, patient: Patient) -> ClaimAttachment:
    """Put the study on an authorization of *patient* and queue it."""
    at = scene.clinic.clock.now()
    said = AuthorizationNews("test", at, payer_id="60054", number=NUMBER, lines=(AuthorizationLine("71260"),))
    with scene.clinic.store.write() as tx:
        key = authorizations.add(tx, patient.key, None, said.source, at)
        account = fold([(said, "said")])
        held = authorizations.write(tx, key, account, AuthorizationStatus.UNCONFIRMED, due_at=None, at=at)
        new = ClaimAttachment(0, held.key, study.key, AttachmentKind.CLAIM, AttachmentState.RELEASED, 1)
        made = authorizations.put_attachment(tx, new, "", at)
        work = Work(CLAIM, "ehr", f"attachment:{made.key}", study_key=study.key, attachment_key=made.key)
        enqueue.enqueue(tx, work, at)
    return made


def claim_in_ehr(scene: Scene, subject: str, **more: Any) -> str:
    _, coverage = scene.ehr.books.create(
        {
            "resourceType": "Coverage",
            "status": "active",
            "beneficiary": {"reference": subject},
            "payor": [{"display": "Acme"}],
        }
    )
    said: Json = {
        "resourceType": "Claim",
        "status": "active",
        "type": {"coding": [{"code": "professional"}]},
        "use": "preauthorization",
        "patient": {"reference": subject},
        "created": "2026-03-01",
        "provider": {"display": "Riverside"},
        "priority": {"coding": [{"code": "normal"}]},
        "insurance": [
            {
                "sequence": 1,
                "focal": True,
                "coverage": {"reference": f"Coverage/{coverage['id']}"},
                "preAuthRef": ["PA778120"],
            }
        ],
        "supportingInfo": [{"sequence": 4, "category": {"text": "notes"}, "valueString": "MRI before"}],
        "item": [
            {"sequence": 1, "productOrService": {"coding": [{"code": "71260"}]}},
            {"sequence": 2, "productOrService": {"coding": [{"code": "99213"}]}},
        ],
    }
    _, made = scene.ehr.books.create(said | more)
    return str(made["id"])


def state_of(scene: Scene, attachment: ClaimAttachment) -> ClaimAttachment:
    with scene.clinic.store.read() as tx:
        return authorizations.get_attachment(tx, attachment.key)


def test_the_claim_names_the_study_once_and_keeps_everything_else(scene: Scene) -> None:
    study, patient = scene.bound_study()
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    attachment = attach(scene, study, patient)
    scene.until_quiet()
    with scene.clinic.store.write() as tx:
        work = Work(CLAIM, "ehr", "again", study_key=study.key, attachment_key=attachment.key)
        enqueue.enqueue(tx, work, scene.clinic.clock.now())
    scene.until_quiet()

    said = scene.ehr.books.read("Claim", claim)
    first, ours = said["supportingInfo"]
    assert first["valueString"] == "MRI before"
    assert (ours["sequence"], ours["valueReference"]["reference"]) == (5, f"ImagingStudy/{scene.live()[0]['id']}")
    assert ours["valueReference"]["identifier"]["value"] == f"urn:oid:{UID}"
    assert [item.get("informationSequence") for item in said["item"]] == [[5], None]
    assert said["meta"]["versionId"] == "2"
    assert state_of(scene, attachment).state == AttachmentState.SENT
    assert state_of(scene, attachment).reference == f"Claim/{claim}"


def test_the_claim_waits_for_the_study_to_be_charted(scene: Scene) -> None:
    study, patient = scene.bound_study()
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    attach(scene, study, patient)
    scene.ehr.misbehave("503", None, ["PUT"], types=["ImagingStudy"])
    scene.run()
    assert len(scene.ehr.books.read("Claim", claim)["supportingInfo"]) == 1
    scene.ehr.misbehave("ok")
    scene.until_quiet()
    assert len(scene.ehr.books.read("Claim", claim)["supportingInfo"]) == 2


def test_without_a_claim_none_is_made_and_the_attachment_says_so(scene: Scene) -> None:
    study, patient = scene.bound_study()
    subject = scene.in_ehr(patient)
    attachment = attach(scene, study, patient)
    scene.run()
    assert scene.ehr.state()["counts"].get("Claim", 0) == 0
    assert "no Claim" in state_of(scene, attachment).detail
    claim = claim_in_ehr(scene, subject)
    scene.until_quiet()
    assert len(scene.ehr.books.read("Claim", claim)["supportingInfo"]) == 2
    assert state_of(scene, attachment).detail == ""


def test_two_claims_with_the_number_ask_a_person(scene: Scene) -> None:
    study, patient = scene.bound_study()
    subject = scene.in_ehr(patient)
    claims = [claim_in_ehr(scene, subject), claim_in_ehr(scene, subject)]
    attachment = attach(scene, study, patient)
    scene.until_quiet()
    assert [len(scene.ehr.books.read("Claim", one)["supportingInfo"]) for one in claims] == [1, 1]
    assert state_of(scene, attachment).state == AttachmentState.FAILED


@pytest.mark.parametrize("more", [{"use": "claim"}, {"status": "cancelled"}])
def test_a_claim_that_is_no_open_preauthorization_is_left_alone(scene: Scene, more: Json) -> None:
    study, patient = scene.bound_study()
    claim = claim_in_ehr(scene, scene.in_ehr(patient), **more)
    attach(scene, study, patient)
    scene.run()
    assert scene.ehr.books.read("Claim", claim)["meta"]["versionId"] == "1"


def test_another_patients_claim_with_the_same_number_is_left_alone(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    claim = claim_in_ehr(scene, scene.in_ehr(scene.clinic.patient("00041002")))
    attach(scene, study, patient)
    scene.run()
    assert scene.ehr.books.read("Claim", claim)["meta"]["versionId"] == "1"


def test_a_study_of_another_patient_is_held(scene: Scene) -> None:
    study, patient = scene.bound_study()
    other = scene.clinic.patient("00041002")
    scene.in_ehr(patient)
    claim = claim_in_ehr(scene, scene.in_ehr(other))
    attach(scene, study, other)
    scene.run()
    assert scene.ehr.books.read("Claim", claim)["meta"]["versionId"] == "1"
    assert [one.topic for one in scene.deliveries(DeliveryState.HELD)] == [CLAIM]


@pytest.mark.parametrize("mode", ["412", "409", "commit-then-hang", "commit-then-reset", "empty", "503", "429"])
def test_a_spoiled_update_ends_with_one_entry(scene: Scene, mode: str) -> None:
    study, patient = scene.bound_study()
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    attachment = attach(scene, study, patient)
    scene.ehr.misbehave(mode, 2, ["PUT"], types=["Claim"])
    scene.until_quiet()
    assert len(scene.ehr.books.read("Claim", claim)["supportingInfo"]) == 2
    assert state_of(scene, attachment).state == AttachmentState.SENT


def hold(scene: Scene, study: Study) -> None:
    held = scene.clinic.question(study)
    with scene.clinic.store.write() as tx:
        announce.study_withdrawn(tx, held, scene.clinic.clock.now())


def bind(scene: Scene, study: Study, patient: Patient) -> None:
    bound = scene.clinic.bind(study, patient)
    with scene.clinic.store.write() as tx:
        to = Destinations(studies=("ehr",), claims=("ehr",))
        announce.study_changed(tx, bound, to, scene.clinic.clock.now())


@pytest.mark.parametrize("becomes", ["held", "another patient's"])
def test_a_binding_that_changes_between_preparing_and_sending_leaves_nothing(scene: Scene, becomes: str) -> None:
    study, patient = scene.bound_study()
    other = scene.clinic.patient("00041002", "OKONKWO^DANIEL", "19710904")
    scene.in_ehr(other)
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    scene.run()
    attach(scene, study, patient)
    before = scene.ehr.books.read("Claim", claim)["meta"]["versionId"]
    find = scene.ehr_port.directory.patient

    def change_meanwhile(asked: Patient) -> str:
        scene.ehr_port.directory.patient = find  # type: ignore[method-assign]
        hold(scene, study) if becomes == "held" else bind(scene, study, other)
        return find(asked)

    scene.ehr_port.directory.patient = change_meanwhile  # type: ignore[method-assign]
    scene.until_quiet()
    assert (named_on(scene, claim), scene.ehr.books.read("Claim", claim)["meta"]["versionId"]) == (0, before)


def named_on(scene: Scene, claim: str) -> int:
    """Return how many entries of the Claim name the study."""
    said = scene.ehr.books.read("Claim", claim).get("supportingInfo", [])
    return sum(1 for entry in said if "valueReference" in entry)


def test_a_held_study_leaves_the_claim_and_comes_back_when_it_is_kept(scene: Scene) -> None:
    study, patient = scene.bound_study()
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    before = scene.ehr.books.read("Claim", claim)
    attachment = attach(scene, study, patient)
    scene.until_quiet()
    assert named_on(scene, claim) == 1

    hold(scene, study)
    scene.until_quiet()
    after = scene.ehr.books.read("Claim", claim)
    assert {name: after[name] for name in after if name != "meta"} == {
        name: before[name] for name in before if name != "meta"
    }
    assert (state_of(scene, attachment).state, state_of(scene, attachment).reference) == (AttachmentState.REVIEW, "")

    bind(scene, study, patient)
    scene.until_quiet()
    assert named_on(scene, claim) == 1
    assert state_of(scene, attachment).state == AttachmentState.SENT


def test_a_study_of_another_patient_leaves_the_first_one_s_claim(scene: Scene) -> None:
    study, patient = scene.bound_study()
    other = scene.clinic.patient("00041002", "OKONKWO^DANIEL", "19710904")
    scene.in_ehr(other)
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    attachment = attach(scene, study, patient)
    scene.until_quiet()
    bind(scene, study, other)
    scene.until_quiet()
    assert named_on(scene, claim) == 0
    assert state_of(scene, attachment).state == AttachmentState.REVIEW


def test_a_claim_that_moves_with_its_study_names_it_where_it_stands_then(scene: Scene) -> None:
    study, patient = scene.bound_study()
    other = scene.clinic.patient("00041002", "OKONKWO^DANIEL", "19710904")
    their_chart = scene.in_ehr(other)
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    attachment = attach(scene, study, patient)
    scene.until_quiet()
    with scene.clinic.store.write() as tx:
        rows = {"authorizations": [attachment.authorization_key]}
        filing.move(tx, rows, patient.key, other.key, scene.clinic.clock.now())
    scene.ehr.books.update(scene.ehr.books.read("Claim", claim) | {"patient": {"reference": their_chart}}, claim)
    bind(scene, study, other)
    scene.until_quiet()
    (entry,) = [one for one in scene.ehr.books.read("Claim", claim)["supportingInfo"] if "valueReference" in one]
    (standing,) = scene.live()
    assert entry["valueReference"]["reference"] == f"ImagingStudy/{standing['id']}"
    assert state_of(scene, attachment).state == AttachmentState.SENT


@pytest.mark.parametrize("mode", ["commit-then-hang", "commit-then-reset"])
def test_a_claim_whose_answer_was_lost_is_cleared_when_the_study_is_held(scene: Scene, mode: str) -> None:
    study, patient = scene.bound_study()
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    attach(scene, study, patient)
    scene.ehr.misbehave(mode, 1, ["PUT"], types=["Claim"])
    scene.run()
    assert named_on(scene, claim) == 1
    hold(scene, study)
    scene.until_quiet()
    assert named_on(scene, claim) == 0


@pytest.mark.parametrize("mode", ["412", "503", "commit-then-hang"])
def test_a_spoiled_removal_ends_with_no_entry(scene: Scene, mode: str) -> None:
    study, patient = scene.bound_study()
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    attach(scene, study, patient)
    scene.until_quiet()
    scene.ehr.misbehave(mode, 2, ["PUT"], types=["Claim"])
    hold(scene, study)
    scene.until_quiet()
    assert named_on(scene, claim) == 0


def test_nobody_gives_up_what_takes_a_study_off_a_claim(scene: Scene) -> None:
    study, patient = scene.bound_study()
    claim_in_ehr(scene, scene.in_ehr(patient))
    attach(scene, study, patient)
    scene.until_quiet()
    hold(scene, study)
    (owed,) = [one for one in scene.deliveries(DeliveryState.PENDING) if one.topic == CLAIM]
    with pytest.raises(Conflict) as refused:
        drop_delivery(scene.clinic.store, scene.clinic.clock, owed.key, "user:ivo")
    assert refused.value.code == "withdrawal_owed"


@pytest.mark.parametrize("mode", ["ok", "422"])
def test_a_hold_while_the_claim_is_being_written_stays_a_hold(scene: Scene, mode: str) -> None:
    study, patient = scene.bound_study()
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    attachment = attach(scene, study, patient)
    scene.ehr.misbehave(mode, 1, ["PUT"], types=["Claim"])
    write = scene.client.update

    def hold_meanwhile(resource: Json, version: str) -> Found:
        if resource["resourceType"] == "Claim":
            scene.client.update = write  # type: ignore[method-assign]
            scene.clinic.question(study)
            with scene.clinic.store.write() as tx:
                at = scene.clinic.clock.now()
                authorizations.set_attachment_state(
                    tx, attachment.key, AttachmentState.REVIEW, at, detail="in question"
                )
        return write(resource, version)

    scene.client.update = hold_meanwhile  # type: ignore[method-assign]
    scene.run()
    assert state_of(scene, attachment).state == AttachmentState.REVIEW
    assert named_on(scene, claim) == 0


def test_a_study_that_is_taken_out_of_the_charts_leaves_the_claim_until_it_is_let_back(scene: Scene) -> None:
    study, patient = scene.bound_study()
    claim = claim_in_ehr(scene, scene.in_ehr(patient))
    attachment = attach(scene, study, patient)
    scene.until_quiet()
    assert len(scene.ehr.books.read("Claim", claim)["supportingInfo"]) == 2
    desk = ChartDesk(scene.clinic.store, scene.clinic.clock, Destinations(("ehr",), ("ehr",)), {})
    desk.withdraw(UID, "a name in the picture", "user:maria")
    scene.until_quiet()
    assert len(scene.ehr.books.read("Claim", claim)["supportingInfo"]) == 1
    after = state_of(scene, attachment)
    assert (after.state, after.detail) == (AttachmentState.RELEASED, "a person took the study out of the charts")
    desk.take_back(UID, "it was none", "user:maria")
    scene.until_quiet()
    assert len(scene.ehr.books.read("Claim", claim)["supportingInfo"]) == 2
    assert state_of(scene, attachment).state == AttachmentState.SENT
