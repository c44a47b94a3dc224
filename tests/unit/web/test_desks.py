"""What the desks' pages say, and that they change what they say they change."""

from __future__ import annotations

import io

import pytest

from bridge.domain.accounts import Role
from bridge.outbox.enqueue import IMAGING_STUDY, ORDER_STATUS
from bridge.store import audit, deliveries, users
from bridge.store.tables import deliveries as deliveries_table
from bridge.store.tables import delivery_attempts
from tests.fakes.console import ORDER, Console

# What a page says does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

UID = "1.2.840.99.1"


@pytest.mark.parametrize(
    ("role", "desk"),
    [
        (Role.VIEWER, "/today"),
        (Role.INTAKE, "/mismatches"),
        (Role.BILLING, "/authorizations"),
        (Role.IT, "/messages"),
        (Role.ADMIN, "/today"),
    ],
)
def test_home_is_the_desk_of_the_role(console: Console, role: Role, desk: str) -> None:
    browser = console.browser(role)
    assert browser.get("/").headers["Location"] == desk
    assert browser.get(desk).status_code == 200


def test_the_bar_shows_the_desks_of_the_role_and_no_others(console: Console) -> None:
    bar = console.browser(Role.VIEWER).get("/today").get_data(as_text=True).split('class="desks"')[1].split("</nav>")[0]
    assert "/worklist" in bar
    for closed in ("/mismatches", "/messages", "/deliveries", "/audit", "/users", "/authorizations"):
        assert f'"{closed}"' not in bar


def test_empty_lists_say_what_would_fill_them(console: Console) -> None:
    browser = console.browser()
    for path in ("/today", "/worklist", "/mismatches", "/merges", "/authorizations", "/messages", "/deliveries"):
        assert 'class="empty"' in browser.get(path).get_data(as_text=True), path


def test_a_search_keeps_its_text_out_of_the_address(console: Console) -> None:
    console.order("A1")
    console.order("A2")
    browser = console.browser(Role.VIEWER)
    form = {"q": "halvorsen", "csrf_token": console.form_token(browser)}
    answer = browser.post("/search", data=form)
    assert answer.headers["Location"] == "/search/1"
    page = browser.get("/search/1").get_data(as_text=True)
    assert "Recognised as name" in page
    assert "A1" in page
    assert "A2" in page
    assert console.browser(Role.INTAKE).get("/search/1").status_code == 410


def test_those_who_run_it_search_messages(console: Console) -> None:
    console.order()
    browser = console.browser(Role.IT)
    form = {"q": "CA1", "csrf_token": console.form_token(browser)}
    page = browser.post("/search", data=form, follow_redirects=True).get_data(as_text=True)
    assert "OMG O19" in page
    assert "HALVORSEN" not in page.upper()


def test_a_dry_run_says_what_a_message_would_do_and_does_nothing(console: Console) -> None:
    browser = console.browser(Role.IT)
    text = ORDER.format(number="A1", name="HALVORSEN^INGRID", patient_id="00041001", control_id="C1")
    token = console.form_token(browser)
    page = browser.post("/messages/try", data={"message": text, "csrf_token": token}).get_data(as_text=True)
    assert "It would be applied by mapping <b>riverside</b>" in page
    assert "02 Mar" in page or "2 Mar 2026, 16:00" in page
    wrong = {"message": text.replace("00041001^^^RIVERSIDE^MR", ""), "csrf_token": token}
    assert "PID-3" in browser.post("/messages/try", data=wrong).get_data(as_text=True)
    junk = browser.post("/messages/try", data={"message": "hello", "csrf_token": token})
    assert "It would be refused" in junk.get_data(as_text=True)
    assert junk.status_code == 422
    assert "No messages" in browser.get("/messages").get_data(as_text=True)


def tried(console: Console, **form: object) -> str:
    browser = console.browser(Role.IT)
    form["csrf_token"] = console.form_token(browser)
    return browser.post("/messages/try", data=form, content_type="multipart/form-data").get_data(as_text=True)


def test_a_dry_run_says_why_there_is_no_accession_number(console: Console) -> None:
    text = ORDER.format(number="A1", name="HALVORSEN^INGRID", patient_id="00041001", control_id="C1")
    text = text.replace("|A1|RPA1|", "||RPA1|").replace("|FA1^RIVRIS|", "||")
    page = tried(console, message=text, site="sites/filler_accession")
    assert "refused with AE 101" in page
    assert "not found" in page
    assert ">ORC-3</span> empty" in page
    assert "ZOR" not in page


def test_a_dry_run_names_what_no_rule_reads_and_shows_fhir(console: Console) -> None:
    text = ORDER.format(number="A1", name="HALVORSEN^INGRID", patient_id="00041001", control_id="C1")
    page = tried(console, message=text.replace("PV1|1|O|IMG", "PV1|1|O|IMG\rZXY|1|left handed"))
    assert "ZXY-2" in page
    assert "left handed" in page
    assert "&#34;resourceType&#34;: &#34;ServiceRequest&#34;" in page


