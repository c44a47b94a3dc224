"""Notes of whoever ordered an exam are kept for their patient, edited, replaced and cancelled, on both databases."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest

from bridge.domain.identifiers import PatientIdentifier, digest_of
from bridge.flows.keep_house import forget_facts
from bridge.store import clinical_notes, objects, patients
from bridge.store.tables import clinical_notes as table
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, Person, adt, document, merge
from tests.flows.asking import say
from tests.flows.test_orders import code, error_of
from tests.flows.test_reports import DOCUMENT, PDF, undo

MakeHouse = Callable[..., House]
LATER, LAST = "20260302130000", "20260302140000"


def of(house: House, person: Person) -> list[tuple[str, str]]:
    """Return first text and status of the notes about a person."""
    with house.store.read() as tx:
        found = patients.find(tx, PatientIdentifier(person.patient_id, "RIVERSIDE"))
        assert found is not None
        rows = clinical_notes.of_patient(tx, patients.survivor(tx, found.key).key, house.rules)
    return [(one.content.sections[0].text if one.content.sections else "", one.content.status.value) for one in rows]


def kept(house: House) -> int:
    with house.store.read() as tx:
        return len(tx.execute(table.select()).all())


@pytest.mark.parametrize(
    ("completion", "availability", "status"),
    [
        ("LA", "AV", "final"),
        ("AU", "", "final"),
        ("DO", "AV", "preliminary"),
        ("", "AV", "preliminary"),
        ("LA", "CA", "withdrawn"),
        ("LA", "OB", "withdrawn"),
    ],
)
def test_completion_and_availability_say_whether_a_note_counts(
    make_house: MakeHouse, completion: str, availability: str, status: str
) -> None:
    house = make_house()
    (_, answer) = say(house, adt(PLAIN), document(PLAIN, "Pain.", completion=completion, availability=availability))
    assert (code(answer), of(house, PLAIN)) == ("AA", [("Pain.", status)])


def test_a_note_names_the_message_that_said_it_and_who_wrote_it(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), document(PLAIN))
    with house.store.read() as tx:
        (row,) = tx.execute(table.select()).all()
    assert (row.kind, row.author, row.written_local) == ("History and physical", "OYELARAN^TOLU", "20260220090000")
    assert (row.message_key, row.identity) == (2, "OFFICE|D1")


def test_a_document_that_is_no_note_stays_in_the_journal_alone(make_house: MakeHouse) -> None:
    house = make_house()
    (_, answer) = say(house, adt(PLAIN), document(PLAIN, kind="DS^Discharge summary^HL70270", extra=DOCUMENT))
    assert (code(answer), kept(house)) == ("AA", 0)
    assert "journal alone" in answer.decode()


def test_a_note_without_its_number_or_header_is_refused(make_house: MakeHouse) -> None:
    house = make_house()
    plain = document(PLAIN)
    bare = b"\r".join(line for line in plain.split(b"\r") if not line.startswith(b"TXA"))
    (_, first, second) = say(house, adt(PLAIN), plain.replace(b"D1^OFFICE", b""), bare)
    assert (code(first), code(second), kept(house)) == ("AE", "AE", 0)
    assert ("TXA-12" in first.decode() or "TXA^1^12" in error_of(first), "TXA" in second.decode()) == (True, True)


def test_an_edit_replaces_the_text_and_a_cancellation_withdraws_it(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), document(PLAIN, "Pain."), document(PLAIN, "Worse pain.", "T08", at=LATER))
    assert of(house, PLAIN) == [("Worse pain.", "final")]
    say(house, document(PLAIN, "", "T11", kind="", at=LAST))
    assert of(house, PLAIN) == [("Worse pain.", "withdrawn")]
    say(house, document(PLAIN, "Pain again.", "T08", at=LATER))
    assert of(house, PLAIN) == [("Worse pain.", "withdrawn")]


def test_a_cancellation_that_overtakes_its_note_counts(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), document(PLAIN, "", "T11", at=LATER), document(PLAIN, "Pain."))
    assert [status for _, status in of(house, PLAIN)] == ["withdrawn"]


def test_a_status_change_signs_a_draft_and_nothing_unsigns_it(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), document(PLAIN, "Pain.", completion="IP"), document(PLAIN, "Pain.", "T04", at=LATER))
    assert of(house, PLAIN) == [("Pain.", "final")]
    say(house, document(PLAIN, "Draft.", "T08", completion="IP", at=LAST))
    assert of(house, PLAIN) == [("Pain.", "final")]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_replacement_withdraws_what_it_replaces_whichever_comes_first(make_house: MakeHouse, is_late: bool) -> None:
    house = make_house()
    both = [document(PLAIN, "Old."), document(PLAIN, "New.", "T10", number="D2", parent="D1^OFFICE", at=LATER)]
    say(house, adt(PLAIN), *(reversed(both) if is_late else both))
    assert sorted(of(house, PLAIN)) == [("New.", "final"), ("Old.", "withdrawn")]


def test_a_cancellation_under_another_persons_number_cancels_nothing(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(STRANGER), document(PLAIN, "Pain."), document(STRANGER, "", "T11", at=LATER))
    assert of(house, PLAIN) == [("Pain.", "final")]


def test_a_note_about_nobody_known_waits_for_the_number(make_house: MakeHouse) -> None:
    house = make_house()
    (answer,) = say(house, document(PLAIN, "Pain."))
    assert (code(answer), kept(house)) == ("AA", 1)
    assert "kept for nobody" in answer.decode()
    say(house, adt(PLAIN))
    assert of(house, PLAIN) == [("Pain.", "final")]


def test_a_merge_takes_notes_along_and_its_undoing_brings_them_back(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(NEAR_TWIN), document(NEAR_TWIN, "Pain."), merge(PLAIN, NEAR_TWIN))
    assert of(house, PLAIN) == [("Pain.", "final")]
    undo(house)
    assert (of(house, PLAIN), of(house, NEAR_TWIN)) == ([], [("Pain.", "final")])


def test_a_notes_document_is_kept_as_long_as_the_note(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), document(PLAIN, extra=DOCUMENT))
    digest = digest_of(PDF)
    assert base64.b64encode(PDF).decode() in DOCUMENT
    with house.blobs.at_hand(digest) as path:
        assert path.read_bytes() == PDF
    with house.store.read() as tx:
        assert objects.named(tx, [digest]) == {digest}
    assert forget_facts(house.store, house.clock.now() + timedelta(days=401)) == 1
    with house.store.read() as tx:
        assert objects.named(tx, [digest]) == set()


def test_an_edit_that_names_another_person_does_not_become_what_is_known_of_this_one(make_house: MakeHouse) -> None:
    house = make_house()
    wrong = Person(PLAIN.patient_id, STRANGER.name, STRANGER.birth_date, STRANGER.sex)
    say(house, adt(PLAIN), document(PLAIN, "Pain."), document(wrong, "Cough.", "T08", at=LATER))
    assert of(house, PLAIN) == [("Pain.", "final")]
    say(house, document(wrong, "Cough.", "T10", number="D2", parent="D1^OFFICE", at=LAST))
    assert of(house, PLAIN) == [("Pain.", "final")]


def test_an_edit_that_does_not_say_when_leaves_the_day_of_the_visit(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), document(PLAIN), document(PLAIN, "Worse.", "T08", written="", at=LATER))
    with house.store.read() as tx:
        (row,) = tx.execute(table.select()).all()
    assert (row.written_local, row.sections[0][1]) == ("20260220090000", "Worse.")
