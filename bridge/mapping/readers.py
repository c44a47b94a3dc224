"""A site's rules made ready once: each path of a rule as one function from the segments of its name to a value.

What a rule can look up only by name (converter, table, limits) is looked up here. Two things make the path of every
message short: a plain text is cut where it stands, and a field that was read before with nothing to remark (a doctor, a
procedure, an hour) is not read again. Whatever is out of the ordinary goes the long way, which alone decides what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bridge.codecs.hl7.er7 import NULL, Segment
from bridge.domain.identifiers import EntityIdentifier
from bridge.errors import Malformed
from bridge.mapping.convert import Context
from bridge.mapping.converters import CONVERTERS
from bridge.mapping.grammar import Path, Scope
from bridge.mapping.site import Defaults, Rule, SiteMapping
from bridge.mapping.targets import TARGETS

# In a table: what every other code stands for; standing for itself, it is taken as sent.
ANY_OTHER = "*"
_REMEMBERED = 1000

Head = tuple[str, str, str]
"""Target, path and the file that says so: what a line of the trace begins with."""

_Alike = tuple[str, str, str, int, bool]

Read = Callable[[Context, Sequence[Segment]], Any]
"""From the segments of a path's name to the value, None where they say nothing. Raises: Malformed."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A rule as it is applied. sources: for each path its segment's name, its function, its head of the trace."""

    rule: Rule
    sources: tuple[tuple[str, Read, Head], ...]
    may_drop: bool
    default_head: Head

    def narrowed(self, names: frozenset[str]) -> Reader:
        """Return it with the sources of *names* only."""
        return replace(self, sources=tuple(source for source in self.sources if source[0] in names))

    @property
    def may_speak(self) -> bool:
        return bool(self.sources or self.rule.default or self.rule.required)


Place = tuple[int, str, str]
"""The number of a field, the name of what it may fill, and the target."""


class Watched(NamedTuple):
    """
    The fields of one segment that may fill what is kept together, in its order; segment "": asked in any case.

    is_every: all such segments are read, or a certain one of them.
    """

    segment: str
    fields: tuple[Place, ...]
    is_every: bool


class Present(NamedTuple):
    """
    The readers that may say something of a scope, by target.

    details: by section, findings: what is to be looked at for what is kept together. Of all it may hold a message holds
    next to nothing; so the fields are looked at first, and only who finds one filled is asked.
    """

    by_target: Mapping[str, Reader]
    details: Mapping[str, Sequence[Watched]]
    findings: Sequence[Watched]


class Readers:
    """A site's readers by target, and which of their sources a message of certain segments has."""

    def __init__(self, site: SiteMapping) -> None:
        shared: dict[_Alike, Read] = {}
        self._all = [_reader(rule, site, shared) for rule in site.rules.values()]
        self._names = frozenset(name for reader in self._all for name, _, _ in reader.sources)
        self._present: dict[frozenset[str], Present] = {}

    def present_in(self, scope: Scope) -> Present:
        """Return the readers that may say something of *scope*, with the sources whose segments it has."""
        names = self._names.intersection(scope)
        found = self._present.get(names)
        if found is None:
            if len(self._present) >= _REMEMBERED:
                self._present.clear()
            narrowed = (reader.narrowed(names) for reader in self._all)
            found = _sorted({reader.rule.target: reader for reader in narrowed if reader.may_speak})
            self._present[names] = found
        return found


# What is said of an order and what of its requested procedure is kept in one place.
_SAME_NOUN = {"requested_procedure": "order"}


def _sorted(by_target: Mapping[str, Reader]) -> Present:
    details: dict[str, list[tuple[str, Reader]]] = {}
    findings: list[tuple[str, Reader]] = []
    for target, reader in by_target.items():
        if name := TARGETS[target].detail:
            section = target.partition(".")[0]
            details.setdefault(_SAME_NOUN.get(section, section), []).append((name, reader))
        if name := TARGETS[target].finding:
            findings.append((name, reader))
    watched = {section: _watched(readers) for section, readers in details.items()}
    return Present(by_target, watched, _watched(findings))


def _watched(readers: Sequence[tuple[str, Reader]]) -> Sequence[Watched]:
    """Return the fields to look at, segment by segment; a rule with a default is asked whatever they hold."""
    places: dict[tuple[str, bool], set[Place]] = {}
    for name, reader in readers:
        rule = reader.rule
        if rule.default or rule.required:
            places.setdefault(("", True), set()).add((0, name, rule.target))
            continue
        present = {segment for segment, _, _ in reader.sources}
        for path in rule.paths:
            if path.segment in present:
                is_every = path.of_segments is not None or CONVERTERS[rule.converter].gathers
                places.setdefault((path.segment, is_every), set()).add((path.field, name, rule.target))
    return [Watched(segment, tuple(sorted(found)), is_every) for (segment, is_every), found in places.items()]


