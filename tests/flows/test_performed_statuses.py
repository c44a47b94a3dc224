"""Each status that a performed step is answered with, one test a row, over a socket to the real flows."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from bridge.clock import FixedClock
from bridge.codecs.dicom.commands import Command
from bridge.errors import Unavailable
from bridge.listeners.dicom.ports import DicomConfig, Peer
from bridge.listeners.dicom.server import DicomServer
from bridge.store import events, performed, performed_messages
from bridge.wiring import House
from tests.cast import PLAIN, adt, order
from tests.fakes.dicom_services import Events, MemoryServices
from tests.fakes.dicom_wire import EXPLICIT, IMPLICIT, PERFORMED_STEP, VERIFICATION, Caller, p_data, pdv
from tests.flows.asking import encode_query, say, sent
from tests.flows.test_orders import cast_mpps

# What the door answers does not turn on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

MakeHouse = Callable[..., House]
RETRIEVE = "1.2.840.10008.3.1.2.3.4"
UID = "2.25.77"
CREATE, SET, GET = 0x140, 0x120, 0x110
_INSTANCE = {CREATE: "x1000", SET: "x1001", GET: "x1001"}
_MPPS_CONTEXT, _RETRIEVE_CONTEXT, _EXPLICIT_CONTEXT = 1, 3, 5


class Flows(MemoryServices):
    """The house's own flows behind a door, as far as they are about performed steps."""

    def __init__(self, house: House) -> None:
        super().__init__(house.blobs.spool)
        self.create_performed_step = house.performed_steps.create  # type: ignore[method-assign]
        self.set_performed_step = house.performed_steps.set  # type: ignore[method-assign]
        self.get_performed_step = house.performed_steps.get  # type: ignore[method-assign]


class Device:
    """A scanner at the house's door."""

    def __init__(self, house: House, caller: Caller) -> None:
        self.house = house
        self.caller = caller
        self.answer = Command({})
        self.data = b""

    def ask(
        self,
        operation: int,
        data: bytes | None,
        uid: str = UID,
        *,
        context_id: int = _MPPS_CONTEXT,
        class_uid: str = PERFORMED_STEP,
        more: dict[str, int | str | bytes] | None = None,
    ) -> int | None:
        """Send one request; return the status that it is answered with."""
        named = {_INSTANCE[operation]: uid} if uid else {}
        command = self.caller.command(operation, class_uid, data is not None, **named, **(more or {}))  # type: ignore[arg-type]
        self.caller.send(p_data(pdv(context_id, 3, command)) + _fragments(context_id, data))
        answer, self.data = self.caller.answer()
        assert answer is not None, "the association ended instead"
        self.answer = answer
        return answer.number(0x0900)

    def create(self, attributes: Dataset | None = None, uid: str = UID) -> int | None:
        return self.ask(CREATE, encode_query(attributes or cast_mpps("A1")), uid)

    def set(self, status: str, uid: str = UID, **said: str) -> int | None:
        attributes = Dataset()
        attributes.PerformedProcedureStepStatus = status
        for keyword, value in said.items():
            setattr(attributes, keyword, value)
        return self.ask(SET, encode_query(attributes), uid)

    def get(self, *tags: int, **how: int | str) -> Dataset:
        more = {"x1005": b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)} if tags else {}
        self.ask(GET, None, more=more, **how)  # type: ignore[arg-type]
        return read_dataset(BytesIO(self.data), True, True)

    @property
    def named(self) -> tuple[int, ...] | None:
        """The attribute identifier list of the answer."""
        return self.answer.tags(0x1005)

    @property
    def brought(self) -> Dataset:
        """The attribute list of the answer."""
        return read_dataset(BytesIO(self.data), True, True)


def _fragments(context_id: int, data: bytes | None) -> bytes:
    if data is None:
        return b""
    parts = [data[at : at + 30_000] for at in range(0, max(len(data), 1), 30_000)]
    return b"".join(p_data(pdv(context_id, 2 if n == len(parts) - 1 else 0, part)) for n, part in enumerate(parts))


@pytest.fixture
def device(make_house: MakeHouse) -> Iterator[Device]:
    yield from _device(make_house, "CT1")


