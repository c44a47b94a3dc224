"""Two patients in one study are parted by a person, and joined again: originals stay, copies leave under UIDs of ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pydicom
import pytest
from pydicom.dataset import Dataset

from bridge.clock import FixedClock
from bridge.domain.attachment import AttachmentKind, AttachmentState
from bridge.domain.identifiers import PatientIdentifier, derive_uid
from bridge.domain.incident import SHOW_AGAIN
from bridge.domain.study import Study, StudyState
from bridge.errors import Conflict, Incomplete
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.decide_study import Deciding, decide_questioned
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.record_incident import OutsideTasks
from bridge.flows.resolve_mismatch import Ruling
from bridge.flows.split_study import StudySplitter
from bridge.store import authorizations, decisions, incidents, rejections, splits, studies
from bridge.store.served_objects import Sight, find
from bridge.store.tables import deliveries
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, study_uid
from tests.flows.asking import say, study_by_uid, study_of, typed_authorization
from tests.flows.test_images import receive, resolver
from tests.flows.test_incidents import leave
from tests.flows.test_rejections import desk, note

MakeHouse = Callable[..., House]


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    return found


def strange(number: int = 1, series: int = 2) -> Dataset:
    """Return an image of the study A1 that names somebody else, and points at its neighbour."""
    found = image(STRANGER, "A1", number, series=series)
    found.AccessionNumber = ""
    reference = Dataset()
    reference.ReferencedSOPClassUID = found.SOPClassUID
    reference.ReferencedSOPInstanceUID = f"{found.SeriesInstanceUID}.2"
    found.SourceImageSequence = [reference]
    return found


def mixed(house: House) -> Study:
    """Receive a study of two patients."""
    receive(house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2), strange(1), strange(2))
    return study_of(house, "A1")


def splitter(house: House) -> StudySplitter:
    return StudySplitter(house.store, house.blobs, house.clock, house.rules, house.destinations, house.image_sources)


def split(house: House, *uids: str) -> Study:
    wanted = uids or (f"{study_uid('A1')}.2",)
    return splitter(house).split(study_uid("A1"), wanted, "two people on one list", "user:maria")


def shown(house: House, uid: str) -> list[str]:
    with house.store.read() as tx:
        found = find(tx, (uid, "", ""), Sight(unbound=True))
    return [one.instance.sop_instance_uid for one in found.objects] if found else []


def test_each_part_is_bound_to_its_own_patient_by_rule(house: House) -> None:
    before = mixed(house)
    assert (before.state, before.rule) == (StudyState.REVIEW, "V02")
    new = split(house)
    rest = study_of(house, "A1")
    assert rest.is_bound
    assert new.is_bound
    assert new.patient_key != rest.patient_key == before.held_from_patient_key
    assert shown(house, rest.study_instance_uid) == [f"{study_uid('A1')}.1.1", f"{study_uid('A1')}.1.2"]
    assert len(shown(house, new.study_instance_uid)) == 2


def test_what_was_split_off_names_only_its_new_uids_and_says_the_old(house: House) -> None:
    mixed(house)
    new = split(house)
    with house.store.read() as tx:
        contents = studies.contents(tx, new.key)
        held = [one for group in contents.instances.values() for one in group]
    first, second = (pydicom.dcmread(house.blobs.path_of(one.blob)) for one in held)
    assert [one.SOPInstanceUID for one in (first, second)] == [one.sop_instance_uid for one in held]
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    assert first.StudyInstanceUID == second.StudyInstanceUID == new.study_instance_uid
    assert first.SourceImageSequence[0].ReferencedSOPInstanceUID == second.SOPInstanceUID
    old = first.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (old.StudyInstanceUID, old.SOPInstanceUID) == (study_uid("A1"), f"{study_uid('A1')}.2.1")
    assert first.PixelData == strange(1).PixelData


def test_joined_again_the_study_is_as_it_was(house: House) -> None:
    mixed(house)
    new = split(house)
    with house.store.read() as tx:
        (made,) = splits.of_study(tx, new.key)
    splitter(house).join(made.key, "it was one person", "user:maria")
    whole = study_of(house, "A1")
    assert (whole.is_bound, whole.rule) == (False, "V02")
    assert len(shown(house, whole.study_instance_uid)) == 4
    assert shown(house, new.study_instance_uid) == []
    with pytest.raises(Conflict):
        splitter(house).join(made.key, "again", "user:maria")
    again = split(house)
    assert again.study_instance_uid == new.study_instance_uid
    assert len(shown(house, again.study_instance_uid)) == 2


def test_one_image_of_a_series_is_split_off_and_its_original_that_comes_again_stays_out(house: House) -> None:
    receive(house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2), strange(3, series=1))
    new = split(house, f"{study_uid('A1')}.1.3")
    receive(house, strange(3, series=1))
    assert len(shown(house, study_uid("A1"))) == 2
    assert len(shown(house, new.study_instance_uid)) == 1


def test_a_late_image_of_the_other_patient_puts_the_study_before_a_person_again(house: House) -> None:
    mixed(house)
    new = split(house)
    receive(house, strange(3))
    assert study_of(house, "A1").rule == "V02"
    again = split(house)
    assert again.key != new.key
    assert study_of(house, "A1").is_bound


def test_what_had_left_of_it_is_an_incident_and_a_task(house: House) -> None:
    receive(house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2))
    bound = study_of(house, "A1")
    leave(house, bound)
    receive(house, strange(1))
    resolver(house).resolve(study_uid("A1"), Ruling("bind", "all hers", "user:maria", accession_number="A1"))
    leave(house, study_of(house, "A1"))
    new = split(house)
    with house.store.read() as tx:
        (found,) = incidents.of_study(tx, new.key)
        tasks = incidents.tasks(tx, is_open=True, limit=9, study_key=new.key)
    assert (found.wrong_patient_key, found.right_patient_key) == (bound.patient_key, new.patient_key)
    assert ("copy", "PACS", 1) in [(one.kind.value, one.recipient, one.count) for one in found.disclosures]
    assert [one.destination for one in tasks] == ["PACS"]


def test_what_cannot_be_split_says_why(house: House) -> None:
    mixed(house)
    with pytest.raises(Incomplete):
        split(house, "1.2.3")
    with pytest.raises(Conflict):
        split(house, f"{study_uid('A1')}.1", f"{study_uid('A1')}.2")
    with pytest.raises(Incomplete):
        splitter(house).split(study_uid("A1"), [f"{study_uid('A1')}.2"], " ", "user:maria")
    with pytest.raises(LookupError):
        splitter(house).split("1.2.3", ["1.2.3.4"], "why", "user:maria")


def ct(number: int, series: int) -> Dataset:
    """Return an image that names the patient of the worklist entry, whoever lay on the table."""
    return image(PLAIN, "A1", number, series=series)


def one_header(house: House) -> Study:
    """Receive two patients' images under one worklist entry."""
    receive(house, ct(1, 1), ct(2, 1), ct(1, 2), ct(2, 2))
    return study_of(house, "A1")


