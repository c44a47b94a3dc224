"""A report through the doors of the running product: in over MLLP, out as FHIR and as a file, and never in a log."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from bridge.publishers.dicom_client import find_worklist
from tests.cast import PLAIN, STRANGER, adt, order, report, study_uid
from tests.product.running import Product

PDF = b"%PDF-1.4\n" + b"% an invented report\n" * 40_000
DOCUMENT = f"OBX|3|ED|PDF^Signed report^L||RIS^application^pdf^Base64^{base64.b64encode(PDF).decode()}||||||F\r"
STUDY = f"OBX|4|ST|113014^DICOM Study^DCM||{study_uid('A1')}||||||O\r"


@pytest.mark.timeout(180)
def test_a_report_comes_before_its_order_closes_the_exam_and_leaves_as_fhir(
    durable_url: str, make_product: Callable[..., Product]
) -> None:
    product = make_product(store=f'database = "{durable_url}"').start("--one-process")
    early = report(PLAIN, "A1", "F", extra=DOCUMENT + STUDY)
    answers = product.say(early, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), report(STRANGER, "A1", "C"))
    codes = [next(part for part in answer.split(b"\r") if part.startswith(b"MSA")).split(b"|")[1] for answer in answers]
    assert codes == [b"AA", b"AA", b"AA", b"AA", b"AE"]

    assert find_worklist(product.dicom, "CT1", {"AccessionNumber": "A1"}) == []
    api = product.api(product.token())
    exam = api.get("/api/exams/A1").json()
    assert exam["status"] == "COMPLETED"
    (shown,) = exam["reports"]
    assert shown["impression"] == "No acute finding."
    assert api.get(shown["documents"][0]["url"]).content == PDF

    (entry,) = api.get("/fhir/r4/DiagnosticReport", params={"identifier": "A1"}).json()["entry"]
    resource = entry["resource"]
    assert (resource["status"], resource["conclusion"]) == ("final", "No acute finding.")
    document = next(form for form in resource["presentedForm"] if form["contentType"] == "application/pdf")
    assert api.get("/fhir" + document["url"].partition("/fhir")[2]).content == PDF
    assert product.stop() == 0

    said = product.log.read_text()
    for secret in ("No acute finding", PLAIN.name, PLAIN.patient_id, "BRANDT", "Signed report", "JVBERi"):
        assert secret not in said, secret
