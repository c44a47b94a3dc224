"""Today's board: what each card says, who may move and mark it, and what a page costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.domain.order import Step, StepStatus
from bridge.flows.change_step import Seen
from bridge.store import audit, orders
from bridge.store.listings import board as listing
from bridge.store.tables import steps as steps_table
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import sent
from tests.flows.test_orders import cast_mpps


def step_of(console: Console, number: str = "A1") -> Step:
    with console.store.read() as tx:
        return orders.steps_of(tx, orders.by_accession(tx, number)[0].key)[0]


def page_of(browser: FlaskClient, address: str = "/today") -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def card_of(page: str, key: int) -> str:
    return re.findall(rf'<article [^>]*id="step-{key}".*?</article>', page, re.DOTALL)[0]


def send(console: Console, browser: FlaskClient, what: str, step: Step | None = None, **fields: str):  # type: ignore[no-untyped-def]
    step = step or step_of(console)
    form = {"version": str(step.version), "csrf_token": console.form_token(browser)} | fields
    return browser.post(f"/today/steps/{step.key}/{what}", data=form)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (StepStatus.ARRIVED, "arrived"),
        (StepStatus.READY, "ready"),
        (StepStatus.STARTED, "started"),
        (StepStatus.COMPLETED, "done"),
    ],
)
def test_a_card_says_how_far_its_exam_is(console: Console, status: StepStatus, word: str) -> None:
    console.order()
    step = step_of(console)
    console.house.step_changer.mark(Seen(step.key, step.version, "user:maria"), status)
    assert f">{word}</span>" in card_of(page_of(console.browser(Role.VIEWER)), step.key)


def test_a_card_says_time_patient_procedure_and_stands_under_its_device(console: Console) -> None:
    console.order()
    card = card_of(page_of(console.browser(Role.VIEWER)), step_of(console).key)
    for said in ("16:00", "HALVORSEN, INGRID", "CT chest with contrast", ">waiting</span>", 'data-lane="CT1"'):
        assert said in card


def test_what_should_have_begun_stands_out_after_five_minutes(console: Console) -> None:
    console.order()
    key = step_of(console).key
    console.clock.at += timedelta(hours=1, minutes=5)
    assert "late" not in card_of(page_of(console.browser(Role.VIEWER)), key)
    console.clock.at += timedelta(minutes=1)
    assert ">late</span>" in card_of(page_of(console.browser(Role.VIEWER)), key)


def test_images_are_counted_while_they_arrive(console: Console) -> None:
    console.order()
    step = step_of(console)
    with console.store.read() as tx:
        uid = orders.get(tx, step.order_key).study_instance_uid
    console.images(uid)
    console.house.step_changer.mark(Seen(step.key, step.version, "user:maria"), StepStatus.STARTED)
    with console.store.read() as tx:
        counted = listing.of_step(tx, step.key, unbound=True).images
    assert counted > 0
    assert f"images arriving: {counted}" in card_of(page_of(console.browser(Role.INTAKE)), step.key)


def test_images_that_nobody_bound_warn_those_who_decide_and_nobody_else(console: Console) -> None:
    console.order()
    step = step_of(console)
    with console.store.read() as tx:
        console_uid = orders.get(tx, step.order_key).study_instance_uid
    console.images(console_uid)
    assert "needs a decision" in card_of(page_of(console.browser(Role.INTAKE)), step.key)
    assert "needs a decision" not in card_of(page_of(console.browser(Role.VIEWER)), step.key)


def test_what_devices_do_not_get_says_so_in_words(console: Console) -> None:
    console.order()
    step = step_of(console)
    with console.store.write() as tx:
        lacking = "Modality: the worklist entry lacks required values"
        tx.execute(steps_table.update().where(steps_table.c.key == step.key).values(encoded=None, incomplete=lacking))
    card = card_of(page_of(console.browser(Role.VIEWER)), step.key)
    assert "kept off the list" in card
    assert "devices need a modality" in card


def test_one_device_s_day_has_the_next_patient_on_top_and_what_is_done_below(console: Console) -> None:
    for number, name in (("A1", "FIRST^ANN"), ("A2", "SECOND^BO"), ("A3", "THIRD^CY")):
        console.order(number, name, f"P{number}")
    done, here = step_of(console, "A1"), step_of(console, "A3")
    console.house.step_changer.mark(Seen(done.key, done.version, "user:maria"), StepStatus.COMPLETED)
    console.house.step_changer.mark(Seen(here.key, here.version, "user:maria"), StepStatus.ARRIVED)
    page = page_of(console.browser(Role.VIEWER), "/today?device=CT1")
    places = [page.index(name) for name in ("THIRD", "SECOND", "FIRST")]
    assert places == sorted(places)
    assert page.index(">Next<") < places[0] < page.index(">Then<") < places[1] < page.index(">Done<") < places[2]


def test_another_device_s_exams_are_not_on_a_device_s_page(console: Console) -> None:
    console.order()
    assert "HALVORSEN" not in page_of(console.browser(Role.VIEWER), "/today?device=MR1")


@pytest.mark.parametrize("day", ["2026-3", "x", "2026-02-30"])
def test_what_is_no_day_is_refused(console: Console, day: str) -> None:
    assert console.browser().get(f"/today?day={day}").status_code == 400


def test_a_form_moves_a_step_and_the_next_page_says_so_and_offers_undo(console: Console) -> None:
    console.order()
    browser = console.browser(Role.INTAKE)
    answer = send(console, browser, "move", device="CT1", date="2026-03-02", time="17:30", reason="CT2 is down")
    assert answer.status_code == 303
    page = page_of(browser, answer.headers["Location"])
    assert "HALVORSEN, INGRID" in page.split('id="told"')[1].split("</div>")[0]
    assert "/undo" in page.split('id="told"')[1].split("</form>")[0]
    assert step_of(console).scheduled_start_local == "20260302173000"
    assert send(console, browser, "undo").status_code == 303
    assert step_of(console).scheduled_start_local == "20260302160000"


def test_the_address_after_a_move_names_no_patient(console: Console) -> None:
    console.order()
    answer = send(console, console.browser(Role.INTAKE), "move", device="CT1", date="2026-03-02", time="17:30")
    assert re.fullmatch(r"changed=\d+", urlsplit(answer.headers["Location"]).query)


def test_a_lost_race_says_so_and_keeps_what_was_typed(console: Console) -> None:
    console.order()
    browser, seen = console.browser(Role.INTAKE), step_of(console)
    console.house.step_changer.mark(Seen(seen.key, seen.version, "user:jonas"), StepStatus.ARRIVED)
    answer = send(console, browser, "move", seen, device="CT1", date="2026-03-02", time="17:30", reason="CT2 is down")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "somebody changed this exam meanwhile" in page.lower()
    for typed in ("CT2 is down", "17:30"):
        assert f'value="{typed}"' in page
    assert step_of(console).scheduled_start_local == "20260302160000"


def test_a_device_that_nobody_knows_takes_no_step(console: Console) -> None:
    console.order()
    browser = console.browser(Role.INTAKE)
    assert send(console, browser, "move", device="NOWHERE", date="2026-03-02", time="17:30").status_code == 409
    assert step_of(console).scheduled_station_ae_title == ("CT1",)


def test_an_exam_is_not_stopped_without_a_reason(console: Console) -> None:
    console.order()
    browser = console.browser(Role.INTAKE)
    assert send(console, browser, "mark", status="STARTED").status_code == 303
    assert send(console, browser, "mark", status="DISCONTINUED").status_code == 409
    assert send(console, browser, "mark", status="DISCONTINUED", reason="claustrophobia").status_code == 303
    assert step_of(console).status == StepStatus.DISCONTINUED


@pytest.mark.parametrize("fields", [{"status": "FLYING"}, {"status": "ARRIVED", "version": "x"}, {"version": ""}])
def test_a_form_that_was_tampered_with_is_refused(console: Console, fields: dict[str, str]) -> None:
    console.order()
    assert send(console, console.browser(Role.INTAKE), "mark", **fields).status_code == 400


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
def test_those_who_only_read_are_shown_no_form(console: Console, role: Role) -> None:
    console.order()
    browser = console.browser(role)
    for address in ("/today", "/today?device=CT1", f"/today/steps/{step_of(console).key}"):
        page = page_of(browser, address)
        for change in ("move", "mark", "undo"):
            assert not re.search(rf'action="[^"]*/{change}', page)


def test_the_exam_page_offers_the_undo_and_comes_back_to_itself(console: Console) -> None:
    console.order()
    browser = console.browser(Role.INTAKE)
    assert "/undo" not in page_of(browser, "/exams/order-1")
    send(console, browser, "mark", status="ARRIVED")
    assert "/undo" in page_of(browser, "/exams/order-1")
    answer = send(console, browser, "undo", then="exam")
    assert answer.headers["Location"] == "/exams/order-1"


def test_a_board_that_stays_the_same_costs_no_page_and_no_audit_row(console: Console) -> None:
    console.order()
    browser = console.browser(Role.VIEWER)
    first = browser.get("/today/live", headers={"X-Live": "1"})
    with console.store.read() as tx:
        before = audit.recent(tx, before=None, limit=1)[0].key
    again = browser.get("/today/live", headers={"X-Live": "1", "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["X-Now"] == "15:00:00"
    with console.store.read() as tx:
        assert audit.recent(tx, before=None, limit=1)[0].key == before


def test_the_page_and_its_live_part_agree_on_what_is_shown(console: Console) -> None:
    console.order()
    browser = console.browser(Role.VIEWER)
    assert browser.get("/today/live").headers["ETag"].strip('"') in page_of(browser)


@pytest.mark.parametrize("change", ["order", "mpps", "move", "late"])
def test_whatever_changes_the_board_changes_its_etag(console: Console, change: str) -> None:
    console.order()
    browser = console.browser(Role.VIEWER)
    first = browser.get("/today/live").headers["ETag"]
    step = step_of(console)
    if change == "order":
        console.order("A2")
    elif change == "mpps":
        with console.store.read() as tx:
            order = orders.get(tx, step.order_key)
        attributes = cast_mpps("A1")
        attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID = order.study_instance_uid
        attributes.ScheduledStepAttributesSequence[0].ScheduledProcedureStepID = step.scheduled_procedure_step_id
        console.house.performed_steps.create("2.25.7", sent(attributes), "CT1")
    elif change == "move":
        console.house.step_changer.reschedule(Seen(step.key, step.version, "user:maria"), "CT1", "2026-03-02 17:30")
    else:
        console.clock.at += timedelta(hours=1, minutes=6)
        browser = console.browser(Role.VIEWER)
    assert browser.get("/today/live", headers={"If-None-Match": first}).status_code == 200


def test_a_board_takes_as_many_statements_for_thirty_exams_as_for_one(console: Console) -> None:
    def count() -> int:
        seen: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
            seen.append(statement)

        event.listen(console.store._reader, "before_cursor_execute", note)
        with console.store.read() as tx:
            found = listing.on_day(tx, "20260302", 100, unbound=True)
        event.remove(console.store._reader, "before_cursor_execute", note)
        assert found
        return len(seen)

    console.order("A0")
    first = step_of(console, "A0")
    console.house.step_changer.mark(Seen(first.key, first.version, "user:maria"), StepStatus.STARTED)
    with_one = count()
    for number in range(1, 30):
        console.order(f"A{number}", patient_id=f"P{number}")
    assert count() == with_one <= 6


def test_a_day_is_found_by_the_index_on_state_and_start(console: Console) -> None:
    console.order()
    compiled = listing.day_query("20260302")
    with console.store.read() as tx:
        text = str(compiled.compile(tx.engine, compile_kwargs={"literal_binds": True}))
        if console.store.is_sqlite:
            plan = " ".join(row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
            assert "ix_steps_live (status=? AND scheduled_start_local>? AND scheduled_start_local<?)" in plan
        else:
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = " ".join(row[0] for row in tx.exec_driver_sql(f"EXPLAIN {text.replace('%', '%%')}"))
            assert "ix_steps_live" in plan


def scanners(make_house: Callable[..., House], **scanner: object) -> Console:
    """Return a console of a house with one scanner."""
    peer = {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"} | scanner
    return Console(make_house(FixedClock(AT), dicom={"peers": [peer]}))


def test_a_name_that_the_device_cannot_show_warns_before_the_patient_lies_down(
    make_house: Callable[..., House],
) -> None:
    console = scanners(make_house, charset="ISO_IR 100")
    console.order("A1", "NÚÑEZ^ANA", "P1")
    console.order("A2", "山田^太郎", "P2")
    page = page_of(console.browser(Role.VIEWER))
    assert "on CT1 the name" not in card_of(page, step_of(console, "A1").key)
    assert "on CT1 the name" in card_of(page, step_of(console, "A2").key)


def test_a_step_for_an_alias_stands_under_its_device(make_house: Callable[..., House]) -> None:
    console = scanners(make_house, ae_title="SCANNER", aliases=["CT1"])
    console.order()
    assert 'data-lane="SCANNER"' in card_of(page_of(console.browser(Role.VIEWER)), step_of(console).key)
    for title in ("SCANNER", "CT1"):
        assert "HALVORSEN" in page_of(console.browser(Role.VIEWER), f"/today?device={title}")


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "0000-01-01", "2026-02-30"])
def test_a_day_out_of_all_years_is_refused(console: Console, day: str) -> None:
    assert console.browser(Role.VIEWER).get(f"/today?day={day}").status_code == 400
