"""What queries find on the worklist, on both databases."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

from pydicom.dataset import Dataset

from bridge.codecs.dicom.worklist_item import WorklistEntry
from bridge.codecs.dicom.worklist_query import to_worklist_query
from bridge.domain.device_profile import UNASSIGNED_STATION, DeviceProfile, StepFacts, Visibility, hidden_by
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.order import LIVE, Code, StepStatus
from bridge.domain.worklist_search import Criterion, WorklistSearch
from bridge.flows.keep_house import forget_finished_steps
from bridge.store import orders, studies, worklist, worklist_sql
from bridge.store.db import Store
from bridge.store.tables import steps, worklist_entries
from tests.fakes.clinic import AT, header_of
from tests.fakes.worklist import found, put
from tests.flows.asking import IMPLICIT, encode_query
from tests.unit.codecs.dicom.test_keys import identifier
from tests.unit.codecs.dicom.test_worklist_item import ENTRY


def changed(entry: WorklistEntry = ENTRY, *, name: str = "", number: str = "", **step: object) -> WorklistEntry:
    patient = replace(entry.patient, patient_name=name or entry.patient.patient_name)
    if number:
        patient = replace(patient, identifiers=(PatientIdentifier(number, "RIVERSIDE"),))
    return replace(entry, patient=patient, step=replace(entry.step, **step))  # type: ignore[arg-type]


def code(value: str, scheme: str = "") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = value, scheme
    return item


# A store for each case would cost a minute: what is wrong is listed instead.
_ASKED: list[tuple[dict[str, object], dict[str, object], bool]] = [
    ({}, {}, True),
    ({"ScheduledStationAETitle": "CT2"}, {}, True),
    ({"ScheduledStationAETitle": "MR1"}, {}, False),
    ({"ScheduledStationAETitle": ["MR1", "CT2"]}, {}, True),
    ({"ScheduledStationAETitle": "*2"}, {}, True),
    ({"ScheduledStationAETitle": "ct2"}, {}, False),
    ({"Modality": "CT", "ScheduledProcedureStepStartDate": "20260105"}, {}, True),
    ({"ScheduledProcedureStepStartDate": "20260106-"}, {}, False),
    ({"ScheduledProcedureStepStartTime": "08"}, {}, True),
    ({"ScheduledProcedureStepStartTime": "2200-0829"}, {}, False),
    ({"ScheduledProcedureStepStartTime": "2200-0830"}, {}, True),
    (
        {"ScheduledProcedureStepStartDate": "20260104-20260105", "ScheduledProcedureStepStartTime": "2200-0831"},
        {},
        True,
    ),
    (
        {"ScheduledProcedureStepStartDate": "20260104-20260105", "ScheduledProcedureStepStartTime": "2200-0815"},
        {},
        False,
    ),
    ({"ScheduledProcedureStepStatus": "SCHEDULED"}, {}, True),
    ({"ScheduledProcedureStepStatus": "ARRIVED"}, {}, False),
    ({"ScheduledStationName": "ROOM"}, {}, False),
    ({"ScheduledProtocolCodeSequence": [code("70450", "C4")]}, {}, True),
    ({"ScheduledProtocolCodeSequence": [code("704*")]}, {}, True),
    ({"ScheduledProtocolCodeSequence": [code("70450", "SCT")]}, {}, False),
    ({}, {"PatientName": "arbor*"}, True),
    ({}, {"PatientName": "ARBO"}, False),
    ({}, {"PatientName": "ARBOR^*"}, True),
    ({}, {"PatientName": "ARBO^*"}, False),
    ({}, {"PatientName": "?RBOR^W*"}, True),
    ({}, {"PatientID": "RI-1001", "IssuerOfPatientID": "RIVERSIDE"}, True),
    ({}, {"PatientID": "RI-1001", "IssuerOfPatientID": "OTHER"}, False),
    ({}, {"PatientID": "X-9"}, False),
    ({}, {"PatientID": "RI-*"}, True),
    ({}, {"AccessionNumber": "A-77"}, True),
    ({}, {"AccessionNumber": "A-7"}, False),
    ({}, {"AccessionNumber": ["A-7", "A-77", "A-78"]}, True),
    ({}, {"StudyInstanceUID": ["1.9", "1.2.826.0.1.77.1"]}, True),
    ({}, {"PatientBirthDate": "19620714"}, True),
    ({}, {"PatientBirthDate": "19600101-"}, True),
    ({}, {"PatientBirthDate": "-19600101"}, False),
    ({}, {"RequestedProcedureDescription": "CT of*"}, True),
    ({}, {"RequestedProcedureDescription": "ct of*"}, False),
    ({}, {"RequestedProcedureComments": "asked of nothing stored"}, False),
    ({}, {"ReferringPhysicianName": "quill^?ORA"}, True),
    ({}, {"PatientWeight": "70"}, True),
    ({}, {"Modality": "MR"}, True),
]


def test_what_a_query_finds(store: Store) -> None:
    coded = replace(ENTRY, step=replace(ENTRY.step, scheduled_protocol_code=Code("70450", "C4", "CT head")))
    with store.write() as tx:
        put(tx, coded)
    assert [case for case in _ASKED if bool(found(store, identifier(case[0], **case[1]))) is not case[2]] == []


def test_answers_come_by_start_and_each_step_once_however_many_stations_it_has(store: Store) -> None:
    with store.write() as tx:
        late = put(tx, changed(scheduled_start_local="202601051200"))
        early = put(tx, changed(scheduled_start_local="202601050700"))
        middle = put(
            tx, changed(scheduled_start_local="202601050900", scheduled_station_ae_title=("CT2", "CT1", "CT3"))
        )
    for titles in ("", "CT1", ["CT1", "CT2"], "CT*"):
        assert found(store, identifier({"ScheduledStationAETitle": titles})) == [early, middle, late]
    for root in ({"PatientName": "ARBOR*"}, {"AccessionNumber": "A-77"}):
        assert found(store, identifier({}, **root)) == [early, middle, late]
    assert found(store, identifier({"Modality": "CT"}), most=2) == [early, middle]


_NUMBERS = [
    ("50%_A", "50%_A*", True),
    ("50xyA", "50%_*", False),
    ("[A]1", "[A]*", True),
    ("A1", "[A]*", False),
    ("[A]1", "?A?1", True),
    ("a-z]", "*]", True),
    ("Ä1", "?1", True),
    ("A", "A?", False),
]


def test_what_is_special_to_a_database_is_a_letter_in_a_key(store: Store) -> None:
    with store.write() as tx:
        steps = [put(tx, changed(number=stored)) for stored, _, _ in _NUMBERS]
    fitting = [
        step in found(store, identifier({}, PatientID=key)) for step, (_, key, _) in zip(steps, _NUMBERS, strict=True)
    ]
    assert fitting == [fits for _, _, fits in _NUMBERS]


_NAMED = [
    ("NÚÑEZ^JOSÉ", "nunez^jose", True),
    ("Yamada^Tarou=山田^太郎=やまだ^たろう", "山田*", True),
    ("Yamada^Tarou=山田^太郎=やまだ^たろう", "やまだ^たろう^^", True),
    ("Yamada^Tarou=山田^太郎=やまだ^たろう", "yamada*=*", True),
    ("Yamada^Tarou=山田^太郎=やまだ^たろう", "田中*", False),
    ("=山田^太郎", "山田^太郎", True),
    ("O'BRIEN^A_B%", "o'brien^a_b%*", True),
    ("SMITHSON^JOHN", "SMITH^*", False),
    ("SMITH", "SMITH^*^*", True),
]


def test_a_name_is_found_in_each_of_its_groups(store: Store) -> None:
    with store.write() as tx:
        steps = [put(tx, changed(name=name)) for name, _, _ in _NAMED]
    asked = [identifier({}, PatientName=key, SpecificCharacterSet="ISO_IR 192") for _, key, _ in _NAMED]
    fitting = [step in found(store, query) for step, query in zip(steps, asked, strict=True)]
    assert fitting == [fits for _, _, fits in _NAMED]


def test_a_key_that_invites_backtracking_is_answered_at_once(store: Store) -> None:
    with store.write() as tx:
        put(tx, changed(name="A" * 64, number="a" * 64))
    assert found(store, identifier({}, PatientID="a*" * 40 + "b")) == []
    assert found(store, identifier({}, PatientName="a*" * 30 + "b")) == []


def test_a_step_that_ends_or_loses_a_station_leaves_the_list(store: Store) -> None:
    with store.write() as tx:
        key = put(tx, ENTRY)
        (step,) = orders.get_steps(tx, [key])
        step = orders.save_step(tx, replace(step, scheduled_station_ae_title=("CT2",)))
        (_, encoded), *_rest = worklist.find(tx, WorklistSearch(), 1)
        worklist.put(tx, step, encoded, {"ScheduledStationAETitle": ["CT2"]})
    assert found(store, identifier({"ScheduledStationAETitle": "CT1"})) == []
    assert found(store, identifier({"ScheduledStationAETitle": "CT2"})) == [key]
    with store.write() as tx:
        orders.save_step(tx, replace(step, status=StepStatus.CANCELED))
    assert found(store, identifier({})) == []


def test_what_has_ended_stays_for_devices_that_keep_it_until_its_day_is_long_over(store: Store) -> None:
    with store.write() as tx:
        ended = [put(tx, changed(status=status)) for status in (StepStatus.COMPLETED, StepStatus.DISCONTINUED)]
        waiting = put(tx, ENTRY)
    assert found(store, identifier({})) == [waiting]
    until_evening = Visibility(
        statuses=LIVE | {StepStatus.COMPLETED, StepStatus.DISCONTINUED}, day_from="20260105000000"
    )
    with store.read() as tx:
        assert [one.step_key for one in worklist.find(tx, WorklistSearch(), 9, until_evening)] == [*ended, waiting]
    assert forget_finished_steps(store, datetime(2026, 1, 8, 8, 0, tzinfo=UTC)) == 0
    assert forget_finished_steps(store, datetime(2026, 1, 8, 9, 0, tzinfo=UTC)) == 4
    with store.read() as tx:
        assert [one.step_key for one in worklist.find(tx, WorklistSearch(), 9, until_evening)] == [waiting]


def test_one_step_can_be_asked_for_alone(store: Store) -> None:
    with store.write() as tx:
        one, other = put(tx, ENTRY), put(tx, changed(modality="MR"))
    asked = WorklistSearch((Criterion("Modality", ("MR",)),))
    with store.read() as tx:
        assert [worklist.is_found(tx, key, asked) for key in (one, other)] == [False, True]


_ALL = Visibility(statuses=frozenset(StepStatus))
_TITLES = (("CT1",), ("CT2",), ("CT1", "CT3"), (UNASSIGNED_STATION,))


def _random_sight(dice: random.Random) -> Visibility:
    is_everybodys = dice.random() < 0.3
    unassigned = not is_everybodys and dice.random() < 0.4
    return Visibility(
        statuses=frozenset(dice.sample(sorted(LIVE | {StepStatus.COMPLETED, StepStatus.DISCONTINUED}), 4)),
        hides_started_with_images=dice.random() < 0.5,
        day_from=dice.choice(["", "20260105000000"]),
        starts_from=dice.choice(["", "20260104120000", "20260105083000"]),
        starts_until=dice.choice(["", "20260105083000", "20260106235959"]),
        is_everybodys=is_everybodys,
        stations=() if is_everybodys else dice.choice([(), ("CT1",), ("CT1", "CT2")]),
        modalities=() if is_everybodys else dice.choice([(), ("CT",), ("CT", "MR")]),
        unassigned=unassigned,
        unassigned_modalities=dice.choice([(), ("CT",)]) if unassigned else (),
        hides_confidential=dice.random() < 0.5,
    )


def _random_facts(dice: random.Random) -> StepFacts:
    return StepFacts(
        status=dice.choice([*sorted(LIVE), StepStatus.COMPLETED, StepStatus.DISCONTINUED]),
        modality=dice.choice(["CT", "MR", "US"]),
        scheduled_station_ae_title=dice.choice(_TITLES),
        scheduled_start_local=dice.choice(["20260104090000", "20260105083000", "20260105083001", "20260107100000"]),
        has_images=dice.random() < 0.5,
        is_confidential=dice.random() < 0.3,
    )


def _put_facts(store: Store, facts: StepFacts, number: int) -> int:
    step = replace(
        ENTRY.step,
        status=facts.status,
        modality=facts.modality,
        scheduled_station_ae_title=facts.scheduled_station_ae_title,
        scheduled_start_local=facts.scheduled_start_local,
    )
    details = {"confidentiality_code": "R" if facts.is_confidential else "U"}
    order = replace(ENTRY.order, study_instance_uid=f"1.2.{number}", details=details)
    with store.write() as tx:
        if facts.has_images:
            studies.add(tx, header_of(order.study_instance_uid, 1, 1), "CT1", foreign=False, at=AT)
        return put(tx, replace(ENTRY, step=step, order=order))


def test_a_device_is_shown_what_its_profile_says(store: Store) -> None:
    dice = random.Random(4)
    known = [_random_facts(dice) for _ in range(60)]
    keys = {_put_facts(store, facts, number): facts for number, facts in enumerate(known)}
    profile = DeviceProfile("CT1")
    for _ in range(150):
        seen = _random_sight(dice)
        asked = dice.choice([(), (Criterion("ScheduledStationAETitle", ("CT1",)),), (Criterion("Modality", ("CT",)),)])
        with store.read() as tx:
            shown = {one.step_key for one in worklist.find(tx, WorklistSearch(asked), 500, seen)}
            plain = {one.step_key for one in worklist.find(tx, WorklistSearch(asked), 500, _ALL)}
        assert shown == {key for key in plain if not hidden_by(keys[key], profile, seen)}, seen


_DAY = {"ScheduledProcedureStepStartDate": "20260105"}
_BEGUN_AT: list[tuple[dict[str, object], dict[str, object], str]] = [
    ({"ScheduledStationAETitle": "CT1", **_DAY, "Modality": "CT"}, {}, "station"),
    ({"ScheduledStationAETitle": "CT1"}, {"PatientName": "AR*"}, "station"),
    ({"ScheduledStationAETitle": ["CT1", "CT2"], **_DAY}, {}, "station"),
    ({"Modality": "CT", **_DAY}, {"PatientName": "*"}, "modality"),
    ({"Modality": "CT"}, {}, "modality"),
    (_DAY, {}, "start"),
    ({}, {}, "start"),
    ({"Modality": "CT", **_DAY}, {"AccessionNumber": "A-77"}, "accession_number"),
    (_DAY, {"PatientID": "RI-1001", "IssuerOfPatientID": "RIVERSIDE"}, "patient_id"),
    ({"Modality": "CT"}, {"PatientName": "ARBOR*"}, "patient_name_1"),
    ({}, {"PatientName": "ARBOR^WILMA"}, "patient_name_1"),
    ({}, {"StudyInstanceUID": ["1.2.3", "1.2.4", "1.2.5"]}, "study_instance_uid"),
    ({}, {"RequestedProcedureID": "RP-1"}, "requested_procedure_id"),
    ({"ScheduledProcedureStepID": "SPS-1"}, {}, "scheduled_procedure_step_id"),
    ({}, {"AdmissionID": "V1"}, "admission_id"),
]


# As much as PostgreSQL wants to see before it prefers any index to reading everything.
_FILL = """
INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, generate_series(1, 4000) AS g WHERE {table}.{key} = {only}
"""
_FILLED = {
    "key": "key + g",
    "step_key": "step_key + g",
    "scheduled_procedure_step_id": "'S' || g",
    "scheduled_start_local": "to_char(timestamp '2026-01-01' + g * interval '17 minutes', 'YYYYMMDDHH24MISS')",
    "scheduled_station_ae_title": "'CT' || g % 50",
    "modality": "(ARRAY['CT', 'MR', 'US', 'CR'])[g % 4 + 1]",
    **{
        name: f"'{name[0]}' || g"
        for name in ("accession_number", "patient_id", "patient_name_1", "study_instance_uid", "requested_procedure_id")
    },
}


def _fill(store: Store, step_key: int) -> None:
    with store.write() as tx:
        for table, key in ((steps, "key"), (worklist_entries, "step_key")):
            names = [column.name for column in table.c]
            values = ", ".join(_FILLED.get(name, name) for name in names)
            where = f"{step_key}" + (" AND position = 0" if key == "step_key" else "")
            filled = _FILL.format(table=table.name, columns=", ".join(names), values=values, key=key, only=where)
            tx.exec_driver_sql(filled.replace("%", "%%"))
            tx.exec_driver_sql(f"ANALYZE {table.name}")


def _plan(store: Store, search: WorklistSearch) -> str:
    with store.read() as tx:
        asked = worklist_sql.statement(search, tx.dialect.name)
        form = asked.prepared._form(tx)
        cursor = tx.connection.cursor()
        explain = "EXPLAIN QUERY PLAN" if store.is_sqlite else "EXPLAIN"
        cursor.execute(f"{explain} {form.text}", form.bound({**asked.values, "most": 500}))
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def _is_begun_at(plan: str, index: str, *, in_order: bool) -> bool:
    scans = ("SCAN steps", "Seq Scan on worklist_entries")
    is_sorted = "TEMP B-TREE" in plan
    return (
        f"ix_worklist_entries_{index}" in plan
        and not any(scan in plan for scan in scans)
        and not (in_order and is_sorted)
    )


def test_each_shape_of_query_begins_at_its_index(store: Store) -> None:
    with store.write() as tx:
        key = put(tx, ENTRY)
    if not store.is_sqlite:
        _fill(store, key)
    wrong = []
    for step, root, index in _BEGUN_AT:
        plan = _plan(store, to_worklist_query(encode_query(identifier(step, **root)), IMPLICIT).search)
        is_list = isinstance(step.get("ScheduledStationAETitle"), list)
        if not _is_begun_at(plan, index, in_order=index in ("station", "modality", "start") and not is_list):
            wrong.append((step, root, plan))
    assert wrong == []
