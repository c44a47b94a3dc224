"""The people and the codes that orders and studies name are found by what is shown of them, and by nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from flask.testing import FlaskClient

from bridge.domain.accounts import Role
from bridge.domain.order import Code, Order
from bridge.store import orders
from tests.fakes.console import Console
from tests.flows.test_chart_parts import ON_SQLITE
from tests.unit.web.test_fhir_search import get, total

NPI = "http://hl7.org/fhir/sid/us-npi"
EHR = "urn:imaging-bridge:authority:EHR"
CPT = "http://www.ama-assn.org/go/cpt"
ICD = "http://hl7.org/fhir/sid/icd-10"
NAMES = ("", "BRANDT^EVA^^DR", "ODA^KENJI")
NUMBERS = (
    (),
    (Code("1700000002", "NPI", "BRANDT EVA DR"),),
    (Code("1700000002", "EHR", "BRANDT EVA DR"),),
    (Code("7", "", "BRANDT EVA DR"), Code("8", "EHR", "ODA KENJI")),
    (Code("9", "2.16.840.1.113883.4.6", "ODA KENJI"), Code("9", "EHR", "ODA KENJI")),
)
REASONS = (
    (),
    (Code("R05", "I10", "Cough"), Code("R05", "LOCAL", "Cough")),
    (Code("", "", "Cough"), Code("C 1", "i10")),
)


@pytest.fixture
def many(console: Console) -> Console:
    """Orders of one patient that name people and reasons in every way, each with a study of its own."""
    patient = console.clinic.patient("00041001")
    for place, (asked, sent, numbers, reasons) in enumerate(product(NAMES, NAMES, NUMBERS, REASONS)):
        order = changed(console, console.clinic.order(patient, f"A{place}"), asked, sent, numbers, reasons)
        if place % 4 == 0:
            study = console.clinic.study(f"1.2.840.99.{place}", 1, 1)
            said = (None, {"ReferringPhysicianName": "Oda^Kenji"}, {"ReferringPhysicianName": "ODA^KENJI="}, None)
            console.clinic.bind(study, patient, order, said[place // 4 % 4])
    console.clock.at = console.clock.at.replace(hour=20)
    return console


def changed(
    console: Console,
    order: Order,
    asked: str,
    sent: str,
    numbers: tuple[Code, ...],
    reasons: tuple[Code, ...],
) -> Order:
    with console.store.write() as tx:
        said: Any = {
            "requesting_physician_code": numbers,
            "referring_physician_code": numbers[::-1],
            "reason_for_requested_procedure_code": reasons,
        }
        now = replace(order, requesting_physician=asked, referring_physician_name=sent, details=said)
        return orders.save(tx, now, console.clock.now())


def every(api: FlaskClient, kind: str, **query: str) -> list[dict[str, Any]]:
    entries = get(api, f"r4/{kind}", _count="500", **query).get("entry", [])
    return [one["resource"] for one in entries]


def tokens_of(said: Any) -> Iterator[str]:
    """Return the tokens that an element is found by: a Reference's number, the codings of concepts."""
    for one in said if isinstance(said, list) else [said] if said else []:
        for coding in [one["identifier"]] if "identifier" in one else one.get("coding", []):
            value = coding.get("value", coding.get("code"))
            if value:
                yield f"{coding.get('system', '')}|{value}"


def check(api: FlaskClient, kind: str, name: str, element: str) -> set[str]:
    """See that each token that is shown finds exactly the resources that show it; return the tokens."""
    shown: dict[str, set[str]] = defaultdict(set)
    resources = every(api, kind)
    for one in resources:
        for token in tokens_of(one.get(element)):
            shown[token].add(one["id"])
            shown[token.partition("|")[2]].add(one["id"])
    for token, ids in shown.items():
        assert {one["id"] for one in every(api, kind, **{name: token})} == ids, (name, token)
    for token in ("urn:elsewhere|1700000002", "urn:elsewhere|R05", "nobody's"):
        assert every(api, kind, **{name: token}) == [], token
    return {one for one in shown if "|" in one}


def test_what_an_order_shows_is_what_it_is_found_by(many: Console) -> None:
    api = many.machine(Role.ADMIN)
    assert check(api, "ServiceRequest", "requester:identifier", "requester") == {
        f"{NPI}|1700000002",
        f"{EHR}|1700000002",
        f"{EHR}|8",
        f"{NPI}|9",
    }
    assert check(api, "ServiceRequest", "code", "code") == {f"{CPT}|71260"}
    with many.store.read() as tx:
        known = [orders.get(tx, key) for key in range(1, 30)]
    for one in known:
        changed(many, one, "ODA^KENJI", "", (Code("1", "EHR", "ODA KENJI"),), (Code("R06", "I10"),))
    assert f"{EHR}|1" in check(api, "ServiceRequest", "requester.identifier", "requester")


def test_what_a_study_shows_is_what_it_is_found_by(many: Console) -> None:
    api = many.machine(Role.ADMIN)
    assert len(every(api, "ImagingStudy")) == 34
    assert f"{EHR}|8" in check(api, "ImagingStudy", "referrer:identifier", "referrer")
    assert check(api, "ImagingStudy", "reason", "reasonCode") == {f"{ICD}|R05", "|R05", f"{ICD}|C 1"}
    for name, element in (("referrer", "referrer"), ("reason", "reasonCode")):
        for missing in (True, False):
            found = every(api, "ImagingStudy", **{f"{name}:missing": str(missing).lower()})
            wanted = {one["id"] for one in every(api, "ImagingStudy") if (element not in one) is missing}
            assert {one["id"] for one in found} == wanted, (name, missing)


@ON_SQLITE
def test_a_code_is_found_with_its_system_alone(many: Console) -> None:
    api = many.machine(Role.ADMIN)
    code = "71260"
    for query, is_found in ((code, True), (f"{CPT}|{code}", True), (f"|{code}", False), (f"{ICD}|{code}", False)):
        for release in ("r4", "r5"):
            for name in ("code", "code-concept"):
                assert bool(total(api, f"{release}/ServiceRequest", {name: query})) is is_found, query


@ON_SQLITE
def test_people_without_a_number_and_things_that_are_not_written_match_nothing(many: Console) -> None:
    api = many.machine(Role.ADMIN)
    for name in ("referrer", "performer", "interpreter", "body-structure"):
        assert total(api, "r4/ImagingStudy", {name: "1"}) == 0, name
        assert total(api, "r4/ImagingStudy", {f"{name}:identifier": f"{NPI}|1700000002"}) == 0 or name == "referrer"
    assert total(api, "r5/ImagingStudy", {"body-structure:missing": "true"}) == 34
    for name in ("body-structure", "code-reference"):
        assert total(api, "r5/ServiceRequest", {name: "1"}) == 0
        assert total(api, "r5/ServiceRequest", {f"{name}:missing": "true"}) == 135
    for name in ("performer", "interpreter"):
        assert api.get(f"/fhir/r4/ImagingStudy?{name}:missing=true").status_code == 400
