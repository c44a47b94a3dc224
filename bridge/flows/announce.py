"""What follows from a change of a study's binding: deliveries queued, held or freed, attachments re-checked.

Whoever changes a binding calls one of these in the same transaction; nothing else decides what may leave.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.domain.chart import OWN
from bridge.domain.incident import SHOW_AGAIN
from bridge.domain.outside import waits_for_an_answer
from bridge.domain.performed import PerformedStep
from bridge.domain.rejection import Rejection
from bridge.domain.routing import Routing
from bridge.domain.study import Study
from bridge.flows.follow_attachments import attachment_ready, hold_attachments, recheck_attachments
from bridge.flows.follow_evidence import follows_evidence, prior_changed
from bridge.outbox import enqueue
from bridge.outbox.enqueue import (
    ANNOUNCEMENT,
    ARCHIVE,
    AVAILABILITY,
    IMAGING_STUDY,
    ORDER_STATUS,
    PERFORMED_STEP,
    REJECTION,
    Work,
)
from bridge.store import (
    announced_studies,
    authorizations,
    availability,
    decisions,
    deliveries,
    events,
    incidents,
    messages,
    news,
    order_notices,
    outside_questions,
    overlays,
    patients,
    performed,
    publications,
    rejections,
    route_facts,
    served_studies,
)
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

# A moment for the rest of a burst, so that an archive gets a study in few associations.
_ARCHIVE_GATHERS = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class NoticeDestination:
    """Who is told of orders over MLLP. sites: whose orders, () for everybody's."""

    name: str
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Destinations:
    """
    Who gets what, by name. studies, claims: FHIR servers, ours among them where we serve; archives: AE titles and DICOMweb servers; notices: HL7
    destinations; performed_steps, notified: AE titles. outside: registries that are asked who somebody is. routing: the routes in use by now, None where there are none.
    announces: whether charts are told of studies that have only begun.
    adt_doors: HL7 destinations that tell an archive by ADT, each with that archive.
    by_hand: places that are not sent again what they have otherwise; a person is asked to correct it there.
    """

    studies: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    notices: tuple[NoticeDestination, ...] = ()
    performed_steps: tuple[str, ...] = ()
    notified: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    routing: Callable[[], Routing] | None = None
    study_quiet: timedelta = timedelta(seconds=20)
    by_hand: tuple[str, ...] = ()
    announces: bool = False
    adt_doors: tuple[tuple[str, str], ...] = ()

    @property
    def announced(self) -> tuple[str, ...]:
        """Return the servers that are told of studies that have only begun, ours among them where we serve."""
        return self.studies if self.announces else ()


def images_came(tx: WriteTx, study: Study, to: Destinations, at: datetime) -> None:
    """An instance was kept: everybody gets it once the study is bound and complete; until it is bound all is held."""
    held_reason = "" if study.is_bound else _why_held(study)
    for server in to.studies:
        # What nobody is bound to is served to nobody: there is nothing to free later.
        if server != OWN or study.is_bound:
            enqueue.enqueue(tx, _work(IMAGING_STUDY, server, study), at, at + to.study_quiet, held_reason)
    for place, urgency in _ways(tx, study, to).items():
        enqueue.enqueue(tx, _work(ARCHIVE, place, study, urgency), at, at + _ARCHIVE_GATHERS, held_reason)
    for place in to.notified:
        enqueue.enqueue(tx, _work(AVAILABILITY, place, study), at, at + to.study_quiet, held_reason)
    for attachment in authorizations.attachments_of_study(tx, study.key):
        if follows_evidence(attachment):
            attachment_ready(tx, attachment, to.claims, at, at + to.study_quiet)
    if study.order_key is not None:
        order_moved(tx, study.order_key, to, at, at + to.study_quiet)


def study_changed(tx: WriteTx, study: Study, to: Destinations, at: datetime) -> None:
    """A bound study was bound, corrected or refreshed: what was held goes, what went goes again."""
    served_studies.end_of_others(tx, study, at)
    enqueue.release(tx, study.key, at)
    news.look_at(tx, news.STUDY, study.key, at)
    for sop_instance_uid in performed.uids_of_study(tx, study.study_instance_uid) if to.performed_steps else ():
        enqueue.release_performed_step(tx, sop_instance_uid, at)
    for server in to.studies:
        enqueue.enqueue(tx, _work(IMAGING_STUDY, server, study), at)
    for server in to.announced if study.completed_at is None else ():
        # What nobody has read of it here before its images needs no end.
        if server != OWN or announced_studies.of_study(tx, study.study_instance_uid):
            enqueue.enqueue(tx, _work(ANNOUNCEMENT, server, study), at)
    study_routed(tx, study, to, at)
    for place in to.notified:
        enqueue.enqueue(tx, _work(AVAILABILITY, place, study), at)
    if study.order_key is not None:
        order_moved(tx, study.order_key, to, at)
    _correct_notices(tx, study, at)
    recheck_attachments(tx, study, to.claims, at)
    prior_changed(tx, study, at)
    _flag_archived(tx, study, at)
    _ask_by_hand(tx, study, to, at)


