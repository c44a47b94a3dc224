"""A person moves a step and says how far it is; messages meet that decision; it can be taken back. On both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bridge.clock import FixedClock
from bridge.domain.order import Step, StepStatus
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.flows.change_step import Seen
from bridge.store import audit, orders
from bridge.wiring import House
from tests.cast import PLAIN, adt, order, study_uid
from tests.flows.asking import say, sent, worklist_of
from tests.flows.test_appointments import siu, timeline_of
from tests.flows.test_order_notices import MakeRis, make_ris
from tests.flows.test_orders import cast_mpps, code

__all__ = ["make_ris"]

MakeHouse = Callable[..., House]

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ACTOR = "user:maria"


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house at 09:00 with one order, A1, for CT1 at 10:15."""
    made = make_house(FixedClock(AT))
    say(made, adt(PLAIN), order(PLAIN, "A1"))
    return made


def step_of(house: House, accession: str = "A1") -> Step:
    with house.store.read() as tx:
        return orders.steps_of(tx, orders.by_accession(tx, accession)[0].key)[0]


def move(house: House, device: str = "CT2", start: str = "2026-03-02 11:30", reason: str = "") -> None:
    step = step_of(house)
    house.step_changer.reschedule(Seen(step.key, step.version, ACTOR, reason), device, start)


def mark(house: House, status: StepStatus, reason: str = "") -> None:
    step = step_of(house)
    house.step_changer.mark(Seen(step.key, step.version, ACTOR, reason), status)


def undo(house: House) -> None:
    step = step_of(house)
    house.step_changer.take_back(Seen(step.key, step.version, ACTOR))


def place(house: House) -> tuple[str, str]:
    step = step_of(house)
    return step.scheduled_station_ae_title[0], step.scheduled_start_local


def shown(house: House, station: str) -> list[str]:
    steps = [item.ScheduledProcedureStepSequence[0] for item in worklist_of(house, station)]
    return [f"{s.ScheduledProcedureStepStartDate}{s.ScheduledProcedureStepStartTime[:4]}" for s in steps]


def pass_time(house: House, minutes: int) -> None:
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(minutes=minutes)


def test_a_moved_step_is_at_once_on_the_other_device_s_worklist_and_keeps_its_study(house: House) -> None:
    move(house, reason="CT1 is being repaired")
    assert shown(house, "CT1") == []
    assert shown(house, "CT2") == ["202603021130"]
    assert worklist_of(house, "CT2")[0].StudyInstanceUID == study_uid("A1")
    assert step_of(house).scheduled_start_at == datetime(2026, 3, 2, 11, 30, tzinfo=UTC)


def test_a_move_says_who_and_why_on_the_timeline_and_is_audited_without_words_about_the_patient(house: House) -> None:
    move(house, reason="CT1 is being repaired")
    assert "Moved by hand" in timeline_of(house, "A1")[-1]
    assert "CT1 is being repaired" in timeline_of(house, "A1")[-1]
    with house.store.read() as tx:
        row = audit.recent(tx, before=None, limit=1)[0]
    assert (row.action, row.actor) == ("step_moved", ACTOR)
    assert set(row.detail) == {"step", "from", "to"}


def test_a_move_keeps_the_device_where_none_is_named(house: House) -> None:
    move(house, device="", start="2026-03-03 08:00")
    assert place(house) == ("CT1", "20260303080000")


def test_a_move_is_taken_back(house: House) -> None:
    move(house)
    undo(house)
    assert place(house) == ("CT1", "20260302101500")
    assert shown(house, "CT1") == ["202603021015"]
    with pytest.raises(Conflict):
        undo(house)


def test_moves_are_taken_back_one_by_one(house: House) -> None:
    move(house, "CT2")
    move(house, "CT3", "2026-03-02 12:00")
    undo(house)
    assert place(house) == ("CT2", "20260302113000")
    undo(house)
    assert place(house) == ("CT1", "20260302101500")


def test_the_first_place_is_known_after_any_number_of_moves(house: House) -> None:
    for minute in range(30):
        move(house, "CT2", f"2026-03-02 11:{minute:02d}")
    say(house, order(PLAIN, "A1", "XO", at="20260302093000"))
    assert place(house) == ("CT2", "20260302112900")
    assert len(step_of(house).by_hand) <= 20


