"""Command sets and their fragments. Source: PS3.7 6.3, PS3.8 9.3.5."""

from __future__ import annotations

import struct

import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.commands import encode_command, message, parse_command, values_of
from bridge.errors import Malformed

ECHO = {
    commands.AFFECTED_SOP_CLASS_UID: "1.2.840.10008.1.1",
    commands.COMMAND_FIELD: commands.C_ECHO_RQ,
    commands.MESSAGE_ID: 7,
    commands.COMMAND_DATA_SET_TYPE: commands.NO_DATA_SET,
}


def test_a_command_set_is_what_pydicom_reads() -> None:
    encoded = encode_command(ECHO | {commands.ERROR_COMMENT: "odd"})
    read = read_dataset(DicomBytesIO(encoded), True, True)
    assert (read.AffectedSOPClassUID, read.CommandField, read.MessageID) == ("1.2.840.10008.1.1", 0x30, 7)
    assert read.ErrorComment == "odd"
    assert read.CommandGroupLength == len(encoded) - 12


def test_a_command_set_is_read_back() -> None:
    command = parse_command(encode_command(ECHO))
    assert command.command_field == commands.C_ECHO_RQ
    assert command.message_id == 7
    assert command.text(commands.AFFECTED_SOP_CLASS_UID) == "1.2.840.10008.1.1"
    assert not command.has_data_set
    assert not command.is_response


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 60,
        encode_command(ECHO)[:-1],
        encode_command(ECHO)[:12] + struct.pack("<HHL", 8, 0x16, 0),
        encode_command({commands.MESSAGE_ID: 1}),
        struct.pack("<HHLH", 0, 0x0800, 2, 1) + struct.pack("<HHLH", 0, 0x0100, 2, 1),
        struct.pack("<HHL", 0, 0x0100, 0xFFFFFFFF),
    ],
    ids=["empty", "noise", "cut", "another group", "no field", "not ascending", "endless length"],
)
def test_what_is_no_command_set_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_command(data)


def test_a_uid_with_bytes_beyond_ascii_is_no_uid_any_more() -> None:
    command = parse_command(
        encode_command(ECHO | {commands.AFFECTED_SOP_INSTANCE_UID: "1.2"})[:-4] + b"\xff\xfe\xff\xfe"
    )
    assert command.text(commands.AFFECTED_SOP_INSTANCE_UID) == "????"


@pytest.mark.parametrize("fragment_bytes", [32, 50, 1000])
def test_a_message_is_cut_to_what_the_receiver_takes_and_whole_again(fragment_bytes: int) -> None:
    command, data_set = encode_command(ECHO), bytes(range(200))
    sent = message(5, command, data_set, fragment_bytes)
    parts: dict[int, bytes] = {0: b"", 1: b""}
    lasts, at = [], 0
    while at < len(sent):
        kind, length = struct.unpack_from(">BxL", sent, at)
        body = memoryview(sent)[at + 6 : at + 6 + length]
        assert kind == 4
        assert length <= fragment_bytes + 6
        for context_id, control, fragment in values_of(body):
            assert context_id == 5
            parts[control & 1] += bytes(fragment)
            lasts.append(control)
        at += 6 + length
    assert (parts[1], parts[0]) == (command, data_set)
    assert [control & 3 for control in lasts if control & 2] == [3, 2]


@pytest.mark.parametrize("body", [b"", b"\0\0\0\1\1\3", struct.pack(">L", 0), struct.pack(">LBB", 50, 1, 3), b"\0\0\0"])
def test_values_with_wrong_lengths_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        list(values_of(memoryview(body)))
