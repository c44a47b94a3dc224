"""An X12 file in words: what each transaction is, what it decides, and what is wrong with it.

Whatever names a patient, a claim or an authorization stands apart (`Row.private`), and is shown only where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.codecs.x12 import acknowledgement, additional_information, claim_status, prior_authorization, remittance
from bridge.codecs.x12.claim_status import StatusReport
from bridge.codecs.x12.envelope import Fault, Interchange, Transaction
from bridge.codecs.x12.facts import Decision
from bridge.codecs.x12.prior_authorization import Line, PriorAuthorization
from bridge.codecs.x12.reasons import words_for
from bridge.domain.authorization import DECISIONS
from bridge.domain.claim_outcome import Adjustment, ClaimOutcome
from bridge.domain.message import Notice
from bridge.errors import BridgeError

# In our own words, by ST01.
TITLES = {
    "270": "coverage inquiry",
    "271": "coverage answer",
    "275": "documents for a payer",
    "276": "claim status inquiry",
    "277": "claim status",
    "278": "prior authorization",
    "820": "premium payment",
    "834": "enrollment",
    "835": "payment of claims",
    "837": "claims",
    "997": "acknowledgement",
    "999": "acknowledgement",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a transaction says. private: what names a patient, a claim or an authorization."""

    says: dict[str, str]
    private: dict[str, str]


@dataclass(frozen=True, slots=True)
class Summary:
    """
    One transaction in words. title: "prior authorization". rows: () where this kind is not read here.

    faults: of its envelope, for which nothing takes it; refusal: why it was not read, "" where it was.
    """

    name: str
    version: str
    control_number: str
    title: str
    is_test: bool
    rows: tuple[Row, ...] = ()
    faults: tuple[Fault, ...] = ()
    notices: tuple[Notice, ...] = ()
    refusal: str = ""


def summary_of(transaction: Transaction) -> Summary:
    """Return a transaction in words, also one whose envelope is at fault: a person looks at it."""
    said = Summary(
        transaction.name,
        transaction.version,
        transaction.control_number,
        TITLES.get(transaction.name, "a kind that is not read here"),
        transaction.is_test,
        faults=transaction.faults,
    )
    reader = _READERS.get(transaction.name)
    if reader is None:
        return said
    try:
        rows, notices = reader(transaction.let_through())
    except BridgeError as fault:
        return _with(said, refusal=f"{fault.where}: {fault.detail}")
    return _with(said, rows, notices)


def acknowledgements_of(interchange: Interchange) -> list[Row]:
    """Return the TA1 of an interchange in words."""
    return [
        Row({"what": "interchange", "accepted": _yes(one.is_accepted), "note": one.note}, {"of": one.control_number})
        for one in acknowledgement.read_interchange(interchange)
    ]


def _with(said: Summary, rows: tuple[Row, ...] = (), notices: tuple[Notice, ...] = (), refusal: str = "") -> Summary:
    head = (said.name, said.version, said.control_number, said.title, said.is_test)
    return Summary(*head, rows, said.faults, notices, refusal)


_Read = tuple[tuple[Row, ...], tuple[Notice, ...]]


def _prior_authorizations(transaction: Transaction) -> _Read:
    found = prior_authorization.read(transaction)
    return tuple(row for one in found for row in _rows_of_request(one)), found[0].notices


def _rows_of_request(said: PriorAuthorization) -> Iterator[Row]:
    event, patient = said.event, said.dependent or said.subscriber
    private = {"reference": said.reference}
    if patient is not None:
        private |= {"patient": f"{patient.party.name}, {patient.party.first}", "member": patient.party.number}
    says = {"what": "answer" if said.is_answer else "request", "payer": said.payer.name}
    if event is not None:
        private |= _numbers(event.decision)
        says |= {
            "decision": _decided(event.decision),
            "evidence": " ".join(one.report_type for one in event.evidence),
            "asked for": " ".join(one.code for one in event.asked_for),
        }
    yield Row(_filled(says), _filled(private))
    for line in event.lines if event is not None else ():
        yield _row_of_line(line)


