"""Laboratory results are kept for whoever has the number now, corrected and withdrawn, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.domain.identifiers import PatientIdentifier
from bridge.flows.keep_house import forget_facts
from bridge.store import lab_results, patients
from bridge.store.tables import lab_results as table
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, Person, adt, lab, merge
from tests.flows.asking import say
from tests.flows.test_orders import code
from tests.flows.test_reports import all_reports, undo

MakeHouse = Callable[..., House]


def of(house: House, person: Person) -> list[tuple[str, str]]:
    """Return value and status of what stands for a person."""
    with house.store.read() as tx:
        found = patients.find(tx, PatientIdentifier(person.patient_id, "RIVERSIDE"))
        assert found is not None
        owner = patients.survivor(tx, found.key).key
        rows = lab_results.of_patient(tx, owner, house.rules)
    return [(one.content.value, one.content.status.value) for one in rows]


def kept(house: House) -> int:
    with house.store.read() as tx:
        return len(tx.execute(table.select()).all())


def test_a_result_is_kept_for_its_patient_with_the_message_that_said_it(make_house: MakeHouse) -> None:
    house = make_house()
    (_, answer) = say(house, adt(PLAIN), lab(PLAIN))
    assert code(answer) == "AA"
    assert (of(house, PLAIN), all_reports(house)) == ([("1.1", "final")], [])
    with house.store.read() as tx:
        (row,) = tx.execute(table.select()).all()
    assert (row.kind, row.units, row.observed_local, row.message_key) == ("creatinine", "mg/dL", "20260301080000", 2)


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("NM", "1.1", "1.1"),
        ("SN", ">^60", ">60"),
        ("SN", "^59", "59"),
        ("ST", "> 60", ">60"),
        ("ST", "hemolyzed", ""),
        ("SN", "^1^-^2", ""),
        ("NM", "", ""),
    ],
)
def test_a_value_is_one_number_or_a_bound(make_house: MakeHouse, kind: str, value: str, wanted: str) -> None:
    house = make_house()
    (_, answer) = say(house, adt(PLAIN), lab(PLAIN, value, kind=kind))
    assert code(answer) == "AA"
    assert of(house, PLAIN) == ([(wanted, "final")] if wanted else [])
    assert ("not a number" in answer.decode()) == (not wanted)


def test_what_no_table_knows_is_not_kept(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), lab(PLAIN, code="2951-2^Sodium^LN"))
    assert kept(house) == 0


def test_a_local_code_with_the_known_one_beside_it_is_read(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), lab(PLAIN, code="CREA^Creatinine^L^2160-0^Creatinine^LN"))
    assert of(house, PLAIN) == [("1.1", "final")]


def test_a_correction_replaces_and_a_withdrawal_withdraws(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), lab(PLAIN), lab(PLAIN, "1.4", "C", at="20260302130000"))
    assert of(house, PLAIN) == [("1.4", "corrected")]
    say(house, lab(PLAIN, "", "W", at="20260302140000"))
    assert of(house, PLAIN) == [("", "withdrawn")]
    say(house, lab(PLAIN, "1.5", "C", at="20260302133000"))
    assert of(house, PLAIN) == [("", "withdrawn")]


def test_a_draft_does_not_take_back_what_was_final(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), lab(PLAIN, "0.9", "P"), lab(PLAIN, at="20260302130000"))
    assert of(house, PLAIN) == [("1.1", "final")]
    say(house, lab(PLAIN, "2.2", "P", at="20260302140000"))
    assert of(house, PLAIN) == [("1.1", "final")]


def test_the_same_number_of_another_person_corrects_nothing(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(STRANGER), lab(PLAIN), lab(STRANGER, "9.9", "C", at="20260302130000"))
    assert (of(house, PLAIN), of(house, STRANGER)) == ([("1.1", "final")], [("9.9", "corrected")])


def test_a_result_of_nobody_known_is_kept_for_nobody_until_the_number_is_somebodys(make_house: MakeHouse) -> None:
    house = make_house()
    (answer,) = say(house, lab(PLAIN))
    assert (code(answer), kept(house)) == ("AA", 1)
    assert "kept for nobody" in answer.decode()
    say(house, adt(STRANGER))
    assert of(house, STRANGER) == []
    say(house, adt(PLAIN))
    assert of(house, PLAIN) == [("1.1", "final")]


def test_a_result_under_the_number_of_another_person_is_bound_to_nobody(make_house: MakeHouse) -> None:
    house = make_house()
    wrong = Person(PLAIN.patient_id, STRANGER.name, STRANGER.birth_date, STRANGER.sex)
    (_, answer) = say(house, adt(PLAIN), lab(wrong))
    assert (code(answer), kept(house), of(house, PLAIN)) == ("AA", 1, [])
    assert "kept for nobody" in answer.decode()


def test_a_merge_takes_results_along_and_its_undoing_brings_them_back(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(NEAR_TWIN), lab(NEAR_TWIN), merge(PLAIN, NEAR_TWIN))
    assert of(house, PLAIN) == [("1.1", "final")]
    say(house, lab(PLAIN, "1.4", "C", at="20260302130000"))
    assert of(house, PLAIN) == [("1.4", "corrected")]
    undo(house)
    assert (of(house, PLAIN), of(house, NEAR_TWIN)) == ([], [("1.4", "corrected")])


def test_a_number_with_two_people_behind_it_is_in_doubt(make_house: MakeHouse) -> None:
    house = make_house()
    both = lab(PLAIN).replace(b"^^^RIVERSIDE^MR", f"^^^RIVERSIDE^MR~{STRANGER.patient_id}^^^RIVERSIDE^MR".encode(), 1)
    (*_, answer) = say(house, adt(PLAIN), adt(STRANGER), both)
    assert (code(answer), kept(house)) == ("AA", 1)
    assert (of(house, PLAIN), of(house, STRANGER)) == ([], [])


def test_a_test_message_s_result_satisfies_nothing(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), lab(PLAIN).replace(b"|P|2.", b"|T|2.", 1))
    with house.store.read() as tx:
        assert [row.is_test for row in tx.execute(table.select())] in ([True], [])


def test_results_that_no_checklist_can_want_are_forgotten(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), lab(PLAIN))
    now = house.clock.now()
    assert (forget_facts(house.store, now), kept(house)) == (0, 1)
    assert (forget_facts(house.store, now.replace(year=now.year + 2, day=1)), kept(house)) == (1, 0)


def test_status_words_of_results_that_are_none_yet_are_left_out(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), lab(PLAIN, "", "I"))
    assert kept(house) == 0


def test_a_correction_that_names_another_person_does_not_become_what_is_known_of_this_one(
    make_house: MakeHouse,
) -> None:
    house = make_house()
    wrong = Person(PLAIN.patient_id, STRANGER.name, STRANGER.birth_date, STRANGER.sex)
    say(house, adt(PLAIN), lab(PLAIN), lab(wrong, "9.9", "C", at="20260302130000"))
    assert of(house, PLAIN) == [("1.1", "final")]
    say(house, lab(PLAIN, "1.4", "C", at="20260302140000"), lab(wrong, "8.8", "C", at="20260302150000"))
    assert (of(house, PLAIN), kept(house)) == ([("1.4", "corrected")], 2)


def test_of_two_people_under_a_number_that_nobody_has_neither_becomes_the_other(make_house: MakeHouse) -> None:
    house = make_house()
    wrong = Person(PLAIN.patient_id, STRANGER.name, STRANGER.birth_date, STRANGER.sex)
    say(house, lab(wrong, "9.9"), lab(PLAIN, "1.4", "C", at="20260302130000"), adt(PLAIN))
    assert of(house, PLAIN) == [("1.4", "corrected")]
