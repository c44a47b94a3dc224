"""How a test says a message to a house, and asks for its worklist and its studies."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.performed import AttributeList
from bridge.domain.study import Study
from bridge.flows.answer_worklist import answer_worklist
from bridge.flows.receive_message import Received
from bridge.store import studies
from bridge.store.db import Store
from bridge.wiring import House
from tests.cast import Person, study_uid

IMPLICIT = "1.2.840.10008.1.2"


def say(house: House, *raw: bytes) -> list[bytes]:
    """Give the house these messages in one batch and return its answers."""
    return house.receiver.receive([Received(one, "127.0.0.1") for one in raw])


def typed_authorization(number: str, person: Person, accession: str = "", **said: Any) -> AuthorizationNews:
    """Return an authorization of payer 60054 as somebody types it."""
    whose = (PatientIdentifier(person.patient_id),)
    at = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    plain = {"payer_id": "60054", "number": number, "patient_numbers": whose, "accession_number": accession}
    return AuthorizationNews(source="user:bill", said_at=at, **plain | said)


def worklist_of(house: House, station: str = "CT1") -> list[Dataset]:
    """Return what a device is answered."""
    query = Dataset()
    for keyword in ("AccessionNumber", "PatientName", "PatientID", "StudyInstanceUID", "RequestedProcedureID"):
        setattr(query, keyword, "")
    step = Dataset()
    step.ScheduledStationAETitle = station
    step.Modality, step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = "", "", ""
    query.ScheduledProcedureStepSequence = [step]
    answers = answer_worklist(house.store, encode_query(query), IMPLICIT, house.devices.asking(station))
    return [read_dataset(BytesIO(answer.identifier), True, True) for answer in answers]


def study_by_uid(store: Store, uid: str) -> Study:
    """Return a study that was received."""
    with store.read() as tx:
        found = studies.by_uid(tx, uid)
    assert found is not None
    return found


def study_of(house: House, accession: str) -> Study:
    """Return the study that `image` makes for an order."""
    return study_by_uid(house.store, study_uid(accession))


def sent(attributes: Dataset) -> AttributeList:
    """Return *attributes* as a device sends them in an N-CREATE or N-SET."""
    return AttributeList(encode_query(attributes), IMPLICIT)


def encode_query(query: Dataset) -> bytes:
    """Return *query* in implicit VR little endian."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_dataset(buffer, query)
    return buffer.getvalue()
