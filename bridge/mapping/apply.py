"""One message through one site's rules: drafts, and where each value came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from bridge.codecs.hl7.er7 import Message, Segment
from bridge.domain.adt_events import IdentityChange, adt_event
from bridge.domain.appointment import AppointmentDraft
from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.clinical_note import NoteDraft
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.identity_draft import LinkDraft, MoveDraft
from bridge.domain.lab_result import LabDraft
from bridge.domain.member_id import Coverage
from bridge.domain.message import Notice, TraceLine
from bridge.domain.order import OrderDraft
from bridge.domain.patient import MergeDraft, PatientDraft, VisitDraft
from bridge.domain.report import ReportDraft
from bridge.errors import Malformed
from bridge.mapping.appointments import read_appointment
from bridge.mapping.convert import Context, Moment
from bridge.mapping.dates import in_hl7_form, read_timestamp
from bridge.mapping.evaluate import Evaluator, Found, shown
from bridge.mapping.header import check_header
from bridge.mapping.identity import read_links, read_merges, read_moves
from bridge.mapping.notes import read_note
from bridge.mapping.orders import read_orders
from bridge.mapping.patients import read_details, read_patient, read_visit
from bridge.mapping.referrals import read_coverages, read_referral
from bridge.mapping.reports import read_results
from bridge.mapping.site import Defaults, SiteMapping


@dataclass(slots=True)
class Mapped:
    """
    What a message says, undecided. event: "ADT^A08". message_at: MSH-7 (EVN-2 where it is empty), None if neither.

    message_local: message_at by the hospital's clock, "YYYYMMDDHHMMSS", "" where it is None. patient is None for merges,
    moves, links, reports, labs and notes, which carry their own. arrived_on: the day ("YYYYMMDD") on which the patient came for the
    exams, "" for no news of that. authorizations: their source and time are the receiver's to say. cancels_exams: a cancelled visit takes its exams along. found: in the order of reading.
    notices: what was let through.
    """

    event: str
    message_at: datetime | None
    control_id: str
    message_local: str = ""
    patient: PatientDraft | None = None
    visit: VisitDraft | None = None
    arrived_on: str = ""
    cancels_exams: bool = False
    merges: tuple[MergeDraft, ...] = ()
    moves: tuple[MoveDraft, ...] = ()
    links: tuple[LinkDraft, ...] = ()
    orders: tuple[OrderDraft, ...] = ()
    appointments: tuple[AppointmentDraft, ...] = ()
    reports: tuple[ReportDraft, ...] = ()
    labs: tuple[LabDraft, ...] = ()
    notes: tuple[NoteDraft, ...] = ()
    authorizations: tuple[AuthorizationNews, ...] = ()
    coverages: tuple[Coverage, ...] = ()
    found: Sequence[Found] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def trace(self) -> tuple[TraceLine, ...]:
        """Where each value came from, as people read it."""
        return tuple(TraceLine(*head, shown(value)) for head, value in self.found)


def apply(message: Message, site: SiteMapping, defaults: Defaults) -> Mapped:
    """
    Return what *message* says by the rules of *site*.

    Raises: Unsupported (AR 200 to 203), Incomplete (AE 101, 103), Malformed (AE 100, 102, 104), each with its place.
    """
    envelope = message.envelope
    check_header(envelope, site)
    zone = _zone(site.time_zone or defaults.time_zone)
    context = Context(message, site, defaults, zone, site.authority or defaults.authority)
    evaluator = Evaluator(context)
    moment = _message_at(message, context)
    at, local = (moment.at, moment.local) if moment is not None else (None, "")
    said = Mapped(envelope.message_type, at, envelope.control_id, local)
    drafts = _READERS[envelope.message_code](evaluator, message, said)
    drafts.found = evaluator.found
    drafts.notices = (*message.all_notices(), *context.notices, *_structure_notice(message))
    return drafts


def _read_adt(evaluator: Evaluator, message: Message, said: Mapped) -> Mapped:
    event = adt_event(message.envelope.trigger)
    match event.identity:
        case None | IdentityChange.DELETE:
            drafts = _read_patient_and_visit(evaluator, message, said)
            if not event.keeps_visit:
                return replace(drafts, visit=None)
            policy = evaluator.context.site.policy
            arrives = policy.arrival in event.arrives
            return replace(
                drafts,
                arrived_on=said.message_local[:8] if arrives else "",
                cancels_exams=policy.cancelled_visit == "cancel_exams",
            )
        case IdentityChange.MERGE:
            return replace(said, merges=read_merges(evaluator, message.segments))
        case IdentityChange.LINK | IdentityChange.UNLINK:
            linked = event.identity == IdentityChange.LINK
            return replace(said, links=read_links(evaluator, message.segments, linked=linked))
        case change:
            return replace(said, moves=read_moves(evaluator, message.segments, change))


def _read_order_message(evaluator: Evaluator, message: Message, said: Mapped) -> Mapped:
    drafts = _read_patient_and_visit(evaluator, message, said)
    drafts.orders = read_orders(evaluator, message.segments, said.message_at)
    return drafts


def _read_result_message(evaluator: Evaluator, message: Message, said: Mapped) -> Mapped:
    reports, labs = read_results(evaluator, message.segments)
    return replace(said, reports=reports, labs=labs)


def _read_document_message(evaluator: Evaluator, message: Message, said: Mapped) -> Mapped:
    return replace(said, notes=(read_note(evaluator, message, _about_one_patient(message)),))


def _read_referral_message(evaluator: Evaluator, message: Message, said: Mapped) -> Mapped:
    drafts = replace(_read_patient_and_visit(evaluator, message, said), visit=None)
    return replace(drafts, authorizations=read_referral(evaluator, message.segments, drafts.patient))


def _read_scheduling_message(evaluator: Evaluator, message: Message, said: Mapped) -> Mapped:
    drafts = _read_patient_and_visit(evaluator, message, said)
    visit = drafts.visit.admission_id if drafts.visit is not None else None
    draft = read_appointment(evaluator, message.segments, visit or EntityIdentifier(), said.message_at)
    return replace(drafts, appointments=(draft,))


def _read_patient_and_visit(evaluator: Evaluator, message: Message, said: Mapped) -> Mapped:
    scope = _about_one_patient(message)
    said.patient = read_details(evaluator, scope, read_patient(evaluator, scope))
    said.visit = read_visit(evaluator, scope)
    said.coverages = read_coverages(evaluator, scope.get("IN1", ()))
    return said


def _about_one_patient(message: Message) -> dict[str, list[Segment]]:
    """
    Return the segments by name; of NTE those right behind the patient, of DG1 those before the orders.

    Of several PV1 the one before the orders counts: the others tell of earlier visits (OMG, prior results).
    Raises: Malformed (AE 100) for a second PID: whose the rest is would be a guess.
    """
    scope: dict[str, list[Segment]] = {}
    before_orders = 0
    last = ""
    for segment in message.segments:
        name = segment.name
        if name != "NTE":
            last = name
        if (name == "NTE" and last not in _OF_THE_PATIENT) or (name == "DG1" and "ORC" in scope):
            continue
        if name in scope:
            scope[name].append(segment)
        else:
            scope[name] = [segment]
        if name == "PV1" and "ORC" not in scope:
            before_orders += 1
    visits = scope.get("PV1", [])
    if before_orders:
        visits = scope["PV1"] = visits[:before_orders]
    for segments in (scope.get("PID", []), visits):
        if len(segments) > 1:
            where = f"{segments[1].name}[2]"
            raise Malformed("twice in a message about one patient", code="segment_sequence", where=where)
    return scope


_OF_THE_PATIENT = frozenset({"PID", "PD1"})


def _message_at(message: Message, context: Context) -> Moment | None:
    """Return when the sender says it spoke; a time it cannot write leaves arrival as the order."""
    evn = message.first("EVN")
    for value, where in ((message.envelope.component(7), "MSH-7"), (evn.value(2) if evn else "", "EVN-2")):
        try:
            written = in_hl7_form(value, context.site.policy)
            found = read_timestamp(written, context.zone, where) if value else None
        except Malformed:
            context.warn("not a date and time, left out", where)
            continue
        if found:
            return found[0]
    return None


def _zone(name: str) -> tzinfo:
    return ZoneInfo(name) if name else UTC


def _structure_notice(message: Message) -> list[Notice]:
    """Say so where MSH-9.3 contradicts the type; the type is what was gone by."""
    envelope = message.envelope
    structure = envelope.component(9, 3)
    if structure and not structure.startswith(envelope.message_code):
        return [Notice("W", "the message structure contradicts the message type", "MSH-9.3")]
    return []


# By message code: each fills in what its kind of message says.
_READERS: Mapping[str, Callable[[Evaluator, Message, Mapped], Mapped]] = {
    "ADT": _read_adt,
    "ORM": _read_order_message,
    "OMG": _read_order_message,
    "OMI": _read_order_message,
    "SIU": _read_scheduling_message,
    "ORU": _read_result_message,
    "REF": _read_referral_message,
    "MDM": _read_document_message,
}
