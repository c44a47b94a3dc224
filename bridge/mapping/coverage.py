"""What of a message no rule read, and what rules looked for and did not find: for people who connect a sender."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridge.codecs.hl7.er7 import NULL, Message, Segment
from bridge.codecs.hl7.field_names import field_name
from bridge.domain.message import TraceLine
from bridge.mapping.grammar import Path, Scope
from bridge.mapping.site import Rule, SiteMapping
from bridge.mapping.targets import TARGETS

_VALUE_MAX = 120
# Read by the program itself. Set IDs number segments and say nothing of a patient or an order.
_BY_CODE: Mapping[str, frozenset[int]] = {
    "EVN": frozenset({1, 2}),
    "OBX": frozenset({2, 3, 4, 5, 6, 11, 14}),
    "NTE": frozenset({3}),
}
_READ_BY_CODE_IN = frozenset({"ORU", "MDM"})
# Sections whose rules only one kind of message is read by: what an order leaves to a report's rules is not read.
_ONLY_IN = {"report": "ORU", "document": "MDM", "merge": "ADT", "appointment": "SIU", "referral": "REF"}
_HEADERS = frozenset({"MSH", "FHS", "BHS"})
_SET_ID = "Set ID"
# What an integrator asks first, in this order.
MOST_ASKED = (
    "patient.id",
    "requested_procedure.accession",
    "requested_procedure.study_instance_uid",
    "scheduled_step.start",
    "scheduled_step.modality",
    "scheduled_step.station_ae_title",
)


@dataclass(frozen=True, slots=True)
class UnreadField:
    """A field that says something and gave nothing. where: "OBR-20"; targets: the rules that would have taken it."""

    where: str
    label: str
    value: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriedPath:
    """One place a rule looked at. why: what was there, in words; value: "" or what stands there."""

    path: str
    why: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """
    A target whose rule found nothing: every place it looked at, in order.

    instead: the value that was made for it, and made_from what; "" for none.
    """

    target: str
    rule: str
    tried: tuple[TriedPath, ...]
    instead: str = ""
    made_from: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """missing: what was looked for in vain. not_needed: another place came first. ignored: no rule reads it at all."""

    missing: tuple[Missing, ...]
    not_needed: tuple[UnreadField, ...]
    ignored: tuple[UnreadField, ...]


def cover(message: Message, site: SiteMapping, trace: Sequence[TraceLine]) -> Coverage:
    """Return what *site*'s rules left of *message*. trace: of the mapping, empty for one that was refused."""
    scope: dict[str, list[Segment]] = {}
    for segment in message.segments:
        scope.setdefault(segment.name, []).append(segment)
    used = {line.source for line in trace}
    served: dict[tuple[str, int], list[str]] = {}
    taken: set[tuple[str, int]] = set()
    rules = _rules_for(message, site)
    for target, path in ((rule.target, path) for rule in rules for path in rule.paths):
        for segment in path.segments(message, scope):
            served.setdefault((segment.where, path.field), []).append(target)
            if path.text in used:
                taken.add((segment.where, path.field))
    unread = [
        UnreadField(one.where, one.label, one.value, tuple(dict.fromkeys(served.get(place, ()))))
        for place, one in _fields(message)
        if place not in taken
    ]
    return Coverage(
        tuple(_missing(message, rules, trace, scope)),
        tuple(one for one in unread if one.targets),
        tuple(one for one in unread if not one.targets),
    )


def _rules_for(message: Message, site: SiteMapping) -> list[Rule]:
    code = message.envelope.message_code
    return [rule for rule in site.rules.values() if _ONLY_IN.get(rule.target.split(".")[0], code) == code]


def _fields(message: Message) -> Iterator[tuple[tuple[str, int], UnreadField]]:
    """Yield every field that says something, but those that the program reads without a rule."""
    marks = "".join((*message.delimiters.encoding_characters, " "))
    by_code = _BY_CODE if message.envelope.message_code in _READ_BY_CODE_IN else {"EVN": _BY_CODE["EVN"]}
    for segment in message.segments:
        if segment.name in _HEADERS:
            continue
        for number, raw in enumerate(segment.fields):
            label = field_name(segment.name, number)
            if not number or not raw.strip(marks) or label == _SET_ID or number in by_code.get(segment.name, ()):
                continue
            yield (segment.where, number), UnreadField(f"{segment.where}-{number}", label, _cut(raw))


def _missing(message: Message, rules: Sequence[Rule], trace: Sequence[TraceLine], scope: Scope) -> Iterator[Missing]:
    found = {_plain(line.target) for line in trace if line.rule != "derived"}
    made = {_plain(line.target): line for line in trace if line.rule == "derived"}
    sections = {target.split(".")[0] for target in (*found, *made)}
    if not trace:
        # It was refused: whatever its segments could have given is worth a look.
        sections = {rule.target.split(".")[0] for rule in rules if rule.where.split("-")[0] in scope}
    for rule in sorted(rules, key=_importance):
        if rule.target in found or rule.target.split(".")[0] not in sections:
            continue
        line = made.get(rule.target)
        tried = tuple(_tried(message, path, scope) for path in rule.paths)
        if _is_handed_on(rule.target) and not any(one.value for one in tried):
            continue
        if trace or not any(one.value for one in tried):
            yield Missing(rule.target, rule.source, tried, line.value if line else "", line.source if line else "")


def _is_handed_on(target: str) -> bool:
    """Say whether a target is one of the many that devices are told besides: that nobody fills it is no news."""
    return bool(TARGETS[target].detail or TARGETS[target].finding)


def _importance(rule: Rule) -> int:
    return MOST_ASKED.index(rule.target) if rule.target in MOST_ASKED else len(MOST_ASKED)


def _tried(message: Message, path: Path, scope: Scope) -> TriedPath:
    if not scope.get(path.segment):
        return TriedPath(path.text, f"no {path.segment} segment")
    segments = path.segments(message, scope)
    if not segments:
        return TriedPath(path.text, f"no such {path.segment}")
    values = [raw for segment in segments for raw in path.repetitions(message, segment)]
    if not values:
        is_there = any(segment.repetitions(path.field) for segment in segments)
        return TriedPath(path.text, "no such repetition" if is_there else "empty")
    if values[0] == NULL:
        return TriedPath(path.text, "erased by its sender")
    text = next((found for raw in values if (found := _text(message, raw, path))), "")
    return TriedPath(path.text, "nothing usable" if text else "empty", _cut(text))


def _text(message: Message, raw: str, path: Path) -> str:
    return message.part(raw, path.component, path.subcomponent) if path.component else message.decode(raw)


def _plain(target: str) -> str:
    """Return "scheduled_step.modality" of "scheduled_step[2].modality"."""
    section, _, name = target.partition(".")
    return f"{section.partition('[')[0]}.{name}"


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE_MAX else f"{text[: _VALUE_MAX - 1]}…"
