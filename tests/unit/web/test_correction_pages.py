"""The correction form: attributes in words, seen before they are made, taken back; decisions and versions as one story."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pydicom.dataset import Dataset
from werkzeug.test import TestResponse

from bridge.domain.accounts import Role
from bridge.domain.overlay import Change, OverlayVersion, VersionKind
from bridge.store import studies
from bridge.store.decisions import Decision
from bridge.web.study_story import story_of
from tests.cast import PLAIN, adt, image, order, renamed, spooled, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One engine: a page sees no difference."""
    shutil.copy(sqlite_template, tmp_path / "bridge.db")
    return f"sqlite:///{tmp_path / 'bridge.db'}"


@pytest.fixture
def key(console: Console) -> int:
    """The row of a bound study of PLAIN's, its name misspelt and its description wrong as received."""
    say(console.house, adt(PLAIN), order(PLAIN, "A1"))
    received = image(renamed(PLAIN, "HALVORSEN^INGRD"), "A1")
    received.StudyDescription = "CT CHST"
    received.ProcedureCodeSequence = [Dataset()]
    code = received.ProcedureCodeSequence[0]
    code.CodeValue, code.CodeMeaning, code.CodingSchemeDesignator = "71250", "CT chest", "C4"
    console.house.instances.receive(spooled(console.house, received))
    with console.store.read() as tx:
        found = studies.by_uid(tx, study_uid("A1"))
    assert found is not None
    assert found.is_bound
    return found.key


def sent(console: Console, browser: FlaskClient, path: str, **fields: str) -> TestResponse:
    return browser.post(path, data={**fields, "csrf_token": console.form_token(browser)})


def seen_in(page: str) -> str:
    found = re.search(r'name="seen" value="(\w*)"', page)
    assert found is not None
    return found.group(1)


def corrected(console: Console, browser: FlaskClient, key: int, **fields: str) -> TestResponse:
    """Fill the form in, look, and correct."""
    path = f"/studies/{key}/correct"
    seen = seen_in(sent(console, browser, path, **fields, then="look").text)
    return sent(console, browser, path, **fields, then="make", seen=seen)


def test_the_form_names_attributes_in_words_with_what_leaves_now(console: Console, key: int) -> None:
    page = console.browser(Role.INTAKE).get(f"/studies/{key}/correct").text
    for words in ("Study description", "CT CHST", "71250^CT chest^C4", "Referring physician"):
        assert words in page
    assert 'name="PatientSex"' not in page
    assert "Not corrected here: name and patient number" in page


def test_a_correction_is_seen_then_made_and_stands_with_the_decision(console: Console, key: int) -> None:
    intake, path = console.browser(Role.INTAKE), f"/studies/{key}/correct"
    fields = {"StudyDescription": "CT CHEST", "reason": "spelling"}
    looked = sent(console, intake, path, **fields, then="look")
    assert looked.status_code == 200
    assert "CT CH<mark>E</mark>ST" in looked.text
    assert "CT CHEST" not in intake.get(f"/studies/{key}").text
    made = sent(console, intake, path, **fields, then="make", seen=seen_in(looked.text))
    assert (made.status_code, made.headers["Location"]) == (303, f"/studies/{key}#versions")
    page = intake.get(f"/studies/{key}").text
    story = page[page.index('id="versions"') :]
    assert story.index("Version 2") < story.index("CORRECT<") < story.index("Version 1") < story.index("COERCE<")
    assert "spelling" in story
    assert "HALVORSEN^INGRID" in story
    assert story.count('<div class="what">') == 2


def test_nothing_is_made_that_was_not_seen_as_it_is(console: Console, key: int) -> None:
    intake, path = console.browser(Role.INTAKE), f"/studies/{key}/correct"
    fields = {"StudyDescription": "CT CHEST", "reason": "spelling"}
    unseen = sent(console, intake, path, **fields, then="make")
    assert (unseen.status_code, "Look once more" in unseen.text) == (422, True)
    seen = seen_in(unseen.text)
    other = sent(console, intake, path, StudyDescription="CT HEAD", reason="x", then="make", seen=seen)
    assert "Look once more" in other.text
    assert corrected(console, intake, key, StudyDescription="CT THORAX", reason="a colleague").status_code == 303
    late = sent(console, intake, path, **fields, then="make", seen=seen)
    assert (late.status_code, 'value="spelling"' in late.text) == (422, True)
    assert "CT CHEST" not in intake.get(f"/studies/{key}").text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Fill in what should leave otherwise"),
        ({"StudyDescription": "CT CHST"}, "it says so already"),
        ({"ProcedureCodeSequence-code": "71260"}, "Procedure code: give the code, what it means and the scheme"),
        ({"StudyDescription": "X" * 400}, "Study description: "),
        ({"PatientSex": "M"}, "Sex: the bound record says it"),
        ({"RequestedProcedureID": "R9"}, "the images do not name one request"),
    ],
)
def test_what_cannot_be_corrected_is_said_in_words(
    console: Console, key: int, fields: dict[str, str], sentence: str
) -> None:
    intake = console.browser(Role.INTAKE)
    answer = sent(console, intake, f"/studies/{key}/correct", **fields, reason="because", then="look")
    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'value="because"' in answer.text
    assert "Version 2" not in intake.get(f"/studies/{key}").text


