"""Persons' names, HL7 to DICOM. Source: HL7 2.5.1 2.A.88 (XPN), 2.A.86 (XCN), 2.A.8 (CNN); PS3.5 6.2.1.2 (PN)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from bridge.codecs.hl7.er7 import NULL, Message
from bridge.domain.code import Code
from bridge.domain.romanise import is_han
from bridge.mapping.convert import Context, Raw
from bridge.mapping.grammar import Path

_GROUP_MAX = 64
_ILLEGAL = re.compile("[\\^=\\\\\x00-\x1f\x7f]+")
# XPN and XCN put the suffix before the prefix, PN the prefix before the suffix.
_XPN = (1, 2, 3, 5, 4, 6)
_XCN = (2, 3, 4, 6, 5, 7)
_GROUPS = ("A", "I", "P")
# Of a name's types L is the one to go by; the rest are other names. Source: HL7 table 0200.
_FORMER_OR_OTHER = frozenset({"A", "B", "C", "D", "I", "K", "M", "N", "NB", "NOUSE", "R", "S", "TEMP"})


def person_name(context: Context, raw: Raw, path: Path) -> str | None:
    """Return the patient's PN: the legal name, with its ideographic and phonetic repetitions as groups."""
    names = _patient_names(context, raw, path)
    return names[0] if names else None


def other_person_names(context: Context, raw: Raw, path: Path) -> tuple[str, ...] | None:
    """Return every name but the one that `person_name` takes."""
    # One repetition is one name.
    return tuple(_patient_names(context, raw, path)[1:]) or None if len(raw) > 1 else None


def all_person_names(context: Context, raw: Raw, path: Path) -> tuple[str, ...] | None:
    """Return every name (PID-9, PID-6)."""
    return tuple(_patient_names(context, raw, path)) or None


_NPI = "NPI"


def xcn_name(context: Context, raw: Raw, path: Path) -> str | None:
    """
    Return the PN of the first caregiver (XCN); a lone text is a family name, a lone number none at all.

    Further repetitions count only as the same person's name in another representation (XCN.15).
    """
    groups: dict[str, str] = {}
    number = ""
    for repetition in raw:
        parts = _first_parts(context, repetition)
        if groups and parts[0] != number:
            break
        representation = parts[14] if len(parts) > 14 else ""
        name = _caregiver(context, parts, path) if repetition != NULL else None
        if name:
            number = number or parts[0]
            groups.setdefault(representation if representation in _GROUPS else "A", name)
        if not representation:
            break
    return _join_groups(groups) or None


def each_xcn_name(context: Context, raw: Raw, path: Path) -> tuple[str, ...] | None:
    """Return the PN of every XCN, in order."""
    found = (xcn_name(context, [repetition], path) for repetition in raw if repetition != NULL)
    return tuple(dict.fromkeys(name for name in found if name)) or None


def xcn_number(context: Context, raw: Raw, path: Path) -> tuple[Code, ...] | None:
    """Return the number of the first caregiver (XCN) as a code of whoever gave it, the name its meaning."""
    return _number(context, context.message.components(raw[0]), 9, path)


def cnn_number(context: Context, raw: Raw, path: Path) -> tuple[Code, ...] | None:
    """Return the number of NDL.1 as `xcn_number` does; its parts are subcomponents, or components."""
    return _number(context, _cnn_parts(context, raw[0]), 9, path)


def _number(context: Context, parts: list[str], authority: int, path: Path) -> tuple[Code, ...] | None:
    decoded = [context.message.decode(part) for part in parts]
    number, name = decoded[0], _pn(context, decoded, _XCN, path)
    if not number or (not name and not any(char.isdigit() for char in number)):
        return None
    mark = context.message.delimiters.subcomponent
    issuer = parts[authority - 1].split(mark or None)[:1] if len(parts) >= authority and parts[authority - 1] else []
    scheme = context.message.decode(issuer[0]) if issuer else ""
    if not scheme and _NPI in decoded[authority:]:
        # A number of this kind is one country's, whoever wrote it down. Source: HL7 table 0203.
        scheme = _NPI
    return (Code(number, scheme, " ".join(name.replace("^", " ").split())),)