def _device(make_house: MakeHouse, calling: str, **peer: object) -> Iterator[Device]:
    peers = [
        {"ae_title": title, "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT", **peer}
        for title in ("CT1", "CT2")
    ]
    house = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)), fhir={}, dicom={"peers": peers})
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    config = DicomConfig("BRIDGE", house.blobs.spool, port=0)
    known = [Peer(title, "127.0.0.1", 1, ("modality",)) for title in ("CT1", "CT2")]
    server = DicomServer(config, known, Flows(house), Events())
    server.start()
    try:
        with Caller(server.port) as caller:
            contexts = [
                (PERFORMED_STEP, [IMPLICIT]),
                (RETRIEVE, [IMPLICIT]),
                (PERFORMED_STEP, [EXPLICIT]),
                (VERIFICATION, [IMPLICIT]),
            ]
            assert caller.associate(contexts, calling=calling) == 2
            yield Device(house, caller)
            assert caller.echo(7) == 0, "the association goes on whatever was answered"
    finally:
        server.stop()


def without(*keywords: str, **empty: object) -> Dataset:
    attributes = cast_mpps("A1")
    for keyword in keywords:
        delattr(attributes, keyword)
    for keyword, value in empty.items():
        setattr(attributes, keyword, value)
    return attributes


def test_0000_a_new_step_is_committed(device: Device) -> None:
    assert device.create() == 0x0000
    assert device.answer.text(0x1000) == UID
    with device.house.store.read() as tx:
        assert performed.by_uid(tx, UID) is not None


def test_0000_a_step_without_a_uid_gets_one(device: Device) -> None:
    assert device.create(uid="") == 0x0000
    assert device.answer.text(0x1000).startswith("2.25.")


def test_0106_a_new_step_must_be_in_progress(device: Device) -> None:
    assert device.create(without(PerformedProcedureStepStatus="COMPLETED")) == 0x0106
    assert device.brought.PerformedProcedureStepStatus == "COMPLETED"


def test_0106_a_status_that_is_none(device: Device) -> None:
    device.create()
    assert device.set("FINISHED") == 0x0106


def test_0106_an_attribute_list_that_cannot_be_read(device: Device) -> None:
    assert device.ask(CREATE, b"\xff" * 40) == 0x0106
    with device.house.store.read() as tx:
        (kept,) = performed_messages.refused(tx)
    assert (kept.received.data, kept.status) == (b"\xff" * 40, 0x0106), "nothing is lost"


def test_0107_a_set_that_changes_what_it_may_not_is_done_without_that(device: Device) -> None:
    device.create()
    assert device.set("COMPLETED", PatientID="OTHER", Modality="CT") == 0x0107
    assert device.named == (0x00100020,)
    with device.house.store.read() as tx:
        found = performed.by_uid(tx, UID)
    assert found is not None
    assert (found.status, found.patient_id) == ("COMPLETED", "")


def test_0107_a_get_of_what_is_not_there(device: Device) -> None:
    device.create()
    found = device.get(0x00400252, 0x00400321)
    assert device.answer.number(0x0900) == 0x0107
    assert device.named == (0x00400321,)
    assert found.PerformedProcedureStepStatus == "IN PROGRESS"


def test_0110_with_a710_a_final_step_may_no_longer_be_updated(device: Device) -> None:
    device.create()
    device.set("COMPLETED")
    assert device.set("DISCONTINUED") == 0x0110
    assert device.answer.number(0x0903) == 0xA710
    assert "may no longer be updated" in device.answer.text(0x0902)


def test_0111_a_uid_that_is_known(device: Device) -> None:
    device.create()
    assert device.create() == 0x0111


def test_0112_a_uid_that_is_not(device: Device) -> None:
    assert device.set("COMPLETED", "2.25.1") == 0x0112
    device.get(uid="2.25.1")
    assert device.answer.number(0x0900) == 0x0112


def test_0116_a_value_out_of_range_is_kept_with_a_warning(device: Device) -> None:
    device.create()
    attributes = _status("COMPLETED")
    attributes.add_new(0x0018115E, "LO", "MUCH")
    assert device.ask(SET, encode_query(attributes)) == 0x0116
    assert 0x0018115E in device.brought
    assert device.get(0x0018115E)[0x0018115E].value is not None
    with device.house.store.read() as tx:
        found = performed.by_uid(tx, UID)
    assert found is not None
    assert found.status == "COMPLETED"


