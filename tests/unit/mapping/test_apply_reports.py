"""What a result message becomes: numbers, status, people, text under its headings, documents."""

from __future__ import annotations

import base64
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.codecs.hl7 import documents, er7
from bridge.domain.identifiers import EntityIdentifier, digest_of
from bridge.domain.order import Code
from bridge.domain.report import IMAGING_REPORT, ReportDraft, ReportSection, ReportStatus
from bridge.errors import BridgeError, Incomplete, Malformed
from bridge.mapping.apply import apply
from bridge.mapping.show import show
from bridge.mapping.site import Policy
from tests.unit.mapping.senders import DEFAULTS, header, mapped, shipped

PID = "PID|1||1001^^^MERCYW^MR||DOE^JANE||19700101|F"
UID = "1.2.840.99999.1.7"
STUDY = f"OBX|1|ST|113014^DICOM Study^DCM||{UID}||||||O"
PDF = b"%PDF-1.4\n% an invented report\n"


def obr(number: int = 1, status: str = "F", **fields: str) -> str:
    values = [""] * 50
    known = {
        1: str(number),
        2: "P1^EHR",
        3: f"F{number}^RIS",
        4: "71260^CT CHEST^C4",
        7: "20260301100000",
        18: "A100",
        22: "20260301113000",
        24: "CT",
        25: status,
    }
    for place, value in {**known, **{int(name[1:]): value for name, value in fields.items()}}.items():
        values[place] = value
    return ("OBR" + "|".join(values)).rstrip("|")


def oru(*segments: str, policy: str = "") -> tuple[ReportDraft, ...]:
    site = replace(shipped().base, policy=Policy(report_without_order=policy)) if policy else None
    return mapped(header("ORU^R01"), PID, *segments, site=site).reports


def text(number: int, kind: str, heading: str, value: str, status: str = "F") -> str:
    return f"OBX|{number}|{kind}|{heading}||{value}||||||{status}"


def embedded(data: str, encoding: str = "Base64", subtype: str = "pdf") -> str:
    return f"OBX|1|ED|PDF^Report^L||RIS^application^{subtype}^{encoding}^{data}||||||F"


def sections(*segments: str) -> list[tuple[str, str]]:
    (draft,) = oru(obr(), *segments)
    return [(one.title, one.text) for one in draft.content.sections]


def test_a_report_names_its_exam_its_status_its_people_and_its_times() -> None:
    (draft,) = oru(
        "ORC|RE|P1^EHR|F1^RIS||CM", obr(f32="77&BRANDT&EVA&&&DR~78&HOLM&OLE", f44="71270^CT CHEST^C4"), STUDY
    )

    numbers, content = draft.numbers, draft.content
    assert numbers.study_instance_uid == UID
    assert numbers.accession == EntityIdentifier("A100", "HOME")
    assert numbers.placer_order_number == EntityIdentifier("P1", "EHR")
    assert numbers.filler_order_number == EntityIdentifier("F1", "RIS")
    assert (content.status, content.title, content.code.code_value) == (ReportStatus.FINAL, "CT CHEST", "71270")
    assert content.interpreters == ("BRANDT^EVA^^DR", "HOLM^OLE")
    assert content.issued_at is not None
    assert content.issued_at.isoformat() == "2026-03-01T16:30:00+00:00"
    assert content.observed_local == "20260301100000"
    assert draft.patient.identifiers[0].key == ("MERCYW", "1001")


def test_a_report_registers_nobody() -> None:
    found = mapped(header("ORU^R01"), PID, obr())

    assert found.patient is None
    assert found.orders == ()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("P", "preliminary"),
        ("F", "final"),
        ("C", "corrected"),
        ("R", "partial"),
        ("X", "cancelled"),
        ("D", "entered-in-error"),
        ("W", "entered-in-error"),
        ("O", "registered"),
    ],
)
def test_a_result_status_is_said_in_the_words_of_fhir(said: str, meant: str) -> None:
    (draft,) = oru(obr(status=said))

    assert draft.content.status == meant


