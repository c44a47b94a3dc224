"""Searches by those who are named without a resource of their own, and by what a payer's answer came to."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from bridge.domain.authorization import AuthorizationStatus
from bridge.store import audit, authorizations
from bridge.store.tables import orders
from tests.fakes.console import Console
from tests.flows.test_chart_parts import ON_SQLITE
from tests.unit.web.test_fhir_search import api, day, get, total

__all__ = ["api", "day"]


@pytest.mark.parametrize(
    ("kind", "name", "is_named"),
    [
        ("Claim", "insurer", True),
        ("Claim", "provider", True),
        ("ClaimResponse", "requestor", False),
        ("ServiceRequest", "performer", False),
        ("AuditEvent", "agent", True),
    ],
)
@ON_SQLITE
def test_who_is_named_in_words_is_not_missing(api: FlaskClient, kind: str, name: str, is_named: bool) -> None:
    get(api, "r4/Patient/1")
    for missing, met in (("true", not is_named), ("false", is_named)):
        assert bool(total(api, f"r4/{kind}", {f"{name}:missing": missing})) is met, missing
    assert total(api, f"r4/{kind}", {name: "Organization/1"}) == 0


@ON_SQLITE
def test_orders_are_told_apart_by_whether_somebody_asked_for_them(day: Console, api: FlaskClient) -> None:
    with day.store.write() as tx:
        tx.execute(update(orders).where(orders.c.key == 1).values(requesting_physician="JONES^DREW"))
    every = [one["resource"] for one in get(api, "r4/ServiceRequest")["entry"]]
    for missing in (True, False):
        found = get(api, "r4/ServiceRequest", requester__missing=str(missing).lower()).get("entry", [])
        wanted = {one["id"] for one in every if ("requester" not in one) is missing}
        assert {one["resource"]["id"] for one in found} == wanted != set()


def test_answers_of_payers_are_found_by_the_outcome_that_they_say(day: Console, api: FlaskClient) -> None:
    for status in AuthorizationStatus:
        with day.store.write() as tx:
            authorizations.set_status(tx, 1, status, day.clock.now())
        said = get(api, "r4/ClaimResponse/1")["outcome"]
        for outcome in ("queued", "complete", "partial", "error"):
            assert total(api, "r4/ClaimResponse", {"outcome": outcome, "_id": "1"}) == (said == outcome), status


@ON_SQLITE
def test_the_trail_is_searched_by_the_number_that_an_agent_has(day: Console, api: FlaskClient) -> None:
    with day.store.write() as tx:
        audit.add(tx, at=day.clock.now(), action="images_sent", actor="peer:CT1", patient_key=1)
    (event,) = get(api, "r4/AuditEvent", agent__identifier="urn:imaging-bridge:ae-title|CT1")["entry"]
    assert {"system": "urn:imaging-bridge:ae-title", "value": "CT1"} in [
        one["who"].get("identifier") for one in event["resource"]["agent"]
    ]
    get(api, "r4/Patient/1")
    assert total(api, "r4/AuditEvent", {"agent:identifier": "urn:imaging-bridge:user|token:a-admin"}) > 0
    for number in ("urn:imaging-bridge:user|CT1", "urn:elsewhere|token:a-admin", "CT2"):
        assert total(api, "r4/AuditEvent", {"agent:identifier": number}) == 0, number


@ON_SQLITE
def test_the_trail_is_searched_by_whether_it_names_anybody(day: Console, api: FlaskClient) -> None:
    with day.store.write() as tx:
        audit.add(tx, at=day.clock.now(), action="signed_in", actor="user:kim")
        audit.add(tx, at=day.clock.now(), action="images_sent", actor="user:kim", patient_key=1)
    for missing in ("true", "false"):
        found = get(api, "r4/AuditEvent", entity__missing=missing, agent__identifier="user:kim")["entry"]
        assert ["entity" not in one["resource"] for one in found] == [missing == "true"]