def test_0117_an_instance_uid_that_is_none(device: Device) -> None:
    assert device.create(uid="not.a.uid") == 0x0117


def test_0118_a_class_that_is_none(device: Device) -> None:
    assert device.ask(CREATE, encode_query(cast_mpps("A1")), class_uid="1.2.3.4.5") == 0x0118


@pytest.mark.parametrize(
    "keyword",
    [
        "ScheduledStepAttributesSequence",
        "Modality",
        "PerformedStationAETitle",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "PerformedProcedureStepStatus",
        "PerformedProcedureStepID",
    ],
)
def test_0120_a_new_step_lacks(device: Device, keyword: str) -> None:
    assert device.create(without(keyword)) == 0x0120
    assert device.named == (_tag(keyword),)


def test_0120_a_scheduled_item_lacks_its_study(device: Device) -> None:
    attributes = cast_mpps("A1")
    del attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID
    assert device.create(attributes) == 0x0120


@pytest.mark.parametrize("keyword", ["Modality", "PerformedStationAETitle", "PerformedProcedureStepID"])
def test_0121_a_new_step_has_no_value_for(device: Device, keyword: str) -> None:
    assert device.create(without(**{keyword: ""})) == 0x0121
    assert [element.tag for element in device.brought] == [_tag(keyword)]


def test_0121_a_new_step_has_no_scheduled_item(device: Device) -> None:
    assert device.create(without(ScheduledStepAttributesSequence=[])) == 0x0121


def test_0122_a_class_that_is_not_this_operation_s(device: Device) -> None:
    assert device.ask(CREATE, encode_query(cast_mpps("A1")), class_uid=VERIFICATION) == 0x0122
    assert device.ask(CREATE, encode_query(cast_mpps("A1")), class_uid=RETRIEVE, context_id=_RETRIEVE_CONTEXT) == 0x0122


def test_0124_another_device_s_step_is_not_read(device: Device) -> None:
    device.house.performed_steps.create(UID, sent(without(PerformedStationAETitle="CT2")), "CT2")
    device.get()
    assert device.answer.number(0x0900) == 0x0124


def test_0210_a_message_id_that_is_in_use(device: Device) -> None:
    data = encode_query(cast_mpps("A1"))
    first = device.caller.command(CREATE, PERFORMED_STEP, True, x1000="2.25.1", x0110=9)
    again = device.caller.command(CREATE, PERFORMED_STEP, True, x1000="2.25.2", x0110=9)
    one, other = (pdv(1, 3, command) + pdv(1, 2, data) for command in (first, again))
    device.caller.send(p_data(one, other))
    assert [device.caller.status(), device.caller.status()] == [0x0000, 0x0210]


def test_0211_an_operation_that_is_none_of_these(device: Device) -> None:
    device.caller.send(p_data(pdv(1, 3, device.caller.command(0x150, PERFORMED_STEP, False, x1001=UID))))
    assert device.caller.status() == 0x0211


def test_0212_a_set_without_an_instance_or_a_list(device: Device) -> None:
    assert device.ask(SET, encode_query(_status("COMPLETED")), uid="") == 0x0212
    assert device.ask(SET, None) == 0x0212


def test_0212_a_list_of_attributes_that_is_none(device: Device) -> None:
    device.create()
    device.ask(GET, None, more={"x1005": b"\x40\x00\x52"})
    assert device.answer.number(0x0900) == 0x0212