def cnn_name(context: Context, raw: Raw, path: Path) -> str | None:
    """Return the PN of NDL.1 (OBR-32 to 35), whose parts are subcomponents, or components where a sender makes them so."""
    return _caregiver(context, [context.message.decode(part) for part in _cnn_parts(context, raw[0])], path)


def _cnn_parts(context: Context, repetition: str) -> list[str]:
    components = context.message.components(repetition)
    mark = context.message.delimiters.subcomponent
    return components[0].split(mark) if mark and mark in components[0] else components


def each_cnn_name(context: Context, raw: Raw, path: Path) -> tuple[str, ...] | None:
    """Return the PN of every NDL, in order: the first is the responsible one."""
    found = (cnn_name(context, [repetition], path) for repetition in raw if repetition != NULL)
    return tuple(dict.fromkeys(name for name in found if name)) or None


def _caregiver(context: Context, parts: list[str], path: Path) -> str | None:
    name = _pn(context, parts, _XCN, path)
    if name:
        return name
    lone = parts[0] if parts else ""
    return _clean(lone) or None if lone and not any(c.isdigit() for c in lone) else None


def _patient_names(context: Context, raw: Raw, path: Path) -> list[str]:
    """Return every name, the legal one first. Repetitions of one type that differ in representation are one name."""
    by_type: dict[str, list[dict[str, str]]] = {}
    for repetition in raw:
        if repetition == NULL:
            continue
        parts = _first_parts(context, repetition)
        name = _pn(context, parts, _XPN, path)
        if not name:
            continue
        kind, representation = [*parts, *[""] * 8][6:8]
        group = representation if representation in _GROUPS else _group_by_script(name, len(raw))
        if group != "A" and not kind and "L" in by_type:
            kind = "L"
        same = by_type.setdefault(kind, [])
        if not same or group in same[-1]:
            same.append({})
        same[-1][group] = name
    ordered = sorted(by_type, key=lambda kind: (kind in _FORMER_OR_OTHER, kind != "L"))
    return [_join_groups(groups) for kind in ordered for groups in by_type[kind]]


def _group_by_script(name: str, repetitions: int) -> str:
    """Return the group of a name whose sender gives no XPN.8 but the same name in several scripts: kanji, kana, Latin."""
    if repetitions == 1 or name.isascii():
        return "A"
    letters = [char for char in unicodedata.normalize("NFKC", name) if char.isalpha()]
    if any(is_han(char) for char in letters):
        return "I"
    return "P" if letters and all("\u3040" <= char <= "\u30ff" for char in letters) else "A"


def _join_groups(groups: dict[str, str]) -> str:
    return "=".join(groups.get(group, "") for group in _GROUPS).rstrip("=")


def _pn(context: Context, parts: Sequence[str], order: tuple[int, ...], path: Path) -> str:
    """Return one component group; order: where family, given, middle, prefix, suffix and degree stand."""
    family, given, middle, prefix, suffix, degree = (_clean(parts[n - 1]) if n <= len(parts) else "" for n in order)
    suffix = f"{suffix} {degree}".strip()
    name = "^".join((family, given, middle, prefix, suffix)).rstrip("^")
    if len(name) > _GROUP_MAX:
        context.warn(f"a name longer than {_GROUP_MAX} characters was cut", path.where)
        name = name[:_GROUP_MAX].rstrip("^ ")
    return name


def _first_parts(context: Context, repetition: str) -> list[str]:
    """
    Return the components decoded, of each the surname (FN); what follows are its parts, which PN has no place for.

    Where the surname stands without the prefix of its own (`Eichen&von&Eichen`), the prefix goes before it.
    Source: HL7 2.5.1 2.A.30.
    """
    message = context.message
    mark = message.delimiters.subcomponent
    if not mark or mark not in repetition:
        return message.parts(repetition)
    return [_first_part(message, component, mark) for component in message.components(repetition)]


def _first_part(message: Message, component: str, mark: str) -> str:
    decode = message.decode
    if mark not in component:
        return decode(component)
    surname, prefix, own = [*(decode(part) for part in component.split(mark, 3)[:3]), ""][:3]
    return f"{prefix} {surname}" if prefix and own and surname == own else surname or f"{prefix} {own}".strip()


def _clean(text: str) -> str:
    if text.isalnum():
        return text
    return " ".join(_ILLEGAL.sub(" ", text).split())
