"""Scheduling messages by the base rules. Source: HL7 2.5.1 10.3, 10.6."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bridge.domain.appointment import AppointmentDraft
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Code
from bridge.errors import Incomplete, Malformed, Unsupported
from bridge.mapping.site import Policy, SiteMapping
from tests.unit.mapping.senders import header, mapped, shipped

PID = "PID|1||77^^^MERCY^MR||DOE^JANE"
PV1 = "PV1|1|O" + "|" * 17 + "V1^^^MERCY^VN"


def sch(**fields: str) -> str:
    """A SCH; fields by number, s25="Booked" or s11="^^^20260304"; SCH-1 and SCH-2 unless they are given."""
    said = {1: "AP1^EHR", 2: "AF1^RIS", 26: "P1^EHR", 27: "F1^RIS"} | {int(n[1:]): value for n, value in fields.items()}
    return "SCH|" + "|".join(said.get(number, "") for number in range(1, 28))


def appointment(*segments: str, trigger: str = "S12", site: SiteMapping | None = None) -> AppointmentDraft:
    (found,) = mapped(header(f"SIU^{trigger}^SIU_S12"), *segments, site=site).appointments
    return found


def with_policy(**choices: str) -> SiteMapping:
    return replace(shipped().base, policy=replace(Policy(), **choices))


def with_table(name: str, **codes: str) -> SiteMapping:
    base = shipped().base
    return replace(base, tables={**base.tables, name: {**base.tables[name], **codes}})


def test_a_booking_says_whose_it_is_when_and_where() -> None:
    found = appointment(
        sch(s25="Booked"),
        PID,
        "RGS|1",
        "AIS|1||71260^CT chest^C4|20260304093000|||30|min",
        "AIG|1||CTROOM^CT room",
        "AIL|1||IMG^2^A",
        "AIP|1||7^TECH^TOM",
        site=with_table("station", CTROOM="CT1"),
    )

    assert (found.placer_appointment_id, found.filler_appointment_id) == (
        EntityIdentifier("AP1", "EHR"),
        EntityIdentifier("AF1", "RIS"),
    )
    assert (found.placer_order_number.value, found.filler_order_number.value) == ("P1", "F1")
    (slot,) = found.slots
    assert (slot.service, slot.scheduled_start_local) == (Code("71260", "C4", "CT chest"), "20260304093000")
    assert slot.scheduled_start_at == datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
    assert (slot.scheduled_station_ae_title, slot.scheduled_procedure_step_location) == (("CT1",), "IMG-2-A")
    assert slot.scheduled_performing_physician_name == "TECH^TOM"


def test_each_service_has_its_own_time_and_the_resources_of_its_group() -> None:
    found = appointment(
        sch(),
        PID,
        "RGS|1",
        "AIS|1||A^A|20260304090000",
        "AIS|2||B^B|20260304093000",
        "AIL|1||ROOM1",
        "RGS|2",
        "AIS|3||C^C|20260304100000",
        "AIL|2||ROOM2",
    )

    assert [
        (s.service.code_value, s.scheduled_start_local[8:12], s.scheduled_procedure_step_location) for s in found.slots
    ] == [
        ("A", "0900", "ROOM1"),
        ("B", "0930", "ROOM1"),
        ("C", "1000", "ROOM2"),
    ]


@pytest.mark.parametrize(
    "segments",
    [
        (sch(s11="^^^20260304090000"), PID),
        (sch(), "TQ1|1||||||20260304090000", PID),
        (sch(), PID, "RGS|1", "AIG|1||CTROOM|||||20260304090000"),
        (sch(), PID, "RGS|1", "AIL|1||ROOM|||20260304090000"),
        (sch(s11="^^^20260305"), PID, "AIS|1||A|20260304090000"),
    ],
)
def test_the_time_stands_in_one_of_several_places(segments: tuple[str, ...]) -> None:
    assert [slot.scheduled_start_local for slot in appointment(*segments).slots] == ["20260304090000"]


@pytest.mark.parametrize(
    ("trigger", "status", "state"),
    [
        ("S12", "", "booked"),
        ("S13", "Booked", "booked"),
        ("S14", "BOOKED", "booked"),
        ("S14", "Cancelled", "cancelled"),
        ("S14", "Noshow", "no-show"),
        ("S12", "Pending", "pending"),
        ("S12", "Waitlist", "pending"),
        ("S14", "Arrived", "arrived"),
        ("S12", "something else", "booked"),
        ("S15", "", "cancelled"),
        ("S16", "Booked", "cancelled"),
        ("S17", "", "cancelled"),
        ("S26", "Booked", "no-show"),
    ],
)
def test_what_became_of_the_appointment(trigger: str, status: str, state: str) -> None:
    assert appointment(sch(s25=status), PID, trigger=trigger).state == state


def test_the_structure_a_sender_names_does_not_matter() -> None:
    for structure in ("SIU_S12", "SIU_S26", ""):
        (found,) = mapped(header(f"SIU^S26^{structure}"), sch(), PID).appointments
        assert found.state == "no-show"


@pytest.mark.parametrize(
    ("segments", "where"), [((PID,), "SCH-1"), ((sch(s1="", s2=""), PID), "SCH-1"), ((sch(),), "PID-3")]
)
def test_what_an_appointment_must_say(segments: tuple[str, ...], where: str) -> None:
    with pytest.raises(Incomplete) as refused:
        appointment(*segments)
    assert refused.value.where == where


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(Malformed) as refused:
        appointment(sch(), PID, "AIS|1||A|tomorrow")
    assert refused.value.where == "AIS-4"


@pytest.mark.parametrize("trigger", ["S18", "S23"])
def test_other_scheduling_events_are_not_served(trigger: str) -> None:
    with pytest.raises(Unsupported):
        appointment(sch(), PID, trigger=trigger)


def test_the_visit_counts_where_the_site_finds_orders_by_it() -> None:
    assert appointment(sch(), PID, PV1).admission_id == EntityIdentifier()
    site = with_policy(appointment_order="visit_and_service")
    assert appointment(sch(), PID, PV1, site=site).admission_id == EntityIdentifier("V1", "MERCY")


def test_a_site_may_want_its_orders_made_of_appointments() -> None:
    site = replace(
        with_table("procedure_modality", A="CT", B="US"), policy=Policy(appointment_without_order="make_order")
    )
    found = appointment(
        sch(s26="", s27=""), PID, "AIS|1||A^CT chest^L|20260304090000", "AIS|2||B^US neck^L|20260304093000", site=site
    ).order

    assert found is not None
    assert (found.accession_number, found.filler_order_number.value, found.placer_order_number.value) == (
        "AF1",
        "AF1",
        "AP1",
    )
    assert [(s.scheduled_procedure_step_id, s.modality, s.scheduled_start_local) for s in found.steps] == [
        ("AF1", "CT", "20260304090000"),
        ("AF1-2", "US", "20260304093000"),
    ]


@pytest.mark.parametrize("trigger", ["S15", "S26"])
def test_no_order_is_made_of_an_appointment_that_does_not_take_place(trigger: str) -> None:
    site = with_policy(appointment_without_order="make_order")
    assert appointment(sch(), PID, trigger=trigger, site=site).order is None