def test_without_a_status_of_the_report_its_first_observation_s_counts() -> None:
    (draft,) = oru(obr(status=""), text(1, "TX", "&GDT^CT", "Clear.", "P"))

    assert draft.content.status == ReportStatus.PRELIMINARY


def test_a_report_without_any_status_is_never_taken_for_final() -> None:
    found = mapped(header("ORU^R01"), PID, obr(status=""), text(1, "TX", "&GDT^CT", "Clear.", ""))

    assert found.reports[0].content.status == ReportStatus.UNKNOWN
    assert [notice.where for notice in found.notices] == ["OBR-25"]


def test_a_status_outside_the_table_is_never_taken_for_final() -> None:
    (draft,) = oru(obr(status="Q"))

    assert draft.content.status == ReportStatus.UNKNOWN


@pytest.mark.parametrize(
    "observation",
    [
        f"OBX|1|ST|Study Instance UID||{UID}||||||O",
        f"OBX|1|ST|^Study Instance UID||{UID}||||||O",
        f"OBX|1|ST|113014^DICOM Study^DCM||{UID}||||||O",
        f"ZDS|{UID}^RIS^Application^DICOM",
    ],
)
def test_a_study_is_named_in_an_observation_or_in_zds(observation: str) -> None:
    (draft,) = oru(obr(), observation)

    assert draft.numbers.study_instance_uid == UID
    assert draft.content.sections == ()


@pytest.mark.parametrize("value", ["1", "UNKNOWN", "1.2.3." + "4" * 70])
def test_what_is_no_uid_names_no_study(value: str) -> None:
    (draft,) = oru(obr(), f"ZDS|{value}")

    assert draft.numbers.study_instance_uid == ""


def test_the_report_as_a_dicom_object_is_known_by_its_uid() -> None:
    (draft,) = oru(obr(), f"OBX|1|ST|^SR Instance UID||{UID}.1||||||F")

    assert draft.numbers.sr_instance_uid == f"{UID}.1"


def test_several_order_groups_are_several_reports_each_with_its_own_text() -> None:
    one, other = oru(
        obr(1), text(1, "TX", "&IMP", "Chest clear."), "ORC|RE", obr(2), text(1, "TX", "&IMP", "No stone.")
    )

    assert [draft.numbers.filler_order_number.value for draft in (one, other)] == ["F1", "F2"]
    assert [draft.content.impression for draft in (one, other)] == ["Chest clear.", "No stone."]
    assert other.where == "OBR[2]"


def test_groups_of_one_filler_number_are_one_report_with_the_second_procedure_as_a_heading() -> None:
    segments = (
        obr(1),
        text(1, "TX", "&IMP", "Chest clear."),
        obr(1, f4="74160^CT ABDOMEN^C4"),
        text(1, "TX", "&IMP", "No stone."),
    )
    (draft,) = oru(*segments)

    assert draft.content.sections == (
        ReportSection("Impression", "Chest clear."),
        ReportSection("CT ABDOMEN", ""),
        ReportSection("Impression", "No stone."),
    )


def test_a_message_of_more_groups_than_anybody_reads_is_refused() -> None:
    with pytest.raises(Malformed) as refused:
        oru(*(f"OBR|{number}||F{number}^RIS" for number in range(1, 502)))

    assert (refused.value.code, refused.value.where) == ("too_many", "OBR[501]")


def test_patients_that_follow_each_other_keep_their_own_reports() -> None:
    other = "PID|2||2002^^^MERCYW^MR||ROE^RICHARD||19650202|M"
    one, second = oru(obr(1), other, obr(2))

    assert [draft.patient.patient_name for draft in (one, second)] == ["DOE^JANE", "ROE^RICHARD"]


