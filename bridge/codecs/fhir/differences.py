"""What one version of a resource says otherwise than the one before: in sentences, then element by element.

R4 and R5 alike, and whatever a server has put in besides: it is compared as plain data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.codecs.fhir.elements import reference_in

Json = dict[str, Any]

_MAX_ELEMENTS = 400
_MAX_DEPTH = 12
_MAX_VALUE = 300
# Servers write these by themselves; the id is the resource's own name.
_SKIPPED = frozenset({"meta", "text", "id", "resourceType"})
# What tells the entries of a list apart, the surest first.
_NAMES = ("uid", "reference", "system", "code", "url", "contentType", "display")
_WORDS = {
    "basedOn": "the order",
    "bodySite": "the body part",
    "category": "the category",
    "code": "the kind of exam",
    "conclusion": "the conclusion",
    "content": "the document itself",
    "context": "what it is about",
    "date": "the date",
    "description": "the description",
    "docStatus": "how far the document is",
    "effectiveDateTime": "the time of the exam",
    "encounter": "the visit",
    "endpoint": "the way to the images",
    "identifier": "the identifiers",
    "imagingStudy": "the studies",
    "instance": "the marked images",
    "intent": "the intent",
    "interpreter": "who read it",
    "issued": "when it was issued",
    "location": "the place",
    "modality": "the modality",
    "note": "the notes",
    "occurrenceDateTime": "when it is due",
    "partOf": "the procedure",
    "performedDateTime": "when it was performed",
    "performedPeriod": "when it was performed",
    "performer": "who performed it",
    "presentedForm": "the report as a document",
    "priority": "the priority",
    "procedure": "the procedure",
    "procedureCode": "the procedure",
    "procedureReference": "the procedure",
    "reason": "the reason",
    "reasonCode": "the reason",
    "recorded": "when it was recorded",
    "referrer": "the referring physician",
    "resultsInterpreter": "who read it",
    "series": "the series",
    "started": "when it started",
    "statusReason": "why it was stopped",
    "study": "the studies",
    "target": "what it is about",
}
# Said in sentences of their own.
_TOLD = frozenset({"status", "subject", "numberOfSeries", "numberOfInstances", "series"})


@dataclass(frozen=True, slots=True)
class ElementChange:
    """One element. path: as FHIR writes paths, entries of lists by their names. before, after: "" for nothing."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Differences:
    """What changed. sentences: without patient data but for references. more: elements that are not listed."""

    sentences: tuple[str, ...]
    elements: tuple[ElementChange, ...]
    more: int = 0


def compare(before: Json | None, after: Json) -> Differences:
    """Return what *after* says otherwise than *before*; None: there was nothing."""
    if before is None:
        return Differences((_first(after),), ())
    found = list(_changes("", before, after, 0))
    shown = tuple(found[:_MAX_ELEMENTS])
    return Differences(tuple(_sentences(before, after)), shown, len(found) - len(shown))


def _first(said: Json) -> str:
    sentence = f"First version, {said['status']}" if said.get("status") else "First version"
    images = said.get("numberOfInstances")
    series = said.get("numberOfSeries")
    return (
        f"{sentence}: {_count(series, 'series', 'series')}, {_count(images, 'image', 'images')}" if images else sentence
    )


def _sentences(before: Json, after: Json) -> Iterator[str]:
    if before.get("status") != after.get("status"):
        yield f"Status {before.get('status') or 'not said'} → {after.get('status') or 'not said'}"
    subjects = reference_in(before.get("subject")), reference_in(after.get("subject"))
    if subjects[0] != subjects[1]:
        yield f"Subject changed: {subjects[0] or 'nobody'} → {subjects[1] or 'nobody'}"
    yield from _images(before, after)
    for name in sorted((before.keys() | after.keys()) - _SKIPPED - _TOLD):
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        words = _WORDS.get(name, f"“{name}”")
        verb = "added" if was is None else "taken away" if now is None else "changed"
        yield f"{words[:1].upper()}{words[1:]} {verb}"


def _images(before: Json, after: Json) -> Iterator[str]:
    """Tell of series and images that came or went, by their UIDs; by their number where none are listed."""
    for kind, words in (("series", ("series", "series")), ("instance", ("image", "images"))):
        was, now = _uids(before, kind), _uids(after, kind)
        came, went = len(now - was), len(was - now)
        if not was or not now:
            of = "numberOfSeries" if kind == "series" else "numberOfInstances"
            difference = _number(after.get(of)) - _number(before.get(of))
            came, went = max(difference, 0), max(-difference, 0)
        if came:
            yield f"{_count(came, *words)} added"
        if went:
            yield f"{_count(went, *words)} taken away"
    earlier, later = _descriptions(before), _descriptions(after)
    if any(earlier[uid] != later[uid] for uid in earlier.keys() & later.keys()):
        yield "What is said of a series changed"


def _descriptions(said: Json) -> dict[str, Json]:
    """Return what is said of each series but for its images."""
    series = [one for one in _list(said.get("series")) if isinstance(one, dict)]
    return {
        str(one.get("uid")): {n: v for n, v in one.items() if n not in ("instance", "numberOfInstances")}
        for one in series
    }


def _uids(said: Json, kind: str) -> set[str]:
    series = [one for one in _list(said.get("series")) if isinstance(one, dict)]
    entries = series if kind == "series" else [each for one in series for each in _list(one.get("instance"))]
    return {str(one.get("uid")) for one in entries if isinstance(one, dict)}


def _changes(path: str, before: Any, after: Any, depth: int) -> Iterator[ElementChange]:
    if before == after:
        return
    if depth < _MAX_DEPTH and isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            if depth or name not in _SKIPPED:
                yield from _changes(f"{path}.{name}" if path else name, before.get(name), after.get(name), depth + 1)
    elif depth < _MAX_DEPTH and isinstance(before, list) and isinstance(after, list):
        was, now = _named(before), _named(after)
        for name in dict.fromkeys((*was, *now)):
            yield from _changes(f"{path}[{name}]", was.get(name), now.get(name), depth + 1)
    else:
        yield ElementChange(path, _text(before), _text(after))


def _named(entries: Sequence[Any]) -> dict[str, Any]:
    """Return the entries of a list by what tells them apart, by their place where nothing does."""
    named: dict[str, Any] = {}
    for at, one in enumerate(entries):
        name = (
            next((str(one[key]) for key in _NAMES if isinstance(one.get(key), str)), "")
            if isinstance(one, dict)
            else ""
        )
        named[name if name and name not in named else str(at)] = one
    return named


def _text(value: Any) -> str:
    if value is None:
        return ""
    said = value if isinstance(value, str) else orjson.dumps(value).decode()
    return said if len(said) <= _MAX_VALUE else f"{said[:_MAX_VALUE]}…"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _count(number: Any, one: str, many: str) -> str:
    return f"{_number(number)} {one if number == 1 else many}"
