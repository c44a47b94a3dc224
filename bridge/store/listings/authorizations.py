"""Authorizations as the billing desk finds them: by what they go by, by payer, by how they stand, by what is due or amiss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, not_, or_, select

from bridge.domain.attachment import AttachmentKind, AttachmentState
from bridge.domain.authorization import LIVE, WAITS_FOR_PAYER, Authorization
from bridge.domain.authorization_links import Link
from bridge.domain.authorization_warnings import ExamWarning
from bridge.domain.evidence_needs import Need
from bridge.domain.submission import SubmissionState
from bridge.store import authorization_gaps as gaps
from bridge.store import authorization_links, authorization_warnings
from bridge.store import authorizations as claims
from bridge.store.db import ReadTx
from bridge.store.listings.people import Person, by_key, keys_by_name, keys_by_number
from bridge.store.tables import (
    attachments,
    authorization_gaps,
    authorizations,
    orders,
    packets,
    payer_submissions,
    studies,
)
from bridge.store.tables import authorization_links as links_table
from bridge.store.tables import authorization_warnings as warnings_table

_COLUMNS = authorizations.c


@dataclass(frozen=True, slots=True)
class Way:
    """
    One way in which images reach an authorization, and how far it is; number: of studies. is_ready: its packet is made.

    is_unclear: nobody knows whether its payer has it.
    """

    kind: AttachmentKind
    state: AttachmentState
    is_ready: bool
    is_unclear: bool
    number: int


@dataclass(frozen=True, slots=True)
class AuthorizationRow:
    """
    One authorization. attached: number of attachments by state; ways: in which ways. warnings: what stands between it and its exams.

    missing: what of the payer's checklist is not here. links: the orders under it; accessions: their accession numbers, by order. due_at: when the payer owes its answer.
    """

    authorization: Authorization
    patient: Person | None
    accession_number: str
    attached: dict[str, int]
    warnings: tuple[ExamWarning, ...] = ()
    links: tuple[Link, ...] = ()
    accessions: dict[int, str] | None = None
    due_at: datetime | None = None
    missing: tuple[Need, ...] = ()
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What is asked for, "" for everything. text: a number, an accession number, a patient's number or beginning of a name.

    payer: its id or name; status: one of AuthorizationStatus; gap: a kind of warning, or "any". due_before: whose answer is
    due before then. lacks: one of LACKS. missing: one of Need, that is not here.
    """

    text: str = ""
    payer: str = ""
    status: str = ""
    gap: str = ""
    due_before: datetime | None = None
    lacks: str = ""
    missing: str = ""


# What an authorization may want of the desk. attachment: nothing is attached; release: a draft waits for a person's word;
# review: the images' patient is in doubt; unclear: nobody knows whether the payer has what was sent; papers: the payer asks
# for some; resend: sending failed.
LACKS = ("attachment", "release", "review", "unclear", "papers", "resend")
_STATES = {"release": AttachmentState.DRAFT, "review": AttachmentState.REVIEW, "resend": AttachmentState.FAILED}


def rows(tx: ReadTx, wanted: Wanted, *, before: int | None, limit: int) -> list[AuthorizationRow]:
    """Return what is wanted, newest first."""
    return by_keys(tx, keys(tx, wanted, before=before, limit=limit))


def keys(tx: ReadTx, wanted: Wanted, *, before: int | None = None, limit: int) -> list[int]:
    """Return what is wanted by their rows, newest first."""
    query = select(_COLUMNS.key).where(*conditions(tx, wanted)).order_by(_COLUMNS.key.desc()).limit(limit)
    if before is not None:
        query = query.where(_COLUMNS.key < before)
    return list(tx.execute(query).scalars())


