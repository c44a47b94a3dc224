"""The named converters that mapping files may use (`as = "..."`), and the limits of what they fill."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from bridge.codecs.hl7.er7 import NULL
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier, is_oid
from bridge.domain.order import Code
from bridge.errors import Malformed
from bridge.mapping import laterality, measures, names
from bridge.mapping.convert import Context, Converter, Moment, Raw
from bridge.mapping.dates import in_hl7_form, read_timestamp
from bridge.mapping.grammar import Path

_IDENTIFIER_MAX = 64
_CONTROL = re.compile("[\x00-\x1f\x7f]+")
_LINE_END = re.compile(r"\r\n|\r|\n")


def text(context: Context, raw: Raw, path: Path) -> str | None:
    """Return one line of text."""
    found = context.text(raw[0], path)
    return _CONTROL.sub(" ", found) or None


def each_text(context: Context, raw: Raw, path: Path) -> tuple[str, ...] | None:
    """Return the text of every repetition."""
    found = (context.text(repetition, path) for repetition in raw if repetition != NULL)
    return tuple(dict.fromkeys(value for value in found if value)) or None


def free_text(context: Context, raw: Raw, path: Path) -> str | None:
    """Return text of several lines: every repetition and every such segment, with CR LF between them."""
    decoded = (context.message.decode(repetition) for repetition in raw)
    return "\r\n".join(_LINE_END.sub("\r\n", line) for line in decoded if line) or None


def yes_no(context: Context, raw: Raw, path: Path) -> bool | None:
    """Return True for Y, False for N. Source: HL7 table 0136."""
    return {"Y": True, "N": False}.get(context.text(raw[0], path).upper())


def local_datetime(context: Context, raw: Raw, path: Path) -> Moment | None:
    """Return a moment by the hospital's clock; a day without a time begins at midnight, with a notice."""
    value = in_hl7_form(context.text(raw[0], path), context.site.policy)
    found = read_timestamp(value, context.zone, path.where) if value else None
    if found is None:
        return None
    moment, precision = found
    if precision < 8:
        context.warn("a time without a day was left out", path.where)
        return None
    if precision < 10:
        context.warn("a day without a time: midnight was taken", path.where, "I")
    return moment


def date(context: Context, raw: Raw, path: Path) -> str | None:
    """Return "YYYYMMDD"; less than a day is left out with a notice, as half a date would be a wrong one."""
    value = in_hl7_form(context.text(raw[0], path), context.site.policy)
    if _is_day(value):
        return value
    found = read_timestamp(value, UTC, path.where) if value else None
    if found is None:
        return None
    if found[1] < 8:
        context.warn("a date without a day was left out", path.where, "I")
        return None
    # The day as written: a birth date has no time zone.
    return value[:8]


