"""Laboratory results from the observations of an order group. Source: HL7 2.5.1 7.4.2 (OBX), 2.A.71 (SN)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bridge.codecs.hl7.er7 import Segment
from bridge.domain.lab_result import STATUS_OF, LabContent, LabDraft, LabStatus
from bridge.domain.order import Code
from bridge.domain.report import ReportDraft
from bridge.errors import Malformed
from bridge.mapping.convert import Context, Moment
from bridge.mapping.dates import in_hl7_form, read_timestamp

_KINDS = "lab_result"
_NUMBER = re.compile(r"([<>]=?)? {0,3}([0-9]{1,9}(?:\.[0-9]{1,6})?)", re.ASCII)


def read_labs(context: Context, body: Sequence[Segment], of: ReportDraft) -> Iterator[LabDraft]:
    """Yield what tables.lab_result knows of a group's observations. of: the group, for its numbers and times."""
    table = context.site.tables.get(_KINDS, {})
    for segment in body:
        kind = next(filter(None, (table.get(segment.value(3, at), "") for at in (1, 4))), "")
        status = STATUS_OF.get(segment.value(11).upper())
        if segment.name != "OBX" or not kind or status is None:
            continue
        value = _value(segment)
        if not value and status != LabStatus.WITHDRAWN:
            context.warn("not a number, so no result is kept of it", f"{segment.where}-5")
            continue
        local, at = of.content.observed_local, of.content.observed_at
        if moment := _observed(context, segment):
            local, at = moment.local, moment.at
        code = Code(segment.value(3), segment.value(3, 3), segment.value(3, 2))
        content = LabContent(kind, code, value, segment.value(6), status, local, at)
        number = of.numbers.filler_order_number
        yield LabDraft(of.patient, content, number, segment.value(4), of.content.issued_at, segment.where)


def _value(segment: Segment) -> str:
    """Return a number, with "<" or ">" where it is a bound; "" for a range, a ratio and for words."""
    parts = [segment.value(5, at).strip() for at in (1, 2, 3)]
    said = parts[0]
    if segment.value(2).upper() == "SN":
        said = "" if parts[2] else "".join(parts[:2])
    found = _NUMBER.fullmatch(said.removeprefix("="))
    return f"{found[1] or ''}{found[2]}" if found else ""


def _observed(context: Context, segment: Segment) -> Moment | None:
    """Return when it was observed by OBX-14, None where that does not say."""
    said = segment.value(14)
    try:
        written = in_hl7_form(said, context.site.policy)
        found = read_timestamp(written, context.zone, f"{segment.where}-14") if said else None
    except Malformed:
        context.warn("not a date and time, left out", f"{segment.where}-14")
        return None
    return found[0] if found else None
