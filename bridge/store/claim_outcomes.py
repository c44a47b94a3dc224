"""What payers said of claims, as it came and once each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, not_, select, update

from bridge.domain.claim_match import ClaimMatch, MatchRule
from bridge.domain.claim_outcome import Adjustment, ClaimOutcome, LineOutcome, OutcomeStatus, ReasonCategory
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import claim_outcomes, orders

_COLUMNS = claim_outcomes.c


@dataclass(frozen=True, slots=True)
class KeptOutcome:
    """
    One word of a payer on one claim. charged, paid: US dollars. reasons: group and CARC, then RARC, each once.

    said_on: "YYYYMMDD", "" if nobody says. lacks_documents: it was denied for want of documents. wanted: what is asked for.
    """

    key: int
    claim_number: str
    payer_claim_number: str
    payer_name: str
    status: OutcomeStatus
    charged: Decimal
    paid: Decimal
    lacks_documents: bool
    said_on: str
    match: ClaimMatch
    reasons: tuple[str, ...]
    wanted: tuple[str, ...]
    heard_at: datetime


def is_known(tx: ReadTx, source_number: str) -> bool:
    """Say whether that word of a payer was kept before, from whatever file."""
    return tx.execute(select(_COLUMNS.key).where(_COLUMNS.source_number == source_number)).first() is not None


def versions_of(tx: ReadTx, source_number: str) -> list[ClaimOutcome]:
    """Return what one resource said, version by version: their numbers are its own with "/1", "/2" and so on behind it."""
    found: list[ClaimOutcome] = []
    while True:
        numbered = _COLUMNS.source_number == f"{source_number}/{len(found) + 1}"
        row = tx.execute(select(_COLUMNS.content).where(numbered)).first()
        if row is None:
            return found
        found.append(read_outcome(row.content))


def add(tx: WriteTx, outcome: ClaimOutcome, match: ClaimMatch, file_key: int | None, at: datetime) -> int:
    """Keep a word of a payer; returns its row. file_key: of the file that it stood in, None where a server said it."""
    return insert_row(
        tx,
        claim_outcomes,
        payer_file_key=file_key,
        source_number=outcome.source_number,
        claim_number=outcome.claim_number,
        payer_claim_number=outcome.payer_claim_number,
        payer_id=outcome.payer_id,
        payer_name=outcome.payer_name,
        status=outcome.status.value,
        charged_cents=_cents(outcome.charged),
        paid_cents=_cents(outcome.paid),
        lacks_documents=outcome.lacks_documents,
        said_on=_day(outcome.said_on),
        service_from=_day(outcome.service_from),
        content=json.loads(json.dumps(asdict(outcome), default=str)),
        authorization_key=match.authorization_key,
        order_key=match.order_key,
        matched_by=match.rule.value,
        why=match.why,
        heard_at=at,
    )


def get(tx: ReadTx, key: int) -> KeptOutcome:
    """Return the outcome in row *key*. Raises: LookupError."""
    row = tx.execute(select(claim_outcomes).where(_COLUMNS.key == key)).first()
    if row is None:
        raise LookupError(f"no claim outcome {key}")
    return _kept(row)


def assign(tx: WriteTx, key: int, match: ClaimMatch) -> None:
    """Write down whom an outcome is about."""
    about = {"authorization_key": match.authorization_key, "order_key": match.order_key}
    changed = update(claim_outcomes).where(_COLUMNS.key == key)
    tx.execute(changed.values(matched_by=match.rule.value, why=match.why, **about))


def of_authorization(tx: ReadTx, authorization_key: int) -> list[KeptOutcome]:
    """Return what payers said of the claims of an authorization, in the order it was heard."""
    query = select(claim_outcomes).where(_COLUMNS.authorization_key == authorization_key).order_by(_COLUMNS.key)
    return [_kept(row) for row in tx.execute(query)]


def asked_for(tx: ReadTx, authorization_key: int) -> tuple[str, tuple[str, ...]] | None:
    """Return under which number a payer asked for documents of an authorization's claims last, and for which; None for never."""
    mine = (_COLUMNS.authorization_key == authorization_key, _COLUMNS.status == OutcomeStatus.ASKED.value)
    row = tx.execute(select(_COLUMNS.content).where(*mine).order_by(_COLUMNS.key.desc()).limit(1)).first()
    numbers = row.content["attachment_control_numbers"] if row is not None else []
    return (str(numbers[0]), tuple(row.content["wanted"])) if row is not None and numbers else None


