"""How a C-FIND ends: what a device cancels is answered no further. Source: PS3.4 K.4.1.2."""

from __future__ import annotations

import threading
from pathlib import Path

from bridge.codecs.dicom import commands
from tests.fakes.dicom_services import running
from tests.fakes.dicom_wire import IMPLICIT, WORKLIST, Caller, element, p_data, pdv

PENDING, CANCELLED, SUCCESS = 0xFF00, 0xFE00, 0x0000


def query(device: Caller) -> bytes:
    """Return a C-FIND-RQ of one key as P-DATA-TFs."""
    asked = p_data(pdv(1, 3, device.command(commands.C_FIND_RQ, WORKLIST, True)))
    return asked + p_data(pdv(1, 2, element(0x10, 0x10, b"")))


def cancellation(message_id: int) -> bytes:
    """Return a C-CANCEL-FIND-RQ. Source: PS3.7 9.3.2.3."""
    values = {0x0100: commands.C_CANCEL_RQ, 0x0120: message_id, 0x0800: commands.NO_DATA_SET}
    return p_data(pdv(1, 3, commands.encode_command(values)))


def statuses(device: Caller) -> list[int | None]:
    """Return the statuses of one query's answers, the final one last."""
    found = [device.status()]
    while found[-1] == PENDING:
        found.append(device.status())
    return found


def test_a_query_that_is_cancelled_before_its_answers_gets_none(tmp_path: Path) -> None:
    is_cancelled = threading.Event()

    def wait() -> None:
        assert is_cancelled.wait(10)

    with running(tmp_path) as room, Caller(room.port) as device:
        room.services.worklist += [element(0x10, 0x10, b"Larch^Ada")] * 40
        room.services.before_answer = wait
        assert device.associate([(WORKLIST, [IMPLICIT])]) == 2

        device.send(query(device) + cancellation(1))
        is_cancelled.set()

        assert statuses(device) == [CANCELLED]


def test_a_cancellation_of_another_query_ends_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as room, Caller(room.port) as device:
        room.services.worklist += [element(0x10, 0x10, b"Larch^Ada")] * 3
        assert device.associate([(WORKLIST, [IMPLICIT])]) == 2

        device.send(cancellation(1) + query(device))

        assert statuses(device) == [PENDING, PENDING, PENDING, SUCCESS]


def test_after_a_cancelled_query_the_next_one_is_answered(tmp_path: Path) -> None:
    with running(tmp_path) as room, Caller(room.port) as device:
        room.services.worklist.append(element(0x10, 0x10, b"Larch^Ada"))
        assert device.associate([(WORKLIST, [IMPLICIT])]) == 2

        device.send(query(device) + cancellation(1))
        assert statuses(device)[-1] in (CANCELLED, SUCCESS)
        device.send(query(device))

        assert statuses(device) == [PENDING, SUCCESS]
