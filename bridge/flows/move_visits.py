"""A visit goes to another patient (A45), an account does (A44), or an account gets another number (A49).

What was ordered under it goes along; images that rest on such an order are put before a person, as nobody can tell from
here who lay in the scanner. Source: HL7 2.5.1 3.3.44, 3.3.45, 3.3.49.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.adt_events import IdentityChange
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.identity_draft import MoveDraft
from bridge.domain.message import Notice
from bridge.domain.patient import Patient, Visit
from bridge.errors import Conflict
from bridge.flows.journal_change import Changed, Numbers, journal, taken_back
from bridge.flows.register_patient import News, fill_lacking, known_or_made
from bridge.store import filing, merges, orders, patients, studies, visits
from bridge.store.db import WriteTx
from bridge.store.filing import Rows
from bridge.store.merges import Replaced

_RULES = {IdentityChange.MOVE_VISIT: "A45", IdentityChange.MOVE_ACCOUNT: "A44", IdentityChange.CHANGE_ACCOUNT: "A49"}
MOVED_RULES = tuple(_RULES.values())
"""The rules that a study is held by when its order's visit went to somebody else."""


@dataclass(frozen=True, slots=True)
class _Moving:
    """What one message moves: the visits, and the numbers (prior, now) under which exams name them."""

    draft: MoveDraft
    news: News
    numbers: Numbers
    target: Patient
    found: list[Visit]
    where: str


def move_visits(tx: WriteTx, draft: MoveDraft, news: News) -> Changed:
    """
    Move or renumber what *draft* names; said again it changes nothing.

    A visit that nobody knows yet is noted, so that what comes late under it goes where it went; so is an account, in the
    journal.
    Raises: Conflict (AE 205), if the new number is another visit's; (AE 204), if the visit is neither patient's.
    """
    prior, now = _numbers(draft)
    numbers = Numbers(draft.change, prior, now)
    where = "MRG-5" if draft.change == IdentityChange.MOVE_VISIT else "MRG-3"
    target = known_or_made(tx, draft.number, news)
    notice = taken_back(tx, numbers, news)
    if notice is not None:
        return Changed(target, [notice])
    moving = _Moving(draft, news, numbers, target, _found(tx, draft, prior), where)
    sources = _sources(tx, moving)
    if any(one.as_of is not None and one.as_of > news.said_at for one in _strange(tx, moving)):
        return Changed(target, [Notice("I", "older than what is known of the visit, nothing changed", where)])
    source = sources[0] if sources else target.key
    moved = _move(tx, moving, source)
    replaced = _renumber(tx, moving, moved)
    if not moved and not replaced and (moving.found or _is_noted(tx, numbers)):
        return Changed(target, [Notice("I", "it is so already, nothing changed", where)])
    replaced += fill_lacking(tx, target, draft.patient, news)
    entry = journal(tx, numbers, (target.key, source), news, moved, replaced)
    touched = tuple(dict.fromkeys((target.key, patients.survivor(tx, source).key)))
    order_keys = tuple(moved.get("orders", ())) or _renumbered_orders(replaced)
    return Changed(
        patients.get(tx, target.key), [], touched, entry, order_keys, _in_question(tx, moving, source, moved)
    )


def _numbers(draft: MoveDraft) -> tuple[EntityIdentifier, EntityIdentifier]:
    if draft.change == IdentityChange.MOVE_VISIT:
        return draft.prior_visit, draft.visit
    return draft.prior_account, draft.account


def _found(tx: WriteTx, draft: MoveDraft, prior: EntityIdentifier) -> list[Visit]:
    """Return the visits that go: the one with that number, or those billed under that account or known by nothing else."""
    one = visits.standing(tx, prior)
    if draft.change == IdentityChange.MOVE_VISIT:
        return [one] if one is not None else []
    return [*visits.by_account(tx, prior), *([one] if one is not None and one.account_number != prior else [])]


def _sources(tx: WriteTx, moving: _Moving) -> list[int]:
    """
    Return the records that the visits, or exams of them, are filed under and leave: MRG-1's, else the visits' own.

    Raises: Conflict (AE 204), for a visit of a third person.
    """
    named = moving.draft.prior_number
    source = known_or_made(tx, named, moving.news).key if named is not None else None
    owners = [patients.survivor(tx, one.patient_key).key for one in moving.found]
    allowed = {source, moving.target.key}
    if named is not None and any(owner not in allowed for owner in owners):
        raise Conflict("the visit is another patient's", where=moving.where, source="HL7 2.5.1 3.3.45")
    if source is not None:
        return [source]
    return [owner for owner in dict.fromkeys(owners) if owner != moving.target.key]


