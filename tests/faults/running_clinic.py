"""A running product with an EHR, and exams that nobody made before: what a test of the whole breaks and mends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.domain.study import OutgoingObject
from bridge.publishers.dicom_client import find_worklist
from samples.strict_ehr import StrictEhr
from tests import cast
from tests.cast import PLAIN, image, order, study_uid
from tests.fakes.dicom_wire import CT_IMAGE, EXPLICIT
from tests.product.running import EHR_SYSTEM, Product, wait_for

# No answer may take longer, on a machine that is busy with something else.
WITHIN_SECS = 10.0


@dataclass
class Clinic:
    """A running product, its EHR and a way to make exams that nobody made before."""

    product: Product
    ehr: StrictEhr
    folder: Path
    made: int = 0

    def __post_init__(self) -> None:
        self.api = self.product.api(self.product.token())

    def accession(self) -> str:
        self.made += 1
        return f"B{self.made:04d}"

    def rows(self, path: str, **query: str) -> list[dict[str, Any]]:
        (found,) = [value for value in self.api.get(path, params=query).json().values() if isinstance(value, list)]
        return found

    def message(self, control_id: str) -> dict[str, Any]:
        """Return the journal's row of *control_id*, of which there must be one."""
        (found,) = [one for one in self.rows("/api/messages", q=control_id) if one["control_id"] == control_id]
        return found

    def audited(self, what: str, outcome: str) -> dict[str, Any]:
        """Wait for the trail's row of a refusal."""

        def look() -> dict[str, Any] | None:
            rows = self.rows("/api/audit")
            return next((one for one in rows if (one["what"], one["outcome"]) == (what, outcome)), None)

        return wait_for(look, f"the audit row {what} {outcome}")

    def object(self, accession: str, number: int = 1) -> OutgoingObject:
        dataset = image(PLAIN, accession, number)
        path = cast.write_file(dataset, self.folder / f"{dataset.SOPInstanceUID}.dcm")
        return OutgoingObject(path, CT_IMAGE, str(dataset.SOPInstanceUID), EXPLICIT)

    def shoot(self, accession: str, number: int = 1) -> int | None:
        """Store one image and return its status."""
        (result,) = self.product.store([self.object(accession, number)])
        return result.status

    def connect_hl7(self) -> socket.socket:
        host, _, port = self.product.addresses["hl7"].rpartition(":")
        return socket.create_connection((host, int(port)), WITHIN_SECS)

    def works(self) -> str:
        """Take one more order and its image; return the accession."""
        accession = self.accession()
        (answer,) = self.product.say(order(PLAIN, accession))
        assert b"MSA|AA" in answer
        assert len(find_worklist(self.product.dicom, "CT1", {"AccessionNumber": accession})) == 1
        assert self.shoot(accession) == 0
        assert self.api.get(f"/api/studies/{study_uid(accession)}").json()["state"] == "bound"
        return accession

    def charted(self, accession: str) -> list[dict[str, Any]]:
        """Return the chart's entries of a study."""
        entries = self.ehr.state()["resources"].get("ImagingStudy", {}).values()
        uid = f"urn:oid:{study_uid(accession)}"
        return [one for one in entries if uid in [identifier["value"] for identifier in one["identifier"]]]

    def delivery(self, accession: str, state: str) -> dict[str, Any]:
        """Wait for the study's delivery to the EHR to be in *state*."""

        def look() -> dict[str, Any] | None:
            rows = [one for one in self.rows("/api/deliveries", state=state) if one["destination"] == "ehr"]
            return next((one for one in rows if one["study_instance_uid"] == study_uid(accession)), None)

        return wait_for(look, f"a delivery in state {state}")

    def misbehave_next(self, mode: str, count: int | None = 1) -> None:
        """Let the EHR fail at the next *count* writes of studies (None: at all), and at no older one on its way."""
        wait_for(
            lambda: not any(self.rows("/api/deliveries", state=state) for state in ("pending", "sending")),
            "an empty queue",
        )
        self.ehr.misbehave(mode, count=count, methods=["PUT", "POST"], types=["ImagingStudy"])


@contextmanager
def open_clinic(folder: Path, *arguments: str, **sections: str) -> Iterator[Clinic]:
    """Serve with *arguments*; sections of settings in TOML."""
    ehr = StrictEhr().start()
    ehr.books.create({"resourceType": "Patient", "identifier": [{"system": EHR_SYSTEM, "value": PLAIN.patient_id}]})
    fhir = f'[[fhir.servers]]\nname = "ehr"\nbase_url = "{ehr.base_url}"\ntimeout_secs = 2'
    product = Product(folder, {"fhir": fhir, "publish": "study_quiet_secs = 0.2\nannounce = false"} | sections)
    try:
        yield Clinic(product.start(*arguments), ehr, folder)
    finally:
        if product.addresses:
            product.stop()
        ehr.stop()
