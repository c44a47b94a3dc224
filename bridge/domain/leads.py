"""Which patients a study's keys lead to: order keys (K), identity keys (I), cross-references of foreign studies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from bridge.domain.evidence import OrderRecord, PatientRecord, Registry, StudyEvidence
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.identity_keys import is_placeholder_id, normalised_id_keys
from bridge.domain.order import Order
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header

_GLUED_ISSUER_AT = 3
# No study has more; each costs look-ups, and a hostile peer could send thousands.
MOST_ITEMS = 32


class Via(StrEnum):
    """What led to an order or a patient, in a coordinator's words; strongest first among orders and patients each."""

    STUDY_UID = "study UID given on the worklist"
    STEP_ID = "scheduled step"
    REQUESTED_PROCEDURE_ID = "requested procedure"
    ACCESSION_WITH_ISSUER = "accession number with its issuer"
    ACCESSION = "accession number"
    PATIENT_ID = "patient ID"
    OTHER_PATIENT_ID = "other patient ID"
    CROSS_REFERENCE = "number at the other hospital"
    NORMALISED_ID = "patient ID in another spelling"
    PROPOSED = "word of whoever imported it"
    IMPORT_ORDER = "waiting import order"
    OTHER_IMAGES = "patient ID on other images"


ORDER_KEYS = tuple(Via)[:5]


@dataclass(frozen=True, slots=True)
class OrderLead:
    """An order that the header names. in_request_attributes: by its Request Attributes, so the study is linked to it."""

    via: Via
    order: OrderRecord
    patient: PatientRecord
    in_request_attributes: bool = False


@dataclass(frozen=True, slots=True)
class PatientLead:
    """
    A patient that an identifier names. contradicts: the primary number is another patient's.

    is_parted: the number is theirs by a merge alone, of which registration said since that it was of two people.
    """

    via: Via
    patient: PatientRecord
    contradicts: bool = False
    is_parted: bool = False


@dataclass(frozen=True, slots=True)
class WrittenId:
    """A header's patient number, taken apart. issuer: as an authority's name, "" if none is said."""

    patient_id: str
    issuer: str


def read_patient_id(header: Header, rules: ReconcileRules) -> WrittenId:
    """Return the number and its issuer; some devices glue them together as HL7 does ("123^^^MERCY")."""
    patient_id, issuer = header.patient_id.strip(" \0"), header.issuer_of_patient_id.strip(" \0")
    parts = patient_id.split("^")
    if len(parts) > _GLUED_ISSUER_AT and parts[_GLUED_ISSUER_AT]:
        patient_id = parts[0].strip()
        issuer = issuer or parts[_GLUED_ISSUER_AT].split("&")[0].strip()
    return WrittenId(patient_id, rules.authority_of(issuer))


def is_foreign(evidence: StudyEvidence, rules: ReconcileRules) -> bool:
    """Say whether another hospital's numbers stand in the header, so that ours may mean other people."""
    issuer = read_patient_id(evidence.header, rules).issuer
    if issuer:
        return not rules.is_ours(issuer)
    institution = institution_authority(evidence.header, rules)
    if institution and not rules.is_ours(institution):
        return True
    return evidence.from_foreign_source or evidence.source_ae_title.strip() in rules.import_ae_titles


def institution_authority(header: Header, rules: ReconcileRules) -> str:
    """Return the authority that the header's institution belongs to, "" if none is configured for it."""
    name = " ".join(header.institution_name.split()).casefold()
    for institution, authority in rules.institutions.items():
        if " ".join(institution.split()).casefold() == name:
            return rules.authority_of(authority)
    return ""


def order_leads(
    evidence: StudyEvidence, registry: Registry, rules: ReconcileRules
) -> tuple[tuple[OrderLead, ...], tuple[str, ...]]:
    """Return the orders that the header names, strongest key first, and notes on keys that were ignored."""
    header = evidence.header
    requests = header.request_attributes[:MOST_ITEMS]
    found: list[tuple[Via, OrderRecord, bool]] = []
    notes: list[str] = []
    uids = [(header.study_instance_uid, False)]
    uids += [(item.study_instance_uid, True) for item in requests]
    for uid, requested in _unique(uids):
        if uid:
            found += [(Via.STUDY_UID, order, requested) for order in registry.orders_by_study_uid(uid)]
    for item in requests:
        found += _by_request(item.scheduled_procedure_step_id, item.requested_procedure_id, registry)
    accessions = [(header.accession_number, False)]
    accessions += [(item.accession_number, True) for item in requests]
    day = study_day(evidence)
    for accession, requested in _unique(accessions):
        if accession:
            hits, note = _by_accession(accession, header.issuer_of_accession_number, day, registry, rules)
            found += [(via, order, requested) for via, order in hits]
            notes += note
    return _as_leads(found, registry), tuple(dict.fromkeys(notes))