def _strange(tx: WriteTx, moving: _Moving) -> list[Visit]:
    """Return the visits that are not the target's yet."""
    return [one for one in moving.found if patients.survivor(tx, one.patient_key).key != moving.target.key]


def _move(tx: WriteTx, moving: _Moving, source: int) -> Rows:
    if source == moving.target.key:
        return {}
    admissions = [moving.numbers.prior, *(one.admission_id for one in moving.found)]
    rows = filing.of_visits(tx, source, [one.key for one in moving.found], list(dict.fromkeys(admissions)))
    return filing.move(tx, rows, source, moving.target.key, moving.news.heard_at)


def _renumber(tx: WriteTx, moving: _Moving, moved: Rows) -> list[Replaced]:
    """Write the new number, and when it was given, over visits and orders; what was there goes to the journal."""
    prior, now, at = moving.numbers.prior, moving.numbers.now, moving.news.said_at
    replaced: list[Replaced] = []
    is_visit = moving.draft.change == IdentityChange.MOVE_VISIT
    for one in moving.found:
        values: dict[str, object] = {}
        if one.key in moved.get("visits", ()) or (one.moved_at is None and prior != now):
            values["moved_at"] = at
        account = moving.draft.account
        if account and one.account_number != account and (not is_visit or one.account_number):
            values |= {"account_number": account.value, "issuer_of_account_number": account.issuer}
        if one.admission_id == prior and prior != now:
            _check_free(tx, now, one)
            values |= {"admission_id": now.value, "issuer_of_admission_id": now.issuer, "moved_at": at}
        if values:
            replaced.append(merges.replace_values(tx, "visits", one.key, values, moving.news.heard_at))
    if is_visit:
        replaced += _noted(tx, moving)
    if prior != now:
        for order in orders.of_patient(tx, moving.target.key):
            if order.admission_id == prior:
                values = {"admission_id": now.value, "issuer_of_admission_id": now.issuer}
                replaced.append(merges.replace_values(tx, "orders", order.key, values, moving.news.heard_at))
    return replaced


def _noted(tx: WriteTx, moving: _Moving) -> list[Replaced]:
    """Leave the prior number behind as a way to the visit, and note a visit that nobody knows yet as the target's."""
    prior, now, at = moving.numbers.prior, moving.numbers.now, moving.news.said_at
    owner = moving.target.key
    stands = visits.find(tx, now)
    made: list[Replaced] = []
    if stands is None:
        stands = visits.add(tx, Visit(0, owner, now, moved_at=at))
        made.append(
            {"table": "visits", "key": stands.key, "before": None, "after": {"patient_key": owner, "as_of": None}}
        )
    if prior != now and visits.find(tx, prior) is None:
        way = visits.add(tx, Visit(0, owner, prior, moved_at=at, moved_into=stands.key))
        made.append({"table": "visits", "key": way.key, "before": None, "after": {"moved_into": stands.key}})
    return made


def _is_noted(tx: WriteTx, numbers: Numbers) -> bool:
    """Say whether the journal knows already where an account goes whose visits nobody knows yet."""
    standing = (one for one in merges.about(tx, numbers.kind, numbers.prior) if one.undone_at is None)
    return any(one.new_number == numbers.now for one in standing)


def _check_free(tx: WriteTx, number: EntityIdentifier, visit: Visit) -> None:
    other = visits.find(tx, number)
    if other is not None and other.key != visit.key:
        raise Conflict("the new number is another visit's", code="duplicate_key", where="PV1-19")


def _renumbered_orders(replaced: list[Replaced]) -> tuple[int, ...]:
    return tuple(one["key"] for one in replaced if one["table"] == "orders")


def _in_question(tx: WriteTx, moving: _Moving, source: int, moved: Rows) -> list[tuple[int, str, str]]:
    if source == moving.target.key:
        return []
    rule = _RULES[moving.draft.change]
    what = "visit" if rule == "A45" else "account"
    return [
        (study.key, rule, f"The {what} of its order was moved to another patient.")
        for order_key in moved.get("orders", ())
        for study in studies.of_order(tx, order_key)
    ]
