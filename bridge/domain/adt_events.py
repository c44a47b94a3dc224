"""What each ADT event means for identity, visit and worklist, as a table. Source: HL7 2.5.1 3.3; IHE RAD TF-2 4.1, 4.12."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.domain.patient import VisitState


class IdentityChange(StrEnum):
    """What an event does to who is who. All but LINK, UNLINK and DELETE are journalled and can be undone."""

    MERGE = "merge"
    MOVE_NUMBER = "move_number"
    CHANGE_NUMBER = "change_number"
    MOVE_ACCOUNT = "move_account"
    MOVE_VISIT = "move_visit"
    CHANGE_ACCOUNT = "change_account"
    LINK = "link"
    UNLINK = "unlink"
    DELETE = "delete"


JOURNALLED = (
    IdentityChange.MERGE,
    IdentityChange.MOVE_NUMBER,
    IdentityChange.CHANGE_NUMBER,
    IdentityChange.MOVE_ACCOUNT,
    IdentityChange.MOVE_VISIT,
    IdentityChange.CHANGE_ACCOUNT,
)


@dataclass(frozen=True, slots=True)
class AdtEvent:
    """
    One trigger event.

    identity: what becomes of the records, None where the event only tells of one patient. keeps_visit: whether its PV1
    is taken at all; visit: the state it puts the visit in, None for no news of that. arrives: the site policies ("arrival")
    under which it says that the patient has come, so that waiting exams have arrived. new_person: the event may give a number that was merged away to a new person.
    """

    identity: IdentityChange | None = None
    keeps_visit: bool = True
    visit: VisitState | None = None
    arrives: frozenset[str] = frozenset()
    new_person: bool = False


ADT_EVENTS: Mapping[str, AdtEvent] = {
    "A01": AdtEvent(visit=VisitState.OPEN, new_person=True),
    "A02": AdtEvent(),
    "A03": AdtEvent(visit=VisitState.CLOSED),
    "A04": AdtEvent(visit=VisitState.OPEN, arrives=frozenset({"A10_and_A04"}), new_person=True),
    "A05": AdtEvent(visit=VisitState.PRE_ADMIT, new_person=True),
    "A06": AdtEvent(visit=VisitState.OPEN),
    "A07": AdtEvent(visit=VisitState.OPEN),
    "A08": AdtEvent(),
    "A10": AdtEvent(arrives=frozenset({"A10", "A10_and_A04"})),
    "A11": AdtEvent(visit=VisitState.CANCELLED),
    "A12": AdtEvent(),
    "A13": AdtEvent(visit=VisitState.OPEN),
    "A18": AdtEvent(IdentityChange.MERGE, keeps_visit=False),
    "A23": AdtEvent(IdentityChange.DELETE, visit=VisitState.CANCELLED),
    "A24": AdtEvent(IdentityChange.LINK, keeps_visit=False),
    "A28": AdtEvent(keeps_visit=False, new_person=True),
    "A31": AdtEvent(keeps_visit=False),
    "A34": AdtEvent(IdentityChange.MERGE, keeps_visit=False),
    "A37": AdtEvent(IdentityChange.UNLINK, keeps_visit=False),
    "A40": AdtEvent(IdentityChange.MERGE, keeps_visit=False),
    "A43": AdtEvent(IdentityChange.MOVE_NUMBER, keeps_visit=False),
    "A44": AdtEvent(IdentityChange.MOVE_ACCOUNT, keeps_visit=False),
    "A45": AdtEvent(IdentityChange.MOVE_VISIT, keeps_visit=False),
    "A47": AdtEvent(IdentityChange.CHANGE_NUMBER, keeps_visit=False),
    "A49": AdtEvent(IdentityChange.CHANGE_ACCOUNT, keeps_visit=False),
}
"""Every event that is served; another one is no news of a visit and answered as not served."""

_NO_EVENT = AdtEvent()


def adt_event(trigger: str) -> AdtEvent:
    """Return what *trigger* ("A08") means; an order's or a report's trigger tells of its patient and visit, and no more."""
    return ADT_EVENTS.get(trigger, _NO_EVENT)
