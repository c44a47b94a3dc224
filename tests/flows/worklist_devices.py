"""Devices that ask a running DICOM role for their worklist over a socket, and what is then remembered of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from bridge.domain.worklist_query import AskedQuery, KeptQuery, QueryOutcome
from bridge.roles.dicom import DicomRole
from bridge.store import worklist_queries
from bridge.wiring import House
from tests.fakes.console import Console
from tests.flows.asking import IMPLICIT, encode_query

DICOM = {
    "port": 0,
    "peers": [
        {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"},
        {"ae_title": "MR1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "MR"},
        {"ae_title": "PACS", "host": "127.0.0.1", "port": 1, "roles": ["archive"]},
        {"ae_title": "FAR1", "host": "192.0.2.7", "port": 1, "roles": ["modality"]},
    ],
}


def query(*, station: str = "", modality: str = "", date: str = "", time: str = "", **keys: str) -> Dataset:
    """Return a worklist query as devices build it: what is not named is asked for with zero length."""
    asked = Dataset()
    for keyword in ("AccessionNumber", "PatientName", "PatientID", "StudyInstanceUID", "RequestedProcedureID"):
        setattr(asked, keyword, keys.pop(keyword, ""))
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    step = Dataset()
    step.ScheduledStationAETitle, step.Modality = station, modality
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = date, time
    asked.ScheduledProcedureStepSequence = [step]
    return asked


class Door:
    """A running DICOM role. port: where it listens. role: what ends it."""

    def __init__(self, house: House, role: DicomRole) -> None:
        self.house = house
        self.role = role
        self.port = int(role.addresses["dicom"].rpartition(":")[2])

    def find(self, asked: Dataset, calling: str = "CT1", times: int = 1) -> list[Dataset]:
        """Ask as a device; return the items of the last answer."""
        association: Any = associate(self.port, calling)
        assert association.is_established
        for _ in range(times):
            answers = list(association.send_c_find(asked, ModalityWorklistInformationFind))
        association.release()
        assert answers[-1][0].Status == 0x0000
        return [identifier for _, identifier in answers[:-1]]


def associate(port: int, calling: str, called: str = "BRIDGE") -> Any:
    """Return pynetdicom's association for the worklist, established or not."""
    device = AE(calling)
    device.add_requested_context(ModalityWorklistInformationFind)
    return device.associate("127.0.0.1", port, ae_title=called)


@contextmanager
def open_door(house: House) -> Iterator[Door]:
    """Run the DICOM role. What was asked is written when the door closes, at the latest."""
    role = DicomRole(house)
    role.start()
    try:
        yield Door(house, role)
    finally:
        role.stop()


def remembered(house: House, calling: str = "") -> list[KeptQuery]:
    """Return what was asked, newest first."""
    with house.store.read() as tx:
        return worklist_queries.listed(tx, calling, limit=100)


def device_asked(console: Console, calling: str = "CT1", **keys: str) -> int:
    """Let a device have asked something twice, long enough ago to be kept; returns the query's row."""
    one = AskedQuery(
        calling,
        "10.0.0.5",
        "a1",
        QueryOutcome.ANSWERED,
        "BRIDGE",
        0,
        identifier=encode_query(query(**keys)),
        transfer_syntax_uid=IMPLICIT,
    )
    with console.store.write() as tx:
        return worklist_queries.add(tx, one, 2, console.clock.now(), console.clock.now())
