"""Report drafts from the OBR groups of a result message. Source: HL7 2.5.1 7.3.1 (ORU^R01); IHE RAD TF-2 4.28."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bridge.codecs.hl7.er7 import Segment
from bridge.domain.identifiers import EntityIdentifier, check_uid
from bridge.domain.lab_result import LabDraft
from bridge.domain.order import Code
from bridge.domain.patient import PatientDraft
from bridge.domain.report import (
    IMAGING_REPORT,
    WITHDRAWN,
    ReportContent,
    ReportDraft,
    ReportNumbers,
    ReportSection,
    ReportStatus,
)
from bridge.errors import BridgeError, Incomplete, Malformed
from bridge.mapping.convert import Moment
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.lab_results import read_labs
from bridge.mapping.patients import read_patient
from bridge.mapping.report_text import read_body

_OF_THE_PATIENT = frozenset({"PID", "PD1", "PV1", "PV2", "NK1"})
_DEPARTMENTS = "imaging_department"
_GROUPS_MAX = 500


@dataclass(slots=True)
class _Group:
    """One OBR, the ORC before it, and what follows it; patient: the segments of the PID it stands under."""

    number: int
    patient: dict[str, list[Segment]]
    scope: dict[str, list[Segment]] = field(default_factory=dict)
    body: list[Segment] = field(default_factory=list)

    def add(self, segment: Segment) -> None:
        self.scope.setdefault(segment.name, []).append(segment)
        if segment.name in ("OBX", "NTE"):
            self.body.append(segment)

    def place(self, where: str) -> str:
        """Return *where* with the number of its segment, for a group that is not the first."""
        name, dash, rest = where.partition("-")
        segments = self.scope.get(name, ())
        number = segments[0].number if segments else (self.number if name in ("OBR", "ORC") else 1)
        return f"{name}[{number}]{dash}{rest}" if number > 1 else where


def read_results(
    evaluator: Evaluator, segments: Sequence[Segment]
) -> tuple[tuple[ReportDraft, ...], tuple[LabDraft, ...]]:
    """
    Return a report for each order group, and what tables.lab_result knows of their observations.

    Groups that name one filler number are one report.

    Raises: Incomplete without OBR, or without a patient number; Malformed, each naming its segment.
    """
    groups = _groups(segments)
    if not groups:
        raise Incomplete("no observation group", code="missing", where="OBR-1", source="HL7 2.5.1 7.3.1")
    if len(groups) > _GROUPS_MAX:
        raise Malformed(f"more than {_GROUPS_MAX} observation groups", code="too_many", where=f"OBR[{_GROUPS_MAX + 1}]")
    people: dict[int, PatientDraft] = {}
    drafts, labs = list[ReportDraft](), list[LabDraft]()
    for group in groups:
        evaluator.numbers = {"report": group.number} if len(groups) > 1 else {}
        try:
            patient = people.get(id(group.patient)) or read_patient(evaluator, group.patient)
            people[id(group.patient)] = patient
            drafts.append(_read_report(evaluator, group, patient))
            labs += read_labs(evaluator.context, group.body, drafts[-1])
        except BridgeError as error:
            error.where = group.place(error.where)
            raise
    return _joined(drafts), tuple(labs)


def _groups(segments: Sequence[Segment]) -> list[_Group]:
    """Return the order groups. Several patients may follow each other, each with groups of its own."""
    groups: list[_Group] = []
    patient: dict[str, list[Segment]] = {}
    order: Segment | None = None
    is_open = False
    for segment in segments:
        name = segment.name
        if name == "PID":
            patient, order, is_open = {}, None, False
        if name in _OF_THE_PATIENT and not is_open:
            patient.setdefault(name, []).append(segment)
        elif name == "ORC":
            order, is_open = segment, False
        elif name == "OBR":
            groups.append(_Group(len(groups) + 1, patient))
            for each in filter(None, (order, segment)):
                groups[-1].add(each)
            order, is_open = None, True
        elif is_open:
            groups[-1].add(segment)
    return groups


def _read_report(evaluator: Evaluator, group: _Group, patient: PatientDraft) -> ReportDraft:
    scope = group.scope
    numbers = _numbers(evaluator, group)
    status = _status(evaluator, group)
    code = evaluator.get("report.code", scope) or Code()
    department = (evaluator.get("report.department", scope) or "").upper()
    issued, observed = evaluator.get("report.issued", scope), evaluator.get("report.observed", scope)
    context = evaluator.context
    body = read_body(context, group.body, code, keep_deleted=status in WITHDRAWN)
    content = ReportContent(
        status,
        code if code else IMAGING_REPORT,
        evaluator.get("report.title", scope) or code.code_meaning or IMAGING_REPORT.code_meaning,
        issued.at if isinstance(issued, Moment) else None,
        observed.local if isinstance(observed, Moment) else "",
        observed.at if isinstance(observed, Moment) else None,
        evaluator.get("report.interpreters", scope) or (),
        tuple(body.sections),
        tuple(body.documents),
        tuple(body.links),
    )
    is_imaging = (
        bool(numbers.study_instance_uid or numbers.sr_instance_uid)
        or department in context.site.tables.get(_DEPARTMENTS, {})
        or code.code_value == IMAGING_REPORT.code_value
    )
    policy = context.site.policy.report_without_order
    may_wait = policy == "wait" or (policy == "wait_if_imaging" and is_imaging)
    return ReportDraft(patient, numbers, content, may_wait, group.place("OBR"), body.files)


def _numbers(evaluator: Evaluator, group: _Group) -> ReportNumbers:
    scope = group.scope
    return ReportNumbers(
        evaluator.get("report.accession", scope) or EntityIdentifier(),
        evaluator.get("report.placer_number", scope) or EntityIdentifier(),
        evaluator.get("report.filler_number", scope) or EntityIdentifier(),
        _uid(evaluator, "report.study_instance_uid", group),
        _uid(evaluator, "report.sr_instance_uid", group),
    )


def _uid(evaluator: Evaluator, target: str, group: _Group) -> str:
    """Return a UID, "" for what is none: a site without ZDS of its own may put anything there."""
    value: str = evaluator.get(target, group.scope) or ""
    try:
        if not value or "." in check_uid(value, "OBX-5", tolerate_leading_zeros=True):
            return value
    except Malformed:
        pass
    evaluator.context.warn("not a UID, left out", group.place("OBX-5"))
    return ""


def _status(evaluator: Evaluator, group: _Group) -> ReportStatus:
    value = evaluator.get("report.status", group.scope) or ""
    try:
        return ReportStatus(value)
    except ValueError:
        evaluator.context.warn("no result status: nobody can tell whether it is final", group.place("OBR-25"))
        return ReportStatus.UNKNOWN


def _joined(drafts: Sequence[ReportDraft]) -> tuple[ReportDraft, ...]:
    """Join groups of one filler number and one patient: a laboratory and some dictation systems cut a report up so."""
    found: dict[tuple[object, ...], list[ReportDraft]] = {}
    for number, draft in enumerate(drafts):
        filler = draft.numbers.filler_order_number
        key = (filler, draft.patient.identifiers[0].key) if filler else (number,)
        found.setdefault(key, []).append(draft)
    return tuple(same[0] if len(same) == 1 else _one_of(same) for same in found.values())


def _one_of(same: Sequence[ReportDraft]) -> ReportDraft:
    first = same[0]
    content = replace(
        first.content,
        sections=tuple(section for draft in same for section in _under_its_title(draft, first)),
        documents=tuple(document for draft in same for document in draft.content.documents),
        links=tuple(link for draft in same for link in draft.content.links),
    )
    numbers = replace(
        first.numbers,
        study_instance_uid=next(filter(None, (draft.numbers.study_instance_uid for draft in same)), ""),
        accession=next(filter(None, (draft.numbers.accession for draft in same)), first.numbers.accession),
    )
    files = {digest: content for draft in same for digest, content in draft.files.items()}
    return replace(first, content=content, numbers=numbers, may_wait=any(one.may_wait for one in same), files=files)


def _under_its_title(draft: ReportDraft, first: ReportDraft) -> tuple[ReportSection, ...]:
    """Return a group's sections, its procedure before them where that is not the first group's."""
    sections = draft.content.sections
    is_other = bool(sections) and draft.content.title != first.content.title
    return (ReportSection(draft.content.title, ""), *sections) if is_other else sections
