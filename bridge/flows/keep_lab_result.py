"""
A laboratory result is kept for its patient. Takes part in its caller's transaction.

It is bound by the numbers that its sender names, past merges, and by nothing else; while nobody has them, or their name
and birth date are another person's, it is kept and bound to nobody. Nobody is registered for it. Source: HL7 2.5.1 7.3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.lab_result import LabDraft, takes_over
from bridge.domain.message import Notice
from bridge.domain.report import Said
from bridge.flows.file_report import ReportNews
from bridge.flows.follow_evidence import facts_changed
from bridge.store import lab_results
from bridge.store.db import WriteTx
from bridge.store.named_people import is_same, owner_of


@dataclass(frozen=True, slots=True)
class KeptLab:
    """What became of a result. key: its row, None if it said nothing new. patient_key: whose it is, None while not known."""

    key: int | None
    patient_key: int | None
    notice: Notice | None = None


def keep_lab_result(tx: WriteTx, draft: LabDraft, told: ReportNews) -> KeptLab:
    """Keep what *draft* says, over what it corrects; older words change nothing, and a draft never takes back a final result."""
    heard_at = told.news.heard_at
    said = Said(draft.issued_at or told.news.said_at, told.news.said_at)
    owner = owner_of(tx, draft.patient, None, told.rules)
    found = lab_results.by_identity(tx, draft.identity, is_test=told.is_test)
    same = (one for one in found if is_same(tx, (one.patient, one.patient_key), draft.patient, owner, told.rules))
    known = next(same, None)
    if known is not None and not takes_over(known.content.status, known.said, draft.content.status, said):
        return KeptLab(None, owner, Notice("I", "older than the result that stands, nothing changed", draft.where))
    if known is None:
        key = lab_results.add(tx, draft, owner, said, heard_at, is_test=told.is_test)
    else:
        key = known.key
        lab_results.take_over(tx, key, draft, said, heard_at)
    if owner is None:
        why = "the result is kept for nobody until a patient has the numbers that its sender names"
        return KeptLab(key, None, Notice("W", why, draft.where))
    if not told.is_test:
        facts_changed(tx, owner, heard_at)
    return KeptLab(key, owner)
