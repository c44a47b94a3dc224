"""What a message says of numbers, accounts and visits that change hands, and of records that are one person's."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.domain.adt_events import IdentityChange
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.patient import PatientDraft


@dataclass(frozen=True, slots=True)
class MoveDraft:
    """
    One PID/MRG pair of an A43, A44, A45, A47 or A49: what stood as MRG says stands as PID and PV1 say from now on.

    patient: whose it is now. number, prior_number: the patient's numbers of a change (PID-3, MRG-1); prior_number None:
    not said. account, visit and their prior ones: empty where not said. Source: HL7 2.5.1 3.3.43 to 3.3.49, 3.4.9 (MRG).
    """

    change: IdentityChange
    patient: PatientDraft
    number: PatientIdentifier
    prior_number: PatientIdentifier | None = None
    account: EntityIdentifier = field(default_factory=EntityIdentifier)
    prior_account: EntityIdentifier = field(default_factory=EntityIdentifier)
    visit: EntityIdentifier = field(default_factory=EntityIdentifier)
    prior_visit: EntityIdentifier = field(default_factory=EntityIdentifier)


@dataclass(frozen=True, slots=True)
class LinkDraft:
    """The two PID of an A24 (linked) or A37 (not, from now on). Source: HL7 2.5.1 3.3.24, 3.3.37."""

    one: PatientDraft
    other: PatientDraft
    linked: bool
