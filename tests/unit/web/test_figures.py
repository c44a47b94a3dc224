"""The intake desk's figures: who closed what, how fast, and which devices make the cases; no patient in them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bridge.domain.accounts import Role
from bridge.store import decisions, studies
from bridge.store.listings.case_counts import case_counts
from bridge.store.listings.intake_figures import intake_figures
from tests.cast import PLAIN
from tests.contract.test_registry_plans import plans
from tests.fakes.clinic import header_of
from tests.fakes.console import Console


def close(console: Console, uid: str, hours: int, by: str) -> None:
    """Let a case come, and be closed *hours* later."""
    study = console.images(uid)
    with console.store.write() as tx:
        at = console.clock.now() + timedelta(hours=hours)
        decisions.close_mismatch(tx, study.key, by, "bind", at)


@pytest.fixture
def day(console: Console) -> Console:
    """Four cases of a day: three closed by people, one by a rule, and one that waits."""
    for number, (hours, by) in enumerate(((1, "user:ana"), (2, "user:ana"), (4, "token:ris"), (3, "B03"))):
        close(console, f"1.2.{number + 1}", hours, by)
    console.images("1.2.9")
    console.clock.at += timedelta(hours=5)
    return console


def test_times_and_shares_are_of_people_and_of_rules_apart(day: Console) -> None:
    said = day.machine(Role.IT).get("/api/figures?window=day").json
    assert said["closed"] == {"by_rule": 1, "by_person": 3}
    assert said["share_by_rule"] == 0.25
    assert said["person_secs"] == {"median": 7200.0, "p90": 14400.0}
    assert said["rule_secs"] == {"median": 10800.0, "p90": 10800.0}
    assert said["waiting"]["total"] == 1
    assert said["waiting"]["ages"]["1d"] == 1
    assert (said["studies"], said["share_untouched"]) == (5, 0.4)
    assert said["devices"] == [{"ae_title": "CT1", "cases": 5, "rules": {"V07": 5}}]
    assert sum(one["by_person"] for one in said["days"]) == 3


def test_what_lies_before_the_window_does_not_count(day: Console) -> None:
    day.clock.at += timedelta(days=3)
    assert day.machine(Role.IT).get("/api/figures?window=day").json["closed"] == {"by_rule": 0, "by_person": 0}
    assert day.machine(Role.IT).get("/api/figures?window=week").json["closed"] == {"by_rule": 1, "by_person": 3}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_page_and_its_csv_name_no_patient(day: Console) -> None:
    browser = day.browser(Role.IT)
    page, table = browser.get("/figures?window=month").text, browser.get("/figures.csv?window=day").text
    assert "half within 2.0 h, nine in ten within 4.0 h" in page
    assert "device,CT1,V07,,,5" in table
    for text in (page, table):
        assert PLAIN.patient_id not in text
        assert "HALVORSEN" not in text
    assert day.browser(Role.VIEWER).get("/figures").status_code == 403


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_a_case_nothing_is_divided(console: Console) -> None:
    assert "Nothing waits" in console.browser(Role.INTAKE).get("/figures?window=nonsense").text
    with console.store.read() as tx:
        now = console.clock.now()
        found = intake_figures(tx, now - timedelta(days=1), now, console.house.settings.time_zone)
    assert (found.share_by_rule, found.person_median_secs, found.devices) == (None, None, ())


def test_the_metrics_say_what_waits_who_decided_and_how_fast_and_name_no_patient(day: Console) -> None:
    day.clock.at -= timedelta(minutes=30)
    study = day.images("1.2.10")
    with day.store.write() as tx:
        decisions.open_mismatch(tx, study.key, "person", "", day.clock.now())
    said = day.machine(Role.IT).get("/metrics").text
    for line in (
        'bridge_cases_open{reason="V07"} 1.0',
        'bridge_cases_open{reason="person"} 1.0',
        "bridge_case_oldest_seconds 16200.0",
        'bridge_cases_decided_last_hour{by="person"} 1.0',
        'bridge_cases_decided_last_hour{by="rule"} 0.0',
        'bridge_case_decided_within_seconds{by="person",share="0.5"} 7200.0',
        'bridge_case_decided_within_seconds{by="rule",share="0.9"} 10800.0',
        "bridge_bindings_taken_back_last_day 1.0",
    ):
        assert line in said
    assert PLAIN.patient_id not in said
    assert "HALVORSEN" not in said
    assert "1.2.10" not in said


def test_no_figure_reads_all_that_was_ever_decided_or_received(day: Console) -> None:
    seen: dict[str, Any] = {}

    def noted(*said: Any) -> None:
        seen.setdefault(said[2], said[3])

    now = day.clock.now()
    with day.store.write() as tx:
        event.listen(Engine, "before_cursor_execute", noted)
        intake_figures(tx, now - timedelta(days=30), now, day.house.settings.time_zone)
        case_counts(tx, now)
        event.remove(Engine, "before_cursor_execute", noted)
        found = plans(tx, list(seen.items()), day.store.is_sqlite)
    whole = ("SCAN mismatches'", "SCAN studies'", "SCAN instances", "Seq Scan")
    assert len(found) > 5
    assert {text: plan for text, plan in found.items() if any(mark in plan for mark in whole)} == {}


def test_body_parts_that_have_no_code_are_counted_and_free_text_is_not_shown(console: Console) -> None:
    study = console.images("1.2.7")
    said = ("CHEST", "KIEFERHOEHLE", "KIEFERHOEHLE", "arm of Halvorsen", "")
    with console.store.write() as tx:
        for number, part in enumerate(said):
            header = replace(header_of("1.2.7", number + 50, 1), body_part_examined=part)
            studies.add_series(tx, study.key, header)
    page = console.browser(Role.INTAKE).get("/figures").text
    assert re.findall(r'class="first">([A-Za-z ]+)</th><td data-label="Series">([0-9]+)', page) == [
        ("KIEFERHOEHLE", "2"),
        ("other text", "1"),
    ]
    metrics = console.machine(Role.IT).get("/metrics").text
    assert "bridge_series_body_part_uncoded 3.0" in metrics
    assert "KIEFERHOEHLE" not in metrics
