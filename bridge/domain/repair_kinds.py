"""The repairs there are. Each reads one kind of wrong form and leaves alone whatever it is not sure of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from bridge.domain.repairs import Texts

_MAX_COMPONENTS = 5
_DATE_PARTS = {"YYYY": 4, "MM": 2, "DD": 2}
_TIME_PARTS = {"HH": 2, "MM": 2, "SS": 2}
_SEPARATORS = " -/.,:"


@dataclass(frozen=True, slots=True)
class CommaName:
    """A name of one component with a comma: "DOE, JOHN" is family and given name. Source: PS3.5 6.2.1 (PN)."""

    keywords: tuple[str, ...]

    def read(self, texts: Texts) -> dict[str, str]:
        """Return the names whose groups have one comma, or two where a degree or suffix follows, and no caret."""
        return {key: "=".join(map(_split_at_comma, texts[key].split("="))) for key in self.keywords if texts.get(key)}


def _split_at_comma(group: str) -> str:
    parts = [part.strip() for part in group.split(",")]
    if "^" in group or not 2 <= len(parts) <= 3 or not all(parts):
        return group
    # Family, given, then whatever stands behind: the suffix is the fifth component.
    return "^".join(parts[:2]) + (f"^^^{parts[2]}" if len(parts) == 3 else "")


@dataclass(frozen=True, slots=True)
class FiveComponents:
    """A name has five components; what stands beyond them is joined to the last. Source: PS3.5 6.2.1."""

    keywords: tuple[str, ...]

    def read(self, texts: Texts) -> dict[str, str]:
        """Return the names that have more."""
        return {key: "=".join(map(_five, texts[key].split("="))) for key in self.keywords if texts.get(key)}


def _five(group: str) -> str:
    parts = group.split("^")
    if len(parts) <= _MAX_COMPONENTS:
        return group
    last = " ".join(part for part in parts[_MAX_COMPONENTS - 1 :] if part.strip())
    return "^".join([*parts[: _MAX_COMPONENTS - 1], last]).rstrip("^")


@dataclass(frozen=True, slots=True)
class GluedIssuer:
    """
    A number with its authority in Patient ID, as HL7 writes them: "123^^^HOSP".

    authorities: spellings, folded, to the name of an authority that is configured; no other is believed.
    """

    authorities: Mapping[str, str]

    def read(self, texts: Texts) -> dict[str, str]:
        """Return number and issuer, unless the issuer is unknown or the header names another one."""
        number, *rest = texts.get("PatientID", "").split("^")
        if len(rest) < 3 or any(part.strip() for part in rest[:2]) or not number.strip():
            return {}
        spelled = [part.strip().casefold() for part in rest[2].split("&")]
        named = next((self.authorities[part] for part in spelled if part in self.authorities), "")
        stated = texts.get("IssuerOfPatientID", "").strip()
        if not named or (stated and self.authorities.get(stated.casefold()) != named):
            return {}
        return {"PatientID": number.strip(), "IssuerOfPatientID": named}


@dataclass(frozen=True, slots=True)
class Words:
    """Words that stand for a code: MALE for M. table: folded word to code."""

    keywords: tuple[str, ...]
    table: Mapping[str, str]

    def read(self, texts: Texts) -> dict[str, str]:
        """Return the codes of the words that the table has."""
        found = {key: self.table.get(texts.get(key, "").strip().casefold()) for key in self.keywords}
        return {key: code for key, code in found.items() if code is not None}


@dataclass(frozen=True, slots=True)
class UpperCase:
    """A code string in small letters. Source: PS3.5 6.2 (CS)."""

    keywords: tuple[str, ...]

    def read(self, texts: Texts) -> dict[str, str]:
        """Return them in capitals."""
        return {key: texts[key].upper() for key in self.keywords if texts.get(key)}


@dataclass(frozen=True, slots=True)
class AgeForm:
    """An age without its unit, or not in three digits: "45" is 045Y. Source: PS3.5 6.2 (AS)."""

    keywords: tuple[str, ...]

    def read(self, texts: Texts) -> dict[str, str]:
        """Return the ages that can be written so."""
        return {key: age for key in self.keywords if (age := _age(texts.get(key, "").strip()))}


def _age(text: str) -> str:
    unit = text[-1:].upper() if text[-1:].isalpha() else "Y"
    digits = text.rstrip("DWMYdwmy").strip() if text[-1:].isalpha() else text
    if not (digits.isascii() and digits.isdigit()) or unit not in "DWMY" or int(digits) > 999:
        return ""
    return f"{int(digits):03}{unit}"


@dataclass(frozen=True, slots=True)
class DateForm:
    """A date in another order. form: "MM/DD/YYYY" or the like; one value that fits it is a date of the calendar or left."""

    keywords: tuple[str, ...]
    form: str

    def read(self, texts: Texts) -> dict[str, str]:
        """Return the dates that are written in that form as YYYYMMDD."""
        return {key: found for key in self.keywords if (found := self._date(texts.get(key, "").strip()))}

    def _date(self, text: str) -> str:
        parts = parts_of(text, self.form, _DATE_PARTS)
        if parts is None:
            return ""
        try:
            return date(int(parts["YYYY"]), int(parts["MM"]), int(parts["DD"])).strftime("%Y%m%d")
        except ValueError:
            return ""


@dataclass(frozen=True, slots=True)
class TimeForm:
    """A time in another form: "HH.MM.SS"."""

    keywords: tuple[str, ...]
    form: str

    def read(self, texts: Texts) -> dict[str, str]:
        """Return the times that are written in that form as HHMMSS."""
        return {key: found for key in self.keywords if (found := self._time(texts.get(key, "").strip()))}

    def _time(self, text: str) -> str:
        parts = parts_of(text, self.form, _TIME_PARTS)
        if parts is None or int(parts["HH"]) > 23 or int(parts["MM"]) > 59 or int(parts.get("SS", "0")) > 60:
            return ""
        return f"{parts['HH']}{parts['MM']}{parts.get('SS', '00')}"


def parts_of(text: str, form: str, widths: Mapping[str, int]) -> dict[str, str] | None:
    """
    Return the parts of *text* by their names in *form*, None if it is not written so.

    A part of two digits may lack its leading zero where a separator follows or the text ends.

    >>> parts_of("1/31/2024", "MM/DD/YYYY", {"YYYY": 4, "MM": 2, "DD": 2})
    {'MM': '01', 'DD': '31', 'YYYY': '2024'}
    """
    found: dict[str, str] = {}
    at = place = 0
    while place < len(form):
        name = next((one for one in widths if form.startswith(one, place)), "")
        if not name:
            if text[at : at + 1] != form[place]:
                return None
            at, place = at + 1, place + 1
            continue
        digits = text[at : at + widths[name]]
        while digits and not (digits.isascii() and digits.isdigit()):
            digits = digits[:-1]
        if not digits or (len(digits) < widths[name] and widths[name] != 2):
            return None
        found[name] = digits.zfill(widths[name])
        at, place = at + len(digits), place + len(name)
    return found if at == len(text) else None


def is_form(form: str, *, is_date: bool) -> bool:
    """Say whether *form* names each part once, with nothing but separators between."""
    left = form
    for name in _DATE_PARTS if is_date else ("HH", "MM", "SS"):
        if left.count(name) > 1 or (name not in left and name != "SS"):
            return False
        left = left.replace(name, "")
    return not left.strip(_SEPARATORS)


@dataclass(frozen=True, slots=True)
class NumberForm:
    """A number of a series or an image as people write it: "1,0", "+3", "No 7" stays."""

    keywords: tuple[str, ...]

    def read(self, texts: Texts) -> dict[str, str]:
        """Return the whole numbers."""
        return {key: found for key in self.keywords if (found := _whole(texts.get(key, "").strip()))}


def _whole(text: str) -> str:
    head, _, tail = text.replace(",", ".").partition(".")
    sign, digits = ("-", head[1:]) if head.startswith("-") else ("", head.removeprefix("+"))
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 11 or tail.strip("0"):
        return ""
    return f"{sign}{int(digits)}"


@dataclass(frozen=True, slots=True)
class TakenFrom:
    """
    An accession number that a device puts elsewhere; one that stands in its own place is never overruled.

    shape: what such a number looks like: 9 a digit, @ a letter, anything else itself.
    """

    source: str
    shape: str

    def read(self, texts: Texts) -> dict[str, str]:
        """Return the number, if its own place is empty and the other holds one of that shape."""
        found = texts.get(self.source, "").strip()
        if texts.get("AccessionNumber", "").strip() or not has_shape(found, self.shape):
            return {}
        return {"AccessionNumber": found}


def has_shape(text: str, shape: str) -> bool:
    """
    Say whether *text* looks like *shape*.

    >>> has_shape("RA000123", "RA999999"), has_shape("1", "RA999999")
    (True, False)
    """
    return len(text) == len(shape) and all(map(_fits, text, shape))


def _fits(char: str, wanted: str) -> bool:
    if wanted == "9":
        return char.isascii() and char.isdigit()
    if wanted == "@":
        return char.isascii() and char.isalpha()
    return char == wanted


@dataclass(frozen=True, slots=True)
class Without:
    """What a device puts before or behind a number: "H-123"."""

    keywords: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""

    def read(self, texts: Texts) -> dict[str, str]:
        """Return the numbers that have it, without; nothing but it is left as it is."""
        found = {key: texts.get(key, "") for key in self.keywords}
        bare = {
            key: text.removeprefix(self.prefix).removesuffix(self.suffix)
            for key, text in found.items()
            if text.startswith(self.prefix) and text.endswith(self.suffix)
        }
        return {key: text for key, text in bare.items() if text.strip()}