def _row_of_line(line: Line) -> Row:
    service = line.service
    procedure = " ".join((service.code, *service.modifiers)) if service is not None else ""
    says = {
        "what": "line",
        "procedure": procedure,
        "units": service.quantity if service is not None else "",
        "decision": _decided(line.decision),
        "refused": " ".join(one.reason for one in line.rejections),
        "evidence": " ".join(one.report_type for one in line.evidence),
        "asked for": " ".join(one.code for one in line.asked_for),
    }
    return Row(_filled(says), _filled(_numbers(line.decision)))


def _documents(transaction: Transaction) -> _Read:
    said = additional_information.read(transaction)
    rows = [
        Row(
            _filled(
                {
                    "what": "document",
                    "answers": "a request" if answer.trace.kind == "2" else "what was announced",
                    "type": document.media_type,
                    "bytes": str(len(document.content)),
                    "asked for": answer.asked_for,
                    "unreadable": document.unreadable,
                }
            ),
            _filled({"control number": answer.trace.number, "patient": f"{said.patient.name}, {said.patient.first}"}),
        )
        for answer in said.answers
        for document in answer.documents
    ]
    return tuple(rows), said.notices


def _statuses(transaction: Transaction) -> _Read:
    report = claim_status.read(transaction)
    claims = [_row_of_claim(one) for one in claim_status.outcomes(report)]
    return (*_rows_of_batches(report), *claims), report.notices


def _rows_of_batches(report: StatusReport) -> Iterator[Row]:
    for one in report.statuses:
        if one.is_of_a_claim and report.name == "277":
            continue
        said = ", ".join(f"{status.text} {status.about}".strip() for status in one.statuses)
        what = "inquiry" if report.name == "276" else "batch"
        yield Row(_filled({"what": what, "status": said}), _filled({"number": one.trace.number}))


def _payments(transaction: Transaction) -> _Read:
    said = remittance.read(transaction)
    head = Row(
        _filled({"what": "payment", "payer": said.payer_name, "amount": str(said.amount), "method": said.method}),
        _filled({"number": said.number}),
    )
    return (head, *(_row_of_claim(one) for one in said.claims)), said.notices


def _row_of_claim(said: ClaimOutcome) -> Row:
    says = {
        "what": "claim",
        "status": " ".join((said.status, *said.status_codes)),
        "charged": str(said.charged),
        "paid": str(said.paid),
        "adjusted": ", ".join(_adjusted(one) for one in said.every_adjustment),
        "remarks": " ".join((*said.remarks, *(code for line in said.lines for code in line.remarks))),
        "documents": "missing" if said.lacks_documents else "",
        "asked for": " ".join(said.wanted),
        "due": str(said.due_on or ""),
    }
    private = {
        "claim": said.claim_number,
        "payer's claim": said.payer_claim_number,
        "authorization": " ".join(said.authorization_numbers),
        "control number": " ".join(said.attachment_control_numbers),
    }
    return Row(_filled(says), _filled(private))


def _acknowledgement(transaction: Transaction) -> _Read:
    said = acknowledgement.read(transaction)
    rows = [Row({"what": "group", "kind": said.name, "accepted": _yes(said.is_accepted)}, {"of": said.control_number})]
    for one in said.transactions:
        errors = "; ".join(f"{error.where} ({' '.join(error.codes)})" for error in one.errors)
        says = {"what": "transaction", "kind": one.name, "accepted": _yes(one.is_accepted), "errors": errors}
        rows.append(Row(_filled(says), {"of": one.control_number}))
    return tuple(rows), ()


def _adjusted(one: Adjustment) -> str:
    return f"{one.code} {one.amount}" + (f" ({words})" if (words := words_for(one.reason)) else "")


def _decided(decision: Decision | None) -> str:
    if decision is None:
        return ""
    status = DECISIONS.get(decision.action)
    return " ".join((decision.action, status or "", *decision.reasons)).strip()


def _numbers(decision: Decision | None) -> dict[str, str]:
    return {"number": decision.number} if decision is not None else {}


def _filled(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if value.strip(", ")}


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


_READERS: dict[str, Callable[[Transaction], _Read]] = {
    "275": _documents,
    "276": _statuses,
    "277": _statuses,
    "278": _prior_authorizations,
    "835": _payments,
    "997": _acknowledgement,
    "999": _acknowledgement,
}
