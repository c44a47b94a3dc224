"""The samples' devices send again what got no answer, as scanners do, and nothing that was answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt

from samples import devices
from samples.devices import MODALITY_PERFORMED_PROCEDURE_STEP, Device, DeviceError

AT = datetime(2026, 3, 2, 9, 30)
Statuses = dict[str, list[int]]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Statuses], tuple[Device, list[str]]]]:
    """Return a device, and what the peer heard of it. The peer answers as told, then with success."""
    monkeypatch.setattr(devices, "_PAUSE_SECS", 0.0)
    servers = []

    def begin(said: Statuses) -> tuple[Device, list[str]]:
        heard: list[str] = []

        def answer(event: Any) -> Any:
            kind = type(event.request).__name__
            uid = event.request.AffectedSOPInstanceUID if kind != "N_SET" else event.request.RequestedSOPInstanceUID
            heard.append(f"{kind} {uid}")
            status = Dataset()
            status.Status = said[kind].pop(0) if said.get(kind) else 0x0000
            if status.Status == 0x0110:
                status.ErrorID = 0xA710
            return status if kind == "C_STORE" else (status, None)

        entity = AE("BRIDGE")
        for sop_class in (CTImageStorage, MODALITY_PERFORMED_PROCEDURE_STEP):
            entity.add_supported_context(sop_class, ExplicitVRLittleEndian)
        handlers = [(evt.EVT_C_STORE, answer), (evt.EVT_N_CREATE, answer), (evt.EVT_N_SET, answer)]
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        servers.append(server)
        return Device("CT1", "CT", ("127.0.0.1", server.server_address[1], "BRIDGE")), heard

    yield begin
    for server in servers:
        server.shutdown()


def image(number: int) -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, f"1.2.3.{number}"
    made.SeriesInstanceUID = "1.2.3"
    made.file_meta = Dataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def item() -> Dataset:
    said = Dataset()
    said.StudyInstanceUID = "1.2.4"
    said.ScheduledProcedureStepSequence = [Dataset()]
    return said


def test_an_image_that_was_not_kept_is_sent_again_and_none_that_was(
    answering: Callable[[Statuses], tuple[Device, list[str]]],
) -> None:
    device, heard = answering({"C_STORE": [0x0000, 0xA700, 0xA700]})
    assert device.store([image(number) for number in (1, 2, 3)]) == 3
    assert heard == [f"C_STORE 1.2.3.{number}" for number in (1, 2, 2, 2, 3)]


@pytest.mark.parametrize(("status", "times"), [(0xA700, 4), (0xC000, 1)])
def test_what_is_refused_for_good_or_again_and_again_is_said(
    answering: Callable[[Statuses], tuple[Device, list[str]]], status: int, times: int
) -> None:
    device, heard = answering({"C_STORE": [status] * 9})
    with pytest.raises(DeviceError, match=f"C-STORE: {status:04X}"):
        device.store([image(1)])
    assert len(heard) == times


def test_a_report_whose_answer_was_lost_is_told_once(
    answering: Callable[[Statuses], tuple[Device, list[str]]],
) -> None:
    device, heard = answering({"N_CREATE": [0xA700, 0x0111], "N_SET": [0xA700, 0x0110]})
    uid = device.begin(item(), AT)
    device.finish(uid, [image(1)], AT)
    assert heard == [f"{kind} {uid}" for kind in ("N_CREATE", "N_CREATE", "N_SET", "N_SET")]


def test_a_report_that_another_one_has_the_number_of_is_refused(
    answering: Callable[[Statuses], tuple[Device, list[str]]],
) -> None:
    device, _ = answering({"N_CREATE": [0x0111]})
    with pytest.raises(DeviceError, match="N-CREATE: 0111"):
        device.begin(item(), AT)