def waiting(tx: ReadTx, limit: int) -> list[KeptOutcome]:
    """Return what is about nobody known and may be of an exam here, newest first."""
    mine = (_COLUMNS.matched_by == MatchRule.NONE.value, not_(_is_older(_first_day(tx))))
    query = select(claim_outcomes).where(*mine).order_by(_COLUMNS.key.desc()).limit(limit)
    return [_kept(row) for row in tx.execute(query)]


def older(tx: ReadTx, most: int) -> int:
    """Return how much was said of services before the first order here, at most *most*: no exam of ours is theirs."""
    mine = (_COLUMNS.matched_by == MatchRule.NONE.value, _is_older(_first_day(tx)))
    some = select(_COLUMNS.key).where(*mine).limit(most).subquery()
    return int(tx.execute(select(func.count()).select_from(some)).scalar_one())


def _first_day(tx: ReadTx) -> str:
    """Return the day before which nothing was ordered here, "" while nothing is; with a day to spare for the clinic's clock."""
    first = tx.execute(select(func.min(orders.c.ordered_at))).scalar()
    return _day(first.date() - timedelta(days=1)) if first is not None else ""


def _is_older(first_day: str) -> ColumnElement[bool]:
    return and_(_COLUMNS.service_from != "", _COLUMNS.service_from < first_day)


def assigned(tx: ReadTx, limit: int) -> list[KeptOutcome]:
    """Return what a person said the exam of, newest first."""
    return matched_by(tx, MatchRule.BY_HAND, limit)


def matched_by(tx: ReadTx, rule: MatchRule, limit: int, before_key: int | None = None) -> list[KeptOutcome]:
    """Return what was matched by a rule, newest first. before_key: where the page before ended."""
    query = select(claim_outcomes).where(_COLUMNS.matched_by == rule.value)
    query = query.where(_COLUMNS.key < before_key) if before_key is not None else query
    return [_kept(row) for row in tx.execute(query.order_by(_COLUMNS.key.desc()).limit(limit))]


def _kept(row: Row[Any]) -> KeptOutcome:
    every = [*row.content["adjustments"], *(one for line in row.content["lines"] for one in line["adjustments"])]
    remarks = [*row.content["remarks"], *(one for line in row.content["lines"] for one in line["remarks"])]
    reasons = [one.code for one in _adjustments(every)]
    return KeptOutcome(
        row.key,
        row.claim_number,
        row.payer_claim_number,
        row.payer_name or row.payer_id,
        OutcomeStatus(row.status),
        Decimal(row.charged_cents) / 100,
        Decimal(row.paid_cents) / 100,
        bool(row.lacks_documents),
        row.said_on,
        ClaimMatch(MatchRule(row.matched_by), row.authorization_key, row.order_key, row.why),
        _distinct([*reasons, *remarks, *row.content["status_codes"]]),
        tuple(row.content["wanted"]),
        row.heard_at,
    )


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _cents(amount: Decimal) -> int:
    return int((amount * 100).to_integral_value())


def _day(value: date | None) -> str:
    return value.strftime("%Y%m%d") if value is not None else ""


def read_outcome(content: dict[str, Any]) -> ClaimOutcome:
    """Return what was kept as JSON."""
    said: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in content.items()}
    said |= {name: Decimal(said[name]) for name in ("charged", "paid", "patient_share")}
    said |= {name: _date(said[name]) for name in ("said_on", "service_from", "service_to", "due_on")}
    said |= {"lines": tuple(_line(one) for one in said["lines"]), "adjustments": _adjustments(said["adjustments"])}
    return ClaimOutcome(**(said | {"status": OutcomeStatus(said["status"])}))


def _line(content: dict[str, Any]) -> LineOutcome:
    said: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in content.items()}
    said |= {name: Decimal(said[name]) for name in ("charged", "paid")}
    said |= {name: _date(said[name]) for name in ("service_from", "service_to")}
    return LineOutcome(**(said | {"adjustments": _adjustments(said["adjustments"])}))


def _adjustments(said: Iterable[dict[str, str]]) -> tuple[Adjustment, ...]:
    return tuple(
        Adjustment(one["group"], one["reason"], Decimal(one["amount"]), ReasonCategory(one["category"])) for one in said
    )


def _date(said: str | None) -> date | None:
    return date.fromisoformat(said) if said else None
