"""277: how claims stand. The answer to an inquiry, the acknowledgement of claims (277CA), the request for documents (RFAI).

The inquiry itself (276) is read by the same model. `outcomes` gives each claim as a `ClaimOutcome`; a request for
documents tells there what is wanted, by when, and under which number a 275 has to answer.
Source: 005010X212, 005010X213, 005010X214, 006020X313.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources

from bridge.codecs.x12.envelope import Transaction
from bridge.codecs.x12.facts import LOINC, Evidence, Reference, Trace, When, day
from bridge.codecs.x12.loops import Loop, read_loops, table
from bridge.codecs.x12.parties import Party, read_party
from bridge.codecs.x12.remittance import amount_at
from bridge.domain.claim_outcome import NOTHING, ClaimOutcome, LineOutcome, OutcomeStatus
from bridge.domain.message import Notice
from bridge.errors import Malformed, Unsupported

_STATUS_AT = (1, 10, 11)
_DUE, _SERVICE = "106", "472"
_PAYER_CLAIM, _LINE_CONTROL, _AUTHORIZATION = "1K", ("6R", "FJ"), "G1"
_LEVELS = ("2000A", "2000B", "2000C", "2000D", "2000E")
# What says most about a claim comes first; a claim of which a part is returned or denied is no claim that was paid.
_WEIGHT = (
    *(OutcomeStatus.RETURNED, OutcomeStatus.ASKED, OutcomeStatus.DENIED, OutcomeStatus.PENDED),
    *(OutcomeStatus.PAID, OutcomeStatus.ACCEPTED, OutcomeStatus.UNKNOWN),
)


@dataclass(frozen=True, slots=True)
class Status:
    """
    One composite of an STC. category: "A7", "R4". code: of the status, or a LOINC where system is "LOI".

    entity: NM101 of whom it is about. effective_on: STC02. message: STC12.
    """

    category: str
    code: str
    entity: str = ""
    system: str = ""
    effective_on: date | None = None
    message: str = ""

    @property
    def text(self) -> str:
        """As people write it: "A7:21"."""
        return f"{self.category}:{self.code}"

    @property
    def outcome(self) -> OutcomeStatus:
        """How a claim with it stands."""
        row = _words().get(self.category)
        return OutcomeStatus(row["status"]) if row else OutcomeStatus.UNKNOWN

    @property
    def about(self) -> str:
        """In our own words, "" for a category that is not known."""
        return _words().get(self.category, {}).get("about", "")


@dataclass(frozen=True, slots=True)
class LineStatus:
    """One service (SVC). evidence: PWK, what is asked for."""

    code: str
    modifiers: tuple[str, ...] = ()
    charged: Decimal = NOTHING
    paid: Decimal = NOTHING
    statuses: tuple[Status, ...] = ()
    references: tuple[Reference, ...] = ()
    dates: tuple[When, ...] = ()
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimStatus:
    """
    What one TRN is about: a claim, or where level is 2000A to 2000C a whole batch or provider.

    trace: kind "2" with the number that we gave; kind "1" where the payer asks and gives one. number: the segment's.
    """

    level: str
    trace: Trace
    payer: Party | None = None
    provider: Party | None = None
    patient: Party | None = None
    statuses: tuple[Status, ...] = ()
    charged: Decimal = NOTHING
    paid: Decimal = NOTHING
    references: tuple[Reference, ...] = ()
    dates: tuple[When, ...] = ()
    lines: tuple[LineStatus, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    number: int = 0

    @property
    def is_of_a_claim(self) -> bool:
        """Whether it is about one claim."""
        return self.level in ("2000D", "2000E")


@dataclass(frozen=True, slots=True)
class StatusReport:
    """
    One 276 or 277. file_number: of its transaction.

    purpose: BHT02; reference: BHT03; created: BHT04 and BHT05; kind: BHT06 ("TH" of a 277CA).
    """

    name: str
    version: str
    file_number: str
    purpose: str
    reference: str
    created: str
    kind: str
    statuses: tuple[ClaimStatus, ...]
    notices: tuple[Notice, ...] = ()


def read(transaction: Transaction) -> StatusReport:
    """
    Return what a 277 or 276 says.

    Raises: Unsupported for another transaction, Malformed for one whose envelope is not whole, or an amount that is none.
    """
    if transaction.name not in ("276", "277"):
        raise Unsupported("it is no 277", code="unsupported_type", where="ST01")
    transaction.require_whole()
    tree = read_loops(transaction.segments, table("277"))
    bht = tree.root.first("BHT")
    if bht is None:
        raise Malformed("a claim status begins with BHT", code="segment_sequence", where="BHT")
    return StatusReport(
        name=transaction.name,
        version=transaction.version,
        file_number=transaction.file_number,
        purpose=bht.element(2),
        reference=bht.element(3),
        created=bht.element(4) + bht.element(5),
        kind=bht.element(6),
        statuses=tuple(_of_levels(tree.root, {})),
        notices=tuple(tree.notices),
    )


def outcomes(report: StatusReport) -> list[ClaimOutcome]:
    """Return the claims of a 277, in order; none of an inquiry, and none of a status that is about a whole batch."""
    if report.name != "277":
        return []
    said_on = day(report.created)
    return [_outcome(one, report, said_on) for one in report.statuses if one.is_of_a_claim]


def _of_levels(loop: Loop, parties: dict[str, Party]) -> Iterator[ClaimStatus]:
    """Yield the statuses of a level and of those inside it; parties: by level, of those above."""
    here = dict(parties)
    named = loop.within("2100")
    if named:
        here[loop.kind.id] = read_party(named[0])
    for traced in loop.within("2200"):
        yield _status(traced, loop.kind.id, here)
    for inner in loop.within(*_LEVELS):
        yield from _of_levels(inner, here)


def _status(loop: Loop, level: str, parties: dict[str, Party]) -> ClaimStatus:
    stc = loop.first("STC")
    return ClaimStatus(
        level=level,
        trace=Trace.read(loop.segments[0]),
        payer=parties.get("2000A"),
        provider=parties.get("2000C"),
        patient=parties.get("2000E") or parties.get("2000D"),
        statuses=tuple(_statuses(loop)),
        charged=amount_at(stc, 4) if stc is not None else NOTHING,
        paid=amount_at(stc, 5) if stc is not None else NOTHING,
        references=tuple(Reference.read(one) for one in loop.all("REF")),
        dates=tuple(When.read(one) for one in loop.all("DTP")),
        lines=tuple(_line(one) for one in loop.within("2220")),
        evidence=tuple(Evidence.read(one.segments[0]) for one in loop.within("2210")),
        number=loop.segments[0].number,
    )


def _line(loop: Loop) -> LineStatus:
    svc = loop.segments[0]
    return LineStatus(
        code=svc.component(1, 2),
        modifiers=tuple(one.strip(" ") for one in svc.components(1)[2:6] if one.strip(" ")),
        charged=amount_at(svc, 2),
        paid=amount_at(svc, 3),
        statuses=tuple(_statuses(loop)),
        references=tuple(Reference.read(one) for one in loop.all("REF")),
        dates=tuple(When.read(one) for one in loop.all("DTP")),
        evidence=tuple(Evidence.read(one.segments[0]) for one in loop.within("2210")),
    )


def _statuses(loop: Loop) -> Iterator[Status]:
    for stc in loop.all("STC"):
        for place in _STATUS_AT:
            parts = [one.strip(" ") for one in stc.components(place)]
            if parts and parts[0]:
                category, code, entity, system = (parts + [""] * 4)[:4]
                yield Status(category, code, entity, system, day(stc.element(2)), stc.element(12))


def _outcome(status: ClaimStatus, report: StatusReport, said_on: date | None) -> ClaimOutcome:
    every = [*status.statuses, *(one for line in status.lines for one in line.statuses)]
    evidence = [*status.evidence, *(one for line in status.lines for one in line.evidence)]
    service = _when(status.dates, _SERVICE) or next(
        filter(None, (_when(one.dates, _SERVICE) for one in status.lines)), None
    )
    due = _when(status.dates, _DUE)
    asks = status.trace.kind == "1"
    accounts = [one.number for one in status.references if one.code == "EJ"]
    return ClaimOutcome(
        claim_number=accounts[0] if accounts else "" if asks else status.trace.number,
        payer_claim_number=next((one.number for one in status.references if one.code == _PAYER_CLAIM), ""),
        payer_id=status.payer.number if status.payer is not None else "",
        payer_name=status.payer.name if status.payer is not None else "",
        status=_status_of(every, status.paid),
        charged=status.charged,
        paid=status.paid,
        lines=tuple(_line_outcome(one) for one in status.lines),
        status_codes=tuple(dict.fromkeys(one.text for one in every)),
        said_on=max((one.effective_on for one in every if one.effective_on), default=said_on),
        service_from=service.begins if service is not None else None,
        service_to=service.ends if service is not None else None,
        authorization_numbers=tuple(one.number for one in status.references if one.code == _AUTHORIZATION),
        attachment_control_numbers=(status.trace.number,) if asks else (),
        wanted=tuple(_wanted(every, evidence)),
        due_on=due.ends if due is not None else None,
        source_number=f"{report.file_number}/{status.number}",
    )


def _status_of(statuses: list[Status], paid: Decimal) -> OutcomeStatus:
    """Return what says most; of a claim that is finished, without a word on how, what was paid says it."""
    found = min((one.outcome for one in statuses), key=_WEIGHT.index, default=OutcomeStatus.UNKNOWN)
    return OutcomeStatus.PAID if found is OutcomeStatus.UNKNOWN and paid > 0 else found


def _line_outcome(line: LineStatus) -> LineOutcome:
    service = _when(line.dates, _SERVICE)
    return LineOutcome(
        code=line.code,
        modifiers=line.modifiers,
        charged=line.charged,
        paid=line.paid,
        control_number=next((one.number for one in line.references if one.code in _LINE_CONTROL), ""),
        service_from=service.begins if service is not None else None,
        service_to=service.ends if service is not None else None,
    )


def _wanted(statuses: list[Status], evidence: list[Evidence]) -> Iterator[str]:
    """Yield what is asked for, each once: LOINC codes, then PWK01."""
    codes = [one.code for one in statuses if one.system == LOINC or (one.category == "R4" and "-" in one.code)]
    yield from dict.fromkeys([*codes, *(one.report_type for one in evidence)])


def _when(dates: tuple[When, ...], code: str) -> When | None:
    return next((one for one in dates if one.code == code), None)


@cache
def _words() -> dict[str, dict[str, str]]:
    content = resources.files("bridge.codecs.x12").joinpath("tables", "claim_status.toml").read_text("utf-8")
    return tomllib.loads(content)
