"""275: the packet goes out whole, is found by its control number, and comes back byte for byte."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codecs.x12 import envelope
from bridge.codecs.x12.additional_information import (
    CLAIM,
    PRIOR_AUTHORIZATION,
    SOLICITED,
    UNSOLICITED,
    AdditionalInformation,
    Answer,
    Document,
    Packaging,
    read,
    segments_of,
)
from bridge.codecs.x12.facts import Trace
from bridge.codecs.x12.mime_entity import MimeEntity, as_entity, from_entity
from bridge.codecs.x12.writer import Draft, write
from bridge.errors import Incomplete, Malformed, Unsupported
from tests.unit.codecs.x12.judge import envelope_complaints
from tests.unit.codecs.x12.payers import CLINIC, PACKET, SENDING, SENT

BARE = Packaging("006020X314", "BDS", as_mime=False)


def written(said: AdditionalInformation, packaging: Packaging) -> bytes:
    return write(SENDING, [Draft("275", packaging.version, segments_of(said, packaging))])


def back(raw: bytes) -> AdditionalInformation:
    [transaction] = envelope.read(raw)[0].transactions()
    return read(transaction)


@pytest.mark.parametrize("packaging", [PRIOR_AUTHORIZATION, CLAIM])
@pytest.mark.parametrize("purpose", [UNSOLICITED, SOLICITED])
def test_what_is_sent_is_read_back_equal_with_its_bytes(packaging: Packaging, purpose: str) -> None:
    said = replace(SENT, purpose=purpose)

    assert back(written(said, packaging)) == said
    assert envelope_complaints(written(said, packaging)) == []


def test_a_claim_attachment_has_the_shape_that_payers_publish() -> None:
    texts = [segment.text for segment in segments_of(SENT, CLAIM)]
    at = texts.index("LX*1")

    assert texts[0] == "BGN*02*CLV20260302002*20260302*1405"
    assert texts[at : at + 8] == [
        "LX*1",
        "TRN*1*IMG20260302K7QX4",
        "STC*R4:55113-5::LOI",
        "REF*6R*LINE-1",
        "DTP*472*D8*20260310",
        "DTP*368*D8*20260302",
        "CAT*AE*IA",
        "OOI*1*47*ATTACHMENT",
    ]
    name, form, length, content = texts[at + 8].split("*", 3)
    assert (name, form, int(length)) == ("BDS", "B64", len(content))
    assert base64.b64decode(content).startswith(b"Content-Type: application/pdf\r\n")


def test_a_payer_without_mime_gets_the_document_itself() -> None:
    last = next(one for one in segments_of(SENT, BARE) if one.name == "BDS")
    found = back(written(SENT, BARE))

    assert base64.b64decode(last.element(3)) == PACKET
    assert found.answers[0].documents[0].content == PACKET


def test_a_5010_carries_the_document_in_a_bin_with_its_length() -> None:
    last = next(one for one in segments_of(SENT, PRIOR_AUTHORIZATION) if one.name == "BIN")

    assert int(last.element(1)) == len(last.elements()[2])


@pytest.mark.parametrize(
    ("said", "where"),
    [
        (replace(SENT, answers=()), "loop 2000"),
        (replace(SENT, answers=(replace(SENT.answers[0], documents=()),)), "loop 2110"),
        (replace(SENT, answers=(replace(SENT.answers[0], documents=(Document(b""),)),)), "BDS03"),
        (replace(SENT, answers=(replace(SENT.answers[0], trace=Trace("1", "X" * 51)),)), "loop 2000, TRN02"),
        (replace(SENT, purpose=""), "transaction, BGN01"),
        (replace(SENT, provider=replace(CLINIC, role="XY")), None),
    ],
)
def test_what_the_guide_would_not_have_is_not_written(said: AdditionalInformation, where: str | None) -> None:
    with pytest.raises(Incomplete) as caught:
        segments_of(said, CLAIM)
    assert where is None or caught.value.where == where


def test_another_transaction_and_one_without_a_patient_are_refused() -> None:
    [transaction] = envelope.read(written(SENT, CLAIM))[0].transactions()
    with pytest.raises(Unsupported):
        read(replace(transaction, name="278"))
    nobody = tuple(one for one in transaction.segments if one.element(1) != "QC")
    with pytest.raises(Malformed):
        read(replace(transaction, segments=nobody))


def test_base64_that_is_none_is_told_and_the_rest_is_read() -> None:
    raw = written(SENT, BARE)
    spoilt = raw.replace(base64.b64encode(PACKET), b"!" * len(base64.b64encode(PACKET)))
    first, second = back(spoilt).answers

    assert (first.documents[0].content, first.documents[0].unreadable) == (b"", "what should be Base64 is not")
    assert second.documents[0].content == b"<ClinicalDocument/>"


@settings(deadline=None, max_examples=40)
@given(st.binary(min_size=1, max_size=300), st.sampled_from([PRIOR_AUTHORIZATION, CLAIM]))
def test_any_document_comes_back_byte_for_byte(content: bytes, packaging: Packaging) -> None:
    said = replace(SENT, answers=(Answer(Trace("1", "IMG1"), (Document(content, form="IA"),)),))

    assert back(written(said, packaging)) == said


@settings(deadline=None)
@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_bytes_go_into_an_entity_and_out_again(content: bytes, name: str) -> None:
    assert from_entity(as_entity(MimeEntity(content, "application/pdf", name))).content == content


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=100).map(lambda one: b"Content-Type: a/b;\r\n" + one)))
def test_what_is_no_entity_is_kept_as_it_is_or_refused(raw: bytes) -> None:
    try:
        found = from_entity(raw)
    except ValueError:
        return
    assert raw.endswith(found.content) or b"base64" in raw.lower()


def test_the_275_of_the_corpus_is_read(corpus: Path) -> None:
    found = back((corpus / "x12/x12parser/FromImplementationGuide_1.txt").read_bytes())

    assert (found.purpose, found.reference, found.payer.role) == ("11", "0001", "40")
    assert found.submitter is not None
    assert found.submitter.role == "41"
    assert found.patient.number == "987654320"
    assert [one.code for one in found.patient.references] == ["EJ", "BLT", "EA"]
    [answer] = found.answers
    assert (answer.trace.kind, answer.trace.number, answer.asked_for) == ("2", "1822634840", "18594-2")
    [document] = answer.documents
    assert document.form == "HL"
    assert len(document.content) == 268
    assert document.content.startswith(b"<levelone")
    assert found.notices == ()
