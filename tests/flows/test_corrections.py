"""What lies over a study, version by version: bindings, what people correct, and what they take back."""

from __future__ import annotations

from collections.abc import Callable

import pydicom
import pytest
from pydicom.dataset import Dataset

from bridge.clock import FixedClock
from bridge.domain.overlay import OverlayVersion, VersionKind
from bridge.domain.study import StudyState
from bridge.errors import BridgeError, Conflict, Incomplete, Malformed
from bridge.flows.correct_study import Correction, StudyCorrector
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.flows.search_studies import Asker
from bridge.store import audit, deliveries, events, overlays, publications, studies
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, Person, adt, image, merge, order, spooled, study_uid
from tests.fakes.clinic import AT
from tests.flows.asking import IMPLICIT, encode_query, say, study_by_uid

MakeHouse = Callable[..., House]
UID = study_uid("A1")


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house with one bound study of PLAIN, and an archive."""
    found = make_house(
        FixedClock(AT), dicom={"peers": [{"ae_title": "PACS", "host": "127.0.0.1", "port": 1, "roles": ["archive"]}]}
    )
    say(found, adt(PLAIN), order(PLAIN, "A1"))
    received = image(PLAIN, "A1")
    received.StudyDescription, received.ReferringPhysicianName = "CT CHST", "BRANT^EVA"
    received.RequestAttributesSequence = [Dataset()]
    received.RequestAttributesSequence[0].RequestedProcedureID = "A1"
    found.instances.receive(spooled(found, received, "CT1"))
    return found


def corrector(house: House) -> StudyCorrector:
    return StudyCorrector(house.store, house.blobs, house.clock, house.destinations)


def versions(house: House) -> list[OverlayVersion]:
    with house.store.read() as tx:
        study = studies.by_uid(tx, UID)
        assert study is not None
        return overlays.of_study(tx, study.key)


def state(house: House) -> StudyState:
    return study_by_uid(house.store, UID).state


def leaving(house: House, uid: str = UID) -> tuple[bytes, Dataset]:
    """Return the study's object as a viewer gets it."""
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", uid
    with house.search.open(encode_query(query), IMPLICIT, Asker("WS1")) as objects:
        (one,) = list(objects)
        with one.at_hand() as path:
            return path.read_bytes(), pydicom.dcmread(path)


def correct(house: House, **values: str) -> OverlayVersion:
    return corrector(house).correct(UID, Correction(values, "spelling", "user:maria"))


def bind_to(house: House, person: Person, uid: str = UID) -> None:
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(uid, Ruling("unbind", "wrong", "user:maria"))
    say(house, adt(person), order(person, "B1"))
    resolver.resolve(uid, Ruling("bind", "asked the ward", "user:maria", "B1"))


def owed(house: House) -> int:
    with house.store.read() as tx:
        study = studies.by_uid(tx, UID)
        assert study is not None
        return len(publications.owed_instances(tx, study.key, "PACS", overlays.current(tx, study).since))


def test_a_binding_is_the_first_version(house: House) -> None:
    (first,) = versions(house)
    assert (first.number, first.kind, first.actor) == (1, VersionKind.BOUND, "B01")
    assert {one.keyword for one in first.changes} <= {
        "IssuerOfPatientID",
        "PatientName",
        "IssuerOfAccessionNumberSequence",
    }


def test_what_a_person_corrects_leaves_so_with_who_changed_what_when(house: House) -> None:
    shown = corrector(house).preview(UID, {"StudyDescription": "CT CHEST"})
    assert [(one.keyword, one.before, one.after) for one in shown] == [("StudyDescription", "CT CHST", "CT CHEST")]
    version = correct(house, StudyDescription="CT CHEST", RequestedProcedureID="R7")
    assert (version.number, version.kind, version.why) == (2, VersionKind.CORRECTED, "spelling")
    assert state(house) == StudyState.BOUND_WITH_CORRECTION
    _, seen = leaving(house)
    assert (seen.StudyDescription, seen.RequestAttributesSequence[0].RequestedProcedureID) == ("CT CHEST", "R7")
    record = seen.OriginalAttributesSequence[-1]
    old = record.ModifiedAttributesSequence[0]
    assert (record.ReasonForTheAttributeModification, old.StudyDescription) == ("CORRECT", "CT CHST")
    assert old.RequestAttributesSequence[0].RequestedProcedureID == "A1"
    assert record.AttributeModificationDateTime.startswith("20260302150000")


