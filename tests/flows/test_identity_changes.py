"""Merges, moves, changed numbers and links: what moves, what is refused, and that all of it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import Conflict
from bridge.flows.undo_merge import MergeUndoer
from bridge.store import links, patients, studies
from bridge.store.listings import queues
from bridge.store.tables import deliveries
from bridge.wiring import House
from tests import cast
from tests.cast import MERGED, PLAIN, STRANGER, adt, image, merge, order, renamed, spooled
from tests.flows.asking import say, worklist_of
from tests.flows.registration import (
    authorized,
    entries,
    filing_of,
    mrg,
    order_of,
    pv1,
    resent,
    step_states,
    tell,
)
from tests.flows.test_orders import code, error_of

DOE = cast.renamed(MERGED, "DOE^JOHN", "19700101")
NUMBERED_ANEW = cast.Person("00041099", "", "", "")
ACCOUNT, OTHER_ACCOUNT = "AC1", "AC2"

CHANGES = {
    "A18": tell("A18", PLAIN.pid, mrg(DOE), pv1()),
    "A34": tell("A34", PLAIN.pid, mrg(DOE)),
    "A40": tell("A40", PLAIN.pid, mrg(DOE)),
    "A43": tell("A43", PLAIN.pid, mrg(DOE)),
    "A44": tell("A44", f"{PLAIN.pid}||||||||||{ACCOUNT}", mrg(DOE, account=ACCOUNT)),
    "A44 renumbered": tell("A44", f"{PLAIN.pid}||||||||||{OTHER_ACCOUNT}", mrg(DOE, account=ACCOUNT)),
    "A45": tell("A45", PLAIN.pid, mrg(DOE, visit="V1"), pv1("V1")),
    "A45 renumbered": tell("A45", PLAIN.pid, mrg(DOE, visit="V1"), pv1("V2")),
    "A47": tell("A47", NUMBERED_ANEW.pid, mrg(DOE)),
    "A49": tell("A49", f"{DOE.pid}||||||||||{OTHER_ACCOUNT}", mrg(DOE, account=ACCOUNT)),
}


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()


def history() -> list[bytes]:
    """Registrations, a visit on an account, an order with its authorization, all of DOE, and one order of PLAIN's."""
    visit = tell("A01", f"{DOE.pid}||||||||||{ACCOUNT}", pv1("V1", place="ER^1^2"), at="20260302080100")
    return [
        adt(PLAIN),
        adt(DOE),
        visit,
        order_of(DOE, "A1", "V1", extra=authorized("AUTH1")),
        order_of(PLAIN, "P1", "VP", at="20260302080600"),
    ]


def undo(house: House, entry: int) -> str:
    return MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(
        entry, "two people", "user:maria"
    )


def receive(house: House, *datasets: object) -> None:
    for dataset in datasets:
        house.instances.receive(spooled(house, dataset))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_twice_has_the_effect_of_one_and_its_undo_returns_the_filing(house: House, kind: str) -> None:
    say(house, *history())
    receive(house, image(DOE, "A1"))
    before = filing_of(house)
    assert before.studies["A1"][0].startswith("bound")
    (answer,) = say(house, CHANGES[kind])
    assert code(answer) == "AA", answer
    once = filing_of(house)
    assert once != before
    (answer,) = say(house, resent(CHANGES[kind], at="20260302090100"))
    assert code(answer) == "AA"
    assert filing_of(house) == once
    (entry,) = entries(house)
    assert undo(house, entry) == ""
    assert filing_of(house) == before
    with pytest.raises(Conflict, match="undone before"):
        undo(house, entry)
    with house.store.read() as tx:
        waiting = {row.state for row in tx.execute(select(deliveries)) if row.topic == "imaging_study"}
    assert "held" not in waiting


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_that_comes_first_leads_to_the_same_filing_and_so_does_its_undo(
    make_house: Callable[..., House], kind: str
) -> None:
    house = make_house()
    say(house, *history())
    before = filing_of(house)
    say(house, CHANGES[kind])
    forwards = filing_of(house)
    with house.store.write() as tx:
        for table in reversed(deliveries.metadata.sorted_tables):
            if table.name != "schema_version":
                tx.execute(table.delete())
    answers = say(house, CHANGES[kind], *history())
    assert {code(answer) for answer in answers} == {"AA"}, answers
    assert filing_of(house) == forwards
    undo(house, entries(house)[0])
    assert filing_of(house) == before