def _is_day(value: str) -> bool:
    """Say whether *value* is "YYYYMMDD" and such a day exists."""
    if len(value) != 8 or not (value.isascii() and value.isdigit()):
        return False
    try:
        datetime(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return False
    return True


def coded(context: Context, raw: Raw, path: Path) -> Code | None:
    """Return a code from three components, beginning where the path ends (OBR-4.4: the alternate)."""
    first = path.component or 1
    found = [*context.message.parts(raw[0], first - 1, first + 2), "", "", ""]
    value, meaning, scheme = (_CONTROL.sub(" ", part) for part in found[:3])
    return Code(value, scheme, meaning) if value or meaning else None


def codes(context: Context, raw: Raw, path: Path) -> tuple[Code, ...] | None:
    """Return the code of every repetition of every such segment; a lone text without any digit is no code."""
    found = [coded(context, [repetition], path) for repetition in raw if repetition != NULL]
    return tuple(dict.fromkeys(code for code in found if code is not None and _is_code(code))) or None


def _is_code(code: Code) -> bool:
    if code.coding_scheme_designator or (code.code_value and code.code_meaning):
        return bool(code.code_value)
    return " " not in code.code_value and any(char.isdigit() for char in code.code_value)


def languages(context: Context, raw: Raw, path: Path) -> tuple[Code, ...] | None:
    """Return the languages of a CE: of ISO 639, in two letters or in three, where it says no scheme. Source: PS3.16 CID 5000."""
    found = [coded(context, [repetition], path) for repetition in raw if repetition != NULL]
    return tuple(dict.fromkeys(_language(code) for code in found if code is not None and code.code_value)) or None


def _language(code: Code) -> Code:
    value, scheme = code.code_value, code.coding_scheme_designator
    if value.isascii() and value.isalpha() and (not scheme or scheme.startswith(("ISO", "HL7"))):
        if len(value) == 2:
            return Code(value.lower(), "RFC5646", code.code_meaning)
        if len(value) == 3:
            return Code(value.lower(), "ISO639_2", code.code_meaning)
    return code


def coded_texts(context: Context, raw: Raw, path: Path) -> tuple[str, ...] | None:
    """Return what every coded entry (CE) of every such segment means in words, its code where it has none."""
    message = context.message
    found = (
        _CONTROL.sub(" ", message.part(repetition, 2) or message.part(repetition, 1))
        for repetition in raw
        if repetition != NULL
    )
    return tuple(dict.fromkeys(text for text in found if text)) or None


def identifiers(context: Context, raw: Raw, path: Path) -> tuple[PatientIdentifier, ...] | None:
    """Return every CX of a field with its authority, each once. Source: HL7 2.5.1 2.A.14."""
    found: dict[tuple[str, str], PatientIdentifier] = {}
    for repetition in raw:
        value = context.message.part(repetition, 1, 1) if repetition != NULL else ""
        if not value:
            continue
        if len(value) > _IDENTIFIER_MAX:
            raise Malformed(f"longer than {_IDENTIFIER_MAX} characters", code="too_long", where=path.where)
        if "\\" in value:
            raise Malformed("holds a backslash", where=path.where, source="PS3.5 6.2")
        authority, oid = _authority(context, repetition, 4)
        identifier = PatientIdentifier(value, authority, context.message.part(repetition, 5), oid)
        found.setdefault(identifier.key, identifier)
    return tuple(found.values()) or None


def entity(context: Context, raw: Raw, path: Path) -> EntityIdentifier | None:
    """Return an EI: its components 2 and 3 are the issuer. Source: HL7 2.5.1 2.A.28."""
    value, namespace, universal = [*context.message.parts(raw[0], 0, 3), "", ""][:3]
    return _entity(context, value, namespace, universal) if value else None


def entity_in_parts(context: Context, raw: Raw, path: Path) -> EntityIdentifier | None:
    """Return an EI that is a component, its parts subcomponents (EIP, ORC-8). Source: HL7 2.5.1 2.A.29."""
    message, component = context.message, path.component or 1
    value, namespace, universal = (message.part(raw[0], component, part) for part in (1, 2, 3))
    return _entity(context, value, namespace, universal) if value else None


def _entity(context: Context, value: str, namespace: str, universal: str) -> EntityIdentifier:
    issuer = namespace or context.defaults.authority_names.get(universal, "") or universal or context.authority
    return EntityIdentifier(value, issuer, _oid(context, issuer, universal))


def account(context: Context, raw: Raw, path: Path) -> EntityIdentifier | None:
    """Return a CX as a number with its authority (PV1-19, PID-18)."""
    value = context.message.part(raw[0], 1)
    return EntityIdentifier(value, *_authority(context, raw[0], 4)) if value else None


def location(context: Context, raw: Raw, path: Path) -> str | None:
    """Return a PL as point of care, room and bed. Source: HL7 2.5.1 2.A.53."""
    message = context.message
    return "-".join(part for n in (1, 2, 3) if (part := message.part(raw[0], n, 1))) or None


def address(context: Context, raw: Raw, path: Path) -> str | None:
    """Return an XAD as one line; where a sender has the whole address in XAD.8 (Japan), that. Source: HL7 2.5.1 2.A.83."""
    message = context.message
    parts = [message.part(raw[0], n, 1) for n in (1, 2, 3, 4, 5, 6)]
    if not any(parts[:4]):
        parts.append(message.part(raw[0], 8))
    return ", ".join(part for part in parts if part) or None


def telephone(context: Context, raw: Raw, path: Path) -> str | None:
    """Return an XTN: as typed, else country, area and number, else the unformatted one. Source: HL7 2.5.1 2.A.89."""
    message = context.message
    typed = message.part(raw[0], 1)
    return typed or "".join(message.part(raw[0], n) for n in (5, 6, 7)) or message.part(raw[0], 12) or None


def each_telephone(context: Context, raw: Raw, path: Path) -> tuple[str, ...] | None:
    """Return every XTN of a field; of one that has no number, its e-mail address. Source: HL7 2.5.1 2.A.89."""
    message = context.message
    found = (
        telephone(context, [repetition], path) or message.part(repetition, 4)
        for repetition in raw
        if repetition != NULL
    )
    return tuple(dict.fromkeys(number for number in found if number)) or None


def _authority(context: Context, repetition: str, component: int) -> tuple[str, str]:
    """
    Return the name of an HD's authority and its OID, "" if neither it nor the settings say one.

    A universal id that the settings know wins over the sender's own name for it.
    """
    message = context.message
    universal = message.part(repetition, component, 2)
    known = context.defaults.authority_names.get(universal) if universal else None
    name = known or message.part(repetition, component, 1) or universal or context.authority
    return name, _oid(context, name, universal)


def _oid(context: Context, issuer: str, universal: str) -> str:
    return universal if universal and is_oid(universal) else context.defaults.oids.get(issuer, "")


# From a value (OBX-5) to its unit (6), its status (11) and its time (14).
_OF_AN_OBX = (1, 6, 9)

CONVERTERS: Mapping[str, Converter] = {
    "text": Converter(text),
    "each_text": Converter(each_text, ()),
    "free_text": Converter(free_text, gathers=True),
    "yes_no": Converter(yes_no, False),
    "local_datetime": Converter(local_datetime),
    "date": Converter(date),
    "birth_date": Converter(date),
    "code": Converter(coded, Code()),
    "codes": Converter(codes, (), gathers=True),
    "languages": Converter(languages, ()),
    "coded_texts": Converter(coded_texts, (), gathers=True),
    "identifiers": Converter(identifiers, ()),
    "entity": Converter(entity, EntityIdentifier()),
    "entity_in_parts": Converter(entity_in_parts, EntityIdentifier()),
    "account": Converter(account, EntityIdentifier()),
    "person_name": Converter(names.person_name),
    "other_person_names": Converter(names.other_person_names, ()),
    "all_person_names": Converter(names.all_person_names, ()),
    "xcn_name": Converter(names.xcn_name),
    "cnn_name": Converter(names.cnn_name),
    "each_cnn_name": Converter(names.each_cnn_name, ()),
    "each_xcn_name": Converter(names.each_xcn_name, ()),
    "xcn_number": Converter(names.xcn_number, ()),
    "cnn_number": Converter(names.cnn_number, ()),
    "side": Converter(laterality.side),
    "location": Converter(location),
    "address": Converter(address),
    "telephone": Converter(telephone),
    "each_telephone": Converter(each_telephone, ()),
    "weight": Converter(measures.weight, beside=_OF_AN_OBX),
    "size": Converter(measures.size, beside=_OF_AN_OBX),
    "minutes": Converter(measures.minutes, beside=(1,)),
}