def state_of(house: House, uid: str) -> Study:
    return study_by_uid(house.store, uid)


def test_two_parts_of_one_header_are_not_both_given_to_one_patient_by_a_rule(house: House) -> None:
    before = one_header(house)
    new = split(house)
    rest = study_of(house, "A1")
    assert rest.patient_key == before.patient_key
    assert (new.state, new.rule, new.patient_key) == (StudyState.REVIEW, "V02", None)
    say(house, order(PLAIN, "A7"))
    assert not state_of(house, new.study_instance_uid).is_bound


def test_two_parts_that_wait_for_one_patient_are_not_both_bound_once_it_is_known(make_house: MakeHouse) -> None:
    house = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    one_header(house)
    new = split(house)
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    bound = [one for one in (study_of(house, "A1"), state_of(house, new.study_instance_uid)) if one.is_bound]
    assert len(bound) == 1


def test_what_a_person_took_back_is_not_bound_again_by_splitting_it(house: House) -> None:
    one_header(house)
    resolver(house).resolve(study_uid("A1"), Ruling("unbind", "two people", "user:maria"))
    assert not split(house).is_bound
    assert not study_of(house, "A1").is_bound


def test_what_questions_the_whole_questions_the_part(house: House) -> None:
    mixed(house)
    new = split(house)
    assert new.is_bound
    with house.store.write() as tx:
        decisions.add_signal(tx, study_uid("A1"), "110514", "1.2.3", house.clock.now())
        decide_questioned(tx, study_of(house, "A1"), Deciding(house.rules, house.destinations, house.clock.now()))
    part = state_of(house, new.study_instance_uid)
    assert (part.state, part.rule) == (StudyState.REVIEW, "V03")
    assert study_of(house, "A1").rule == "V03"


