"""The envelope: what partners send is read, what does not agree is a fault of what it ends, and nothing is echoed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codecs.x12 import cutting, envelope, prior_authorization
from bridge.codecs.x12.cutting import MAX_SEGMENT_BYTES
from bridge.codecs.x12.segments import SENDABLE, STANDARD, Delimiters, Segment, build
from bridge.codecs.x12.writer import Draft, Sending, write
from bridge.errors import BridgeError, Incomplete, Malformed
from tests.unit.codecs.x12.payers import ANSWERED, REQUESTED, SENDING

DRAFT = Draft("278", "005010X217", prior_authorization.segments_of(REQUESTED))
ANSWER = Draft("278", "005010X217", prior_authorization.segments_of(ANSWERED))
WHOLE = write(SENDING, [DRAFT])


def faults(raw: bytes) -> list[tuple[str, str]]:
    return [(fault.code, fault.where) for one in envelope.read(raw) for fault in one.all_faults()]


def refusal(raw: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        envelope.read(raw)
    return caught.value


def test_a_file_of_ours_is_read_without_a_fault() -> None:
    [found] = envelope.read(write(SENDING, [DRAFT, ANSWER, Draft("275", "006020X314", (build("LX", "1"),))]))

    assert found.all_faults() == []
    assert (found.control_number, found.sender, found.receiver) == (
        "000000041",
        ("ZZ", "CLEARVIEW"),
        ("ZZ", "EASTPLAN"),
    )
    assert [(group.name, group.version, len(group.transactions)) for group in found.groups] == [
        ("HI", "005010X217", 2),
        ("PI", "006020X314", 1),
    ]
    assert [one.control_number for one in found.transactions()] == ["0001", "0002", "0001"]
    assert found.transactions()[0].segments == DRAFT.segments


@pytest.mark.parametrize("ends", [b"~", b"~\n", b"~\r\n", b"\n", b"\r", b"\r\n", b"'", b"\x1c", b"~\r\n   "])
def test_any_terminator_with_or_without_line_ends_is_read(ends: bytes) -> None:
    [found] = envelope.read(b"\xef\xbb\xbf\r\n" + WHOLE.replace(b"~", ends))

    assert found.all_faults() == []
    assert [one.elements() for one in found.transactions()[0].segments] == [one.elements() for one in DRAFT.segments]


def test_a_file_broken_into_lines_of_eighty_characters_is_read() -> None:
    broken = WHOLE[:106] + b"\r\n".join(WHOLE[at : at + 80] for at in range(106, len(WHOLE), 80))

    assert [one.text for one in envelope.read(broken)[0].transactions()[0].segments] == [
        one.text for one in DRAFT.segments
    ]


def test_several_interchanges_stand_in_one_file() -> None:
    found = envelope.read(WHOLE + b"\r\n" + WHOLE.replace(b"000000041", b"000000042"))

    assert [one.control_number for one in found] == ["000000041", "000000042"]
    assert found[1].transactions()[0].segments[0].number > found[0].transactions()[0].segments[-1].number


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"~SE*39*", b"~SE*38*", ("count", "segment 41 (SE01)")),
        (b"~SE*39*", b"~SE*x*", ("count", "segment 41 (SE01)")),
        (b"*0001~GE", b"*0002~GE", ("control_number", "segment 41 (SE02)")),
        (b"~GE*1*1~", b"~GE*2*1~", ("count", "segment 42 (GE01)")),
        (b"~GE*1*1~", b"~GE*1*2~", ("control_number", "segment 42 (GE02)")),
        (b"~IEA*1*000000041", b"~IEA*2*000000041", ("count", "segment 43 (IEA01)")),
        (b"~IEA*1*000000041", b"~IEA*1*000000001", ("control_number", "segment 43 (IEA02)")),
        (b"~GS*HI*", b"~GS*HP*", ("group_kind", "segment 3 (ST01)")),
    ],
)
def test_what_does_not_agree_is_a_fault_with_its_place(old: bytes, new: bytes, fault: tuple[str, str]) -> None:
    assert old in WHOLE
    raw = WHOLE.replace(old, new)

    assert faults(raw) == [fault]
    [transaction] = envelope.read(raw)[0].transactions()
    with pytest.raises(Malformed) as caught:
        prior_authorization.read(transaction)
    assert (caught.value.code, caught.value.where) == fault
    assert prior_authorization.read(transaction.let_through())[0].reference == REQUESTED.reference


def test_a_transaction_with_a_fault_does_not_spoil_the_one_beside_it() -> None:
    raw = write(SENDING, [DRAFT, ANSWER]).replace(b"~SE*39*", b"~SE*38*")
    first, second = envelope.read(raw)[0].transactions()

    assert [fault.code for fault in first.faults] == ["count"]
    assert second.faults == ()


def test_a_control_number_that_stands_twice_is_a_fault_of_its_group() -> None:
    raw = write(SENDING, [DRAFT, ANSWER]).replace(b"*0002", b"*0001")

    assert [code for code, _ in faults(raw)] == ["number_twice"]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"MSH|^~\\&|", "no_isa"),
        (WHOLE[:105], "isa_length"),
        (WHOLE.replace(b"*ZZ*", b"*Z*"), "isa_length"),
        (WHOLE[:104] + b"*" + WHOLE[105:], "delimiters"),
        (WHOLE[:105] + b"A" + WHOLE[106:], "delimiters"),
        (WHOLE[:105] + b"\xff" + WHOLE[106:], "delimiters"),
        (WHOLE[:-1], "cut_off"),
        (WHOLE[: WHOLE.index(b"~IEA") + 1], "cut_off"),
        (WHOLE[: WHOLE.index(b"~SE*") + 1], "cut_off"),
        (WHOLE.replace(b"~SE*39*0001", b""), "misplaced"),
        (WHOLE.replace(b"~ST*278*0001*005010X217", b""), "misplaced"),
        (WHOLE.replace(b"~GE*1*1", b""), "misplaced"),
        (WHOLE[:106] + WHOLE, "misplaced"),
        (WHOLE + b"REF*BB*1~", "no_isa"),
        (WHOLE.replace(b"~BHT*", b"~*"), "segment"),
        (WHOLE.replace(b"~BHT*", b"~" + b"B" * (MAX_SEGMENT_BYTES + 2) + b"*"), "too_large"),
        (WHOLE[:103] + b"\n" + WHOLE[104:], "isa_length"),
        (WHOLE.replace(b"*", b"\n"), "delimiters"),
    ],
)
def test_what_is_no_interchange_is_refused_by_name(raw: bytes, code: str) -> None:
    assert refusal(raw).code == code


def test_more_segments_than_any_file_has_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MAX_SEGMENTS", 40)
    assert (refusal(WHOLE).code, refusal(WHOLE).where) == ("too_many", "segment 41")


def test_a_refusal_never_repeats_what_was_sent() -> None:
    raw = WHOLE.replace(b"~BHT*", b"~HALVORSEN INGRID EP0041001*")
    fault = refusal(raw)

    assert fault.where == "segment 4"
    assert "HALVORSEN" not in f"{fault} {fault.where} {fault.detail} {fault.to_caller}"


def test_bytes_are_taken_by_their_length_whatever_they_hold() -> None:
    inside = "AB~SE*1*0001~GE*"
    raw = WHOLE.replace(b"~SE*39*", f"~BDS*B64*{len(inside)}*{inside}~SE*40*".encode())
    [transaction] = envelope.read(raw)[0].transactions()

    assert transaction.faults == ()
    assert transaction.segments[-1].element(3) == inside


@pytest.mark.parametrize("length", ["3", "5", "", "-4", "4x", "99999999999999999999", "999999999"])
def test_bytes_that_are_not_as_many_as_they_say_are_a_fault(length: str) -> None:
    raw = WHOLE.replace(b"~SE*39*", f"~BDS*B64*{length}*ABCD~SE*40*".encode())

    assert faults(raw) == [("binary_length", "segment 41 (BDS02)")]


def test_an_older_version_knows_no_repetitions() -> None:
    old = WHOLE.replace(b"*00501*", b"*00401*").replace(b"*^*", b"*U*")

    assert envelope.read(old)[0].delimiters.repetition == ""


def test_a_test_file_says_so_in_each_transaction() -> None:
    raw = write(Sending(SENDING.sender, SENDING.receiver, 1, SENDING.created, is_test=True), [DRAFT])

    assert [one.is_test for one in envelope.read(raw)[0].transactions()] == [True]
    assert [one.is_test for one in envelope.read(WHOLE)[0].transactions()] == [False]


def test_an_element_of_too_many_parts_is_refused() -> None:
    for text, read in [("REF*" + "*" * 500, "elements"), ("HI*" + ":" * 500, "hi"), ("HI*" + "^" * 5000, "hi")]:
        segment = Segment(text, STANDARD, 7)
        with pytest.raises(Malformed) as caught:
            segment.elements() if read == "elements" else segment.components(1)
        assert caught.value.where.startswith("segment 7 (")


TEXT = st.text(st.sampled_from(sorted(SENDABLE - set(STANDARD))), max_size=20)
ELEMENT = st.one_of(
    TEXT, st.lists(TEXT, min_size=1, max_size=3).map(tuple), st.lists(st.tuples(TEXT, TEXT), max_size=3)
)
SEGMENT = st.builds(
    lambda name, values: build(name, *values), st.sampled_from(["REF", "HI", "NM1"]), st.lists(ELEMENT, max_size=6)
)
MARKS = st.permutations("*^:~|>'+\x1d").map(lambda marks: Delimiters(marks[0], marks[1], marks[2], marks[3]))
MARKS = st.one_of(MARKS, MARKS.map(lambda marks: marks._replace(segment="\n")))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(SEGMENT, max_size=5), min_size=1, max_size=4), MARKS, st.booleans())
def test_what_is_written_is_read_back_equal(parts: list[list[Segment]], marks: Delimiters, line_ends: bool) -> None:
    drafts = [Draft("278", "005010X217", tuple(segments)) for segments in parts]
    sending = Sending(
        SENDING.sender,
        SENDING.receiver,
        7,
        SENDING.created,
        delimiters=marks,
        line_ends=line_ends and "\n" not in marks,
    )
    try:
        raw = write(sending, drafts)
    except Incomplete:
        assert any((set(marks) - set(STANDARD)) & set(one.text) for draft in drafts for one in draft.segments)
        return
    [found] = envelope.read(raw)

    assert found.all_faults() == []
    assert found.delimiters == marks
    for draft, transaction in zip(drafts, found.transactions(), strict=True):
        for wrote, read in zip(draft.segments, transaction.segments, strict=True):
            assert read.name == wrote.name
            assert [read.repetitions(n) for n in range(1, 7)] == [wrote.repetitions(n) for n in range(1, 7)]


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(WHOLE)), st.integers(0, 30), st.binary(max_size=8))
def test_a_spoilt_envelope_is_refused_or_at_fault_and_never_breaks(at: int, length: int, instead: bytes) -> None:
    spoilt = WHOLE[:at] + instead + WHOLE[at + length :]
    try:
        found = envelope.read(spoilt)
    except BridgeError:
        return
    ends = {segment for segment in (b"~SE*", b"~GE*", b"~IEA*") if spoilt.count(segment) != 1}
    assert not ends or any(one.all_faults() for one in found) or len(found) != 1 or found[0].delimiters != STANDARD


@pytest.mark.parametrize("number", range(3, 43))
def test_a_segment_that_is_lost_or_doubled_is_noticed(number: int) -> None:
    segments = WHOLE.split(b"~")
    for changed in (segments[: number - 1] + segments[number:], segments[:number] + segments[number - 1 :]):
        try:
            found = envelope.read(b"~".join(changed))
        except Malformed:
            continue
        assert any(one.all_faults() for one in found)


@pytest.mark.parametrize(
    ("sending", "where"),
    [
        (Sending(("ZZ", ""), SENDING.receiver, 1, SENDING.created), "ISA05"),
        (Sending(SENDING.sender, ("ZZ", "LONGER THAN FIFTEEN"), 1, SENDING.created), "ISA07"),
        (Sending(("ZZ", "A*B"), SENDING.receiver, 1, SENDING.created, sender_code="A"), "ISA06"),
        (Sending(SENDING.sender, SENDING.receiver, 0, SENDING.created), "ISA13"),
        (Sending(SENDING.sender, SENDING.receiver, 1, SENDING.created, delimiters=Delimiters("*", "*")), "ISA"),
        (Sending(SENDING.sender, SENDING.receiver, 1, SENDING.created, delimiters=Delimiters("\n")), "ISA"),
        (Sending(SENDING.sender, SENDING.receiver, 1_000_000_000, SENDING.created), "ISA13"),
    ],
)
def test_a_party_or_number_that_an_isa_cannot_hold_is_not_written(sending: Sending, where: str) -> None:
    with pytest.raises(Incomplete) as caught:
        write(sending, [DRAFT])
    assert caught.value.where == where


def test_a_text_with_a_delimiter_or_without_a_character_of_x12_is_not_written() -> None:
    for text, code in [("A~B", "delimiter"), ("A*B", "delimiter"), ("Núñez", "character"), ("A\nB", "character")]:
        with pytest.raises(Incomplete) as caught:
            build("MSG", text)
        assert (caught.value.code, caught.value.where) == (code, "MSG01")


def test_every_x12_file_of_the_corpus_has_a_readable_envelope(corpus: Path) -> None:
    files = sorted(file for file in (corpus / "x12").rglob("*") if file.is_file())
    faulty = {}
    for file in files:
        found = [fault.code for one in envelope.read(file.read_bytes()) for fault in one.all_faults()]
        if found:
            faulty[file.name] = found

    assert len(files) >= 46
    assert faulty == {
        "278-comprehensive.edi": ["control_number"],
        "278-edge.edi": ["control_number"],
        "837i-pay-to-plan.edi": ["count"],
        "837p-comprehensive.edi": ["count"],
        "837p-edge-cases.edi": ["count"],
        "837p-empty-optionals.edi": ["count"],
        "837p-hl-orphan.edi": ["count"],
        "837p-unknown-hi.edi": ["count"],
        "837p-unknown-variant.edi": ["count"],
        "837p-with-patient-hl.edi": ["count"],
        "999-accept-with-errors.edi": ["count"],
        "999-reject-control-number-mismatch.edi": ["count"],
        "subscriber-health-benefit-check-error.271": ["control_number"],
    }
