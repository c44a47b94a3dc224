"""Authorizations, made from what was said of them, and what is attached to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, func, insert, select, update

from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment, control_number_of
from bridge.domain.authorization import (
    Authorization,
    AuthorizationLine,
    AuthorizationStatus,
    Urgency,
    number_key,
)
from bridge.domain.authorization_news import ACCOUNT_TEXTS, Account
from bridge.store import news
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import attachments, authorization_numbers, authorizations, studies

_OF_ACCOUNT = (
    *ACCOUNT_TEXTS,
    "payer_id",
    "decision",
    "received_at",
    "answered_at",
    "said_at",
    "policy_level",
)
_TUPLES = ("reason_codes", "wanted")

_OF_STUDY = Prepared(
    select(attachments).where(attachments.c.study_key == bindparam("study_key")).order_by(attachments.c.key)
)


def get(tx: ReadTx, key: int) -> Authorization:
    """Return the authorization in row *key*. Raises: LookupError."""
    row = tx.execute(select(authorizations).where(authorizations.c.key == key)).first()
    if row is None:
        raise LookupError(f"no authorization {key}")
    return _authorization(row)


def find(tx: ReadTx, payer_id: str, number: str) -> Authorization | None:
    """Return the authorization with *number*, however it is spaced, of payer *payer_id*; "" for a payer nobody named."""
    found = _by_number(tx, number, ("number",), payer_id)
    return get(tx, found[0]) if found else None


def known_as(tx: ReadTx, payer_id: str, number: str, kinds: Sequence[str]) -> list[Authorization]:
    """Return the authorizations of a payer that go by *number*. kinds: number, line, reference, trace."""
    return [get(tx, key) for key in _by_number(tx, number, kinds, payer_id)]


def keys_by_number(tx: ReadTx, number: str) -> list[int]:
    """Return the authorizations that go by *number* at any payer, or have a line that does, newest first."""
    return _by_number(tx, number, ("number", "line", "reference", "trace"), None)


def of_order(tx: ReadTx, order_key: int) -> list[Authorization]:
    """Return the authorizations that are filed with an order."""
    rows = tx.execute(
        select(authorizations).where(authorizations.c.order_key == order_key).order_by(authorizations.c.key)
    )
    return [_authorization(row) for row in rows]


def of_patients(tx: ReadTx, patient_keys: Iterable[int]) -> list[Authorization]:
    """Return the authorizations of these records."""
    query = select(authorizations).where(authorizations.c.patient_key.in_(list(patient_keys)))
    return [_authorization(row) for row in tx.execute(query.order_by(authorizations.c.key))]


def add(tx: WriteTx, patient_key: int, order_key: int | None, source: str, at: datetime) -> int:
    """Make room for an authorization of which nothing is written yet; returns its key."""
    return insert_row(
        tx,
        authorizations,
        patient_key=patient_key,
        order_key=order_key,
        source=source,
        status=AuthorizationStatus.UNCONFIRMED.value,
        urgency=Urgency.STANDARD.value,
        created_at=at,
        updated_at=at,
    )


def write(
    tx: WriteTx, key: int, account: Account, status: AuthorizationStatus, *, due_at: datetime | None, at: datetime
) -> Authorization:
    """Write what was said of an authorization over what was known of it, with every number it goes by."""
    values: dict[str, Any] = {name: getattr(account, name) for name in _OF_ACCOUNT}
    values |= {name: list(getattr(account, name)) for name in _TUPLES}
    values |= {
        "lines": [written_line(line) for line in account.lines],
        "urgency": account.urgency.value,
        "status": status.value,
        "due_at": due_at,
        "updated_at": at,
    }
    tx.execute(update(authorizations).where(authorizations.c.key == key).values(**values))
    _write_numbers(tx, key, account)
    return get(tx, key)


def set_status(
    tx: WriteTx, key: int, status: AuthorizationStatus, at: datetime, *, due_at: datetime | None = None
) -> None:
    """Note how an authorization stands by now."""
    values = {"status": status.value, "due_at": due_at, "updated_at": at}
    tx.execute(update(authorizations).where(authorizations.c.key == key).values(**values))


def file_with(tx: WriteTx, key: int, order_key: int | None) -> None:
    """File an authorization with an order, which it follows wherever the order is moved."""
    tx.execute(update(authorizations).where(authorizations.c.key == key).values(order_key=order_key))


def supersede(tx: WriteTx, key: int, by: int) -> None:
    """Note that another authorization took the place of this one."""
    tx.execute(update(authorizations).where(authorizations.c.key == key).values(superseded_by=by))


def _by_number(tx: ReadTx, number: str, kinds: Sequence[str], payer_id: str | None) -> list[int]:
    wanted = number_key(number)
    c = authorization_numbers.c
    here = and_(c.number_key == wanted, c.kind.in_(list(kinds)))
    query = select(c.authorization_key).where(here).distinct().order_by(c.authorization_key.desc())
    if payer_id is not None:
        query = query.where(c.payer_id == payer_id)
    return list(tx.execute(query).scalars()) if wanted else []


def _write_numbers(tx: WriteTx, key: int, account: Account) -> None:
    said = [
        ("number", account.number),
        ("reference", account.administrative_reference),
        ("trace", account.trace),
        *(("line", line.number) for line in account.lines),
        *(("trace", line.trace) for line in account.lines),
    ]
    wanted = {(kind, number_key(number)) for kind, number in said if number_key(number)}
    tx.execute(delete(authorization_numbers).where(authorization_numbers.c.authorization_key == key))
    rows = [
        {"authorization_key": key, "payer_id": account.payer_id, "kind": kind, "number_key": number}
        for kind, number in sorted(wanted)
    ]
    if rows:
        tx.execute(insert(authorization_numbers), rows)


def attachments_of(tx: ReadTx, authorization_key: int) -> list[ClaimAttachment]:
    """Return what is attached to an authorization, in the order it was."""
    rows = tx.execute(
        select(attachments).where(attachments.c.authorization_key == authorization_key).order_by(attachments.c.key)
    )
    return [_attachment(row) for row in rows]


def attachments_of_study(tx: ReadTx, study_key: int) -> list[ClaimAttachment]:
    """Return the attachments that rest on a study."""
    return [_attachment(row) for row in _OF_STUDY.all(tx, study_key=study_key)]


def attachments_of_people(tx: ReadTx, patient_keys: Iterable[int]) -> list[ClaimAttachment]:
    """Return what is attached to authorizations of these records."""
    theirs = select(authorizations.c.key).where(authorizations.c.patient_key.in_(list(patient_keys)))
    query = select(attachments).where(attachments.c.authorization_key.in_(theirs)).order_by(attachments.c.key)
    return [_attachment(row) for row in tx.execute(query)]


def get_attachment(tx: ReadTx, key: int) -> ClaimAttachment:
    """Return the attachment in row *key*. Raises: LookupError."""
    row = tx.execute(select(attachments).where(attachments.c.key == key)).first()
    if row is None:
        raise LookupError(f"no attachment {key}")
    return _attachment(row)


def put_attachment(tx: WriteTx, attachment: ClaimAttachment, payer: str, at: datetime) -> ClaimAttachment:
    """Store an attachment, or the same one again with a newer binding (its key is ignored)."""
    news.look_at(tx, news.AUTHORIZATION, attachment.authorization_key, at)
    row = tx.execute(
        select(attachments).where(
            attachments.c.authorization_key == attachment.authorization_key,
            attachments.c.study_key == attachment.study_key,
            attachments.c.kind == attachment.kind.value,
        )
    ).first()
    values: dict[str, Any] = {
        "state": attachment.state.value,
        "state_before": "",
        "binding_version": attachment.binding_version,
        "instances": list(attachment.instances),
        "payer": payer,
        "attached_by": attachment.attached_by,
        "detail": attachment.detail,
        "updated_at": at,
    }
    if row is not None:
        tx.execute(update(attachments).where(attachments.c.key == row.key).values(**values))
        return get_attachment(tx, row.key)
    uid = tx.execute(select(studies.c.study_instance_uid).where(studies.c.key == attachment.study_key)).scalar_one()
    key = insert_row(
        tx,
        attachments,
        authorization_key=attachment.authorization_key,
        study_key=attachment.study_key,
        kind=attachment.kind.value,
        control_number=control_number_of(attachment.authorization_key, uid),
        attached_at=at,
        **values,
    )
    return get_attachment(tx, key)


def attachments_numbered(tx: ReadTx, control_numbers: Iterable[str]) -> list[ClaimAttachment]:
    """Return what was attached under any of these control numbers, in whatever way."""
    query = select(attachments).where(attachments.c.control_number.in_([one for one in control_numbers if one]))
    return [_attachment(row) for row in tx.execute(query.order_by(attachments.c.key))]


def set_attachment_state(
    tx: WriteTx, key: int, state: AttachmentState, at: datetime, *, reference: str | None = None, detail: str = ""
) -> None:
    """Note what became of an attachment. reference: what stands at the other side, kept if None."""
    values: dict[str, Any] = {"state": state.value, "detail": detail, "updated_at": at}
    if reference is not None:
        values["reference"] = reference
    if state == AttachmentState.SENT:
        values["sent_at"] = first_sent_at(at)
    tx.execute(update(attachments).where(attachments.c.key == key).values(**values))


def first_sent_at(at: datetime) -> ColumnElement[datetime]:
    """Return as a value when the other side had an attachment first, if it has it now."""
    return func.coalesce(attachments.c.sent_at, bindparam("sent_at", at, attachments.c.sent_at.type))


def set_shared(tx: WriteTx, key: int, reason: str, at: datetime | None) -> None:
    """Note since when and why a payer may look at the whole study; None for no more."""
    tx.execute(update(attachments).where(attachments.c.key == key).values(shared_at=at, shared_because=reason))


def hold_attachment(tx: WriteTx, key: int, detail: str, at: datetime) -> None:
    """Put an attachment before a person, with what it was before."""
    state = get_attachment(tx, key).state
    before = {} if state == AttachmentState.REVIEW else {"state_before": state.value}
    tx.execute(
        update(attachments)
        .where(attachments.c.key == key)
        .values(state=AttachmentState.REVIEW.value, detail=detail, updated_at=at, **before)
    )


def had_left(tx: ReadTx, key: int) -> bool:
    """Say whether an attachment had been sent, whatever it waits for since."""
    row = tx.execute(select(attachments.c.state, attachments.c.state_before).where(attachments.c.key == key)).one()
    return AttachmentState.SENT.value in (row.state, row.state_before)


def free_attachment(tx: WriteTx, key: int, at: datetime) -> AttachmentState:
    """End an attachment's review and return what it is now: a draft again if it was one, released to be sent otherwise."""
    before = tx.execute(select(attachments.c.state_before).where(attachments.c.key == key)).scalar_one()
    state = AttachmentState.DRAFT if before == AttachmentState.DRAFT.value else AttachmentState.RELEASED
    tx.execute(
        update(attachments)
        .where(attachments.c.key == key)
        .values(state=state.value, state_before="", detail="", updated_at=at)
    )
    return state


