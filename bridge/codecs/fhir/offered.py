"""What a FHIR server offers for each kind of resource, read from its CapabilityStatement.

Source: FHIR R4 CapabilityStatement (rest.interaction, rest.resource), 3.1.0.1.10.2 (update as create), 3.1.0.8.1, 3.1.0.4.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.codecs.fhir.elements import objects_in

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """
    What is offered for one kind of resource; None where the server does not say.

    takes_ids: a client may choose the id of what it creates (updateCreate).
    """

    interactions: frozenset[str] = frozenset()
    takes_ids: bool | None = None
    conditional_create: bool | None = None
    conditional_update: bool | None = None

    def may(self, interaction: str) -> bool:
        """Say whether *interaction* ("delete", "patch") is offered in so many words."""
        return interaction in self.interactions


@dataclass(frozen=True, slots=True)
class Offered:
    """What a server says of itself; nothing, if it says nothing that can be read. software: its name, for people."""

    fhir_version: str = ""
    software: str = ""
    transactions: bool = False
    kinds: Mapping[str, Kind] = field(default_factory=dict)

    def of(self, kind: str) -> Kind:
        """Return what is offered for *kind*; nothing is known of one that is not listed."""
        return self.kinds.get(kind, _UNSAID)


_UNSAID = Kind()


def read_statement(said: object) -> Offered:
    """Return what a CapabilityStatement offers; whatever in it is not as FHIR has it counts as not said."""
    if not isinstance(said, dict) or said.get("resourceType") != "CapabilityStatement":
        return Offered()
    rest: Json = next((one for one in objects_in(said.get("rest")) if one.get("mode") == "server"), {})
    software = said.get("software")
    kinds = {str(one.get("type")): _kind(one) for one in objects_in(rest.get("resource"))}
    return Offered(
        fhir_version=_text(said.get("fhirVersion")),
        software=_text(software.get("name")) if isinstance(software, dict) else "",
        transactions="transaction" in _codes(rest),
        kinds=kinds,
    )


def _kind(said: Json) -> Kind:
    return Kind(
        interactions=_codes(said),
        takes_ids=_flag(said, "updateCreate"),
        conditional_create=_flag(said, "conditionalCreate"),
        conditional_update=_flag(said, "conditionalUpdate"),
    )


def _codes(said: Json) -> frozenset[str]:
    return frozenset(_text(one.get("code")) for one in objects_in(said.get("interaction")))


def _flag(said: Json, name: str) -> bool | None:
    value = said.get(name)
    return value if isinstance(value, bool) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
