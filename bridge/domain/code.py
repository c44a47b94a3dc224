"""Coded entries: procedures, diagnoses, persons' numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A coded entry. Source: PS3.3 8.8, HL7 2.5.1 2.A.6 (CE)."""

    code_value: str = ""
    coding_scheme_designator: str = ""
    code_meaning: str = ""

    def __bool__(self) -> bool:
        return bool(self.code_value or self.code_meaning)
