"""What people let go to payers, and what payers answered: one row for each release, one for each answer as it came."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select, update

from bridge.domain.attachment import TO_PAYER, AttachmentState
from bridge.domain.authorization import Authorization
from bridge.domain.submission import IS_THERE, MAY_BE_THERE, PayerAnswer, Submission, SubmissionState
from bridge.store import authorizations, incidents
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import attachments, payer_answers, payer_submissions

_c = payer_submissions.c


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """An answer without its bytes."""

    key: int
    submission_key: int
    heard_at: datetime
    status: int
    content_type: str
    payer_numbers: tuple[str, ...]
    detail: str


def add(tx: WriteTx, submission: Submission, at: datetime) -> int:
    """Keep a release (its key is ignored); returns its key."""
    values: dict[str, Any] = {name: getattr(submission, name) for name in Submission.__slots__ if name != "key"}
    return insert_row(tx, payer_submissions, **values | {"state": submission.state.value, "updated_at": at})


def get(tx: ReadTx, key: int) -> Submission:
    """Return the release in row *key*. Raises: LookupError."""
    row = tx.execute(select(payer_submissions).where(_c.key == key)).first()
    if row is None:
        raise LookupError(f"no submission {key}")
    return _submission(row)


def newest(tx: ReadTx, attachment_key: int) -> Submission | None:
    """Return the last release of an attachment."""
    return next(iter(of_attachments(tx, [attachment_key])), None)


def of_attachments(tx: ReadTx, attachment_keys: Collection[int]) -> list[Submission]:
    """Return every release of these attachments, newest first."""
    query = select(payer_submissions).where(_c.attachment_key.in_(list(attachment_keys))).order_by(_c.key.desc())
    return [_submission(row) for row in tx.execute(query)] if attachment_keys else []


def by_control_number(tx: ReadTx, control_number: str) -> list[Submission]:
    """Return the releases that went under a control number, newest first."""
    query = select(payer_submissions).where(_c.control_number == control_number).order_by(_c.key.desc())
    return [_submission(row) for row in tx.execute(query)]


def of_control_number(tx: ReadTx, control_number: str, payer_id: str, name: str) -> list[Authorization]:
    """
    Return the authorizations for which something was sent to a payer under a control number.

    payer_id: by which it stands on authorizations, whoever passed it on; name: in the settings, as what went to it directly has it.
    """
    query = select(attachments.c.authorization_key, _c.destination)
    query = query.join(payer_submissions, _c.attachment_key == attachments.c.key)
    rows = tx.execute(query.where(_c.control_number == control_number).distinct()).all()
    to_it = {row.authorization_key for row in rows if row.destination == name}
    found = [authorizations.get(tx, key) for key in sorted({row.authorization_key for row in rows})]
    return [one for one in found if one.key in to_it or one.payer_id == payer_id]


def of_request(tx: ReadTx, evidence_request_key: int) -> list[Submission]:
    """Return the releases that answer what a payer asked for, newest first."""
    query = select(payer_submissions).where(_c.evidence_request_key == evidence_request_key).order_by(_c.key.desc())
    return [_submission(row) for row in tx.execute(query)]


def may_be_there(tx: ReadTx, attachment_key: int) -> list[Submission]:
    """Return the releases of an attachment that their payer has, or may have, newest first."""
    return [one for one in of_attachments(tx, [attachment_key]) if one.state in MAY_BE_THERE]


def set_state(tx: WriteTx, key: int, state: SubmissionState, at: datetime, detail: str = "") -> None:
    """Note how far a release came."""
    values = {"state": state.value, "detail": detail, "updated_at": at}
    tx.execute(update(payer_submissions).where(_c.key == key).values(**values))


def take_back(tx: WriteTx, attachment_key: int, detail: str, at: datetime) -> None:
    """Let a release of which nothing has left count no more."""
    mine = (_c.attachment_key == attachment_key, _c.state == SubmissionState.READY.value)
    values = {"state": SubmissionState.TAKEN_BACK.value, "detail": detail, "updated_at": at}
    tx.execute(update(payer_submissions).where(*mine).values(**values))


def add_answer(tx: WriteTx, answer: PayerAnswer) -> int:
    """Keep an answer (its key is ignored); returns its key."""
    values: dict[str, Any] = {name: getattr(answer, name) for name in PayerAnswer.__slots__ if name != "key"}
    return insert_row(tx, payer_answers, **values | {"payer_numbers": list(answer.payer_numbers)})


def add_not_now(tx: WriteTx, answer: PayerAnswer) -> int:
    """
    Keep an answer that only puts off; returns its key.

    Of several in a row with one status the first and the last are kept: each may be as large as answers come.
    """
    c = payer_answers.c
    about = (c.submission_key == answer.submission_key, c.request_key == answer.request_key)
    rows = tx.execute(
        select(c.key, c.status, c.request_key, c.read_at).where(*about).order_by(c.key.desc()).limit(2)
    ).all()
    is_between = len(rows) == 2 and all(one.status == answer.status for one in rows)
    if is_between and (rows[0].request_key is None or rows[0].read_at is not None):
        tx.execute(delete(payer_answers).where(c.key == rows[0].key))
    return add_answer(tx, answer)


def answers_of(tx: ReadTx, submission_keys: Collection[int]) -> list[AnswerRow]:
    """Return what was answered to these releases, without the bytes, oldest first."""
    c = payer_answers.c
    query = (
        select(*(c[name] for name in AnswerRow.__slots__))
        .where(c.submission_key.in_(list(submission_keys)))
        .order_by(c.key)
    )
    rows = tx.execute(query) if submission_keys else ()
    return [_answer_row(row) for row in rows]


def answer(tx: ReadTx, key: int) -> PayerAnswer:
    """Return one answer as it came. Raises: LookupError."""
    row = tx.execute(select(payer_answers).where(payer_answers.c.key == key)).first()
    if row is None:
        raise LookupError(f"no answer {key}")
    said = {name: getattr(row, name) for name in PayerAnswer.__slots__}
    return PayerAnswer(**said | {"payer_numbers": tuple(row.payer_numbers), "content": bytes(row.content)})


def attachment_left(tx: WriteTx, attachment_key: int, reference: str, detail: str, at: datetime) -> bool:
    """Note that a payer has an attachment; False, if it was put in question meanwhile, and waits for a person all the same."""
    c = attachments.c
    row = tx.execute(select(c.state).where(c.key == attachment_key)).one()
    is_held = row.state == AttachmentState.REVIEW.value
    first = authorizations.first_sent_at(at)
    values: dict[str, Any] = {"reference": reference, "updated_at": at, "sent_at": first}
    name = "state_before" if is_held else "state"
    values |= {name: AttachmentState.SENT.value} | ({} if is_held else {"detail": detail})
    tx.execute(update(attachments).where(c.key == attachment_key).values(**values))
    return not is_held


def ask_to_withdraw(tx: WriteTx, submission: Submission, study_key: int, why: str, at: datetime) -> None:
    """
    Ask a person to have a payer withdraw what it has, or may have: no message takes a document back.

    Nobody is asked for what somebody did already, since it left.
    """
    place = f"{submission.destination} ({submission.control_number})"
    if incidents.was_done(tx, study_key, place, submission.updated_at or at):
        return
    has = "has" if submission.state in IS_THERE else "may have"
    number = submission.control_number
    what = (
        f"it {has} what was sent under control number {number}, and {why}: tell it to withdraw that, and not to use it"
    )
    incidents.open_task(tx, study_key, place, what, at)


def free_held(tx: WriteTx, attachment_key: int, at: datetime) -> AttachmentState | None:
    """
    End the review of an attachment that goes to a payer: what has left stays so, anything else is released anew by a person.

    What may have left stays as it was, too: it is looked for.

    None for one that goes elsewhere.
    """
    c = attachments.c
    row = tx.execute(select(c.kind, c.state_before).where(c.key == attachment_key)).one()
    if row.kind not in TO_PAYER:
        return None
    released = newest(tx, attachment_key)
    is_out = released is not None and released.state == SubmissionState.SENDING
    has_left = row.state_before == AttachmentState.SENT.value or is_out
    state = AttachmentState(row.state_before) if has_left else AttachmentState.DRAFT
    if not has_left:
        take_back(tx, attachment_key, "its study's patient was in question", at)
    values = {"state": state.value, "state_before": "", "detail": "", "updated_at": at}
    tx.execute(update(attachments).where(c.key == attachment_key).values(**values))
    return state


def _submission(row: Row[Any]) -> Submission:
    said = {name: getattr(row, name) for name in Submission.__slots__}
    return Submission(**said | {"state": SubmissionState(row.state)})


def _answer_row(row: Row[Any]) -> AnswerRow:
    said = {name: getattr(row, name) for name in AnswerRow.__slots__}
    return AnswerRow(**said | {"payer_numbers": tuple(row.payer_numbers)})
