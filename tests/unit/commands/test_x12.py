"""`imaging-bridge x12`: a payer's file in words, and nobody's name unless it is asked for."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from bridge.cli import main
from tests.fuzz.seeds import files
from tests.unit.codecs.x12.claims import ACKNOWLEDGED, ASKED, PAYMENT, file_of
from tests.unit.codecs.x12.payers import ANSWERED, SENDING
from tests.unit.codecs.x12.test_prior_authorization import written


def said(folder: Path, raw: bytes, *options: str) -> str:
    file = folder / "file.edi"
    file.write_bytes(raw)
    done = CliRunner().invoke(main, ["x12", str(file), *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_an_answer_is_told_line_by_line(tmp_path: Path) -> None:
    text = said(tmp_path, written(ANSWERED))

    assert text.splitlines()[0] == f"Interchange 000000041 from {SENDING.sender[1]} to {SENDING.receiver[1]}"
    assert "278 prior authorization (005010X217), number 0001" in text
    assert "decision A2 partial" in text
    assert "line  procedure 72158, units 1, decision A4 pended 0U, evidence RR, asked for 18748-4 11488-4" in text
    assert "line  procedure 70551, refused 33" in text


@pytest.mark.parametrize("raw", files())
def test_nobody_is_named_unless_it_is_asked_for(tmp_path: Path, raw: bytes) -> None:
    named = ("HALVORSEN", "OKAFOR", "EP0041001", "ACC17", "EP-AUTH", "IMG2026", "EP-CTRL", "SMITH", "DOE", "JACKSON")
    for options in ([], ["--json"]):
        text = said(tmp_path, raw, *options)
        assert not [name for name in named if name in text]


def test_names_and_numbers_are_told_where_they_are_asked_for(tmp_path: Path) -> None:
    text = said(tmp_path, written(ANSWERED), "--with-patients")

    assert "patient HALVORSEN, NILS" in text
    assert "number EP-AUTH-001" in text
    assert "claim ACC18" in said(tmp_path, file_of("835", "005010X221A1", PAYMENT), "--with-patients")


def test_a_payment_tells_what_was_denied_for_want_of_documents(tmp_path: Path) -> None:
    text = said(tmp_path, file_of("835", "005010X221A1", PAYMENT))

    assert "payment  payer EASTPLAN HEALTH, amount 770, method ACH" in text
    [denied] = [line for line in text.splitlines() if "CO-16" in line]
    assert "denied" in denied
    assert "remarks N706 M31, documents missing" in denied


def test_statuses_are_told_in_words(tmp_path: Path) -> None:
    text = said(tmp_path, file_of("277", "005010X214", ACKNOWLEDGED))
    assert "batch  status A1:19 received; not yet taken in" in text
    assert "claim  status returned A7:562 A6:21" in text
    asked = said(tmp_path, file_of("277", "005010X213", ASKED))
    assert "asked for 18748-4 55113-5 RR, due 2026-04-30" in asked


def test_json_has_the_same(tmp_path: Path) -> None:
    [interchange] = orjson.loads(said(tmp_path, written(ANSWERED), "--json"))

    assert interchange["transactions"][0]["says"][1] == {
        "what": "line",
        "procedure": "72148",
        "units": "1",
        "decision": "A1 approved",
    }
    assert interchange["faults"] == []


def test_what_is_wrong_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    raw = written(ANSWERED).replace(b"~SE*", b"~SE*9")
    text = said(tmp_path, raw)

    assert "AT FAULT  segment" in text
    assert "decision A2 partial" in text


def test_a_kind_that_is_not_read_and_one_that_cannot_be_are_told(tmp_path: Path) -> None:
    assert "820 premium payment" in said(tmp_path, file_of("820", "005010X218", "BPR*I*1"))
    assert "NOT READ  loop 2000A: " in said(tmp_path, file_of("278", "005010X217", "BHT*0007*13*1*20260302"))


def test_the_acknowledgements_of_the_corpus_are_told(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "x12/cosyte/ack"
    rejected = said(tmp_path, (folder / "ta1-reject-control-mismatch.edi").read_bytes())
    assert "interchange  accepted no, note 001" in rejected
    stumbled = said(tmp_path, (folder / "999-accept-with-errors.edi").read_bytes())
    assert "errors NM1 (segment 8), loop 2010BA (8); NM1 (segment 8), loop 2010BA, element 1-2 (7)" in stumbled


def test_what_is_no_x12_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "file.edi"
    file.write_bytes(b"%PDF-1.7")
    done = CliRunner().invoke(main, ["x12", str(file)])

    assert done.exit_code == 1
    assert "segment 1 (ISA): an interchange begins with ISA" in done.output
