"""SMART App Launch into the console: whoever the settings name enters as that account, at the chart's patient; nobody else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bridge.domain.accounts import Role
from bridge.flows import manage_users
from bridge.store import users
from bridge.web import launch_pages
from bridge.wiring import House
from samples.launching_ehr import LaunchingEhr
from tests.cast import PLAIN, study_uid
from tests.fakes.console import COOKIE
from tests.fakes.launches import Launched, begins_anew, patient, standing, words

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ACCOUNTS = {"Practitioner/7": "maria", "Practitioner/8": "chief", "Practitioner/9": "gone"}


@pytest.fixture(scope="module")
def standing_ehr() -> Iterator[LaunchingEhr]:
    yield from standing()


@pytest.fixture
def ehr(standing_ehr: LaunchingEhr) -> LaunchingEhr:
    return begins_anew(standing_ehr)


@pytest.fixture
def launched(make_house: Callable[..., House], ehr: LaunchingEhr) -> Launched:
    made = Launched(make_house, ehr, users=ACCOUNTS, console=True)
    for name, role in (("maria", Role.INTAKE), ("chief", Role.ADMIN), ("gone", Role.VIEWER)):
        manage_users.trusted_sign_in_link(made.console.store, made.console.clock, name, role)
    with made.console.store.read() as tx:
        gone = users.find(tx, "gone")
    assert gone is not None
    manage_users.change_user(
        made.console.store, made.console.clock, gone.key, role=Role.VIEWER, disabled=True, actor="system"
    )
    return made


def enter(launched: Launched, browser: FlaskClient, launch: str = "plain") -> TestResponse:
    return browser.get(launched.back(launched.begin(browser, launch, path="/launch/console")))


def test_somebody_with_an_account_enters_at_the_patients_exams_with_the_rights_of_that_account(
    launched: Launched,
) -> None:
    browser = launched.browser()
    answer = enter(launched, browser)
    assert answer.status_code == 303, words(answer)
    place = urlsplit(answer.headers["Location"]).path
    assert PLAIN.patient_id not in place
    exams = words(browser.get(place, follow_redirects=True))
    assert "A1" in exams
    assert "A2" in exams
    assert "B1" not in exams
    assert browser.get("/mismatches").status_code == 200
    assert browser.get("/users").status_code == 403
    signed = launched.trail("sign_in")[0]
    assert (signed.actor, signed.outcome) == ("user:maria", "")
    assert signed.detail["by"] == "launch"
    assert signed.detail["user"] == "Practitioner/7"


def test_a_chart_that_names_one_study_leads_to_it(launched: Launched) -> None:
    identifier = {"system": "urn:dicom:uid", "value": f"urn:oid:{study_uid('A2')}"}
    launched.ehr.context["study"] = {
        "patient": "p1",
        "fhirContext": [{"type": "ImagingStudy", "identifier": identifier}],
    }
    answer = enter(launched, launched.browser(), "study")
    assert urlsplit(answer.headers["Location"]).path == f"/studies/{launched.row_of('A2')}"


def test_nobody_enters_whom_the_settings_do_not_name_nor_an_administrator_nor_a_disabled_account(
    launched: Launched,
) -> None:
    for user in ("Practitioner/1", "Practitioner/8", "Practitioner/9", "Patient/7"):
        launched.ehr.user = user
        browser = launched.browser()
        assert enter(launched, browser).status_code == 403, user
        assert browser.get_cookie(COOKIE) is None
        assert launched.trail("sign_in")[0].outcome == "refused"


def test_an_ehr_that_may_open_images_alone_opens_no_console(
    make_house: Callable[..., House], ehr: LaunchingEhr
) -> None:
    launched = Launched(make_house, ehr, users=ACCOUNTS)
    manage_users.trusted_sign_in_link(launched.console.store, launched.console.clock, "maria", Role.INTAKE)
    browser = launched.browser()
    answer = enter(launched, browser)
    assert answer.status_code == 403
    assert "opens images, not the console" in words(answer)
    assert browser.get_cookie(COOKIE) is None
    assert launched.open(browser).status_code == 303


def test_a_patient_or_a_study_that_is_not_known_here_opens_no_session(launched: Launched) -> None:
    launched.ehr.resources["Patient/p9"] = patient("p9", "99999999")
    launched.ehr.context["stranger"] = {"patient": "p9"}
    theirs = {"system": "urn:dicom:uid", "value": f"urn:oid:{study_uid('B1')}"}
    launched.ehr.context["theirs"] = {
        "patient": "p1",
        "fhirContext": [{"type": "ImagingStudy", "identifier": theirs}],
    }
    for launch in ("stranger", "theirs"):
        browser = launched.browser()
        assert enter(launched, browser, launch).status_code == 404
        assert browser.get_cookie(COOKIE) is None


def test_who_enters_ends_what_this_browser_was_signed_in_with_before(launched: Launched) -> None:
    browser = launched.browser()
    assert enter(launched, browser).status_code == 303
    before = browser.get_cookie(COOKIE)
    assert before is not None
    assert enter(launched, browser).status_code == 303
    assert browser.get("/mismatches").status_code == 200
    kept = launched.browser()
    kept.set_cookie(COOKIE, before.value)
    assert kept.get("/mismatches").status_code == 303
    assert [one.actor for one in launched.trail("sign_out")] == ["user:maria"]


def test_whoever_is_refused_leaves_no_session_of_somebody_else_behind(launched: Launched) -> None:
    browser = launched.browser()
    assert enter(launched, browser).status_code == 303
    before = browser.get_cookie(COOKIE)
    assert before is not None
    launched.ehr.user = "Practitioner/1"
    assert enter(launched, browser).status_code == 403
    assert browser.get_cookie(COOKIE) is None
    kept = launched.browser()
    kept.set_cookie(COOKIE, before.value)
    assert kept.get("/mismatches").status_code == 303
    assert [one.actor for one in launched.trail("sign_out")] == ["user:maria"]


def test_an_answer_that_names_nobody_signs_nobody_out(launched: Launched) -> None:
    browser = launched.browser()
    assert enter(launched, browser).status_code == 303
    back = launched.back(launched.begin(browser, path="/launch/console"))
    assert launched.browser().get(back).status_code == 403
    assert browser.get(back.partition("&code=")[0] + "&error=access_denied").status_code == 403
    assert browser.get("/launch/console", query_string={"iss": "https://elsewhere.example.org"}).status_code == 403
    assert browser.get("/mismatches").status_code == 200
    assert launched.trail("sign_out") == []


@pytest.mark.parametrize("path", ["/launch", "/launch/console"])
def test_who_is_refused_too_often_fills_no_trail_and_holds_up_nobody_else(
    launched: Launched, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(launch_pages, "_FREE_TRIES", {"pair": 3, "account": 3, "address": 3})
    launched.ehr.context["stranger"] = {"patient": "p9"}
    launched.ehr.resources["Patient/p9"] = patient("p9", "99999999")

    def arrive(launch: str) -> int:
        browser = launched.browser()
        return browser.get(launched.back(launched.begin(browser, launch, path=path))).status_code

    assert [arrive("stranger") for _ in range(5)] == [404, 404, 404, 429, 429]
    action = "sign_in" if path.endswith("console") else "view_opened"
    assert [one.outcome for one in launched.trail(action)] == ["refused"] * 3
    assert arrive("plain") == 303, "a launch that goes well is never held up, not even this person's"
    launched.ehr.user = "Practitioner/8" if path.endswith("console") else "Practitioner/2"
    assert arrive("stranger") == (403 if path.endswith("console") else 404), (
        "another person's refusals are counted apart"
    )
    assert len([one for one in launched.trail(action) if one.outcome == "refused"]) == 4
