"""Items of preauthorization Claims and of the answers to them, read into lines of an authorization.

Source: HL7 Da Vinci PAS, profile-claim and profile-claimresponse; FHIR R4 Claim.item, ClaimResponse.item and addItem.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.domain.authorization import DECISIONS, GRANTING, AuthorizationLine
from bridge.domain.identifiers import is_npi
from bridge.domain.records import replace
from bridge.mapping.fhir_fields import Json, Resource

_BILLED = frozenset(
    {
        "http://www.ama-assn.org/go/cpt",
        "urn:oid:2.16.840.1.113883.6.285",
        "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    }
)
_NPI = "http://hl7.org/fhir/sid/us-npi"
_TEXT_MAX = 64


def answered_lines(resource: Resource, asked: Mapping[int, AuthorizationLine]) -> tuple[AuthorizationLine, ...]:
    """Return what a ClaimResponse says of each line that it names. asked: the lines of its request by sequence, as far as known."""
    answered = [_answered(item, asked) for item in resource.each("item")]
    found = _with_added(answered, resource.each("addItem"), asked)
    return tuple(line for line in found if line.sequence or line.code)


def own_reference(item: Json) -> str:
    """Return what the payer calls an item that it did not grant: its tracking number, else the number beside its decision."""
    tracking = _value(item, "administrationReferenceNumber")
    action = _review_of_item(item)
    return tracking or ("" if decision_of(action) in GRANTING else text_of(action, "number"))


def _review_of_item(item: Json) -> Json:
    adjudications = item.get("adjudication") or []
    return next((one for each in _objects(adjudications) if (one := review_of(each))), {})


def _answered(item: Json, asked: Mapping[int, AuthorizationLine]) -> AuthorizationLine:
    """Return what was decided on an item: its number stands in its review action, else beside it."""
    sequence = _number(item.get("itemSequence"))
    line = asked.get(sequence, AuthorizationLine("", sequence=sequence))
    action = _review_of_item(item)
    period = next((one.get("valuePeriod") for one in extensions(item, "itemPreAuthPeriod")), None)
    period = period if isinstance(period, Mapping) else {}
    detail = next(iter(extensions(item, "itemAuthorizedDetail")), {})
    authorized = _billed(_inner(detail, "productOrServiceCode").get("valueCodeableConcept"))
    parts = (one for one in _objects(detail.get("extension")) if one.get("url") == "modifier")
    modifiers = tuple(code.upper() for one in parts for code in codes_of(one.get("valueCodeableConcept"))[:1])
    quantity = _inner(detail, "quantity").get("valueQuantity")
    decision = decision_of(action)
    number = text_of(action, "number") or _value(item, "authorizationNumber")
    return replace(
        line,
        code=authorized or line.code,
        modifiers=modifiers or line.modifiers,
        decision=decision,
        number=number if decision in GRANTING else "",
        reason_codes=reasons(action),
        approved_units=_quantity(quantity),
        service_from=day_of(period.get("start")) or line.service_from,
        service_to=day_of(period.get("end")) or line.service_to,
    )


def _with_added(
    answered: list[AuthorizationLine], added: list[Json], asked: Mapping[int, AuthorizationLine]
) -> list[AuthorizationLine]:
    """
    Return *answered* with the lines that the payer added: one that takes the place of a single line is that line.

    What was decided on the line itself stands. Source: FHIR R4 ClaimResponse.addItem; PAS, authorized instead of requested.
    """
    found = list(answered)
    for item in added:
        sequences = item.get("itemSequence")
        numbers = [number for one in sequences if (number := _number(one))] if isinstance(sequences, list) else []
        replaced = numbers[0] if len(numbers) == 1 else 0
        place = next((at for at, line in enumerate(found) if replaced and line.sequence == replaced), None)
        blank = AuthorizationLine("", sequence=replaced)
        line = found[place] if place is not None else asked.get(replaced, blank)
        made = _authorized_instead(item, line)
        if place is not None:
            found[place] = made
        else:
            found.append(made)
    return found


def _authorized_instead(item: Json, line: AuthorizationLine) -> AuthorizationLine:
    action, period = _review_of_item(item), item.get("servicedPeriod")
    period = period if isinstance(period, Mapping) else {}
    decision = line.decision or decision_of(action)
    code = _billed(item.get("productOrService"))
    modifiers = tuple(one.upper() for each in _objects(item.get("modifier")) for one in codes_of(each)[:1])
    number = text_of(action, "number") or _value(item, "authorizationNumber")
    return replace(
        line,
        code=code or line.code,
        description=_words(item.get("productOrService")) if code else line.description,
        modifiers=modifiers or line.modifiers,
        decision=decision,
        number=line.number or (number if decision in GRANTING else ""),
        reason_codes=line.reason_codes or reasons(action),
        approved_units=_quantity(item.get("quantity")) or line.approved_units,
        place_of_service=next(iter(codes_of(item.get("locationCodeableConcept"))), "")[:2] or line.place_of_service,
        service_from=day_of(item.get("servicedDate")) or day_of(period.get("start")) or line.service_from,
        service_to=day_of(period.get("end")) or line.service_to,
    )


def lines_of_claim(claim: Resource) -> Iterator[AuthorizationLine]:
    """Yield what a Claim asks for, line by line."""
    diagnoses = {
        _number(one.get("sequence")): next(iter(codes_of(one.get("diagnosisCodeableConcept"))), "")
        for one in claim.each("diagnosis")
    }
    performers = [npi for one in claim.each("careTeam") if (npi := _npi_of(claim, one.get("provider")))]
    for item in claim.each("item"):
        period = item.get("servicedPeriod")
        period = period if isinstance(period, Mapping) else {}
        sequences = item.get("diagnosisSequence")
        named = (
            [diagnoses.get(_number(one), "") for one in sequences]
            if isinstance(sequences, list)
            else diagnoses.values()
        )
        concept = item.get("productOrService")
        yield AuthorizationLine(
            _billed(concept) or next(iter(codes_of(concept)), "")[:20],
            _words(concept),
            sequence=_number(item.get("sequence")),
            trace=_item_trace(item),
            modifiers=tuple(code.upper() for one in _objects(item.get("modifier")) for code in codes_of(one)[:1]),
            diagnoses=tuple(filter(None, named)),
            requested_units=_quantity(item.get("quantity")),
            place_of_service=next(iter(codes_of(item.get("locationCodeableConcept"))), "")[:2],
            rendering_npi=next(iter(performers), ""),
            service_from=day_of(item.get("servicedDate")) or day_of(period.get("start")),
            service_to=day_of(period.get("end")),
        )


def _npi_of(resource: Resource, reference: object) -> str:
    found = resource.resolve(reference, "careTeam") if isinstance(reference, Mapping) else None
    if found is not None and found.kind == "PractitionerRole":
        found = found.resolve(found.first("practitioner"), "practitioner")
    numbers = found.each("identifier") if found is not None else []
    values = (str(one.get("value") or "") for one in numbers if one.get("system") == _NPI)
    return next((one for one in values if is_npi(one)), "")


def _item_trace(item: Json) -> str:
    for one in extensions(item, "itemTraceNumber"):
        identifier = one.get("valueIdentifier")
        if isinstance(identifier, Mapping):
            return str(identifier.get("value") or "")[:_TEXT_MAX]
    return ""


def extensions(said: object, name: str) -> list[Json]:
    """Return the extensions whose address ends in *name*, as releases of the guide place them under other bases."""
    found = said.get("extension") if isinstance(said, Mapping) else None
    return [one for one in _objects(found) if str(one.get("url") or "").endswith(f"extension-{name}")]


def _inner(said: Json, name: str) -> Json:
    """Return the part *name* of an extension that has parts."""
    parts = _objects(said.get("extension"))
    return next(
        (one for one in parts if str(one.get("url") or "").rpartition("/")[2] in (name, f"extension-{name}")), {}
    )


def review_of(said: object) -> Json:
    """Return the review action on an item's adjudication or on the whole, {} for none."""
    return next(iter(extensions(said, "reviewAction")), {})


