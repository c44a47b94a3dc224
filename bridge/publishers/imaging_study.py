"""A bound, complete study becomes one ImagingStudy in its patient's chart, and is withdrawn when it is bound no more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from bridge.codecs.fhir import imaging_study as codec
from bridge.codecs.fhir import r4, r5
from bridge.codecs.fhir.imaging_study import CANCELLED, ENTERED_IN_ERROR, House
from bridge.codecs.fhir.references import Links
from bridge.domain.chart import Cause, Whose, Why
from bridge.domain.identifiers import derive_uid
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.study import StudyContents
from bridge.errors import Conflict, Malformed, Unavailable
from bridge.leaving.completeness import study_complete_at
from bridge.outbox import enqueue
from bridge.outbox.publisher import Hold, Nothing, NotYet, Parcel, StillWanted
from bridge.publishers.ehr_directory import PATIENT_CIRCLE, PATIENT_TWICE, Chart, EhrDirectory
from bridge.publishers.fhir_client import FOREIGN_REFERENCE, FhirClient, Found
from bridge.publishers.study_placing import STUDY_ELSEWHERE, STUDY_TWICE, Known, Placing, StudyReceipt
from bridge.publishers.validation import UNSEEN, Validation
from bridge.store import (
    authorizations,
    chart_versions,
    deliveries,
    events,
    key_objects,
    news,
    orders,
    overlays,
    patients,
    performed,
    publications,
    studies,
)
from bridge.store.chart_causes import cause_of
from bridge.store.chart_versions import Standing
from bridge.store.chart_withdrawals import withdrawal_of
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, HoldKind
from bridge.store.events import Event, Station
from bridge.store.lanes import VERSION_CONFLICT
from bridge.store.publications import Publication

Json = dict[str, Any]

_TRIES = 5
# What is doubtful on the server itself: somebody puts it right there, and sends the study again.
ASKS_A_PERSON = frozenset({PATIENT_TWICE, PATIENT_CIRCLE, FOREIGN_REFERENCE, STUDY_TWICE, STUDY_ELSEWHERE})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StudyParcel(Parcel):
    """
    A study as it is now. patient: None takes back what stands of it, as *ending* says.

    known: what we put on this server, withdrawn or not. same_person: those of them that were put there for the one who
    is *patient* now. corrected: what its objects leave with, DICOM keyword to value. performed: what devices sent of its
    performed steps, DICOM JSON.
    """

    contents: StudyContents
    patient: Patient | None
    order: Order | None
    known: tuple[Publication, ...]
    same_person: frozenset[str]
    corrected: Mapping[str, str] = field(default_factory=dict)
    ending: str = ENTERED_IN_ERROR
    performed: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Ehr:
    """
    A FHIR server and what can be found on it.

    keeps_provenance: it is told where each version comes from. validation: how what it gets is looked at before.
    """

    client: FhirClient
    directory: EhrDirectory
    keeps_provenance: bool = False
    validation: Validation = UNSEEN


class ImagingStudyPublisher:
    """Publishes to every FHIR server that takes ImagingStudy. study_quiet: without an MPPS, so long without an image."""

    topic = enqueue.IMAGING_STUDY

    def __init__(self, ehrs: Mapping[str, Ehr], house: House, study_quiet: timedelta) -> None:
        self._ehrs = dict(ehrs)
        self._house = house
        self._study_quiet = study_quiet

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._ehrs)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> StudyParcel | NotYet | Hold | Nothing:
        """Collect the study; one that is not bound is withdrawn if it may stand outside, and held otherwise."""
        if delivery.study_key is None:
            return Nothing("it names no study")
        contents = studies.contents(tx, delivery.study_key)
        study = contents.study
        known = tuple(publications.of_study(tx, study.key, delivery.destination))
        is_withdrawn = withdrawal_of(tx, study.key) is not None
        if not study.is_bound or study.patient_key is None or is_withdrawn:
            if known or self._was_tried(tx, delivery):
                return StudyParcel(delivery, study.key, study.binding_version, contents, None, None, known, frozenset())
            return Hold("a person withdrew it" if is_withdrawn else "the study is not bound to a patient")
        if not contents.instance_count:
            if not known:
                return Nothing("every image of the study was rejected")
            over = (delivery, study.key, study.binding_version, contents, None, None, known, frozenset[str]())
            return StudyParcel(*over, ending=CANCELLED)
        ready_at = study_complete_at(tx, study, self._study_quiet, now)
        if ready_at > now:
            return NotYet(ready_at, "the study is not complete yet")
        patient = patients.survivor(tx, study.patient_key)
        placed = chart_versions.placed_for(tx, delivery.destination, study.key, [study.order_key])
        placed |= {one.reference: one.patient_key for one in known if one.patient_key is not None}
        same_person = of_one_person(tx, placed, patient)
        order = orders.get(tx, study.order_key) if study.order_key is not None else None
        rests_on = (delivery, study.key, study.binding_version, contents)
        return StudyParcel(
            *rests_on,
            patient,
            order,
            known,
            same_person,
            overlays.current(tx, study).values,
            performed=tuple(performed.attributes_of_study(tx, study.study_instance_uid)),
        )

    def _was_tried(self, tx: ReadTx, delivery: Delivery) -> bool:
        """Say whether anything of a study may stand on the server, be it only announced."""
        topics = (self.topic, enqueue.ANNOUNCEMENT)
        return any(deliveries.was_tried(tx, topic, delivery.destination, delivery.order_of) for topic in topics)

    def send(self, parcel: StudyParcel, still_wanted: StillWanted) -> StudyReceipt:
        """Bring the server to what *parcel* says; what only a person can tell apart there waits for one."""
        try:
            return self._sent(parcel, still_wanted)
        except Conflict as fault:
            if fault.code not in ASKS_A_PERSON:
                raise
            return StudyReceipt(fault.detail, None, "", False, (), held=Hold(fault.detail, HoldKind.RECEIVER))

    def _sent(self, parcel: StudyParcel, still_wanted: StillWanted) -> StudyReceipt:
        ehr = self._ehrs[parcel.delivery.destination]
        uid = parcel.contents.study.study_instance_uid
        known = Known(uid, parcel.known, parcel.same_person, parcel.ending)
        placing = Placing(ehr.client, known, still_wanted)
        if parcel.patient is None:
            withdrawn = until_settled(placing.withdraw)
            said = "cancelled" if parcel.ending == CANCELLED else "withdrawn"
            return StudyReceipt(_said(said, withdrawn), None, "", bool(withdrawn), withdrawn, placing.ended)
        chart = ehr.directory.chart(parcel.patient)
        is_remembered = ehr.directory.remembers_endpoints
        try:
            ours = self._resource(ehr, parcel, chart)
            return until_settled(lambda: placing.place(ours, chart))
        except Malformed:
            if not is_remembered:
                raise
        # An Endpoint of ours may be gone from there since it was last seen.
        ehr.directory.forget_endpoints()
        again = self._resource(ehr, parcel, chart)
        return until_settled(lambda: placing.place(again, chart))

    def _resource(self, ehr: Ehr, parcel: StudyParcel, chart: Chart) -> Json:
        links = Links(
            subject=chart.name,
            service_request=ehr.directory.service_request(parcel.order, chart) if parcel.order else "",
            encounter=ehr.directory.encounter(parcel.order, chart) if parcel.order else "",
            endpoints=ehr.directory.endpoints(),
            placement=derive_uid(parcel.contents.study.study_instance_uid, ehr.client.name, chart.name),
        )
        content = codec.build(
            parcel.contents, parcel.order, links, self._house, parcel.corrected, performed=parcel.performed
        )
        ours = r5.imaging_study(content) if ehr.client.version == "R5" else r4.imaging_study(content)
        return ehr.validation.checked(ehr.client.version, ours | {"subject": chart.subject})

    def settled(self, tx: WriteTx, parcel: StudyParcel, receipt: StudyReceipt, at: datetime) -> None:
        """Record what stands, tell the timeline, and wake the claims that waited for it."""
        server, study_key = parcel.delivery.destination, parcel.contents.study.key
        _keep_versions(tx, self._ehrs[server], parcel, receipt, at)
        for reference in receipt.withdrawn:
            publications.retire(tx, server, reference, parcel.ending, at)
        if receipt.standing is not None:
            publications.put(tx, _publication(parcel, receipt, receipt.standing, at))
            publications.note_complete(tx, study_key, at)
            enqueue.nudge(tx, study_key, enqueue.CLAIM, at)
            _claims_follow(tx, parcel, receipt.standing, at)
        if _is_elsewhere(parcel, receipt) or (receipt.was_written and key_objects.of_study(tx, study_key)):
            # Reports point to the study where it stands; marked images may have come, or gone, with others of it.
            news.look_at(tx, news.STUDY, study_key, at)
        if receipt.was_written:
            events.add(
                tx,
                Event(
                    at=at,
                    station=Station.CHART,
                    what=receipt.detail,
                    by=server,
                    source_kind="delivery",
                    source_id=str(parcel.delivery.key),
                    order_key=parcel.contents.study.order_key,
                    study_key=study_key,
                ),
            )

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all, unless it is dead: then the exam's timeline says so too."""
        if is_dead:
            what = f"not published: {detail}"
            source_id = str(delivery.key)
            events.add(
                tx,
                Event(
                    at, Station.CHART, what, delivery.destination, "delivery", source_id, study_key=delivery.study_key
                ),
            )


