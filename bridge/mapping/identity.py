"""Merges, moves, changed numbers and links from PID, MRG and PV1. Source: HL7 2.5.1 3.3.18 to 3.3.49, 3.4.9 (MRG)."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.codecs.hl7.er7 import Segment
from bridge.domain.adt_events import IdentityChange
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.identity_draft import LinkDraft, MoveDraft
from bridge.domain.patient import MergeDraft, PatientDraft
from bridge.errors import Incomplete, Malformed
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.patients import NEVER_PRIMARY, primary_of, read_patient

Group = dict[str, list[Segment]]
_SOURCE = "HL7 2.5.1 3.4.9"


def read_merges(evaluator: Evaluator, segments: Sequence[Segment]) -> tuple[MergeDraft, ...]:
    """
    Return a merge for each PID with its MRG (A18, A34, A40), in order.

    Raises: Malformed (AE 100) for an MRG without its PID, Incomplete (AE 101) for a PID without its MRG.
    """
    merges: list[MergeDraft] = []
    for group in _groups(segments):
        survivor = read_patient(evaluator, group)
        merges += [MergeDraft(survivor, retired) for retired in _retired(evaluator, group, survivor)]
    return tuple(merges)


def read_moves(evaluator: Evaluator, segments: Sequence[Segment], change: IdentityChange) -> tuple[MoveDraft, ...]:
    """
    Return what each PID with its MRG moves or renames (A43, A44, A45, A47, A49), in order.

    Raises: as `read_merges`; Incomplete (AE 101), too, for the number, account or visit that the event is about.
    """
    moves: list[MoveDraft] = []
    for group in _groups(segments, several_mrg=change == IdentityChange.MOVE_VISIT):
        moves += _READERS[change](evaluator, group, change)
    return tuple(moves)


def read_links(evaluator: Evaluator, segments: Sequence[Segment], *, linked: bool) -> tuple[LinkDraft, ...]:
    """
    Return the link of the two PID of an A24 or A37.

    Raises: Incomplete (AE 101) for fewer than two, Malformed (AE 100) for more.
    """
    found = [segment for segment in segments if segment.name == "PID"]
    if len(found) > 2:
        raise Malformed("more than two patients in a link", code="segment_sequence", where=found[2].where)
    if len(found) < 2:
        where = "PID[2]-3" if found else "PID-3"
        raise Incomplete("a link names two patients", code="missing", where=where, source="HL7 2.5.1 3.3.24")
    one, other = (read_patient(evaluator, {"PID": [segment]}) for segment in found)
    return (LinkDraft(one, other, linked),)


def _groups(segments: Sequence[Segment], *, several_mrg: bool = False) -> list[Group]:
    """Return each PID with its MRG and PV1; several_mrg: a PID may have several, each with the PV1 after it."""
    groups: list[Group] = []
    for segment in segments:
        if segment.name == "PID":
            groups.append({})
        elif segment.name == "MRG" and groups and several_mrg and "MRG" in groups[-1]:
            groups.append({"PID": groups[-1]["PID"]})
        elif segment.name == "MRG" and (not groups or "MRG" in groups[-1]):
            raise Malformed("MRG without its own PID", code="segment_sequence", where=segment.where)
        if groups:
            groups[-1].setdefault(segment.name, []).append(segment)
    if not groups:
        raise Incomplete("required value missing", code="missing", where="PID-3", source=_SOURCE)
    if any("MRG" not in group for group in groups):
        raise Incomplete("required value missing", code="missing", where="MRG-1", source=_SOURCE)
    return groups


def _retired(evaluator: Evaluator, group: Group, survivor: PatientDraft) -> list[PatientIdentifier]:
    """Return the numbers that end: the one that stands against the survivor's, and further ones it does not keep."""
    found = _prior_numbers(evaluator, group)
    kept = {identifier.key for identifier in survivor.identifiers}
    ending = [one for one in found if one.key not in kept] or found
    first = primary_of(evaluator, ending, where="MRG-1", issuer=survivor.identifiers[0].issuer_of_patient_id)
    return [first, *(one for one in ending if one != first and one.identifier_type not in NEVER_PRIMARY)]


