"""A day's list as people save it: encodings, separators, words for columns, forms of dates; a bad row is one bad row."""

from __future__ import annotations

import csv
import io
from datetime import UTC

import pytest

from bridge.errors import Incomplete, Malformed
from bridge.mapping.order_lists import OrderList, read_list, safe_cell
from bridge.mapping.typed_orders import TypedGround

GROUND = TypedGround(UTC, "RIVERSIDE", {"CT": "CT", "US": "US"}, {"76700": "US"}, {"CT1": "CT"})
HEADER = "MRN;Last name;First name;DOB;Sex;Exam;Modality;Date;Time"


def read(*rows: str, encoding: str = "utf-8", header: str = HEADER, date_form: str = "") -> OrderList:
    return read_list("\r\n".join((header, *rows)).encode(encoding), GROUND, date_form)


def test_a_list_as_a_clinic_saves_it_becomes_orders() -> None:
    found = read("7;Lee;Ann;1990-05-06;f;US abdomen;us;2026-03-02;9:30")
    (row,) = found.rows
    assert row.typed is not None
    assert row.typed.patient is not None
    order, patient = row.typed.order, row.typed.patient
    assert (patient.identifiers[0].patient_id, patient.patient_name, patient.patient_sex) == ("7", "Lee^Ann", "F")
    assert (order.requested_procedure_description, order.steps[0].modality) == ("US abdomen", "US")
    assert order.steps[0].scheduled_start_local == "20260302093000"
    assert found.notes == ("read as UTF-8, separated by semicolons",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16"])
def test_the_encoding_is_found_out(encoding: str) -> None:
    (row,) = read("7;Müller;Élise;1990-05-06;F;US abdomen;US;2026-03-02;09:30", encoding=encoding).rows
    assert row.typed is not None
    assert row.typed.patient is not None
    assert row.typed.patient.patient_name == "Müller^Élise"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_separator_is_found_out_and_quotes_are_kept(delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["Patient Number", "Name", "Procedure", "Device", "Date", "Reason"])
    writer.writerow(["7", "Lee, Ann", "CT; chest | low dose", "CT1", "02.03.2026", 'said "ow",\ntwice'])
    (row,) = read_list(out.getvalue().encode(), GROUND).rows
    assert row.typed is not None
    assert row.typed.patient is not None
    assert row.typed.patient.patient_name == "Lee^Ann"
    assert row.typed.order.requested_procedure_description == "CT; chest | low dose"
    assert row.typed.order.steps[0].modality == "CT"
    assert "twice" in (row.typed.order.reason_for_the_requested_procedure or "")


def test_a_bad_row_is_named_with_its_column_and_spoils_no_other() -> None:
    found = read(
        "7;Lee;Ann;1990-05-06;F;US abdomen;US;2026-03-02;09:30",
        "8;Poe;Bob;1990-02-30;Q;US abdomen;XX;2026-03-02;25:00",
        "",
        "9;Roe;Cy;1990-05-06;F;US;abdomen;US;2026-03-02;09:30",
        ";;;;;US abdomen;US;2026-03-02;09:30",
    )
    assert [row.number for row in found.rows] == [2, 3, 5, 6]
    assert [column for column, _ in found.rows[1].faults] == ["DOB", "Time", "Sex", "Modality"]
    assert found.rows[2].faults[0][0] == "row"
    assert [column for column, _ in found.rows[3].faults] == ["Last name"]
    assert found.rows[0].typed is not None


def test_the_form_of_dates_is_the_files_own() -> None:
    def born(*dates: str, date_form: str = "") -> list[str | None]:
        rows = [f"{n};Lee;Ann;{one};F;US abdomen;US;2026-03-0{n};09:30" for n, one in enumerate(dates, 1)]
        found = read(*rows, date_form=date_form).rows
        return [row.typed.patient.patient_birth_date for row in found if row.typed and row.typed.patient]

    assert born("3/4/1990", "13/4/1990") == ["19900403", "19900413"]
    assert born("3/4/1990", "4/13/1990") == ["19900304", "19900413"]
    assert born("3.4.1990") == ["19900403"]
    assert born("3/4/1990", date_form="month_first") == ["19900304"]
    for dates in (("3/4/1990",), ("13/4/1990", "4/13/1990")):
        with pytest.raises(Incomplete) as refused:
            born(*dates)
        assert refused.value.code == "date_form"


def test_the_same_row_is_the_same_order_and_twice_in_a_file_is_a_fault() -> None:
    row = ";Lee;Ann;1990-05-06;F;US abdomen;US;2026-03-02;09:30"
    first, second = read(row).rows[0], read(row).rows[0]
    assert first.typed is not None
    assert second.typed is not None
    assert first.typed.order.accession_number == second.typed.order.accession_number != ""
    assert read(row, row).rows[1].faults == (("accession number", "the same order as row 2"),)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", Malformed),
        (b"Name,Exam,Date\n", Malformed),
        (b"PK\x03\x04 not a table", Malformed),
        (b"\x00\x01", Malformed),
        (b"Colour,Shape\nred,round\n", Incomplete),
        (b"Name,Patient,Exam,Date\nA,B,C,2026-03-02\n", Incomplete),
        (b'Name,Exam,Date\n"' + b"x" * 200_000 + b",US,2026-03-02\n", Malformed),
    ],
)
def test_what_is_no_list_is_refused_whole(raw: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_list(raw, GROUND)


def test_columns_that_mean_nothing_are_named() -> None:
    header = f"{HEADER};Shoe size"
    assert read("7;Lee;Ann;1990-05-06;F;US;US;2026-03-02;09:30;44", header=header).unread == ("Shoe size",)


def test_what_was_taken_out_for_a_spreadsheet_comes_back_as_it_was() -> None:
    assert [safe_cell(text) for text in ("=1+1", "@x", "-5", "Lee")] == ["'=1+1", "'@x", "'-5", "Lee"]
    (row,) = read("7;Lee;Ann;1990-05-06;F;'=US abdomen;US;2026-03-02;09:30").rows
    assert row.typed is not None
    assert row.typed.order.requested_procedure_description == "=US abdomen"
