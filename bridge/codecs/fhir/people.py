"""Who did something: persons, organizations and devices, named by number where one is known, and else by their words.

Nobody here has a resource of their own: a name in an image is no registry of practitioners. Source: FHIR R4 2.3.0 (logical
references).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.codecs.fhir.dicom_json import first_text, items_of, texts_of
from bridge.codecs.fhir.elements import clean, display_name, shown
from bridge.codecs.fhir.references import SystemOf, typed_identifier
from bridge.domain.order import Order
from bridge.domain.order_people import Person, referring, requesting

Json = dict[str, Any]

NPI = "http://hl7.org/fhir/sid/us-npi"
USER_SYSTEM = "urn:imaging-bridge:user"
AE_TITLE_SYSTEM = "urn:imaging-bridge:ae-title"
SOFTWARE = "Imaging Bridge"
PERFORMED_SERIES, PERFORMING, OPERATORS = "00400340", "00081050", "00081070"
_SERIES_UID = "0020000E"


def practitioner(person: Person, system_of: SystemOf) -> Json:
    """Return a Reference to *person* by number and name, {} where neither is known."""
    reference = shown("Practitioner", display_name(person.name))
    if not (person.number and person.number.issuer):
        return reference
    if person.has_npi:
        identifier = typed_identifier("NPI", NPI, person.number.value)
    else:
        identifier = {"system": system_of(person.number.issuer), "value": person.number.value}
    return {"type": "Practitioner", "identifier": identifier} | reference


def requester(order: Order, system_of: SystemOf) -> Json:
    """Return a Reference to who asked for *order*, {} where nobody is named."""
    return practitioner(requesting(order), system_of)


def referrer(order: Order, system_of: SystemOf) -> Json:
    """Return a Reference to who sent the patient, else to who asked for *order*, {} where nobody is named."""
    return practitioner(referring(order), system_of)


# Of what an EHR calls people, what an agent may be. Source: FHIR R4 and R5, AuditEvent.agent.who.
_WHO_LOOKS = ("Practitioner", "PractitionerRole", "RelatedPerson", "Patient")


def user(actor: str) -> Json:
    """
    Return a Reference to who signs in here. actor: "user:maria" or "token:ris"; a program is a device.

    "ehr:mercy:Practitioner/7" and "link:dr.jones" are people that others name; of what type, only an EHR says.
    """
    kind, _, name = actor.partition(":")
    said = name.rpartition(":")[2].partition("/")[0]
    is_said = kind == "ehr" and said in _WHO_LOOKS
    return {
        "type": said if is_said else "Practitioner" if kind in ("user", "ehr", "link") else "Device",
        "identifier": {"system": USER_SYSTEM, "value": actor},
        "display": name or actor,
    }


def organization(name: str, identifier: Json | None = None) -> Json:
    """Return a Reference to an organization, {} where nothing is known of it."""
    reference = shown("Organization", name)
    return {"type": "Organization", "identifier": identifier} | reference if identifier else reference


def device(ae_title: str) -> Json:
    """Return a Reference to a DICOM device by its AE title, {} without one."""
    title = clean(ae_title)
    if not title:
        return {}
    return {"type": "Device", "identifier": {"system": AE_TITLE_SYSTEM, "value": title}, "display": title}


def software() -> Json:
    """Return a Reference to this program."""
    return {"type": "Device", "display": SOFTWARE}


def performers_by_series(performed: Sequence[Mapping[str, Any]], system_of: SystemOf) -> dict[str, tuple[Json, ...]]:
    """Return who performed each series, by its UID, as performed steps in DICOM JSON say. Source: PS3.3 C.4.16."""
    found: dict[str, tuple[Json, ...]] = {}
    for item in (one for attributes in performed for one in items_of(attributes, PERFORMED_SERIES)):
        named = (Person(name) for tag in (PERFORMING, OPERATORS) for name in texts_of(item, tag))
        references = tuple(one for person in named if (one := practitioner(person, system_of)))
        uid = first_text(item, _SERIES_UID)
        found[uid] = (*found.get(uid, ()), *references)
    return found
