"""Corrections over REST: shown before they are made, made with a reason, taken back, and listed version by version."""

from __future__ import annotations

import pytest

from bridge.domain.accounts import Role
from tests.fakes.console import Console

UID = "1.2.840.99.1"
PATH = f"/api/studies/{UID}"
CORRECTION = {"attributes": {"StudyDescription": "CT CHEST"}, "reason": "spelling"}


@pytest.fixture
def bound(console: Console) -> Console:
    study = console.clinic.study(UID)
    console.clinic.bind(study, console.clinic.patient("00041001"), corrections={"PatientSex": "F"})
    return console


def test_a_correction_is_shown_made_listed_and_taken_back(bound: Console) -> None:
    intake = bound.machine(Role.INTAKE)
    change = {"keyword": "StudyDescription", "before": "CT chest", "after": "CT CHEST"}
    shown = intake.post(f"{PATH}/corrections", json={**CORRECTION, "preview": True}).json
    assert shown == {"preview": True, "changes": [change]}
    assert len(intake.get(f"{PATH}/versions").json["versions"]) == 1
    made = intake.post(f"{PATH}/corrections", json=CORRECTION).json
    assert (made["version"], made["kind"], made["why"], made["changes"]) == (2, "corrected", "spelling", [change])
    undone = intake.post(f"{PATH}/corrections/2/undo", json={"reason": "no"}).json
    assert (undone["version"], undone["undoes"]) == (3, 2)
    rows = intake.get(f"{PATH}/versions").json["versions"]
    assert [(one["version"], one["undone_by"], one["current"]) for one in rows] == [
        (3, None, True),
        (2, 3, False),
        (1, None, False),
    ]
    assert {"keyword": "PatientSex", "value": "F", "reason": "COERCE", "version": 0} in rows[0]["leaves"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"attributes": {"StudyDescription": "X"}}, 422),
        ({"attributes": {"StudyDescription": 7}, "reason": "r"}, 400),
        ({"attributes": ["StudyDescription"], "reason": "r"}, 400),
        ({"attributes": {"Laterality": "L"}, "reason": "r"}, 422),
        ({"attributes": {"PatientSex": "M"}, "reason": "r"}, 409),
        ({"attributes": {"PatientName": "X^Y"}, "reason": "r"}, 409),
        ({"attributes": {"StudyDescription": "X"}, "reason": "r", "preview": "yes"}, 400),
        ({"attributes": {"StudyDescription": "X"}, "reason": "r", "what": 1}, 400),
    ],
)
def test_a_correction_that_cannot_be_made_is_answered_with_why(bound: Console, body: object, status: int) -> None:
    answer = bound.machine(Role.INTAKE).post(f"{PATH}/corrections", json=body)
    assert answer.status_code == status
    assert answer.json["detail"]


def test_only_intake_corrects_and_it_sees_no_values(bound: Console) -> None:
    for role in (Role.VIEWER, Role.BILLING, Role.IT):
        assert bound.machine(role).post(f"{PATH}/corrections", json=CORRECTION).status_code == 403
    (row,) = bound.machine(Role.IT).get(f"{PATH}/versions").json["versions"]
    assert (row["kind"], row["changes"], row["leaves"]) == ("bound", [], [])
    assert bound.machine(Role.INTAKE).post("/api/studies/9.9/corrections", json=CORRECTION).status_code == 404
    assert bound.machine(Role.INTAKE).post(f"{PATH}/corrections/9/undo", json={"reason": "r"}).status_code == 404
