"""Decisions about studies that one person proposed and another is to confirm: at most one waits per study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, select, update

from bridge.domain.second_person import ProposalEnd
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import case_proposals

_columns = case_proposals.c


@dataclass(frozen=True, slots=True)
class CaseProposal:
    """
    One proposed decision. terms: what it says besides to whom, "instances" of a split or the row of what is taken back.

    decision_key, binding_version: how the case stood for whoever proposed it. settled_as: "" while it waits.
    """

    study_key: int
    action: str
    reason: str
    proposed_by: str
    proposed_at: datetime
    decision_key: int
    binding_version: int
    patient_key: int | None = None
    order_key: int | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)
    settled_at: datetime | None = None
    settled_as: str = ""
    settled_by: str = ""
    settled_reason: str = ""
    key: int = 0

    @property
    def is_open(self) -> bool:
        return self.settled_at is None


def add(tx: WriteTx, proposal: CaseProposal) -> int:
    """Keep a proposal; return its key."""
    names = [name for name in CaseProposal.__slots__ if name not in ("key", "terms")]
    values = {name: getattr(proposal, name) for name in names}
    return insert_row(tx, case_proposals, terms=dict(proposal.terms), **values)


def get(tx: ReadTx, key: int) -> CaseProposal:
    """Return the proposal in row *key*. Raises: LookupError."""
    row = tx.execute(select(case_proposals).where(_columns.key == key)).first()
    if row is None:
        raise LookupError(f"no proposal {key}")
    return _proposal(row)


def of_study(tx: ReadTx, study_key: int) -> list[CaseProposal]:
    """Return what was proposed about a study, newest first."""
    query = select(case_proposals).where(_columns.study_key == study_key).order_by(_columns.key.desc())
    return [_proposal(row) for row in tx.execute(query)]


def waiting(tx: ReadTx, study_keys: Iterable[int]) -> dict[int, CaseProposal]:
    """Return what waits for a second person, by study."""
    query = select(case_proposals).where(_columns.study_key.in_(list(study_keys)), _columns.settled_at.is_(None))
    return {row.study_key: _proposal(row) for row in tx.execute(query)}


def settle(tx: WriteTx, key: int, end: ProposalEnd, by: str, at: datetime, *, reason: str = "") -> bool:
    """Say what became of a proposal; False if something had become of it before."""
    return _settle(tx, _columns.key == key, end, by, at, reason).rowcount == 1


def lapse(tx: WriteTx, study_key: int, by: str, at: datetime) -> bool:
    """Let what waits about a study lapse, because *by* decided otherwise; False if nothing waited."""
    return _settle(tx, _columns.study_key == study_key, ProposalEnd.LAPSED, by, at, "").rowcount > 0


def _settle(tx: WriteTx, which: Any, end: ProposalEnd, by: str, at: datetime, reason: str) -> CursorResult[Any]:
    settled = {"settled_as": end.value, "settled_by": by, "settled_at": at, "settled_reason": reason}
    return tx.execute(update(case_proposals).where(which, _columns.settled_at.is_(None)).values(**settled))


def _proposal(row: Any) -> CaseProposal:
    return CaseProposal(**{name: getattr(row, name) for name in CaseProposal.__slots__})
