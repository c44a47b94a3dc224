"""A clinic's rows without its wires: patients, orders and studies put straight into a store, for what reads them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bridge.clock import FixedClock
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Code, Order, StepStatus
from bridge.domain.overlay import Layer
from bridge.domain.patient import Patient
from bridge.domain.study import Header, Instance, Study, StudyState
from bridge.flows.lay_overlay import Made, lay
from bridge.outbox import enqueue
from bridge.outbox.enqueue import Work
from bridge.store import decisions, orders, patients, studies
from bridge.store.db import Store
from bridge.store.decisions import Decision

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ISSUER = "RIVERSIDE"
CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


class Clinic:
    """One store and one clock that stands still until a test moves it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = FixedClock(AT)

    def patient(self, patient_id: str, name: str = "HALVORSEN^INGRID", born: str = "19580312") -> Patient:
        """Register somebody."""
        identifiers = (PatientIdentifier(patient_id, ISSUER, "MR"),)
        new = Patient(0, identifiers, patient_name=name, patient_birth_date=born, patient_sex="F")
        with self.store.write() as tx:
            return patients.add(tx, new, self.clock.now())

    def merge(self, retired: Patient, survivor: Patient) -> None:
        """Let *retired* end in *survivor*."""
        with self.store.write() as tx:
            patients.save(tx, replace(patients.get(tx, retired.key), merged_into=survivor.key), self.clock.now())

    def order(self, patient: Patient, accession_number: str) -> Order:
        """Order a CT for somebody."""
        new = Order(
            key=0,
            patient_key=patient.key,
            accession_number=accession_number,
            issuer_of_accession_number=ISSUER,
            placer_order_number=EntityIdentifier(f"P{accession_number}", ISSUER),
            filler_order_number=EntityIdentifier(f"F{accession_number}", ISSUER),
            requested_procedure_id=f"R{accession_number}",
            study_instance_uid="",
            status=StepStatus.SCHEDULED,
            requested_procedure_description="CT CHEST WITH CONTRAST",
            requested_procedure_code=Code("71260", "CPT", "CT chest"),
            referring_physician_name="BRANDT^EVA^^DR",
            ordered_at=self.clock.now(),
        )
        with self.store.write() as tx:
            return orders.add(tx, new, self.clock.now())

    def study(self, uid: str, series: int = 2, instances: int = 3) -> Study:
        """Receive a CT, not decided yet."""
        header = header_of(uid, 1, 1)
        with self.store.write() as tx:
            found = studies.add(tx, header, "CT1", False, self.clock.now())
        for at_series in range(1, series + 1):
            for number in range(1, instances + 1):
                self.instance(found, at_series, number)
        return found

    def instance(
        self, study: Study, series: int, number: int, blob: str = "", syntax: str = EXPLICIT_LITTLE
    ) -> Instance:
        """Receive one more object of a study, now. blob: where its file is kept, "" for none."""
        header = header_of(study.study_instance_uid, series, number)
        with self.store.write() as tx:
            known = studies.series_by_uid(tx, header.series_instance_uid)
            found = known or studies.add_series(tx, study.key, header)
            new = Instance(
                key=0,
                study_key=study.key,
                series_key=found.key,
                sop_instance_uid=header.sop_instance_uid,
                sop_class_uid=CT_STORAGE,
                transfer_syntax_uid=syntax,
                blob=blob or f"{study.key:032x}{series:016x}{number:016x}",
                digest=blob or "0" * 64,
                size_bytes=1000,
                instance_number=number,
                received_at=self.clock.now(),
            )
            added = studies.add_instance(tx, new, "CT1")
            studies.touch(tx, study.key, self.clock.now())
        return added

    def bind(
        self, study: Study, patient: Patient, order: Order | None = None, corrections: dict[str, str] | None = None
    ) -> Study:
        """Decide whose a study is, and free what was held. corrections: keyword to value, None for none."""
        state = StudyState.BOUND if corrections is None else StudyState.BOUND_WITH_CORRECTION
        order_key = order.key if order else None
        bound = self._decide(study, state, patient_key=patient.key, order_key=order_key, rule="B01")
        differences = [
            {"keyword": keyword, "received": "", "record": value, "applied": True}
            for keyword, value in (corrections or {}).items()
        ]
        with self.store.write() as tx:
            decision = Decision(
                study.key,
                self.clock.now(),
                "B01",
                state.value,
                "B01",
                "",
                patient.key,
                differences=differences,
                binding_version=bound.binding_version,
            )
            decisions.add(tx, decision)
            layers = (Layer(self.clock.now(), corrections),) if corrections else ()
            lay(tx, bound, layers, Made(self.clock.now(), "B01", ""))
        with self.store.write() as tx:
            enqueue.release(tx, study.key, self.clock.now())
        return bound

    def question(self, study: Study) -> Study:
        """Put a study in review, and take back what stands of it."""
        held = self._decide(study, StudyState.REVIEW, patient_key=None, order_key=None, rule="V06")
        with self.store.write() as tx:
            enqueue.hold(tx, study.key, "V06", self.clock.now())
        return held

    def queue(self, topic: str, destination: str, study: Study, held_reason: str = "") -> None:
        """Queue a study for a destination."""
        work = Work(topic, destination, study.study_instance_uid, study_key=study.key)
        with self.store.write() as tx:
            enqueue.enqueue(tx, work, self.clock.now(), held_reason=held_reason)

    def _decide(self, study: Study, state: StudyState, **binding: int | str | None) -> Study:
        with self.store.write() as tx:
            now = studies.get(tx, study.key)
            decided = replace(now, state=state, binding_version=now.binding_version + 1, **binding)
            return studies.save(tx, decided)


def header_of(uid: str, series: int, number: int) -> Header:
    """Return what an object of the study *uid* says of itself."""
    return Header(
        sop_class_uid=CT_STORAGE,
        sop_instance_uid=f"{uid}.{series}.{number}",
        study_instance_uid=uid,
        series_instance_uid=f"{uid}.{series}",
        transfer_syntax_uid=EXPLICIT_LITTLE,
        patient_id="00041001",
        patient_name="HALVORSEN^INGRID",
        accession_number="A1",
        study_date="20260302",
        study_time="101530.25",
        study_description="CT chest",
        modality="CT",
        series_number=series,
        series_description=f"Series {series}",
        series_date="20260302",
        series_time="1016",
        body_part_examined="CHEST",
        laterality="",
        instance_number=number,
    )
