"""A person says whose study it is, that it is nobody's here, or takes a decision back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.reason import require_reason
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.reconsider import Binding
from bridge.domain.study import Study
from bridge.errors import Conflict, Incomplete
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import (
    Deciding,
    bind_by_person,
    close,
    decide_after,
    decide_touched,
    free_by_rule,
    in_question,
    withdraw,
)
from bridge.flows.decide_without import open_again
from bridge.flows.question_part import other_parts
from bridge.flows.refresh_worklist import refresh_worklist_of_patient
from bridge.flows.register_patient import refresh_keys
from bridge.flows.reject_instances import overrule
from bridge.flows.second_person import Asked, Because, admit, asks_two_of, audit_confirmed, put
from bridge.store import audit, decisions, news, orders, patients, studies
from bridge.store.case_proposals import CaseProposal
from bridge.store.db import Store, WriteTx, lock


@dataclass(frozen=True, slots=True)
class Ruling:
    """
    What a person decided. action: "bind", "unbind", "reject", "reopen" what was rejected, or "restore": the record that
    an update made another person of is who it was before.

    accession_number or patient (patient_id, issuer) say to whom, for "bind". reason is never empty. actor: "user:maria".
    seen: the decision that the person had before them, None where nobody asks whether it is still the last one.
    bound: to whom, where that is known by its row already.
    """

    action: str
    reason: str
    actor: str
    accession_number: str = ""
    patient: PatientIdentifier | None = None
    seen: int | None = None
    bound: Binding | None = None


class MismatchResolver:
    """Carries out what the intake desk decides."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules, destinations: Destinations) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._destinations = destinations

    def resolve(self, study_instance_uid: str, ruling: Ruling) -> CaseProposal | None:
        """
        Carry out *ruling*; where two people decide, keep it for the second one, and return it.

        Raises: LookupError, if nothing of the study was received; Incomplete, Conflict, if it cannot be done so; Refused,
        if two people decide and the actor is none who may.
        """
        require_reason(ruling.reason)
        now = self._clock.now()
        how = Deciding(self._rules, self._destinations, now, cause=ruling.actor)
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            study = studies.by_uid(tx, study_instance_uid)
            if study is None:
                raise LookupError("no such study")
            _check_seen(tx, study, ruling)
            self._check(tx, study, ruling)
            if asks_two_of(tx, study, self._rules):
                return self._propose(tx, study, ruling, now)
            self._audit(tx, study, self._carry_out(tx, study, ruling, how), ruling, how)
        return None

    def confirm(self, proposal: CaseProposal, actor: str) -> None:
        """
        Carry out what one person proposed and *actor* confirms.

        Raises: Conflict, if something became of it before, or it cannot be done any more; Refused, as `admit` does.
        """
        now = self._clock.now()
        because = Because(proposal.reason, proposal.proposed_by, proposal.key, actor)
        how = Deciding(self._rules, self._destinations, now, cause=proposal.proposed_by, confirmed_by=actor)
        with self._store.write() as tx:
            study = studies.get(tx, proposal.study_key)
            lock(tx, "identity", f"study:{study.study_instance_uid}")
            study = studies.get(tx, proposal.study_key)
            admit(tx, study, because, self._rules, now)
            ruling = Ruling(proposal.action, proposal.reason, proposal.proposed_by, bound=_bound(tx, proposal))
            self._check(tx, study, ruling)
            self._audit(tx, study, self._carry_out(tx, study, ruling, how), ruling, how)
            audit_confirmed(tx, study, because, now)

    def _propose(self, tx: WriteTx, study: Study, ruling: Ruling, at: datetime) -> CaseProposal:
        whom = self._target(tx, ruling) if ruling.action == "bind" else None
        patient_key, order_key = (whom.patient_key, whom.order_key) if whom is not None else (None, None)
        return put(tx, study, Asked(ruling.action, ruling.reason, ruling.actor, patient_key, order_key), at)

    def _audit(self, tx: WriteTx, study: Study, after: Study, ruling: Ruling, how: Deciding) -> None:
        detail = {"state": after.state.value}
        audit.add(
            tx,
            at=how.at,
            action=f"study_{ruling.action}",
            actor=ruling.actor,
            patient_key=after.patient_key or study.patient_key,
            study_key=study.key,
            order_key=after.order_key or study.order_key,
            detail=detail | {"confirmed_by": how.confirmed_by} if how.confirmed_by else detail,
        )

    def _check(self, tx: WriteTx, study: Study, ruling: Ruling) -> None:
        """Raises: Incomplete, for no such action; Conflict, if the study does not stand so that it can be carried out."""
        if ruling.action not in ("bind", "unbind", "reject", "reopen", "restore"):
            raise Incomplete("bind, unbind, reject, reopen or restore", code="not_in_table", where="action")
        if ruling.action == "unbind" and not study.is_bound:
            raise Conflict("the study is not bound", code="not_bound", where="action")
        if ruling.action == "reopen" and not study.closed_reason:
            raise Conflict("the case is not closed", code="not_closed", where="action")
        if ruling.action == "restore":
            _in_doubt(tx, study)

    def _carry_out(self, tx: WriteTx, study: Study, ruling: Ruling, how: Deciding) -> Study:
        if ruling.action == "bind":
            overrule(tx, study, ruling.actor, ruling.reason, how)
            after = bind_by_person(tx, study, self._target(tx, ruling), ruling.reason, ruling.actor, how)
            decide_touched(tx, other_parts(tx, after), how.following)
            return after
        if ruling.action == "unbind":
            words = "A person took the binding back."
            return withdraw(tx, study, "person", words, how, actor=ruling.actor, reason=ruling.reason)
        if ruling.action == "reject":
            return close(tx, study, ruling.reason, ruling.actor, how)
        if ruling.action == "reopen":
            return open_again(tx, study, ruling.reason, ruling.actor, how)
        return self._restore(tx, study, ruling, how)

    def _restore(self, tx: WriteTx, study: Study, ruling: Ruling, how: Deciding) -> Study:
        """Give the record that *study* was bound to its earlier values back, and its studies to it where a rule agrees."""
        live, doubted = _in_doubt(tx, study)
        for key in doubted:
            patients.restore(tx, key, how.at)
            audit.add(tx, at=how.at, action="patient_restored", actor=ruling.actor, patient_key=key)
        refresh_keys(tx, live)
        refresh_worklist_of_patient(tx, live)
        news.look_at(tx, news.PATIENT, live, how.at)
        for held in studies.held_from(tx, [live, *patients.merged_into(tx, live)]):
            free_by_rule(tx, held, ruling.reason, ruling.actor, how)
        decide_after(tx, [live], [], how.following)
        return studies.get(tx, study.key)

    def _target(self, tx: WriteTx, ruling: Ruling) -> Binding:
        """Find whom the person means; a number and an order of two people are not one target."""
        if ruling.bound is not None:
            return ruling.bound
        patient_key = self._patient(tx, ruling.patient) if ruling.patient is not None else None
        if not ruling.accession_number:
            if patient_key is None:
                raise Incomplete("say to whom: an accession number or a patient", code="missing", where="patient")
            return Binding(patient_key, by_person=True)
        found = orders.by_accession(tx, ruling.accession_number)
        if patient_key is not None:
            found = [one for one in found if patients.survivor(tx, one.patient_key).key == patient_key]
        if not found:
            raise Conflict("no such order", code="unknown", where="accession_number")
        owners = {patients.survivor(tx, one.patient_key).key for one in found}
        if len(owners) > 1:
            raise Conflict("several patients have that number: name the patient", code="ambiguous", where="patient")
        return Binding(owners.pop(), found[0].key, by_person=True)

    def _patient(self, tx: WriteTx, identifier: PatientIdentifier) -> int:
        issuer = identifier.issuer_of_patient_id or self._rules.authority
        holder = patients.find(tx, PatientIdentifier(identifier.patient_id, issuer))
        if holder is None:
            raise Conflict("no such patient", code="unknown", where="patient")
        return patients.survivor(tx, holder.key).key


def _in_doubt(tx: WriteTx, study: Study) -> tuple[int, list[int]]:
    """
    Return whom a study was held from, and the records of theirs that an update put in question.

    Raises: Conflict, if the study was held from nobody, or nobody doubts that record.
    """
    if study.held_from_patient_key is None:
        raise Conflict("the study was not held from a patient", code="not_held", where="action")
    live = patients.survivor(tx, study.held_from_patient_key).key
    doubted = in_question(tx, live)
    if not doubted:
        raise Conflict("no update put that patient's record in question", code="not_in_question", where="action")
    return live, doubted


def _bound(tx: WriteTx, proposal: CaseProposal) -> Binding | None:
    """Return whom a proposal names, as live as they are by now."""
    if proposal.patient_key is None:
        return None
    return Binding(patients.survivor(tx, proposal.patient_key).key, proposal.order_key, by_person=True)


def _check_seen(tx: WriteTx, study: Study, ruling: Ruling) -> None:
    """Raises: Conflict, if somebody or a rule has decided since this person looked."""
    if ruling.seen is None:
        return
    last = decisions.of_study(tx, study.key)
    if last and last[0].key != ruling.seen:
        raise Conflict("the case was decided meanwhile", code="decided_meanwhile")
