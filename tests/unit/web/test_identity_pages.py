"""What the console, the API and FHIR show of merged, linked and deleted records."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from bridge.domain.accounts import Role
from bridge.store.tables import merges
from tests.cast import MERGED, PLAIN, Person, adt, merge, order
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.flows.registration import mrg, tell


def fhir_patient(console: Console, person: Person) -> dict[str, Any]:
    api = console.machine(Role.SYSTEM)
    (entry,) = api.get(f"/fhir/r4/Patient?identifier={person.patient_id}").json["entry"]
    return dict(entry["resource"])


def test_a_merge_is_listed_undone_and_its_two_records_point_at_each_other(console: Console) -> None:
    say(console.house, adt(PLAIN), adt(MERGED), merge(PLAIN, MERGED))
    survivor, retired = fhir_patient(console, PLAIN), fhir_patient(console, MERGED)
    assert (survivor["active"], retired["active"]) == (True, False)
    assert survivor["link"] == [{"other": {"reference": f"Patient/{retired['id']}"}, "type": "replaces"}]
    assert retired["link"] == [{"other": {"reference": f"Patient/{survivor['id']}"}, "type": "replaced-by"}]
    api = console.machine(Role.INTAKE)
    (row,) = api.get("/api/merges").json["merges"]
    assert (row["kind"], row["number"]) == ("merge", f"{MERGED.patient_id} (RIVERSIDE)")
    assert api.post(f"/api/merges/{row['id']}/undo", json={"reason": ""}).status_code == 422
    undone = api.post(f"/api/merges/{row['id']}/undo", json={"reason": "two people"}).json
    assert undone == {"id": row["id"], "undone": True, "note": None}
    assert api.post(f"/api/merges/{row['id']}/undo", json={"reason": "again"}).status_code == 409
    assert "link" not in fhir_patient(console, PLAIN)


def test_a_link_is_seealso_and_shown_on_the_exam(console: Console) -> None:
    say(console.house, adt(PLAIN), adt(MERGED), order(PLAIN, "A1"), tell("A24", PLAIN.pid, MERGED.pid))
    (link,) = fhir_patient(console, PLAIN)["link"]
    assert link["type"] == "seealso"
    page = console.browser(Role.VIEWER).get("/exams/A1").text
    assert "Linked records" in page
    assert MERGED.patient_id in page


def test_a_deleted_record_with_exams_is_shown_to_staff(console: Console) -> None:
    say(console.house, adt(PLAIN), order(PLAIN, "A1"), tell("A23", PLAIN.pid))
    assert fhir_patient(console, PLAIN)["active"] is False
    assert "Registration deleted this patient" in console.browser(Role.VIEWER).get("/exams/A1").text
    listed = console.browser(Role.INTAKE).get("/merges").text
    assert "Deleted by registration" in listed
    assert PLAIN.patient_id in listed


def test_every_kind_of_change_is_shown_and_taken_back_from_its_page(console: Console) -> None:
    say(console.house, adt(PLAIN), adt(MERGED), tell("A43", PLAIN.pid, mrg(MERGED)))
    desk = console.browser(Role.ADMIN)
    assert "number moved" in desk.get("/merges").text
    with console.store.read() as tx:
        key = tx.execute(select(merges.c.key)).scalar_one()
    assert "the message" in desk.get("/merges").text
    token = console.form_token(desk, "/merges")
    answer = desk.post(f"/merges/{key}/undo", data={"reason": "wrong person", "csrf_token": token})
    assert answer.status_code == 303
    assert "taken back by" in desk.get("/merges").text