def conditions(tx: ReadTx, wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return what holds of the authorizations that are wanted."""
    found: list[ColumnElement[bool]] = []
    if wanted.text:
        found.append(_named(tx, wanted.text))
    if wanted.payer:
        named = wanted.payer.casefold()
        found.append(or_(func.lower(_COLUMNS.payer_id) == named, func.lower(_COLUMNS.payer_name) == named))
    if wanted.status:
        found.append(_COLUMNS.status == wanted.status)
    if wanted.due_before is not None:
        found += [_COLUMNS.due_at.is_not(None), _COLUMNS.due_at < wanted.due_before]
    if wanted.gap:
        amiss = select(warnings_table.c.authorization_key).where(warnings_table.c.closed_at.is_(None))
        if wanted.gap != "any":
            amiss = amiss.where(warnings_table.c.kind == wanted.gap)
        found.append(_COLUMNS.key.in_(amiss))
    if wanted.missing:
        missing = select(authorization_gaps.c.authorization_key).where(authorization_gaps.c.need == wanted.missing)
        found.append(_COLUMNS.key.in_(missing))
    if wanted.lacks:
        found.append(_lacking(wanted.lacks))
    return found


def _lacking(what: str) -> ColumnElement[bool]:
    if what == "papers":
        asked = cast(_COLUMNS.wanted, Text).not_in(("[]", "null"))
        return and_(_COLUMNS.status.in_([one.value for one in WAITS_FOR_PAYER]), asked)
    if what == "attachment":
        has_one = exists().where(attachments.c.authorization_key == _COLUMNS.key)
        return and_(_COLUMNS.status.in_([one.value for one in LIVE]), not_(has_one))
    if what == "unclear":
        unclear = select(payer_submissions.c.attachment_key).where(
            payer_submissions.c.state == SubmissionState.UNCLEAR.value
        )
        return _COLUMNS.key.in_(select(attachments.c.authorization_key).where(attachments.c.key.in_(unclear)))
    state = _STATES[what].value
    return _COLUMNS.key.in_(select(attachments.c.authorization_key).where(attachments.c.state == state))


def by_keys(tx: ReadTx, wanted: Sequence[int]) -> list[AuthorizationRow]:
    """Return these authorizations in this order."""
    found = [claims.get(tx, key) for key in wanted]
    people = by_key(tx, (one.patient_key for one in found))
    linked: dict[int, list[Link]] = {key: [] for key in wanted}
    for link in authorization_links.of_authorizations(tx, wanted):
        linked[link.authorization_key].append(link)
    order_keys = {link.order_key for links in linked.values() for link in links}
    accessions = _accessions(tx, [*order_keys, *(one.order_key for one in found if one.order_key is not None)])
    amiss: dict[int, list[ExamWarning]] = {key: [] for key in wanted}
    for warning in authorization_warnings.of_authorizations(tx, wanted):
        amiss[warning.authorization_key].append(warning.warning)
    times = select(_COLUMNS.key, _COLUMNS.due_at).where(_COLUMNS.key.in_(list(wanted)))
    due = {row.key: row.due_at for row in tx.execute(times)}
    ways, missing = _ways(tx, wanted), gaps.of_authorizations(tx, wanted)
    return [
        AuthorizationRow(
            one,
            people.get(one.patient_key),
            accessions.get(one.order_key or 0, ""),
            _by_state(ways[one.key]),
            tuple(amiss[one.key]),
            tuple(linked[one.key]),
            accessions,
            due.get(one.key),
            missing.get(one.key, ()),
            ways[one.key],
        )
        for one in found
    ]


def _named(tx: ReadTx, text: str) -> ColumnElement[bool]:
    ordered = select(orders.c.key).where(orders.c.accession_number == text)
    linked = select(links_table.c.authorization_key).where(
        links_table.c.order_key.in_(ordered), links_table.c.ended_at.is_(None)
    )
    people = keys_by_number(tx, text) or keys_by_name(tx, text)
    return or_(
        _COLUMNS.key.in_(claims.keys_by_number(tx, text)),
        _COLUMNS.order_key.in_(ordered),
        _COLUMNS.key.in_(linked),
        _COLUMNS.patient_key.in_(people),
    )


def _accessions(tx: ReadTx, order_keys: Iterable[int]) -> dict[int, str]:
    columns = select(orders.c.key, orders.c.accession_number).where(orders.c.key.in_(list(order_keys)))
    return {row.key: row.accession_number for row in tx.execute(columns)}


def _ways(tx: ReadTx, wanted: Sequence[int]) -> dict[int, tuple[Way, ...]]:
    """Return the ways of each authorization, in the order in which they were first attached."""
    c = attachments.c
    has_packet = exists().where(
        packets.c.attachment_key == c.key,
        studies.c.key == c.study_key,
        studies.c.binding_version == packets.c.binding_version,
    )
    is_unclear = exists().where(
        payer_submissions.c.attachment_key == c.key, payer_submissions.c.state == SubmissionState.UNCLEAR.value
    )
    query = select(c.authorization_key, c.kind, c.state, has_packet.label("is_ready"), is_unclear.label("is_unclear"))
    counted: dict[int, Counter[tuple[str, str, bool, bool]]] = {key: Counter() for key in wanted}
    for row in tx.execute(query.where(c.authorization_key.in_(list(wanted))).order_by(c.key)):
        how_far = (row.kind, row.state, bool(row.is_ready), bool(row.is_unclear))
        counted[row.authorization_key][how_far] += 1
    return {
        key: tuple(
            Way(AttachmentKind(kind), AttachmentState(state), is_ready, is_unclear, n)
            for (kind, state, is_ready, is_unclear), n in of.items()
        )
        for key, of in counted.items()
    }


def _by_state(ways: Iterable[Way]) -> dict[str, int]:
    tally: Counter[str] = Counter()
    for way in ways:
        tally[way.state.value] += way.number
    return dict(tally)