def of_one_person(tx: ReadTx, placed: Mapping[str, int], patient: Patient) -> frozenset[str]:
    """Return which entries stand for the one who is *patient* now. placed: for whom each stood, by reference."""
    return frozenset(one for one, key in placed.items() if patients.survivor(tx, key).key == patient.key)


def until_settled(step: Callable[[], T]) -> T:
    """Return what *step* does once nobody writes between its look and its write. Raises: Unavailable."""
    for _ in range(_TRIES):
        try:
            return step()
        except Conflict as fault:
            if fault.code != VERSION_CONFLICT:
                raise
    raise Unavailable("the server's resource keeps changing", code=VERSION_CONFLICT)


def _said(what: str, references: Sequence[str]) -> str:
    return f"{', '.join(references)} {what}" if references else "nothing stands there"


def keep_ways(tx: WriteTx, ehr: Ehr, server: str, at: datetime, written: Collection[str] = ()) -> None:
    """Keep a version of each way that is not as it was kept last. written: those that we wrote over."""
    for way in ehr.directory.take_endpoints():
        stands = Standing(server, way.reference, {ehr.client.version: way.resource}, way.version)
        is_known = chart_versions.newest(tx, server, way.reference) is not None
        why = Why(Cause.EVENT, "", "the way to the images")
        if is_known and way.reference not in written:
            why = Why(Cause.DELIVERY, server, "somebody else changed it there")
        chart_versions.keep(tx, stands, Whose(), why, at)


