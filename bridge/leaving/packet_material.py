"""What goes into a payer's packet, collected from the rows as they are now: of one bound study, and no more than it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from bridge.codecs.fhir.elements import clean, display_name
from bridge.domain.attachment import ClaimAttachment, control_number_of
from bridge.domain.authorization import DECISIONS, Authorization, AuthorizationLine
from bridge.domain.body_parts import BodyParts
from bridge.domain.clinical_note import ClinicalNote, Relation
from bridge.domain.evidence_request import asks_reports_alone
from bridge.domain.order import Order
from bridge.domain.packet import (
    PURPOSE,
    ManifestSeries,
    ManifestStudy,
    Packet,
    PacketAuthorization,
    PacketLab,
    PacketOrder,
    PacketPatient,
    PacketReport,
    PacketService,
    series_digest,
)
from bridge.domain.patient import Patient
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.report import Report, ReportDocument
from bridge.domain.study import Instance, Series, Study, StudyContents
from bridge.leaving.evidence_asked import codes_asked
from bridge.leaving.packet_holdings import Held, holdings
from bridge.leaving.packet_pictures import Chosen, choose_pictures, number_of, shown_of
from bridge.leaving.packet_priors import Prior, priors_of
from bridge.leaving.payer_checklist import Asked, asked_of, labs_for_packet, note_day, note_for_packet
from bridge.leaving.share_terms import ShareTerms
from bridge.store import authorizations, orders, overlays, packets, patients, studies
from bridge.store.db import ReadTx
from bridge.store.listings import exam_reports

MOST_PRIOR_REPORTS = 6
_REPORTS_ALONE = "key images, as the payer asks for reports alone; choose by hand those that it needs all the same"


@dataclass(frozen=True, slots=True)
class PacketGround:
    """What is the same for all packets. rules: the site's. share: who may get links."""

    organization: str
    time_zone: tzinfo
    rules: ReconcileRules
    share: ShareTerms = field(default_factory=ShareTerms)

    @property
    def parts(self) -> BodyParts:
        """What tells one region of the body from another."""
        return self.rules.checklist.body_parts


@dataclass(frozen=True, slots=True)
class ReceivedDocument:
    """A document that came with a report, and that report as the packet says it."""

    document: ReportDocument
    report: PacketReport


@dataclass(frozen=True, slots=True)
class PacketMaterial:
    """
    A packet without its pictures. chosen: what is drawn for it; left_out: what is not, and why, in sentences.

    documents: of signed reports, to be put behind its pages. holds: what it says of the person beside the study, as
    packet_holdings names it. study_date, study_time, study_id: as the study leaves.
    """

    packet: Packet
    patient: Patient
    study: Study
    chosen: tuple[Chosen, ...]
    left_out: tuple[str, ...]
    study_date: str
    study_time: str
    study_id: str
    documents: tuple[ReceivedDocument, ...] = ()
    holds: tuple[str, ...] = ()