def test_series_that_do_not_say_the_same_are_all_shown_and_all_corrected(house: House) -> None:
    other = image(PLAIN, "A1", 2)
    other.SeriesInstanceUID += ".2"
    other.StudyDescription, other.RequestingPhysician = "CT CHEST", "ODA^K"
    house.instances.receive(spooled(house, other, "CT1"))
    asked = {"StudyDescription": "CT CHEST", "RequestingPhysician": ""}
    seen = {one.keyword: (one.before, one.after) for one in corrector(house).preview(UID, asked)}
    assert seen == {
        "StudyDescription": ("CT CHST, or CT CHEST", "CT CHEST"),
        "RequestingPhysician": ("nothing, or ODA^K", ""),
    }
    standing = {one.keyword: one.value for one in corrector(house).standing(UID)}
    assert standing["StudyDescription"] == "CT CHST, or CT CHEST"
    assert {one.keyword: one.before for one in correct(house, **asked).changes} == {
        keyword: before for keyword, (before, _) in seen.items()
    }
    with pytest.raises(Conflict, match="nothing would leave otherwise"):
        correct(house, **asked)


def test_a_correction_is_on_the_timeline_and_in_the_trail_without_its_values(house: House) -> None:
    correct(house, StudyDescription="CT CHEST")
    with house.store.read() as tx:
        study = studies.by_uid(tx, UID)
        assert study is not None
        lines = [line.what for line in events.timeline(tx, [], [study.key])]
        (row,) = [row for row in audit.recent(tx, limit=50) if row.action == "study_corrected"]
    assert "Corrected on the way out: study description" in lines
    assert row.detail == {"version": 2, "attributes": ["StudyDescription"]}


def test_taking_a_correction_back_is_a_version_that_leaves_as_before(house: House) -> None:
    before, _ = leaving(house)
    correct(house, StudyDescription="CT CHEST")
    undone = corrector(house).undo(UID, 2, "it was right", "user:maria")
    assert (undone.kind, undone.undoes) == (VersionKind.UNDONE, 2)
    assert leaving(house)[0] == before
    assert state(house) == StudyState.BOUND
    again = corrector(house).undo(UID, 3, "no, it was not", "user:maria")
    assert [(one.before, one.after) for one in again.changes] == [("CT CHST", "CT CHEST")]
    assert leaving(house)[1].StudyDescription == "CT CHEST"
    assert [one.number for one in versions(house)] == [4, 3, 2, 1]


def test_an_undo_leaves_what_was_corrected_again_since(house: House) -> None:
    correct(house, StudyDescription="CT CHEST", AdmissionID="V1")
    correct(house, StudyDescription="CT CHEST W")
    corrector(house).undo(UID, 2, "other visit", "user:maria")
    _, seen = leaving(house)
    assert (seen.StudyDescription, "AdmissionID" in seen) == ("CT CHEST W", False)
    corrector(house).undo(UID, 3, "no contrast", "user:maria")
    assert leaving(house)[1].StudyDescription == "CT CHEST"
    with pytest.raises(Conflict):
        corrector(house).undo(UID, 3, "twice", "user:maria")


def test_the_archive_is_owed_what_leaves_otherwise_and_only_that(house: House) -> None:
    with house.store.write() as tx:
        study = studies.by_uid(tx, UID)
        assert study is not None
        taken = [(key, "0000", AT) for key in publications.owed_instances(tx, study.key, "PACS", 1)]
        publications.put_forwards(tx, study.key, "PACS", study.binding_version, taken)
    assert owed(house) == 0
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(UID, Ruling("unbind", "doubt", "user:maria"))
    resolver.resolve(UID, Ruling("bind", "no doubt", "user:maria", "A1"))
    assert [one.kind for one in versions(house)] == ["bound", "held", "bound"]
    assert owed(house) == 0
    correct(house, StudyDescription="CT CHEST")
    assert owed(house) == 1
    with house.store.read() as tx:
        assert [one.state for one in deliveries.search(tx) if one.topic == "archive"] == ["pending"]


def test_a_record_that_changes_makes_a_version_and_keeps_what_people_corrected(house: House) -> None:
    correct(house, StudyDescription="CT CHEST")
    renamed = Person(PLAIN.patient_id, "HALVORSEN-BERG^INGRID", PLAIN.birth_date, PLAIN.sex)
    say(house, adt(renamed, "A08", at="20260302140000"))
    newest = versions(house)[0]
    assert newest.kind == VersionKind.FOLLOWED
    assert [one.after for one in newest.changes] == ["HALVORSEN-BERG^INGRID"]
    _, seen = leaving(house)
    assert (str(seen.PatientName), seen.StudyDescription) == ("HALVORSEN-BERG^INGRID", "CT CHEST")


def test_a_change_of_the_record_that_nobody_sees_outside_makes_no_version(house: House) -> None:
    say(house, adt(PLAIN, "A08", at="20260302140000", extra="NK1|1|HALVORSEN^OLE\r"))
    assert len(versions(house)) == 1


