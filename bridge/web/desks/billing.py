"""The billing desk: authorizations, and the studies that prove what they pay for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.attachment import TO_PAYER, AttachmentKind
from bridge.domain.authorization import Authorization, AuthorizationStatus
from bridge.domain.authorization_clock import DecisionClock, decision_clock
from bridge.domain.authorization_warnings import WarningKind
from bridge.domain.evidence_needs import Need
from bridge.domain.evidence_request import AskState, in_words
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.narrative import Place
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.flows.sign_in import remember_search
from bridge.flows.take_claim import OUTCOME_WORDS
from bridge.mapping.delimited import BYTES_MAX
from bridge.mapping.typed_authorizations import Typing, read_typed_authorization
from bridge.store import authorization_news, claim_outcomes, events, evidence_requests, packets
from bridge.store import authorizations as claims
from bridge.store.db import ReadTx
from bridge.store.listings import authorizations as listing
from bridge.store.listings import billing_queue, exam_reports, exams
from bridge.store.listings.authorizations import LACKS, AuthorizationRow, Wanted
from bridge.store.listings.people import by_key
from bridge.web import paging, reads
from bridge.web.access import caller, needs, origin, services, session
from bridge.web.desks.attaching import KIND_WORDS

blueprint = Blueprint("billing", __name__)

_NEED_WORDS = {
    Need.ORDER: "Order with its reason",
    Need.REPORT: "Signed report",
    Need.PRIOR_REPORTS: "Reports of earlier studies of the region",
    Need.IMAGES: "Images",
    Need.KEY_IMAGES: "Key images",
    Need.OFFICE_NOTE: "Office note",
    Need.LABS: "Lab results",
}

_WAY_WORDS = {
    AttachmentKind.CLAIM: "claim",
    AttachmentKind.PDF: "packet",
    AttachmentKind.NARRATIVE: "text",
    AttachmentKind.CDEX: "CDex",
    AttachmentKind.PAS: "request",
    AttachmentKind.X12_275: "X12 275",
}

# Where a text is typed in, as billing systems and the claim form call it.
_PLACE_WORDS = {
    Place.LINE_NOTE: "CPT line note",
    Place.CLAIM_NOTE: "Claim note",
    Place.LINE_DESCRIPTION: "Description of an unlisted procedure",
    Place.REFERENCE: "Reference number",
    Place.EVIDENCE: "Attachment control number",
    Place.FORM_ITEM_19: "Paper claim, item 19",
    Place.FORM_LINE_24: "Paper claim, item 24 shaded line",
}

_LACK_WORDS = {
    "attachment": "nothing is attached",
    "release": "waits for your release",
    "review": "images in doubt",
    "unclear": "nobody knows whether it arrived",
    "papers": "the payer asks for papers",
    "resend": "sending failed",
}
_DUE_WORDS = {"overdue": "overdue", "day": "within a day", "three-days": "within three days"}


@blueprint.get("/authorizations")
@needs(Permission.BILL)
def authorizations() -> str:
    """Show authorizations, the most urgent first."""
    return _list("")


@blueprint.post("/authorizations/search")
@needs(Permission.BILL)
def search() -> Response:
    """Keep what was typed with the session: the address never holds it."""
    number = remember_search(services().store, session(), request.form.get("q", "").strip())
    return redirect(url_for("billing.found", number=number), 303)


@blueprint.get("/authorizations/search/<int:number>")
@needs(Permission.BILL)
def found(number: int) -> str:
    """Show the authorizations that a search found."""
    searches = session().searches
    return _list(searches[number - 1] if 1 <= number <= len(searches) else "")


@blueprint.get("/authorizations/new")
@needs(Permission.BILL)
def new() -> str:
    """Show the form for an authorization that came by phone, fax or portal."""
    return render_template("billing/new.html", payers=services().settings.payers, form={}, sentence="")


@blueprint.post("/authorizations/new")
@needs(Permission.BILL)
def enter() -> Response | str:
    """Write an authorization down."""
    form, here = request.form, services()
    try:
        typing = Typing(caller().name, here.clock.now(), here.settings.time_zone, here.settings.identity.authority)
        key = here.flows.billing.entry.enter(read_typed_authorization(_typed(), typing), caller().name)
    except (Malformed, Incomplete, Conflict, LookupError) as fault:
        sentence = getattr(fault, "detail", "nobody here has that patient number")
        page = render_template("billing/new.html", payers=services().settings.payers, form=form, sentence=sentence)
        return make_response(page, 422)
    return redirect(url_for("billing.authorization", authorization_key=key), 303)


@blueprint.get("/authorizations/import")
@needs(Permission.BILL)
def lists() -> str:
    """Ask for a payer's or portal's list."""
    return render_template("billing/import.html", imported=None, sentence="")


@blueprint.post("/authorizations/import")
@needs(Permission.BILL)
def import_list() -> Response | str:
    """Take a list in, and say what became of each row."""
    file = request.files.get("file")
    raw = file.stream.read(BYTES_MAX + 1) if file is not None else b""
    try:
        if not raw:
            raise Incomplete("choose a file", where="file")
        imported = services().flows.billing.lists.import_list(raw, caller().name)
    except (Malformed, Incomplete) as fault:
        return make_response(render_template("billing/import.html", imported=None, sentence=fault.detail), 422)
    return render_template("billing/import.html", imported=imported, sentence="")


@blueprint.post("/authorizations/<int:authorization_key>/orders")
@needs(Permission.BILL)
def link(authorization_key: int) -> Response | str:
    """Put an order of the patient under an authorization."""
    try:
        services().flows.billing.entry.link(authorization_key, _said("accession_number"), "", caller().name)
    except (Incomplete, Conflict) as fault:
        return make_response(_one(authorization_key, fault.detail), 422)
    return redirect(url_for("billing.authorization", authorization_key=authorization_key), 303)


@blueprint.post("/authorizations/<int:authorization_key>/orders/<int:link_key>/undo")
@needs(Permission.BILL)
def unlink(authorization_key: int, link_key: int) -> Response | str:
    """Take an order from under an authorization."""
    try:
        services().flows.billing.entry.unlink(authorization_key, link_key, _said("reason"), caller().name)
    except (Incomplete, Conflict) as fault:
        return make_response(_one(authorization_key, fault.detail), 422)
    return redirect(url_for("billing.authorization", authorization_key=authorization_key), 303)


@blueprint.post("/authorizations/news/<int:news_key>/assign")
@needs(Permission.BILL)
def assign(news_key: int) -> Response:
    """Say whose waiting news are."""
    issuer = request.form.get("issuer", "").strip()
    taken = services().flows.billing.entry.assign(
        news_key, PatientIdentifier(_said("patient_id"), issuer), caller().name
    )
    assert taken.authorization is not None
    return redirect(url_for("billing.authorization", authorization_key=taken.authorization.key), 303)


@blueprint.get("/authorizations/<int:authorization_key>")
@needs(Permission.BILL)
def authorization(authorization_key: int) -> str:
    """Show one authorization, what is attached, and which studies could be."""
    return _one(authorization_key, "")


@blueprint.post("/authorizations/<int:authorization_key>/attachments/<int:attachment_key>/copied")
@needs(Permission.BILL)
def copied(authorization_key: int, attachment_key: int) -> Response | str:
    """Record that the text for a claim was copied."""
    try:
        services().flows.studies.claim_texts.give(authorization_key, attachment_key, caller().name, origin())
    except Conflict as fault:
        return make_response(_one(authorization_key, fault.detail), 409)
    here = url_for("billing.authorization", authorization_key=authorization_key, _anchor=f"text-{attachment_key}")
    return redirect(here, 303)


def _list(text: str) -> str:
    here = services()
    chosen = {name: request.args.get(name, "").strip() for name in ("status", "gap", "due", "payer")}
    now = here.clock.now()
    with here.store.read() as tx:
        start = billing_queue.position_of(paging.place())
        rows, end = billing_queue.page(tx, _wanted(text, chosen, now), after=start, limit=paging.LIMIT)
        waiting = authorization_news.waiting(tx, limit=paging.LIMIT)
    reads.note("authorizations_listed", detail={"count": len(rows)})
    following = paging.next_url(end.numbers[0], end.numbers[1:], **chosen) if end is not None else None
    return render_template(
        "billing/authorizations.html",
        rows=rows,
        passed={row.authorization.key: _passed(row, now) for row in rows},
        text=text,
        following=following,
        chosen=chosen,
        statuses=tuple(AuthorizationStatus),
        lacks=_LACK_WORDS,
        warning_kinds=tuple(WarningKind),
        needs=_NEED_WORDS,
        ways=_WAY_WORDS,
        dues=_DUE_WORDS,
        payers=here.settings.payers,
        waiting=waiting,
    )


def _wanted(text: str, chosen: Mapping[str, str], now: datetime) -> Wanted:
    """Return what the filters say; one that is none of ours shows everything rather than nothing."""
    gap = chosen["gap"]
    due = {"overdue": timedelta(0), "day": timedelta(days=1), "three-days": timedelta(days=3)}.get(chosen["due"])
    return Wanted(
        text,
        payer=chosen["payer"],
        status=chosen["status"] if chosen["status"] in tuple(AuthorizationStatus) else "",
        gap=gap if gap in ("any", *WarningKind) else "",
        due_before=now + due if due is not None else None,
        lacks=gap if gap in LACKS else "",
        missing=gap if gap in tuple(Need) else "",
    )


def _passed(row: AuthorizationRow, now: datetime) -> int:
    clock_rules = services().flows.billing.entry.rules.clock_of(row.authorization.payer_id)
    clock = decision_clock(row.authorization, clock_rules)
    return clock.passed(now) if clock is not None else 0


def _one(authorization_key: int, sentence: str) -> str:
    with services().store.read() as tx:
        row = listing.by_keys(tx, [authorization_key])[0]
        answers = claim_outcomes.of_authorization(tx, authorization_key)
        history = authorization_news.of_authorization(tx, authorization_key)
        attached = claims.attachments_of(tx, authorization_key)
        made = packets.standing(tx, attached)
        needs = services().flows.billing.evidence.gaps(tx, row.authorization, services().clock.now())
        offered = services().flows.billing.evidence.studies_for(tx, row.authorization)
        shown = sorted({one.study_key for one in attached})
        rows = {one.study_key: one for one in exams.of_studies(tx, shown, unbound=True)}
        happened = events.timeline(tx, [], shown)
        material = exam_reports.for_authorization(tx, row.authorization)
        given = [(one.key, services().flows.studies.claim_texts.read(tx, one)) for one in attached]
        patient = by_key(tx, [row.authorization.patient_key]).get(row.authorization.patient_key)
        with_payer = _with_payer(tx, row.authorization)
    reads.note("authorization_viewed", patient_key=row.authorization.patient_key)
    return render_template(
        "billing/authorization.html",
        row=row,
        patient=patient,
        attached=attached,
        texts={key: text for key, text in given if text is not None},
        places=_PLACE_WORDS,
        packets=made,
        needs=[(_NEED_WORDS[one.need], one) for one in needs],
        exams=rows,
        reports=material,
        candidates=offered,
        done=[one for one in happened if (one.source_kind, one.source_id) == ("authorization", str(authorization_key))],
        kinds=KIND_WORDS,
        answers=answers,
        outcome_words=OUTCOME_WORDS,
        to_payer=TO_PAYER,
        sentence=sentence,
        history=history,
        **with_payer,
    )


def _with_payer(tx: ReadTx, one: Authorization) -> dict[str, Any]:
    """Return what the page says of the payer: what it asks for and owes, and whether it takes requests from here."""
    clock, asked = _clock_of(one), evidence_requests.of_authorization(tx, one.key)
    return {
        "asked": [each for each in asked if each.state == AskState.OPEN],
        "in_words": in_words,
        "at_payer": services().flows.billing.payers.payer_of(one) is not None,
        "clock": clock,
        "passed": clock.passed(services().clock.now()) if clock is not None else 0,
    }


def _clock_of(one: Authorization) -> DecisionClock | None:
    """Return when the payer owes its answer, None where it owes none."""
    return decision_clock(one, services().flows.billing.entry.rules.clock_of(one.payer_id))


def _typed() -> dict[str, Any]:
    """Return what the form says, as the API takes it."""
    form = request.form
    plain = ("number", "payer", "accession_number", "member_id", "status", "effective_on", "expires_on")
    codes = form.get("codes", "").replace(",", " ").split()
    said: dict[str, Any] = {name: text for name in plain if (text := form.get(name, "").strip())}
    number = {"patient_id": _said("patient_id"), "issuer_of_patient_id": form.get("issuer", "").strip()}
    return said | {"patient": number, "lines": [{"code": code} for code in codes]}


def _said(key: str) -> str:
    value = request.form.get(key, "").strip()
    if not value:
        raise Incomplete("this is needed: " + key.replace("_", " "), where=key)
    return value