def collect_packet(tx: ReadTx, attachment: ClaimAttachment, ground: PacketGround, now: datetime) -> PacketMaterial:
    """
    Return what an attachment's packet holds.

    The study must be bound to the authorization's patient; whoever calls has looked. Raises: LookupError; Unavailable.
    """
    authorization = authorizations.get(tx, attachment.authorization_key)
    contents = studies.contents(tx, attachment.study_key)
    study, patient = contents.study, patients.survivor(tx, authorization.patient_key)
    order = orders.get(tx, study.order_key) if study.order_key is not None else None
    values = {**_received(study), **overlays.current(tx, study).values}
    is_text = not attachment.instances and asks_reports_alone(codes_asked(tx, authorization))
    pictures = ((), (_REPORTS_ALONE,)) if is_text else choose_pictures(tx, contents, attachment.instances, values)
    found = exam_reports.for_authorization(tx, authorization)
    signed = [one for one in found if one.is_signed]
    priors = priors_of(tx, study, ground.parts)
    every = _reports_of_priors(priors, {one.key for one in signed})
    earlier = every[:MOST_PRIOR_REPORTS]
    packet = Packet(
        organization=ground.organization,
        version=1 + max((one.version for one in packets.versions(tx, attachment.key)), default=0),
        made_at=now,
        purpose=PURPOSE,
        patient=_patient(patient),
        authorization=_authorization(authorization, study),
        order=_order(order, values, ground),
        reports=tuple(_report(one, ground) for one in signed),
        prior_reports=tuple(_report(one, ground) for one in earlier),
        priors=tuple(one.study for one in priors),
        manifest=(_manifest(contents, order, values),),
    )
    material = PacketMaterial(
        _shared(packet, attachment, authorization, ground),
        patient,
        study,
        pictures[0],
        (*pictures[1], *_unsent(len(found) - len(signed), len(every) - len(earlier))),
        values["StudyDate"],
        study.received.study_time,
        values.get("StudyID", ""),
        tuple(_documents([*signed, *earlier], ground)),
        (*holdings(Held.REPORT, [*signed, *earlier]), *holdings(Held.STUDY, priors)),
    )
    return _with_wanted(tx, material, asked_of(tx, authorization), ground)


def _shared(packet: Packet, attachment: ClaimAttachment, authorization: Authorization, ground: PacketGround) -> Packet:
    """Return *packet* with why its payer may look at the whole study, if it may."""
    if attachment.shared_at is None or not ground.share.days(authorization.payer_id, authorization.payer_name):
        return packet
    return replace(packet, whole_study_because=attachment.shared_because, whole_study_since=attachment.shared_at)


def _with_wanted(tx: ReadTx, material: PacketMaterial, asked: Asked, ground: PacketGround) -> PacketMaterial:
    """Return *material* with the results and the office note that its payer's checklist asks for."""
    now = material.packet.made_at
    labs = labs_for_packet(tx, asked, ground.rules, now)
    notes = [(one, _note(one, ground)) for one in note_for_packet(tx, asked, ground.rules, now)]
    results = tuple(PacketLab(one.words, one.day) for one in labs)
    packet = replace(material.packet, labs=results, notes=tuple(said for _, said in notes))
    received = tuple(ReceivedDocument(each, said) for one, said in notes for each in one.content.documents)
    holds = (*material.holds, *holdings(Held.LAB, labs), *holdings(Held.NOTE, [one for one, _ in notes]))
    return replace(material, packet=packet, documents=(*material.documents, *received), holds=holds)


def _unsent(unsigned: int, older: int) -> Iterator[str]:
    """Yield what is said of reports that stay out."""
    if unsigned > 0:
        yield f"{unsigned} report{'' if unsigned == 1 else 's'} that nobody has signed yet"
    if older > 0:
        yield f"{older} older report{'' if older == 1 else 's'} of prior studies; the newest {MOST_PRIOR_REPORTS} are here"


def _reports_of_priors(priors: Sequence[Prior], told: Collection[int]) -> list[Report]:
    """Return the signed reports of prior studies, newest study first, each once and none that the packet has already."""
    found = {report.key: report for one in priors for report in one.reports if report.key not in told}
    return list(found.values())


def _documents(found: Sequence[Report], ground: PacketGround) -> Iterator[ReceivedDocument]:
    for report in found:
        for one in report.content.documents:
            yield ReceivedDocument(one, _report(report, ground))


def _received(study: Study) -> dict[str, str]:
    header = study.received
    return {
        "StudyDate": header.study_date,
        "StudyDescription": header.study_description,
        "StudyID": header.study_id,
        "AccessionNumber": header.accession_number,
    }


def _patient(patient: Patient) -> PacketPatient:
    groups = [group for group in patient.patient_name.split("=") if group.strip("^ ")]
    names = [display_name(group) for group in groups]
    return PacketPatient(
        name=names[0] if names else "",
        patient_id=patient.primary.patient_id,
        birth_date=patient.patient_birth_date,
        sex=patient.patient_sex,
        other_names=tuple(names[1:]),
    )


