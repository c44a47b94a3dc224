"""A study on a prior authorization: its ImagingStudy named in the Claim of the clinic's own server.

The Claim is looked for, never made: among the patient's open preauthorizations, by number. One is updated; several ask a
person; none is looked for again, as the EHR may write it later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.codecs.fhir import claim as codec
from bridge.codecs.fhir.claim import StudyOnClaim
from bridge.codecs.fhir.elements import clean
from bridge.codecs.fhir.references import same_target
from bridge.domain.attachment import AttachmentState, ClaimAttachment
from bridge.domain.authorization import Authorization
from bridge.domain.patient import Patient
from bridge.domain.study import Study
from bridge.errors import Conflict, Unavailable
from bridge.outbox import enqueue
from bridge.outbox.publisher import Hold, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.publishers.fhir_client import Found
from bridge.publishers.imaging_study import Ehr
from bridge.store import authorizations, deliveries, events, patients, publications, studies
from bridge.store.chart_withdrawals import withdrawal_of
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station
from bridge.store.lanes import CLAIM_UNKNOWN, VERSION_CONFLICT

Json = dict[str, Any]

_TRIES = 5
_CLAIM_WAIT_SECS = 60.0
# The ImagingStudy's own delivery wakes this one; looking again by itself is the guarantee.
_CHART_WAIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class ClaimParcel(Parcel):
    """
    An attachment and what it names. reference: the study's ImagingStudy on this server.

    why_not: the study may not be this patient's, or is in no chart, and is taken off the Claim; "" if it may stand there.
    """

    attachment: ClaimAttachment
    authorization: Authorization
    patient: Patient
    study: Study
    reference: str
    why_not: str = ""

    @property
    def is_removal(self) -> bool:
        """Say whether the study is taken off the Claim."""
        return bool(self.why_not)


@dataclass(frozen=True, slots=True)
class ClaimReceipt(Receipt):
    """The Claim that now names the study, "" if none is to."""

    reference: str
    was_written: bool


class ClaimAttachmentPublisher:
    """Puts studies on Claims at every FHIR server that takes Claim."""

    topic = enqueue.CLAIM

    def __init__(self, ehrs: Mapping[str, Ehr]) -> None:
        self._ehrs = dict(ehrs)

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._ehrs)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> ClaimParcel | NotYet | Hold | Nothing:
        """
        Collect the attachment, once the study stands in the chart of the authorization's own patient.

        One that is held is taken off the Claim if it may stand there.
        """
        if delivery.attachment_key is None:
            return Nothing("it names no attachment")
        attachment = authorizations.get_attachment(tx, delivery.attachment_key)
        authorization = authorizations.get(tx, attachment.authorization_key)
        study = studies.get(tx, attachment.study_key)
        patient = patients.survivor(tx, authorization.patient_key)
        known = publications.of_study(tx, study.key, delivery.destination)
        why_not = _why_held(tx, attachment, study, patient)
        if why_not and not deliveries.was_tried(tx, self.topic, delivery.destination, delivery.order_of):
            return Hold(why_not)
        standing = [one for one in known if one.retired_at is None and one.binding_version == study.binding_version]
        if not standing and not why_not:
            return NotYet(now + _CHART_WAIT, "the study is not in the chart yet")
        named = known if why_not else standing
        return ClaimParcel(
            delivery,
            study.key,
            study.binding_version,
            attachment,
            authorization,
            patient,
            study,
            named[-1].reference if named else "",
            why_not=why_not,
        )

    def send(self, parcel: ClaimParcel, still_wanted: StillWanted) -> ClaimReceipt:
        """Find the Claim and name the study in it, or take it off."""
        ehr = self._ehrs[parcel.delivery.destination]
        if parcel.is_removal:
            return _removed(ehr, parcel, still_wanted)
        subject = ehr.directory.patient(parcel.patient)
        entry = StudyOnClaim(
            study_instance_uid=parcel.study.study_instance_uid,
            reference=parcel.reference,
            description=clean(parcel.study.received.study_description),
            codes=tuple(line.code for line in parcel.authorization.lines),
        )
        for _ in range(_TRIES):
            claim = self._find(ehr, subject, parcel.authorization.number)
            changed = codec.with_study(claim.resource, entry)
            if changed == claim.resource:
                return ClaimReceipt(f"{claim.reference} names it already", claim.reference, False)
            still_wanted()
            try:
                written = ehr.client.update(changed, claim.version)
            except Conflict as fault:
                if fault.code != VERSION_CONFLICT:
                    raise
                continue
            return ClaimReceipt(f"{written.reference} updated", written.reference, True)
        raise Unavailable("the server's Claim keeps changing", code=VERSION_CONFLICT)

    def settled(self, tx: WriteTx, parcel: ClaimParcel, receipt: ClaimReceipt, at: datetime) -> None:
        """Mark the attachment sent, or to be sent again, unless it was held meanwhile, and tell the timeline."""
        now = authorizations.get_attachment(tx, parcel.attachment.key)
        is_held = now.state in (AttachmentState.DRAFT, AttachmentState.REVIEW)
        state, detail = AttachmentState.SENT, ""
        if is_held or parcel.is_removal:
            state, detail = (now.state, now.detail) if is_held else (AttachmentState.RELEASED, parcel.why_not)
        authorizations.set_attachment_state(tx, now.key, state, at, reference=receipt.reference, detail=detail)
        if receipt.was_written:
            what = "taken off" if parcel.is_removal else "attached"
            self._tell(tx, parcel.delivery, f"{what}: {receipt.detail}", parcel.authorization.order_key, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Say at the attachment why it is not there; dead, it is failed."""
        if delivery.attachment_key is None:
            return
        attachment = authorizations.get_attachment(tx, delivery.attachment_key)
        is_held = attachment.state in (AttachmentState.DRAFT, AttachmentState.REVIEW)
        state = AttachmentState.FAILED if is_dead and not is_held else attachment.state
        authorizations.set_attachment_state(tx, attachment.key, state, at, detail=detail)
        if is_dead:
            self._tell(tx, delivery, f"not attached: {detail}", None, at)

    def _find(self, ehr: Ehr, subject: str, number: str) -> Found:
        """
        Return the one open preauthorization of the patient with *number*.

        Raises: Unavailable, if the server has none yet; Conflict, if it has several.
        """
        searches = ({"patient": subject, "use": "preauthorization", "_count": "100"}, {"identifier": number})
        for parameters in searches:
            fitting = {
                one.reference: one
                for one in ehr.client.search("Claim", parameters)
                if same_target(one.resource.get("patient"), subject)
                and codec.is_open_preauthorization(one.resource)
                and codec.holds_number(one.resource, number)
            }
            if len(fitting) > 1:
                raise Conflict("the server has several Claims with this authorization's number", code="claim_twice")
            if fitting:
                return next(iter(fitting.values()))
        raise Unavailable(
            "the server has no Claim with this authorization's number yet",
            code=CLAIM_UNKNOWN,
            retry_after_secs=_CLAIM_WAIT_SECS,
        )

    def _tell(self, tx: WriteTx, delivery: Delivery, what: str, order_key: int | None, at: datetime) -> None:
        events.add(
            tx,
            Event(
                at=at,
                station=Station.AUTHORIZATION,
                what=what,
                by=delivery.destination,
                source_kind="delivery",
                source_id=str(delivery.key),
                order_key=order_key,
                study_key=delivery.study_key,
            ),
        )


