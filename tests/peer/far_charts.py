"""A study on its way to a chart on somebody else's server, sent by two nodes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bridge.codecs.fhir import endpoint
from bridge.codecs.fhir.imaging_study import House
from bridge.domain.identifiers import derive_uid
from bridge.outbox.worker import Worker
from bridge.publishers.ehr_directory import EhrDirectory, ImageAccess
from bridge.publishers.fhir_client import FhirClient, Found
from bridge.publishers.imaging_study import Ehr, ImagingStudyPublisher
from bridge.store import deliveries
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from tests.fakes.chart_scene import SYSTEM, system_of
from tests.fakes.clinic import Clinic

Json = dict[str, Any]

QUIET = timedelta(seconds=20)


def patient_in(client: FhirClient, number: str) -> Found:
    """Return the server's patient of that number, made if there is none."""
    new: Json = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": number}]}
    return client.create_unless(new, {"identifier": f"{SYSTEM}|{number}"})


class Scene:
    """
    A clinic and two nodes that publish one study there. client: whom the chart is asked by.

    name: a test's, for numbers and UIDs of its own. written_by: where the nodes write through another way.
    """

    def __init__(self, store: Store, client: FhirClient, name: str, written_by: FhirClient | None = None) -> None:
        self.clinic = Clinic(store)
        self.client = client
        client = written_by or client
        access = ImageAccess(endpoint.ways("https://bridge.example.org", has_viewer=True), "Riverside Imaging")
        ehr = Ehr(client, EhrDirectory(client, system_of, access))
        publisher = ImagingStudyPublisher({"ehr": ehr}, House(ZoneInfo("UTC"), system_of), QUIET)
        self.workers = [
            Worker(store, self.clinic.clock, [publisher], owner=node, jitter=lambda: 0.5) for node in ("one", "two")
        ]
        self.name = name
        self.uid = derive_uid(name)

    def patient_in_ehr(self, number: str) -> Found:
        return patient_in(self.client, number)

    def send(self) -> None:
        self.clinic.clock.at += QUIET
        self.workers[0].run_due()

    def send_by_both(self) -> None:
        """Let two nodes send what is due, at the same time, until nothing waits."""
        self.clinic.clock.at += QUIET
        for _ in range(30):
            with ThreadPoolExecutor(2) as nodes:
                for done in [nodes.submit(worker.run_due) for worker in self.workers]:
                    done.result()
            with self.clinic.store.read() as tx:
                waiting = deliveries.search(tx, DeliveryState.PENDING)
            if not waiting:
                return
            self.clinic.clock.at = max(one.next_at for one in waiting)
        raise AssertionError("still waiting")

    def charted(self) -> dict[str, str]:
        """Return the status of the study's resources by their subject."""
        found = self.standing()
        assert len({one.reference for one in found}) == len(found)
        return {one.resource["subject"]["reference"]: one.resource["status"] for one in found}

    def standing(self) -> list[Found]:
        """Return the study's resources."""
        return self.client.search("ImagingStudy", {"identifier": f"urn:dicom:uid|urn:oid:{self.uid}"})
