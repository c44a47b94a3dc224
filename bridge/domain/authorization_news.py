"""What one source says of an authorization at one time, and what all that was said comes to.

Every source is read into AuthorizationNews: an order's segments, a FHIR resource, an X12 278 or 277, a row of a list, a form.
An authorization is the fold of its news by their own time: heard again, or late and out of order, they come to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum

from bridge.domain.authorization import Authorization, AuthorizationLine, Standing, Urgency, number_key
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.records import replace


class NewsKind(StrEnum):
    """
    What the news are.

    named: a number was given, without the payer's word on it. drafted, requested: somebody asks. answered: the payer's
    own word (278 response, 277, ClaimResponse, or read to a person). withdrawn: it takes an answer back.
    """

    NAMED = "named"
    DRAFTED = "drafted"
    REQUESTED = "requested"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class AuthorizationNews:
    """
    What a source says; "" and () are "not said".

    source: who says it ("RIVEHR", "fhir:ehr", "x12:FILE", "user:bill"). said_at: when, by the source's clock.
    payer_id, payer_name: of the payer. number: the payer's; administrative_reference: its tracking number (REF*NT, or a
    reference on an answer that only pends); trace: the requester's (TRN02); replaces: the number or trace of the request
    that this one follows. patient_numbers: whose, in the order of trust; patient_name ("FAMILY^GIVEN"), birth_date
    ("YYYYMMDD"): as the source has them. accession_number, placer_order_number, filler_order_number: the order it names.
    decision, reason_codes: HCR01 and HCR03 of the whole request; the rest as in Authorization. error_codes: AAA03 or an
    OperationOutcome's, where the payer refused to read it. policy_level: it stood on the insurance.
    """

    source: str
    said_at: datetime
    kind: NewsKind = NewsKind.NAMED
    payer_id: str = ""
    payer_name: str = ""
    number: str = ""
    administrative_reference: str = ""
    trace: str = ""
    replaces: str = ""
    patient_numbers: tuple[PatientIdentifier, ...] = ()
    patient_name: str = ""
    birth_date: str = ""
    member_id: str = ""
    member_suffix: str = ""
    subscriber_id: str = ""
    accession_number: str = ""
    placer_order_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    filler_order_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    request_category: str = ""
    certification: str = ""
    service_type: str = ""
    urgency: Urgency | None = None
    decision: str = ""
    reason_codes: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    error_codes: tuple[str, ...] = ()
    effective_on: str = ""
    expires_on: str = ""
    received_at: datetime | None = None
    policy_level: bool = False
    lines: tuple[AuthorizationLine, ...] = ()

    @property
    def decides(self) -> bool:
        """Whether a decision is said, of all or of a line."""
        return bool(self.decision) or any(line.decision for line in self.lines)


# What a later word of any kind replaces, unless it says nothing.
ACCOUNT_TEXTS = (
    "payer_name",
    "number",
    "administrative_reference",
    "trace",
    "member_id",
    "member_suffix",
    "subscriber_id",
    "request_category",
    "certification",
    "service_type",
    "effective_on",
    "expires_on",
)
# What a line keeps from an earlier word where a later one says nothing.
_LINE_FIELDS = tuple(one.name for one in fields(AuthorizationLine))


@dataclass(frozen=True, slots=True)
class Account:
    """What all the news of an authorization come to. The names are Authorization's."""

    payer_id: str = ""
    payer_name: str = ""
    number: str = ""
    administrative_reference: str = ""
    trace: str = ""
    member_id: str = ""
    member_suffix: str = ""
    subscriber_id: str = ""
    request_category: str = ""
    certification: str = ""
    service_type: str = ""
    urgency: Urgency = Urgency.STANDARD
    decision: str = ""
    reason_codes: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    effective_on: str = ""
    expires_on: str = ""
    received_at: datetime | None = None
    answered_at: datetime | None = None
    said_at: datetime | None = None
    policy_level: bool = False
    lines: tuple[AuthorizationLine, ...] = ()
    is_request: bool = False
    is_draft: bool = False
    has_error: bool = False

    @property
    def standing(self) -> Standing:
        """What the status is made from."""
        return Standing(self.decision, self.lines, self.is_request, self.is_draft, self.has_error)


def drafted_anew(one: Authorization, source: str, at: datetime) -> AuthorizationNews:
    """Return a request of its own for what an authorization was for, without anything that its payer said or called it."""
    blank = {"decision": "", "number": "", "reason_codes": (), "approved_units": "", "trace": ""}
    return AuthorizationNews(
        source,
        at,
        NewsKind.DRAFTED,
        payer_id=one.payer_id,
        payer_name=one.payer_name,
        member_id=one.member_id,
        member_suffix=one.member_suffix,
        subscriber_id=one.subscriber_id,
        request_category=one.request_category,
        certification=one.certification,
        service_type=one.service_type,
        urgency=one.urgency,
        lines=tuple(replace(line, **blank) for line in one.lines if line.decision != "C"),
    )


