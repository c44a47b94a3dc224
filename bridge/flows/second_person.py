"""One person proposes what becomes of a study, another confirms it: until then nothing changes outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.domain.accounts import Caller, Permission
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.second_person import ProposalEnd, asks_two, is_same_person, name_of
from bridge.domain.study import Study, is_person
from bridge.errors import Conflict, Refused
from bridge.store import audit, case_proposals, decisions, events, users
from bridge.store.case_proposals import CaseProposal
from bridge.store.db import ReadTx, WriteTx
from bridge.store.events import Event, Station


@dataclass(frozen=True, slots=True)
class Because:
    """Why something is decided, and by whom. proposal_key, confirmed_by: where one person proposed and another confirms."""

    reason: str
    actor: str
    proposal_key: int | None = None
    confirmed_by: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision that is to be proposed, as `CaseProposal` has it."""

    action: str
    reason: str
    actor: str
    patient_key: int | None = None
    order_key: int | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)


def asks_two_of(tx: ReadTx, study: Study, rules: ReconcileRules) -> bool:
    """Say whether what a person decides about *study* now waits for a second person."""
    if not rules.two_person:
        return False
    made = decisions.of_study(tx, study.key)
    grounds = ((one.rule, bool(one.snapshot.get("two_person")), is_person(one.actor)) for one in made)
    return asks_two(rules.two_person, grounds)


def put(tx: WriteTx, study: Study, asked: Asked, at: datetime) -> CaseProposal:
    """
    Keep a decision for a second person.

    The caller holds the study's lock. Raises: Refused, for nobody who may decide; Conflict, if one waits already.
    """
    check_person(tx, asked.actor)
    if study.key in case_proposals.waiting(tx, [study.key]):
        raise Conflict(
            "a decision about this study waits for a second person: confirm or decline that first", code="proposed"
        )
    latest = decisions.latest(tx, study.key)
    assert latest is not None
    proposal = CaseProposal(
        study_key=study.key,
        action=asked.action,
        reason=asked.reason.strip(),
        proposed_by=asked.actor,
        proposed_at=at,
        decision_key=latest.key,
        binding_version=study.binding_version,
        patient_key=asked.patient_key,
        order_key=asked.order_key,
        terms=asked.terms,
    )
    kept = case_proposals.get(tx, case_proposals.add(tx, proposal))
    _tell(tx, study, kept, f"Proposed: {WORDS[kept.action]}. It waits for a second person", asked.actor, at)
    _audit(tx, "decision_proposed", kept, asked.actor, at)
    return kept


def admit(tx: WriteTx, study: Study, because: Because, rules: ReconcileRules, at: datetime) -> None:
    """
    Let a person's decision about *study* pass, and take the proposal that it carries out.

    The caller holds the study's lock. Raises: Conflict, if two people decide and one did, if something became of the
    proposal before, or the case changed under it; Refused, if its second person is its first, a program, or may not decide.
    """
    if because.proposal_key is None:
        if asks_two_of(tx, study, rules):
            raise Conflict("two people decide this study: it has to be proposed", code="second_person")
        return
    proposal = case_proposals.get(tx, because.proposal_key)
    check_open(proposal)
    check_person(tx, because.confirmed_by)
    if is_same_person(proposal.proposed_by, because.confirmed_by):
        raise Refused("somebody else has to confirm what you proposed", code="same_person")
    if not _may_decide(tx, proposal.proposed_by):
        raise Conflict("whoever proposed this may no longer decide: decline it", code="proposer_left")
    latest = decisions.latest(tx, study.key)
    if latest is None or (latest.key, study.binding_version) != (proposal.decision_key, proposal.binding_version):
        raise Conflict("the case changed since this was proposed", code="proposal_lapsed")
    if not case_proposals.settle(tx, proposal.key, ProposalEnd.CONFIRMED, because.confirmed_by, at):
        raise Conflict("it was confirmed before", code="proposal_confirmed")


def audit_confirmed(tx: WriteTx, study: Study, because: Because, at: datetime) -> None:
    """Put on record who confirmed what was carried out; nothing where one person decided."""
    if because.proposal_key is None:
        return
    proposal = case_proposals.get(tx, because.proposal_key)
    _tell(tx, study, proposal, f"Confirmed: {WORDS[proposal.action]}", because.confirmed_by, at)
    _audit(tx, "decision_confirmed", proposal, because.confirmed_by, at)


def lapse(tx: WriteTx, study: Study, by: str, at: datetime) -> None:
    """Let what waits for a second person lapse, because the case was decided otherwise."""
    waiting = case_proposals.waiting(tx, [study.key]).get(study.key)
    if waiting is not None and case_proposals.lapse(tx, study.key, by, at):
        _tell(tx, study, waiting, f"Lapsed, the case changed: {WORDS[waiting.action]}", by, at)


def turn_down(
    tx: WriteTx, study: Study, proposal: CaseProposal, end: ProposalEnd, because: Because, at: datetime
) -> None:
    """End *proposal* without carrying it out, declined or withdrawn. Raises: Conflict, if something became of it before."""
    check_open(case_proposals.get(tx, proposal.key))
    if not case_proposals.settle(tx, proposal.key, end, because.actor, at, reason=because.reason):
        raise Conflict("something became of it before", code="proposal_settled")
    _tell(tx, study, proposal, f"{end.value.capitalize()}: {WORDS[proposal.action]}", because.actor, at)
    _audit(tx, f"decision_{end.value}", proposal, because.actor, at)


def check_open(proposal: CaseProposal) -> None:
    """Raises: Conflict, if something became of *proposal* already."""
    if not proposal.is_open:
        words = {ProposalEnd.LAPSED: "the case changed since this was proposed"}
        end = ProposalEnd(proposal.settled_as)
        raise Conflict(words.get(end, f"the proposal was {end.value} before"), code=f"proposal_{end.value}")


def check_person(tx: ReadTx, actor: str) -> None:
    """Raises: Refused, if *actor* is a program, or nobody who may decide."""
    if not actor.startswith("user:"):
        raise Refused("two people decide this study: a program is none", code="not_a_person")
    if not _may_decide(tx, actor):
        raise Refused("two people decide this study: both need an account that may", code="role")


def _may_decide(tx: ReadTx, actor: str) -> bool:
    user = users.find(tx, name_of(actor))
    if user is None or user.disabled:
        return False
    return Caller(actor, user.role, user_key=user.key).may(Permission.DECIDE)


# What is proposed, for the timeline; to whom, the proposal itself says.
WORDS = {
    "bind": "whose images these are",
    "unbind": "to take the binding back",
    "reject": "to set the images aside",
    "reopen": "to open the case again",
    "restore": "to give the patient's record its earlier values back",
    "split": "to split the study",
    "join": "to join what was split off",
    "rejection_undo": "to take a rejection back",
    "rejection_apply": "to let a rejection count",
}


def _tell(tx: WriteTx, study: Study, proposal: CaseProposal, what: str, by: str, at: datetime) -> None:
    source = ("proposal", str(proposal.key))
    events.add(tx, Event(at, Station.RECONCILED, what, by, *source, study.order_key, study.key))


def _audit(tx: WriteTx, action: str, proposal: CaseProposal, actor: str, at: datetime) -> None:
    audit.add(
        tx,
        at=at,
        action=action,
        actor=actor,
        patient_key=proposal.patient_key,
        study_key=proposal.study_key,
        order_key=proposal.order_key,
        detail={"proposal": proposal.key, "decides": proposal.action, "proposed_by": proposal.proposed_by},
    )
