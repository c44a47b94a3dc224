"""One object of what was typed, read field by field: every fault is noted with its path, and the rest is read on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Any, NamedTuple

from bridge.domain.identifiers import EntityIdentifier, check_ae_title
from bridge.domain.order import Code
from bridge.errors import Incomplete, Malformed

Faults = list[tuple[str, str]]
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_GROUP_MAX = 64
_TITLES_MAX = 20
_SCHEME = "99LOCAL"


class Moment(NamedTuple):
    """local: "YYYYMMDDHHMMSS" as the hospital's clock says, "" for none; at: the same as an instant, UTC."""

    local: str
    at: datetime | None


class Fields:
    """
    What an object says. path: where it stands ("steps[1]"), "" for the whole. faults: shared by all objects of a body.

    A field that is absent is None (not said); null and "" are said to be empty, and erase.
    """

    def __init__(self, said: Mapping[str, Any], faults: Faults, path: str = "") -> None:
        self._said = said
        self.faults = faults
        self.path = path

    def __contains__(self, name: str) -> bool:
        return name in self._said

    def fault(self, name: str, sentence: str) -> None:
        """Note what is wrong with a field."""
        self.faults.append((f"{self.path}.{name}" if self.path and name else self.path or name, sentence))

    def only(self, names: Iterable[str]) -> None:
        """Fault every key but *names*."""
        known = tuple(names)
        for name in self._said:
            if name not in known:
                self.fault(str(name)[:40], f"not a field; known are {', '.join(known)}")

    def text(self, name: str, *, limit: int = 64, required: bool = False, lines: bool = False) -> str | None:
        """Return a text, trimmed. lines: it may have several."""
        if name not in self._said:
            if required:
                self.fault(name, "needed")
            return None
        said = "" if self._said[name] is None else self._said[name]
        if not isinstance(said, str):
            self.fault(name, "a text is wanted")
            return None
        value = said.strip()
        if len(value) > limit:
            self.fault(name, f"longer than {limit} characters")
        elif _CONTROL.search(value) or (not lines and "\n" in value):
            self.fault(name, "holds characters that no text has")
        elif required and not value:
            self.fault(name, "needed")
        return value

    def short(self, name: str, *, limit: int = 16) -> str:
        """Return a number or code, "" if none is said: no backslash, as DICOM would read two values."""
        value = self.text(name, limit=limit) or ""
        if "\\" in value:
            self.fault(name, "holds a backslash")
        return value

    def entity(self, name: str) -> EntityIdentifier:
        """Return an order's or visit's number: a text, or {"value", "issuer"}."""
        if not isinstance(self._said.get(name), Mapping):
            return EntityIdentifier(self.short(name, limit=64))
        of = self.inner(name)
        assert of is not None
        of.only(("value", "issuer"))
        return EntityIdentifier(of.short("value", limit=64), of.short("issuer", limit=64))

    def code(self, name: str) -> Code | None:
        """Return a code {"code", "scheme", "meaning"}, or a text that is its meaning."""
        if name not in self._said:
            return None
        if isinstance(self._said[name], str):
            return Code("", "", self.text(name, required=True) or "")
        of = self.inner(name)
        if of is None:
            return None
        of.only(("code", "scheme", "meaning"))
        value, meaning = of.short("code"), of.text("meaning") or ""
        if not (value or meaning):
            of.fault("meaning", "needed")
        return Code(value, of.short("scheme") or _SCHEME, meaning or value)

    def person_name(self, name: str, *, required: bool = False) -> str | None:
        """Return a DICOM PN. "Family, Given" is read as one; so is a name that has its carets."""
        value = self.text(name, limit=200, required=required)
        if not value:
            return value
        written = value if "^" in value or "=" in value else _of_comma(value)
        if "\\" in written or any(len(group) > _GROUP_MAX for group in written.split("=")) or written.count("=") > 2:
            self.fault(name, f"not a name: at most {_GROUP_MAX} characters, no backslash")
        return written

    def day(self, name: str) -> str | None:
        """Return a date as "YYYYMMDD"; written YYYY-MM-DD or YYYYMMDD."""
        value = self.text(name, limit=10)
        if not value:
            return value
        try:
            return f"{date.fromisoformat(value):%Y%m%d}"
        except ValueError:
            self.fault(name, "not a date: YYYY-MM-DD is wanted")
            return None

    def moment(self, name: str, zone: tzinfo) -> Moment | None:
        """Return a day and time by the hospital's clock, empty if it is erased; one with an offset is brought to it."""
        value = self.text(name, limit=32)
        if not value:
            return None if value is None else Moment("", None)
        try:
            return moment_of(datetime.fromisoformat(value), zone)
        except (ValueError, OverflowError):
            self.fault(name, "not a day and time: YYYY-MM-DDTHH:MM is wanted")
            return None

    def ae_title(self, name: str) -> str | None:
        """Return an AE title."""
        value = self.text(name, limit=64)
        try:
            return check_ae_title(value, name) if value else value
        except Malformed:
            self.fault(name, "not an AE title: at most 16 plain characters")
            return None

    def ae_titles(self, name: str) -> list[str]:
        """Return the AE titles of a list, [] for none."""
        value = self._said.get(name) or []
        if not isinstance(value, list) or len(value) > _TITLES_MAX:
            self.fault(name, "a list of AE titles is wanted")
            return []
        each = Fields({f"{name}[{number}]": one for number, one in enumerate(value)}, self.faults, self.path)
        return [title for number in range(len(value)) if (title := each.ae_title(f"{name}[{number}]"))]

    def table(self, name: str, known: Mapping[str, str], words: str) -> str | None:
        """Return what a table has for the value, in any case. words: what the sentence says is wanted."""
        value = self.text(name, limit=32)
        if not value:
            return value
        found = known.get(value) or known.get(value.upper())
        if not found:
            self.fault(name, f"not known; wanted is {words}")
        return found

    def measure(self, name: str, most: float) -> str | None:
        """Return a measured value as DS has it, more than nothing and at most *most*."""
        value = self._said.get(name)
        if value is None:
            return "" if name in self._said else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            self.fault(name, f"a number is wanted, more than 0 and at most {most:g}")
            return None
        return f"{value:g}"

    def flag(self, name: str) -> bool:
        """Return whether a field is true."""
        value = self._said.get(name, False)
        if not isinstance(value, bool):
            self.fault(name, "true or false is wanted")
        return value is True

    def inner(self, name: str) -> Fields | None:
        """Return an object within, None if it is not said."""
        value = self._said.get(name)
        if value is None:
            return None
        return self._within(name, value)

    def objects(self, name: str, *, limit: int = 20) -> list[Fields]:
        """Return the objects of a list, [] if it is not said."""
        value = self._said.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > limit:
            self.fault(name, f"a list of at most {limit} objects is wanted")
            return []
        return [self._within(f"{name}[{number}]", one) for number, one in enumerate(value)]

    def over(self, below: Mapping[str, Any]) -> Fields:
        """Return the same object with what *below* says where it is silent itself."""
        return Fields({**below, **self._said}, self.faults, self.path)

    def pick(self, names: Iterable[str]) -> dict[str, Any]:
        """Return those of *names* that are said."""
        return {name: self._said[name] for name in names if name in self._said}

    def _within(self, name: str, value: object) -> Fields:
        path = f"{self.path}.{name}" if self.path else name
        if isinstance(value, Mapping):
            return Fields(value, self.faults, path)
        self.fault(name, "an object is wanted")
        return Fields({}, self.faults, path)


def moment_of(local: datetime, zone: tzinfo) -> Moment:
    """Return a day and time as the hospital's clock says it, and as an instant. Raises: OverflowError."""
    local = local.astimezone(zone) if local.tzinfo is not None else local.replace(tzinfo=zone)
    return Moment(f"{local:%Y%m%d%H%M%S}".rjust(14, "0"), local.astimezone(UTC))


def stop_at_faults(faults: Faults) -> None:
    """Refuse what has faults. Raises: Incomplete, at the first, with all of them."""
    if faults:
        where, sentence = faults[0]
        raise Incomplete(sentence, code="not_as_wanted", where=where, faults=faults)


def _of_comma(value: str) -> str:
    family, comma, given = value.partition(",")
    return f"{family.strip()}^{'^'.join(given.split(maxsplit=1))}" if comma else value