def fold(said: Iterable[tuple[AuthorizationNews, str]]) -> Account:
    """
    Return what *said* comes to, in whatever order it is given: the newest word on each thing counts.

    said: news, each with its digest, which puts those of one moment in an order.
    """
    account = Account()
    for news, _ in sorted(said, key=lambda one: (one[0].said_at, one[1])):
        account = _with(account, news)
    return account


def without_answer(news: AuthorizationNews) -> AuthorizationNews:
    """Return news whose answer was taken back: they name the authorization still, and decide nothing."""
    undecided = {"decision": "", "number": "", "reason_codes": (), "approved_units": ""}
    return replace(
        news,
        kind=NewsKind.NAMED,
        number="",
        decision="",
        reason_codes=(),
        wanted=(),
        error_codes=(),
        effective_on="",
        expires_on="",
        lines=tuple(replace(line, **undecided) for line in news.lines),
    )


def _with(account: Account, news: AuthorizationNews) -> Account:
    said: dict[str, object] = {name: value for name in ACCOUNT_TEXTS if (value := getattr(news, name))}
    said["payer_id"] = account.payer_id or news.payer_id
    said["said_at"] = news.said_at
    lines = news.lines
    if news.kind != NewsKind.ANSWERED:
        lines = tuple(replace(one, decision="", reason_codes=()) for one in lines)
    said["lines"] = with_lines(account.lines, lines)
    if news.urgency is not None:
        said["urgency"] = news.urgency
    if news.received_at is not None:
        said["received_at"] = news.received_at
    # It is the insurance's only as long as no order, request or answer names it for itself.
    said["policy_level"] = news.policy_level and (account.policy_level or account.said_at is None)
    said["is_request"] = account.is_request or news.kind == NewsKind.REQUESTED
    said["is_draft"] = account.is_draft or news.kind == NewsKind.DRAFTED
    if news.kind == NewsKind.ANSWERED:
        said |= _answer(account, news)
    return replace(account, **said)


def _answer(account: Account, news: AuthorizationNews) -> dict[str, object]:
    """Return what an answer changes: an earlier decision stands until another one is said."""
    said: dict[str, object] = {"wanted": news.wanted, "has_error": bool(news.error_codes)}
    if news.decides:
        said |= {"decision": news.decision, "reason_codes": news.reason_codes, "answered_at": news.said_at}
        if not news.decision:
            # What is said of lines leaves the other lines as the earlier decision on the whole has them.
            lines = with_lines(account.lines, news.lines)
            said["lines"] = tuple(replace(one, decision=one.decision or account.decision) for one in lines)
    elif not news.error_codes:
        said["has_error"] = account.has_error
    return said


def with_lines(known: Sequence[AuthorizationLine], said: Sequence[AuthorizationLine]) -> tuple[AuthorizationLine, ...]:
    """
    Return *known* with what is *said* of them, and the lines that are new.

    A line is known by the requester's number of it, else by its place in the request, else by code and modifiers; where
    each of these is silent or fits several lines, it is a line of its own.
    """
    lines = list(known)
    for line in said:
        place = _place_of(lines, line)
        if place is None:
            lines.append(line)
        else:
            lines[place] = _merged(lines[place], line)
    return tuple(lines)


def _place_of(lines: Sequence[AuthorizationLine], line: AuthorizationLine) -> int | None:
    tests = (
        bool(line.trace) and (lambda one: one.trace == line.trace),
        bool(line.sequence) and (lambda one: one.sequence == line.sequence),
        bool(line.code) and (lambda one: _procedure(one) == _procedure(line) and not _is_other(one, line)),
    )
    for test in tests:
        found = [place for place, one in enumerate(lines) if test and test(one)]
        if len(found) == 1:
            return found[0]
    return None


def _procedure(line: AuthorizationLine) -> tuple[str, frozenset[str]]:
    return number_key(line.code), frozenset(one.upper() for one in line.modifiers)


def _is_other(one: AuthorizationLine, line: AuthorizationLine) -> bool:
    """Say whether both say which line they are, and not the same."""
    traces = bool(one.trace and line.trace) and one.trace != line.trace
    return traces or (bool(one.sequence and line.sequence) and one.sequence != line.sequence)


def _merged(known: AuthorizationLine, said: AuthorizationLine) -> AuthorizationLine:
    news = {name: value for name in _LINE_FIELDS if (value := getattr(said, name))}
    if said.decision:
        # Why belongs to the decision: a new one does not keep the reasons of the last.
        news["reason_codes"] = said.reason_codes
    return replace(known, **news)
