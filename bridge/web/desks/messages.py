"""The message desk: find a message by anything it says, see what came of it and why, process it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.message import MessageFilter, MessageState
from bridge.errors import Incomplete, Malformed, Unavailable
from bridge.flows.edit_message import editable_text, edited_bytes, next_control_id
from bridge.flows.sign_in import remember_search
from bridge.store import messages as journal_store
from bridge.store.db import ReadTx
from bridge.store.listings import journal, queues
from bridge.store.listings.message_search import COUNTED_MAX, Facet, MessageSearch, of_control_id
from bridge.web import message_filters, message_views, paging, reads
from bridge.web.access import caller, needs, services, session
from bridge.web.message_words import outcome_of
from bridge.web.page import human_name

blueprint = Blueprint("messages", __name__)

_SHOWN_MAX = 20


@blueprint.get("/messages")
@needs(Permission.READ_MESSAGES)
def listed() -> str:
    """Show the message journal, newest first, as the chips in the address narrow it."""
    return _list("", None)


@blueprint.post("/messages/search")
@needs(Permission.READ_MESSAGES)
def search() -> Response:
    """Keep what was typed with the session: the address never holds it."""
    chips = message_filters.in_address(request.form)
    text = request.form.get("q", "").strip()
    if not text:
        return redirect(_address(None, chips), 303)
    return redirect(_address(remember_search(services().store, session(), text), chips), 303)


@blueprint.get("/messages/search/<int:number>")
@needs(Permission.READ_MESSAGES)
def found(number: int) -> Response | str:
    """Show the messages that a search found."""
    searches = session().searches
    if not 1 <= number <= len(searches):
        return make_response(render_template("exams/search_gone.html"), 410)
    return _list(searches[number - 1], number)


@blueprint.get("/messages/<int:message_key>")
@needs(Permission.READ_MESSAGES)
def message(message_key: int) -> str:
    """Show one message: what came of it in words, raw and parsed side by side, the answer, and what read each value."""
    with services().store.read() as tx:
        one = journal_store.get(tx, message_key)
        exams, patient_keys = journal.subjects(tx, message_key)
        same_id = [key for key in of_control_id(tx, one.control_id, _SHOWN_MAX) if key != message_key]
        others = journal.by_keys(tx, [*same_id, *journal_store.edits_of(tx, message_key)][:_SHOWN_MAX])
        did = _deeds(tx, message_key, [row.order_key for row in exams if row.order_key is not None])
    reads.note_keys("message_viewed", patient_keys, message_key)
    raw, is_whole = message_views.shown_raw(one.raw, one.charset)
    return render_template(
        "messages/message.html",
        message=one,
        outcome=outcome_of(one, did),
        raw=raw,
        is_whole=is_whole,
        answer=message_views.raw_text(one.answer, one.charset),
        parsed=message_views.parsed(one),
        exams=exams,
        others=others,
        replayed=next((state for state in MessageState if state == request.args.get("replayed")), ""),
        mapping_faults=services().flows.mapping_faults(),
    )


@blueprint.get("/messages/<int:message_key>/raw")
@needs(Permission.READ_MESSAGES)
def raw(message_key: int) -> Response:
    """Hand out a message's bytes as they came, as a file."""
    with services().store.read() as tx:
        one = journal_store.get(tx, message_key)
        _, patient_keys = journal.subjects(tx, message_key)
    reads.note_keys("message_downloaded", patient_keys, message_key)
    name = f'attachment; filename="message-{message_key}.hl7"'
    headers = {"Content-Disposition": name, "X-Content-Type-Options": "nosniff"}
    return Response(one.raw, headers=headers, content_type="application/octet-stream")


@blueprint.post("/messages/<int:message_key>/replay")
@needs(Permission.READ_MESSAGES)
def replay(message_key: int) -> Response:
    """Process a message again."""
    came = services().flows.replay_message(message_key=message_key, actor=caller().name)
    return redirect(url_for("messages.message", message_key=message_key, replayed=came.value), 303)


@blueprint.get("/messages/<int:message_key>/edit")
@needs(Permission.READ_MESSAGES)
def edit_form(message_key: int) -> Response | str:
    """Show a message to be edited."""
    return _edit_page(message_key, None, [], "")


