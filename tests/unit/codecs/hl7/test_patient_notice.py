"""What an archive is told of a patient, read back by hl7apy, which knows the standard's structures."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hl7apy.parser import parse_message
from hl7apy.validation import Validator

from bridge.codecs.hl7.patient_notice import MERGED, RENUMBERED, UPDATED, PatientNotice, build
from bridge.codecs.hl7.written import Route
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.errors import Incomplete

AT = datetime(2026, 3, 2, 15, 20, 31, tzinfo=UTC)
ROUTE = Route(
    "IMAGING_BRIDGE",
    "RIVERSIDE",
    "PACS",
    "MERCY & SONS",
    "2.5.1",
    "UNICODE UTF-8",
    ZoneInfo("America/New_York"),
    lambda issuer: {"RIVERSIDE": "1.2.3.4"}.get(issuer, ""),
)
NUMBER = PatientIdentifier("00041003", "RIVERSIDE", "MR")
PRIOR = PatientIdentifier("00041|77", "RIVERSIDE", "MR")
PATIENT = Patient(
    1,
    (NUMBER, PatientIdentifier("078-05-1120", "USSSA", "SS")),
    patient_name="Yamada^Tarou=山田^太郎",
    patient_birth_date="19710930",
    patient_sex="M",
)


@pytest.mark.parametrize(("trigger", "structure"), [(MERGED, "ADT_A39"), (RENUMBERED, "ADT_A30"), (UPDATED, "ADT_A01")])
def test_each_event_is_the_standard_s_message(trigger: str, structure: str) -> None:
    prior = None if trigger == UPDATED else PRIOR
    raw = build(PatientNotice(trigger, AT, PATIENT, NUMBER, prior), ROUTE, "C1").decode()
    read = parse_message(raw, find_groups=True)
    assert Validator.validate(read)
    assert read.msh.msh_9.to_er7() == f"ADT^{trigger}^{structure}"
    assert (read.msh.msh_10.to_er7(), read.msh.msh_11.to_er7(), read.msh.msh_12.to_er7()) == ("C1", "P", "2.5.1")
    assert read.evn.evn_2.to_er7() == read.evn.evn_6.to_er7() == "20260302102031-0500"
    lines = {line[:3]: line.split("|") for line in raw.rstrip("\r").split("\r")}
    assert lines["PID"][3] == "00041003^^^RIVERSIDE&1.2.3.4&ISO^MR"
    assert lines["PID"][5:9] == ["Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I", "", "19710930", "M"]
    if prior is None:
        assert (lines["PV1"][2], "MRG" in lines) == ("N", False)
    else:
        assert (lines["MRG"][1], "PV1" in lines) == ("00041\\F\\77^^^RIVERSIDE&1.2.3.4&ISO^MR", False)


def test_an_older_archive_reads_no_structure_in_the_header() -> None:
    raw = build(PatientNotice(MERGED, AT, PATIENT, NUMBER, PRIOR), replace(ROUTE, version="2.3.1"), "C1")
    assert raw.split(b"|")[8] == b"ADT^A40"


@pytest.mark.parametrize("number", [NUMBER, PRIOR])
def test_a_number_that_the_archive_cannot_read_stops_the_message(number: PatientIdentifier) -> None:
    strange = replace(number, patient_id="№ 7")
    numbers = (strange, PRIOR) if number is NUMBER else (NUMBER, strange)
    with pytest.raises(Incomplete):
        build(PatientNotice(MERGED, AT, PATIENT, *numbers), replace(ROUTE, charset="8859/1"), "C1")
