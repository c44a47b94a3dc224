"""Appointments move the steps of orders, wait for orders, and take what is cancelled off the worklist, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.store import events, orders
from bridge.store.tables import appointments as appointments_table
from bridge.store.tables import awaited_orders
from bridge.wiring import House
from tests.cast import MERGED, NEAR_TWIN, PLAIN, Person, merge, order
from tests.flows.asking import say, sent, worklist_of
from tests.flows.test_orders import cast_mpps, code, error_of

MakeHouse = Callable[..., House]

ROOT = Path(__file__).parents[2]


def siu(
    person: Person,
    accession: str,
    trigger: str = "S12",
    *,
    at: str = "20260302070000",
    start: str = "20260303140000",
    number: str = "",
    extra: str = "",
) -> bytes:
    """Return a scheduling message for the order with *accession*; number: the appointment's own, extra: further segments."""
    mine = number or f"AP{accession}"
    sch = f"SCH|{mine}^SCHED|F{mine}^SCHED" + "|" * 24 + f"P{accession}^RIVEHR|F{accession}^RIVRIS"
    services = extra or f"RGS|1\rAIS|1||71260^CT CHEST^C4|{start}\rAIL|1||ROOM7\r"
    return (
        f"MSH|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|{at}||SIU^{trigger}|S{trigger}{mine}{at}{start}|P|2.5.1\r"
        f"{sch}\r{person.pid}\rPV1|1|O\r{services}"
    ).encode()


def starts(house: House) -> list[str]:
    """Return when and where the worklist says, in its order."""
    steps = [item.ScheduledProcedureStepSequence[0] for item in worklist_of(house)]
    return [f"{s.ScheduledProcedureStepStartDate} {s.ScheduledProcedureStepStartTime[:4]}" for s in steps]


def why_hidden(house: House, accession: str) -> list[str]:
    return [reason.sentence for reason in house.explainer.explain(accession, "CT1").reasons]


def timeline_of(house: House, accession: str) -> list[str]:
    with house.store.read() as tx:
        key = orders.by_accession(tx, accession)[0].key
        return [line.what for line in events.timeline(tx, [key], [])]


def rows(house: House) -> tuple[int, int]:
    """Return how many appointments there are, and how many look-outs for an order."""
    with house.store.read() as tx:
        return len(tx.execute(appointments_table.select()).all()), len(tx.execute(awaited_orders.select()).all())


def test_an_appointment_sets_the_time_and_the_place_of_its_order(make_house: MakeHouse) -> None:
    house = make_house()
    *_, answer = say(house, order(PLAIN, "A1"), siu(PLAIN, "A1", at="20260302090000"))
    assert code(answer) == "AA"
    assert starts(house) == ["20260303 1400"]
    (item,) = worklist_of(house)
    assert "Appointment booked: On the worklist of CT1 for 2026-03-03 14:00" in timeline_of(house, "A1")
    with house.store.read() as tx:
        assert orders.steps_of(tx, 1)[0].scheduled_procedure_step_location == "ROOM7"
    assert item.AccessionNumber == "A1"


@pytest.mark.parametrize("at", ["20260302070000", "20260302120000"])
def test_an_order_that_comes_later_takes_the_time_of_the_appointment_that_waits(make_house: MakeHouse, at: str) -> None:
    house = make_house()
    (answer,) = say(house, siu(PLAIN, "A1", at=at))
    assert code(answer) == "AA"
    assert "waits for it" in answer.decode()
    assert rows(house) == (1, 2)
    say(house, order(PLAIN, "A1"))
    assert (starts(house), rows(house)) == (["20260303 1400"], (1, 0))


def test_a_rescheduled_appointment_moves_the_step_and_older_news_does_not(make_house: MakeHouse) -> None:
    house = make_house()
    moved = siu(PLAIN, "A1", "S13", at="20260302110000", start="20260304080000")
    late = siu(PLAIN, "A1", "S14", at="20260302100000", start="20260305080000")
    *_, answer = say(house, order(PLAIN, "A1"), siu(PLAIN, "A1"), moved, late)
    assert "older than what is known of the appointment" in answer.decode()
    assert (starts(house), rows(house)[0]) == (["20260304 0800"], 1)


def test_an_order_does_not_move_what_an_appointment_holds(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), siu(PLAIN, "A1", at="20260302090000"))
    say(house, order(PLAIN, "A1", "XO", at="20260302110000", start="20260309090000"))
    assert starts(house) == ["20260303 1400"]


