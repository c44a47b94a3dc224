"""Imaging orders by the base rules. Source: IHE RAD TF-2 4.4, 4.13; HL7 2.5.1 4.4, 4.5."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.domain.identifiers import EntityIdentifier, derive_uid
from bridge.domain.order import AuthorizationDraft, Code, OrderDraft, StepDraft
from bridge.errors import BridgeError, Incomplete, Malformed
from bridge.mapping.load import load_mappings
from bridge.mapping.site import Policy, SiteMapping
from tests.unit.mapping.senders import SHIPPED, header, mapped, shipped

ORM = header("ORM^O01", version="2.3.1")
OMG = header("OMG^O19^OMG_O19")
OMI = header("OMI^O23^OMI_O23")
PID = "PID|1||77^^^MERCY^MR||DOE^JANE"
UID = "1.2.826.0.1.3680043.10.1338.50.1"
ORC = "ORC|NW|P1^EHR|F1^RIS||SC||^^^20260302093000^^S||20260301115900|||9^ORDERER^OLA"


def obr(accession: str = "A1", procedure_id: str = "RP1", step_id: str = "SP1", **more: str) -> str:
    """An OBR; further fields by number: f24="CT"."""
    fields = {4: "71260^CT chest^C4", 18: accession, 19: procedure_id, 20: step_id, 24: "CT"}
    fields |= {int(name[1:]): value for name, value in more.items()}
    return "OBR|" + "|".join(fields.get(number, "") for number in range(1, 48))


def order(*segments: str, site: SiteMapping | None = None) -> OrderDraft:
    orders = mapped(*segments, site=site).orders
    assert len(orders) == 1
    return orders[0]


def test_a_general_order_gives_one_order_with_one_step() -> None:
    found = order(
        ORM,
        PID,
        "PV1|1|O||||||2^REFERRER^ROB",
        ORC,
        obr(f5="R", f16="9^ORDERER^OLA", f31="R05^Cough^I10", f34="3&TECH&TOM", f44="71260^CT chest^C4"),
        "NTE|1||line one",
        "NTE|2||line two\\.br\\line three",
        "OBX|1|NM|8302-2^Height^LN||178",
        "NTE|1||about the height",
        f"ZDS|{UID}^EHR^Application^DICOM",
    )

    step = StepDraft(
        "SP1",
        modality="CT",
        scheduled_start_local="20260302093000",
        scheduled_start_at=datetime(2026, 3, 2, 14, 30, tzinfo=UTC),
        scheduled_procedure_step_description="CT chest",
        scheduled_protocol_code=Code("71260", "C4", "CT chest"),
        scheduled_performing_physician_name="TECH^TOM",
        details={"scheduled_performing_physician_code": (Code("3", "", "TECH TOM"),)},
    )
    assert found == OrderDraft(
        "NW",
        order_status="SC",
        accession_number="A1",
        issuer_of_accession_number="HOME",
        placer_order_number=EntityIdentifier("P1", "EHR"),
        filler_order_number=EntityIdentifier("F1", "RIS"),
        requested_procedure_id="RP1",
        study_instance_uid=UID,
        requested_procedure_description="CT chest",
        requested_procedure_code=Code("71260", "C4", "CT chest"),
        requested_procedure_priority="STAT",
        reason_for_the_requested_procedure="Cough",
        requested_procedure_comments="line one\r\nline two\r\nline three",
        requesting_physician="ORDERER^OLA",
        referring_physician_name="REFERRER^ROB",
        institution_name="MERCYW",
        details={
            "issuer_universal_ids": {"HOME": "1.2.3.4"},
            "reason_for_requested_procedure_code": (Code("R05", "I10", "Cough"),),
            "issue_of_imaging_service_request": "20260301115900",
            "requesting_physician_code": (Code("9", "", "ORDERER OLA"),),
            "referring_physician_code": (Code("2", "", "REFERRER ROB"),),
        },
        transaction_at=datetime(2026, 3, 1, 16, 59, tzinfo=UTC),
        steps=(step,),
    )


def test_an_imaging_order_gives_a_step_for_each_ipc() -> None:
    found = order(
        OMI,
        PID,
        "ORC|NW|P1^EHR|F1^RIS",
        "TQ1|1||||||20260302093000||A^Asap^HL70485",
        obr(accession="", procedure_id="", step_id="", f24=""),
        f"IPC|A1^RIS|RP1^RIS|{UID}|S1^RIS|CT^^DCM|PC1^CT chest^99X|CT1ROOM|R1^Room 1|CT1",
        f"IPC|A1^RIS|RP1^RIS|{UID}|S2^RIS|US^^DCM|PU1^US chest^99X|||US1~US2",
    )

    assert (found.accession_number, found.issuer_of_accession_number) == ("A1", "RIS")
    assert (found.requested_procedure_id, found.study_instance_uid) == ("RP1", UID)
    assert found.requested_procedure_priority == "HIGH"
    assert [(s.scheduled_procedure_step_id, s.modality, s.scheduled_station_ae_title) for s in found.steps] == [
        ("S1", "CT", ("CT1",)),
        ("S2", "US", ("US1", "US2")),
    ]
    assert found.steps[0].scheduled_procedure_step_location == "Room 1"
    assert found.steps[0].scheduled_protocol_code == Code("PC1", "99X", "CT chest")
    assert found.steps[1].scheduled_start_local == "20260302093000"


def test_every_order_group_is_an_order() -> None:
    found = mapped(ORM, PID, ORC, obr("A1", "RP1"), "NTE|1||first", "ORC|NW|P2^EHR|F2^RIS", obr("A2", "RP2")).orders

    assert [(o.accession_number, o.requested_procedure_comments, o.where) for o in found] == [
        ("A1", "first", "ORC[1]"),
        ("A2", None, "ORC[2]"),
    ]


def test_the_trace_tells_the_second_order_and_step_from_the_first() -> None:
    orders = {
        line.target: line.value for line in mapped(ORM, PID, ORC, obr("A1"), "ORC|NW|P2|F2", obr("A2", "RP2")).trace
    }
    ipcs = [f"IPC|A1|RP1|{UID}|S{n}|CT" for n in (1, 2)]
    steps = {line.target: line.value for line in mapped(OMI, PID, ORC, obr(), *ipcs).trace}

    assert orders["requested_procedure.accession"] == "A1 (HOME)"
    assert orders["requested_procedure[2].accession"] == "A2 (HOME)"
    assert (steps["scheduled_step.id"], steps["scheduled_step[2].id"]) == ("S1", "S2")


def test_groups_of_one_procedure_with_one_zds_are_its_steps() -> None:
    found = order(ORM, PID, ORC, obr(step_id="S1"), ORC, obr(step_id="S2", f24="US"), f"ZDS|{UID}")

    assert found.study_instance_uid == UID
    assert [(s.scheduled_procedure_step_id, s.modality) for s in found.steps] == [("S1", "CT"), ("S2", "US")]


def test_a_zds_at_the_end_is_not_lent_to_another_exam() -> None:
    found = mapped(ORM, PID, ORC, obr("A1"), ORC, obr("A2"), f"ZDS|{UID}").orders

    assert found[0].study_instance_uid == derive_uid("HOME", "A1")
    assert found[1].study_instance_uid == UID


def test_a_clinical_order_may_carry_the_study_uid_as_an_observation() -> None:
    assert order(OMG, PID, ORC, obr(), f"OBX|1|ST|113014^DICOM Study^DCM||{UID}||||||O").study_instance_uid == UID


@pytest.mark.parametrize("control", ["XO", "XX"])
def test_a_change_is_an_order_like_a_new_one(control: str) -> None:
    found = order(ORM, PID, ORC.replace("NW", control).replace("|SC|", "|CM|"), obr())

    assert (found.order_control, found.order_status) == (control, "CM")
    assert found.steps


def test_a_cancellation_needs_numbers_only() -> None:
    found = order(ORM, PID, "ORC|CA|P1^EHR|F1^RIS||CA")

    assert found.order_control == "CA"
    assert found.filler_order_number == EntityIdentifier("F1", "RIS")
    assert (found.steps, found.accession_number, found.derived) == ((), "", frozenset())


@pytest.mark.parametrize("control", ["nw", "ZZ"])
def test_an_order_control_that_is_not_served(control: str) -> None:
    with pytest.raises(Incomplete) as refused:
        order(ORM, PID, f"ORC|{control}|P1", obr())
    assert (refused.value.code, refused.value.where) == ("not_in_table", "ORC-1")


# What is missing.


@pytest.mark.parametrize(
    ("segments", "where"),
    [
        ((PID,), "ORC-1"),
        ((PID, "ORC||P1|F1", obr()), "ORC-1"),
        ((PID, ORC), "OBR-4"),
        ((PID, ORC, obr(f4="")), "OBR-4"),
        ((PID, ORC, obr(), "ORC|NW|P2|F2", obr(f4="")), "OBR[2]-4"),
        ((PID, ORC, obr(), "ORC|ZZ|P2|F2", obr()), "ORC[2]-1"),
        ((ORC, obr()), "PID-3"),
    ],
)
def test_what_an_order_must_say(segments: tuple[str, ...], where: str) -> None:
    with pytest.raises(Incomplete) as refused:
        mapped(ORM, *segments)
    assert refused.value.where == where


@pytest.mark.parametrize(
    ("segments", "where"),
    [
        ((PID, PID, ORC, obr()), "PID[2]"),
        ((PID, ORC, obr(), PID, ORC, obr()), "PID[2]"),
        ((PID, obr()), "OBR"),
        ((PID, ORC, obr(), obr()), "OBR[2]"),
        ((PID, "PV1|1|O", "PV1|2|I", ORC, obr()), "PV1[2]"),
    ],
)
def test_segments_out_of_order_are_refused(segments: tuple[str, ...], where: str) -> None:
    with pytest.raises(Malformed) as refused:
        mapped(ORM, *segments)
    assert (refused.value.code, refused.value.where) == ("segment_sequence", where)


def test_an_earlier_visit_among_the_results_is_not_the_visit() -> None:
    assert mapped(OMG, PID, "PV1|1|O", ORC, obr(), "PV1|1|I").visit == mapped(OMG, PID, "PV1|1|O", ORC, obr()).visit


def test_a_visit_behind_the_order_is_found() -> None:
    visit = mapped(ORM, PID, ORC, obr(), "PV1|1|O").visit

    assert visit is not None
    assert visit.patient_class == "O"


def test_a_missing_accession_number_is_the_fillers_and_says_so() -> None:
    found = order(ORM, PID, ORC, obr(accession=""))

    assert (found.accession_number, found.issuer_of_accession_number) == ("F1", "RIS")
    assert "accession_number" in found.derived


def test_missing_ids_are_made_from_what_is_there() -> None:
    found = order(ORM, PID, ORC, obr(procedure_id="", step_id=""))

    assert found.requested_procedure_id == "A1"
    assert found.steps[0].scheduled_procedure_step_id == "A1"
    assert found.study_instance_uid == derive_uid("HOME", "A1")
    assert found.derived == {"requested_procedure_id", "scheduled_procedure_step_id", "study_instance_uid"}


def test_an_order_that_comes_again_finds_the_same_study() -> None:
    assert order(ORM, PID, ORC, obr()).study_instance_uid == order(OMG, PID, ORC, obr(f24="MR")).study_instance_uid


def test_steps_without_ids_get_different_ones() -> None:
    found = order(OMI, PID, "ORC|NW|P1|F1", obr("", "", ""), f"IPC|A1|RP1|{UID}||CT", f"IPC|A1|RP1|{UID}||US")

    assert [step.scheduled_procedure_step_id for step in found.steps] == ["RP1", "RP1-2"]


def with_policy(**choices: str) -> SiteMapping:
    return replace(shipped().base, policy=Policy(**choices))


@pytest.mark.parametrize(
    ("policy", "segments", "where"),
    [
        ({"missing_accession": "reject"}, (ORC, obr(accession="")), "OBR-18"),
        ({}, ("ORC|NW|P1", obr(accession="")), "OBR-18"),
        ({}, ("ORC|NW|P1|" + "F" * 17, obr(accession="")), "OBR-18"),
        ({"missing_study_uid": "reject"}, (ORC, obr()), "ZDS-1"),
    ],
)
def test_a_policy_may_want_numbers_sent(policy: dict[str, str], segments: tuple[str, ...], where: str) -> None:
    with pytest.raises(Incomplete) as refused:
        order(ORM, PID, *segments, site=with_policy(**policy))
    assert refused.value.where == where


def test_a_policy_may_take_the_placers_number() -> None:
    found = order(ORM, PID, ORC, obr(accession=""), site=with_policy(missing_accession="placer_order_number"))

    assert (found.accession_number, found.issuer_of_accession_number) == ("P1", "EHR")


def test_a_policy_may_accept_an_order_without_accession_number() -> None:
    found = order(ORM, PID, ORC, obr(accession=""), site=with_policy(missing_accession="accept"))

    assert (found.accession_number, found.study_instance_uid) == ("", derive_uid("RIS", "F1"))


def test_a_policy_may_leave_the_study_uid_to_whoever_creates_the_order() -> None:
    found = order(ORM, PID, ORC, obr(), site=with_policy(missing_study_uid="mint"))

    assert found.study_instance_uid == ""
    assert "study_instance_uid" in found.derived


# What does not fit.


@pytest.mark.parametrize(
    ("segments", "code", "where"),
    [
        ((ORC, obr(accession="A" * 17)), "too_long", "OBR-18"),
        ((ORC, obr(procedure_id="R" * 17)), "too_long", "OBR-19"),
        ((ORC, obr(step_id="S" * 17)), "too_long", "OBR-20"),
        ((ORC, obr(accession="A\\E\\1")), "malformed", "OBR-18"),
        ((ORC, obr(), "ZDS|1.2.03"), "malformed", "ZDS-1"),
        ((ORC, obr(), "ZDS|not a uid"), "malformed", "ZDS-1"),
        ((ORC.replace("20260302093000", "tomorrow"), obr()), "malformed", "ORC-7.4"),
        ((ORC.replace("20260302093000", "20260231"), obr()), "malformed", "ORC-7.4"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(segments: tuple[str, ...], code: str, where: str) -> None:
    with pytest.raises(Malformed) as refused:
        order(ORM, PID, *segments)
    assert (refused.value.code, refused.value.where) == (code, where)


@pytest.mark.parametrize(
    ("ipc", "where"),
    [
        (f"IPC|A1|RP1|{UID}|S1|CT||||{'C' * 17}", "IPC-9"),
        (f"IPC|A1|RP1|{UID}|{'S' * 17}", "IPC-4"),
        ("IPC|A1|RP1|1..2|S1", "IPC-3"),
    ],
)
def test_an_ipc_that_does_not_fit_is_refused(ipc: str, where: str) -> None:
    with pytest.raises(BridgeError) as refused:
        order(OMI, PID, "ORC|NW|P1|F1", obr("", "", ""), ipc)
    assert refused.value.where == where


def test_the_second_ipc_is_named_as_the_second() -> None:
    with pytest.raises(Malformed) as refused:
        order(OMI, PID, ORC, obr(), f"IPC|A1|RP1|{UID}|S1", f"IPC|A1|RP1|{UID}|{'S' * 17}")
    assert refused.value.where == "IPC[2]-4"


def test_ipcs_of_different_exams_in_one_group_are_refused() -> None:
    with pytest.raises(Malformed) as refused:
        order(OMI, PID, ORC, obr(), f"IPC|A1|RP1|{UID}|S1", f"IPC|A2|RP1|{UID}|S2")
    assert refused.value.where == "IPC[2]-1"


def test_a_long_description_is_cut_and_told() -> None:
    found = mapped(ORM, PID, ORC, obr(f4=f"1^{'very long ' * 10}^C4"))

    assert len(found.orders[0].requested_procedure_description or "") <= 64
    assert "OBR-4.2" in [notice.where for notice in found.notices]


@pytest.mark.parametrize(
    ("sent", "modality"), [("CT", "CT"), ("NMR", "MR"), ("NMS", "NM"), ("CUS", "US"), ("XRC", "RF"), ("ES", "ES")]
)
def test_modalities_are_dicoms(sent: str, modality: str) -> None:
    assert order(ORM, PID, ORC, obr(f24=sent)).steps[0].modality == modality


@pytest.mark.parametrize("sent", ["", "RAD", "IMG", "LAB"])
def test_what_is_no_modality_is_left_open_and_told(sent: str) -> None:
    found = mapped(ORM, PID, ORC, obr(f24=sent))

    assert found.orders[0].steps[0].modality is None
    assert "OBR-24" in [notice.where for notice in found.notices]


def test_a_change_need_not_repeat_the_modality() -> None:
    assert mapped(ORM, PID, ORC.replace("NW", "XO"), obr(f24="")).notices == ()


def test_a_site_may_know_the_modality_of_a_procedure() -> None:
    base = shipped().base
    site = replace(base, tables={**base.tables, "procedure_modality": {"71260": "CT"}})

    assert order(ORM, PID, ORC, obr(f24="RAD"), site=site).steps[0].modality == "CT"


def test_a_day_without_a_time_begins_at_midnight_and_is_told() -> None:
    found = mapped(ORM, PID, ORC.replace("20260302093000", "20260302"), obr())

    assert found.orders[0].steps[0].scheduled_start_local == "20260302000000"
    assert [(n.severity, n.where) for n in found.notices] == [("I", "ORC-7.4")]


def test_a_start_with_an_offset_is_brought_to_the_sites_clock() -> None:
    step = order(ORM, PID, ORC.replace("20260302093000", "20260302093000+0100"), obr()).steps[0]

    assert step.scheduled_start_local == "20260302033000"
    assert step.scheduled_start_at == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


def test_no_start_is_no_start() -> None:
    step = order(ORM, PID, "ORC|NW|P1|F1", obr()).steps[0]

    assert (step.scheduled_start_local, step.scheduled_start_at) == (None, None)


def test_without_a_transaction_time_the_messages_own_counts() -> None:
    assert order(ORM, PID, "ORC|NW|P1|F1", obr()).transaction_at == datetime(2026, 3, 1, 17, 0, tzinfo=UTC)


# Authorizations.


def test_an_authorization_in_the_group_is_that_orders() -> None:
    found = mapped(
        ORM,
        PID,
        "IN1|1|PPO|60054|Acme||||||||||PA-POLICY^20260101" + "|" * 22 + "MEM1",
        ORC,
        obr("A1"),
        "AUT|PPO|60054|Acme Health|20260301|20260401|PA-1^ACME",
        "ORC|NW|P2|F2",
        obr("A2", "RP2"),
    ).orders

    assert found[0].authorizations == (
        AuthorizationDraft("PA-1", "60054", "Acme Health", "MEM1", "20260301", "20260401"),
    )
    assert found[1].authorizations == (
        AuthorizationDraft("PA-POLICY", "60054", "Acme", "MEM1", "20260101", "", policy_level=True),
    )


def test_an_authorization_before_the_orders_is_of_the_policy() -> None:
    found = order(ORM, PID, "IN1|1|PPO|60054|Acme", "AUT|PPO|60054|Acme|||PA-2", ORC, obr())

    assert found.authorizations == (AuthorizationDraft("PA-2", "60054", "Acme", policy_level=True),)


def test_no_authorization_is_none() -> None:
    assert order(ORM, PID, "IN1|1|PPO|60054|Acme", ORC, obr()).authorizations == ()


def test_every_device_of_a_step_is_looked_up_in_a_table(tmp_path: Path) -> None:
    site = tmp_path / "sites" / "mercy" / "site.toml"
    site.parent.mkdir(parents=True)
    site.write_text(
        'match = { sending_facility = "MERCYW" }\n\n[scheduled_step.station_ae_title]\nfrom = "ZXA-4"\n'
        'table = "station"\nbecause = "their rooms"\n\n[tables.station]\nROOM1 = "CT9"\nROOM2 = "CT8"\n',
        "utf-8",
    )
    found = order(ORM, PID, ORC, obr(), "ZXA||||ROOM1~ROOM2~ATTIC", site=load_mappings(SHIPPED, tmp_path).sites[0])

    assert found.steps[0].scheduled_station_ae_title == ("CT9", "CT8")
