"""Orders by FHIR: the same exam as by HL7, R4 and R5; journalled, answered after the commit, refused with an expression."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bridge.domain.accounts import Role
from bridge.domain.message import MessageState
from bridge.flows.replay_message import replay_message
from bridge.store import messages
from tests.fakes.console import Console

# What is said does not depend on the database; the flows under it are asked on both.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
SYSTEM = "urn:imaging-bridge:authority:RIVERSIDE"
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "55",
    "identifier": [{"type": {"coding": [{"system": TYPE, "code": "MR"}]}, "system": SYSTEM, "value": "00071234"}],
    "name": [{"use": "official", "family": "Okafor", "given": ["Ada"]}],
    "birthDate": "1988-01-30",
    "gender": "female",
}


def number(kind: str, value: str) -> dict[str, Any]:
    return {"type": {"coding": [{"system": TYPE, "code": kind}]}, "system": SYSTEM, "value": value}


def order(**said: Any) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "contained": [{**PATIENT, "id": "p"}],
        "identifier": [number("PLAC", "P1"), number("ACSN", "FH1")],
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "363679005"}]}],
        "priority": "stat",
        "code": {
            "coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "71260", "display": "CT chest"}],
        },
        "orderDetail": [{"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]}],
        "subject": {"reference": "#p"},
        "occurrenceDateTime": "2026-03-02T16:00:00Z",
        "requester": {"display": "Brandt, Eva"},
        "reasonCode": [{"text": "nodule"}],
        "note": [{"text": "slow down"}],
    } | said


class Ehr:
    """An EHR that pushes what it orders. release: "r4" or "r5"."""

    def __init__(self, console: Console, release: str = "r4") -> None:
        self.console = console
        self.base = f"/fhir/{release}"
        self.machine = console.machine(Role.SYSTEM, "orders", "fhir")

    def post(self, resource: dict[str, Any], **headers: str) -> Any:
        path = "/" if resource["resourceType"] == "Bundle" else f"/{resource['resourceType']}"
        return self.machine.post(f"{self.base}{path}", json=resource, headers=headers)

    def put(self, resource: dict[str, Any], **headers: str) -> Any:
        address = f"{self.base}/{resource['resourceType']}/{resource['id']}"
        return self.machine.put(address, json=resource, headers=headers)

    def worklist(self) -> list[Any]:
        return list(self.console.machine(Role.VIEWER).get("/api/worklist").json["items"])

    def exam(self, accession: str = "FH1") -> Any:
        return self.console.machine(Role.VIEWER).get(f"/api/exams/{accession}").json

    def journal(self) -> list[Any]:
        return list(self.console.machine().get("/api/messages").json["messages"])


@pytest.fixture
def ehr(console: Console) -> Ehr:
    return Ehr(console)


def bundle(kind: str, *resources: dict[str, Any]) -> dict[str, Any]:
    entries = [
        {
            "fullUrl": f"http://ehr.example/fhir/{one['resourceType']}/{one.get('id', number)}",
            "resource": one,
            "request": {
                "method": "PUT" if "id" in one else "POST",
                "url": f"{one['resourceType']}/{one.get('id', '')}",
            },
        }
        for number, one in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def test_an_order_by_fhir_stands_on_the_worklist(ehr: Ehr) -> None:
    answer = ehr.post(order())
    assert answer.status_code == 201
    (item,) = ehr.worklist()
    assert (item["accession_number"], item["modality"], item["scheduled"]) == ("FH1", "CT", "2026-03-02T16:00:00")
    assert item["incomplete"] is None
    assert item["patient"]["name"] == "Okafor^Ada"
    read = ehr.machine.get(f"/fhir/r4/ServiceRequest/{answer.json['id']}")
    assert (read.json["status"], read.json["priority"]) == ("active", "stat")
    assert read.headers["ETag"] == answer.headers["ETag"]


def test_r5_says_the_same_in_its_own_shape(console: Console) -> None:
    ehr = Ehr(console, "r5")
    said = order(code={"concept": order()["code"]}, reason=[{"concept": {"text": "nodule"}}])
    del said["reasonCode"]
    said["orderDetail"] = [{"parameter": [{"valueCodeableConcept": order()["orderDetail"][0]}]}]
    answer = ehr.post(said)
    assert answer.status_code == 201
    assert answer.json["code"]["concept"]["coding"][0]["code"] == "71260"
    assert ehr.worklist()[0]["modality"] == "CT"


def test_the_same_order_by_hl7_and_by_fhir_is_one(console: Console, ehr: Ehr) -> None:
    console.order("A1")
    name = [{"family": "HALVORSEN", "given": ["INGRID"]}]
    patient = {**PATIENT, "id": "p", "identifier": [number("MR", "00041001")], "name": name, "birthDate": "1958-03-12"}
    again = order(contained=[patient], identifier=[number("ACSN", "A1")])
    answer = ehr.post(again)
    assert answer.status_code == 200
    assert len(ehr.worklist()) == 1
    assert ehr.exam("A1")["patient"]["name"] == "HALVORSEN^INGRID"


def test_the_same_bytes_again_change_nothing(ehr: Ehr) -> None:
    said = order()
    said["identifier"] = []
    first, second = ehr.post(said), ehr.post(said)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json["id"] == second.json["id"]
    assert len(ehr.worklist()) == 1
    assert [row["times_received"] for row in ehr.journal()] == [2]


def test_what_its_sender_calls_an_order_finds_it_again(ehr: Ehr) -> None:
    said = order(id="r-7")
    assert ehr.put(said).status_code == 201
    changed = ehr.put(order(id="r-7", occurrenceDateTime="2026-03-02T18:30:00Z"))
    assert changed.status_code == 200
    assert ehr.worklist()[0]["scheduled"] == "2026-03-02T18:30:00"
    assert ehr.machine.get("/fhir/r4/ServiceRequest/r-7").json["id"] == "r-7"
    other = ehr.console.machine(Role.ADMIN)
    assert other.get("/fhir/r4/ServiceRequest/r-7").status_code == 404


@pytest.mark.parametrize(
    ("status", "stands"),
    [("on-hold", "HELD"), ("revoked", "CANCELED"), ("entered-in-error", "CANCELED"), ("completed", "COMPLETED")],
)
def test_a_status_moves_the_order(ehr: Ehr, status: str, stands: str) -> None:
    ehr.put(order(id="1"))
    assert ehr.put(order(id="1", status=status)).status_code == 200
    assert ehr.exam()["status"] == stands


def test_an_order_on_hold_is_released_by_being_active(ehr: Ehr) -> None:
    ehr.put(order(id="1", status="on-hold"))
    assert ehr.worklist() == []
    ehr.put(order(id="1"))
    assert len(ehr.worklist()) == 1


@pytest.mark.parametrize("said", [{"status": "draft"}, {"intent": "plan"}, {"status": "revoked"}])
def test_what_is_no_order_makes_none(ehr: Ehr, said: dict[str, str]) -> None:
    answer = ehr.post(order(**said))
    assert (answer.status_code, answer.json["resourceType"]) == (200, "OperationOutcome")
    assert ehr.worklist() == []
    assert ehr.journal()[0]["state"] == "applied"


@pytest.mark.parametrize(
    ("said", "expression"),
    [
        ({"status": "maybe"}, "ServiceRequest.status"),
        ({"intent": "wish"}, "ServiceRequest.intent"),
        ({"code": None}, "ServiceRequest.code"),
        ({"subject": None}, "ServiceRequest.subject"),
        ({"subject": {"reference": "Patient/404"}}, "ServiceRequest.subject"),
        ({"subject": {"reference": 7}}, "ServiceRequest.subject"),
        ({"occurrenceDateTime": "soon"}, "ServiceRequest.occurrence"),
        ({"category": [{"coding": [{"code": "108252007"}]}]}, "ServiceRequest.category"),
        ({"doNotPerform": True}, "ServiceRequest.doNotPerform"),
        ({"identifier": [number("ACSN", "x" * 17)]}, "ServiceRequest.identifier.value"),
        ({"code": {"coding": "71260"}}, "ServiceRequest.code"),
        ({"priority": "now"}, "ServiceRequest.priority"),
    ],
)
def test_a_fault_is_named_by_its_expression_and_journalled(ehr: Ehr, said: dict[str, Any], expression: str) -> None:
    answer = ehr.post({key: value for key, value in order(**said).items() if value is not None})
    assert answer.status_code in (400, 422)
    assert answer.json["issue"][0]["expression"] == [expression]
    row = ehr.journal()[0]
    assert (row["state"], row["message_type"]) == ("refused", "FHIR^ServiceRequest")
    assert ehr.worklist() == []


def test_another_patients_order_is_refused(ehr: Ehr) -> None:
    ehr.put(order(id="1"))
    other = {**PATIENT, "id": "p", "identifier": [number("MR", "999")]}
    answer = ehr.put(order(id="1", contained=[other]))
    assert answer.status_code == 409
    assert ehr.exam()["patient"]["patient_id"] == "00071234"


def test_a_version_that_was_overtaken_is_refused(ehr: Ehr) -> None:
    first = ehr.put(order(id="1"))
    changed = order(id="1", priority="routine")
    assert ehr.put(changed, **{"If-Match": 'W/"99"'}).status_code == 412
    assert ehr.put(changed, **{"If-Match": first.headers["ETag"]}).status_code == 200
    assert ehr.post(order(priority="asap"), **{"If-None-Exist": "identifier=FH1"}).status_code == 200
    assert ehr.machine.get("/fhir/r4/ServiceRequest/1").json["priority"] == "routine"


def test_a_transaction_is_done_whole_or_not_at_all(ehr: Ehr) -> None:
    request = {**order(id="9"), "subject": {"reference": "Patient/55"}}
    appointment = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": "2026-03-02T17:45:00Z",
        "basedOn": [{"reference": "ServiceRequest/9"}],
        "participant": [{"actor": {"reference": "Patient/55"}, "status": "accepted"}],
    }
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "focus": {"reference": "ServiceRequest/9"},
    }
    broken = {**task, "status": "dancing"}
    refused = ehr.post(bundle("transaction", appointment, request, PATIENT, broken))
    assert refused.status_code == 422
    assert refused.json["issue"][0]["expression"] == ["Bundle.entry[3].resource.status"]
    assert ehr.worklist() == []
    taken = ehr.post(bundle("transaction", appointment, request, PATIENT, task))
    assert taken.status_code == 200
    assert [one["response"]["status"] for one in taken.json["entry"]] == ["200 OK", "201 Created", "200 OK", "200 OK"]
    assert ehr.worklist()[0]["scheduled"] == "2026-03-02T17:45:00"


def test_a_batch_is_done_entry_by_entry(ehr: Ehr) -> None:
    bad = {key: value for key, value in order(id="2", identifier=[]).items() if key != "code"}
    answer = ehr.post(bundle("batch", order(id="1"), bad))
    assert answer.status_code == 200
    assert [one["response"]["status"][:3] for one in answer.json["entry"]] == ["201", "422"]
    assert len(ehr.worklist()) == 1
    assert ehr.journal()[0]["state"] == "refused"


def test_an_appointment_moves_and_leaves_the_step(ehr: Ehr) -> None:
    ehr.put(order(id="9"))
    booked = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": "2026-03-02T19:15:00Z",
        "basedOn": [{"reference": "ServiceRequest/9"}],
    }
    assert ehr.put(booked).status_code == 200
    assert ehr.worklist()[0]["scheduled"] == "2026-03-02T19:15:00"
    assert ehr.put({**booked, "status": "arrived"}).status_code == 200
    assert ehr.exam()["status"] == "ARRIVED"
    assert ehr.put({**booked, "status": "cancelled"}).status_code == 200
    assert [one for one in ehr.worklist() if not one["incomplete"]] == []


def test_a_task_says_how_far_the_order_is(ehr: Ehr) -> None:
    ehr.put(order(id="9"))
    task = {"resourceType": "Task", "id": "t", "intent": "order", "focus": {"reference": "ServiceRequest/9"}}
    for status, stands in (("accepted", "SCHEDULED"), ("in-progress", "STARTED"), ("completed", "COMPLETED")):
        assert ehr.put({**task, "status": status}).status_code == 200
        assert ehr.exam()["status"] == stands
    assert ehr.put({**task, "status": "cancelled"}).status_code == 409
    nobody = {**task, "status": "accepted", "focus": {"reference": "ServiceRequest/404"}}
    assert ehr.put(nobody).status_code == 409


def test_an_authorization_comes_with_the_insurance(ehr: Ehr) -> None:
    contained = [
        {**PATIENT, "id": "p"},
        {"resourceType": "ClaimResponse", "id": "c", "preAuthRef": "PA-5", "insurer": {"display": "Acme"}},
    ]
    ehr.post(order(contained=contained, insurance=[{"reference": "#c"}]))
    rows = ehr.console.machine(Role.BILLING).get("/api/authorizations?q=PA-5").json["authorizations"]
    assert [row["number"] for row in rows] == ["PA-5"]


def test_a_refused_order_is_replayed_once_it_fits(ehr: Ehr) -> None:
    task = {"resourceType": "Task", "id": "t", "status": "in-progress", "intent": "order"}
    early = {**task, "focus": {"reference": "ServiceRequest/9"}}
    assert ehr.put(early).status_code == 409
    ehr.put(order(id="9"))
    house = ehr.console.house
    assert replay_message(house.store, house.journal_reader, 1, "user:it") == "applied"
    assert ehr.exam()["status"] == "STARTED"
    with house.store.read() as tx:
        assert messages.get(tx, 1).state == MessageState.APPLIED


def test_a_deleted_order_is_cancelled_and_stays_on_record(ehr: Ehr) -> None:
    ehr.put(order(id="9"))
    assert ehr.machine.delete("/fhir/r4/ServiceRequest/9").status_code == 204
    assert ehr.exam()["status"] == "CANCELED"


def test_a_token_without_the_scope_orders_nothing(console: Console) -> None:
    machine = console.machine(Role.SYSTEM, "fhir")
    answer = machine.post("/fhir/r4/ServiceRequest", json=order())
    assert (answer.status_code, answer.json["resourceType"]) == (403, "OperationOutcome")


def test_the_capability_statement_says_what_is_taken(ehr: Ehr) -> None:
    rest = ehr.machine.get("/fhir/r4/metadata").json["rest"][0]
    taken = {one["type"]: {code["code"] for code in one["interaction"]} for one in rest["resource"]}
    assert {"create", "update", "read", "search-type", "delete"} == taken["ServiceRequest"]
    assert {"create", "update", "read", "search-type"} == taken["Appointment"]
    assert {"create", "update", "read", "search-type"} == taken["Task"]
    assert [one["code"] for one in rest["interaction"]] == ["transaction", "batch"]


def test_a_fhir_call_is_read_at_the_messages_desk(ehr: Ehr) -> None:
    ehr.post(order())
    browser = ehr.console.browser(Role.IT)
    assert "FHIR ServiceRequest" in browser.get("/messages").get_data(as_text=True)
    page = browser.get("/messages/1").get_data(as_text=True)
    assert "occurrenceDateTime" in page
    assert "Edit…" not in page


OTHER: dict[str, Any] = {**PATIENT, "id": "p", "identifier": [number("MR", "999")], "name": [{"family": "Berg"}]}


@pytest.mark.parametrize("status", ["active", "revoked", "completed", "on-hold"])
def test_a_senders_own_id_that_looks_like_ours_is_no_order_of_ours(ehr: Ehr, status: str) -> None:
    assert ehr.put(order(id="77")).status_code == 201
    before = ehr.exam()
    for own in (order(contained=[OTHER]), order(), {**order(), "subject": {"reference": "Patient/4"}}):
        ehr.put(own | {"id": "order-1", "identifier": [], "status": status})
        assert ehr.exam() == before
    task = {"resourceType": "Task", "status": "cancelled", "intent": "order"}
    ehr.post({**task, "focus": {"reference": "ServiceRequest/order-1"}})
    ehr.machine.delete("/fhir/r4/ServiceRequest/order-1")
    assert ehr.exam() == before


def test_an_order_is_changed_and_deleted_by_the_name_that_its_sender_was_told(ehr: Ehr) -> None:
    name = ehr.post(order()).headers["Location"].split("/ServiceRequest/")[1].split("/")[0]
    known = ehr.machine.get(f"/fhir/r4/ServiceRequest/{name}").json
    assert known["id"] == name
    task = {"resourceType": "Task", "status": "on-hold", "intent": "order"}
    assert ehr.post({**task, "focus": {"reference": f"ServiceRequest/{name}"}}).status_code == 200
    assert ehr.exam()["status"] == "HELD"
    assert ehr.machine.delete(f"/fhir/r4/ServiceRequest/{name}").status_code == 204
    assert ehr.exam()["status"] == "CANCELED"


@pytest.mark.parametrize(
    "reference",
    ["Patient/unknown", "https://other.example/fhir/Patient/55", "urn:uuid:7", "Group/55", "RelatedPerson/55"],
)
def test_an_order_of_a_patient_whom_nobody_here_knows_changes_nobodys(ehr: Ehr, reference: str) -> None:
    known = {**order(id="1"), "subject": {"reference": "Patient/55"}}
    assert ehr.post(bundle("transaction", PATIENT, known)).status_code == 200
    before = ehr.exam()
    for name in ("1", "2"):
        changed = {**order(id=name, priority="routine"), "subject": {"reference": reference}}
        answer = ehr.put(changed)
        assert answer.status_code in (409, 422), name
        assert ehr.put({**changed, "status": "revoked"}).status_code in (409, 422), name
    booking = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": "2026-03-02T19:15:00Z",
        "basedOn": [{"reference": "ServiceRequest/1"}],
        "participant": [{"actor": {"reference": reference, "type": "Patient"}, "status": "accepted"}],
    }
    assert ehr.put(booking).status_code in (409, 422)
    assert ehr.exam() == before


def test_a_contained_patients_id_names_nobody_outside(ehr: Ehr) -> None:
    assert ehr.put(order(id="1")).status_code == 201
    later = {**order(id="2", identifier=[]), "subject": {"reference": "Patient/p"}}
    assert ehr.put(later).status_code == 422


def test_a_patient_of_another_server_is_not_the_one_of_the_bundle(ehr: Ehr) -> None:
    foreign = {**order(id="3", identifier=[]), "subject": {"reference": "https://other.example/fhir/Patient/55"}}
    assert ehr.post(bundle("transaction", PATIENT, foreign)).status_code == 422
    assert ehr.worklist() == []


def test_a_conditional_create_finds_no_order_of_another_patient(ehr: Ehr) -> None:
    ehr.post(order())
    answer = ehr.post(order(contained=[OTHER]), **{"If-None-Exist": "identifier=FH1"})
    assert answer.status_code == 409


def test_an_order_that_said_nothing_new_is_cancelled_by_its_name(ehr: Ehr) -> None:
    ehr.post(order())
    assert ehr.put(order(id="9")).status_code == 200
    assert ehr.put({**order(id="9", status="revoked"), "identifier": []}).status_code == 200
    assert ehr.exam()["status"] == "CANCELED"


def test_an_older_order_that_is_replayed_takes_nothing_newer_back(ehr: Ehr) -> None:
    ehr.put(order(id="9"))
    house, clock = ehr.console.house, ehr.console.clock
    clock.at += timedelta(minutes=5)
    ehr.put(order(id="9", occurrenceDateTime="2026-03-02T18:00:00Z"))
    newer = ehr.worklist()[0]["scheduled"]
    clock.at += timedelta(minutes=5)
    replay_message(house.store, house.journal_reader, 1, "user:it")
    assert ehr.worklist()[0]["scheduled"] == newer


def test_our_own_fault_is_journalled_and_answered_as_ours(ehr: Ehr, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("bridge.flows.apply_fhir._drafts", broken)
    answer = ehr.put(order(id="9"))
    assert answer.status_code == 500
    assert "a fault of ours" not in answer.get_data(as_text=True)
    assert ehr.journal()[0]["state"] == "refused"
