"""Mapping files: what they may say, and that everything wrong with them is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.domain.adt_events import ADT_EVENTS
from bridge.errors import Misconfigured
from bridge.mapping.load import load_mappings
from bridge.mapping.resolve import MappingSet
from bridge.mapping.site import Match, Policy, Receiving
from tests.unit.mapping.senders import SHIPPED

MERCY = """
schema    = 1
extends   = "base/order"
match     = { sending_facility = "MERCYW" }
authority = "MERCYW"
time_zone = "America/Chicago"
policy    = { missing_study_uid = "mint" }

[requested_procedure.accession]
from      = "ZOR-2"
required  = true
because   = "Mercy interface spec 4.2"

[tables.modality]
CTSCAN    = "CT"
"""


def load(tmp_path: Path, **sites: str) -> MappingSet:
    for name, content in sites.items():
        folder = tmp_path / "sites" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "site.toml").write_text(content, "utf-8")
    return load_mappings(SHIPPED, tmp_path)


def preset(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "sites" / name).mkdir(parents=True)
    (tmp_path / "sites" / name / "preset.toml").write_text(content, "utf-8")


def faults(tmp_path: Path, **sites: str) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as refused:
        load(tmp_path, **sites)
    return refused.value.faults


def test_the_shipped_rules_are_sound() -> None:
    base = load_mappings(SHIPPED).base

    scheduling = {f"SIU^{trigger}" for trigger in ("S12", "S13", "S14", "S15", "S16", "S17", "S26")}
    orders = {"ORM^O01", "OMG^O19", "OMI^O23", "ORU^R01", "REF^I12"}
    documents = {f"MDM^{trigger}" for trigger in ("T02", "T04", "T06", "T08", "T10", "T11")}
    assert base.accepts == scheduling | orders | documents | {f"ADT^{trigger}" for trigger in ADT_EVENTS}
    assert base.processing_ids == ()
    assert load_mappings(SHIPPED).sites == ()


def test_a_site_replaces_rules_and_merges_tables(tmp_path: Path) -> None:
    mappings = load(tmp_path, mercy_west=MERCY)
    site = mappings.site("mercy_west")

    assert site is not None
    assert site.authority == "MERCYW"
    assert site.time_zone == "America/Chicago"
    assert site.policy == Policy(missing_study_uid="mint")
    assert site.processing_ids == ("P",)
    rule = site.rules["requested_procedure.accession"]
    assert ([path.text for path in rule.paths], rule.converter, rule.source) == (
        ["ZOR-2"],
        "entity",
        "sites/mercy_west",
    )
    assert (site.tables["modality"]["CTSCAN"], site.tables["modality"]["MR"]) == ("CT", "MR")
    assert site.rules["patient.id"] is mappings.base.rules["patient.id"]
    assert "CTSCAN" not in mappings.base.tables["modality"]


def test_a_site_may_have_several_senders_receivers_and_processing_ids(tmp_path: Path) -> None:
    site = load(
        tmp_path,
        s="""
        match = [{ sending_application = "A", sending_facility = "B" }, { sending_application = "C" }]
        processing_ids = ["P", "T"]
        receiving = { application = "BRIDGE", facility = "H" }
        charset = "8859/1"
        """,
    ).sites[0]

    assert site.matches == (Match("A", "B"), Match(sending_application="C"))
    assert site.processing_ids == ("P", "T")
    assert site.receiving == Receiving("BRIDGE", "H")
    assert site.charset == "8859/1"


def test_the_closest_match_wins(tmp_path: Path) -> None:
    mappings = load(
        tmp_path,
        both='match = { sending_application = "A", sending_facility = "B" }',
        facility='match = { sending_facility = "B" }',
        application='match = { sending_application = "A" }',
    )

    def name(application: str, facility: str) -> str | None:
        site = mappings.resolve(application, facility)
        return site.name if site else None

    assert name("A", "B") == "both"
    assert name("X", "B") == "facility"
    assert name("A", "X") == "application"
    assert name("X", "Y") is None
    assert name("", "") is None
    assert name("a", "b") is None


def test_an_overlay_takes_the_place_of_a_shipped_file_of_its_name(tmp_path: Path) -> None:
    tables = tmp_path / "base" / "tables"
    tables.mkdir(parents=True)
    (tables / "sex.toml").write_text('M = "M"\n"*" = "O"\n')

    assert load(tmp_path).base.tables["sex"] == {"M": "M", "*": "O"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('match = { sending_facility = "X" }\nautority = "X"', "autority: 'autority' is not known; did you mean 'authority'?"),
        ('match = { sending_facilty = "X" }', "match.sending_facilty: 'sending_facilty' is not known; did you mean 'sending_facility'?"),
        ('authority = "X"', "match: names no sender"),
        ("match = {}", "match: an entry names neither"),
        ("match = []", "match: names no sender"),
        ("match = { sending_facility = 7 }", "match.sending_facility: must be a text"),
        ('match = { sending_facility = "X" }\nschema = 2', "schema: must be 1"),
        ('match = { sending_facility = "X" }\nextends = "base/oder"', "extends: 'base/oder' is not known; did you mean 'base/order'?"),
        ('match = { sending_facility = "X" }\ntime_zone = "Amerika/Chicago"', "time_zone: 'Amerika/Chicago' is no time zone"),
        ('match = { sending_facility = "X" }\ncharset = "KLINGON"', "charset: 'KLINGON' is no character set"),
        ('match = { sending_facility = "X" }\nprocessing_ids = "P"', "processing_ids: must be a list"),
        ('match = { sending_facility = "X" }\npolicy = { missing_study_uid = "mnt" }', "policy.missing_study_uid: 'mnt' is not known; did you mean 'mint'?"),
        ('match = { sending_facility = "X" }\n[patient.nam]\nfrom = "PID-5"', "patient.nam: 'patient.nam' is not known; did you mean 'patient.name'?"),
        ('match = { sending_facility = "X" }\n[patent.name]\nfrom = "PID-5"', "patent: 'patent' is not known; did you mean 'patient'?"),
        ('match = { sending_facility = "X" }\n[patient.name]\nfrom = "PID-5"', 'patient.name: takes the place of another rule and needs a "because"'),
        ('match = { sending_facility = "X" }\n[patient.name]\nfrom = "PID.5"\nbecause = "x"', "patient.name.from: 'PID.5' is no path"),
        ('match = { sending_facility = "X" }\n[patient.name]\nbecause = "x"', "patient.name.from: must be a path"),
        ('match = { sending_facility = "X" }\n[patient.name]\nfrom = "PID-5"\nas = "person_nam"\nbecause = "x"', "patient.name.as: 'person_nam' is not known; did you mean 'person_name'?"),
        ('match = { sending_facility = "X" }\n[patient.sex]\nfrom = "PID-8"\ntable = "sx"\nbecause = "x"', "patient.sex.table: 'sx' is not known; did you mean 'sex'?"),
        ('match = { sending_facility = "X" }\n[patient.sex]\nform = "PID-8"\nbecause = "x"', "patient.sex.form: 'form' is not known; did you mean 'from'?"),
        ('match = { sending_facility = "X" }\n[requested_procedure.id]\nfrom = "OBR-19"\ndefault = "12345678901234567"\nbecause = "x"', "longer than the 16 characters that fit there"),
        ('match = { sending_facility = "X" }\n[scheduled_step.modality]\nfrom = "OBR-24"\ntable = "m"\nbecause = "x"\n[tables.m]\nA = "12345678901234567"', "table m: '12345678901234567' is longer than the 16"),
        ('match = { sending_facility = "X" }\n[tables.modality]\nA = 1', "tables.modality.A: must be a text"),
        ("match = {", "site.toml"),
    ],
)  # fmt: skip
def test_a_fault_names_file_key_and_nearest_word(tmp_path: Path, content: str, told: str) -> None:
    found = faults(tmp_path, x=content)

    assert len([fault for fault in found if told in fault]) == 1, found
    assert all("sites/x" in fault for fault in found)


def test_every_fault_of_every_file_is_told(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        one='match = { sending_facility = "X" }\nautority = "X"\nschema = 3',
        two='match = { sending_facility = "X" }\n[patient.nam]\nfrom = "PID-5"',
    )

    assert [fault.split(":")[0] for fault in found] == ["sites/one", "sites/one", "sites/two", "sites/two"]
    assert "sites/two: match: */X is already matched by sites/one" in found


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        load_mappings(SHIPPED, tmp_path / "nowhere")
    assert "no such folder" in refused.value.faults[0]


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, x="\ufeff" + MERCY).site("x") is not None


def test_a_shipped_preset_is_nobodys_site() -> None:
    mappings = load_mappings(SHIPPED)

    assert {"us_ehr", "ihe_omi", "z_segments", "german", "swiss", "french", "japanese"} <= {
        one.name for one in mappings.presets
    }
    assert all(one.matches == () and one.about for one in mappings.presets)
    assert mappings.site("us_ehr") is None
    assert mappings.resolve("", "us_ehr") is None


def test_a_site_that_extends_a_preset_has_its_choices_and_its_own_over_them(tmp_path: Path) -> None:
    preset(
        tmp_path,
        "valley",
        """
        about     = "the valley's practices"
        charset   = "8859/1"
        time_zone = "Europe/Zurich"
        policy    = { date_format = "day_first", missing_accession = "reject" }
        [patient.name]
        from      = "PID-9"
        because   = "they use it so"
        [tables.modality]
        SONO = "US"
        """,
    )
    site = load(
        tmp_path,
        x="""
        extends = "sites/valley"
        match   = { sending_facility = "X" }
        policy  = { missing_accession = "accept" }
        charset = "UNICODE UTF-8"
        [tables.modality]
        ROE = "DX"
        """,
    ).resolve("", "X")

    assert site is not None
    assert (site.charset, site.time_zone) == ("UNICODE UTF-8", "Europe/Zurich")
    assert site.policy == Policy(date_format="day_first", missing_accession="accept")
    assert (site.rules["patient.name"].where, site.rules["patient.name"].source) == ("PID-9", "sites/valley")
    assert (site.tables["modality"]["SONO"], site.tables["modality"]["ROE"]) == ("US", "DX")


def test_a_rule_over_a_presets_rule_needs_its_reason_too(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        x='extends = "sites/z_segments"\nmatch = { sending_facility = "X" }\n[scheduled_step.modality]\nfrom = "ZXX-1"',
    )

    assert found == ('sites/x: scheduled_step.modality: takes the place of another rule and needs a "because"',)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('about = "x"\nmatch = { sending_facility = "A" }', "match: a preset names no sender; the site that extends it does, in its own site.toml"),
        ('about = "x"\nauthority = "A"', "authority: 'authority' is not known"),
        ("schema = 1", "about: missing; say in one sentence which senders speak like this"),
        ('about = "x"\nextends = "base/ordr"', "extends: 'base/ordr' is not known; did you mean 'base/order'?"),
        ('about = "x"\npolicy = { date_format = "day_frist" }', "policy.date_format: 'day_frist' is not known; did you mean 'day_first'?"),
    ],
)  # fmt: skip
def test_a_presets_faults_are_told(tmp_path: Path, content: str, fault: str) -> None:
    preset(tmp_path, "p", content)

    assert any(one.startswith(f"sites/p: {fault}") for one in faults(tmp_path))


def test_a_preset_that_nobody_knows_has_a_nearest_name(tmp_path: Path) -> None:
    found = faults(tmp_path, x='extends = "sites/germn"\nmatch = { sending_facility = "X" }')

    assert found == ("sites/x: extends: 'sites/germn' is not known; did you mean 'sites/german'?",)


def test_a_site_may_not_take_a_presets_name(tmp_path: Path) -> None:
    assert faults(tmp_path, german='match = { sending_facility = "X" }') == (
        "sites/german: is a preset's name; give the site's folder another",
    )


def test_a_site_puts_rows_of_its_own_over_the_order_controls(tmp_path: Path) -> None:
    row = '[order_control.XO]\ndoes = "change"\nstatus = { F = "COMPLETED" }\nbecause = "their own status"\n'
    (site,) = load(tmp_path, mercy=MERCY + row).sites

    assert site.order_control["XO"].status == {"F": "COMPLETED"}
    assert site.order_control["NW"] == load_mappings(SHIPPED).base.order_control["NW"]


def test_an_order_control_s_row_is_checked(tmp_path: Path) -> None:
    rows = (
        '[order_control.XO]\ndoes = "chnage"\nbecause = "x"\n'
        '[order_control.CA]\ndoes = "cancel"\nstatus = { CA = "CANCELLED" }\nsaid_by = "fillr"\n'
        '[order_control.HD]\ndoes = "hold"\nstatuses = ["HD"]\nbecause = "x"\nstatus = "HD"\n'
    )
    found = faults(tmp_path, mercy=MERCY + rows)

    assert sorted(found) == [
        "sites/mercy: order_control.CA.said_by: 'fillr' is not known; did you mean 'filler'?",
        "sites/mercy: order_control.CA.status: 'CANCELLED' is not known; did you mean 'CANCELED'?",
        'sites/mercy: order_control.CA: needs a "because"',
        'sites/mercy: order_control.HD.status: must be a list like ["CA"] or a table like { CM = "COMPLETED" }',
        "sites/mercy: order_control.HD.statuses: 'statuses' is not known; did you mean 'status'?",
        "sites/mercy: order_control.XO.does: 'chnage' is not known; did you mean 'change'?",
    ]


def test_codes_that_stand_for_nothing_a_device_can_have_are_found(tmp_path: Path) -> None:
    wrong = MERCY.replace('CTSCAN    = "CT"', 'CTSCAN    = "CTT"')
    found = faults(tmp_path, mercy=wrong + '\n[tables.station]\nROOM1 = "A_TITLE_THAT_IS_TOO_LONG"\n')

    assert any("'CTT' is not known; did you mean 'CT'?" in fault for fault in found)
    assert any("longer than the 16 characters" in fault for fault in found)


def test_a_table_for_what_is_no_text_is_found(tmp_path: Path) -> None:
    rule = '\n[scheduled_step.protocol]\nfrom = "ZOR-4"\nas = "code"\ntable = "station"\nbecause = "a test"\n'

    assert any("a table translates texts" in fault for fault in faults(tmp_path, mercy=MERCY + rule))
