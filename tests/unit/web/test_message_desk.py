"""The message desk: found, understood, replayed, edited; no patient in an address, and every look on record."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.flows.receive_message import Received
from bridge.store import messages, replays
from bridge.store.tables import audit_rows
from bridge.store.tables import messages as messages_table
from bridge.web.message_views import changes
from bridge.web.message_words import outcome_of
from bridge.wiring import House
from tests.conftest import ROOT
from tests.fakes.clinic import AT
from tests.fakes.console import ORDER, Console


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One engine: pages see no difference, and the searches behind them are asked on both elsewhere."""
    shutil.copy(sqlite_template, tmp_path / "bridge.db")
    return f"sqlite:///{tmp_path / 'bridge.db'}"


@pytest.fixture
def console(make_house: Callable[..., House], tmp_path: Path) -> Console:
    overlay = tmp_path / "mappings"
    shutil.copytree(ROOT / "samples" / "mappings", overlay)
    bridge = {"data": tmp_path / "data", "mappings": overlay, "time_zone": "UTC"}
    return Console(make_house(FixedClock(AT), bridge=bridge))


def order(number: str = "A1", patient_id: str = "00041001") -> str:
    return ORDER.format(number=number, name="HALVORSEN^INGRID", patient_id=patient_id, control_id=f"C{number}")


def send(console: Console, raw: bytes) -> bytes:
    return console.house.receiver.receive([Received(raw, "127.0.0.1")])[0]


def post(console: Console, browser: FlaskClient, path: str, **form: str) -> str:
    answer = browser.post(path, data=form | {"csrf_token": console.form_token(browser)}, follow_redirects=True)
    return answer.get_data(as_text=True)


def html(browser: FlaskClient, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


def test_a_search_keeps_what_was_typed_out_of_the_address_and_its_chips_in_it(console: Console) -> None:
    console.order("A1")
    send(console, order("A2").replace("ORC|NW", "ORC|ZZ").encode())
    browser = console.browser(Role.IT)
    form = {"q": "00041001", "state": "refused", "type": "OMG", "csrf_token": console.form_token(browser)}
    answer = browser.post("/messages/search", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/messages/search/1?state=refused&type=OMG")
    page = html(browser, answer.headers["Location"])
    assert "CA2" in page
    assert "CA1" not in page
    assert 'href="/messages/search/1?state=applied&amp;type=OMG"' in page
    assert not any("00041001" in address for address in re.findall(r'(?:href|action|hx-get)="([^"]*)"', page))
    assert browser.get("/messages/search/9").status_code == 410


def test_a_list_says_how_many_there_are_of_each_outcome_and_goes_on(console: Console) -> None:
    for number in range(55):
        send(console, order(f"A{number}").encode())
    browser = console.browser(Role.IT)
    page = html(browser, "/messages?type=OMG")
    assert re.search(r"Applied\s*<span class=\"soft\">55", page)
    following = re.search(r'href="(/messages\?[^"]*cursor=[^"]*)"', page)
    assert following is not None
    assert html(browser, following[1].replace("&amp;", "&")).count("data-href") == 5
    assert "No such message" in html(browser, "/messages?state=failed")
    assert browser.get("/messages?since=yesterday").status_code == 400


def test_an_applied_message_says_what_it_did_and_what_read_each_field(console: Console) -> None:
    console.order("A1")
    page = html(console.browser(Role.IT), "/messages/1")
    assert "The sender was told: accepted (AA)." in page
    assert "(A1)" in page
    assert "requested_procedure.accession" in page
    assert "PID-3.1" in page
    assert "CA1" in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("ORC|NW", "ORC|ZZ"), "none of the tables"),
        (("00041001^^^RIVERSIDE^MR", ""), "must be there is missing"),
        (("RIVEHR|RIVERSIDE", "NOBODY|NOWHERE"), "No site&#39;s mapping knows this sender"),
        (("|P|2.5.1", "|T|2.5.1"), "marked as a test"),
        (("OMG^O19^OMG_O19", "DFT^P03"), "kind of message is not served"),
    ],
)
def test_a_refused_message_says_why_and_what_to_do(console: Console, change: tuple[str, str], words: str) -> None:
    send(console, order().replace(*change).encode())
    page = html(console.browser(Role.IT), "/messages/1")
    assert words in page
    assert "Nothing of it was applied" in page
    assert "HALVORSEN" in page


