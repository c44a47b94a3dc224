"""837P fragments: what a claim, or a line of it, says of an authorization and its evidence, for a billing system to take in.

The bridge writes no claims. It gives the segments and where each belongs: REF*G1, PWK, NTE in loop 2300 or 2400, and the
description of an unlisted procedure in SV101-7. Source: 005010X222A1 2300, 2400; NUCC 1500 claim form manual, item 23.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.codecs.x12.elements import faults_of
from bridge.codecs.x12.facts import Evidence, Reference
from bridge.codecs.x12.segments import Segment, build
from bridge.domain.narrative import Place
from bridge.errors import Incomplete

EVIDENCE_MAX = 10
LINE_AUTHORIZATIONS_MAX = 5
_NOT_IN_A_CLAIM = str.maketrans("", "", " -")


@dataclass(frozen=True, slots=True)
class Fragment:
    """Segments for one place, in the order in which the loop has them. place: "2300" of a claim, "2400" of a line."""

    place: str
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """As it is copied into a billing system: one segment a line, with terminators."""
        return "\n".join(f"{one.text}{one.delimiters.segment}" for one in self.segments)


def for_claim(authorization_number: str = "", evidence: Sequence[Evidence] = (), note: str = "") -> Fragment:
    """
    Return what goes into loop 2300.

    authorization_number: as written anywhere; on a claim it has no blanks and no hyphens. note: `domain.narrative`'s text.
    Raises: Incomplete for more, or for longer values, than the loop takes.
    """
    numbers = [authorization_number] if authorization_number else []
    return _fragment("2300", evidence, [_authorization(one) for one in numbers], note)


def for_line(
    authorization_numbers: Sequence[tuple[str, str]] = (), evidence: Sequence[Evidence] = (), note: str = ""
) -> Fragment:
    """
    Return what goes into loop 2400.

    authorization_numbers: (number, id of the payer who gave it, "" for the claim's own payer).
    Raises: Incomplete for more, or for longer values, than the loop takes.
    """
    if len(authorization_numbers) > LINE_AUTHORIZATIONS_MAX:
        raise Incomplete("a line takes five authorization numbers", code="too_many", where="loop 2400, REF")
    return _fragment("2400", evidence, [_authorization(*one) for one in authorization_numbers], note)


def described(procedure: Segment, description: str) -> Segment:
    """
    Return an SV1 with the description of its unlisted procedure in SV101-7; description: `domain.narrative`'s text.

    Raises: Incomplete where it is no SV1, or the text is too long for it.
    """
    if procedure.name != "SV1":
        raise Incomplete("a description belongs to an SV1", code="x12_rule", where="SV101-7")
    parts = (procedure.components(1) + [""] * 7)[:7]
    parts[6] = description
    others = procedure.elements()[2:]
    sets = [tuple(one.split(procedure.delimiters.component)) for one in others]
    return _checked(build("SV1", tuple(parts), *sets, delimiters=procedure.delimiters), str(Place.LINE_DESCRIPTION))


def _fragment(place: str, evidence: Sequence[Evidence], numbers: list[Segment], note: str) -> Fragment:
    if len(evidence) > EVIDENCE_MAX:
        raise Incomplete("ten pieces of evidence are as many as fit", code="too_many", where=f"loop {place}, PWK")
    # PWK07 is not used in a claim.
    papers = [Evidence(one.report_type, one.transmission, one.control_number).segment() for one in evidence]
    found = [*papers, *numbers, *([build("NTE", "ADD", note)] if note else [])]
    if not found:
        raise Incomplete("there is nothing to say", code="empty", where=f"loop {place}")
    return Fragment(place, tuple(_checked(one, f"loop {place}") for one in found))


def _authorization(number: str, payer_id: str = "") -> Segment:
    plain = number.translate(_NOT_IN_A_CLAIM)
    if not plain:
        raise Incomplete("there is no number", code="empty", where="REF02")
    if payer_id:
        return build("REF", "G1", plain, "", ("2U", payer_id))
    return Reference("G1", plain).segment()


def _checked(segment: Segment, place: str) -> Segment:
    faults = [(f"{place}, {at}", sentence) for at, sentence in faults_of(segment)]
    if faults:
        raise Incomplete(faults[0][1], code="x12_rule", where=faults[0][0], faults=faults)
    return segment
