"""The times of studies: what is filtered, what is sorted and what is shown is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from bridge.domain.accounts import Role
from bridge.domain.chart import OWN, Cause, Whose, Why
from bridge.store import chart_versions, studies
from bridge.store.chart_versions import Standing
from bridge.store.searches import clocks
from tests.fakes.clinic import header_of
from tests.fakes.console import Console
from tests.unit.web.test_fhir_search import get

# Clocks around the world, in no order of any text.
STARTS = [
    (date, time, offset)
    for date in ("20260301", "20260302", "20260303", "", "20260228", "20260329")
    for time, offset in (
        ("010000", "+1400"),
        ("230000", "-1200"),
        ("", ""),
        ("013000", ""),
        ("1200", "+0545"),
        ("120000", "-0500"),
        ("", "+0900"),
    )
]


@pytest.fixture(params=[500, 2])
def around(console: Console, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Console:
    """Studies whose clocks go otherwise, bound; read many or few at a time."""
    monkeypatch.setattr(clocks, "_AT_ONCE", request.param)
    patient = console.clinic.patient("00041001")
    for place, (date, time, offset) in enumerate(STARTS):
        header = replace(
            header_of(f"1.2.840.99.{place}", 1, 1), study_date=date, study_time=time, timezone_offset_from_utc=offset
        )
        with console.store.write() as tx:
            study = studies.add(tx, header, "CT1", False, console.clock.now())
        console.clinic.instance(study, 1, 1)
        console.clinic.bind(study, patient)
    console.clock.at += timedelta(hours=1)
    return console


def walked(api: FlaskClient, query: str) -> Iterator[dict[str, Any]]:
    address = f"/fhir/r4/ImagingStudy?{query}"
    while address:
        page = api.get(address).json
        yield from (one["resource"] for one in page.get("entry", []))
        links = {link["relation"]: urlsplit(link["url"]) for link in page["link"]}
        address = f"{links['next'].path}?{links['next'].query}" if "next" in links else ""


def moment(said: dict[str, Any], zone: Any) -> datetime:
    """Return when a study began, a day from its first moment; without a date before everything."""
    at = datetime.fromisoformat(said.get("started", "0002-01-01"))
    return at if at.tzinfo else at.replace(tzinfo=zone)


@pytest.mark.parametrize("count", [3, 50])
def test_studies_are_sorted_by_the_moment_that_they_began(around: Console, count: int) -> None:
    api, zone = around.machine(Role.ADMIN), around.house.settings.time_zone
    for sort in ("started", "-started"):
        found = list(walked(api, f"_sort={sort}&_count={count}"))
        assert len({one["id"] for one in found}) == len(found) == len(STARTS)
        moments = [moment(one, zone) for one in found]
        assert moments == sorted(moments, reverse=sort.startswith("-")), sort
        for one, other in pairwise(found):
            assert moment(one, zone) != moment(other, zone) or int(one["id"]) > int(other["id"])
    some = list(walked(api, "_sort=started&_count=3&started=ge2026-03-02"))
    assert [moment(one, zone) for one in some] == sorted(moment(one, zone) for one in some)
    assert {one["id"] for one in some} == {one["id"] for one in walked(api, "started=ge2026-03-02")}


def test_what_was_told_otherwise_is_found_and_sorted_by_when_it_was(console: Console) -> None:
    clinic, api = console.clinic, console.machine(Role.ADMIN)
    patient = clinic.patient("00041001")
    for place in range(6):
        clinic.bind(clinic.study(f"1.2.840.99.{place}", 1, 1), patient)
        clinic.clock.at += timedelta(minutes=1)
    console.clock.at += timedelta(hours=1)
    # The first and the third are told otherwise without an image or a decision: their order changed, say.
    for key in (3, 1):
        reference = f"ImagingStudy/{key}"
        said = get(api, f"r4/{reference}")
        with console.store.write() as tx:
            why = Why(Cause.EVENT, "", "the order changed")
            standing = Standing(OWN, reference, {"R4": said, "R5": said})
            chart_versions.keep(tx, standing, Whose(key, 1), why, console.clock.now())
        console.clock.at += timedelta(minutes=10)
    shown = {one["id"]: one["meta"]["lastUpdated"] for one in walked(api, "")}
    assert len(set(shown.values())) == 6
    newest_first = sorted(shown, key=lambda one: shown[one], reverse=True)
    assert newest_first[:2] == ["1", "3"]
    for count in (2, 50):
        assert [one["id"] for one in walked(api, f"_sort=-_lastUpdated&_count={count}")] == newest_first
        assert [one["id"] for one in walked(api, f"_sort=_lastUpdated&_count={count}")] == newest_first[::-1]
    for at in shown.values():
        text = datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for how, met in (
            ("", lambda one, at=at: one == at),
            ("gt", lambda one, at=at: one > at),
            ("ge", lambda one, at=at: one >= at),
            ("lt", lambda one, at=at: one < at),
            ("le", lambda one, at=at: one <= at),
            ("ne", lambda one, at=at: one != at),
        ):
            found = {one["id"] for one in walked(api, f"_lastUpdated={how}{text}")}
            assert found == {key for key, one in shown.items() if met(one)}, how
