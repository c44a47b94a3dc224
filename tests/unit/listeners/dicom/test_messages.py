"""Fragments become messages, under caps. Source: PS3.8 E."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bridge.codecs.dicom.commands import C_ECHO_RQ, C_FIND_RQ, C_STORE_RQ, Command, encode_command
from bridge.codecs.dicom.status import Service
from bridge.errors import Malformed
from bridge.listeners.dicom.messages import Assembler, Context, Message
from bridge.listeners.dicom.ports import Limits

FIND = Context(1, "1.2.840.10008.5.1.4.31", "1.2.840.10008.1.2", Service.WORKLIST)
CT = Context(3, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2", Service.STORAGE)
LIMITS = Limits(command_bytes=300, data_set_bytes=100, instance_bytes=1000)


@dataclass
class ListSink:
    written: bytearray = field(default_factory=bytearray)
    discarded: bool = False

    def write(self, fragment: memoryview) -> None:
        self.written += fragment

    def discard(self) -> None:
        self.discarded = True


@dataclass
class Rig:
    sinks: list[ListSink] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.assembler = Assembler({1: FIND, 3: CT}, LIMITS, self.open)

    def open(self, context: Context, command: Command) -> ListSink:
        self.sinks.append(ListSink())
        return self.sinks[-1]

    def feed(self, context_id: int, control: int, data: bytes) -> Message | None:
        return self.assembler.feed(context_id, control, memoryview(data))


def command(field: int, data_set: int = 1) -> bytes:
    return encode_command({0x0002: "1.2.3", 0x0100: field, 0x0110: 1, 0x0800: data_set})


def test_a_query_waits_in_memory_until_its_last_fragment() -> None:
    rig = Rig()
    assert rig.feed(1, 3, command(C_FIND_RQ)) is None
    assert rig.feed(1, 0, b"ab") is None
    assert rig.assembler.is_amid
    whole = rig.feed(1, 2, b"cd")
    assert whole is not None
    assert (whole.data_set, whole.sink) == (b"abcd", None)
    assert not rig.assembler.is_amid


def test_an_object_goes_to_its_sink_as_it_comes() -> None:
    rig = Rig()
    rig.feed(3, 3, command(C_STORE_RQ))
    rig.feed(3, 0, b"ab")
    assert rig.sinks[0].written == b"ab"
    whole = rig.feed(3, 2, b"cd")
    assert whole is not None
    assert whole.sink is rig.sinks[0]
    assert whole.data_set is None


def test_a_command_without_data_is_whole_at_once() -> None:
    whole = Rig().feed(1, 3, command(C_ECHO_RQ, 0x0101))
    assert whole is not None
    assert whole.data_set is None


def test_a_store_where_nothing_is_stored_opens_no_file() -> None:
    rig = Rig()
    rig.feed(1, 3, command(C_STORE_RQ))
    assert rig.sinks == []


def test_a_split_command_is_joined() -> None:
    rig, whole = Rig(), command(C_FIND_RQ)
    assert rig.feed(1, 1, whole[:10]) is None
    assert rig.feed(1, 3, whole[10:]) is None
    assert rig.feed(1, 2, b"x") is not None


@pytest.mark.parametrize(
    "fragments",
    [
        [(9, 3, command(C_FIND_RQ))],
        [(1, 2, b"data")],
        [(1, 3, command(C_FIND_RQ)), (3, 2, b"x")],
        [(1, 3, command(C_FIND_RQ)), (1, 3, command(C_FIND_RQ))],
        [(1, 1, bytes(200)), (1, 1, bytes(200))],
        [(1, 3, command(C_FIND_RQ)), (1, 0, bytes(60)), (1, 0, bytes(60))],
        [(3, 3, command(C_STORE_RQ)), (3, 0, bytes(600)), (3, 0, bytes(600))],
    ],
    ids=["unknown context", "data first", "context changes", "command inside", "endless command", "query", "object"],
)
def test_what_breaks_the_rules_ends_it(fragments: list[tuple[int, int, bytes]]) -> None:
    rig = Rig()
    for fragment in fragments[:-1]:
        rig.feed(*fragment)
    with pytest.raises(Malformed):
        rig.feed(*fragments[-1])


def test_an_unfinished_object_is_discarded() -> None:
    rig = Rig()
    rig.feed(3, 3, command(C_STORE_RQ))
    rig.feed(3, 0, b"ab")
    rig.assembler.close()
    assert rig.sinks[0].discarded
