"""reconcile.toml: what ships, what a site lays over it, and everything that can be wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import Misconfigured
from bridge.mapping.reconcile_rules import load_rules

SHIPPED = Path(__file__).parents[3] / "mappings"


def load(folder: Path, text: str) -> ReconcileRules:
    (folder / "reconcile.toml").write_text(text, "utf-8")
    return load_rules(SHIPPED, folder, authority="HARBOR")


def faults(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        load(folder, text)
    return caught.value.faults


def test_what_ships_loads_and_says_what_the_defaults_say() -> None:
    shipped, default = load_rules(SHIPPED, authority="HARBOR"), ReconcileRules()
    assert shipped.authority == "HARBOR"
    assert shipped.scores == default.scores
    assert shipped.charsets == default.charsets
    assert (shipped.accession_stale_days, shipped.order_window_hours) == (60, 24)
    assert shipped.disable == frozenset()
    assert shipped.import_procedures == default.import_procedures
    assert shipped.oncology == default.oncology
    assert shipped.nicknames["PEGGY"] & shipped.nicknames["MARGARET"]


def test_no_file_at_all_is_the_defaults(tmp_path: Path) -> None:
    rules = load_rules(tmp_path, authority="HARBOR")
    assert rules.test_words == ReconcileRules().test_words
    assert rules.nicknames == {}


def test_a_sites_entry_replaces_the_whole_shipped_one_and_leaves_the_others(tmp_path: Path) -> None:
    rules = load(tmp_path, '[ids]\nprefixes = ["H-"]\n[names]\ntest_words = ["Prüfkörper"]\n')
    assert rules.id_prefixes == ("H-",)
    assert rules.id_suffixes == ("-1",)
    assert rules.test_words == {"PRUFKORPER"}
    assert rules.nicknames


def test_a_sites_nicknames_replace_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "nicknames.csv").write_text("# ours\nGuðrún,Gunna\n\n", "utf-8")
    rules = load_rules(SHIPPED, tmp_path, authority="HARBOR")
    assert set(rules.nicknames) == {"GUDRUN", "GUNNA"}


def test_each_change_has_its_own_version(tmp_path: Path) -> None:
    versions = {
        load(tmp_path, "").version,
        load(tmp_path, "[rules]\norder_window_hours = 25\n").version,
        load(tmp_path, '[ids]\nprefixes = ["H-"]\n').version,
        load_rules(SHIPPED, authority="NORTH").version,
    }
    assert len(versions) == 4
    assert load(tmp_path, "").version == load_rules(SHIPPED, authority="HARBOR").version


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rule]\n", "[rule] is not known; did you mean rules?"),
        ("[rules]\norder_window_hour = 5\n", "order_window_hour is not known; did you mean order_window_hours?"),
        ('[rules]\ndisable = ["V06"]\n', "names V06: a veto cannot be switched off"),
        ('[rules]\ndisable = ["B1"]\n', "names 'B1'; did you mean B01?"),
        ('[rules]\ntwo_person = ["V6"]\n', "names 'V6'; did you mean V06?"),
        ("[rules]\naccession_stale_days = 0\n", "must be more than 0"),
        ("[rules]\naccession_stale_days = true\n", "must be a whole number"),
        ("[ids]\nmrn_pattern = '('\n", "is no regular expression"),
        ('[ids]\nprefixes = "MRN"\n', "must be a list of texts"),
        ('[ids]\nplaceholders = [""]\n', "none of them empty"),
        ('[names]\ncharsets = ["gb1803"]\n', "no character set; did you mean gb18030?"),
        ('[names]\nplaceholder_dobs = ["1900-01-01"]\n', "must be dates as YYYYMMDD"),
        ('[names]\nnicknames = "names.csv"\n', "names names.csv, which is in none of the mapping folders"),
        ("[sources]\ninstitutions = { Lakeside = 1 }\n", "must be a table of texts"),
        ("[scores]\nname = { EQUAL = 10 }\n", "lacks CLOSE, GIVEN, FAMILY, NA, NONE"),
        (
            "[scores]\nsex = { EQUAL = 1, NA = 0, DIFFERENT = 3 }\n",
            "has DIFFERENT, which is no grade; did you mean DIFF?",
        ),
        ("[scores]\nexact_id = 1.5\n", "must be a whole number"),
        ("ids = 3\n", "[ids] must be a table"),
        ("schema = 2\n", "schema is 2; this version reads 1"),
        ("[ids\n", "not TOML"),
    ],
)
def test_a_fault_is_named_with_file_entry_and_the_nearest_word(tmp_path: Path, text: str, said: str) -> None:
    (found,) = faults(tmp_path, text)
    assert said in found
    assert "reconcile.toml" in found


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    (tmp_path / "nicknames.csv").write_text("Margaret\n", "utf-8")
    found = faults(tmp_path, '[rules]\ndisable = ["V01"]\norder_window_hours = -1\n[nams]\n')
    assert len(found) == 4
    assert "nicknames.csv: line 1 has one name" in found[-1]
