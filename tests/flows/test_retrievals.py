"""What leaves by query and retrieval: whose it is when it leaves, to whom it goes, and the trail of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, StoragePresentationContexts, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    ModalityWorklistInformationFind,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)
from sqlalchemy import update

from bridge.clock import FixedClock
from bridge.domain.study import StudyState
from bridge.errors import Conflict
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.flows.search_studies import Asker
from bridge.roles.dicom import DicomRole
from bridge.store import audit, studies
from bridge.store.audit import AuditRow
from bridge.store.tables import instances
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, Person, adt, image, order, spooled, study_uid
from tests.flows.asking import IMPLICIT, encode_query, say

MakeHouse = Callable[..., House]
TEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
NOBODY = Person("1", "NOBODY^X", "19111111", "F")
FIND = StudyRootQueryRetrieveInformationModelFind
GET = StudyRootQueryRetrieveInformationModelGet
MOVE = StudyRootQueryRetrieveInformationModelMove


class Receiver:
    """A peer that takes what is sent to it. after_first: done once, while the first object is on its way."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.after_first: Callable[[], None] = lambda: None

    def keep(self, event: evt.Event) -> int:
        self.got.append(str(event.dataset.SOPInstanceUID))
        if len(self.got) == 1:
            self.after_first()
        return 0x0000


@contextmanager
def receiving(ae_title: str) -> Iterator[tuple[Receiver, int]]:
    receiver, peer = Receiver(), AE(ae_title)
    peer.supported_contexts = StoragePresentationContexts
    server: Any = peer.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, receiver.keep)])
    try:
        yield receiver, server.server_address[1]
    finally:
        server.shutdown()


def peer(ae_title: str, *roles: str, port: int = 1, unbound: bool = False) -> dict[str, object]:
    return {"ae_title": ae_title, "host": "127.0.0.1", "port": port, "roles": list(roles), "unbound": unbound}


@contextmanager
def running(house: House) -> Iterator[int]:
    role = DicomRole(house)
    role.start()
    try:
        yield int(role.addresses["dicom"].rpartition(":")[2])
    finally:
        role.stop()


@contextmanager
def associated(port: int, ae_title: str, model: str, receiver: Receiver | None = None) -> Iterator[Any]:
    entity = AE(ae_title)
    entity.add_requested_context(model)
    entity.add_requested_context(CTImageStorage)
    handlers: list[Any] = [(evt.EVT_C_STORE, receiver.keep)] if receiver else []
    offered: list[Any] = [build_role(CTImageStorage, scp_role=True)]
    association = entity.associate("127.0.0.1", port, ae_title="BRIDGE", ext_neg=offered, evt_handlers=handlers)
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


def study_query(accession: str = "A1", **more: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", study_uid(accession)
    for keyword, value in more.items():
        setattr(query, keyword, value)
    return query


def retrieve(port: int, ae_title: str, receiver: Receiver, destination: str = "") -> int:
    """Get study A1, or move it, and return the final status."""
    with associated(port, ae_title, MOVE if destination else GET, receiver) as association:
        if destination:
            answers = list(association.send_c_move(study_query(), destination, MOVE))
        else:
            answers = list(association.send_c_get(study_query(), GET))
    return int(answers[-1][0].Status)


def receive(house: House, *datasets: Dataset) -> None:
    for dataset in datasets:
        house.instances.receive(spooled(house, dataset, "CT1"))


def unbind(house: House) -> None:
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("A1"), Ruling("unbind", "doubt", "user:maria"))


def trail(house: House, action: str) -> list[AuditRow]:
    with house.store.read() as tx:
        return [row for row in audit.recent(tx, limit=100) if row.action == action]


@pytest.mark.parametrize(
    ("roles", "may_see_unbound", "gets"),
    [(("archive",), False, 0), (("archive", "viewer"), True, 0), (("viewer",), False, 0), (("viewer",), True, 1)],
)
def test_an_unbound_study_goes_only_to_a_viewer_that_may_see_it(
    make_house: MakeHouse, roles: tuple[str, ...], may_see_unbound: bool, gets: int
) -> None:
    with receiving("THERE") as (there, port):
        peers = [peer("QA", "viewer", unbound=True), peer("THERE", *roles, port=port, unbound=may_see_unbound)]
        house = make_house(FixedClock(TEN), dicom={"port": 0, "peers": peers})
        receive(house, image(NOBODY, "A1"))
        with running(house) as door:
            assert retrieve(door, "QA", there, "THERE") == 0x0000
            assert retrieve(door, "THERE", there) == 0x0000
    assert len(there.got) == gets * 2


