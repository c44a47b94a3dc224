"""What no rule read, and where rules looked in vain."""

from __future__ import annotations

from bridge.codecs.hl7 import er7
from bridge.errors import BridgeError
from bridge.mapping.apply import apply
from bridge.mapping.coverage import Coverage, cover
from tests.unit.mapping.senders import DEFAULTS, header, shipped

PID = "PID|1||7^^^HOME^MR||DOE^J"


def covered(*segments: str, preset: str = "") -> Coverage:
    site = shipped().rules_named(preset) or shipped().base
    message = er7.parse("\r".join(segments).encode() + b"\r", site.charset)
    try:
        trace = apply(message, site, DEFAULTS).trace
    except BridgeError:
        trace = ()
    return cover(message, site, trace)


def test_a_field_that_no_rule_reads_is_ignored_by_name() -> None:
    found = covered(header("ADT^A08"), PID + "||||||||||||||123-45", "ZPI|1|left handed|^^", "EVN|A08|20260101")

    assert [(one.where, one.label, one.value) for one in found.ignored] == [
        ("PID-19", "Social security number", "123-45"),
        ("ZPI-1", "", "1"),
        ("ZPI-2", "", "left handed"),
    ]


def test_a_place_that_came_second_is_not_needed_and_says_for_what() -> None:
    found = covered(header("ORM^O01"), PID, "ORC|NW|P1|F1", "OBR|1|P1|F9|1^X" + "|" * 14 + "A1")

    assert {one.where: one.targets for one in found.not_needed}["OBR-3"] == ("order.filler_number",)
    assert all(one.where != "OBR-18" for one in (*found.not_needed, *found.ignored))


def test_what_was_looked_for_says_where_and_what_stood_there() -> None:
    found = covered(header("ORM^O01"), PID, "ORC|NW|P1|F1", "OBR|1|||1^X", "OBX|1|ST|9^Y||z")
    accession = next(one for one in found.missing if one.target == "requested_procedure.accession")
    study = next(one for one in found.missing if one.target == "requested_procedure.study_instance_uid")

    assert [(one.path, one.why) for one in accession.tried] == [("IPC-1", "no IPC segment"), ("OBR-18", "empty")]
    assert (accession.instead, accession.made_from) == ("F1", "filler_order_number")
    assert [(one.path, one.why) for one in study.tried][-1] == ("OBX[3=113014]-5", "no such OBX")


def test_a_value_that_says_nothing_usable_is_shown() -> None:
    found = covered(header("ORM^O01"), PID, "ORC|NW|P1|F1", "OBR|1|||1^X" + "|" * 14 + "A1||||||WEIRD")
    modality = next(one for one in found.missing if one.target == "scheduled_step.modality")

    assert [(one.path, one.why, one.value) for one in modality.tried] == [
        ("IPC-5", "no IPC segment", ""),
        ("OBR-24", "nothing usable", "WEIRD"),
    ]


def test_a_refused_message_says_where_its_rules_looked() -> None:
    found = covered(header("ORM^O01"), PID, "ORC|NW|P1", "OBR|1|||1^X", preset="filler_accession")

    assert found.missing[0].target == "requested_procedure.accession"
    assert [(one.path, one.why) for one in found.missing[0].tried] == [("ORC-3", "empty"), ("OBR-3", "empty")]


def test_a_patient_update_is_not_asked_for_an_accession_number() -> None:
    targets = {one.target for one in covered(header("ADT^A08"), PID).missing}

    assert "patient.birth_date" in targets
    assert not any(target.startswith(("requested_procedure", "report", "scheduled_step")) for target in targets)