def decision_of(action: Json) -> str:
    """Return the decision (HCR01) of a review action, "" for none, or one that is not known."""
    codes = codes_of(_inner(action, "reviewActionCode").get("valueCodeableConcept"))
    return next((one for one in codes if one in DECISIONS), "")


def reasons(action: Json) -> tuple[str, ...]:
    """Return why it was decided so (HCR03), as the payer codes it."""
    parts = [one for one in _objects(action.get("extension")) if "reasonCode" in str(one.get("url") or "")]
    return tuple(code for one in parts for code in codes_of(one.get("valueCodeableConcept")))[:5]


def text_of(action: Json, name: str) -> str:
    """Return the text *name* of a review action."""
    return str(_inner(action, name).get("valueString") or "")[:_TEXT_MAX]


def _value(item: Json, name: str) -> str:
    return next((str(one.get("valueString") or "") for one in extensions(item, name)), "")[:_TEXT_MAX]


def first_code(items: list[Json], name: str) -> str:
    """Return the code of the first extension *name* that an item has."""
    found = (
        code for item in items for one in extensions(item, name) for code in codes_of(one.get("valueCodeableConcept"))
    )
    return next(found, "")


def _codings(concept: object) -> list[tuple[str, str]]:
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    return [
        (str(one.get("system") or ""), str(one.get("code") or "")[:40]) for one in _objects(codings) if one.get("code")
    ]


def codings_of(items: list[Json], name: str) -> list[tuple[str, str]]:
    """Return (system, code) of every coding of the element *name* of these."""
    return [pair for item in items for pair in _codings(item.get(name))]


def codes_of(concept: object) -> list[str]:
    """Return the codes of a CodeableConcept, [] of anything else."""
    return [code for _, code in _codings(concept)]


def _billed(concept: object) -> str:
    return next((code for system, code in _codings(concept) if system in _BILLED), "")


def _words(concept: object) -> str:
    if not isinstance(concept, Mapping):
        return ""
    displays = (one.get("display") for one in _objects(concept.get("coding")))
    return str(next((one for one in displays if one), "") or concept.get("text") or "")[:400]


def _quantity(said: object) -> str:
    value = said.get("value") if isinstance(said, Mapping) else None
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _number(said: object) -> int:
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 < said < 10_000 else 0


def day_of(said: object) -> str:
    """Return a date or dateTime as "YYYYMMDD", "" for neither."""
    at = said[:10].replace("-", "") if isinstance(said, str) else ""
    return at if len(at) == 8 and at.isascii() and at.isdecimal() else ""


def _objects(said: Any) -> list[Json]:
    found = said if isinstance(said, list) else [said] if isinstance(said, Mapping) else []
    return [one for one in found if isinstance(one, Mapping)]