def test_text_stands_under_its_headings_and_keeps_its_lines() -> None:
    found = sections(
        text(1, "FT", "71260&GDT^CT CHEST^C4", "Lungs clear.\\.br\\  No effusion."),
        text(2, "TX", "19005-8^Impression^LN", "No acute finding.~Follow-up not needed."),
        "NTE|1||Seen by phone",
        text(3, "TX", "X1^Radiation dose^L", "  DLP 300"),
    )

    assert found == [
        ("Findings", "Lungs clear.\r\n  No effusion."),
        ("Impression", "No acute finding.\r\nFollow-up not needed.\r\nSeen by phone"),
        ("Radiation dose", "  DLP 300"),
    ]


def test_the_procedure_s_own_words_are_no_heading() -> None:
    assert sections(text(1, "TX", "71260^CT CHEST^C4", "One line."), text(2, "TX", "", "Another.")) == [
        ("", "One line.\r\nAnother.")
    ]


def test_a_comment_behind_the_order_is_kept_as_one() -> None:
    assert sections("NTE|1||Compared with 2024", text(1, "TX", "&IMP", "Same.")) == [
        ("Comment", "Compared with 2024"),
        ("Impression", "Same."),
    ]


def test_values_that_are_no_text_are_said_with_their_name_and_unit() -> None:
    found = sections(
        "OBX|1|NM|X^Nodule||4|mm^millimetre|||||F",
        "OBX|2|CE|Y^Birads||2^Benign^BI||||||F",
        "OBX|3|SN|Z^Volume||>^90|ml|||||F",
    )

    assert found == [("", "Nodule: 4 millimetre\r\nBirads: Benign\r\nVolume: >90 ml")]


@pytest.mark.parametrize("deleted", ["D", "W"])
def test_a_deleted_observation_is_left_out_with_its_comment(deleted: str) -> None:
    found = sections(text(1, "TX", "&IMP", "Fracture.", deleted), "NTE|1||of the femur", text(2, "TX", "&IMP", "None."))

    assert found == [("Impression", "None.")]


def test_a_link_is_kept_as_text() -> None:
    (draft,) = oru(obr(), "OBX|1|RP|V^Viewer||https://pacs.example/x^pacs||||||F")

    assert draft.content.links == ("https://pacs.example/x",)
    assert draft.content.sections == ()


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (base64.b64encode(PDF).decode(), "Base64"),
        ("\n".join((base64.b64encode(PDF).decode()[:20], base64.b64encode(PDF).decode()[20:])), "BASE64"),
        (base64.b64encode(PDF).decode()[:20] + "\\.br\\" + base64.b64encode(PDF).decode()[20:], "Base64"),
        (PDF.hex(), "Hex"),
    ],
)
def test_a_document_is_read_by_its_encoding(data: str, encoding: str) -> None:
    (draft,) = oru(obr(), embedded(data, encoding))

    (document,) = draft.content.documents
    assert (document.content_type, document.size_bytes, document.title) == ("application/pdf", len(PDF), "Report")
    assert document.digest == digest_of(PDF)
    assert dict(draft.files) == {document.digest: PDF}


def test_a_text_document_may_hold_what_separates_components() -> None:
    (draft,) = oru(obr(), "OBX|1|ED|CDA^Report^L||RIS^Text^text/xml^ASCII^<a>x^y</a>||||||F")

    (document,) = draft.content.documents
    assert document.content_type == "application/xml"
    assert draft.files[document.digest] == b"<a>x^y</a>"


def test_a_file_that_says_pdf_and_is_none_is_called_so_no_more() -> None:
    (draft,) = oru(obr(), embedded(base64.b64encode(b"MZ not a pdf").decode()))

    assert draft.content.documents[0].content_type == "application/octet-stream"


@pytest.mark.parametrize("data", ["JVBERi0xLjQ%%%", "JVBERi0xLjQ", "J"])
def test_a_document_that_is_no_base64_is_refused_where_it_stands(data: str) -> None:
    with pytest.raises(Malformed) as refused:
        oru(obr(), STUDY, embedded(data).replace("OBX|1", "OBX|2"))

    assert refused.value.where == "OBX[2]-5.5"


