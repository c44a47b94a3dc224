"""What the intake desk does besides deciding single cases, as callables that wiring hands in."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.flows.ask_technologist import TechnologistQuestions
from bridge.flows.bulk_cases import BulkDesk
from bridge.flows.check_tags import Looks


@dataclass(frozen=True)
class Casework:
    """looks: what people note on import checklists. questions: what technologists are asked. bulk: one thing with many cases."""

    looks: Looks
    questions: TechnologistQuestions
    bulk: BulkDesk