def test_0213_a_step_that_cannot_be_stored_now(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy() -> None:
        raise Unavailable("the database is busy")

    monkeypatch.setattr(device.house.store, "write", busy)
    assert device.create() == 0x0213


def test_0213_an_attribute_list_that_is_too_large(device: Device) -> None:
    huge = encode_query(cast_mpps("A1")) + struct.pack("<HHL", 0x0041, 0x1001, 5 << 20) + bytes(5 << 20)
    assert device.ask(CREATE, huge) == 0x0213


def test_a_list_in_the_other_representation_than_agreed_is_taken(device: Device) -> None:
    assert device.ask(CREATE, encode_query(cast_mpps("A1")), context_id=_EXPLICIT_CONTEXT) == 0x0000


def test_an_attribute_that_was_never_created_is_taken(device: Device) -> None:
    device.create()
    assert device.set("IN PROGRESS", PerformedProcedureTypeDescription="CT") == 0x0000


def test_a_final_step_without_its_end_is_taken_and_flagged(device: Device) -> None:
    device.create()
    assert device.set("COMPLETED") == 0x0000
    with device.house.store.read() as tx:
        found = performed.by_uid(tx, UID)
        lines = [line.what for line in events.timeline(tx, [1], [])]
    assert found is not None
    assert found.incomplete == "its end and its series"
    assert lines[-1] == "Exam completed on CT1; it did not say its end and its series"


@pytest.mark.parametrize("context_id", [_MPPS_CONTEXT, _RETRIEVE_CONTEXT])
def test_a_step_is_read_on_either_class_s_context_and_under_either_name(device: Device, context_id: int) -> None:
    device.create()
    device.set("COMPLETED", PerformedProcedureStepDescription="CT CHEST")
    for class_uid in (PERFORMED_STEP, RETRIEVE):
        found = device.get(context_id=context_id, class_uid=class_uid)
        assert device.answer.number(0x0900) == 0x0000
        assert (found.PerformedProcedureStepStatus, found.PerformedProcedureStepDescription) == (
            "COMPLETED",
            "CT CHEST",
        )
        assert found.ScheduledStepAttributesSequence[0].AccessionNumber == "A1"


def test_dose_and_billing_are_read_as_they_were_said(device: Device) -> None:
    device.create()
    attributes = _status("COMPLETED")
    attributes.TotalTimeOfFluoroscopy, attributes.TotalNumberOfExposures, attributes.EntranceDose = 120, 3, 40
    attributes.ImageAndFluoroscopyAreaDoseProduct, attributes.DistanceSourceToDetector = "12.50", "1000"
    film, billing, quantity = Dataset(), Dataset(), Dataset()
    film.NumberOfFilms, film.MediumType = "2", "BLUE FILM"
    quantity.Quantity = "1"
    billing.QuantitySequence = [quantity]
    attributes.FilmConsumptionSequence, attributes.BillingSuppliesAndDevicesSequence = [film], [billing]
    attributes.BillingProcedureStepSequence = [_code("71260")]
    assert device.ask(SET, encode_query(attributes)) == 0x0000
    found = device.get()
    for element in attributes:
        assert found[element.tag] == element


def test_a_sequence_in_a_set_takes_the_place_of_the_one_before(device: Device) -> None:
    device.create()
    for series in (["1.2.1", "1.2.2"], ["1.2.3"]):
        attributes = _status("IN PROGRESS")
        attributes.PerformedSeriesSequence = [_series(uid) for uid in series]
        assert device.ask(SET, encode_query(attributes)) == 0x0000
    assert [one.SeriesInstanceUID for one in device.get().PerformedSeriesSequence] == ["1.2.3"]


def test_a_peer_that_may_be_lax_needs_no_more_than_a_status(make_house: MakeHouse) -> None:
    walk = _device(make_house, "CT1", lenient_mpps=True)
    device = next(walk)
    assert device.create(_status("IN PROGRESS")) == 0x0000
    assert device.create(without("PerformedProcedureStepStatus"), "2.25.78") == 0x0120
    next(walk, None)


def test_what_a_broken_device_is_refused_is_kept_within_bounds(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performed_messages, "_REFUSED_MAX", 3)
    for number in range(5):
        device.ask(CREATE, bytes([0xFF - number]) * 30)
    with device.house.store.read() as tx:
        kept = [one.received.data[0] for one in performed_messages.refused(tx)]
    assert kept == [0xFB, 0xFC, 0xFD], "the newest ones"


def _status(status: str) -> Dataset:
    attributes = Dataset()
    attributes.PerformedProcedureStepStatus = status
    return attributes


def _tag(keyword: str) -> int:
    return tag_for_keyword(keyword) or 0


def _code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "C4", "a procedure"
    return item


def _series(uid: str) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID, item.ProtocolName = uid, "CHEST"
    return item
