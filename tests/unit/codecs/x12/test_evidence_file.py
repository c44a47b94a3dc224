"""What we know of an authorization as a 275 and a 278: whole and read back, or refused with what is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.codecs.x12 import additional_information, envelope, prior_authorization
from bridge.codecs.x12.evidence_file import PACKAGINGS, Clinic, EvidenceFile, documents, request
from bridge.codecs.x12.writer import write
from bridge.domain.authorization import Authorization, AuthorizationLine, Urgency
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.errors import Incomplete
from tests.unit.codecs.x12.judge import envelope_complaints
from tests.unit.codecs.x12.payers import PACKET, SENDING

NUMBER = "IMG20260302K7QX4"
LINE = AuthorizationLine("72148", modifiers=("TC",), diagnoses=("M54.5", "M51.16"), service_from="20260310")
SAID = EvidenceFile(
    Clinic("Clearview Imaging", "1234567893", "CLEARVIEW"),
    Authorization(
        7,
        "EP-AUTH-001",
        "EAST01",
        "Eastplan Health",
        1,
        member_id="EP0041001",
        lines=(LINE,),
        urgency=Urgency.EXPEDITED,
    ),
    Patient(1, (PatientIdentifier("00041001", "RIVERSIDE"),), "NÚÑEZ^Ingrid^M", "19580312", "F"),
    NUMBER,
    PACKET,
    "202603021405",
    studied_on="20260302",
)


@pytest.mark.parametrize("version", sorted(PACKAGINGS))
def test_a_packet_goes_as_the_payer_wants_it_and_is_read_back_byte_for_byte(version: str) -> None:
    raw = write(SENDING, [documents(SAID, version)])
    (transaction,) = envelope.read(raw)[0].transactions()
    found = additional_information.read(transaction)
    assert envelope_complaints(raw) == []
    assert (transaction.version, found.purpose, found.notices) == (version, "02", ())
    assert (found.patient.name, found.patient.first, found.patient.number) == ("NUNEZ", "INGRID", "EP0041001")
    (one,) = found.answers
    assert (one.trace.kind, one.trace.number) == ("1", NUMBER)
    assert [(each.content, each.name) for each in one.documents] == [(PACKET, f"{NUMBER}.pdf")]


@pytest.mark.parametrize("version", sorted(PACKAGINGS))
def test_a_packet_larger_than_any_other_segment_leaves_the_envelope_whole(version: str) -> None:
    large = PACKET * 8_000
    raw = write(SENDING, [documents(replace(SAID, document=large), version)])
    assert envelope_complaints(raw) == []
    (transaction,) = envelope.read(raw)[0].transactions()
    (one,) = additional_information.read(transaction).answers
    assert [each.content for each in one.documents] == [large]


def test_what_a_payer_asked_for_goes_under_its_own_number() -> None:
    said = replace(SAID, asked_under="EP-CTRL-77", wanted="18748-4")
    (transaction,) = envelope.read(write(SENDING, [documents(said, "006020X314")]))[0].transactions()
    found = additional_information.read(transaction)
    (one,) = found.answers
    assert (found.purpose, one.trace.kind, one.trace.number, one.asked_for) == ("11", "2", "EP-CTRL-77", "18748-4")


def test_a_request_announces_the_packet_by_its_control_number_and_is_read_back() -> None:
    raw = write(SENDING, [request(SAID)])
    (transaction,) = envelope.read(raw)[0].transactions()
    (found,) = prior_authorization.read(transaction)
    assert envelope_complaints(raw) == []
    assert found.notices == ()
    assert found.event is not None
    assert [(one.report_type, one.transmission, one.control_number) for one in found.event.evidence] == [
        ("RB", "EL", NUMBER)
    ]
    assert [one.number for one in found.event.traces] == [NUMBER]
    assert [(one.system, one.code) for one in found.event.diagnoses] == [("ABK", "M545"), ("ABF", "M5116")]
    (line,) = found.event.lines
    assert line.service is not None
    assert (line.service.code, line.service.modifiers, line.service.pointers) == ("72148", ("TC",), ("1", "2"))
    assert found.event.review.level_of_service == "U"
    assert found.subscriber is not None
    assert (found.subscriber.birth_text, found.subscriber.sex) == ("19580312", "F")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (replace(SAID, authorization=replace(SAID.authorization, member_id="")), "member"),
        (replace(SAID, authorization=replace(SAID.authorization, payer_id="")), "payer"),
        (replace(SAID, clinic=replace(SAID.clinic, npi="")), "NPI"),
        (replace(SAID, patient=replace(SAID.patient, patient_name="王^小東")), "letters"),
        (replace(SAID, patient=replace(SAID.patient, patient_name="A" * 61)), "more letters"),
        (replace(SAID, document=b""), "no bytes"),
    ],
)
def test_what_a_payer_wants_and_nobody_said_is_refused_in_words(said: EvidenceFile, why: str) -> None:
    with pytest.raises(Incomplete, match=why):
        documents(said, "006020X314")


def test_a_request_without_a_procedure_is_refused() -> None:
    with pytest.raises(Incomplete, match="procedure"):
        request(replace(SAID, authorization=replace(SAID.authorization, lines=())))


def test_a_name_with_a_sign_that_separates_is_written_with_a_blank() -> None:
    said = replace(SAID, patient=replace(SAID.patient, patient_name="O'NEIL*SMITH^A:B"))
    (transaction,) = envelope.read(write(SENDING, [documents(said, "006020X314")]))[0].transactions()
    patient = additional_information.read(transaction).patient
    assert (patient.name, patient.first) == ("O'NEIL SMITH", "A B")