def _prior_numbers(evaluator: Evaluator, group: Group) -> tuple[PatientIdentifier, ...]:
    found: tuple[PatientIdentifier, ...] | None = evaluator.get("merge.retired_id", group)
    return found or ()


def _moved_numbers(evaluator: Evaluator, group: Group, change: IdentityChange) -> list[MoveDraft]:
    """Return a move for each number that MRG names: PID may list them already as its patient's."""
    patient = read_patient(evaluator, group)
    prior = _prior_numbers(evaluator, group)
    primary_of(evaluator, prior, where="MRG-1")
    moving = {one.key for one in prior}
    holder = next((one for one in patient.identifiers if one.key not in moving), patient.identifiers[0])
    return [MoveDraft(change, patient, holder, one) for one in prior]


def _changed_numbers(evaluator: Evaluator, group: Group, change: IdentityChange) -> list[MoveDraft]:
    """Return each number with the one of its own authority that takes its place, else the two that images carry."""
    patient = read_patient(evaluator, group)
    prior = _prior_numbers(evaluator, group)
    first = primary_of(evaluator, prior, where="MRG-1", issuer=patient.identifiers[0].issuer_of_patient_id)
    by_issuer = {one.issuer_of_patient_id: one for one in reversed(patient.identifiers)}
    pairs = [
        (new, old)
        for old in prior
        if (new := by_issuer.get(old.issuer_of_patient_id)) is not None and new.key != old.key
    ]
    return [MoveDraft(change, patient, new, old) for new, old in pairs or [(patient.identifiers[0], first)]]


def _moved_account(evaluator: Evaluator, group: Group, change: IdentityChange) -> list[MoveDraft]:
    patient = read_patient(evaluator, group)
    account = evaluator.get("visit.account_number", group)
    prior = evaluator.get("merge.prior_account", group)
    if change == IdentityChange.CHANGE_ACCOUNT and not account:
        raise Incomplete("no account number", code="missing", where="PID-18", source="HL7 2.5.1 3.3.49")
    if not prior:
        raise Incomplete("no account number", code="missing", where="MRG-3", source="HL7 2.5.1 3.3.44")
    return [
        MoveDraft(
            change,
            patient,
            patient.identifiers[0],
            _prior_holder(evaluator, group, patient),
            account=account or prior,
            prior_account=prior,
        )
    ]


def _moved_visit(evaluator: Evaluator, group: Group, change: IdentityChange) -> list[MoveDraft]:
    patient = read_patient(evaluator, group)
    prior = evaluator.get("merge.prior_visit", group)
    if not prior:
        raise Incomplete("no visit number", code="missing", where="MRG-5", source="HL7 2.5.1 3.3.45")
    # Without its PID: the account there is no visit's number.
    visit = evaluator.get("visit.admission_id", {"PV1": group.get("PV1", [])[:1]})
    return [
        MoveDraft(
            change,
            patient,
            patient.identifiers[0],
            _prior_holder(evaluator, group, patient),
            account=evaluator.get("visit.account_number", group) or EntityIdentifier(),
            prior_account=evaluator.get("merge.prior_account", group) or EntityIdentifier(),
            visit=visit or prior,
            prior_visit=prior,
        )
    ]


def _prior_holder(evaluator: Evaluator, group: Group, patient: PatientDraft) -> PatientIdentifier | None:
    """Return whose it was, None where MRG-1 names nobody."""
    found = _prior_numbers(evaluator, group)
    if not found:
        return None
    return primary_of(evaluator, found, where="MRG-1", issuer=patient.identifiers[0].issuer_of_patient_id)


_READERS = {
    IdentityChange.MOVE_NUMBER: _moved_numbers,
    IdentityChange.CHANGE_NUMBER: _changed_numbers,
    IdentityChange.MOVE_ACCOUNT: _moved_account,
    IdentityChange.CHANGE_ACCOUNT: _moved_account,
    IdentityChange.MOVE_VISIT: _moved_visit,
}