def test_every_refusal_has_words_that_name_no_patient(console: Console) -> None:
    send(console, order().replace("ORC|NW", "ORC|ZZ").encode())
    with console.store.read() as tx:
        outcome = outcome_of(messages.get(tx, 1), [])
    assert outcome.why
    assert outcome.advice
    assert "HALVORSEN" not in outcome.why


def test_a_large_report_is_cut_on_the_page_and_whole_in_the_file(console: Console) -> None:
    huge = order().encode() + b"OBX|1|ED|PDF||^application^pdf^Base64^" + b"QUJD" * 1_000_000 + b"\r"
    send(console, huge)
    browser = console.browser(Role.IT)
    page = html(browser, "/messages/1")
    assert len(page) < 200_000
    assert "Only its beginning is shown" in page
    file = browser.get("/messages/1/raw")
    assert file.data == huge
    assert file.headers["Content-Disposition"] == 'attachment; filename="message-1.hl7"'
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in file.headers["Cache-Control"]
    with console.store.read() as tx:
        actions = [row.action for row in tx.execute(audit_rows.select().order_by(audit_rows.c.key))]
    assert actions[-2:] == ["message_viewed", "message_downloaded"]
    assert "Too long to be edited" in browser.get("/messages/1/edit").get_data(as_text=True)


def test_a_message_is_edited_looked_at_and_sent_as_a_new_one(console: Console) -> None:
    send(console, order().replace("ORC|NW", "ORC|ZZ").encode())
    browser = console.browser(Role.IT)
    assert "EDIT-1-1" in html(browser, "/messages/1/edit")
    mended = order().replace("\r", "\r\n")
    preview = post(console, browser, "/messages/1/edit", message=mended, then="preview")
    assert "+ ORC|NW" in preview
    assert "- ORC|ZZ" in preview
    assert "It would be applied" in preview
    with console.store.read() as tx:
        assert len(tx.execute(messages_table.select()).all()) == 1
    page = post(console, browser, "/messages/1/edit", message=mended, then="send")
    assert "EDIT-1-1" in page
    assert "the message that came" in page
    with console.store.read() as tx:
        before, after = messages.get(tx, 1), messages.get(tx, 2)
        row = tx.execute(audit_rows.select().where(audit_rows.c.action == "message_edited")).one()
    assert (before.state, before.control_id) == ("refused", "CA1")
    assert (after.state, after.control_id, after.edited_from, after.peer) == ("applied", "EDIT-1-1", 1, "user:some-it")
    assert (row.actor, row.detail) == ("user:some-it", {"message": 2, "edited_from": 1})
    assert "EDIT-1-1" in html(browser, "/messages/1")
    assert "EDIT-1-2" in html(browser, "/messages/1/edit")


@pytest.mark.parametrize(
    ("text", "words"),
    [(order().replace("\r", "\n"), "Nothing was changed"), (" \n ", "There is no message left"), ("MSH\x0b|", "frame")],
)
def test_an_edit_that_cannot_be_sent_says_why_and_keeps_what_was_typed(console: Console, text: str, words: str) -> None:
    console.order("A1")
    browser = console.browser(Role.IT)
    form = {"message": text, "then": "send", "csrf_token": console.form_token(browser)}
    answer = browser.post("/messages/1/edit", data=form)
    assert answer.status_code == 422
    assert words in answer.get_data(as_text=True)


def test_an_edit_keeps_the_character_set_and_says_what_it_does_not_have(console: Console) -> None:
    latin = order().replace("|P|2.5.1", "|P|2.5.1||||||8859/1").replace("HALVORSEN", "MÜLLER")
    send(console, latin.encode("latin-1"))
    browser = console.browser(Role.IT)
    assert "MÜLLER" in html(browser, "/messages/1/edit")
    assert "does not have" in post(
        console, browser, "/messages/1/edit", message=latin.replace("MÜLLER", "山田"), then="send"
    )
    post(console, browser, "/messages/1/edit", message=latin.replace("INGRID", "INÉS"), then="send")
    with console.store.read() as tx:
        assert "MÜLLER^INÉS".encode("latin-1") in messages.get(tx, 2).raw


