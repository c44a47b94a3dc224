"""What was decided about a study and what it leaves with since, as one story, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.correctable import CORRECTABLE
from bridge.domain.overlay import OverlayVersion, Reason, VersionKind, is_correction_of_this_binding, undone_by
from bridge.store.decisions import Decision

_IDENTITY_WORDS = {
    "PatientName": "Name",
    "PatientID": "Patient number",
    "IssuerOfPatientID": "Issuer of the patient number",
    "IssuerOfPatientIDQualifiersSequence": "Issuer of the patient number, in full",
}
_KIND_WORDS = {
    VersionKind.BOUND: "Bound",
    VersionKind.FOLLOWED: "Follows the record",
    VersionKind.HELD: "Taken back: nothing leaves",
    VersionKind.CORRECTED: "Corrected by hand",
}
_REASONS = {
    VersionKind.BOUND: Reason.COERCE,
    VersionKind.FOLLOWED: Reason.COERCE,
    VersionKind.CORRECTED: Reason.CORRECT,
}


@dataclass(frozen=True, slots=True)
class Changed:
    """One attribute in words. before, after: what it left with and leaves with since, "" for no value."""

    words: str
    keyword: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """
    One thing that happened to a study.

    sentence: the decision's, "" for what no rule looked at. version: the number of the overlay's version that it made, None where it made none. reason: COERCE or CORRECT, ""
    where neither fits. undone_by: the version that took it back. may_undo: a person may take it back now. confirmed_by: the second person.
    """

    at: datetime
    actor: str
    what: str
    sentence: str
    why: str
    binding_version: int
    version: int | None = None
    reason: str = ""
    changes: tuple[Changed, ...] = ()
    undone_by: int | None = None
    may_undo: bool = False
    confirmed_by: str = ""


def words_of(keyword: str) -> str:
    """Return what a desk calls an attribute that may leave otherwise than it came."""
    return _IDENTITY_WORDS.get(keyword) or CORRECTABLE.get(keyword, keyword)


def story_of(decisions: Sequence[Decision], versions: Sequence[OverlayVersion]) -> tuple[Chapter, ...]:
    """
    Return *decisions* and *versions* of a study, each newest first, as one story, newest first.

    A decision and the version that it made, in the same transaction, are one chapter.
    """
    made_by = {(one.binding_version, one.made_at): one for one in reversed(versions) if one.kind not in _BY_HAND}
    told, chapters = set[int](), list[Chapter]()
    for decision in decisions:
        version = made_by.get((decision.binding_version, decision.decided_at))
        if version is not None and version.number not in told:
            told.add(version.number)
            chapters.append(_chapter(version, versions, decision))
        else:
            at, binding = decision.decided_at, decision.binding_version
            what, second = _decided(decision), decision.confirmed_by
            said = (decision.sentence, decision.reason)
            chapters.append(Chapter(at, decision.actor, what, *said, binding, confirmed_by=second))
    chapters += [_chapter(one, versions, None) for one in versions if one.number not in told]
    return tuple(sorted(chapters, key=lambda one: (one.at, one.binding_version), reverse=True))


_BY_HAND = frozenset({VersionKind.CORRECTED, VersionKind.UNDONE})


def _chapter(version: OverlayVersion, versions: Sequence[OverlayVersion], decision: Decision | None) -> Chapter:
    is_undo = version.kind == VersionKind.UNDONE
    what = f"Version {version.undoes} taken back" if is_undo else _KIND_WORDS[version.kind]
    taken_back = undone_by(version, versions)
    return Chapter(
        at=version.made_at,
        actor=version.actor,
        what=_decided(decision) if decision is not None else what,
        sentence=decision.sentence if decision is not None else "",
        why=decision.reason if decision is not None else version.why,
        binding_version=version.binding_version,
        version=version.number,
        reason=_REASONS.get(version.kind, "") if version.changes else "",
        changes=tuple(Changed(words_of(one.keyword), one.keyword, one.before, one.after) for one in version.changes),
        undone_by=taken_back,
        confirmed_by=decision.confirmed_by if decision is not None else "",
        may_undo=taken_back is None and is_correction_of_this_binding(version, versions),
    )


def _decided(decision: Decision) -> str:
    return decision.outcome.replace("_", " ").lower().capitalize()