def test_a_document_beyond_the_ceiling_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 16)
    with pytest.raises(Malformed) as refused:
        oru(obr(), embedded(base64.b64encode(PDF).decode()))

    assert refused.value.code == "too_long"


def test_an_empty_document_is_left_out_with_a_notice() -> None:
    found = mapped(header("ORU^R01"), PID, obr(), embedded(""))

    assert found.reports[0].content.documents == ()
    assert [notice.detail for notice in found.notices] == ["a document without content was left out"]


@pytest.mark.parametrize(
    ("segments", "waits"),
    [
        ((obr(),), True),
        ((obr(f24=""),), False),
        ((obr(f24="", f4="GLU^GLUCOSE^L"),), False),
        ((obr(f24="CH"),), False),
        ((obr(f24=""), STUDY), True),
        ((obr(f24="", f4="18748-4^Diagnostic imaging study^LN"),), True),
    ],
)
def test_only_what_shows_that_it_is_about_an_exam_may_wait_for_one(segments: tuple[str, ...], waits: bool) -> None:
    assert [draft.may_wait for draft in oru(*segments)] == [waits]


@pytest.mark.parametrize(("policy", "segments", "waits"), [("wait", obr(f24="CH"), True), ("journal", obr(), False)])
def test_a_site_says_otherwise_what_may_wait(policy: str, segments: str, waits: bool) -> None:
    assert [draft.may_wait for draft in oru(segments, policy=policy)] == [waits]


def test_a_report_without_a_code_is_an_imaging_report() -> None:
    (draft,) = oru(obr(f4=""))

    assert (draft.content.code, draft.content.title) == (IMAGING_REPORT, IMAGING_REPORT.code_meaning)
    assert Code("18748-4", "LN", "Diagnostic imaging study") == IMAGING_REPORT


def test_a_result_without_an_order_group_is_refused() -> None:
    with pytest.raises(Incomplete) as refused:
        oru("NTE|1||nothing else")

    assert refused.value.where == "OBR-1"


def test_a_result_about_nobody_is_refused() -> None:
    with pytest.raises(Incomplete) as refused:
        mapped(header("ORU^R01"), obr())

    assert refused.value.where == "PID-3"


def test_what_a_report_says_can_be_shown() -> None:
    shown = show(mapped(header("ORU^R01"), PID, obr(), text(1, "TX", "&IMP", "Clear."), embedded(PDF.hex(), "Hex")))

    assert "report 1.content section 1.text: Clear." in shown
    assert f"report 1.content document 1.digest: {digest_of(PDF)}" in shown
    assert "%PDF" not in shown


CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "hl7"
# Why a result of the corpus is refused, by its answer's code and place.
REASONS = {
    ("Malformed", "PID-7"),  # a birth date with the month 20
    ("Incomplete", "PID-3"),  # no patient number
    ("Incomplete", "OBR-1"),  # no order group
    ("Incomplete", "MSH-10"),  # no control id
}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of collected messages is not beside this tree")
def test_every_collected_result_is_read_or_refused_for_a_known_reason() -> None:
    reasons, read = set(), 0
    for file in sorted(path for path in CORPUS.rglob("*") if path.is_file()):
        for raw in _messages(file.read_bytes()):
            try:
                read += bool(apply(er7.parse(raw), shipped().base, DEFAULTS).reports)
            except BridgeError as fault:
                reasons.add((type(fault).__name__, fault.where))

    assert reasons == REASONS
    assert read >= 45


def _messages(content: bytes) -> list[bytes]:
    """Return the results in a file, which may hold several messages and a frame around them."""
    places = [at for at in range(len(content)) if content.startswith(b"MSH|", at)]
    found = [content[start:end].strip(b"\x0b\x1c\r\n") for start, end in pairwise([*places, len(content)])]
    return [raw for raw in found if b"|ORU^R01" in raw.split(b"\r")[0][:200]]