@pytest.mark.parametrize(("title", "is_bound"), [("113001", True), ("113037", False)])
def test_a_note_about_an_original_rejects_its_copy(house: House, title: str, is_bound: bool) -> None:
    mixed(house)
    new = split(house)
    leave(house, new)
    receive(house, note(title, strange(1)))
    part = state_of(house, new.study_instance_uid)
    assert part.is_bound == is_bound
    assert len(shown(house, part.study_instance_uid)) == 1
    with house.store.read() as tx:
        tasks = incidents.tasks(tx, is_open=True, limit=9, study_key=new.key)
    assert [one.destination for one in tasks] == ["PACS"]


def bind(house: House, accession: str = "A1") -> None:
    resolver(house).resolve(study_uid("A1"), Ruling("bind", "it is hers", "user:maria", accession_number=accession))


def test_a_late_image_of_a_series_that_was_split_off_leaves_for_nobody_before_a_person_says_whose_it_is(
    house: House,
) -> None:
    before = one_header(house)
    split(house)
    receive(house, ct(3, 2))
    late = study_of(house, "A1")
    assert (late.state, late.rule, late.held_from_patient_key) == (StudyState.REVIEW, "V02", before.patient_key)
    say(house, order(PLAIN, "A7"))
    assert not study_of(house, "A1").is_bound
    with house.store.read() as tx:
        assert {row.state for row in tx.execute(deliveries.select()) if row.study_key == late.key} == {"held"}


def test_a_person_is_asked_once_for_each_series_and_the_image_that_asked_can_follow_the_others(house: House) -> None:
    one_header(house)
    split(house)
    receive(house, ct(3, 2))
    bind(house)
    receive(house, ct(4, 2), ct(3, 1))
    assert study_of(house, "A1").is_bound
    receive(house, ct(1, 3))
    assert study_of(house, "A1").rule == "V02"
    again = split(house, f"{study_uid('A1')}.2", f"{study_uid('A1')}.3")
    assert study_of(house, "A1").is_bound
    assert len(shown(house, again.study_instance_uid)) == 3
    receive(house, ct(4, 1))
    assert study_of(house, "A1").is_bound
    receive(house, ct(5, 2))
    assert study_of(house, "A1").rule == "V02"


def test_a_late_image_of_a_series_of_which_single_images_were_split_off_asks_only_if_it_names_the_part_s_patient(
    house: House,
) -> None:
    receive(house, ct(1, 1), ct(2, 1), strange(3, series=1))
    split(house, f"{study_uid('A1')}.1.3")
    receive(house, ct(4, 1))
    assert study_of(house, "A1").is_bound
    split(house, f"{study_uid('A1')}.1.2")
    receive(house, ct(5, 1))
    assert study_of(house, "A1").rule == "V02"


def test_a_late_image_of_a_series_that_was_split_off_while_nobody_was_known_is_bound_by_no_rule(
    make_house: MakeHouse,
) -> None:
    house = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    one_header(house)
    new = split(house)
    receive(house, ct(3, 2))
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    assert study_of(house, "A1").rule == "V02"
    bind(house)
    assert study_of(house, "A1").is_bound
    assert not state_of(house, new.study_instance_uid).is_bound


def test_once_a_split_is_joined_again_a_late_image_is_its_study_s_as_any(house: House) -> None:
    before = one_header(house)
    new = split(house)
    receive(house, ct(3, 2))
    with house.store.read() as tx:
        (made,) = splits.of_study(tx, new.key)
    splitter(house).join(made.key, "it was one person", "user:maria")
    whole = study_of(house, "A1")
    assert (whole.is_bound, whole.patient_key) == (True, before.patient_key)
    receive(house, ct(4, 2), ct(1, 3))
    assert study_of(house, "A1").is_bound
    assert len(shown(house, whole.study_instance_uid)) == 7


def test_a_late_image_that_a_note_rejected_before_it_came_asks_nobody(house: House) -> None:
    one_header(house)
    split(house)
    receive(house, note("113001", ct(3, 2)), ct(3, 2))
    assert study_of(house, "A1").is_bound


def test_a_late_image_whose_rejection_is_taken_back_asks_as_if_it_had_come_now(house: House) -> None:
    one_header(house)
    split(house)
    receive(house, note("113001", ct(3, 2)), ct(3, 2))
    with house.store.read() as tx:
        (said,) = rejections.of_study(tx, study_uid("A1"))
    desk(house).decide(said.key, "undo", "sharp enough", "user:maria")
    assert study_of(house, "A1").rule == "V02"