def written_line(line: AuthorizationLine) -> dict[str, Any]:
    """Return a line as a row keeps it."""
    return {name: value for name, value in asdict(line).items() if value or name == "code"}


def read_line(said: Mapping[str, Any]) -> AuthorizationLine:
    """Return a line that a row keeps."""
    found: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    return AuthorizationLine(**found)


def _authorization(row: Row[Any]) -> Authorization:
    said = {name: getattr(row, name) for name in Authorization.__slots__}
    said |= {name: tuple(said[name]) for name in _TUPLES}
    said |= {
        "lines": tuple(read_line(one) for one in row.lines),
        "status": AuthorizationStatus(row.status),
        "urgency": Urgency(row.urgency),
    }
    return Authorization(**said)


def _attachment(row: Row[Any]) -> ClaimAttachment:
    return ClaimAttachment(
        key=row.key,
        authorization_key=row.authorization_key,
        study_key=row.study_key,
        kind=AttachmentKind(row.kind),
        state=AttachmentState(row.state),
        binding_version=row.binding_version,
        reference=row.reference,
        detail=row.detail,
        attached_by=row.attached_by,
        attached_at=row.attached_at,
        instances=tuple(row.instances),
        payer=row.payer,
        shared_at=row.shared_at,
        shared_because=row.shared_because,
    )
