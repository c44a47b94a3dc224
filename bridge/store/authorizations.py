"""Authorizations and what is attached to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from bridge.domain.claim import (
    AttachmentKind,
    AttachmentState,
    Authorization,
    AuthorizationLine,
    ClaimAttachment,
)
from bridge.domain.order import AuthorizationDraft
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import attachments, authorizations


def get(tx: ReadTx, key: int) -> Authorization:
    """Return the authorization in row *key*. Raises: LookupError."""
    row = tx.execute(select(authorizations).where(authorizations.c.key == key)).first()
    if row is None:
        raise LookupError(f"no authorization {key}")
    return _authorization(row)


def find(tx: ReadTx, payer_id: str, number: str) -> Authorization | None:
    """Return the authorization with *number* of payer *payer_id*."""
    row = tx.execute(
        select(authorizations).where(authorizations.c.payer_id == payer_id, authorizations.c.number == number)
    ).first()
    return None if row is None else _authorization(row)


def of_order(tx: ReadTx, order_key: int) -> list[Authorization]:
    """Return the authorizations of an order."""
    rows = tx.execute(
        select(authorizations).where(authorizations.c.order_key == order_key).order_by(authorizations.c.key)
    )
    return [_authorization(row) for row in rows]


def put(tx: WriteTx, draft: AuthorizationDraft, patient_key: int, order_key: int | None, at: datetime) -> Authorization:
    """
    Store what an order says of an authorization.

    A number on the insurance holds for every order under it: it stays with the order that named it first.
    """
    known = find(tx, draft.payer_id, draft.number)
    said = {
        name: value
        for name in ("payer_name", "member_id", "effective_on", "expires_on")
        if (value := getattr(draft, name))
    }
    if known is None:
        key = insert_row(
            tx,
            authorizations,
            number=draft.number,
            payer_id=draft.payer_id,
            patient_key=patient_key,
            order_key=order_key,
            policy_level=draft.policy_level,
            source="order",
            created_at=at,
            updated_at=at,
            **said,
        )
        return get(tx, key)
    if known.order_key is None or (known.policy_level and not draft.policy_level):
        said |= {"order_key": order_key, "policy_level": draft.policy_level}
    tx.execute(update(authorizations).where(authorizations.c.key == known.key).values(updated_at=at, **said))
    return get(tx, known.key)


def add(tx: WriteTx, authorization: Authorization, at: datetime) -> Authorization:
    """Store an authorization that a person typed (its key is ignored)."""
    key = insert_row(
        tx,
        authorizations,
        number=authorization.number,
        payer_id=authorization.payer_id,
        payer_name=authorization.payer_name,
        member_id=authorization.member_id,
        patient_key=authorization.patient_key,
        order_key=authorization.order_key,
        lines=[asdict(line) for line in authorization.lines],
        effective_on=authorization.effective_on,
        expires_on=authorization.expires_on,
        source=authorization.source,
        created_at=at,
        updated_at=at,
    )
    return get(tx, key)


def attachments_of(tx: ReadTx, authorization_key: int) -> list[ClaimAttachment]:
    """Return what is attached to an authorization, in the order it was."""
    rows = tx.execute(
        select(attachments).where(attachments.c.authorization_key == authorization_key).order_by(attachments.c.key)
    )
    return [_attachment(row) for row in rows]


def attachments_of_study(tx: ReadTx, study_key: int) -> list[ClaimAttachment]:
    """Return the attachments that rest on a study."""
    rows = tx.execute(select(attachments).where(attachments.c.study_key == study_key).order_by(attachments.c.key))
    return [_attachment(row) for row in rows]


def get_attachment(tx: ReadTx, key: int) -> ClaimAttachment:
    """Return the attachment in row *key*. Raises: LookupError."""
    row = tx.execute(select(attachments).where(attachments.c.key == key)).first()
    if row is None:
        raise LookupError(f"no attachment {key}")
    return _attachment(row)


def put_attachment(tx: WriteTx, attachment: ClaimAttachment, payer: str, at: datetime) -> ClaimAttachment:
    """Store an attachment, or the same one again with a newer binding (its key is ignored)."""
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
    key = insert_row(
        tx,
        attachments,
        authorization_key=attachment.authorization_key,
        study_key=attachment.study_key,
        kind=attachment.kind.value,
        attached_at=at,
        **values,
    )
    return get_attachment(tx, key)


def set_attachment_state(
    tx: WriteTx, key: int, state: AttachmentState, at: datetime, *, reference: str | None = None, detail: str = ""
) -> None:
    """Note what became of an attachment. reference: what stands at the other side, kept if None."""
    values: dict[str, Any] = {"state": state.value, "detail": detail, "updated_at": at}
    if reference is not None:
        values["reference"] = reference
    tx.execute(update(attachments).where(attachments.c.key == key).values(**values))


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


def _lines(said: Sequence[dict[str, str]]) -> tuple[AuthorizationLine, ...]:
    return tuple(AuthorizationLine(**line) for line in said)


def _authorization(row: Row[Any]) -> Authorization:
    return Authorization(
        **{name: getattr(row, name) for name in Authorization.__slots__ if name != "lines"}, lines=_lines(row.lines)
    )


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
    )