def _keep_versions(tx: WriteTx, ehr: Ehr, parcel: StudyParcel, receipt: StudyReceipt, at: datetime) -> None:
    """Keep a version of each resource that is not as it was kept last."""
    study, patient = parcel.contents.study, parcel.patient
    keep_ways(tx, ehr, parcel.delivery.destination, at)
    patient_keys = {one.reference: one.patient_key for one in parcel.known}
    for one in receipt.seen:
        is_standing = one is receipt.standing
        said = Standing(parcel.delivery.destination, one.reference, {ehr.client.version: one.resource}, one.version)
        why = cause_of(tx, study, said, parcel.binding_version, is_ours=receipt.was_written or not is_standing)
        patient_key = patient.key if is_standing and patient is not None else patient_keys.get(one.reference)
        order_key = study.order_key if is_standing else None
        whose = Whose(study.key, patient_key, order_key, parcel.binding_version)
        kept = chart_versions.keep(tx, said, whose, why, at)
        if kept is not None and ehr.keeps_provenance:
            enqueue.enqueue(tx, enqueue.provenance(kept), at)


def _publication(parcel: StudyParcel, receipt: StudyReceipt, standing: Found, at: datetime) -> Publication:
    subject = standing.resource.get("subject")
    return Publication(
        study_key=parcel.contents.study.key,
        server=parcel.delivery.destination,
        resource_type="ImagingStudy",
        reference=standing.reference,
        version=standing.version,
        status=str(standing.resource.get("status", "")),
        subject=str(subject.get("reference", "")) if isinstance(subject, dict) else "",
        patient_key=parcel.patient.key if parcel.patient is not None else None,
        content_digest=receipt.content_digest,
        binding_version=parcel.binding_version,
        published_at=at,
    )


def _claims_follow(tx: WriteTx, parcel: StudyParcel, standing: Found, at: datetime) -> None:
    """Have the Claims that name the study name it where it stands now."""
    server = parcel.delivery.destination
    if standing.reference in {one.reference for one in parcel.known if one.retired_at is None}:
        return
    for attachment in authorizations.attachments_of_study(tx, parcel.contents.study.key):
        work = enqueue.of_attachment(enqueue.CLAIM, server, attachment)
        if deliveries.was_tried(tx, work.topic, work.destination, work.order_of):
            enqueue.enqueue(tx, work, at)


def _is_elsewhere(parcel: StudyParcel, receipt: StudyReceipt) -> bool:
    """Say whether the study stands in a chart by another reference than it did, or by none."""
    before = {one.reference for one in parcel.known if one.retired_at is None}
    standing = {receipt.standing.reference} if receipt.standing is not None else set()
    return before - set(receipt.withdrawn) != standing or bool(receipt.withdrawn)
