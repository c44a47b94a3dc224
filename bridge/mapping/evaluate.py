"""One rule on one scope: the value and its trace line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.codecs.hl7.er7 import Segment
from bridge.domain.details import Finding
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Code
from bridge.errors import Incomplete, Malformed
from bridge.mapping.convert import Context, Moment
from bridge.mapping.grammar import Scope
from bridge.mapping.readers import Head, Place, Present, Watched, readers_of

Found = tuple[Head, Any]
"""A value and where it came from."""

_SHOWN_MAX = 200


class Evaluator:
    """
    Applies a site's rules to one message and keeps what it found.

    A scope that it was given stays as it is: which rules can say something of it is looked up once.

    numbers: which order group and step is being read, by section, so that the trace tells the second from the first.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.numbers: dict[str, int] = {}
        self._readers = readers_of(context.site, context.defaults)
        self._scope: Scope | None = None
        self._present = Present({}, {}, ())
        self.found: list[Found] = []

    def get(self, target: str, scope: Scope, *, required: bool = True) -> Any:
        """
        Return a target's value: None where the message says nothing, the converter's empty value where it erases.

        required: whether a rule's own `required` counts; a cancellation need not repeat the order.
        Raises: Incomplete for a required one that is missing, Malformed for one that does not fit.
        """
        if scope is not self._scope:
            self._scope, self._present = scope, self._readers.present_in(scope)
        reader = self._present.by_target.get(target)
        if reader is None:
            return None
        for name, read, head in reader.sources:
            segments = scope[name]
            if not segments:
                continue
            try:
                value = read(self.context, segments)
            except Malformed as fault:
                if not reader.may_drop:
                    raise
                self.context.warn(f"left out: {fault.detail}", fault.where)
                continue
            if value is not None:
                self._note(head, value)
                return value
        rule = reader.rule
        if rule.default:
            self._note(reader.default_head, rule.default)
            return rule.default
        if rule.required and required:
            raise Incomplete("required value missing", code="missing", where=rule.where, source=rule.source)
        return None

    def details(self, section: str, scope: Scope) -> dict[str, Any]:
        """Return what the message says of a section's details: nothing where it keeps, an empty value where it erases."""
        found = self._watched(self._present_in(scope).details.get(section, ()), scope)
        for name, value in found.items():
            if isinstance(value, Moment):
                found[name] = value.local
        return found

    def findings(self, scope: Scope) -> dict[str, Finding]:
        """Return what the message says was measured or learned of its patient, an empty one where it erases."""
        found = self._watched(self._present_in(scope).findings, scope)
        for name, value in found.items():
            if not isinstance(value, Finding):
                found[name] = Finding(value)
        return found

    def _watched(self, watched: Sequence[Watched], scope: Scope) -> dict[str, Any]:
        """Return the values of those targets of which a field holds anything."""
        found: dict[str, Any] = {}
        for segment, places, is_every in watched:
            segments = scope[segment] if segment else ()
            wanted = places if is_every and len(segments) != 1 else _filled(segments, places)
            for _, name, target in wanted:
                if name not in found and (value := self.get(target, scope)) is not None:
                    found[name] = value
        return found

    def _present_in(self, scope: Scope) -> Present:
        if scope is not self._scope:
            self._scope, self._present = scope, self._readers.present_in(scope)
        return self._present

    def has(self, target: str, scope: Scope) -> bool:
        """Say whether the message holds anything where *target* is looked for, without reading it."""
        rule, message = self.context.site.rules.get(target), self.context.message
        return rule is not None and any(
            path.repetitions(message, segment) for path in rule.paths for segment in path.segments(message, scope)
        )

    def derived(self, target: str, source: str, value: str) -> None:
        """Record a value that no field of the message holds as such."""
        self._note((target, source, "derived"), value)

    def _note(self, head: Head, value: Any) -> None:
        if self.numbers:
            head = (self._numbered(head[0]), head[1], head[2])
        self.found.append((head, value))

    def _numbered(self, target: str) -> str:
        """Return "scheduled_step[2].modality" for the second step, the target itself for the first."""
        section, _, name = target.partition(".")
        number = self.numbers.get(section, 1)
        return target if number == 1 else f"{section}[{number}].{name}"


def _filled(segments: Sequence[Segment], places: Sequence[Place]) -> Sequence[Place]:
    """Return the places at which the first segment holds anything; they are in the order of its fields."""
    fields = segments[0].fields if segments else ()
    count = len(fields)
    wanted: tuple[Place, ...] = ()
    for place in places:
        if place[0] >= count:
            break
        if fields[place[0]]:
            wanted = (*wanted, place)
    return wanted


def shown(value: Any) -> str:
    """Return a value as the trace shows it."""
    if isinstance(value, str):
        return value[:_SHOWN_MAX]
    if isinstance(value, Moment):
        return value.local
    if isinstance(value, EntityIdentifier):
        return f"{value.value} ({value.issuer})" if value.issuer else value.value
    if isinstance(value, PatientIdentifier):
        return f"{value.patient_id} ({value.issuer_of_patient_id})"
    if isinstance(value, Code):
        return f"{value.code_value} {value.code_meaning}".strip()
    if isinstance(value, Finding):
        return shown(value.value)
    if isinstance(value, tuple):
        return ", ".join(shown(each) for each in value[:8])
    return str(value)
