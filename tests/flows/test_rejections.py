"""Rejection notes withdraw what they name, and put in question what they doubt; a person may take every one back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import KeyObjectSelectionDocumentStorage

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.rejection import Rejection, RejectionState
from bridge.domain.study import StudyState
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.flows.reject_instances import RejectionDesk
from bridge.flows.resolve_mismatch import Ruling
from bridge.flows.search_studies import Asker
from bridge.store import decisions, publications, rejections, studies
from bridge.store.served_objects import Sight, find
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, adt, image, order, study_uid
from tests.flows.asking import encode_query, say, study_of
from tests.flows.test_images import receive, resolver, states

MakeHouse = Callable[..., House]


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house with a bound study of three images."""
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), adt(NEAR_TWIN), adt(STRANGER), order(PLAIN, "A1"))
    return found


def slices(count: int = 3, accession: str = "A1") -> list[Dataset]:
    return [image(PLAIN, accession, number) for number in range(1, count + 1)]


def note(title: str, *rejected: Dataset, number: int = 1, own: str = "", scheme: str = "DCM") -> Dataset:
    """Return a Key Object Selection of *rejected*, titled *title*. own: its study, that of the first unless given."""
    first = rejected[0]
    document = Dataset()
    for keyword in ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"):
        setattr(document, keyword, first.get(keyword))
    document.SpecificCharacterSet = "ISO_IR 192"
    document.SOPClassUID = KeyObjectSelectionDocumentStorage
    document.StudyInstanceUID = own or first.StudyInstanceUID
    document.SeriesInstanceUID = f"{document.StudyInstanceUID}.90{number}"
    document.SOPInstanceUID = f"{document.SeriesInstanceUID}.1"
    document.AccessionNumber, document.Modality = first.AccessionNumber, "KO"
    document.ConceptNameCodeSequence = [_code(title, scheme)]
    document.CurrentRequestedProcedureEvidenceSequence = [_evidence(one) for one in rejected]
    return document


