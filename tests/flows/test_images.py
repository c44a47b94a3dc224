"""Objects become studies that are bound by a rule or a person, or wait: what leaves follows the binding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from bridge.clock import FixedClock
from bridge.domain.attachment import AttachmentKind, AttachmentState
from bridge.domain.chart import OWN
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.study import StudyState
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.flows.search_studies import Asker
from bridge.flows.undo_merge import MergeUndoer
from bridge.store import authorizations, orders, patients, performed, studies
from bridge.store.tables import conflicting_instances, decisions, deliveries, events, mismatches
from bridge.wiring import House
from tests import cast
from tests.cast import MERGED, NEAR_TWIN, PLAIN, STRANGER, adt, image, merge, order, spooled, study_uid
from tests.flows.asking import encode_query, say, sent, study_of, typed_authorization
from tests.flows.test_orders import cast_mpps

MakeHouse = Callable[..., House]


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house at ten in the morning of the cast's day, that knows everybody."""
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), adt(NEAR_TWIN), adt(STRANGER))
    return found


def receive(house: House, *datasets: Dataset, calling: str = "CT1") -> None:
    for dataset in datasets:
        house.instances.receive(spooled(house, dataset, calling))


def states(house: House) -> list[tuple[str, str]]:
    """Return how the deliveries to others stand."""
    query = deliveries.select().where(deliveries.c.destination != OWN)
    with house.store.read() as tx:
        return sorted((row.topic, row.state) for row in tx.execute(query))


def resolver(house: House) -> MismatchResolver:
    return MismatchResolver(house.store, house.clock, house.rules, house.destinations)


def test_images_of_a_worklist_entry_are_bound_and_queued_for_the_chart(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2))
    study = study_of(house, "A1")
    assert (study.state, study.rule) == (StudyState.BOUND, "B01")
    assert states(house) == [("imaging_study", "pending")]


def test_the_same_object_again_stores_nothing(house: House) -> None:
    receive(house, image(PLAIN, "A1"), image(PLAIN, "A1"))
    with house.store.read() as tx:
        assert studies.count_instances(tx, study_of(house, "A1").key) == 1
        assert tx.execute(conflicting_instances.select()).all() == []


def test_another_object_under_a_taken_uid_is_kept_aside_and_refused(house: House) -> None:
    receive(house, image(PLAIN, "A1"))
    with pytest.raises(Conflict) as refused:
        receive(house, image(PLAIN, "A1", pixels=b"\x09\x09" * 32))
    assert refused.value.code == "duplicate_instance"
    with house.store.read() as tx:
        (kept,) = tx.execute(conflicting_instances.select()).all()
    assert house.blobs.path_of(kept.blob).exists()


def test_an_object_that_is_not_what_its_command_says_is_refused(house: House) -> None:
    wrong = spooled(house, image(PLAIN, "A1"))
    object.__setattr__(wrong, "affected_sop_instance_uid", "2.25.5")
    with pytest.raises(Malformed):
        house.instances.receive(wrong)


def test_an_image_of_nobody_known_waits_and_nothing_leaves(house: House) -> None:
    ghost = cast.Person("99999999", "NOBODY^KNOWN", "19111111", "F")
    receive(house, image(ghost, "A7"))
    assert study_of(house, "A7").state == StudyState.QUARANTINE
    assert states(house) == [("imaging_study", "held")]


