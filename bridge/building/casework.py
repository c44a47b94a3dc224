"""What the intake desk does besides deciding single cases, joined to one house."""

from __future__ import annotations

from bridge.flows.ask_technologist import TechnologistQuestions
from bridge.flows.bulk_cases import BulkDesk
from bridge.flows.check_tags import Looks
from bridge.web.casework import Casework
from bridge.wiring import House


def casework(house: House) -> Casework:
    """Return it."""
    return Casework(
        Looks(house.store, house.clock, house.rules.checklist),
        TechnologistQuestions(house.store, house.clock),
        BulkDesk(house.store, house.clock),
    )