def study_routed(tx: WriteTx, study: Study, to: Destinations, at: datetime, skipped: Collection[str] = ()) -> None:
    """Where a bound study goes may be another place than before: whoever is to get it, or has it, is looked at again."""
    for place, urgency in _all_ways(tx, study, to).items():
        if place not in skipped:
            enqueue.enqueue(tx, _work(ARCHIVE, place, study, urgency), at)


def study_sent(tx: WriteTx, study: Study, place: str, at: datetime) -> None:
    """A person sends a bound study somewhere."""
    enqueue.enqueue(tx, _work(ARCHIVE, place, study), at)


def archives_rejected(tx: WriteTx, study: Study, rejection: Rejection, at: datetime) -> None:
    """Instances were rejected: whoever has some of them gets the note, unless it came from there."""
    for place in rejections.holders(tx, rejection.key):
        if place != rejection.received_from:
            work = Work(REJECTION, place, enqueue.rejection_of(rejection.key), study_key=study.key)
            enqueue.enqueue(tx, work, at)


def archives_shown_again(tx: WriteTx, study: Study, rejection: Rejection, at: datetime) -> None:
    """A rejection counts no more: no note takes one back, so a person is asked to where it was told, or came from."""
    order_of = enqueue.rejection_of(rejection.key)
    for place in rejections.holders(tx, rejection.key):
        if place == rejection.received_from or deliveries.was_tried(tx, REJECTION, place, order_of):
            incidents.open_task(tx, study.key, place, SHOW_AGAIN, at)
            source = ("rejection", str(rejection.key))
            what = f"To be done at {place}: {SHOW_AGAIN}"
            events.add(tx, Event(at, Station.IMAGES, what, rejection.decided_by, *source, study_key=study.key))


def study_withdrawn(tx: WriteTx, study: Study, at: datetime) -> None:
    """A study is no longer bound: nothing more leaves, and what stands outside is taken back."""
    reason = _why_held(study)
    served_studies.end(tx, study, at)
    enqueue.hold(tx, study.key, reason, at)
    news.look_at(tx, news.STUDY, study.key, at)
    for server in deliveries.places_tried(tx, ANNOUNCEMENT, study.study_instance_uid):
        enqueue.enqueue(tx, _work(ANNOUNCEMENT, server, study), at)
    for place in availability.believers(tx, study.key):
        enqueue.enqueue(tx, _work(AVAILABILITY, place, study), at)
    _correct_notices(tx, study, at)
    hold_attachments(tx, study, at)
    prior_changed(tx, study, at)
    _flag_archived(tx, study, at)


def retrievable_changed(tx: WriteTx, study: Study, at: datetime) -> None:
    """Bytes of a study are here no more, or are again: whoever may believe that it can be retrieved is told."""
    for place in availability.believers(tx, study.key):
        enqueue.enqueue(tx, _work(AVAILABILITY, place, study), at)


def study_undecided(tx: WriteTx, study: Study, to: Destinations, at: datetime) -> None:
    """Nobody's number names a patient here: other registries are asked, each once, however many images come."""
    for source in to.outside if waits_for_an_answer(study) else ():
        outside_questions.want(tx, study.key, source, at)


def order_moved(tx: WriteTx, order_key: int, to: Destinations, at: datetime, next_at: datetime | None = None) -> None:
    """A device moved an order, or images of it are here: whoever is told of its sender's orders is told what is new."""
    if not to.notices:
        return
    site = messages.site_of_order(tx, order_key) if any(one.sites for one in to.notices) else ""
    for one in to.notices:
        if not one.sites or site in one.sites:
            enqueue.enqueue(tx, _notice(one.name, order_key), at, next_at)


def exam_begun(tx: WriteTx, mpps: PerformedStep, order_key: int, to: Destinations, at: datetime) -> None:
    """A device began an exam of an order, or ended it: charts are told that its study is to come, or that none will."""
    for server in to.announced if mpps.study_instance_uid else ():
        enqueue.enqueue(tx, Work(ANNOUNCEMENT, server, mpps.study_instance_uid, order_key=order_key), at)


