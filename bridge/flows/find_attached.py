"""What a control number of ours leads to, when a payer writes it back: an authorization, an exam, and whether that still stands."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.domain.attachment import AttachmentState
from bridge.domain.claim_match import AttachedThere
from bridge.domain.narrative import is_control_number
from bridge.store import authorizations, patients, studies
from bridge.store.db import ReadTx


def find_attached(tx: ReadTx, numbers: Iterable[str]) -> list[AttachedThere]:
    """Return what those of *numbers* lead to that are control numbers of ours, each authorization and exam once."""
    ours = [one for one in dict.fromkeys(numbers) if is_control_number(one)]
    found: dict[tuple[int, int], AttachedThere] = {}
    for one in authorizations.attachments_numbered(tx, ours) if ours else ():
        owner = patients.survivor(tx, authorizations.get(tx, one.authorization_key).patient_key).key
        study = studies.get(tx, one.study_key)
        is_certain = study.is_bound and study.patient_key == owner and one.state != AttachmentState.REVIEW
        order_key = study.order_key if is_certain else None
        known = found.get((one.authorization_key, one.study_key))
        in_question = not is_certain or (known is not None and known.in_question)
        found[one.authorization_key, one.study_key] = AttachedThere(
            one.authorization_key, order_key, owner, in_question
        )
    return list(found.values())