def readers_of(site: SiteMapping, defaults: Defaults) -> Readers:
    """Return the readers of *site*, made at the first call."""
    known: tuple[Defaults, Readers] | None = site.worked_out.get("readers")
    if known is None or known[0] is not defaults:
        known = site.worked_out["readers"] = defaults, Readers(site)
    return known[1]


def _reader(rule: Rule, site: SiteMapping, shared: dict[_Alike, Read]) -> Reader:
    target = TARGETS[rule.target]
    sources = []
    for path in rule.paths:
        # Two targets may be read alike; what one has read the other need not.
        alike = (path.text, rule.converter, rule.table, target.limit, target.may_cut)
        if alike not in shared:
            shared[alike] = _read_of(rule, path, site)
        sources.append((path.segment, shared[alike], (rule.target, path.text, rule.source)))
    return Reader(rule, tuple(sources), target.may_drop, (rule.target, "default", rule.source))


def _read_of(rule: Rule, path: Path, site: SiteMapping) -> Read:
    whole = _long_way(rule, path, site.tables.get(rule.table, {}))
    if (
        path.of_segments
        or path.of_repetitions
        or (path.segment == "MSH" and path.field < 3)
        or _looks_around(rule.converter)
    ):
        return whole
    if rule.converter == "text" and not path.subcomponent:
        return _text(rule, path, site.tables.get(rule.table), whole)
    return _remembering(path, whole)


def _looks_around(converter: str) -> bool:
    return CONVERTERS[converter].gathers or bool(CONVERTERS[converter].beside)


def _text(rule: Rule, path: Path, table: Mapping[str, str] | None, whole: Read) -> Read:
    """Return a function that cuts a text in the usual delimiters out of its field and hands everything else on."""
    number, component, limit = path.field, path.component or 1, TARGETS[rule.target].limit or 1 << 31

    def read(context: Context, segments: Sequence[Segment]) -> Any:
        fields = segments[0].fields
        raw = fields[number] if number < len(fields) else ""
        if not raw:
            return None
        if not context.is_plain or "\\" in raw or "~" in raw or raw == NULL:
            return whole(context, segments)
        if "^" in raw:
            parts = raw.split("^", component)
            raw = parts[component - 1] if component <= len(parts) else ""
        elif component > 1:
            return None
        value: str | None = raw.strip()
        if not value or value == NULL:
            return None
        if table is not None:
            value = table.get(value)
        if value is None or len(value) > limit or not value.isprintable():
            return whole(context, segments)
        return value

    return read


def _remembering(path: Path, whole: Read) -> Read:
    """Return a function that reads the same field only once, as long as there is nothing to say about it."""
    number = path.field
    remembered: dict[str, Any] = {}

    def read(context: Context, segments: Sequence[Segment]) -> Any:
        fields = segments[0].fields
        raw = fields[number] if number < len(fields) else ""
        if not raw:
            return None
        if not context.is_plain or "\\" in raw:
            return whole(context, segments)
        value = remembered.get(raw, remembered)
        if value is remembered:
            warned = context.warned
            value = whole(context, segments)
            if context.warned == warned:
                if len(remembered) >= _REMEMBERED:
                    remembered.clear()
                remembered[raw] = value
        return value

    return read


def _long_way(rule: Rule, path: Path, table: Mapping[str, str]) -> Read:
    """Return the function that knows every case."""
    converter = CONVERTERS[rule.converter]

    def read(context: Context, segments: Sequence[Segment]) -> Any:
        message = context.message
        if path.of_segments is not None:
            segments = path.segments(message, {path.segment: segments})
        if not converter.gathers:
            raw = path.repetitions(message, segments[0]) if segments else []
        else:
            raw = [repetition for segment in segments for repetition in path.repetitions(message, segment)]
        if not raw:
            return None
        if raw[0] == NULL:
            return converter.empty
        if converter.beside:
            raw = [raw[0], *(segments[0].field(path.field + further) or "" for further in converter.beside)]
        value = converter.convert(context, raw, path)
        if value is None:
            return None
        if rule.table:
            value = _look_up(context, rule.table, table, path, value)
        return fit(context, rule.target, path.where, value)

    return read


def _look_up(context: Context, name: str, table: Mapping[str, str], path: Path, value: Any) -> Any:
    """Return what a text stands for in a table, of several texts each; one that stands for nothing is left out."""
    if isinstance(value, tuple):
        found_each = (_look_up_one(context, name, table, path, one) for one in value)
        return tuple(dict.fromkeys(one for one in found_each if one)) or None
    return _look_up_one(context, name, table, path, value)


def _look_up_one(context: Context, name: str, table: Mapping[str, str], path: Path, value: str) -> str | None:
    found = table.get(value)
    if found is None:
        found = table.get(ANY_OTHER)
        if found == ANY_OTHER:
            return value
    if found is None:
        context.warn(f"a value that is not in table {name} was left out", path.where)
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


def _too_long(where: str, limit: int) -> Malformed:
    return Malformed(f"longer than {limit} characters", code="too_long", where=where, source="PS3.5 6.2")