def test_a_correction_without_a_reason_is_not_made(console: Console, key: int) -> None:
    intake = console.browser(Role.INTAKE)
    answer = corrected(console, intake, key, StudyDescription="CT CHEST")
    assert (answer.status_code, "Say why" in answer.text) == (422, True)
    assert "As it will leave" in answer.text


def test_values_are_taken_off_and_codes_written_part_by_part(console: Console, key: int) -> None:
    intake = console.browser(Role.INTAKE)
    fields = {"StudyDescription-off": "on", "reason": "wrong room"}
    code = {"ProcedureCodeSequence-code": "70450", "ProcedureCodeSequence-meaning": "CT head"}
    made = corrected(console, intake, key, **fields, **code, **{"ProcedureCodeSequence-scheme": "C4"})
    assert made.status_code == 303
    rows = console.machine(Role.INTAKE).get(f"/api/studies/{study_uid('A1')}/versions").get_json()["versions"]
    assert {one["keyword"]: one["after"] for one in rows[0]["changes"]} == {
        "StudyDescription": "",
        "ProcedureCodeSequence": "70450^CT head^C4",
    }


def test_a_correction_is_taken_back_once_and_with_a_reason(console: Console, key: int) -> None:
    intake, path = console.browser(Role.INTAKE), f"/studies/{key}/versions/2/undo"
    corrected(console, intake, key, StudyDescription="CT CHEST", reason="spelling")
    assert f'href="{path}"' in intake.get(f"/studies/{key}").text
    assert "CT CHST" in intake.get(path).text
    silent = sent(console, intake, path, reason=" ")
    assert (silent.status_code, "Say why" in silent.text) == (422, True)
    assert sent(console, intake, path, reason="it was right").status_code == 303
    page = intake.get(f"/studies/{key}").text
    assert "taken back by version 3" in page
    assert "taken back by version 3" in intake.get(f"/mismatches/study/{key}").text
    assert f'href="{path}"' not in page
    assert intake.get(path).status_code == 409
    for number in (1, 9):
        assert intake.get(f"/studies/{key}/versions/{number}/undo").status_code == 404


def test_only_intake_and_admin_correct_and_only_what_is_bound(console: Console, key: int) -> None:
    for role in (Role.VIEWER, Role.BILLING, Role.IT):
        browser = console.browser(role)
        assert browser.get(f"/studies/{key}/correct").status_code == 403
        assert sent(console, browser, f"/studies/{key}/versions/1/undo", reason="r").status_code == 403
        assert "/correct" not in browser.get(f"/studies/{key}").text
    intake = console.browser(Role.INTAKE)
    assert intake.post(f"/studies/{key}/correct", data={"StudyDescription": "X"}).status_code == 403
    assert console.browser(Role.ADMIN).get(f"/studies/{key}/correct").status_code == 200
    stray = console.clinic.study("1.2.840.99.7")
    assert intake.get(f"/studies/{stray.key}/correct").status_code == 409
    assert "/correct" not in intake.get(f"/studies/{stray.key}").text
    assert intake.get("/studies/999/correct").status_code == 404


def test_a_decision_and_what_it_changed_are_one_chapter() -> None:
    later, latest = AT + timedelta(minutes=1), AT + timedelta(minutes=2)
    waited = Decision(1, AT, "R09", "REVIEW", "R09", "Nobody fits.", binding_version=0)
    bound = Decision(1, later, "user:maria", "BIND_WITH_CORRECTION", "B06", "", reason="asked", binding_version=1)
    change = (Change("PatientID", "9", "7"),)
    first = OverlayVersion(1, 1, 1, 1, VersionKind.BOUND, later, "user:maria", "asked", 5, (), change)
    hand = OverlayVersion(1, 2, 2, 2, VersionKind.CORRECTED, latest, "user:maria", "typo", 5, (), change)
    story = story_of([bound, waited], [hand, first])
    assert [(one.version, one.what, one.may_undo) for one in story] == [
        (2, "Corrected by hand", True),
        (1, "Bind with correction", False),
        (None, "Review", False),
    ]
    assert [one.words for one in story[1].changes] == ["Patient number"]