def test_a_twin_s_image_under_a_patient_s_number_waits_for_a_person(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    wrong = image(PLAIN, "A1")
    wrong.PatientName = NEAR_TWIN.name
    receive(house, wrong)
    study = study_of(house, "A1")
    assert study.state == StudyState.REVIEW
    assert states(house) == [("imaging_study", "held")]
    with house.store.read() as tx:
        (case,) = tx.execute(mismatches.select()).all()
    assert case.closed_at is None


def test_registration_and_order_after_the_images_bind_them(house: House) -> None:
    late = cast.Person("00049999", "LINDQVIST^ASTRID", "19470223", "F")
    receive(house, image(late, "A5"))
    assert study_of(house, "A5").state == StudyState.QUARANTINE
    say(house, adt(late, at="20260302110000"), order(late, "A5", at="20260302110100"))
    study = study_of(house, "A5")
    assert study.state == StudyState.BOUND
    assert study.order_key is not None
    assert states(house) == [("imaging_study", "pending")]


def test_a_person_binds_and_takes_it_back(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    wrong = image(PLAIN, "A1")
    wrong.PatientName = NEAR_TWIN.name
    receive(house, wrong)
    resolver(house).resolve(study_uid("A1"), Ruling("bind", "wristband checked", "user:maria", accession_number="A1"))
    bound = study_of(house, "A1")
    assert bound.state == StudyState.BOUND_WITH_CORRECTION
    assert bound.decided_by == "user:maria"
    assert states(house) == [("imaging_study", "pending")]
    resolver(house).resolve(study_uid("A1"), Ruling("unbind", "picked the wrong one", "user:maria"))
    held = study_of(house, "A1")
    assert (held.state, held.held_from_patient_key) == (StudyState.REVIEW, bound.patient_key)
    with house.store.read() as tx:
        assert len(tx.execute(decisions.select()).all()) == 3


def test_a_decision_needs_a_reason(house: House) -> None:
    receive(house, image(PLAIN, "A1"))
    with pytest.raises(Incomplete):
        resolver(house).resolve(study_uid("A1"), Ruling("unbind", " ", "user:maria"))


def test_a_rejected_study_is_closed_and_stays_in_the_house(house: House) -> None:
    receive(house, image(cast.Person("1", "NOBODY^X", "19111111", "F"), "A7"))
    resolver(house).resolve(study_uid("A7"), Ruling("reject", "test image", "user:maria"))
    study = study_of(house, "A7")
    assert (study.state, study.closed_reason) == (StudyState.QUARANTINE, "test image")
    assert states(house) == [("imaging_study", "held")]


def test_a_merge_moves_a_bound_study_and_its_undo_brings_it_back(house: House) -> None:
    john = cast.renamed(MERGED, "DOE^JOHN", "19700101")
    say(house, adt(john), order(john, "A1"))
    receive(house, image(john, "A1"))
    before = study_of(house, "A1")
    say(house, merge(STRANGER, john))
    after = study_of(house, "A1")
    assert after.is_bound
    with house.store.read() as tx:
        holder = patients.find(tx, PatientIdentifier(STRANGER.patient_id, "RIVERSIDE"))
    assert holder is not None
    assert after.patient_key == holder.key
    MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(1, "two people after all", "user:maria")
    assert study_of(house, "A1").patient_key == before.patient_key


def test_a_wrong_worklist_entry_holds_what_was_bound(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    receive(house, image(PLAIN, "A1"))
    assert study_of(house, "A1").is_bound
    stop = cast_mpps("A1", "DISCONTINUED")
    reason = Dataset()
    reason.CodeValue, reason.CodingSchemeDesignator, reason.CodeMeaning = "110514", "DCM", "Incorrect worklist entry"
    stop.PerformedProcedureStepDiscontinuationReasonCodeSequence = [reason]
    house.performed_steps.set("2.25.77", sent(stop), "CT1")
    assert study_of(house, "A1").state == StudyState.REVIEW


def test_images_of_two_patients_in_one_study_hold_it(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1", 1))
    receive(house, image(STRANGER, "A1", 2))
    assert study_of(house, "A1").state == StudyState.REVIEW


def test_an_image_with_another_patient_s_order_number_holds_its_study(house: House) -> None:
    say(house, order(PLAIN, "A1"), order(STRANGER, "B1"))
    wrong = image(PLAIN, "A1", 2)
    wrong.AccessionNumber = "B1"
    receive(house, image(PLAIN, "A1", 1), wrong)
    held = study_of(house, "A1")
    assert (held.state, held.rule) == (StudyState.REVIEW, "V06")
    assert "OKAFOR" in held.sentence


def test_an_image_whose_other_order_number_turns_out_another_patient_s_holds_its_study(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    wrong = image(PLAIN, "A1", 2)
    wrong.AccessionNumber = "B1"
    receive(house, image(PLAIN, "A1", 1), wrong)
    assert study_of(house, "A1").is_bound
    say(house, order(STRANGER, "B1"))
    assert study_of(house, "A1").rule == "V06"


def test_images_of_two_orders_of_one_patient_stay_bound(house: House) -> None:
    say(house, order(PLAIN, "A1"), order(PLAIN, "A2"))
    other = image(PLAIN, "A1", 2)
    other.AccessionNumber = "A2"
    receive(house, image(PLAIN, "A1", 1), other)
    assert study_of(house, "A1").is_bound


def test_what_leaves_carries_the_record_s_identity_and_the_original_stays(house: House, tmp_path: Path) -> None:
    say(house, order(PLAIN, "A1"))
    typed = image(PLAIN, "A1")
    typed.PatientName = "halvorsen^ingrid"
    typed.PatientID = "41001"
    receive(house, typed)
    assert study_of(house, "A1").state == StudyState.BOUND_WITH_CORRECTION
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", study_uid("A1")
    with house.search.open(encode_query(query), "1.2.840.10008.1.2", Asker("WS1")) as objects:
        (leaving,) = list(objects)
        with leaving.at_hand() as path:
            seen = pydicom.dcmread(path)
    assert (seen.PatientID, str(seen.PatientName)) == (PLAIN.patient_id, PLAIN.name)
    assert seen.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientID == "41001"
    with house.store.read() as tx:
        kept = studies.instance_by_uid(tx, str(typed.SOPInstanceUID))
    assert kept is not None
    assert pydicom.dcmread(house.blobs.path_of(kept.blob)).PatientID == "41001"


_WRITTEN_OTHERWISE = {
    "no_number": {"PatientID": "UNKNOWN", "IssuerOfPatientID": ""},
    "another_spelling": {"PatientID": "41001", "IssuerOfPatientID": "", "PatientName": "HALVORSEN^INGRIDA"},
    "demographics": {"PatientSex": "M", "PatientBirthDate": "19580313"},
    "no_accession": {"AccessionNumber": ""},
}


def leaving(house: House, accession: str) -> list[tuple[Dataset, bool]]:
    """Return the objects of a study as a viewer gets them, and whether each is byte for byte as it was received."""
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", study_uid(accession)
    found: list[tuple[Dataset, bool]] = []
    with house.search.open(encode_query(query), "1.2.840.10008.1.2", Asker("WS1")) as objects:
        for one in objects:
            with house.store.read() as tx:
                kept = studies.instance_by_uid(tx, one.sop_instance_uid)
            assert kept is not None
            with one.at_hand() as path:
                same = path.read_bytes() == house.blobs.path_of(kept.blob).read_bytes()
                found.append((pydicom.dcmread(path), same))
    return found


@pytest.mark.parametrize("which", _WRITTEN_OTHERWISE)
def test_a_later_image_that_names_the_patient_otherwise_leaves_with_the_record_s_identity(
    house: House, which: str
) -> None:
    say(house, order(PLAIN, "A1"))
    first, second = image(PLAIN, "A1", 1), image(PLAIN, "A1", 2)
    with house.store.read() as tx:
        issuer = Dataset()
        issuer.LocalNamespaceEntityID = orders.by_accession(tx, "A1")[0].issuer_of_accession_number
    first.IssuerOfAccessionNumberSequence = [issuer]
    for keyword, value in _WRITTEN_OTHERWISE[which].items():
        setattr(second, keyword, value)
    receive(house, first, second)
    assert study_of(house, "A1").is_bound
    (first, first_is_same), (later, later_is_same) = leaving(house, "A1")
    assert (first_is_same, later_is_same) == (True, False)
    assert "OriginalAttributesSequence" not in first
    for keyword in ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex"):
        assert str(later.get(keyword)) == str(first.get(keyword)), keyword
    assert later.AccessionNumber == "A1"
    replaced = later.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert all(str(replaced.get(keyword, "")) == value for keyword, value in _WRITTEN_OTHERWISE[which].items())


def test_an_unbound_study_is_found_only_by_who_may_see_it(house: House) -> None:
    receive(house, image(cast.Person("1", "NOBODY^X", "19111111", "F"), "A7"))
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID, query.PatientName = "STUDY", "", ""
    asked = encode_query(query), "1.2.840.10008.1.2"
    assert house.search.find(*asked, Asker("WS1")) == []
    assert len(house.search.find(*asked, Asker("QA", unbound=True))) == 1


def test_a_performed_step_moves_its_scheduled_one_and_is_final_once(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    with pytest.raises(Conflict) as again:
        house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    assert again.value.code == "duplicate"
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "COMPLETED")), "CT1")
    with pytest.raises(Conflict) as final:
        house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "COMPLETED")), "CT1")
    assert final.value.code == "performed_step_final"
    with house.store.read() as tx:
        found = performed.by_uid(tx, "2.25.77")
    assert found is not None
    assert len(found.step_keys) == 1


