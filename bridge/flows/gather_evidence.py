"""What a study says of itself, and where it came from, as a decision weighs it."""

from __future__ import annotations

from typing import Any

from bridge.domain.evidence import NamedIdentity, NamedOrder, StudyEvidence, identity_of, order_named_by
from bridge.domain.study import RequestAttributes, Study
from bridge.store import studies
from bridge.store.db import ReadTx


def evidence_of(tx: ReadTx, study: Study, others: list[dict[str, Any]] | None = None) -> StudyEvidence:
    """Return what *study* says of itself and where it came from. others: None for what is stored."""
    others = studies.other_identities(tx, study.key) if others is None else others
    people = dict.fromkeys(NamedIdentity(**other["patient"]) for other in others)
    named = dict.fromkeys(_named_order(other["order"]) for other in others)
    return StudyEvidence(
        header=study.received,
        other_identities=tuple(one for one in people if one != identity_of(study.received)),
        other_orders=tuple(one for one in named if one != order_named_by(study.received)),
        source_ae_title=study.source_ae_title,
        from_foreign_source=study.foreign,
        received_at=study.first_instance_at,
    )


def _named_order(kept: dict[str, Any]) -> NamedOrder:
    items = tuple(RequestAttributes(**item) for item in kept["request_attributes"])
    return NamedOrder(kept["accession_number"], kept["issuer_of_accession_number"], items)
