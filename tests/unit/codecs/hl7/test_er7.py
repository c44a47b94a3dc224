"""The positional reader. Source: HL7 2.5.1 2.5, 2.7."""

from __future__ import annotations

import pytest

from bridge.codecs.hl7 import er7
from bridge.errors import Incomplete, Malformed, Unsupported

HEADER = b"MSH|^~\\&|EHR^1.2.3^ISO|MERCYW|BRIDGE|HOSP|20260301120000||ADT^A08^ADT_A01|C1|P|2.5.1||||||"


def message(*segments: bytes, header: bytes = HEADER, end: bytes = b"\r") -> bytes:
    return end.join([header, *segments]) + end


def test_fields_are_counted_as_the_standard_counts_them() -> None:
    read = er7.parse(message(b"PID|1||77^^^MERCY^MR"))
    header, pid = read.first("MSH"), read.first("PID")

    assert header is not None
    assert pid is not None
    assert (header.field(1), header.field(2), header.value(9, 2), header.value(10)) == ("|", "^~\\&", "A08", "C1")
    assert (pid.value(3), pid.value(3, 4), pid.value(3, 5)) == ("77", "MERCY", "MR")


def test_absent_empty_and_null_are_three_things() -> None:
    pid = er7.parse(message(b'PID|1||""||')).first("PID")

    assert pid is not None
    assert (pid.field(9), pid.field(4), pid.field(3)) == (None, "", er7.NULL)
    assert (pid.value(9), pid.value(4), pid.value(3)) == ("", "", "")


def test_repetitions_and_subcomponents() -> None:
    read = er7.parse(message(b"PID|1||1^^^H&1.2&ISO~2^^^K"))
    pid = read.first("PID")

    assert pid is not None
    assert pid.repetitions(3) == ["1^^^H&1.2&ISO", "2^^^K"]
    assert read.part("1^^^H&1.2&ISO", 4, 2) == "1.2"
    assert read.part("1^^^H&1.2&ISO", 4) == "H&1.2&ISO"


def test_other_delimiters_are_read() -> None:
    raw = b"MSH#*!?%#EHR#MERCYW#B#H#20260301##ADT*A08#C2#P#2.4\rPID#1##77***MERCY*MR!88##DOE?S?X*JOHN\r"
    read = er7.parse(raw)
    pid = read.first("PID")

    assert read.envelope.message_type == "ADT^A08"
    assert pid is not None
    assert pid.repetitions(3) == ["77***MERCY*MR", "88"]
    assert pid.value(5) == "DOE*X"


def test_segments_of_no_standard_are_kept_in_their_place() -> None:
    read = er7.parse(message(b"PID|1", b"ZPD|a|b^c", b"PV1|1"))

    assert [segment.name for segment in read.segments] == ["MSH", "PID", "ZPD", "PV1"]
    assert read.all("ZPD")[0].value(2, 2) == "c"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_any_line_end_ends_a_segment(end: bytes) -> None:
    assert [s.name for s in er7.parse(message(b"PID|1", b"PV1|1", end=end)).segments] == ["MSH", "PID", "PV1"]


@pytest.mark.parametrize("around", [(b"\xef\xbb\xbf", b""), (b"\r\n", b"\r\n\r\n"), (b"", b"\x00\x00"), (b" ", b" ")])
def test_padding_around_a_message_is_passed_over(around: tuple[bytes, bytes]) -> None:
    before, after = around

    assert len(er7.parse(before + message(b"PID|1") + after).segments) == 2


def test_the_last_segment_needs_no_end() -> None:
    assert len(er7.parse(message(b"PID|1").rstrip(b"\r")).segments) == 2


def test_a_line_feed_inside_a_text_is_text() -> None:
    nte = er7.parse(message(b"NTE|1||line one\nline two", b"PV1|1")).first("NTE")

    assert nte is not None
    assert nte.field(3) == "line one\nline two"


@pytest.mark.parametrize(
    ("segment", "where"), [(b"this is no segment", "PID"), (b"PI", "PID"), (b"pid|1", "PID"), (b"PIDX1", "PID")]
)
def test_a_line_that_begins_no_segment_is_refused(segment: bytes, where: str) -> None:
    with pytest.raises(Malformed) as refused:
        er7.parse(message(b"PID|1", segment))
    assert (refused.value.code, refused.value.where) == ("segment_sequence", where)


def test_two_messages_in_one_are_refused() -> None:
    with pytest.raises(Malformed) as refused:
        er7.parse(message(b"PID|1") + message(b"PID|1"))
    assert refused.value.where == "MSH[2]"


