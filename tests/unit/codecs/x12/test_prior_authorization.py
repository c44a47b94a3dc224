"""278: what is asked and what is answered, written and read back equal, line by line with its own number."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codecs.x12 import envelope, prior_authorization
from bridge.codecs.x12.facts import Code, Evidence, Service, Trace, When
from bridge.codecs.x12.prior_authorization import Line, PriorAuthorization, read, segments_of
from bridge.codecs.x12.writer import Draft, write
from bridge.errors import Incomplete, Malformed, Unsupported
from tests.unit.codecs.x12.judge import envelope_complaints
from tests.unit.codecs.x12.payers import ANSWERED, CHILD, FILMS, LUMBAR, REFUSED, REQUESTED, SENDING


def written(*said: PriorAuthorization) -> bytes:
    return write(SENDING, [Draft("278", prior_authorization.VERSION, segments_of(one)) for one in said])


def back(raw: bytes) -> list[PriorAuthorization]:
    return [found for one in envelope.read(raw)[0].transactions() for found in read(one)]


@pytest.mark.parametrize("said", [REQUESTED, ANSWERED, REFUSED, replace(REQUESTED, dependent=CHILD)])
def test_what_is_said_is_read_back_equal(said: PriorAuthorization) -> None:
    assert back(written(said)) == [said]


def test_an_independent_reader_finds_nothing_wrong_with_the_envelope_and_the_levels() -> None:
    raw = written(REQUESTED, ANSWERED, REFUSED)

    assert envelope_complaints(raw) == []
    assert envelope_complaints(raw.replace(b"~HL*6*4*SS", b"~HL*7*4*SS", 1))
    assert envelope_complaints(raw.replace(b"~SE*39*", b"~SE*38*"))


def test_a_request_of_ours_reads_as_the_guide_has_it() -> None:
    texts = [segment.text for segment in segments_of(REQUESTED)]

    assert texts[:5] == [
        "BHT*0007*13*CLV20260302001*20260302*1405",
        "HL*1**20*1",
        "NM1*X3*2*EASTPLAN HEALTH*****PI*EAST01",
        "HL*2*1*21*1",
        "NM1*1P*2*CLEARVIEW IMAGING*****XX*1234567893",
    ]
    assert [text for text in texts if text.startswith("HL")][2:] == [
        "HL*3*2*22*1",
        "HL*4*3*EV*1",
        "HL*5*4*SS*0",
        "HL*6*4*SS*0",
    ]
    assert "UM*HS*I*62*22:B*OA*U" in texts
    assert "HI*ABK:M545*ABF:M5116:D8:20260120" in texts
    assert "SV1*HC:72148:TC*650.00*UN*1***1:2" in texts
    assert "PWK*RB*EL***AC*IMG20260302K7QX4*MR LUMBAR SPINE KEY IMAGES" in texts


def test_each_line_of_an_answer_has_its_own_decision_and_number() -> None:
    [found] = back(written(ANSWERED))
    assert found.event is not None

    decided = [(line.decision.action, line.decision.number) if line.decision else None for line in found.event.lines]
    assert decided == [("A1", "EP-AUTH-001"), ("A6", "EP-AUTH-002"), ("A4", "EP-TRACK-9"), None]
    assert [one.code for one in found.event.lines[2].asked_for] == ["18748-4", "11488-4"]
    assert found.event.lines[3].rejections[0].reason == "33"
    assert (found.event.dates[1].code, found.event.dates[1].begins) == ("036", date(2026, 4, 8))


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (replace(LUMBAR, evidence=(FILMS,) * 11), "loop 2000F, PWK"),
        (replace(LUMBAR, evidence=(Evidence("RB", "EL", "X" * 81),)), "loop 2000F, PWK06"),
        (replace(LUMBAR, evidence=(Evidence("RB", "EL", "IMG1", "X" * 81),)), "loop 2000F, PWK07"),
        (replace(LUMBAR, evidence=(Evidence("", "EL", "IMG1"),)), "loop 2000F, PWK01"),
        (replace(LUMBAR, traces=(Trace("1", "X" * 51),)), "loop 2000F, TRN02"),
        (replace(LUMBAR, message="X" * 265), "loop 2000F, MSG01"),
        (replace(LUMBAR, service=Service("72148", modifiers=("TOO LONG",))), "loop 2000F, SV101-3"),
        (replace(LUMBAR, service=Service("", charge="1")), "loop 2000F, SV101-2"),
        (replace(LUMBAR, service=Service("72148", charge="a lot")), "loop 2000F, SV102"),
        (replace(LUMBAR, dates=(When("472", ""),)), "loop 2000F, DTP03"),
        (replace(LUMBAR, asked_for=(Code("LOI", "18748-4"),) * 13), "loop 2000F, HI"),
    ],
)
def test_what_the_guide_would_not_have_is_not_written_and_never_cut(line: Line, where: str) -> None:
    assert REQUESTED.event is not None
    with pytest.raises(Incomplete) as caught:
        segments_of(replace(REQUESTED, event=replace(REQUESTED.event, lines=(line,))))
    assert (caught.value.code, caught.value.where) == ("x12_rule", where)


def test_ten_pieces_of_evidence_stand_on_an_event_and_on_a_line() -> None:
    assert REQUESTED.event is not None
    ten = tuple(replace(FILMS, control_number=f"IMG{number:09}") for number in range(10))
    said = replace(REQUESTED, event=replace(REQUESTED.event, evidence=ten, lines=(replace(LUMBAR, evidence=ten),) * 99))

    assert back(written(said)) == [said]


def test_several_patients_of_one_answer_are_told_apart() -> None:
    raw = written(replace(ANSWERED, dependent=None))
    event = raw[raw.index(b"HL*4*3*EV") : raw.index(b"SE*")]
    count = raw[: raw.index(b"SE*")].count(b"~") - 1
    second = event.replace(b"HL*4*3*", b"HL*10*9*")
    for place in range(5, 9):
        second = second.replace(b"HL*%d*4*SS" % place, b"HL*%d*10*SS" % (place + 6))
    other = b"HL*9*2*22*1~NM1*IL*1*OKAFOR*ADA****MI*EP0041005~" + second
    total = count + other.count(b"~")
    both = raw.replace(b"SE*%d*" % count, other + b"SE*%d*" % total)
    found = back(both)

    assert [one.subscriber.party.number for one in found if one.subscriber] == ["EP0041001", "EP0041005"]
    assert [len(one.event.lines) for one in found if one.event] == [4, 4]


def test_another_transaction_and_one_without_a_payer_are_refused() -> None:
    [transaction] = envelope.read(written(REQUESTED))[0].transactions()
    with pytest.raises(Unsupported):
        read(replace(transaction, name="835"))
    with pytest.raises(Malformed) as caught:
        read(replace(transaction, segments=transaction.segments[:1]))
    assert caught.value.where == "loop 2000A"


def test_a_level_that_names_no_parent_or_stands_twice_is_kept_and_noticed() -> None:
    raw = written(REQUESTED).replace(b"HL*6*4*SS", b"HL*5*77*SS")
    [found] = back(raw)

    assert found.event is not None
    assert len(found.event.lines) == 1
    assert found.notices[0].where.startswith("segment 3")


TEXT = st.text(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -.'()/&"), min_size=2, max_size=48).map(
    lambda text: " ".join(text.split()).ljust(2, "X")
)
LINE = st.builds(
    lambda code, control, text, units: Line(
        Service(code, unit="UN", quantity=str(units)),
        traces=(Trace("1", control),),
        evidence=(Evidence("RB", "EL", control, text),),
        message=text,
    ),
    st.from_regex(r"[0-9A-Z]{5}", fullmatch=True),
    TEXT,
    TEXT,
    st.integers(1, 999),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(LINE, max_size=4), TEXT, TEXT)
def test_any_request_that_is_written_is_read_back_equal(lines: list[Line], name: str, message: str) -> None:
    assert REQUESTED.event is not None
    assert REQUESTED.subscriber is not None
    party = replace(REQUESTED.subscriber.party, name=name)
    said = replace(
        REQUESTED,
        subscriber=replace(REQUESTED.subscriber, party=party),
        event=replace(REQUESTED.event, lines=tuple(lines), message=message),
    )

    assert back(written(said)) == [said]


# What each file of the corpus says: purpose, (event's action and number), lines' (action, number), notices.
CORPUS_SAYS = {
    "278-request.edi": ("13", None, [], 0),
    "278-response.edi": ("11", ("A1", "AUTH123456"), [], 0),
    "278-comprehensive.edi": ("11", ("A1", "AUTH777"), [("A4", "PEND444")], 2),
    "278-edge.edi": ("13", None, [], 6),
}


@pytest.mark.parametrize("name", CORPUS_SAYS)
def test_a_278_of_the_corpus_is_read(corpus: Path, name: str) -> None:
    purpose, decided, lines, notices = CORPUS_SAYS[name]
    [transaction] = envelope.read((corpus / "x12/cosyte/auth" / name).read_bytes())[0].transactions()
    [found] = read(transaction.let_through())

    assert found.event is not None
    decision = found.event.decision
    assert found.purpose == purpose
    assert ((decision.action, decision.number) if decision else None) == decided
    assert [(one.decision.action, one.decision.number) for one in found.event.lines if one.decision] == lines
    assert len(found.notices) == notices
    assert found.subscriber is not None
    assert found.subscriber.party.number == "MBR0001"
