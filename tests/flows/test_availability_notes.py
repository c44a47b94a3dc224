"""What archives say they have: taken at the door, shown where a study's copies stand, and never a promise to keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import InstanceAvailabilityNotification as NOTIFICATION
from pynetdicom.sop_class import StorageCommitmentPushModel
from sqlalchemy import update

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.domain.availability import Availability
from bridge.domain.identifiers import PatientIdentifier
from bridge.flows.note_availability import forget_unknown
from bridge.flows.remove_archived import RemovalRule, remove_archived, what_would_go
from bridge.store import patients, stated_copies, studies
from bridge.store.listings import exam_detail
from bridge.store.stated_copies import StatedCopy
from bridge.store.tables import forwards
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, spooled, study_uid
from tests.fakes.clinic import CT_STORAGE
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.flows.test_retrievals import running
from tests.flows.test_stored_objects import commit, receive

MakeHouse = Callable[..., House]
TEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
UID = study_uid("A1")
PEERS = [
    {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"},
    {"ae_title": "PACS", "host": "127.0.0.1", "port": 1, "roles": ["archive"]},
    {"ae_title": "VIEWER", "host": "127.0.0.1", "port": 1, "roles": ["viewer"]},
]


@pytest.fixture
def house(make_house: MakeHouse) -> Iterator[House]:
    """A house behind a running door."""
    made = make_house(FixedClock(TEN), dicom={"port": 0, "peers": PEERS})
    with running(made) as port:
        made.__dict__["door"] = port
        yield made


@contextmanager
def calling(house: House, title: str = "PACS", syntax: str = ExplicitVRLittleEndian) -> Iterator[Any]:
    """Be *title* at the door; also with a commitment context, so that the association stands either way."""
    entity = AE(title)
    entity.add_requested_context(NOTIFICATION, syntax)
    entity.add_requested_context(StorageCommitmentPushModel)
    association = entity.associate("127.0.0.1", house.__dict__["door"], ae_title="BRIDGE")
    try:
        yield association
    finally:
        association.release()


def note(*numbers: int, availability: str = "ONLINE", study: str = UID, url: str = "") -> Dataset:
    """What an archive says of these images of A1."""
    said = Dataset()
    said.StudyInstanceUID, said.ReferencedPerformedProcedureStepSequence = study, []
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = f"{study}.1", []
    for number in numbers:
        one = Dataset()
        one.ReferencedSOPClassUID = CT_STORAGE
        one.ReferencedSOPInstanceUID = image(PLAIN, "A1", number).SOPInstanceUID
        one.InstanceAvailability, one.RetrieveAETitle = availability, "PACS_QR"
        if url:
            one.RetrieveURL = url
        series.ReferencedSOPSequence.append(one)
    said.ReferencedSeriesSequence = [series]
    return said


def tell(house: House, said: Dataset, uid: str | None = None, syntax: str = ExplicitVRLittleEndian) -> tuple[int, Any]:
    """Send a note as PACS; return the status and the SOP Instance UID of the answer."""
    commands: list[Dataset] = []
    with calling(house, syntax=syntax) as association:
        association.bind(evt.EVT_DIMSE_RECV, lambda event: commands.append(event.message.command_set))
        answer, _ = association.send_n_create(said, NOTIFICATION, uid)
    return answer.Status, commands[-1].get("AffectedSOPInstanceUID")


def arrive(house: House, *numbers: int) -> None:
    for number in numbers:
        house.instances.receive(spooled(house, image(PLAIN, "A1", number)))


def stated(house: House, study: str = UID) -> list[StatedCopy]:
    with house.store.read() as tx:
        return stated_copies.of_study(tx, study)


def lines(house: House) -> list[str]:
    with house.store.read() as tx:
        found = exam_detail.find(tx, "A1", unbound=True)
    return [line.what for line in found.timeline if line.by == "PACS"]


def whole_exam(house: House) -> None:
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    arrive(house, 1, 2)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_what_an_archive_says_is_kept_before_the_answer_which_names_the_uid(house: House, syntax: str) -> None:
    status, uid = tell(house, note(1, 2, url="https://pacs.example/rs"), None, syntax)
    assert status == 0x0000
    assert str(uid).startswith("2.25.")
    (copy,) = stated(house)
    assert (copy.ae_title, copy.counts, copy.here) == ("PACS", {Availability.ONLINE: 2}, 0)
    assert (copy.retrieve_ae_titles, copy.retrieve_url) == (("PACS_QR",), "https://pacs.example/rs")
    with house.store.read() as tx:
        assert studies.by_uid(tx, UID) is None
        assert patients.find(tx, PatientIdentifier(PLAIN.patient_id, "RIVERSIDE")) is None


def test_a_note_that_comes_again_is_a_duplicate_and_undoes_nothing(house: House) -> None:
    assert tell(house, note(1), "2.25.77") == (0x0000, "2.25.77")
    house.clock.at += timedelta(hours=1)  # type: ignore[attr-defined]
    assert tell(house, note(1, availability="OFFLINE"), "2.25.78")[0] == 0x0000
    assert tell(house, note(1), "2.25.77")[0] == 0x0111
    (copy,) = stated(house)
    assert copy.counts == {Availability.OFFLINE: 1}
    assert copy.since == TEN + timedelta(hours=1)


def without(said: Dataset, *path: str) -> None:
    for keyword in path[:-1]:
        said = said[keyword].value[0]
    delattr(said, path[-1])


def put(said: Dataset, value: Any, *path: str) -> None:
    for keyword in path[:-1]:
        said = said[keyword].value[0]
    setattr(said, path[-1], value)


ITEM = ("ReferencedSeriesSequence", "ReferencedSOPSequence")
STEPS = "ReferencedPerformedProcedureStepSequence"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_the_table_requires_is_asked_for_with_the_standard_s_statuses(house: House) -> None:
    faults: list[tuple[int, Callable[[Dataset], None]]] = [
        *(
            (0x0120, lambda said, path=path: without(said, *path))  # type: ignore[misc]
            for path in (
                ("StudyInstanceUID",),
                (STEPS,),
                ("ReferencedSeriesSequence",),
                ("ReferencedSeriesSequence", "SeriesInstanceUID"),
                ITEM,
                (*ITEM, "ReferencedSOPClassUID"),
                (*ITEM, "InstanceAvailability"),
                (*ITEM, "RetrieveAETitle"),
            )
        ),
        (0x0120, lambda said: put(said, [Dataset()], STEPS)),
        (0x0121, lambda said: put(said, "", "StudyInstanceUID")),
        (0x0121, lambda said: put(said, [], *ITEM)),
        (0x0121, lambda said: put(said, "", *ITEM, "InstanceAvailability")),
        (0x0106, lambda said: put(said, "SOON", *ITEM, "InstanceAvailability")),
        (0x0106, lambda said: put(said, "1.2.840..5", *ITEM, "ReferencedSOPInstanceUID")),
        (0x0106, lambda said: put(said, "https://pacs/" + "x" * 3000, *ITEM, "RetrieveURL")),
    ]
    with calling(house) as association:
        for expected, spoil in faults:
            said = note(1)
            spoil(said)
            answer, _ = association.send_n_create(said, NOTIFICATION, "2.25.99")
            assert answer.Status == expected, answer
            assert answer.ErrorComment
        assert association.send_n_create(note(1), NOTIFICATION, "2.25.99")[0].Status == 0x0000
        assert association.send_n_create(note(1), NOTIFICATION, "2.25.09..1")[0].Status == 0x0117
    assert [copy.counts for copy in stated(house)] == [{Availability.ONLINE: 1}]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_list_that_cannot_be_read_is_refused_and_the_association_goes_on(house: House) -> None:
    with calling(house) as association:
        deep = note(1)
        for _ in range(20):
            around = Dataset()
            around.ReferencedSeriesSequence = [deep]
            deep = around
        assert association.send_n_create(deep, NOTIFICATION, "2.25.1")[0].Status == 0x0106
        large = note(1)
        large.RetrieveURL = "x" * (5 << 20)
        assert association.send_n_create(large, NOTIFICATION, "2.25.1")[0].Status == 0x0213
        assert association.send_n_create(note(1), NOTIFICATION, "2.25.1")[0].Status == 0x0000


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("title", ["CT1", "VIEWER"])
def test_only_an_archive_s_word_is_taken(house: House, title: str) -> None:
    with calling(house, title) as association:
        assert NOTIFICATION not in [context.abstract_syntax for context in association.accepted_contexts]


def test_whichever_comes_first_the_study_says_where_else_it_is_whole(house: House) -> None:
    tell(house, note(1, 2))
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    assert lines(house) == ["PACS has 2 instances online, none is here"]
    arrive(house, 1, 2)
    assert lines(house) == ["PACS has 2 of 2 instances online"]
    arrive(house, 3)
    assert lines(house) == []
    tell(house, note(3))
    assert lines(house) == ["PACS has 3 of 3 instances online"]
    tell(house, note(2, availability="UNAVAILABLE"))
    assert lines(house) == ["PACS says that 1 of its instances cannot be retrieved"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_study_page_and_the_api_show_what_an_archive_says(house: House) -> None:
    whole_exam(house)
    tell(house, note(1, 2))
    desk = Console(house)
    with house.store.read() as tx:
        key = studies.key_by_uid(tx, UID)
    page = desk.browser(Role.VIEWER).get(f"/studies/{key}").text
    assert "2 of 2 online" in page
    assert "not sent from here" in page
    (copy,) = desk.browser(Role.VIEWER).get(f"/api/studies/{UID}").get_json()["copies"]
    assert (copy["archive"], copy["forwarded"], copy["committed"]) == ("PACS", 0, 0)
    assert copy["says"]["instances"] == {"online": 2, "nearline": 0, "offline": 0, "unavailable": 0}
    assert copy["says"]["online_of_ours"] == 2
    assert copy["says"]["since"] == "2026-03-02T10:00:00.000+00:00"


def test_what_an_archive_says_it_has_is_no_commitment_and_nothing_is_removed_for_it(house: House) -> None:
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    kept = receive(house)
    commit(house, kept, "PACS", state="asked")
    tell(house, note(1))
    rule, later = RemovalRule(after_days=30, archives=("PACS",)), FixedClock(TEN + timedelta(days=100))
    assert what_would_go(house.store, rule, later.now()) == []
    assert remove_archived(house.store, house.blobs, later, rule).objects == 0
    with house.store.write() as tx:
        tx.execute(update(forwards).values(commitment="committed"))
    assert remove_archived(house.store, house.blobs, later, rule).objects == 1


def test_only_what_nobody_else_ever_named_is_forgotten(house: House) -> None:
    whole_exam(house)
    tell(house, note(1, 2))
    tell(house, note(1, study="2.25.424242"))
    assert forget_unknown(house.store, TEN + timedelta(days=89)) == 0
    assert forget_unknown(house.store, TEN + timedelta(days=91)) == 1
    assert [len(stated(house, study)) for study in (UID, "2.25.424242")] == [1, 0]
