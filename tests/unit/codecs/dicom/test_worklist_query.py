"""What a worklist query asks, from bytes."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.worklist_query import WorklistQuery, to_worklist_query
from bridge.domain.matching import Range, TimeRange
from bridge.domain.worklist_search import Criterion
from bridge.errors import Malformed
from tests.unit.codecs.dicom.objects import EXPLICIT, IMPLICIT, element, encoded
from tests.unit.codecs.dicom.test_keys import identifier


def read(dataset: Dataset) -> WorklistQuery:
    return to_worklist_query(encoded(dataset), IMPLICIT)


@pytest.mark.parametrize(("implicit", "syntax"), [(True, IMPLICIT), (False, EXPLICIT)])
def test_the_usual_query_of_a_scanner(implicit: bool, syntax: str) -> None:
    asked = identifier(
        {
            "ScheduledStationAETitle": "CT1",
            "Modality": "CT",
            "ScheduledProcedureStepStartDate": "20260105-20260106",
            "ScheduledProcedureStepStartTime": "0800-1200",
            "ScheduledProcedureStepID": "",
        },
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Núñez*",
        PatientID="",
        AccessionNumber="*",
    )
    query = to_worklist_query(encoded(asked, implicit=implicit), syntax)
    assert query.search.criteria == (
        Criterion("Modality", ("CT",)),
        Criterion("ScheduledStationAETitle", ("CT1",)),
        Criterion("PatientName", wildcards=("nunez*",)),
    )
    assert query.search.starts == Range("20260105080000", "20260106120059.999999")
    assert query.search.times is None
    assert query.character_set == charset.LATIN_1
    assert query.is_fully_supported
    assert [key.tag for key in query.keys] == [0x00080005, 0x00080050, 0x00100010, 0x00100020, 0x00400100]


def test_old_dates_lists_and_asterisks_are_understood() -> None:
    asked = encoded(
        identifier(
            {"ScheduledProcedureStepStartDate": "*", "Modality": ["CR", "DX"]},
            StudyInstanceUID=["1.2", "1.3"],
            PatientName="^^^^",
        )
    ) + element(0x00100030, b"1962.07.14")
    query = to_worklist_query(asked, IMPLICIT)
    assert query.search.starts is None
    assert query.search.criteria == (
        Criterion("Modality", ("CR", "DX")),
        Criterion("PatientBirthDate", span=Range("19620714", "19620714")),
        Criterion("StudyInstanceUID", ("1.2", "1.3")),
    )


def test_a_lone_day_and_a_lone_time_filter_apart() -> None:
    day = {"ScheduledProcedureStepStartDate": "20260105", "ScheduledProcedureStepStartTime": "2200-0600"}
    query = read(identifier(day))
    assert query.search.starts == Range("20260105000000", "20260105235959.999999")
    assert query.search.times == TimeRange("220000", "060059.999999")
    hour = {"ScheduledProcedureStepStartDate": "20260105-20260107", "ScheduledProcedureStepStartTime": "10"}
    query = read(identifier(hour))
    assert query.search.starts == Range("20260105000000", "20260107235959.999999")
    assert query.search.times == TimeRange("100000", "105959.999999", is_range=False)


def test_the_sub_keys_of_a_sequence_are_asked_of_one_item() -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "704*", "C4", ""
    query = read(identifier({"ScheduledProtocolCodeSequence": [code]}))
    value, scheme = Criterion("CodeValue", wildcards=("704*",)), Criterion("CodingSchemeDesignator", ("C4",))
    assert query.search.criteria == (Criterion("ScheduledProtocolCodeSequence", items=(value, scheme)),)
    assert query.is_fully_supported


def test_step_keys_at_the_root_are_ignored_with_a_hint() -> None:
    query = read(identifier({}, Modality="CT", ScheduledStationAETitle="CT1"))
    assert query.search.criteria == ()
    assert query.hints == ("step_keys_at_root",)
    assert not query.is_fully_supported


def test_a_query_level_is_ignored_with_a_hint() -> None:
    query = read(identifier({}, QueryRetrieveLevel="STUDY", PatientID="A"))
    assert query.search.criteria == (Criterion("PatientID", ("A",)),)
    assert query.hints == ("query_retrieve_level",)
    assert query.is_fully_supported


def test_an_unknown_key_or_one_that_is_not_matched_makes_the_answer_ff01() -> None:
    assert read(identifier(PatientID="", PatientWeight=None, RequestedProcedureComments="x*")).is_fully_supported
    assert not read(identifier(PatientID="", EthnicGroup="")).is_fully_supported
    unmatched = read(identifier(PatientID="", PatientWeight="70"))
    assert not unmatched.is_fully_supported
    assert unmatched.search.criteria == ()


def test_what_stands_behind_a_nul_is_padding() -> None:
    query = to_worklist_query(element(0x00100020, b"RI-1\0old "), IMPLICIT)
    assert query.search.criteria == (Criterion("PatientID", ("RI-1",)),)


@pytest.mark.parametrize(
    ("tag", "value"), [(0x00400002, b"20261399"), (0x00400003, b"9999"), (0x00400002, b"20260101-2026013")]
)
def test_a_date_or_time_that_is_none_is_refused(tag: int, value: bytes) -> None:
    with pytest.raises(Malformed):
        to_worklist_query(element(0x00400100, element(0xFFFEE000, element(tag, value))), IMPLICIT)


def test_more_values_than_a_query_needs_are_refused() -> None:
    for values in ([str(number) for number in range(600)], [f"{number}*" for number in range(40)]):
        with pytest.raises(Malformed):
            to_worklist_query(element(0x00100020, "\\".join(values).encode()), IMPLICIT)


def test_keys_without_a_declared_set_are_read_as_the_peer_is_known_to_write() -> None:
    data = element(0x00100020, "ÁRB*".encode("iso8859_2"))
    query = to_worklist_query(data, IMPLICIT, default_charset=charset.parse(b"ISO_IR 101"))
    assert query.search.criteria == (Criterion("PatientID", wildcards=("ÁRB*",)),)
    assert query.character_set is None