@pytest.mark.parametrize("start", ["2026-02-30 10:00", "tomorrow", "", "2026-03-02 25:00"])
def test_what_is_no_time_moves_nothing(house: House, start: str) -> None:
    with pytest.raises(Malformed):
        move(house, start=start)
    assert place(house) == ("CT1", "20260302101500")


def test_a_time_that_the_clock_leaves_out_is_refused(make_house: MakeHouse) -> None:
    here = make_house(FixedClock(AT))
    zoned = dict(here.settings.bridge) | {"time_zone": "America/Chicago"}
    house = make_house(FixedClock(AT), bridge=zoned)
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    with pytest.raises(Malformed):
        move(house, start="2026-03-08 02:30")
    move(house, start="2026-03-08 03:30")
    assert step_of(house).scheduled_start_at == datetime(2026, 3, 8, 8, 30, tzinfo=UTC)


def test_a_lost_race_changes_nothing(house: House) -> None:
    seen = Seen(step_of(house).key, step_of(house).version, "user:jonas")
    move(house)
    with pytest.raises(Conflict, match="meanwhile"):
        house.step_changer.reschedule(seen, "CT3", "2026-03-02 12:00")
    assert place(house)[0] == "CT2"


@pytest.mark.parametrize("status", [StepStatus.STARTED, StepStatus.COMPLETED])
def test_what_has_begun_or_ended_is_not_moved(house: House, status: StepStatus) -> None:
    mark(house, status)
    with pytest.raises(Conflict):
        move(house)


# ── what messages say afterwards ─────────────────────────────────────────────────────────────────────────────────────


def test_a_later_message_that_names_another_time_overrides_a_move(house: House) -> None:
    move(house)
    say(house, order(PLAIN, "A1", "XO", at="20260302093000", start="20260302140000"))
    assert place(house)[1] == "20260302140000"
    with pytest.raises(Conflict):
        undo(house)


def test_a_later_message_that_only_repeats_the_old_time_leaves_a_move_alone(house: House) -> None:
    move(house)
    say(house, order(PLAIN, "A1", "XO", at="20260302093000"))
    assert place(house) == ("CT2", "20260302113000")
    undo(house)
    assert place(house) == ("CT1", "20260302101500")


def test_an_older_message_that_comes_late_does_not_undo_a_move_but_is_where_undo_leads(house: House) -> None:
    move(house)
    say(house, order(PLAIN, "A1", "XO", at="20260302085000", start="20260302140000"))
    assert place(house) == ("CT2", "20260302113000")
    undo(house)
    assert place(house)[1] == "20260302140000"


def test_a_message_keeps_a_moved_step_s_study(house: House) -> None:
    move(house)
    say(house, order(PLAIN, "A1", "XO", at="20260302093000", start="20260302140000"))
    assert worklist_of(house, place(house)[0])[0].StudyInstanceUID == study_uid("A1")


def test_an_appointment_moved_later_overrides_a_move(house: House) -> None:
    say(house, siu(PLAIN, "A1", at="20260302084000"))
    move(house)
    say(house, siu(PLAIN, "A1", "S13", at="20260302093000", start="20260304090000"))
    assert place(house)[1] == "20260304090000"


def test_an_appointment_s_older_or_repeated_news_leaves_a_move_alone(house: House) -> None:
    say(house, siu(PLAIN, "A1", at="20260302084000"))
    move(house)
    say(house, siu(PLAIN, "A1", "S13", at="20260302085000", start="20260304090000"))
    assert place(house) == ("CT2", "20260302113000")
    say(house, siu(PLAIN, "A1", "S14", at="20260302094000", start="20260304090000"))
    assert place(house) == ("CT2", "20260302113000")


def test_an_appointment_cancelled_later_takes_a_moved_step_off_the_worklist(house: House) -> None:
    say(house, siu(PLAIN, "A1", at="20260302084000"))
    move(house)
    say(house, siu(PLAIN, "A1", "S15", at="20260302093000"))
    assert worklist_of(house, "CT2") == []


