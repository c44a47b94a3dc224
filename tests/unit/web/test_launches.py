"""SMART App Launch: an EHR opens one patient's bound studies for somebody who may look, and nothing else of the house."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from flask.testing import FlaskClient
from joserfc.jwk import ECKey, OctKey, RSAKey

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.flows import manage_users
from bridge.store import users
from bridge.store.db import ReadTx
from bridge.store.listings import people_images
from bridge.web import launch_pages
from bridge.wiring import House
from samples.launching_ehr import App, LaunchingEhr
from tests.cast import NEAR_TWIN, PLAIN, merge, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import COOKIE, Console
from tests.fakes.launches import DONE, SECRET, SYSTEM, Launched, begins_anew, patient, standing, words
from tests.flows.asking import say

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OTHER_KEY = RSAKey.generate_key(2048, {"kid": "ehr-1", "use": "sig"})


@pytest.fixture(scope="module")
def standing_ehr() -> Iterator[LaunchingEhr]:
    """One EHR for all: it listens on one port, and what it says is set anew for each test."""
    yield from standing()


@pytest.fixture
def ehr(standing_ehr: LaunchingEhr) -> LaunchingEhr:
    return begins_anew(standing_ehr)


@pytest.fixture
def launched(make_house: Callable[..., House], ehr: LaunchingEhr) -> Launched:
    return Launched(make_house, ehr)


def test_a_launch_opens_the_patients_studies_down_to_a_picture_and_is_audited(launched: Launched) -> None:
    browser = launched.browser()
    place = launched.view(browser)
    page = words(browser.get(place))
    assert "HALVORSEN, INGRID" in page
    assert "2 studies" in page
    assert "INGEBORG" not in page
    key = launched.row_of("A1")
    study = browser.get(f"{place}studies/{key}")
    assert study.status_code == 200
    source = words(study).split('<img class="thumb" src="')[1].split('"')[0].replace("&amp;", "&")
    picture = browser.get(source)
    assert picture.status_code == 200
    assert picture.content_type.startswith("image/")
    opened = launched.trail("view_opened")[0]
    assert (opened.actor, opened.outcome) == ("ehr:mercy:Practitioner/7", "")
    assert opened.detail["issuer"] == launched.ehr.base_url
    looked = launched.trail("study_viewed")[0]
    assert looked.study_key == key
    assert looked.detail["issuer"] == launched.ehr.base_url


def test_what_is_asked_of_the_ehr_is_the_least_and_proves_itself(launched: Launched) -> None:
    asked = parse_qs(urlsplit(launched.begin(launched.browser()).headers["Location"]).query)
    assert asked["scope"] == ["launch openid fhirUser patient/Patient.r patient/ImagingStudy.r"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["aud"] == [launched.ehr.base_url]
    assert asked["redirect_uri"] == [DONE]


def test_an_issuer_that_no_setting_names_is_never_asked(launched: Launched) -> None:
    for issuer in (launched.ehr.address, f"{launched.ehr.base_url}x", "http://169.254.169.254/", "", "file:///etc"):
        answer = launched.browser().get("/launch", query_string={"iss": issuer, "launch": "plain"})
        assert answer.status_code == 403
        assert "settings do not name it" in words(answer)
    assert launched.ehr.requests == []
    assert {row.outcome for row in launched.trail("view_opened")} == {"refused"}


def test_a_slash_at_the_issuers_end_is_the_same_issuer(launched: Launched) -> None:
    assert launched.begin(launched.browser(), issuer=f"{launched.ehr.base_url}/").status_code == 302


def test_a_view_shows_nothing_of_anybody_else_by_any_of_its_addresses(launched: Launched) -> None:
    browser = launched.browser()
    place, key, other = launched.view(browser), launched.row_of("A1"), launched.row_of("B1")
    with launched.console.store.read() as tx:
        theirs = next(iter(tx.exec_driver_sql("SELECT key FROM instances ORDER BY key DESC LIMIT 1")))[0]
    look = words(browser.get(f"{place}studies/{key}")).split("look=")[1].split("&")[0].split('"')[0]
    for path in (
        f"studies/{other}",
        f"studies/{other}/images/{theirs}",
        f"studies/{other}/images/{theirs}/picture?look={look}",
        f"studies/{key}/images/{theirs}",
        f"studies/{key}/images/{theirs}/picture?look={look}",
        "studies/999",
        "studies/1/tags",
    ):
        answer = browser.get(f"{place}{path}")
        assert answer.status_code == 404, path
        assert "INGEBORG" not in words(answer)


def test_a_picture_costs_the_rows_of_its_own_study_whatever_else_the_patient_has(
    launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, key = launched.browser(), launched.row_of("A1")
    place = launched.view(browser)
    source = words(browser.get(f"{place}studies/{key}")).split('<img class="thumb" src="')[1].split('"')[0]
    counted, looked_at = people_images._counts, list[int]()

    def counting(tx: ReadTx, keys: Iterable[int]) -> dict[int, tuple[tuple[str, ...], int, int]]:
        looked_at.extend(asked := list(keys))
        return counted(tx, asked)

    monkeypatch.setattr(people_images, "_counts", counting)
    assert browser.get(source.replace("&amp;", "&")).status_code == 200
    assert looked_at == [key]


def test_a_views_cookie_opens_no_desk_no_fhir_and_no_dicomweb(launched: Launched) -> None:
    browser = launched.browser()
    place = launched.view(browser)
    held = browser.get_cookie(f"ib_view_{place.split('/')[2]}", path=place.rstrip("/"))
    assert held is not None
    assert held.path == place.rstrip("/")
    assert held.http_only
    thief = launched.browser()
    for name in (held.key, COOKIE):
        thief.set_cookie(name, held.value)
    key = launched.row_of("A1")
    for path in ("/today", f"/studies/{key}", "/audit", f"/studies/{key}/images/1", "/"):
        assert thief.get(path).headers["Location"].startswith("/sign-in"), path
    for path in (
        "/api/exams",
        "/fhir/r4/Patient",
        "/fhir/r4/ImagingStudy",
        "/dicom-web/studies",
        "/api/viewer-links/1",
    ):
        answer = thief.get(path)
        assert answer.status_code == 401, path
        assert "own pages alone" in words(answer), "it is said what to do instead"


def test_somebody_else_with_the_address_sees_nothing(launched: Launched) -> None:
    place = launched.view(launched.browser())
    for stranger in (launched.browser(), launched.console.browser(Role.ADMIN)):
        answer = stranger.get(place)
        assert answer.status_code == 401
        assert "HALVORSEN" not in words(answer)
    assert launched.console.machine(Role.ADMIN).get(place).status_code == 403


def test_a_session_of_the_console_in_the_same_browser_stays_what_it_is(launched: Launched) -> None:
    browser = launched.console.browser(Role.IT)
    before = browser.get_cookie(COOKIE)
    place = launched.view(browser)
    assert browser.get_cookie(COOKIE) == before
    assert "HALVORSEN" in words(browser.get(place))
    assert browser.get("/studies/1/images/1").status_code == 403
    assert launched.trail("view_opened")[0].actor == "ehr:mercy:Practitioner/7"


def test_two_charts_side_by_side_never_mix(launched: Launched) -> None:
    browser = launched.browser()
    launched.ehr.context["other"] = {"patient": "p2"}
    first, second = launched.view(browser), launched.view(browser, "other")
    assert "INGRID" in words(browser.get(first))
    assert "INGEBORG" in words(browser.get(second, follow_redirects=True))
    assert browser.get(f"{second}studies/{launched.row_of('A1')}").status_code == 404


def test_a_chart_that_names_studies_narrows_the_view_to_them(launched: Launched) -> None:
    named = {"identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{study_uid('A2')}"}]}
    launched.ehr.resources["ImagingStudy/s2"] = {"resourceType": "ImagingStudy", "id": "s2"} | named
    for number, entry in enumerate(
        ({"reference": "ImagingStudy/s2"}, {"type": "ImagingStudy", "identifier": named["identifier"][0]})
    ):
        launched.ehr.context[str(number)] = {"patient": "p1", "fhirContext": [entry, {"reference": "Encounter/1"}]}
        browser = launched.browser()
        place = launched.view(browser, str(number))
        assert browser.get(place).headers["Location"] == f"{place}studies/{launched.row_of('A2')}"
        assert browser.get(f"{place}studies/{launched.row_of('A1')}").status_code == 404


def test_a_study_that_is_not_this_patients_opens_nothing(launched: Launched) -> None:
    entries: list[Any] = [
        {"type": "ImagingStudy", "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{study_uid('B1')}"}},
        {"reference": "ImagingStudy/nowhere"},
        {"reference": "https://elsewhere.example.org/fhir/ImagingStudy/1"},
    ]
    for number, entry in enumerate(entries):
        launched.ehr.context[str(number)] = {"patient": "p1", "fhirContext": [entry]}
        assert launched.open(launched.browser(), str(number)).status_code == 404
    launched.ehr.context["odd"] = {"patient": "p1", "fhirContext": "ImagingStudy/s2"}
    assert launched.open(launched.browser(), "odd").status_code == 403


def test_a_retired_number_opens_the_survivors_studies_and_an_undone_merge_parts_them(launched: Launched) -> None:
    say(launched.console.house, merge(PLAIN, NEAR_TWIN))
    launched.ehr.context["other"] = {"patient": "p2"}
    browser = launched.browser()
    place = launched.view(browser, "other")
    assert "3 studies" in words(browser.get(place))
    launched.console.services.flows.undo_merge(merge_key=1, reason="two people", actor="user:maria")
    page = words(browser.get(place, follow_redirects=True))
    assert "INGEBORG" in page
    assert "INGRID" not in page


REFUSED_PATIENTS = {
    "nobody's number": (patient("p1", "99999999"), 404),
    "no number": ({"resourceType": "Patient", "id": "p1"}, 404),
    "a number without a system": (
        {"resourceType": "Patient", "id": "p1", "identifier": [{"value": PLAIN.patient_id}]},
        404,
    ),
    "two people's numbers": (
        {
            "resourceType": "Patient",
            "id": "p1",
            "identifier": [
                {"system": SYSTEM, "value": PLAIN.patient_id},
                {"system": SYSTEM, "value": NEAR_TWIN.patient_id},
            ],
        },
        409,
    ),
    "another patient": (patient("p9", PLAIN.patient_id), 503),
    "not a patient": ({"resourceType": "Group", "id": "p1"}, 503),
}


def test_without_exactly_one_patient_a_page_says_so_and_nothing_is_open(launched: Launched) -> None:
    for why, (said, status) in REFUSED_PATIENTS.items():
        launched.ehr.resources["Patient/p1"] = said
        browser = launched.browser()
        answer = launched.open(browser)
        assert answer.status_code == status, why
        assert "Nothing was opened" in words(answer)
        assert "HALVORSEN" not in words(answer)
    assert len([row for row in launched.trail("view_opened") if row.outcome == "refused"]) == len(REFUSED_PATIENTS)


CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example.org"},
    "another app": {"aud": "other-app"},
    "several apps, not made for us": {"aud": ["bridge-app", "other-app"], "azp": "other-app"},
    "over": {"exp": int(AT.timestamp()) - 61},
    "no end": {"exp": None},
    "an end that is no number": {"exp": True},
    "from the future": {"iat": int(AT.timestamp()) + 120},
    "another launch": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "nobody": {"fhirUser": None},
    "somebody of another server": {"fhirUser": "https://evil.example.org/fhir/Practitioner/7"},
    "a path": {"fhirUser": "Practitioner/../Patient/7"},
}


def test_an_id_token_that_does_not_hold_opens_nothing(launched: Launched) -> None:
    for why, claims in CLAIMS.items():
        launched.ehr.claims = claims
        answer = launched.open(launched.browser())
        assert answer.status_code == 403, why
    launched.ehr.claims = {}
    secret = OctKey.import_key(SECRET.encode() * 2)
    for why, key, algorithm in (("another key", OTHER_KEY, "RS256"), ("a shared secret", secret, "HS256")):
        launched.ehr.signing_key, launched.ehr.algorithm = key, algorithm  # type: ignore[assignment]
        assert launched.open(launched.browser()).status_code == 403, why
    launched.ehr.signing_key, launched.ehr.algorithm = launched.ehr.key, "PS256"
    assert launched.open(launched.browser()).status_code == 303


def test_an_answer_without_what_is_needed_opens_nothing(launched: Launched) -> None:
    for why, grant in {
        "no token": {"access_token": None},
        "another kind of token": {"token_type": "mac"},
        "nobody who looks": {"id_token": None},
        "an id token that is none": {"id_token": "a.b"},
        "no patient": {"patient": None},
        "a patient that is a path": {"patient": "../Patient/p1"},
    }.items():
        launched.ehr.grant = grant
        assert launched.open(launched.browser()).status_code == 403, why


def test_an_ehr_that_does_not_offer_what_is_safe_is_not_asked_further(
    make_house: Callable[..., House], ehr: LaunchingEhr
) -> None:
    for said in (
        {"code_challenge_methods_supported": ["plain"]},
        {"code_challenge_methods_supported": None},
        {"token_endpoint": "http://ehr.example.org/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"issuer": ""},
    ):
        ehr.configuration = said
        launched = _bare(make_house, ehr)
        answer = launched.get("/launch", query_string={"iss": ehr.base_url, "launch": "plain"})
        assert answer.status_code == 503, said


def _bare(make_house: Callable[..., House], ehr: LaunchingEhr) -> FlaskClient:
    launch = {"client_id": "bridge-app", "viewers": ["Practitioner"]}
    server = {"name": "mercy", "base_url": ehr.base_url, "publish": [], "launch": launch}
    return Console(make_house(FixedClock(AT), fhir={"servers": [server]})).app.test_client()


def test_only_the_browser_that_began_takes_the_answer_and_takes_it_once(launched: Launched) -> None:
    browser, other = launched.browser(), launched.browser()
    back = launched.back(launched.begin(browser))
    assert other.get(back).status_code == 403
    assert browser.get(back.replace("state=", "state=x")).status_code == 403
    assert browser.get(back).status_code == 303
    again = browser.get(back)
    assert again.status_code == 403
    assert "did not begin this launch" in words(again)


def test_an_answer_that_comes_late_or_from_elsewhere_or_says_no_opens_nothing(launched: Launched) -> None:
    browser = launched.browser()
    back = launched.back(launched.begin(browser))
    swapped = browser.get(f"{back.split('&iss=')[0]}&iss=https%3A%2F%2Fevil.example.org")
    assert "nother authorization server" in words(swapped)
    state = parse_qs(urlsplit(launched.begin(browser).headers["Location"]).query)["state"][0]
    denied = browser.get("/launch/done/mercy", query_string={"error": "access_denied", "state": state})
    assert denied.status_code == 403
    back = launched.back(launched.begin(browser))
    launched.console.clock.at += timedelta(minutes=11)
    assert browser.get(back).status_code == 403


def test_the_answer_of_another_ehr_is_never_taken_for_this_ones(launched: Launched) -> None:
    browser = launched.browser()
    swapped = browser.get(launched.back(launched.begin(browser)).replace("/done/mercy", "/done/general"))
    assert swapped.status_code == 403
    assert "nother authorization server" in words(swapped)


def test_an_ehr_that_always_names_itself_must_do_so(launched: Launched) -> None:
    launched.ehr.configuration = {"authorization_response_iss_parameter_supported": True}
    browser = launched.browser()
    unnamed = browser.get(launched.back(launched.begin(browser)).split("&iss=")[0])
    assert unnamed.status_code == 403
    assert "nother authorization server" in words(unnamed)
    assert launched.open(browser).status_code == 303


def test_a_token_that_is_over_when_it_comes_shows_nothing(launched: Launched) -> None:
    launched.ehr.grant = {"expires_in": 0}
    browser = launched.browser()
    assert browser.get(launched.view(browser)).status_code == 401


def test_an_ehr_that_does_not_answer_takes_few_threads_and_is_left_alone_for_a_moment(launched: Launched) -> None:
    ehr, console = launched.ehr, launched.console
    entered, let_go = threading.Semaphore(0), threading.Event()
    answered = ehr.answer

    def stuck(*asked: Any) -> tuple[int, Any]:
        entered.release()
        let_go.wait(30)
        return 500, {}

    begun, shown = [], queue.Queue[int]()
    ehr.answer = stuck  # type: ignore[method-assign]
    try:
        for _ in range(6):
            one = threading.Thread(target=lambda: shown.put(launched.begin(launched.browser()).status_code))
            one.start()
            begun.append(one)
        assert entered.acquire(timeout=30)
        assert [shown.get(timeout=30) for _ in range(2)] == [503, 503], "whoever finds four waiting is told at once"
        let_go.set()
        for one in begun:
            one.join(30)
        assert [shown.get(timeout=30) for _ in range(4)] == [503] * 4
        assert not entered.acquire(blocking=False), "one of them asked, for all"
        assert {row.detail["code"] for row in launched.trail("view_opened")} == {"busy", "no_answer"}
    finally:
        let_go.set()
        ehr.answer = answered  # type: ignore[method-assign]
    assert launched.begin(launched.browser()).status_code == 503
    console.clock.at += timedelta(seconds=11)
    assert launched.begin(launched.browser()).status_code == 302


def test_failures_from_an_address_hold_up_no_launch_that_goes_well(
    launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_pages, "_FREE_TRIES", {"pair": 3, "account": 3, "address": 3})
    nobody = launched.browser()
    tried = [launched.begin(nobody, issuer="https://elsewhere.example.org").status_code for _ in range(6)]
    assert tried == [403, 403, 403, 429, 429, 429]
    assert len(launched.trail("view_opened")) == 3
    assert launched.open(launched.browser()).status_code == 303


def test_trying_an_address_begins_no_launch(launched: Launched) -> None:
    browser, where = launched.browser(), {"iss": launched.ehr.base_url, "launch": "plain"}
    assert browser.head("/launch", query_string=where).status_code == 200
    assert browser.get("/launch", query_string=where, headers={"Sec-Purpose": "prefetch"}).status_code == 503
    assert launched.ehr.requests == []
    assert launched.open(browser).status_code == 303


def test_the_trail_names_who_looked_over_fhir_too(launched: Launched) -> None:
    launched.view(launched.browser())
    found = launched.console.machine(Role.ADMIN).get(
        "/fhir/r4/AuditEvent?agent:identifier=ehr:mercy:Practitioner/7&_count=1"
    )
    assert found.json is not None
    agent = found.json["entry"][0]["resource"]["agent"][-1]
    assert agent["requestor"] is True
    assert (agent["who"]["type"], agent["who"]["identifier"]["value"]) == ("Practitioner", "ehr:mercy:Practitioner/7")


def test_a_view_ends_with_the_token_and_when_nobody_looks(launched: Launched) -> None:
    clock, browser = launched.console.clock, launched.browser()
    place = launched.view(browser)
    clock.at += timedelta(seconds=599)
    assert browser.get(place).status_code == 200
    clock.at += timedelta(seconds=1)
    ended = browser.get(place)
    assert ended.status_code == 401
    assert "Open them again from the chart" in words(ended)
    launched.ehr.now, launched.ehr.grant = clock.at.timestamp, {"expires_in": 36000}
    place = launched.view(browser)
    clock.at += timedelta(minutes=15)
    assert browser.get(place).status_code == 401


def test_a_view_is_closed_by_its_own_form_alone(launched: Launched) -> None:
    browser = launched.browser()
    place = launched.view(browser)
    page = words(browser.get(place))
    assert browser.post(f"{place}close").status_code == 403
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    assert browser.post(f"{place}close", data={"csrf_token": token}).status_code == 200
    assert browser.get(place).status_code == 401
    assert launched.trail("view_closed")


def test_who_may_look_is_said_by_the_settings(make_house: Callable[..., House], ehr: LaunchingEhr) -> None:
    launched = Launched(make_house, ehr, users={"Practitioner/8": "maria", "Practitioner/9": "gone"}, viewers=[])
    store, clock = launched.console.store, launched.console.clock
    for name, role in (("maria", Role.BILLING), ("gone", Role.VIEWER)):
        manage_users.trusted_sign_in_link(store, clock, name, role)
    with store.read() as tx:
        maria, gone = users.find(tx, "maria"), users.find(tx, "gone")
    assert maria is not None
    assert gone is not None
    manage_users.change_user(store, clock, gone.key, role=Role.VIEWER, disabled=True, actor="system")
    for user, status in (("Practitioner/7", 403), ("Practitioner/8", 303), ("Practitioner/9", 403), ("Patient/7", 403)):
        ehr.user = user
        assert launched.open(launched.browser()).status_code == status, user
    ehr.user = "Practitioner/8"
    browser = launched.browser()
    place = launched.view(browser)
    assert launched.trail("view_opened")[0].actor == "user:maria"
    manage_users.change_user(store, clock, maria.key, role=Role.IT, disabled=False, actor="system")
    assert browser.get(place).status_code == 401


def test_a_public_app_and_one_that_signs_are_let_in_too(
    make_house: Callable[..., House], ehr: LaunchingEhr, tmp_path: Path
) -> None:
    key = ECKey.generate_key("P-384")
    path = tmp_path / "app.pem"
    path.write_bytes(
        key.private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    ehr.app = App("bridge-app", DONE, key=key)
    signing = Launched(make_house, ehr, secret="", key=str(path), key_id="app-1")
    assert signing.open(signing.browser()).status_code == 303
    published = signing.browser().get("/.well-known/jwks.json").json
    assert published is not None
    assert [one["kid"] for one in published["keys"]] == ["app-1"]
    ehr.app = App("bridge-app", DONE)
    public = _bare(make_house, ehr)
    begun = public.get("/launch", query_string={"iss": ehr.base_url, "launch": "plain"})
    assert begun.status_code == 302


def test_an_app_with_a_wrong_secret_is_told_that_the_ehr_refuses(
    make_house: Callable[..., House], ehr: LaunchingEhr
) -> None:
    launched = Launched(make_house, ehr, secret="another")
    answer = launched.open(launched.browser())
    assert answer.status_code == 403
    assert "The EHR refuses (401)" in words(answer)
