"""Who may do what: every route asks, strangers learn nothing, sessions end."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Permission, Role
from bridge.flows import manage_users, sign_in
from bridge.store import audit, users
from bridge.web.access import CLOSED_ROOTS, permission_of
from tests.fakes.console import COOKIE, PASSWORD, Console

# What a page says does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OPEN_PAGES = {
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
    "/sign-in",
    "/sign-in/<link>",
    "/launch",
    "/launch/console",
    "/launch/done/<path:server>",
    "/open",
    "/static/<path:filename>",
    "/api/change-notifications/<path:name>",
    "/api/payer-notifications/<path:payer>",
    "/fhir/<any(r4,r5):release>/metadata",
    "/fhir/<any(r4,r5):release>/.well-known/<path:name>",
    "/fhir/<any(r4,r5):release>/.well-known/smart-configuration",
    "/fhir/<any(r4,r5):release>/auth/token",
}


def filled(rule: str) -> str:
    """Return an address for a rule: every parameter something that exists nowhere."""
    rule = rule.replace("<path:filename>", "none.css")
    rule = re.sub(r"<any\((\w+)[^)]*\):\w+>", r"\1", rule)
    return re.sub(r"<int:\w+>", "999", re.sub(r"<(?:path:)?\w+>", "999", rule))


def routes(console: Console) -> list[tuple[str, str, Permission]]:
    found = []
    for rule in console.app.url_map.iter_rules():
        permission = permission_of(console.app, rule.endpoint)
        assert permission is not None
        found += [(rule.rule, method, permission) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]
    return found


def test_only_these_addresses_are_open(console: Console) -> None:
    assert {rule for rule, _, permission in routes(console) if permission == Permission.OPEN} == OPEN_PAGES


def test_a_stranger_gets_401_or_the_sign_in_page_everywhere_else(console: Console) -> None:
    client = console.app.test_client()
    for rule, method, permission in routes(console):
        if permission == Permission.OPEN:
            continue
        answer = client.open(filled(rule), method=method)
        asked = answer.status_code == 303 and answer.headers["Location"].startswith("/sign-in")
        assert answer.status_code == 401 or (asked and method == "GET" and not rule.startswith(CLOSED_ROOTS)), rule


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMIN])
def test_every_role_is_refused_what_is_not_its_part(console: Console, role: Role) -> None:
    machine, browser = console.machine(role), console.browser(role)
    token = console.form_token(browser) if role != Role.SYSTEM else ""
    for rule, method, permission in routes(console):
        if permission in (Permission.OPEN, Permission.SIGNED_IN):
            continue
        by_machine = rule.startswith((*CLOSED_ROOTS, "/metrics"))
        if role == Role.SYSTEM and not by_machine:
            continue
        client = machine if by_machine else browser
        status = client.open(filled(rule), method=method, headers={"X-CSRF-Token": token}).status_code
        may = permission in _PARTS[role]
        assert (status != 403) if may else (status == 403), (rule, method, status)


_READING = {
    Permission.READ_EXAMS,
    Permission.READ_STUDIES,
    Permission.READ_WORKLIST,
    Permission.READ_FHIR,
    Permission.READ_DICOMWEB,
    Permission.READ_WORKITEMS,
}
_PARTS = {
    Role.VIEWER: _READING,
    Role.TECHNOLOGIST: _READING | {Permission.MOVE_EXAMS, Permission.ANSWER_QUESTIONS},
    Role.INTAKE: _READING
    | {
        Permission.DECIDE,
        Permission.ANSWER_QUESTIONS,
        Permission.READ_FIGURES,
        Permission.TRY_RULES,
        Permission.ENTER_ORDERS,
        Permission.MOVE_EXAMS,
        Permission.SEND_STUDIES,
    },
    Role.BILLING: _READING | {Permission.BILL},
    Role.IT: {
        Permission.READ_STUDIES,
        Permission.SEND_STUDIES,
        Permission.READ_WORKLIST,
        Permission.READ_WORKITEMS,
        Permission.EXPLAIN_WORKLIST,
        Permission.READ_MESSAGES,
        Permission.READ_DELIVERIES,
        Permission.READ_PEERS,
        Permission.READ_METRICS,
        Permission.READ_FIGURES,
        Permission.TRY_RULES,
    },
    Role.SYSTEM: {
        Permission.SEND_HL7,
        Permission.ENTER_ORDERS,
        Permission.READ_FHIR,
        Permission.SUBSCRIBE,
        Permission.EXPORT,
        Permission.READ_DICOMWEB,
        Permission.STORE,
        Permission.MAKE_LINKS,
        Permission.READ_WORKITEMS,
        Permission.PERFORM_WORKITEMS,
    },
}


@pytest.mark.parametrize("path", ["/api/not-built", "/fhir/r4/Nothing", "/dicom-web/nothing/at/all", "/api"])
def test_a_path_that_is_not_built_is_401_to_strangers_and_404_to_others(console: Console, path: str) -> None:
    assert console.app.test_client().get(path).status_code == 401
    assert console.machine().get(path).status_code == 404


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic YWRtaW46YWRtaW4=", "nonsense"])
def test_a_bad_token_is_nobody_even_beside_a_good_cookie(console: Console, header: str) -> None:
    assert console.browser().get("/api/exams", headers={"Authorization": header}).status_code == 401


def test_a_scope_narrows_a_machine(console: Console) -> None:
    machine = console.machine(Role.SYSTEM, "fhir")
    assert machine.get("/fhir/r4/ImagingStudy").status_code == 200
    assert machine.get("/dicom-web/studies").status_code == 403
    refused = machine.post("/api/hl7", data=b"x", content_type="application/hl7-v2")
    assert refused.status_code == 403
    assert "your token's role and scopes do not include this" in refused.text


def test_a_revoked_token_is_nobody(console: Console) -> None:
    token = manage_users.create_token(console.store, console.clock, "ris", Role.ADMIN, actor="system")
    with console.store.read() as tx:
        key = users.every_token(tx)[0].key
    headers = {"Authorization": f"Bearer {token}"}
    assert console.app.test_client().get("/api/exams", headers=headers).status_code == 200
    manage_users.revoke_token(console.store, console.clock, key, "system")
    assert console.app.test_client().get("/api/exams", headers=headers).status_code == 401


def test_nothing_secret_is_stored_as_it_is(console: Console) -> None:
    token = manage_users.create_token(console.store, console.clock, "ris", Role.ADMIN, actor="system")
    link = manage_users.trusted_sign_in_link(console.store, console.clock, "demo", Role.VIEWER)
    session_id = sign_in.sign_in_by_link(console.store, console.clock, link, "").session_id
    with console.store.read() as tx:
        rows = [str(row) for table in ("tokens", "sessions", "sign_in_links") for row in _all(tx, table)]
    assert rows
    assert not [row for row in rows for secret in (token, link, session_id) if secret in row]


def _all(tx: object, table: str) -> list[object]:
    return list(tx.exec_driver_sql(f"SELECT * FROM {table}"))  # type: ignore[attr-defined]


def test_a_session_ends_after_idle_time_and_after_twelve_hours(console: Console) -> None:
    clock = console.clock
    assert isinstance(clock, FixedClock)
    link = manage_users.trusted_sign_in_link(console.store, clock, "maria", Role.VIEWER)
    session_id = sign_in.sign_in_by_link(console.store, clock, link, "").session_id
    clock.at += timedelta(minutes=14)
    assert console.recognise(session_id) is not None
    clock.at += timedelta(minutes=14)
    assert console.recognise(session_id) is not None
    clock.at += timedelta(minutes=15)
    assert console.recognise(session_id) is None


def test_a_session_that_is_used_all_day_still_ends(console: Console) -> None:
    clock = console.clock
    assert isinstance(clock, FixedClock)
    link = manage_users.trusted_sign_in_link(console.store, clock, "maria", Role.VIEWER)
    session_id = sign_in.sign_in_by_link(console.store, clock, link, "").session_id
    for _ in range(71):
        clock.at += timedelta(minutes=10)
        assert console.recognise(session_id) is not None
    clock.at += timedelta(minutes=10)
    assert console.recognise(session_id) is None


def test_a_page_that_refreshes_itself_keeps_no_session_awake(console: Console) -> None:
    clock, browser = console.clock, console.browser()
    assert isinstance(clock, FixedClock)
    for _ in range(2):
        clock.at += timedelta(minutes=8)
        last = browser.get("/deliveries", headers={"X-Live": "1", "HX-Request": "true"})
    assert last.headers["HX-Redirect"] == "/sign-in?next=/deliveries"


def test_a_changed_or_disabled_user_is_out_at_once(console: Console) -> None:
    browser = console.browser(Role.VIEWER)
    assert browser.get("/today").status_code == 200
    with console.store.read() as tx:
        user = users.find(tx, "some-viewer")
    assert user is not None
    manage_users.change_user(
        console.store, console.clock, user.key, role=Role.VIEWER, disabled=True, actor="user:admin"
    )
    assert browser.get("/today").headers["Location"] == "/sign-in?next=/today"


def test_a_locked_screen_comes_back_to_the_same_place_with_its_filters(console: Console) -> None:
    stranger = console.app.test_client()
    asked = stranger.get("/today?device=CT1&day=2026-03-02").headers["Location"]
    assert asked == "/sign-in?next=/today%3Fdevice%3DCT1%26day%3D2026-03-02"
    assert 'name="next" value="/today?device=CT1&amp;day=2026-03-02"' in stranger.get(asked).get_data(as_text=True)


@pytest.mark.parametrize(
    "target", ["//evil.example/x", "/today?x=<b>", "https://evil.example", "/today?a=b#c", "/today?"]
)
def test_a_sign_in_leads_to_no_place_that_is_none_of_ours(console: Console, target: str) -> None:
    page = console.app.test_client().get("/sign-in", query_string={"next": target}).get_data(as_text=True)
    assert "evil" not in page
    assert 'name="next" value="/today' not in page


def test_a_form_without_its_token_is_refused(console: Console) -> None:
    browser = console.browser()
    assert browser.post("/users", data={"name": "eve", "role": "admin"}).status_code == 403
    assert browser.post("/api/mismatches/1/decision", json={}).status_code == 403
    other = console.form_token(console.browser(Role.VIEWER))
    assert browser.post("/users", data={"name": "eve", "role": "admin", "csrf_token": other}).status_code == 403
    with console.store.read() as tx:
        assert users.find(tx, "eve") is None


def test_every_answer_carries_the_headers(console: Console) -> None:
    browser = console.browser()
    for path in ("/today", "/healthz", "/sign-in", "/api/exams", "/nowhere", "/fhir/r4/metadata"):
        headers = browser.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"


def test_no_page_repeats_a_foreign_host(console: Console) -> None:
    browser = console.browser()
    for path in ("/", "/today", "/sign-in", "/today/", "//today", "/api/openapi.json", "/fhir/r4/metadata"):
        answer = browser.get(path, headers={"Host": "evil.example"})
        assert "evil.example" not in str(answer.headers) + answer.get_data(as_text=True), path


def test_console_pages_hold_no_script_or_style_of_their_own(console: Console) -> None:
    browser = console.browser()
    console.order()
    for rule, method, permission in routes(console):
        if method != "GET" or "<" in rule or rule.startswith((*CLOSED_ROOTS, "/metrics", "/healthz", "/readyz")):
            continue
        html = browser.get(rule, follow_redirects=True).get_data(as_text=True)
        assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", html), (rule, permission)


def test_a_password_signs_in_and_a_wrong_one_does_not(console: Console) -> None:
    link = manage_users.first_sign_in_link(console.store, console.clock)
    assert link is not None
    sign_in.choose_password(console.store, console.clock, link, name="maria", password=PASSWORD, origin="")
    client = console.app.test_client()
    wrong = client.post("/sign-in", json={"username": "maria", "password": "no"})
    nobody = client.post("/sign-in", json={"username": "nobody", "password": "no"})
    assert (wrong.status_code, wrong.data) == (nobody.status_code, nobody.data) == (401, nobody.data)
    right = client.post("/sign-in", json={"username": "Maria", "password": PASSWORD})
    assert right.status_code == 200
    cookie = right.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert client.get("/api/exams").status_code == 200


@pytest.mark.parametrize("by", ["password", "link"])
def test_who_signs_in_anew_ends_what_this_browser_was_signed_in_with(console: Console, by: str) -> None:
    browser = console.browser(Role.INTAKE)
    before = browser.get_cookie(COOKIE)
    assert before is not None
    link = manage_users.trusted_sign_in_link(console.store, console.clock, "maria", Role.VIEWER)
    with console.store.write() as tx:
        maria = users.find(tx, "maria")
        assert maria is not None
        users.set_password(tx, maria.key, sign_in.hash_password(PASSWORD), console.clock.now())
    wrong = browser.post("/sign-in", json={"username": "maria", "password": "no"})
    assert (wrong.status_code, browser.get("/api/exams").status_code) == (401, 200), "nobody signed in, nobody is out"
    if by == "link":
        form = {"csrf_token": console.form_token(browser, f"/sign-in/{link}")}
        assert browser.post(f"/sign-in/{link}", data=form).status_code == 303
    else:
        assert browser.post("/sign-in", json={"username": "maria", "password": PASSWORD}).status_code == 200
    assert browser.get("/api/exams").status_code == 200
    kept = console.app.test_client()
    kept.set_cookie(COOKIE, before.value)
    assert kept.get("/api/exams").status_code == 401
    with console.store.read() as tx:
        assert [one.actor for one in audit.recent(tx, limit=20) if one.action == "sign_out"] == ["user:some-intake"]


def test_under_tls_the_cookie_is_bound_to_the_host(console: Console) -> None:
    link = manage_users.trusted_sign_in_link(console.store, console.clock, "demo", Role.VIEWER)
    client = console.app.test_client()
    html = client.get(f"/sign-in/{link}", base_url="https://localhost").get_data(as_text=True)
    token = html.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]
    answer = client.post(f"/sign-in/{link}", data={"csrf_token": token}, base_url="https://localhost")
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if "session" in c)
    assert cookie.startswith("__Host-ib_session=")
    assert "Secure" in cookie


def test_guessing_is_slowed_alike_for_known_and_unknown_names(console: Console) -> None:
    link = manage_users.first_sign_in_link(console.store, console.clock)
    assert link is not None
    sign_in.choose_password(console.store, console.clock, link, name="maria", password=PASSWORD, origin="")
    client = console.app.test_client()

    def codes(name: str) -> list[int]:
        return [client.post("/sign-in", json={"username": name, "password": "x"}).status_code for _ in range(7)]

    assert codes("maria") == codes("nobody") == [401] * 5 + [429] * 2
    clock = console.clock
    assert isinstance(clock, FixedClock)
    clock.at += timedelta(seconds=61)
    assert client.post("/sign-in", json={"username": "maria", "password": PASSWORD}).status_code == 200


def test_the_sign_in_form_takes_no_request_from_another_site(console: Console) -> None:
    client = console.app.test_client()
    client.get("/sign-in")
    assert client.post("/sign-in", data={"username": "maria", "password": PASSWORD}).status_code == 403


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:x", "/ok"]
)
def test_after_signing_in_one_stays_here(console: Console, target: str) -> None:
    link = manage_users.first_sign_in_link(console.store, console.clock)
    assert link is not None
    sign_in.choose_password(console.store, console.clock, link, name="maria", password=PASSWORD, origin="")
    client = console.app.test_client()
    html = client.get("/sign-in", query_string={"next": target}).get_data(as_text=True)
    token = html.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]
    form = {"username": "maria", "password": PASSWORD, "csrf_token": token, "next": target}
    answer = client.post("/sign-in", data=form)
    assert answer.status_code == 303
    assert answer.headers["Location"] == ("/ok" if target == "/ok" else "/")


def test_a_link_works_once_and_looking_does_not_use_it(console: Console) -> None:
    link = manage_users.first_sign_in_link(console.store, console.clock)
    client = console.app.test_client()
    html = client.get(f"/sign-in/{link}").get_data(as_text=True)
    assert client.get(f"/sign-in/{link}").status_code == 200
    token = html.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]
    form = {"csrf_token": token, "username": "maria", "password": PASSWORD, "again": PASSWORD}
    weak = client.post(f"/sign-in/{link}", data=form | {"password": "password1234", "again": "password1234"})
    assert weak.status_code == 422
    assert client.post(f"/sign-in/{link}", data=form).status_code == 303
    assert client.get(f"/sign-in/{link}").status_code == 410
    assert client.post(f"/sign-in/{link}", data=form).status_code in (403, 410)
    assert manage_users.first_sign_in_link(console.store, console.clock) is None


def test_a_link_runs_out(console: Console) -> None:
    link = manage_users.first_sign_in_link(console.store, console.clock)
    clock = console.clock
    assert isinstance(clock, FixedClock)
    clock.at += timedelta(minutes=31)
    assert console.app.test_client().get(f"/sign-in/{link}").status_code == 410


def test_signing_out_ends_the_session(console: Console) -> None:
    browser = console.browser()
    session_id = browser.get_cookie(COOKIE)
    assert session_id is not None
    browser.post("/sign-out", data={"csrf_token": console.form_token(browser)})
    assert console.recognise(session_id.value) is None


def test_the_last_administrator_stays(console: Console) -> None:
    link = manage_users.first_sign_in_link(console.store, console.clock)
    assert link is not None
    found = sign_in.choose_password(console.store, console.clock, link, name="maria", password=PASSWORD, origin="")
    browser = console.browser()
    form = {"role": "viewer", "disabled": "", "csrf_token": console.form_token(browser)}
    assert browser.post(f"/users/{found.user.key}", data=form).status_code == 422
    with console.store.read() as tx:
        assert users.get(tx, found.user.key).role == Role.ADMIN  # type: ignore[union-attr]