def test_a_dry_run_takes_a_file_of_several_messages_in_another_set(console: Console) -> None:
    text = ORDER.format(number="A1", name="MÜLLER^JÖRG", patient_id="00041001", control_id="C1")
    frames = b"\x0b" + text.encode("latin-1") + b"\x1c\r\x0b" + text.replace("C1", "C2").encode("latin-1") + b"\x1c\r"
    page = tried(console, message="", file=(io.BytesIO(frames), "log.bin"))
    assert "1 of 2" in page
    assert "2 of 2" in page
    assert "Müller, Jörg" in page or "MÜLLER" in page


def test_pasted_text_is_read_as_the_sites_bytes(console: Console) -> None:
    text = ORDER.format(number="A1", name="MÜLLER^JÖRG", patient_id="00041001", control_id="C1")
    page = tried(console, message=text, site="sites/german")
    assert "MÜLLER^JÖRG" in page
    assert "Ã" not in page


def test_an_unknown_sender_is_offered_the_presets_that_read_its_order(console: Console) -> None:
    text = ORDER.format(number="A1", name="HALVORSEN^INGRID", patient_id="00041001", control_id="C1")
    page = tried(console, message=text.replace("RIVEHR|RIVERSIDE|", "NEWEHR|NEWPLACE|"))
    assert "No mapping knows this sender" in page
    assert 'extends = "sites/' in page


def test_a_delivery_is_sent_again_or_given_up(console: Console) -> None:
    study = console.images(UID)
    console.clinic.queue(IMAGING_STUDY, "ehr", study)
    browser = console.browser(Role.IT)
    token = {"csrf_token": console.form_token(browser)}
    assert browser.post("/deliveries/1/drop", data=token).status_code == 303
    with console.store.read() as tx:
        assert deliveries.get(tx, 1).state == "dead"
        actions = [row.action for row in audit.recent(tx, limit=5)]
    assert "delivery_dropped" in actions
    assert "dropped" in browser.get("/deliveries/1").get_data(as_text=True)


def test_people_and_tokens_are_made_and_shown_once(console: Console) -> None:
    browser = console.browser()
    token = {"csrf_token": console.form_token(browser)}
    page = browser.post("/users", data={"name": "omar", "role": "intake"} | token).get_data(as_text=True)
    assert ">http://localhost:80/sign-in/" in page  # the listener's own address: a link to send needs one
    with console.store.read() as tx:
        user = users.find(tx, "omar")
    assert user is not None
    assert (user.role, user.has_password) == (Role.INTAKE, False)
    assert browser.post("/users", data={"name": "Omar", "role": "intake"} | token).status_code == 422
    made = browser.post("/tokens", data={"name": "ris", "role": "system", "scope": "hl7"} | token)
    assert "ib_" in made.get_data(as_text=True)
    assert "ib_" not in browser.get("/users").get_data(as_text=True).replace("ib_form", "")


def test_a_lost_race_keeps_the_typed_reason(console: Console) -> None:
    study = console.images(UID)
    browser = console.browser(Role.INTAKE)
    form = {"action": "bind:12345", "reason": "asked <the> sister", "csrf_token": console.form_token(browser)}
    answer = browser.post(f"/mismatches/study/{study.key}", data=form)
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert "asked &lt;the&gt; sister" in page
    assert "Nothing was changed" in page


def test_a_case_that_does_not_exist_is_a_404_page(console: Console) -> None:
    answer = console.browser().get("/mismatches/study/99")
    assert answer.status_code == 404
    assert "Nothing here" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("query", "word", "nothing"),
    [("", "All", "Nothing here"), ("?state=held", "Held", "Nothing is held"), ("?state=dead", "Given up", "given up")],
)
def test_the_deliveries_keep_to_what_was_chosen(console: Console, query: str, word: str, nothing: str) -> None:
    page = console.browser(Role.IT).get(f"/deliveries{query}").get_data(as_text=True)
    assert page.count(f'aria-current="true">{word}') == 1
    assert f'hx-get="/deliveries{query}" hx-trigger' in page
    assert nothing in page.split('id="list"')[1]


def test_a_destination_that_takes_nothing_is_named_at_the_top_of_the_deliveries(console: Console) -> None:
    console.order("A1")
    lane = {"topic": ORDER_STATUS, "destination": "ris", "state": "pending", "next_at": console.clock.now()}
    told = {"created_at": console.clock.now(), "updated_at": console.clock.now()}
    with console.store.write() as tx:
        failing = {"attempts": 3, "last_error": "Status IP: answered AR", "order_of": "order:1", "order_key": 1}
        tx.execute(deliveries_table.insert().values(**lane, **told, **failing))
        tx.execute(deliveries_table.insert().values(**lane, **told, order_of="order:2", order_key=1))
    page = console.browser(Role.IT).get("/deliveries").get_data(as_text=True)
    assert "<b>ris</b> takes no order status: Status IP: answered AR." in page
    assert "Tried 3 times" in page
    assert "2 wait for it" in page
    text = console.machine(Role.IT).get("/metrics").get_data(as_text=True)
    assert 'bridge_deliveries_failing{destination="ris",topic="order_status"} 1.0' in text


