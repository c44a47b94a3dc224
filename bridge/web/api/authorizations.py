"""Authorizations, and the studies attached to them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.domain.attachment import AttachmentKind, ClaimAttachment
from bridge.domain.authorization import AuthorizationStatus
from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.authorization_warnings import WarningKind
from bridge.domain.evidence_needs import Need
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import Incomplete, Malformed
from bridge.mapping.typed_authorizations import Typing, read_typed_authorization
from bridge.store import authorization_news, authorizations, packets, studies
from bridge.store.db import ReadTx
from bridge.store.listings import authorizations as listing
from bridge.store.listings import exam_reports
from bridge.store.listings.authorizations import Wanted
from bridge.web import bodies, paging, reads
from bridge.web.access import caller, needs, origin, services
from bridge.web.api import authorization_shapes as shaped
from bridge.web.api import shapes

blueprint = Blueprint("api_authorizations", __name__, url_prefix="/api")


@blueprint.get("/authorizations")
@needs(Permission.BILL)
def list_authorizations() -> Response:
    """Find authorizations by number, exam or patient, payer, status, due time or gap; without any the newest."""
    wanted, size = _wanted(), paging.limit()
    with services().store.read() as tx:
        matches = _matches(tx, wanted)
        if matches:
            found = listing.by_keys(tx, paging.after(matches, size + 1))
        else:
            found = [] if wanted.text else listing.rows(tx, wanted, before=paging.before(), limit=size + 1)
    rows, more = paging.cut(found, size)
    reads.note_each("authorizations_listed", (row.patient for row in rows))
    kept = {name: request.args.get(name, "") for name in ("payer", "status", "due", "gap")}
    following = paging.next_url(rows[-1].authorization.key if more else None, matches, **({} if matches else kept))
    return jsonify(authorizations=[shaped.authorization_row(row) for row in rows], next=following)


def _wanted() -> Wanted:
    """Return what the caller asks for. Raises: Malformed, for a filter that is none."""
    asked = {name: request.args.get(name, "").strip() for name in ("q", "payer", "status", "due", "gap")}
    if asked["status"] and asked["status"] not in tuple(AuthorizationStatus):
        raise Malformed(f"any of {', '.join(AuthorizationStatus)} is wanted", code="not_in_table", where="status")
    gap = asked["gap"]
    if gap and gap not in ("any", *WarningKind, *Need):
        kinds = ", ".join((*WarningKind, *Need))
        raise Malformed(f"any of any, {kinds} is wanted", code="not_in_table", where="gap")
    warned, missing = ("", gap) if gap in tuple(Need) else (gap, "")
    due = _due_before(asked["due"])
    return Wanted(asked["q"], asked["payer"], asked["status"], gap=warned, due_before=due, missing=missing)


def _due_before(text: str) -> datetime | None:
    """Return until when an answer is due: "overdue", or a number of hours from now. Raises: Malformed."""
    now = services().clock.now()
    if text in ("", "overdue"):
        return now if text else None
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise Malformed("overdue, or a number of hours is wanted", where="due")
    return now + timedelta(hours=int(text))


def _matches(tx: ReadTx, wanted: Wanted) -> list[int]:
    """Return what the search leads to, as the first page found it; [] without a search."""
    known = paging.narrowed()
    if known is not None:
        return list(known)
    return listing.keys(tx, wanted, limit=paging.MATCHES_MAX) if wanted.text else []


@blueprint.post("/authorizations")
@needs(Permission.BILL)
def enter_authorization() -> tuple[Response, int]:
    """Write down an authorization by hand."""
    key = services().flows.billing.entry.enter(_typed(), caller().name)
    return jsonify(_detail(key)), 201


@blueprint.get("/authorizations/<int:authorization_key>")
@needs(Permission.BILL)
def read_authorization(authorization_key: int) -> Response:
    """Return one authorization with decisions, clocks, warnings, orders and history, and the reports a packet could hold."""
    said = _detail(authorization_key)
    with services().store.read() as tx:
        one = authorizations.get(tx, authorization_key)
        material = exam_reports.for_authorization(tx, one)
        needs = services().flows.billing.evidence.gaps(tx, one, services().clock.now())
    reads.note("authorization_viewed", patient_key=one.patient_key)
    return jsonify(said | {"reports": [shapes.report(each) for each in material], "gaps": shaped.needs(needs)})


@blueprint.post("/authorizations/<int:authorization_key>/answers")
@needs(Permission.BILL)
def add_answer(authorization_key: int) -> tuple[Response, int]:
    """Add what the payer told a person; what was said before stays in the history."""
    with services().store.read() as tx:
        one = authorizations.get(tx, authorization_key)
    body = bodies.json_object()
    known = {"number": one.number, "payer": one.payer_id or "-", "trace": one.trace or None}
    known["administrative_reference"] = one.administrative_reference or None
    said = read_typed_authorization({name: value for name, value in known.items() if value} | body, _typing())
    services().flows.billing.entry.add_answer(authorization_key, said, caller().name)
    return jsonify(_detail(authorization_key)), 201


@blueprint.post("/authorizations/<int:authorization_key>/anew")
@needs(Permission.BILL)
def ask_anew(authorization_key: int) -> tuple[Response, int]:
    """Draft a request of its own for what was denied, or is over, with its lines and orders."""
    reason = bodies.text(bodies.only(bodies.json_object(), "reason"), "reason", required=True)
    made = services().flows.billing.entry.ask_anew(authorization_key, reason, caller().name)
    return jsonify(_detail(made)), 201


@blueprint.post("/authorizations/<int:authorization_key>/orders")
@needs(Permission.BILL)
def link_order(authorization_key: int) -> tuple[Response, int]:
    """Put an order of the same patient under an authorization."""
    body = bodies.only(bodies.json_object(), "accession_number", "line")
    accession = bodies.text(body, "accession_number", required=True, limit=64)
    services().flows.billing.entry.link(authorization_key, accession, bodies.text(body, "line"), caller().name)
    return jsonify(_detail(authorization_key)), 201


@blueprint.post("/authorizations/<int:authorization_key>/orders/<int:link_key>/undo")
@needs(Permission.BILL)
def unlink_order(authorization_key: int, link_key: int) -> Response:
    """Take an order from under an authorization; no rule puts it there again."""
    body = bodies.only(bodies.json_object(), "reason")
    reason = bodies.text(body, "reason", required=True)
    services().flows.billing.entry.unlink(authorization_key, link_key, reason, caller().name)
    return jsonify(_detail(authorization_key))


@blueprint.get("/authorizations/news")
@needs(Permission.BILL)
def list_waiting_news() -> Response:
    """Return what was heard of authorizations and waits for a person to say whose it is."""
    with services().store.read() as tx:
        found = authorization_news.waiting(tx, before=paging.before(), limit=paging.limit() + 1)
    rows, more = paging.cut(found, paging.limit())
    reads.note("authorization_news_viewed", detail={"count": len(rows)})
    following = paging.next_url(rows[-1].key if more else None)
    return jsonify(news=[shaped.news_row(each) for each in rows], next=following)


@blueprint.post("/authorizations/news/<int:news_key>/assign")
@needs(Permission.BILL)
def assign_news(news_key: int) -> Response:
    """Say whose waiting news are."""
    body = bodies.only(bodies.json_object(), "patient")
    patient = bodies.patient_reference(body)
    if patient is None:
        raise Incomplete("required", code="missing", where="patient")
    taken = services().flows.billing.entry.assign(news_key, PatientIdentifier(*patient), caller().name)
    assert taken.authorization is not None
    return jsonify(_detail(taken.authorization.key))


def _typed() -> AuthorizationNews:
    return read_typed_authorization(bodies.json_object(), _typing())


def _typing() -> Typing:
    here = services()
    identity = here.settings.identity
    return Typing(caller().name, here.clock.now(), here.settings.time_zone, identity.authority)


def _detail(authorization_key: int) -> dict[str, Any]:
    here = services()
    with here.store.read() as tx:
        row = listing.by_keys(tx, [authorization_key])[0]
        heard = authorization_news.of_authorization(tx, authorization_key)
    rules = here.flows.billing.entry.rules.clock_of(row.authorization.payer_id)
    return shaped.authorization_detail(row, heard, rules, here.clock.now())


@blueprint.get("/authorizations/<int:authorization_key>/attachments")
@needs(Permission.BILL)
def list_attachments(authorization_key: int) -> Response:
    """Return what is attached to an authorization."""
    with services().store.read() as tx:
        patient_key = authorizations.get(tx, authorization_key).patient_key
        found = authorizations.attachments_of(tx, authorization_key)
    reads.note("attachments_viewed", patient_key=patient_key)
    return jsonify(attachments=attachment_rows(found), next=None)


@blueprint.post("/authorizations/<int:authorization_key>/attachments")
@needs(Permission.BILL)
def attach_images(authorization_key: int) -> tuple[Response, int]:
    """Attach a bound study of the same patient, in one way or several."""
    body = bodies.only(bodies.json_object(), "study_instance_uid", "instances", "as", "payer")
    kinds = bodies.texts(body, "as", limit=len(AttachmentKind)) or [AttachmentKind.CLAIM.value]
    unknown = sorted(set(kinds) - set(AttachmentKind))
    if unknown:
        raise Malformed(f"any of {', '.join(AttachmentKind)} is wanted", code="not_in_table", where="as")
    attached = services().flows.attach_images(
        authorization_key=authorization_key,
        study_instance_uid=bodies.text(body, "study_instance_uid", required=True, limit=64),
        kinds=kinds,
        instances=bodies.texts(body, "instances", limit=5000),
        payer=bodies.text(body, "payer", limit=80),
        actor=caller().name,
    )
    return jsonify(attachments=attachment_rows(attached), next=None), 201


def attachment_rows(found: list[ClaimAttachment]) -> list[dict[str, Any]]:
    """Return *found* as the API tells them; each text for a claim that goes along is recorded as given out."""
    texts = services().flows.studies.claim_texts
    rows = []
    with services().store.read() as tx:
        made = packets.standing(tx, found)
        for one in found:
            row = shaped.attachment(one, studies.get(tx, one.study_key).study_instance_uid, made.get(one.key))
            rows.append((one, row, texts.read(tx, one)))
    for one, row, text in rows:
        if text is not None:
            row |= shaped.claim_text(texts.give(one.authorization_key, one.key, caller().name, origin()))
    return [row for _, row, _ in rows]