def test_a_late_image_that_somebody_answered_for_asks_no_more_when_its_rejection_is_taken_back(house: House) -> None:
    one_header(house)
    split(house)
    receive(house, ct(3, 2))
    bind(house)
    receive(house, note("113001", ct(3, 2)))
    with house.store.read() as tx:
        (said,) = rejections.of_study(tx, study_uid("A1"))
    desk(house).decide(said.key, "undo", "sharp enough", "user:maria")
    assert study_of(house, "A1").is_bound


def split_twice(house: House) -> tuple[Study, Study]:
    """Split two series off, and one of them off that part; a person says whose the last is."""
    receive(house, ct(1, 1), strange(1), strange(1, series=3))
    part = split(house, f"{study_uid('A1')}.2", f"{study_uid('A1')}.3")
    with house.store.read() as tx:
        first = studies.contents(tx, part.key).series[0].series_instance_uid
    last = splitter(house).split(part.study_instance_uid, [first], "and a third one", "user:maria")
    ruling = Ruling("bind", "asked", "user:maria", patient=PatientIdentifier(STRANGER.patient_id))
    resolver(house).resolve(last.study_instance_uid, ruling)
    last = state_of(house, last.study_instance_uid)
    assert last.is_bound
    return part, last


def test_what_questions_the_whole_questions_what_was_split_off_its_part(house: House) -> None:
    _, last = split_twice(house)
    with house.store.write() as tx:
        decisions.add_signal(tx, study_uid("A1"), "110514", "1.2.3", house.clock.now() + timedelta(seconds=1))
        decide_questioned(tx, study_of(house, "A1"), Deciding(house.rules, house.destinations, house.clock.now()))
    after = state_of(house, last.study_instance_uid)
    assert (after.state, after.rule) == (StudyState.REVIEW, "V03")


def test_a_note_about_an_original_rejects_the_copy_of_its_copy(house: House) -> None:
    part, last = split_twice(house)
    receive(house, note("113001", strange(1)))
    assert shown(house, last.study_instance_uid) == []
    assert len(shown(house, part.study_instance_uid)) == 1


@pytest.mark.parametrize("taken", ["study", "series"])
def test_nothing_is_split_into_a_study_or_series_of_another_origin(house: House, taken: str) -> None:
    mixed(house)
    own = study_uid("A1")
    other = image(PLAIN, "A9", study=derive_uid(own, "split", own, "1") if taken == "study" else "2.25.4711")
    if taken == "series":
        other.SeriesInstanceUID = derive_uid(f"{own}.2", "split", own, "1")
    receive(house, other)
    with pytest.raises(Conflict) as refused:
        split(house)
    assert refused.value.code == "uid_taken"
    assert len(shown(house, own)) == 4


@pytest.mark.parametrize("is_done", [False, True])
def test_what_was_asked_for_about_rejected_copies_ends_with_the_rejection(house: House, is_done: bool) -> None:
    mixed(house)
    new = split(house)
    leave(house, new)
    receive(house, note("113001", strange(1)))
    with house.store.read() as tx:
        (rejection,) = rejections.of_study(tx, new.study_instance_uid)
        (task,) = incidents.tasks(tx, is_open=True, limit=9, study_key=new.key)
    if is_done:
        OutsideTasks(house.store, house.clock).done(task.key, "rejected there", "user:maria")
    desk(house).decide(rejection.key, "undo", "sharp enough", "user:maria")
    with house.store.read() as tx:
        asked = [one.what for one in incidents.tasks(tx, is_open=True, limit=9, study_key=new.key)]
    assert asked == ([SHOW_AGAIN] if is_done else [])


def test_an_attachment_that_shows_what_was_split_off_goes_before_a_person(house: House) -> None:
    one_header(house)
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    typed = typed_authorization("PA1", PLAIN, "A1")
    key = entry.enter(typed, "user:bill")
    attacher = ImageAttacher(house.store, house.clock, house.destinations)
    chosen = (f"{study_uid('A1')}.2.1",)
    (made,) = attacher.attach(key, study_uid("A1"), [AttachmentKind.CLAIM], chosen, actor="user:bill")
    split(house)
    with house.store.read() as tx:
        assert authorizations.get_attachment(tx, made.key).state == AttachmentState.REVIEW
