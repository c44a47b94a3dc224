"""The database's worklist matching against a slow and obvious model, on pairs made to be nasty."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.filereader import read_dataset

from bridge.codecs.dicom.worklist_item import WorklistEntry, encode
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import LIVE, Code
from bridge.store.db import Store
from tests.fakes.worklist import found, put
from tests.property import worklist_model
from tests.unit.codecs.dicom.objects import element
from tests.unit.codecs.dicom.test_worklist_item import ENTRY

# Items and queries; each query is compared on every item.
_SIZES = {"sqlite": (400, 250), "postgresql": (120, 60)}

_NAMES = (
    "NÚÑEZ^JOSÉ",
    "Nunez^Jose^^Dr",
    "SMITH",
    "Smith^John",
    "SMITHSON^JOHN^A",
    "O'BRIEN^A_B%C",
    "[X]^Y?Z",
    "van  der Berg^Anna ",
    "Groß^Käthe",
    "GROSS^KATHE^^^^",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=ヤマダ^タロウ",
    "=山本^花子",
    "Щукин^Пётр",
    "Ähre^Ö",
    "a^b^c^d^e",
)
_WORDS = ("CT1", "ct1", "CT[1]", "CT%1", "C_1", "CT 1", "A", "*A", "50%", "[a-z]", "Ä1", "x" * 16, "1.2", "CT1A")
_TEXTS = (*_WORDS, "CT of the head", "Head, 100% [new]", "back\\slash", "under_score", " padded ", "日本語", "")
# An AE title is written in the default repertoire (PS3.5 6.2).
_TITLES = tuple(word for word in _WORDS if word.isascii())
_UIDS = ("1.2.3", "1.2.30", "1.2.3.4", "2.25.7")
_DAYS = ("20260130", "20260131", "20260201", "20260202")
_BIRTHS = ("", "19000101", "19620714", "19991231", "20000101", "20240229")
_TIMES = ("000000", "053000", "063000", "083000", "083059", "120000", "215959", "220000", "235959")
_TIME_KEYS = (
    *(
        "10",
        "0830",
        "08:30",
        "083000",
        "083000.0",
        "083000.50",
        "08:30:59",
        "0830-",
        "-0830",
        "2200-0600",
        "220000-055959.99",
    ),
    *("0000-2359", "083000.000001-", "-083000.999", "0600-0800", "12-22", "-", "*", ""),
)
_LINES = "RequestedProcedureComments"
_TEXT_KEYS: dict[str, tuple[str, ...]] = {
    "ScheduledStationAETitle": _TITLES,
    "Modality": ("CT", "MR", "US", "CT1"),
    "ScheduledStationName": _TEXTS,
    "ScheduledProcedureStepLocation": _TEXTS,
    "ScheduledProcedureStepDescription": _TEXTS,
    "ScheduledProcedureStepID": _WORDS,
    "ScheduledProcedureStepStatus": tuple(sorted(LIVE)),
    "PatientID": _WORDS,
    "IssuerOfPatientID": ("R", "[R]", "r", ""),
    "PatientSex": ("F", "M", "O", ""),
    "AccessionNumber": _WORDS,
    "RequestedProcedureID": _WORDS,
    "AdmissionID": ("", *_WORDS),
    "RequestedProcedurePriority": ("STAT", "HIGH", "ROUTINE", ""),
    "InstitutionName": _TEXTS,
    "MedicalAlerts": _TEXTS,
    _LINES: _TEXTS,
}
_IN_STEP = {"Modality", "RequestedContrastAgent", *worklist_model.START}


def an_entry(dice: random.Random) -> WorklistEntry:
    """Return a worklist entry out of a small, awkward world, in which much nearly matches."""
    text, word, name = (lambda: dice.choice(_TEXTS)), (lambda: dice.choice(_WORDS)), (lambda: dice.choice(_NAMES))
    details = {"medical_alerts": tuple(text() for _ in range(dice.randrange(3)))}
    code = dice.choice([Code(), Code("704", "C4", "Head"), Code("704_", "99X", "Head"), Code("[7]", "C4", "Neck")])
    patient = replace(
        ENTRY.patient,
        patient_name=name(),
        identifiers=(PatientIdentifier(word(), dice.choice(["", "R", "[R]"])), PatientIdentifier("OTHER", "R")),
        patient_birth_date=dice.choice(_BIRTHS),
        patient_sex=dice.choice(["", "F", "M"]),
    )
    order = replace(
        ENTRY.order,
        accession_number=dice.choice(["", word()]),
        requested_procedure_id=word(),
        study_instance_uid=dice.choice(_UIDS),
        requested_procedure_code=code,
        requested_procedure_priority=dice.choice(["", "STAT", "ROUTINE"]),
        requested_procedure_comments=text(),
        referring_physician_name=dice.choice(["", name()]),
        admission_id=EntityIdentifier(dice.choice(["", word()])),
        institution_name=text(),
        details=details,  # type: ignore[arg-type]
    )
    step = replace(
        ENTRY.step,
        scheduled_procedure_step_id=word(),
        status=dice.choice(sorted(LIVE)),
        modality=dice.choice(["CT", "MR", "US"]),
        scheduled_station_ae_title=tuple(dict.fromkeys(dice.choice(_TITLES) for _ in range(dice.randint(1, 3)))),
        scheduled_start_local=dice.choice(_DAYS) + dice.choice(_TIMES),
        scheduled_procedure_step_description=dice.choice(["CT head", text() or "CT"]),
        scheduled_performing_physician_name=dice.choice(["", name()]),
        scheduled_station_name=text(),
        scheduled_procedure_step_location=text(),
        scheduled_protocol_code=code,
    )
    return WorklistEntry(patient, order, step)


def bent(dice: random.Random, value: str) -> str:
    """Return *value* as somebody may ask for it: as it is, cut, with wildcards, in another case, padded, or not at all."""
    at, to = sorted((dice.randint(0, len(value)), dice.randint(0, len(value))))
    return dice.choice(
        (
            value,
            value,
            value[:at] + "*",
            "*" + value[at:],
            value[:at] + "*" + value[to:],
            value[:at] + "?" + value[at + 1 :],
            value[:at] + "?*?" + value[to:],
            value.swapcase(),
            f" {value}  ",
            value + "\0old",
            "*",
            "",
        )
    )


def a_name_key(dice: random.Random) -> str:
    name = dice.choice(_NAMES)
    asked = bent(dice, dice.choice([name, dice.choice(name.split("=")), name.replace("=", "=*")]))
    return asked + dice.choice(["", "", "^", "^^^^", "^*", "^*^*", "=", "=*"])


def a_date_key(dice: random.Random, days: tuple[str, ...]) -> str:
    low, high = dice.choice(days), dice.choice(days)
    dotted, hyphened = f"{low[:4]}.{low[4:6]}.{low[6:]}", f"{low[:4]}-{low[4:6]}-{low[6:]}"
    return dice.choice(
        [low, f"{low}-{high}", f"{low}-{high}", f"{low}-", f"-{high}", dotted, hyphened, f" {low} ", "*", ""]
    )


def a_query(dice: random.Random) -> dict[str, Any]:
    """Return one to four keys that ask something, as the texts that are sent."""
    query: dict[str, Any] = {}
    for _ in range(dice.randint(1, 4)):
        kind = dice.randrange(10)
        if kind < 2:
            query[dice.choice(sorted(worklist_model.NAMES - {"RequestingPhysician"}))] = a_name_key(dice)
        elif kind == 2:
            query[worklist_model.START[0]] = a_date_key(dice, _DAYS)
            query[worklist_model.START[1]] = dice.choice(_TIME_KEYS)
        elif kind == 3:
            query[dice.choice(worklist_model.START)] = ""
            query["PatientBirthDate"] = a_date_key(dice, _BIRTHS[1:])
        elif kind == 4:
            query["StudyInstanceUID"] = "\\".join(dice.sample((*_UIDS, "1.2.*", "9"), dice.randint(1, 3)))
        elif kind == 5:
            query[dice.choice(["ScheduledProtocolCodeSequence", "RequestedProcedureCodeSequence"])] = {
                "CodeValue": bent(dice, dice.choice(["704", "704_", "[7]"])),
                "CodingSchemeDesignator": dice.choice(["", "C4", "99X", "c4"]),
                "CodeMeaning": dice.choice(["", "", "Head", "H*", "*"]),
            }
        else:
            keyword = dice.choice(sorted(_TEXT_KEYS))
            values = [bent(dice, dice.choice(_TEXT_KEYS[keyword])) for _ in range(dice.choice([1, 1, 1, 2, 3]))]
            query[keyword] = values[0] if keyword == _LINES else "\\".join(values)
    return query


def identifier(query: Mapping[str, Any]) -> bytes:
    """Return *query* as it is sent, in UTF-8, byte by byte: pydicom would mend what is odd."""
    step = {keyword: key for keyword, key in query.items() if keyword.startswith("Scheduled") or keyword in _IN_STEP}
    root = {keyword: key for keyword, key in query.items() if keyword not in step}
    sequence = element(0x00400100, element(0xFFFEE000, data_set(step)))
    return element(0x00080005, b"ISO_IR 192") + data_set(root, {0x00400100: sequence})


def data_set(query: Mapping[str, Any], more: Mapping[int, bytes] | None = None) -> bytes:
    elements = dict(more or {})
    for keyword, key in query.items():
        tag = tag_for_keyword(keyword) or 0
        if isinstance(key, Mapping):
            value = element(0xFFFEE000, data_set(key))
        else:
            value = key.encode()
            value += (b"\0" if dictionary_VR(tag) == "UI" else b" ") * (len(value) % 2)
        elements[tag] = element(tag, value)
    return b"".join(elements[tag] for tag in sorted(elements))


@pytest.fixture
def size(store: Store) -> tuple[int, int]:
    return _SIZES["sqlite" if store.is_sqlite else "postgresql"]


def test_the_database_finds_what_the_standard_says(store: Store, size: tuple[int, int]) -> None:
    dice = random.Random(20_260_131)
    items: dict[int, dict[str, Any]] = {}
    with store.write() as tx:
        for entry in (an_entry(dice) for _ in range(size[0])):
            shown = read_dataset(BytesIO(encode(entry)), True, True)
            items[put(tx, entry)] = dict(worklist_model.values_of(shown))
    some, none = 0, 0
    for query in (a_query(dice) for _ in range(size[1])):
        wanted = {key for key, item in items.items() if worklist_model.matches(item, query)}
        assert set(found(store, identifier(query), size[0])) == wanted, query
        some, none = some + (0 < len(wanted) < len(items)), none + (not wanted)
    # Queries that find everything or nothing would prove little.
    assert some > size[1] / 3, (some, none)


def test_a_cut_list_is_the_earliest(store: Store) -> None:
    dice = random.Random(7)
    with store.write() as tx:
        starts = {put(tx, entry): entry.step.scheduled_start_local for entry in (an_entry(dice) for _ in range(60))}
    for query in (
        {"Modality": "CT"},
        {},
        {"ScheduledStationAETitle": "CT*"},
        {"PatientName": "*"},
        {"PatientID": "CT1"},
    ):
        whole = found(store, identifier(query))
        assert whole == sorted(whole, key=lambda key: (starts[key], key))
        assert found(store, identifier(query), 5) == whole[:5]
        assert len(set(whole)) == len(whole)
