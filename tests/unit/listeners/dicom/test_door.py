"""What a requestor sees of the door, service by service."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.codecs.dicom.commands import Command, encode_command
from bridge.errors import Malformed, Unavailable
from tests.fakes.dicom_services import Room, running
from tests.fakes.dicom_wire import (
    CT_IMAGE,
    EXPLICIT,
    IMPLICIT,
    PERFORMED_STEP,
    STUDY_FIND,
    STUDY_GET,
    VERIFICATION,
    WORKLIST,
    Caller,
    an_object,
    element,
    p_data,
    pdv,
    role,
)

UID = "1.2.826.0.1.3680043.10.57.1"
STEP = "1.2.826.0.1.3680043.10.57.2"
STATUS_ELEMENT = element(0x40, 0x252, b"IN PROGRESS ")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with running(tmp_path) as door:
        yield door


@pytest.fixture
def caller(room: Room) -> Iterator[Caller]:
    with Caller(room.port) as peer:
        contexts = [
            (WORKLIST, [IMPLICIT]),
            (PERFORMED_STEP, [EXPLICIT, IMPLICIT]),
            (STUDY_FIND, [IMPLICIT]),
            (CT_IMAGE, [IMPLICIT]),
            (VERIFICATION, [IMPLICIT]),
        ]
        assert peer.associate(contexts) == 2
        yield peer


def ask(peer: Caller, context_id: int, field: int, abstract: str, data: bytes | None, **values: int | str) -> Command:
    """Send one request; return the first answer."""
    command = peer.command(field, abstract, data is not None, **values)
    peer.send(p_data(pdv(context_id, 3, command)) + (p_data(pdv(context_id, 2, data)) if data is not None else b""))
    answer, _ = peer.answer()
    assert answer is not None
    return answer


class TestWorklist:
    def test_every_match_comes_as_it_was_encoded_and_a_final_success(self, room: Room, caller: Caller) -> None:
        room.services.worklist = [element(0x10, 0x10, f"Larch^{number:04}".encode()) for number in range(700)]
        caller.send(p_data(pdv(1, 3, caller.command(0x20, WORKLIST, True))) + p_data(pdv(1, 2, STATUS_ELEMENT)))
        got = []
        while True:
            command, identifier = caller.answer()
            assert command is not None
            if command.number(0x0900) != 0xFF00:
                break
            got.append(identifier)
        assert got == room.services.worklist
        assert (command.number(0x0900), command.number(0x0120), identifier) == (0, 1, b"")

    def test_an_answer_larger_than_a_pdu_is_cut_into_several(self, room: Room, caller: Caller) -> None:
        room.services.worklist = [element(0x10, 0x4000, b"x" * 50_000)]
        caller.send(p_data(pdv(1, 3, caller.command(0x20, WORKLIST, True))) + p_data(pdv(1, 2, STATUS_ELEMENT)))
        _, identifier = caller.answer()
        assert identifier == room.services.worklist[0]

    def test_a_cancellation_ends_the_list(self, room: Room, caller: Caller) -> None:
        def slow() -> None:
            time.sleep(0.3)

        room.services.before_answer = slow
        room.services.worklist = [element(0x10, 0x10, b"Larch^Ada ")] * 5000
        cancel = encode_command({0x0100: 0x0FFF, 0x0120: 1, 0x0800: 0x0101})
        caller.send(
            p_data(pdv(1, 3, caller.command(0x20, WORKLIST, True)))
            + p_data(pdv(1, 2, STATUS_ELEMENT))
            + p_data(pdv(1, 3, cancel))
        )
        statuses = []
        while not statuses or statuses[-1] == 0xFF00:
            statuses.append(caller.status())
        assert statuses[-1] == 0xFE00
        assert caller.echo(9) == 0, "a cancellation does not reach the next request"

    def test_an_unreadable_query_is_answered_and_the_association_goes_on(self, caller: Caller) -> None:
        assert ask(caller, 1, 0x20, WORKLIST, b"\xff" * 50).number(0x0900) == 0xA900
        assert ask(caller, 1, 0x20, WORKLIST, None).number(0x0900) == 0xA900
        assert caller.echo(9) == 0

    def test_a_flow_that_cannot_answer_now_says_so(self, room: Room, caller: Caller) -> None:
        def busy() -> None:
            raise Unavailable("the database is locked")

        room.services.before_answer = busy
        answer = ask(caller, 1, 0x20, WORKLIST, STATUS_ELEMENT)
        assert (answer.number(0x0900), answer.text(0x0902)) == (0xA700, "the database is locked")


class TestPerformedStep:
    def explicit(self, value: str) -> bytes:
        return struct.pack("<HH2sH", 0x40, 0x252, b"CS", len(value)) + value.encode()

    def test_a_step_runs_from_creation_to_its_end_and_no_further(self, room: Room, caller: Caller) -> None:
        start, end = STATUS_ELEMENT, element(0x40, 0x252, b"COMPLETED ")
        created = ask(caller, 3, 0x140, PERFORMED_STEP, start, x1000=STEP)
        assert (created.number(0x0900), created.text(0x1000)) == (0, STEP)
        assert ask(caller, 3, 0x140, PERFORMED_STEP, start, x1000=STEP).number(0x0900) == 0x0111
        changed = self.change(caller, end)
        assert (changed.number(0x0900), changed.text(0x1000)) == (0, STEP)
        refused = self.change(caller, end)
        assert (refused.number(0x0900), refused.number(0x0903)) == (0x0110, 0xA710)
        assert room.services.steps == {STEP: "COMPLETED"}

    def change(self, caller: Caller, data: bytes, uid: str = STEP) -> Command:
        command = encode_command({0x0003: PERFORMED_STEP, 0x0100: 0x120, 0x0110: 9, 0x0800: 1, 0x1001: uid})
        caller.send(p_data(pdv(3, 3, command)) + p_data(pdv(3, 2, data)))
        answer, _ = caller.answer()
        assert answer is not None
        return answer

    def test_where_none_is_named_the_answer_names_the_instance(self, room: Room, caller: Caller) -> None:
        created = ask(caller, 3, 0x140, PERFORMED_STEP, STATUS_ELEMENT)
        assert created.number(0x0900) == 0
        assert created.text(0x1000) in room.services.steps

    def test_an_unknown_step_and_a_bad_list_are_refused(self, caller: Caller) -> None:
        assert self.change(caller, STATUS_ELEMENT).number(0x0900) == 0x0112
        assert ask(caller, 3, 0x140, PERFORMED_STEP, b"\xff" * 30).number(0x0900) == 0x0106
        assert ask(caller, 3, 0x140, PERFORMED_STEP, b"", x1000="1.2").number(0x0900) == 0x0120
        assert ask(caller, 3, 0x140, PERFORMED_STEP, STATUS_ELEMENT, x1000="../x").number(0x0900) == 0x0117


class TestOperations:
    def test_an_operation_of_another_service_is_not_recognized(self, caller: Caller) -> None:
        assert ask(caller, 9, 0x20, VERIFICATION, b"").number(0x0900) == 0x0211
        assert ask(caller, 3, 0x150, PERFORMED_STEP, None).number(0x0900) == 0x0211

    def test_a_class_that_is_not_the_contexts_is_refused(self, room: Room, caller: Caller) -> None:
        assert ask(caller, 1, 0x20, STUDY_FIND, STATUS_ELEMENT).number(0x0900) == 0x0122
        data = an_object(UID)
        assert caller.store(UID, data, context_id=7, abstract="1.2.840.10008.5.1.4.1.1.4") == 0x0122
        assert not room.services.kept

    def test_a_viewer_cannot_store_where_it_may_receive(self, room: Room) -> None:
        with Caller(room.port) as viewer:
            viewer.associate([(CT_IMAGE, [IMPLICIT])], calling="VIEWER", more=role(CT_IMAGE, 1, 1))
            assert viewer.results() == {1: (0, IMPLICIT)}
            assert viewer.store(UID, an_object(UID)) == 0x0124
        assert not room.services.kept


class TestGet:
    def test_each_object_is_a_suboperation_with_its_count(self, room: Room) -> None:
        uids = [f"{UID}.{number}" for number in range(3)]
        self.fill(room, uids)
        with self.viewer(room, IMPLICIT) as viewer:
            got, statuses = self.receive(viewer, [0, 0xB000, 0xA700])
        assert got == {uid: an_object(uid) for uid in uids}
        assert [code for code, _ in statuses] == [0xFF00, 0xFF00, 0xB000]
        assert statuses[-1][1] == (1, 1, 1)

    def test_objects_that_fit_no_context_fail(self, room: Room) -> None:
        self.fill(room, [UID])
        with self.viewer(room, "1.2.840.10008.1.2.4.50") as viewer:
            got, statuses = self.receive(viewer, [])
        assert got == {}
        assert statuses == [(0xA702, (0, 1, 0))]

    def test_nothing_found_is_a_success(self, room: Room) -> None:
        with self.viewer(room, IMPLICIT) as viewer:
            assert self.receive(viewer, []) == ({}, [(0, (0, 0, 0))])

    def fill(self, room: Room, uids: list[str]) -> None:
        with Caller(room.port) as modality:
            modality.associate([(CT_IMAGE, [IMPLICIT])])
            assert [modality.store(uid, an_object(uid)) for uid in uids] == [0] * len(uids)

    def viewer(self, room: Room, syntax: str) -> Caller:
        viewer = Caller(room.port)
        contexts = [(STUDY_GET, [IMPLICIT]), (CT_IMAGE, [syntax])]
        assert viewer.associate(contexts, calling="VIEWER", more=role(CT_IMAGE, 0, 1)) == 2
        return viewer

    def receive(
        self, viewer: Caller, answers: list[int]
    ) -> tuple[dict[str, bytes], list[tuple[int, tuple[int | None, ...]]]]:
        """Answer the sub-operations with *answers*; return the objects and each status with its counts."""
        viewer.send(
            p_data(pdv(1, 3, viewer.command(0x10, STUDY_GET, True)))
            + p_data(pdv(1, 2, element(8, 0x52, b"STUDY ") + element(0x20, 0x0D, b"1.2.3")))
        )
        got: dict[str, bytes] = {}
        statuses: list[tuple[int, tuple[int | None, ...]]] = []
        while not statuses or statuses[-1][0] == 0xFF00:
            command, data = viewer.answer()
            assert command is not None
            if command.command_field == 1:
                got[command.text(0x1000)] = data
                answer = {0x0100: 0x8001, 0x0120: command.message_id, 0x0800: 0x0101, 0x0900: answers.pop(0)}
                viewer.send(p_data(pdv(3, 3, encode_command(answer))))
            else:
                counts = tuple(command.number(element) for element in (0x1021, 0x1022, 0x1023))
                statuses.append((command.number(0x0900) or 0, counts))
        return got, statuses


def test_nothing_that_a_patient_is_known_by_is_ever_said(room: Room, caller: Caller) -> None:
    def named() -> None:
        raise Malformed("not readable")

    room.services.worklist = [element(0x10, 0x10, b"Larch^Ada ")]
    assert caller.store(UID, an_object(UID), context_id=7) == 0
    room.services.before_receive = named
    assert caller.store(UID, an_object(UID), context_id=7) == 0xC000
    ask(caller, 1, 0x20, WORKLIST, element(0x10, 0x10, b"Larch*"))
    said = str(room.events.seen)
    assert "Larch" not in said
    assert "WIRE-1" not in said
