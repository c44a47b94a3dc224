"""What was proposed about a study, as pages show it to whoever is to confirm it."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.store import orders, patients
from bridge.store.case_proposals import CaseProposal
from bridge.store.db import ReadTx
from bridge.store.listings.people import Person, person_of
from bridge.web.study_views import StudyView


@dataclass(frozen=True, slots=True)
class ShownProposal:
    """One proposal. person, accession_number: to whom it binds, None and "" where it does not; count: of what is split off."""

    proposal: CaseProposal
    person: Person | None
    accession_number: str
    count: int


def shown_proposals(tx: ReadTx, view: StudyView) -> tuple[ShownProposal, ...]:
    """Return a study's proposals, newest first: one that waits is the first."""
    return tuple(_shown(tx, one) for one in view.proposals)


def _shown(tx: ReadTx, one: CaseProposal) -> ShownProposal:
    person = person_of(patients.survivor(tx, one.patient_key)) if one.patient_key is not None else None
    number = orders.get(tx, one.order_key).accession_number if one.order_key is not None else ""
    return ShownProposal(one, person, number, len(one.terms.get("instances", ())))