def test_a_bound_study_goes_onto_its_patient_s_authorization_and_nobody_else_s(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1"))
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    attacher = ImageAttacher(house.store, house.clock, house.destinations)
    own = entry.enter(typed_authorization("PA1", PLAIN, "A1"), "user:bill")
    other = entry.enter(typed_authorization("PA2", STRANGER), "user:bill")
    (made,) = attacher.attach(own, study_uid("A1"), [AttachmentKind.CLAIM], actor="user:bill")
    assert made.state == AttachmentState.RELEASED
    with pytest.raises(Conflict) as refused:
        attacher.attach(other, study_uid("A1"), [AttachmentKind.CLAIM], actor="user:bill")
    assert refused.value.code == "other_patient"
    assert ("claim", "pending") in states(house)


def test_a_hold_takes_the_attachment_with_it(house: House) -> None:
    test_a_bound_study_goes_onto_its_patient_s_authorization_and_nobody_else_s(house)
    resolver(house).resolve(study_uid("A1"), Ruling("unbind", "doubt", "user:maria"))
    with house.store.read() as tx:
        (attachment,) = authorizations.attachments_of_study(tx, study_of(house, "A1").key)
    assert attachment.state == AttachmentState.REVIEW
    assert ("claim", "held") in states(house)
    resolver(house).resolve(study_uid("A1"), Ruling("bind", "it was right", "user:maria", accession_number="A1"))
    with house.store.read() as tx:
        (attachment,) = authorizations.attachments_of_study(tx, study_of(house, "A1").key)
    assert attachment.state == AttachmentState.RELEASED
    assert ("claim", "pending") in states(house)


def test_every_station_writes_its_line(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    receive(house, image(PLAIN, "A1"))
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(minutes=1)
    with house.store.read() as tx:
        stations = [row.station for row in tx.execute(events.select().order_by(events.c.key))]
    assert stations == ["order", "scheduled", "performed", "images", "reconciled"]


def test_odd_bytes_in_a_header_keep_no_object_out(make_house: MakeHouse) -> None:
    house = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    for number, keyword in enumerate(("PatientName", "PatientID", "SeriesDescription", "StationName"), 1):
        dataset = image(PLAIN, "A1", number)
        setattr(dataset, keyword, "AB\0C")
        dataset.SeriesInstanceUID = f"{dataset.SeriesInstanceUID}.{number}"
        dataset.NumberOfFrames = 9_999_999_999
        house.instances.receive(spooled(house, dataset))
    with house.store.read() as tx:
        found = studies.by_uid(tx, study_uid("A1"))
        assert found is not None
        assert studies.count_instances(tx, found.key) == 4