def test_a_chart_that_lacks_one_patient_is_not_named_as_one_that_takes_nothing(console: Console) -> None:
    console.order("A1")
    now = console.clock.now()
    lane = {"topic": IMAGING_STUDY, "destination": "ehr", "state": "pending", "next_at": now, "attempts": 9}
    said = {"created_at": now, "updated_at": now, "last_error": "the server does not know the patient yet"}
    with console.store.write() as tx:
        for key, outcomes in ((1, ["connection_failed", "patient_unknown"]), (2, ["patient_unknown", "timeout"])):
            tx.execute(deliveries_table.insert().values(key=key, **lane, **said, order_of=f"2.25.{key}"))
            tried = [{"delivery_key": key, "started_at": now, "outcome": one} for one in outcomes]
            tx.execute(delivery_attempts.insert(), tried)
    browser = console.browser(Role.IT)
    assert "<b>ehr</b> takes no" in browser.get("/deliveries").get_data(as_text=True)
    with console.store.write() as tx:
        tx.execute(deliveries_table.update().where(deliveries_table.c.key == 2).values(state="sent"))
    page = browser.get("/deliveries").get_data(as_text=True)
    assert "<b>ehr</b> takes no" not in page
    assert "the server does not know the patient yet" in page


@pytest.mark.parametrize(
    ("kind", "words", "may_be_sent"),
    [
        ("identity", "It goes out by itself once that is settled.", False),
        ("receiver", "Mend the receiver or its settings, then send it now", True),
        ("objects", "A person must look at these objects", True),
        ("restore", "Send it now if it has not gone out already.", True),
        ("destination", "once the settings name its destination again", False),
    ],
)
def test_a_held_delivery_says_what_frees_it(console: Console, kind: str, words: str, may_be_sent: bool) -> None:
    at = {"next_at": console.clock.now(), "created_at": console.clock.now(), "updated_at": console.clock.now()}
    held = {"state": "held", "held_reason": "for a reason", "hold_kind": kind}
    lane = {"topic": "commitment_report", "destination": "CT1", "order_of": "commitment:7"}
    with console.store.write() as tx:
        tx.execute(deliveries_table.insert().values(**lane, **held, **at))
    browser = console.browser(Role.IT)
    page = browser.get("/deliveries/1").get_data(as_text=True)
    assert "Held: for a reason." in page
    assert words in page
    assert ("Send now" in page) == may_be_sent
    assert "request 7" in browser.get("/deliveries").get_data(as_text=True)


@pytest.mark.parametrize("topic", ["commitment", "commitment_report", "imaging_study", "performed_step"])
def test_a_delivery_of_any_kind_says_in_the_list_what_came_of_it(console: Console, topic: str) -> None:
    at = {"next_at": console.clock.now(), "created_at": console.clock.now(), "updated_at": console.clock.now()}
    sent = {
        "topic": topic,
        "destination": "PACS",
        "state": "sent",
        "order_of": "x",
        "detail": "asked to keep 3 objects",
    }
    with console.store.write() as tx:
        tx.execute(deliveries_table.insert().values(**sent, **at))
    assert "asked to keep 3 objects" in console.browser(Role.IT).get("/deliveries").get_data(as_text=True)


def test_a_case_lists_what_its_decision_frees_and_nothing_that_left_before(console: Console) -> None:
    study = console.images(UID)
    console.clinic.queue(IMAGING_STUDY, "waiting-ehr", study, held_reason="V07")
    at = {"next_at": console.clock.now(), "created_at": console.clock.now(), "updated_at": console.clock.now()}
    about = {"topic": IMAGING_STUDY, "order_of": UID, "study_key": study.key}
    with console.store.write() as tx:
        tx.execute(deliveries_table.insert().values(**about, **at, destination="told-ehr", state="sent"))
    page = console.browser(Role.INTAKE).get(f"/mismatches/study/{study.key}").get_data(as_text=True)
    assert ("waiting-ehr" in page, "told-ehr" in page) == (True, False)


def test_what_an_hl7_destination_was_told_reads_as_a_sentence(console: Console) -> None:
    console.order("A1")
    sent = {"topic": ORDER_STATUS, "destination": "ris", "state": "sent", "order_of": "order:1", "order_key": 1}
    at = {"next_at": console.clock.now(), "created_at": console.clock.now(), "updated_at": console.clock.now()}
    with console.store.write() as tx:
        tx.execute(deliveries_table.insert().values(**sent, **at, detail="Status CM: answered AA"))
    browser = console.browser()
    assert "Status CM: answered AA" in browser.get("/deliveries").get_data(as_text=True)
    page = browser.get("/deliveries/1").get_data(as_text=True)
    assert "Order status to ris" in page
    assert "/exams/order-1" in page
