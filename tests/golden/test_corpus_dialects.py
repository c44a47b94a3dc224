"""The orders, and a patient of each dialect, that other people's software sends: read by the preset of their family.

What each should come to was read off the messages by a person, field by field.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.pasted import messages_in
from bridge.errors import BridgeError
from bridge.flows.preview_message import Ground, suggest_presets
from bridge.mapping.apply import Mapped, apply
from bridge.mapping.load import load_mappings
from bridge.mapping.resolve import MappingSet
from bridge.mapping.show import show_error
from bridge.mapping.site import Defaults

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus" / "hl7"
DEFAULTS = Defaults("HOME", "America/New_York")

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of other people's messages is not here")


@dataclass(frozen=True)
class Order:
    """One ORC group. start: of its step, "" for none; uid: "" for one that is derived."""

    accession: str
    start: str
    modality: str = ""
    uid: str = ""


@dataclass(frozen=True)
class Expected:
    """One message of a file and what its family's preset makes of it."""

    file: str
    preset: str
    patient_id: str
    name: str
    orders: tuple[Order, ...] = ()
    number: int = 1


ORDERS = [
    Expected("cosyte/canonical/orc7-legacy-tq", "filler_accession", "MRN-M-003", "Poe^Lee", (Order("FILL-M-003", "20260705080000"),)),
    Expected("cosyte/canonical/orm-o01", "filler_accession", "MRN-ORM-001", "Smith^Jane^B", (Order("FLR-ORM-001", "20260419140500"),)),
    Expected("cosyte/canonical/tq1-bid", "filler_accession", "MRN-M-001", "Doe^Jane^A", (Order("FILL-M-001", "20260705120000"),)),
    Expected("cosyte/nte/obr-order-notes", "filler_accession", "MRN-TEST-002", "ROE^JANE^B", (Order("FLR-002", ""),)),
    Expected(
        "cosyte/philips/orm-o01", "z_segments", "MRN-PH-001", "Doe^John",
        (Order("AC-PH-001", "20250326100000", "CT", "1.2.826.0.1.3680043.10.99999.20250326.7"),),
    ),
    Expected(
        "cosyte/visage/orm-o01", "ihe_orm", "MRN-VS-001", "Doe^John",
        (Order("AC-VS-001", "", "", "1.2.826.0.1.3680043.10.99999.20250326.1"),),
    ),
    # ORC-8 holds what belongs into ORC-7: the time stands in OBR-7 as well.
    Expected("pacs-bridge/orm_o01_sample", "filler_accession", "12345", "DOE^JOHN^WILLIAM", (Order("ACC001", "20240115120000"),)),
    # The day stands in ORC-7, the time in OBR-27.
    Expected("hl7-dotnetcore/Sample-ORM.txt", "placer_accession", "42311", "Jane^Doe^T", (Order("11777-60", "20170331120000"),)),
    Expected("hapi/messages.txt", "placer_accession", "N00829", "RADIOLOGY^INPAT^EIGHT", (Order("003711.0001.001", "19940503180000"),), 16),
    # 11:26 at +02:15 is 05:11 in New York. The second repetition of PID-5 is the legal name (L), the first a display name.
    Expected("fhir-converter/ORM-O01-02", "us_ehr", "PATID1234", "Josh^^stanley", (Order("1201", "20211020051100"),)),
    Expected(
        "fhir-converter/ORM-O01-03", "us_ehr", "PATID1234", "Josh^^stanley",
        (Order("1201", "20211020051100"), Order("2301", "20211020051100")),
    ),
]  # fmt: skip

REFUSED = {
    # Placeholder words longer than a DICOM identifier: what cannot stand in an image's header is not cut.
    "dcm4che/OMI_O23-ImagingOrder": ("ihe_omi", "error: AE 104 IPC-4 longer than 16 characters"),
    "dcm4che/OMG_O19-GeneralClinicalOrder-Eyecare": ("ihe_orm", "error: AE 104 OBR-20 longer than 16 characters"),
    "dcm4che/ORM_O01-GeneralOrder": ("ihe_orm", "error: AE 104 OBR-20 longer than 16 characters"),
    "hapi/ParserTest-02-ORM_O01": ("placer_accession", "error: AE 101 MSH-10 required value missing"),
    "linuxforhealth/Hl7ORMMessageTest-01-ORM_O01": ("us_ehr", "error: AE 101 PID-3 required value missing"),
    # An order for a drug: nothing that a worklist could show.
    "fhir-converter/ORM-O01-06": ("us_ehr", "error: AE 101 OBR-4 required value missing"),
}

