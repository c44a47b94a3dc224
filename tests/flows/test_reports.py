"""Reports find their exams, close them and follow them, on both databases."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from bridge.domain.identifiers import PatientIdentifier, digest_of
from bridge.domain.order import OrderDraft, StepDraft, StepStatus
from bridge.domain.patient import PatientDraft
from bridge.domain.report import Report, ReportStatus
from bridge.flows.enter_order import Entry
from bridge.flows.replay_message import replay_message
from bridge.flows.undo_merge import MergeUndoer
from bridge.mapping.typed_orders import TypedOrder
from bridge.store import audit, events, messages, orders, patients, reports
from bridge.store.tables import messages as messages_table
from bridge.store.tables import reports as reports_table
from bridge.wiring import House
from tests.cast import MERGED, NEAR_TWIN, PLAIN, STRANGER, adt, merge, order, report, study_uid
from tests.flows.asking import say, worklist_of
from tests.flows.test_orders import code, error_of

MakeHouse = Callable[..., House]

PDF = b"%PDF-1.4\n% an invented report\n"
DOCUMENT = f"OBX|3|ED|PDF^Signed report^L||RIS^application^pdf^Base64^{base64.b64encode(PDF).decode()}||||||F\r"
STUDY = f"OBX|4|ST|113014^DICOM Study^DCM||{study_uid('A1')}||||||O\r"


def all_reports(house: House) -> list[Report]:
    with house.store.read() as tx:
        return reports.get_many(tx, tx.execute(reports_table.select().order_by(reports_table.c.key)).scalars())


def only_report(house: House) -> Report:
    (found,) = all_reports(house)
    return found


def status_of(house: House, accession: str = "A1") -> StepStatus:
    with house.store.read() as tx:
        (found,) = orders.by_accession(tx, accession)
        assert {step.status for step in orders.steps_of(tx, found.key)} == {found.status}
    return found.status


def timeline(house: House, accession: str = "A1") -> list[str]:
    with house.store.read() as tx:
        (found,) = orders.by_accession(tx, accession)
        return [line.what for line in events.timeline(tx, [found.key], [])]


def owner_of(house: House, found: Report) -> str:
    assert found.patient_key is not None
    with house.store.read() as tx:
        return patients.survivor(tx, found.patient_key).primary.patient_id


def undo(house: House) -> None:
    undoer = MergeUndoer(house.store, house.clock, house.rules, house.destinations)
    undoer.undo(1, "two people after all", "user:intake")


def is_filed(house: House, found: Report, accession: str = "A1") -> bool:
    with house.store.read() as tx:
        (ordered,) = orders.by_accession(tx, accession)
    return found.order_key == ordered.key and found.patient_key == ordered.patient_key


def test_a_final_report_is_filed_with_its_exam_and_closes_it(make_house: MakeHouse) -> None:
    house = make_house()
    answers = say(house, adt(PLAIN), order(PLAIN, "A1"), report(PLAIN, "A1"))

    assert [code(answer) for answer in answers] == ["AA", "AA", "AA"]
    found = only_report(house)
    assert is_filed(house, found)
    assert (found.content.status, found.content.impression) == (ReportStatus.FINAL, "No acute finding.")
    assert found.content.interpreters == ("BRANDT^EVA^^DR",)
    assert status_of(house) == StepStatus.COMPLETED
    assert worklist_of(house) == []
    assert timeline(house)[-2:] == [
        "Final report received: CT CHEST WITH CONTRAST",
        "Exam completed: its report says so",
    ]


def test_the_timeline_names_the_message_that_brought_the_report(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1"))

    with house.store.read() as tx:
        (ordered,) = orders.by_accession(tx, "A1")
        lines = events.timeline(tx, [ordered.key], [])
        (version,) = reports.versions(tx, only_report(house).key)
        said = messages.get(tx, int(lines[-1].source_id))
    assert said.message_type == "ORU^R01"
    assert version.message_key == int(lines[-1].source_id)


def test_the_audit_names_whose_report_came(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1"))

    with house.store.read() as tx:
        newest = audit.recent(tx, limit=1)[0]
    assert newest.patient_key == only_report(house).patient_key


def test_a_preliminary_report_leaves_the_exam_open(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1", "P"))

    assert only_report(house).content.status == ReportStatus.PRELIMINARY
    assert status_of(house) == StepStatus.SCHEDULED


def test_a_cancelled_exam_is_not_revived_by_its_report(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "CA", at="20260302090000"), report(PLAIN, "A1"))

    assert is_filed(house, only_report(house))
    assert status_of(house) == StepStatus.CANCELED


def test_a_report_that_comes_before_its_order_finds_it_and_closes_it(make_house: MakeHouse) -> None:
    house = make_house()
    (early,) = say(house, report(PLAIN, "A1"))

    assert code(early) == "AA"
    assert "waits for" in error_of(early)
    assert only_report(house).order_key is None
    say(house, order(PLAIN, "A1"))

    assert is_filed(house, only_report(house))
    assert status_of(house) == StepStatus.COMPLETED
    assert worklist_of(house) == []


@pytest.mark.parametrize("control", ["NA", "XO"])
def test_a_report_that_came_before_its_order_s_number_is_filed_with_the_number(
    make_house: MakeHouse, control: str
) -> None:
    house = make_house()
    other = b"|A9|A9|A9|"
    unnumbered = order(PLAIN, "A1").replace(b"FA1^RIVRIS", b"").replace(b"|A1|A1|A1|", other)
    waiting = report(PLAIN, "A1").replace(b"PA1^RIVEHR", b"").replace(b"|A1||||", b"|||||")
    say(house, unnumbered, waiting)
    assert only_report(house).waits_for

    say(house, order(PLAIN, "A1", control, at="20260302090500").replace(b"|A1|A1|A1|", other))

    assert is_filed(house, only_report(house), "A9")
    assert status_of(house, "A9") == StepStatus.COMPLETED


def test_a_report_that_comes_before_its_order_is_typed_finds_it(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), report(PLAIN, "A1"))
    typed = OrderDraft(
        "NW", accession_number="A1", study_instance_uid=study_uid("A1"), steps=(StepDraft(modality="CT"),)
    )
    entry = Entry(house.store, house.clock, house.rules, house.destinations, house.stations_for)
    patient = PatientDraft((PatientIdentifier(PLAIN.patient_id, "RIVERSIDE"),))
    entry.enter_order(TypedOrder(typed, patient), "user:maria")

    assert is_filed(house, only_report(house))
    assert status_of(house) == StepStatus.COMPLETED


def test_a_report_that_waits_registers_nobody(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, report(PLAIN, "A1"))

    with house.store.read() as tx:
        assert patients.find(tx, PatientIdentifier(PLAIN.patient_id, "RIVERSIDE")) is None


def test_a_laboratory_s_result_leaves_nothing_but_its_place_in_the_journal(make_house: MakeHouse) -> None:
    house = make_house()
    (answer,) = say(house, report(PLAIN, "L77").replace(b"||CT|F|", b"||CH|F|"))

    assert code(answer) == "AA"
    assert "journal alone" in error_of(answer)
    assert all_reports(house) == []
    with house.store.read() as tx:
        assert len(tx.execute(messages_table.select()).all()) == 1
        assert patients.find(tx, PatientIdentifier(PLAIN.patient_id, "RIVERSIDE")) is None


def test_a_report_is_found_by_its_study_where_it_names_no_number(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), report(PLAIN, "", numbered=False, extra=STUDY))

    assert is_filed(house, only_report(house))


def test_a_number_without_its_issuer_finds_the_one_order_of_that_patient(make_house: MakeHouse) -> None:
    house = make_house()
    bare = report(PLAIN, "A1").replace(b"^RIVRIS", b"").replace(b"^RIVEHR", b"")
    say(house, order(PLAIN, "A1"), order(PLAIN, "A2"), bare)

    assert is_filed(house, only_report(house))


def test_the_same_number_of_another_issuer_is_another_order(make_house: MakeHouse) -> None:
    house = make_house()
    other = report(PLAIN, "A1").replace(b"FA1^RIVRIS", b"FA1^LABSYS").replace(b"PA1^RIVEHR", b"PA1^WARD")
    say(house, order(PLAIN, "A1"), other.replace(b"|A1||||", b"|||||"))

    assert only_report(house).waits_for
    assert status_of(house) == StepStatus.SCHEDULED


def test_a_report_that_waits_for_another_patient_is_no_earlier_version(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, report(STRANGER, "A1", text="Somebody else's finding."))
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1", at="20260302130000"))

    waiting, filed = all_reports(house)
    assert is_filed(house, filed)
    assert waiting.patient_key is None
    with house.store.read() as tx:
        told = [[version.content.impression for version in reports.versions(tx, one.key)] for one in (waiting, filed)]
    assert told == [["Somebody else's finding."], ["No acute finding."]]


def test_a_report_about_another_patient_s_exam_is_refused_and_nothing_is_filed(make_house: MakeHouse) -> None:
    house = make_house()
    answers = say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), report(STRANGER, "A1"))

    assert code(answers[-1]) == "AE"
    assert "|205^" in error_of(answers[-1])
    assert all_reports(house) == []
    assert status_of(house) == StepStatus.SCHEDULED


def test_a_new_version_for_another_patient_is_refused_and_the_filed_one_stays(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(STRANGER), order(PLAIN, "A1"), report(PLAIN, "A1"))
    (answer,) = say(house, report(STRANGER, "A1", "C", at="20260302130000"))

    assert "|205^" in error_of(answer)
    assert only_report(house).content.status == ReportStatus.FINAL
    assert owner_of(house, only_report(house)) == PLAIN.patient_id


def test_the_same_number_with_another_name_and_birth_date_is_another_patient(make_house: MakeHouse) -> None:
    house = make_house()
    other = report(PLAIN, "A1").replace(PLAIN.name.encode(), STRANGER.name.encode())
    other = other.replace(PLAIN.birth_date.encode(), STRANGER.birth_date.encode())
    answers = say(house, adt(PLAIN), order(PLAIN, "A1"), other)

    assert code(answers[-1]) == "AE"
    assert "PID^1^5" in error_of(answers[-1])
    assert all_reports(house) == []


def test_numbers_of_two_patients_exams_are_refused(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(STRANGER, "A2"))
    (answer,) = say(house, report(STRANGER, "A2", extra=STUDY))

    assert "|205^" in error_of(answer)
    assert all_reports(house) == []


def test_a_refused_report_can_be_replayed_once_the_patients_are_one(make_house: MakeHouse) -> None:
    house = make_house()
    refused = report(MERGED, "A1")
    say(house, adt(PLAIN), adt(MERGED), order(PLAIN, "A1"), refused, merge(PLAIN, MERGED))

    with house.store.read() as tx:
        key = next(row.key for row in tx.execute(messages_table.select()) if row.raw == refused)
    assert replay_message(house.store, house.receiver, key, "user:it") == "applied"
    assert is_filed(house, only_report(house))


def test_a_patient_number_that_nobody_has_yet_lets_the_report_wait_for_the_merge(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(MERGED), order(MERGED, "A1"), report(PLAIN, "A1"))
    assert only_report(house).order_key is None
    assert status_of(house) == StepStatus.SCHEDULED

    say(house, merge(PLAIN, MERGED))
    assert is_filed(house, only_report(house))
    assert status_of(house) == StepStatus.COMPLETED


def test_a_merge_takes_reports_along_and_its_undo_brings_them_back(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(NEAR_TWIN), order(NEAR_TWIN, "A1"), report(NEAR_TWIN, "A1"), merge(PLAIN, NEAR_TWIN))
    assert owner_of(house, only_report(house)) == PLAIN.patient_id
    assert is_filed(house, only_report(house))

    undo(house)
    assert owner_of(house, only_report(house)) == NEAR_TWIN.patient_id
    assert is_filed(house, only_report(house))


def test_what_came_during_a_merge_goes_with_its_own_patient_when_that_is_undone(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(NEAR_TWIN), order(NEAR_TWIN, "A1"), merge(PLAIN, NEAR_TWIN), report(NEAR_TWIN, "A1"))
    assert owner_of(house, only_report(house)) == PLAIN.patient_id

    undo(house)
    assert owner_of(house, only_report(house)) == NEAR_TWIN.patient_id
    assert is_filed(house, only_report(house))


def test_a_report_that_named_the_survivor_leaves_the_exam_that_an_undo_takes_back(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(NEAR_TWIN), order(NEAR_TWIN, "A1"), merge(PLAIN, NEAR_TWIN), report(PLAIN, "A1"))
    undo(house)

    found = only_report(house)
    assert (found.patient_key, found.order_key) == (None, None)
    assert "another's" in found.waits_for


def test_an_order_that_moves_to_another_patient_leaves_its_report_behind(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), report(PLAIN, "A1", "P"))
    say(house, order(STRANGER, "A1", "XO", at="20260302110000"))

    assert only_report(house).order_key is None


def test_a_correction_is_a_new_version_that_stands(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1"))
    say(house, report(PLAIN, "A1", "C", at="20260302130000", text="Nodule on the left."))

    found = only_report(house)
    assert (found.current, found.content.status) == (2, ReportStatus.CORRECTED)
    assert found.content.impression == "Nodule on the left."
    with house.store.read() as tx:
        kept = [(one.number, one.content.status) for one in reports.versions(tx, found.key)]
    assert kept == [(1, ReportStatus.FINAL), (2, ReportStatus.CORRECTED)]


def test_an_older_draft_that_comes_late_is_kept_and_changes_nothing(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1"))
    (late,) = say(house, report(PLAIN, "A1", "P", at="20260302110000", text="Perhaps a nodule."))

    assert code(late) == "AA"
    assert "kept as an earlier version" in error_of(late)
    found = only_report(house)
    assert (found.current, found.content.status) == (1, ReportStatus.FINAL)
    with house.store.read() as tx:
        assert len(reports.versions(tx, found.key)) == 2


def test_a_draft_never_takes_over_from_what_was_signed_however_late_it_is_sent(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1"), report(PLAIN, "A1", "P", at="20260302150000"))

    assert only_report(house).content.status == ReportStatus.FINAL


def test_an_old_version_that_is_sent_again_later_goes_by_when_it_was_issued(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1", "C", at="20260302130000", text="Corrected."))
    say(house, report(PLAIN, "A1", "F", at="20260302160000", issued="20260302120000"))

    assert only_report(house).content.status == ReportStatus.CORRECTED


def test_the_same_report_under_another_control_id_adds_no_version(make_house: MakeHouse) -> None:
    house = make_house()
    message = report(PLAIN, "A1")
    again = message.replace(b"|ORU^R01|R", b"|ORU^R01|S")
    answers = say(house, order(PLAIN, "A1"), message, again)

    assert "nothing changed" in error_of(answers[-1])
    with house.store.read() as tx:
        assert len(reports.versions(tx, only_report(house).key)) == 1
    assert timeline(house).count("Final report received: CT CHEST WITH CONTRAST") == 1


def test_a_withdrawn_report_stays_withdrawn_though_its_original_comes_late(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1", "W", at="20260302130000"), report(PLAIN, "A1"))

    found = only_report(house)
    assert found.is_withdrawn
    assert status_of(house) == StepStatus.SCHEDULED


def test_a_document_is_kept_with_the_version_that_brought_it(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1", extra=DOCUMENT))

    (document,) = only_report(house).content.documents
    assert (document.title, document.content_type, document.digest) == (
        "Signed report",
        "application/pdf",
        digest_of(PDF),
    )
    assert house.blobs.path_of(document.digest).read_bytes() == PDF


def test_a_refused_message_files_none_of_its_reports(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(STRANGER), order(PLAIN, "A1"), order(STRANGER, "A2"))
    second = "OBR|2|PA2^RIVEHR|FA2^RIVRIS|71260^CT^C4|||||||||||||||A2||||||CT|F\r"
    (answer,) = say(house, report(PLAIN, "A1", extra=second))

    assert "OBR" in error_of(answer) or "PID" in error_of(answer)
    assert all_reports(house) == []
    assert status_of(house) == StepStatus.SCHEDULED


def test_a_test_message_s_report_never_reaches_a_real_exam(make_house: MakeHouse) -> None:
    house = make_house(hl7={"senders": "any"})
    say(house, order(PLAIN, "A1"), report(PLAIN, "A1", processing_id="T"))

    found = only_report(house)
    assert found.is_test
    assert found.order_key is None
    assert status_of(house) == StepStatus.SCHEDULED
