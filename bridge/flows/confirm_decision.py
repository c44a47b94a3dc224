"""The desk of the second person: decisions that one proposed are confirmed, declined or withdrawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.clock import Clock
from bridge.domain.reason import require_reason
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.rejection import Rejection
from bridge.domain.second_person import ProposalEnd, is_same_person
from bridge.domain.study import Study
from bridge.errors import Refused
from bridge.flows.reject_instances import RejectionDesk
from bridge.flows.resolve_mismatch import MismatchResolver
from bridge.flows.second_person import Asked, Because, asks_two_of, check_open, check_person, put, turn_down
from bridge.flows.split_study import StudySplitter
from bridge.store import case_proposals, rejections, splits, studies
from bridge.store.case_proposals import CaseProposal
from bridge.store.db import ReadTx, Store, WriteTx, lock


@dataclass(frozen=True, slots=True)
class Hands:
    """What carries decisions out."""

    resolver: MismatchResolver
    splitter: StudySplitter
    rejections: RejectionDesk


class SecondPersonDesk:
    """Proposes what two people decide, and carries it out once a second one confirms it; what one decides, at once."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules, hands: Hands) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._hands = hands

    @property
    def asks(self) -> bool:
        """Whether this site asks for a second person at all."""
        return bool(self._rules.two_person)

    def needs_two(self, tx: ReadTx, study: Study) -> bool:
        """Say whether what is decided about *study* now waits for a second person."""
        return asks_two_of(tx, study, self._rules)

    def split(self, study_instance_uid: str, uids: Sequence[str], reason: str, actor: str) -> Study | CaseProposal:
        """Split as `StudySplitter.split` does, or propose it."""
        with self._store.read() as tx:
            study = self._hands.splitter.check(tx, study_instance_uid, uids)
        asked = Asked("split", reason, actor, terms={"instances": list(uids)})
        return self._proposed(study, asked) or self._hands.splitter.split(study_instance_uid, uids, reason, actor)

    def join(self, split_key: int, reason: str, actor: str) -> Study | CaseProposal:
        """Join as `StudySplitter.join` does, or propose it."""
        with self._store.read() as tx:
            split = splits.get(tx, split_key)
            whole, part = studies.get(tx, split.study_key), studies.get(tx, split.new_study_key)
        asked = Asked("join", reason, actor, terms={"split": split_key})
        proposal = self._proposed(whole, asked) or self._proposed(part, asked)
        return proposal or self._hands.splitter.join(split_key, reason, actor)

    def decide_rejection(self, rejection_key: int, action: str, reason: str, actor: str) -> Rejection | CaseProposal:
        """Decide as `RejectionDesk.decide` does, or propose it."""
        with self._store.read() as tx:
            study = studies.by_uid(tx, rejections.get(tx, rejection_key).study_instance_uid)
        if study is not None and action in ("undo", "apply"):
            asked = Asked(f"rejection_{action}", reason, actor, terms={"rejection": rejection_key})
            proposal = self._proposed(study, asked)
            if proposal is not None:
                return proposal
        return self._hands.rejections.decide(rejection_key, action, reason, actor)

    def confirm(self, proposal_key: int, actor: str) -> CaseProposal:
        """
        Carry out a proposal in the names of both people; return it as it stands then.

        Raises: LookupError; Refused, if *actor* proposed it, is a program, or may not decide; Conflict, if something
        became of it before, the case changed under it, or it cannot be done any more: it still waits then.
        """
        with self._store.read() as tx:
            proposal = case_proposals.get(tx, proposal_key)
            study = studies.get(tx, proposal.study_key)
        check_open(proposal)
        because = Because(proposal.reason, proposal.proposed_by, proposal.key, actor)
        if proposal.action == "split":
            self._hands.splitter.split_because(study.study_instance_uid, proposal.terms["instances"], because)
        elif proposal.action == "join":
            self._hands.splitter.join_because(proposal.terms["split"], because)
        elif proposal.action.startswith("rejection_"):
            action = proposal.action.removeprefix("rejection_")
            self._hands.rejections.decide_because(proposal.terms["rejection"], action, because)
        else:
            self._hands.resolver.confirm(proposal, actor)
        return self._read(proposal_key)

    def decline(self, proposal_key: int, reason: str, actor: str) -> CaseProposal:
        """
        Say no to what somebody else proposed; the case waits as before.

        Raises: LookupError; Incomplete without reason; Refused, as `confirm`; Conflict, if something became of it before.
        """
        require_reason(reason, "say why not")
        with self._store.write() as tx:
            proposal, study = self._locked(tx, proposal_key)
            check_person(tx, actor)
            if is_same_person(proposal.proposed_by, actor):
                raise Refused("withdraw what you proposed yourself", code="same_person")
            because = Because(reason.strip(), actor)
            turn_down(tx, study, proposal, ProposalEnd.DECLINED, because, self._clock.now())
        return self._read(proposal_key)

    def withdraw(self, proposal_key: int, actor: str) -> CaseProposal:
        """
        Take one's own proposal back.

        Raises: LookupError; Refused, for somebody else's; Conflict, if something became of it before.
        """
        with self._store.write() as tx:
            proposal, study = self._locked(tx, proposal_key)
            if not actor.startswith("user:") or not is_same_person(proposal.proposed_by, actor):
                raise Refused("only whoever proposed it can withdraw it: decline it", code="other_person")
            turn_down(tx, study, proposal, ProposalEnd.WITHDRAWN, Because("", actor), self._clock.now())
        return self._read(proposal_key)

    def _proposed(self, study: Study, asked: Asked) -> CaseProposal | None:
        require_reason(asked.reason)
        if not self.asks:
            return None
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study.study_instance_uid}")
            live = studies.get(tx, study.key)
            return put(tx, live, asked, self._clock.now()) if self.needs_two(tx, live) else None

    def _locked(self, tx: WriteTx, proposal_key: int) -> tuple[CaseProposal, Study]:
        study = studies.get(tx, case_proposals.get(tx, proposal_key).study_key)
        lock(tx, "identity", f"study:{study.study_instance_uid}")
        return case_proposals.get(tx, proposal_key), studies.get(tx, study.key)

    def _read(self, proposal_key: int) -> CaseProposal:
        with self._store.read() as tx:
            return case_proposals.get(tx, proposal_key)
