"""One rule on one scope: the value, its limits, its trace line."""

from __future__ import annotations

from typing import Any

from bridge.codecs.hl7.er7 import NULL
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.message import TraceLine
from bridge.domain.order import Code
from bridge.errors import Incomplete, Malformed
from bridge.mapping.convert import Context, Moment
from bridge.mapping.converters import CONVERTERS
from bridge.mapping.grammar import Path, Scope
from bridge.mapping.site import Rule
from bridge.mapping.targets import TARGETS

ANY_OTHER = "*"
_SHOWN_MAX = 200


class Evaluator:
    """
    Applies a site's rules to one message and keeps the trace.

    numbers: which order group and step is being read, by section, so that the trace tells the second from the first.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.trace: list[TraceLine] = []
        self.numbers: dict[str, int] = {}
        self._rules = context.site.rules

    def get(self, target: str, scope: Scope, *, required: bool = True) -> Any:
        """
        Return a target's value: None where the message says nothing, the converter's empty value where it erases.

        required: whether a rule's own `required` counts; a cancellation need not repeat the order.
        Raises: Incomplete for a required one that is missing, Malformed for one that does not fit.
        """
        rule = self._rules.get(target)
        if rule is None:
            return None
        for path in rule.paths:
            try:
                value = self._read(rule, path, scope)
            except Malformed as fault:
                if not TARGETS[target].may_drop:
                    raise
                self.context.warn(f"left out: {fault.detail}", fault.where)
                continue
            if value is not None:
                self.trace.append(TraceLine(self._numbered(target), path.text, rule.source, shown(value)))
                return value
        if rule.default:
            self.trace.append(TraceLine(self._numbered(target), "default", rule.source, rule.default))
            return rule.default
        if rule.required and required:
            raise Incomplete("required value missing", code="missing", where=rule.where, source=rule.source)
        return None

    def has(self, target: str, scope: Scope) -> bool:
        """Say whether the message holds anything where *target* is looked for, without reading it."""
        rule, message = self._rules.get(target), self.context.message
        return rule is not None and any(
            path.repetitions(message, segment) for path in rule.paths for segment in path.segments(message, scope)
        )

    def derived(self, target: str, source: str, value: str) -> None:
        """Record a value that no field of the message holds as such."""
        self.trace.append(TraceLine(self._numbered(target), source, "derived", value))

    def _numbered(self, target: str) -> str:
        """Return "scheduled_step[2].modality" for the second step, the target itself for the first."""
        if not self.numbers:
            return target
        section, _, name = target.partition(".")
        number = self.numbers.get(section, 1)
        return target if number == 1 else f"{section}[{number}].{name}"

    def _read(self, rule: Rule, path: Path, scope: Scope) -> Any:
        context = self.context
        converter = CONVERTERS[rule.converter]
        raw: list[str] = []
        for segment in path.segments(context.message, scope):
            raw += path.repetitions(context.message, segment)
            if not converter.gathers:
                break
        if not raw:
            return None
        if raw[0] == NULL:
            return converter.empty
        value = converter.convert(context, raw, path)
        if value is None:
            return None
        if rule.table:
            value = self._look_up(rule, path, value)
        return fit(context, rule.target, path.where, value)

    def _look_up(self, rule: Rule, path: Path, value: str) -> str | None:
        table = self.context.site.tables[rule.table]
        found = table.get(value)
        if found is None:
            found = table.get(ANY_OTHER)
        if found is None:
            self.context.warn(f"a value that is not in table {rule.table} was left out", path.where)
        return found


def fit(context: Context, target: str, where: str, value: Any) -> Any:
    """
    Return *value* if it fits its target, or the part that does.

    Raises: Malformed ("too_long", AE 104) for an identifier that does not: cut, it would be another one.
    """
    limit = TARGETS[target].limit
    if not limit:
        return value
    if isinstance(value, EntityIdentifier):
        if len(value.value) > limit:
            raise _too_long(where, limit)
        if "\\" in value.value:
            raise Malformed("holds a backslash", where=where, source="PS3.5 6.2")
        return value
    if not isinstance(value, str) or len(value) <= limit:
        return value
    if not TARGETS[target].may_cut:
        raise _too_long(where, limit)
    context.warn(f"a text longer than {limit} characters was cut", where)
    return value[: limit - 3].rstrip() + "..."


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
    if isinstance(value, tuple):
        return ", ".join(shown(each) for each in value[:8])
    return str(value)


def _too_long(where: str, limit: int) -> Malformed:
    return Malformed(f"longer than {limit} characters", code="too_long", where=where, source="PS3.5 6.2")
