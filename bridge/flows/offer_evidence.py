"""What a person chooses from: a patient's bound studies for an authorization, and the authorizations for a study."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment
from bridge.domain.authorization import LIVE, Authorization
from bridge.domain.authorization_exam import exam_of
from bridge.domain.evidence_choice import Fit, fit_of
from bridge.domain.evidence_needs import NeedRow
from bridge.domain.order import Order
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Study
from bridge.leaving.evidence_gaps import evidence_gaps
from bridge.leaving.packet_material import PacketGround, PacketMaterial, collect_packet
from bridge.store import authorization_links, authorizations, orders, patients, studies
from bridge.store.db import ReadTx

_MOST = 50


@dataclass(frozen=True, slots=True)
class OfferedStudy:
    """One study that could be attached, and how it fits. order: its own, None without one."""

    study: Study
    order: Order | None
    fit: Fit

    @property
    def procedure(self) -> str:
        """What was done, in words, "" where nobody says."""
        ordered = self.order.requested_procedure_description if self.order is not None else ""
        return ordered or self.study.received.study_description

    @property
    def accession_number(self) -> str:
        """The order's; what the images say where there is none."""
        return self.order.accession_number if self.order is not None else self.study.received.accession_number


@dataclass(frozen=True, slots=True)
class OfferedAuthorization:
    """One authorization that a study could be attached to, and how it fits. is_attached: it is, one way or another."""

    authorization: Authorization
    fit: Fit
    is_attached: bool


class EvidenceDesk:
    """
    Sets studies and authorizations of one patient beside each other, the ones that fit best first.

    ground: what is the same for all packets.
    """

    def __init__(self, rules: ReconcileRules, ground: PacketGround) -> None:
        self._rules = rules
        self._ground = ground

    def studies_for(self, tx: ReadTx, authorization: Authorization) -> list[OfferedStudy]:
        """Return the bound studies of the authorization's patient, wherever merges led, the best first, then the newest."""
        owner = patients.survivor(tx, authorization.patient_key).key
        every = [one for one in studies.of_patient(tx, owner) if one.is_bound]
        newest = sorted(every, key=lambda one: (one.received.study_date, one.key), reverse=True)
        found = [OfferedStudy(one, *self._fit(tx, authorization, one)) for one in newest]
        return sorted(found, key=lambda one: one.fit.rank)[:_MOST]

    def study_for(self, tx: ReadTx, authorization: Authorization, study_key: int) -> OfferedStudy:
        """Return one of them. Raises: LookupError for one that is not this patient's, or not bound."""
        study = studies.get(tx, study_key)
        if not study.is_bound or study.patient_key != patients.survivor(tx, authorization.patient_key).key:
            raise LookupError(f"study {study_key} is not offered")
        return OfferedStudy(study, *self._fit(tx, authorization, study))

    def packet_for(
        self, tx: ReadTx, authorization: Authorization, study: Study, now: datetime, *, instances: tuple[str, ...] = ()
    ) -> PacketMaterial:
        """Return what a packet would hold by now, were this study attached as one. instances: chosen by hand, () for none."""
        kind, state = AttachmentKind.PDF, AttachmentState.DRAFT
        blank = ClaimAttachment(
            0, authorization.key, study.key, kind, state, study.binding_version, attached_by="", instances=instances
        )
        return collect_packet(tx, blank, self._ground, now)

    def gaps(self, tx: ReadTx, authorization: Authorization, now: datetime) -> tuple[NeedRow, ...]:
        """Return the payer's checklist for an authorization, filled with what is here; () where there is none."""
        return evidence_gaps(tx, authorization, self._rules, now)

    def missing(self, tx: ReadTx, authorization: Authorization, now: datetime) -> tuple[str, ...]:
        """Return what of the checklist is not here, in sentences."""
        return tuple(one.gap for one in self.gaps(tx, authorization, now) if not one.is_met)

    def authorizations_for(self, tx: ReadTx, study: Study) -> list[OfferedAuthorization]:
        """Return the open authorizations that a study could be attached to, and those that it is; none for one not bound."""
        if not study.is_bound or study.patient_key is None:
            return []
        has = {one.authorization_key for one in authorizations.attachments_of_study(tx, study.key)}
        owner = patients.survivor(tx, study.patient_key).key
        every = authorizations.of_patients(tx, [owner, *patients.merged_into(tx, owner)])
        found = [
            OfferedAuthorization(one, self._fit(tx, one, study)[1], one.key in has)
            for one in sorted(every, key=lambda one: -one.key)
            if one.status in LIVE or one.key in has
        ]
        return sorted(found, key=lambda one: one.fit.rank)[:_MOST]

    def _fit(self, tx: ReadTx, authorization: Authorization, study: Study) -> tuple[Order | None, Fit]:
        day = study.received.study_date
        if study.order_key is None:
            return None, fit_of(authorization, None, day, is_ordered=False)
        order = orders.get(tx, study.order_key)
        every = authorization_links.of_authorization(tx, authorization.key)
        links = [link for link in every if link.order_key == order.key]
        steps = orders.steps_of(tx, order.key)
        exam = exam_of(order, steps, (), self._rules.authorizations, self._rules.checklist.sides)
        line = links[0].line if links else ""
        return order, fit_of(authorization, exam, day, is_ordered=bool(links), line=line)
