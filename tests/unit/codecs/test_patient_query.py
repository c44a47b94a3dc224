"""Questions to other registries over HL7 v2: what is written, and which answers are taken for one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.codecs.hl7.patient_query import Authority, PatientQuery, QueryKind, QueryRoute, build_query, read_answer
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import BridgeError, Incomplete, Malformed, Refused, Unsupported

AT = datetime(2026, 3, 2, 10, 20, 30, tzinfo=UTC)
ROUTE = QueryRoute("BRIDGE", "RIVERSIDE", "MPI", "SUMMIT", "UNICODE UTF-8", "utf-8")
OURS = Authority("RIVERSIDE", "1.2.3.4")
PIX = PatientQuery(QueryKind.PIX, "Q1", AT, PatientIdentifier("S|7", "SUMMIT"), Authority("SUMMIT"), wanted=(OURS,))
PDQ = PatientQuery(QueryKind.PDQ, "Q1", AT, PatientIdentifier("77", "RIVERSIDE"), OURS)
BY_NAME = PatientQuery(QueryKind.PDQ, "Q1", AT, patient_name="O~HARA^ANN^M", birth_date="19580312", sex="F")
HEAD = "MSH|^~\\&|MPI|SUMMIT|BRIDGE||20260302102031||RSP^K22^RSP_K21|R1|P|2.5\r"


def lines(query: PatientQuery) -> list[str]:
    return build_query(query, ROUTE).decode().rstrip("\r").split("\r")


def test_the_questions_are_those_of_the_profiles() -> None:
    header, asked, how = lines(PIX)
    assert header == (
        "MSH|^~\\&|BRIDGE|RIVERSIDE|MPI|SUMMIT|20260302102030+0000||QBP^Q23^QBP_Q21|Q1|P|2.5||||||UNICODE UTF-8"
    )
    assert asked == "QPD|Q23^IHE PIX Query^HL7|Q1|S\\F\\7^^^SUMMIT|^^^RIVERSIDE&1.2.3.4&ISO"
    assert how == "RCP|I|10^RD"
    assert lines(PDQ)[1] == (
        "QPD|Q22^IHE PDQ Query^HL7|Q1|@PID.3.1^77~@PID.3.4.1^RIVERSIDE~@PID.3.4.2^1.2.3.4~@PID.3.4.3^ISO"
    )
    assert lines(BY_NAME)[1].endswith("|@PID.5.1.1^O\\R\\HARA~@PID.5.2^ANN~@PID.7^19580312~@PID.8^F")


@pytest.mark.parametrize("number", ["7\rMSH|x", "7\x1c\r", "7\x0b"])
def test_a_number_that_would_end_a_segment_or_a_frame_is_not_asked_for(number: str) -> None:
    with pytest.raises(Incomplete):
        build_query(PatientQuery(QueryKind.PDQ, "Q1", AT, PatientIdentifier(number, "RIVERSIDE"), OURS), ROUTE)


def test_a_name_that_the_character_set_lacks_is_not_asked_for() -> None:
    latin = QueryRoute("BRIDGE", "", "", "", "8859/1", "latin-1")
    with pytest.raises(Incomplete):
        build_query(PatientQuery(QueryKind.PDQ, "Q1", AT, patient_name="山田^太郎"), latin)


def answer(body: str, query: PatientQuery = PDQ) -> int:
    return len(read_answer((HEAD + body).encode(), query).patients)


def test_nobody_is_no_fault() -> None:
    assert answer("MSA|AA|Q1\rQAK|Q1|NF\r") == 0
    unknown = "MSA|AE|Q1\rERR||QPD^1^3^1^1|204^Unknown key identifier^HL70357|E\rQAK|Q1|AE\r"
    assert len(read_answer((HEAD.replace("K22", "K23") + unknown).encode(), PIX).patients) == 0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("QAK|Q1|OK\r", Malformed),
        ("MSA|AA|Q2\rQAK|Q1|OK\r", Malformed),
        ("MSA|AA|Q1\rQAK|Q2|OK\r", Malformed),
        ("MSA|AA|Q1\rQAK|Q1|OK\rQPD|Q22^IHE PDQ Query^HL7|Q9|@PID.3.1^77\r", Malformed),
        ("MSA|AE|Q1\rQAK|Q1|AE\r", Refused),
        ("MSA|AR|Q1\r", Unsupported),
        ("MSA|AA|Q1\rQAK|Q1|XX\r", Refused),
        ("MSA|AA|Q1\rQAK|Q1|OK\r" + "PID|1||77^^^RIVERSIDE\r" * 11, Malformed),
    ],
)
def test_what_is_no_answer_to_the_question_is_refused(body: str, kind: type[BridgeError]) -> None:
    with pytest.raises(kind):
        answer(body)


def test_a_pix_answer_about_another_number_is_refused() -> None:
    body = "MSA|AA|Q1\rQAK|Q1|OK\rQPD|Q23^IHE PIX Query^HL7|Q1|S-9^^^SUMMIT\rPID|||77^^^RIVERSIDE||^^^^^^S\r"
    with pytest.raises(Malformed):
        read_answer((HEAD.replace("K22", "K23") + body).encode(), PIX)