def begun_changed(
    tx: WriteTx, patient_keys: Iterable[int], order_keys: Iterable[int], to: Destinations, at: datetime
) -> None:
    """Patients or orders are not as they were: wherever an exam of theirs was announced is looked at again."""
    if to.announced:
        for server, uid, order_key in deliveries.told_of_orders(tx, ANNOUNCEMENT, [*patient_keys], [*order_keys]):
            enqueue.enqueue(tx, Work(ANNOUNCEMENT, server, uid, order_key=order_key), at)


def performed_step_told(
    tx: WriteTx, sop_instance_uid: str, to: Destinations, at: datetime, order_key: int | None = None
) -> None:
    """A device said something of a performed step: whoever hears of them is told the same."""
    for ae_title in to.performed_steps:
        enqueue.enqueue(tx, Work(PERFORMED_STEP, ae_title, sop_instance_uid, order_key=order_key), at)


def _correct_notices(tx: WriteTx, study: Study, at: datetime) -> None:
    """Whoever may believe that a study is an order's is told what is so now."""
    for order_key, destination in order_notices.naming_study(tx, study.key):
        enqueue.enqueue(tx, _notice(destination, order_key), at)


def _flag_archived(tx: WriteTx, study: Study, at: datetime) -> None:
    """Say on the timeline what archives have under another patient: it is theirs, and a person must have it taken out."""
    forwarded = publications.forwarded(tx, study.key)
    if not forwarded:
        return
    made = decisions.of_study(tx, study.key)
    others = _bindings_to_others(tx, study)
    told = events.timeline(tx, [], [study.key])
    for one in forwarded:
        what = f"Archive {one.destination} has {one.count} objects under an earlier binding"
        is_told = any(line.what == what and line.at >= one.last_at for line in told)
        if one.binding_version in others and not is_told:
            source = ("decision", str(made[0].key))
            events.add(tx, Event(at, Station.IMAGES, what, one.destination, *source, study.order_key, study.key))


def _ask_by_hand(tx: WriteTx, study: Study, to: Destinations, at: datetime) -> None:
    """Ask a person to correct what a place has otherwise and is not sent again."""
    for place in to.by_hand:
        count = len(publications.outdated_instances(tx, study.key, place, overlays.current(tx, study).since))
        if count and not incidents.has_open_task(tx, study.key, place):
            what = f"{count} objects leave otherwise than they stand there, and are not sent again: correct them there"
            incidents.open_task(tx, study.key, place, what, at)


def _bindings_to_others(tx: WriteTx, study: Study) -> set[int]:
    """Return the versions of the bindings to another patient than the present one; all of them, if there is none."""
    owner = None if study.patient_key is None else patients.survivor(tx, study.patient_key).key
    return {
        one.binding_version
        for one in overlays.of_study(tx, study.key)
        if one.patient_key is not None and patients.survivor(tx, one.patient_key).key != owner
    }


def _ways(tx: WriteTx, study: Study, to: Destinations) -> dict[str, int]:
    """Return where a new image goes, and how urgently; without routes nothing is read for it but what people sent."""
    routing = to.routing() if to.routing is not None else None
    places = dict.fromkeys(to.archives, 0)
    if routing is not None and routing.routes.routes:
        places = _ranks(routing, tx, study)
    return dict.fromkeys(route_facts.sent_by_hand(tx, study.key), 0) | places


def _all_ways(tx: WriteTx, study: Study, to: Destinations) -> dict[str, int]:
    """Return where a study goes by now, and who has something of it: theirs may have to be corrected."""
    places = dict.fromkeys(to.archives, 0) if to.routing is None else _ranks(to.routing(), tx, study)
    return dict.fromkeys(route_facts.receivers(tx, study.key), 0) | places


def _ranks(routing: Routing, tx: WriteTx, study: Study) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for leg in routing.legs(route_facts.of_study(tx, study)):
        ranks[leg.destination] = max(leg.rank, ranks.get(leg.destination, leg.rank))
    return ranks


def _work(topic: str, destination: str, study: Study, urgency: int = 0) -> Work:
    return Work(topic, destination, study.study_instance_uid, study_key=study.key, urgency=urgency)


def _notice(destination: str, order_key: int) -> Work:
    return Work(ORDER_STATUS, destination, f"order:{order_key}", order_key=order_key)


def _why_held(study: Study) -> str:
    return f"{study.rule}: no rule or person has bound the study" if study.rule else "not decided yet"