def test_a_merge_keeps_what_people_corrected(house: House) -> None:
    correct(house, StudyDescription="CT CHEST")
    survivor = Person("00041099", PLAIN.name, PLAIN.birth_date, PLAIN.sex)
    say(house, adt(survivor), merge(survivor, PLAIN))
    _, seen = leaving(house)
    assert (seen.PatientID, seen.StudyDescription) == ("00041099", "CT CHEST")


def test_another_person_s_study_leaves_without_what_was_corrected_of_the_first_one_s(house: House) -> None:
    correct(house, StudyDescription="CT CHEST", AdmissionID="V1")
    bind_to(house, STRANGER)
    _, seen = leaving(house)
    assert (seen.PatientID, seen.StudyDescription, "AdmissionID" in seen) == (STRANGER.patient_id, "CT CHST", False)
    with pytest.raises(Conflict):
        corrector(house).undo(UID, 2, "too late", "user:maria")


def test_the_further_numbers_of_whom_the_images_are_not_do_not_leave_with_them(house: House) -> None:
    say(house, order(PLAIN, "A2"))
    received = image(PLAIN, "A2")
    received.OtherPatientIDs = "X77"
    received.OtherPatientIDsSequence = [Dataset()]
    received.OtherPatientIDsSequence[0].PatientID = "X78"
    house.instances.receive(spooled(house, received, "CT1"))
    uid = study_uid("A2")
    _, seen = leaving(house, uid)
    assert (seen.OtherPatientIDs, seen.OtherPatientIDsSequence[0].PatientID) == ("X77", "X78")
    bind_to(house, STRANGER, uid)
    _, seen = leaving(house, uid)
    assert seen.PatientID == STRANGER.patient_id
    assert "X78" not in str(seen.get("OtherPatientIDsSequence")) + str(seen.get("OtherPatientIDs"))
    kept = [one.ModifiedAttributesSequence[0] for one in seen.OriginalAttributesSequence]
    assert [(one.OtherPatientIDs, one.OtherPatientIDsSequence[0].PatientID) for one in kept] == [("X77", "X78")]
    MismatchResolver(house.store, house.clock, house.rules, house.destinations).resolve(
        uid, Ruling("unbind", "wrong", "user:maria")
    )
    MismatchResolver(house.store, house.clock, house.rules, house.destinations).resolve(
        uid, Ruling("bind", "right", "user:maria", "A2")
    )
    _, seen = leaving(house, uid)
    assert (seen.PatientID, seen.OtherPatientIDs) == (PLAIN.patient_id, "X77")


REFUSED: list[tuple[dict[str, str], type[BridgeError]]] = [
    ({"PatientName": "X^Y"}, Conflict),
    ({"PatientSex": "M"}, Conflict),
    ({"AccessionNumber": "A2"}, Conflict),
    ({"Laterality": "L"}, Incomplete),
    ({"StudyInstanceUID": "1.2.3"}, Incomplete),
    ({"StudyDate": "20260101"}, Incomplete),
    ({"OtherPatientIDs": "7"}, Incomplete),
    ({"StudyDescription": "CT CHST"}, Conflict),
    ({"StudyDescription": "X" * 65}, Malformed),
    ({"ProcedureCodeSequence": "71260"}, Malformed),
    ({}, Incomplete),
]


def test_what_may_not_be_corrected_is_refused_and_leaves_no_version(house: House) -> None:
    for values, refusal in REFUSED:
        with pytest.raises(refusal):
            correct(house, **values)
    assert len(versions(house)) == 1


def test_an_unbound_study_is_not_corrected(house: House) -> None:
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(UID, Ruling("unbind", "doubt", "user:maria"))
    with pytest.raises(Conflict) as refused:
        correct(house, StudyDescription="CT CHEST")
    assert refused.value.code == "not_bound"


def test_each_attribute_is_shown_as_received_beside_what_leaves(house: House) -> None:
    correct(house, StudyDescription="CT CHEST", ProcedureCodeSequence="71260^CT chest^C4")
    rows = corrector(house).rows(f"{UID}.1.1")
    (description,) = [row for row in rows if row.keyword == "StudyDescription" and not row.path]
    assert (description.tag, description.received, description.leaving) == ("(0008,1030)", "CT CHST", "CT CHEST")
    assert description.layer is not None
    assert description.layer.version == 2
    (code,) = [row for row in rows if row.path == ("ProcedureCodeSequence 1",) and row.keyword == "CodeValue"]
    assert (code.received, code.leaving) == (None, "71260")
    assert not any(row.is_changed for row in rows if row.keyword in ("SOPInstanceUID", "Modality", "StudyDate"))