@pytest.mark.parametrize("destination", ["", "THERE"])
def test_a_retrieval_ends_where_the_study_is_taken_off_its_patient(make_house: MakeHouse, destination: str) -> None:
    with receiving("THERE") as (there, port):
        peers = [peer("WS1", "viewer"), peer("THERE", "viewer", port=port)]
        house = make_house(FixedClock(TEN), dicom={"port": 0, "peers": peers})
        say(house, adt(PLAIN), order(PLAIN, "A1"))
        receive(house, *(image(PLAIN, "A1", number) for number in (1, 2, 3)))
        there.after_first = lambda: unbind(house)
        with running(house) as door:
            assert retrieve(door, "WS1", there, destination) not in (0x0000, 0xFE00)
    assert len(there.got) == 1


def test_what_is_read_over_the_web_ends_there_too(make_house: MakeHouse) -> None:
    house = make_house(FixedClock(TEN))
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2))
    with house.search.open(encode_query(study_query()), IMPLICIT, Asker()) as objects:
        walk = iter(objects)
        next(walk)
        unbind(house)
        with pytest.raises(Conflict) as refused, next(walk).at_hand():
            pass
    assert refused.value.code == "binding_changed"


def test_a_peer_s_query_and_its_retrievals_are_in_the_trail_once_each(make_house: MakeHouse) -> None:
    with receiving("THERE") as (there, port):
        peers = [peer("WS1", "viewer"), peer("THERE", "viewer", port=port)]
        house = make_house(FixedClock(TEN), dicom={"port": 0, "peers": peers})
        say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), order(STRANGER, "A2"))
        receive(house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2), image(STRANGER, "A2"))
        with running(house) as door:
            with associated(door, "WS1", FIND) as association:
                everything = study_query()
                everything.StudyInstanceUID, everything.PatientName = "", ""
                assert len(list(association.send_c_find(everything, FIND))) == 3
                assert len(list(association.send_c_find(study_query(), FIND))) == 2
            retrieve(door, "WS1", there)
            retrieve(door, "WS1", there, "THERE")
    with house.store.read() as tx:
        study = studies.by_uid(tx, study_uid("A1"))
    assert study is not None
    assert study.state == StudyState.BOUND
    one, every = trail(house, "dicom_searched")
    assert (every.patient_key, every.study_key, every.detail) == (None, None, {"count": 2})
    assert (one.patient_key, one.study_key, one.detail) == (study.patient_key, study.key, {"count": 1})
    moved, got = trail(house, "dicom_retrieved")
    assert (got.study_key, got.patient_key, got.detail) == (study.key, study.patient_key, {"count": 2})
    assert moved.detail == {"count": 2, "destination": "THERE"}
    assert {(row.actor, row.origin) for row in (one, every, moved, got)} == {("peer:WS1", "127.0.0.1")}


def test_a_look_at_the_worklist_is_in_the_trail(make_house: MakeHouse) -> None:
    peers = [peer("CT1", "modality"), peer("CT2", "modality")]
    house = make_house(FixedClock(TEN), dicom={"port": 0, "peers": peers})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    query = Dataset()
    query.PatientName, query.ScheduledProcedureStepSequence = "", [Dataset()]
    with running(house) as door:
        for title in ("CT1", "CT2"):
            with associated(door, title, ModalityWorklistInformationFind) as association:
                list(association.send_c_find(query, ModalityWorklistInformationFind))
    rows = trail(house, "worklist_answered")
    assert sorted(row.actor for row in rows) == ["peer:CT1", "peer:CT2"]
    assert {row.origin for row in rows} == {"127.0.0.1"}


@pytest.mark.parametrize("destination", ["", "THERE"])
@pytest.mark.parametrize("is_removed", [False, True])
def test_a_missing_object_fails_by_itself(make_house: MakeHouse, destination: str, is_removed: bool) -> None:
    with receiving("THERE") as (there, port):
        house = make_house(FixedClock(TEN), dicom={"port": 0, "peers": [peer("THERE", "viewer", port=port)]})
        say(house, order(PLAIN, "A1"))
        receive(house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2), image(PLAIN, "A1", 3))
        gone = str(image(PLAIN, "A1", 2).SOPInstanceUID)
        with house.store.read() as tx:
            lost = studies.instance_by_uid(tx, gone)
        assert lost is not None
        if is_removed:
            with house.store.write() as tx:
                by_rule = update(instances).where(instances.c.key == lost.key).values(removed_at=house.clock.now())
                tx.execute(by_rule)
        else:
            with house.blobs.at_hand(lost.blob) as path:
                path.unlink()
        with running(house) as door, associated(door, "THERE", MOVE if destination else GET, there) as association:
            if destination:
                answers = list(association.send_c_move(study_query(), destination, MOVE))
            else:
                answers = list(association.send_c_get(study_query(), GET))
        final, listed = answers[-1]
        counted = (final.NumberOfCompletedSuboperations, final.NumberOfFailedSuboperations)
        assert (final.Status, counted, len(there.got)) == (0xB000, (2, 1), 2)
        assert listed.FailedSOPInstanceUIDList == gone