PATIENTS = [
    Expected("cosyte/epic/adt-a01", "us_ehr", "EPIC-00001", "Doe^John^Q"),
    Expected("cosyte/athena/adt-a01", "us_ehr", "ATH-00007", "Lee^Sam^T"),
    Expected("cosyte/philips/adt-a08", "z_segments", "MRN-PH-001", "Doe^John"),
    Expected("python-hl7/sample_msh", "us_ehr", "2148790", "RUFUSS^MELLODIAL"),
    Expected("pacs-bridge/adt_a01_sample", "filler_accession", "12345", "DOE^JOHN^WILLIAM"),
    # Scripts tell the groups apart where the sender does not.
    Expected("cosyte/charset/utf8-name", "us_ehr", "123", "Zörb^Renée=山田^太郎"),
    # Declared ISO IR87, and UTF-8 in the published file: the site says so, and is believed where the bytes are not in the set.
    Expected("ssmixtwins/adt_a01", "japanese", "9999013", "=患者^太郎=カンジャ^タロウ"),
    Expected("ssmixtwins/adt_a08", "japanese", "9999013", "=患者^太郎=カンジャ^タロウ"),
]


@cache
def mappings() -> MappingSet:
    return load_mappings(ROOT / "mappings")


def message(file: str, number: int = 1) -> bytes:
    return messages_in((CORPUS / f"{file}.hl7").read_bytes())[number - 1]


def read(raw: bytes, preset: str) -> Mapped:
    site = mappings().rules_named(preset)
    assert site is not None
    if preset == "japanese":
        site = replace(site, charset="UNICODE UTF-8")
    return apply(er7.parse(raw, site.charset), site, DEFAULTS)


@pytest.mark.parametrize("one", ORDERS, ids=lambda one: one.file)
def test_an_order_is_read_by_its_familys_preset(one: Expected) -> None:
    found = read(message(one.file, one.number), one.preset)

    assert found.patient is not None
    assert (found.patient.identifiers[0].patient_id, found.patient.patient_name) == (one.patient_id, one.name)
    assert [
        Order(
            draft.accession_number,
            draft.steps[0].scheduled_start_local or "",
            draft.steps[0].modality or "",
            "" if "study_instance_uid" in draft.derived else draft.study_instance_uid,
        )
        for draft in found.orders
    ] == list(one.orders)
    assert not any("accession_number" in draft.derived for draft in found.orders)


@pytest.mark.parametrize("one", ORDERS, ids=lambda one: one.file)
def test_an_unknown_senders_order_is_offered_presets_that_find_its_accession_number(one: Expected) -> None:
    ground = Ground(mappings(), DEFAULTS, lambda modality: (), lambda issuer: issuer)
    raw = message(one.file, one.number)
    offered = [suggestion["name"] for suggestion in suggest_presets(raw, ground)]

    assert offered
    for name in offered:
        assert not any("accession_number" in draft.derived for draft in read(raw, name.removeprefix("sites/")).orders)


@pytest.mark.parametrize("file", REFUSED)
def test_what_cannot_be_an_imaging_order_is_refused_with_its_place(file: str) -> None:
    preset, error = REFUSED[file]
    with pytest.raises(BridgeError) as refused:
        read(message(file), preset)
    assert show_error(refused.value).strip() == error


@pytest.mark.parametrize("one", PATIENTS, ids=lambda one: one.file)
def test_a_patient_is_read_by_its_familys_preset(one: Expected) -> None:
    found = read(message(one.file), one.preset)

    assert found.patient is not None
    assert (found.patient.identifiers[0].patient_id, found.patient.patient_name) == (one.patient_id, one.name)
    assert isinstance(found.message_at, datetime)


SWISS = sorted((CORPUS / "elexis-base").glob("Test*.HL7"))


@pytest.mark.parametrize("file", SWISS, ids=lambda file: file.stem)
def test_a_swiss_laboratory_is_read_in_its_own_set_without_a_doubt(file: Path) -> None:
    site = mappings().rules_named("swiss")
    assert site is not None
    found = er7.parse(file.read_bytes(), site.charset)

    assert found.notices == []
    assert "Ã" not in "".join(segment.text for segment in found.segments)
    assert found.first("PID") is not None