@pytest.mark.parametrize("trigger", ["S15", "S16", "S17"])
def test_a_cancelled_appointment_takes_the_step_off_the_worklist_and_leaves_the_order(
    make_house: MakeHouse, trigger: str
) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), siu(PLAIN, "A1"), siu(PLAIN, "A1", trigger, at="20260302110000"))
    assert worklist_of(house) == []
    assert why_hidden(house, "A1") == ["It is kept off the worklist: the appointment was cancelled."]
    with house.store.read() as tx:
        assert orders.get(tx, 1).status == "SCHEDULED"
        assert orders.steps_of(tx, 1)[0].scheduled_start_local == ""


def test_a_no_show_says_so(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), siu(PLAIN, "A1"), siu(PLAIN, "A1", "S26", at="20260303150000"))
    assert worklist_of(house) == []
    assert "No-show: the patient did not come to the appointment" in timeline_of(house, "A1")
    assert why_hidden(house, "A1") == [
        "It is kept off the worklist: no-show: the patient did not come to the appointment."
    ]


def test_another_appointment_brings_the_step_back(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), siu(PLAIN, "A1"), siu(PLAIN, "A1", "S26", at="20260303150000"))
    say(house, siu(PLAIN, "A1", "S13", at="20260303160000", start="20260310090000"))
    assert starts(house) == ["20260310 0900"]


@pytest.mark.parametrize(("at", "shown"), [("20260302100000", []), ("20260302120000", ["20260309 0900"])])
def test_after_a_cancellation_only_an_order_s_later_news_schedules_again(
    make_house: MakeHouse, at: str, shown: list[str]
) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), siu(PLAIN, "A1"), siu(PLAIN, "A1", "S15", at="20260302110000"))
    say(house, order(PLAIN, "A1", "XO", at=at, start="20260309090000"))
    assert starts(house) == shown


def test_a_new_demographic_does_not_bring_a_cancelled_appointment_back(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(MERGED, "A1"), siu(MERGED, "A1"), siu(MERGED, "A1", "S15", at="20260302110000"))
    say(house, merge(PLAIN, MERGED, at="20260302120000"))
    assert worklist_of(house) == []


def test_a_started_exam_keeps_its_time(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    (answer,) = say(house, siu(PLAIN, "A1", "S15", at="20260302110000"))
    assert code(answer) == "AA"
    assert "has started or ended" in answer.decode()
    assert starts(house) == ["20260302 1015"]


def test_several_services_are_several_steps_times(make_house: MakeHouse) -> None:
    house = make_house()
    two = order(PLAIN, "A1", extra="").decode()
    group = two[two.index("ORC|") :].replace("|A1|A1|A1|", "|A1|A1|A1B|").replace("71260^", "71270^")
    services = "RGS|1\rAIS|1||71270^CT B^C4|20260303150000\rRGS|2\rAIS|2||71260^CT A^C4|20260303140000\rAIL|1||ROOM7\r"
    say(house, (two + group).encode(), siu(PLAIN, "A1", extra=services))
    with house.store.read() as tx:
        found = {s.scheduled_procedure_step_id: s.scheduled_start_local for s in orders.steps_of(tx, 1)}
    assert found == {"A1": "20260303140000", "A1B": "20260303150000"}


def test_two_appointments_of_one_order_hold_a_step_each(make_house: MakeHouse) -> None:
    house = make_house()
    two = order(PLAIN, "A1").decode()
    group = two[two.index("ORC|") :].replace("|A1|A1|A1|", "|A1|A1|A1B|")
    first = siu(PLAIN, "A1", number="X1", start="20260303140000")
    second = siu(PLAIN, "A1", number="X2", start="20260303150000")
    say(house, (two + group).encode(), first, second, siu(PLAIN, "A1", "S15", number="X1", at="20260302110000"))
    assert starts(house) == ["20260303 1500"]


def test_more_services_than_steps_are_told(make_house: MakeHouse) -> None:
    house = make_house()
    services = "RGS|1\rAIS|1||71260^A^C4|20260303140000\rAIS|2||99999^B^C4|20260303150000\r"
    *_, answer = say(house, order(PLAIN, "A1"), siu(PLAIN, "A1", extra=services))
    assert "none of its order's steps" in answer.decode()
    assert starts(house) == ["20260303 1400"]


def test_another_patient_s_order_is_not_booked(make_house: MakeHouse) -> None:
    house = make_house()
    *_, answer = say(house, order(PLAIN, "A1"), siu(NEAR_TWIN, "A1", at="20260302090000"))
    assert code(answer) == "AE"
    assert "205" in error_of(answer)
    assert starts(house) == ["20260302 1015"]


def test_an_appointment_of_another_patient_is_not_taken_over(make_house: MakeHouse) -> None:
    house = make_house()
    first, other = say(
        house, siu(PLAIN, "A1", number="AP1"), siu(NEAR_TWIN, "A2", "S13", at="20260302080000", number="AP1")
    )
    assert (code(first), code(other)) == ("AA", "AE")
    assert "205" in error_of(other)
    assert rows(house)[0] == 1


def test_an_appointment_that_turns_to_another_order_leaves_the_first(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(PLAIN, "A2"), siu(PLAIN, "A1", at="20260302090000", number="AP1"))
    (answer,) = say(house, siu(PLAIN, "A2", "S13", at="20260302093000", start="20260304090000", number="AP1"))
    assert code(answer) == "AA"
    assert starts(house) == ["20260304 0900"]
    assert any("appointment was cancelled" in reason for reason in why_hidden(house, "A1"))


def test_an_appointment_follows_its_patient_when_records_are_merged(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, siu(MERGED, "A1"), merge(PLAIN, MERGED), order(PLAIN, "A1", at="20260302100000"))
    assert starts(house) == ["20260303 1400"]


def test_a_held_order_takes_its_appointment_s_time_and_stays_held(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "HD", at="20260302090000"), siu(PLAIN, "A1"))
    assert worklist_of(house) == []
    assert "Appointment booked: Kept off the worklist: the order is on hold" in timeline_of(house, "A1")
    say(house, order(PLAIN, "A1", "RL", at="20260302100000"))
    assert starts(house) == ["20260303 1400"]