def test_bytes_that_are_no_text_survive_an_edit_of_something_else(console: Console) -> None:
    broken = order().replace("|P|2.5.1", "|P|2.5.1||||||UNICODE UTF-8").encode().replace(b"HALVORSEN", b"M\xfcLLER")
    send(console, broken)
    browser = console.browser(Role.IT)
    page = html(browser, "/messages/1/edit")
    assert "no text in the set it names" in page
    text = broken.decode("latin-1").replace("UNICODE UTF-8", "8859/1")
    post(console, browser, "/messages/1/edit", message=text, then="send")
    with console.store.read() as tx:
        new = messages.get(tx, 2)
    assert b"M\xfcLLER" in new.raw
    assert new.state == "applied"


def test_messages_are_replayed_by_filter_from_the_desk(console: Console) -> None:
    send(console, order("A1").replace("ORC|NW", "ORC|ZZ").encode())
    browser = console.browser(Role.IT)
    assert "Choose which messages" in html(browser, "/messages/replay")
    assert "Replay 1 message" in html(browser, "/messages/replay?state=refused")
    tried = post(console, browser, "/messages/replay", state="refused", then="try")
    assert "Dry run of 1 message" in tried
    assert 'hx-get="/messages/replays/1"' in tried
    assert console.house.replays.work()
    done = html(browser, "/messages/replays/1")
    assert "hx-get" not in done
    assert "would be refused" in done
    post(console, browser, "/messages/replay", state="refused", then="replay")
    assert "stopped" in post(console, browser, "/messages/replays/2/cancel")
    assert html(browser, "/messages/replays").count("data-href") == 2
    assert "say which messages" in post(console, browser, "/messages/replay", then="replay").lower()


def test_a_search_is_replayed_without_its_words_in_the_address(console: Console) -> None:
    console.order("A1")
    console.order("A2", patient_id="00041002")
    browser = console.browser(Role.IT)
    page = post(console, browser, "/messages/search", q="00041002")
    assert 'href="/messages/replay?search=1"' in page
    assert "Replay 1 message" in html(browser, "/messages/replay?search=1")
    post(console, browser, "/messages/replay", search="1", then="replay")
    with console.store.read() as tx:
        assert replays.get(tx, 1).wanted.text == "00041002"


def test_broken_mapping_files_are_told_on_the_desk_and_hold_replays_back(console: Console, tmp_path: Path) -> None:
    send(console, order().replace("ORC|NW", "ORC|ZZ").encode())
    site = tmp_path / "mappings" / "sites" / "riverside" / "site.toml"
    right = site.read_text()
    site.write_text(right + '\n[requested_procedure.accesion]\nfrom = "ZOR-2"\n')
    browser = console.browser(Role.IT)
    for path in ("/messages", "/messages/1", "/messages/replay?state=refused"):
        assert "accesion" in html(browser, path)
    assert "faults" in post(console, browser, "/messages/replay", state="refused", then="replay")
    console.order("A2")
    site.write_text(right)
    assert "accesion" not in html(browser, "/messages")


def test_the_desk_is_for_those_who_run_it(console: Console) -> None:
    console.order("A1")
    paths = ("/messages", "/messages/1", "/messages/1/raw", "/messages/1/edit", "/messages/replay", "/messages/replays")
    for role in (Role.VIEWER, Role.INTAKE, Role.BILLING):
        browser = console.browser(role)
        assert {browser.get(path).status_code for path in paths} == {403}


def test_what_was_changed_is_told_line_by_line_in_a_message_of_any_length() -> None:
    before = [f"OBX|{number}|TX|||lungs clear" for number in range(4000)]
    after = [line.replace("clear", "CLEAR") for line in before]

    found = changes("\n".join(before), "\n".join(after))

    assert found == [
        (sign, line) for pair in zip(before, after, strict=True) for sign, line in zip("-+", pair, strict=True)
    ]
    assert changes("MSH\nPID\nOBR\nNTE", "MSH\nOBR\nZDS\nNTE") == [("-", "PID"), ("+", "ZDS")]
