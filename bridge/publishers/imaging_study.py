"""A bound, complete study becomes one ImagingStudy in its patient's chart, and is withdrawn when it is bound no more.

How one study stays one resource, whatever the server does:
- Look first: the resources with the study's UID are searched before every write, so an answer that was lost is found.
- The one in our patient's chart is updated by its id and version; none at all is a conditional update on the study's UID.
- A hold marks it entered-in-error, subject unchanged; kept, the same one becomes available again.
- Bound, and every image of it rejected, it is cancelled: it was no error whose it is.
- Bound to another person, the old one stays entered-in-error in its chart and a new one is made. Both hold the study's
  UID, so the new one is conditional on its *placement* instead: an identifier of study, server and subject, which every
  resource of ours carries. It also tells ours from another system's, which we never withdraw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson

from bridge.codecs.fhir import imaging_study as codec
from bridge.codecs.fhir import r4, r5
from bridge.codecs.fhir.imaging_study import CANCELLED, ENTERED_IN_ERROR, House
from bridge.codecs.fhir.references import PLACEMENT_SYSTEM, Links, holds, same_target, study_identifier, token
from bridge.domain.chart import Whose
from bridge.domain.identifiers import derive_uid, digest_of
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.study import StudyContents
from bridge.errors import Conflict, Unavailable
from bridge.outbox import enqueue
from bridge.outbox.publisher import Hold, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.publishers.completeness import study_complete_at
from bridge.publishers.ehr_directory import EhrDirectory, put_where
from bridge.publishers.fhir_client import VERSION_CONFLICT, FhirClient, Found
from bridge.store import chart_versions, deliveries, events, orders, overlays, patients, publications, studies
from bridge.store.chart_causes import cause_of
from bridge.store.chart_versions import Standing
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station
from bridge.store.publications import Publication

Json = dict[str, Any]

_TRIES = 5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StudyParcel(Parcel):
    """
    A study as it is now. patient: None takes back what stands of it, as *ending* says.

    known: what we put on this server, withdrawn or not. same_person: those of them that were put there for the one who
    is *patient* now. corrected: what its objects leave with, DICOM keyword to value.
    """

    contents: StudyContents
    patient: Patient | None
    order: Order | None
    known: tuple[Publication, ...]
    same_person: frozenset[str]
    corrected: Mapping[str, str] = field(default_factory=dict)
    ending: str = ENTERED_IN_ERROR


@dataclass(frozen=True, slots=True)
class StudyReceipt(Receipt):
    """
    What stands now (None: nothing of ours), whether it was written, and what was withdrawn.

    seen: every resource of ours in its chart as it stands now, withdrawn or not.
    """

    standing: Found | None
    content_digest: str
    was_written: bool
    withdrawn: tuple[str, ...]
    seen: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class Ehr:
    """A FHIR server and what can be found on it."""

    client: FhirClient
    directory: EhrDirectory


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
        if not study.is_bound or study.patient_key is None:
            if known or deliveries.was_tried(tx, self.topic, delivery.destination, delivery.order_of):
                return StudyParcel(delivery, study.key, study.binding_version, contents, None, None, known, frozenset())
            return Hold("the study is not bound to a patient")
        if not contents.instance_count:
            if not known:
                return Nothing("every image of the study was rejected")
            over = (delivery, study.key, study.binding_version, contents, None, None, known, frozenset[str]())
            return StudyParcel(*over, ending=CANCELLED)
        ready_at = study_complete_at(tx, study, self._study_quiet, now)
        if ready_at > now:
            return NotYet(ready_at, "the study is not complete yet")
        patient = patients.survivor(tx, study.patient_key)
        same_person = frozenset(
            one.reference
            for one in known
            if one.patient_key is not None and patients.survivor(tx, one.patient_key).key == patient.key
        )
        order = orders.get(tx, study.order_key) if study.order_key is not None else None
        rests_on = (delivery, study.key, study.binding_version, contents)
        return StudyParcel(*rests_on, patient, order, known, same_person, overlays.current(tx, study).values)

    def send(self, parcel: StudyParcel, still_wanted: StillWanted) -> StudyReceipt:
        """Bring the server to what *parcel* says."""
        ehr = self._ehrs[parcel.delivery.destination]
        placing = _Placing(ehr.client, parcel, still_wanted)
        if parcel.patient is None:
            withdrawn = _until_settled(placing.withdraw)
            said = "cancelled" if parcel.ending == CANCELLED else "withdrawn"
            return StudyReceipt(_said(said, withdrawn), None, "", bool(withdrawn), withdrawn, placing.ended)
        subject = ehr.directory.patient(parcel.patient)
        links = Links(
            subject=subject,
            service_request=ehr.directory.service_request(parcel.order, subject) if parcel.order else "",
            endpoint=ehr.directory.endpoint(),
            placement=derive_uid(parcel.contents.study.study_instance_uid, ehr.client.name, subject),
        )
        content = codec.build(parcel.contents, parcel.order, links, self._house, parcel.corrected)
        ours = r5.imaging_study(content) if ehr.client.version == "R5" else r4.imaging_study(content)
        return _until_settled(lambda: placing.place(ours, subject))

    def settled(self, tx: WriteTx, parcel: StudyParcel, receipt: StudyReceipt, at: datetime) -> None:
        """Record what stands, tell the timeline, and wake the claims that waited for it."""
        server, study_key = parcel.delivery.destination, parcel.contents.study.key
        _keep_versions(tx, self._ehrs[server].client.version, parcel, receipt, at)
        for reference in receipt.withdrawn:
            publications.retire(tx, server, reference, parcel.ending, at)
        if receipt.standing is not None:
            publications.put(tx, _publication(parcel, receipt, receipt.standing, at))
            publications.note_complete(tx, study_key, at)
            enqueue.nudge(tx, study_key, enqueue.CLAIM, at)
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


class _Placing:
    """One attempt to bring one server to what a parcel says."""

    def __init__(self, client: FhirClient, parcel: StudyParcel, still_wanted: StillWanted) -> None:
        self._client = client
        self._parcel = parcel
        self._still_wanted = still_wanted
        self._identifier = study_identifier(parcel.contents.study.study_instance_uid)
        self._known = {one.reference for one in parcel.known}
        self._last = parcel.known[-1] if parcel.known else None
        self._ended: dict[str, Found] = {}

    def place(self, ours: Json, subject: str) -> StudyReceipt:
        """
        Make *ours* the one resource of the study in *subject*'s chart.

        Raises: Conflict, code "version", if somebody else wrote meanwhile: look again.
        """
        digest = digest_of(orjson.dumps(ours, option=orjson.OPT_SORT_KEYS))
        standing = self._standing()
        own = [one for one in standing if self._is_in_chart(one, subject)]
        strange = [one for one in standing if one not in own]
        self._refuse_foreign([one for one in strange if not _is_withdrawn(one)])
        withdrawn = self._take_back(strange)
        target = _the_one(own)
        if target is None:
            written = self._create(ours, is_first=not standing)
            seen = (*self.ended, written)
            return StudyReceipt(f"{written.reference} created", written, digest, True, withdrawn, seen)
        resource = codec.laid_over(target.resource, ours) | {"id": target.resource["id"]}
        if self._says_so(target, digest) or codec.same_content(resource, target.resource):
            seen = (*self.ended, target)
            return StudyReceipt(f"{target.reference} says so already", target, digest, False, withdrawn, seen)
        self._still_wanted()
        written = self._client.update(resource, target.version)
        what = "available again" if _is_withdrawn(target) else "updated"
        return StudyReceipt(f"{written.reference} {what}", written, digest, True, withdrawn, (*self.ended, written))

    @property
    def ended(self) -> tuple[Found, ...]:
        """What is ours and in nobody's chart any more."""
        return tuple(self._ended.values())

    def withdraw(self) -> tuple[str, ...]:
        """Mark everything of ours as the parcel ends it; return what we have not noted as such yet."""
        return self._take_back(self._standing())

    def _take_back(self, standing: Sequence[Found]) -> tuple[str, ...]:
        ours = [one for one in standing if self._is_ours(one)]
        # What was cancelled turns out to be somebody else's: then it was an error all the same.
        is_error = self._parcel.ending == ENTERED_IN_ERROR
        live = [one for one in ours if not _is_withdrawn(one) or (is_error and one.resource["status"] == CANCELLED)]
        for one in ours:
            self._ended[one.reference] = self._mark_withdrawn(one) if one in live else one
        # What is marked already may be the work of an attempt that ended before it was noted.
        not_noted = {one.reference for one in self._parcel.known if one.retired_at is None}
        return tuple(one.reference for one in ours if one in live or one.reference in not_noted)

    def _standing(self) -> list[Found]:
        """Return every resource of the study: what a search finds, and what we know of beyond it."""
        found = {
            one.reference: one
            for one in self._client.search("ImagingStudy", {"identifier": token(self._identifier)})
            if holds(one.resource, self._identifier)
        }
        # A search index may lag behind a write; an id never does.
        for reference in sorted(self._known - found.keys()):
            known = self._client.read(reference)
            if known is not None and holds(known.resource, self._identifier):
                found[reference] = known
        return [found[reference] for reference in sorted(found)]

    def _is_in_chart(self, one: Found, subject: str) -> bool:
        return same_target(one.resource.get("subject"), subject) or one.reference in self._parcel.same_person

    def _is_ours(self, one: Found) -> bool:
        return one.reference in self._known or any(
            isinstance(each, dict) and each.get("system") == PLACEMENT_SYSTEM
            for each in one.resource.get("identifier") or []
        )

    def _refuse_foreign(self, strange: Sequence[Found]) -> None:
        if any(not self._is_ours(one) for one in strange):
            raise Conflict("another system has put this study into another patient's chart", code="study_elsewhere")

    def _says_so(self, target: Found, digest: str) -> bool:
        """Say whether the server still has the version that this content once became, however it writes it."""
        last = self._last
        return (
            last is not None
            and last.retired_at is None
            and bool(target.version)
            and (last.reference, last.version, last.content_digest) == (target.reference, target.version, digest)
        )

    def _create(self, ours: Json, is_first: bool) -> Found:
        self._still_wanted()
        placement = next(one for one in ours["identifier"] if one["system"] == PLACEMENT_SYSTEM)
        return put_where(self._client, ours, self._identifier if is_first else placement)

    def _mark_withdrawn(self, one: Found) -> Found:
        self._still_wanted()
        return self._client.update(codec.withdrawn(one.resource, self._parcel.ending), one.version)


