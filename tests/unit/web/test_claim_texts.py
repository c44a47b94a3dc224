"""The text for a claim: shown, copied, recorded; gone while it is in doubt whose images they are."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select

from bridge.domain.accounts import Role
from bridge.store import audit
from bridge.store.tables import attachments
from tests.fakes.console import Console

UID = "1.2.840.99.1"


def narrative(console: Console) -> tuple[str, dict[str, Any]]:
    """Return the address of an authorization's attachments, and the narrative that was put there."""
    console.order()
    console.images(UID)
    decision = {"action": "bind", "accession_number": "A1", "reason": "asked"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=decision).status_code == 200
    api = console.machine(Role.BILLING)
    row = api.get("/api/authorizations", query_string={"q": "PAA1"}).json["authorizations"][0]
    place = f"/api/authorizations/{row['id']}/attachments"
    made = api.post(place, json={"study_instance_uid": UID, "as": ["narrative"]})
    assert made.status_code == 201, made.text
    return place, made.json["attachments"][0]


def given(console: Console) -> int:
    with console.store.read() as tx:
        return len([row for row in audit.recent(tx, limit=200) if row.action == "claim_text_given"])


def test_a_narrative_is_ready_at_once_with_text_and_segments(console: Console) -> None:
    place, made = narrative(console)
    assert (made["state"], len(made["text"]) <= 80) == ("released", True)
    number = made["text"].removeprefix("IMAGES ")
    assert made["claim_segments"] == [f"PWK*RB*AA***AC*{number}~", "REF*G1*PAA1~", f"NTE*ADD*IMAGES {number}~"]
    (again,) = console.machine(Role.BILLING).get(place).json["attachments"]
    assert again["text"] == made["text"]
    assert given(console) == 2


@pytest.mark.parametrize(
    ("state", "transmission"), [("draft", "AA"), ("sent", "EL"), ("failed", "AA"), ("review", "AA")]
)
def test_trap_9_a_claim_promises_images_by_wire_only_where_they_went(
    console: Console, state: str, transmission: str
) -> None:
    place, made = narrative(console)
    with console.store.write() as tx:
        row = tx.execute(select(attachments).where(attachments.c.key == made["id"])).one()
        values = {name: value for name, value in row._mapping.items() if name != "key"}
        tx.execute(insert(attachments).values(values | {"kind": "cdex", "state": state}))
    rows = console.machine(Role.BILLING).get(place).json["attachments"]
    (segment, *_) = next(one["claim_segments"] for one in rows if one["as"] == "narrative")
    assert segment == f"PWK*RB*{transmission}***AC*{made['text'].removeprefix('IMAGES ')}~"


def test_a_copy_from_the_page_is_recorded_as_an_export(console: Console) -> None:
    place, made = narrative(console)
    page = place.removeprefix("/api").removesuffix("/attachments")
    browser = console.browser(Role.BILLING)
    before = given(console)
    assert made["text"] in browser.get(page).text
    assert given(console) == before
    token = console.form_token(browser, page)
    copied = browser.post(f"{page}/attachments/{made['id']}/copied", data={"csrf_token": token})
    assert copied.status_code == 303
    assert given(console) == before + 1


def test_there_is_no_text_while_the_study_is_in_question(console: Console) -> None:
    place, made = narrative(console)
    unbound = {"action": "unbind", "reason": "another person's"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=unbound).status_code == 200
    (row,) = console.machine(Role.BILLING).get(place).json["attachments"]
    assert row["state"] == "review"
    assert "text" not in row
    assert made["text"] not in console.browser(Role.BILLING).get(place[4:-12]).text