@blueprint.post("/messages/<int:message_key>/edit")
@needs(Permission.READ_MESSAGES)
def edit(message_key: int) -> Response | str:
    """Show what was changed and what it would do; or send it as a new message."""
    text = request.form.get("message", "")
    flows = services().flows
    try:
        raw = _edited(message_key, text)
        if request.form.get("then") == "send":
            new = flows.edit_message(message_key=message_key, text=text, actor=caller().name)
            return redirect(url_for("messages.message", message_key=new), 303)
    except (Malformed, Incomplete, Unavailable) as fault:
        return make_response(_edit_page(message_key, text, [], fault.to_caller), 422)
    return _edit_page(message_key, text, flows.map_messages(raw, "", is_text=False), "")


def _edited(message_key: int, text: str) -> bytes:
    with services().store.read() as tx:
        one = journal_store.get(tx, message_key)
    return edited_bytes(one, text, next_control_id(services().store, message_key))


def _edit_page(message_key: int, text: str | None, results: Sequence[Mapping[str, Any]], fault: str) -> Response | str:
    with services().store.read() as tx:
        one = journal_store.get(tx, message_key)
        _, patient_keys = journal.subjects(tx, message_key)
    reads.note_keys("message_viewed", patient_keys, message_key)
    try:
        before, codec = editable_text(one)
    except Malformed as refusal:
        return make_response(render_template("messages/edit.html", message=one, too_long=refusal.detail), 422)
    typed = before if text is None else text.replace("\r\n", "\n")
    return render_template(
        "messages/edit.html",
        message=one,
        text=typed,
        codec=codec,
        is_lossless=codec == (one.charset or "utf-8"),
        control_id=next_control_id(services().store, message_key),
        changes=message_views.changes(before, typed),
        results=results,
        fault=fault,
    )


def _deeds(tx: ReadTx, message_key: int, order_keys: list[int]) -> list[str]:
    done = [
        f"{what}{f' ({accession})' if accession else ''}."
        for what, accession in journal.deeds(tx, message_key, order_keys)
    ]
    for row in queues.merge_rows(tx, before=None, limit=_SHOWN_MAX, of_message=message_key):
        survivor, retired = (
            human_name(one.name) if one is not None else "nobody" for one in (row.survivor, row.retired)
        )
        if row.kind == "merge":
            done.append(f"{retired}, {row.number}, was merged into {survivor}, {row.new_number}.")
        else:
            done.append(f"{row.number} of {retired} became {row.new_number or row.number} of {survivor}.")
    return done


def _list(text: str, number: int | None) -> str:
    chips = message_filters.in_address(request.args)
    wanted = message_filters.of_query(chips | {"q": text})
    with services().store.read() as tx:
        lookup = MessageSearch(tx, wanted)
        keys = lookup.page(after=paging.before(), limit=paging.LIMIT + 1)
        keys, more = paging.cut(keys, paging.LIMIT)
        rows = journal.by_keys(tx, keys)
        tally = lookup.tally()
        choices = _choices(lookup.facets)
    if text:
        reads.note("messages_listed", detail={"count": len(rows)})
    return render_template(
        "messages/list.html",
        rows=rows,
        text=text,
        number=number,
        chips=chips,
        is_narrowed=wanted != MessageFilter(),
        tally=tally,
        counted_max=COUNTED_MAX,
        choices=choices,
        mapping_faults=services().flows.mapping_faults(),
        following=paging.next_url(keys[-1] if more else None, (), **chips),
    )


def _address(number: int | None, chips: dict[str, str]) -> str:
    """Return the list's address: the number of the search that the session keeps, and what names no patient."""
    path = url_for("messages.listed") if number is None else url_for("messages.found", number=number)
    return f"{path}?{urlencode(chips)}" if chips else path


def _choices(facets: list[Facet]) -> dict[str, list[str]]:
    """Return what there is to choose from: types with each whole code before its triggers, sites, errors."""
    kinds = {facet.message_type for facet in facets if facet.message_type}
    codes = {kind.partition("^")[0] for kind in kinds}
    return {
        "type": sorted(kinds | codes),
        "site": sorted({facet.site for facet in facets if facet.site}),
        "error": sorted({facet.error_code for facet in facets if facet.error_code}),
    }
