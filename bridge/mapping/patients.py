"""Patient, visit and merge drafts from PID, PV1 and MRG. Source: HL7 2.5.1 3.4; IHE RAD TF-2 4.1, 4.12."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.codecs.hl7.er7 import Segment
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.patient import MergeDraft, PatientDraft, VisitDraft
from bridge.errors import Incomplete, Malformed
from bridge.mapping.convert import Moment
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.grammar import Scope

# Numbers of an insurance, a visit or a state: they name the person elsewhere, and must not become the patient's number.
_NEVER_PRIMARY = frozenset({"SS", "MA", "MC", "MB", "DL", "PPN", "AN", "VN"})


def read_patient(evaluator: Evaluator, scope: Scope) -> PatientDraft:
    """
    Return what the message says of its patient.

    Raises: Incomplete without a usable number (AE 101 at PID-3), Malformed.
    """
    primary = _primary(evaluator, evaluator.get("patient.id", scope))
    others = evaluator.get("patient.other_ids", scope) or ()
    identifiers = {identifier.key: identifier for identifier in (primary, *others)}
    name = evaluator.get("patient.name", scope)
    return PatientDraft(
        tuple(identifiers.values()),
        patient_name=name,
        patient_birth_date=evaluator.get("patient.birth_date", scope),
        patient_sex=evaluator.get("patient.sex", scope),
        other_patient_names=_other_names(evaluator, scope, name),
        multiple_birth=evaluator.get("patient.multiple_birth", scope),
        provisional=evaluator.get("patient.unidentified", scope),
        patient_address=evaluator.get("patient.address", scope),
        patient_telephone=evaluator.get("patient.telephone", scope),
    )


def read_visit(evaluator: Evaluator, scope: Scope) -> VisitDraft | None:
    """Return what the message says of the visit, None without PV1."""
    if not scope.get("PV1"):
        return None
    admitted = evaluator.get("visit.admitted", scope)
    return VisitDraft(
        evaluator.get("visit.admission_id", scope) or EntityIdentifier(),
        patient_class=evaluator.get("visit.patient_class", scope),
        current_patient_location=evaluator.get("visit.location", scope),
        referring_physician_name=evaluator.get("visit.referring_physician", scope),
        admitted_local=admitted.local if isinstance(admitted, Moment) else admitted,
    )


def read_merges(evaluator: Evaluator, segments: Sequence[Segment]) -> tuple[MergeDraft, ...]:
    """
    Return a merge for each PID with its MRG (A40), in order.

    Raises: Malformed (AE 100) for an MRG without its PID, Incomplete (AE 101) for a PID without its MRG.
    """
    merges: list[MergeDraft] = []
    for group in _merge_groups(segments):
        if "MRG" not in group:
            raise Incomplete("required value missing", code="missing", where="MRG-1", source="HL7 2.5.1 3.3.40")
        survivor = read_patient(evaluator, group)
        merges += [MergeDraft(survivor, retired) for retired in _retired(evaluator, group, survivor)]
    if not merges:
        raise Incomplete("required value missing", code="missing", where="PID-3", source="HL7 2.5.1 3.3.40")
    return tuple(merges)


def _merge_groups(segments: Sequence[Segment]) -> list[dict[str, list[Segment]]]:
    groups: list[dict[str, list[Segment]]] = []
    for segment in segments:
        if segment.name == "PID":
            groups.append({})
        elif segment.name == "MRG" and (not groups or "MRG" in groups[-1]):
            raise Malformed("MRG without its own PID", code="segment_sequence", where=segment.where)
        if groups:
            groups[-1].setdefault(segment.name, []).append(segment)
    return groups


def _retired(evaluator: Evaluator, scope: Scope, survivor: PatientDraft) -> list[PatientIdentifier]:
    """Return the numbers that end: the one that stands against the survivor's, and further ones it does not keep."""
    found: tuple[PatientIdentifier, ...] = evaluator.get("merge.retired_id", scope)
    first = _primary(evaluator, found, where="MRG-1", issuer=survivor.identifiers[0].issuer_of_patient_id)
    kept = {identifier.key for identifier in survivor.identifiers}
    further = [i for i in found if i.key not in kept and i.identifier_type not in _NEVER_PRIMARY and i != first]
    return [first, *further]


def _primary(
    evaluator: Evaluator, found: Sequence[PatientIdentifier], where: str = "PID-3", issuer: str = ""
) -> PatientIdentifier:
    """Return the number to go by: of the wanted authority first, then by type (MR, PI), then as sent."""
    wanted = issuer or evaluator.context.authority
    usable = [identifier for identifier in found or () if identifier.identifier_type not in _NEVER_PRIMARY]
    if not usable:
        raise Incomplete("no patient number", code="missing", where=where, source="HL7 2.5.1 3.4.2.3")
    order = {"MR": 0, "PI": 1}
    return min(usable, key=lambda i: (i.issuer_of_patient_id != wanted, order.get(i.identifier_type, 2)))


def _other_names(evaluator: Evaluator, scope: Scope, name: str | None) -> tuple[str, ...] | None:
    others = evaluator.get("patient.other_names", scope)
    aliases = evaluator.get("patient.aliases", scope)
    if others is None and aliases is None:
        return None
    return tuple(dict.fromkeys(other for other in (*(others or ()), *(aliases or ())) if other != name))
