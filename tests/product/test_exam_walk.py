"""One exam through every door of the running product, on SQLite and on PostgreSQL, and what it leaves in the logs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from bridge.domain.study import OutgoingObject
from bridge.publishers.dicom_client import find_worklist
from samples.strict_ehr import StrictEhr
from tests import cast
from tests.cast import EVERYONE, MULTI_BYTE, NEAR_TWIN, PLAIN, adt, image, order, study_uid
from tests.flows.test_orders import cast_mpps
from tests.product.running import EHR_SYSTEM, Product, log_lines, wait_for

MPPS = "1.2.840.10008.3.1.2.3.3"


def seed(ehr: StrictEhr) -> None:
    for person in (PLAIN, MULTI_BYTE):
        _, patient = ehr.books.create(
            {"resourceType": "Patient", "identifier": [{"system": EHR_SYSTEM, "value": person.patient_id}]}
        )
        assert patient["id"]


def as_file(dataset: Dataset, folder: Path) -> OutgoingObject:
    path = cast.write_file(dataset, folder / f"{dataset.SOPInstanceUID}.dcm")
    return OutgoingObject(
        path, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(dataset.file_meta.TransferSyntaxUID)
    )


def perform(product: Product, accession: str, uid: str) -> None:
    """Say by MPPS that an exam began and ended."""
    device = AE("CT1")
    device.add_requested_context(MPPS)
    association = device.associate(product.dicom.host, product.dicom.port, ae_title=product.dicom.ae_title)
    assert association.is_established
    begun, _ = association.send_n_create(cast_mpps(accession), MPPS, uid)
    ended, _ = association.send_n_set(cast_mpps(accession, "COMPLETED"), MPPS, uid)
    association.release()
    assert (begun.Status, ended.Status) == (0, 0)


@pytest.mark.timeout(240)
def test_one_exam_passes_every_station_and_nobody_s_name_is_in_a_log(
    durable_url: str, make_product: Callable[..., Product], ehr: StrictEhr, tmp_path: Path
) -> None:
    seed(ehr)
    fhir = f'[[fhir.servers]]\nname = "ehr"\nbase_url = "{ehr.base_url}"\npublish = ["ImagingStudy", "Claim"]'
    product = make_product(store=f'database = "{durable_url}"', fhir=fhir).start()
    answers = product.say(adt(PLAIN), adt(NEAR_TWIN), order(PLAIN, "A1"), order(MULTI_BYTE, "A2"))
    assert all(b"MSA|AA" in answer for answer in answers)
    (item,) = find_worklist(product.dicom, "CT1", {"AccessionNumber": "A1"})
    assert (item.PatientID, item.StudyInstanceUID) == (PLAIN.patient_id, study_uid("A1"))
    perform(product, "A1", "2.25.77")
    results = product.store([as_file(image(PLAIN, "A1", n), tmp_path) for n in (1, 2)])
    assert [one.status for one in results] == [0, 0]
    wrong = image(NEAR_TWIN, "A2", 1)
    assert [one.status for one in product.store([as_file(wrong, tmp_path)])] == [0]

    (study,) = wait_for(lambda: _available(ehr), "the chart entry")
    assert study["numberOfInstances"] == 2

    api = product.api(product.token())
    exam = api.get("/api/exams/A1").json()
    reached = [line["station"] for line in exam["timeline"]]
    assert list(dict.fromkeys(reached)) == [
        "order",
        "scheduled",
        "performed",
        "images",
        "reconciled",
        "chart",
    ]
    assert api.get(f"/api/studies/{study_uid('A1')}").json()["state"] == "bound"
    doubtful = api.get(f"/api/studies/{study_uid('A2')}").json()
    assert (doubtful["state"], doubtful["patient"], doubtful["accession_number"]) == ("review", None, None)
    stranger = adt(PLAIN).replace(b"RIVEHR|RIVERSIDE", b"NOBODY|NOWHERE")
    refused = product.say(
        stranger, order(PLAIN, "A9", "CA"), b"garbage of HALVORSEN", adt(PLAIN).replace(b"\r", b"\n\xff")
    )
    assert not any(b"MSA|AA" in answer for answer in refused)
    assert api.get("/api/exams", params={"q": PLAIN.name}).status_code == 200
    assert api.get("/metrics").status_code == 200
    assert product.stop() == 0
    product.addresses = {}

    assert len(log_lines(product)) > 10
    words = {word for person in EVERYONE for word in re.split(r"[\^ ]", person.name) if len(word) > 3}
    words |= {person.patient_id for person in EVERYONE} | {p.birth_date for p in EVERYONE if p.birth_date}
    logged = product.log.read_text("utf-8").casefold()
    assert not [word for word in words if word.casefold() in logged]


def _available(ehr: StrictEhr) -> list[dict[str, Any]]:
    """Return the studies that are whole in the chart; what has only begun, or was taken back, is none of them."""
    charted = ehr.state()["resources"].get("ImagingStudy", {}).values()
    return [one for one in charted if one["status"] == "available"]
