"""A clinic, an EHR and a worker that is driven by hand: what the publishers' tests play with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bridge.codecs.fhir import endpoint
from bridge.codecs.fhir.imaging_study import House
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.study import Study
from bridge.outbox import enqueue
from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.outbox.worker import Worker
from bridge.publishers.claim_attachment import ClaimAttachmentPublisher
from bridge.publishers.ehr_directory import EhrDirectory, ImageAccess
from bridge.publishers.fhir_client import FhirClient
from bridge.publishers.imaging_study import Ehr, ImagingStudyPublisher
from bridge.publishers.provenance import ProvenancePublisher
from bridge.publishers.study_announcement import StudyAnnouncementPublisher
from bridge.sections.fhir import FhirServer
from bridge.store import deliveries
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from samples.strict_ehr import StrictEhr
from tests.fakes.clinic import ISSUER, Clinic
from tests.fakes.shared_ehr import SharedEhr

Json = dict[str, Any]

SYSTEM = "urn:oid:2.25.834"
UID = "2.25.1001"
QUIET = timedelta(seconds=20)


def system_of(issuer: str) -> str:
    return SYSTEM if issuer == ISSUER else f"urn:imaging-bridge:authority:{issuer}"


class Scene:
    """A clinic, an EHR that knows its first patient, and a worker that is driven by hand."""

    def __init__(
        self,
        store: Store,
        ehr: StrictEhr | SharedEhr,
        timeout_secs: float = 1.5,
        *,
        looks_up: bool = True,
        traces: bool = False,
    ) -> None:
        self.clinic = Clinic(store)
        self.ehr = ehr
        server = FhirServer(name="ehr", base_url=ehr.base_url, version=ehr.version, timeout_secs=timeout_secs)
        self.client = FhirClient(server, self.clinic.clock)
        access = ImageAccess(endpoint.ways("https://bridge.example.org", has_viewer=True), "Riverside Imaging")
        directory = EhrDirectory(self.client, system_of, access, looks_up=looks_up)
        house = House(ZoneInfo("America/New_York"), system_of)
        self.ehr_port = Ehr(self.client, directory, keeps_provenance=traces)
        self.publisher = ImagingStudyPublisher({"ehr": self.ehr_port}, house, QUIET)
        self.claims = ClaimAttachmentPublisher({"ehr": self.ehr_port})
        self.traces = ProvenancePublisher({"ehr": self.ehr_port}, "Riverside Imaging")
        announcer = StudyAnnouncementPublisher({"ehr": self.ehr_port}, house, QUIET)
        publishers = [self.publisher, announcer, self.claims, self.traces]
        self.worker = Worker(store, self.clinic.clock, publishers, owner="test", jitter=lambda: 0.5)

    def in_ehr(self, patient: Patient) -> str:
        """Let the EHR know somebody."""
        _, made = self.ehr.books.create(
            {
                "resourceType": "Patient",
                "identifier": [{"system": SYSTEM, "value": patient.primary.patient_id}],
            }
        )
        return f"Patient/{made['id']}"

    def order_in_ehr(self, order: Order, subject: str) -> str:
        _, made = self.ehr.books.create(
            {
                "resourceType": "ServiceRequest",
                "identifier": [{"system": SYSTEM, "value": order.placer_order_number.value}],
                "status": "active",
                "intent": "order",
                "subject": {"reference": subject},
            }
        )
        return f"ServiceRequest/{made['id']}"

    def bound_study(self, uid: str = UID) -> tuple[Study, Patient]:
        """A complete CT of somebody whom the EHR knows, queued."""
        patient = self.clinic.patient("00041001")
        study = self.clinic.bind(self.clinic.study(uid), patient, self.clinic.order(patient, "A1"))
        self.clinic.queue(IMAGING_STUDY, "ehr", study)
        self.pass_time(QUIET)
        return study, patient

    def pass_time(self, by: timedelta) -> None:
        self.clinic.clock.at += by

    def run(self) -> None:
        self.worker.run_due()

    def until_quiet(self, limit: int = 60) -> None:
        """Let time pass until nothing is pending any more."""
        for _ in range(limit):
            self.run()
            pending = self.deliveries(DeliveryState.PENDING)
            if not pending:
                return
            self.clinic.clock.at = max(one.next_at for one in pending)
        raise AssertionError(f"still pending: {self.deliveries(DeliveryState.PENDING)}")

    def retry(self, delivery: deliveries.Delivery) -> None:
        """Send a delivery again, as a person does."""
        with self.clinic.store.write() as tx:
            enqueue.retry(tx, delivery.key, self.clinic.clock.now())

    def deliveries(self, state: DeliveryState | None = None) -> list[deliveries.Delivery]:
        with self.clinic.store.read() as tx:
            return deliveries.search(tx, state)

    def charted(self, uid: str = UID) -> list[Json]:
        """Return the EHR's ImagingStudies of a study, whatever their status."""
        found = self.ehr.state()["resources"].get("ImagingStudy", {}).values()
        return [one for one in found if any(i["value"] == f"urn:oid:{uid}" for i in one["identifier"])]

    def live(self, uid: str = UID) -> list[Json]:
        return [one for one in self.charted(uid) if one["status"] != "entered-in-error"]
