"""Orders without HL7: by REST and at the counter; the same exam, the same worklist, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.domain.accounts import Role
from bridge.store.tables import patients as patients_table
from bridge.store.tables import steps as steps_table
from tests.fakes.console import Console

PATIENT = {"patient_id": "00041001", "issuer_of_patient_id": "RIVERSIDE", "name": "HALVORSEN^INGRID"}
WALK_IN: dict[str, Any] = {
    "patient": {"name": "Okafor, Ada", "birth_date": "1988-01-30", "sex": "F"},
    "procedure": {"code": "76700", "scheme": "C4", "meaning": "US abdomen"},
    "modality": "US",
}


def enter(console: Console, body: dict[str, Any], **headers: str) -> Any:
    return console.machine(Role.SYSTEM).post("/api/orders", json=body, headers=headers)


def exam(console: Console, accession_number: str) -> Any:
    return console.machine(Role.VIEWER).get(f"/api/exams/{accession_number}").json


def test_a_walk_in_gets_numbers_and_stands_on_the_worklist_now(console: Console) -> None:
    answer = enter(console, WALK_IN)
    assert answer.status_code == 201
    assert answer.json["patient"]["patient_id"].startswith("TEMP-")
    assert answer.json["patient"]["provisional"] is True
    items = console.machine(Role.VIEWER).get("/api/worklist").json["items"]
    assert [(one["accession_number"], one["modality"]) for one in items] == [(answer.json["accession_number"], "US")]
    assert items[0]["scheduled"] == "2026-03-02T15:00:00"
    assert items[0]["incomplete"] is None


def test_the_same_placer_number_again_changes_the_order_and_makes_no_second_patient(console: Console) -> None:
    first = enter(console, {**WALK_IN, "placer_order_number": {"value": "P7", "issuer": "CLINIC"}})
    again = {**WALK_IN, "placer_order_number": {"value": "P7", "issuer": "CLINIC"}, "priority": "STAT"}
    second = enter(console, again)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json["id"] == second.json["id"]
    assert first.json["patient"] == second.json["patient"]
    with console.store.read() as tx:
        assert len(list(tx.execute(patients_table.select()))) == 1


def test_a_repeated_key_changes_nothing_and_another_order_under_it_is_refused(console: Console) -> None:
    first = enter(console, WALK_IN, **{"Idempotency-Key": "k1"})
    second = enter(console, WALK_IN, **{"Idempotency-Key": "k1"})
    other = enter(console, {**WALK_IN, "modality": "CT"}, **{"Idempotency-Key": "k1"})
    third = enter(console, WALK_IN, **{"Idempotency-Key": "k2"})
    assert (first.status_code, second.status_code, other.status_code) == (201, 200, 422)
    assert first.json["id"] == second.json["id"] != third.json["id"]
    assert other.json["where"] == "Idempotency-Key"


def test_every_fault_is_named_with_its_field(console: Console) -> None:
    body = {
        "patient": {"birth_date": "30.1.1988", "sex": "X", "age": 3},
        "steps": [{"modality": "US", "scheduled": "noon"}, {"modality": "BANANA"}],
        "placer_order_number": {"value": "a\\b"},
        "accession_number": "x" * 17,
    }
    answer = enter(console, body)
    assert answer.status_code == 422
    assert [one["where"] for one in answer.json["errors"]] == [
        "patient.age",
        "patient.name",
        "patient.birth_date",
        "patient.sex",
        "procedure",
        "accession_number",
        "placer_order_number.value",
        "steps[0].scheduled",
        "steps[1].modality",
    ]


def test_an_exam_of_a_visit_needs_no_procedure(console: Console) -> None:
    body = {
        "patient": PATIENT,
        "visit": {"admission_id": "V5", "location": "ENDO 2"},
        "modality": "ES",
        "scheduled": "2026-03-02T11:00",
    }
    answer = enter(console, body)
    assert answer.status_code == 201
    assert exam(console, answer.json["accession_number"])["procedure"] == "Encounter-based imaging"
    assert enter(console, {key: body[key] for key in body if key != "visit"}).json["where"] == "procedure"


def test_several_steps_share_what_the_order_says(console: Console) -> None:
    body = {
        "patient": PATIENT,
        "procedure": "CT chest",
        "modality": "CT",
        "accession_number": "M1",
        "steps": [{"id": "S1", "scheduled": "2026-03-02T10:00"}, {"id": "S2", "scheduled": "2026-03-02T10:30"}],
    }
    assert enter(console, body).status_code == 201
    items = console.machine(Role.VIEWER).get("/api/worklist").json["items"]
    assert [(one["scheduled_procedure_step_id"], one["modality"]) for one in items] == [("S1", "CT"), ("S2", "CT")]
    moved = console.machine(Role.SYSTEM).patch("/api/orders/M1", json={"scheduled": "2026-03-02T12:00"})
    assert (moved.status_code, moved.json["where"]) == (422, "steps")


def test_another_persons_number_asks_and_changes_nobody(console: Console) -> None:
    console.order()
    wrong = {**PATIENT, "name": "OTHER^SOMEBODY", "birth_date": "1999-09-09"}
    body = {**WALK_IN, "patient": wrong, "accession_number": "W1"}
    refused = enter(console, body)
    assert (refused.status_code, refused.json["code"], refused.json["where"]) == (409, "another_person", "patient")
    taken = enter(console, {**body, "patient": {**wrong, "confirmed": True}})
    assert taken.status_code == 201
    assert exam(console, "W1")["patient"]["name"] == "HALVORSEN^INGRID"


def test_an_order_is_changed_by_what_is_said_alone(console: Console) -> None:
    enter(console, {**WALK_IN, "patient": PATIENT, "accession_number": "C1", "reason": "pain"})
    machine = console.machine(Role.SYSTEM)
    assert machine.patch("/api/orders/C1", json={"scheduled": "2026-03-03T08:15", "reason": None}).status_code == 200
    seen = exam(console, "C1")
    assert (seen["scheduled"], seen["procedure"]) == ("2026-03-03T08:15:00", "US abdomen")
    whole = machine.put("/api/orders/C1", json={"patient": PATIENT})
    assert (whole.status_code, whole.json["where"]) == (422, "procedure")


def test_an_order_moves_to_the_patient_whose_number_is_said(console: Console) -> None:
    made = enter(console, {**WALK_IN, "accession_number": "T1"}).json
    moved = console.machine(Role.SYSTEM).patch(f"/api/orders/{made['id']}", json={"patient": PATIENT})
    assert moved.status_code == 200
    assert exam(console, "T1")["patient"]["patient_id"] == "00041001"


def test_a_cancelled_order_leaves_the_worklist_and_says_why(console: Console) -> None:
    enter(console, {**WALK_IN, "accession_number": "X1"})
    machine = console.machine(Role.SYSTEM)
    assert machine.post("/api/orders/X1/cancel", json={}).status_code == 422
    assert machine.post("/api/orders/X1/cancel", json={"reason": "did not come"}).json["status"] == "CANCELED"
    assert machine.delete("/api/orders/X1").status_code == 200
    assert console.machine(Role.VIEWER).get("/api/worklist").json["items"] == []
    assert "did not come" in str(exam(console, "X1")["timeline"])
    assert machine.delete("/api/orders/NOBODY").status_code == 404


def test_an_authorization_comes_with_the_order(console: Console) -> None:
    body = {**WALK_IN, "patient": PATIENT, "authorization": {"number": "PA9", "payer_id": "60054"}}
    answer = enter(console, {**body, "accession_number": "B1"})
    assert answer.status_code == 201
    rows = console.machine(Role.BILLING).get("/api/authorizations?q=PA9").json["authorizations"]
    assert [row["number"] for row in rows] == ["PA9"]


def test_what_was_measured_or_learned_of_the_patient_reaches_the_device(console: Console) -> None:
    known = {"weight_kg": 71.5, "size_m": 1.68, "pregnancy": "no", "allergies": "latex; iodine"}
    assert enter(console, {**WALK_IN, "patient": {**PATIENT, **known}}).status_code == 201
    with console.store.read() as tx:
        (row,) = tx.execute(steps_table.select())
    for said in (b"71.5", b"1.68", b"latex\\iodine"):
        assert said in row.encoded
    enter(console, {**WALK_IN, "patient": {**PATIENT, "weight_kg": 68}, "accession_number": "W2"})
    with console.store.read() as tx:
        assert all(b"68" in row.encoded for row in tx.execute(steps_table.select()))
    refused = enter(console, {**WALK_IN, "patient": {**PATIENT, "weight_kg": -1}})
    assert refused.json["where"] == "patient.weight_kg"


def test_roles_that_enter_no_orders_get_no_form(console: Console) -> None:
    assert console.browser(Role.VIEWER).get("/exams/new").status_code == 403
    assert console.browser(Role.INTAKE).get("/exams/new").status_code == 200


@pytest.fixture
def counter(console: Console) -> Any:
    """A browser at the counter: ask(text) leads to the form, put(...) hands it in."""
    console.order()
    browser = console.browser(Role.INTAKE)
    token = console.form_token(browser, "/exams/new")

    class Counter:
        def ask(self, text: str) -> str:
            found = browser.post("/exams/new/who", data={"q": text, "csrf_token": token})
            self.address = found.headers["Location"]
            return str(browser.get(self.address).get_data(as_text=True))

        def put(self, **said: str) -> Any:
            return browser.post(self.address, data={**said, "csrf_token": token})

        def show(self, address: str) -> str:
            return str(browser.get(address).get_data(as_text=True))

    return Counter()


def test_a_known_patient_is_found_by_number_name_or_birth_date(counter: Any) -> None:
    for text in ("00041001", "halvorsen", "12.03.1958", "halvorsen 1958-03-12"):
        assert "HALVORSEN, INGRID" in counter.ask(text), text
    assert "Nobody is known by that" in counter.ask("halvorsen 1958-03-13")
    assert "halvorsen" not in counter.address


def test_the_counter_puts_an_exam_on_the_worklist_and_leads_to_it(counter: Any) -> None:
    page = counter.ask("halvorsen")
    key = page.split('name="who" value="', 1)[1].split('"', 1)[0]
    put = counter.put(who=key, procedure="ct chest with contrast", date="2026-03-02", time="16:20", once="o1")
    assert put.status_code == 303
    shown = counter.show(put.headers["Location"])
    assert "HALVORSEN, INGRID" in shown
    assert "2 Mar 2026, 16:20" in shown
    again = counter.put(who=key, procedure="ct chest with contrast", date="2026-03-02", time="16:20", once="o1")
    assert again.headers["Location"] == put.headers["Location"]


def test_the_counter_says_what_is_missing_beside_its_field_and_keeps_the_rest(counter: Any) -> None:
    counter.ask("Okafor, Ada")
    refused = counter.put(who="new", family="Okafor", given="Ada", date="2026-03-02", time="09:00", reason="fell")
    page = refused.get_data(as_text=True)
    assert refused.status_code == 422
    assert page.count('class="wrong"') == 2
    assert 'value="fell"' in page
    made = counter.put(
        who="new", family="Okafor", given="Ada", procedure="Knee", device="any:DX", date="2026-03-02", time="09:00"
    )
    shown = counter.show(made.headers["Location"])
    assert "number for now" in shown


def test_the_counter_asks_where_the_number_is_somebody_elses(counter: Any) -> None:
    counter.ask("nobody")
    said = {
        "who": "new",
        "family": "Okafor",
        "given": "Ada",
        "birth_date": "1988-01-30",
        "patient_id": "00041001",
        "procedure": "Knee",
        "device": "any:DX",
        "date": "2026-03-02",
    }
    asked = counter.put(**said)
    assert asked.status_code == 422
    assert 'name="confirmed"' in asked.get_data(as_text=True)


def test_an_exam_is_cancelled_at_the_counter_with_a_reason(counter: Any, console: Console) -> None:
    counter.ask("Okafor, Ada")
    put = counter.put(who="new", family="Okafor", procedure="Knee", device="any:DX", date="2026-03-02")
    counter.address = f"{put.headers['Location']}/cancel"
    assert counter.put(reason="").status_code == 422
    assert counter.put(reason="went home").status_code == 303
    assert "went home" in counter.show(put.headers["Location"])


def test_a_form_that_is_changed_and_sent_again_says_that_it_was_sent(counter: Any) -> None:
    key = counter.ask("halvorsen").split('name="who" value="', 1)[1].split('"', 1)[0]
    said = {"who": key, "procedure": "Knee", "device": "any:DX", "date": "2026-03-02", "time": "16:20", "once": "o1"}
    assert counter.put(**said).status_code == 303
    again = counter.put(**{**said, "procedure": "Wrist"})
    page = again.get_data(as_text=True)
    assert again.status_code == 422
    assert "was sent before" in page
    assert 'value="Wrist"' in page
    once = page.split('name="once" value="', 1)[1].split('"', 1)[0]
    assert counter.put(**{**said, "procedure": "Wrist", "once": once}).status_code == 303


@pytest.mark.parametrize("who", ["9" * 30, "9" * 5000, "٣", "1e3", "-1"])
def test_the_counter_takes_only_rows_for_people(counter: Any, who: str) -> None:
    counter.ask("halvorsen")
    refused = counter.put(who=who, procedure="Knee", device="any:DX", date="2026-03-02", time="16:20")
    assert refused.status_code == 422
    assert "hoose who it is" in refused.get_data(as_text=True)


def test_an_exam_is_cancelled_by_the_whole_of_its_row(console: Console) -> None:
    console.order()
    browser = console.browser(Role.INTAKE)
    form = {"csrf_token": console.form_token(browser, "/exams/new"), "reason": "slip"}
    for reference in ("order-000000000000000001999", "order-1x", "order-1 ", "order-"):
        assert browser.post(f"/exams/{reference}/cancel", data=form).status_code == 404
    assert exam(console, "A1")["status"] == "SCHEDULED"


@pytest.mark.parametrize("name", ["HALVORSEN^BERIT", "BRANDT^EVA"])
def test_a_twins_number_asks_though_the_birth_date_is_the_same(console: Console, name: str) -> None:
    enter(console, {**WALK_IN, "patient": {**PATIENT, "birth_date": "1958-03-12"}, "accession_number": "F1"})
    twin = {**PATIENT, "name": name, "birth_date": "1958-03-12"}
    refused = enter(console, {**WALK_IN, "patient": twin, "accession_number": "F2"})
    assert (refused.status_code, refused.json["code"]) == (409, "another_person")
    married = {**twin, "name": "MARTENSEN^INGRID"}
    assert enter(console, {**WALK_IN, "patient": married, "accession_number": "F3"}).status_code == 201


def test_a_slip_in_a_number_moves_no_order_to_a_patient_made_of_it(console: Console) -> None:
    console.order()
    machine = console.machine(Role.SYSTEM)
    refused = machine.patch("/api/orders/A1", json={"patient": {"patient_id": "00041999"}})
    assert (refused.status_code, refused.json["where"]) == (422, "patient.name")
    assert exam(console, "A1")["patient"]["patient_id"] == "00041001"
    with console.store.read() as tx:
        assert len(list(tx.execute(patients_table.select()))) == 1


def test_what_is_typed_of_a_known_patient_leaves_the_record_as_it_is(console: Console) -> None:
    console.order()
    before = exam(console, "A1")["patient"]
    married = {**PATIENT, "name": "MARTENSEN^INGRID", "sex": "O", "birth_date": before["birth_date"]}
    assert enter(console, {**WALK_IN, "patient": married, "accession_number": "F3"}).status_code == 201
    assert exam(console, "F3")["patient"] == before
