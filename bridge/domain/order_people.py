"""Who asked for an order and who sent the patient, with the number that came with that very name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.domain.code import Code
from bridge.domain.identifiers import EntityIdentifier, is_npi
from bridge.domain.order import Order

NPI = "NPI"
_NPI_ISSUERS = frozenset({NPI, "2.16.840.1.113883.4.6"})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is named. name: PN. number: theirs, with its issuer; an NPI's issuer is "NPI"."""

    name: str = ""
    number: EntityIdentifier = field(default_factory=EntityIdentifier)

    @property
    def has_npi(self) -> bool:
        """Whether the number is one of the United States' registry of providers."""
        return self.number.issuer.upper() in _NPI_ISSUERS


def requesting(order: Order) -> Person:
    """Return who asked for *order*."""
    return _numbered(order.requesting_physician, order.details.get("requesting_physician_code"))


def referring(order: Order) -> Person:
    """Return who sent the patient, else who asked for *order*."""
    if not order.referring_physician_name:
        return requesting(order)
    return _numbered(order.referring_physician_name, order.details.get("referring_physician_code"))


def npi_of(person: Person) -> str:
    """Return a person's NPI, "" where another number, or none, is known."""
    number = person.number
    return number.value if person.has_npi and is_npi(number.value) else ""


def _numbered(name: str, numbers: Sequence[Code] | None) -> Person:
    """Return a person with their number, if it came with that very name: name and number may be of two messages."""
    words = " ".join(name.split("=")[0].replace("^", " ").split())
    number = next((one for one in numbers or () if words and one.code_meaning == words), Code())
    return Person(name, EntityIdentifier(number.code_value, number.coding_scheme_designator))