def site_with(tmp_path: Path, policy: str, tables: str = "") -> Path:
    """Return a folder with a site of our own, in the place of the samples' one."""
    folder = tmp_path / "mappings" / "sites" / "riverside"
    folder.mkdir(parents=True)
    shipped = (ROOT / "samples" / "mappings" / "sites" / "riverside" / "site.toml").read_text("utf-8")
    lines = [line if not line.startswith("policy") else f"policy = {{ {policy} }}" for line in shipped.splitlines()]
    (folder / "site.toml").write_text("\n".join(lines) + tables, "utf-8")
    return tmp_path / "mappings"


def house_with(make_house: MakeHouse, tmp_path: Path, policy: str, tables: str = "") -> House:
    bridge = {"data": tmp_path / "data", "mappings": site_with(tmp_path, policy, tables), "time_zone": "UTC"}
    return make_house(bridge=bridge)


def test_a_site_may_cancel_the_order_with_its_appointment(make_house: MakeHouse, tmp_path: Path) -> None:
    house = house_with(make_house, tmp_path, 'cancelled_appointment = "cancel_order"')
    say(house, order(PLAIN, "A1"), siu(PLAIN, "A1"), siu(PLAIN, "A1", "S15", at="20260302110000"))
    with house.store.read() as tx:
        assert orders.get(tx, 1).status == "CANCELED"


def test_a_site_may_have_its_orders_made_of_appointments(make_house: MakeHouse, tmp_path: Path) -> None:
    policy = 'appointment_without_order = "make_order"'
    house = house_with(make_house, tmp_path, policy, '\n[tables.procedure_modality]\n"71260" = "CT"\n')
    say(house, siu(PLAIN, "A1"))
    assert starts(house) == ["20260303 1400"]
    say(house, siu(PLAIN, "A1", "S13", at="20260302110000", start="20260304080000"))
    assert (starts(house), rows(house)) == (["20260304 0800"], (1, 0))


def test_a_site_may_find_the_order_by_visit_and_service(make_house: MakeHouse, tmp_path: Path) -> None:
    house = house_with(make_house, tmp_path, 'appointment_order = "visit_and_service"')
    visit = b"PV1|1|O" + b"|" * 17 + b"V1^^^RIVERSIDE^VN\r"
    unnumbered = siu(PLAIN, "A1").replace(b"PA1^RIVEHR|FA1^RIVRIS", b"|").replace(b"PV1|1|O\r", visit)
    say(house, unnumbered)
    assert rows(house) == (1, 1)
    say(house, order(PLAIN, "A1").replace(b"PV1|1|O\r", visit))
    assert starts(house) == ["20260303 1400"]
    later = unnumbered.replace(b"20260302070000", b"20260302110000").replace(b"20260303140000", b"20260304080000")
    say(house, later)
    assert starts(house) == ["20260304 0800"]


def test_an_exam_that_came_before_its_order_is_linked_to_it(make_house: MakeHouse) -> None:
    house = make_house()
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    say(house, order(PLAIN, "A1"))
    with house.store.read() as tx:
        assert [s.status for s in orders.steps_of(tx, 1)] == ["STARTED"]
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "COMPLETED")), "CT1")
    with house.store.read() as tx:
        assert [s.status for s in orders.steps_of(tx, 1)] == ["COMPLETED"]
    assert worklist_of(house) == []


def test_an_exam_that_ended_before_its_order_came_is_not_offered_again(make_house: MakeHouse) -> None:
    house = make_house()
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "COMPLETED")), "CT1")
    say(house, order(PLAIN, "A1"))
    assert worklist_of(house) == []
    assert "The exam was completed before its order came" in timeline_of(house, "A1")
