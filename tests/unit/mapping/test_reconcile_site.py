"""What a site writes into reconcile.toml changes decisions, each entry by itself, and takes no veto away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.reconcile_rules import BIND_RULES, VETOES
from bridge.domain.verdict import Verdict
from bridge.errors import Misconfigured
from bridge.mapping.reconcile_rules import load_rules
from tests.unit.domain.hospital import OURS, THEIRS, Hospital, typed

SHIPPED = Path(__file__).parents[3] / "mappings"
LUZ, NUMBER, BORN = "PEREZ^LUZ", "00012345", "19800511"


def hospital_with(folder: Path, text: str) -> Hospital:
    (folder / "reconcile.toml").write_text(text, "utf-8")
    hospital = Hospital(load_rules(SHIPPED, folder, authority=OURS))
    hospital.admit(NUMBER, "Perez^Luz", BORN, others=(PatientIdentifier("771", THEIRS),))
    return hospital


def by_number(written: str) -> Callable[[Hospital], Verdict]:
    return lambda hospital: hospital.decide(typed(LUZ, written, BORN, "F"))


def as_nickname(hospital: Hospital) -> Verdict:
    return hospital.decide(typed("PEREZ^LUCECITA", NUMBER, BORN, "F"))


def in_cyrillic(hospital: Hospital) -> Verdict:
    yuri = hospital.admit("00054321", "Petrov^Yuri=Петров^Юрий", "19710930", "M")
    garbled = "Петров^Юрий".encode("cp1251")
    order = hospital.order(yuri, "A100")
    header = typed(garbled.decode("latin-1"), "", "19710930", "M", raw=garbled, accession_number=order.accession_number)
    return hospital.decide(header)


def with_a_default_date(hospital: Hospital) -> Verdict:
    return hospital.decide(typed(LUZ, NUMBER, "18990909", "F"))


def from_the_disc_reader(hospital: Hospital) -> Verdict:
    return hospital.decide(typed(LUZ, NUMBER, BORN, "F"), source_ae_title="DISCS")


def from_lakeside(hospital: Hospital) -> Verdict:
    return hospital.decide(typed(LUZ, "771", BORN, "F", institution_name="LAKESIDE  imaging"))


def with_last_months_accession(hospital: Hospital) -> Verdict:
    ngozi = hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    hospital.order(ngozi, "A100", on="20260208")
    return hospital.decide(typed(LUZ, NUMBER, BORN, "F", accession_number="A100"))


def unidentified(hospital: Hospital) -> Verdict:
    hospital.admit("00099001", "Zulu^Alpha", "", "M")
    return hospital.decide(typed("ZULU^ALFA", "00099001", "", "M"))


@pytest.mark.parametrize(
    ("entry", "decide", "without", "with_it"),
    [
        ('[ids]\nprefixes = ["HX/"]', by_number("HX/00012345"), "V07", "B03"),
        ('[ids]\nsuffixes = ["*2"]', by_number("00012345*2"), "V07", "B03"),
        ("[ids]\nmrn_pattern = '^\\d{5}$'", by_number("12345"), "B03", "V07"),
        ('[ids]\nplaceholders = ["00012345"]', by_number("00012345"), "B03", "V07"),
        ('[names]\ntest_words = ["LUZ"]', by_number(NUMBER), "B03", "V01"),
        ('[names]\nnicknames = "ours.csv"', as_nickname, "V10", "B03"),
        ('[names]\ncharsets = ["cp1251"]', in_cyrillic, "V10", "B02"),
        ('[names]\nplaceholder_dobs = ["18990909"]', with_a_default_date, "V10", "B03"),
        ('[sources]\nimport_aes = ["DISCS"]', from_the_disc_reader, "B03", "V07"),
        ('[sources]\ninstitutions = { "Lakeside Imaging" = "LAKESIDE" }', from_lakeside, "V07", "B04"),
        ("[rules]\naccession_stale_days = 20", with_last_months_accession, "V06", "B03"),
        ('[rules]\ndisable = ["B03"]', by_number(NUMBER), "B03", "V10"),
    ],
)
def test_an_entry_of_the_sites_changes_the_decision_it_is_about(
    tmp_path: Path, entry: str, decide: Callable[[Hospital], Verdict], without: str, with_it: str
) -> None:
    (tmp_path / "ours.csv").write_text("Luz,Lucecita\n", "utf-8")
    rules = [decide(hospital_with(tmp_path, text)).rule for text in ("", entry + "\n")]
    assert rules == [without, with_it]


def test_a_word_for_the_unidentified_makes_such_names_fit_only_themselves(tmp_path: Path) -> None:
    rules = [
        unidentified(hospital_with(tmp_path, text)).candidates[0].compared[1].grade
        for text in ("", '[names]\nplaceholder_words = ["ZULU"]\n')
    ]
    assert rules == ["CLOSE", "NONE"]


@pytest.mark.parametrize(("hours", "finds"), [(2, False), (24, True)])
def test_an_order_counts_as_near_the_exam_within_the_sites_window(tmp_path: Path, hours: int, finds: bool) -> None:
    hospital = hospital_with(tmp_path, f"[rules]\norder_window_hours = {hours}\n")
    luz = hospital.registry.patients_by_identifier(NUMBER, OURS)[0].patient
    order = hospital.order(luz, "A100")
    verdict = hospital.decide(typed(LUZ, NUMBER, BORN, "F", study_time="170000"))
    assert verdict.rule == "B03"
    assert verdict.order_key == (order.key if finds else None)


def test_the_sites_words_for_an_import_make_an_order_one(tmp_path: Path) -> None:
    hospital = hospital_with(tmp_path, '[sources]\nimport_procedures = ["Fremdaufnahmen einlesen"]\n')
    luz = hospital.registry.patients_by_identifier(NUMBER, OURS)[0].patient
    order = hospital.order(luz, requested_procedure_description="FREMDAUFNAHMEN  EINLESEN")
    assert hospital.rules.makes_import(order)


@pytest.mark.parametrize("veto", VETOES)
def test_no_veto_can_be_switched_off_and_the_fault_says_so(tmp_path: Path, veto: str) -> None:
    (tmp_path / "reconcile.toml").write_text(f'[rules]\ndisable = ["{veto}"]\n', "utf-8")
    with pytest.raises(Misconfigured) as caught:
        load_rules(SHIPPED, tmp_path, authority=OURS)
    (fault,) = caught.value.faults
    assert f"names {veto}: a veto cannot be switched off" in fault


def test_with_every_bind_rule_off_nothing_binds_and_every_veto_still_holds(tmp_path: Path) -> None:
    hospital = hospital_with(tmp_path, f"[rules]\ndisable = {list(BIND_RULES)}\n".replace("'", '"'))
    luz = hospital.registry.patients_by_identifier(NUMBER, OURS)[0].patient
    order = hospital.order(luz, "A100")
    said = [typed(LUZ, NUMBER, BORN, "F"), typed(LUZ, "", BORN, "F", accession_number=order.accession_number)]
    assert [hospital.decide(header).rule for header in said] == ["V10", "V10"]
    assert hospital.decide(typed("PHANTOM^LUZ", NUMBER, BORN)).rule == "V01"