def _until_settled(step: Callable[[], T]) -> T:
    for _ in range(_TRIES):
        try:
            return step()
        except Conflict as fault:
            if fault.code != VERSION_CONFLICT:
                raise
    raise Unavailable("the server's resource keeps changing", code=VERSION_CONFLICT)


def _the_one(own: Sequence[Found]) -> Found | None:
    """
    Return the resource to keep up to date: the one that is not withdrawn, else one that was, else None.

    Raises: Conflict, if several stand: which of them others point to is not ours to guess.
    """
    live = [one for one in own if not _is_withdrawn(one)]
    if len(live) > 1:
        raise Conflict("the server has several ImagingStudies of this study for the patient", code="study_twice")
    return next(iter(live or own), None)


def _is_withdrawn(one: Found) -> bool:
    return one.resource.get("status") in (ENTERED_IN_ERROR, CANCELLED)


def _said(what: str, references: Sequence[str]) -> str:
    return f"{', '.join(references)} {what}" if references else "nothing stands there"


def _keep_versions(tx: WriteTx, release: str, parcel: StudyParcel, receipt: StudyReceipt, at: datetime) -> None:
    """Keep a version of each resource that is not as it was kept last."""
    study, patient = parcel.contents.study, parcel.patient
    patient_keys = {one.reference: one.patient_key for one in parcel.known}
    if patient is not None and receipt.standing is not None:
        patient_keys[receipt.standing.reference] = patient.key
    for one in receipt.seen:
        is_standing = one is receipt.standing
        said = Standing(parcel.delivery.destination, one.reference, {release: one.resource}, one.version)
        why = cause_of(tx, study, said, parcel.binding_version, is_ours=receipt.was_written or not is_standing)
        order_key = study.order_key if is_standing else None
        whose = Whose(study.key, patient_keys.get(one.reference), order_key, parcel.binding_version)
        chart_versions.keep(tx, said, whose, why, at)


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