def _authorization(one: Authorization, study: Study) -> PacketAuthorization:
    return PacketAuthorization(
        control_number=control_number_of(one.key, study.study_instance_uid),
        payer_name=one.payer_name or one.payer_id,
        number=one.number,
        member_id=one.member_id,
        effective_on=one.effective_on,
        expires_on=one.expires_on,
        services=tuple(_service(line, one.decision) for line in one.lines),
    )


def _service(line: AuthorizationLine, decision: str) -> PacketService:
    status = DECISIONS.get(line.decision or decision)
    return PacketService(
        line.code,
        line.description,
        line.modifiers,
        line.diagnoses,
        line.approved_units or line.requested_units,
        status.value.replace("-", " ") if status is not None else "",
    )


def _order(order: Order | None, values: dict[str, str], ground: PacketGround) -> PacketOrder:
    if order is None:
        return PacketOrder(values["AccessionNumber"], performed_on=values["StudyDate"])
    procedures, reasons = order_facts(order)
    issued = order.details.get("issue_of_imaging_service_request", "")
    return PacketOrder(
        accession_number=order.accession_number,
        procedures=procedures,
        reason=reasons,
        ordered_by=display_name(order.requesting_physician or order.referring_physician_name),
        ordered_on=issued[:8] or _local_day(order.ordered_at, ground),
        performed_on=values["StudyDate"],
    )


def order_facts(order: Order) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return an order's procedures and its reasons, in words with their codes; what a code says is not said again."""
    code = order.requested_procedure_code
    words = clean(order.requested_procedure_description or code.code_meaning)
    coded = (
        *order.details.get("reason_for_requested_procedure_code", ()),
        *order.details.get("diagnoses_code", ()),
    )
    said = [" ".join(filter(None, (clean(one.code_value), clean(one.code_meaning)))) for one in coded]
    procedure = " ".join(filter(None, (clean(code.code_value), words)))
    told = {clean(one.code_meaning).casefold() for one in coded}
    typed = clean(order.reason_for_the_requested_procedure)
    reasons = dict.fromkeys(filter(None, ("" if typed.casefold() in told else typed, *said)))
    return tuple(filter(None, (procedure,))), tuple(reasons)


def _report(report: Report, ground: PacketGround) -> PacketReport:
    said = report.content
    return PacketReport(
        title=clean(said.title) or "Imaging report",
        status=said.status.value.replace("-", " "),
        issued_on=_local_day(said.issued_at, ground),
        signed_by=display_name(said.interpreters[0]) if said.interpreters else "",
        sections=tuple((clean(one.title), one.text) for one in said.sections),
        accession_number=report.numbers.accession.value,
    )


def _note(one: ClinicalNote, ground: PacketGround) -> PacketReport:
    said = one.content
    is_addendum = one.relation == Relation.ADDENDUM
    return PacketReport(
        title=f"{clean(said.kind)}, addendum" if is_addendum else clean(said.kind),
        status=said.status.value,
        issued_on=note_day(one, ground.rules),
        signed_by=display_name(said.author),
        sections=tuple((clean(each.title), each.text) for each in said.sections),
    )


def _local_day(at: datetime | None, ground: PacketGround) -> str:
    return at.astimezone(ground.time_zone).strftime("%Y%m%d") if at is not None else ""


def _manifest(contents: StudyContents, order: Order | None, values: dict[str, str]) -> ManifestStudy:
    return ManifestStudy(
        contents.study.study_instance_uid,
        values["StudyDate"],
        order.accession_number if order is not None else values["AccessionNumber"],
        clean(values["StudyDescription"]),
        tuple(_series(one, shown) for one in contents.series if (shown := shown_of(contents, one))),
    )


def _series(series: Series, shown: Sequence[Instance]) -> ManifestSeries:
    return ManifestSeries(
        series.series_instance_uid,
        series.modality,
        len(shown),
        series_digest([(one.sop_instance_uid, one.digest) for one in shown]),
        number_of(series.series_number),
        clean(series.series_description),
    )