def _unique(pairs: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Return each value once; it stands in the Request Attributes if any of its mentions does."""
    merged: dict[str, bool] = {}
    for value, requested in pairs:
        merged[value] = merged.get(value, False) or requested
    return list(merged.items())


def _as_leads(found: Iterable[tuple[Via, OrderRecord, bool]], registry: Registry) -> tuple[OrderLead, ...]:
    leads: dict[tuple[Via, int], OrderLead] = {}
    survivors: dict[int, PatientRecord | None] = {}
    for via, record, requested in found:
        owner = record.order.patient_key
        if owner not in survivors:
            survivors[owner] = registry.survivor(owner)
        patient = survivors[owner]
        if patient is not None:
            before = leads.get((via, record.key))
            requested = requested or (before is not None and before.in_request_attributes)
            leads[via, record.key] = OrderLead(via, record, patient, requested)
    order = {via: rank for rank, via in enumerate(Via)}
    return tuple(sorted(leads.values(), key=lambda lead: (order[lead.via], lead.order.key)))


def _by_request(step_id: str, procedure_id: str, registry: Registry) -> list[tuple[Via, OrderRecord, bool]]:
    """Return the orders of one Request Attributes item; where both its numbers hit, an order that fits both decides."""
    steps = list(registry.orders_by_step_id(step_id)) if step_id else []
    procedures = list(registry.orders_by_requested_procedure_id(procedure_id)) if procedure_id else []
    both = {order.key for order in steps} & {order.key for order in procedures}
    if both:
        steps = [order for order in steps if order.key in both]
        procedures = [order for order in procedures if order.key in both]
    found = [(Via.STEP_ID, order, True) for order in steps]
    return found + [(Via.REQUESTED_PROCEDURE_ID, order, True) for order in procedures]


def _by_accession(
    accession: str, issuer: str, day: date | None, registry: Registry, rules: ReconcileRules
) -> tuple[list[tuple[Via, OrderRecord]], list[str]]:
    hits, notes = [], []
    for record in registry.orders_by_accession(accession):
        theirs = record.order.issuer_of_accession_number
        if issuer and theirs and rules.authority_of(issuer) != rules.authority_of(theirs):
            continue
        if is_stale(record, day, rules):
            notes.append(
                f"The accession number was used before, for an order more than {rules.accession_stale_days} days away: "
                "that order is ignored."
            )
            continue
        hits.append((Via.ACCESSION_WITH_ISSUER if issuer and theirs else Via.ACCESSION, record))
    return hits, notes


def is_stale(record: OrderRecord, day: date | None, rules: ReconcileRules) -> bool:
    """Say whether an order lies so far from *day* that its accession number must have been used again."""
    days = _order_days(record)
    if day is None or not days:
        return False
    return min(abs((day - other).days) for other in days) > rules.accession_stale_days


def _order_days(record: OrderRecord) -> list[date]:
    days = [read_day(step.scheduled_start_local[:8]) for step in record.steps]
    known = [day for day in days if day is not None]
    if known:
        return known
    return [at.date() for at in placed_at(record.order)]


def placed_at(order: Order) -> list[datetime]:
    """
    Return when an order was spoken of, by its messages' own time, and when it was first heard of, if that was before.

    A message that is read again later, or late, makes no old order a new one.
    """
    said, heard = order.transaction_at, order.ordered_at
    return [at for at in (said, heard) if at is not None and (at is said or said is None or at < said)]


def study_day(evidence: StudyEvidence) -> date | None:
    """Return the day of the exam by the device's clock, as far as that is known to go right, else the day it came."""
    told = exam_local(evidence.header)
    day = told.date() if told is not None else None
    if day is None and evidence.received_at is not None:
        return evidence.received_at.date()
    return day


def exam_local(header: Header) -> datetime | None:
    """Return when the exam was by the hospital's clock: by the device's, less what that is known to go ahead."""
    told = read_local(header.study_date + header.study_time.partition(".")[0])
    try:
        return told - timedelta(seconds=header.clock_ahead_secs) if told is not None else None
    except OverflowError:
        return None


def read_local(text: str) -> datetime | None:
    """Read "YYYYMMDD[HH[MM[SS]]]" as a time of the hospital's own clock; None if it is none."""
    digits = text[:14]
    if len(digits) < 8 or not digits.isdigit():
        return None
    digits = digits[: len(digits) // 2 * 2].ljust(14, "0")
    try:
        return datetime.fromisoformat(f"{digits[:8]}T{digits[8:]}")
    except ValueError:
        return None


def read_day(text: str) -> date | None:
    """Read "YYYYMMDD"; None if it is no date."""
    if len(text) != 8 or not text.isdigit():
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def patient_leads(header: Header, registry: Registry, rules: ReconcileRules) -> tuple[PatientLead, ...]:
    """Return whom the header's numbers name here, for a study that is not foreign."""
    written = read_patient_id(header, rules)
    ours = _own_authorities(written.issuer, rules)
    primary: dict[int, PatientLead] = {}
    if not is_placeholder_id(written.patient_id, rules):
        for authority in ours:
            for patient in registry.patients_by_identifier(written.patient_id, authority):
                is_parted = _is_parted(patient, written.patient_id)
                primary[patient.key] = PatientLead(Via.PATIENT_ID, patient, is_parted=is_parted)
        if not primary:
            keys = [key for authority in ours for key in normalised_id_keys(written.patient_id, authority, rules)]
            for patients in registry.patients_by_keys(keys, rules.lookup_limit).values():
                primary |= {patient.key: PatientLead(Via.NORMALISED_ID, patient) for patient in patients}
    others = _other_leads(header, registry, rules)
    if not primary:
        return _in_order({lead.patient.key: lead for lead, _ in others}.values())
    for lead, says_issuer in others:
        if says_issuer and lead.patient.key not in primary:
            primary[lead.patient.key] = PatientLead(lead.via, lead.patient, contradicts=True)
    return _in_order(primary.values())


def _is_parted(patient: PatientRecord, patient_id: str) -> bool:
    own = (*patient.patient.identifiers, *(number for one in patient.merged for number in one.identifiers))
    parted = (number for one in patient.parted for number in one.identifiers)
    return patient_id in {one.patient_id for one in parted} - {one.patient_id for one in own}


def cross_references(header: Header, registry: Registry, rules: ReconcileRules) -> tuple[PatientLead, ...]:
    """Return whom a foreign study's numbers name, by the other hospitals' numbers in our patients' lists."""
    numbers = [foreign_number(header, rules)]
    numbers += [
        (item.patient_id, rules.authority_of(item.issuer_of_patient_id))
        for item in header.other_patient_ids[:MOST_ITEMS]
    ]
    found: dict[int, PatientLead] = {}
    for patient_id, authority in numbers:
        if not authority or rules.is_ours(authority) or is_placeholder_id(patient_id, rules):
            continue
        for patient in registry.patients_by_identifier(patient_id.strip(" \0"), authority):
            found[patient.key] = PatientLead(Via.CROSS_REFERENCE, patient)
    return _in_order(found.values())


def foreign_number(header: Header, rules: ReconcileRules) -> tuple[str, str]:
    """Return the number that another hospital gave a foreign study's patient, and that hospital's authority, "" if unknown."""
    written = read_patient_id(header, rules)
    return written.patient_id, written.issuer or institution_authority(header, rules)


def number_to_learn(evidence: StudyEvidence, rules: ReconcileRules) -> PatientIdentifier | None:
    """Return what a person teaches who binds a foreign study: whose number its Patient ID is, None if that is not known."""
    patient_id, authority = foreign_number(evidence.header, rules)
    if not is_foreign(evidence, rules) or not authority or rules.is_ours(authority):
        return None
    return None if is_placeholder_id(patient_id, rules) else PatientIdentifier(patient_id, authority)


def with_proposal(
    leads: tuple[PatientLead, ...], patient_key: int | None, registry: Registry
) -> tuple[PatientLead, ...]:
    """Return *leads* and the patient whom somebody proposed, who counts as one that a number names."""
    proposed = registry.survivor(patient_key) if patient_key is not None else None
    if proposed is None or any(lead.patient.key == proposed.key for lead in leads):
        return leads
    return _in_order((*leads, PatientLead(Via.PROPOSED, proposed)))


def _own_authorities(issuer: str, rules: ReconcileRules) -> tuple[str, ...]:
    if issuer:
        return (issuer,)
    return tuple(dict.fromkeys((rules.authority, *sorted(rules.own_authorities))))


def _other_leads(header: Header, registry: Registry, rules: ReconcileRules) -> list[tuple[PatientLead, bool]]:
    """Return whom Other Patient IDs name, and whether the number came with its issuer."""
    found = []
    for item in header.other_patient_ids[:MOST_ITEMS]:
        if is_placeholder_id(item.patient_id, rules):
            continue
        issuer = rules.authority_of(item.issuer_of_patient_id)
        via = Via.OTHER_PATIENT_ID if not issuer or rules.is_ours(issuer) else Via.CROSS_REFERENCE
        for authority in _own_authorities(issuer, rules):
            for patient in registry.patients_by_identifier(item.patient_id.strip(" \0"), authority):
                found.append((PatientLead(via, patient), bool(issuer)))
    return found


def _in_order(leads: Iterable[PatientLead]) -> tuple[PatientLead, ...]:
    return tuple(sorted(leads, key=lambda lead: lead.patient.key))