def test_an_appointment_cancelled_before_a_move_and_heard_late_does_not(house: House) -> None:
    say(house, siu(PLAIN, "A1", at="20260302084000"))
    move(house)
    say(house, siu(PLAIN, "A1", "S15", at="20260302085000"))
    assert shown(house, "CT2") == ["202603021130"]


def test_a_step_whose_appointment_was_cancelled_is_given_a_time_and_that_is_taken_back(house: House) -> None:
    say(house, siu(PLAIN, "A1", at="20260302084000"), siu(PLAIN, "A1", "S15", at="20260302085000"))
    assert worklist_of(house) == []
    move(house, "CT1")
    assert shown(house, "CT1") == ["202603021130"]
    undo(house)
    assert worklist_of(house) == []


# ── how far it is ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_brings_an_exam_from_arrived_to_done(house: House) -> None:
    for status in (StepStatus.ARRIVED, StepStatus.READY, StepStatus.STARTED, StepStatus.COMPLETED):
        mark(house, status)
        assert step_of(house).status == status
    assert timeline_of(house, "A1")[-4:] == ["Patient arrived", "Patient is ready", "Exam started", "Exam done"]
    assert worklist_of(house) == []
    with house.store.read() as tx:
        assert orders.by_accession(tx, "A1")[0].status == StepStatus.COMPLETED


def test_a_finished_exam_is_opened_again_only_with_a_reason_and_is_back_on_the_worklist(house: House) -> None:
    mark(house, StepStatus.COMPLETED)
    with pytest.raises(Incomplete):
        mark(house, StepStatus.ARRIVED)
    mark(house, StepStatus.ARRIVED, "the wrong patient was ticked off")
    assert shown(house, "CT1") == ["202603021015"]


def test_a_mark_is_taken_back(house: House) -> None:
    mark(house, StepStatus.ARRIVED)
    mark(house, StepStatus.COMPLETED)
    undo(house)
    assert step_of(house).status == StepStatus.ARRIVED
    assert shown(house, "CT1") == ["202603021015"]


def test_what_a_device_did_since_is_not_taken_back(house: House) -> None:
    mark(house, StepStatus.ARRIVED)
    house.performed_steps.create("2.25.7", sent(cast_mpps("A1")), "CT1")
    with pytest.raises(Conflict):
        undo(house)
    assert step_of(house).status == StepStatus.STARTED


def test_a_move_is_not_taken_back_once_the_exam_has_begun(house: House) -> None:
    move(house, "CT1")
    house.performed_steps.create("2.25.7", sent(cast_mpps("A1")), "CT1")
    with pytest.raises(Conflict):
        undo(house)


def test_an_older_message_about_the_state_does_not_undo_what_a_person_said(house: House) -> None:
    mark(house, StepStatus.STARTED)
    (answer,) = say(house, order(PLAIN, "A1", "OC", at="20260302085900"))
    assert code(answer) == "AA"
    assert step_of(house).status == StepStatus.STARTED


def test_a_later_message_about_the_state_counts(house: House) -> None:
    mark(house, StepStatus.ARRIVED)
    pass_time(house, 30)
    say(house, order(PLAIN, "A1", "CA", at="20260302091500"))
    assert step_of(house).status == StepStatus.CANCELED


@pytest.mark.parametrize("status", [StepStatus.CANCELED, StepStatus.HELD, StepStatus.SCHEDULED])
def test_a_state_that_is_nobody_s_to_say_is_refused(house: House, status: StepStatus) -> None:
    with pytest.raises(Conflict):
        mark(house, status)


def test_what_a_person_says_of_an_exam_is_told_to_whoever_ordered_it_and_a_move_is_not(make_ris: MakeRis) -> None:
    ris = make_ris()
    move(ris.house)
    for change in (StepStatus.ARRIVED, StepStatus.STARTED, StepStatus.COMPLETED):
        ris.pass_time()
        mark(ris.house, change)
        ris.worker.run_due()
    ris.pass_time()
    undo(ris.house)
    ris.worker.run_due()
    assert ris.told == ["ORM IP", "ORM CM", "ORM IP"]


def test_a_step_on_hold_is_moved_and_stays_on_hold(house: House) -> None:
    say(house, order(PLAIN, "A1", "HD", at="20260302085500"))
    move(house)
    assert step_of(house).status == StepStatus.HELD
    assert worklist_of(house, "CT2") == []