def _why_held(tx: ReadTx, attachment: ClaimAttachment, study: Study, patient: Patient) -> str:
    """Return why the study must not stand on the Claim, "" if it may."""
    if attachment.state in (AttachmentState.DRAFT, AttachmentState.REVIEW):
        return f"the attachment is in {attachment.state}"
    if not study.is_bound or study.patient_key is None:
        return "the study is not bound to a patient"
    if patients.survivor(tx, study.patient_key).key != patient.key:
        return "the study is another patient's now"
    if withdrawal_of(tx, study.key) is not None:
        return "a person took the study out of the charts"
    return ""


def _removed(ehr: Ehr, parcel: ClaimParcel, still_wanted: StillWanted) -> ClaimReceipt:
    """Take the study off every Claim of the patient with the authorization's number, whatever became of the Claim."""
    subject = ehr.directory.patient(parcel.patient)
    cleared: set[str] = set()
    for _ in range(_TRIES):
        try:
            for claim in _that_may_name_it(ehr, subject, parcel):
                cleared |= _cleared(ehr, claim, parcel, still_wanted)
        except Conflict as fault:
            if fault.code != VERSION_CONFLICT:
                raise
            continue
        return ClaimReceipt(f"{', '.join(sorted(cleared)) or 'no Claim'} names it no more", "", bool(cleared))
    raise Unavailable("the server's Claim keeps changing", code=VERSION_CONFLICT)


def _cleared(ehr: Ehr, claim: Found, parcel: ClaimParcel, still_wanted: StillWanted) -> set[str]:
    """Take the study off *claim* and return its reference, or nothing where it does not stand."""
    changed = codec.without_study(claim.resource, StudyOnClaim(parcel.study.study_instance_uid, parcel.reference, ""))
    if changed == claim.resource:
        return set()
    still_wanted()
    return {ehr.client.update(changed, claim.version).reference}


def _that_may_name_it(ehr: Ehr, subject: str, parcel: ClaimParcel) -> list[Found]:
    number = parcel.authorization.number
    found = [
        one
        for parameters in ({"patient": subject, "_count": "100"}, {"identifier": number})
        for one in ehr.client.search("Claim", parameters)
        if same_target(one.resource.get("patient"), subject)
    ]
    # The Claim may have been filed under another Patient since.
    known = ehr.client.read(parcel.attachment.reference) if parcel.attachment.reference else None
    every = {one.reference: one for one in [*found, *([known] if known else [])]}
    return [one for one in every.values() if codec.holds_number(one.resource, number)]