@pytest.mark.parametrize("raw", [b"", b"garbage", b"PID|1\r", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00"])
def test_what_has_no_header_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        er7.parse(raw)
    assert refused.value.code == "no_header"


def test_a_batch_is_refused_as_such() -> None:
    with pytest.raises(Unsupported):
        er7.parse(b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + message(b"PID|1") + b"BTS|1\rFTS|1\r")


def test_too_many_repetitions_are_refused_when_they_are_asked_for() -> None:
    read = er7.parse(message(b"PID|1||" + b"~".join(b"%d" % n for n in range(2000)) + b"||DOE"))
    pid = read.first("PID")

    assert pid is not None
    assert pid.value(5) == "DOE"
    with pytest.raises(Malformed):
        pid.repetitions(3)


def test_too_many_segments_are_refused() -> None:
    with pytest.raises(Malformed) as refused:
        er7.parse(message(*[b"NTE|1"] * (er7.MAX_SEGMENTS + 1)))
    assert refused.value.code == "too_many"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_refused_by_its_name(codec: str) -> None:
    with pytest.raises(Malformed) as refused:
        er7.parse(message(b"PID|1||7").decode().encode(codec))
    assert (refused.value.code, refused.value.where) == ("wrong_charset", "MSH-18")
    assert "UTF-8" in refused.value.detail


def test_utf_16_that_says_so_by_a_mark_is_read() -> None:
    assert er7.parse(message(b"PID|1||7").decode().encode("utf-16")).segments[1].value(3) == "7"


@pytest.mark.parametrize(
    ("unit", "count"),
    [
        (b"|", er7.MAX_DELIMITERS),
        (b"^", er7.MAX_DELIMITERS),
        (b"~", er7.MAX_DELIMITERS),
        (b"&", er7.MAX_DELIMITERS),
        (b"\\", er7.MAX_ESCAPES),
        (b"\n", er7.MAX_LINES),
        (b"\r", er7.MAX_LINES),
    ],
)
def test_more_pieces_than_a_message_has_are_refused_before_it_is_cut(unit: bytes, count: int) -> None:
    with pytest.raises(Malformed) as refused:
        er7.parse(message(b"NTE|1||" + unit * (count + 1) + b"ZXY"))
    assert refused.value.code == "too_many"


def test_an_escape_character_written_twice_in_the_header_is_one() -> None:
    header = HEADER.replace(b"^~\\&", b"^~\\\\&")
    read = er7.parse(message(b"PID|1||77^^^MERCY&1.2&ISO^MR||O\\T\\K", header=header))

    assert [read.segments[1].value(3), read.segments[1].value(3, 4, 2), read.segments[1].value(5)] == [
        "77",
        "1.2",
        "O&K",
    ]
    assert [notice.where for notice in read.all_notices()] == ["MSH-2"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("start", "unit", "count"),
    [
        (b"NTE|1||", b"\n", er7.MAX_LINES - 10),
        (b"NTE|1||", b" \n", er7.MAX_LINES - 10),
        (b"PID|", b"|", er7.MAX_DELIMITERS - 50),
        (b"NTE|1||", b"\\", er7.MAX_ESCAPES - 10),
    ],
    ids=["line feeds", "blank lines", "fields", "escapes"],
)
def test_the_most_pieces_that_are_let_in_are_read(start: bytes, unit: bytes, count: int) -> None:
    read = er7.parse(message(start + unit * count))

    assert read.segments[1].value(2) == ""


def test_a_base64_value_that_was_broken_into_lines_is_read_as_one() -> None:
    wrapped = b"OBX|1|ED|PDF^^LN||^Application^PDF^Base64^JVBERi0x\rLjMNCiXi\rTw8L+w==||||||F"
    read = er7.parse(message(b"PID|1||7", wrapped, b"OBX|2|TX|1^x||text||||||F"))

    assert [segment.name for segment in read.segments[1:]] == ["PID", "OBX", "OBX"]
    first, second = read.all("OBX")
    assert (first.value(5, 5), first.field(11)) == ("JVBERi0xLjMNCiXiTw8L+w==", "F")
    assert second.value(5) == "text"
    assert [notice.where for notice in read.all_notices()] == ["OBX-5"]


@pytest.mark.parametrize(
    "lines",
    [
        (b"OBX|1|ED|||^AP^PDF^Base64^QUJD||||||F", b"not base64|x"),
        (b"OBX|1|ED|||^AP^PDF^Base64^QUJD||||||F", b"NTE|1", b"QUJD"),
        (b"NTE|1||Base64", b"QUJD"),
    ],
)
def test_any_other_line_that_begins_no_segment_is_refused(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(Malformed) as refused:
        er7.parse(message(b"PID|1||7", *lines))
    assert refused.value.code == "segment_sequence"


def test_the_charset_of_the_header_reads_the_message() -> None:
    read = er7.parse(message(b"PID|1||1||M\xfcller", header=HEADER + b"8859/1"))
    pid = read.first("PID")

    assert pid is not None
    assert pid.value(5) == "Müller"


def test_a_multi_byte_character_may_hold_a_delimiters_byte() -> None:
    header = HEADER + b"GB 18030-2000"
    pid = er7.parse(message("PID|1||1||\u4e28\u7ae5^X".encode("gb18030"), header=header)).first("PID")

    assert pid is not None
    assert pid.value(5, 2) == "X"


def test_what_was_let_through_is_told() -> None:
    read = er7.parse(message(b"PID|1||1||M\xfcll\\Zq\\er"))
    pid = read.first("PID")
    assert pid is not None
    pid.value(5)

    assert [notice.severity for notice in read.all_notices()] == ["W", "W"]


# The envelope: read even where the message cannot be.


def test_an_envelope_names_sender_type_and_control_id() -> None:
    envelope = er7.read_envelope(message(b"PID|1"))

    assert (envelope.sending_application, envelope.sending_facility) == ("EHR", "MERCYW")
    assert (envelope.message_type, envelope.control_id, envelope.processing_id, envelope.version) == (
        "ADT^A08",
        "C1",
        "P",
        "2.5.1",
    )
    assert envelope.fault is None


def test_a_sender_without_a_name_is_known_by_its_universal_id() -> None:
    assert er7.read_envelope(b"MSH|^~\\&|^1.2.3^ISO|^9.8.7^ISO|\r").sending_facility == "9.8.7"


@pytest.mark.parametrize(
    "raw",
    [message(b"PID|1||\xff\xfe"), message(b"nonsense"), message(b"PID|1") * 2, HEADER + b"KLINGON\r", HEADER[:-10]],
)
def test_the_envelope_of_an_unreadable_message_still_names_its_control_id(raw: bytes) -> None:
    assert er7.read_envelope(raw).control_id == "C1"


def test_the_control_id_is_found_behind_unusable_delimiters() -> None:
    envelope = er7.read_envelope(HEADER.replace(b"^~\\&", b"^^^^"))

    assert envelope.control_id == "C1"
    assert isinstance(envelope.fault, Malformed)


def test_a_control_id_that_is_too_long_is_a_fault_and_cut() -> None:
    envelope = er7.read_envelope(HEADER.replace(b"C1", b"X" * 5000))

    assert len(envelope.control_id) == 199
    assert envelope.fault is not None
    assert envelope.fault.where == "MSH-10"


def test_a_batch_header_is_read_where_it_has_the_same_fields() -> None:
    envelope = er7.read_envelope(b"BHS|^~\\&|EHR|MERCYW|B|H|20260301|||x|B77\r")

    assert envelope.is_batch
    assert (envelope.sending_facility, envelope.control_id) == ("MERCYW", "B77")


def test_names_of_senders_are_read_in_their_set() -> None:
    raw = "MSH|^~\\&|KIS|KÖLN|||||ADT^A08|1|P|2.5||||||8859/1\r".encode("latin-1")

    assert er7.read_envelope(raw).sending_facility == "KÖLN"


def test_a_character_set_without_meaning_leaves_the_envelope_readable() -> None:
    with pytest.raises(Incomplete):
        er7.parse(message(b"PID|1", header=HEADER + b"KLINGON"))


# The writer.


def test_a_segment_is_written_escaped_and_without_trailing_empties() -> None:
    assert er7.build_segment("PID", ["1", "", ["77", "", "", "A&B"], "x|y", "", ""]) == "PID|1||77^^^A\\T\\B|x\\F\\y\r"


def test_a_written_header_is_read_back() -> None:
    header = er7.build_segment("MSH", ["EHR", "MERCYW", "B", "H", "20260301", "", ["ADT", "A08"], "C9", "P", "2.5.1"])
    read = er7.parse((header + er7.build_segment("PID", ["1", "", ["A^1", "", "", "H"]])).encode())
    pid = read.first("PID")

    assert read.envelope.control_id == "C9"
    assert pid is not None
    assert pid.value(3) == "A^1"
