"""A study that has begun is registered in its patient's chart, before its images are all here, and taken back if none come.

It begins when a modality says so of an order, or with the first image of a bound study. Nothing is said that each image
would change, so this is one version, and the whole study the next. Once images of it are anywhere but in that chart, or
the modality has stopped, the announcement ends. Source: FHIR R4 and R5 ImagingStudy.status, IHE RAD TF-2 4.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.codecs.fhir import imaging_study as codec
from bridge.codecs.fhir import r4, r5
from bridge.codecs.fhir.imaging_study import House, ImagingStudyContent
from bridge.codecs.fhir.references import Links
from bridge.domain.chart import Whose
from bridge.domain.chart_status import ChartFacts, ChartStatus, chart_status, is_stopped
from bridge.domain.identifiers import derive_uid
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.performed import PerformedStep
from bridge.domain.study import Study, StudyContents
from bridge.leaving.begun import certain, owners
from bridge.leaving.completeness import study_complete_at
from bridge.outbox import enqueue
from bridge.outbox.publisher import Nothing, Parcel, StillWanted
from bridge.publishers.imaging_study import Ehr, of_one_person, until_settled
from bridge.publishers.study_placing import Known, Placing, StudyReceipt
from bridge.store import chart_versions, deliveries, events, orders, patients, performed, publications, studies
from bridge.store.chart_causes import cause_of_coming
from bridge.store.chart_versions import Standing
from bridge.store.chart_withdrawals import Coming, withdrawal_of
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station
from bridge.store.publications import Publication


@dataclass(frozen=True, slots=True)
class AnnouncementParcel(Parcel):
    """
    What is to stand. patient: None takes back what was announced, as *ending* says.

    contents: of a study whose images come; step: of one of which none is here yet. same_person: what stands there for the
    one who is *patient* now.
    """

    study_instance_uid: str
    patient: Patient | None = None
    order: Order | None = None
    contents: StudyContents | None = None
    step: PerformedStep | None = None
    known: tuple[Publication, ...] = ()
    same_person: frozenset[str] = frozenset()
    ending: str = codec.ENTERED_IN_ERROR


class StudyAnnouncementPublisher:
    """Registers studies on every FHIR server that takes ImagingStudy. study_quiet: as of the studies themselves."""

    topic = enqueue.ANNOUNCEMENT

    def __init__(self, ehrs: Mapping[str, Ehr], house: House, study_quiet: timedelta) -> None:
        self._ehrs = dict(ehrs)
        self._house = house
        self._study_quiet = study_quiet

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._ehrs)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> AnnouncementParcel | Nothing:
        """Collect what has begun, as things are now."""
        key = studies.key_by_uid(tx, delivery.order_of)
        if key is None:
            return self._of_step(tx, delivery)
        return self._of_images(tx, delivery, studies.get(tx, key), now)

    def _of_images(self, tx: ReadTx, delivery: Delivery, study: Study, now: datetime) -> AnnouncementParcel | Nothing:
        known = tuple(publications.of_study(tx, study.key, delivery.destination))
        rests_on = (delivery, study.key, study.binding_version, study.study_instance_uid)
        is_withdrawn = withdrawal_of(tx, study.key) is not None
        if not study.is_bound or study.patient_key is None or is_withdrawn:
            was_tried = deliveries.was_tried(tx, self.topic, delivery.destination, delivery.order_of)
            return AnnouncementParcel(*rests_on, known=known) if was_tried else Nothing("it was not announced")
        is_whole = study_complete_at(tx, study, self._study_quiet, now) <= now
        contents = studies.contents(tx, study.key)
        if known or is_whole or not contents.instance_count:
            return Nothing("the study itself is published")
        patient = patients.survivor(tx, study.patient_key)
        order = orders.get(tx, study.order_key) if study.order_key is not None else None
        placed = chart_versions.placed_for(tx, delivery.destination, study.key, [study.order_key])
        same_person = of_one_person(tx, placed, patient)
        return AnnouncementParcel(*rests_on, patient, order, contents, same_person=same_person)

    def _of_step(self, tx: ReadTx, delivery: Delivery) -> AnnouncementParcel | Nothing:
        uid = delivery.order_of
        steps = performed.of_study(tx, uid)
        begun = certain(tx, steps)
        was_tried = deliveries.was_tried(tx, self.topic, delivery.destination, uid)
        live = {owner.key: owner for owner in owners(tx, steps)}
        order_keys = {one.order_key for step in steps for one in orders.get_steps(tx, step.step_keys)}
        placed = chart_versions.placed_for(tx, delivery.destination, None, order_keys)
        ours = {one for owner in live.values() for one in of_one_person(tx, placed, owner)}
        facts = ChartFacts(
            standing=ChartStatus.REGISTERED if was_tried else None,
            announced=begun is not None,
            stopped=is_stopped(steps),
            misplaced=bool(placed.keys() - ours) or withdrawal_of(tx, Coming(uid)) is not None,
        )
        status = chart_status(facts)
        if begun is not None:
            whose = (begun.patient, begun.order, None, begun.step)
            return AnnouncementParcel(delivery, None, 0, uid, *whose, same_person=frozenset(ours))
        if status is None:
            return Nothing("nothing has begun that is certainly one patient's")
        return AnnouncementParcel(delivery, None, 0, uid, ending=status.value)

    def send(self, parcel: AnnouncementParcel, still_wanted: StillWanted) -> StudyReceipt:
        """Bring the server to what *parcel* says; what stands there already is never made less."""
        ehr = self._ehrs[parcel.delivery.destination]
        uid = parcel.study_instance_uid
        placing = Placing(ehr.client, Known(uid, parcel.known, parcel.same_person, parcel.ending), still_wanted)
        if parcel.patient is None:
            withdrawn = until_settled(placing.withdraw)
            detail = f"{', '.join(withdrawn)} {parcel.ending}" if withdrawn else "nothing stands there"
            return StudyReceipt(detail, None, "", bool(withdrawn), withdrawn, placing.ended)
        chart = ehr.directory.chart(parcel.patient)
        links = Links(
            subject=chart.name,
            service_request=ehr.directory.service_request(parcel.order, chart) if parcel.order else "",
            encounter=ehr.directory.encounter(parcel.order, chart) if parcel.order else "",
            placement=derive_uid(uid, ehr.client.name, chart.name),
        )
        content = self._content(parcel, links)
        ours = r5.imaging_study(content) if ehr.client.version == "R5" else r4.imaging_study(content)
        said = ehr.validation.checked(ehr.client.version, ours | {"subject": chart.subject})
        return until_settled(lambda: placing.announce(said, chart))

    def _content(self, parcel: AnnouncementParcel, links: Links) -> ImagingStudyContent:
        if parcel.contents is not None:
            return codec.begun(parcel.contents, parcel.order, links, self._house)
        assert parcel.step is not None
        assert parcel.order is not None
        return codec.announced(parcel.step, parcel.order, links, self._house)

    def settled(self, tx: WriteTx, parcel: AnnouncementParcel, receipt: StudyReceipt, at: datetime) -> None:
        """Tell the timeline what was taken back; that a study has begun, its own stations say."""
        self._keep_versions(tx, parcel, receipt, at)
        for reference in receipt.withdrawn:
            publications.retire(tx, parcel.delivery.destination, reference, parcel.ending, at)
        if receipt.withdrawn:
            self._tell(tx, parcel.delivery, receipt.detail, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all, unless it is dead: then the exam's timeline says so too."""
        if is_dead:
            self._tell(tx, delivery, f"not announced: {detail}", at)

    def _keep_versions(self, tx: WriteTx, parcel: AnnouncementParcel, receipt: StudyReceipt, at: datetime) -> None:
        """Keep what was announced, or taken back, as a version of its chart."""
        server, patient, order = parcel.delivery.destination, parcel.patient, parcel.order
        patient_key, order_key = (patient.key if patient else None), (order.key if order else None)
        uid = parcel.study_instance_uid if parcel.study_key is None else ""
        whose = Whose(parcel.study_key, patient_key, order_key, parcel.binding_version, uid)
        release = self._ehrs[server].client.version
        for one in receipt.seen if receipt.was_written else ():
            standing = Standing(server, one.reference, {release: one.resource}, one.version)
            chart_versions.keep(tx, standing, whose, cause_of_coming(tx, parcel.study_instance_uid, standing), at)

    def _tell(self, tx: WriteTx, delivery: Delivery, what: str, at: datetime) -> None:
        by, keys = delivery.destination, (delivery.order_key, delivery.study_key)
        events.add(tx, Event(at, Station.CHART, what, by, "delivery", str(delivery.key), *keys))