def _code(value: str, scheme: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, "title"
    return code


def _evidence(named: Dataset) -> Dataset:
    reference, series, study = Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = named.SOPClassUID, named.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = named.SeriesInstanceUID, [reference]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = named.StudyInstanceUID, [series]
    return study


def shown(house: House, accession: str = "A1") -> list[str]:
    """Return the numbers of the instances that anybody outside gets."""
    with house.store.read() as tx:
        found = find(tx, (study_uid(accession), "", ""), Sight(unbound=True))
    return [one.instance.sop_instance_uid.rpartition(".")[2] for one in found.objects] if found else []


def standing(house: House, accession: str = "A1") -> list[Rejection]:
    with house.store.read() as tx:
        return rejections.of_study(tx, study_uid(accession))


def desk(house: House) -> RejectionDesk:
    return RejectionDesk(house.store, house.clock, house.rules, house.destinations)


@pytest.mark.parametrize("title", ["113001", "113039"])
def test_some_images_rejected_for_quality_or_retention_leave_and_the_patient_stays(house: House, title: str) -> None:
    one, two, three = slices()
    receive(house, one, two, three)
    before = study_of(house, "A1")
    receive(house, note(title, one, three))
    study = study_of(house, "A1")
    assert (study.state, study.patient_key) == (StudyState.BOUND, before.patient_key)
    assert study.binding_version > before.binding_version
    assert shown(house) == ["2"]
    with house.store.read() as tx:
        assert [one.instance_count for one in [studies.contents(tx, study.key)]] == [1]
        assert studies.count_instances(tx, study.key) == 4
        assert len(publications.owed_instances(tx, study.key, "PACS", 0)) == 1


@pytest.mark.parametrize("title", ["113037", "113038"])
def test_images_rejected_for_safety_or_a_wrong_entry_are_held_at_once(house: House, title: str) -> None:
    one, two = slices(2)
    receive(house, one, two)
    before = study_of(house, "A1")
    receive(house, note(title, one, two))
    study = study_of(house, "A1")
    assert (study.state, study.rule) == (StudyState.REVIEW, "V03")
    assert study.held_from_patient_key == before.patient_key
    assert {state for topic, state in states(house)} <= {"held"}
    assert shown(house) == []


def test_a_person_who_says_whose_a_rejected_study_is_shows_it_again(house: House) -> None:
    one, two = slices(2)
    receive(house, one, two, note("113038", one, two))
    resolver(house).resolve(study_uid("A1"), Ruling("bind", "entry was right", "user:maria", accession_number="A1"))
    assert study_of(house, "A1").is_bound
    assert shown(house) == ["1", "2"]
    assert [one.state for one in standing(house)] == [RejectionState.OVERRULED]


def test_what_was_rejected_of_a_study_that_goes_on_stays_rejected_when_a_person_keeps_it(house: House) -> None:
    one, two = slices(2)
    receive(house, one, two, note("113037", one))
    resolver(house).resolve(study_uid("A1"), Ruling("bind", "right all along", "user:maria", accession_number="A1"))
    assert study_of(house, "A1").is_bound
    assert shown(house) == ["2"]
    assert [one.state for one in standing(house)] == [RejectionState.APPLIED]


def test_a_study_whose_entry_was_doubted_before_its_images_came_is_never_bound_for_a_moment(house: House) -> None:
    one, two = slices(2)
    receive(house, note("113038", one, two), one, two)
    with house.store.read() as tx:
        made = decisions.of_study(tx, study_of(house, "A1").key)
    assert {(decision.patient_key, decision.rule) for decision in made} == {(None, "V03")}


def test_a_note_before_its_images_meets_them(house: House) -> None:
    one, two = slices(2)
    receive(house, note("113001", one), one, two)
    assert study_of(house, "A1").is_bound
    assert shown(house) == ["2"]


def test_a_safety_note_before_its_images_holds_them(house: House) -> None:
    one, two = slices(2)
    receive(house, note("113037", one, two), one, two)
    assert (study_of(house, "A1").rule, shown(house)) == ("V03", [])


def test_images_of_an_expired_study_may_come_again(house: House) -> None:
    one, two = slices(2)
    receive(house, one, two, note("113039", one, two))
    assert shown(house) == []
    receive(house, one)
    assert shown(house) == ["1"]
    receive(house, note("113001", two, number=2))
    assert shown(house) == ["1"]


def test_a_rejected_image_that_comes_again_stays_out_and_a_dangerous_one_is_refused(house: House) -> None:
    one, two = slices(2)
    receive(house, one, two, note("113001", one), one)
    assert shown(house) == ["2"]
    receive(house, note("113037", two, number=2))
    with pytest.raises(Conflict) as refused:
        receive(house, two)
    assert refused.value.code == "instance_rejected"


def test_the_same_note_again_changes_nothing(house: House) -> None:
    one, two = slices(2)
    said = note("113001", one)
    receive(house, one, two, said)
    version = study_of(house, "A1").binding_version
    receive(house, said)
    assert (study_of(house, "A1").binding_version, len(standing(house))) == (version, 1)


def test_a_rejection_that_is_taken_back_shows_what_it_hid(house: House) -> None:
    one, two = slices(2)
    receive(house, one, two, note("113001", one))
    (found,) = standing(house)
    with pytest.raises(Incomplete):
        desk(house).decide(found.key, "undo", " ", "user:maria")
    desk(house).decide(found.key, "undo", "read the wrong list", "user:maria")
    assert shown(house) == ["1", "2"]
    with pytest.raises(Conflict):
        desk(house).decide(found.key, "undo", "again", "user:maria")
    desk(house).decide(found.key, "apply", "it was right", "user:maria")
    assert shown(house) == ["2"]


def test_a_study_held_by_a_note_is_bound_again_when_that_is_taken_back(house: House) -> None:
    one, two = slices(2)
    receive(house, one, two)
    before = study_of(house, "A1")
    receive(house, note("113037", one, two))
    desk(house).decide(standing(house)[0].key, "undo", "sent by mistake", "user:maria")
    after = study_of(house, "A1")
    assert (after.is_bound, after.patient_key) == (True, before.patient_key)
    assert shown(house) == ["1", "2"]


def test_a_study_that_a_person_bound_is_theirs_again_when_the_note_is_taken_back(house: House) -> None:
    one, two = slices(2, accession="")
    receive(house, one, two)
    uid = str(one.StudyInstanceUID)
    resolver(house).resolve(
        uid, Ruling("bind", "asked her", "user:ana", patient=PatientIdentifier(NEAR_TWIN.patient_id, "RIVERSIDE"))
    )
    receive(house, note("113037", one, two))
    with house.store.read() as tx:
        (rejection,) = rejections.of_study(tx, uid)
    desk(house).decide(rejection.key, "undo", "the wrong study", "user:maria")
    with house.store.read() as tx:
        study = studies.by_uid(tx, uid)
    assert study is not None
    assert (study.is_bound, study.decided_by) == (True, "user:ana")


def test_a_doubt_that_a_person_overruled_before_does_not_keep_a_study_held_when_a_later_note_is_taken_back(
    house: House,
) -> None:
    one, two = slices(2)
    receive(house, note("113037", one, number=9, own="2.25.4711"), two)
    resolver(house).resolve(study_uid("A1"), Ruling("bind", "asked her", "user:ana", accession_number="A1"))
    receive(house, note("113038", two))
    assert not study_of(house, "A1").is_bound
    last = standing(house)[-1]
    desk(house).decide(last.key, "undo", "the wrong study", "user:maria")
    assert study_of(house, "A1").decided_by == "user:ana"


def test_a_number_that_somebody_got_meanwhile_does_not_keep_a_study_from_its_patient(house: House) -> None:
    one = image(replace(PLAIN, patient_id="00041077"), "A1")
    receive(house, one)
    assert study_of(house, "A1").rule == "B02"
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(hours=1)
    say(house, adt(replace(PLAIN, patient_id="00041077")))
    receive(house, note("113037", one))
    assert not study_of(house, "A1").is_bound
    desk(house).decide(standing(house)[0].key, "undo", "the wrong study", "user:maria")
    assert study_of(house, "A1").rule == "B02"


def test_a_study_that_was_doubted_before_it_came_is_decided_when_the_note_is_taken_back(house: House) -> None:
    one, two = slices(2)
    receive(house, note("113037", one, number=9, own="2.25.4711"))
    receive(house, two)
    assert study_of(house, "A1").rule == "V03"
    desk(house).decide(standing(house)[0].key, "undo", "the wrong study", "user:maria")
    assert study_of(house, "A1").is_bound


def test_two_notes_about_one_image_are_taken_back_one_by_one(house: House) -> None:
    one, two = slices(2)
    receive(house, one, two, note("113001", one), note("113039", one, number=2))
    first, second = standing(house)
    desk(house).decide(first.key, "undo", "sharp enough", "user:maria")
    assert shown(house) == ["2"]
    desk(house).decide(second.key, "undo", "kept longer", "user:maria")
    assert shown(house) == ["1", "2"]


def test_key_images_of_interest_are_an_object_like_any(house: House) -> None:
    one, two = slices(2)
    receive(house, one, two, note("113000", one), note("113001", one, number=2, scheme="99LOCAL"))
    assert len(shown(house)) == 4
    assert standing(house) == []


def test_a_note_reaches_the_studies_that_it_names_and_not_its_own(house: House) -> None:
    say(house, order(PLAIN, "A2"))
    one, two = slices(1)[0], slices(1, "A2")[0]
    receive(house, one, two, note("113001", two, own=study_uid("A1")))
    assert (shown(house, "A1"), shown(house, "A2")) == (["1"], [])


def test_an_image_that_is_another_study_s_than_the_note_says_stays(house: House) -> None:
    say(house, order(PLAIN, "A2"))
    one, two = slices(1)[0], slices(1, "A2")[0]
    wrong = note("113001", one)
    reference = wrong.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    reference.ReferencedSOPInstanceUID = two.SOPInstanceUID
    receive(house, one, two, wrong)
    assert (shown(house, "A1"), shown(house, "A2")) == (["1"], ["1"])


def test_a_referrer_rejects_only_what_it_sent_itself(make_house: MakeHouse) -> None:
    house = make_house(
        FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)),
        dicom={
            "peers": [
                {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"]},
                {"ae_title": "OFFICE", "host": "127.0.0.1", "port": 2, "roles": ["referrer"]},
            ]
        },
    )
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    one, two = slices(2)
    receive(house, one)
    receive(house, note("113001", one), calling="OFFICE")
    assert shown(house) == ["1"]
    (found,) = standing(house)
    assert found.state == RejectionState.NOT_ALLOWED
    desk(house).decide(found.key, "apply", "they are right", "user:maria")
    assert shown(house) == []
    receive(house, two, calling="OFFICE")
    receive(house, note("113001", two, number=2), calling="OFFICE")
    assert [one.state for one in standing(house)] == [RejectionState.APPLIED, RejectionState.APPLIED]


def test_a_note_that_names_nothing_or_no_uid_is_refused(house: House) -> None:
    one = slices(1)[0]
    empty = note("113001", one)
    empty.CurrentRequestedProcedureEvidenceSequence = []
    with pytest.raises(Incomplete):
        receive(house, empty)
    wrong = note("113001", one)
    wrong.CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID = "1.2.x"
    with pytest.raises(Malformed):
        receive(house, wrong)


def test_queries_find_no_study_of_which_everything_was_rejected(house: House) -> None:
    one, two = slices(2)
    receive(house, one, two)
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", study_uid("A1")
    query = encode_query(asked), "1.2.840.10008.1.2"
    assert len(house.search.find(*query, Asker("WS1"))) == 1
    receive(house, note("113001", one, two))
    assert study_of(house, "A1").is_bound
    assert house.search.find(*query, Asker("QA", unbound=True)) == []
