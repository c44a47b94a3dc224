"""Where a study goes by its routes, and why not elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bridge.domain.day_hours import DayHours, read_hours
from bridge.domain.object_kinds import kind_of
from bridge.domain.routing import Conditions, ObjectFacts, Objects, Route, Routes, Routing, StudyFacts, destinations

NEW_YORK = ZoneInfo("America/New_York")
# A Friday, 19:30 in New York.
EVENING = datetime(2024, 1, 5, 0, 30, tzinfo=UTC) + timedelta(days=1)
CT = StudyFacts(modality=("CT", "SR"), body_part=("CHEST",), station=("CT1",), came_at=EVENING, last_at=EVENING)


def routing(*routes: Route, archives: tuple[str, ...] = ("PACS", "ARCH2")) -> Routing:
    return Routing(Routes(routes), archives, NEW_YORK)


def test_without_routes_every_archive_gets_every_study() -> None:
    assert destinations(routing().legs(CT)) == ("PACS", "ARCH2")


def test_an_archive_that_a_route_names_gets_what_the_route_says() -> None:
    oncology = Route("oncology", ("ARCH2",), Conditions(requesting_service=("oncology",)))
    assert destinations(routing(oncology).legs(CT)) == ("PACS",)
    seen = replace(CT, requesting_service=("Oncology, day clinic",))
    assert destinations(routing(oncology).legs(seen)) == ("PACS", "ARCH2")


@pytest.mark.parametrize(
    ("conditions", "takes"),
    [
        (Conditions(), True),
        (Conditions(modality=("ct",)), True),
        (Conditions(modality=("US", "CT")), True),
        (Conditions(modality=("US",)), False),
        (Conditions(modality=("CT",), body_part=("HEAD",)), False),
        (Conditions(body_part=("Chest",), station=("CT1",)), True),
        (Conditions(station=("CT",)), False),
        (Conditions(patient_class=("I",)), False),
    ],
)
def test_every_condition_must_hold_and_of_its_values_any_is_enough(conditions: Conditions, takes: bool) -> None:
    (verdict,) = routing(Route("r", ("VIEW1",), conditions)).verdicts(CT)
    assert verdict.takes == takes


def test_names_fit_by_their_words_whatever_their_form() -> None:
    seen = replace(CT, referring_physician=("MÜLLER^Anna^^Dr.",))
    fits = [
        words
        for words in ("Anna Müller", "mueller", "MULLER", "Anna", "Mull", "Anna Smith")
        if not Conditions(referring_physician=(words,)).unmet(seen, NEW_YORK)
    ]
    assert fits == ["Anna Müller", "MULLER", "Anna"]


def test_a_reason_says_what_the_study_is_and_what_the_route_wants() -> None:
    (verdict,) = routing(
        Route("r", ("VIEW1",), Conditions(modality=("US",), hours=read_hours("08:00-18:00")))
    ).verdicts(CT)
    assert verdict.reasons == ("modality is CT, SR, not US", "it came Fri 19:30, not in 08:00-18:00")


def test_what_unless_names_is_left_out_only_where_all_of_it_holds() -> None:
    rule = Route("all but chests on CT1", ("VIEW1",), unless=Conditions(body_part=("CHEST",), station=("CT1",)))
    assert not routing(rule).verdicts(CT)[0].takes
    assert routing(rule).verdicts(replace(CT, station=("CT2",)))[0].takes


def test_after_the_last_route_that_takes_a_study_no_other_is_read() -> None:
    first = Route("first", ("VIEW1",), Conditions(modality=("CT",)), is_last=True)
    second = Route("second", ("VIEW2",))
    assert destinations(routing(first, second).legs(CT)) == ("PACS", "ARCH2", "VIEW1")
    assert routing(first, second).verdicts(CT)[1].reasons == ("route 'first' before it was the last",)
    assert destinations(routing(first, second, archives=()).legs(replace(CT, modality=("US",)))) == ("VIEW2",)


def test_what_is_urgent_by_its_order_or_its_route_goes_first() -> None:
    rule = Route("slowly", ("VIEW1",), urgency="low")
    assert [leg.rank for leg in routing(rule, archives=("PACS",)).legs(replace(CT, priority=("STAT",)))] == [1, -1]
    assert [leg.rank for leg in routing(archives=("PACS",)).legs(replace(CT, priority=("ROUTINE",)))] == [0]


def test_a_route_may_send_some_objects_of_a_study() -> None:
    chosen = Objects(kind=("report", "key_objects"))
    assert [chosen.take(ObjectFacts(f"1.2.840.10008.5.1.4.1.1.{end}")) for end in ("2", "88.59", "88.33")] == [
        False,
        True,
        True,
    ]
    assert Objects(modality=("CT",)).take(ObjectFacts("1.2.3", "CT"))
    assert not Objects(sop_class=("1.2.4",)).take(ObjectFacts("1.2.3", "CT"))


@pytest.mark.parametrize(
    ("sop_class_uid", "kind"),
    [
        ("1.2.840.10008.5.1.4.1.1.2.1", "image"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "presentation_state"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "document"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "waveform"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "other"),
        ("1.2.3.4", "image"),
    ],
)
def test_kinds_of_objects(sop_class_uid: str, kind: str) -> None:
    assert kind_of(sop_class_uid) == kind


def test_a_delay_counts_from_the_last_image_and_hours_wait_for_their_beginning() -> None:
    rule = Route("later", ("VIEW1",), delay=timedelta(minutes=30), between=read_hours("22:00-06:00"))
    (leg,) = routing(rule, archives=()).legs(CT)
    assert leg.due_at(CT, EVENING, NEW_YORK) == datetime(2024, 1, 6, 3, 0, tzinfo=UTC)
    assert leg.due_at(CT, EVENING + timedelta(hours=4), NEW_YORK) == EVENING + timedelta(hours=4)


@pytest.mark.parametrize(
    ("text", "weekdays", "local", "holds"),
    [
        ("08:00-18:00", (), "2024-01-05 08:00", True),
        ("08:00-18:00", (), "2024-01-05 18:00", False),
        ("18:00-07:00", (), "2024-01-05 06:59", True),
        ("18:00-07:00", ("fri",), "2024-01-06 06:59", True),
        ("18:00-07:00", ("fri",), "2024-01-05 06:59", False),
        ("", ("sat", "sun"), "2024-01-06 12:00", True),
        ("", ("sat", "sun"), "2024-01-08 00:00", False),
        ("", (), "2024-01-08 00:00", True),
    ],
)
def test_hours_over_midnight_belong_to_the_day_they_begin_on(
    text: str, weekdays: tuple[str, ...], local: str, holds: bool
) -> None:
    at = datetime.fromisoformat(local).replace(tzinfo=NEW_YORK)
    assert read_hours(text, weekdays).hold(at, NEW_YORK) == holds


def test_the_next_hours_begin_by_the_wall_clock_also_when_the_clocks_change() -> None:
    saturday_noon = datetime(2024, 3, 9, 17, 0, tzinfo=UTC)
    assert read_hours("08:00-09:00", ("sun",)).from_then_on(saturday_noon, NEW_YORK) == datetime(
        2024, 3, 10, 12, 0, tzinfo=UTC
    )
    assert DayHours().from_then_on(saturday_noon, NEW_YORK) == saturday_noon


@pytest.mark.parametrize("text", ["8-18", "24:00-07:00", "18:00", "18:00-7:00", "18:60-19:00"])
def test_other_hours_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="18:00-07:00"):
        read_hours(text)