@pytest.mark.parametrize(
    ("message", "place"),
    [
        (tell("A40", PLAIN.pid, mrg(PLAIN)), "205"),
        (tell("A43", PLAIN.pid, mrg(PLAIN)), "205"),
        (tell("A47", PLAIN.pid, mrg(PLAIN)), "205"),
        (tell("A47", PLAIN.pid, mrg(DOE)), "205"),
        (tell("A24", PLAIN.pid, PLAIN.pid), "205"),
        (tell("A45", STRANGER.pid, mrg(PLAIN, visit="V1"), pv1("V1")), "204"),
        (tell("A45", PLAIN.pid, mrg(DOE, visit="V1"), pv1("VP")), "205"),
        (tell("A45", PLAIN.pid, mrg(DOE), pv1("V1")), "101"),
        (tell("A44", PLAIN.pid, mrg(DOE)), "101"),
        (tell("A49", PLAIN.pid, mrg(PLAIN, account=ACCOUNT)), "101"),
        (tell("A24", PLAIN.pid), "101"),
        (tell("A47", PLAIN.pid, "MRG|"), "101"),
        (tell("A40", STRANGER.pid, mrg(DOE), at="20260302080200"), "204"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(house: House, message: bytes, place: str) -> None:
    say(house, *history())
    before = filing_of(house)
    (answer,) = say(house, message)
    assert (code(answer), place in error_of(answer)) == ("AE", True), answer
    assert filing_of(house) == before


def test_several_pairs_are_merged_all_or_none(house: House) -> None:
    say(house, *history(), adt(STRANGER))
    before = filing_of(house)
    bad = tell("A40", PLAIN.pid, mrg(DOE), STRANGER.pid, mrg(STRANGER))
    assert code(say(house, bad)[0]) == "AE"
    assert filing_of(house) == before
    good = tell("A40", PLAIN.pid, mrg(DOE), PLAIN.pid, mrg(STRANGER))
    assert code(say(house, good)[0]) == "AA"
    assert set(filing_of(house).numbers.values()) == {PLAIN.patient_id}


def test_a_circle_is_refused(house: House) -> None:
    say(house, *history(), merge(PLAIN, DOE), adt(STRANGER), merge(STRANGER, PLAIN, at="20260302090100"))
    before = filing_of(house)
    (answer,) = say(house, merge(DOE, STRANGER, at="20260302090200"))
    assert (code(answer), "205" in error_of(answer)) == ("AE", True)
    assert filing_of(house) == before


def test_a_merge_that_was_merged_further_names_what_is_to_be_undone_first(house: House) -> None:
    say(house, *history(), adt(STRANGER))
    before = filing_of(house)
    say(house, merge(PLAIN, DOE), merge(STRANGER, PLAIN, at="20260302090100"))
    later, first = entries(house)
    with pytest.raises(Conflict, match=f"undo number {later} first"):
        undo(house, first)
    undo(house, later)
    undo(house, first)
    assert filing_of(house) == before


def test_what_came_since_under_the_retired_number_goes_back_with_it(house: House) -> None:
    say(house, *history(), merge(PLAIN, DOE))
    late = order(DOE, "A2", at="20260302085000")
    assert code(say(house, late)[0]) == "AA"
    receive(house, image(DOE, "A2"), image(PLAIN, "P1"))
    say(house, order(PLAIN, "P2", at="20260302093000"))
    assert filing_of(house).orders["A2"][0] == PLAIN.patient_id
    undo(house, entries(house)[0])
    after = filing_of(house)
    assert {after.orders[each][0] for each in ("A1", "A2")} == {DOE.patient_id}
    assert {after.orders[each][0] for each in ("P1", "P2")} == {PLAIN.patient_id}
    assert (after.studies["A2"][1], after.studies["P1"][1]) == (DOE.patient_id, PLAIN.patient_id)
    assert {(str(item.PatientID), str(item.AccessionNumber)) for item in worklist_of(house)} == {
        (DOE.patient_id, "A1"),
        (DOE.patient_id, "A2"),
        (PLAIN.patient_id, "P1"),
        (PLAIN.patient_id, "P2"),
    }


def test_an_undone_merge_stays_undone_when_it_is_replayed_and_holds_when_it_is_said_later(house: House) -> None:
    said = merge(PLAIN, DOE)
    say(house, *history(), said)
    undo(house, entries(house)[0])
    before = filing_of(house)
    (answer,) = say(house, resent(said))
    assert (code(answer), "took this change back" in answer.decode()) == ("AA", True)
    assert filing_of(house) == before
    later = f"{house.clock.now():%Y%m%d%H%M%S}"[:4]
    (answer,) = say(house, merge(PLAIN, DOE, at=f"{int(later) + 1}0101000000"))
    assert code(answer) == "AA"
    assert filing_of(house).numbers[DOE.patient_id] == PLAIN.patient_id


def test_a_visit_that_moves_takes_its_orders_and_puts_their_images_before_a_person(house: House) -> None:
    say(house, *history())
    receive(house, image(DOE, "A1"))
    say(house, CHANGES["A45"])
    after = filing_of(house)
    assert after.orders["A1"] == (PLAIN.patient_id, "V1")
    assert after.studies["A1"] == ("review", "")
    assert after.authorizations["AUTH1"] == PLAIN.patient_id
    (item,) = [one for one in worklist_of(house) if one.AccessionNumber == "A1"]
    assert item.PatientID == PLAIN.patient_id


def test_a_number_that_is_not_the_last_moves_alone(house: House) -> None:
    both = tell("A04", f"PID|1||{DOE.patient_id}^^^RIVERSIDE^MR~77^^^STATE^NI||{DOE.name}||{DOE.birth_date}|M")
    say(house, adt(PLAIN), both, order(DOE, "A1"))
    moved = tell("A43", PLAIN.pid, "MRG|77^^^STATE^NI", at="20260302100000")
    assert code(say(house, moved)[0]) == "AA"
    after = filing_of(house)
    assert after.numbers["77@STATE"] == f"{PLAIN.patient_id}+77"
    assert after.orders["A1"][0] == DOE.patient_id
    undo(house, entries(house)[0])
    assert filing_of(house).numbers["77@STATE"] == f"{DOE.patient_id}+77"


def test_images_of_a_record_that_keeps_a_number_are_not_given_to_another_with_the_number_that_goes(
    house: House,
) -> None:
    both = tell("A04", f"PID|1||{DOE.patient_id}^^^RIVERSIDE^MR~77^^^STATE^NI||{DOE.name}||{DOE.birth_date}|M")
    say(house, adt(PLAIN), both, order(DOE, "A1"))
    receive(house, image(DOE, "A1"))
    before = filing_of(house)
    assert before.studies["A1"][0] == "bound"
    say(house, tell("A43", PLAIN.pid, mrg(DOE), at="20260302100000"))
    after = filing_of(house)
    assert after.numbers[DOE.patient_id] == after.orders["A1"][0] != before.orders["A1"][0]
    assert after.studies["A1"] == ("review", "")
    undo(house, entries(house)[0])
    assert filing_of(house) == before


def test_a_changed_number_is_the_one_on_the_worklist_and_the_old_one_is_dead(house: House) -> None:
    say(house, *history(), CHANGES["A47"])
    items = {str(item.AccessionNumber): str(item.PatientID) for item in worklist_of(house)}
    assert items["A1"] == NUMBERED_ANEW.patient_id
    (answer,) = say(house, adt(DOE, "A08", at="20260302110000"))
    assert (code(answer), NUMBERED_ANEW.patient_id in answer.decode()) == ("AE", True)
    receive(house, image(DOE, "A1"))
    assert filing_of(house).studies["A1"] == ("bound_with_correction", NUMBERED_ANEW.patient_id)


def test_a_link_moves_nothing_and_the_newer_word_on_it_holds(house: House) -> None:
    say(house, *history())
    before = filing_of(house)
    unlinked = tell("A37", PLAIN.pid, DOE.pid, at="20260302100000")
    linked = tell("A24", DOE.pid, PLAIN.pid, at="20260302110000")
    assert [code(a) for a in say(house, linked, unlinked)] == ["AA", "AA"]
    assert filing_of(house) == before
    with house.store.read() as tx:
        doe, plain = (patients.find(tx, PatientIdentifier(one.patient_id, "RIVERSIDE")) for one in (DOE, PLAIN))
        assert doe is not None
        assert plain is not None
        assert links.of_patient(tx, plain.key) == [doe.key]
    say(house, tell("A37", PLAIN.pid, DOE.pid, at="20260302120000"))
    with house.store.read() as tx:
        assert links.of_patient(tx, plain.key) == []


@pytest.mark.parametrize("again", ["", "A40", "A24"])
def test_after_an_unlink_the_retired_name_names_nobody_under_the_survivor_s_number(house: House, again: str) -> None:
    say(house, *history(), merge(PLAIN, DOE, at="20260302110000"))
    say(house, tell("A37", PLAIN.pid, DOE.pid, at="20260302120000"))
    if again:
        joined = merge(PLAIN, DOE, at="20260302130000")
        say(house, joined if again == "A40" else tell("A24", PLAIN.pid, DOE.pid, at="20260302130000"))
    receive(house, image(renamed(PLAIN, DOE.name, DOE.birth_date), "", study="2.25.4712"))
    with house.store.read() as tx:
        found = studies.by_uid(tx, "2.25.4712")
    assert found is not None
    assert found.is_bound == bool(again)


@pytest.mark.parametrize("again", ["", "A40", "A24"])
@pytest.mark.parametrize("accession", ["", "P1"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_after_an_unlink_the_retired_number_names_the_survivor_no_more(
    house: House, accession: str, again: str
) -> None:
    say(house, *history(), merge(PLAIN, DOE, at="20260302110000"))
    say(house, tell("A37", PLAIN.pid, DOE.pid, at="20260302120000"))
    receive(house, image(replace(PLAIN, patient_id=DOE.patient_id), accession, study="2.25.4712"))
    with house.store.read() as tx:
        found = studies.by_uid(tx, "2.25.4712")
    assert found is not None
    assert (found.is_bound, found.rule) == (False, "V06")
    if again:
        joined = merge(PLAIN, DOE, at="20260302130000")
        say(house, joined if again == "A40" else tell("A24", PLAIN.pid, DOE.pid, at="20260302130000"))
    with house.store.read() as tx:
        found = studies.by_uid(tx, "2.25.4712")
    assert found is not None
    assert found.is_bound == bool(again)


def test_an_unlink_of_merged_records_asks_a_person(house: House) -> None:
    say(house, *history())
    receive(house, image(DOE, "A1"), image(PLAIN, "P1"))
    say(house, merge(PLAIN, DOE))
    (answer,) = say(house, tell("A37", PLAIN.pid, DOE.pid, at="20260302120000"))
    assert (code(answer), "must part them" in answer.decode()) == ("AA", True)
    after = filing_of(house)
    assert after.studies["A1"] == ("review", "")
    assert after.studies["P1"][0].startswith("bound")
    assert after.numbers[DOE.patient_id] == PLAIN.patient_id


def test_a_deleted_record_is_marked_its_waiting_exams_end_and_later_news_brings_it_back(house: House) -> None:
    say(house, *history())
    (answer,) = say(house, tell("A23", DOE.pid, pv1("V1")))
    assert (code(answer), "for a person" in answer.decode()) == ("AA", True)
    assert step_states(house, "A1") == ["CANCELED"]
    assert step_states(house, "P1") == ["SCHEDULED"]
    with house.store.read() as tx:
        assert [one.patient_id for one in queues.deleted_records(tx, 10)] == [DOE.patient_id]
    assert filing_of(house).orders["A1"][0] == DOE.patient_id
    (answer,) = say(house, adt(DOE, "A08", at="20260302110000"))
    assert "in use again" in answer.decode()
    with house.store.read() as tx:
        assert queues.deleted_records(tx, 10) == []


def test_a_person_added_who_is_on_record_is_updated_with_a_warning(house: House) -> None:
    say(house, adt(PLAIN))
    renamed = cast.renamed(PLAIN, "HALVORSEN-BERG^INGRID")
    (answer,) = say(house, tell("A28", renamed.pid))
    assert (code(answer), "on record already" in answer.decode()) == ("AA", True)


def test_what_a_rule_bound_by_grace_of_a_merge_waits_again_when_that_is_taken_back(
    make_house: Callable[..., House],
) -> None:
    """PLAIN's number with DOE's name: only while the two are one person does the name agree."""
    clock = FixedClock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
    house = make_house(clock)
    say(house, adt(PLAIN), adt(DOE))
    receive(house, image(cast.renamed(PLAIN, DOE.name, DOE.birth_date), "", study="2.25.4711"))
    clock.at += timedelta(minutes=1)
    say(house, merge(PLAIN, DOE))
    with house.store.read() as tx:
        found = studies.by_uid(tx, "2.25.4711")
        assert found is not None
        assert (found.is_bound, found.rule) == (True, "B03")
    clock.at += timedelta(minutes=1)
    undo(house, 1)
    with house.store.read() as tx:
        after = studies.by_uid(tx, "2.25.4711")
        assert after is not None
        assert (after.is_bound, after.held_from_patient_key) == (False, found.patient_key)
        assert "taken back" in after.sentence
